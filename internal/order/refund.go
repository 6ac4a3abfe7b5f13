package order

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// Refund takes back one line of a paid order for which nothing was issued or
// opened (M§2.4.6, docs/domain.md §3.4): what it would have delivered ends in
// the same transaction, the money follows by a job. Asked again for a refund
// that is under way, it enqueues the job anew, should the first have been given
// up.
func (s *Service) Refund(ctx context.Context, account, order, line string) (Order, error) {
	var o Order
	err := s.Runner.Do(ctx, "order.refund", func(ctx context.Context, tx work.Tx) (err error) {
		if o, err = s.own(ctx, tx, account, order); err != nil {
			return err
		}
		l, ok := o.Line(line)
		if !ok {
			return CodeNotFound
		}
		if l.State == LineRefunding {
			return s.askAgain(ctx, tx, o.ID, line)
		}
		if err := o.refund(line, s.Clock.Now()); err != nil {
			return err
		}
		if err := s.update(ctx, tx, "order.refunding", account, &o); err != nil {
			return err
		}
		if err := s.Fulfiller.Withdraw(ctx, tx, o, l); err != nil {
			return err
		}
		p, err := s.settled(ctx, tx, o)
		if err != nil {
			return err
		}
		return s.openRefund(ctx, tx, account, Refund{Payment: p.ID, Order: o.ID, Line: line, Amount: l.Price, Reason: BecauseAsked})
	})
	return o, err
}

// settled finds the payment that paid an order.
func (s *Service) settled(ctx context.Context, tx work.Tx, o Order) (Payment, error) {
	all, err := s.Store.Payments(ctx, tx, o.ID)
	if err != nil {
		return Payment{}, err
	}
	for _, p := range all {
		if p.State == PaymentSettled {
			return p, nil
		}
	}
	return Payment{}, fmt.Errorf("order %s is %s without a settled payment", o.ID, o.State)
}

func (s *Service) openRefund(ctx context.Context, tx work.Tx, actor string, r Refund) error {
	now := s.Clock.Now()
	r.ID, r.State, r.CreatedAt, r.AskedAt, r.Version = id.New(s.Rand), RefundOpen, now, now, 1
	if err := s.Store.InsertRefund(ctx, tx, r); err != nil {
		return err
	}
	if err := enqueueRefund(ctx, tx, r.ID); err != nil {
		return err
	}
	return s.record(ctx, tx, "refund.opened", actor, r.ID, map[string]any{"payment": r.Payment, "line": r.Line, "amount": r.Amount})
}

// refundPolicy goes on for a month: nobody may be there to ask again for money
// that came too late.
var refundPolicy = job.Policy{Pauses: append(slices.Clone(job.Patient.Pauses), slices.Repeat([]time.Duration{24 * time.Hour}, 30)...)}

// againAfter bounds how often a buyer who keeps asking starts another job.
const againAfter = time.Hour

func enqueueRefund(ctx context.Context, tx work.Tx, refund string) error {
	return tx.Enqueue(ctx, work.Job{Topic: topicRefund, Body: body(refundJob{refund}), Key: topicRefund + ":" + refund})
}

// askAgain enqueues the job of a line's open refund once more, under the same
// refund id: the gateway gives the money back once.
func (s *Service) askAgain(ctx context.Context, tx work.Tx, order, line string) error {
	all, err := s.Store.Refunds(ctx, tx, order)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	for _, r := range all {
		if r.Line != line || r.State != RefundOpen || now.Before(r.AskedAt.Add(againAfter)) {
			continue
		}
		r.AskedAt = now
		if err := s.Store.UpdateRefund(ctx, tx, r); err != nil {
			return err
		}
		return enqueueRefund(ctx, tx, r.ID)
	}
	return nil
}

// errRefundPending makes the job ask again.
var errRefundPending = errors.New("order: the gateway has not decided on the refund yet")

// sendRefund asks the gateway for money back until it has decided.
func (s *Service) sendRefund(ctx context.Context, b []byte) error {
	var j refundJob
	if err := read(b, &j); err != nil {
		return err
	}
	var r Refund
	var p Payment
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if r, err = s.Store.Refund(ctx, tx, j.Refund); err != nil {
			return err
		}
		p, err = s.Store.Payment(ctx, tx, r.Payment)
		return err
	})
	if err != nil || r.State != RefundOpen {
		return err
	}
	g, ok := s.Gateways[p.Gateway]
	if !ok {
		return CodeGateway.Becausef("refund %s: no gateway %q is set up", r.ID, p.Gateway)
	}
	state, err := g.Refund(ctx, r)
	if err != nil {
		return fmt.Errorf("asking for refund %s: %w", r.ID, err)
	}
	if state == RefundOpen {
		return errRefundPending
	}
	return s.Runner.Do(ctx, topicRefund, func(ctx context.Context, tx work.Tx) error {
		return s.endRefund(ctx, tx, r.ID, state)
	})
}

// endRefund records a gateway's decision once.
func (s *Service) endRefund(ctx context.Context, tx work.Tx, id string, state RefundState) error {
	r, err := s.Store.Refund(ctx, tx, id)
	if err != nil || r.State != RefundOpen || state == RefundOpen {
		return err
	}
	now := s.Clock.Now()
	r.State, r.EndedAt = state, now
	if err := s.Store.UpdateRefund(ctx, tx, r); err != nil {
		return err
	}
	if err := s.record(ctx, tx, "refund."+string(state), "system", r.ID, map[string]any{"order": r.Order}); err != nil {
		return err
	}
	o, err := s.Store.Get(ctx, tx, r.Order)
	if err != nil {
		return err
	}
	if r.Line != "" {
		if err := o.refunded(r.Line, state == RefundDone, now); err != nil {
			return err
		}
		if err := s.update(ctx, tx, "order.refund_"+string(state), "system", &o); err != nil {
			return err
		}
	}
	n := notice.Notice{
		Account: o.Buyer.Account, Kind: "order.refunded", Title: "退款成功",
		Body: fmt.Sprintf("%s 元已原路退回，到账时间以支付渠道为准。", r.Amount), Link: "/orders/" + o.ID,
	}
	if state == RefundFailed {
		s.Log.ErrorContext(ctx, "a gateway refused a refund", "refund", r.ID, "payment", r.Payment)
		n.Kind, n.Title = "order.refund_failed", "退款未成功"
		n.Body = fmt.Sprintf("%s 元的退款被支付渠道拒绝，请在订单中重新申请，或联系客服处理。", r.Amount)
		if r.Line == "" {
			n.Body = fmt.Sprintf("%s 元的退款被支付渠道拒绝，请联系客服处理。", r.Amount)
		}
	}
	return s.Notices.Post(ctx, tx, n)
}

// refundNotice takes a notice about a refund. One that we did not ask for was
// made at the gateway's own counter: if we do not know of the payment yet it
// ends it, so that a delayed notice of payment delivers nothing; otherwise it is
// for staff.
func (s *Service) refundNotice(ctx context.Context, tx work.Tx, p Payment, n Notice) error {
	r, err := s.Store.Refund(ctx, tx, n.Refund)
	switch {
	case err == nil && r.Payment == p.ID:
		return s.endRefund(ctx, tx, r.ID, n.RefundState)
	case err != nil && !errors.Is(err, work.ErrNotFound):
		return err
	case n.RefundState == RefundDone && (p.State == PaymentOpen || p.State == PaymentClosed):
		p.State = PaymentReturned
		return s.updatePayment(ctx, tx, "payment.returned", p)
	}
	s.Log.ErrorContext(ctx, "a gateway reports a refund that nobody asked for", "payment", p.ID)
	return s.record(ctx, tx, "payment.foreign_refund", "system", p.ID, nil)
}
