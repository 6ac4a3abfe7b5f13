package pki

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// ErrOCSP says that an OCSP request or answer is malformed, or answers another question.
var ErrOCSP = errors.New("pki: bad OCSP message")

const (
	maxOCSPCerts = 16  // certificates in one request
	maxOCSPNonce = 128 // octets, RFC 9654 §2.1
)

// CertID names a certificate in OCSP (RFC 6960 §4.1.1).
type CertID struct {
	Hash              Hash // SHA1, SHA256 or SM3
	NameHash, KeyHash []byte
	Serial            *big.Int
}

// NewCertID names cert, which issuer issued.
func NewCertID(h Hash, issuer *smx509.Certificate, serial *big.Int) CertID {
	return CertID{Hash: h, NameHash: h.Sum(issuer.RawSubject), KeyHash: h.Sum(keyBits(issuer)), Serial: serial}
}

// IssuedBy reports whether the certificate named is one of issuer's.
func (id CertID) IssuedBy(issuer *smx509.Certificate) bool {
	return id.Hash.New() != nil && bytes.Equal(id.NameHash, id.Hash.Sum(issuer.RawSubject)) && bytes.Equal(id.KeyHash, id.Hash.Sum(keyBits(issuer)))
}

// keyBits returns the content of a certificate's subjectPublicKey.
func keyBits(cert *smx509.Certificate) []byte {
	point, err := Point(sm2Key(cert))
	if err != nil {
		return nil
	}
	return point
}

func (id CertID) add(b *cryptobyte.Builder) {
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		id.Hash.add(b)
		b.AddASN1OctetString(id.NameHash)
		b.AddASN1OctetString(id.KeyHash)
		b.AddASN1BigInt(id.Serial)
	})
}

func readCertID(s *cryptobyte.String) (CertID, error) {
	var seq cryptobyte.String
	id := CertID{Serial: new(big.Int)}
	var ok bool
	if !s.ReadASN1(&seq, asn.Sequence) {
		return id, fmt.Errorf("%w: certificate", ErrOCSP)
	}
	if id.Hash, ok = readHash(&seq, SHA1, SHA256, SM3); !ok || !seq.ReadASN1Bytes(&id.NameHash, cbasn1.OCTET_STRING) ||
		!seq.ReadASN1Bytes(&id.KeyHash, cbasn1.OCTET_STRING) || !seq.ReadASN1Integer(id.Serial) || !seq.Empty() {
		return id, fmt.Errorf("%w: certificate", ErrOCSP)
	}
	if id.Hash == 0 {
		return id, fmt.Errorf("%w: digest algorithm", ErrOCSP)
	}
	return id, nil
}

// OCSPRequest asks for the status of certificates (RFC 6960 §4.1). Nonce is nil or up to 128 octets.
type OCSPRequest struct {
	IDs   []CertID
	Nonce []byte
}

// Marshal writes the request, unsigned.
func (r OCSPRequest) Marshal() ([]byte, error) {
	if len(r.IDs) == 0 || len(r.IDs) > maxOCSPCerts || len(r.Nonce) > maxOCSPNonce {
		return nil, fmt.Errorf("%w: 1 to %d certificates and a nonce of at most %d octets", ErrOCSP, maxOCSPCerts, maxOCSPNonce)
	}
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
			for _, id := range r.IDs {
				b.AddASN1(asn.Sequence, id.add)
			}
		})
		addNonce(b, 2, r.Nonce)
	}, asn.Sequence, asn.Sequence)
}

func addNonce(b *cryptobyte.Builder, tag uint8, nonce []byte) {
	if len(nonce) > 0 {
		asn.Nest(func(b *cryptobyte.Builder) {
			addExtension(b, oidOCSPNonce, false, asn.Nest(asn.Raw(nonce), cbasn1.OCTET_STRING))
		}, asn.Explicit(tag), asn.Sequence)(b)
	}
}

// readNonce reads Extensions and returns the nonce; other extensions are skipped unless they are critical.
func readNonce(exts cryptobyte.String) (nonce []byte, err error) {
	var list cryptobyte.String
	if !exts.ReadASN1(&list, asn.Sequence) || !exts.Empty() {
		return nil, fmt.Errorf("%w: extensions", ErrOCSP)
	}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		if !list.ReadASN1(&ext, asn.Sequence) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			!asn.ReadFlag(&ext, &critical) || !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return nil, fmt.Errorf("%w: extensions", ErrOCSP)
		}
		switch {
		case oid.Equal(oidOCSPNonce):
			if nonce != nil || !value.ReadASN1Bytes(&nonce, cbasn1.OCTET_STRING) || !value.Empty() || len(nonce) == 0 || len(nonce) > maxOCSPNonce {
				return nil, fmt.Errorf("%w: nonce", ErrOCSP)
			}
		case critical:
			return nil, fmt.Errorf("%w: critical extension %v", ErrOCSP, oid)
		}
	}
	return nonce, nil
}

// ParseOCSPRequest reads a request for at most 16 certificates. A signature on it is neither wanted nor looked at.
// Errors wrap ErrOCSP; the responder answers them with OCSPFailure(OCSPMalformed).
func ParseOCSPRequest(der []byte) (*OCSPRequest, error) {
	bad := func(what string) (*OCSPRequest, error) { return nil, fmt.Errorf("%w: %s", ErrOCSP, what) }
	s := cryptobyte.String(der)
	var outer, tbs, list, exts cryptobyte.String
	var version int
	var hasExts bool
	if !s.ReadASN1(&outer, asn.Sequence) || !s.Empty() || !outer.ReadASN1(&tbs, asn.Sequence) ||
		!outer.SkipOptionalASN1(asn.Explicit(0)) || !outer.Empty() ||
		!tbs.ReadOptionalASN1Integer(&version, asn.Explicit(0), 0) || version != 0 || !tbs.SkipOptionalASN1(asn.Explicit(1)) ||
		!tbs.ReadASN1(&list, asn.Sequence) || !tbs.ReadOptionalASN1(&exts, &hasExts, asn.Explicit(2)) || !tbs.Empty() {
		return bad("not an OCSPRequest")
	}
	r := new(OCSPRequest)
	var err error
	for !list.Empty() {
		var one, single cryptobyte.String
		var hasSingle bool
		if !list.ReadASN1(&one, asn.Sequence) || len(r.IDs) == maxOCSPCerts {
			return bad("list of certificates")
		}
		id, err := readCertID(&one)
		if err != nil {
			return nil, err
		}
		if !one.ReadOptionalASN1(&single, &hasSingle, asn.Explicit(0)) || !one.Empty() {
			return bad("certificate")
		}
		if hasSingle {
			if _, err := readNonce(single); err != nil {
				return nil, err
			}
		}
		r.IDs = append(r.IDs, id)
	}
	if len(r.IDs) == 0 {
		return bad("no certificate")
	}
	if hasExts {
		if r.Nonce, err = readNonce(exts); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// OCSPStatus is the outcome of a whole request (RFC 6960 §4.2.1).
type OCSPStatus uint8

// The outcomes. Only OCSPSuccessful carries answers.
const (
	OCSPSuccessful   OCSPStatus = 0
	OCSPMalformed    OCSPStatus = 1
	OCSPInternal     OCSPStatus = 2
	OCSPTryLater     OCSPStatus = 3
	OCSPUnauthorized OCSPStatus = 6 // this responder does not answer for that issuer
)

// Error makes a status that is not a success an error.
func (s OCSPStatus) Error() string {
	return fmt.Sprintf("pki: OCSP responder refused: status %d", uint8(s))
}

// OCSPFailure is the answer without a signature that refuses a request.
func OCSPFailure(s OCSPStatus) []byte { return []byte{0x30, 3, 0x0a, 1, byte(s)} }

// CertStatus is what is known of one certificate.
type CertStatus uint8

// The states of RFC 6960 §2.2. Unknown means that this issuer never issued the number.
const (
	StatusGood CertStatus = iota
	StatusRevoked
	StatusUnknown
)

// Answer is the status of one certificate, as known at ThisUpdate and until NextUpdate.
type Answer struct {
	ID                     CertID
	Status                 CertStatus
	RevokedAt              time.Time // when StatusRevoked
	Reason                 Reason    // when StatusRevoked
	ThisUpdate, NextUpdate time.Time
}

// OCSPDraft is an OCSP answer before its signature. The zero value signs nothing.
type OCSPDraft struct {
	tbs       []byte
	responder *smx509.Certificate
}

// NewOCSP writes the ResponseData of a request's answers. The responder is an OCSP signer; the nonce is the request's,
// nil for none; times are whole seconds.
func NewOCSP(responder *smx509.Certificate, producedAt time.Time, answers []Answer, nonce []byte) (OCSPDraft, error) {
	if responder == nil || !slices.Contains(responder.ExtKeyUsage, smx509.ExtKeyUsageOCSPSigning) {
		return OCSPDraft{}, fmt.Errorf("%w: the responder may not sign answers", ErrOCSP)
	}
	if len(answers) == 0 || len(nonce) > maxOCSPNonce {
		return OCSPDraft{}, fmt.Errorf("%w: no answers, or a nonce too long", ErrOCSP)
	}
	for _, a := range answers {
		if a.ID.Hash.New() == nil || a.ID.Serial == nil || a.Status > StatusUnknown || !a.Reason.Valid() || !a.NextUpdate.After(a.ThisUpdate) {
			return OCSPDraft{}, fmt.Errorf("%w: answer", ErrOCSP)
		}
	}
	tbs, err := asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn.Explicit(1), asn.Raw(responder.RawSubject))
		b.AddASN1GeneralizedTime(whole(producedAt))
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
			for _, a := range answers {
				b.AddASN1(asn.Sequence, a.add)
			}
		})
		addNonce(b, 1, nonce)
	}, asn.Sequence)
	if err != nil {
		return OCSPDraft{}, fmt.Errorf("%w: %w", ErrOCSP, err)
	}
	return OCSPDraft{tbs: tbs, responder: responder}, nil
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (a Answer) add(b *cryptobyte.Builder) {
	a.ID.add(b)
	if a.Status == StatusRevoked {
		b.AddASN1(asn.Explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(whole(a.RevokedAt))
			if a.Reason != Unspecified {
				b.AddASN1(asn.Explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(a.Reason)) })
			}
		})
	} else {
		b.AddASN1(asn.Implicit(uint8(a.Status)), asn.Raw(""))
	}
	b.AddASN1GeneralizedTime(whole(a.ThisUpdate))
	b.AddASN1(asn.Explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(whole(a.NextUpdate)) })
}

// ToBeSigned returns the ResponseData; nil for the zero value.
func (d OCSPDraft) ToBeSigned() []byte { return d.tbs }

// SignerKey returns the key whose signature is wanted; nil for the zero value.
func (d OCSPDraft) SignerKey() *ecdsa.PublicKey { return sm2Key(d.responder) }

// Assemble verifies the signature and returns the OCSPResponse in DER, with the responder's certificate. Error:
// ErrSignature.
func (d OCSPDraft) Assemble(signature []byte) ([]byte, error) {
	if err := VerifySignature(d.SignerKey(), d.tbs, signature); err != nil {
		return nil, err
	}
	basic := asn.Nest(func(b *cryptobyte.Builder) {
		b.AddBytes(d.tbs)
		wire.Algorithm(OIDSM2WithSM3)(b)
		b.AddASN1BitString(signature)
		asn.Nest(asn.Raw(d.responder.Raw), asn.Explicit(0), asn.Sequence)(b)
	}, cbasn1.OCTET_STRING, asn.Sequence)
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(OCSPSuccessful))
		asn.Nest(func(b *cryptobyte.Builder) { asn.Object(oidOCSPBasic)(b); basic(b) }, asn.Explicit(0), asn.Sequence)(b)
	}, asn.Sequence)
}
