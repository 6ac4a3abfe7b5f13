package order

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// Pay opens the payment of an unpaid order at a gateway, or returns the one
// that is open there. The bill is recorded before the gateway hears of it, so a
// call that broke off is repeated under the same id.
func (s *Service) Pay(ctx context.Context, account, order, gateway string) (Payment, error) {
	g, ok := s.Gateways[gateway]
	if !ok {
		return Payment{}, CodeGateway
	}
	var p Payment
	var title string
	err := s.Runner.Do(ctx, "order.pay", func(ctx context.Context, tx work.Tx) (err error) {
		p, title, err = s.bill(ctx, tx, account, order, gateway)
		return err
	})
	if err != nil || p.URL != "" {
		return p, err
	}
	url, err := g.Create(ctx, Bill{Payment: p.ID, Order: order, Amount: p.Amount, Title: title, Expires: p.ExpiresAt})
	if err != nil {
		return Payment{}, CodeGatewayDown.Because(err)
	}
	err = s.Runner.Do(ctx, "order.pay", func(ctx context.Context, tx work.Tx) (err error) {
		if p, err = s.Store.Payment(ctx, tx, p.ID); err != nil || p.URL != "" {
			return err
		}
		p.URL = url
		if err := s.Store.UpdatePayment(ctx, tx, p); err != nil {
			return err
		}
		p.Version++
		return nil
	})
	return p, err
}

// bill finds or records the open payment of an order at a gateway.
func (s *Service) bill(ctx context.Context, tx work.Tx, account, order, gateway string) (Payment, string, error) {
	o, err := s.own(ctx, tx, account, order)
	if err != nil {
		return Payment{}, "", err
	}
	now := s.Clock.Now()
	if o.State != Unpaid {
		if o.Reason == ByTime {
			return Payment{}, "", CodeExpired
		}
		return Payment{}, "", CodeNotUnpaid
	}
	if !now.Before(o.ExpiresAt) {
		return Payment{}, "", CodeExpired
	}
	title := fmt.Sprintf("数字证书 %d 年", o.Lines[0].Years)
	all, err := s.Store.Payments(ctx, tx, o.ID)
	if err != nil {
		return Payment{}, "", err
	}
	for _, p := range all {
		if p.Gateway == gateway && p.State == PaymentOpen {
			return p, title, nil
		}
	}
	// Two calls at once meet at the order's version: the second finds the first's bill.
	if err := s.Store.Update(ctx, tx, o); err != nil {
		return Payment{}, "", err
	}
	p := Payment{
		ID: id.New(s.Rand), Order: o.ID, Gateway: gateway, Amount: o.Total, State: PaymentOpen,
		CreatedAt: now, ExpiresAt: o.ExpiresAt, Version: 1,
	}
	if err := s.Store.InsertPayment(ctx, tx, p); err != nil {
		return Payment{}, "", err
	}
	if err := s.enqueueLook(ctx, tx, p, 0); err != nil {
		return Payment{}, "", err
	}
	return p, title, s.record(ctx, tx, "payment.opened", account, p.ID, map[string]any{"order": o.ID, "amount": p.Amount, "gateway": gateway})
}

// Notice takes a gateway's notice. Coming again, late or out of order it leads
// to the same end; a forged one, one of an unknown payment and one of another
// amount are refused, the last being recorded for staff.
func (s *Service) Notice(ctx context.Context, gateway string, raw RawNotice) error {
	g, ok := s.Gateways[gateway]
	if !ok {
		return CodeGateway
	}
	n, err := g.ParseNotice(raw)
	if err != nil {
		return CodeNotice.Because(err)
	}
	var refusal error
	err = s.Runner.Do(ctx, "order.notice", func(ctx context.Context, tx work.Tx) error {
		refusal = nil
		p, err := s.Store.Payment(ctx, tx, n.Payment)
		if errors.Is(err, work.ErrNotFound) || err == nil && p.Gateway != gateway {
			return CodeUnknown
		}
		if err != nil {
			return err
		}
		if n.Refund != "" {
			return s.refundNotice(ctx, tx, p, n)
		}
		refusal, err = s.apply(ctx, tx, p, n.Standing)
		return err
	})
	if err != nil {
		return err
	}
	return refusal
}

// apply brings a payment to what the gateway says of it. A refusal commits: it
// leaves its trace.
func (s *Service) apply(ctx context.Context, tx work.Tx, p Payment, st Standing) (refusal, err error) {
	switch {
	case p.State == PaymentDisputed:
		return CodeAmount, nil
	case p.State != PaymentOpen && p.State != PaymentClosed, st.State == StandingUnpaid:
		return nil, nil // known already, or nothing new
	case st.State == StandingClosed:
		if p.State == PaymentClosed {
			return nil, nil
		}
		p.State = PaymentClosed
		return nil, s.updatePayment(ctx, tx, "payment.closed", p)
	}
	p.Trade, p.PaidAt = st.Trade, st.PaidAt
	if st.Amount != p.Amount {
		p.State = PaymentDisputed
		s.Log.ErrorContext(ctx, "a payment's amount is not the order's", "payment", p.ID, "want", int64(p.Amount), "got", int64(st.Amount))
		return CodeAmount, s.updatePayment(ctx, tx, "payment.disputed", p)
	}
	o, err := s.Store.Get(ctx, tx, p.Order)
	if err != nil {
		return nil, err
	}
	if !o.wants(st.PaidAt) {
		return nil, s.late(ctx, tx, o, p)
	}
	p.State = PaymentSettled
	if err := s.updatePayment(ctx, tx, "payment.settled", p); err != nil {
		return nil, err
	}
	if err := o.pay(s.Clock.Now()); err != nil {
		return nil, err
	}
	if err := s.update(ctx, tx, "order.paid", "system", &o); err != nil {
		return nil, err
	}
	return nil, s.Fulfiller.Paid(ctx, tx, o)
}

// late sends back money that the order does not want any more: it expired, was
// cancelled, or is paid already.
func (s *Service) late(ctx context.Context, tx work.Tx, o Order, p Payment) error {
	p.State = PaymentLate
	if err := s.updatePayment(ctx, tx, "payment.late", p); err != nil {
		return err
	}
	if err := s.openRefund(ctx, tx, "system", Refund{Payment: p.ID, Order: o.ID, Amount: p.Amount, Reason: BecauseLate}); err != nil {
		return err
	}
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: o.Buyer.Account, Kind: "order.late", Title: "支付款项将退回",
		Body: fmt.Sprintf("您有一笔 %s 元的支付到账时，订单已取消、已过期或已支付，款项将原路退回，无需操作。", p.Amount), Link: "/orders/" + o.ID,
	})
}

// The query job looks after a payment until it has an end. It looks first after
// firstLook, then after twice the last pause, at most longestPause; grace after
// the bill's end it closes what the gateway still calls unpaid.
const (
	firstLook    = 30 * time.Second
	longestPause = 5 * time.Minute
	grace        = 10 * time.Minute
)

func (s *Service) enqueueLook(ctx context.Context, tx work.Tx, p Payment, look int) error {
	pause := min(firstLook<<min(look, 8), longestPause)
	return tx.Enqueue(ctx, work.Job{
		Topic: topicQuery, Body: body(queryJob{p.ID, look}),
		// A job's own row still stands while it enqueues the next look.
		Key: fmt.Sprintf("%s:%s:%d", topicQuery, p.ID, look), Due: s.Clock.Now().Add(pause),
	})
}

// query asks the gateway about a payment: what repairs a lost notice.
func (s *Service) query(ctx context.Context, b []byte) error {
	var j queryJob
	if err := read(b, &j); err != nil {
		return err
	}
	var p Payment
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		p, err = s.Store.Payment(ctx, tx, j.Payment)
		return err
	})
	if err != nil || p.State != PaymentOpen {
		return err
	}
	st, err := s.look(ctx, p)
	if err != nil || st.State != StandingUnpaid {
		return err
	}
	return s.Runner.Do(ctx, topicQuery, func(ctx context.Context, tx work.Tx) error {
		if s.Clock.Now().Before(p.ExpiresAt.Add(grace)) {
			return s.enqueueLook(ctx, tx, p, j.Look+1)
		}
		now, err := s.Store.Payment(ctx, tx, p.ID)
		if err != nil || now.State != PaymentOpen {
			return err
		}
		now.State = PaymentClosed
		return s.updatePayment(ctx, tx, "payment.closed", now)
	})
}

// look asks the gateway and records the answer.
func (s *Service) look(ctx context.Context, p Payment) (Standing, error) {
	g, ok := s.Gateways[p.Gateway]
	if !ok {
		return Standing{}, CodeGateway.Becausef("payment %s: no gateway %q is set up", p.ID, p.Gateway)
	}
	st, err := g.Query(ctx, p.ID)
	if err != nil {
		return Standing{}, fmt.Errorf("asking about payment %s: %w", p.ID, err)
	}
	err = s.Runner.Do(ctx, "order.look", func(ctx context.Context, tx work.Tx) error {
		now, err := s.Store.Payment(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		_, err = s.apply(ctx, tx, now, st) // a dispute is recorded; there is nobody to refuse
		return err
	})
	return st, err
}

func (s *Service) updatePayment(ctx context.Context, tx work.Tx, kind string, p Payment) error {
	if err := s.Store.UpdatePayment(ctx, tx, p); err != nil {
		return err
	}
	return s.record(ctx, tx, kind, "system", p.ID, map[string]any{"order": p.Order, "trade": p.Trade})
}
