package splitkey

import (
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// DER encodes the ciphertext as ParseCiphertext reads it.
func (c Ciphertext) DER() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, v := range [][]byte{c.C1[1:33], c.C1[33:]} {
			b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(minimal(v)) })
		}
		b.AddASN1OctetString(c.C3)
		b.AddASN1OctetString(c.C2)
	})
	return b.Bytes()
}

// Encrypt encrypts a short plaintext to a whole public key (65 bytes), as the
// phone does with K for the module (docs/split-keys.md §2.8; GB/T 32918.4 §6.1).
func Encrypt(rand io.Reader, publicKey, plain []byte) (Ciphertext, error) {
	p, err := parsePoint(publicKey)
	if err != nil {
		return Ciphertext{}, err
	}
	if len(plain) == 0 || len(plain) > MaxPlaintext {
		return Ciphertext{}, fmt.Errorf("%w: plaintext of %d bytes", ErrMalformed, len(plain))
	}
	for range 8 {
		k, err := randomScalar(rand)
		if err != nil {
			return Ciphertext{}, err
		}
		c := Ciphertext{C1: baseMult(&k).bytes()}
		xy := p.mult(&k).bytes()[1:]
		clear(k[:])
		stream := sm3.Kdf(xy, len(plain))
		var seen byte
		for _, b := range stream {
			seen |= b
		}
		if seen != 0 {
			c.C2 = make([]byte, len(plain))
			subtle.XORBytes(c.C2, plain, stream)
			c.C3 = confirm(xy, plain)
		}
		clear(xy)
		clear(stream)
		if c.C2 != nil {
			return c, nil
		}
	}
	return Ciphertext{}, ErrRandom
}

// confirm is C3 = SM3(x2‖M‖y2).
func confirm(xy, plain []byte) []byte {
	h := sm3.New()
	h.Write(xy[:32])
	h.Write(plain)
	h.Write(xy[32:])
	return h.Sum(nil)
}

// Decrypt opens a ciphertext with a whole private key, such as the enrolment
// key that the phone throws away afterwards (docs/split-keys.md §2.4). Every
// failure is ErrDecrypt.
func (x *Secret) Decrypt(c Ciphertext) ([]byte, error) {
	if x.check() != nil || c.check() != nil {
		return nil, ErrDecrypt
	}
	c1, err := parsePoint(c.C1)
	if err != nil {
		return nil, ErrDecrypt
	}
	return openWith(c1.mult(&x.s), c)
}
