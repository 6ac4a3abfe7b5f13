package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var flowNoon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// inFlow runs f in a transaction and gives its error.
func inFlow(t *testing.T, st *store.Store, f func(ctx context.Context, tx work.Tx) error) error {
	t.Helper()
	var out error
	err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		out = f(ctx, tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// same compares what was read with what was written; an empty column may come
// back as nil.
func same(t *testing.T, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("read back\n %s, want\n %s", g, w)
	}
}

func TestInstallationsAreKeptWholeAndOneLives(t *testing.T) {
	storetest.Each(t, clock.NewManual(flowNoon), func(t *testing.T, st *store.Store) {
		s := st.Installations()
		i := install.Installation{
			ID: "i1", Account: "a", Device: "d", Certificate: "c", Kind: install.Rekey, State: install.Requesting, Op: "op", PINKey: "p",
			AuthorisedUntil: flowNoon, SignKey: "s", SignPublic: []byte{1}, EncKey: "e", EncPublic: []byte{2}, OldSignKey: "o",
			EnrolmentKey: []byte{3}, RequestInfo: []byte{4}, Request: []byte{5}, Deals: 6, CreatedAt: flowNoon, UpdatedAt: flowNoon, Version: 1,
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.InsertInstallation(ctx, tx, i) }), nil)
		second := i
		second.ID = "i2"
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.InsertInstallation(ctx, tx, second) }), work.ErrConflict)
		i.State, i.Op, i.Deals, i.Request = install.Void, "", 7, nil
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.UpdateInstallation(ctx, tx, i) }), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.UpdateInstallation(ctx, tx, i) }), work.ErrConflict)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.InsertInstallation(ctx, tx, second); err != nil { // the first is over
				return err
			}
			got, err := s.Installation(ctx, tx, "i1")
			i.Version, i.Request = 2, []byte{}
			same(t, got, i)
			last, lerr := s.LastInstallation(ctx, tx, "c")
			same(t, last, second)
			live, lverr := s.LiveInstallations(ctx, tx, "a")
			same(t, live, []install.Installation{second})
			return errors.Join(err, lerr, lverr)
		}), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			_, err := s.Installation(ctx, tx, "nobody's")
			return err
		}), work.ErrNotFound)
	})
}

func TestRedealingsAreKeptWithTheirKeys(t *testing.T) {
	storetest.Each(t, clock.NewManual(flowNoon), func(t *testing.T, st *store.Store) {
		s := st.Installations()
		r := install.Redealing{
			ID: "r1", Account: "a", Device: "d", State: install.RedealAuthorising, Op: "op", PINKey: "p", EnrolmentKey: []byte{1},
			Message: []byte{2}, Signature: []byte{}, CreatedAt: flowNoon, UpdatedAt: flowNoon, Version: 1,
			Keys: []install.RedealtKey{{Key: "k2", Public: []byte{3}}, {Key: "k1", Public: []byte{4}}},
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.InsertRedealing(ctx, tx, r) }), nil)
		second := r
		second.ID = "r2"
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.InsertRedealing(ctx, tx, second) }), work.ErrConflict)
		r.State, r.Op, r.Signature, r.Deals = install.RedealAuthorised, "", []byte{5}, 1
		r.AuthorisedUntil = flowNoon.Add(time.Minute)
		r.Keys[0].Op, r.Keys[1].Proved = "trial", true
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.UpdateRedealing(ctx, tx, r) }), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.UpdateRedealing(ctx, tx, r) }), work.ErrConflict)
		r.Version = 2
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			got, err := s.Redealing(ctx, tx, "r1")
			same(t, got, r)
			live, lerr := s.LiveRedealing(ctx, tx, "a")
			same(t, live, r)
			r.State = install.RedealDone
			return errors.Join(err, lerr, s.UpdateRedealing(ctx, tx, r))
		}), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			_, err := s.LiveRedealing(ctx, tx, "a")
			return err
		}), work.ErrNotFound)
	})
}

func TestRecoveriesAreKeptWholeAndOneRuns(t *testing.T) {
	storetest.Each(t, clock.NewManual(flowNoon), func(t *testing.T, st *store.Store) {
		s := st.Recoveries()
		r := recover.Recovery{
			ID: "r1", Account: "a", Device: "new", OldDevice: "old", State: recover.Face, FaceCheck: "f", Restorable: true,
			CreatedAt: flowNoon, UpdatedAt: flowNoon, Version: 1,
		}
		second := r
		second.ID = "r2"
		unsettled := func(at time.Time) string {
			var got recover.Recovery
			err := inFlow(t, st, func(ctx context.Context, tx work.Tx) (err error) {
				got, err = s.Unsettled(ctx, tx, "a", "new", at)
				return err
			})
			if err != nil {
				is(t, err, work.ErrNotFound)
			}
			return got.ID
		}
		if got := unsettled(flowNoon); got != "" {
			t.Errorf("unsettled by %q without any recovery", got)
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(s.Insert(ctx, tx, r), s.Insert(ctx, tx, second)) // several may wait for a face
		}), nil)
		r.State, r.Op, r.SuspendedAt, r.HoldUntil = recover.Suspended, "op", flowNoon, flowNoon.Add(time.Hour)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, r) }), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, r) }), work.ErrConflict)
		second.State = recover.Pinned
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, second) })
		is(t, err, work.ErrExists)
		r.Version = 2
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			running, err := s.Running(ctx, tx, "a")
			same(t, running, r)
			last, lerr := s.Last(ctx, tx, "a")
			second.State = recover.Face
			same(t, last, second)
			return errors.Join(err, lerr)
		}), nil)
		r.State = recover.Done
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, r) }), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			_, err := s.Running(ctx, tx, "a")
			return err
		}), work.ErrNotFound)
		// The second was never finished: the device stays unsettled whatever the first did.
		if got := unsettled(flowNoon); got != "r1" {
			t.Errorf("unsettled by %q while it is held", got)
		}
		if got := unsettled(flowNoon.Add(2 * time.Hour)); got != "r2" {
			t.Errorf("unsettled by %q, want the one that was not finished", got)
		}
	})
}

func TestADeviceSettlesWithItsDoneRecovery(t *testing.T) {
	storetest.Each(t, clock.NewManual(flowNoon), func(t *testing.T, st *store.Store) {
		s := st.Recoveries()
		r := recover.Recovery{
			ID: "r1", Account: "a", Device: "new", State: recover.Done, HoldUntil: flowNoon.Add(time.Hour), CreatedAt: flowNoon,
			UpdatedAt: flowNoon, Version: 1,
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, r) }), nil)
		for at, want := range map[time.Duration]error{0: nil, time.Hour - time.Millisecond: nil, time.Hour: work.ErrNotFound} {
			is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
				_, err := s.Unsettled(ctx, tx, "a", "new", flowNoon.Add(at))
				return err
			}), want)
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			_, err := s.Unsettled(ctx, tx, "a", "another", flowNoon)
			return err
		}), work.ErrNotFound)
	})
}

func TestPINSetupsAndRevocationRequestsAreKept(t *testing.T) {
	storetest.Each(t, clock.NewManual(flowNoon), func(t *testing.T, st *store.Store) {
		p, v := st.PINSetups(), st.Revocations()
		setup := pin.Setup{ID: "s", Account: "a", Device: "d", State: pin.Open, CreatedAt: flowNoon, Expires: flowNoon.Add(pin.Life), Version: 1}
		unlock := pin.Unlock{ID: "u", Account: "a", Check: "f", CreatedAt: flowNoon, Version: 1}
		asked := revoke.Request{
			ID: "q", Account: "a", Device: "d", Certificate: "c", Reason: revoke.Changed, State: revoke.Asked, Op: "op", CreatedAt: flowNoon, Version: 1,
		}
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(p.InsertSetup(ctx, tx, setup), p.InsertUnlock(ctx, tx, unlock), v.Insert(ctx, tx, asked))
		}), nil)
		setup.State, setup.Op, unlock.Used, asked.State = pin.Done, "op", true, revoke.Done
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(p.UpdateSetup(ctx, tx, setup), p.UpdateUnlock(ctx, tx, unlock), v.Update(ctx, tx, asked))
		}), nil)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return p.UpdateSetup(ctx, tx, setup) }), work.ErrConflict)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return p.UpdateUnlock(ctx, tx, unlock) }), work.ErrConflict)
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error { return v.Update(ctx, tx, asked) }), work.ErrConflict)
		setup.Version, unlock.Version, asked.Version = 2, 2, 2
		is(t, inFlow(t, st, func(ctx context.Context, tx work.Tx) error {
			gotSetup, err := p.Setup(ctx, tx, "s")
			same(t, gotSetup, setup)
			gotUnlock, uerr := p.Unlock(ctx, tx, "u")
			same(t, gotUnlock, unlock)
			gotAsked, aerr := v.Request(ctx, tx, "q")
			same(t, gotAsked, asked)
			last, lerr := v.Last(ctx, tx, "c")
			same(t, last, asked)
			return errors.Join(err, uerr, aerr, lerr)
		}), nil)
		for _, err := range []error{
			inFlow(t, st, func(ctx context.Context, tx work.Tx) error { _, err := p.Setup(ctx, tx, "none"); return err }),
			inFlow(t, st, func(ctx context.Context, tx work.Tx) error { _, err := p.Unlock(ctx, tx, "none"); return err }),
			inFlow(t, st, func(ctx context.Context, tx work.Tx) error { _, err := v.Last(ctx, tx, "none"); return err }),
		} {
			is(t, err, work.ErrNotFound)
		}
	})
}
