// Package storetest gives tests real databases: a fresh SQLite file and a fresh
// PostgreSQL database each, on a server that it starts from the system's
// binaries.
package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to create databases

	"tianweitong/internal/clock"
)

// ServerVariable names the environment variable by which one server, started
// before `go test`, serves every package's tests.
const ServerVariable = "TWT_TEST_POSTGRES"

// Server is a PostgreSQL server for tests and measurements.
type Server struct {
	// DSN is the address of its maintenance database.
	DSN string
	cmd *exec.Cmd
	dir string
}

// StartServer starts a server on a free port of the loopback interface, without
// durability, which tests do not need. It needs initdb and postgres; the error
// says what to install when they are missing.
func StartServer(ctx context.Context) (*Server, error) {
	return start(ctx, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")
}

// StartDurable starts a server as a product would have it: for measurements.
func StartDurable(ctx context.Context) (*Server, error) { return start(ctx) }

func start(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "twt-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, bin, settings); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func binaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("the tests need PostgreSQL's server (initdb and postgres): run `make setup`, or apt-get install postgresql")
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// command runs a program as the postgres user when the tests run as root,
// because the server refuses root.
func command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	if os.Geteuid() != 0 {
		return exec.CommandContext(ctx, name, args...), nil
	}
	if _, err := user.Lookup("postgres"); err != nil {
		return nil, errors.New("the tests run as root and PostgreSQL refuses root, but there is no user postgres: apt-get install postgresql makes one")
	}
	return exec.CommandContext(ctx, "setpriv", append([]string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", name}, args...)...), nil
}

func (s *Server) start(ctx context.Context, bin string, settings []string) error {
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			if err := os.Chown(s.dir, uid, gid); err != nil {
				return err
			}
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb, err := command(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "twt", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	if err != nil {
		return err
	}
	initdb.Dir = s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	// The server outlives no test: it ends with Stop, or when its parent dies.
	args := append([]string{"-D", data, "-p", strconv.Itoa(port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400", "-c", "shared_buffers=64MB"}, settings...)
	cmd, err := command(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), args...)
	if err != nil {
		return err
	}
	cmd.Dir = s.dir
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	s.DSN = fmt.Sprintf("postgres://twt@127.0.0.1:%d/postgres?sslmode=disable", port)
	return s.await(ctx, &log)
}

func (s *Server) await(ctx context.Context, log *bytes.Buffer) error {
	d, err := sql.Open("pgx", s.DSN)
	if err != nil {
		return err
	}
	defer d.Close()
	for range 300 {
		if err = d.PingContext(ctx); err == nil {
			return nil
		}
		if !clock.Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, log)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Stop ends the server and removes its files.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(os.Interrupt) // fast shutdown
		s.cmd.Wait()
	}
	os.RemoveAll(s.dir)
}
