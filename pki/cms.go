package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// ErrCMS says that a signed message is malformed or does not belong to its content.
var ErrCMS = wire.ErrCMS

// SignedAttributes are what is signed in place of a content that is too large to be sent to the phone.
type SignedAttributes = wire.SignedAttributes

// Document says which content the attributes stand for.
type Document = wire.Document

// NewDocumentAttributes describes a document by its name, size and digest, for signer to sign at a time.
func NewDocumentAttributes(doc Document, digest []byte, signer *smx509.Certificate, at time.Time) SignedAttributes {
	return SignedAttributes{ContentType: OIDGMData, Digest: digest, Time: at, SignerHash: SM3.Sum(signer.Raw), Document: &doc}
}

// ParseSignedAttributes reads the bytes that SignedAttributes.Marshal wrote, and nothing else. Errors wrap ErrCMS.
func ParseSignedAttributes(arc Arc, der []byte) (SignedAttributes, error) {
	return wire.ParseSignedAttributes(arc, der)
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
		if _, err := wire.ReadSignedAttributes(arc, d.Attributes); err != nil {
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
	wire.Algorithm(d.algorithm)(b)
	b.AddASN1OctetString(d.signature)
	if d.timestamp != nil {
		asn.Nest(func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidTimestampToken)
			b.AddASN1(asn.SetOf, asn.Raw(d.timestamp))
		}, asn.Explicit(1), asn.Sequence)(b)
	}
}
