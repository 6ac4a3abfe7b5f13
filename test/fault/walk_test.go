package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/phone"
	"tianweitong/platform"
)

const notify = "/notify"

var letter = []byte("投标函：我方承诺遵守招标文件的全部要求。（演练文本）\n")

// walk is a person on the way from the purchase to a signature. Every step looks
// first and then does what is left to do, as people do when the app has shown
// an error: the same step is done again after a break.
type walk struct {
	*house
	memory
}

// memory is what the person and the platform know.
type memory struct {
	person journey.Person
	secret []byte // of the browser session
	order  string
	cert   string
	// asked are the platform's transactions, the last one of a type current; scans
	// are those that the phone knows of.
	asked []platform.Transaction
	scans map[string]phone.Scan
}

func (m memory) clone() memory {
	m.asked, m.scans = slices.Clone(m.asked), maps.Clone(m.scans)
	if m.scans == nil {
		m.scans = map[string]phone.Scan{}
	}
	return m
}

type stage struct {
	name string
	do   func(*walk, context.Context) error
}

var stages = []stage{
	{"buy", (*walk).buy},
	{"pay", (*walk).pay},
	{"set the PIN", (*walk).setPIN},
	{"install", (*walk).install},
	{"scan-login", (*walk).login},
	{"scan-sign", (*walk).sign},
}

// step does a step and chains what it left for the audit.
func (w *walk) step(ctx context.Context, s stage) error {
	if err := s.do(w, ctx); err != nil {
		return err
	}
	return w.Seal(ctx)
}

func (w *walk) buy(ctx context.Context) error {
	all, err := w.person.Phone.Orders(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		w.order = o.ID
		return nil
	}
	o, err := w.person.Phone.Buy(ctx, app.SandboxInstitution, 1, w.client.Code())
	w.order = o.ID
	return err
}

// pay pays at the counter. Whoever has paid there waits; the house asks the
// counter by itself when the notice was lost.
func (w *walk) pay(ctx context.Context) error {
	o, err := w.person.Phone.Order(ctx, w.order)
	if err == nil && o.State == "unpaid" {
		var p phone.Payment
		if p, err = w.person.Phone.Pay(ctx, w.order, "sandbox"); err != nil {
			return err
		}
		if err = w.world.Press(ctx, p.URL, "pay"); errors.Is(err, errKilled) {
			return err
		} // else: the counter has the money already
	}
	for range 10 {
		if o, err = w.person.Phone.Order(ctx, w.order); err != nil {
			return err
		}
		if o.State != "unpaid" {
			break
		}
		w.clock.Advance(time.Minute)
	}
	if o.State != "paid" && o.State != "completed" {
		return fmt.Errorf("the order is %s after the payment", o.State)
	}
	all, err := w.person.Phone.Certificates(ctx)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("paid, and there are %d certificates", len(all))
	}
	if err == nil {
		w.cert = all[0].ID
	}
	return err
}

func (w *walk) setPIN(ctx context.Context) error {
	st, err := w.person.Phone.PIN(ctx)
	if err != nil || st.Set && st.Here {
		return err
	}
	return w.world.SetPIN(ctx, &w.person)
}

func (w *walk) install(ctx context.Context) error {
	_, err := w.person.Phone.Install(ctx, w.cert, w.person.PIN)
	return err
}

func (w *walk) request(title string) platform.Request {
	return platform.Request{Title: title, Secret: w.secret, Browser: platform.Browser{UserAgent: "Mozilla/5.0", Address: "127.0.0.1"}, NotifyPath: notify}
}

func (w *walk) login(ctx context.Context) error {
	return w.execute(ctx, platform.TypeLogin, func() (platform.Transaction, error) {
		return w.client.BeginLogin(ctx, platform.LoginRequest{Request: w.request("登录演练平台")})
	})
}

func (w *walk) sign(ctx context.Context) error {
	return w.execute(ctx, platform.TypeSign, func() (platform.Transaction, error) {
		return w.client.BeginSign(ctx, platform.SignRequest{Request: w.request("签署投标函"), Document: letter, Name: "投标函.txt"})
	})
}

// execute takes the platform's last transaction to its end, from wherever it
// stands, or begins one.
func (w *walk) execute(ctx context.Context, typ platform.Type, begin func() (platform.Transaction, error)) error {
	if n := len(w.asked); n > 0 && w.asked[n-1].Type == typ {
		done, err := w.resume(ctx, w.asked[n-1])
		if err != nil || done {
			return err
		}
	}
	tx, err := begin()
	if err != nil {
		return err
	}
	w.asked = append(w.asked, tx)
	_, err = w.resume(ctx, tx)
	return err
}

// resume goes on with a transaction; it answers false for one that nobody can
// finish any more, after withdrawing it.
func (w *walk) resume(ctx context.Context, tx platform.Transaction) (done bool, err error) {
	st, err := w.client.Get(ctx, tx)
	if err != nil || st.Result != nil {
		return st.Result != nil, err
	}
	s, known := w.scans[tx.ID]
	switch {
	case st.State.Final():
		return false, nil
	case known:
		s, err = w.person.Phone.Scan(ctx, s.ID)
	case st.State == platform.Created:
		var qr platform.QR
		if qr, err = w.client.QR(ctx, tx); err == nil {
			s, err = w.person.Phone.ScanQR(ctx, qr.Text)
		}
	default:
		// Scanned, but the phone never heard it, and the page shows no code any more.
		return false, w.client.Cancel(ctx, tx)
	}
	if err != nil {
		return false, err
	}
	w.scans[tx.ID] = s
	if s.State == "SCANNED" {
		code := ""
		if s.AskCode {
			if st, err = w.client.Get(ctx, tx); err != nil {
				return false, err
			}
			code = st.Code
		}
		chosen, ok := s.Chosen()
		if !ok {
			return false, fmt.Errorf("no certificate fits: %s", s.Gate)
		}
		if s, err = w.person.Phone.Confirm(ctx, s, chosen, code); err != nil {
			return false, err
		}
		w.scans[tx.ID] = s
	}
	if _, err := w.person.Phone.Execute(ctx, s, w.person.PIN); err != nil {
		return false, err
	}
	_, err = w.world.Result(ctx, w.client, tx)
	return err == nil, err
}

// get reads something at an address of the house's own.
func (w *walk) get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return w.http.Do(req)
}
