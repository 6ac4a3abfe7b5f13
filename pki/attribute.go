package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attributeText is an attribute with a single primitive value, before it is written.
type attributeText struct {
	oid   asn1.ObjectIdentifier
	tag   cbasn1.Tag
	value []byte
}

// readAttribute is one attribute of a request or of a signed message; value holds the content of its one-element SET.
type readAttribute struct {
	oid   asn1.ObjectIdentifier
	value cryptobyte.String
}

// marshalAttribute writes Attribute{oid, SET OF one value}.
func marshalAttribute(oid asn1.ObjectIdentifier, write cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, write)
	})
	return b.Bytes()
}

// addSorted writes the elements of a SET OF in the order that DER wants (X.690 §11.6).
func addSorted(b *cryptobyte.Builder, elements [][]byte) {
	sorted := slices.SortedFunc(slices.Values(elements), bytes.Compare)
	for _, e := range sorted {
		b.AddBytes(e)
	}
}

// readAttributes reads the content of a SET OF Attribute. Each may stand once and has one value.
func readAttributes(s cryptobyte.String) ([]readAttribute, error) {
	var list []readAttribute
	for !s.Empty() {
		var seq, set, value cryptobyte.String
		var tag cbasn1.Tag
		var a readAttribute
		if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&a.oid) ||
			!seq.ReadASN1(&set, cbasn1.SET) || !seq.Empty() {
			return nil, errors.New("bad attribute")
		}
		a.value = set
		if !set.ReadAnyASN1Element(&value, &tag) || !set.Empty() {
			return nil, fmt.Errorf("attribute %v has not exactly one value", a.oid)
		}
		for _, other := range list {
			if other.oid.Equal(a.oid) {
				return nil, fmt.Errorf("attribute %v stands twice", a.oid)
			}
		}
		list = append(list, a)
	}
	return list, nil
}
