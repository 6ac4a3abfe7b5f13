package pki

import (
	"encoding/asn1"

	"tianweitong/pki/wire"
)

// Algorithms and message types of GM/T 0006 (docs/domain.md §2.2).
var (
	OIDSM2Curve        = wire.OIDSM2Curve
	OIDSM2Signature    = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301, 1} // the signature algorithm as GM/T 0010 names it
	OIDSM2WithSM3      = wire.OIDSM2WithSM3
	OIDSM3             = wire.OIDSM3
	OIDGMData          = wire.OIDGMData
	OIDGMSignedData    = asn1.ObjectIdentifier{1, 2, 156, 10197, 6, 1, 4, 2, 2}
	oidSHA1            = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidPKCS7SignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

// Attributes of names, requests and signed messages.
var (
	oidChallengePassword = wire.OIDChallengePassword
	oidTimestampToken    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
)

// Certificate, CRL and OCSP extensions of RFC 5280 and RFC 6960.
var (
	OIDSubjectKeyID        = wire.OIDSubjectKeyID
	OIDKeyUsage            = wire.OIDKeyUsage
	OIDSubjectAltName      = wire.OIDSubjectAltName
	OIDBasicConstraints    = wire.OIDBasicConstraints
	OIDCRLPoints           = wire.OIDCRLPoints
	OIDPolicies            = wire.OIDPolicies
	OIDAuthorityKeyID      = wire.OIDAuthorityKeyID
	OIDExtKeyUsage         = wire.OIDExtKeyUsage
	OIDAuthorityInfoAccess = wire.OIDAuthorityInfoAccess
	OIDOCSPNoCheck         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	OIDCPS                 = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	oidCRLNumber           = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode          = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidOCSP                = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidOCSPBasic           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidEKUTimeStamping     = wire.OIDTimeStamping
	oidEKUOCSPSigning      = wire.OIDOCSPSigning
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

// Arc is the private arc under which an operator numbers what no standard numbers.
type Arc = wire.Arc

// ParseArc reads a dotted number such as "1.2.156.99999"; see wire.ParseArc.
func ParseArc(s string) (Arc, error) { return wire.ParseArc(s) }
