package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"tianweitong/pki/wire"
	"tianweitong/splitkey"
)

// pause waits between two looks at something the server works on.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

const (
	pollEvery = 100 * time.Millisecond
	pollFor   = 60 * time.Second
)

// await asks until done says so, with growing pauses, for a minute at most.
func await(ctx context.Context, what string, ask func() (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, pollFor)
	defer cancel()
	for wait := pollEvery; ; wait = min(wait*3/2, 2*time.Second) {
		done, err := ask()
		if err != nil || done {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("phone: waiting for %s: %w", what, err)
		}
	}
}

func (p *Phone) awaitInstalled(ctx context.Context, path, certificate string) (Installed, error) {
	var in installation
	err := await(ctx, "the certificate", func() (bool, error) {
		if err := p.get(ctx, path, &in); err != nil {
			return false, err
		}
		if in.State == "void" {
			return false, ErrVoid
		}
		return in.State == "installed", nil
	})
	if err != nil {
		return Installed{}, err
	}
	if err := p.accept(certificate, in); err != nil {
		return Installed{}, err
	}
	return Installed{Certificate: certificate, SignCertificate: in.SignCertificate, EncCertificate: in.EncCertificate, Chain: in.Chain}, nil
}

// accept holds what the CA issued against what this phone made and received: the
// chains, both keys and, where it was typed in here, the name. A re-key brings
// the encryption certificate of before, which may have ended and whose issuer may
// be another: its key alone counts.
func (p *Phone) accept(certificate string, in installation) error {
	h, ok := p.state.held(certificate)
	if !ok {
		return ErrKeyLost
	}
	sign, err := p.chain(in.SignCertificate, in.Chain, wire.ForSignatures, wire.PersonSigning)
	if err != nil {
		return err
	}
	enc, err := wire.ParseCertificate(in.EncCertificate)
	if err != nil {
		return errors.Join(ErrUntrusted, err)
	}
	if in.Kind != rekeys {
		if _, err := p.chain(in.EncCertificate, in.Chain, wire.ForEncryption, wire.PersonEncryption); err != nil {
			return err
		}
		if !p.named(enc.Subject.CommonName) {
			return fmt.Errorf("%w: the certificate names another person", ErrMismatch)
		}
	}
	if !p.named(sign.Subject.CommonName) {
		return fmt.Errorf("%w: the certificate names another person", ErrMismatch)
	}
	if err := p.certifies(sign, h.SignKey, splitkey.PurposeSign); err != nil {
		return err
	}
	if err := p.certifies(enc, h.EncKey, splitkey.PurposeEncrypt); err != nil {
		return err
	}
	h.SignCertificate = sign.Raw
	p.state.hold(h)
	return p.save()
}

// certifies says that a certificate is of the key whose share is here.
func (p *Phone) certifies(c *wire.Certificate, keyID string, purpose splitkey.Purpose) error {
	r, err := p.state.record(keyID)
	if err != nil {
		return err
	}
	if r.Purpose != purpose || !bytes.Equal(c.PublicKey, r.PublicKey) {
		return fmt.Errorf("%w: the certificate is of another key", ErrMismatch)
	}
	return nil
}

// named says that a name is the one verified on this phone, if that was here.
// Only letters count: the dot inside a name is written in many ways.
func (p *Phone) named(name string) bool {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if !unicode.IsLetter(r) {
				return -1
			}
			return r
		}, s)
	}
	return p.name == "" || letters(p.name) == letters(name)
}

// AwaitCheck waits until an identity check has an answer.
func (p *Phone) AwaitCheck(ctx context.Context, id string) (Check, error) {
	var c Check
	err := await(ctx, "the identity check", func() (done bool, err error) {
		c, err = p.RealName(ctx, id)
		return c.State == "passed" || c.State == "failed", err
	})
	return c, err
}

// Order is an order (订单) as its buyer sees it.
type Order struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	TotalFen int64  `json:"totalFen"`
	// Payments are those of one order; a list of orders leaves them out.
	Payments []struct {
		ID    string `json:"payment"`
		State string `json:"state"`
	} `json:"payments"`
}

// Buy places the order of a certificate (2.6.2): institution, years, the first
// platform.
func (p *Phone) Buy(ctx context.Context, institution string, years int, platform string) (Order, error) {
	var o Order
	return o, p.post(ctx, "/orders", map[string]any{"institution": institution, "years": years, "platform": platform}, &o)
}

// Payment is an open payment; URL leads to the provider's counter.
type Payment struct {
	ID  string `json:"payment"`
	URL string `json:"url"`
}

// Pay opens a payment of an order with a gateway.
func (p *Phone) Pay(ctx context.Context, order, gateway string) (Payment, error) {
	var out Payment
	return out, p.post(ctx, "/orders/"+order+"/payments", map[string]string{"gateway": gateway}, &out)
}

// Order asks for an order.
func (p *Phone) Order(ctx context.Context, id string) (Order, error) {
	var o Order
	return o, p.get(ctx, "/orders/"+id, &o)
}

// Orders lists the newest orders, newest first.
func (p *Phone) Orders(ctx context.Context) ([]Order, error) {
	var out struct {
		Orders []Order `json:"orders"`
	}
	return out.Orders, p.get(ctx, "/orders", &out)
}

// AwaitOrder waits until an order has one of the states.
func (p *Phone) AwaitOrder(ctx context.Context, id string, states ...string) (Order, error) {
	var o Order
	err := await(ctx, "the order", func() (done bool, err error) {
		o, err = p.Order(ctx, id)
		for _, s := range states {
			done = done || o.State == s
		}
		return done, err
	})
	return o, err
}

// Certificate is a certificate record as its owner sees it.
type Certificate struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	Institution string    `json:"institution"`
	SignSerial  string    `json:"signSerial"`
	NotAfter    time.Time `json:"notAfter"`
	HasKey      bool      `json:"-"`
}

// Certificates lists the owner's certificates, newest first.
func (p *Phone) Certificates(ctx context.Context) ([]Certificate, error) {
	var out struct {
		Certificates []Certificate `json:"certificates"`
	}
	return out.Certificates, p.get(ctx, "/certificates", &out)
}

// enrolmentKey makes the key to which the next delivery is enveloped.
func (p *Phone) enrolmentKey() (key *splitkey.Secret, point []byte, err error) {
	if key, err = splitkey.NewSecret(p.Rand); err != nil {
		return nil, nil, err
	}
	point, err = key.PublicKey()
	return key, point, err
}
