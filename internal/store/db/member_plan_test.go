package db_test

import (
	"strings"
	"testing"

	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
)

// payroll is 100,000 members of one enterprise and 1,000 of others.
const payroll = `INSERT INTO enterprise_members (id, enterprise, account, joined_at, via, left_at, left_by)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 100999)
SELECT CAST(1000000000 + i AS TEXT), CASE WHEN i < 100000 THEN 'e' ELSE 'f' || CAST(i % 100 AS TEXT) END, 'a' || CAST(i AS TEXT), 0, 'applied', 0, '' FROM n`

func TestAHundredThousandMembersArePagedAndFoundByTheirIndex(t *testing.T) {
	each(t, payroll, func(t *testing.T, h house) {
		term, after := "CAST(substr(id, 8, 3) AS BLOB)", "ANALYZE"
		if h.Engine() == store.Postgres {
			term, after = "convert_to(substr(id, 8, 3), 'UTF8')", "VACUUM ANALYZE"
		}
		for _, s := range []string{"INSERT INTO enterprise_member_terms (term, member) SELECT " + term + ", id FROM enterprise_members WHERE enterprise = 'e'", after} {
			if _, err := h.sql.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		for name, x := range map[string]struct{ plan, index string }{
			"page":        {h.plan(db.ListMembersSQL, "f7", "", 51), "enterprise_members_list"},
			"crowd":       {h.plan(db.ListMembersSQL, "e", "1000050000", 51), "enterprise_members_"}, // nearly all rows are its
			"search":      {h.plan(db.FindMembersSQL, []byte("123"), "1000050000", "e", 51), "enterprise_member_terms"},
			"count":       {h.plan(db.CountMembersSQL, "e"), "enterprise_members"},
			"memberships": {h.plan(db.MembershipsSQL, "a77"), "enterprise_members_account"},
		} {
			if !strings.Contains(x.plan, x.index) || name != "count" && strings.Contains(x.plan, "Seq Scan on enterprise_members") {
				t.Errorf("%s does not use %s:\n%s", name, x.index, x.plan)
			}
		}
	})
}
