package lint_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/lint"
	"tianweitong/pki/pkitest"
)

// tbs is a TBSCertificate that a test can bend where NewDraft would not.
type tbs struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  asn1.RawValue
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	Key        asn1.RawValue
	Extensions []ext `asn1:"optional,explicit,tag:3"`
}

type ext struct {
	ID       asn1.ObjectIdentifier
	Critical bool `asn1:"optional"`
	Value    []byte
}

func (x *tbs) find(t testing.TB, id asn1.ObjectIdentifier) *ext {
	t.Helper()
	i := slices.IndexFunc(x.Extensions, func(e ext) bool { return e.ID.Equal(id) })
	if i < 0 {
		t.Fatalf("no extension %v", id)
	}
	return &x.Extensions[i]
}

func (x *tbs) drop(id asn1.ObjectIdentifier) {
	x.Extensions = slices.DeleteFunc(x.Extensions, func(e ext) bool { return e.ID.Equal(id) })
}

func raw(t testing.TB, v any) asn1.RawValue {
	t.Helper()
	return asn1.RawValue{FullBytes: der(t, v)}
}

func der(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func name(t testing.TB, n pki.Name) asn1.RawValue {
	t.Helper()
	b, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: b}
}

func spki(t testing.TB, pub *ecdsa.PublicKey) (asn1.RawValue, []byte) {
	t.Helper()
	point, err := pki.Point(pub)
	if err != nil {
		t.Fatal(err)
	}
	b, err := smx509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: b}, der(t, pki.KeyID(point))
}

// bend drafts a good certificate, lets change alter its TBSCertificate, and lints it.
func bend(t testing.TB, a *pkitest.Authority, role pki.Role, change func(*tbs)) error {
	t.Helper()
	draft, err := pki.NewDraft(a.Issuer, pkitest.Fill(t, pkitest.Template(role, pkitest.Key(t))))
	if err != nil {
		t.Fatal(err)
	}
	var x tbs
	if rest, err := asn1.Unmarshal(draft.TBS, &x); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	if again := der(t, x); !bytes.Equal(again, draft.TBS) {
		t.Fatal("the test's structure does not round-trip")
	}
	change(&x)
	draft.TBS = der(t, x)
	_, err = lint.Check(rand.Reader, draft)
	return err
}

func rulesOf(t testing.TB, err error) []string {
	t.Helper()
	var e *lint.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &e) {
		t.Fatalf("not a finding: %v", err)
	}
	var names []string
	for _, f := range e.Findings {
		names = append(names, f.Rule)
	}
	return names
}

type utcPair struct{ A, B time.Time }

// TestEveryRuleIsBrokenAlone bends one thing at a time and wants exactly the rule that forbids it.
func TestEveryRuleIsBrokenAlone(t *testing.T) {
	h := pkitest.New(t)
	service, serviceKey := h.CA.IssueRole(t, pki.Service)
	asService := *h.CA
	asService.Issuer.Certificate, asService.Key = service, serviceKey
	start := pkitest.Start
	oid := func(n ...int) asn1.ObjectIdentifier { return n }
	cases := []struct {
		rule, what string
		role       pki.Role
		change     func(*tbs)
	}{
		{"encoding", "bytes after the extensions", pki.PersonSigning, func(x *tbs) { x.Key.FullBytes = append(x.Key.FullBytes, 5, 0) }},
		{"encoding", "an INTEGER that is not minimal", pki.PersonSigning, func(x *tbs) {
			x.Algorithm.FullBytes = []byte{0x30, 4, 2, 2, 0, 1}
		}},
		{"serial", "64 bits", pki.PersonSigning, func(x *tbs) { x.Serial = new(big.Int).SetUint64(1<<64 - 1) }},
		{"serial", "128 bits", pki.PersonSigning, func(x *tbs) { x.Serial = new(big.Int).Lsh(big.NewInt(1), 127) }},
		{"issuer-name", "another issuer", pki.PersonSigning, func(x *tbs) { x.Issuer = name(t, pki.Name{CommonName: "B"}) }},
		{"name-encoding", "a PrintableString CN", pki.PersonSigning, func(x *tbs) {
			x.Subject.FullBytes = bytes.Replace(name(t, pki.Name{Country: "CN", CommonName: "Zhang", Serial: "P-0001"}).FullBytes,
				[]byte("\x0c\x05Zhang"), []byte("\x13\x05Zhang"), 1)
		}},
		{"subject", "no holder id", pki.PersonSigning, func(x *tbs) { x.Subject = name(t, pki.Name{Country: "CN", CommonName: "张三"}) }},
		{"subject", "an O in a person's", pki.PersonSigning, func(x *tbs) {
			x.Subject = name(t, pki.Name{Country: "CN", Organization: "O", CommonName: "张三", Serial: "1"})
		}},
		{"subject", "another country", pki.PersonSigning, func(x *tbs) { x.Subject = name(t, pki.Name{Country: "DE", CommonName: "张三", Serial: "1"}) }},
		{"subject", "no member id", pki.EnterpriseSigning, func(x *tbs) {
			x.Subject = name(t, pki.Name{Country: "CN", Organization: "O", CommonName: "O", Serial: "1"})
		}},
		{"validity-encoding", "GeneralizedTime before 2050", pki.PersonSigning, func(x *tbs) {
			x.Validity = raw(t, struct {
				A time.Time `asn1:"utc"`
				B time.Time `asn1:"generalized"`
			}{start, start.AddDate(2, 0, 0)})
		}},
		{"validity", "more than three years", pki.PersonSigning, func(x *tbs) { x.Validity = raw(t, utcPair{start, start.AddDate(3, 0, 1)}) }},
		{"validity", "less than one year", pki.PersonSigning, func(x *tbs) { x.Validity = raw(t, utcPair{start, start.AddDate(0, 11, 0)}) }},
		{"validity", "the end before the start", pki.PersonSigning, func(x *tbs) { x.Validity = raw(t, utcPair{start, start}) }},
		{"validity", "91 days", pki.OCSPSigner, func(x *tbs) { x.Validity = raw(t, utcPair{start, start.AddDate(0, 0, 91)}) }},
		{"validity-issuer", "earlier than the issuer", pki.PersonSigning, func(x *tbs) {
			x.Validity = raw(t, utcPair{start.AddDate(0, 0, -1), start.AddDate(2, 0, 0)})
		}},
		{"validity-issuer", "later than the issuer", pki.PersonSigning, func(x *tbs) {
			x.Validity = raw(t, utcPair{start.AddDate(8, 0, 0), start.AddDate(11, 0, 0)})
		}},
		{"key-reuse", "the issuer's key", pki.PersonSigning, func(x *tbs) {
			var id []byte
			x.Key, id = spki(t, &h.CA.Key.PublicKey)
			x.find(t, pki.OIDSubjectKeyID).Value = id
		}},
		{"extension-set", "unknown, not critical", pki.PersonSigning, func(x *tbs) {
			x.Extensions = append(x.Extensions, ext{ID: oid(1, 2, 3), Value: []byte{5, 0}})
		}},
		{"extension-set", "no ID number", pki.PersonSigning, func(x *tbs) { x.drop(pki.OIDIDNumber) }},
		{"extension-set", "no USCC", pki.EnterpriseSigning, func(x *tbs) { x.drop(pki.OIDUSCC) }},
		{"extension-set", "no member's name", pki.EnterpriseEncryption, func(x *tbs) { x.drop(pki.Arc{}.MemberName()) }},
		{"extension-set", "no nocheck", pki.OCSPSigner, func(x *tbs) { x.drop(pki.OIDOCSPNoCheck) }},
		{"extension-encoding", "a NULL with content", pki.OCSPSigner, func(x *tbs) { x.find(t, pki.OIDOCSPNoCheck).Value = []byte{5, 1, 0} }},
		{"criticality", "key usage not critical", pki.PersonSigning, func(x *tbs) { x.find(t, pki.OIDKeyUsage).Critical = false }},
		{"criticality", "timeStamping not critical", pki.TSA, func(x *tbs) { x.find(t, pki.OIDExtKeyUsage).Critical = false }},
		{"criticality", "a critical policy", pki.PersonSigning, func(x *tbs) { x.find(t, pki.OIDPolicies).Critical = true }},
		{"basic-constraints", "no path length", pki.IssuingCA, func(x *tbs) { x.find(t, pki.OIDBasicConstraints).Value = []byte{0x30, 3, 1, 1, 0xff} }},
		{"basic-constraints", "not a CA", pki.IssuingCA, func(x *tbs) { x.find(t, pki.OIDBasicConstraints).Value = []byte{0x30, 0} }},
		{"key-usage", "keyAgreement in a signing certificate", pki.PersonSigning, func(x *tbs) { x.find(t, pki.OIDKeyUsage).Value = []byte{3, 2, 3, 0xc8} }},
		{"extended-key-usage", "OCSPSigning in a TSA", pki.TSA, func(x *tbs) {
			x.find(t, pki.OIDExtKeyUsage).Value = der(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 9}})
		}},
		{"extended-key-usage", "one more", pki.TSA, func(x *tbs) {
			x.find(t, pki.OIDExtKeyUsage).Value = der(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}, {1, 2, 3}})
		}},
		{"subject-key-id", "of another key", pki.PersonSigning, func(x *tbs) { x.find(t, pki.OIDSubjectKeyID).Value = der(t, make([]byte, 20)) }},
		{"authority-key-id", "of another key", pki.PersonSigning, func(x *tbs) {
			x.find(t, pki.OIDAuthorityKeyID).Value = append([]byte{0x30, 22, 0x80, 20}, make([]byte, 20)...)
		}},
		{"crl-point", "elsewhere", pki.PersonSigning, func(x *tbs) {
			e := x.find(t, pki.OIDCRLPoints)
			e.Value = bytes.Replace(e.Value, []byte("ca.crl"), []byte("xa.crl"), 1)
		}},
		{"authority-info", "another responder", pki.PersonSigning, func(x *tbs) {
			e := x.find(t, pki.OIDAuthorityInfoAccess)
			e.Value = bytes.Replace(e.Value, []byte("/ocsp"), []byte("/xcsp"), 1)
		}},
		{"policy", "another CPS", pki.PersonSigning, func(x *tbs) {
			e := x.find(t, pki.OIDPolicies)
			e.Value = bytes.Replace(e.Value, []byte("/cps"), []byte("/xps"), 1)
		}},
		{"policy", "no CPS", pki.PersonSigning, func(x *tbs) {
			x.find(t, pki.OIDPolicies).Value = der(t, []struct{ ID asn1.ObjectIdentifier }{{pki.Arc{}.SandboxPolicy()}})
		}},
		{"policy", "of another role", pki.Service, func(x *tbs) {
			e := x.find(t, pki.OIDPolicies)
			e.Value = bytes.Replace(e.Value, der(t, pki.Arc{}.RolePolicy(pki.Service)), der(t, pki.Arc{}.RolePolicy(pki.SealMaker)), 1)
		}},
		{"policy", "a role in an authority's", pki.IssuingCA, func(x *tbs) {
			e := x.find(t, pki.OIDPolicies)
			more := der(t, []struct{ ID asn1.ObjectIdentifier }{{pki.Arc{}.RolePolicy(pki.IssuingCA)}})[2:]
			e.Value = append(e.Value, more...)
			e.Value[1] += byte(len(more))
		}},
		{"host", "an address that is no name", pki.PlatformSigning, func(x *tbs) {
			e := x.find(t, pki.OIDSubjectAltName)
			e.Value = bytes.Replace(e.Value, []byte("bid.example"), []byte("bid_example"), 1)
		}},
		{"host", "an upper-case name", pki.PlatformEncryption, func(x *tbs) {
			e := x.find(t, pki.OIDSubjectAltName)
			e.Value = bytes.Replace(e.Value, []byte("bid"), []byte("BID"), 1)
		}},
		{"holder", "an ID number of 17 digits", pki.PersonSigning, func(x *tbs) {
			x.find(t, pki.OIDIDNumber).Value = append([]byte{0x13, 17}, "11010519491231002"...)
		}},
		{"holder", "a USCC with a letter O", pki.EnterpriseSigning, func(x *tbs) {
			x.find(t, pki.OIDUSCC).Value = append([]byte{0x13, 18}, "91110000MAO000000X"...)
		}},
		{"sandbox", "the operator's policy in a sandbox", pki.PersonSigning, func(x *tbs) {
			e := x.find(t, pki.OIDPolicies)
			e.Value = bytes.Replace(e.Value, der(t, pki.Arc{}.SandboxPolicy()), der(t, pki.Arc{}.Policy()), 1)
		}},
	}
	tested := map[string]bool{}
	for _, c := range cases {
		t.Run(c.rule+"/"+c.what, func(t *testing.T) {
			a := h.CA
			if c.role == pki.IssuingCA {
				a = h.Root
			}
			if got := rulesOf(t, bend(t, a, c.role, c.change)); !slices.Equal(got, []string{c.rule}) {
				t.Errorf("broken: %v, want only %s", got, c.rule)
			}
		})
		tested[c.rule] = true
	}

	t.Run("version/1", func(t *testing.T) {
		// Extensions exist in version 3 only, so the rules about them fall with the version: it cannot be broken alone.
		if got := rulesOf(t, bend(t, h.CA, pki.PersonSigning, func(x *tbs) { x.Version, x.Extensions = 0, nil })); !slices.Contains(got, "version") {
			t.Errorf("broken: %v", got)
		}
		if got := rulesOf(t, bend(t, h.CA, pki.PersonSigning, func(x *tbs) { x.Version = 0 })); !slices.Contains(got, "version") {
			t.Errorf("with extensions: %v", got)
		}
	})
	t.Run("algorithm/with parameters", func(t *testing.T) {
		// Check writes the outer algorithm itself and the parser wants both equal, so only an issued certificate has it.
		withNull := asn1.RawValue{FullBytes: der(t, []any{pki.OIDSM2WithSM3, asn1.NullRawValue})}
		cert, _ := h.CA.IssueRole(t, pki.PersonSigning)
		var x tbs
		if _, err := asn1.Unmarshal(cert.RawTBSCertificate, &x); err != nil {
			t.Fatal(err)
		}
		x.Algorithm = withNull
		signed := der(t, x)
		signature := pkitest.Sign(t, h.CA.Key, signed)
		issued := der(t, struct {
			TBS, Algorithm asn1.RawValue
			Signature      asn1.BitString
		}{asn1.RawValue{FullBytes: signed}, withNull, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
		if got := rulesOf(t, lint.Issued(issued, pki.Draft{Role: pki.PersonSigning, Issuer: h.CA.Issuer})); !slices.Equal(got, []string{"algorithm"}) {
			t.Errorf("broken: %v", got)
		}
	})
	t.Run("issuer-authority/a service certificate issues", func(t *testing.T) {
		got := rulesOf(t, bend(t, &asService, pki.PersonSigning, func(x *tbs) {
			x.Validity = raw(t, utcPair{start, start.AddDate(1, 0, 0)})
		}))
		if !slices.Equal(got, []string{"issuer-authority"}) {
			t.Errorf("broken: %v", got)
		}
	})
	t.Run("issuer-authority/an issuing CA certifies a CA", func(t *testing.T) {
		if got := rulesOf(t, bend(t, h.CA, pki.IssuingCA, func(x *tbs) {})); !slices.Equal(got, []string{"issuer-authority"}) {
			t.Errorf("broken: %v", got)
		}
	})
	t.Run("public-key/another curve", func(t *testing.T) {
		p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b, err := smx509.MarshalPKIXPublicKey(&p256.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		got := rulesOf(t, bend(t, h.CA, pki.PersonSigning, func(x *tbs) { x.Key.FullBytes = b }))
		if !slices.Equal(got, []string{"public-key"}) {
			t.Errorf("broken: %v", got)
		}
	})
	for _, r := range []string{"version", "algorithm", "issuer-authority", "public-key"} {
		tested[r] = true
	}
	for _, r := range lint.Rules() {
		if !tested[r] {
			t.Errorf("no test breaks the rule %s", r)
		}
	}
}

func TestAKeyOffTheCurveOrCompressedIsRefused(t *testing.T) {
	h := pkitest.New(t)
	for what, change := range map[string]func([]byte) []byte{
		"off the curve": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"compressed": func(b []byte) []byte {
			// BIT STRING 03 42 00 04 x y → 03 22 00 02|03 x, and the length of the whole.
			odd := b[len(b)-1] & 1
			short := append(slices.Clone(b[:len(b)-64]), b[len(b)-64:len(b)-32]...)
			at := len(short) - 33
			short[at], short[at-2], short[1] = 2+odd, 34, byte(len(short)-2)
			return short
		},
	} {
		if got := rulesOf(t, bend(t, h.CA, pki.PersonSigning, func(x *tbs) { x.Key.FullBytes = change(slices.Clone(x.Key.FullBytes)) })); len(got) == 0 {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestAReplacementMayBeShorterThanAYear(t *testing.T) {
	h := pkitest.New(t)
	x := pkitest.Fill(t, pkitest.Template(pki.PersonSigning, pkitest.Key(t)))
	x.NotAfter, x.Replacement = x.NotBefore.AddDate(0, 0, 9), true
	h.CA.Issue(t, x)
}

func TestProductionNeedsAnArcOfItsOwnAndKeepsOutTheSandbox(t *testing.T) {
	arc, err := pki.ParseArc("1.2.156.99999")
	if err != nil {
		t.Fatal(err)
	}
	check := func(iss pki.Issuer, x pki.Template) []string {
		draft, err := pki.NewDraft(iss, x)
		if err != nil {
			t.Fatal(err)
		}
		_, err = lint.Check(rand.Reader, draft)
		return rulesOf(t, err)
	}
	key := pkitest.Key(t)
	root := pkitest.Fill(t, pkitest.Template(pki.Root, key))
	person := pkitest.Fill(t, pkitest.Template(pki.PersonSigning, key))
	box, real := pkitest.NewUnder(t, arc, true), pkitest.NewUnder(t, arc, false)
	marked := root
	marked.Subject.Organization = pki.SandboxOrganization

	below := box.CA.Issuer
	below.Sandbox = false
	above := real.CA.Issuer
	above.Sandbox = true
	for what, got := range map[string][]string{
		"the documentation arc":             check(pki.Issuer{}, root),
		"a sandbox root without its name":   check(pki.Issuer{Arc: arc, Sandbox: true, CPSURL: "http://pki.example/cps"}, root),
		"a production root with that name":  check(pki.Issuer{Arc: arc}, marked),
		"a production leaf under a sandbox": check(below, person),
		"a sandbox leaf under production":   check(above, person),
	} {
		if !slices.Equal(got, []string{"sandbox"}) {
			t.Errorf("%s: %v", what, got)
		}
	}
	if got := check(pki.Issuer{Arc: arc}, root); got != nil {
		t.Errorf("a good production root: %v", got)
	}
	if got := check(real.CA.Issuer, person); got != nil {
		t.Errorf("a good production leaf: %v", got)
	}
}

func TestAddressesAreWantedAndAreHTTP(t *testing.T) {
	h := pkitest.New(t)
	x := pkitest.Fill(t, pkitest.Template(pki.PersonSigning, pkitest.Key(t)))
	for rule, change := range map[string]func(*pki.Issuer){
		"crl-point":      func(i *pki.Issuer) { i.CRLURL = "ldap://pki.example/ca" },
		"authority-info": func(i *pki.Issuer) { i.OCSPURL = "" },
		"policy":         func(i *pki.Issuer) { i.CPSURL = "http://pki.example/c ps" },
	} {
		iss := h.CA.Issuer
		change(&iss)
		draft, err := pki.NewDraft(iss, x)
		if err != nil {
			t.Fatal(err)
		}
		_, err = lint.Check(rand.Reader, draft)
		if got := rulesOf(t, err); !slices.Equal(got, []string{rule}) {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func TestOnlyCheckMakesALintedAndItIsSpentOnce(t *testing.T) {
	var zero lint.Linted
	if _, err := zero.Spend(); !errors.Is(err, lint.ErrNotLinted) {
		t.Error(err)
	}
	if _, err := zero.Assemble(nil); !errors.Is(err, lint.ErrNotLinted) {
		t.Error(err)
	}
	if zero.SignerKey() != nil || zero.Role() != 0 {
		t.Error("the zero value names a key or a role")
	}

	h := pkitest.New(t)
	draft, err := pki.NewDraft(h.CA.Issuer, pkitest.Fill(t, pkitest.Template(pki.TSA, pkitest.Key(t))))
	if err != nil {
		t.Fatal(err)
	}
	linted, err := lint.Check(rand.Reader, draft)
	if err != nil {
		t.Fatal(err)
	}
	if !linted.SignerKey().Equal(&h.CA.Key.PublicKey) || linted.Role() != pki.TSA {
		t.Error("another signer or role")
	}
	want := bytes.Clone(draft.TBS)
	draft.TBS[20] ^= 1 // what was linted does not change any more
	copied := linted
	if got, err := linted.Spend(); err != nil || !bytes.Equal(got, want) {
		t.Error(err)
	}
	if _, err := copied.Spend(); !errors.Is(err, lint.ErrSpent) {
		t.Errorf("a copy was spent again: %v", err)
	}
}

func TestWhatWasIssuedIsReadAgain(t *testing.T) {
	h := pkitest.New(t)
	cert, _ := h.CA.IssueRole(t, pki.EnterpriseSigning)
	as := func(role pki.Role, a *pkitest.Authority) pki.Draft { return pki.Draft{Role: role, Issuer: a.Issuer} }
	if err := lint.Issued(cert.Raw, as(pki.EnterpriseSigning, h.CA)); err != nil {
		t.Error(err)
	}
	if err := lint.Issued(cert.Raw, as(pki.PersonSigning, h.CA)); err == nil {
		t.Error("an enterprise's certificate passed as a person's")
	}
	self := *h.Root
	self.Issuer.Certificate = nil
	if err := lint.Issued(h.Root.Cert.Raw, as(pki.Root, &self)); err != nil {
		t.Error(err)
	}
	altered := bytes.Clone(cert.Raw)
	altered[len(altered)-1] ^= 1
	if err := lint.Issued(altered, as(pki.EnterpriseSigning, h.CA)); !errors.Is(err, pki.ErrSignature) {
		t.Error(err)
	}
}

func BenchmarkDraftAndLint(b *testing.B) {
	h := pkitest.New(b)
	x := pkitest.Fill(b, pkitest.Template(pki.PersonSigning, pkitest.Key(b)))
	b.ReportAllocs()
	for b.Loop() {
		draft, err := pki.NewDraft(h.CA.Issuer, x)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := lint.Check(rand.Reader, draft); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDraftLintSignAssemble(b *testing.B) {
	h := pkitest.New(b)
	x := pkitest.Fill(b, pkitest.Template(pki.PersonSigning, pkitest.Key(b)))
	b.ReportAllocs()
	for b.Loop() {
		h.CA.Issue(b, x)
	}
}
