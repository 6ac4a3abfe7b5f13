package db_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/store/people"
	"tianweitong/internal/work"
)

const day = 24 * 60 * 60 * 1000

// crowd are 100,000 accounts, registered one every five minutes up to the test's
// now; 200 people share a name. What stands in «» is bytes: each engine has its own
// way to write them.
var crowd = []string{
	`INSERT INTO accounts (id, phone, phone_hash, phone_changed_at, device, only_device, only_until, created_at, closed_at, version)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
SELECT 'a' || CAST(1000000 + i AS TEXT), «'sealed'», «CAST(i AS TEXT)», 0, '', '', 0, 1795406400000 - CAST(99999 - i AS BIGINT) * 300000, 0, 1 FROM n`,
	`INSERT INTO realname_persons (account, holder, name, name_hash, id_type, id_number, id_hash, verified_at, released_at)
SELECT id, id, «'sealed'», «'name' || CAST(CAST(substr(id, 2) AS BIGINT) % 500 AS TEXT)», 'resident', «'sealed'», phone_hash, created_at, 0 FROM accounts`,
	`INSERT INTO enterprises (id, name, code, legal_name, legal_id, legal_id_hash, administrator, method, verified_at, created_at, facts, version)
SELECT 'e' || id, '样例建设' || substr(id, 4) || '有限公司', id, «''», «''», «''», id, 'phone', created_at, created_at, 1, 1
FROM accounts WHERE id >= 'a1090000'`,
	`INSERT INTO enterprise_grams (gram, enterprise) SELECT '样例', id FROM enterprises`,
	`INSERT INTO enterprise_members (id, enterprise, account, joined_at, via, left_at, left_by)
SELECT 'm' || id, 'ea109' || substr(id, 5), id, created_at, 'applied', 0, '' FROM accounts`,
}

func TestLookupsAmongAHundredThousandAccountsGoByTheirIndexes(t *testing.T) {
	each(t, "SELECT 1", func(t *testing.T, h house) {
		bytes, after := strings.NewReplacer("«", "CAST(", "»", " AS BLOB)"), "ANALYZE"
		if h.Engine() == store.Postgres {
			bytes, after = strings.NewReplacer("«", "convert_to(", "»", ", 'UTF8')"), "VACUUM ANALYZE"
		}
		for _, s := range append(slices.Clone(crowd), after) {
			if _, err := h.sql.ExecContext(t.Context(), bytes.Replace(s)); err != nil {
				t.Fatal(err)
			}
		}
		now := h.Clock.Now()
		until := now.UnixMilli()
		for name, c := range map[string]struct{ plan, index string }{
			"name":          {h.plan(db.LookupAccountsByNameSQL, []byte("name7"), "", 51), "realname_persons_name"},
			"memberships":   {h.plan(db.LookupMembershipsSQL, "a1000007"), "enterprise_members_account"},
			"registrations": {h.plan(db.RegistrationsPerDaySQL, until-30*day, until), "accounts_created"},
			"verifications": {h.plan(db.VerificationsPerDaySQL, until-30*day, until), "realname_persons_verified"},
			"callbacks":     {h.plan(db.UndeliveredCallbacksSQL, "", 201), "platform_callbacks"},
			"reviews":       {h.plan(db.DecidedReviewsSQL, until-30*day, until), "enterprise_applications"},
			"certificates":  {h.plan(db.LookupCertificatesOfSQL, "a1000007", 100), "certificates_account"},
		} {
			// What is empty PostgreSQL reads as it sees fit.
			if empty := name == "callbacks" || name == "reviews" || name == "certificates"; !strings.Contains(c.plan, c.index) && !(empty && h.Engine() == store.Postgres) {
				t.Errorf("%s does not use %s:\n%s", name, c.index, c.plan)
			}
		}
		s := people.Lookups(h.Store)
		for name, f := range map[string]func(context.Context, work.Tx) (int, error){
			"a name": func(ctx context.Context, tx work.Tx) (int, error) {
				ids, err := s.ByName(ctx, tx, "测试", "", 51)
				return len(ids) + 1, err
			},
			"enterprises": func(ctx context.Context, tx work.Tx) (int, error) {
				l, err := s.EnterprisesLike(ctx, tx, "", "", 51)
				return len(l), err
			},
			"enterprises' names": func(ctx context.Context, tx work.Tx) (int, error) {
				l, err := s.EnterprisesLike(ctx, tx, "样例建设9", "", 51)
				return len(l), err
			},
			"a name in vain": func(ctx context.Context, tx work.Tx) (int, error) {
				l, err := s.EnterprisesLike(ctx, tx, "样例没有", "", 51)
				return len(l) + 1, err
			},
			"registrations": func(ctx context.Context, tx work.Tx) (int, error) {
				m, err := s.Registrations(ctx, tx, now.Add(-30*24*time.Hour), now)
				return len(m), err
			},
		} {
			watch := clock.Start()
			if err := h.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
				n, err := f(ctx, tx)
				if err == nil && n == 0 {
					t.Errorf("%s found nothing", name)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s took %v", name, clock.Since(watch))
		}
	})
}
