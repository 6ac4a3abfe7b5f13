package asn

import (
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute is one attribute of a request or of a signed message; Value holds the content of its one-element SET.
type Attribute struct {
	OID   asn1.ObjectIdentifier
	Value cryptobyte.String
}

// AttributeSet collects attributes, to be written as a SET OF. The zero value is empty.
type AttributeSet struct {
	encoded [][]byte
	err     error
}

// Add writes Attribute{oid, SET OF one value}.
func (a *AttributeSet) Add(oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	der, err := Build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(SetOf, value)
	}, Sequence)
	a.err = errors.Join(a.err, err)
	a.encoded = append(a.encoded, der)
}

// Marshal writes the SET OF under a tag, its own or one in its place.
func (a *AttributeSet) Marshal(tag cbasn1.Tag) ([]byte, error) {
	der, err := Build(Sorted(a.encoded), tag)
	return der, errors.Join(a.err, err)
}

// ReadAttributes reads the content of a SET OF Attribute. Each may stand once and has one value.
func ReadAttributes(s cryptobyte.String) ([]Attribute, error) {
	var list []Attribute
	for !s.Empty() {
		var seq, set, value cryptobyte.String
		var tag cbasn1.Tag
		var a Attribute
		if !s.ReadASN1(&seq, Sequence) || !seq.ReadASN1ObjectIdentifier(&a.OID) ||
			!seq.ReadASN1(&set, SetOf) || !seq.Empty() {
			return nil, errors.New("bad attribute")
		}
		a.Value = set
		if !set.ReadAnyASN1Element(&value, &tag) || !set.Empty() {
			return nil, fmt.Errorf("attribute %v has not exactly one value", a.OID)
		}
		for _, other := range list {
			if other.OID.Equal(a.OID) {
				return nil, fmt.Errorf("attribute %v stands twice", a.OID)
			}
		}
		list = append(list, a)
	}
	return list, nil
}
