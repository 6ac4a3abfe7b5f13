package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// SignedData is a message with one signer, read but not yet verified.
type SignedData struct {
	ContentType  asn1.ObjectIdentifier
	Content      []byte // nil: detached
	Certificates []*smx509.Certificate
	Signer       *smx509.Certificate // the one of Certificates that the message names
	Signature    []byte              // DER SEQUENCE{r,s}
	Attributes   *SignedAttributes   // nil: the content itself was signed
	Timestamp    []byte              // RFC 3161 token over Signature, or nil

	rawAttributes []byte
}

// ParseSignedData reads a ContentInfo with the object identifiers of GM/T 0010 or of PKCS #7, one signer, SM3
// and SM2. The signer's certificate has to be in it or among others. Errors wrap ErrCMS.
func ParseSignedData(arc Arc, der []byte, others ...*smx509.Certificate) (*SignedData, error) {
	bad := func(what string) (*SignedData, error) { return nil, fmt.Errorf("%w: %s", ErrCMS, what) }
	s := cryptobyte.String(der)
	var info, wrapped, data, digests, encap, content, certs, signers, signer cryptobyte.String
	var kind asn1.ObjectIdentifier
	var version int
	var hasContent, hasCerts bool
	if !s.ReadASN1(&info, asn.Sequence) || !s.Empty() || !info.ReadASN1ObjectIdentifier(&kind) || !info.ReadASN1(&wrapped, asn.Explicit(0)) ||
		!info.Empty() || !wrapped.ReadASN1(&data, asn.Sequence) || !wrapped.Empty() {
		return bad("not a ContentInfo")
	}
	if !kind.Equal(OIDGMSignedData) && !kind.Equal(oidPKCS7SignedData) {
		return bad("not SignedData")
	}
	d := new(SignedData)
	if !data.ReadASN1Integer(&version) || version < 1 || version > 5 || !data.ReadASN1(&digests, asn.SetOf) ||
		!data.ReadASN1(&encap, asn.Sequence) || !encap.ReadASN1ObjectIdentifier(&d.ContentType) ||
		!encap.ReadOptionalASN1(&content, &hasContent, asn.Explicit(0)) || !encap.Empty() ||
		!data.ReadOptionalASN1(&certs, &hasCerts, asn.Explicit(0)) || !data.SkipOptionalASN1(asn.Explicit(1)) ||
		!data.ReadASN1(&signers, asn.SetOf) || !data.Empty() {
		return bad("not SignedData")
	}
	if hasContent {
		d.Content = []byte{}
		var octets cryptobyte.String
		if !content.ReadASN1(&octets, cbasn1.OCTET_STRING) || !content.Empty() {
			return bad("content")
		}
		d.Content = append(d.Content, octets...)
	}
	var err error
	if d.Certificates, err = readCertificates(certs); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCMS, err)
	}
	if !signers.ReadASN1(&signer, asn.Sequence) || !signers.Empty() {
		return bad("want one signer")
	}
	if err := d.readSigner(arc, signer, others); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *SignedData) readSigner(arc Arc, s cryptobyte.String, others []*smx509.Certificate) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrCMS, what) }
	var version int
	var id, issuer, attributes, unsigned cryptobyte.String
	var hasAttributes, hasUnsigned bool
	serial := new(big.Int)
	if !s.ReadASN1Integer(&version) || version != 1 || !s.ReadASN1(&id, asn.Sequence) ||
		!id.ReadASN1Element(&issuer, asn.Sequence) || !id.ReadASN1Integer(serial) || !id.Empty() {
		return bad("signer, want issuer and serial number")
	}
	if h, ok := readHash(&s, SM3); !ok || h != SM3 {
		return bad("digest algorithm is not SM3")
	}
	if !s.ReadOptionalASN1(&attributes, &hasAttributes, asn.Explicit(0)) {
		return bad("attributes")
	}
	if !wire.ReadAlgorithm(&s, OIDSM2Signature, OIDSM2WithSM3, OIDSM2Curve) || !s.ReadASN1Bytes(&d.Signature, cbasn1.OCTET_STRING) ||
		!s.ReadOptionalASN1(&unsigned, &hasUnsigned, asn.Explicit(1)) || !s.Empty() {
		return bad("signature")
	}
	if hasAttributes {
		// Signed is the SET itself, stored is [0] in its place (RFC 5652 §5.4).
		d.rawAttributes = asn.Retag(asn.SetOf, attributes)
		a, err := wire.ReadSignedAttributes(arc, d.rawAttributes)
		if err != nil {
			return err
		}
		d.Attributes = &a
	}
	if hasUnsigned {
		list, err := asn.ReadAttributes(unsigned)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCMS, err)
		}
		for _, a := range list {
			if a.OID.Equal(oidTimestampToken) {
				d.Timestamp = a.Value
			}
		}
	}
	all := slices.Concat(d.Certificates, others)
	i := slices.IndexFunc(all, func(c *smx509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, issuer) && c.SerialNumber.Cmp(serial) == 0
	})
	if i < 0 {
		return bad("the signer's certificate is missing")
	}
	d.Signer = all[i]
	return nil
}

// Verify checks the signature over a content: the message's own when content is nil. It says nothing about the signer's
// certificate; that is for VerifyChain. Errors: ErrCMS, ErrSignature, or what the reader returns.
func (d *SignedData) Verify(content io.Reader) error {
	if content == nil {
		if d.Content == nil {
			return fmt.Errorf("%w: the content is missing", ErrCMS)
		}
		content = bytes.NewReader(d.Content)
	} else if d.Content != nil {
		return fmt.Errorf("%w: the message has a content of its own", ErrCMS)
	}
	key := sm2Key(d.Signer)
	if key == nil || !sm2.IsSM2PublicKey(key) {
		return ErrSignature
	}
	if d.Attributes == nil {
		h, err := sm2.NewHash(key)
		if err != nil {
			return errors.Join(ErrSignature, err)
		}
		if _, err := io.Copy(h, content); err != nil {
			return fmt.Errorf("pki: content: %w", err)
		}
		if !sm2.VerifyASN1(key, h.Sum(nil), d.Signature) {
			return ErrSignature
		}
		return nil
	}
	h := sm3.New()
	n, err := io.Copy(h, content)
	if err != nil {
		return fmt.Errorf("pki: content: %w", err)
	}
	switch a := d.Attributes; {
	case !bytes.Equal(a.Digest, h.Sum(nil)):
		return fmt.Errorf("%w: the digest is another content's", ErrCMS)
	case !a.ContentType.Equal(d.ContentType):
		return fmt.Errorf("%w: the content types differ", ErrCMS)
	case a.SignerHash != nil && !bytes.Equal(a.SignerHash, SM3.Sum(d.Signer.Raw)):
		return fmt.Errorf("%w: signed for another certificate", ErrCMS)
	case a.Document != nil && a.Document.Size != n:
		return fmt.Errorf("%w: the document has another size", ErrCMS)
	}
	return VerifySignature(key, d.rawAttributes, d.Signature)
}
