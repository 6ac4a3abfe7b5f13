package splitkey

import (
	"crypto/rand"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestStructuresAreTakenForDER(t *testing.T) {
	long := "30820104" + strings.Repeat("0482010000", 0) + "04820100" + strings.Repeat("ab", 256)
	for name, s := range map[string]string{
		"SEQUENCE":                      "3003020101",
		"SET":                           "3103020101",
		"empty SEQUENCE":                "3000",
		"empty SET":                     "3100",
		"two elements":                  "300602010104 0155",
		"nested":                        "3005a003020101",
		"long length":                   long,
		"long length, BER":              "308103020101",
		"longer length, BER":            "308400000003020101",
		"longest length, BER":           "30a0" + strings.Repeat("00", 31) + "03020101",
		"indefinite":                    "30800201010000",
		"indefinite within indefinite":  "308030800201010000" + "0000",
		"indefinite within definite":    "30073080020101" + "0000",
		"padding behind":                "3003020101" + "000000",
		"line break behind":             "30030201010a",
		"anything behind":               "3003020101" + hex.EncodeToString([]byte("a text")),
		"primitive SEQUENCE":            "1003020101",
		"primitive SET":                 "1103020101",
		"high form of the SEQUENCE tag": "3f1003020101",
		"high form of the SET tag":      "3f1103020101",
		"padded high form":              "3f80801103020101",
		"element with a high tag":       "30041f810100",
		"element without contents":      "30020500",
		"deep indefinite":               strings.Repeat("3080", 200),
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(name, err)
		}
		if !IsWholeDER(b) {
			t.Errorf("%s (%x) is not taken for DER", name, b)
		}
	}
	sig := must(Signature{R: scalarBytes(1), S: scalarBytes(2)}.DER())
	if !IsWholeDER(sig) {
		t.Error("a signature is not taken for DER")
	}
	set := must(asn1.MarshalWithParams([]int{1, 2, 3}, "set"))
	if !IsWholeDER(set) {
		t.Error("a SET is not taken for DER")
	}
}

func scalarBytes(v byte) []byte { b := make([]byte, ScalarSize); b[31] = v; return b }

func TestDocumentsAreNotTakenForDER(t *testing.T) {
	utf16le := func(s string) string {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for name, s := range map[string]string{
		"empty":                  "",
		"one byte":               "0",
		"PDF":                    "%PDF-1.7\n1 0 obj",
		"ZIP, OFD":               "PK\x03\x04" + strings.Repeat("\x00", 40),
		"INTEGER":                "\x02\x01\x01",
		"context tag":            "\xa0\x03\x02\x01\x01",
		"application SEQUENCE":   "\x70\x03\x02\x01\x01",
		"cut SEQUENCE":           "\x30\x04\x02\x01\x01",
		"indefinite without end": "\x30\x80\x02\x01\x01",
		"contents no element":    "\x30\x03\xff\xff\xff",
		"numbered list":          "1. 投标函\n2. 报价表\n3. 资格证明文件\n",
		"number":                 "100000000.00",
		"CSV of digits":          strings.Repeat("0,1,0,1,1,0\n", 50),
		"date":                   "0001-01-01 to 2026-11-23: the term of the bid bond is 90 days from opening.",
		"UTF-16 that begins 0":   utf16le("0号楼 1号楼 2号楼"),
		"UTF-16 that begins 1":   utf16le("1号楼"),
		"hexadecimal":            "3082010a0282010100",
	} {
		if IsWholeDER([]byte(s)) {
			t.Errorf("%s is taken for DER", name)
		}
	}
}

// Plain text that begins with 0 or 1 must not be refused by chance.
func TestTextIsHardlyEverTakenForDER(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	const all = "0123456789 ,.;:-/\r\n\tabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	wrong := 0
	for i := range 20_000 {
		var b strings.Builder
		fmt.Fprint(&b, i%2)
		for range 200 {
			b.WriteByte(all[r.IntN(len(all))])
		}
		if IsWholeDER([]byte(b.String())) {
			wrong++
		}
	}
	if wrong > 20 {
		t.Fatalf("%d of 20,000 random texts are taken for DER", wrong)
	}
}

// Whatever encoding/asn1 reads as one SEQUENCE or SET is refused.
func TestWhateverGoReadsAsSequenceIsDER(t *testing.T) {
	for range 2_000 {
		size := mathrand.IntN(40)
		body := make([]byte, size)
		if _, err := rand.Read(body); err != nil {
			t.Fatal(err)
		}
		inner := must(asn1.Marshal(asn1.RawValue{Class: mathrand.IntN(4), Tag: 1 + mathrand.IntN(40), Bytes: body}))
		outer := must(asn1.Marshal(asn1.RawValue{Tag: 16 + mathrand.IntN(2), IsCompound: true, Bytes: inner}))
		if !IsWholeDER(outer) {
			t.Fatalf("%x is not taken for DER", outer)
		}
	}
}
