package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"tianweitong/internal/clock"
)

// ErrClaimed says that another process serves from this database.
var ErrClaimed = errors.New("store: another process already serves from this database: stop it first, or choose another with --data or --db")

// claimKey is the advisory lock's number: "twt" in ASCII and a version.
const claimKey = 0x74777401

// Claim makes this process the only one that serves from the database, until
// release or the process's end: the open nonces live in one process's memory
// (docs/split-keys.md §2.10). It is a file lock on SQLite and a session's
// advisory lock on PostgreSQL, so a killed process leaves nothing behind. lost
// is closed when the claim can no longer be trusted: the process must stop.
func (st *Store) Claim(ctx context.Context, path string) (release func(), lost <-chan struct{}, err error) {
	if st.engine == SQLite {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("store: opening the lock file: %w", err)
		}
		if err := lockFile(f); err != nil {
			f.Close()
			return nil, nil, ErrClaimed
		}
		return func() { f.Close() }, make(chan struct{}), nil
	}
	conn, err := st.write.Conn(ctx)
	if err != nil {
		return nil, nil, failure(err)
	}
	var got bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(claimKey)).Scan(&got); err != nil || !got {
		conn.Close()
		if err == nil {
			err = ErrClaimed
		}
		return nil, nil, err
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clock.Pause(watch, time.Second) {
			if err := conn.PingContext(watch); err != nil && watch.Err() == nil {
				close(gone)
				return
			}
		}
	}()
	return func() {
		stop()
		<-done
		unlock(conn)
	}, gone, nil
}

// unlock gives the lock back before the connection returns to the pool.
func unlock(conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(claimKey))
	conn.Close()
}
