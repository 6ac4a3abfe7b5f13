package roaming_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/roaming"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var held = certificate.Certificate{ID: "c", NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0)}

// each runs f with every call in a transaction of its own.
func each(t *testing.T, f func(t *testing.T, s *roaming.Service, try func(func(context.Context, work.Tx) error) error)) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := roaming.New(roaming.Deps{Store: st.Roamings(), Clock: st.Clock, Rand: rand.Reader})
		f(t, s, func(g func(context.Context, work.Tx) error) error { return st.Do(t.Context(), "test", g) })
	})
}

func TestPlatformOpensForTheCertificatesValidityAndEndsWithIt(t *testing.T) {
	each(t, func(t *testing.T, s *roaming.Service, try func(func(context.Context, work.Tx) error) error) {
		status := func(at time.Time) (st roaming.State) {
			t.Helper()
			if err := try(func(ctx context.Context, tx work.Tx) (err error) {
				st, err = s.Status(ctx, tx, "c", "P1", at)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return st
		}
		if got := status(noon); got != roaming.None {
			t.Fatal(got)
		}
		for range 2 {
			if err := try(func(ctx context.Context, tx work.Tx) error { return s.Plan(ctx, tx, "c", "P1", "l") }); err != nil {
				t.Fatal(err)
			}
		}
		if got := status(noon); got != roaming.Opening {
			t.Fatal(got)
		}
		for range 2 {
			if err := try(func(ctx context.Context, tx work.Tx) error {
				return s.Open(ctx, tx, held, "P1", held.NotBefore, held.NotAfter, "l")
			}); err != nil {
				t.Fatal(err)
			}
		}
		for at, want := range map[time.Time]roaming.State{
			noon.Add(-time.Millisecond): roaming.Opening, noon: roaming.Open, held.NotAfter: roaming.Open,
			held.NotAfter.Add(time.Millisecond): roaming.Expired,
		} {
			if got := status(at); got != want {
				t.Errorf("at %s: %s, want %s", at, got, want)
			}
		}
		if err := try(func(ctx context.Context, tx work.Tx) error {
			all, err := s.Of(ctx, tx, "c")
			if len(all) != 1 || all[0].State != roaming.Open {
				t.Errorf("%+v", all)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRoamingNeverOutlivesTheCertificate(t *testing.T) {
	each(t, func(t *testing.T, s *roaming.Service, try func(func(context.Context, work.Tx) error) error) {
		for name, r := range map[string][2]time.Time{
			"ends later":    {held.NotBefore, held.NotAfter.Add(time.Second)},
			"begins before": {held.NotBefore.Add(-time.Second), held.NotAfter},
			"is empty":      {noon, noon},
		} {
			err := try(func(ctx context.Context, tx work.Tx) error { return s.Open(ctx, tx, held, "P1", r[0], r[1], "l") })
			if !errors.Is(err, roaming.CodeRange) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRefundedPlatformNeverOpens(t *testing.T) {
	each(t, func(t *testing.T, s *roaming.Service, try func(func(context.Context, work.Tx) error) error) {
		open := func(platform, line string) error {
			return try(func(ctx context.Context, tx work.Tx) error {
				return s.Open(ctx, tx, held, platform, held.NotBefore, held.NotAfter, line)
			})
		}
		cancel := func(line string) error {
			return try(func(ctx context.Context, tx work.Tx) error { return s.CancelLine(ctx, tx, line) })
		}
		if err := try(func(ctx context.Context, tx work.Tx) error { return s.Plan(ctx, tx, "c", "P1", "l1") }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := cancel("l1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := open("P1", "l1"); !errors.Is(err, roaming.CodeFixed) {
			t.Fatalf("opening what was refunded: %v", err)
		}
		if err := open("P2", "l2"); err != nil {
			t.Fatal(err)
		}
		if err := cancel("l2"); !errors.Is(err, roaming.CodeFixed) {
			t.Fatalf("refunding what is open: %v", err)
		}
		if err := open("P2", "l3"); !errors.Is(err, roaming.CodeFixed) {
			t.Fatalf("another line for an open platform: %v", err)
		}
	})
}
