package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/emmansun/gmsm/sm2/sm2ec"
)

// TestCurveIsTheOneOfTheStandard: the constants of both layers are the same.
func TestCurveIsTheOneOfTheStandard(t *testing.T) {
	p := sm2ec.P256().Params()
	for name, c := range map[string]struct {
		want []byte
		got  string
	}{
		"p": {p.P.Bytes(), curveP}, "n": {p.N.Bytes(), curveN}, "b": {p.B.Bytes(), curveB},
		"x": {p.Gx.Bytes(), curveGx}, "y": {p.Gy.Bytes(), curveGy},
	} {
		if string(c.want) != c.got {
			t.Errorf("%s is %x", name, c.got)
		}
	}
}

// both is one point in both layers.
type both struct {
	gm   point
	port portable
}

func (b both) same(t *testing.T, what string) {
	t.Helper()
	if !bytes.Equal(b.gm.bytes(), b.port.bytes()) || b.gm.isInfinity() != b.port.isInfinity() {
		t.Fatalf("%s: %x, portable %x", what, b.gm.bytes(), b.port.bytes())
	}
	if b.gm.isInfinity() {
		return
	}
	again, err := parsePortable(b.gm.bytes())
	if err != nil || !again.equal(b.port) || b.gm.xModN() != b.port.xModN() {
		t.Fatalf("%s: does not read back: %v", what, err)
	}
}

// TestPortableCurveAgrees holds the arithmetic of WebAssembly against gmsm's: on
// random points, and where formulas break: O, doubling, opposite points, factors
// at the edges.
func TestPortableCurveAgrees(t *testing.T) {
	edge := []scalar{{}, {31: 1}, {31: 2}, {31: 15}, {31: 16}, scalar([]byte(curveN[:31] + "\x22")), scalar([]byte(curveN[:31] + "\x21")), {0: 0x80}}
	for range 4 {
		s, err := randomScalar(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		edge = append(edge, s)
	}
	var points []both
	for i := range edge {
		k := &edge[i]
		p := both{baseMult(k), portableGenerator().mult(k)}
		p.same(t, "k·G")
		points = append(points, p)
	}
	for i, p := range points {
		for _, q := range points {
			both{p.gm.add(q.gm), p.port.add(q.port)}.same(t, "P+Q")
			both{p.gm.sub(q.gm), p.port.sub(q.port)}.same(t, "P−Q")
		}
		k := &edge[(i+5)%len(edge)]
		both{p.gm.mult(k), p.port.mult(k)}.same(t, "k·P")
		both{combined(k, &edge[i], p.gm), portableGenerator().mult(k).add(p.port.mult(&edge[i]))}.same(t, "a·G+b·P")
	}
}

// FuzzPortablePoint: both layers admit the same bytes.
func FuzzPortablePoint(f *testing.F) {
	g := portableGenerator().bytes()
	f.Add(g)
	f.Add(append([]byte{4}, make([]byte, 64)...))
	f.Add(append([]byte{2}, g[1:33]...))
	f.Add([]byte("\x04" + curveP + curveGy))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePoint(b)
		q, perr := parsePortable(b)
		if (err == nil) != (perr == nil) {
			t.Fatalf("%x: %v, portable %v", b, err, perr)
		}
		if err == nil && !bytes.Equal(p.bytes(), q.bytes()) {
			t.Fatalf("%x is read as %x", b, q.bytes())
		}
	})
}

func BenchmarkPortableMult(b *testing.B) {
	k := scalar([]byte(curveB))
	p := portableGenerator()
	for b.Loop() {
		p.mult(&k)
	}
}
