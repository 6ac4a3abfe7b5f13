// Package lint judges a certificate before it exists. Check puts a throw-away signature on a draft, reads the result
// again with another parser and holds it against every rule of its profile (docs/domain.md §2.5, RFC 5280). Only what
// passes becomes a Linted, and the door to the authorities' keys takes nothing else: "linted before signing, 100 %" is
// a matter of types. The zero Linted is refused everywhere.
package lint

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki"
	"tianweitong/pki/asn"
)

var (
	// ErrNotLinted says that a Linted was not made by Check.
	ErrNotLinted = errors.New("lint: this certificate was not linted")
	// ErrSpent says that a Linted has been signed already. Check the draft again for another attempt.
	ErrSpent = errors.New("lint: this certificate has gone to be signed already")
)

// Finding is one broken rule.
type Finding struct {
	Rule   string // its name in the list of rules.go
	Detail string
}

// Error is a refusal: every rule that the certificate breaks, in the order of the list.
type Error struct{ Findings []Finding }

// Error names the rules and says what is wrong.
func (e *Error) Error() string {
	parts := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		parts[i] = f.Rule + ": " + f.Detail
	}
	return "lint: " + strings.Join(parts, "; ")
}

// Linted is a draft that kept every rule, to be signed once. Copies share that once.
type Linted struct{ passed *passed }

type passed struct {
	role   pki.Role
	tbs    []byte
	issuer *smx509.Certificate // nil: signs itself
	key    *ecdsa.PublicKey    // the key whose signature is wanted
	spent  atomic.Bool
}

// Check lints a draft with a throw-away key drawn from random. The error is an *Error when rules are broken.
func Check(random io.Reader, d pki.Draft) (Linted, error) {
	throwAway, err := sm2.GenerateKey(random)
	if err != nil {
		return Linted{}, fmt.Errorf("lint: throw-away key: %w", err)
	}
	signature, err := throwAway.Sign(random, d.TBS, sm2.DefaultSM2SignerOpts)
	if err != nil {
		return Linted{}, fmt.Errorf("lint: throw-away signature: %w", err)
	}
	der, err := assemble(d.TBS, signature)
	if err != nil {
		return Linted{}, fmt.Errorf("lint: %w", err)
	}
	s, err := judge(der, d)
	if err != nil {
		return Linted{}, err
	}
	p := &passed{role: d.Role, tbs: s.cert.RawTBSCertificate, issuer: s.issuer, key: s.key}
	if s.issuer != nil {
		p.key, _ = s.issuer.PublicKey.(*ecdsa.PublicKey)
	}
	return Linted{p}, nil
}

// Issued lints a certificate that has its real signature, which is verified too: the independent reader of everything
// that was ever issued. Draft.TBS is not looked at. The error is an *Error when rules are broken.
func Issued(der []byte, d pki.Draft) error {
	s, err := judge(der, d)
	if err != nil {
		return err
	}
	key := s.key
	if s.issuer != nil {
		key, _ = s.issuer.PublicKey.(*ecdsa.PublicKey)
	}
	return pki.VerifySignature(key, s.cert.RawTBSCertificate, s.cert.Signature)
}

// Role returns the role whose rules were kept; 0 for the zero value.
func (l Linted) Role() pki.Role {
	if l.passed == nil {
		return 0
	}
	return l.passed.role
}

// SignerKey returns the public key whose signature is wanted: the issuer's, or for a root its own; nil for the zero
// value. The door to private keys compares it with the key that it is about to use.
func (l Linted) SignerKey() *ecdsa.PublicKey {
	if l.passed == nil {
		return nil
	}
	return l.passed.key
}

// Spend returns the bytes to be signed, once: ErrSpent afterwards, ErrNotLinted for the zero value. It is for the door
// to private keys alone.
func (l Linted) Spend() ([]byte, error) {
	if l.passed == nil {
		return nil, ErrNotLinted
	}
	if l.passed.spent.Swap(true) {
		return nil, ErrSpent
	}
	return l.passed.tbs, nil
}

// Assemble verifies the signature over the linted bytes and returns the certificate. Errors: ErrNotLinted,
// pki.ErrSignature.
func (l Linted) Assemble(signature []byte) (*smx509.Certificate, error) {
	if l.passed == nil {
		return nil, ErrNotLinted
	}
	if err := pki.VerifySignature(l.passed.key, l.passed.tbs, signature); err != nil {
		return nil, err
	}
	der, err := assemble(l.passed.tbs, signature)
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	return smx509.ParseCertificate(der)
}

func assemble(tbs, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(pki.OIDSM2WithSM3) })
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// judge reads a certificate and applies the rules. What cannot be read at all breaks the rule "encoding".
func judge(der []byte, d pki.Draft) (*subject, error) {
	profile, err := pki.ProfileOf(d.Role)
	if err != nil {
		return nil, err
	}
	s := &subject{draft: d, profile: profile}
	if d.Issuer.Certificate != nil {
		// Read again, so that nothing but the bytes of the issuer counts.
		if s.issuer, err = smx509.ParseCertificate(d.Issuer.Certificate.Raw); err != nil {
			return nil, fmt.Errorf("lint: the issuer's certificate: %w", err)
		}
	}
	if err := asn.Check(der); err != nil {
		return nil, &Error{[]Finding{{"encoding", err.Error()}}}
	}
	if s.cert, err = smx509.ParseCertificate(der); err != nil {
		return nil, &Error{[]Finding{{"encoding", err.Error()}}}
	}
	if s.fields, err = readFields(s.cert.RawTBSCertificate); err != nil {
		return nil, &Error{[]Finding{{"encoding", err.Error()}}}
	}
	s.key, _ = s.cert.PublicKey.(*ecdsa.PublicKey)
	var findings []Finding
	for _, r := range rules {
		if err := r.check(s); err != nil {
			findings = append(findings, Finding{r.name, err.Error()})
		}
	}
	if len(findings) > 0 {
		return nil, &Error{findings}
	}
	return s, nil
}
