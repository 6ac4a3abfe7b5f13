package splitkey

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of one co-decryption.
const (
	MaxCiphertexts = 256      // ciphertexts of one operation
	MaxPlaintext   = 64 << 10 // bytes of one SM2 plaintext: keys and their context, never files
)

// Ciphertext is an SM2 ciphertext in its parts.
type Ciphertext struct {
	C1 []byte `json:"c1"` // the sender's point, 65 bytes
	C2 []byte `json:"c2"` // the masked plaintext
	C3 []byte `json:"c3"` // SM3 over x2‖M‖y2
}

// ParseCiphertext reads SEQUENCE { X INTEGER, Y INTEGER, HASH OCTET STRING,
// CipherText OCTET STRING } strictly (GM/T 0009 §7.2, order C1C3C2): minimal
// DER, a point on the curve, nothing behind it. Otherwise ErrMalformed.
func ParseCiphertext(der []byte) (Ciphertext, error) {
	in, body := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() {
		return Ciphertext{}, fmt.Errorf("%w: ciphertext is not one SEQUENCE", ErrMalformed)
	}
	x, err := readUnsigned(&body)
	if err != nil {
		return Ciphertext{}, err
	}
	y, err := readUnsigned(&body)
	if err != nil {
		return Ciphertext{}, err
	}
	var c2, c3 []byte
	if !body.ReadASN1Bytes(&c3, asn1.OCTET_STRING) || !body.ReadASN1Bytes(&c2, asn1.OCTET_STRING) || !body.Empty() {
		return Ciphertext{}, fmt.Errorf("%w: ciphertext lacks HASH or CipherText", ErrMalformed)
	}
	c := Ciphertext{C1: append(append([]byte{4}, x...), y...), C2: bytes.Clone(c2), C3: bytes.Clone(c3)}
	return c, c.check()
}

func (c Ciphertext) check() error {
	if err := CheckPoint(c.C1); err != nil {
		return err
	}
	if err := checkSize("C3", c.C3, sm3.Size); err != nil {
		return err
	}
	if len(c.C2) == 0 || len(c.C2) > MaxPlaintext {
		return fmt.Errorf("%w: C2 of %d bytes", ErrMalformed, len(c.C2))
	}
	return nil
}

// Deal splits the decryption key de into fresh additive shares: a for the
// phone, b for the server, de = a + b mod n (docs/split-keys.md §2.4). Every
// delivery deals anew: the same a delivered twice gives the PIN away.
func Deal(rand io.Reader, de *Secret) (a, b *Secret, err error) {
	if err := de.check(); err != nil {
		return nil, nil, err
	}
	for range 8 {
		share, err := randomScalar(rand)
		if err != nil {
			return nil, nil, err
		}
		if rest := de.s.sub(&share); !rest.isZero() {
			return &Secret{s: share}, &Secret{s: rest}, nil
		}
	}
	return nil, nil, ErrRandom
}

// DecryptBinding is what a proof of the decryption share is bound to
// (docs/split-keys.md §2.4). Platform is SM3 of the DER certificate of the
// platform that receives the plaintexts.
type DecryptBinding struct {
	KeyID       string
	OpID        string
	ServerNonce []byte   // at least 16 bytes, single use
	Platform    []byte   // 32 bytes
	C1          [][]byte // of every ciphertext of the operation, in order
}

// DecryptAnswer is the phone's proof of knowledge of a. It tests PINs offline:
// never store or log it (docs/split-keys.md §3.2).
type DecryptAnswer struct {
	unlogged
	A []byte `json:"a"`
	Z []byte `json:"z"`
}

// list checks the binding and returns the points with L, SM3 of all C1 in order.
func (b DecryptBinding) list() (points []point, digest []byte, err error) {
	if err := checkIDs("key ID", b.KeyID, "operation ID", b.OpID); err != nil {
		return nil, nil, err
	}
	if len(b.ServerNonce) < 16 || len(b.ServerNonce) > maxID {
		return nil, nil, fmt.Errorf("%w: server nonce of %d bytes", ErrMalformed, len(b.ServerNonce))
	}
	if err := checkSize("platform digest", b.Platform, DigestSize); err != nil {
		return nil, nil, err
	}
	if len(b.C1) == 0 || len(b.C1) > MaxCiphertexts {
		return nil, nil, fmt.Errorf("%w: %d ciphertexts", ErrMalformed, len(b.C1))
	}
	h := sm3.New()
	for _, c1 := range b.C1 {
		p, err := parsePoint(c1)
		if err != nil {
			return nil, nil, err
		}
		points = append(points, p)
		h.Write(c1)
	}
	return points, h.Sum(nil), nil
}

// challenge is H2S("decrypt", keyID, opID, serverNonce, A, L, SM3(platform
// certificate), A_v).
func (b DecryptBinding) challenge(a, list, commitment []byte) [][]byte {
	return [][]byte{[]byte(b.KeyID), []byte(b.OpID), b.ServerNonce, a, list, b.Platform, commitment}
}

// ProveDecrypt is the phone's first step: it proves that it knows a, and so
// the PIN, for this list of ciphertexts and this platform (docs/split-keys.md
// §2.4, step 1).
func ProveDecrypt(rand io.Reader, a *Secret, b DecryptBinding) (DecryptAnswer, error) {
	if err := a.check(); err != nil {
		return DecryptAnswer{}, err
	}
	_, list, err := b.list()
	if err != nil {
		return DecryptAnswer{}, err
	}
	// Key and platform stand in the challenge, so they stand here too: see hedged.
	v, err := hedged(rand, "dec-nonce", &a.s, []byte(b.KeyID), []byte(b.OpID), b.ServerNonce, list, b.Platform)
	if err != nil {
		return DecryptAnswer{}, err
	}
	commitment := baseMult(&v).bytes()
	public := baseMult(&a.s).bytes()
	c := hashToScalar("decrypt", b.challenge(public, list, commitment)...)
	clear(public)
	return DecryptAnswer{A: commitment, Z: respond(&v, &c, &a.s)}, nil
}

// Check is the server's look at a proof before anything is charged: lengths,
// ranges and points only. ErrMalformed otherwise.
func (a DecryptAnswer) Check() error {
	if err := CheckPoint(a.A); err != nil {
		return err
	}
	_, err := parseScalar(a.Z)
	return err
}

// DeriveT2 is the server's step: it verifies the proof under A = Pe − b·G,
// which it computes and forgets, and returns T2_i = b·C1_i for every
// ciphertext (docs/split-keys.md §2.4, step 2). publicKey is Pe. The caller has
// charged an attempt and consumed the nonce before. ErrProof means a wrong PIN
// or a wrong share: return nothing. The results travel only in a sealed reply
// and are kept nowhere.
func DeriveT2(share *Secret, publicKey []byte, b DecryptBinding, answer DecryptAnswer) ([][]byte, error) {
	if err := share.check(); err != nil {
		return nil, err
	}
	pe, err := parsePoint(publicKey)
	if err != nil {
		return nil, err
	}
	points, list, err := b.list()
	if err != nil {
		return nil, err
	}
	a := pe.sub(baseMult(&share.s))
	if a.isInfinity() {
		return nil, fmt.Errorf("%w: share is the whole key", ErrMalformed)
	}
	if err := verifyProof(a, answer.A, answer.Z, "decrypt", b.challenge(a.bytes(), list, answer.A)...); err != nil {
		return nil, err
	}
	out := make([][]byte, len(points))
	for i, p := range points {
		out[i] = p.mult(&share.s).bytes()
	}
	return out, nil
}

// FinishDecrypt is the phone's second step: S = a·C1 + T2, the key derivation
// and the comparison of C3 in constant time (docs/split-keys.md §2.4, step 3;
// GB/T 32918.4 §7.1). Every failure is ErrDecrypt.
func FinishDecrypt(a *Secret, c Ciphertext, t2 []byte) ([]byte, error) {
	if a.check() != nil || c.check() != nil {
		return nil, ErrDecrypt
	}
	t, err := parsePoint(t2)
	if err != nil {
		return nil, ErrDecrypt
	}
	c1, err := parsePoint(c.C1)
	if err != nil {
		return nil, ErrDecrypt
	}
	s := c1.mult(&a.s).add(t)
	if s.isInfinity() {
		return nil, ErrDecrypt
	}
	return openWith(s, c)
}

// openWith unmasks a ciphertext with the shared point S = de·C1.
func openWith(s point, c Ciphertext) ([]byte, error) {
	xy := s.bytes()[1:]
	defer clear(xy)
	stream := sm3.Kdf(xy, len(c.C2))
	defer clear(stream)
	var seen byte
	for _, b := range stream {
		seen |= b
	}
	plain := make([]byte, len(c.C2))
	subtle.XORBytes(plain, c.C2, stream)
	same := subtle.ConstantTimeCompare(confirm(xy, plain), c.C3)
	// An all-zero stream would be the plaintext in clear (GB/T 32918.4 §6.1 A5).
	if same&(1-subtle.ConstantTimeByteEq(seen, 0)) != 1 {
		clear(plain)
		return nil, ErrDecrypt
	}
	return plain, nil
}
