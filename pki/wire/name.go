package wire

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// Name is a distinguished name as this system writes it: one attribute a line, in the order of the fields, those that
// are empty left out. Country and Serial are PrintableStrings because X.520 allows nothing else there; all others are
// UTF8Strings (docs/domain.md §2.5).
type Name struct {
	Country      string // C, two letters
	Organization string // O
	Unit         string // OU, the member's opaque id in an enterprise certificate
	CommonName   string // CN
	Serial       string // serialNumber, the holder's opaque id
}

// SandboxOrganization is the O of every sandbox root. Production refuses certificates below it (docs/domain.md §2.5).
const SandboxOrganization = "沙箱 TEST ONLY"

// MaxAttribute is the upper bound of RFC 5280 appendix A for O, OU, CN and serialNumber, in characters.
const MaxAttribute = 64

func (n Name) attributes() []attribute {
	all := []attribute{
		{OIDCountry, n.Country, true},
		{OIDOrganization, n.Organization, false},
		{OIDOrganizationalUnit, n.Unit, false},
		{OIDCommonName, n.CommonName, false},
		{OIDSerialNumber, n.Serial, true},
	}
	var set []attribute
	for _, a := range all {
		if a.value != "" {
			set = append(set, a)
		}
	}
	return set
}

type attribute struct {
	oid       asn1.ObjectIdentifier
	value     string
	printable bool
}

// Marshal returns the DER of the name, or says which attribute cannot be written.
func (n Name) Marshal() ([]byte, error) {
	for _, a := range n.attributes() {
		switch {
		case !utf8.ValidString(a.value) || utf8.RuneCountInString(a.value) > MaxAttribute:
			return nil, fmt.Errorf("pki: name: attribute %v is longer than %d characters or not UTF-8", a.oid, MaxAttribute)
		case a.printable && !IsPrintable(a.value):
			return nil, fmt.Errorf("pki: name: attribute %v is not printable ASCII", a.oid)
		}
	}
	return asn.Build(func(b *cryptobyte.Builder) {
		for _, a := range n.attributes() {
			asn.Nest(func(b *cryptobyte.Builder) {
				tag := cbasn1.UTF8String
				if a.printable {
					tag = cbasn1.PrintableString
				}
				b.AddASN1ObjectIdentifier(a.oid)
				b.AddASN1(tag, asn.Raw(a.value))
			}, asn.SetOf, asn.Sequence)(b)
		}
	}, asn.Sequence)
}

// ParseName reads a name that Marshal wrote, and nothing else: another attribute, order, string type or a repeated
// attribute is an error. The names of strangers' certificates are read by smx509, in pki.
func ParseName(der []byte) (Name, error) {
	var n Name
	field := map[string]*string{
		OIDCountry.String(): &n.Country, OIDOrganization.String(): &n.Organization, OIDSerialNumber.String(): &n.Serial,
		OIDOrganizationalUnit.String(): &n.Unit, OIDCommonName.String(): &n.CommonName,
	}
	s := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !s.ReadASN1(&rdns, asn.Sequence) || !s.Empty() {
		return Name{}, errors.New("pki: name: not a sequence")
	}
	for !rdns.Empty() {
		var set, seq, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !rdns.ReadASN1(&set, asn.SetOf) || !set.ReadASN1(&seq, asn.Sequence) || !set.Empty() ||
			!seq.ReadASN1ObjectIdentifier(&oid) || !seq.ReadAnyASN1(&value, &tag) || !seq.Empty() {
			return Name{}, errors.New("pki: name: bad attribute")
		}
		to := field[oid.String()]
		if to == nil || *to != "" {
			return Name{}, fmt.Errorf("pki: name: unexpected attribute %v", oid)
		}
		*to = string(value)
	}
	again, err := n.Marshal()
	if err != nil {
		return Name{}, err
	}
	if string(again) != string(der) {
		return Name{}, errors.New("pki: name: wrong string type or order")
	}
	return n, nil
}

// IsPrintable reports whether s holds only characters of X.680's PrintableString.
func IsPrintable(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == ' ', c == '\'', c == '(', c == ')', '+' <= c && c <= '/', c == ':', c == '=', c == '?':
		default:
			return false
		}
	}
	return true
}
