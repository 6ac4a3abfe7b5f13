package pki

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki/wire"
)

// What VerifyChain finds wrong; every error of it wraps exactly one of these.
var (
	ErrChain    = wire.ErrChain
	ErrExpired  = wire.ErrExpired
	ErrPurpose  = wire.ErrPurpose
	ErrRevoked  = errors.New("pki: a certificate is revoked")
	ErrNoStatus = errors.New("pki: no list or answer says whether a certificate is revoked")
	ErrSandbox  = wire.ErrSandbox
)

// Purpose is what a certificate is to be used for, by its key usage.
type Purpose uint8

// The purposes. The zero value asks for nothing.
const (
	ForAnything Purpose = iota
	ForSignatures
	ForEncryption
	ForTimestamps
	ForOCSP
)

func (p Purpose) fits(c *smx509.Certificate) bool {
	only := func(u smx509.ExtKeyUsage) bool {
		return len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0] == u && len(c.UnknownExtKeyUsage) == 0
	}
	signs := c.KeyUsage&(smx509.KeyUsageDigitalSignature|smx509.KeyUsageContentCommitment) != 0
	switch p {
	case ForAnything:
		return true
	case ForSignatures: // a TSA's or a responder's key signs nothing else
		return signs && !c.IsCA && !only(smx509.ExtKeyUsageTimeStamping) && !only(smx509.ExtKeyUsageOCSPSigning)
	case ForEncryption:
		return !c.IsCA && c.KeyUsage&(smx509.KeyUsageKeyEncipherment|smx509.KeyUsageDataEncipherment|smx509.KeyUsageKeyAgreement) != 0
	case ForTimestamps:
		return signs && only(smx509.ExtKeyUsageTimeStamping)
	case ForOCSP:
		return signs && slices.Contains(c.ExtKeyUsage, smx509.ExtKeyUsageOCSPSigning)
	}
	return false
}

// ChainOptions say whom to trust, for when and for what.
type ChainOptions struct {
	Roots         []*smx509.Certificate
	Intermediates []*smx509.Certificate
	At            time.Time // the trusted time of use: a timestamp's when there is one, else now
	Purpose       Purpose
	Arc           Arc
	Roles         []Role // of the leaf, by its policy under Arc; none: any, strangers' certificates included
	RefuseSandbox bool

	// Revocation. What a list or an answer says counts up to its nextUpdate; later ones count for earlier times. With
	// NeedStatus a certificate below the root about which nothing is known is refused.
	CRLs       []*CRL
	OCSP       []*OCSPResponse
	NeedStatus bool
}

// VerifyChain builds a path from leaf to one of the roots and checks it for a time: signatures, names, key identifiers,
// validity, authority, purpose, role, revocation. A certificate revoked at or before that time fails; one revoked later
// passes (docs/domain.md §5, 12). The chain begins with leaf and ends with the root.
func VerifyChain(leaf *smx509.Certificate, o ChainOptions) ([]*smx509.Certificate, error) {
	if o.At.IsZero() {
		return nil, fmt.Errorf("%w: no time given", ErrExpired)
	}
	roots, between := smx509.NewCertPool(), smx509.NewCertPool()
	for _, c := range o.Roots {
		roots.AddCert(c)
	}
	for _, c := range o.Intermediates {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(smx509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: o.At,
		KeyUsages: []smx509.ExtKeyUsage{smx509.ExtKeyUsageAny}})
	if err != nil {
		var invalid smx509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == smx509.Expired {
			return nil, fmt.Errorf("%w: %w", ErrExpired, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrChain, err)
	}
	chains = slices.DeleteFunc(chains, func(chain []*smx509.Certificate) bool { return !keyIDsMatch(chain) })
	if len(chains) == 0 {
		return nil, fmt.Errorf("%w: key identifiers differ", ErrChain)
	}
	if !o.Purpose.fits(leaf) {
		return nil, ErrPurpose
	}
	if len(o.Roles) > 0 {
		if role, ok := RoleOf(o.Arc, leaf); !ok || !slices.Contains(o.Roles, role) {
			return nil, fmt.Errorf("%w: its role is another", ErrPurpose)
		}
	}
	var problem error
	for _, chain := range chains {
		if problem = o.checkStatus(chain); problem == nil {
			return chain, nil
		}
	}
	return nil, problem
}

func keyIDsMatch(chain []*smx509.Certificate) bool {
	for i := range len(chain) - 1 {
		if c, issuer := chain[i], chain[i+1]; len(c.AuthorityKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId) {
			return false
		}
	}
	return true
}

// checkStatus applies what may change after a certificate was issued.
func (o *ChainOptions) checkStatus(chain []*smx509.Certificate) error {
	if o.RefuseSandbox && IsSandboxChain(o.Arc, chain) {
		return ErrSandbox
	}
	for i := range len(chain) - 1 {
		known, err := o.status(chain[i], chain[i+1])
		if err != nil {
			return err
		}
		if !known && o.NeedStatus {
			return fmt.Errorf("%w: serial number %x", ErrNoStatus, chain[i].SerialNumber)
		}
	}
	return nil
}

// status asks every list and answer of the issuer; one that says revoked is enough.
func (o *ChainOptions) status(c, issuer *smx509.Certificate) (known bool, err error) {
	revoked := func(at time.Time) error {
		return fmt.Errorf("%w: serial number %x at %s", ErrRevoked, c.SerialNumber, at.UTC().Format(time.RFC3339))
	}
	if slices.ContainsFunc(c.Extensions, isNoCheck) {
		return true, nil // RFC 6960 §4.2.2.2.1: a responder's certificate is trusted for its short life
	}
	for _, crl := range o.CRLs {
		if !crl.of(issuer) {
			continue
		}
		if r, listed := crl.Lookup(c.SerialNumber); listed && !r.At.After(o.At) {
			return true, revoked(r.At)
		}
		known = known || o.At.Before(crl.NextUpdate)
	}
	for _, answer := range o.OCSP {
		a, about := answer.Lookup(c.SerialNumber)
		if !about || !a.ID.IssuedBy(issuer) {
			continue
		}
		switch {
		case a.Status == StatusUnknown:
			return true, fmt.Errorf("%w: the issuer does not know serial number %x", ErrRevoked, c.SerialNumber)
		case a.Status == StatusRevoked && !a.RevokedAt.After(o.At):
			return true, revoked(a.RevokedAt)
		}
		known = known || o.At.Before(a.NextUpdate)
	}
	return known, nil
}
