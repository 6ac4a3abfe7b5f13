package rename_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/rename"
	"tianweitong/internal/work"
)

// seals stand for what will follow names later.
type seals struct {
	name  string
	heard *[]string
	fail  error
}

func (s seals) EnterpriseRenamed(_ context.Context, _ work.Tx, before, after enterprise.Enterprise) error {
	*s.heard = append(*s.heard, s.name+": "+before.Name+" → "+after.Name)
	return s.fail
}

func (s seals) PersonRenamed(_ context.Context, _ work.Tx, account, before, after string) error {
	*s.heard = append(*s.heard, s.name+": "+account+" "+before+" → "+after)
	return s.fail
}

func TestFollowersHearOfChangedFactsInTheirOrder(t *testing.T) {
	var heard []string
	s := &rename.Service{Followers: []rename.Renamed{seals{name: "seals", heard: &heard}, seals{name: "certificates", heard: &heard}}}
	if err := s.EnterpriseChanged(t.Context(), nil, enterprise.Enterprise{Name: "甲"}, enterprise.Enterprise{Name: "乙"}); err != nil {
		t.Fatal(err)
	}
	if err := s.PersonChanged(t.Context(), nil, "a", "测试甲", "测试乙"); err != nil {
		t.Fatal(err)
	}
	want := []string{"seals: 甲 → 乙", "certificates: 甲 → 乙", "seals: a 测试甲 → 测试乙", "certificates: a 测试甲 → 测试乙"}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q", heard)
	}
}

func TestAFollowerThatCannotTakesTheChangeBack(t *testing.T) {
	var heard []string
	cannot := errors.New("cannot")
	s := &rename.Service{Followers: []rename.Renamed{seals{name: "seals", heard: &heard, fail: cannot}, seals{name: "certificates", heard: &heard}}}
	for _, err := range []error{s.EnterpriseChanged(t.Context(), nil, enterprise.Enterprise{}, enterprise.Enterprise{}), s.PersonChanged(t.Context(), nil, "a", "甲", "乙")} {
		if !errors.Is(err, cannot) {
			t.Errorf("error %v", err)
		}
	}
	if len(heard) != 2 {
		t.Errorf("heard %q", heard)
	}
}
