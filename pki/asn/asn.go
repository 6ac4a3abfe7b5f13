// Package asn checks and writes DER, the distinguished encoding of ASN.1 (X.690). It adds to x/crypto's cryptobyte what
// certificates and seals need beside it: a check that bytes are canonical, and words that write nested structures
// without a pyramid of closures.
package asn

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxDepth bounds the nesting of outside bytes; nothing that a certificate authority writes goes half as deep.
const maxDepth = 32

// Check reports why der is not exactly one element in the distinguished encoding of X.690 §10 and §11, or nil. It
// looks into constructed elements, not into octet strings.
func Check(der []byte) error {
	rest, err := walk(der, 0)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes after the end")
	}
	if err != nil {
		return fmt.Errorf("asn: not DER: %w", err)
	}
	return nil
}

// walk checks the first element of b and returns what follows.
func walk(b []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	s := cryptobyte.String(b)
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&content, &tag) { // wants one-byte tags and minimal, definite lengths
		return nil, errors.New("tag or length")
	}
	switch {
	case tag&0x20 == 0:
		return s, primitive(byte(tag), content)
	case tag&0xc0 == 0 && tag != Sequence && tag != SetOf:
		return nil, errors.New("a string in pieces")
	}
	var last []byte
	for rest := []byte(content); len(rest) > 0; {
		after, err := walk(rest, depth+1)
		if err != nil {
			return nil, err
		}
		this := rest[:len(rest)-len(after)]
		if tag == SetOf && bytes.Compare(last, this) > 0 {
			return nil, errors.New("a set is not in order")
		}
		last, rest = this, after
	}
	return s, nil
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
		_, err := asn1.Unmarshal(Retag(cbasn1.Tag(tag), c), &v)
		ok = err == nil
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

// Sequence and SetOf are the tags that everything is nested in.
const (
	Sequence = cbasn1.SEQUENCE
	SetOf    = cbasn1.SET
)

// Explicit is the context tag [n] around an element, or in place of the tag of a constructed one.
func Explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }

// Implicit is the context tag [n] in place of the tag of a primitive element.
func Implicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

// Build writes what f writes inside tags, outermost first.
func Build(f cryptobyte.BuilderContinuation, tags ...cbasn1.Tag) ([]byte, error) {
	var b cryptobyte.Builder
	Nest(f, tags...)(&b)
	return b.Bytes()
}

// Nest wraps f in tags, outermost first.
func Nest(f cryptobyte.BuilderContinuation, tags ...cbasn1.Tag) cryptobyte.BuilderContinuation {
	for _, tag := range slices.Backward(tags) {
		inner := f
		f = func(b *cryptobyte.Builder) { b.AddASN1(tag, inner) }
	}
	return f
}

// Raw writes bytes as they are.
func Raw[T ~[]byte | ~string](v T) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) }
}

// Integer writes an INTEGER.
func Integer(n int64) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddASN1Int64(n) }
}

// Object writes an OBJECT IDENTIFIER.
func Object(v asn1.ObjectIdentifier) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(v) }
}

// Sorted writes the elements of a SET OF in the order that DER wants (X.690 §11.6).
func Sorted(elements [][]byte) cryptobyte.BuilderContinuation {
	return Raw(slices.Concat(slices.SortedFunc(slices.Values(elements), bytes.Compare)...))
}

// Retag writes an element with another tag around its content.
func Retag(tag cbasn1.Tag, content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, Raw(content))
	return b.BytesOrPanic() // fails only beyond 4 GiB
}

// ReadFlag reads a BOOLEAN DEFAULT FALSE; one that is written out although FALSE is read too.
func ReadFlag(s *cryptobyte.String, flag *bool) bool {
	*flag = false
	return !s.PeekASN1Tag(cbasn1.BOOLEAN) || s.ReadASN1Boolean(flag)
}
