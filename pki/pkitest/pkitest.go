// Package pkitest makes throw-away SM2 authorities and certificates for tests, through the same drafts and the same
// linter as the real ones, and asks openssl for a second opinion. Its keys live in memory and are worth nothing.
package pkitest

import (
	"crypto/rand"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/lint"
)

// Start is the notBefore of every certificate that Issue fills in.
var Start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// Authority is a certificate with its private key in the open.
type Authority struct {
	Issuer pki.Issuer
	Cert   *smx509.Certificate
	Key    *sm2.PrivateKey
	fixed  bool
}

// Hierarchy is a sandbox root with one issuing CA below it.
type Hierarchy struct{ Root, CA *Authority }

// New makes a hierarchy under the documentation arc.
func New(t testing.TB) *Hierarchy {
	t.Helper()
	return NewUnder(t, pki.Arc{}, true)
}

// NewUnder makes a hierarchy under an arc, as a sandbox or not.
func NewUnder(t testing.TB, arc pki.Arc, sandbox bool) *Hierarchy {
	t.Helper()
	return grow(t, &Authority{Issuer: pki.Issuer{Arc: arc, Sandbox: sandbox, CPSURL: "http://pki.example/cps"}})
}

// Fixed makes a hierarchy whose keys, serial numbers and signatures are the same in every run, as are those of the
// certificates that its IssueRole makes: the workers of a fuzz target have to agree about them.
func Fixed(t testing.TB) *Hierarchy {
	t.Helper()
	return grow(t, &Authority{Issuer: pki.Issuer{Sandbox: true, CPSURL: "http://pki.example/cps"}, fixed: true})
}

func grow(t testing.TB, self *Authority) *Hierarchy {
	t.Helper()
	self.Key = self.key(t, pki.Root)
	x := Template(pki.Root, self.Key)
	if self.fixed {
		x.Serial = new(big.Int).Lsh(big.NewInt(1), 100)
	}
	if self.Issuer.Sandbox {
		x.Subject.Organization = pki.SandboxOrganization
	}
	h := &Hierarchy{Root: self.below(self.Issue(t, x), self.Key)}
	cert, key := h.Root.IssueRole(t, pki.IssuingCA)
	h.CA = h.Root.below(cert, key)
	return h
}

func (a *Authority) below(cert *smx509.Certificate, key *sm2.PrivateKey) *Authority {
	iss := a.Issuer
	iss.Certificate = cert
	iss.CRLURL, iss.OCSPURL, iss.CertURL = "http://pki.example/ca.crl", "http://pki.example/ocsp", "http://pki.example/ca.cer"
	return &Authority{Issuer: iss, Cert: cert, Key: key, fixed: a.fixed}
}

// key draws a key, or returns the one that belongs to a role.
func (a *Authority) key(t testing.TB, role pki.Role) *sm2.PrivateKey {
	t.Helper()
	if !a.fixed {
		return Key(t)
	}
	key, err := sm2.NewPrivateKey(pki.SM3.Sum([]byte(role.String())))
	must(t, err)
	return key
}

// Template returns a good template of a role for a key; only what Issue cannot fill in is set.
func Template(role pki.Role, key *sm2.PrivateKey) pki.Template {
	t := pki.Template{Role: role, PublicKey: &key.PublicKey}
	switch role {
	case pki.PersonSigning, pki.PersonEncryption:
		t.Subject = pki.Name{Country: "CN", CommonName: "张三", Serial: "P-0001"}
		t.IDNumber = pki.KeyedIDNumber([32]byte{1, 2, 3})
	case pki.EnterpriseSigning, pki.EnterpriseEncryption:
		t.Subject = pki.Name{Country: "CN", Organization: "示例建设有限公司", Unit: "M-0001", CommonName: "示例建设有限公司", Serial: "E-0001"}
		t.USCC, t.MemberName = "91110000MA0000000X", "李四"
	case pki.PlatformSigning, pki.PlatformEncryption:
		t.Subject = pki.Name{Organization: "示例交易平台", CommonName: "M1100000034"}
		t.Host = "bid.example"
	case pki.Root:
		t.Subject = pki.Name{Country: "CN", Organization: "Example Operator", CommonName: "Example 根CA"}
	case pki.IssuingCA:
		t.Subject = pki.Name{Country: "CN", Organization: "Example Institution", CommonName: "Example 签发CA"}
	case pki.SealMaker:
		t.Subject = pki.Name{Organization: "Example Operator", CommonName: "制章"}
	default:
		t.Subject = pki.Name{Country: "CN", Organization: "Example Institution", CommonName: "Example " + role.String()}
	}
	return t
}

// Fill sets the serial number and the validity of a template: the longest that its role allows, from Start.
func Fill(t testing.TB, tmpl pki.Template) pki.Template {
	t.Helper()
	p, err := pki.ProfileOf(tmpl.Role)
	must(t, err)
	if tmpl.Serial == nil {
		tmpl.Serial, err = pki.NewSerial(rand.Reader)
		must(t, err)
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = Start
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = tmpl.NotBefore.AddDate(p.Years, 0, p.Days)
	}
	return tmpl
}

// Issue fills, drafts, lints, signs and assembles.
func (a *Authority) Issue(t testing.TB, tmpl pki.Template) *smx509.Certificate {
	t.Helper()
	draft, err := pki.NewDraft(a.Issuer, Fill(t, tmpl))
	must(t, err)
	linted, err := lint.Check(rand.Reader, draft)
	must(t, err)
	tbs, err := linted.Spend()
	must(t, err)
	cert, err := linted.Assemble(Sign(t, a.Key, tbs))
	must(t, err)
	return cert
}

// IssueRole issues a good certificate of a role for a new key.
func (a *Authority) IssueRole(t testing.TB, role pki.Role) (*smx509.Certificate, *sm2.PrivateKey) {
	t.Helper()
	key := a.key(t, role)
	x := Template(role, key)
	if a.fixed {
		x.Serial = new(big.Int).SetBytes(pki.SM3.Sum([]byte(role.String()))[:14])
	}
	return a.Issue(t, x), key
}

// Key draws an SM2 key.
func Key(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

// Sign signs msg as SM2-with-SM3 under the default identity, the same way each time.
func Sign(t testing.TB, key *sm2.PrivateKey, msg []byte) []byte {
	t.Helper()
	signature, err := sm2.SignDeterministic(key, msg, sm2.DefaultSM2SignerOpts)
	must(t, err)
	return signature
}

// File writes bytes into the test's folder and returns the path.
func File(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// OpenSSL runs the command and returns what it printed; another exit status than 0 fails the test.
func OpenSSL(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// OpenSSLVerifies asks openssl whether signature over msg is the key's, SM2-with-SM3 under the default identity.
func OpenSSLVerifies(t testing.TB, cert *smx509.Certificate, msg, signature []byte) {
	t.Helper()
	spki := File(t, "key.der", cert.RawSubjectPublicKeyInfo)
	out := OpenSSL(t, "dgst", "-sm3", "-verify", spki, "-keyform", "DER", "-sigopt", "distid:1234567812345678",
		"-signature", File(t, "sig.der", signature), File(t, "msg", msg))
	if !strings.Contains(out, "Verified OK") {
		t.Fatalf("openssl dgst: %s", out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
