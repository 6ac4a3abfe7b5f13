package custody_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/custody"
	"tianweitong/pki"
	"tianweitong/pki/lint"
	"tianweitong/pki/pkitest"
)

// linted lints a certificate of a role for a key of custody.
func linted(t testing.TB, role pki.Role, key *ecdsa.PublicKey, issuer *smx509.Certificate) lint.Linted {
	t.Helper()
	tmpl := pkitest.Template(role, pkitest.Key(t))
	tmpl.PublicKey = key
	if role == pki.Root {
		tmpl.Subject.Organization = pki.SandboxOrganization
	}
	d := must(pki.NewDraft(pki.Issuer{
		Certificate: issuer, Sandbox: true, CRLURL: "http://pki.test/a.crl", OCSPURL: "http://pki.test/ocsp",
		CertURL: "http://pki.test/a.crt", CPSURL: "http://pki.test/cps",
	}, pkitest.Fill(t, tmpl)))(t)
	return must(lint.Check(rand.Reader, d))(t)
}

func TestCertificatesAreSignedOnceByTheirIssuer(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		role := func(r custody.Role, name string) *ecdsa.PublicKey {
			return must(pki.ParsePoint(must(s.m.CreateRole(ctx, r, name))(t)))(t)
		}
		rootKey, other := role(custody.RoleRoot, "root"), role(custody.RoleRoot, "another")
		caKey := role(custody.RoleCA, "institution")
		if other.Equal(rootKey) {
			t.Fatal("two names, one key")
		}
		issue := func(l lint.Linted, r custody.Role, name string) *smx509.Certificate {
			sig := must(s.m.SignAs(ctx, r, name, custody.Certificate(l)))(t)
			return must(l.Assemble(sig))(t)
		}
		refuse := func(what string, r custody.Role, name string, token custody.Token) {
			t.Helper()
			if _, err := s.m.SignAs(ctx, r, name, token); err == nil {
				t.Errorf("%s: signed", what)
			}
		}
		l := linted(t, pki.Root, rootKey, nil)
		refuse("a certificate that was not linted", custody.RoleRoot, "root", custody.Certificate(lint.Linted{}))
		refuse("with another root's key", custody.RoleRoot, "another", custody.Certificate(l))
		refuse("with a CA's key", custody.RoleCA, "institution", custody.Certificate(l))
		refuse("as a list", custody.RoleCRL, "institution", custody.Certificate(l))
		root := issue(l, custody.RoleRoot, "root")
		refuse("twice", custody.RoleRoot, "root", custody.Certificate(l))
		ca := issue(linted(t, pki.IssuingCA, caKey, root), custody.RoleRoot, "root")

		person := pkitest.Key(t)
		issue(linted(t, pki.PersonSigning, &person.PublicKey, ca), custody.RoleCA, "institution")
		refuse("a person below the root", custody.RoleRoot, "root", custody.Certificate(linted(t, pki.PersonSigning, &person.PublicKey, root)))
		refuse("a CA below a CA", custody.RoleCA, "institution", custody.Certificate(linted(t, pki.IssuingCA, caKey, root)))

		now := pkitest.Start.Add(time.Hour)
		crl := must(pki.NewCRL(ca, big.NewInt(1), now, now.Add(pki.CRLLifetime), nil))(t)
		sig := must(s.m.SignAs(ctx, custody.RoleCRL, "institution", custody.CRL(crl)))(t)
		must(crl.Assemble(sig))(t)
		refuse("a list as the CA itself", custody.RoleCA, "institution", custody.CRL(crl))
		refuse("a list with another's key", custody.RoleRoot, "root", custody.CRL(crl))
		refuse("an empty list", custody.RoleCRL, "institution", custody.CRL(pki.CRLDraft{}))
		refuse("an empty answer", custody.RoleCRL, "institution", custody.OCSP(pki.OCSPDraft{}))
		own := must(pki.NewCRL(root, big.NewInt(1), now, now.Add(pki.CRLLifetime), nil))(t)
		must(own.Assemble(must(s.m.SignAs(ctx, custody.RoleRoot, "root", custody.CRL(own)))(t)))(t)

		responderKey := role(custody.RoleOCSP, "institution")
		responder := issue(linted(t, pki.OCSPSigner, responderKey, ca), custody.RoleCA, "institution")
		answer := must(pki.NewOCSP(responder, now, []pki.Answer{{
			ID: pki.NewCertID(pki.SM3, ca, big.NewInt(7)), Status: pki.StatusGood, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		}}, nil))(t)
		must(answer.Assemble(must(s.m.SignAs(ctx, custody.RoleOCSP, "institution", custody.OCSP(answer)))(t)))(t)
		refuse("an answer by the CA", custody.RoleCA, "institution", custody.OCSP(answer))
	})
}
