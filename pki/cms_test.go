package pki_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emmansun/gmsm/pkcs7"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

func TestADetachedSignatureWithoutAttributesIsTheSignatureOfTheDocument(t *testing.T) {
	h := pkitest.New(t)
	cert, key := h.CA.IssueRole(t, pki.PersonSigning)
	document := []byte("投标函\n")
	value := pkitest.Sign(t, key, document)
	p7s, err := pki.DetachedSignature{Signer: cert, Chain: []*smx509.Certificate{h.CA.Cert, cert}, Value: value}.Assemble(pki.Arc{}, document)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pki.ParseSignedData(pki.Arc{}, p7s)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Signature, value) || !d.Signer.Equal(cert) || len(d.Certificates) != 2 || d.Attributes != nil || d.Content != nil {
		t.Errorf("%+v", d)
	}
	if err := d.Verify(bytes.NewReader(document)); err != nil {
		t.Error(err)
	}
	if err := d.Verify(strings.NewReader("投标函")); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("another document: %v", err)
	}
	if err := d.Verify(nil); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("no document: %v", err)
	}
	if err := d.Verify(iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a document that cannot be read: %v", err)
	}
	pkitest.OpenSSLVerifies(t, cert, document, d.Signature)

	// gmsm's own reader of GM/T 0010, a second implementation.
	other, err := pkcs7.Parse(p7s)
	if err != nil {
		t.Fatal(err)
	}
	other.Content = document
	pool := smx509.NewCertPool()
	pool.AddCert(h.Root.Cert)
	at := pkitest.Start.AddDate(0, 1, 0)
	if err := other.VerifyWithChainAtTime(pool, &at); err != nil {
		t.Errorf("gmsm/pkcs7: %v", err)
	}
	for _, want := range []string{"1.2.156.10197.6.1.4.2.2", "1.2.156.10197.6.1.4.2.1", ":sm3", "1.2.156.10197.1.301.1"} {
		if out := pkitest.OpenSSL(t, "asn1parse", "-inform", "DER", "-in", pkitest.File(t, "s.p7s", p7s)); !strings.Contains(out, want) {
			t.Errorf("openssl asn1parse lacks %q in\n%s", want, out)
		}
	}
}

func TestALargeDocumentIsSignedThroughItsAttributes(t *testing.T) {
	h := pkitest.New(t)
	a := newTSA(t, pkitest.New(t))
	cert, key := h.CA.IssueRole(t, pki.EnterpriseSigning)
	document := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	at := pkitest.Start.AddDate(0, 1, 0)
	attributes := pki.NewDocumentAttributes(pki.Document{Name: "投标文件.zip", Size: int64(len(document))}, pki.SM3.Sum(document), cert, at)
	message, err := attributes.Marshal(pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := pki.ParseSignedAttributes(pki.Arc{}, message)
	if err != nil || *seen.Document != *attributes.Document || !seen.Time.Equal(at) || !bytes.Equal(seen.Digest, attributes.Digest) {
		t.Fatalf("the phone reads %+v, %v", seen, err)
	}
	value := pkitest.Sign(t, key, message)
	ts, err := pki.ParseTimestampResponse(a.stamp(t, 1, at, pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum(value), WantCertificate: true}),
		pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum(value)})
	if err != nil {
		t.Fatal(err)
	}
	p7s, err := pki.DetachedSignature{Signer: cert, Chain: []*smx509.Certificate{h.CA.Cert}, Value: value, Attributes: message, Timestamp: ts.Token}.Assemble(pki.Arc{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pki.ParseSignedData(pki.Arc{}, p7s)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Verify(bytes.NewReader(document)); err != nil {
		t.Error(err)
	}
	document[7] ^= 1
	if err := d.Verify(bytes.NewReader(document)); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("an altered document: %v", err)
	}
	document[7] ^= 1
	if got, err := pki.ParseTimestamp(d.Timestamp); err != nil || !bytes.Equal(got.Imprint, pki.SM3.Sum(d.Signature)) {
		t.Errorf("timestamp: %v", err)
	}
	pkitest.OpenSSLVerifies(t, cert, message, d.Signature)
	other, err := pkcs7.Parse(p7s)
	if err != nil {
		t.Fatal(err)
	}
	other.Content = document
	if err := other.Verify(); err != nil {
		t.Errorf("gmsm/pkcs7: %v", err)
	}
}

func TestAMessageOfGmsmIsRead(t *testing.T) {
	h := pkitest.New(t)
	cert, key := h.CA.IssueRole(t, pki.PersonSigning)
	for _, plain := range []bool{true, false} {
		b, err := pkcs7.NewSMSignedData([]byte("content"))
		if err != nil {
			t.Fatal(err)
		}
		if plain {
			err = b.SignWithoutAttr(cert, key, pkcs7.SignerInfoConfig{})
		} else {
			err = b.AddSigner(cert, key, pkcs7.SignerInfoConfig{})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, detached := range []bool{false, true} {
			if detached {
				b.Detach()
			}
			der, err := b.Finish()
			if err != nil {
				t.Fatal(err)
			}
			d, err := pki.ParseSignedData(pki.Arc{}, der)
			if err != nil {
				t.Fatal(plain, detached, err)
			}
			var content io.Reader
			if detached {
				content = strings.NewReader("content")
			}
			if err := d.Verify(content); err != nil || (d.Attributes == nil) != plain {
				t.Errorf("plain %v, detached %v: %v", plain, detached, err)
			}
			if !detached {
				if err := d.Verify(strings.NewReader("content")); !errors.Is(err, pki.ErrCMS) {
					t.Errorf("a second content: %v", err)
				}
			}
		}
	}
}

func TestAMessageIsNotAssembledFromAForeignSignature(t *testing.T) {
	h := pkitest.New(t)
	cert, key := h.CA.IssueRole(t, pki.PersonSigning)
	document := []byte("x")
	if _, err := (pki.DetachedSignature{Signer: cert, Value: pkitest.Sign(t, pkitest.Key(t), document)}).Assemble(pki.Arc{}, document); !errors.Is(err, pki.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := (pki.DetachedSignature{Value: pkitest.Sign(t, key, document)}).Assemble(pki.Arc{}, document); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("no signer: %v", err)
	}
	if _, err := (pki.DetachedSignature{Signer: cert, Value: pkitest.Sign(t, key, document), Attributes: document}).Assemble(pki.Arc{}, nil); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("a document as attributes: %v", err)
	}
}

func TestAttributesBindCertificateSizeAndType(t *testing.T) {
	h := pkitest.New(t)
	cert, key := h.CA.IssueRole(t, pki.PersonSigning)
	again := pkitest.Template(pki.PersonSigning, key)
	renewed := h.CA.Issue(t, again)
	content := []byte("content")
	good := pki.NewDocumentAttributes(pki.Document{Name: "a", Size: 7}, pki.SM3.Sum(content), cert, pkitest.Start)
	for what, change := range map[string]func(*pki.SignedAttributes){
		"another certificate of the same key": func(a *pki.SignedAttributes) { a.SignerHash = pki.SM3.Sum(renewed.Raw) },
		"another size":                        func(a *pki.SignedAttributes) { a.Document = &pki.Document{Name: "a", Size: 8} },
		"another content type":                func(a *pki.SignedAttributes) { a.ContentType = pki.OIDGMSignedData },
	} {
		a := good
		change(&a)
		message, err := a.Marshal(pki.Arc{})
		if err != nil {
			t.Fatal(err)
		}
		p7s, err := pki.DetachedSignature{Signer: cert, Value: pkitest.Sign(t, key, message), Attributes: message}.Assemble(pki.Arc{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := pki.ParseSignedData(pki.Arc{}, p7s)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Verify(bytes.NewReader(content)); !errors.Is(err, pki.ErrCMS) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAttributesThatCannotBeShownAreNotWritten(t *testing.T) {
	digest := make([]byte, 32)
	for what, a := range map[string]pki.SignedAttributes{
		"no digest":       {ContentType: pki.OIDGMData},
		"no content type": {Digest: digest},
		"short signer":    {ContentType: pki.OIDGMData, Digest: digest, SignerHash: digest[1:]},
		"no name":         {ContentType: pki.OIDGMData, Digest: digest, Document: &pki.Document{}},
		"name not UTF-8":  {ContentType: pki.OIDGMData, Digest: digest, Document: &pki.Document{Name: "\xff"}},
		"negative size":   {ContentType: pki.OIDGMData, Digest: digest, Document: &pki.Document{Name: "a", Size: -1}},
	} {
		if _, err := a.Marshal(pki.Arc{}); !errors.Is(err, pki.ErrCMS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The phone refuses attributes that it would not show whole.
	other, err := pki.ParseArc("1.2.3.4")
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.SignedAttributes{ContentType: pki.OIDGMData, Digest: digest, Time: time.Unix(1780000000, 0), Document: &pki.Document{Name: "a"}}.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseSignedAttributes(pki.Arc{}, der); !errors.Is(err, pki.ErrCMS) {
		t.Errorf("an attribute of another arc: %v", err)
	}
}
