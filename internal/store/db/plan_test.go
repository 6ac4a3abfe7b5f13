package db_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// house is a database with its engine's own connection beside the store's.
type house struct {
	*testing.T
	*store.Store
	sql *sql.DB
}

// each opens a fresh database on both engines and fills it with a statement.
func each(t *testing.T, fill string, f func(t *testing.T, h house)) {
	for _, e := range []struct {
		driver string
		dsn    func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"pgx", storetest.Postgres}} {
		t.Run(e.driver, func(t *testing.T) {
			dsn := e.dsn(t)
			h := house{T: t, Store: storetest.Open(t, dsn, clock.NewManual(time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)))}
			var err error
			if h.sql, err = sql.Open(e.driver, strings.TrimPrefix(dsn, "sqlite:")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { h.sql.Close() })
			after := map[string]string{"sqlite": "ANALYZE", "pgx": "VACUUM ANALYZE"}[e.driver]
			for _, s := range []string{fill, after} {
				if _, err := h.sql.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			f(t, h)
		})
	}
}

// plan is how the engine would run a statement, one step a line.
func (h house) plan(statement string, args ...any) string {
	h.Helper()
	explain := "EXPLAIN "
	if h.Engine() == store.SQLite {
		explain = "EXPLAIN QUERY PLAN "
	}
	rows, err := h.sql.QueryContext(h.Context(), explain+statement, args...)
	if err != nil {
		h.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		h.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			h.Fatal(err)
		}
		if line, ok := cells[len(cells)-1].(string); ok {
			out = append(out, line)
		}
	}
	if err := rows.Err(); err != nil {
		h.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// directory holds 100,000 platforms in 34 regions; certificates make their rows as
// heavy as real ones.
const directory = `INSERT INTO catalog_platforms (code, rank, name, region, host, callback_base, sign_certificate, enc_certificate, active, sandbox, ask_code, registered_at)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
SELECT 'M' || CAST(1000000000 + i AS TEXT), CAST(10 + i % 25 AS TEXT) || '交易平台' || CAST(1000000000 + i AS TEXT) || ' M' || CAST(1000000000 + i AS TEXT),
    '交易平台' || CAST(1000000000 + i AS TEXT), '上海', 'bid.example.com', '', CAST(lower('0123456789012345678901234567890123456789012345678901234567890123456789') AS BYTEA),
    CAST(lower('0123456789012345678901234567890123456789012345678901234567890123456789') AS BYTEA), i % 100 <> 0, false, true, 0 FROM n`

func TestDirectoryOfAHundredThousandPlatformsIsReadByItsIndex(t *testing.T) {
	each(t, directory, func(t *testing.T, h house) {
		covering := "COVERING INDEX catalog_platforms_directory"
		if h.Engine() == store.Postgres {
			covering = "Index Only Scan using catalog_platforms_directory"
		}
		for name, plan := range map[string]string{
			"page":   h.plan(db.CatalogPlatformsSQL, "00", "35", "", 51),
			"search": h.plan(db.CatalogPlatformsSQL, "00", "35", "%平台1000099%", 51),
			"count":  h.plan(db.CountCatalogPlatformsSQL),
		} {
			// What looks at every platform anyway PostgreSQL reads as it sees fit.
			if whole := name != "page"; !strings.Contains(plan, covering) && !(whole && h.Engine() == store.Postgres) {
				t.Errorf("%s does not use the directory's index:\n%s", name, plan)
			}
		}
		s := catalog.New(catalog.Deps{Store: h.Catalog(), Clock: h.Clock})
		for name, f := range map[string]catalog.Filter{
			"first": {}, "late": {Cursor: "M1000099999"}, "search": {Query: "平台1000099"}, "nothing": {Query: "没有这样的平台"}, "region": {Region: "上海"},
		} {
			watch := clock.Start()
			if err := h.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
				_, err := s.Platforms(ctx, tx, f)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s took %v", name, clock.Since(watch))
		}
	})
}

// busy holds 100,000 records: 200 of one account, which used one platform once,
// and the rest of 900 others.
const busy = `INSERT INTO usage_records (id, ref, ended_at, account, enterprise, device, certificate, serial, platform, platform_name, business, outcome, digest, operator, private)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
SELECT CAST(1000000000 + i AS TEXT), CAST(i AS TEXT), 1700000000000 + i * 1000, CASE i % 500 WHEN 0 THEN 'a' ELSE 'b' || CAST(i % 1000 AS TEXT) END, '', 'd',
    'c' || CAST(i % 3 AS TEXT), '0a', CASE i WHEN 500 THEN 'P1' ELSE 'P0' END, CASE i WHEN 500 THEN '另一平台' ELSE '交易平台' END,
    CASE i % 20 WHEN 0 THEN 'login' ELSE 'sign' END, 'OK', CAST('x' AS BYTEA), 'o', CAST(lower('0123456789012345678901234567890123456789') AS BYTEA) FROM n`

func TestAHundredThousandRecordsArePagedAndSearchedByTheirIndex(t *testing.T) {
	each(t, busy, func(t *testing.T, h house) {
		list := func(after, certificate, platform, business, outcomes, name string) string {
			return h.plan(db.UsageRecordsOfAccountSQL, "a", "", after, 0, int64(1)<<60, certificate, platform, business, outcomes, true, name, "", 51)
		}
		for name, plan := range map[string]string{
			"page": list("", "", "", "", "", ""), "late page": list("1000050000", "", "", "", "", ""), "platform": list("", "", "P1", "", "", ""),
			"search": list("", "", "", "", "", "%另一%"), "business": list("", "c1", "", "sign", ",OK,", ""),
			"gate": h.plan(db.LastUsageCertificateSQL, "a", "P1"),
		} {
			if !strings.Contains(plan, "usage_records_account") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s does not use the account's index:\n%s", name, plan)
			}
		}
		watch := clock.Start()
		if err := h.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			found, err := h.Usage().List(ctx, tx, account.Scope{Account: "a"}, usage.Filter{Business: "none"}, usage.Page{Limit: 50})
			if len(found) > 0 {
				t.Error("found what is not there")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Logf("a search in vain took %v", clock.Since(watch))
	})
}
