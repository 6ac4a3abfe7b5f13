package pki

import (
	"crypto/sha1" // RFC 6960 names certificates by SHA-1; nothing here rests on its strength
	"crypto/sha256"
	"encoding/asn1"
	"hash"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"

	"tianweitong/pki/asn"
)

// Hash is a digest algorithm that a request may name.
type Hash uint8

// SM3 is written; SHA-256 is accepted in timestamp requests, SHA-1 and SHA-256 in OCSP requests.
const (
	SM3 Hash = iota + 1
	SHA256
	SHA1
)

// New returns a fresh digest; nil for a number that is no algorithm.
func (h Hash) New() hash.Hash {
	switch h {
	case SM3:
		return sm3.New()
	case SHA256:
		return sha256.New()
	case SHA1:
		return sha1.New()
	}
	return nil
}

// Sum returns the digest of b.
func (h Hash) Sum(b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

func (h Hash) oid() asn1.ObjectIdentifier {
	switch h {
	case SM3:
		return OIDSM3
	case SHA256:
		return oidSHA256
	case SHA1:
		return oidSHA1
	}
	return nil
}

// add writes AlgorithmIdentifier{oid, NULL}, the form that older readers of digests expect.
func (h Hash) add(b *cryptobyte.Builder) {
	b.AddASN1(asn.Sequence, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(h.oid())
		b.AddASN1NULL()
	})
}

// readHash reads an AlgorithmIdentifier whose parameters are absent or NULL. A digest that is none of allowed gives 0
// and true: the form is right, the algorithm unknown.
func readHash(s *cryptobyte.String, allowed ...Hash) (Hash, bool) {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&alg, asn.Sequence) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return 0, false
	}
	for _, h := range allowed {
		if oid.Equal(h.oid()) {
			return h, alg.Empty() || string(alg) == string(asn1.NullBytes)
		}
	}
	return 0, true
}
