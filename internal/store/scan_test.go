package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/clock"
	"tianweitong/internal/scan"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func sampleScan(n int) scan.Transaction {
	return scan.Transaction{
		ID: fmt.Sprintf("M1100000034%032d", n), Seq: 1, Platform: "M1100000034", Type: scan.Sign, State: scan.Created, Expected: "P-1",
		AskCode: true, NotifyPath: "/done", CreatedAt: noon, ExpiresAt: noon.Add(time.Minute), DueAt: noon.Add(time.Minute), Version: 1,
		Private: scan.Private{Title: "签署投标函", Browser: scan.Browser{UserAgent: "Test/1", Address: "198.51.100.7"}, Binding: []byte{1},
			Document: scan.Document{Name: "a.txt", Size: 3, Digest: []byte{2}}},
	}
}

func TestScanComesBackAsItWasWritten(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Scans()
		x := sampleScan(1)
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, x, []byte("投标函")) })
		get := func() (got scan.Transaction) {
			mustDo(t, st, func(ctx context.Context, tx work.Tx) (err error) {
				got, err = s.Get(ctx, tx, x.ID)
				return err
			})
			return got
		}
		if d := cmp.Diff(x, get()); d != "" {
			t.Error(d)
		}
		stale := x
		x.State, x.Outcome, x.Account, x.Device, x.Certificate, x.Operation = scan.Recovering, scan.OK, "a", "d", "c", "o"
		x.ScannedAt, x.EndedAt, x.ExpiresAt, x.HoldUntil, x.DueAt = noon.Add(1e9), noon.Add(2e9), noon.Add(3e9), noon.Add(4e9), time.Time{}
		x.Remaining, x.Private.Code, x.Private.Identity.Name = 1500*time.Millisecond, "0042", "王测试"
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Put(ctx, tx, x) })
		x.Version++
		if d := cmp.Diff(x, get()); d != "" {
			t.Error(d)
		}
		conflict := 0
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			conflict++
			return s.Put(ctx, tx, stale)
		})
		if !errors.Is(err, work.ErrConflict) || conflict < 2 {
			t.Errorf("a stale version: %v after %d tries", err, conflict)
		}
		if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Insert(ctx, tx, x, nil) }); !errors.Is(err, work.ErrExists) {
			t.Errorf("the same id again: %v", err)
		}
		err = st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
			_, err := s.Get(ctx, tx, "absent")
			return err
		})
		if !errors.Is(err, work.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
	})
}

func TestScanHasOneResultAndForgetsItsMessages(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Scans()
		x := sampleScan(1)
		r := scan.Result{Transaction: x.ID, Seq: 1, Certificate: "c", Serial: "0a", M: []byte("m"), Signature: []byte("s"), Timestamp: []byte("t"), SignedAt: noon}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Insert(ctx, tx, x, []byte("投标函")); err != nil {
				return err
			}
			return s.InsertResult(ctx, tx, r)
		})
		if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.InsertResult(ctx, tx, r) }); !errors.Is(err, work.ErrExists) {
			t.Errorf("a second result: %v", err)
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			got, err := s.Result(ctx, tx, x.ID, 1)
			if err != nil {
				return err
			}
			if d := cmp.Diff(r, got); d != "" {
				t.Error(d)
			}
			m, err := s.Message(ctx, tx, x.ID)
			if string(m) != "投标函" {
				t.Errorf("message %q", m)
			}
			return err
		})
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Forget(ctx, tx, x.ID); err != nil {
				return err
			}
			if _, err := s.Message(ctx, tx, x.ID); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("the message stayed: %v", err)
			}
			got, err := s.Result(ctx, tx, x.ID, 1)
			if got.M != nil || !bytes.Equal(got.Signature, r.Signature) {
				t.Errorf("after forgetting: %+v", got)
			}
			return err
		})
	})
}

func TestDueAndOpenScansAreFound(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Scans()
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			for n := range 6 {
				x := sampleScan(n)
				x.DueAt = noon.Add(time.Duration(-n) * time.Second)
				x.Account = "a"
				switch n {
				case 0:
					x.DueAt = noon.Add(time.Millisecond)
				case 1:
					x.DueAt = time.Time{}
				case 2:
					x.EndedAt = noon
				case 3:
					x.Account = "b"
				case 4:
					x.Account = ""
				}
				if err := s.Insert(ctx, tx, x, nil); err != nil {
					return err
				}
			}
			return nil
		})
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			due, err := s.Due(ctx, tx, noon, 3)
			if err != nil {
				return err
			}
			if want := []string{sampleScan(5).ID, sampleScan(4).ID, sampleScan(3).ID}; !slices.Equal(due, want) {
				t.Errorf("due %v", due)
			}
			open, err := s.OpenOf(ctx, tx, "a")
			if len(open) != 3 || open[0].ID != sampleScan(0).ID || open[2].ID != sampleScan(5).ID {
				t.Errorf("open %v", open)
			}
			return err
		})
	})
}
