package flowtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/order"
	"tianweitong/internal/roaming"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Whole compares everything that stands about one certificate with what must
// stand: the outcome of one installation (want 1) or of none (want 0).
func (p *Person) Whole(cert string, want int) {
	p.T.Helper()
	c := p.Certificate(cert)
	state, line, open := certificate.Pending, order.LineOpen, roaming.Opening
	if want == 1 {
		state, line, open = certificate.Valid, order.LineDone, roaming.Open
	}
	if c.State != state {
		p.T.Errorf("the certificate is %s, want %s", c.State, state)
	}
	p.Do(func(ctx context.Context, tx work.Tx) error {
		leaves, err := p.Certificates.Leaves(ctx, tx, cert)
		if err != nil {
			return err
		}
		if len(leaves) != 2*want {
			p.T.Errorf("%d leaves, want %d", len(leaves), 2*want)
		}
		o, err := p.Store.Orders().OfLine(ctx, tx, c.Line)
		if err != nil {
			return err
		}
		if o.Lines[0].State != line {
			p.T.Errorf("the order line is %s, want %s", o.Lines[0].State, line)
		}
		all, err := p.Roamings.Of(ctx, tx, cert)
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].State != open {
			p.T.Errorf("the platform is %v, want %s", all, open)
		}
		return nil
	})
	records, err := p.Usage.List(p.T.Context(), p.Caller.Scope(), usage.Filter{Certificate: cert, Business: "install"}, usage.Page{})
	p.must(err)
	if len(records) != want {
		p.T.Errorf("%d usage records of the installation, want %d", len(records), want)
	}
	told, err := p.Notices.List(p.T.Context(), p.Caller.Account, "")
	p.must(err)
	n := 0
	for _, m := range told.Notices {
		if m.Kind == "certificate.installed" && m.Link == "/certificates/"+cert {
			n++
		}
	}
	if n != want {
		p.T.Errorf("%d notices of the installation, want %d", n, want)
	}
	if want == 1 {
		p.keysOf(c)
	}
}

func (p *Person) keysOf(c certificate.Certificate) {
	p.T.Helper()
	for _, k := range p.Keys(p.Caller.Account) {
		if k.ID != c.SignKey && k.ID != c.EncKey {
			continue
		}
		if k.State != custody.KeyActive || k.Holder != p.Phone.Holder {
			p.T.Errorf("the %s key is %s", k.Kind, k.State)
		}
	}
}

// Orphans fails if the CA issued a certificate that stands in no record.
func (w *World) Orphans() {
	w.T.Helper()
	w.Do(func(ctx context.Context, tx work.Tx) error {
		for after := ""; ; {
			page, err := w.Store.CA().IssuancesAfter(ctx, tx, after, 100)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, i := range page {
				after = i.Ref
				if i.IssuedAt.IsZero() {
					continue
				}
				if _, _, err := w.Certificates.BySerial(ctx, tx, i.Serial); err != nil {
					w.T.Errorf("certificate %s was issued and stands in no record: %v", i.Serial, err)
				}
			}
		}
	})
}

// Sign signs a document with a certificate's key, as a scan does.
func (p *Person) Sign(ctx context.Context, cert string) error {
	return p.use(ctx, custody.Activation{
		KeyID: p.Certificate(cert).SignKey, ID: splitkey.IDDocument, M: []byte("投标函"),
	}, nil)
}

// Decrypt opens an envelope made for a certificate, as a tender's opening does.
func (p *Person) Decrypt(ctx context.Context, cert string) error {
	key := p.Certificate(cert).EncKey
	i := slices.IndexFunc(p.Keys(p.Caller.Account), func(k custody.Key) bool { return k.ID == key })
	if i < 0 {
		return custody.CodeKeyUnusable
	}
	pub, err := sm2.NewPublicKey(p.Keys(p.Caller.Account)[i].PublicKey)
	if err != nil {
		return err
	}
	plain := id.Bytes(rand.Reader, 16)
	c, err := sm2.EncryptASN1(rand.Reader, pub, plain)
	if err != nil {
		return err
	}
	return p.use(ctx, custody.Activation{KeyID: key, Ciphertexts: [][]byte{c}, PlatformCertificate: []byte("a platform")}, plain)
}

func (p *Person) use(ctx context.Context, a custody.Activation, plain []byte) error {
	p.Phone.Door = p.Custody
	a.OpID, a.Holder, a.Business, a.Subject = id.New(rand.Reader), p.Phone.Holder, "scan.test", "a transaction"
	a.Expires = p.Clock.Now().Add(2 * time.Minute)
	err := p.Store.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error { return p.Custody.Authorise(ctx, tx, a) })
	if err != nil {
		return err
	}
	o, err := p.Custody.Open(ctx, p.Phone.Holder, a.OpID)
	if err != nil {
		return err
	}
	answer, err := p.Phone.Answer(o, p.Phone.PIN)
	if err != nil {
		return err
	}
	r, err := p.Custody.Answer(ctx, p.Phone.Holder, a.OpID, answer, nil)
	if err != nil || plain == nil {
		return err
	}
	got, err := p.Phone.Plain(o, p.Phone.PIN, r)
	if err != nil {
		return err
	}
	if string(got[0]) != string(plain) {
		return errors.New("something else was decrypted")
	}
	return nil
}

// UseKeys signs and decrypts with a certificate's keys.
func (p *Person) UseKeys(cert string) {
	p.T.Helper()
	if err := errors.Join(p.Sign(p.T.Context(), cert), p.Decrypt(p.T.Context(), cert)); err != nil {
		p.T.Error(fmt.Errorf("using the keys: %w", err))
	}
}
