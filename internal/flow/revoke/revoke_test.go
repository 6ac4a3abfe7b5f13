package revoke_test

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

func TestAHolderRevokesHisCertificate(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert, other := p.Installed(), p.Installed()
		r, err := w.Revoke.Begin(ctx, p.Caller, cert, revoke.Compromised)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Perform(ctx, r.Op, "135792")
		wants(t, err, custody.CodeWrongPIN)
		if c := w.Certificate(cert); c.State != certificate.Valid {
			t.Fatalf("after a wrong PIN it is %s", c.State)
		}
		if _, err := p.Perform(ctx, r.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		c := w.Certificate(cert)
		if c.State != certificate.Revoked || c.Reason != "手机丢失或密钥可能泄露" {
			t.Errorf("it is %s for %q", c.State, c.Reason)
		}
		if err := p.Sign(ctx, cert); !errors.Is(err, custody.CodeKeyUnusable) {
			t.Errorf("it still signs: %v", err)
		}
		if err := p.Decrypt(ctx, cert); err != nil { // what was encrypted before stays readable
			t.Errorf("it does not decrypt any more: %v", err)
		}
		p.UseKeys(other)
		w.Drain() // the list goes out at once
		listed(t, w, c.SignSerial, pki.KeyCompromise)
		listed(t, w, c.EncSerial, pki.KeyCompromise)
		if !w.Text.Sent("证书已吊销") {
			t.Error("the owner was not told")
		}
		records, err := w.Usage.List(ctx, p.Caller.Scope(), usage.Filter{Certificate: cert, Business: "revoke"}, usage.Page{})
		if err != nil || len(records) != 1 || records[0].Operator != "测试甲" {
			t.Errorf("usage records %v, %v", records, err)
		}
		_, err = w.Revoke.Begin(ctx, p.Caller, cert, revoke.Unneeded)
		wants(t, err, certificate.CodeRevoked)
		_, err = w.Install.Start(ctx, p.Caller, cert)
		wants(t, err, certificate.CodeRevoked)
	})
}

func listed(t *testing.T, w *flowtest.World, serial string, reason pki.Reason) {
	t.Helper()
	der, err := w.CA.AuthorityDER(flowtest.Institution)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.CA.CRL(t.Context(), flowtest.Institution)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := pki.ParseCRL(list.DER, issuer)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString(serial, 16)
	if r, found := crl.Lookup(n); !found || r.Reason != reason {
		t.Errorf("certificate %s on the list: %v, reason %d", serial, found, r.Reason)
	}
}

func TestRevocationNeedsAReasonAndTheOwnersPhone(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p, q := w.Person(), w.Person()
		p.SetPIN()
		q.SetPIN()
		cert := p.Installed()
		_, err := w.Revoke.Begin(ctx, p.Caller, cert, "")
		wants(t, err, revoke.CodeReason)
		_, err = w.Revoke.Begin(ctx, q.Caller, cert, revoke.Unneeded)
		wants(t, err, certificate.CodeNotFound)
		_, err = w.Revoke.Begin(ctx, p.NewPhone().Caller, cert, revoke.Unneeded)
		wants(t, err, custody.CodeWrongDevice)
		_, err = w.Revoke.Begin(ctx, p.Caller, w.Buy(p.Caller.Account), revoke.Unneeded)
		wants(t, err, certificate.CodeNotValid)
	})
}

func TestAskingAgainEndsTheEarlierQuestion(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		first, err := w.Revoke.Begin(ctx, p.Caller, cert, revoke.Compromised)
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.Revoke.Begin(ctx, p.Caller, cert, revoke.Unneeded)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Perform(ctx, first.Op, p.Phone.PIN)
		wants(t, err, custody.CodeOperationOver)
		if _, err := p.Perform(ctx, second.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		if c := w.Certificate(cert); c.Reason != "不再使用" {
			t.Errorf("revoked for %q", c.Reason)
		}
	})
}

func TestABrokenRevocationRevokesAllOrNothing(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		for n := 1; ; n++ {
			cert := p.Installed()
			r, err := w.Revoke.Begin(ctx, p.Caller, cert, revoke.Unneeded)
			if err != nil {
				t.Fatal(err)
			}
			w.Faults.Break(n, n%2 == 0)
			_, err = p.Perform(ctx, r.Op, p.Phone.PIN)
			hit := w.Faults.Hit()
			w.Faults.Break(0, false)
			w.Start()
			c := w.Certificate(cert)
			revoked := c.State == certificate.Revoked
			w.Do(func(ctx context.Context, tx work.Tx) error {
				for _, serial := range []string{c.SignSerial, c.EncSerial} {
					valid, err := w.CA.ValidAt(ctx, tx, serial, w.Clock.Now())
					if err != nil || valid == revoked {
						t.Errorf("step %d: the record is %s, but the CA says valid: %v, %v", n, c.State, valid, err)
					}
				}
				k, err := w.Custody.Key(ctx, tx, c.SignKey)
				if (k.State == custody.KeyDestroyed) != revoked {
					t.Errorf("step %d: the record is %s, the key %s", n, c.State, k.State)
				}
				return err
			})
			if !hit {
				if err != nil || !revoked {
					t.Errorf("unbroken: %s, %v", c.State, err)
				}
				return
			}
		}
	})
}
