package splitkey

import (
	"crypto/subtle"
	"fmt"

	"filippo.io/bigmod"
)

// The SM2 curve y² = x³ − 3x + b over p, of order n with generator G (GB/T 32918.5).
const (
	curveP  = "\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
	curveN  = "\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x72\x03\xdf\x6b\x21\xc6\x05\x2b\x53\xbb\xf4\x09\x39\xd5\x41\x23"
	curveB  = "\x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7\xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93"
	curveGx = "\x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7"
	curveGy = "\xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53\xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0"
)

// portable is a point of the curve in homogeneous coordinates (X:Y:Z), O being
// (0:1:0). It is what point is in WebAssembly: gmsm's curve works there too, but
// it brings math/big, crypto/elliptic with four curves of NIST and large tables,
// a quarter of all that a phone would load. One complete addition formula serves
// every pair of points, so nothing branches on a secret. Tests hold it against
// gmsm's curve.
type portable struct{ x, y, z element }

func mustModulus(b string) *bigmod.Modulus {
	m, err := bigmod.NewModulus([]byte(b))
	if err != nil {
		panic(err) // a constant of the curve
	}
	return m
}

func mustElement(b string) element {
	e, ok := parseElement([]byte(b))
	if !ok {
		panic("splitkey: not an element") // a constant of the curve
	}
	return e
}

var fieldB = mustElement(curveB)

func portableGenerator() portable {
	return portable{mustElement(curveGx), mustElement(curveGy), fieldOne}
}

// parsePortable reads 65 bytes 04‖x‖y of a point on the curve.
func parsePortable(b []byte) (portable, error) {
	if len(b) != PointSize || b[0] != 4 {
		return portable{}, fmt.Errorf("%w: not an uncompressed point", ErrMalformed)
	}
	x, okX := parseElement(b[1:33])
	y, okY := parseElement(b[33:])
	three := fieldOne.plus(&fieldOne)
	three = three.plus(&fieldOne)
	left, right := y.times(&y), x.times(&x) // y² = (x² − 3)x + b
	right = right.minus(&three)
	right = right.times(&x)
	right = right.plus(&fieldB)
	if !okX || !okY || left != right {
		return portable{}, fmt.Errorf("%w: point not on the curve", ErrMalformed)
	}
	return portable{x, y, fieldOne}, nil
}

// affine returns x and y, 32 bytes each; of O both are zero, as Fermat's power
// of zero is zero.
func (p portable) affine() (x, y [32]byte) {
	inverse := p.z.inverse()
	ex, ey := p.x.times(&inverse), p.y.times(&inverse)
	return ex.bytes(), ey.bytes()
}

func (p portable) bytes() []byte {
	x, y := p.affine()
	return append(append([]byte{4}, x[:]...), y[:]...)
}

func (p portable) isInfinity() bool { return p.z == element{} }

// add is the complete addition for a = −3 of Renes, Costello and Batina
// (https://eprint.iacr.org/2015/1060, algorithm 4).
func (p portable) add(q portable) portable {
	xx, yy, zz := p.x.times(&q.x), p.y.times(&q.y), p.z.times(&q.z)
	xy := cross(&p.x, &p.y, &q.x, &q.y, &xx, &yy)
	yz := cross(&p.y, &p.z, &q.y, &q.z, &yy, &zz)
	xz := cross(&p.x, &p.z, &q.x, &q.z, &xx, &zz)

	t := fieldB.times(&zz)
	t = xz.minus(&t)
	t = t.triple()
	less, more := yy.minus(&t), yy.plus(&t)
	zz = zz.triple()
	u := fieldB.times(&xz)
	u = u.minus(&zz)
	u = u.minus(&xx)
	u = u.triple()
	v := xx.triple()
	v = v.minus(&zz)

	x, yzu := xy.times(&more), yz.times(&u)
	y, vu := more.times(&less), v.times(&u)
	z, xyv := yz.times(&less), xy.times(&v)
	return portable{x.minus(&yzu), y.plus(&vu), z.plus(&xyv)}
}

// cross returns (a+b)(c+d) − ac − bd = ad + bc.
func cross(a, b, c, d, ac, bd *element) element {
	s, t := a.plus(b), c.plus(d)
	s = s.times(&t)
	s = s.minus(ac)
	return s.minus(bd)
}

func (p portable) sub(q portable) portable {
	var zero element
	return p.add(portable{q.x, zero.minus(&q.y), q.z})
}

// mult returns k·p by windows of four bits. Every window reads the whole table.
func (p portable) mult(k *scalar) portable {
	var table [16]portable
	table[0].y = fieldOne
	for i := 1; i < len(table); i++ {
		table[i] = table[i-1].add(p)
	}
	sum := table[0]
	for i := range 2 * len(k) {
		for range 4 {
			sum = sum.add(sum)
		}
		window := k[i/2] >> (4 * (1 - i%2)) & 15
		var q portable
		for j := range table {
			on := subtle.ConstantTimeByteEq(window, byte(j))
			q.x.take(on, &table[j].x)
			q.y.take(on, &table[j].y)
			q.z.take(on, &table[j].z)
		}
		sum = sum.add(q)
	}
	return sum
}

func (p portable) equal(q portable) bool {
	return subtle.ConstantTimeCompare(p.bytes(), q.bytes()) == 1
}

// xModN returns the abscissa modulo n, as SM2 uses it.
func (p portable) xModN() scalar {
	x, _ := p.affine()
	return reduce(x[:])
}

// CheckPoint reports whether b is a valid public point: 65 bytes, 04‖x‖y, on
// the curve, not O (docs/split-keys.md §2.7). Otherwise ErrMalformed.
func CheckPoint(b []byte) error {
	_, err := parsePoint(b)
	return err
}
