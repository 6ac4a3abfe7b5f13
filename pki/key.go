package pki

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"golang.org/x/crypto/cryptobyte"

	"tianweitong/pki/wire"
)

// ErrSignature says that a signature does not verify under the key that should have made it.
var ErrSignature = wire.ErrSignature

// VerifySignature checks a DER signature over msg: SM2-with-SM3, identity 1234567812345678 (GM/T 0009). The error is
// ErrSignature; a key that is not on the SM2 curve verifies nothing.
func VerifySignature(pub *ecdsa.PublicKey, msg, signature []byte) error {
	if pub == nil || !sm2.IsSM2PublicKey(pub) || !sm2.VerifyASN1WithSM2(pub, nil, msg, signature) {
		return ErrSignature
	}
	return nil
}

// ParsePoint reads a public key as 65 bytes 04‖x‖y on the SM2 curve. Every other form is refused before the library
// sees it (docs/split-keys.md §2.7).
func ParsePoint(point []byte) (*ecdsa.PublicKey, error) {
	if len(point) != 65 || point[0] != 4 {
		return nil, errors.New("pki: a public key is 65 bytes 04‖x‖y")
	}
	pub, err := sm2.ParseUncompressedPublicKey(point)
	if err != nil {
		return nil, errors.New("pki: public key is not on the SM2 curve")
	}
	return pub, nil
}

// Point writes a public key as 65 bytes 04‖x‖y.
func Point(pub *ecdsa.PublicKey) ([]byte, error) {
	if pub == nil || !sm2.IsSM2PublicKey(pub) {
		return nil, errors.New("pki: not an SM2 public key")
	}
	key, err := sm2.PublicKeyToECDH(pub)
	if err != nil {
		return nil, errors.New("pki: public key is not on the SM2 curve")
	}
	return key.Bytes(), nil
}

// KeyID is the key identifier of a 65-byte point: the leftmost 160 bits of its SM3, after RFC 7093 §2 method 1.
func KeyID(point []byte) []byte { return wire.KeyID(point) }

// NewSerial draws a certificate serial number of 127 random bits (CA/B BR §7.1 wants at least 64). A number below 2^64
// means a broken source and is an error.
func NewSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("pki: serial number: %w", err)
	}
	b[0] &= 0x7f
	n := new(big.Int).SetBytes(b[:])
	if n.BitLen() <= 64 {
		return nil, errors.New("pki: serial number: the random source is broken")
	}
	return n, nil
}

// ParseSPKI reads a SubjectPublicKeyInfo that must hold an uncompressed SM2 point under ecPublicKey and the SM2 curve.
func ParseSPKI(der []byte) (*ecdsa.PublicKey, error) {
	s := cryptobyte.String(der)
	pub, err := readSPKI(&s)
	if err == nil && !s.Empty() {
		err = errors.New("pki: bytes after the public key")
	}
	return pub, err
}

func readSPKI(s *cryptobyte.String) (*ecdsa.PublicKey, error) {
	point, err := wire.ReadSPKI(s)
	if err != nil {
		return nil, err
	}
	return ParsePoint(point)
}
