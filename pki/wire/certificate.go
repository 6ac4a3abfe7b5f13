package wire

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// ErrCertificate says that bytes are no certificate of this system's profiles.
var ErrCertificate = errors.New("pki: not a certificate of this system")

// The bits of a key usage (RFC 5280 §4.2.1.3) that the profiles use.
const (
	UsageSignature = 1 << iota
	UsageCommitment
	UsageKeyEncipherment
	UsageDataEncipherment
	UsageKeyAgreement
	UsageCertSign
	UsageCRLSign
)

// Certificate is a certificate of this system (docs/domain.md §2.5), as far as a phone looks at it.
type Certificate struct {
	Raw     []byte
	Serial  []byte // big-endian, without leading zeros
	Issuer  Name
	Subject Name

	NotBefore, NotAfter time.Time
	PublicKey           []byte // 65 bytes

	CA          bool
	PathLen     int // of a CA; −1: no limit
	KeyUsage    int
	ExtKeyUsage []asn1.ObjectIdentifier // nil: the extension is absent
	Policies    []asn1.ObjectIdentifier

	SubjectKeyID, AuthorityKeyID []byte

	rawIssuer, rawSubject, tbs, signature []byte
}

// SerialText is the serial number in hexadecimal, as lists of certificates show it.
func (c *Certificate) SerialText() string {
	return strings.TrimPrefix(hex.EncodeToString(c.Serial), "0")
}

// ParseCertificate reads a certificate as the authorities of this system write it: version 3, an SM2 key, SM2 with SM3,
// their names, extensions each once. A critical extension that it does not know is refused. Nothing is verified. The
// result shares der's memory.
func ParseCertificate(der []byte) (*Certificate, error) {
	c, what := parseCertificate(der)
	if what != "" {
		return nil, fmt.Errorf("%w: %s", ErrCertificate, what)
	}
	return c, nil
}

// parseCertificate names the part that it cannot read.
func parseCertificate(der []byte) (c *Certificate, what string) {
	c = &Certificate{Raw: der, PathLen: -1}
	s := cryptobyte.String(der)
	var seq, tbs, body cryptobyte.String
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Element(&tbs, asn.Sequence) ||
		!readSM2WithSM3(&seq) || !readOctets(&seq, &c.signature) || !seq.Empty() {
		return nil, "structure"
	}
	c.tbs = tbs
	if !tbs.ReadASN1(&body, asn.Sequence) {
		return nil, "structure"
	}
	var version, serial, issuer, validity, subject, extensions cryptobyte.String
	if !body.ReadASN1(&version, asn.Explicit(0)) || !bytes.Equal(version, []byte{2, 1, 2}) {
		return nil, "version"
	}
	if !body.ReadASN1(&serial, cbasn1.INTEGER) || !positive(serial) {
		return nil, "serial number"
	}
	c.Serial = bytes.TrimPrefix(serial, []byte{0})
	if !readSM2WithSM3(&body) || !body.ReadASN1Element(&issuer, asn.Sequence) || !body.ReadASN1(&validity, asn.Sequence) ||
		!body.ReadASN1Element(&subject, asn.Sequence) {
		return nil, "structure"
	}
	c.rawIssuer, c.rawSubject = issuer, subject
	var err error
	if c.Issuer, err = ParseName(issuer); err != nil {
		return nil, "issuer"
	}
	if c.Subject, err = ParseName(subject); err != nil {
		return nil, "subject"
	}
	var ok bool
	if c.NotBefore, ok = readStrictTime(&validity); !ok {
		return nil, "validity"
	}
	if c.NotAfter, ok = readStrictTime(&validity); !ok || !validity.Empty() {
		return nil, "validity"
	}
	if c.PublicKey, err = ReadSPKI(&body); err != nil {
		return nil, "public key"
	}
	if !body.ReadASN1(&extensions, asn.Explicit(3)) || !body.Empty() || !extensions.ReadASN1(&body, asn.Sequence) || !extensions.Empty() {
		return nil, "extensions"
	}
	return c, c.readExtensions(body)
}

// readSM2WithSM3 reads the one algorithm, without parameters.
func readSM2WithSM3(s *cryptobyte.String) bool {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	return s.ReadASN1(&alg, asn.Sequence) && alg.ReadASN1ObjectIdentifier(&oid) && alg.Empty() && oid.Equal(OIDSM2WithSM3)
}

func readOctets(s *cryptobyte.String, out *[]byte) bool {
	var bits asn1.BitString
	if !s.ReadASN1BitString(&bits) || bits.BitLength%8 != 0 {
		return false
	}
	*out = bits.Bytes
	return true
}

// positive says that the content of an INTEGER is minimal, above zero and at most 20 octets (RFC 5280 §4.1.2.2).
func positive(v []byte) bool {
	return len(v) > 0 && len(v) <= 20 && v[0] < 0x80 && (v[0] != 0 || len(v) > 1 && v[1] >= 0x80)
}

// readStrictTime reads a time in the one form that RFC 5280 §4.1.2.5 gives it.
func readStrictTime(s *cryptobyte.String) (t time.Time, ok bool) {
	before := *s
	t, err := ReadTime(s)
	if err != nil {
		return t, false
	}
	again, err := asn.Build(func(b *cryptobyte.Builder) { AddTime(b, t) })
	return t, err == nil && bytes.Equal(again, before[:len(before)-len(*s)])
}

// readExtensions names the extension that it cannot read; "" if all are good.
func (c *Certificate) readExtensions(list cryptobyte.String) string {
	seen := map[string]bool{}
	for !list.Empty() {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if !list.ReadASN1(&ext, asn.Sequence) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			ext.PeekASN1Tag(cbasn1.BOOLEAN) && (!ext.ReadASN1Boolean(&critical) || !critical) ||
			!ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return "extension"
		}
		name := oid.String()
		if seen[name] {
			return "extension " + name + " stands twice"
		}
		seen[name] = true
		read := true
		switch {
		case oid.Equal(OIDBasicConstraints):
			read = c.readBasicConstraints(value)
		case oid.Equal(OIDKeyUsage):
			read = c.readKeyUsage(value)
		case oid.Equal(OIDExtKeyUsage):
			read = readOIDs(value, &c.ExtKeyUsage, false)
		case oid.Equal(OIDPolicies):
			read = readOIDs(value, &c.Policies, true)
		case oid.Equal(OIDSubjectKeyID):
			read = value.ReadASN1Bytes(&c.SubjectKeyID, cbasn1.OCTET_STRING) && value.Empty()
		case oid.Equal(OIDAuthorityKeyID):
			var seq cryptobyte.String
			read = value.ReadASN1(&seq, asn.Sequence) && value.Empty() && seq.ReadASN1Bytes(&c.AuthorityKeyID, asn.Implicit(0)) && seq.Empty()
		case oid.Equal(OIDCRLPoints):
			read = isUnder(value, asn.Implicit(6), asn.Sequence, asn.Sequence, asn.Explicit(0), asn.Explicit(0))
		case oid.Equal(OIDSubjectAltName):
			read = isUnder(value, asn.Implicit(2), asn.Sequence)
		case oid.Equal(OIDAuthorityInfoAccess):
			read = isAccess(value)
		default: // who the holder is, under numbers of the field; RFC 5280's own that the profiles lack might restrict
			read = !critical && !strings.HasPrefix(name, "2.5.29.")
		}
		if !read {
			return "extension " + name
		}
	}
	return ""
}

func (c *Certificate) readBasicConstraints(value cryptobyte.String) bool {
	var seq cryptobyte.String
	if !value.ReadASN1(&seq, asn.Sequence) || !value.Empty() || !seq.ReadASN1Boolean(&c.CA) || !c.CA {
		return false
	}
	if seq.Empty() {
		return true
	}
	var n int64
	if !seq.ReadASN1Int64WithTag(&n, cbasn1.INTEGER) || !seq.Empty() || n < 0 || n > 16 {
		return false
	}
	c.PathLen = int(n)
	return true
}

// readKeyUsage reads the named-bit list: bit 0 is the first of the string.
func (c *Certificate) readKeyUsage(value cryptobyte.String) bool {
	var bits asn1.BitString
	if !value.ReadASN1BitString(&bits) || !value.Empty() || bits.BitLength == 0 || bits.BitLength > 8 {
		return false
	}
	for i := range bits.BitLength {
		c.KeyUsage |= bits.At(i) << i
	}
	return true
}

// readOIDs reads a list of object identifiers, or of sequences that begin with one.
func readOIDs(value cryptobyte.String, out *[]asn1.ObjectIdentifier, nested bool) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, asn.Sequence) || !value.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		entry := &list
		if nested {
			entry = new(cryptobyte.String)
			if !list.ReadASN1(entry, asn.Sequence) {
				return false
			}
		}
		var oid asn1.ObjectIdentifier
		if !entry.ReadASN1ObjectIdentifier(&oid) {
			return false
		}
		if nested && !entry.Empty() { // qualifiers
			var q cryptobyte.String
			if !entry.ReadASN1(&q, asn.Sequence) || !entry.Empty() {
				return false
			}
		}
		*out = append(*out, oid)
	}
	return true
}

// isUnder says that value is one string of ASCII under tag, inside of the tags outer.
func isUnder(value cryptobyte.String, tag cbasn1.Tag, outer ...cbasn1.Tag) bool {
	for _, t := range append(outer, tag) {
		var inner cryptobyte.String
		if !value.ReadASN1(&inner, t) || !value.Empty() {
			return false
		}
		value = inner
	}
	return isASCII(value)
}

func isASCII(b []byte) bool {
	return len(b) > 0 && bytes.IndexFunc(b, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// isAccess says that value is a list of places, as AuthorityInfoAccess has it.
func isAccess(value cryptobyte.String) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, asn.Sequence) || !value.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		var entry, uri cryptobyte.String
		var method asn1.ObjectIdentifier
		if !list.ReadASN1(&entry, asn.Sequence) || !entry.ReadASN1ObjectIdentifier(&method) ||
			!entry.ReadASN1(&uri, asn.Implicit(6)) || !entry.Empty() || !isASCII(uri) {
			return false
		}
	}
	return true
}
