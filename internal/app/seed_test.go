package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/store/people"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

func TestSeededPeopleAreWellFormedAndMadeOnce(t *testing.T) {
	now := clock.System{}.Now()
	seen := map[string]bool{}
	for _, i := range []int{0, 1, 119, 14_000, 99_999, maxSeedAccounts - 1} {
		if name, err := realname.CleanName(seedName(i)); err != nil || name != seedName(i) {
			t.Errorf("name %d: %q, %v", i, seedName(i), err)
		}
		if _, err := realname.CleanIDNumber(seedIDNumber(i), now); err != nil || seen[seedIDNumber(i)] {
			t.Errorf("ID number %d: %s, %v", i, seedIDNumber(i), err)
		}
		seen[seedIDNumber(i)] = true
		if code, err := verification.CleanCode(seedCode(i % maxSeedEnterprises)); err != nil || code != seedCode(i%maxSeedEnterprises) {
			t.Errorf("code %d: %s, %v", i, seedCode(i), err)
		}
		if name, err := verification.CleanName(seedEnterpriseName(i % maxSeedEnterprises)); err != nil || name != seedEnterpriseName(i%maxSeedEnterprises) {
			t.Errorf("enterprise %d: %q, %v", i, seedEnterpriseName(i), err)
		}
	}
	const free = "127.0.0.1:0"
	c, err := config.Config{Data: t.TempDir(), App: free, Platform: free, PKI: free, Panel: free, Ops: free}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	var done int
	fill := func() error {
		return Seed(t.Context(), c, o, SeedSize{Accounts: 30, Enterprises: 3}, func(_ string, n, _ int) { done = max(done, n) })
	}
	if err := fill(); err != nil {
		t.Fatal(err)
	}
	if done != 30 {
		t.Errorf("progress ended at %d", done)
	}
	if err := fill(); err == nil {
		t.Error("seeded twice")
	}
	a, err := prepared(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	found := people.Lookups(a.store)
	err = a.store.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
		id, err := found.ByPhone(ctx, tx, SeedPhone(29))
		if err != nil {
			return err
		}
		f, err := found.Account(ctx, tx, id)
		if err != nil {
			return err
		}
		if f.Name != seedName(29) || f.IDNumber != seedIDNumber(29) {
			t.Errorf("found %+v", f)
		}
		if same, err := found.ByDocument(ctx, tx, seedIDNumber(29)); err != nil || same != id {
			t.Errorf("by document: %q, %v", same, err)
		}
		if _, err := found.ByPhone(ctx, tx, SeedPhone(30)); !errors.Is(err, work.ErrNotFound) {
			t.Errorf("one more: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Account 0 administers the first of three enterprises; every third account belongs to it.
	var own enterprise.Enterprise
	err = a.store.View(t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		own, err = found.EnterpriseByCode(ctx, tx, seedCode(0))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for search, want := range map[string]int{"": 10, seedName(3): 1, "没有": 0} {
		page, err := a.house.members.List(t.Context(), account.Caller{Account: own.Administrator}, own.ID, search, "")
		if err != nil || page.Total != want {
			t.Errorf("members by %q: %d, %v", search, page.Total, err)
		}
	}
	c.Mode = config.Production
	if err := fill(); err == nil {
		t.Error("production was seeded")
	}
}
