// Package store is the only SQL of the house: one adapter file a noun, one SQL
// text for SQLite and PostgreSQL (docs/stores.md).
//
// It opens the transactions of package work, maps the engines' errors to the
// errors of that package, and seals and opens the columns that hold personal
// data, because it alone knows table, column and row.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Engine is the kind of database behind a Store.
type Engine string

// The two engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Options are what a Store needs besides its address.
type Options struct {
	Clock clock.Clock
	Rand  io.Reader
	// Box seals personal columns; see package secret.
	Box *secret.Box
	// Observe, if set, hears the name, duration and result of every Do.
	Observe func(name string, took time.Duration, err error)
	// Wake, if set, hears of work.Tx.Wake after the commit.
	Wake func(account string, what work.What)
	// Interrupt, if set, is called around every Do, before it begins and after it
	// has committed; its error ends the Do. For tests of recovery: they stop a
	// house at every recorded step.
	Interrupt func(name string, committed bool) error
}

// Store is an open database with its migrations applied. It is safe for
// concurrent use and implements work.Runner.
type Store struct {
	Options
	engine      Engine
	write, read *sql.DB
	// prepared holds each pool's statements on SQLite, whose driver parses SQL
	// text anew at every use; pgx keeps statements by itself.
	prepared map[*sql.DB]*db.Queries
}

// Open connects to dsn, "postgres://…" or "sqlite:PATH", and brings the schema
// up to date. An error names the database without its password.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	st, err := open(ctx, dsn, mainSchema, o)
	if err != nil {
		return nil, err
	}
	if err := st.prepare(ctx); err != nil {
		st.Close()
		return nil, fmt.Errorf("store: preparing statements: %w", err)
	}
	return st, nil
}

func open(ctx context.Context, dsn string, s schema, o Options) (*Store, error) {
	st := &Store{Options: o}
	var err error
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "postgres", "postgresql":
		st.engine = Postgres
		st.write, err = openPostgres(dsn)
		st.read = st.write
	case "sqlite":
		st.engine = SQLite
		st.write, st.read, err = openSQLite(rest)
	default:
		return nil, fmt.Errorf("store: the database address must begin with sqlite: or postgres://")
	}
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", redact(dsn), err)
	}
	if err := st.write.PingContext(ctx); err != nil {
		st.Close()
		return nil, fmt.Errorf("store: reaching %s: %w", redact(dsn), err)
	}
	if err := migrate(ctx, st.write, st.engine, s); err != nil {
		st.Close()
		return nil, fmt.Errorf("store: migrating %s: %w", redact(dsn), err)
	}
	return st, nil
}

// prepare parses every statement once for each pool.
func (st *Store) prepare(ctx context.Context) error {
	if st.engine != SQLite {
		return nil
	}
	st.prepared = map[*sql.DB]*db.Queries{}
	for _, pool := range []*sql.DB{st.write, st.read} {
		q, err := db.Prepare(ctx, pool)
		if err != nil {
			return err
		}
		st.prepared[pool] = q
	}
	return nil
}

func redact(dsn string) string {
	if u, err := url.Parse(dsn); err == nil {
		return u.Redacted()
	}
	return "the database"
}

func openPostgres(dsn string) (*sql.DB, error) {
	d, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	d.SetMaxOpenConns(32)
	d.SetMaxIdleConns(32)
	d.SetConnMaxIdleTime(5 * time.Minute)
	return d, nil
}

// openSQLite makes one writer, so that writers queue in Go instead of failing
// busy, and a pool of readers that cannot write.
func openSQLite(path string) (write, read *sql.DB, err error) {
	if path == "" {
		return nil, nil, errors.New("the path is missing")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	common := "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16000)"
	write, err = sql.Open("sqlite", "file:"+path+common+"&_txlock=immediate")
	if err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	read, err = sql.Open("sqlite", "file:"+path+common+"&_pragma=query_only(1)")
	if err != nil {
		write.Close()
		return nil, nil, err
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(8)
	return write, read, nil
}

// Engine says which engine is behind the store.
func (st *Store) Engine() Engine { return st.engine }

// Close closes the database.
func (st *Store) Close() error {
	err := st.write.Close()
	if st.read != st.write && st.read != nil {
		err = errors.Join(err, st.read.Close())
	}
	return err
}

// Ready reports whether the database answers; for the readiness probe.
func (st *Store) Ready(ctx context.Context) error { return st.read.PingContext(ctx) }

type tx struct {
	sql   *sql.Tx
	q     *db.Queries
	st    *Store
	write bool
	after []func()
}

func (*tx) Sealed() {}

// AfterCommit implements work.Tx.
func (t *tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// Wake implements work.Tx.
func (t *tx) Wake(account string, what work.What) {
	if wake := t.st.Options.Wake; wake != nil && account != "" {
		t.AfterCommit(func() { wake(account, what) })
	}
}

// Enqueue implements work.Tx.
func (t *tx) Enqueue(ctx context.Context, j work.Job) error {
	now := t.st.Clock.Now()
	if j.Due.IsZero() {
		j.Due = now
	}
	return failure(t.q.InsertJob(ctx, db.InsertJobParams{
		ID: id.New(t.st.Rand), Topic: j.Topic, Body: notNil(j.Body), UniqueKey: optional(j.Key),
		DueAt: ms(j.Due), CreatedAt: ms(now),
	}))
}

// Record implements work.Tx.
func (t *tx) Record(ctx context.Context, e work.Entry) error {
	return failure(t.q.InsertAuditEntry(ctx, db.InsertAuditEntryParams{
		ID: id.New(t.st.Rand), RecordedAt: ms(t.st.Clock.Now()), Kind: e.Kind, Actor: e.Actor,
		Subject: e.Subject, Detail: notNil(e.Detail),
	}))
}

type openKey struct{}

const maxTries = 10

// Do implements work.Runner. It runs f again after a serialisation failure, a
// deadlock or work.ErrConflict.
func (st *Store) Do(ctx context.Context, name string, f func(context.Context, work.Tx) error) error {
	watch := clock.Start()
	err := st.interruptible(ctx, name, f)
	if st.Observe != nil {
		st.Observe(name, clock.Since(watch), err)
	}
	return err
}

func (st *Store) interruptible(ctx context.Context, name string, f func(context.Context, work.Tx) error) error {
	if st.Interrupt == nil {
		return st.do(ctx, f)
	}
	if err := st.Interrupt(name, false); err != nil {
		return err
	}
	if err := st.do(ctx, f); err != nil {
		return err
	}
	return st.Interrupt(name, true)
}

func (st *Store) do(ctx context.Context, f func(context.Context, work.Tx) error) error {
	for try := 1; ; try++ {
		err := st.once(ctx, st.write, &sql.TxOptions{}, true, f)
		if err == nil || try == maxTries || !again(err) {
			return err
		}
		// Spread the contenders over a pause that grows with the tries.
		jitter := time.Duration(id.Bytes(st.Rand, 1)[0]) * time.Duration(try) * 16 * time.Microsecond
		if !clock.Pause(ctx, jitter) {
			return ctx.Err()
		}
	}
}

// View implements work.Runner.
func (st *Store) View(ctx context.Context, f func(context.Context, work.Tx) error) error {
	return st.once(ctx, st.read, &sql.TxOptions{ReadOnly: st.engine == Postgres}, false, f)
}

func (st *Store) once(ctx context.Context, d *sql.DB, o *sql.TxOptions, write bool, f func(context.Context, work.Tx) error) error {
	if open, _ := ctx.Value(openKey{}).(*Store); open == st {
		return work.ErrNested
	}
	s, err := d.BeginTx(ctx, o)
	if err != nil {
		return failure(err)
	}
	defer s.Rollback() // after Commit it does nothing
	t := &tx{sql: s, st: st, write: write}
	if q := st.prepared[d]; q != nil {
		t.q = q.WithTx(s)
	} else {
		t.q = db.New(s)
	}
	if err := f(context.WithValue(ctx, openKey{}, st), t); err != nil {
		return err
	}
	if err := s.Commit(); err != nil {
		return failure(err)
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// queries gives the generated queries inside a transaction of this package.
func queries(t work.Tx) *db.Queries { return t.(*tx).q }

func raw(t work.Tx) *sql.Tx { return t.(*tx).sql }

func again(err error) bool {
	if errors.Is(err, work.ErrConflict) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// failure maps an engine's error to package work's where that has a word for
// it. On PostgreSQL a transaction that met ErrExists is dead: a noun that wants
// to go on inserts with ON CONFLICT DO NOTHING instead.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return work.ErrNotFound
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return fmt.Errorf("%w: %s", work.ErrExists, pg.ConstraintName)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return fmt.Errorf("%w: %s", work.ErrExists, lite.Error())
		}
	}
	return err
}

// swapped turns the row count of a compare-and-swap into work.ErrConflict.
func swapped(n int64, err error) error {
	if err != nil {
		return failure(err)
	}
	if n == 0 {
		return work.ErrConflict
	}
	return nil
}

// ms is a time as the stores keep it: Unix milliseconds UTC, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the inverse of ms.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// seal encrypts a column for its row; an empty value stays empty, so that "not
// given" needs no key.
func (st *Store) seal(table, column, row string, plain string) ([]byte, error) {
	if plain == "" {
		return []byte{}, nil
	}
	return st.Box.Seal(secret.Place{Table: table, Column: column, Row: row}, []byte(plain))
}

// unseal is the inverse of seal.
func (st *Store) unseal(table, column, row string, sealed []byte) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	b, err := st.Box.Open(secret.Place{Table: table, Column: column, Row: row}, sealed)
	if err != nil {
		return "", fmt.Errorf("%s.%s of %s: %w", table, column, row, err)
	}
	return string(b), nil
}
