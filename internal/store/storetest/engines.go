package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"tianweitong/internal/clock"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
)

var (
	serverOnce sync.Once
	server     *Server
	serverErr  error
)

// maintenance gives the address of the tests' server, starting one for this
// process if `make test` has not started one for all.
func maintenance(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(ServerVariable); dsn != "" {
		return dsn
	}
	serverOnce.Do(func() {
		// Pdeathsig follows the thread that started the child, so that thread stays.
		started := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			server, serverErr = StartServer(context.Background())
			close(started)
			select {}
		}()
		<-started
	})
	if serverErr != nil {
		t.Fatal(serverErr)
	}
	return server.DSN
}

// Postgres returns the address of a fresh, empty PostgreSQL database, dropped
// when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, "")
}

// PostgresCopy returns the address of a fresh database that begins as a copy of
// the one at dsn, to which nobody may be connected.
func PostgresCopy(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return postgres(t, " TEMPLATE "+strings.TrimPrefix(u.Path, "/"))
}

func postgres(t testing.TB, template string) string {
	t.Helper()
	base := maintenance(t)
	d, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	name := "t" + hex.EncodeToString(random(8))
	if _, err := d.Exec("CREATE DATABASE " + name + template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d, err := sql.Open("pgx", base)
		if err == nil {
			d.Exec("DROP DATABASE " + name + " WITH (FORCE)")
			d.Close()
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// SQLite returns the address of a fresh SQLite file.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "main.db")
}

// Box is a sealing box with a random key for one test.
func Box(t testing.TB) *secret.Box {
	t.Helper()
	b, err := secret.NewBox(random(secret.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Open opens a store at dsn with the given clock and closes it with the test.
func Open(t testing.TB, dsn string, c clock.Clock) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), dsn, store.Options{Clock: c, Rand: rand.Reader, Box: Box(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// Each runs a test on both engines, each with a fresh database and the given clock.
func Each(t *testing.T, c clock.Clock, f func(t *testing.T, st *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t, SQLite(t), c)) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, Postgres(t), c)) })
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
