package pay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
)

// CounterOptions are what the sandbox's cashier needs.
type CounterOptions struct {
	Secret
	// Public is the address under which the buyer reaches the counter.
	Public string
	// File, if not empty, keeps the counter's books over a restart.
	File   string
	Clock  clock.Clock
	Rand   io.Reader
	Client *http.Client // nil: 10 s
	// Observe, if set, hears what happens to a payment: "created", a button's
	// name, "notice.taken", "notice.refused", "refund.done", "refund.failed". It
	// must not call the counter.
	Observe func(what, payment string, amount money.Fen)
}

// The paths of the counter: the gateway's API for the merchant, the cashier's
// page and buttons for the buyer, and the list of payments for the panel.
const (
	GatewayPath = "/sandbox/gateway"
	CashierPath = "/sandbox/pay/"
	ListPath    = "/sandbox/payments"
	stylePath   = "/sandbox/cashier.css"
)

// Counter is the sandbox's payment gateway: it takes no money and does what the
// buttons say. It is safe for concurrent use.
type Counter struct {
	o   CounterOptions
	mux http.ServeMux

	mu    sync.Mutex
	books books
}

type books struct {
	Bills   map[string]*bill   `json:"bills"`
	Refunds map[string]*refund `json:"refunds"`
}

type bill struct {
	billBody
	State     order.StandingState `json:"state"`
	Trade     string              `json:"trade,omitempty"`
	PaidAt    int64               `json:"paidAt,omitempty"`
	CreatedAt int64               `json:"createdAt,omitempty"`
}

type refund struct {
	refundBody
	State order.RefundState `json:"state"`
}

// NewCounter opens the counter and its books.
func NewCounter(o CounterOptions) (*Counter, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	c := &Counter{o: o, books: books{map[string]*bill{}, map[string]*refund{}}}
	if o.File != "" {
		b, err := os.ReadFile(o.File)
		if err == nil {
			err = json.Unmarshal(b, &c.books)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("pay: reading the counter's books: %w", err)
		}
	}
	c.mux.HandleFunc("POST "+GatewayPath+"/v1/payments", c.signed(c.create))
	c.mux.HandleFunc("GET "+GatewayPath+"/v1/payments/{payment}", c.signed(c.show))
	c.mux.HandleFunc("POST "+GatewayPath+"/v1/refunds", c.signed(c.giveBack))
	c.mux.HandleFunc("GET "+ListPath, c.list)
	c.mux.HandleFunc("GET "+CashierPath+"{payment}", c.page)
	c.mux.HandleFunc("GET "+stylePath, c.style)
	c.mux.HandleFunc("POST "+CashierPath+"{payment}/{button}", c.press)
	return c, nil
}

// Mount gives the counter's paths as patterns of http.ServeMux.
func (c *Counter) Mount(handle func(pattern string, h http.Handler)) {
	handle(GatewayPath+"/", c)
	handle("GET "+ListPath, c)
	c.MountPage(handle)
}

// MountPage gives the paths of the cashier's page alone: what a buyer on
// another machine reaches.
func (c *Counter) MountPage(handle func(pattern string, h http.Handler)) {
	handle(CashierPath, c)
	handle("GET "+stylePath, c)
}

// ServeHTTP serves the paths that Mount names.
func (c *Counter) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// save writes the books; the caller holds the lock.
func (c *Counter) save() error {
	if c.o.File == "" {
		return nil
	}
	b, err := json.Marshal(c.books)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.o.File+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(c.o.File+".new", c.o.File)
}

func (c *Counter) tell(what, payment string, amount int64) {
	if c.o.Observe != nil {
		c.o.Observe(what, payment, money.Fen(amount))
	}
}

// answer is what a handler of the gateway's API returns.
type answer struct {
	status int
	body   any
}

func refused(status int, why string) answer { return answer{status, map[string]string{"error": why}} }

func (c *Counter) signed(handle func(r *http.Request, body []byte) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r.Body)
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		if err := c.o.verify(labelRequest, r.Header, r.Method, r.URL.EscapedPath(), body, c.o.Clock.Now()); err != nil {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		a := handle(r, body)
		reply, err := json.Marshal(a.body)
		if err != nil {
			http.Error(w, "reply", http.StatusInternalServerError)
			return
		}
		c.o.signReply(w.Header(), r.Header.Get(headerNonce), a.status, reply)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		w.Write(reply)
	}
}

func (c *Counter) create(_ *http.Request, body []byte) answer {
	var b billBody
	if err := json.Unmarshal(body, &b); err != nil || b.Payment == "" || strings.Contains(b.Payment, "/") || b.Amount <= 0 || b.NotifyURL == "" {
		return refused(http.StatusBadRequest, "bill")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.books.Bills[b.Payment]; ok && old.Amount != b.Amount {
		return refused(http.StatusConflict, "another amount")
	} else if !ok {
		c.books.Bills[b.Payment] = &bill{billBody: b, State: order.StandingUnpaid, CreatedAt: c.o.Clock.Now().UnixMilli()}
		if err := c.save(); err != nil {
			return refused(http.StatusInternalServerError, "books")
		}
		c.tell("created", b.Payment, b.Amount)
	}
	return answer{http.StatusOK, billReply{URL: strings.TrimSuffix(c.o.Public, "/") + CashierPath + url.PathEscape(b.Payment)}}
}

func (c *Counter) show(r *http.Request, _ []byte) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.books.Bills[r.PathValue("payment")]
	if !ok {
		return refused(http.StatusNotFound, "unknown")
	}
	return answer{http.StatusOK, c.standing(b)}
}

// standing shows a bill; an unpaid one whose time is up is closed.
func (c *Counter) standing(b *bill) paymentBody {
	p := paymentBody{Payment: b.Payment, State: string(b.State)}
	if b.State == order.StandingPaid {
		p.Amount, p.Trade, p.PaidAt = b.Amount, b.Trade, b.PaidAt
	} else if c.over(b) {
		p.State = string(order.StandingClosed)
	}
	return p
}

func (c *Counter) over(b *bill) bool { return c.o.Clock.Now().UnixMilli() >= b.ExpiresAt }

func (c *Counter) giveBack(r *http.Request, body []byte) answer {
	var q refundBody
	if err := json.Unmarshal(body, &q); err != nil || q.Refund == "" || q.Amount <= 0 {
		return refused(http.StatusBadRequest, "refund")
	}
	c.mu.Lock()
	f, known := c.books.Refunds[q.Refund]
	if !known {
		f = &refund{q, order.RefundFailed}
		if b := c.books.Bills[q.Payment]; b != nil && b.State == order.StandingPaid && q.Amount <= b.Amount-c.returned(q.Payment) {
			f.State = order.RefundDone
		}
		c.books.Refunds[q.Refund] = f
	}
	err := c.save()
	b := c.books.Bills[f.Payment]
	c.mu.Unlock()
	if err != nil {
		return refused(http.StatusInternalServerError, "books")
	}
	if !known {
		c.tell("refund."+string(f.State), f.Payment, f.Amount)
	}
	if !known && b != nil {
		// Like a real gateway's, the notice may be faster than the reply.
		c.send(r.Context(), b.NotifyURL, noticeBody{Refund: &noticeOfEnd{f.Refund, f.Payment, string(f.State)}})
	}
	return answer{http.StatusOK, refundReply{f.Refund, string(f.State)}}
}

// returned is what of a payment was given back; the caller holds the lock.
func (c *Counter) returned(payment string) (sum int64) {
	for _, f := range c.books.Refunds {
		if f.Payment == payment && f.State == order.RefundDone {
			sum += f.Amount
		}
	}
	return sum
}

var (
	errNoBill = errors.New("pay: no such bill")
	errButton = errors.New("pay: the bill cannot be treated so as it stands")
)

// buttons are those of the cashier's page, with the number of notices that they
// cause.
var buttons = map[string]int{
	"pay":       1, // the buyer pays
	"fail":      1, // the buyer's bank refuses
	"pay-twice": 2, // the buyer pays, two notices arrive at once
	"late":      1, // the bank takes the money after the bill's end
	"silent":    0, // the buyer pays, the notice is lost
}

// Press does what a button of the cashier's page says and returns the statuses
// with which its notices were taken, 0 for one that did not arrive.
func (c *Counter) Press(ctx context.Context, payment, button string) ([]int, error) {
	n, to, err := c.treat(payment, button)
	if err != nil {
		return nil, err
	}
	taken := make([]int, buttons[button])
	var all sync.WaitGroup
	for i := range taken {
		all.Go(func() { taken[i] = c.send(ctx, to, n) })
	}
	all.Wait()
	for _, status := range taken {
		if status == http.StatusOK {
			c.tell("notice.taken", payment, n.Payment.Amount)
		} else {
			c.tell("notice.refused", payment, n.Payment.Amount)
		}
	}
	return taken, nil
}

// treat changes a bill as a button says and returns the notice of it.
func (c *Counter) treat(payment, button string) (n noticeBody, to string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.books.Bills[payment]
	if !ok {
		return n, "", errNoBill
	}
	if _, ok := buttons[button]; !ok || b.State == order.StandingPaid {
		return n, "", errButton
	}
	now := c.o.Clock.Now().UnixMilli()
	switch {
	case button == "late":
		c.pay(b, max(now, b.ExpiresAt+1000))
	case b.State == order.StandingClosed || c.over(b):
		return n, "", errButton
	case button == "fail":
		b.State = order.StandingClosed
	default:
		c.pay(b, now)
	}
	c.tell(button, payment, b.Amount)
	p := c.standing(b)
	return noticeBody{Payment: &p}, b.NotifyURL, c.save()
}

func (c *Counter) pay(b *bill, at int64) {
	b.State, b.Trade, b.PaidAt = order.StandingPaid, "S"+id.New(c.o.Rand), at
}

// send delivers one notice and returns the status of its reception. What is not
// taken is not sent again: the merchant's query has to find it.
func (c *Counter) send(ctx context.Context, to string, n noticeBody) int {
	body, err := json.Marshal(n)
	if err != nil {
		return 0
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	c.o.sign(labelNotice, req.Header, req.Method, req.URL.EscapedPath(), body, c.o.Clock, c.o.Rand)
	resp, err := c.o.Client.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
