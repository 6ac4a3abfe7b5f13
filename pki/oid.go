package pki

import (
	"encoding/asn1"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Algorithms and message types of GM/T 0006 (docs/domain.md §2.2).
var (
	OIDSM2Curve        = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}
	OIDSM2Signature    = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301, 1} // the signature algorithm as GM/T 0010 names it
	OIDSM2WithSM3      = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}
	OIDSM3             = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}
	OIDGMData          = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 1}
	OIDGMSignedData    = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 2}
	oidECPublicKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSHA1            = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidPKCS7SignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

// Attributes of names, requests and signed messages.
var (
	oidCommonName          = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSerialNumber        = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidCountry             = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidOrganization        = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOrganizationalUnit  = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidContentType         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidChallengePassword   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}
	oidSigningCertificate2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidTimestampToken      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
)

// Certificate, CRL and OCSP extensions of RFC 5280 and RFC 6960.
var (
	OIDSubjectKeyID        = asn1.ObjectIdentifier{2, 5, 29, 14}
	OIDKeyUsage            = asn1.ObjectIdentifier{2, 5, 29, 15}
	OIDSubjectAltName      = asn1.ObjectIdentifier{2, 5, 29, 17}
	OIDBasicConstraints    = asn1.ObjectIdentifier{2, 5, 29, 19}
	OIDCRLPoints           = asn1.ObjectIdentifier{2, 5, 29, 31}
	OIDPolicies            = asn1.ObjectIdentifier{2, 5, 29, 32}
	OIDAuthorityKeyID      = asn1.ObjectIdentifier{2, 5, 29, 35}
	OIDExtKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 37}
	OIDAuthorityInfoAccess = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	OIDOCSPNoCheck         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	OIDCPS                 = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	oidCRLNumber           = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode          = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidOCSP                = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidOCSPBasic           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidEKUTimeStamping     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidEKUOCSPSigning      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9}
)

// Identity extensions (docs/domain.md §2.2). The field knows two regimes: those of GM/T 0015-2023 are written, the
// older GB/T 20518 practice and the numbers of the RSA era are read too.
var (
	OIDIDNumber = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 1, 1} // 身份证号
	OIDUSCC     = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 4}       // 统一社会信用代码

	oidPassport        = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 1, 2} // 护照号
	oidSocialInsurance = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 2}    // 社保号, the same in both regimes
	oidLegacyIDNumber  = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 1}
	oidLegacyRegister  = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 3} // 工商注册号
	oidLegacyOrgCode   = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 4} // 组织机构代码, also used for the USCC
	oidLegacyTax       = asn1.ObjectIdentifier{1, 2, 156, 10260, 4, 1, 5} // 税号
	oidRSAIDNumber     = asn1.ObjectIdentifier{1, 2, 86, 11, 7, 1}
	oidRSARegister     = asn1.ObjectIdentifier{1, 2, 86, 11, 7, 3}
	oidRSAOrgCode      = asn1.ObjectIdentifier{1, 2, 86, 11, 7, 4}
	oidRSATax          = asn1.ObjectIdentifier{1, 2, 86, 11, 7, 5}
)

// Arc is the private arc under which an operator numbers what no standard numbers: policies, the member's name, the
// attributes of a request. The zero value is the arc that RFC 5612 reserves for documentation, 1.3.6.1.4.1.32473; the
// linter accepts it for sandbox certificates only, so an operator cannot go into service without a number of its own.
type Arc struct{ prefix asn1.ObjectIdentifier }

var documentationArc = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473}

// ParseArc reads a dotted number such as "1.2.156.99999". At least three components are wanted, each below 2^31, the
// first two as X.660 allows. The empty string is the documentation arc.
func ParseArc(s string) (Arc, error) {
	if s == "" {
		return Arc{}, nil
	}
	var prefix asn1.ObjectIdentifier
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return Arc{}, fmt.Errorf("pki: %q is not an object identifier", s)
		}
		prefix = append(prefix, int(n))
	}
	if len(prefix) < 3 || prefix[0] > 2 || prefix[0] < 2 && prefix[1] > 39 {
		return Arc{}, fmt.Errorf("pki: %q is not an arc that an operator can own", s)
	}
	return Arc{prefix}, nil
}

// String returns the dotted number.
func (a Arc) String() string { return a.oid().String() }

// Documentation reports whether this is the arc of RFC 5612, which nobody may use in service.
func (a Arc) Documentation() bool { return a.oid().Equal(documentationArc) }

// Policy is the certificate policy of the operator.
func (a Arc) Policy() asn1.ObjectIdentifier { return a.oid(1, 1) }

// SandboxPolicy takes its place in a sandbox (docs/domain.md §2.5).
func (a Arc) SandboxPolicy() asn1.ObjectIdentifier { return a.oid(1, 2) }

// TSAPolicy is the policy under which timestamps are made (RFC 3161 §2.4.2).
func (a Arc) TSAPolicy() asn1.ObjectIdentifier { return a.oid(1, 3) }

// SandboxTSAPolicy takes its place in a sandbox.
func (a Arc) SandboxTSAPolicy() asn1.ObjectIdentifier { return a.oid(1, 4) }

// MemberName is the extension of an enterprise certificate that names its member, a UTF8String.
func (a Arc) MemberName() asn1.ObjectIdentifier { return a.oid(2, 1) }

// EnrolmentKey is the attribute of a certificate request (docs/split-keys.md §2.1) that holds the SM3 of the enrolment
// public key, an OCTET STRING of 32 bytes.
func (a Arc) EnrolmentKey() asn1.ObjectIdentifier { return a.oid(3, 1) }

// EncryptionKey is the attribute that holds the encryption public key Pe, an OCTET STRING of 65 bytes.
func (a Arc) EncryptionKey() asn1.ObjectIdentifier { return a.oid(3, 2) }

// Document is the signed attribute that names a document too large to be shown whole: its name, size and digest
// (docs/split-keys.md §2.9).
func (a Arc) Document() asn1.ObjectIdentifier { return a.oid(4, 1) }

// RolePolicy is the second policy of every end-entity certificate: it says which role the certificate was issued for,
// so that a platform's certificate cannot pass as the service's although their key usages are the same. The role's
// number is its last component.
func (a Arc) RolePolicy(r Role) asn1.ObjectIdentifier { return a.oid(5, int(r)) }

func (a Arc) oid(leaf ...int) asn1.ObjectIdentifier {
	prefix := a.prefix
	if prefix == nil {
		prefix = documentationArc
	}
	return slices.Concat(prefix, asn1.ObjectIdentifier(leaf))
}
