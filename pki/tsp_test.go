package pki_test

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

type authority struct {
	*pkitest.Hierarchy
	cert   *smx509.Certificate
	key    *sm2.PrivateKey
	policy asn1.ObjectIdentifier
}

func newTSA(t testing.TB, h *pkitest.Hierarchy) authority {
	t.Helper()
	cert, key := h.CA.IssueRole(t, pki.TSA)
	return authority{h, cert, key, pki.TSAPolicyOf(pki.Arc{}, true)}
}

func (a authority) stamp(t testing.TB, serial int64, at time.Time, r pki.TimestampRequest) []byte {
	t.Helper()
	draft, err := pki.NewTimestamp(pki.Arc{}, a.policy, a.cert, []*smx509.Certificate{a.CA.Cert}, big.NewInt(serial), at, r)
	if err != nil {
		t.Fatal(err)
	}
	der, err := draft.Assemble(pkitest.Sign(t, a.key, draft.ToBeSigned()))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestATimestampIsAskedMadeAndVerified(t *testing.T) {
	a := newTSA(t, pkitest.New(t))
	data, at := []byte("signature value"), pkitest.Start.AddDate(0, 2, 0)
	r, err := pki.NewTimestampRequest(rand.Reader, data)
	if err != nil {
		t.Fatal(err)
	}
	request, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q, err := pki.ParseTimestampRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	response := a.stamp(t, 4711, at.Add(300*time.Millisecond), *q)
	ts, err := pki.ParseTimestampResponse(response, r)
	if err != nil {
		t.Fatal(err)
	}
	if !ts.Time.Equal(at) || ts.Serial.Int64() != 4711 || !ts.Policy.Equal(a.policy) || !ts.TSA.Equal(a.cert) {
		t.Errorf("%+v", ts)
	}
	o := pki.ChainOptions{Roots: []*smx509.Certificate{a.Root.Cert}}
	if err := ts.Verify(data, o); err != nil {
		t.Error(err)
	}
	if err := ts.Verify([]byte("other"), o); !errors.Is(err, pki.ErrTimestamp) {
		t.Errorf("other data: %v", err)
	}
	if err := ts.Verify(data, pki.ChainOptions{Roots: []*smx509.Certificate{pkitest.New(t).Root.Cert}}); !errors.Is(err, pki.ErrChain) {
		t.Errorf("another root: %v", err)
	}

	text := pkitest.OpenSSL(t, "ts", "-reply", "-in", pkitest.File(t, "t.tsr", response), "-text")
	for _, want := range []string{"Status: Granted.", "Policy OID: 1.3.6.1.4.1.32473.1.4", "Hash Algorithm: sm3", "Serial number: 0x1267",
		"Time stamp: May  1 08:00:00 2026 GMT", "Accuracy: 0x01 seconds", "TSA: DirName:/C=CN"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl ts lacks %q in\n%s", want, text)
		}
	}
	d, err := pki.ParseSignedData(pki.Arc{}, ts.Token)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := pki.NewTimestamp(pki.Arc{}, a.policy, a.cert, nil, big.NewInt(4711), at.Add(300*time.Millisecond), *q)
	if err != nil {
		t.Fatal(err)
	}
	pkitest.OpenSSLVerifies(t, a.cert, draft.ToBeSigned(), d.Signature)
	// openssl parses the token as PKCS #7 and finds both certificates.
	if out := pkitest.OpenSSL(t, "pkcs7", "-inform", "DER", "-in", pkitest.File(t, "t.p7", ts.Token), "-print_certs", "-noout"); strings.Count(out, "subject=") != 2 {
		t.Error(out)
	}
}

func TestATimestampRequestOfOpenSSLIsRead(t *testing.T) {
	data := pkitest.File(t, "data", []byte("data"))
	for _, c := range []struct {
		args []string
		hash pki.Hash
	}{{[]string{"-sm3", "-cert"}, pki.SM3}, {[]string{"-sha256", "-no_nonce", "-tspolicy", "1.2.3.4"}, pki.SHA256}} {
		out := filepath.Join(t.TempDir(), "q.tsq")
		pkitest.OpenSSL(t, append([]string{"ts", "-query", "-data", data, "-out", out}, c.args...)...)
		der, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		q, err := pki.ParseTimestampRequest(der)
		if err != nil {
			t.Fatal(c.args, err)
		}
		if q.Hash != c.hash || !bytes.Equal(q.Imprint, c.hash.Sum([]byte("data"))) || q.WantCertificate != (c.hash == pki.SM3) ||
			(q.Nonce != nil) != (c.hash == pki.SM3) || (q.Policy != nil) != (c.hash == pki.SHA256) {
			t.Errorf("%v: %+v", c.args, q)
		}
	}
}

func TestATimestampRequestIsRefusedWithItsReason(t *testing.T) {
	a := newTSA(t, pkitest.New(t))
	var f pki.TSPFailure
	refused := func(err error) pki.TSPFailure {
		if !errors.As(err, &f) {
			t.Fatalf("not a failure: %v", err)
		}
		return f
	}
	parse := func(args ...string) error {
		out := filepath.Join(t.TempDir(), "q.tsq")
		pkitest.OpenSSL(t, append([]string{"ts", "-query", "-data", pkitest.File(t, "d", nil), "-out", out}, args...)...)
		der, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		_, err = pki.ParseTimestampRequest(der)
		return err
	}
	if got := refused(parse("-sha1")); got != pki.TSPBadAlgorithm {
		t.Errorf("SHA-1: %v", got)
	}
	_, err := pki.ParseTimestampRequest([]byte("no request"))
	if got := refused(err); got != pki.TSPBadDataFormat {
		t.Errorf("no request: %v", got)
	}
	r := pki.TimestampRequest{Hash: pki.SM3, Imprint: make([]byte, 32), Policy: asn1.ObjectIdentifier{1, 2, 3}}
	_, err = pki.NewTimestamp(pki.Arc{}, a.policy, a.cert, nil, big.NewInt(1), pkitest.Start, r)
	if got := refused(err); got != pki.TSPUnacceptedPolicy {
		t.Errorf("policy: %v", got)
	}
	r.Policy = nil
	_, err = pki.NewTimestamp(pki.Arc{}, a.policy, a.cert, nil, big.NewInt(1), a.cert.NotAfter.Add(time.Second), r)
	if got := refused(err); got != pki.TSPTimeNotAvailable {
		t.Errorf("expired authority: %v", got)
	}
	r.Imprint = r.Imprint[1:]
	short, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	_, err = pki.ParseTimestampRequest(short)
	if got := refused(err); got != pki.TSPBadDataFormat {
		t.Errorf("short imprint: %v", got)
	}

	for _, want := range []pki.TSPFailure{pki.TSPBadAlgorithm, pki.TSPBadRequest, pki.TSPBadDataFormat, pki.TSPTimeNotAvailable,
		pki.TSPUnacceptedPolicy, pki.TSPUnacceptedExtension, pki.TSPAddInfoNotAvailable, pki.TSPSystemFailure} {
		der, err := pki.TimestampRejection(want, "请求不符合要求")
		if err != nil {
			t.Fatal(err)
		}
		_, err = pki.ParseTimestampResponse(der, r)
		if got := refused(err); got != want || !errors.Is(err, pki.ErrTimestamp) {
			t.Errorf("%v read back as %v", want, got)
		}
		if text := pkitest.OpenSSL(t, "ts", "-reply", "-in", pkitest.File(t, "r.tsr", der), "-text"); !strings.Contains(text, "Status: Rejected.") || strings.Contains(text, "Failure info: unspecified") {
			t.Error(text)
		}
	}
}

func TestATimestampOfSomethingElseIsNotTaken(t *testing.T) {
	a := newTSA(t, pkitest.New(t))
	at := pkitest.Start.AddDate(0, 2, 0)
	r := pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum([]byte("a")), Nonce: big.NewInt(99), WantCertificate: true}
	good := a.stamp(t, 1, at, r)
	for what, change := range map[string]func(*pki.TimestampRequest){
		"imprint":   func(r *pki.TimestampRequest) { r.Imprint = pki.SM3.Sum([]byte("b")) },
		"algorithm": func(r *pki.TimestampRequest) { r.Hash = pki.SHA256 },
		"nonce":     func(r *pki.TimestampRequest) { r.Nonce = big.NewInt(98) },
		"no nonce":  func(r *pki.TimestampRequest) { r.Nonce = nil },
		"policy":    func(r *pki.TimestampRequest) { r.Policy = asn1.ObjectIdentifier{1, 2, 3} },
	} {
		other := r
		change(&other)
		if _, err := pki.ParseTimestampResponse(good, other); !errors.Is(err, pki.ErrTimestamp) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	// A token without certificates is verified under an authority that is known.
	r.WantCertificate = false
	bare := a.stamp(t, 2, at, r)
	if _, err := pki.ParseTimestampResponse(bare, r); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("no certificate: %v", err)
	}
	if _, err := pki.ParseTimestampResponse(bare, r, a.cert); err != nil {
		t.Error(err)
	}
	// Only a timestamp authority stamps.
	service, _ := a.CA.IssueRole(t, pki.Service)
	if _, err := pki.NewTimestamp(pki.Arc{}, a.policy, service, nil, big.NewInt(1), at, r); !errors.Is(err, pki.ErrTimestamp) {
		t.Errorf("a service certificate stamps: %v", err)
	}
	draft, err := pki.NewTimestamp(pki.Arc{}, a.policy, a.cert, nil, big.NewInt(3), at, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := draft.Assemble(pkitest.Sign(t, a.CA.Key, draft.ToBeSigned())); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("signed by the CA: %v", err)
	}
	if _, err := (pki.TimestampDraft{}).Assemble(nil); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("zero draft: %v", err)
	}
}

func TestATimestampOutlivesItsAuthority(t *testing.T) {
	a := newTSA(t, pkitest.New(t))
	data := []byte("x")
	r := pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum(data), WantCertificate: true}
	ts, err := pki.ParseTimestampResponse(a.stamp(t, 1, a.cert.NotAfter, r), r)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := pki.ParseCRL(makeCRL(t, a.CA, 1, a.cert.NotAfter, pki.Revocation{Serial: a.cert.SerialNumber, At: ts.Time.Add(-time.Second), Reason: pki.KeyCompromise}), a.CA.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := []*smx509.Certificate{a.Root.Cert}
	if err := ts.Verify(data, pki.ChainOptions{Roots: roots, At: a.cert.NotAfter.AddDate(5, 0, 0)}); err != nil {
		t.Errorf("judged at its own time: %v", err)
	}
	if err := ts.Verify(data, pki.ChainOptions{Roots: roots, CRLs: []*pki.CRL{revoked}}); !errors.Is(err, pki.ErrRevoked) {
		t.Errorf("stamped after the authority was revoked: %v", err)
	}
}
