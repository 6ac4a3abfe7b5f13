package order_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/order"
	"tianweitong/internal/work"
)

func (s *shop) bought() (order.Order, order.Payment) {
	s.Helper()
	o := s.place()
	p := s.pay(o)
	if err := s.notify(paid(p, 12000, noon)); err != nil {
		s.Fatal(err)
	}
	return o, p
}

func TestRefundWithdrawsAtOnceAndPaysByAJob(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		line := o.Lines[0].ID
		s.gate.down = errDown
		for range 2 {
			if _, err := s.Refund(s.Context(), buyer, o.ID, line); err != nil {
				s.Fatal(err)
			}
		}
		s.drain()
		s.expect(o, order.Refunding, ps{order.PaymentSettled}, rs{order.RefundOpen})
		err := s.st.Do(s.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Fulfilled(ctx, tx, line) })
		if !errors.Is(err, order.CodeRefunding) {
			s.Fatalf("fulfilling a line under refund: %v", err)
		}
		s.gate.down, s.gate.answer = nil, order.RefundOpen
		s.clock.Advance(time.Minute)
		s.drain()
		s.expect(o, order.Refunding, ps{order.PaymentSettled}, rs{order.RefundOpen})
		s.gate.answer = ""
		s.clock.Advance(time.Hour)
		s.drain()
		s.expect(o, order.Refunded, ps{order.PaymentSettled}, rs{order.RefundDone})
		if s.withdrawn[line] != 1 || s.gate.sent[0].ID != s.gate.sent[1].ID || len(s.gate.sent) != 2 {
			s.Fatalf("withdrawn %v, sent %v", s.withdrawn, s.gate.sent)
		}
	})
}

func TestRefundThatBrokeOffIsRepeatedUnderItsName(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		if _, err := s.Refund(s.Context(), buyer, o.ID, o.Lines[0].ID); err != nil {
			s.Fatal(err)
		}
		s.gate.lost = true // the money is back, we do not know
		s.drain()
		s.expect(o, order.Refunding, ps{order.PaymentSettled}, rs{order.RefundOpen})
		s.gate.lost = false
		s.clock.Advance(time.Second)
		s.drain()
		s.expect(o, order.Refunded, ps{order.PaymentSettled}, rs{order.RefundDone})
		if len(s.gate.sent) != 2 || s.gate.sent[0].ID != s.gate.sent[1].ID {
			s.Fatalf("sent %v", s.gate.sent)
		}
	})
}

func TestRefundThatTheGatewayRefusesCanBeAskedForAgain(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		line := o.Lines[0].ID
		s.gate.answer = order.RefundFailed
		if _, err := s.Refund(s.Context(), buyer, o.ID, line); err != nil {
			s.Fatal(err)
		}
		s.drain()
		s.expect(o, order.Paid, ps{order.PaymentSettled}, rs{order.RefundFailed})
		if s.told["order.refund_failed"] != 1 {
			s.Fatalf("told %v", s.told)
		}
		err := s.st.Do(s.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Fulfilled(ctx, tx, line) })
		if !errors.Is(err, order.CodeRefunding) {
			s.Fatalf("fulfilling a withdrawn line: %v", err)
		}
		s.gate.answer = ""
		if _, err := s.Refund(s.Context(), buyer, o.ID, line); err != nil {
			s.Fatal(err)
		}
		s.drain()
		s.expect(o, order.Refunded, ps{order.PaymentSettled}, rs{order.RefundFailed, order.RefundDone})
	})
}

// dead counts the jobs of a topic among the dead letters.
func (s *shop) dead(topic string) (n int64) {
	s.Helper()
	all, err := s.st.CountJobs(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range all {
		if c.Topic == topic && c.Dead {
			n += c.N
		}
	}
	return n
}

func TestRefundThatWasGivenUpIsTakenUpWhenAskedForAgain(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		line := o.Lines[0].ID
		ask := func() {
			s.Helper()
			if got, err := s.Refund(s.Context(), buyer, o.ID, line); err != nil || got.State != order.Refunding {
				s.Fatalf("%s, %v", got.State, err)
			}
		}
		ask()
		s.gate.down = errDown
		for days := 0; s.dead("order.refund") == 0; days++ {
			if days > 60 {
				s.Fatal("the job is tried for ever")
			}
			s.drain()
			s.clock.Advance(24 * time.Hour)
		}
		s.expect(o, order.Refunding, ps{order.PaymentSettled}, rs{order.RefundOpen})
		s.gate.down = nil
		s.drain()
		if len(s.gate.sent) != 0 {
			s.Fatal("sent by a job that was buried")
		}
		ask()
		s.drain()
		s.expect(o, order.Refunded, ps{order.PaymentSettled}, rs{order.RefundDone})
		if len(s.gate.sent) != 1 || s.withdrawn[line] != 1 {
			s.Fatalf("sent %v, withdrawn %v", s.gate.sent, s.withdrawn)
		}
	})
}

func TestAskingForARefundOftenDoesNotCallTheGatewayOften(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		s.gate.answer = order.RefundOpen
		for range 30 {
			if _, err := s.Refund(s.Context(), buyer, o.ID, o.Lines[0].ID); err != nil {
				s.Fatal(err)
			}
			s.drain()
		}
		if len(s.gate.sent) != 1 {
			s.Fatalf("the gateway was called %d times", len(s.gate.sent))
		}
	})
}

func TestNothingIsRefundedThatWasDelivered(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		line := o.Lines[0].ID
		for range 2 {
			s.do(func(ctx context.Context, tx work.Tx) error { return s.Fulfilled(ctx, tx, line) })
		}
		s.expect(o, order.Completed, ps{order.PaymentSettled}, nil)
		if _, err := s.Refund(s.Context(), buyer, o.ID, line); !errors.Is(err, order.CodeNotRefundable) {
			s.Fatal(err)
		}
		unpaid := s.place()
		if _, err := s.Refund(s.Context(), buyer, unpaid.ID, unpaid.Lines[0].ID); !errors.Is(err, order.CodeNotRefundable) {
			s.Fatal(err)
		}
	})
}

func TestRefusedWithdrawalLeavesTheOrderAsItWas(t *testing.T) {
	each(t, func(s *shop) {
		o, _ := s.bought()
		s.fulfiller.withdraw = fault.Code{Name: "certificate_issuing", Kind: fault.Conflict}
		if _, err := s.Refund(s.Context(), buyer, o.ID, o.Lines[0].ID); !errors.Is(err, s.fulfiller.withdraw) {
			s.Fatal(err)
		}
		s.expect(o, order.Paid, ps{order.PaymentSettled}, nil)
	})
}
