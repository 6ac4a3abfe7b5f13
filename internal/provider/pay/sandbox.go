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
	"strings"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/order"
)

// Options are what the sandbox's gateway needs.
type Options struct {
	Secret
	// Base is the gateway's address; Notify is where it sends its notices. The
	// path of Notify is part of what a notice's signature covers.
	Base, Notify string
	// Return is the address to which the buyer comes back from the cashier; the
	// order's id is added to it.
	Return string
	Clock  clock.Clock
	Rand   io.Reader
	// Client is nil for one with a limit of 10 s.
	Client *http.Client
}

// Sandbox is the client of the signed protocol; it implements order.Gateway.
type Sandbox struct {
	o    Options
	path string
}

var _ order.Gateway = (*Sandbox)(nil)

// NewSandbox makes the client.
func NewSandbox(o Options) (*Sandbox, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	notify, err := url.Parse(o.Notify)
	if err != nil || !notify.IsAbs() {
		return nil, errors.New("pay: the address for notices is not absolute")
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	o.Base = strings.TrimSuffix(o.Base, "/")
	return &Sandbox{o: o, path: notify.EscapedPath()}, nil
}

// Create implements order.Gateway.
func (g *Sandbox) Create(ctx context.Context, b order.Bill) (string, error) {
	var reply billReply
	_, err := g.call(ctx, http.MethodPost, "/v1/payments", billBody{
		Payment: b.Payment, Amount: int64(b.Amount), Title: b.Title, ExpiresAt: b.Expires.UnixMilli(), NotifyURL: g.o.Notify,
		ReturnURL: g.o.back(b.Order),
	}, &reply)
	if err == nil && reply.URL == "" {
		err = errors.New("pay: the gateway gave no address")
	}
	return reply.URL, err
}

func (o Options) back(order string) string {
	if o.Return == "" || order == "" {
		return ""
	}
	return o.Return + url.PathEscape(order)
}

// Query implements order.Gateway.
func (g *Sandbox) Query(ctx context.Context, payment string) (order.Standing, error) {
	var reply paymentBody
	status, err := g.call(ctx, http.MethodGet, "/v1/payments/"+url.PathEscape(payment), nil, &reply)
	if status == http.StatusNotFound {
		return order.Standing{State: order.StandingUnpaid}, nil
	}
	if err != nil {
		return order.Standing{}, err
	}
	if reply.Payment != payment {
		return order.Standing{}, errors.New("pay: the gateway answered about another payment")
	}
	return standingOf(reply)
}

// Refund implements order.Gateway.
func (g *Sandbox) Refund(ctx context.Context, r order.Refund) (order.RefundState, error) {
	var reply refundReply
	_, err := g.call(ctx, http.MethodPost, "/v1/refunds", refundBody{Refund: r.ID, Payment: r.Payment, Amount: int64(r.Amount)}, &reply)
	if err != nil {
		return "", err
	}
	if reply.Refund != r.ID {
		return "", errors.New("pay: the gateway answered about another refund")
	}
	return refundStateOf(reply.State)
}

// ParseNotice implements order.Gateway.
func (g *Sandbox) ParseNotice(raw order.RawNotice) (order.Notice, error) {
	if err := g.o.verify(labelNotice, http.Header(raw.Header), raw.Method, raw.Path, raw.Body, g.o.Clock.Now()); err != nil {
		return order.Notice{}, fmt.Errorf("%w: %w", order.ErrForged, err)
	}
	n, err := parseNotice(raw.Body)
	if err != nil {
		return order.Notice{}, fmt.Errorf("%w: %w", order.ErrForged, err)
	}
	return n, nil
}

// parseNotice reads a notice's body strictly.
func parseNotice(body []byte) (order.Notice, error) {
	var b noticeBody
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return order.Notice{}, fmt.Errorf("pay: reading a notice: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return order.Notice{}, errors.New("pay: bytes after a notice")
	}
	switch {
	case b.Payment != nil && b.Refund == nil && b.Payment.Payment != "":
		st, err := standingOf(*b.Payment)
		return order.Notice{Payment: b.Payment.Payment, Standing: st}, err
	case b.Refund != nil && b.Payment == nil && b.Refund.Payment != "" && b.Refund.Refund != "":
		st, err := refundStateOf(b.Refund.State)
		return order.Notice{Payment: b.Refund.Payment, Refund: b.Refund.Refund, RefundState: st}, err
	}
	return order.Notice{}, errors.New("pay: a notice of nothing")
}

// call makes one signed call and verifies the reply. A reply that is signed but
// not 2xx is an error besides the status.
func (g *Sandbox) call(ctx context.Context, method, path string, in, out any) (status int, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, g.o.Base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	g.o.sign(labelRequest, req.Header, method, req.URL.EscapedPath(), body, g.o.Clock, g.o.Rand)
	resp, err := g.o.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	reply, err := readAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if err := g.o.verifyReply(resp.Header, req.Header.Get(headerNonce), resp.StatusCode, reply); err != nil {
		return 0, fmt.Errorf("the reply (status %d) is not the gateway's: %w", resp.StatusCode, err)
	}
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, fmt.Errorf("pay: the gateway refused with status %d", resp.StatusCode)
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return 0, fmt.Errorf("pay: reading the gateway's reply: %w", err)
	}
	return resp.StatusCode, nil
}
