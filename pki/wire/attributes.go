package wire

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// ErrCMS says that a signed message is malformed or does not belong to its content.
var ErrCMS = errors.New("pki: bad signed message")

// SignedAttributes are what is signed in place of a content that is too large to be sent to the phone, and what a
// timestamp authority signs (docs/split-keys.md §2.9). Marshal gives the bytes to be signed.
type SignedAttributes struct {
	ContentType asn1.ObjectIdentifier // OIDGMData for a document
	Digest      []byte                // SM3 of the content
	Time        time.Time             // whole seconds; zero: left out
	SignerHash  []byte                // SM3 of the signer's certificate (ESSCertIDv2); nil: left out
	Document    *Document             // nil: left out
}

// Document says which content the attributes stand for, so that the phone can show it.
type Document struct {
	Name string // file name, at most 255 characters
	Size int64  // octets
}

// Marshal writes the attributes as the DER SET that is signed.
func (a SignedAttributes) Marshal(arc Arc) ([]byte, error) {
	if len(a.ContentType) == 0 || len(a.Digest) != 32 || a.SignerHash != nil && len(a.SignerHash) != 32 {
		return nil, fmt.Errorf("%w: attributes want a content type and SM3 digests", ErrCMS)
	}
	if d := a.Document; d != nil && (d.Name == "" || !utf8.ValidString(d.Name) || utf8.RuneCountInString(d.Name) > 255 || d.Size < 0) {
		return nil, fmt.Errorf("%w: name or size of the document", ErrCMS)
	}
	var set asn.AttributeSet
	set.Add(OIDContentType, asn.Object(a.ContentType))
	set.Add(OIDMessageDigest, asn.Nest(asn.Raw(a.Digest), cbasn1.OCTET_STRING))
	if !a.Time.IsZero() {
		set.Add(OIDSigningTime, func(b *cryptobyte.Builder) { AddTime(b, a.Time) })
	}
	if a.SignerHash != nil { // SigningCertificateV2, certs, ESSCertIDv2
		set.Add(OIDSigningCertificate2, asn.Nest(func(b *cryptobyte.Builder) {
			Algorithm(OIDSM3)(b)
			b.AddASN1OctetString(a.SignerHash)
		}, asn.Sequence, asn.Sequence, asn.Sequence))
	}
	if d := a.Document; d != nil {
		set.Add(arc.Document(), asn.Nest(func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.UTF8String, asn.Raw(d.Name))
			b.AddASN1Int64(d.Size)
		}, asn.Sequence))
	}
	return set.Marshal(asn.SetOf)
}

// ParseSignedAttributes reads the bytes that Marshal wrote, and nothing else; the phone does it before it shows and
// signs them. Errors wrap ErrCMS.
func ParseSignedAttributes(arc Arc, der []byte) (SignedAttributes, error) {
	a, err := ReadSignedAttributes(arc, der)
	if err != nil {
		return SignedAttributes{}, err
	}
	again, err := a.Marshal(arc)
	if err != nil {
		return SignedAttributes{}, err
	}
	if !bytes.Equal(again, der) {
		return SignedAttributes{}, fmt.Errorf("%w: not the attributes of this system", ErrCMS)
	}
	return a, nil
}

// ReadSignedAttributes reads the attributes of any signer; those that it does not know are skipped.
func ReadSignedAttributes(arc Arc, der []byte) (a SignedAttributes, err error) {
	bad := func(what string) (SignedAttributes, error) { return a, fmt.Errorf("%w: %s", ErrCMS, what) }
	s := cryptobyte.String(der)
	var set cryptobyte.String
	if !s.ReadASN1(&set, asn.SetOf) || !s.Empty() {
		return bad("attributes")
	}
	list, err := asn.ReadAttributes(set)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrCMS, err)
	}
	for _, at := range list {
		v := at.Value
		switch {
		case at.OID.Equal(OIDContentType):
			if !v.ReadASN1ObjectIdentifier(&a.ContentType) || !v.Empty() {
				return bad("content type")
			}
		case at.OID.Equal(OIDMessageDigest):
			if !v.ReadASN1Bytes(&a.Digest, cbasn1.OCTET_STRING) || !v.Empty() || len(a.Digest) != 32 {
				return bad("message digest")
			}
		case at.OID.Equal(OIDSigningTime):
			if a.Time, err = ReadTime(&v); err != nil || !v.Empty() {
				return bad("signing time")
			}
		case at.OID.Equal(OIDSigningCertificate2):
			if a.SignerHash, err = readSignerHash(v); err != nil {
				return a, err
			}
		case at.OID.Equal(arc.Document()):
			var seq, name cryptobyte.String
			d := new(Document)
			if !v.ReadASN1(&seq, asn.Sequence) || !v.Empty() || !seq.ReadASN1(&name, cbasn1.UTF8String) ||
				!utf8.Valid(name) || !seq.ReadASN1Int64WithTag(&d.Size, cbasn1.INTEGER) || !seq.Empty() || d.Size < 0 {
				return bad("document")
			}
			d.Name, a.Document = string(name), d
		}
	}
	if a.ContentType == nil || a.Digest == nil {
		return bad("content type and message digest are missing")
	}
	return a, nil
}

// readSignerHash reads the first ESSCertIDv2 of RFC 5035; digests by another algorithm than SM3 cannot be compared and
// are refused.
func readSignerHash(v cryptobyte.String) (hash []byte, err error) {
	var seq, list, id cryptobyte.String
	if !v.ReadASN1(&seq, asn.Sequence) || !v.Empty() || !seq.ReadASN1(&list, asn.Sequence) || !list.ReadASN1(&id, asn.Sequence) {
		return nil, fmt.Errorf("%w: signing certificate", ErrCMS)
	}
	if !ReadAlgorithm(&id, OIDSM3) || !id.ReadASN1Bytes(&hash, cbasn1.OCTET_STRING) || len(hash) != 32 {
		return nil, fmt.Errorf("%w: signing certificate, want its SM3", ErrCMS)
	}
	return hash, nil
}
