package pki_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/lint"
	"tianweitong/pki/pkitest"
)

// pemFile writes certificates for openssl.
func pemFile(t testing.TB, name string, certs ...*smx509.Certificate) string {
	t.Helper()
	var b bytes.Buffer
	for _, c := range certs {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	return pkitest.File(t, name, b.Bytes())
}

func TestOpenSSLVerifiesACertificateOfEveryRole(t *testing.T) {
	h := pkitest.New(t)
	above := func(cert *smx509.Certificate) *smx509.Certificate {
		if bytes.Equal(h.CA.Cert.RawSubject, cert.RawIssuer) {
			return h.CA.Cert
		}
		return h.Root.Cert
	}
	for _, role := range pki.Roles() {
		t.Run(role.String(), func(t *testing.T) {
			cert := h.CA.Cert
			switch role {
			case pki.Root:
				cert = h.Root.Cert
			case pki.IssuingCA:
			default:
				cert, _ = h.CA.IssueRole(t, role)
			}
			leaf := pemFile(t, "leaf.pem", cert)
			// OpenSSL 3.0 gives the SM2 identity to the last certificate alone, so each is verified under its issuer.
			out := pkitest.OpenSSL(t, "verify", "-x509_strict", "-attime", "1780000000", "-partial_chain",
				"-vfyopt", "distid:1234567812345678", "-CAfile", pemFile(t, "issuer.pem", above(cert)), leaf)
			if !strings.HasSuffix(strings.TrimSpace(out), ": OK") {
				t.Fatal(out)
			}
			pkitest.OpenSSLVerifies(t, above(cert), cert.RawTBSCertificate, cert.Signature)
			text := pkitest.OpenSSL(t, "x509", "-in", leaf, "-noout", "-text", "-nameopt", "utf8,sep_comma_plus", "-certopt", "ext_parse")
			for _, want := range []string{"Signature Algorithm: SM2-with-SM3", "X509v3 Key Usage: critical"} {
				if !strings.Contains(text, want) {
					t.Errorf("openssl x509 -text lacks %q:\n%s", want, text)
				}
			}
		})
	}
}

func TestOpenSSLReadsTheExtensionsOfAPerson(t *testing.T) {
	h := pkitest.New(t)
	cert, _ := h.CA.IssueRole(t, pki.PersonSigning)
	text := pkitest.OpenSSL(t, "x509", "-in", pemFile(t, "p.pem", cert), "-noout", "-text", "-nameopt", "utf8,sep_comma_plus")
	for _, want := range []string{
		"Issuer: C=CN,O=Example Institution,CN=Example 签发CA", "Subject: C=CN,CN=张三,serialNumber=P-0001",
		"Digital Signature, Non Repudiation", "URI:http://pki.example/ca.crl", "OCSP - URI:http://pki.example/ocsp",
		"CA Issuers - URI:http://pki.example/ca.cer", "Policy: 1.3.6.1.4.1.32473.1.2", "CPS: http://pki.example/cps",
		"1.2.156.10260.4.1.1.1", "HMAC-SM3:010203",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not see %q in\n%s", want, text)
		}
	}
}

func TestASignatureOfAnotherKeyIsNotAssembled(t *testing.T) {
	h := pkitest.New(t)
	draft, err := pki.NewDraft(h.CA.Issuer, pkitest.Fill(t, pkitest.Template(pki.PersonSigning, pkitest.Key(t))))
	if err != nil {
		t.Fatal(err)
	}
	linted, err := lint.Check(rand.Reader, draft)
	if err != nil {
		t.Fatal(err)
	}
	tbs, err := linted.Spend()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := linted.Assemble(pkitest.Sign(t, h.Root.Key, tbs)); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("signed by the root: %v", err)
	}
	if _, err := linted.Assemble(nil); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("no signature: %v", err)
	}
}

func TestSerialNumbersHave127RandomBits(t *testing.T) {
	top := 0
	seen := map[string]bool{}
	for range 2000 {
		n, err := pki.NewSerial(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if n.BitLen() > 127 || n.Sign() <= 0 || seen[n.String()] {
			t.Fatalf("serial %x", n)
		}
		seen[n.String()] = true
		if n.Bit(126) == 1 {
			top++
		}
	}
	if top < 800 || top > 1200 {
		t.Errorf("the highest bit stood in %d of 2000", top)
	}
	if _, err := pki.NewSerial(bytes.NewReader(make([]byte, 16))); err == nil {
		t.Error("a source of zeros was believed")
	}
	if _, err := pki.NewSerial(bytes.NewReader(nil)); err == nil {
		t.Error("an empty source was believed")
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	h := pkitest.New(t)
	key := pkitest.Key(t)
	good := pkitest.Fill(t, pkitest.Template(pki.PersonSigning, key))
	for name, breakIt := range map[string]func(*pki.Template){
		"no role":                func(x *pki.Template) { x.Role = 0 },
		"no key":                 func(x *pki.Template) { x.PublicKey = nil },
		"no serial number":       func(x *pki.Template) { x.Serial = nil },
		"negative serial number": func(x *pki.Template) { x.Serial = big.NewInt(-1) },
		"name not UTF-8":         func(x *pki.Template) { x.Subject.CommonName = "\xff" },
		"name too long":          func(x *pki.Template) { x.Subject.CommonName = strings.Repeat("长", 65) },
		"holder id not ASCII":    func(x *pki.Template) { x.Subject.Serial = "张" },
		"a root below a CA":      func(x *pki.Template) { x.Role = pki.Root },
	} {
		x := good
		breakIt(&x)
		if _, err := pki.NewDraft(h.CA.Issuer, x); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAProductionVerifierRecognisesASandbox(t *testing.T) {
	arc, err := pki.ParseArc("1.2.156.99999.7")
	if err != nil {
		t.Fatal(err)
	}
	box, real := pkitest.NewUnder(t, arc, true), pkitest.NewUnder(t, arc, false)
	leaf, _ := box.CA.IssueRole(t, pki.Service)
	for _, c := range []*smx509.Certificate{box.Root.Cert, box.CA.Cert, leaf} {
		if !pki.IsSandbox(arc, c) {
			t.Errorf("%s: not recognised", c.Subject)
		}
	}
	if !pki.IsSandboxChain(arc, []*smx509.Certificate{leaf, box.CA.Cert, box.Root.Cert}) {
		t.Error("chain not recognised")
	}
	leaf, _ = real.CA.IssueRole(t, pki.Service)
	if pki.IsSandboxChain(arc, []*smx509.Certificate{leaf, real.CA.Cert, real.Root.Cert}) {
		t.Error("a production chain taken for a sandbox")
	}
	doc := pkitest.New(t)
	if !pki.IsSandbox(arc, doc.CA.Cert) {
		t.Error("a sandbox under the documentation arc not recognised by an operator with another arc")
	}
}

func TestArcIsADottedNumber(t *testing.T) {
	for _, s := range []string{"1", "1.2", "a.b.c", "1.2.-3", "1.2.03", "3.1.1", "1.40.1", "1.2.4294967296", "1..2", "1.2.3."} {
		if _, err := pki.ParseArc(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
	a, err := pki.ParseArc("1.2.156.99999")
	if err != nil || a.Policy().String() != "1.2.156.99999.1.1" || a.Documentation() {
		t.Errorf("%v %v", a, err)
	}
	if a, err = pki.ParseArc(""); err != nil || !a.Documentation() || a.String() != "1.3.6.1.4.1.32473" {
		t.Errorf("%v %v", a, err)
	}
}

func TestIDNumberIsADigestOrClear(t *testing.T) {
	mac := [32]byte{9, 8, 7}
	if got, ok := pki.KeyedIDNumber(mac).Keyed(); !ok || got != mac {
		t.Errorf("%x %v", got, ok)
	}
	for _, s := range []string{"11010519491231002X", "HMAC-SM3:", "HMAC-SM3:" + strings.Repeat("g", 64)} {
		if _, ok := pki.ClearIDNumber(s).Keyed(); ok {
			t.Errorf("%q read as a digest", s)
		}
	}
}

func TestARootThatOutlives2049HasOpenSSLReadableTimes(t *testing.T) {
	key := pkitest.Key(t)
	a := &pkitest.Authority{Issuer: pki.Issuer{Sandbox: true, CPSURL: "http://pki.example/cps"}, Key: key}
	cert := a.Issue(t, pki.Template{Role: pki.Root, PublicKey: &key.PublicKey, NotBefore: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
		Subject: pki.Name{Country: "CN", Organization: pki.SandboxOrganization, CommonName: "Example 根CA"}})
	if out := pkitest.OpenSSL(t, "x509", "-in", pemFile(t, "r.pem", cert), "-noout", "-enddate"); !strings.Contains(out, "2060 GMT") {
		t.Error(out)
	}
}
