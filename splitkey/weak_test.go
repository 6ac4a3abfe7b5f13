package splitkey

import (
	"bytes"
	"crypto/rand"
	"sync"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// The weak variants that the protocol was chosen against. They exist to show
// that each attack is real; nothing outside the tests may resemble them.

func randScalar() scalar { return must(randomScalar(rand.Reader)) }

func mustPoint(b []byte) point { return must(parsePoint(b)) }

func inverseOf(s scalar) scalar { return s.inverse() }

func mulAll(first scalar, rest ...scalar) scalar {
	for i := range rest {
		first = first.mul(&rest[i])
	}
	return first
}

func addAll(first scalar, rest ...scalar) scalar {
	for i := range rest {
		first = first.add(&rest[i])
	}
	return first
}

func minus(a, b scalar) scalar { return a.sub(&b) }

func times(k scalar, p point) point { return p.mult(&k) }

func onBase(k scalar) point { return baseMult(&k) }

// signature packs two scalars.
func signature(r, s scalar) Signature { return Signature{R: r[:], S: s[:]} }

// gmsmVerifies asks gmsm, from message and ID.
func gmsmVerifies(t testing.TB, p []byte, id string, m []byte, sig Signature) bool {
	t.Helper()
	der, err := sig.DER()
	if err != nil {
		return false
	}
	return sm2.VerifyASN1WithSM2(must(sm2.NewPublicKey(p)), []byte(id), m, der)
}

// stuck is a random source that sticks: the same byte for ever.
type stuck byte

func (s stuck) Read(b []byte) (int, error) {
	copy(b, bytes.Repeat([]byte{byte(s)}, len(b)))
	return len(b), nil
}

// weakSign is B2 without the binding factor: Q = k1·G + W.
func weakSign(d1 scalar, w point, digest []byte) (r, t1 scalar) {
	k := randScalar()
	e := reduce(digest)
	x := onBase(k).add(w).xModN()
	r = x.add(&e)
	return r, mulAll(d1, addAll(k, r))
}

// weakComplete completes without the binding factor.
func weakComplete(d2, omega, r, t1 scalar) (s scalar) {
	return minus(addAll(mulAll(d2, t1), omega), r)
}

// unboundNonceSign binds h but hashes only d1, P, W and e into k1.
func unboundNonceSign(random stuck, d1 scalar, b Binding) (r, t1 scalar) {
	k := must(hedged(random, "nonce", &d1, b.PublicKey, b.W, b.Digest))
	x := must(b.parse())
	r = combined(&k, &x.h, x.w).xModN()
	r = r.add(&x.e)
	return r, mulAll(d1, addAll(k, r))
}

// a2Server answers the phone's nonce point at once (phone completes): r, t2.
func a2Server(d2 scalar, q1 point, digest []byte) (r, t2 scalar) {
	k2 := randScalar()
	r = addAll(reduce(digest), onBase(k2).add(q1).xModN())
	return r, mulAll(d2, addAll(k2, r))
}

// linServer is the server of the classic two-party scheme: r, s2, s3.
func linServer(d2 scalar, q1 point, digest []byte) (r, s2, s3 scalar) {
	k2, k3 := randScalar(), randScalar()
	r = addAll(reduce(digest), times(k3, q1).add(onBase(k2)).xModN())
	return r, mulAll(d2, k3), mulAll(d2, addAll(k2, r))
}

// linPhone completes: s = d1·k1·s2 + d1·s3 − r.
func linPhone(d1, k1, r, s2, s3 scalar) scalar {
	return minus(addAll(mulAll(d1, k1, s2), mulAll(d1, s3)), r)
}

// thief holds a phone's storage: the device salt, the pepper (it came with a
// nonce reply) and masked records, and tries PINs offline. A small space of
// PINs stands for all of them.
type thief struct{}

const (
	pinSpace = 48
	ownerPIN = 31 // the owner's, unknown to the thief
	newPIN   = 7  // after a change
)

var deviceSalt, pepper = bytes.Repeat([]byte{3}, SaltSize), bytes.Repeat([]byte{4}, PepperSize)

var stretches = sync.OnceValue(func() (all [pinSpace]*Stretched) {
	for i := range all {
		all[i] = must(Stretch([]byte{'4', '9', '3', '8', byte('0' + i/10), byte('0' + i%10)}, deviceSalt, pepper))
	}
	return all
})

// maskWith masks as the phone does, for the owner's i-th PIN.
func maskWith(t testing.TB, pin int, purpose Purpose, keyID string, p []byte, share *Secret) Record {
	t.Helper()
	return must(stretches()[pin].Mask(rand.Reader, "device", purpose, keyID, p, share))
}

// find returns the PINs whose share passes test.
func (thief) find(t testing.TB, rec Record, test func(share scalar) bool) (pins []int) {
	t.Helper()
	for i, s := range stretches() {
		if test(must(s.Unmask("device", rec)).s) {
			pins = append(pins, i)
		}
	}
	return pins
}

// mustFind fails unless the test singles out the owner's PIN: the attack works.
func (th thief) mustFind(t testing.TB, rec Record, test func(share scalar) bool) {
	t.Helper()
	if pins := th.find(t, rec, test); len(pins) != 1 || pins[0] != ownerPIN {
		t.Fatalf("the attack finds PINs %v, want %d: it no longer shows what it should", pins, ownerPIN)
	}
}

// mustLearnNothing fails when the test tells PINs apart.
func (th thief) mustLearnNothing(t testing.TB, rec Record, test func(share scalar) bool) {
	t.Helper()
	if pins := th.find(t, rec, test); len(pins) != 0 && len(pins) != pinSpace {
		t.Fatalf("a thief tells PINs %v from the others", pins)
	}
}
