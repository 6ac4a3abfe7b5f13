package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/order"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func sampleOrder(id string) order.Order {
	return order.Order{
		ID: id, Buyer: order.Buyer{Kind: order.Person, Account: "a"}, State: order.Unpaid, Total: 1 << 40,
		Lines: []order.Line{
			{ID: id + "1", Kind: order.LineCertificate, Institution: "CA01", Years: 2, Platform: "P", Price: 7, State: order.LineOpen},
			{ID: id + "0", Kind: order.LineCertificate, Institution: "CA02", Years: 1, Platform: "Q", Price: 8, State: order.LineDone},
		},
		CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), Version: 1,
	}
}

func TestOrderComesBackAsItWasWritten(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Orders()
		o, older, other := sampleOrder("2"), sampleOrder("1"), sampleOrder("3")
		older.Lines, other.Buyer = older.Lines[:1], order.Buyer{Kind: order.Enterprise, Account: "b", Enterprise: "e"}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(s.Insert(ctx, tx, o), s.Insert(ctx, tx, older), s.Insert(ctx, tx, other))
		})
		o.State, o.Reason, o.PaidAt, o.EndedAt = order.Cancelled, order.ByTime, noon, noon.Add(time.Minute)
		o.Lines[0].State = order.LineRefundFailed
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, o) })
		o.Version++
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			one, err := s.Get(ctx, tx, "2")
			line, err1 := s.OfLine(ctx, tx, "20")
			all, err2 := s.List(ctx, tx, account.Scope{Account: "a"}, "", 9)
			rest, err3 := s.List(ctx, tx, account.Scope{Account: "a"}, "2", 9)
			first, err4 := s.List(ctx, tx, account.Scope{Account: "a"}, "", 1)
			theirs, err5 := s.Get(ctx, tx, "3")
			want := []any{o, o, []order.Order{o, older}, []order.Order{older}, []order.Order{o}, other}
			if d := cmp.Diff(want, []any{one, line, all, rest, first, theirs}); d != "" {
				t.Error(d)
			}
			for at, want := range map[time.Time][]order.Order{noon: {older}, older.ExpiresAt: {}} {
				unpaid, err := s.Unpaid(ctx, tx, account.Scope{Account: "a"}, at)
				if d := cmp.Diff(want, unpaid); d != "" || err != nil {
					t.Error(d, err)
				}
			}
			if n, err := s.CountUnpaid(ctx, tx, "a", noon); n != 1 || err != nil {
				t.Errorf("unpaid: %d, %v", n, err)
			}
			if n, err := s.CountUnpaid(ctx, tx, "a", older.ExpiresAt); n != 0 || err != nil {
				t.Errorf("unpaid at their end: %d, %v", n, err)
			}
			return errors.Join(err, err1, err2, err3, err4, err5)
		})
		o.Version = 1
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Update(ctx, tx, o) })
		if !errors.Is(err, work.ErrConflict) {
			t.Errorf("stale: %v", err)
		}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			_, err := s.Get(ctx, tx, "absent")
			_, err1 := s.OfLine(ctx, tx, "absent")
			_, err2 := s.Payment(ctx, tx, "absent")
			_, err3 := s.Refund(ctx, tx, "absent")
			for _, err := range []error{err, err1, err2, err3} {
				if !errors.Is(err, work.ErrNotFound) {
					t.Errorf("absent: %v", err)
				}
			}
			return nil
		})
	})
}

func TestPaymentsAndRefundsComeBackAndStaySingle(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := st.Orders()
		p := order.Payment{ID: "p", Order: "1", Gateway: "g", Amount: 5, State: order.PaymentOpen, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), Version: 1}
		r := order.Refund{ID: "r", Payment: "p", Order: "1", Line: "11", Amount: 5, State: order.RefundOpen, Reason: order.BecauseAsked, CreatedAt: noon, AskedAt: noon, Version: 1}
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(s.Insert(ctx, tx, sampleOrder("1")), s.InsertPayment(ctx, tx, p), s.InsertRefund(ctx, tx, r))
		})
		insert := func(p order.Payment, r order.Refund) error {
			return st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				if p.ID != "" {
					return s.InsertPayment(ctx, tx, p)
				}
				return s.InsertRefund(ctx, tx, r)
			})
		}
		second, again := p, r
		second.ID, again.ID = "p2", "r2"
		if err := insert(second, order.Refund{}); !errors.Is(err, work.ErrExists) {
			t.Errorf("two open payments: %v", err)
		}
		if err := insert(order.Payment{}, again); !errors.Is(err, work.ErrExists) {
			t.Errorf("two refunds of a line: %v", err)
		}
		p.State, p.URL, p.Trade, p.PaidAt = order.PaymentSettled, "u", "t", noon
		r.State, r.EndedAt = order.RefundFailed, noon
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			return errors.Join(s.UpdatePayment(ctx, tx, p), s.UpdateRefund(ctx, tx, r))
		})
		for _, f := range []func(ctx context.Context, tx work.Tx) error{
			func(ctx context.Context, tx work.Tx) error { return s.UpdatePayment(ctx, tx, p) },
			func(ctx context.Context, tx work.Tx) error { return s.UpdateRefund(ctx, tx, r) },
		} {
			if err := st.Do(t.Context(), "test", f); !errors.Is(err, work.ErrConflict) {
				t.Errorf("stale: %v", err)
			}
		}
		if err := errors.Join(insert(second, order.Refund{}), insert(order.Payment{}, again)); err != nil {
			t.Fatal(err)
		}
		p.Version, r.Version = 2, 2
		mustDo(t, st, func(ctx context.Context, tx work.Tx) error {
			payments, err := s.Payments(ctx, tx, "1")
			refunds, err1 := s.Refunds(ctx, tx, "1")
			one, err2 := s.Payment(ctx, tx, "p")
			back, err3 := s.Refund(ctx, tx, "r")
			want := []any{[]order.Payment{p, second}, []order.Refund{r, again}, p, r}
			if d := cmp.Diff(want, []any{payments, refunds, one, back}); d != "" {
				t.Error(d)
			}
			return errors.Join(err, err1, err2, err3)
		})
	})
}
