package ca_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/ca"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const institution = "TWTCA1"

type house struct {
	*ca.Service
	st    *store.Store
	clock *clock.Manual
	pins  map[string]bool
}

// each runs a test on both engines against real custody, after a ceremony.
func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		m := custody.New(custody.Deps{Runner: st, Store: st.Custody(), Clock: c, Rand: rand.Reader, Log: quiet, Vault: storetest.Box(t), Server: "test"})
		h := &house{st: st, clock: c, pins: map[string]bool{}}
		h.Service = ca.New(ca.Deps{
			Runner: st, Store: st.CA(), Signer: m, Clock: c, Rand: rand.Reader, Log: quiet, Sandbox: true,
			Operator: "沙箱运营", Institutions: []ca.Institution{{Code: institution, Name: "沙箱第一CA"}}, BaseURL: "http://pki.test",
			PINKeys: func(_ context.Context, p []byte) (bool, error) { return h.pins[hex.EncodeToString(p)], nil },
		})
		if err := h.Ceremony(t.Context()); err != nil {
			t.Fatal(err)
		}
		f(t, h)
	})
}

func newKey(t *testing.T) []byte {
	t.Helper()
	k, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pki.Point(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) request(t *testing.T, ref string) ca.Request {
	return ca.Request{
		Ref: ref, Institution: institution, Role: pki.PersonSigning, PublicKey: newKey(t),
		Subject:   pki.Name{Country: "CN", CommonName: "测试甲", Serial: "H0000000000000001"},
		NotBefore: h.clock.Now(), NotAfter: h.clock.Now().AddDate(1, 0, 0).Add(-time.Second),
		IDNumber: pki.KeyedIDNumber([32]byte{1, 2, 3}),
	}
}

func (h *house) issue(t *testing.T, ref string) ca.Issuance {
	t.Helper()
	if _, err := h.Prepare(t.Context(), h.request(t, ref)); err != nil {
		t.Fatal(err)
	}
	i, err := h.Issue(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (h *house) revoke(t *testing.T, serial string, reason pki.Reason) bool {
	t.Helper()
	var changed bool
	if err := h.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) (err error) {
		changed, err = h.Revoke(ctx, tx, serial, reason, h.clock.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return changed
}

func (h *house) ocsp(t *testing.T, serial string) pki.Answer {
	t.Helper()
	issuer := h.issuerOf(t)
	n, _ := new(big.Int).SetString(serial, 16)
	req, err := (pki.OCSPRequest{IDs: []pki.CertID{pki.NewCertID(pki.SHA1, issuer, n)}, Nonce: []byte("0123456789abcdef")}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := h.OCSP(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	res, err := pki.ParseOCSPResponse(raw, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(res.Nonce, []byte("0123456789abcdef")) {
		t.Error("the nonce is not echoed")
	}
	a, ok := res.Lookup(n)
	if !ok {
		t.Fatal("no answer about the serial")
	}
	return a
}

func (h *house) issuerOf(t *testing.T) *smx509.Certificate {
	t.Helper()
	der, err := h.AuthorityDER(institution)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *house) crl(t *testing.T) *pki.CRL {
	t.Helper()
	l, err := h.CRL(t.Context(), institution)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := pki.ParseCRL(l.DER, h.issuerOf(t))
	if err != nil {
		t.Fatal(err)
	}
	return crl
}

func TestIssuedCertificateSatisfiesOpenSSL(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		i := h.issue(t, "ref-1")
		chain, err := h.Chain(institution)
		if err != nil {
			t.Fatal(err)
		}
		// OpenSSL 3.0 knows the SM2 identity of the leaf only: level by level.
		for n, pair := range [][2][]byte{{i.DER, chain[0]}, {chain[0], chain[1]}} {
			leaf := pkitest.File(t, fmt.Sprint("leaf", n, ".pem"), pemOf(pair[0]))
			issuer := pkitest.File(t, fmt.Sprint("issuer", n, ".pem"), pemOf(pair[1]))
			out := pkitest.OpenSSL(t, "verify", "-partial_chain", "-vfyopt", "distid:1234567812345678",
				"-attime", fmt.Sprint(noon.Unix()+60), "-CAfile", issuer, leaf)
			if !strings.Contains(out, "OK") {
				t.Fatal(out)
			}
		}
	})
}

func TestPrepareAndIssueAnswerTheSameAgain(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		r := h.request(t, "ref-1")
		a, err := h.Prepare(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		r.PublicKey = newKey(t) // whatever else differs
		b, err := h.Prepare(t.Context(), r)
		if err != nil || b.Serial != a.Serial || !bytes.Equal(a.TBS, b.TBS) {
			t.Fatalf("second Prepare: %v, %v", b.Serial, err)
		}
		first, err := h.Issue(t.Context(), "ref-1")
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Issue(t.Context(), "ref-1")
		if err != nil || !bytes.Equal(first.DER, again.DER) {
			t.Fatalf("second Issue differs: %v", err)
		}
		if _, err := h.Issue(t.Context(), "never-prepared"); !errors.Is(err, work.ErrNotFound) {
			t.Fatalf("an unknown reference: %v", err)
		}
	})
}

func TestKeysThatMustNotBeCertifiedAreRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first := h.request(t, "ref-1")
		if _, err := h.Prepare(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		pin := newKey(t)
		h.pins[hex.EncodeToString(pin)] = true
		for name, change := range map[string]func(*ca.Request){
			"a PIN key":                   func(r *ca.Request) { r.PublicKey = pin },
			"a key certified before":      func(r *ca.Request) { r.PublicKey = first.PublicKey },
			"a compressed point":          func(r *ca.Request) { r.PublicKey = append([]byte{2}, r.PublicKey[1:33]...) },
			"an unknown institution":      func(r *ca.Request) { r.Institution = "NOBODY" },
			"a role of the house":         func(r *ca.Request) { r.Role = pki.Service },
			"a certificate for ten years": func(r *ca.Request) { r.NotAfter = r.NotBefore.AddDate(10, 0, 0) },
			"no reference":                func(r *ca.Request) { r.Ref = "" },
		} {
			r := h.request(t, "ref-2")
			change(&r)
			if _, err := h.Prepare(t.Context(), r); !errors.Is(err, ca.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRevocationShowsInListAndOCSP(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		i := h.issue(t, "ref-1")
		n, _ := new(big.Int).SetString(i.Serial, 16)
		if a := h.ocsp(t, i.Serial); a.Status != pki.StatusGood {
			t.Fatalf("before: %v", a.Status)
		}
		before := h.crl(t)
		h.clock.Advance(time.Minute)
		if !h.revoke(t, i.Serial, pki.KeyCompromise) {
			t.Fatal("not revoked")
		}
		if h.revoke(t, i.Serial, pki.Superseded) {
			t.Error("revoked twice")
		}
		if a := h.ocsp(t, i.Serial); a.Status != pki.StatusRevoked || a.Reason != pki.KeyCompromise {
			t.Fatalf("OCSP: %+v", a)
		}
		if err := h.Publish(t.Context(), institution); err != nil { // the job's work
			t.Fatal(err)
		}
		after := h.crl(t)
		if after.Number.Cmp(before.Number) <= 0 {
			t.Error("the list's number does not grow")
		}
		if line, ok := after.Lookup(n); !ok || line.Reason != pki.KeyCompromise || !line.At.Equal(h.clock.Now()) {
			t.Errorf("list: %+v %v", line, ok)
		}
		if a := h.ocsp(t, "1234567890abcdef"); a.Status != pki.StatusUnknown {
			t.Errorf("a serial nobody issued: %v", a.Status)
		}
	})
}

// slowSigner stops the first list on its way to be signed until it is let go.
type slowSigner struct {
	ca.Signer
	caught, release chan struct{}
	first           atomic.Bool
}

func (s *slowSigner) SignAs(ctx context.Context, r custody.Role, name string, t custody.Token) ([]byte, error) {
	if r == custody.RoleCRL && s.first.CompareAndSwap(false, true) {
		close(s.caught)
		<-s.release
	}
	return s.Signer.SignAs(ctx, r, name, t)
}

// TestSlowPublicationDoesNotHideARevocation: a list that was begun before the
// revocation and is finished after it must not be the one that is served.
func TestSlowPublicationDoesNotHideARevocation(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		i := h.issue(t, "ref-1")
		slow := &slowSigner{Signer: h.Signer, caught: make(chan struct{}), release: make(chan struct{})}
		h.Signer = slow
		done := make(chan error)
		go func() { done <- h.Publish(t.Context(), institution) }()
		<-slow.caught
		h.revoke(t, i.Serial, pki.KeyCompromise)
		if err := h.Publish(t.Context(), institution); err != nil {
			t.Fatal(err)
		}
		close(slow.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		n, _ := new(big.Int).SetString(i.Serial, 16)
		if _, listed := h.crl(t).Lookup(n); !listed {
			t.Fatal("the revocation vanished from the list")
		}
	})
}

func TestHoldCanBeLifted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		i := h.issue(t, "ref-1")
		h.revoke(t, i.Serial, pki.CertificateHold)
		if a := h.ocsp(t, i.Serial); a.Status != pki.StatusRevoked || a.Reason != pki.CertificateHold {
			t.Fatalf("held: %+v", a)
		}
		if err := h.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			ok, err := h.Release(ctx, tx, i.Serial)
			if !ok {
				t.Error("not released")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if a := h.ocsp(t, i.Serial); a.Status != pki.StatusGood {
			t.Fatalf("released: %+v", a)
		}
		h.revoke(t, i.Serial, pki.CertificateHold)
		if !h.revoke(t, i.Serial, pki.KeyCompromise) {
			t.Error("a hold cannot become final")
		}
	})
}

func TestTimestampVerifiesToTheRoot(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		data := []byte("a signature")
		digest := sm3.Sum(data)
		raw, err := h.Timestamp(t.Context(), digest[:])
		if err != nil {
			t.Fatal(err)
		}
		ts, err := pki.ParseTimestampResponse(raw, pki.TimestampRequest{Hash: pki.SM3, Imprint: digest[:], WantCertificate: true})
		if err != nil {
			t.Fatal(err)
		}
		der, _ := h.Root()
		root, _ := smx509.ParseCertificate(der)
		if err := ts.Verify(data, pki.ChainOptions{Roots: []*smx509.Certificate{root}}); err != nil {
			t.Fatal(err)
		}
		if err := ts.Verify([]byte("another"), pki.ChainOptions{Roots: []*smx509.Certificate{root}}); err == nil {
			t.Fatal("stands for other data too")
		}
	})
}

func TestServiceCertificatesRenewThemselves(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		before, err := h.Service.Service(t.Context(), "statement")
		if err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(300 * 24 * time.Hour)
		after, err := h.Service.Service(t.Context(), "statement")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(before[0], after[0]) {
			t.Fatal("an ageing certificate was not renewed")
		}
		i := h.issue(t, "late")
		if a := h.ocsp(t, i.Serial); a.Status != pki.StatusGood {
			t.Fatalf("the OCSP signer (90 days) is not renewed: %+v", a)
		}
	})
}

func TestRereadFindsAMissingRevocationAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.issue(t, "ref-1")
		h.revoke(t, h.issue(t, "ref-2").Serial, pki.KeyCompromise)
		if _, found, err := h.Reread(t.Context()); err != nil || len(found) != 1 {
			t.Fatalf("a revocation missing on the list is one finding: %v, %v", found, err)
		}
		if err := h.Publish(t.Context(), institution); err != nil {
			t.Fatal(err)
		}
		n, found, err := h.Reread(t.Context())
		if err != nil || len(found) != 0 || n < 10 {
			t.Fatalf("%d certificates, findings %v, %v", n, found, err)
		}
	})
}

func TestRereadFindsATamperedRow(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		honest, stranger := h.issue(t, "ref-1"), h.issue(t, "ref-2")
		for name, tamper := range map[string]func(*ca.Issuance){
			"another certificate under the row": func(i *ca.Issuance) { i.DER = stranger.DER },
			"one byte of the signature":         func(i *ca.Issuance) { i.DER = bytes.Clone(i.DER); i.DER[len(i.DER)-1] ^= 1 },
			"another end":                       func(i *ca.Issuance) { i.NotAfter = i.NotAfter.Add(time.Hour) },
			"another key":                       func(i *ca.Issuance) { i.PublicKey = stranger.PublicKey },
		} {
			row := honest
			tamper(&row)
			if found := h.Check(row); len(found) == 0 {
				t.Errorf("%s: nothing found", name)
			}
		}
		if found := h.Check(honest); len(found) != 0 {
			t.Errorf("untouched: %v", found)
		}
	})
}

func TestProductionDoesNotStartWithASandboxRoot(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		d := h.Deps
		d.Sandbox = false
		if err := ca.New(d).Load(t.Context()); err == nil {
			t.Fatal("it loads")
		}
	})
}
