package pki_test

import (
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"pgregory.net/rapid"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

func one(c *smx509.Certificate) []*smx509.Certificate { return []*smx509.Certificate{c} }

// TestChainsHoldExactlyWhenTheyShould draws a validity, a revocation, a list and a time, and compares VerifyChain with
// the rule said in plain words.
func TestChainsHoldExactlyWhenTheyShould(t *testing.T) {
	h := pkitest.New(t)
	key := pkitest.Key(t)
	day := 24 * time.Hour
	rapid.Check(t, func(rt *rapid.T) {
		role := rapid.SampledFrom([]pki.Role{pki.PersonSigning, pki.PersonEncryption, pki.EnterpriseSigning, pki.TSA, pki.Service, pki.PlatformEncryption}).Draw(rt, "role")
		x := pkitest.Template(role, key)
		x.NotBefore = pkitest.Start.Add(time.Duration(rapid.IntRange(0, 900).Draw(rt, "from")) * day)
		x.NotAfter = x.NotBefore.Add(time.Duration(rapid.IntRange(1, 364).Draw(rt, "days")) * day)
		x.Replacement = true
		leaf := h.CA.Issue(t, x)

		o := pki.ChainOptions{Roots: one(h.Root.Cert), Intermediates: one(h.CA.Cert),
			At:         pkitest.Start.Add(time.Duration(rapid.IntRange(-10, 1300).Draw(rt, "at")) * day),
			Purpose:    rapid.SampledFrom([]pki.Purpose{pki.ForAnything, pki.ForSignatures, pki.ForEncryption, pki.ForTimestamps, pki.ForOCSP}).Draw(rt, "purpose"),
			Roles:      rapid.SampledFrom([][]pki.Role{nil, {pki.PersonSigning, pki.EnterpriseSigning}, {pki.Service}}).Draw(rt, "roles"),
			NeedStatus: rapid.Bool().Draw(rt, "status wanted"),
		}
		revokedAt := pkitest.Start.Add(time.Duration(rapid.IntRange(0, 1300).Draw(rt, "revoked")) * day)
		revoked := rapid.Bool().Draw(rt, "is revoked")
		hasCRL := rapid.Bool().Draw(rt, "has list")
		thisUpdate := pkitest.Start.Add(time.Duration(rapid.IntRange(0, 1300).Draw(rt, "list of")) * day)
		if hasCRL {
			var lines []pki.Revocation
			if revoked {
				lines = append(lines, pki.Revocation{Serial: leaf.SerialNumber, At: revokedAt, Reason: pki.KeyCompromise})
			}
			for _, a := range []*pkitest.Authority{h.CA, h.Root} {
				crl, err := pki.ParseCRL(makeCRL(t, a, 7, thisUpdate, lines...), a.Cert)
				if err != nil {
					rt.Fatal(err)
				}
				o.CRLs, lines = append(o.CRLs, crl), nil
			}
		}

		signs := role != pki.PersonEncryption && role != pki.PlatformEncryption
		fits := map[pki.Purpose]bool{
			pki.ForAnything: true, pki.ForSignatures: signs && role != pki.TSA, pki.ForEncryption: !signs, pki.ForTimestamps: role == pki.TSA,
		}[o.Purpose]
		for i, r := range o.Roles {
			if r == role {
				break
			}
			if i == len(o.Roles)-1 {
				fits = false
			}
		}
		var want error
		switch {
		case o.At.Before(leaf.NotBefore) || o.At.After(leaf.NotAfter), o.At.Before(pkitest.Start):
			want = pki.ErrExpired
		case !fits:
			want = pki.ErrPurpose
		case hasCRL && revoked && !revokedAt.After(o.At):
			want = pki.ErrRevoked
		case o.NeedStatus && (!hasCRL || !o.At.Before(thisUpdate.Add(pki.CRLLifetime))):
			want = pki.ErrNoStatus
		}
		chain, err := pki.VerifyChain(leaf, o)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			rt.Fatalf("got %v, want %v", err, want)
		}
		if err == nil && (len(chain) != 3 || !chain[0].Equal(leaf) || !chain[1].Equal(h.CA.Cert) || !chain[2].Equal(h.Root.Cert)) {
			rt.Fatalf("chain of %d", len(chain))
		}
	})
}

func TestAChainEndsAtATrustedRoot(t *testing.T) {
	h, stranger := pkitest.New(t), pkitest.New(t)
	leaf, key := h.CA.IssueRole(t, pki.PersonSigning)
	at := pkitest.Start.AddDate(0, 1, 0)
	good := pki.ChainOptions{Roots: one(h.Root.Cert), Intermediates: one(h.CA.Cert), At: at}
	for what, c := range map[string]struct {
		change func(*pki.ChainOptions)
		want   error
	}{
		"no time":                   {func(o *pki.ChainOptions) { o.At = time.Time{} }, pki.ErrExpired},
		"no roots":                  {func(o *pki.ChainOptions) { o.Roots = nil }, pki.ErrChain},
		"a namesake root":           {func(o *pki.ChainOptions) { o.Roots = one(stranger.Root.Cert) }, pki.ErrChain},
		"a namesake CA between":     {func(o *pki.ChainOptions) { o.Intermediates = one(stranger.CA.Cert) }, pki.ErrChain},
		"the CA is missing":         {func(o *pki.ChainOptions) { o.Intermediates = nil }, pki.ErrChain},
		"a sandbox, in production":  {func(o *pki.ChainOptions) { o.RefuseSandbox = true }, pki.ErrSandbox},
		"an unknown purpose number": {func(o *pki.ChainOptions) { o.Purpose = 99 }, pki.ErrPurpose},
	} {
		o := good
		c.change(&o)
		if _, err := pki.VerifyChain(leaf, o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A holder cannot issue: the certificate below a person's is made by hand, because the linter would refuse it.
	forged := forge(t, leaf, key)
	o := good
	o.Intermediates = append(o.Intermediates, leaf)
	if _, err := pki.VerifyChain(forged, o); !errors.Is(err, pki.ErrChain) {
		t.Errorf("issued by a person: %v", err)
	}
}

// forge issues a certificate with a key that may not.
func forge(t testing.TB, parent *smx509.Certificate, key *sm2.PrivateKey) *smx509.Certificate {
	t.Helper()
	der, err := smx509.CreateCertificate(rand.Reader, &smx509.Certificate{SerialNumber: big.NewInt(1), NotBefore: parent.NotBefore, NotAfter: parent.NotAfter,
		KeyUsage: smx509.KeyUsageDigitalSignature}, parent, &pkitest.Key(t).PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestARevokedIssuerTakesItsCertificatesAlong(t *testing.T) {
	h := pkitest.New(t)
	leaf, _ := h.CA.IssueRole(t, pki.PersonSigning)
	at := pkitest.Start.AddDate(0, 1, 0)
	crl, err := pki.ParseCRL(makeCRL(t, h.Root, 1, at, pki.Revocation{Serial: h.CA.Cert.SerialNumber, At: at, Reason: pki.CACompromise}), h.Root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	o := pki.ChainOptions{Roots: one(h.Root.Cert), Intermediates: one(h.CA.Cert), At: at, CRLs: []*pki.CRL{crl}}
	if _, err := pki.VerifyChain(leaf, o); !errors.Is(err, pki.ErrRevoked) {
		t.Error(err)
	}
	o.At = at.Add(-time.Second)
	if _, err := pki.VerifyChain(leaf, o); err != nil {
		t.Errorf("a second earlier: %v", err)
	}
}

func TestOCSPAnswersCountInAChain(t *testing.T) {
	r := newResponder(t, pkitest.New(t))
	leaf, _ := r.CA.IssueRole(t, pki.PersonSigning)
	at := pkitest.Start.AddDate(0, 1, 0)
	rootCRL, err := pki.ParseCRL(makeCRL(t, r.Root, 1, at), r.Root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	id := pki.NewCertID(pki.SM3, r.CA.Cert, leaf.SerialNumber)
	for what, c := range map[string]struct {
		answer pki.Answer
		at     time.Time
		want   error
	}{
		"good":             {pki.Answer{ID: id}, at, nil},
		"good, too old":    {pki.Answer{ID: id}, at.Add(time.Hour), pki.ErrNoStatus},
		"revoked":          {pki.Answer{ID: id, Status: pki.StatusRevoked, RevokedAt: at}, at, pki.ErrRevoked},
		"revoked later":    {pki.Answer{ID: id, Status: pki.StatusRevoked, RevokedAt: at.Add(time.Minute)}, at, nil},
		"unknown":          {pki.Answer{ID: id, Status: pki.StatusUnknown}, at, pki.ErrRevoked},
		"about another":    {pki.Answer{ID: pki.NewCertID(pki.SM3, r.CA.Cert, big.NewInt(5))}, at, pki.ErrNoStatus},
		"of another issue": {pki.Answer{ID: pki.NewCertID(pki.SM3, r.Root.Cert, leaf.SerialNumber)}, at, pki.ErrNoStatus},
	} {
		response, err := pki.ParseOCSPResponse(r.answer(t, at, nil, c.answer), r.CA.Cert)
		if err != nil {
			t.Fatal(err)
		}
		_, err = pki.VerifyChain(leaf, pki.ChainOptions{Roots: one(r.Root.Cert), Intermediates: one(r.CA.Cert), At: c.at,
			NeedStatus: true, CRLs: []*pki.CRL{rootCRL}, OCSP: []*pki.OCSPResponse{response}})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The responder's own certificate needs no status: it says so.
	if _, err := pki.VerifyChain(r.cert, pki.ChainOptions{Roots: one(r.Root.Cert), Intermediates: one(r.CA.Cert), At: at,
		NeedStatus: true, CRLs: []*pki.CRL{rootCRL}, Purpose: pki.ForOCSP}); err != nil {
		t.Error(err)
	}
}

func TestEveryCertificateTellsItsRole(t *testing.T) {
	h := pkitest.New(t)
	for _, role := range pki.Roles() {
		cert := map[pki.Role]*smx509.Certificate{pki.Root: h.Root.Cert, pki.IssuingCA: h.CA.Cert}[role]
		if cert == nil {
			cert, _ = h.CA.IssueRole(t, role)
		}
		if got, ok := pki.RoleOf(pki.Arc{}, cert); !ok || got != role {
			t.Errorf("%v taken for %v", role, got)
		}
		other, err := pki.ParseArc("1.2.3.4")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := pki.RoleOf(other, cert); ok && !cert.IsCA {
			t.Errorf("%v of another operator taken for %v", role, got)
		}
	}
}

func TestIdentityIsReadInBothRegimes(t *testing.T) {
	text := func(tag byte, s string) []byte { return append([]byte{tag, byte(len(s))}, s...) }
	ext := func(value []byte, n ...int) *smx509.Certificate {
		c := new(smx509.Certificate)
		c.Extensions = append(c.Extensions, pkixExtension(n, value))
		return c
	}
	const number, uscc = "11010519491231002X", "91110000MA0000000X"
	for what, c := range map[string]struct {
		cert *smx509.Certificate
		want pki.Identity
	}{
		"ID number, new":             {ext(text(0x13, number), 1, 2, 156, 10260, 4, 1, 1, 1), pki.Identity{IDNumber: pki.ClearIDNumber(number)}},
		"ID number, CHOICE":          {ext(text(0x80, number), 1, 2, 156, 10260, 4, 1, 1), pki.Identity{IDNumber: pki.ClearIDNumber(number)}},
		"ID number, explicit CHOICE": {ext(append([]byte{0xa0, 20}, text(0x13, number)...), 1, 2, 156, 10260, 4, 1, 1), pki.Identity{IDNumber: pki.ClearIDNumber(number)}},
		"ID number, bare":            {ext([]byte(number), 1, 2, 156, 10260, 4, 1, 1), pki.Identity{IDNumber: pki.ClearIDNumber(number)}},
		"ID number, RSA era":         {ext(text(0x0c, number), 1, 2, 86, 11, 7, 1), pki.Identity{IDNumber: pki.ClearIDNumber(number)}},
		"passport":                   {ext(text(0x13, "E00000000"), 1, 2, 156, 10260, 4, 1, 1, 2), pki.Identity{Passport: "E00000000"}},
		"USCC, new":                  {ext(text(0x13, uscc), 1, 2, 156, 10260, 4, 4), pki.Identity{USCC: uscc}},
		"USCC as organisation code":  {ext(text(0x0c, uscc), 1, 2, 156, 10260, 4, 1, 4), pki.Identity{USCC: uscc}},
		"USCC in UTF-16":             {ext(append([]byte{0x1e, 36}, wide(uscc)...), 1, 2, 86, 11, 7, 4), pki.Identity{USCC: uscc}},
		"organisation code":          {ext(text(0x0c, "MA0000000"), 1, 2, 156, 10260, 4, 1, 4), pki.Identity{OrgCode: "MA0000000"}},
		"register":                   {ext([]byte("110000000000001"), 1, 2, 156, 10260, 4, 1, 3), pki.Identity{Register: "110000000000001"}},
		"tax":                        {ext(text(0x12, "110000000000002"), 1, 2, 86, 11, 7, 5), pki.Identity{Tax: "110000000000002"}},
		"social insurance":           {ext(text(0x16, "123"), 1, 2, 156, 10260, 4, 1, 2), pki.Identity{SocialInsurance: "123"}},
		"not text":                   {ext([]byte{0x02, 1, 5}, 1, 2, 156, 10260, 4, 1, 3), pki.Identity{}},
		"broken UTF-8":               {ext([]byte{0xff, 0xfe, 0xfd}, 1, 2, 156, 10260, 4, 1, 3), pki.Identity{}},
	} {
		if got := pki.IdentityOf(pki.Arc{}, c.cert); got != c.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
	h := pkitest.New(t)
	cert, _ := h.CA.IssueRole(t, pki.EnterpriseEncryption)
	if got := pki.IdentityOf(pki.Arc{}, cert); got.USCC != uscc || got.MemberName != "李四" {
		t.Errorf("our own: %+v", got)
	}
}

func wide(s string) []byte {
	var b []byte
	for _, c := range []byte(s) {
		b = append(b, 0, c)
	}
	return b
}

func pkixExtension(n []int, value []byte) (e struct {
	Id       asn1.ObjectIdentifier
	Critical bool `asn1:"optional"`
	Value    []byte
}) {
	e.Id, e.Value = n, value
	return e
}
