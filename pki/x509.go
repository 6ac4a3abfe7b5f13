package pki

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// addTime writes a Time as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime from 2050, whole seconds.
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if y := t.Year(); y >= 1950 && y < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

// algorithm writes AlgorithmIdentifier{oid}; parameters are absent, as RFC 8998 §3.2.2 wants for SM2-with-SM3.
func algorithm(oid asn1.ObjectIdentifier) cryptobyte.BuilderContinuation {
	return asn.Nest(asn.Object(oid), asn.Sequence)
}

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
		algorithm(OIDSM2WithSM3)(b)
		b.AddASN1BitString(signature)
	}, asn.Sequence)
}

// unsign takes that form apart again. The result shares der's memory.
func unsign(der []byte) (tbs, signature []byte, err error) {
	s := cryptobyte.String(der)
	var seq, body cryptobyte.String
	var sig asn1.BitString
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Element(&body, asn.Sequence) ||
		!readAlgorithm(&seq, OIDSM2WithSM3) || !seq.ReadASN1BitString(&sig) || !seq.Empty() || sig.BitLength%8 != 0 {
		return nil, nil, errors.New("not a signed SM2-with-SM3 structure")
	}
	return body, sig.Bytes, nil
}

// readAlgorithm reads an AlgorithmIdentifier that must be one of want; NULL parameters are read as absent.
func readAlgorithm(s *cryptobyte.String, want ...asn1.ObjectIdentifier) bool {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&alg, asn.Sequence) || !alg.ReadASN1ObjectIdentifier(&oid) {
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
