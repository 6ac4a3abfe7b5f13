package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/clock"
	"tianweitong/internal/roaming"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func TestRoamingComesBackAsItWasWritten(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Roamings()
		a := roaming.Roaming{ID: "1", Certificate: "c", Platform: "P1", Line: "l", State: roaming.Opening, CreatedAt: noon, Version: 1}
		b := roaming.Roaming{ID: "2", Certificate: "c", Platform: "P2", Line: "l2", State: roaming.Open, Start: noon, End: noon.Add(time.Hour), CreatedAt: noon, Version: 1}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(s.Insert(ctx, tx, a), s.Insert(ctx, tx, b))
		})
		a.State, a.Start, a.End = roaming.Open, noon, noon.Add(time.Minute)
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, a) })
		a.Version++
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			one, err := s.Get(ctx, tx, "c", "P1")
			all, err1 := s.Of(ctx, tx, "c")
			line, err2 := s.OfLine(ctx, tx, "l2")
			if d := cmp.Diff([]any{a, []roaming.Roaming{a, b}, []roaming.Roaming{b}}, []any{one, all, line}); d != "" {
				t.Error(d)
			}
			if _, err := s.Get(ctx, tx, "c", "P3"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("absent: %v", err)
			}
			return errors.Join(err, err1, err2)
		})
		a.Version = 1
		for want, f := range map[error]func(context.Context, work.Tx) error{
			work.ErrConflict: func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, a) },
			work.ErrExists: func(ctx context.Context, tx work.Tx) error {
				again := b
				again.ID = "3"
				return s.Insert(ctx, tx, again)
			},
		} {
			if err := st.Do(t.Context(), "test", f); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	})
}
