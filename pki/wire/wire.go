// Package wire reads and writes, without an X.509 library, the parts of certificates, requests and signed attributes
// that a phone has to understand before it trusts or signs: names, keys, the operator's arc, the profiles' chains. It
// knows this system's own profiles and nothing else, is small enough for WebAssembly, and shares its code with pki,
// which adds everything that authorities and verifiers of strangers' certificates need.
package wire

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/splitkey"
)

// What is numbered by GM/T 0006, RFC 5280 and PKCS #9 and stands in this system's own structures.
var (
	OIDECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	OIDSM2Curve    = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}
	OIDSM2WithSM3  = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}
	OIDSM3         = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}
	OIDGMData      = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 1}

	OIDCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}
	OIDSerialNumber       = asn1.ObjectIdentifier{2, 5, 4, 5}
	OIDCountry            = asn1.ObjectIdentifier{2, 5, 4, 6}
	OIDOrganization       = asn1.ObjectIdentifier{2, 5, 4, 10}
	OIDOrganizationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}

	OIDContentType         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	OIDMessageDigest       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	OIDSigningTime         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	OIDChallengePassword   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	OIDSigningCertificate2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}

	OIDSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	OIDKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	OIDBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	OIDPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	OIDAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	OIDExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	OIDSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	OIDCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}

	OIDAuthorityInfoAccess = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}

	OIDTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	OIDOCSPSigning  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
)

// AddTime writes a Time as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime from 2050, whole seconds.
func AddTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if y := t.Year(); y >= 1950 && y < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

// ReadTime reads a UTCTime or a GeneralizedTime.
func ReadTime(s *cryptobyte.String) (t time.Time, err error) {
	if s.PeekASN1Tag(cbasn1.UTCTime) && s.ReadASN1UTCTime(&t) || s.PeekASN1Tag(cbasn1.GeneralizedTime) && s.ReadASN1GeneralizedTime(&t) {
		return t, nil
	}
	return t, fmt.Errorf("%w: time", ErrCMS)
}

// Algorithm writes AlgorithmIdentifier{oid}; parameters are absent, as RFC 8998 §3.2.2 wants for SM2-with-SM3.
func Algorithm(oid asn1.ObjectIdentifier) cryptobyte.BuilderContinuation {
	return asn.Nest(asn.Object(oid), asn.Sequence)
}

// ReadAlgorithm reads an AlgorithmIdentifier that must be one of want; NULL parameters are read as absent.
func ReadAlgorithm(s *cryptobyte.String, want ...asn1.ObjectIdentifier) bool {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&alg, asn.Sequence) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return false
	}
	if !alg.Empty() && !bytes.Equal(alg, asn1.NullBytes) {
		return false
	}
	for _, w := range want {
		if oid.Equal(w) {
			return true
		}
	}
	return false
}

// AddSPKI writes the SubjectPublicKeyInfo of an SM2 point, 65 bytes.
func AddSPKI(b *cryptobyte.Builder, point []byte) {
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDECPublicKey)
			b.AddASN1ObjectIdentifier(OIDSM2Curve)
		})
		b.AddASN1BitString(point)
	})
}

// ReadSPKI reads a SubjectPublicKeyInfo that must hold an uncompressed SM2 point under ecPublicKey and the SM2 curve,
// and returns the point, 65 bytes.
func ReadSPKI(s *cryptobyte.String) ([]byte, error) {
	var seq, alg cryptobyte.String
	var key, curve asn1.ObjectIdentifier
	var point asn1.BitString
	if !s.ReadASN1(&seq, asn.Sequence) || !seq.ReadASN1(&alg, asn.Sequence) ||
		!alg.ReadASN1ObjectIdentifier(&key) || !alg.ReadASN1ObjectIdentifier(&curve) || !alg.Empty() ||
		!seq.ReadASN1BitString(&point) || !seq.Empty() || point.BitLength%8 != 0 {
		return nil, errors.New("pki: bad public key")
	}
	if !key.Equal(OIDECPublicKey) || !curve.Equal(OIDSM2Curve) {
		return nil, errors.New("pki: not an SM2 public key")
	}
	if splitkey.CheckPoint(point.Bytes) != nil {
		return nil, errors.New("pki: public key is not an uncompressed point on the SM2 curve")
	}
	return point.Bytes, nil
}

// KeyID is the key identifier of a 65-byte point: the leftmost 160 bits of its SM3, after RFC 7093 §2 method 1.
func KeyID(point []byte) []byte {
	sum := sm3.Sum(point)
	return sum[:20]
}

// ErrSignature says that a signature does not verify under the key that should have made it.
var ErrSignature = errors.New("pki: signature does not verify")

// VerifySignature checks a DER signature over msg under a 65-byte point: SM2-with-SM3, identity 1234567812345678
// (GM/T 0009). The error is ErrSignature.
func VerifySignature(point, msg, signature []byte) error {
	digest, err := splitkey.Digest(point, splitkey.IDDocument, msg)
	if err != nil {
		return ErrSignature
	}
	sig, err := splitkey.ParseSignature(signature)
	if err != nil || splitkey.Verify(point, digest, sig) != nil {
		return ErrSignature
	}
	return nil
}
