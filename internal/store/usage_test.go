package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

func usageRecord(n int) usage.Record {
	return usage.Record{
		Ref: fmt.Sprintf("scan:t%04d:1", n), At: noon.Add(time.Duration(n) * time.Second), Account: "a1", Device: "d1",
		Operator: "测试用户", Certificate: "c1", Serial: "0a", Platform: "T1100000001", PlatformName: "测试_平台", Business: "login",
		Title: "登录", Outcome: usage.OK, Digest: []byte{1, 2, 3},
	}
}

func write(t testing.TB, st *store.Store, s *usage.Service, rs ...usage.Record) error {
	return st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		for _, r := range rs {
			if err := s.Write(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func usageService(st *store.Store) *usage.Service {
	return usage.New(usage.Deps{Store: st.Usage(), Runner: st, Clock: st.Clock, Rand: rand.Reader, Chain: st.Audit()})
}

func TestUsageIsListedToItsOwnerNewestFirstAndPaged(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		for n := range 7 {
			r := usageRecord(n)
			switch {
			case n == 3:
				r.Account = "a2"
			case n == 5:
				r.Certificate, r.Platform, r.PlatformName, r.Outcome = "c2", "T2", "另一平台", "USER_REFUSED"
			}
			if err := write(t, st, s, r); err != nil {
				t.Fatal(err)
			}
		}
		refs := func(f usage.Filter, p usage.Page) (out []string, last string) {
			rs, err := s.List(t.Context(), account.Scope{Account: "a1"}, f, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				out, last = append(out, r.Ref[7:10]), r.ID
			}
			return out, last
		}
		first, last := refs(usage.Filter{}, usage.Page{Limit: 4})
		rest, _ := refs(usage.Filter{}, usage.Page{Limit: 4, After: last})
		if diff := cmp.Diff([]string{"006", "005", "004", "002", "001", "000"}, append(first, rest...)); diff != "" {
			t.Error(diff)
		}
		for name, f := range map[string]usage.Filter{
			"certificate": {Certificate: "c2"}, "platform": {Platform: "T2"}, "name": {Query: "另一"},
		} {
			if got, _ := refs(f, usage.Page{}); len(got) != 1 || got[0] != "005" {
				t.Errorf("%s: %v", name, got)
			}
		}
		if got, _ := refs(usage.Filter{Query: "测试_"}, usage.Page{}); len(got) != 5 {
			t.Errorf("the underscore: %v", got)
		}
		if got, _ := refs(usage.Filter{Query: "%"}, usage.Page{}); len(got) != 0 {
			t.Errorf("a wildcard found %v", got)
		}
		err := st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			for platform, want := range map[string]string{"T1100000001": "c1", "T2": "", "T3": ""} {
				if got, err := s.LastCertificate(ctx, tx, "a1", platform); err != nil || got != want {
					t.Errorf("last certificate on %s = %q, %v", platform, got, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestUsageIsSearchedByOperatorResultAndDate(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		for n, change := range []func(*usage.Record){
			func(r *usage.Record) {},
			func(r *usage.Record) { r.Operator = "王改名" }, // a name of later, or a member's
			func(r *usage.Record) { r.Outcome = "USER_REFUSED" },
			func(r *usage.Record) { r.Outcome = "PLATFORM_CANCELLED" },
			func(r *usage.Record) { r.Outcome = "KEY_LOST" },
			func(r *usage.Record) { r.Account, r.Operator = "a2", "王改名" },
			func(r *usage.Record) { r.Operator, r.PlatformName = "", "EBid" },
		} {
			r := usageRecord(n)
			r.At = noon.AddDate(0, 0, n)
			change(&r)
			if err := write(t, st, s, r); err != nil {
				t.Fatal(err)
			}
		}
		for name, x := range map[string]struct {
			filter usage.Filter
			want   string
		}{
			"operator":           {usage.Filter{Query: "改"}, "1"},
			"operator, platform": {usage.Filter{Query: "测试"}, "43210"},
			"nobody":             {usage.Filter{Query: "李"}, ""},
			"case":               {usage.Filter{Query: "ebID"}, "6"},
			"ok":                 {usage.Filter{Result: usage.Succeeded}, "610"},
			"cancelled":          {usage.Filter{Result: usage.Cancelled}, "32"},
			"failed":             {usage.Filter{Result: usage.Failed}, "4"},
			"from":               {usage.Filter{From: noon.AddDate(0, 0, 3)}, "643"},
			"to":                 {usage.Filter{To: noon.AddDate(0, 0, 3)}, "210"},
			"all of it":          {usage.Filter{Query: "测试", Result: usage.Succeeded, From: noon, To: noon.AddDate(0, 0, 1), Business: "login", Certificate: "c1", Platform: "T1100000001"}, "0"},
		} {
			all, err := s.List(t.Context(), account.Scope{Account: "a1"}, x.filter, usage.Page{})
			got := ""
			for _, r := range all {
				got += r.Ref[9:10]
			}
			if err != nil || got != x.want {
				t.Errorf("%s: %q, want %q; %v", name, got, x.want, err)
			}
		}
	})
}

func TestReceiptTellsItsPlaceInTheAuditChain(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		r := usageRecord(0)
		r.Origin = usage.Origin{Browser: "Windows · Chrome", Region: "北京市", Network: "203.0.113.0/24"}
		if err := write(t, st, s, r); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(t.Context(), account.Scope{Account: "a1"}, usage.Filter{}, usage.Page{})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		got, err := s.Get(t.Context(), account.Scope{Account: "a1"}, all[0].ID)
		if err != nil || !got.Sound || got.Position != 0 || got.Hash != nil || got.Origin != r.Origin {
			t.Fatalf("before it is chained: %+v, %v", got, err)
		}
		if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			return st.Audit().Seal(ctx, tx, entryOf(ctx, t, st, tx, got.ID), 7, []byte("hash"))
		}); err != nil {
			t.Fatal(err)
		}
		got, err = s.Get(t.Context(), account.Scope{Account: "a1"}, all[0].ID)
		if err != nil || !got.Sound || got.Position != 7 || string(got.Hash) != "hash" {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := got.Number(); len(n) != 20 || n[:11] != "R2611-2320-" {
			t.Errorf("number %s", n)
		}
	})
}

func entryOf(ctx context.Context, t *testing.T, st *store.Store, tx work.Tx, subject string) string {
	t.Helper()
	e, err := st.Audit().Of(ctx, tx, usage.Written, subject)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Audit().Of(ctx, tx, "another.kind", subject); !errors.Is(err, work.ErrNotFound) {
		t.Errorf("another kind: %v", err)
	}
	return e.ID
}

func TestUsageOfAnotherAccountIsNotFound(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		want := usageRecord(0)
		if err := write(t, st, s, want); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(t.Context(), account.Scope{Account: "a1"}, usage.Filter{}, usage.Page{})
		if err != nil || len(all) != 1 {
			t.Fatalf("List = %v, %v", all, err)
		}
		want.ID = all[0].ID
		got, err := s.Get(t.Context(), account.Scope{Account: "a1"}, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Record); diff != "" {
			t.Error(diff)
		}
		if _, err := s.Get(t.Context(), account.Scope{Account: "a2"}, want.ID); !errors.Is(err, usage.CodeNotFound) {
			t.Errorf("another account: %v", err)
		}
	})
}

func TestOperationHasOneUsageRecord(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		if err := write(t, st, s, usageRecord(0)); err != nil {
			t.Fatal(err)
		}
		if err := write(t, st, s, usageRecord(0)); !errors.Is(err, work.ErrExists) {
			t.Fatalf("a second record: %v", err)
		}
	})
}

// Invariant 5 of docs/domain.md §5: whatever a record says, its digest is in the
// audit trail, and no other record passes for it.
func TestEditedUsageRecordShows(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			r := usageRecord(n)
			r.Title = rapid.StringN(0, 40, 100).Draw(rt, "title")
			r.Operator = rapid.StringN(0, 10, 40).Draw(rt, "operator")
			r.Outcome = rapid.SampledFrom([]string{"OK", "TIMEOUT", "WRONG_CODE"}).Draw(rt, "outcome")
			if err := write(t, st, s, r); err != nil {
				rt.Fatal(err)
			}
		})
		var entries, records int
		err := st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			all, err := st.Audit().Unsealed(ctx, tx, 1000)
			if err != nil {
				return err
			}
			for i, e := range all {
				entries++
				if err := s.Verify(ctx, tx, e.Subject, e.Detail); err != nil {
					t.Errorf("entry %d: %v", i, err)
				}
				other := all[(i+1)%len(all)]
				if err := s.Verify(ctx, tx, other.Subject, e.Detail); !errors.Is(err, usage.ErrAltered) {
					t.Errorf("another record passed: %v", err)
				}
			}
			if err := s.Verify(ctx, tx, "gone", all[0].Detail); !errors.Is(err, usage.ErrAltered) {
				t.Errorf("a missing record passed: %v", err)
			}
			count, err := s.Count(ctx, tx)
			records = int(count)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if entries != n || records != n {
			t.Fatalf("%d operations, %d entries, %d records", n, entries, records)
		}
	})
}

func TestUsageOfAnEnterpriseIsItsMembersOrEverybodys(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := usageService(st)
		for n, x := range []struct{ account, in, operator string }{
			{"a1", "", "测试甲"}, {"a1", "e", "测试甲"}, {"a2", "e", "测试乙"}, {"a2", "f", "测试乙"}, {"a2", "e", "测试乙"},
		} {
			r := usageRecord(n)
			r.Account, r.Enterprise, r.Operator = x.account, x.in, x.operator
			if err := write(t, st, s, r); err != nil {
				t.Fatal(err)
			}
		}
		for name, x := range map[string]struct {
			scope account.Scope
			query string
			want  int
		}{
			"person":             {account.Scope{Account: "a1"}, "", 1},
			"member":             {account.Scope{Account: "a2", Enterprise: "e"}, "", 2},
			"administrator":      {account.Scope{Account: "a1", Enterprise: "e", All: true}, "", 3},
			"by operator":        {account.Scope{Account: "a1", Enterprise: "e", All: true}, "试乙", 2},
			"his own operator":   {account.Scope{Account: "a2", Enterprise: "e"}, "试甲", 0},
			"without enterprise": {account.Scope{Account: "a1", All: true}, "", 0},
		} {
			all, err := s.List(t.Context(), x.scope, usage.Filter{Query: x.query}, usage.Page{})
			if err != nil || len(all) != x.want {
				t.Errorf("%s: %d, %v, want %d", name, len(all), err, x.want)
			}
			for _, r := range all {
				if got, err := s.Get(t.Context(), x.scope, r.ID); err != nil || got.Enterprise != x.scope.Enterprise {
					t.Errorf("%s does not get what it lists: %+v, %v", name, got, err)
				}
			}
		}
		all, err := s.List(t.Context(), account.Scope{Account: "a1", Enterprise: "e", All: true}, usage.Filter{}, usage.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), account.Scope{Account: "a1", Enterprise: "e"}, all[0].ID); !errors.Is(err, usage.CodeNotFound) {
			t.Errorf("a member reads another's record: %v", err)
		}
		if _, err := s.Get(t.Context(), account.Scope{Account: "a2"}, all[0].ID); !errors.Is(err, usage.CodeNotFound) {
			t.Errorf("a person reads a record of an enterprise: %v", err)
		}
	})
}
