package curve

import (
	"encoding/binary"
	"math/bits"
)

// element is a number modulo p in Montgomery's form, x·2^256 mod p: four limbs,
// the least first, always below p. Nothing here branches on its value.
type element [4]uint64

var (
	fieldP   = element{0xffffffffffffffff, 0xffffffff00000000, 0xffffffffffffffff, 0xfffffffeffffffff}
	fieldOne = element{0x00000000000001, 0x000000ffffffff, 0x00000000000000, 0x00000100000000} // 2^256 mod p
	fieldRR  = element{0x00000200000003, 0x000002ffffffff, 0x00000100000001, 0x00000400000002} // 2^512 mod p
)

// parseElement reads 32 big-endian bytes; false if they are not below p.
func parseElement(b []byte) (e element, ok bool) {
	var borrow uint64
	for i := range e {
		e[i] = binary.BigEndian.Uint64(b[24-8*i:])
		_, borrow = bits.Sub64(e[i], fieldP[i], borrow)
	}
	return e.times(&fieldRR), borrow == 1
}

func (e *element) bytes() (b [32]byte) {
	plain := e.times(&element{1})
	for i, limb := range plain {
		binary.BigEndian.PutUint64(b[24-8*i:], limb)
	}
	return b
}

// reduced returns e or e − p, e being up to 2p − 1 with its highest bit in top.
func (e *element) reduced(top uint64) (r element) {
	var borrow uint64
	for i := range e {
		r[i], borrow = bits.Sub64(e[i], fieldP[i], borrow)
	}
	_, borrow = bits.Sub64(top, 0, borrow)
	r.take(int(borrow), e)
	return r
}

func (e *element) plus(f *element) (r element) {
	var carry uint64
	for i := range e {
		r[i], carry = bits.Add64(e[i], f[i], carry)
	}
	return r.reduced(carry)
}

func (e *element) minus(f *element) (r element) {
	var borrow, carry uint64
	for i := range e {
		r[i], borrow = bits.Sub64(e[i], f[i], borrow)
	}
	for i := range r {
		r[i], carry = bits.Add64(r[i], fieldP[i]&-borrow, carry)
	}
	return r
}

func (e *element) triple() element {
	r := e.plus(e)
	return r.plus(e)
}

// times is Montgomery's product e·f/2^256, limb by limb. −p^-1 mod 2^64 is 1, so
// the multiple of p that clears the lowest limb is that limb itself.
func (e *element) times(f *element) element {
	var t [6]uint64
	for _, y := range f {
		var carry, c uint64
		for j, x := range e {
			t[j], carry = addProduct(t[j], carry, x, y)
		}
		t[4], t[5] = bits.Add64(t[4], carry, 0)

		m := t[0]
		_, carry = addProduct(t[0], 0, m, fieldP[0])
		for j := 1; j < 4; j++ {
			t[j-1], carry = addProduct(t[j], carry, m, fieldP[j])
		}
		t[3], c = bits.Add64(t[4], carry, 0)
		t[4] = t[5] + c
	}
	return (*element)(t[:4]).reduced(t[4])
}

// addProduct returns t + c + x·y in two limbs.
func addProduct(t, c, x, y uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(x, y)
	lo, carry := bits.Add64(lo, t, 0)
	hi += carry
	lo, carry = bits.Add64(lo, c, 0)
	return lo, hi + carry
}

// inverse returns e^(p−2), which is 1/e, and 0 for 0.
func (e *element) inverse() element {
	r := fieldOne
	for _, b := range []byte(P[:31] + "\xfd") {
		for i := 7; i >= 0; i-- {
			r = r.times(&r)
			if b>>i&1 == 1 { // the exponent is no secret
				r = r.times(e)
			}
		}
	}
	return r
}

// take sets e to f if on is 1 and leaves it if on is 0.
func (e *element) take(on int, f *element) {
	mask := -uint64(on)
	for i := range e {
		e[i] ^= mask & (e[i] ^ f[i])
	}
}
