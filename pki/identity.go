package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// Identity is what a certificate of this system or of another authority says about its holder beside the subject. Both
// regimes of object identifiers in the field, and the numbers of the RSA era, are read (docs/domain.md §2.2); fields
// that are not there are empty.
type Identity struct {
	IDNumber        IDNumber // 身份证号, or its keyed digest
	Passport        string   // 护照号
	SocialInsurance string   // 社保号
	Register        string   // 工商注册号
	USCC            string   // 统一社会信用代码, also where the field puts it under 组织机构代码
	OrgCode         string   // 组织机构代码 of the older kind
	Tax             string   // 税号
	MemberName      string   // the member who holds an enterprise's key, under arc
}

// IdentityOf reads the identity extensions of a certificate. Values that cannot be read as text count as missing: what
// an unknown authority wrote is a claim, not an error.
func IdentityOf(arc Arc, cert *smx509.Certificate) Identity {
	first := func(oids ...asn1.ObjectIdentifier) string {
		for _, oid := range oids {
			for _, e := range cert.Extensions {
				if e.Id.Equal(oid) {
					if s := textOf(e.Value, 0); s != "" {
						return s
					}
				}
			}
		}
		return ""
	}
	id := Identity{
		IDNumber:        IDNumber{first(OIDIDNumber, oidLegacyIDNumber, oidRSAIDNumber)},
		Passport:        first(oidPassport),
		SocialInsurance: first(oidSocialInsurance),
		Register:        first(oidLegacyRegister, oidRSARegister),
		USCC:            first(OIDUSCC),
		OrgCode:         first(oidLegacyOrgCode, oidRSAOrgCode),
		Tax:             first(oidLegacyTax, oidRSATax),
		MemberName:      first(arc.MemberName()),
	}
	if id.USCC == "" && len(id.OrgCode) == 18 {
		id.USCC, id.OrgCode = id.OrgCode, ""
	}
	return id
}

// textOf reads the value of an identity extension: a string of any ASN.1 type, perhaps inside context tags as the
// CHOICE of GB/T 20518 has it, or bare text as some authorities write it.
func textOf(value []byte, depth int) string {
	if depth > 3 {
		return ""
	}
	s := cryptobyte.String(value)
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&content, &tag) || !s.Empty() {
		return visible(value)
	}
	switch tag {
	case cbasn1.UTF8String, cbasn1.PrintableString, cbasn1.IA5String, 0x12, 0x1a: // NumericString, VisibleString
		return visible(content)
	case asn1.TagBMPString:
		if len(content)%2 != 0 {
			return ""
		}
		units := make([]uint16, len(content)/2)
		for i := range units {
			units[i] = uint16(content[2*i])<<8 | uint16(content[2*i+1])
		}
		return visible([]byte(string(utf16.Decode(units))))
	case asn.Sequence, asn.SetOf, cbasn1.OCTET_STRING:
		return textOf(content, depth+1)
	}
	if byte(tag)&0xc0 == 0x80 { // a context tag, in place of the string's own or around it
		return textOf(content, depth+1)
	}
	return ""
}

// visible returns b as text if it is UTF-8 without control characters, and not longer than an identity can be.
func visible(b []byte) string {
	if len(b) > 256 || !utf8.Valid(b) {
		return ""
	}
	for _, r := range string(b) {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ""
		}
	}
	return string(b)
}

func isNoCheck(e pkix.Extension) bool { return e.Id.Equal(OIDOCSPNoCheck) }
