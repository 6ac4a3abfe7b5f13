package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/emmansun/gmsm/smx509"
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

// NewDocumentAttributes describes a document by its name, size and digest, for signer to sign at a time.
func NewDocumentAttributes(doc Document, digest []byte, signer *smx509.Certificate, at time.Time) SignedAttributes {
	return SignedAttributes{ContentType: OIDGMData, Digest: digest, Time: at, SignerHash: SM3.Sum(signer.Raw), Document: &doc}
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
	set.Add(oidContentType, asn.Object(a.ContentType))
	set.Add(oidMessageDigest, asn.Nest(asn.Raw(a.Digest), cbasn1.OCTET_STRING))
	if !a.Time.IsZero() {
		set.Add(oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, a.Time) })
	}
	if a.SignerHash != nil { // SigningCertificateV2, certs, ESSCertIDv2
		set.Add(oidSigningCertificate2, asn.Nest(func(b *cryptobyte.Builder) {
			algorithm(OIDSM3)(b)
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
	a, err := readSignedAttributes(arc, der)
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

// readSignedAttributes reads the attributes of any signer; those that it does not know are skipped.
func readSignedAttributes(arc Arc, der []byte) (a SignedAttributes, err error) {
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
		case at.OID.Equal(oidContentType):
			if !v.ReadASN1ObjectIdentifier(&a.ContentType) || !v.Empty() {
				return bad("content type")
			}
		case at.OID.Equal(oidMessageDigest):
			if !v.ReadASN1Bytes(&a.Digest, cbasn1.OCTET_STRING) || !v.Empty() || len(a.Digest) != 32 {
				return bad("message digest")
			}
		case at.OID.Equal(oidSigningTime):
			if a.Time, err = readTime(&v); err != nil || !v.Empty() {
				return bad("signing time")
			}
		case at.OID.Equal(oidSigningCertificate2):
			if a.SignerHash, err = readSignerHash(v); err != nil {
				return a, err
			}
		case at.OID.Equal(arc.Document()):
			var seq, name cryptobyte.String
			d := new(Document)
			if !v.ReadASN1(&seq, asn.Sequence) || !v.Empty() || !seq.ReadASN1(&name, cbasn1.UTF8String) ||
				!utf8.Valid(name) || !seq.ReadASN1Integer(&d.Size) || !seq.Empty() || d.Size < 0 {
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
	if h, ok := readHash(&id, SM3); !ok || h != SM3 || !id.ReadASN1Bytes(&hash, cbasn1.OCTET_STRING) || len(hash) != 32 {
		return nil, fmt.Errorf("%w: signing certificate, want its SM3", ErrCMS)
	}
	return hash, nil
}

func readTime(s *cryptobyte.String) (t time.Time, err error) {
	if s.PeekASN1Tag(cbasn1.UTCTime) && s.ReadASN1UTCTime(&t) || s.PeekASN1Tag(cbasn1.GeneralizedTime) && s.ReadASN1GeneralizedTime(&t) {
		return t, nil
	}
	return t, fmt.Errorf("%w: time", ErrCMS)
}

// DetachedSignature is a finished signature on its way into a SignedData of GM/T 0010 that lies beside its content, the
// file signature.p7s.
type DetachedSignature struct {
	Signer     *smx509.Certificate
	Chain      []*smx509.Certificate // sent along after the signer's: its issuers
	Value      []byte                // DER SEQUENCE{r,s}
	Attributes []byte                // what was signed; nil: the content itself
	Timestamp  []byte                // RFC 3161 token over Value, or nil
}

// Assemble verifies the signature and returns the ContentInfo in DER. The content is wanted unless there are
// attributes, which hold its digest. Errors: ErrCMS, ErrSignature.
func (d DetachedSignature) Assemble(arc Arc, content []byte) ([]byte, error) {
	if d.Signer == nil {
		return nil, fmt.Errorf("%w: no signer", ErrCMS)
	}
	message := content
	if d.Attributes != nil {
		if _, err := readSignedAttributes(arc, d.Attributes); err != nil {
			return nil, err
		}
		message = d.Attributes
	}
	if err := VerifySignature(sm2Key(d.Signer), message, d.Value); err != nil {
		return nil, err
	}
	return signedData{
		outer: OIDGMSignedData, version: 1, contentType: OIDGMData, algorithm: OIDSM2Signature,
		certs: append([]*smx509.Certificate{d.Signer}, d.Chain...), signer: d.Signer,
		attributes: d.Attributes, signature: d.Value, timestamp: d.Timestamp,
	}.marshal()
}

// signedData is everything that a ContentInfo with one signer holds.
type signedData struct {
	outer, contentType, algorithm asn1.ObjectIdentifier
	version                       int64
	content                       []byte // nil: detached
	certs                         []*smx509.Certificate
	signer                        *smx509.Certificate
	attributes                    []byte // a DER SET, or nil
	signature                     []byte
	timestamp                     []byte
}

func (d signedData) marshal() ([]byte, error) {
	data := func(b *cryptobyte.Builder) {
		b.AddASN1Int64(d.version)
		b.AddASN1(asn.SetOf, SM3.add)
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(d.contentType)
			if d.content != nil {
				asn.Nest(asn.Raw(d.content), asn.Explicit(0), cbasn1.OCTET_STRING)(b)
			}
		})
		if len(d.certs) > 0 {
			b.AddASN1(asn.Explicit(0), d.addCertificates)
		}
		asn.Nest(d.addSigner, asn.SetOf, asn.Sequence)(b)
	}
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(d.outer)
		asn.Nest(data, asn.Explicit(0), asn.Sequence)(b)
	}, asn.Sequence)
}

// addCertificates writes the SET OF, each certificate once.
func (d signedData) addCertificates(b *cryptobyte.Builder) {
	var ders [][]byte
	for _, c := range d.certs {
		if !slices.ContainsFunc(ders, func(der []byte) bool { return bytes.Equal(der, c.Raw) }) {
			ders = append(ders, c.Raw)
		}
	}
	asn.Sorted(ders)(b)
}

func (d signedData) addSigner(b *cryptobyte.Builder) {
	b.AddASN1Int64(1)
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		b.AddBytes(d.signer.RawIssuer)
		b.AddASN1BigInt(d.signer.SerialNumber)
	})
	SM3.add(b)
	if d.attributes != nil {
		s := cryptobyte.String(d.attributes)
		var content cryptobyte.String
		if !s.ReadASN1(&content, asn.SetOf) {
			b.SetError(errors.New("attributes are not a set"))
		}
		b.AddASN1(asn.Explicit(0), asn.Raw(content)) // RFC 5652 §5.4: the tag of the SET is replaced
	}
	algorithm(d.algorithm)(b)
	b.AddASN1OctetString(d.signature)
	if d.timestamp != nil {
		asn.Nest(func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidTimestampToken)
			b.AddASN1(asn.SetOf, asn.Raw(d.timestamp))
		}, asn.Explicit(1), asn.Sequence)(b)
	}
}
