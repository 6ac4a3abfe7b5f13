package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxDepth bounds the nesting of outside bytes; nothing that this package writes goes deeper than fifteen levels.
const maxDepth = 32

// CheckDER reports why der is not exactly one element in the distinguished encoding of X.690 §10 and §11, or nil. It
// looks into constructed elements, not into octet strings.
func CheckDER(der []byte) error {
	rest, err := walk(der, true, 0)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes after the end")
	}
	if err != nil {
		return fmt.Errorf("pki: not DER: %w", err)
	}
	return nil
}

// IsStructure reports whether b parses completely as one SEQUENCE or SET, in DER or in any laxer encoding that some
// verifier might accept. Such bytes are never signed as a document: they could be a seal or signed attributes in
// disguise (docs/split-keys.md §2.9).
func IsStructure(b []byte) bool {
	if len(b) == 0 || b[0] != 0x30 && b[0] != 0x31 {
		return false
	}
	rest, err := walk(b, false, 0)
	return err == nil && len(rest) == 0
}

// walk reads one element and returns what follows. Strict means DER; otherwise BER, indefinite lengths included.
func walk(b []byte, strict bool, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	head, content, rest, indefinite, err := element(b, strict)
	if err != nil {
		return nil, err
	}
	tag := head[0]
	switch {
	case indefinite:
		for !bytes.HasPrefix(content, []byte{0, 0}) {
			if content, err = walk(content, strict, depth+1); err != nil {
				return nil, err
			}
		}
		return content[2:], nil
	case tag&0x20 != 0:
		var last []byte
		for len(content) > 0 {
			after, err := walk(content, strict, depth+1)
			if err != nil {
				return nil, err
			}
			this := content[:len(content)-len(after)]
			if strict && tag == 0x31 && bytes.Compare(last, this) > 0 {
				return nil, errors.New("a set is not in order")
			}
			last, content = this, after
		}
		if strict && tag&0xc0 == 0 && tag != 0x30 && tag != 0x31 {
			return nil, errors.New("a string in pieces")
		}
	case strict:
		if err := primitive(tag, content); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// element splits the first element of b into its tag, its content and what follows.
func element(b []byte, strict bool) (tag, content, rest []byte, indefinite bool, err error) {
	short := errors.New("cut short")
	if len(b) < 2 {
		return nil, nil, nil, false, short
	}
	n := 1
	if b[0]&0x1f == 0x1f {
		for n < len(b) && b[n]&0x80 != 0 {
			n++
		}
		n++
		if n > 5 || strict && (b[1] == 0x80 || n == 2 && b[1] < 0x1f) {
			return nil, nil, nil, false, errors.New("bad tag")
		}
	}
	if n >= len(b) {
		return nil, nil, nil, false, short
	}
	tag, length := b[:n], int(b[n])
	b = b[n+1:]
	switch {
	case length == 0x80:
		if strict || tag[0]&0x20 == 0 {
			return nil, nil, nil, false, errors.New("indefinite length")
		}
		return tag, b, nil, true, nil
	case length > 0x80:
		octets := length & 0x7f
		if octets > len(b) || octets > 8 {
			return nil, nil, nil, false, short
		}
		var long uint64
		for _, o := range b[:octets] {
			long = long<<8 | uint64(o)
		}
		if strict && (b[0] == 0 || long < 0x80) {
			return nil, nil, nil, false, errors.New("length not minimal")
		}
		b = b[octets:]
		if long > uint64(len(b)) {
			return nil, nil, nil, false, short
		}
		length = int(long)
	}
	if length > len(b) {
		return nil, nil, nil, false, short
	}
	return tag, b[:length], b[length:], false, nil
}

// primitive checks the content of a universal type against X.690 §11.
func primitive(tag byte, c []byte) error {
	ok := true
	switch tag {
	case 0x01: // BOOLEAN
		ok = len(c) == 1 && (c[0] == 0 || c[0] == 0xff)
	case 0x02, 0x0a: // INTEGER, ENUMERATED
		ok = len(c) == 1 || len(c) > 1 && !(c[0] == 0 && c[1] < 0x80) && !(c[0] == 0xff && c[1] >= 0x80)
	case 0x03: // BIT STRING
		ok = len(c) == 1 && c[0] == 0 || len(c) > 1 && c[0] < 8 && c[len(c)-1]&(1<<c[0]-1) == 0
	case 0x05: // NULL
		ok = len(c) == 0
	case 0x06, 0x0c, 0x13, 0x16: // OBJECT IDENTIFIER, UTF8String, PrintableString, IA5String
		var v any
		full := append(appendHeader(nil, tag, len(c)), c...)
		rest, err := asn1.Unmarshal(full, &v)
		ok = err == nil && len(rest) == 0
	case 0x17: // UTCTime
		const layout = "060102150405Z"
		t, err := time.Parse(layout, string(c))
		ok = err == nil && t.Format(layout) == string(c)
	case 0x18: // GeneralizedTime, a fraction without trailing zeros
		const layout = "20060102150405.999999999Z"
		t, err := time.Parse(layout, string(c))
		ok = err == nil && t.Format(layout) == string(c)
	case 0x10, 0x11:
		ok = false // SEQUENCE and SET are constructed
	}
	if !ok {
		return fmt.Errorf("bad value of type %d", tag)
	}
	return nil
}

func appendHeader(b []byte, tag byte, n int) []byte {
	b = append(b, tag)
	if n < 0x80 {
		return append(b, byte(n))
	}
	var octets []byte
	for ; n > 0; n >>= 8 {
		octets = append([]byte{byte(n)}, octets...)
	}
	return append(append(b, 0x80|byte(len(octets))), octets...)
}

// addTime writes a Time as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime from 2050, whole seconds.
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if y := t.Year(); y >= 1950 && y < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

// addAlgorithm writes AlgorithmIdentifier{oid}; parameters are absent, as RFC 8998 §3.2.2 wants for SM2-with-SM3.
func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
}

// addExtension writes Extension{oid, critical DEFAULT FALSE, value}; write fills the value.
func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, write cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, write)
	})
}

// signed writes SEQUENCE{tbs, SM2-with-SM3, BIT STRING signature}, the form of certificates, requests and CRLs.
func signed(tbs, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		addAlgorithm(b, OIDSM2WithSM3)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// unsign takes that form apart again. The result shares der's memory.
func unsign(der []byte) (tbs, signature []byte, err error) {
	s := cryptobyte.String(der)
	var seq, body cryptobyte.String
	var sig asn1.BitString
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !s.Empty() || !seq.ReadASN1Element(&body, cbasn1.SEQUENCE) ||
		!readAlgorithm(&seq, OIDSM2WithSM3) || !seq.ReadASN1BitString(&sig) || !seq.Empty() || sig.BitLength%8 != 0 {
		return nil, nil, errors.New("not a signed SM2-with-SM3 structure")
	}
	return body, sig.Bytes, nil
}

// readAlgorithm reads an AlgorithmIdentifier that must be one of want; NULL parameters are read as absent.
func readAlgorithm(s *cryptobyte.String, want ...asn1.ObjectIdentifier) bool {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&alg, cbasn1.SEQUENCE) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return false
	}
	if !alg.Empty() && !bytes.Equal(alg, asn1.NullBytes) {
		return false
	}
	for _, w := range want {
		if oid.Equal(w) {
			return true
		}
	}
	return false
}
