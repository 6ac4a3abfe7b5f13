package pki

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// Issuer is what an authority gives to the certificates that it issues.
type Issuer struct {
	Certificate *smx509.Certificate // nil for a root, which signs itself
	Arc         Arc
	Sandbox     bool // its certificates carry the sandbox policy instead of the operator's

	CRLURL  string // CRL distribution point
	OCSPURL string // responder
	CertURL string // where Certificate itself is found (AIA caIssuers)
	CPSURL  string // certification practice statement
}

// Template is what varies between the certificates of a role.
type Template struct {
	Role                Role
	Serial              *big.Int // from NewSerial
	Subject             Name
	PublicKey           *ecdsa.PublicKey // SM2
	NotBefore, NotAfter time.Time        // whole seconds; both belong to the validity
	Replacement         bool             // keeps the end date of the certificate it replaces (docs/split-keys.md §2.6)

	Host       string   // platforms: the registered host, a DNS name
	IDNumber   IDNumber // persons
	USCC       string   // enterprises: 统一社会信用代码, 18 characters
	MemberName string   // enterprises: the member who holds the key
}

// IDNumber is the value of the ID number extension (身份证号): a keyed digest, or the number itself for platforms that
// demand it (docs/domain.md §2.5). The zero value writes no extension.
type IDNumber struct{ value string }

const keyedPrefix = "HMAC-SM3:"

// KeyedIDNumber writes HMAC-SM3 of the number under a key of the caller's, 32 bytes, so that a holder is recognised
// without being named.
func KeyedIDNumber(mac [32]byte) IDNumber { return IDNumber{keyedPrefix + hex.EncodeToString(mac[:])} }

// ClearIDNumber writes the number itself.
func ClearIDNumber(number string) IDNumber { return IDNumber{number} }

// String returns the value as the certificate holds it.
func (n IDNumber) String() string { return n.value }

// Keyed returns the digest, and whether the value is one.
func (n IDNumber) Keyed() (mac [32]byte, ok bool) {
	text, ok := strings.CutPrefix(n.value, keyedPrefix)
	if !ok || len(text) != 64 {
		return mac, false
	}
	if _, err := hex.Decode(mac[:], []byte(text)); err != nil {
		return mac, false
	}
	return mac, true
}

// Draft is a certificate before its signature: the bytes to be signed and what the linter needs to judge them. It is
// plain data, kept by the caller, so that an issuance that broke off goes on with the very same bytes: nothing of it is
// believed before pki/lint has read TBS again.
type Draft struct {
	Role        Role
	Issuer      Issuer
	Replacement bool
	TBS         []byte // TBSCertificate, RFC 5280 §4.1
}

// NewDraft writes the TBSCertificate of a template. It refuses what cannot be written; whether the result keeps the
// rules of its role is for pki/lint to say.
func NewDraft(iss Issuer, t Template) (Draft, error) {
	p, err := ProfileOf(t.Role)
	if err != nil {
		return Draft{}, err
	}
	point, err := Point(t.PublicKey)
	if err != nil {
		return Draft{}, err
	}
	subject, err := t.Subject.Marshal()
	if err != nil {
		return Draft{}, err
	}
	if t.Serial == nil || t.Serial.Sign() <= 0 {
		return Draft{}, errors.New("pki: a certificate wants a positive serial number")
	}
	issuer, authorityKey := subject, KeyID(point)
	if iss.Certificate != nil {
		issuer, authorityKey = iss.Certificate.RawSubject, iss.Certificate.SubjectKeyId
	}
	if (iss.Certificate == nil) != (t.Role == Root) {
		return Draft{}, fmt.Errorf("pki: a root signs itself and nothing else does: %s", p.Name)
	}
	tbs, err := asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn.Explicit(0), asn.Integer(2))
		b.AddASN1BigInt(t.Serial)
		wire.Algorithm(OIDSM2WithSM3)(b)
		b.AddBytes(issuer)
		b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) { wire.AddTime(b, t.NotBefore); wire.AddTime(b, t.NotAfter) })
		b.AddBytes(subject)
		wire.AddSPKI(b, point)
		asn.Nest(func(b *cryptobyte.Builder) {
			addKeyExtensions(b, p, KeyID(point), authorityKey)
			addSourceExtensions(b, p, iss)
			addHolderExtensions(b, iss.Arc, t)
		}, asn.Explicit(3), asn.Sequence)(b)
	}, asn.Sequence)
	if err != nil {
		return Draft{}, fmt.Errorf("pki: certificate: %w", err)
	}
	return Draft{Role: t.Role, Issuer: iss, Replacement: t.Replacement, TBS: tbs}, nil
}

// addKeyExtensions writes what the key is and what it may do.
func addKeyExtensions(b *cryptobyte.Builder, p Profile, subjectKey, authorityKey []byte) {
	if p.CA {
		addExtension(b, OIDBasicConstraints, true, asn.Nest(func(b *cryptobyte.Builder) {
			b.AddASN1Boolean(true)
			if p.PathLen >= 0 {
				b.AddASN1Int64(int64(p.PathLen))
			}
		}, asn.Sequence))
	}
	addExtension(b, OIDKeyUsage, true, func(b *cryptobyte.Builder) { addKeyUsage(b, p.KeyUsage) })
	if len(p.ExtKeyUsage) > 0 {
		addExtension(b, OIDExtKeyUsage, p.CriticalUsage, asn.Nest(func(b *cryptobyte.Builder) {
			for _, u := range p.ExtKeyUsage {
				switch u {
				case smx509.ExtKeyUsageTimeStamping:
					b.AddASN1ObjectIdentifier(oidEKUTimeStamping)
				case smx509.ExtKeyUsageOCSPSigning:
					b.AddASN1ObjectIdentifier(oidEKUOCSPSigning)
				default:
					b.SetError(errors.New("an extended key usage without a number"))
				}
			}
		}, asn.Sequence))
	}
	addExtension(b, OIDSubjectKeyID, false, asn.Nest(asn.Raw(subjectKey), cbasn1.OCTET_STRING))
	addAuthorityKeyID(b, authorityKey)
}

func addAuthorityKeyID(b *cryptobyte.Builder, keyID []byte) {
	addExtension(b, OIDAuthorityKeyID, false, asn.Nest(asn.Raw(keyID), asn.Sequence, asn.Implicit(0)))
}

// addKeyUsage writes the named-bit list: bit 0 is the first bit of the string, trailing zeros are cut (X.690 §11.2.2).
func addKeyUsage(b *cryptobyte.Builder, usage smx509.KeyUsage) {
	var octet byte
	unused := byte(8)
	for i := range 8 {
		if usage&(1<<i) != 0 {
			octet |= 0x80 >> i
			unused = byte(7 - i)
		}
	}
	b.AddASN1(cbasn1.BIT_STRING, asn.Raw([]byte{unused, octet}))
}

// addSourceExtensions writes where the certificate's status and its issuer are found, and under which policy it stands.
func addSourceExtensions(b *cryptobyte.Builder, p Profile, iss Issuer) {
	uri := asn.Implicit(6)
	if p.CRL != Absent { // CRLDistributionPoints, DistributionPoint, distributionPoint, fullName
		addExtension(b, OIDCRLPoints, false, asn.Nest(asn.Raw(iss.CRLURL), asn.Sequence, asn.Sequence, asn.Explicit(0), asn.Explicit(0), uri))
	}
	ocsp := p.OCSP != Absent && iss.OCSPURL != ""
	issuers := p.CAIssuers != Absent && iss.CertURL != ""
	if ocsp || issuers {
		addExtension(b, OIDAuthorityInfoAccess, false, asn.Nest(func(b *cryptobyte.Builder) {
			if ocsp {
				b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) { asn.Object(oidOCSP)(b); b.AddASN1(uri, asn.Raw(iss.OCSPURL)) })
			}
			if issuers {
				b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) { asn.Object(oidCAIssuers)(b); b.AddASN1(uri, asn.Raw(iss.CertURL)) })
			}
		}, asn.Sequence))
	}
	if p.Policy == Required || p.Policy == Optional && iss.Sandbox {
		addExtension(b, OIDPolicies, false, asn.Nest(func(b *cryptobyte.Builder) { addPolicies(b, p, iss) }, asn.Sequence))
	}
	if p.NoCheck != Absent {
		addExtension(b, OIDOCSPNoCheck, false, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
	}
}

// addPolicies writes the policy with its practice statement and, in end-entity certificates, the policy of the role. An
// authority does not carry the latter: it would restrict what it may issue (RFC 5280 §6.1).
func addPolicies(b *cryptobyte.Builder, p Profile, iss Issuer) {
	policy := iss.Arc.Policy()
	if iss.Sandbox {
		policy = iss.Arc.SandboxPolicy()
	}
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(policy)
		asn.Nest(func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDCPS)
			b.AddASN1(cbasn1.IA5String, asn.Raw(iss.CPSURL))
		}, asn.Sequence, asn.Sequence)(b)
	})
	if !p.CA {
		b.AddASN1(asn.Sequence, asn.Object(iss.Arc.RolePolicy(p.Role)))
	}
}

// addHolderExtensions writes who holds the key; what the template leaves empty is left out.
func addHolderExtensions(b *cryptobyte.Builder, arc Arc, t Template) {
	if t.Host != "" {
		addExtension(b, OIDSubjectAltName, false, asn.Nest(asn.Raw(t.Host), asn.Sequence, asn.Implicit(2)))
	}
	if t.IDNumber.value != "" {
		addExtension(b, OIDIDNumber, false, asn.Nest(asn.Raw(t.IDNumber.value), cbasn1.PrintableString))
	}
	if t.USCC != "" {
		addExtension(b, OIDUSCC, false, asn.Nest(asn.Raw(t.USCC), cbasn1.PrintableString))
	}
	if t.MemberName != "" {
		addExtension(b, arc.MemberName(), false, asn.Nest(asn.Raw(t.MemberName), cbasn1.UTF8String))
	}
}
