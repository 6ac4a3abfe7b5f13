package splitkey

import (
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/splitkey/internal/curve"
)

// appendPrefixed appends part behind its length in four bytes, big-endian.
func appendPrefixed(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// prefixed joins parts, each behind its length, so that no two lists of parts
// give the same bytes.
func prefixed(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = appendPrefixed(b, p)
	}
	return b
}

// hashToScalar is H2S(label, parts…) of docs/split-keys.md §2: the first 48
// bytes of SM3(00‖m) ‖ SM3(01‖m) modulo n, m being label and parts, each
// behind its length. Both blocks hash all of m, so that 64 random bytes in it
// do not pass through a digest of 32. The result may be zero.
func hashToScalar(label string, parts ...[]byte) scalar {
	var out [2 * sm3.Size]byte
	h := sm3.New()
	prefix := make([]byte, 4)
	for i := range 2 {
		h.Reset()
		h.Write(append(prefix[:0], byte(i)))
		h.Write(binary.BigEndian.AppendUint32(prefix[:0], uint32(len(label))))
		h.Write([]byte(label))
		for _, p := range parts {
			h.Write(binary.BigEndian.AppendUint32(prefix[:0], uint32(len(p))))
			h.Write(p)
		}
		h.Sum(out[:i*sm3.Size])
	}
	s := reduceWide((*[48]byte)(out[:]))
	clear(out[:])
	return s
}

// hedged returns a nonce that depends on fresh bits, the secret and the whole
// context: parts must cover every input of the challenge or of r, or a random
// source that sticks gives the secret away (docs/split-keys.md §1.2).
func hedged(rand io.Reader, label string, secret *scalar, parts ...[]byte) (scalar, error) {
	var fresh [64]byte
	defer clear(fresh[:])
	for range 8 {
		if _, err := io.ReadFull(rand, fresh[:]); err != nil {
			return scalar{}, fmt.Errorf("%w: %w", ErrRandom, err)
		}
		all := append([][]byte{fresh[:], secret[:]}, parts...)
		if k := hashToScalar(label, all...); !k.isZero() {
			return k, nil
		}
	}
	return scalar{}, ErrRandom
}

// checkIDs takes names and values in turn and refuses an empty or over-long one.
func checkIDs(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if id := pairs[i+1]; id == "" || len(id) > maxID {
			return fmt.Errorf("%w: %s of %d bytes", ErrMalformed, pairs[i], len(id))
		}
	}
	return nil
}

func checkSize(name string, b []byte, size int) error {
	if len(b) != size {
		return fmt.Errorf("%w: %s of %d bytes, not %d", ErrMalformed, name, len(b), size)
	}
	return nil
}

// Digester computes e = SM3(ZA‖M) of a message that arrives in pieces.
type Digester struct {
	h    hash.Hash
	left int
}

// NewDigester starts e for the public key (65 bytes) and the ID of the
// purpose, one of the ID constants (GB/T 32918.2 §5.5; docs/split-keys.md §2.9).
func NewDigester(publicKey []byte, id string) (*Digester, error) {
	p, err := parsePoint(publicKey)
	if err != nil {
		return nil, err
	}
	if id == "" || len(id) > 8191 {
		return nil, fmt.Errorf("%w: ID of %d bytes", ErrMalformed, len(id))
	}
	return &Digester{newDigest(p, id), MaxMessage}, nil
}

// Write adds a piece of the message; more than MaxMessage in all is
// ErrMalformed.
func (d *Digester) Write(b []byte) (int, error) {
	if len(b) > d.left {
		return 0, fmt.Errorf("%w: message larger than %d bytes", ErrMalformed, MaxMessage)
	}
	d.left -= len(b)
	return d.h.Write(b)
}

// Sum returns e, 32 bytes.
func (d *Digester) Sum() []byte { return d.h.Sum(nil) }

// Digest returns e = SM3(ZA‖M), 32 bytes, of a message of at most MaxMessage
// bytes. Phone and server compute it each from its own copy of the public key
// and of M (docs/split-keys.md §2.2).
func Digest(publicKey []byte, id string, message []byte) ([]byte, error) {
	d, err := NewDigester(publicKey, id)
	if err != nil {
		return nil, err
	}
	if _, err := d.Write(message); err != nil {
		return nil, err
	}
	return d.Sum(), nil
}

// newDigest returns SM3 with ZA written: ZA = SM3(ENTL‖ID‖a‖b‖xG‖yG‖xP‖yP).
func newDigest(p point, id string) hash.Hash {
	za := sm3.New()
	za.Write(binary.BigEndian.AppendUint16(nil, uint16(len(id)*8)))
	for _, v := range []string{id, curve.P[:31] + "\xfc", curve.B, curve.Gx, curve.Gy} { // a = p − 3
		io.WriteString(za, v)
	}
	za.Write(p.bytes()[1:])
	h := sm3.New()
	h.Write(za.Sum(nil))
	return h
}
