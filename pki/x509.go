package pki

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// addExtension writes Extension{oid, critical DEFAULT FALSE, value}; write fills the value.
func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, write cryptobyte.BuilderContinuation) {
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, write)
	})
}

// signed writes SEQUENCE{tbs, SM2-with-SM3, BIT STRING signature}, the form of certificates, requests and CRLs.
func signed(tbs, signature []byte) ([]byte, error) {
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		wire.Algorithm(OIDSM2WithSM3)(b)
		b.AddASN1BitString(signature)
	}, asn.Sequence)
}

// unsign takes that form apart again. The result shares der's memory.
func unsign(der []byte) (tbs, signature []byte, err error) {
	s := cryptobyte.String(der)
	var seq, body cryptobyte.String
	var sig asn1.BitString
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Element(&body, asn.Sequence) ||
		!wire.ReadAlgorithm(&seq, OIDSM2WithSM3) || !seq.ReadASN1BitString(&sig) || !seq.Empty() || sig.BitLength%8 != 0 {
		return nil, nil, errors.New("not a signed SM2-with-SM3 structure")
	}
	return body, sig.Bytes, nil
}
