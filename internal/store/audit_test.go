package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

// digestSigner stands in for custody: its "signature" is a digest, enough to
// see that statement and signature are held together.
type digestSigner struct{}

func (digestSigner) SignStatement(_ context.Context, b []byte) ([]byte, error) {
	s := sm3.Sum(b)
	return s[:], nil
}

func verifyDigest(b, sig []byte) error {
	if s := sm3.Sum(b); string(s[:]) != string(sig) {
		return errors.New("differs")
	}
	return nil
}

func record(t *testing.T, st *store.Store, n int) {
	t.Helper()
	for i := range n {
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			return tx.Record(ctx, work.Entry{Kind: "test.done", Actor: "system", Subject: fmt.Sprint("s", i), Detail: []byte(`{"n":1}`)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func verifyChain(t *testing.T, st *store.Store, now time.Time) (int64, []audit.Finding) {
	t.Helper()
	n, found, err := audit.Verify(t.Context(), st, st.Audit(), now, verifyDigest, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n, found
}

// database opens a second way into the same database, as an attacker would.
func database(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver, source := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	d, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestEveryTamperingOfTheAuditChainIsFound(t *testing.T) {
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			c := clock.NewManual(noon)
			address := dsn(t)
			st := storetest.Open(t, address, c)
			sealer := audit.NewSealer(st, st.Audit(), digestSigner{}, c, slog.New(slog.NewTextHandler(io.Discard, nil)))
			const entries = 40
			record(t, st, entries)
			if err := sealer.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, found := verifyChain(t, st, c.Now()); n != entries || len(found) != 0 {
				t.Fatalf("%d entries, findings %v", n, found)
			}
			d := database(t, address)
			for _, attack := range []string{
				"UPDATE audit_entries SET %s WHERE seq = $1",
			} {
				for _, set := range []string{"detail = 'x'", "kind = 'test.Done'", "actor = 'root'", "subject = 'S1'",
					"recorded_at = recorded_at + 1", "hash = 'x'", "id = id || 'x'"} {
					for seq := 1; seq <= entries; seq += 3 {
						damage(t, d, st, c, fmt.Sprintf(attack, set), seq)
					}
				}
			}
			for seq := 1; seq <= entries; seq++ {
				damage(t, d, st, c, "DELETE FROM audit_entries WHERE seq = $1", seq)
			}
			for seq := 1; seq < entries; seq++ {
				swap(t, d, st, c, seq)
			}
		})
	}
}

// damage runs one statement, wants a finding, and puts the row back.
func damage(t *testing.T, d *sql.DB, st *store.Store, c clock.Clock, statement string, seq int) {
	t.Helper()
	var r struct {
		id, kind, actor, subject string
		at                       int64
		detail, hash             []byte
	}
	row := d.QueryRow("SELECT id, recorded_at, kind, actor, subject, detail, hash FROM audit_entries WHERE seq = $1", seq)
	if err := row.Scan(&r.id, &r.at, &r.kind, &r.actor, &r.subject, &r.detail, &r.hash); err != nil {
		t.Fatal(err)
	}
	must(t, d, statement, seq)
	if _, found := verifyChain(t, st, c.Now()); len(found) == 0 {
		t.Errorf("not found: %s at %d", statement, seq)
	}
	must(t, d, "DELETE FROM audit_entries WHERE seq = $1", seq)
	must(t, d, "INSERT INTO audit_entries (id, recorded_at, kind, actor, subject, detail, seq, hash) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
		r.id, r.at, r.kind, r.actor, r.subject, r.detail, seq, r.hash)
}

func swap(t *testing.T, d *sql.DB, st *store.Store, c clock.Clock, seq int) {
	t.Helper()
	exchange := func() {
		must(t, d, "UPDATE audit_entries SET seq = -1 WHERE seq = $1", seq)
		must(t, d, "UPDATE audit_entries SET seq = $1 WHERE seq = $2", seq, seq+1)
		must(t, d, "UPDATE audit_entries SET seq = $1 WHERE seq = -1", seq+1)
	}
	exchange()
	if _, found := verifyChain(t, st, c.Now()); len(found) == 0 {
		t.Errorf("swap at %d not found", seq)
	}
	exchange()
}

func must(t *testing.T, d *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := d.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestUnchainedEntriesAreReported(t *testing.T) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		record(t, st, 3)
		if _, found := verifyChain(t, st, c.Now().Add(5*time.Second)); len(found) != 0 {
			t.Fatalf("reported too early: %v", found)
		}
		if _, found := verifyChain(t, st, c.Now().Add(11*time.Second)); len(found) != 1 {
			t.Fatalf("findings %v", found)
		}
	})
}
