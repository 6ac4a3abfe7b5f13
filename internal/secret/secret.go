// Package secret seals values bound to their table, column and row, and makes
// keyed hashes for look-ups.
//
// A sealed value that is moved to another row, column or table does not open
// (SECURITY.md, "Stores"). Keyed hashes let the store find a phone or ID number
// (手机号、证件号) without holding it.
package secret

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"io"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// KeySize is the length of the master key in bytes.
const KeySize = 32

// ErrSealed says that a sealed value does not open: it was altered, moved to
// another place, or sealed under another key.
var ErrSealed = errors.New("secret: the sealed value does not open here")

const version1 = 1

// Box seals and hashes under one master key. It is safe for concurrent use.
type Box struct {
	aead   cipher.AEAD
	digest []byte
	rand   io.Reader
}

// NewBox derives the sealing key (SM4-GCM) and the hashing key (HMAC-SM3) from
// a master key of KeySize random bytes.
func NewBox(master []byte, rand io.Reader) (*Box, error) {
	if len(master) != KeySize {
		return nil, errors.New("secret: the master key is not 32 bytes long")
	}
	block, err := sm4.NewCipher(derive(master, "seal")[:16])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Box{aead: aead, digest: derive(master, "hash"), rand: rand}, nil
}

func derive(master []byte, label string) []byte {
	m := hmac.New(sm3.New, master)
	m.Write([]byte("twt/secret/v1/" + label))
	return m.Sum(nil)
}

// Place is where a sealed value lives; it is authenticated, not stored.
type Place struct{ Table, Column, Row string }

func (p Place) bytes() []byte {
	var b []byte
	for _, s := range []string{p.Table, p.Column, p.Row} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// Seal encrypts plain for one place: version ‖ 12-byte nonce ‖ ciphertext ‖ tag.
func (b *Box) Seal(p Place, plain []byte) ([]byte, error) {
	out := make([]byte, 1+b.aead.NonceSize(), 1+b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	out[0] = version1
	if _, err := io.ReadFull(b.rand, out[1:]); err != nil {
		return nil, err
	}
	return b.aead.Seal(out, out[1:], plain, p.bytes()), nil
}

// Open decrypts what Seal made for the same place; anything else is ErrSealed.
func (b *Box) Open(p Place, sealed []byte) ([]byte, error) {
	n := b.aead.NonceSize()
	if len(sealed) < 1+n+b.aead.Overhead() || sealed[0] != version1 {
		return nil, ErrSealed
	}
	plain, err := b.aead.Open(nil, sealed[1:1+n], sealed[1+n:], p.bytes())
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Hash is a keyed, domain-separated hash (32 bytes) of a value for exact
// look-ups; the same value under two purposes gives unrelated hashes.
func (b *Box) Hash(purpose string, value []byte) []byte {
	m := hmac.New(sm3.New, b.digest)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(purpose)))
	m.Write(n[:])
	m.Write([]byte(purpose))
	m.Write(value)
	return m.Sum(nil)
}

// Equal compares two hashes in constant time.
func Equal(a, b []byte) bool { return hmac.Equal(a, b) }
