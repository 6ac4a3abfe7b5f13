package order_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
	"tianweitong/internal/work"
)

func TestPaymentDeliversOnce(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		if p.URL == "" || p.Amount != 12000 {
			t.Fatalf("payment = %+v", p)
		}
		for range 2 {
			if err := s.notify(paid(p, 12000, noon)); err != nil {
				s.Fatal(err)
			}
		}
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
		s.expectDelivered(o, 1)
	})
}

func TestManyNoticesAtOnceDeliverOnce(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				if err := s.notify(paid(p, 12000, noon)); err != nil {
					s.Error(err)
				}
			})
		}
		all.Wait()
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
		s.expectDelivered(o, 1)
	})
}

func TestLatePaymentIsRefunded(t *testing.T) {
	each(t, func(s *shop) {
		for i, c := range []struct {
			name string
			end  func(o order.Order)
			// inTime: the gateway took the money before the order's end.
			inTime bool
		}{
			{"cancelled", func(o order.Order) {
				if _, err := s.Cancel(s.Context(), buyer, o.ID); err != nil {
					s.Fatal(err)
				}
			}, true},
			{"expired", func(order.Order) { s.clock.Advance(order.Life); s.drain() }, true},
			{"expired, the job has not been there", func(order.Order) { s.clock.Advance(order.Life + time.Second) }, false},
		} {
			s.T.Log(c.name)
			o := s.place()
			p := s.pay(o)
			at := s.clock.Now()
			c.end(o)
			if !c.inTime {
				at = s.clock.Now()
			}
			s.expect(o, order.Cancelled, ps{order.PaymentOpen}, nil)
			for range 2 {
				if err := s.notify(paid(p, 12000, at)); err != nil {
					s.Fatal(err)
				}
			}
			s.expect(o, order.Cancelled, ps{order.PaymentLate}, rs{order.RefundOpen})
			s.expectDelivered(o, 0)
			s.expect(o, order.Cancelled, ps{order.PaymentLate}, rs{order.RefundDone})
			if n := i + 1; len(s.gate.sent) != n || s.gate.sent[i].Payment != p.ID || s.gate.sent[i].Amount != 12000 ||
				s.told["order.late"] != n || s.told["order.refunded"] != n {
				s.Fatalf("sent %v, told %v", s.gate.sent, s.told)
			}
		}
	})
}

func TestPaymentInTimeWithASlowNoticeCounts(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		s.clock.Advance(order.Life + time.Second)
		if err := s.notify(paid(p, 12000, noon.Add(order.Life-time.Second))); err != nil {
			s.Fatal(err)
		}
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
	})
}

func TestNoticesThatAreNotOursChangeNothing(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		forged := paid(p, 12000, noon)
		forged.Body = []byte(strings.Replace(string(forged.Body), "signed", "unsigned", 1))
		for _, c := range []struct {
			gateway string
			raw     order.RawNotice
			want    error
		}{
			{"sandbox", forged, order.CodeNotice},
			{"sandbox", order.RawNotice{Body: []byte("{")}, order.CodeNotice},
			{"sandbox", paid(order.Payment{ID: "unknown"}, 12000, noon), order.CodeUnknown},
			{"absent", paid(p, 12000, noon), order.CodeGateway},
			{"other", paid(p, 12000, noon), order.CodeUnknown},
		} {
			if err := s.Notice(s.Context(), c.gateway, c.raw); !errors.Is(err, c.want) {
				s.Errorf("%s %s: %v, want %v", c.gateway, c.raw.Body, err, c.want)
			}
		}
		s.expect(o, order.Unpaid, ps{order.PaymentOpen}, nil)
		s.expectDelivered(o, 0)
	})
}

func TestAnotherAmountIsRefusedAndKeptForStaff(t *testing.T) {
	each(t, func(s *shop) {
		for _, amount := range []money.Fen{11999, 12001, 1} {
			o := s.place()
			p := s.pay(o)
			for _, told := range []money.Fen{amount, 12000} { // a right amount does not heal it
				if err := s.notify(paid(p, told, noon)); !errors.Is(err, order.CodeAmount) {
					s.Fatalf("%s: %v", amount, err)
				}
			}
			s.expect(o, order.Unpaid, ps{order.PaymentDisputed}, nil)
			s.expectDelivered(o, 0)
		}
	})
}

func TestRefundNoticeBeforeTheNoticeOfPaymentDeliversNothing(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		refunded := order.RawNotice{Body: fmt.Appendf(nil, "signed %s - 0 0 theirs done", p.ID)}
		for _, raw := range []order.RawNotice{refunded, paid(p, 12000, noon), refunded} {
			if err := s.notify(raw); err != nil {
				s.Fatal(err)
			}
		}
		s.expect(o, order.Unpaid, ps{order.PaymentReturned}, nil)
		s.expectDelivered(o, 0)
		if again := s.pay(o); again.ID == p.ID {
			s.Fatal("the returned payment is offered again")
		}
	})
}

func TestOwnRefundMayBeToldBeforeThePayment(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		if _, err := s.Cancel(s.Context(), buyer, o.ID); err != nil {
			s.Fatal(err)
		}
		// The query finds the payment, its refund is asked for and told of, and
		// only then the notice of payment comes.
		s.gate.standings[p.ID] = order.Standing{State: order.StandingPaid, Amount: 12000, Trade: "T" + p.ID, PaidAt: noon}
		s.gate.answer = order.RefundOpen
		s.clock.Advance(time.Minute)
		s.drain()
		s.expect(o, order.Cancelled, ps{order.PaymentLate}, rs{order.RefundOpen})
		for _, raw := range []order.RawNotice{
			{Body: fmt.Appendf(nil, "signed %s - 0 0 %s done", p.ID, s.gate.sent[0].ID)},
			paid(p, 12000, noon),
		} {
			if err := s.notify(raw); err != nil {
				s.Fatal(err)
			}
		}
		s.expect(o, order.Cancelled, ps{order.PaymentLate}, rs{order.RefundDone})
		s.clock.Advance(time.Hour)
		s.expectDelivered(o, 0)
	})
}

func TestLostNoticeIsRepairedByAsking(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		s.clock.Advance(29 * time.Second)
		s.gate.standings[p.ID] = order.Standing{State: order.StandingPaid, Amount: 12000, Trade: "T", PaidAt: s.clock.Now()}
		s.drain()
		s.expect(o, order.Unpaid, ps{order.PaymentOpen}, nil)
		s.clock.Advance(time.Second)
		s.expectDelivered(o, 1)
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
	})
}

func TestAskingGoesOnUntilThePaymentHasAnEnd(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		s.pay(o)
		looks := 0
		for s.clock.Now().Before(noon.Add(order.Life + 20*time.Minute)) {
			s.clock.Advance(30 * time.Second)
			s.drain()
			looks++
		}
		s.expect(o, order.Cancelled, ps{order.PaymentClosed}, nil)
		if n, err := s.st.CountJobs(s.Context()); err != nil || len(n) != 0 {
			s.Fatalf("jobs = %v, %v", n, err)
		}
	})
}

func TestPaymentAfterItWasClosedIsStillTaken(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		closed := order.RawNotice{Body: fmt.Appendf(nil, "signed %s closed 0 0 - -", p.ID)}
		if err := s.notify(closed); err != nil {
			s.Fatal(err)
		}
		s.expect(o, order.Unpaid, ps{order.PaymentClosed}, nil)
		second := s.pay(o)
		if second.ID == p.ID {
			s.Fatal("a closed payment was offered again")
		}
		// Both are paid after all: one counts, the other goes back.
		for _, p := range []order.Payment{p, second} {
			if err := s.notify(paid(p, 12000, noon)); err != nil {
				s.Fatal(err)
			}
		}
		s.expectDelivered(o, 1)
		s.expect(o, order.Paid, ps{order.PaymentSettled, order.PaymentLate}, rs{order.RefundDone})
		if err := s.notify(closed); err != nil {
			s.Fatal(err)
		}
		s.expect(o, order.Paid, ps{order.PaymentSettled, order.PaymentLate}, rs{order.RefundDone})
	})
}

func TestOrderExpiresByTheClock(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		s.clock.Advance(order.Life - time.Millisecond)
		s.drain()
		s.expect(o, order.Unpaid, nil, nil)
		s.clock.Advance(time.Millisecond)
		if _, err := s.Pay(s.Context(), buyer, o.ID, "sandbox"); !errors.Is(err, order.CodeExpired) {
			s.Fatalf("paying too late: %v", err)
		}
		s.drain()
		s.expect(o, order.Cancelled, nil, nil)
		if _, err := s.Pay(s.Context(), buyer, o.ID, "sandbox"); !errors.Is(err, order.CodeExpired) {
			s.Fatalf("paying an expired order: %v", err)
		}
	})
}

func TestExpiryAsksTheGatewayFirst(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		p := s.pay(o)
		s.gate.down = errDown
		s.clock.Advance(order.Life)
		s.drain()
		s.gate.down = nil
		s.gate.standings[p.ID] = order.Standing{State: order.StandingPaid, Amount: 12000, Trade: "T", PaidAt: noon.Add(order.Life - time.Minute)}
		s.clock.Advance(time.Minute)
		s.expectDelivered(o, 1)
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
	})
}

func TestPriceIsFrozenWhenTheOrderIsPlaced(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		s.price.fen.Store(99900)
		p := s.pay(o)
		if p.Amount != 12000 {
			s.Fatalf("billed %s", p.Amount)
		}
		if err := s.notify(paid(p, 12000, noon)); err != nil {
			s.Fatal(err)
		}
		got, _, _, err := s.Get(s.Context(), buyer, o.ID)
		if err != nil || got.Total != 12000 || got.Lines[0].Price != 12000 || got.State != order.Paid {
			s.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestPayingTwiceOpensOnePayment(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		ids := make([]string, 8)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { ids[i] = s.pay(o).ID })
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] {
				s.Fatalf("payments %v", ids)
			}
		}
		s.expect(o, order.Unpaid, ps{order.PaymentOpen}, nil)
	})
}

func TestBillThatBrokeOffIsRepeatedUnderItsName(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		s.gate.lost = true // the gateway has the bill, we do not know
		if _, err := s.Pay(s.Context(), buyer, o.ID, "sandbox"); !errors.Is(err, order.CodeGatewayDown) {
			s.Fatal(err)
		}
		s.gate.lost, s.gate.down = false, errDown
		if _, err := s.Pay(s.Context(), buyer, o.ID, "sandbox"); !errors.Is(err, order.CodeGatewayDown) {
			s.Fatal(err)
		}
		s.gate.down = nil
		p := s.pay(o)
		if len(s.gate.creates) != 2 || s.gate.creates[0] != p.ID || s.gate.creates[1] != p.ID {
			s.Fatalf("bills %v, payment %s", s.gate.creates, p.ID)
		}
		// Even before that the buyer could have paid the first bill.
		s.expect(o, order.Unpaid, ps{order.PaymentOpen}, nil)
	})
}

func TestOrdersAreTheirBuyersAlone(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		ctx := s.Context()
		_, _, _, err1 := s.Get(ctx, "stranger", o.ID)
		_, err2 := s.Cancel(ctx, "stranger", o.ID)
		_, err3 := s.Pay(ctx, "stranger", o.ID, "sandbox")
		_, err4 := s.Refund(ctx, "stranger", o.ID, o.Lines[0].ID)
		for i, err := range []error{err1, err2, err3, err4} {
			if !errors.Is(err, order.CodeNotFound) {
				s.Errorf("%d: %v", i+1, err)
			}
		}
		if p, err := s.List(ctx, account.Scope{Account: "stranger"}, ""); err != nil || len(p.Orders) != 0 {
			s.Errorf("list: %v, %v", p, err)
		}
	})
}

func TestPlacingChecksTheCart(t *testing.T) {
	each(t, func(s *shop) {
		for want, c := range map[error]order.Cart{
			order.CodeYears: {Institution: "CA01", Years: 4, Platform: "M1100000034"},
			codePlatform:    {Institution: "CA01", Years: 1, Platform: "X"},
		} {
			err := s.st.Do(s.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				_, err := s.Place(ctx, tx, order.Buyer{Kind: order.Person, Account: buyer}, c)
				return err
			})
			if !errors.Is(err, want) {
				s.Errorf("%+v: %v", c, err)
			}
		}
		for range 20 {
			s.place()
		}
		err := s.st.Do(s.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			_, err := s.Place(ctx, tx, order.Buyer{Kind: order.Person, Account: buyer}, order.Cart{Institution: "CA01", Years: 1, Platform: "M1100000034"})
			return err
		})
		if !errors.Is(err, order.CodeTooMany) {
			s.Errorf("the 21st open order: %v", err)
		}
		s.clock.Advance(order.Life)
		s.place() // the others can no longer be paid
		var seen []string
		for cursor := ""; ; {
			p, err := s.List(s.Context(), account.Scope{Account: buyer}, cursor)
			if err != nil {
				s.Fatal(err)
			}
			for _, o := range p.Orders {
				seen = append(seen, o.ID)
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if len(seen) != 21 {
			s.Errorf("%d orders listed", len(seen))
		}
		for i := range seen[1:] {
			if seen[i] <= seen[i+1] {
				s.Errorf("order %d stands before %d", i, i+1)
			}
		}
	})
}

func TestOpenOrdersAreBoundedAlsoWhenPlacedAtOnce(t *testing.T) {
	each(t, func(s *shop) {
		var placed, refused atomic.Int64
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				err := s.st.Do(context.WithoutCancel(s.Context()), "test", func(ctx context.Context, tx work.Tx) error {
					_, err := s.Place(ctx, tx, order.Buyer{Kind: order.Person, Account: buyer}, order.Cart{Institution: "CA01", Years: 1, Platform: "M1100000034"})
					return err
				})
				switch {
				case err == nil:
					placed.Add(1)
				case errors.Is(err, order.CodeTooMany):
					refused.Add(1)
				default:
					s.Error(err)
				}
			})
		}
		all.Wait()
		if placed.Load() != 20 || refused.Load() != 10 {
			s.Errorf("%d orders placed, %d refused", placed.Load(), refused.Load())
		}
	})
}

func TestCancellingTwiceIsOnce(t *testing.T) {
	each(t, func(s *shop) {
		o := s.place()
		for range 2 {
			if got, err := s.Cancel(s.Context(), buyer, o.ID); err != nil || got.State != order.Cancelled || got.Reason != order.ByBuyer {
				s.Fatalf("%+v, %v", got, err)
			}
		}
		paid, _ := s.bought()
		if _, err := s.Cancel(s.Context(), buyer, paid.ID); !errors.Is(err, order.CodeNotUnpaid) {
			s.Fatal(err)
		}
		if _, err := s.Pay(s.Context(), buyer, paid.ID, "sandbox"); !errors.Is(err, order.CodeNotUnpaid) {
			s.Fatal(err)
		}
		if _, err := s.Pay(s.Context(), buyer, s.place().ID, "absent"); !errors.Is(err, order.CodeGateway) {
			s.Fatal(err)
		}
	})
}
