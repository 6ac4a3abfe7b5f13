package pki_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/asn"
	"tianweitong/pki/lint"
	"tianweitong/pki/pkitest"
)

func FuzzParseRequest(f *testing.F) {
	_, key := pkitest.Fixed(f).CA.IssueRole(f, pki.PersonSigning)
	info := requestInfo(f)
	info.PublicKey, info.EncryptionKey = &key.PublicKey, &key.PublicKey
	tbs, err := info.Marshal(pki.Arc{})
	if err != nil {
		f.Fatal(err)
	}
	der, err := pki.AssembleRequest(pki.Arc{}, tbs, pkitest.Sign(f, key, tbs))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tbs)
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := pki.ParseRequestInfo(pki.Arc{}, b); err == nil {
			if again, err := r.Marshal(pki.Arc{}); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("written again: %v", err)
			}
		}
		if q, err := pki.ParseRequest(pki.Arc{}, b); err == nil && q.PublicKey == nil {
			t.Fatal("no key")
		}
	})
}

func FuzzParseName(f *testing.F) {
	der, err := pki.Name{Country: "CN", Organization: "O", Unit: "U", CommonName: "张三", Serial: "1"}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := pki.ParseName(b); err == nil {
			if again, err := n.Marshal(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%+v: %v", n, err)
			}
		}
	})
}

func FuzzParseCRL(f *testing.F) {
	h := pkitest.Fixed(f)
	der := makeCRL(f, h.CA, 3, pkitest.Start, pki.Revocation{Serial: big.NewInt(9), At: pkitest.Start, Reason: pki.CertificateHold})
	f.Add(der)
	f.Add(makeCRL(f, h.CA, 4, pkitest.Start))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := pki.ParseCRL(b, h.CA.Cert); err == nil && (c.Number == nil || !c.NextUpdate.After(c.ThisUpdate)) {
			t.Fatalf("%+v", c)
		}
	})
}

func FuzzParseOCSPRequest(f *testing.F) {
	h := pkitest.Fixed(f)
	for _, nonce := range [][]byte{nil, {1, 2, 3}} {
		der, err := pki.OCSPRequest{IDs: []pki.CertID{pki.NewCertID(pki.SM3, h.CA.Cert, big.NewInt(5)), pki.NewCertID(pki.SHA1, h.CA.Cert, big.NewInt(6))}, Nonce: nonce}.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := pki.ParseOCSPRequest(b)
		if err != nil {
			return
		}
		again, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pki.ParseOCSPRequest(again); err != nil {
			t.Fatal(err)
		}
		for _, id := range q.IDs {
			id.IssuedBy(h.CA.Cert)
		}
	})
}

func FuzzParseOCSPResponse(f *testing.F) {
	r := newResponder(f, pkitest.Fixed(f))
	id := pki.NewCertID(pki.SM3, r.CA.Cert, big.NewInt(11))
	f.Add(r.answer(f, pkitest.Start, []byte{1}, pki.Answer{ID: id}, pki.Answer{ID: id, Status: pki.StatusRevoked, RevokedAt: pkitest.Start, Reason: pki.Superseded}))
	f.Add(pki.OCSPFailure(pki.OCSPTryLater))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := pki.ParseOCSPResponse(b, r.CA.Cert); err == nil {
			a.Lookup(big.NewInt(11))
		}
	})
}

func FuzzParseTimestampRequest(f *testing.F) {
	for _, r := range []pki.TimestampRequest{
		{Hash: pki.SM3, Imprint: make([]byte, 32), WantCertificate: true, Nonce: big.NewInt(7)},
		{Hash: pki.SHA256, Imprint: make([]byte, 32), Policy: pki.Arc{}.TSAPolicy()},
	} {
		der, err := r.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := pki.ParseTimestampRequest(b)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pki.ParseTimestampRequest(again); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseTimestampResponse(f *testing.F) {
	a := newTSA(f, pkitest.Fixed(f))
	r := pki.TimestampRequest{Hash: pki.SM3, Imprint: make([]byte, 32), WantCertificate: true, Nonce: big.NewInt(7)}
	f.Add(a.stamp(f, 1, pkitest.Start, r))
	rejected, err := pki.TimestampRejection(pki.TSPBadAlgorithm, "不支持")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rejected)
	f.Fuzz(func(t *testing.T, b []byte) {
		if ts, err := pki.ParseTimestampResponse(b, r); err == nil && (ts.TSA == nil || ts.Time.IsZero()) {
			t.Fatalf("%+v", ts)
		}
	})
}

func FuzzParseSignedData(f *testing.F) {
	h := pkitest.Fixed(f)
	cert, key := h.CA.IssueRole(f, pki.PersonSigning)
	content := []byte("content")
	attributes, err := pki.NewDocumentAttributes(pki.Document{Name: "a", Size: 7}, pki.SM3.Sum(content), cert, pkitest.Start).Marshal(pki.Arc{})
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range []pki.DetachedSignature{
		{Signer: cert, Value: pkitest.Sign(f, key, content)},
		{Signer: cert, Chain: []*smx509.Certificate{h.CA.Cert}, Value: pkitest.Sign(f, key, attributes), Attributes: attributes},
	} {
		der, err := d.Assemble(pki.Arc{}, content)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add(attributes)
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := pki.ParseSignedData(pki.Arc{}, b, cert); err == nil {
			_ = d.Verify(bytes.NewReader(content))
			_ = d.Verify(nil)
		}
		if a, err := pki.ParseSignedAttributes(pki.Arc{}, b); err == nil {
			if again, err := a.Marshal(pki.Arc{}); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("written again: %v", err)
			}
		}
	})
}

// FuzzIdentity reads identity extensions of any form, whole certificates too, through the linter and the chain.
func FuzzIdentity(f *testing.F) {
	h := pkitest.Fixed(f)
	cert, _ := h.CA.IssueRole(f, pki.EnterpriseSigning)
	f.Add(cert.Raw)
	f.Add([]byte("110105194912310021"))
	f.Add([]byte{0xa0, 4, 0x13, 2, 'a', 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := new(smx509.Certificate)
		c.Extensions = append(c.Extensions, pkixExtension(pki.OIDIDNumber, b), pkixExtension(pki.OIDUSCC, b))
		for _, s := range []string{pki.IdentityOf(pki.Arc{}, c).IDNumber.String(), pki.IdentityOf(pki.Arc{}, c).USCC} {
			if len(s) > 256 || bytes.ContainsAny([]byte(s), "\x00\n\x7f") {
				t.Fatalf("%q", s)
			}
		}
		if err := lint.Issued(b, pki.Draft{Role: pki.EnterpriseSigning, Issuer: h.CA.Issuer}); err == nil && asn.Check(b) != nil {
			t.Fatal("issued, but not DER")
		}
		if parsed, err := smx509.ParseCertificate(b); err == nil {
			pki.RoleOf(pki.Arc{}, parsed)
			pki.IsSandbox(pki.Arc{}, parsed)
			_, _ = pki.VerifyChain(parsed, pki.ChainOptions{Roots: one(h.Root.Cert), Intermediates: one(h.CA.Cert), At: pkitest.Start})
		}
	})
}

func FuzzParseArc(f *testing.F) {
	f.Add("1.2.156.99999")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := pki.ParseArc(s); err == nil && s != "" && a.String() != s {
			t.Fatalf("%q read as %s", s, a)
		}
	})
}
