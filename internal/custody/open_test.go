package custody_test

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/custody/house"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// watchedStore counts how often module keys and the transport key are read, and
// holds the reading of one role's key up.
type watchedStore struct {
	custody.Store
	modules, transport atomic.Int64

	slow             custody.Role
	reading, release chan struct{}
}

func (w *watchedStore) ModuleKeys(ctx context.Context, tx work.Tx) ([]custody.ModuleKeyRow, error) {
	w.modules.Add(1)
	return w.Store.ModuleKeys(ctx, tx)
}

func (w *watchedStore) RoleKey(ctx context.Context, tx work.Tx, r custody.Role, name string) (house.Row, error) {
	switch r {
	case "transport":
		w.transport.Add(1)
	case w.slow:
		w.reading <- struct{}{}
		<-w.release
	}
	return w.Store.RoleKey(ctx, tx, r, name)
}

// watch gives the module a new life over a watched store.
func (s *stage) watch(t testing.TB, slow custody.Role) *watchedStore {
	t.Helper()
	w := &watchedStore{Store: s.deps.Store, slow: slow, reading: make(chan struct{}, 1), release: make(chan struct{})}
	s.deps.Store = w
	s.restart(t)
	return w
}

// TestReadingOneKeyHoldsNoOtherUp: a slow database under one key of the house,
// while whole installations need the others.
func TestReadingOneKeyHoldsNoOtherUp(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		must(s.m.CreateRole(ctx, custody.RoleReceipt, custody.House))(t)
		must(s.m.CreateRole(ctx, custody.RoleStatement, custody.House))(t)
		w := s.watch(t, custody.RoleReceipt)
		held := make(chan error, 1)
		go func() {
			_, err := s.m.SignAs(ctx, custody.RoleReceipt, custody.House, custody.Receipt([]byte("b")))
			held <- err
		}()
		<-w.reading
		centre := custodytest.KMC(t, s.m, s.clock)
		others := make(chan error, 1)
		go func() {
			_, _, err := s.m.ModuleStatement(ctx)
			if err == nil {
				_, err = s.phone.Install(ctx, centre)
			}
			others <- err
		}()
		select {
		case err := <-others:
			close(w.release)
			ok(t, err)
		case <-time.After(10 * time.Second):
			close(w.release)
			t.Error("everything waits for one key that is being read")
			<-others
		}
		ok(t, <-held)
	})
}

// TestDeliveriesNeedNoReadingOfTheTransportKey: it is open from the start, so that
// transactions do not wait for it with a connection in their hands.
func TestDeliveriesNeedNoReadingOfTheTransportKey(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		w := s.watch(t, "")
		centre := custodytest.KMC(t, s.m, s.clock)
		before := w.transport.Load()
		must(s.phone.Install(t.Context(), centre))(t)
		if n := w.transport.Load() - before; n != 0 {
			t.Fatalf("read %d times", n)
		}
	})
}

// TestUnknownModuleKeysAreNotLookedUp: whoever makes up names of module keys
// costs the database at most one query a second.
func TestUnknownModuleKeysAreNotLookedUp(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		must(s.m.CreateRole(ctx, custody.RoleStatement, custody.House))(t)
		w := s.watch(t, "")
		b, _, err := s.m.ModuleStatement(ctx)
		ok(t, err)
		st := must(splitkey.ParseModuleStatement(b))(t)
		exchange := func(kid string) error {
			device := make([]byte, 32)
			r, _, err := splitkey.SealRequest(rand.Reader, st.Key, splitkey.AAD{
				Kid: kid, Method: "POST", Path: "/p", Device: device, Time: s.clock.Now().Unix(),
			}, []byte("x"))
			ok(t, err)
			_, _, err = s.m.Exchange(ctx, r.AAD("POST", "/p", device), r)
			return err
		}
		before := w.modules.Load()
		for range 50 {
			refused(t, exchange(id.New(rand.Reader)), custody.CodeSealed)
			ok(t, exchange(st.Kid))
		}
		if n := w.modules.Load() - before; n > 1 {
			t.Fatalf("%d queries for made-up keys", n)
		}
		// A key that came to the table by another way is found a second later.
		s.clock.Advance(time.Second)
		again := custodytest.Start(t, s.deps)
		s.clock.Advance(6 * 24 * time.Hour)
		b, _, err = again.ModuleStatement(ctx)
		ok(t, err)
		st = must(splitkey.ParseModuleStatement(b))(t)
		ok(t, exchange(st.Kid))
	})
}
