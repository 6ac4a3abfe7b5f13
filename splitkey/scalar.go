package splitkey

import (
	"crypto/subtle"
	"fmt"
	"io"

	"filippo.io/bigmod"

	"tianweitong/splitkey/internal/curve"
)

// scalar is a number modulo the group order n, big-endian. A fixed array can
// be wiped and holds no pointer; the arithmetic is bigmod's, in constant time.
type scalar [ScalarSize]byte

var (
	order = mustOrder()
	// orderMinus2 is the exponent of Fermat's inversion. math/big and gmsm's
	// assembly inverse touch big.Int and are not constant in time.
	orderMinus2 = []byte(curve.N[:31] + "\x21")
	// two192 joins the two halves of a 48-byte hash.
	two192 = scalar{7: 1}
)

func mustOrder() *bigmod.Modulus {
	m, err := bigmod.NewModulus([]byte(curve.N))
	if err != nil {
		panic(err) // a constant of the curve
	}
	return m
}

// load sets n to s. Callers make n with bigmod.NewNat in their own frame, where
// it stays on the stack.
func (s *scalar) load(n *bigmod.Nat) *bigmod.Nat {
	if _, err := n.SetBytes(s[:], order); err != nil {
		panic("splitkey: scalar not reduced") // parse and reduce admit no other
	}
	return n
}

func fromNat(n *bigmod.Nat) (s scalar) {
	copy(s[:], n.Bytes(order))
	return s
}

// parseScalar admits exactly 32 bytes in [1, n-1] (docs/split-keys.md §2.7).
func parseScalar(b []byte) (s scalar, err error) {
	if len(b) != ScalarSize {
		return s, fmt.Errorf("%w: scalar of %d bytes", ErrMalformed, len(b))
	}
	n, err := bigmod.NewNat().SetBytes(b, order)
	if err != nil || n.IsZero() == 1 {
		return s, fmt.Errorf("%w: scalar out of range", ErrMalformed)
	}
	return fromNat(n), nil
}

// reduce takes 32 bytes modulo n; the result may be zero.
func reduce(b []byte) scalar {
	n, err := bigmod.NewNat().SetOverflowingBytes(b, order)
	if err != nil {
		panic(err) // only for more than 256 bits
	}
	return fromNat(n)
}

// reduceWide takes 48 bytes modulo n, with a bias below 2^-128.
func reduceWide(b *[48]byte) scalar {
	var hi, lo scalar
	copy(hi[8:], b[:24])
	copy(lo[8:], b[24:])
	hi = hi.mul(&two192)
	return hi.add(&lo)
}

// randomScalar draws from [1, n-1] by rejection: only a uniform d1 leaves the
// masked share without an offline test (docs/split-keys.md §3.1).
func randomScalar(rand io.Reader) (s scalar, err error) {
	var b [ScalarSize]byte
	defer clear(b[:])
	for range 64 { // each draw fails once in 2^32
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return s, fmt.Errorf("%w: %w", ErrRandom, err)
		}
		if s, err := parseScalar(b[:]); err == nil {
			return s, nil
		}
	}
	return s, ErrRandom
}

func (s *scalar) add(t *scalar) scalar {
	return fromNat(s.load(bigmod.NewNat()).Add(t.load(bigmod.NewNat()), order))
}

func (s *scalar) sub(t *scalar) scalar {
	return fromNat(s.load(bigmod.NewNat()).Sub(t.load(bigmod.NewNat()), order))
}

func (s *scalar) mul(t *scalar) scalar {
	return fromNat(s.load(bigmod.NewNat()).Mul(t.load(bigmod.NewNat()), order))
}

func (s *scalar) neg() scalar {
	var zero scalar
	return zero.sub(s)
}

// inverse returns s^-1, for s ≠ 0.
func (s *scalar) inverse() scalar {
	return fromNat(bigmod.NewNat().Exp(s.load(bigmod.NewNat()), orderMinus2, order))
}

func (s *scalar) isZero() bool {
	var zero scalar
	return subtle.ConstantTimeCompare(s[:], zero[:]) == 1
}

func (s *scalar) equal(t *scalar) bool {
	return subtle.ConstantTimeCompare(s[:], t[:]) == 1
}

// Secret is a secret scalar in [1, n-1]: a share, a nonce or a private key. It
// does not print, log or marshal. Wipe it as soon as it has served; Go cannot
// promise that no copy remains (docs/split-keys.md §4).
type Secret struct {
	secret
	s scalar
}

// ParseSecret reads 32 big-endian bytes in [1, n-1], or returns ErrMalformed.
func ParseSecret(b []byte) (*Secret, error) {
	s, err := parseScalar(b)
	if err != nil {
		return nil, err
	}
	return &Secret{s: s}, nil
}

// NewSecret draws a uniform secret from rand by rejection sampling.
func NewSecret(rand io.Reader) (*Secret, error) {
	s, err := randomScalar(rand)
	if err != nil {
		return nil, err
	}
	return &Secret{s: s}, nil
}

// Bytes returns a copy of the 32 bytes, for the caller to seal and to wipe.
func (x *Secret) Bytes() []byte { return append([]byte(nil), x.s[:]...) }

// PublicKey returns x·G in 65 bytes. Of a share this is a value that tests
// PINs offline (docs/split-keys.md §3.2): never store, log or return it.
func (x *Secret) PublicKey() ([]byte, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	return baseMult(&x.s).bytes(), nil
}

// Equal compares in constant time.
func (x *Secret) Equal(y *Secret) bool { return x.s.equal(&y.s) }

// Wipe overwrites the secret; it is of no use afterwards.
func (x *Secret) Wipe() {
	if x != nil {
		clear(x.s[:])
	}
}

// check refuses a missing or wiped secret.
func (x *Secret) check() error {
	if x == nil || x.s.isZero() {
		return fmt.Errorf("%w: no secret", ErrMalformed)
	}
	return nil
}
