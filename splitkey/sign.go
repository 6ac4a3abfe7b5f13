package splitkey

import (
	"crypto/subtle"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Binding is what one signature is bound to: the binding factor h and the
// phone's nonce hash all of it (docs/split-keys.md §2.2). Each side fills it
// from its own knowledge; Digest is e as that side computed it.
type Binding struct {
	KeyID     string
	PublicKey []byte // P, 65 bytes
	OpID      string
	NonceID   string
	W         []byte // the server's nonce point, 65 bytes
	Digest    []byte // e, 32 bytes
}

// SignAnswer is the phone's one message: its digest e, and (r, t1). With W it
// tests PINs offline: never store or log it (docs/split-keys.md §3.2).
type SignAnswer struct {
	unlogged
	E  []byte `json:"e"`
	R  []byte `json:"r"`
	T1 []byte `json:"t1"`
}

// Signature is an SM2 signature, two scalars of 32 bytes.
type Signature struct {
	R []byte `json:"r"`
	S []byte `json:"s"`
}

// bound is a checked binding: P, W, e mod n and the binding factor h.
type bound struct {
	p, w point
	e, h scalar
}

func (b Binding) parse() (bound, error) {
	if err := checkIDs("key ID", b.KeyID, "operation ID", b.OpID, "nonce ID", b.NonceID); err != nil {
		return bound{}, err
	}
	if err := checkSize("digest", b.Digest, DigestSize); err != nil {
		return bound{}, err
	}
	p, err := parsePoint(b.PublicKey)
	if err != nil {
		return bound{}, err
	}
	w, err := parsePoint(b.W)
	if err != nil {
		return bound{}, err
	}
	h := hashToScalar("bind", b.parts()...)
	if h.isZero() {
		return bound{}, fmt.Errorf("%w: binding factor is zero", ErrMalformed)
	}
	return bound{p, w, reduce(b.Digest), h}, nil
}

// parts is what h and the phone's nonce hash.
func (b Binding) parts() [][]byte {
	return [][]byte{[]byte(b.KeyID), b.PublicKey, []byte(b.OpID), []byte(b.NonceID), b.W, b.Digest}
}

// OpenNonce draws ω and returns it with W = ω·(P+G) (docs/split-keys.md §2.2,
// step 1). ω stays in the memory of one process and serves one answer; at most
// one nonce of a public key may be open, or the phone can forge (§1.1).
func OpenNonce(rand io.Reader, publicKey []byte) (omega *Secret, w []byte, err error) {
	p, err := parsePoint(publicKey)
	if err != nil {
		return nil, nil, err
	}
	base := p.add(generator())
	if base.isInfinity() {
		return nil, nil, fmt.Errorf("%w: public key is −G", ErrMalformed)
	}
	s, err := randomScalar(rand)
	if err != nil {
		return nil, nil, err
	}
	return &Secret{s: s}, base.mult(&s).bytes(), nil
}

// Sign is the phone's step: it answers the nonce point W for the message whose
// digest it computed and showed (docs/split-keys.md §2.2, step 2). A wrong PIN
// gives a wrong d1 and an answer that the server refuses; nothing here tells.
func Sign(rand io.Reader, d1 *Secret, b Binding) (SignAnswer, error) {
	if err := d1.check(); err != nil {
		return SignAnswer{}, err
	}
	x, err := b.parse()
	if err != nil {
		return SignAnswer{}, err
	}
	for range 8 {
		k, err := hedged(rand, "nonce", &d1.s, b.parts()...)
		if err != nil {
			return SignAnswer{}, err
		}
		q := combined(&k, &x.h, x.w)
		if q.isInfinity() {
			continue
		}
		r := q.xModN()
		r = r.add(&x.e)
		sum := k.add(&r)
		clear(k[:])
		if r.isZero() || sum.isZero() {
			continue
		}
		t1 := d1.s.mul(&sum)
		clear(sum[:])
		return SignAnswer{E: append([]byte(nil), b.Digest...), R: r[:], T1: t1[:]}, nil
	}
	return SignAnswer{}, ErrRandom
}

// Check is the server's look at an answer before anything is charged
// (docs/split-keys.md §2.2, step 3b): ErrMalformed for lengths and ranges,
// ErrDigest when the phone's e is not digest, the server's own.
func (a SignAnswer) Check(digest []byte) error {
	if err := checkSize("digest", a.E, DigestSize); err != nil {
		return err
	}
	if _, err := parseScalar(a.R); err != nil {
		return err
	}
	if _, err := parseScalar(a.T1); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(a.E, digest) != 1 {
		return ErrDigest
	}
	return nil
}

// Complete is the server's step: it joins its share and ω to the answer and
// verifies the result under P (docs/split-keys.md §2.2, step 3d). The caller
// has charged an attempt and consumed the nonce before, took ω out of memory,
// and wipes it; b holds the server's own values only. ErrProof means a wrong
// PIN or a wrong share: return nothing computed from the answer.
func Complete(d2, omega *Secret, b Binding, a SignAnswer) (Signature, error) {
	if err := d2.check(); err != nil {
		return Signature{}, err
	}
	if err := omega.check(); err != nil {
		return Signature{}, err
	}
	x, err := b.parse()
	if err != nil {
		return Signature{}, err
	}
	if err := a.Check(b.Digest); err != nil {
		return Signature{}, err
	}
	r, t1 := scalar(a.R), scalar(a.T1)
	t := d2.s.mul(&t1)
	shift := x.h.mul(&omega.s)
	t = t.add(&shift)
	s := t.sub(&r)
	if t.isZero() || s.isZero() || !verify(x.p, &x.e, &r, &s, &t) {
		return Signature{}, ErrProof
	}
	return Signature{R: r[:], S: s[:]}, nil
}

// verify checks x(s·G + t·P) + e = r with t = r + s ≠ 0 (GB/T 32918.2 §7.1).
func verify(p point, e, r, s, t *scalar) bool {
	q := combined(s, t, p)
	if q.isInfinity() {
		return false
	}
	x := q.xModN()
	x = x.add(e)
	return x.equal(r)
}

// Verify checks a signature of the digest e under the public key. The phone
// verifies every result under its own P and its own e before it believes it
// (docs/split-keys.md §2.2). ErrProof when it does not hold.
func Verify(publicKey, digest []byte, sig Signature) error {
	p, err := parsePoint(publicKey)
	if err != nil {
		return err
	}
	if err := checkSize("digest", digest, DigestSize); err != nil {
		return err
	}
	r, err := parseScalar(sig.R)
	if err != nil {
		return err
	}
	s, err := parseScalar(sig.S)
	if err != nil {
		return err
	}
	e, t := reduce(digest), r.add(&s)
	if t.isZero() || !verify(p, &e, &r, &s, &t) {
		return ErrProof
	}
	return nil
}

// DER encodes the signature as SEQUENCE { r INTEGER, s INTEGER } (GM/T 0009 §7.3).
func (sig Signature) DER() ([]byte, error) {
	if _, err := parseScalar(sig.R); err != nil {
		return nil, err
	}
	if _, err := parseScalar(sig.S); err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, v := range [][]byte{sig.R, sig.S} {
			b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(minimal(v)) })
		}
	})
	return b.Bytes()
}

// minimal is the content of a DER INTEGER for an unsigned number.
func minimal(v []byte) []byte {
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	if v[0]&0x80 != 0 {
		v = append([]byte{0}, v...)
	}
	return v
}

// ParseSignature reads the DER form strictly: minimal integers in [1, n-1],
// nothing behind them. Otherwise ErrMalformed.
func ParseSignature(der []byte) (Signature, error) {
	in, body := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() {
		return Signature{}, fmt.Errorf("%w: signature is not one SEQUENCE", ErrMalformed)
	}
	var out [2][]byte
	for i := range out {
		v, err := readUnsigned(&body)
		if err != nil {
			return Signature{}, err
		}
		if _, err := parseScalar(v); err != nil {
			return Signature{}, err
		}
		out[i] = v
	}
	if !body.Empty() {
		return Signature{}, fmt.Errorf("%w: signature has more than r and s", ErrMalformed)
	}
	return Signature{R: out[0], S: out[1]}, nil
}

// readUnsigned reads a minimal, non-negative INTEGER of at most 256 bits.
func readUnsigned(s *cryptobyte.String) ([]byte, error) {
	var v cryptobyte.String
	ok := s.ReadASN1(&v, asn1.INTEGER) && len(v) > 0 && v[0]&0x80 == 0
	if ok && v[0] == 0 {
		ok = len(v) == 1 || v[1]&0x80 != 0
		v = v[1:]
	}
	if !ok || len(v) > ScalarSize {
		return nil, fmt.Errorf("%w: not an unsigned integer of 256 bits", ErrMalformed)
	}
	out := make([]byte, ScalarSize)
	copy(out[ScalarSize-len(v):], v)
	return out, nil
}
