// Package curve is the SM2 curve in some two hundred lines, for WebAssembly. gmsm's curve works there too, but it brings
// math/big, crypto/elliptic with four curves of NIST and large tables, a quarter of all that a phone would load. No
// branch and no index depends on a secret. The tests of package splitkey hold it against gmsm's curve.
package curve

import "crypto/subtle"

// The SM2 curve y² = x³ − 3x + b over P, of order N, with the generator (Gx, Gy): 32 bytes each (GB/T 32918.5).
const (
	P  = "\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
	N  = "\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x72\x03\xdf\x6b\x21\xc6\x05\x2b\x53\xbb\xf4\x09\x39\xd5\x41\x23"
	B  = "\x28\xe9\xfa\x9e\x9d\x9f\x5e\x34\x4d\x5a\x9e\x4b\xcf\x65\x09\xa7\xf3\x97\x89\xf5\x15\xab\x8f\x92\xdd\xbc\xbd\x41\x4d\x94\x0e\x93"
	Gx = "\x32\xc4\xae\x2c\x1f\x19\x81\x19\x5f\x99\x04\x46\x6a\x39\xc9\x94\x8f\xe3\x0b\xbf\xf2\x66\x0b\xe1\x71\x5a\x45\x89\x33\x4c\x74\xc7"
	Gy = "\xbc\x37\x36\xa2\xf4\xf6\x77\x9c\x59\xbd\xce\xe3\x6b\x69\x21\x53\xd0\xa9\x87\x7c\xc6\x2a\x47\x40\x02\xdf\x32\xe5\x21\x39\xf0\xa0"
)

// Point is a point of the curve in homogeneous coordinates (X:Y:Z), O being (0:1:0). The zero value is no point.
type Point struct{ x, y, z element }

func mustElement(b string) element {
	e, ok := parseElement([]byte(b))
	if !ok {
		panic("curve: not an element") // a constant of the curve
	}
	return e
}

var fieldB = mustElement(B)

// Generator returns G.
func Generator() Point {
	return Point{mustElement(Gx), mustElement(Gy), fieldOne}
}

// Parse reads 65 bytes 04‖x‖y of a point on the curve; false for any others.
func Parse(b []byte) (p Point, ok bool) {
	if len(b) != 65 || b[0] != 4 {
		return Point{}, false
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
		return Point{}, false
	}
	return Point{x, y, fieldOne}, true
}

// Bytes writes a point as 65 bytes 04‖x‖y; of O both are zero, as Fermat's power of
// zero is zero.
func (p Point) Bytes() []byte {
	inverse := p.z.inverse()
	x, y := p.x.times(&inverse), p.y.times(&inverse)
	bx, by := x.bytes(), y.bytes()
	return append(append([]byte{4}, bx[:]...), by[:]...)
}

// IsInfinity reports whether the point is O.
func (p Point) IsInfinity() bool { return p.z == element{} }

// Add is the complete addition for a = −3 of Renes, Costello and Batina
// (https://eprint.iacr.org/2015/1060, algorithm 4).
func (p Point) Add(q Point) Point {
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
	return Point{x.minus(&yzu), y.plus(&vu), z.plus(&xyv)}
}

// cross returns (a+b)(c+d) − ac − bd = ad + bc.
func cross(a, b, c, d, ac, bd *element) element {
	s, t := a.plus(b), c.plus(d)
	s = s.times(&t)
	s = s.minus(ac)
	return s.minus(bd)
}

// Sub returns p − q.
func (p Point) Sub(q Point) Point {
	var zero element
	return p.Add(Point{q.x, zero.minus(&q.y), q.z})
}

// Mult returns k·p by windows of four bits. Every window reads the whole table.
func (p Point) Mult(k *[32]byte) Point {
	var table [16]Point
	table[0].y = fieldOne
	for i := 1; i < len(table); i++ {
		table[i] = table[i-1].Add(p)
	}
	sum := table[0]
	for i := range 2 * len(k) {
		for range 4 {
			sum = sum.Add(sum)
		}
		window := k[i/2] >> (4 * (1 - i%2)) & 15
		var q Point
		for j := range table {
			on := subtle.ConstantTimeByteEq(window, byte(j))
			q.x.take(on, &table[j].x)
			q.y.take(on, &table[j].y)
			q.z.take(on, &table[j].z)
		}
		sum = sum.Add(q)
	}
	return sum
}
