package pki

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// CRLs are made every CRLInterval and at once after a revocation, and live for CRLLifetime (docs/domain.md §2.1).
const (
	CRLInterval = 6 * time.Hour
	CRLLifetime = 72 * time.Hour
)

// ErrCRL says that a certificate revocation list is malformed or not this issuer's.
var ErrCRL = errors.New("pki: bad CRL")

// Reason is why a certificate was revoked (吊销), RFC 5280 §5.3.1.
type Reason uint8

// The reasons that this system gives. CertificateHold (挂起) can be lifted; the others are final. A certificate that
// was merely replaced is not put on the list at all (docs/split-keys.md §2.6).
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// Valid reports whether RFC 5280 gives the number a meaning in a complete list; removeFromCRL (8) has none.
func (r Reason) Valid() bool {
	return r <= CertificateHold || r == PrivilegeWithdrawn || r == AACompromise
}

// Revocation is one line of a CRL.
type Revocation struct {
	Serial *big.Int
	At     time.Time // from this second on the certificate is not valid
	Reason Reason
}

// CRLDraft is a list before its signature. The zero value signs nothing.
type CRLDraft struct {
	tbs    []byte
	issuer *smx509.Certificate
}

// NewCRL writes a complete version 2 list: number ≥ 0 grows with every list of the issuer, the times are whole seconds,
// the lines are put in order of their serial numbers.
func NewCRL(issuer *smx509.Certificate, number *big.Int, thisUpdate, nextUpdate time.Time, revoked []Revocation) (CRLDraft, error) {
	switch {
	case issuer == nil || issuer.KeyUsage&smx509.KeyUsageCRLSign == 0 || len(issuer.SubjectKeyId) == 0:
		return CRLDraft{}, fmt.Errorf("%w: the issuer may not sign lists", ErrCRL)
	case number == nil || number.Sign() < 0 || number.BitLen() > 159:
		return CRLDraft{}, fmt.Errorf("%w: number", ErrCRL)
	case !nextUpdate.After(thisUpdate):
		return CRLDraft{}, fmt.Errorf("%w: nextUpdate is not after thisUpdate", ErrCRL)
	}
	lines := slices.Clone(revoked)
	for _, r := range lines {
		if r.Serial == nil || r.Serial.Sign() <= 0 || !r.Reason.Valid() {
			return CRLDraft{}, fmt.Errorf("%w: serial number or reason of a line", ErrCRL)
		}
	}
	slices.SortFunc(lines, func(a, b Revocation) int { return a.Serial.Cmp(b.Serial) })
	for i := 1; i < len(lines); i++ {
		if lines[i].Serial.Cmp(lines[i-1].Serial) == 0 {
			return CRLDraft{}, fmt.Errorf("%w: serial number %x stands twice", ErrCRL, lines[i].Serial)
		}
	}
	tbs, err := asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		wire.Algorithm(OIDSM2WithSM3)(b)
		b.AddBytes(issuer.RawSubject)
		wire.AddTime(b, thisUpdate)
		wire.AddTime(b, nextUpdate)
		if len(lines) > 0 {
			b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
				for _, r := range lines {
					b.AddASN1(asn.Sequence, r.add)
				}
			})
		}
		asn.Nest(func(b *cryptobyte.Builder) {
			addAuthorityKeyID(b, issuer.SubjectKeyId)
			addExtension(b, oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(number) })
		}, asn.Explicit(0), asn.Sequence)(b)
	}, asn.Sequence)
	if err != nil {
		return CRLDraft{}, fmt.Errorf("%w: %w", ErrCRL, err)
	}
	return CRLDraft{tbs: tbs, issuer: issuer}, nil
}

func (r Revocation) add(b *cryptobyte.Builder) {
	b.AddASN1BigInt(r.Serial)
	wire.AddTime(b, r.At)
	if r.Reason != Unspecified { // RFC 5280 §5.3.1: left out rather than written as 0
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
			addExtension(b, oidReasonCode, false, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(r.Reason)) })
		})
	}
}

// ToBeSigned returns the TBSCertList; nil for the zero value.
func (d CRLDraft) ToBeSigned() []byte { return d.tbs }

// SignerKey returns the key whose signature is wanted; nil for the zero value.
func (d CRLDraft) SignerKey() *ecdsa.PublicKey { return sm2Key(d.issuer) }

// Assemble verifies the signature and returns the list in DER. Error: ErrSignature.
func (d CRLDraft) Assemble(signature []byte) ([]byte, error) {
	if err := VerifySignature(d.SignerKey(), d.tbs, signature); err != nil {
		return nil, err
	}
	return signed(d.tbs, signature)
}

// CRL is a list whose signature was verified.
type CRL struct {
	Raw                    []byte
	Number                 *big.Int
	ThisUpdate, NextUpdate time.Time
	authority              []byte // the issuer's key identifier
	issuer                 []byte
	lines                  map[string]Revocation
}

// ParseCRL reads a complete list of issuer and verifies it. Lists in parts, of other issuers or with critical
// extensions are refused: they would answer another question. Errors: ErrCRL, ErrSignature.
func ParseCRL(der []byte, issuer *smx509.Certificate) (*CRL, error) {
	tbs, signature, err := unsign(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCRL, err)
	}
	list, err := smx509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCRL, err)
	}
	switch {
	case !bytes.Equal(list.RawIssuer, issuer.RawSubject) || !bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId):
		return nil, fmt.Errorf("%w: of another issuer", ErrCRL)
	case issuer.KeyUsage&smx509.KeyUsageCRLSign == 0:
		return nil, fmt.Errorf("%w: the issuer may not sign lists", ErrCRL)
	case list.Number == nil || !list.NextUpdate.After(list.ThisUpdate):
		return nil, fmt.Errorf("%w: number or times are missing", ErrCRL)
	}
	for _, e := range list.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("%w: critical extension %v", ErrCRL, e.Id)
		}
	}
	if err := VerifySignature(sm2Key(issuer), tbs, signature); err != nil {
		return nil, err
	}
	c := &CRL{Raw: list.Raw, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate,
		issuer: list.RawIssuer, authority: list.AuthorityKeyId, lines: make(map[string]Revocation, len(list.RevokedCertificateEntries))}
	for _, e := range list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("%w: critical extension %v", ErrCRL, x.Id)
			}
		}
		reason := Reason(e.ReasonCode & 0x7f)
		if int(reason) != e.ReasonCode || !reason.Valid() {
			return nil, fmt.Errorf("%w: reason %d", ErrCRL, e.ReasonCode)
		}
		if _, twice := c.Lookup(e.SerialNumber); twice {
			return nil, fmt.Errorf("%w: serial number %x stands twice", ErrCRL, e.SerialNumber)
		}
		c.lines[e.SerialNumber.String()] = Revocation{Serial: e.SerialNumber, At: e.RevocationTime, Reason: reason}
	}
	return c, nil
}

// Lookup returns the line of a serial number, and whether there is one.
func (c *CRL) Lookup(serial *big.Int) (Revocation, bool) {
	r, ok := c.lines[serial.String()]
	return r, ok
}

// Len returns the number of lines.
func (c *CRL) Len() int { return len(c.lines) }

// of reports whether the list is issuer's.
func (c *CRL) of(issuer *smx509.Certificate) bool {
	return bytes.Equal(c.issuer, issuer.RawSubject) && bytes.Equal(c.authority, issuer.SubjectKeyId)
}

// sm2Key returns a certificate's key, or nil: nil verifies nothing.
func sm2Key(cert *smx509.Certificate) *ecdsa.PublicKey {
	if cert == nil {
		return nil
	}
	pub, _ := cert.PublicKey.(*ecdsa.PublicKey)
	return pub
}
