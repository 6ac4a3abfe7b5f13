package pki_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

type responder struct {
	*pkitest.Hierarchy
	cert *smx509.Certificate
	sign func(tbs []byte) []byte
}

func newResponder(t testing.TB, h *pkitest.Hierarchy) responder {
	t.Helper()
	cert, key := h.CA.IssueRole(t, pki.OCSPSigner)
	return responder{h, cert, func(tbs []byte) []byte { return pkitest.Sign(t, key, tbs) }}
}

func (r responder) answer(t testing.TB, at time.Time, nonce []byte, answers ...pki.Answer) []byte {
	t.Helper()
	for i := range answers {
		answers[i].ThisUpdate, answers[i].NextUpdate = at, at.Add(time.Hour)
	}
	draft, err := pki.NewOCSP(r.cert, at, answers, nonce)
	if err != nil {
		t.Fatal(err)
	}
	der, err := draft.Assemble(r.sign(draft.ToBeSigned()))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAnOCSPRequestOfOpenSSLIsReadAndAnswered(t *testing.T) {
	r := newResponder(t, pkitest.New(t))
	leaf, _ := r.CA.IssueRole(t, pki.PersonSigning)
	at := pkitest.Start.AddDate(0, 1, 0)
	issuerPEM, leafPEM := pemFile(t, "ca.pem", r.CA.Cert), pemFile(t, "leaf.pem", leaf)
	for _, digest := range []string{"-sha1", "-sha256", "-sm3"} {
		out := filepath.Join(t.TempDir(), "req.der")
		pkitest.OpenSSL(t, "ocsp", "-issuer", issuerPEM, digest, "-cert", leafPEM, "-reqout", out)
		der, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		q, err := pki.ParseOCSPRequest(der)
		if err != nil {
			t.Fatal(digest, err)
		}
		if len(q.IDs) != 1 || q.IDs[0].Serial.Cmp(leaf.SerialNumber) != 0 || !q.IDs[0].IssuedBy(r.CA.Cert) || q.IDs[0].IssuedBy(r.Root.Cert) || len(q.Nonce) == 0 {
			t.Fatalf("%s: %+v", digest, q)
		}
		response := r.answer(t, at, q.Nonce, pki.Answer{ID: q.IDs[0], Status: pki.StatusRevoked, RevokedAt: at.Add(-time.Minute), Reason: pki.KeyCompromise})
		// -noverify: OpenSSL 3.0 cannot be told the SM2 identity here; the signature is checked below.
		text := pkitest.OpenSSL(t, "ocsp", "-issuer", issuerPEM, digest, "-cert", leafPEM, "-reqin", out,
			"-respin", pkitest.File(t, "resp.der", response), "-noverify", "-resp_text")
		for _, want := range []string{"OCSP Response Status: successful", "Cert Status: revoked", "keyCompromise", "\nrevoked\n\tThis Update: Apr  1 08:00:00 2026 GMT", "SM2-with-SM3", "OCSP No Check"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: openssl lacks %q in\n%s", digest, want, text)
			}
		}
		if strings.Contains(text, "WARNING: no nonce") || strings.Contains(text, "Nonce Verify error") {
			t.Errorf("%s: nonce not echoed:\n%s", digest, text)
		}
		tbs, signature := basicResponse(t, response)
		pkitest.OpenSSLVerifies(t, r.cert, tbs, signature)
	}
}

// basicResponse digs the signed bytes and the signature out of an OCSPResponse.
func basicResponse(t testing.TB, der []byte) (tbs, signature []byte) {
	t.Helper()
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type  asn1.ObjectIdentifier
			Basic []byte
		} `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	return split(t, outer.Bytes.Basic)
}

func TestAnOCSPAnswerIsReadBack(t *testing.T) {
	r := newResponder(t, pkitest.New(t))
	at := pkitest.Start.AddDate(0, 0, 10)
	nonce := bytes.Repeat([]byte{5}, 32)
	ids := []pki.CertID{pki.NewCertID(pki.SHA1, r.CA.Cert, big.NewInt(11)), pki.NewCertID(pki.SM3, r.CA.Cert, big.NewInt(12)), pki.NewCertID(pki.SM3, r.CA.Cert, big.NewInt(13))}
	request, err := pki.OCSPRequest{IDs: ids, Nonce: nonce}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q, err := pki.ParseOCSPRequest(request)
	if err != nil || len(q.IDs) != 3 || !bytes.Equal(q.Nonce, nonce) {
		t.Fatal(q, err)
	}
	der := r.answer(t, at, q.Nonce, pki.Answer{ID: q.IDs[0]}, pki.Answer{ID: q.IDs[1], Status: pki.StatusRevoked, RevokedAt: at}, pki.Answer{ID: q.IDs[2], Status: pki.StatusUnknown})
	got, err := pki.ParseOCSPResponse(der, r.CA.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ProducedAt.Equal(at) || !bytes.Equal(got.Nonce, nonce) || !got.Responder.Equal(r.cert) {
		t.Errorf("%+v", got)
	}
	for serial, want := range map[int64]pki.CertStatus{11: pki.StatusGood, 12: pki.StatusRevoked, 13: pki.StatusUnknown} {
		if a, ok := got.Lookup(big.NewInt(serial)); !ok || a.Status != want {
			t.Errorf("%d: %+v", serial, a)
		}
	}
	if _, ok := got.Lookup(big.NewInt(14)); ok {
		t.Error("an answer to a question that was not asked")
	}
}

func TestOnlyTheIssuerAndItsDelegatesAnswer(t *testing.T) {
	r, stranger := newResponder(t, pkitest.New(t)), newResponder(t, pkitest.New(t))
	at := pkitest.Start.AddDate(0, 0, 10)
	id := pki.NewCertID(pki.SM3, r.CA.Cert, big.NewInt(11))
	if _, err := pki.ParseOCSPResponse(stranger.answer(t, at, nil, pki.Answer{ID: id}), r.CA.Cert); !errors.Is(err, pki.ErrOCSP) {
		t.Errorf("a namesake's responder: %v", err)
	}
	if _, err := pki.ParseOCSPResponse(r.answer(t, r.cert.NotAfter.Add(time.Second), nil, pki.Answer{ID: id}), r.CA.Cert); !errors.Is(err, pki.ErrOCSP) {
		t.Errorf("an expired responder: %v", err)
	}
	service, _ := r.CA.IssueRole(t, pki.Service)
	if _, err := pki.NewOCSP(service, at, []pki.Answer{{ID: id, ThisUpdate: at, NextUpdate: at.Add(1)}}, nil); !errors.Is(err, pki.ErrOCSP) {
		t.Errorf("a service certificate answers: %v", err)
	}
	good := r.answer(t, at, nil, pki.Answer{ID: id})
	tbs, _ := basicResponse(t, good)
	altered := bytes.Replace(good, tbs, append(bytes.Clone(tbs[:len(tbs)-1]), tbs[len(tbs)-1]^1), 1)
	if _, err := pki.ParseOCSPResponse(altered, r.CA.Cert); err == nil {
		t.Error("an altered answer was believed")
	}
	// The delegate's EKU is what counts: the same answer under another certificate name is not found.
	if _, err := pki.ParseOCSPResponse(good, r.Root.Cert); !errors.Is(err, pki.ErrOCSP) {
		t.Errorf("the root's delegate: %v", err)
	}
	if _, err := (pki.OCSPDraft{}).Assemble(nil); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("zero draft: %v", err)
	}
}

func TestAnOCSPRefusalIsAStatus(t *testing.T) {
	h := pkitest.New(t)
	for _, s := range []pki.OCSPStatus{pki.OCSPMalformed, pki.OCSPInternal, pki.OCSPTryLater, pki.OCSPUnauthorized} {
		var got pki.OCSPStatus
		if _, err := pki.ParseOCSPResponse(pki.OCSPFailure(s), h.CA.Cert); !errors.As(err, &got) || got != s {
			t.Errorf("%v: %v", s, err)
		}
		if text := pkitest.OpenSSL(t, "asn1parse", "-inform", "DER", "-in", pkitest.File(t, "r.der", pki.OCSPFailure(s))); !strings.Contains(text, fmt.Sprintf("ENUMERATED        :%02d", s)) {
			t.Error(text)
		}
	}
}

func TestOCSPRequestsHaveLimits(t *testing.T) {
	h := pkitest.New(t)
	id := pki.NewCertID(pki.SM3, h.CA.Cert, big.NewInt(1))
	if _, err := (pki.OCSPRequest{}).Marshal(); !errors.Is(err, pki.ErrOCSP) {
		t.Error("no certificate")
	}
	if _, err := (pki.OCSPRequest{IDs: make([]pki.CertID, 17)}).Marshal(); !errors.Is(err, pki.ErrOCSP) {
		t.Error("17 certificates")
	}
	der, err := (pki.OCSPRequest{IDs: []pki.CertID{id}, Nonce: make([]byte, 128)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseOCSPRequest(der); err != nil {
		t.Error(err)
	}
	if _, err := (pki.OCSPRequest{IDs: []pki.CertID{id}, Nonce: make([]byte, 129)}).Marshal(); !errors.Is(err, pki.ErrOCSP) {
		t.Error("a nonce of 129 octets")
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, der[:len(der)-1], append(bytes.Clone(der), 0)} {
		if _, err := pki.ParseOCSPRequest(bad); !errors.Is(err, pki.ErrOCSP) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}
