package pki_test

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

func makeCRL(t testing.TB, a *pkitest.Authority, number int64, at time.Time, revoked ...pki.Revocation) []byte {
	t.Helper()
	draft, err := pki.NewCRL(a.Cert, big.NewInt(number), at, at.Add(pki.CRLLifetime), revoked)
	if err != nil {
		t.Fatal(err)
	}
	der, err := draft.Assemble(pkitest.Sign(t, a.Key, draft.ToBeSigned()))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestACRLIsMadeInTwoPhasesAndOpenSSLVerifiesIt(t *testing.T) {
	h := pkitest.New(t)
	at := pkitest.Start.AddDate(0, 1, 0)
	lines := []pki.Revocation{
		{Serial: big.NewInt(900), At: at.Add(-time.Hour), Reason: pki.KeyCompromise},
		{Serial: big.NewInt(77), At: at.Add(-2 * time.Hour), Reason: pki.CertificateHold},
		{Serial: big.NewInt(1234), At: at.Add(-3 * time.Hour)},
	}
	der := makeCRL(t, h.CA, 42, at, lines...)
	crl, err := pki.ParseCRL(der, h.CA.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if crl.Number.Int64() != 42 || !crl.ThisUpdate.Equal(at) || !crl.NextUpdate.Equal(at.Add(72*time.Hour)) || crl.Len() != 3 {
		t.Errorf("%+v", crl)
	}
	for _, want := range lines {
		if got, ok := crl.Lookup(want.Serial); !ok || got.Reason != want.Reason || !got.At.Equal(want.At) {
			t.Errorf("%v: %+v", want, got)
		}
	}
	if _, ok := crl.Lookup(big.NewInt(5)); ok {
		t.Error("a certificate that was never revoked is on the list")
	}

	file := pkitest.File(t, "a.crl", der)
	text := pkitest.OpenSSL(t, "crl", "-in", file, "-inform", "DER", "-noout", "-text")
	for _, want := range []string{"Version 2 (0x1)", "SM2-with-SM3", "X509v3 CRL Number", "Key Compromise", "Certificate Hold", "X509v3 Authority Key Identifier"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl crl lacks %q in\n%s", want, text)
		}
	}
	tbs, signature := split(t, der)
	pkitest.OpenSSLVerifies(t, h.CA.Cert, tbs, signature)
}

func TestAnEmptyCRLHasNoListOfRevocations(t *testing.T) {
	h := pkitest.New(t)
	der := makeCRL(t, h.CA, 0, pkitest.Start)
	if crl, err := pki.ParseCRL(der, h.CA.Cert); err != nil || crl.Len() != 0 {
		t.Error(crl, err)
	}
	if text := pkitest.OpenSSL(t, "crl", "-in", pkitest.File(t, "a.crl", der), "-inform", "DER", "-noout", "-text"); !strings.Contains(text, "No Revoked Certificates.") {
		t.Error(text)
	}
}

func TestACRLOfAnotherIssuerOrHandIsRefused(t *testing.T) {
	h, stranger := pkitest.New(t), pkitest.New(t)
	der := makeCRL(t, h.CA, 1, pkitest.Start)
	if _, err := pki.ParseCRL(der, h.Root.Cert); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("the root's: %v", err)
	}
	if _, err := pki.ParseCRL(der, stranger.CA.Cert); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("a namesake's: %v", err)
	}
	der[len(der)-1] ^= 1
	if _, err := pki.ParseCRL(der, h.CA.Cert); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("altered: %v", err)
	}
	draft, err := pki.NewCRL(h.CA.Cert, big.NewInt(1), pkitest.Start, pkitest.Start.Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := draft.Assemble(pkitest.Sign(t, h.Root.Key, draft.ToBeSigned())); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("signed by the root: %v", err)
	}
	if _, err := (pki.CRLDraft{}).Assemble(nil); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("zero draft: %v", err)
	}
}

func TestACRLThatMakesNoSenseIsNotWritten(t *testing.T) {
	h := pkitest.New(t)
	leaf, _ := h.CA.IssueRole(t, pki.Service)
	now, later := pkitest.Start, pkitest.Start.Add(time.Hour)
	one := big.NewInt(1)
	if _, err := pki.NewCRL(leaf, one, now, later, nil); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("by a service certificate: %v", err)
	}
	if _, err := pki.NewCRL(h.CA.Cert, big.NewInt(-1), now, later, nil); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("number: %v", err)
	}
	if _, err := pki.NewCRL(h.CA.Cert, one, later, now, nil); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("times: %v", err)
	}
	if _, err := pki.NewCRL(h.CA.Cert, one, now, later, []pki.Revocation{{Serial: one, At: now}, {Serial: one, At: now}}); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("twice: %v", err)
	}
	if _, err := pki.NewCRL(h.CA.Cert, one, now, later, []pki.Revocation{{Serial: one, At: now, Reason: 8}}); !errors.Is(err, pki.ErrCRL) {
		t.Errorf("reason: %v", err)
	}
}

// split takes a signed structure apart: the bytes that were signed, and the signature.
func split(t testing.TB, der []byte) (tbs, signature []byte) {
	t.Helper()
	var s struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		t.Fatal(err)
	}
	return s.TBS.FullBytes, s.Signature.Bytes
}
