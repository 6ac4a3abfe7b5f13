package enterprise_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"tianweitong/internal/work"
)

func TestClaimingAndReleasingAReviewAreTheOfficersEntries(t *testing.T) {
	b := oneBureau(t)
	ctx, p := t.Context(), b.person(1, "测试甲")
	a := b.submitted(p, facts(codeA))
	b.must(b.Claim(ctx, officerA, a.ID))
	b.must(b.Claim(ctx, officerA, a.ID)) // renewed, not claimed anew
	b.must(b.Release(ctx, officerA, a.ID))
	var got []string
	b.do(func(ctx context.Context, tx work.Tx) error {
		all, err := b.st.Audit().Unsealed(ctx, tx, 1000)
		for _, e := range all {
			if e.Subject == a.ID && strings.HasPrefix(e.Kind, "console.") {
				got = append(got, e.Kind+" by "+e.Actor)
			}
		}
		return err
	})
	slices.Sort(got)
	if want := []string{"console.review_claimed by officer:oa", "console.review_released by officer:oa"}; !slices.Equal(got, want) {
		t.Errorf("entries: %v", got)
	}
}
