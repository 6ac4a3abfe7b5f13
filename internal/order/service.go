package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/money"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// Store keeps orders, payments and refunds. Get-like calls answer
// work.ErrNotFound; updates are compare-and-swaps on Version and raise it.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, o Order) error
	Get(ctx context.Context, tx work.Tx, id string) (Order, error)
	OfLine(ctx context.Context, tx work.Tx, line string) (Order, error)
	// List gives up to n of the orders that an account placed under an identity,
	// newest first, those before an id if one is given.
	List(ctx context.Context, tx work.Tx, sc account.Scope, before string, n int) ([]Order, error)
	// Unpaid gives those that can be paid now, newest first.
	Unpaid(ctx context.Context, tx work.Tx, sc account.Scope, now time.Time) ([]Order, error)
	// CountUnpaid counts an account's orders that can be paid now. Transactions
	// that count for one account go one after the other, so that each sees what
	// the ones before it inserted.
	CountUnpaid(ctx context.Context, tx work.Tx, account string, now time.Time) (int, error)
	// Unfinished gives all of an account's orders that are stored as unpaid, paid
	// or refunding, oldest first.
	Unfinished(ctx context.Context, tx work.Tx, account string) ([]Order, error)
	// Update writes an order and the states of its lines.
	Update(ctx context.Context, tx work.Tx, o Order) error

	InsertPayment(ctx context.Context, tx work.Tx, p Payment) error
	Payment(ctx context.Context, tx work.Tx, id string) (Payment, error)
	// Payments gives an order's payments, oldest first.
	Payments(ctx context.Context, tx work.Tx, order string) ([]Payment, error)
	UpdatePayment(ctx context.Context, tx work.Tx, p Payment) error

	InsertRefund(ctx context.Context, tx work.Tx, r Refund) error
	Refund(ctx context.Context, tx work.Tx, id string) (Refund, error)
	// Refunds gives an order's refunds, oldest first.
	Refunds(ctx context.Context, tx work.Tx, order string) ([]Refund, error)
	UpdateRefund(ctx context.Context, tx work.Tx, r Refund) error
}

// PageSize is the most orders in one page.
const PageSize = 20

// Page is a part of an account's orders, newest first.
type Page struct {
	Orders []Order
	// Next continues the list; empty at its end.
	Next string
}

// Prices is the price list.
type Prices interface {
	// Quote gives the price of a cart at a time; it refuses an institution, term
	// or platform that is not on offer.
	Quote(ctx context.Context, tx work.Tx, c Cart, at time.Time) (money.Fen, error)
}

// Fulfiller delivers what was paid for. Both calls run in the transaction that
// changes the order.
type Fulfiller interface {
	// Paid creates what the lines of a paid order buy.
	Paid(ctx context.Context, tx work.Tx, o Order) error
	// Withdraw ends what a line would have delivered, before its refund. It
	// refuses once anything was issued or opened, or an issuance has begun.
	Withdraw(ctx context.Context, tx work.Tx, o Order, l Line) error
}

// Notices tells the buyer.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Deps are what a Service needs.
type Deps struct {
	Store     Store
	Runner    work.Runner
	Clock     clock.Clock
	Rand      io.Reader
	Log       *slog.Logger
	Prices    Prices
	Fulfiller Fulfiller
	Notices   Notices
	// Gateways by the name that payments and notices carry.
	Gateways map[string]Gateway
}

// Service keeps the rules.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Cart is what a buyer chose: a certificate of an institution for some years,
// first used on a platform (M§2.6.2).
type Cart struct {
	Institution string
	Years       int
	Platform    string
}

// Place makes an unpaid order at today's price, which it keeps. Whether the
// buyer may buy is for the caller to have checked.
func (s *Service) Place(ctx context.Context, tx work.Tx, b Buyer, c Cart) (Order, error) {
	if c.Years < 1 || c.Years > 3 {
		return Order{}, CodeYears
	}
	now := s.Clock.Now()
	n, err := s.Store.CountUnpaid(ctx, tx, b.Account, now)
	if err != nil {
		return Order{}, err
	}
	if n >= maxUnpaid {
		return Order{}, CodeTooMany
	}
	price, err := s.Prices.Quote(ctx, tx, c, now)
	if err != nil {
		return Order{}, err
	}
	o := Order{
		ID: id.New(s.Rand), Buyer: b, State: Unpaid, Total: price, CreatedAt: now, ExpiresAt: now.Add(Life), Version: 1,
		Lines: []Line{{
			ID: id.New(s.Rand), Kind: LineCertificate, Institution: c.Institution, Years: c.Years,
			Platform: c.Platform, Price: price, State: LineOpen,
		}},
	}
	if err := s.Store.Insert(ctx, tx, o); err != nil {
		return Order{}, err
	}
	if err := tx.Enqueue(ctx, work.Job{Topic: topicExpire, Body: body(expireJob{o.ID}), Key: topicExpire + ":" + o.ID, Due: o.ExpiresAt}); err != nil {
		return Order{}, err
	}
	tx.Wake(b.Account, work.Orders)
	return o, s.record(ctx, tx, "order.placed", b.Account, o.ID, map[string]any{"total": o.Total})
}

// Get gives an order to its buyer; another's is CodeNotFound.
func (s *Service) Get(ctx context.Context, account, id string) (Order, []Payment, []Refund, error) {
	var o Order
	var payments []Payment
	var refunds []Refund
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if o, err = s.own(ctx, tx, account, id); err != nil {
			return err
		}
		if payments, err = s.Store.Payments(ctx, tx, id); err != nil {
			return err
		}
		refunds, err = s.Store.Refunds(ctx, tx, id)
		return err
	})
	o.State = o.At(s.Clock.Now())
	return o, payments, refunds, err
}

// List gives a page of the orders that an account placed under an identity
// (M§2.4.6); cursor is empty or the Next of the page before.
func (s *Service) List(ctx context.Context, sc account.Scope, cursor string) (p Page, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		p.Orders, err = s.Store.List(ctx, tx, sc, cursor, PageSize+1)
		return err
	})
	if len(p.Orders) > PageSize {
		p.Orders = p.Orders[:PageSize]
		p.Next = p.Orders[PageSize-1].ID
	}
	for i, o := range p.Orders {
		p.Orders[i].State = o.At(s.Clock.Now())
	}
	return p, err
}

// Unpaid gives the orders that an account placed under an identity and that wait for
// their payment, newest first.
func (s *Service) Unpaid(ctx context.Context, tx work.Tx, sc account.Scope) ([]Order, error) {
	return s.Store.Unpaid(ctx, tx, sc, s.Clock.Now())
}

// Cancel ends an unpaid order. Money that is on its way is refunded when it
// comes.
func (s *Service) Cancel(ctx context.Context, account, id string) (Order, error) {
	var o Order
	err := s.Runner.Do(ctx, "order.cancel", func(ctx context.Context, tx work.Tx) (err error) {
		if o, err = s.own(ctx, tx, account, id); err != nil {
			return err
		}
		if o.State == Cancelled {
			return nil
		}
		now, reason := s.Clock.Now(), ByBuyer
		if o.At(now) == Cancelled {
			reason = ByTime
		}
		if err := o.cancel(reason, now); err != nil {
			return err
		}
		return s.update(ctx, tx, "order.cancelled", account, &o)
	})
	return o, err
}

// Fulfilled marks a line as issued or opened; when every line is, the order is
// 已完成. A line that is being refunded is CodeRefunding, so that nothing is
// installed from it (docs/domain.md §5, 7).
func (s *Service) Fulfilled(ctx context.Context, tx work.Tx, line string) error {
	o, err := s.Store.OfLine(ctx, tx, line)
	if errors.Is(err, work.ErrNotFound) {
		return CodeNotFound
	}
	if err != nil {
		return err
	}
	if l, _ := o.Line(line); l.State == LineDone {
		return nil
	}
	if err := o.fulfil(line, s.Clock.Now()); err != nil {
		return err
	}
	return s.update(ctx, tx, "order.line_done", "system", &o)
}

// Unfinished gives all orders of an account on which money or a delivery is
// still to come, oldest first. One whose time to pay is up is among them until
// the gateways were asked and it is cancelled.
func (s *Service) Unfinished(ctx context.Context, tx work.Tx, account string) ([]Order, error) {
	return s.Store.Unfinished(ctx, tx, account)
}

// expire cancels an order whose time is up. It asks the gateways first, so that
// a payment whose notice was lost is not thrown away; a gateway that does not
// answer makes the job come back.
func (s *Service) expire(ctx context.Context, b []byte) error {
	var j expireJob
	if err := read(b, &j); err != nil {
		return err
	}
	var open []Payment
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		all, err := s.Store.Payments(ctx, tx, j.Order)
		for _, p := range all {
			if p.State == PaymentOpen {
				open = append(open, p)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range open {
		if _, err := s.look(ctx, p); err != nil {
			return err
		}
	}
	return s.Runner.Do(ctx, topicExpire, func(ctx context.Context, tx work.Tx) error {
		o, err := s.Store.Get(ctx, tx, j.Order)
		now := s.Clock.Now()
		if err != nil || o.State != Unpaid || now.Before(o.ExpiresAt) {
			return err
		}
		if err := o.cancel(ByTime, now); err != nil {
			return err
		}
		return s.update(ctx, tx, "order.expired", "system", &o)
	})
}

// The topics of this package's jobs.
const (
	topicExpire = "order.expire"
	topicQuery  = "order.query"
	topicRefund = "order.refund"
)

type expireJob struct {
	Order string `json:"order"`
}

type queryJob struct {
	Payment string `json:"payment"`
	Look    int    `json:"look"` // 0 for the first
}

type refundJob struct {
	Refund string `json:"refund"`
}

// Register hands the package's jobs to the runner.
func (s *Service) Register(r *job.Runner) {
	r.Handle(topicExpire, job.Patient, s.expire)
	r.Handle(topicQuery, job.Patient, s.query)
	r.Handle(topicRefund, refundPolicy, s.sendRefund)
}

// body writes a job's body; the job types hold nothing that can fail.
func body(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("order: " + err.Error())
	}
	return b
}

func read(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("order: reading a job: %w: %w", err, job.ErrGiveUp)
	}
	return nil
}

func (s *Service) own(ctx context.Context, tx work.Tx, account, id string) (Order, error) {
	o, err := s.Store.Get(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) || err == nil && o.Buyer.Account != account {
		return Order{}, CodeNotFound
	}
	return o, err
}

func (s *Service) update(ctx context.Context, tx work.Tx, kind, actor string, o *Order) error {
	if err := s.Store.Update(ctx, tx, *o); err != nil {
		return err
	}
	o.Version++
	tx.Wake(o.Buyer.Account, work.Orders)
	return s.record(ctx, tx, kind, actor, o.ID, map[string]any{"state": o.State})
}

func (s *Service) record(ctx context.Context, tx work.Tx, kind, actor, subject string, detail map[string]any) error {
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: subject, Detail: body(detail)})
}
