package pki

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki/wire"
)

// Role says what a certificate is for; each role has one profile (docs/domain.md §2.5).
type Role = wire.Role

// The roles; the zero value is none.
const (
	Root                 = wire.Root
	IssuingCA            = wire.IssuingCA
	PersonSigning        = wire.PersonSigning
	PersonEncryption     = wire.PersonEncryption
	EnterpriseSigning    = wire.EnterpriseSigning
	EnterpriseEncryption = wire.EnterpriseEncryption
	OCSPSigner           = wire.OCSPSigner
	TSA                  = wire.TSA
	SealMaker            = wire.SealMaker
	PlatformSigning      = wire.PlatformSigning
	PlatformEncryption   = wire.PlatformEncryption
	Service              = wire.Service
)

// Roles returns every role, in the order of the table.
func Roles() []Role { return wire.Roles() }

// ProfileOf returns the rules of a role; a number that is no role is an error.
func ProfileOf(r Role) (Profile, error) {
	if r < Root || r > Service {
		return Profile{}, fmt.Errorf("pki: no profile for role %d", uint8(r))
	}
	p := profiles[r]
	p.Role, p.Name = r, r.String()
	return p, nil
}

// Presence says whether a certificate of a profile has a field.
type Presence uint8

// A field is absent, may be there or has to be there.
const (
	Absent Presence = iota
	Optional
	Required
)

// Allows reports whether a field that is there, or is not, fits.
func (p Presence) Allows(there bool) bool { return p == Optional || (p == Required) == there }

// Profile is one row of docs/domain.md §2.5: everything that does not vary between certificates of a role.
type Profile struct {
	Role Role
	Name string

	// The validity is at most Years, or Days where those are set; at least MinYears, unless the certificate replaces
	// another whose end date it keeps. Calendar years count from notBefore.
	Years, MinYears, Days int

	// Subject attributes.
	Country, Organization, Unit, CommonName, Serial Presence

	CA      bool // basic constraints, critical
	PathLen int  // -1: no limit

	KeyUsage      smx509.KeyUsage      // critical
	ExtKeyUsage   []smx509.ExtKeyUsage // none: the extension is absent
	CriticalUsage bool                 // the extended key usage is critical

	// Extensions. AKI and SKI are in every certificate.
	CRL, OCSP, CAIssuers, Policy, NoCheck Presence
	Host, IDNumber, USCC, MemberName      Presence
}

const (
	signing   = smx509.KeyUsageDigitalSignature
	evidence  = smx509.KeyUsageDigitalSignature | smx509.KeyUsageContentCommitment
	sealing   = smx509.KeyUsageKeyEncipherment | smx509.KeyUsageDataEncipherment | smx509.KeyUsageKeyAgreement
	authority = smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign
)

var profiles = [Service + 1]Profile{
	Root: {Years: 20, CA: true, PathLen: -1, KeyUsage: authority,
		Country: Required, Organization: Required, CommonName: Required, Policy: Optional},
	IssuingCA: {Years: 10, CA: true, KeyUsage: authority,
		Country: Required, Organization: Required, CommonName: Required,
		CRL: Required, OCSP: Optional, CAIssuers: Required, Policy: Required},
	PersonSigning:        person(evidence),
	PersonEncryption:     person(sealing),
	EnterpriseSigning:    enterprise(evidence),
	EnterpriseEncryption: enterprise(sealing),
	OCSPSigner: {Days: 90, KeyUsage: signing, Country: Optional, Organization: Optional, CommonName: Required,
		ExtKeyUsage: []smx509.ExtKeyUsage{smx509.ExtKeyUsageOCSPSigning}, NoCheck: Required, CAIssuers: Optional, Policy: Required},
	TSA: house(Profile{Years: 3, KeyUsage: signing, Country: Optional, Organization: Optional,
		ExtKeyUsage: []smx509.ExtKeyUsage{smx509.ExtKeyUsageTimeStamping}, CriticalUsage: true}),
	SealMaker: house(Profile{Years: 3, KeyUsage: signing, Country: Optional, Organization: Required}),
	PlatformSigning: house(Profile{Years: 3, KeyUsage: signing,
		Country: Optional, Organization: Required, Host: Required}),
	PlatformEncryption: house(Profile{Years: 3, KeyUsage: smx509.KeyUsageKeyEncipherment,
		Country: Optional, Organization: Required, Host: Required}),
	Service: house(Profile{Years: 1, KeyUsage: signing, Country: Optional, Organization: Optional}),
}

func person(usage smx509.KeyUsage) Profile {
	return house(Profile{Years: 3, MinYears: 1, KeyUsage: usage,
		Country: Required, Serial: Required, IDNumber: Required})
}

func enterprise(usage smx509.KeyUsage) Profile {
	return house(Profile{Years: 3, MinYears: 1, KeyUsage: usage,
		Country: Required, Organization: Required, Unit: Required, Serial: Required, USCC: Required, MemberName: Required})
}

// house fills in what every certificate has that can be revoked.
func house(p Profile) Profile {
	p.CommonName, p.CRL, p.OCSP, p.CAIssuers, p.Policy = Required, Required, Required, Required, Required
	return p
}

// CheckValidity says why a period does not fit the profile. A replacement keeps the end date of the certificate that it
// replaces (docs/split-keys.md §2.6), so it may be shorter than MinYears.
func (p Profile) CheckValidity(notBefore, notAfter time.Time, replacement bool) error {
	latest := notBefore.AddDate(p.Years, 0, p.Days)
	switch {
	case !notAfter.After(notBefore):
		return fmt.Errorf("ends at %s, not after its start", notAfter.UTC().Format(time.RFC3339))
	case notAfter.After(latest):
		return fmt.Errorf("ends at %s, later than %s", notAfter.UTC().Format(time.RFC3339), latest.UTC().Format(time.RFC3339))
	case !replacement && notAfter.Before(notBefore.AddDate(p.MinYears, 0, -1)):
		return fmt.Errorf("ends at %s, less than %d year(s) after its start", notAfter.UTC().Format(time.RFC3339), p.MinYears)
	}
	return nil
}

// RoleOf returns the role that a certificate was issued for under arc, and whether it names one.
func RoleOf(arc Arc, cert *smx509.Certificate) (Role, bool) {
	for _, r := range Roles() {
		p, _ := ProfileOf(r)
		switch {
		case p.CA != (cert.BasicConstraintsValid && cert.IsCA):
		case p.CA && (r == Root) == bytes.Equal(cert.RawIssuer, cert.RawSubject),
			!p.CA && slices.ContainsFunc(cert.PolicyIdentifiers, arc.RolePolicy(r).Equal):
			return r, true
		}
	}
	return 0, false
}

// IsSandbox reports whether a certificate bears the mark of a sandbox: O=沙箱 TEST ONLY in its subject or issuer, the
// sandbox policy under arc, or any policy under the documentation arc.
func IsSandbox(arc Arc, cert *smx509.Certificate) bool {
	if slices.Contains(cert.Subject.Organization, SandboxOrganization) || slices.Contains(cert.Issuer.Organization, SandboxOrganization) {
		return true
	}
	return slices.ContainsFunc(cert.PolicyIdentifiers, arc.Marks)
}

// IsSandboxChain reports whether any certificate of a chain bears the mark. A production server refuses to start with
// such a chain, and a production verifier refuses what it signed.
func IsSandboxChain(arc Arc, chain []*smx509.Certificate) bool {
	return slices.ContainsFunc(chain, func(c *smx509.Certificate) bool { return IsSandbox(arc, c) })
}
