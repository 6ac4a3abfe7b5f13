package wire

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What Verify finds wrong; every error of it wraps exactly one of these.
var (
	ErrChain   = errors.New("pki: the certificate does not lead to a trusted root")
	ErrExpired = errors.New("pki: a certificate is not valid at that time")
	ErrPurpose = errors.New("pki: the certificate is not meant for this")
	ErrSandbox = errors.New("pki: the certificate comes from a sandbox")
)

// Purpose is what a certificate is to be used for, by its key usage.
type Purpose uint8

// The purposes that a phone asks about.
const (
	_ Purpose = iota
	ForSignatures
	ForEncryption
)

// fits says that an end-entity certificate may be used for a purpose. A TSA's or a responder's key signs nothing else.
func (p Purpose) fits(c *Certificate) bool {
	only := func(oid asn1.ObjectIdentifier) bool { return len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0].Equal(oid) }
	switch p {
	case ForSignatures:
		return !c.CA && c.KeyUsage&(UsageSignature|UsageCommitment) != 0 && !only(OIDTimeStamping) && !only(OIDOCSPSigning)
	case ForEncryption:
		return !c.CA && c.KeyUsage&(UsageKeyEncipherment|UsageDataEncipherment|UsageKeyAgreement) != 0
	}
	return false
}

// ChainOptions say whom to trust, for when and for what.
type ChainOptions struct {
	Root          []byte   // DER
	Chain         [][]byte // DER, in order: the leaf's issuer and up; the root may stand at the end
	At            time.Time
	Purpose       Purpose
	Arc           Arc
	Roles         []Role // of the leaf, by its policy under Arc; at least one
	RefuseSandbox bool
}

// maxChain bounds a chain; this system's have two certificates above the leaf.
const maxChain = 5

// VerifyChain reads a certificate and checks it up to the root, level by level: names, key identifiers, signatures,
// validity, authority, then purpose, role and the mark of a sandbox. What it accepts, pki.VerifyChain accepts: it is
// stricter in wanting the chain in order and this system's own profiles. Revocation is not asked about: a phone learns
// that from its server. Errors: ErrCertificate, ErrChain, ErrExpired, ErrPurpose, ErrSandbox.
func VerifyChain(leaf []byte, o ChainOptions) (*Certificate, error) {
	certificates := [][]byte{leaf}
	for _, der := range o.Chain {
		if !bytes.Equal(der, o.Root) {
			certificates = append(certificates, der)
		}
	}
	certificates = append(certificates, o.Root)
	if len(certificates) > maxChain {
		return nil, fmt.Errorf("%w: too long", ErrChain)
	}
	var chain []*Certificate
	for _, der := range certificates {
		c, err := ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	for i, c := range chain {
		if o.At.Before(c.NotBefore) || o.At.After(c.NotAfter) {
			return nil, fmt.Errorf("%w: level %d", ErrExpired, i)
		}
		issuer := chain[min(i+1, len(chain)-1)] // the root signs itself
		if err := c.issuedBy(issuer, i); err != nil {
			return nil, err
		}
	}
	c := chain[0]
	if !o.Purpose.fits(c) {
		return nil, ErrPurpose
	}
	if !slices.ContainsFunc(o.Roles, func(r Role) bool { return c.is(o.Arc, r) }) {
		return nil, fmt.Errorf("%w: its role is another", ErrPurpose)
	}
	if o.RefuseSandbox && slices.ContainsFunc(chain, func(c *Certificate) bool { return c.isSandbox(o.Arc) }) {
		return nil, ErrSandbox
	}
	return c, nil
}

// issuedBy checks one level: below counts the certificates below the issuer but for the leaf.
func (c *Certificate) issuedBy(issuer *Certificate, below int) error {
	switch {
	case !bytes.Equal(c.rawIssuer, issuer.rawSubject):
		return fmt.Errorf("%w: issued by another", ErrChain)
	case len(c.AuthorityKeyID) > 0 && !bytes.Equal(c.AuthorityKeyID, issuer.SubjectKeyID):
		return fmt.Errorf("%w: key identifiers differ", ErrChain)
	case !issuer.CA || issuer.KeyUsage&UsageCertSign == 0:
		return fmt.Errorf("%w: the issuer is no authority", ErrChain)
	case c != issuer && issuer.PathLen >= 0 && below > issuer.PathLen:
		return fmt.Errorf("%w: too long for an authority in it", ErrChain)
	case VerifySignature(issuer.PublicKey, c.tbs, c.signature) != nil:
		return fmt.Errorf("%w: signature", ErrChain)
	}
	return nil
}

// is reports whether a certificate was issued for an end-entity role: the first role that it names.
func (c *Certificate) is(arc Arc, role Role) bool {
	for _, r := range Roles() {
		if r != Root && r != IssuingCA && slices.ContainsFunc(c.Policies, arc.RolePolicy(r).Equal) {
			return r == role
		}
	}
	return false
}

// isSandbox reports whether a certificate bears the mark of a sandbox.
func (c *Certificate) isSandbox(arc Arc) bool {
	return c.Subject.Organization == SandboxOrganization || c.Issuer.Organization == SandboxOrganization || slices.ContainsFunc(c.Policies, arc.Marks)
}
