package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"

	"tianweitong/pki"
	"tianweitong/pki/asn"
	"tianweitong/pki/pkitest"
	"tianweitong/pki/wire"
)

var at = pkitest.Start.Add(24 * time.Hour)

// question is one chain and what is asked of it.
type question struct {
	leaf    []byte
	chain   [][]byte
	root    []byte
	at      time.Time
	purpose wire.Purpose
	arc     wire.Arc
	roles   []wire.Role
	refuse  bool
}

func (q question) wire() (*wire.Certificate, error) {
	return wire.VerifyChain(q.leaf, wire.ChainOptions{Root: q.root, Chain: q.chain, At: q.at, Purpose: q.purpose, Arc: q.arc, Roles: q.roles, RefuseSandbox: q.refuse})
}

// pki asks the library behind smx509 the same.
func (q question) pki() (*smx509.Certificate, error) {
	purpose := map[wire.Purpose]pki.Purpose{wire.ForSignatures: pki.ForSignatures, wire.ForEncryption: pki.ForEncryption}[q.purpose]
	o := pki.ChainOptions{At: q.at, Purpose: purpose, Arc: q.arc, Roles: q.roles, RefuseSandbox: q.refuse}
	leaf, err := smx509.ParseCertificate(q.leaf)
	if err != nil {
		return nil, err
	}
	root, err := smx509.ParseCertificate(q.root)
	if err != nil {
		return nil, err
	}
	o.Roots = []*smx509.Certificate{root}
	for _, der := range q.chain {
		c, err := smx509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		o.Intermediates = append(o.Intermediates, c)
	}
	_, err = pki.VerifyChain(leaf, o)
	return leaf, err
}

// same wants the two readers to see the same certificate.
func same(t *testing.T, c *wire.Certificate, x *smx509.Certificate) {
	t.Helper()
	key, err := pki.ParseSPKI(x.RawSubjectPublicKeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	point, err := pki.Point(key)
	if err != nil {
		t.Fatal(err)
	}
	first := func(s []string) string {
		if len(s) == 0 {
			return ""
		}
		return s[0]
	}
	ca := x.BasicConstraintsValid && x.IsCA
	switch {
	case !bytes.Equal(c.Raw, x.Raw), c.SerialText() != x.SerialNumber.Text(16):
		t.Errorf("serial number %s, want %s", c.SerialText(), x.SerialNumber.Text(16))
	case c.Subject.CommonName != x.Subject.CommonName, c.Subject.Organization != first(x.Subject.Organization), c.Issuer.CommonName != x.Issuer.CommonName:
		t.Errorf("names %v and %v", c.Subject, c.Issuer)
	case !c.NotBefore.Equal(x.NotBefore), !c.NotAfter.Equal(x.NotAfter):
		t.Errorf("valid from %s to %s, want %s to %s", c.NotBefore, c.NotAfter, x.NotBefore, x.NotAfter)
	case !bytes.Equal(c.PublicKey, point):
		t.Errorf("key %x, want %x", c.PublicKey, point)
	case c.CA != ca, ca && c.PathLen != x.MaxPathLen && !(x.MaxPathLen == 0 && !x.MaxPathLenZero), c.KeyUsage != int(x.KeyUsage):
		t.Errorf("authority %v, path %d, usage %b, want %v, %d, %b", c.CA, c.PathLen, c.KeyUsage, ca, x.MaxPathLen, x.KeyUsage)
	case !bytes.Equal(c.SubjectKeyID, x.SubjectKeyId), !bytes.Equal(c.AuthorityKeyID, x.AuthorityKeyId):
		t.Error("key identifiers")
	case len(c.Policies) != len(x.PolicyIdentifiers), len(c.ExtKeyUsage) != len(x.ExtKeyUsage)+len(x.UnknownExtKeyUsage):
		t.Errorf("policies %v, usages %v", c.Policies, c.ExtKeyUsage)
	}
}

var refusals = []error{pki.ErrChain, pki.ErrExpired, pki.ErrPurpose, pki.ErrSandbox}

// TestBothVerifiersAgree asks both about every role, purpose, wanted role, arc,
// mark and time that makes a difference; the answer is the same, and so is the
// reason.
func TestBothVerifiersAgree(t *testing.T) {
	arc, err := pki.ParseArc("1.2.156.99999")
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, h := range []*pkitest.Hierarchy{pkitest.New(t), pkitest.NewUnder(t, arc, true), pkitest.NewUnder(t, arc, false)} {
		for _, role := range pki.Roles()[2:] {
			leaf, _ := h.CA.IssueRole(t, role)
			for _, purpose := range []wire.Purpose{wire.ForSignatures, wire.ForEncryption} {
				for _, roles := range [][]wire.Role{{role}, {wire.Service}, {wire.PersonSigning, wire.PersonEncryption}} {
					for _, refuse := range []bool{false, true} {
						for _, day := range []time.Time{at, leaf.NotBefore, leaf.NotAfter, leaf.NotBefore.Add(-time.Second), leaf.NotAfter.Add(time.Second)} {
							q := question{leaf.Raw, [][]byte{h.CA.Cert.Raw, h.Root.Cert.Raw}, h.Root.Cert.Raw, day, purpose, h.CA.Issuer.Arc, roles, refuse}
							c, err := q.wire()
							x, want := q.pki()
							for _, e := range refusals {
								if errors.Is(err, e) != errors.Is(want, e) {
									t.Fatalf("%v for %d as %v at %s: %v, want %v", role, purpose, roles, day, err, want)
								}
							}
							if (err == nil) != (want == nil) {
								t.Fatalf("%v for %d as %v at %s: %v, want %v", role, purpose, roles, day, err, want)
							}
							if err == nil {
								accepted++
								same(t, c, x)
							}
						}
					}
				}
			}
		}
	}
	if accepted < 50 {
		t.Fatalf("only %d chains were accepted: the test proves nothing", accepted)
	}
}

// TestNoAlteredByteIsAccepted: not in the leaf, in its issuer or in the root.
func TestNoAlteredByteIsAccepted(t *testing.T) {
	h := pkitest.Fixed(t)
	leaf, _ := h.CA.IssueRole(t, pki.Service)
	good := question{leaf.Raw, [][]byte{h.CA.Cert.Raw}, h.Root.Cert.Raw, at, wire.ForSignatures, wire.Arc{}, []wire.Role{wire.Service}, false}
	if _, err := good.wire(); err != nil {
		t.Fatal(err)
	}
	for i := range leaf.Raw {
		q := good
		q.leaf = flip(leaf.Raw, i)
		if _, err := q.wire(); err == nil {
			t.Fatalf("leaf, byte %d", i)
		}
	}
	for i := range h.CA.Cert.Raw {
		q := good
		q.chain = [][]byte{flip(h.CA.Cert.Raw, i)}
		if _, err := q.wire(); err == nil {
			t.Fatalf("issuer, byte %d", i)
		}
	}
	for i := range h.Root.Cert.Raw {
		q := good
		q.root = flip(h.Root.Cert.Raw, i)
		if _, err := q.wire(); err == nil {
			t.Fatalf("root, byte %d", i)
		}
	}
	for i := range leaf.Raw {
		q := good
		if q.leaf = leaf.Raw[:i]; i%7 == 0 {
			if _, err := q.wire(); err == nil {
				t.Fatalf("cut at %d", i)
			}
		}
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestOtherChainsAreRefused: out of order, without the issuer, under another
// root, an end entity in an authority's place, too long.
func TestOtherChainsAreRefused(t *testing.T) {
	h, other := pkitest.New(t), pkitest.New(t)
	leaf, key := h.CA.IssueRole(t, pki.PersonSigning)
	below := &pkitest.Authority{Issuer: h.CA.Issuer, Cert: leaf, Key: key}
	below.Issuer.Certificate = leaf
	draft, err := pki.NewDraft(below.Issuer, pkitest.Fill(t, pkitest.Template(pki.Service, pkitest.Key(t))))
	if err != nil {
		t.Fatal(err)
	}
	usurped := signed(t, below, draft.TBS) // no linter would let it pass
	ca, root := h.CA.Cert.Raw, h.Root.Cert.Raw
	good := question{leaf.Raw, [][]byte{ca}, root, at, wire.ForSignatures, wire.Arc{}, []wire.Role{wire.PersonSigning}, false}
	if _, err := good.wire(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*question){
		"no issuer":      func(q *question) { q.chain = nil },
		"issuer twice":   func(q *question) { q.chain = [][]byte{ca, ca} },
		"another root":   func(q *question) { q.root = other.Root.Cert.Raw },
		"another issuer": func(q *question) { q.chain = [][]byte{other.CA.Cert.Raw} },
		"no root":        func(q *question) { q.root = nil },
		"an authority":   func(q *question) { q.leaf, q.chain = ca, nil },
		"a person issues": func(q *question) {
			q.leaf, q.chain, q.roles = usurped, [][]byte{leaf.Raw, ca}, []wire.Role{wire.Service}
		},
		"no role":            func(q *question) { q.roles = nil },
		"an authority's":     func(q *question) { q.roles = []wire.Role{wire.Root, wire.IssuingCA} },
		"no purpose":         func(q *question) { q.purpose = 0 },
		"garbage in between": func(q *question) { q.chain = [][]byte{ca, []byte("garbage")} },
		"endless":            func(q *question) { q.chain = slices.Repeat([][]byte{ca}, 50) },
	} {
		q := good
		change(&q)
		if _, err := q.wire(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// signed puts the authority's signature on a TBSCertificate.
func signed(t testing.TB, a *pkitest.Authority, tbs []byte) []byte {
	t.Helper()
	signature, err := sm2.SignDeterministic(a.Key, tbs, sm2.DefaultSM2SignerOpts)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn.Build(func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		wire.Algorithm(wire.OIDSM2WithSM3)(b)
		b.AddASN1BitString(signature)
	}, asn.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// FuzzVerifyChain: whatever an authority might sign, what wire accepts pki
// accepts, and both read the same.
func FuzzVerifyChain(f *testing.F) {
	h := pkitest.Fixed(f)
	for _, role := range pki.Roles()[2:] {
		c, _ := h.CA.IssueRole(f, role)
		f.Add(c.RawTBSCertificate)
	}
	f.Add(h.CA.Cert.RawTBSCertificate)
	f.Fuzz(func(t *testing.T, tbs []byte) {
		if len(tbs) == 0 || len(tbs) > 8<<10 {
			return
		}
		q := question{chain: [][]byte{h.CA.Cert.Raw}, root: h.Root.Cert.Raw, at: at, purpose: wire.ForSignatures, roles: wire.Roles()}
		q.leaf = signed(t, h.CA, tbs)
		parsed, err := wire.ParseCertificate(q.leaf)
		if err != nil {
			return
		}
		x, err := smx509.ParseCertificate(q.leaf)
		if err != nil {
			t.Fatalf("smx509 does not read %x: %v", q.leaf, err)
		}
		same(t, parsed, x)
		for _, q.purpose = range []wire.Purpose{wire.ForSignatures, wire.ForEncryption} {
			if _, err := q.wire(); err != nil {
				continue
			}
			if _, err := q.pki(); err != nil {
				t.Fatalf("pki refuses %x: %v", q.leaf, err)
			}
		}
	})
}

// TestMutatedCertificatesThatAnAuthoritySigned runs a small, fixed part of what
// FuzzVerifyChain draws: every byte of a certificate altered in two ways and
// signed again.
func TestMutatedCertificatesThatAnAuthoritySigned(t *testing.T) {
	h := pkitest.Fixed(t)
	c, _ := h.CA.IssueRole(t, pki.PersonSigning)
	both, stricter := 0, 0
	for i := range c.RawTBSCertificate {
		for _, mask := range []byte{1, 0x80} {
			tbs := bytes.Clone(c.RawTBSCertificate)
			tbs[i] ^= mask
			q := question{signed(t, h.CA, tbs), [][]byte{h.CA.Cert.Raw}, h.Root.Cert.Raw, at, wire.ForSignatures, wire.Arc{}, []wire.Role{wire.PersonSigning}, false}
			_, err := q.wire()
			_, want := q.pki()
			switch {
			case err == nil && want != nil:
				t.Errorf("byte %d ^ %#x: accepted, but pki says %v", i, mask, want)
			case err == nil:
				both++
			case want == nil:
				stricter++
			}
		}
	}
	if both < 20 {
		t.Errorf("%d accepted by both, %d by pki alone: the test proves little", both, stricter)
	}
}

// FuzzParseRequestInfo and FuzzParseSignedAttributes: what is read is written
// again as it was.
func FuzzParseRequestInfo(f *testing.F) {
	h := pkitest.Fixed(f)
	point, err := pki.Point(&h.CA.Key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	r := wire.RequestInfo{Subject: wire.Name{CommonName: "张三"}, PublicKey: point, EnrolmentID: "e", EnrolmentKey: make([]byte, 32), EncryptionKey: point}
	for range 2 {
		tbs, err := r.Marshal(wire.Arc{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tbs)
		r.EncryptionKey = nil
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := wire.ParseRequestInfo(wire.Arc{}, b); err == nil {
			if again, err := r.Marshal(wire.Arc{}); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%+v: %v", r, err)
			}
		}
	})
}

func FuzzParseSignedAttributes(f *testing.F) {
	a := wire.SignedAttributes{ContentType: wire.OIDGMData, Digest: make([]byte, 32), Time: at, SignerHash: make([]byte, 32), Document: &wire.Document{Name: "标书", Size: 7}}
	der, err := a.Marshal(wire.Arc{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := wire.ParseSignedAttributes(wire.Arc{}, b); err == nil {
			if again, err := a.Marshal(wire.Arc{}); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%+v: %v", a, err)
			}
		}
	})
}
