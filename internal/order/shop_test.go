package order_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/money"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const buyer = "0190buyer"

// gateway is a payment service in memory. Notices are the words of Notice's
// fields behind the word "signed".
type gateway struct {
	mu        sync.Mutex
	standings map[string]order.Standing
	refunds   map[string]order.RefundState
	creates   []string
	sent      []order.Refund
	down      error
	// lost makes Create and Refund answer with an error after their work is done.
	lost   bool
	answer order.RefundState // of refunds; done if empty
}

var errDown = errors.New("connection refused")

func (g *gateway) Create(_ context.Context, b order.Bill) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return "", g.down
	}
	g.creates = append(g.creates, b.Payment)
	if g.lost {
		return "", errDown
	}
	return "https://pay.test/" + b.Payment, nil
}

func (g *gateway) Query(_ context.Context, payment string) (order.Standing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return order.Standing{}, g.down
	}
	st, ok := g.standings[payment]
	if !ok {
		st.State = order.StandingUnpaid
	}
	return st, nil
}

func (g *gateway) Refund(_ context.Context, r order.Refund) (order.RefundState, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return "", g.down
	}
	g.sent = append(g.sent, r)
	if g.lost {
		return "", errDown
	}
	if g.answer != "" {
		return g.answer, nil
	}
	return order.RefundDone, nil
}

func (g *gateway) ParseNotice(raw order.RawNotice) (order.Notice, error) {
	var n order.Notice
	var sign string
	var amount, paidAt int64
	_, err := fmt.Sscan(string(raw.Body), &sign, &n.Payment, &n.Standing.State, &amount, &paidAt, &n.Refund, &n.RefundState)
	if err != nil || sign != "signed" {
		return order.Notice{}, order.ErrForged
	}
	n.Standing.Amount, n.Standing.PaidAt, n.Standing.Trade = money.Fen(amount), time.UnixMilli(paidAt).UTC(), "T"+n.Payment
	if n.Refund == "-" {
		n.Refund, n.RefundState = "", ""
	}
	return n, nil
}

type prices struct{ fen atomic.Int64 }

var codePlatform = fault.Code{Name: "platform_unknown", Kind: fault.NotFound}

func (p *prices) Quote(_ context.Context, _ work.Tx, c order.Cart, _ time.Time) (money.Fen, error) {
	if c.Platform != "M1100000034" {
		return 0, codePlatform
	}
	return money.Fen(p.fen.Load()), nil
}

// fulfiller delivers and withdraws by jobs, so that what it did rolls back with
// the transaction.
type fulfiller struct {
	withdraw error
}

func (f *fulfiller) Paid(ctx context.Context, tx work.Tx, o order.Order) error {
	return tx.Enqueue(ctx, work.Job{Topic: "test.delivered", Body: []byte(o.ID)})
}

func (f *fulfiller) Withdraw(ctx context.Context, tx work.Tx, _ order.Order, l order.Line) error {
	if f.withdraw != nil {
		return f.withdraw
	}
	return tx.Enqueue(ctx, work.Job{Topic: "test.withdrawn", Body: []byte(l.ID)})
}

type notices struct{}

func (notices) Post(ctx context.Context, tx work.Tx, n notice.Notice) error {
	return tx.Enqueue(ctx, work.Job{Topic: "test.told", Body: []byte(n.Kind)})
}

// shop is a service on one engine with everything around it.
type shop struct {
	*testing.T
	*order.Service
	st        *store.Store
	clock     *clock.Manual
	gate      *gateway
	price     *prices
	fulfiller *fulfiller
	jobs      *job.Runner
	mu        sync.Mutex
	delivered map[string]int
	withdrawn map[string]int
	told      map[string]int
}

func each(t *testing.T, f func(s *shop)) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		s := &shop{
			T: t, st: st, clock: c, gate: &gateway{standings: map[string]order.Standing{}, refunds: map[string]order.RefundState{}},
			price: &prices{}, fulfiller: &fulfiller{}, delivered: map[string]int{}, withdrawn: map[string]int{}, told: map[string]int{},
		}
		s.price.fen.Store(12000)
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		s.Service = order.New(order.Deps{
			Store: st.Orders(), Runner: st, Clock: c, Rand: rand.Reader, Log: log, Prices: s.price, Fulfiller: s.fulfiller,
			Notices: notices{}, Gateways: map[string]order.Gateway{"sandbox": s.gate, "other": &gateway{}},
		})
		s.jobs = job.New(st, c, rand.Reader, log)
		s.Register(s.jobs)
		for topic, counts := range map[string]map[string]int{"test.delivered": s.delivered, "test.withdrawn": s.withdrawn, "test.told": s.told} {
			s.jobs.Handle(topic, job.Brief, func(_ context.Context, b []byte) error {
				s.mu.Lock()
				counts[string(b)]++
				s.mu.Unlock()
				return nil
			})
		}
		f(s)
	})
}

func (s *shop) place() order.Order {
	s.Helper()
	var o order.Order
	s.do(func(ctx context.Context, tx work.Tx) (err error) {
		o, err = s.Place(ctx, tx, order.Buyer{Kind: order.Person, Account: buyer}, order.Cart{Institution: "CA01", Years: 1, Platform: "M1100000034"})
		return err
	})
	return o
}

func (s *shop) do(f func(context.Context, work.Tx) error) {
	s.Helper()
	if err := s.st.Do(s.Context(), "test", f); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) pay(o order.Order) order.Payment {
	s.Helper()
	p, err := s.Pay(s.Context(), buyer, o.ID, "sandbox")
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// paid is a notice that a payment was paid, taken by the gateway at a time.
func paid(p order.Payment, amount money.Fen, at time.Time) order.RawNotice {
	return order.RawNotice{Body: fmt.Appendf(nil, "signed %s paid %d %d - -", p.ID, amount, at.UnixMilli())}
}

func (s *shop) notify(raw order.RawNotice) error { return s.Notice(s.Context(), "sandbox", raw) }

// drain does every job that is due now.
func (s *shop) drain() {
	s.Helper()
	if err := s.jobs.Drain(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// expect compares the order's state, its payments' and its refunds'.
func (s *shop) expect(o order.Order, want order.State, payments []order.PaymentState, refunds []order.RefundState) {
	s.Helper()
	got, ps, rs, err := s.Get(s.Context(), buyer, o.ID)
	if err != nil {
		s.Fatal(err)
	}
	var gotP []order.PaymentState
	for _, p := range ps {
		gotP = append(gotP, p.State)
	}
	var gotR []order.RefundState
	for _, r := range rs {
		gotR = append(gotR, r.State)
	}
	if d := cmp.Diff([]any{want, payments, refunds}, []any{got.State, gotP, gotR}); d != "" {
		s.Fatal(d)
	}
}

func (s *shop) expectDelivered(o order.Order, want int) {
	s.Helper()
	s.drain()
	if got := s.delivered[o.ID]; got != want {
		s.Fatalf("delivered %d times, want %d", got, want)
	}
}

type (
	ps = []order.PaymentState
	rs = []order.RefundState
)
