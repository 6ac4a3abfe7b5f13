package journey

import (
	"context"
	"errors"
	"fmt"

	"tianweitong/phone"
	"tianweitong/platform"
)

// Video stands for a face video: the sandbox's checker looks at its length alone,
// the house at the head of its container.
var Video = append([]byte("\x00\x00\x00\x10ftypisom"), make([]byte, 4096)...)

// Register logs a person in on a phone for the first time (2.2.a).
func (w *World) Register(ctx context.Context, p *Person) error {
	return w.SignIn(ctx, p, p.Phone)
}

// SignIn logs a person in on any phone.
func (w *World) SignIn(ctx context.Context, p *Person, on *phone.Phone) error {
	ticket, code, err := w.Code(ctx, on, "login", p.Number)
	if err != nil {
		return err
	}
	_, err = on.SignIn(ctx, p.Number, ticket, code)
	return err
}

// Verify proves who the person is (2.4.1).
func (w *World) Verify(ctx context.Context, p *Person) error {
	ticket, code, err := w.Code(ctx, p.Phone, "realname", p.Number)
	if err != nil {
		return err
	}
	c, err := p.Phone.StartRealName(ctx, p.Name, p.IDNumber, ticket, code)
	if err != nil {
		return err
	}
	if c, err = p.Phone.SendFace(ctx, "/realname", c.ID, Video); err != nil {
		return err
	}
	if c, err = p.Phone.AwaitCheck(ctx, c.ID); err != nil {
		return err
	}
	if c.State != "passed" {
		return fmt.Errorf("journey: the identity check ended %s (%s)", c.State, c.Reason)
	}
	return nil
}

// Purchase buys a certificate and pays for it (2.6.2); it returns the
// certificate record that waits to be installed.
func (w *World) Purchase(ctx context.Context, p *Person, institution, platformCode string, years int) (string, error) {
	o, err := p.Phone.Buy(ctx, institution, years, platformCode)
	if err != nil {
		return "", err
	}
	return w.PayFor(ctx, p, o, "pay")
}

// PayFor pays an order at the sandbox's counter by one of its buttons.
func (w *World) PayFor(ctx context.Context, p *Person, o phone.Order, button string) (string, error) {
	pay, err := p.Phone.Pay(ctx, o.ID, "sandbox")
	if err != nil {
		return "", err
	}
	if err := w.Press(ctx, pay.URL, button); err != nil {
		return "", err
	}
	if _, err := p.Phone.AwaitOrder(ctx, o.ID, "paid", "completed"); err != nil {
		return "", err
	}
	all, err := p.Phone.Certificates(ctx)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", errors.New("journey: paid, and no certificate is waiting")
	}
	return all[0].ID, nil
}

// SetPIN sets the first PIN (2.7.4).
func (w *World) SetPIN(ctx context.Context, p *Person) error {
	ticket, code, err := w.Code(ctx, p.Phone, "pin", p.Number)
	if err != nil {
		return err
	}
	return p.Phone.SetPIN(ctx, ticket, code, p.PIN, p.PIN)
}

// Enrol does everything from the first login to an installed certificate.
func (w *World) Enrol(ctx context.Context, p *Person, institution, platformCode string) (phone.Installed, error) {
	if err := w.Register(ctx, p); err != nil {
		return phone.Installed{}, err
	}
	if err := w.Verify(ctx, p); err != nil {
		return phone.Installed{}, err
	}
	if err := w.SetPIN(ctx, p); err != nil {
		return phone.Installed{}, err
	}
	certificate, err := w.Purchase(ctx, p, institution, platformCode, 1)
	if err != nil {
		return phone.Installed{}, err
	}
	return p.Phone.Install(ctx, certificate, p.PIN)
}

// Recover re-keys everything on a new phone (补办恢复): log in, SMS code and live
// face, a new PIN, then each certificate. The old phone's keys are dead
// afterwards.
func (w *World) Recover(ctx context.Context, p *Person, on *phone.Phone, pin string) error {
	ticket, code, err := w.Code(ctx, on, "recover", p.Number)
	if err != nil {
		return err
	}
	r, err := on.StartRecovery(ctx, ticket, code)
	if err != nil {
		return err
	}
	if _, err := on.SendFace(ctx, "/recoveries", r.ID, Video); err != nil {
		return err
	}
	if r, err = on.AwaitRecovery(ctx, r.ID, "suspended", "stopped", "over"); err != nil {
		return err
	}
	if r.State != "suspended" {
		return fmt.Errorf("journey: the recovery is %s", r.State)
	}
	if err := on.ResetPIN(ctx, r.ID, pin, pin); err != nil {
		return err
	}
	p.Phone, p.PIN = on, pin
	return nil
}

// Scanned takes a platform's transaction up to the confirmation: show the QR,
// scan it, read the verification code off the platform's page, confirm.
func (w *World) Scanned(ctx context.Context, p *Person, c *platform.Client, tx platform.Transaction) (phone.Scan, error) {
	qr, err := c.QR(ctx, tx)
	if err != nil {
		return phone.Scan{}, err
	}
	s, err := p.Phone.ScanQR(ctx, qr.Text)
	if err != nil {
		return s, err
	}
	code := ""
	if s.AskCode {
		page, err := c.Get(ctx, tx)
		if err != nil {
			return s, err
		}
		code = page.Code
	}
	chosen, ok := s.Chosen()
	if !ok {
		return s, fmt.Errorf("journey: no certificate fits: %s", s.Gate)
	}
	return p.Phone.Confirm(ctx, s, chosen, code)
}

// Signature runs a whole transaction and returns the verified result.
func (w *World) Signature(ctx context.Context, p *Person, c *platform.Client, tx platform.Transaction) (*platform.Result, error) {
	s, err := w.Scanned(ctx, p, c, tx)
	if err != nil {
		return nil, err
	}
	if _, err := p.Phone.Execute(ctx, s, p.PIN); err != nil {
		return nil, err
	}
	return w.Result(ctx, c, tx)
}

// Result fetches and verifies a finished transaction.
func (w *World) Result(ctx context.Context, c *platform.Client, tx platform.Transaction) (*platform.Result, error) {
	st, err := c.Get(ctx, tx)
	if err != nil {
		return nil, err
	}
	if st.Result == nil {
		return nil, fmt.Errorf("journey: the transaction is %s (%s)", st.State, st.Outcome)
	}
	return st.Result, nil
}
