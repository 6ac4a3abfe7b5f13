package asn_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCheckAcceptsDERAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		hex string
		ok  bool
	}{
		"sequence":                  {"30 05 02 01 05 05 00", true},
		"empty":                     {"", false},
		"cut short":                 {"30 05 02 01 05 05", false},
		"bytes after the end":       {"05 00 00", false},
		"long length where short":   {"04 81 01 00", false},
		"length with leading zero":  {"04 82 00 81" + strings.Repeat("00", 0x81), false},
		"long length":               {"04 81 81" + strings.Repeat("00", 0x81), true},
		"indefinite":                {"30 80 05 00 00 00", false},
		"integer not minimal":       {"02 02 00 05", false},
		"negative not minimal":      {"02 02 ff 85", false},
		"integer empty":             {"02 00", false},
		"integer":                   {"02 02 00 85", true},
		"boolean true":              {"01 01 ff", true},
		"boolean one":               {"01 01 01", false},
		"bit string padding":        {"03 02 03 01", false},
		"bit string":                {"03 02 03 c8", true},
		"bit string empty":          {"03 01 00", true},
		"bit string empty, unused":  {"03 01 01", false},
		"null with content":         {"05 01 00", false},
		"object identifier":         {"06 03 55 04 03", true},
		"object identifier, padded": {"06 03 55 80 03", false},
		"utf8":                      {"0c 03 e6 9d 8e", true},
		"utf8 broken":               {"0c 02 e6 9d", false},
		"printable":                 {"13 02 41 42", true},
		"printable with a comma ;":  {"13 01 3b", false},
		"set in order":              {"31 06 02 01 01 02 01 02", true},
		"set out of order":          {"31 06 02 01 02 02 01 01", false},
		"string in pieces":          {"24 04 04 02 00 00", false},
		"utc time":                  {"17 0d" + hex.EncodeToString([]byte("260301080000Z")), true},
		"utc time with offset":      {"17 11" + hex.EncodeToString([]byte("260301080000+0800")), false},
		"utc time, no such day":     {"17 0d" + hex.EncodeToString([]byte("260230080000Z")), false},
		"time":                      {"18 0f" + hex.EncodeToString([]byte("20260301080000Z")), true},
		"time with fraction":        {"18 11" + hex.EncodeToString([]byte("20260301080000.5Z")), true},
		"time, trailing zero":       {"18 12" + hex.EncodeToString([]byte("20260301080000.50Z")), false},
		"sequence, primitive":       {"10 00", false},
		"nested too deeply":         {deep(40), false},
		"nested":                    {deep(20), true},
	} {
		if err := asn.Check(unhex(t, c.hex)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// deep nests n empty sequences.
func deep(n int) string {
	b := []byte{0x30, 0}
	for range n {
		b = append([]byte{0x30, byte(len(b))}, b...)
	}
	return hex.EncodeToString(b)
}

func TestNestingWritesOutermostFirst(t *testing.T) {
	got, err := asn.Build(asn.Raw("\x05\x00"), asn.Sequence, asn.Explicit(3), asn.SetOf)
	if err != nil || !bytes.Equal(got, unhex(t, "30 06 a3 04 31 02 05 00")) {
		t.Errorf("%x %v", got, err)
	}
	if got := asn.Retag(asn.SetOf, []byte{5, 0}); !bytes.Equal(got, unhex(t, "31 02 05 00")) {
		t.Errorf("%x", got)
	}
}

func TestAttributesAreSortedSingleAndUnique(t *testing.T) {
	var set asn.AttributeSet
	b, a := asn1.ObjectIdentifier{1, 2, 9}, asn1.ObjectIdentifier{1, 2, 3}
	set.Add(b, asn.Integer(7))
	set.Add(a, asn.Nest(asn.Raw("x"), cbasn1.OCTET_STRING))
	der, err := set.Marshal(asn.SetOf)
	if err != nil || asn.Check(der) != nil {
		t.Fatal(err, asn.Check(der))
	}
	list, err := asn.ReadAttributes(cryptobyte.String(der[2:]))
	if err != nil || len(list) != 2 || !list[0].OID.Equal(a) || !list[1].OID.Equal(b) {
		t.Fatalf("%v %v", list, err)
	}
	set.Add(a, asn.Integer(7))
	if der, err = set.Marshal(asn.SetOf); err != nil {
		t.Fatal(err)
	}
	if _, err := asn.ReadAttributes(cryptobyte.String(der[2:])); err == nil {
		t.Error("an attribute that stands twice was read")
	}
	for what, values := range map[string]string{"no value": "", "two values": "020101 020102"} {
		der, err := asn.Build(func(b *cryptobyte.Builder) { asn.Object(a)(b); b.AddASN1(asn.SetOf, asn.Raw(unhex(t, values))) }, asn.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := asn.ReadAttributes(cryptobyte.String(der)); err == nil {
			t.Errorf("%s: read", what)
		}
	}
}

// FuzzCheck holds Check against encoding/asn1: what passes is read there, and written again gives the same bytes for
// the types that it knows.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"30050201050500", "3106020101020102", "030203c8", "300d170b3236", deep(20)} {
		f.Add(unhex(f, s))
	}
	if der, err := asn1.Marshal([]any{1, "a", time.Unix(1700000000, 0).UTC(), asn1.ObjectIdentifier{1, 2, 3}, []byte{1}, true}); err == nil {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if asn.Check(b) != nil {
			return
		}
		var raw asn1.RawValue
		if rest, err := asn1.Unmarshal(b, &raw); err != nil || len(rest) > 0 {
			t.Fatalf("encoding/asn1 does not read %x: %v", b, err)
		}
		var n asn1.RawValue
		for rest := raw.Bytes; raw.IsCompound && len(rest) > 0; {
			var err error
			if rest, err = asn1.Unmarshal(rest, &n); err != nil {
				t.Fatalf("element of %x: %v", b, err)
			}
		}
	})
}
