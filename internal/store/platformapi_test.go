package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/clock"
	"tianweitong/internal/scan"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func TestPlatformNonceServesOnce(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.PlatformRequests()
		first := scan.Nonce{Platform: "p", Value: "n", Digest: []byte{1}, Transaction: "t1", ExpiresAt: noon.Add(time.Minute)}
		take := func(n scan.Nonce) (got scan.Nonce, fresh bool) {
			mustDo(t, st, func(ctx context.Context, tx work.Tx) (err error) {
				got, fresh, err = s.TakeNonce(ctx, tx, n)
				return err
			})
			return got, fresh
		}
		if _, fresh := take(first); !fresh {
			t.Error("a new nonce was used before")
		}
		other := first
		other.Transaction, other.Digest = "t2", []byte{2}
		got, fresh := take(other)
		if d := cmp.Diff(first, got); fresh || d != "" {
			t.Errorf("again: fresh %v %s", fresh, d)
		}
		other.Platform = "q"
		if _, fresh := take(other); !fresh {
			t.Error("another platform's nonce is not this one's")
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.DropNonces(ctx, tx, noon.Add(time.Minute)) })
		if _, fresh := take(first); fresh {
			t.Error("dropped too early")
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			return s.DropNonces(ctx, tx, noon.Add(time.Minute+time.Millisecond))
		})
		if _, fresh := take(first); !fresh {
			t.Error("it stayed")
		}
	})
}

func TestFailedCallbacksAreCountedAndListed(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.PlatformRequests()
		list := func() (all []scan.Undelivered) {
			mustDo(t, st, func(ctx context.Context, tx work.Tx) (err error) {
				all, err = s.Undelivered(ctx, tx, "p", 10)
				return err
			})
			return all
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			for i, id := range []string{"t1", "t2", "t1"} {
				now := noon.Add(time.Duration(i) * time.Second)
				n, err := s.CallbackFailed(ctx, tx, scan.Undelivered{Transaction: id, Seq: 1, Platform: "p", Problem: id, FirstAt: now, LastAt: now})
				if err != nil {
					return err
				}
				if want := 1 + i/2; n != want {
					t.Errorf("failure %d counts %d", i, n)
				}
			}
			return nil
		})
		want := []scan.Undelivered{
			{Transaction: "t1", Seq: 1, Platform: "p", Attempts: 2, Problem: "t1", FirstAt: noon, LastAt: noon.Add(2 * time.Second)},
			{Transaction: "t2", Seq: 1, Platform: "p", Attempts: 1, Problem: "t2", FirstAt: noon.Add(time.Second), LastAt: noon.Add(time.Second)},
		}
		if d := cmp.Diff(want, list()); d != "" {
			t.Error(d)
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.CallbackAcknowledged(ctx, tx, "t1", 1, noon) })
		if d := cmp.Diff(want[1:], list()); d != "" {
			t.Error(d)
		}
	})
}
