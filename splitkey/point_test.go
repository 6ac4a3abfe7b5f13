package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/emmansun/gmsm/sm2/sm2ec"

	"tianweitong/splitkey/internal/curve"
)

// TestCurveIsTheOneOfTheStandard: the constants of both layers are the same.
func TestCurveIsTheOneOfTheStandard(t *testing.T) {
	p := sm2ec.P256().Params()
	for name, c := range map[string]struct {
		want []byte
		got  string
	}{
		"p": {p.P.Bytes(), curve.P}, "n": {p.N.Bytes(), curve.N}, "b": {p.B.Bytes(), curve.B},
		"x": {p.Gx.Bytes(), curve.Gx}, "y": {p.Gy.Bytes(), curve.Gy},
	} {
		if string(c.want) != c.got {
			t.Errorf("%s is %x", name, c.got)
		}
	}
}

// both is one point in both layers.
type both struct {
	gm   point
	port curve.Point
}

func (b both) same(t *testing.T, what string) {
	t.Helper()
	if !bytes.Equal(b.gm.bytes(), b.port.Bytes()) || b.gm.isInfinity() != b.port.IsInfinity() {
		t.Fatalf("%s: %x, portable %x", what, b.gm.bytes(), b.port.Bytes())
	}
	if b.gm.isInfinity() {
		return
	}
	again, ok := curve.Parse(b.gm.bytes())
	if !ok || !bytes.Equal(again.Bytes(), b.port.Bytes()) {
		t.Fatalf("%s: does not read back", what)
	}
}

// TestPortableCurveAgrees holds the arithmetic of WebAssembly against gmsm's: on
// random points, and where formulas break: O, doubling, opposite points, factors
// at the edges.
func TestPortableCurveAgrees(t *testing.T) {
	edge := []scalar{{}, {31: 1}, {31: 2}, {31: 15}, {31: 16}, scalar([]byte(curve.N[:31] + "\x22")), scalar([]byte(curve.N[:31] + "\x21")), {0: 0x80}}
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
		p := both{baseMult(k), curve.Generator().Mult((*[32]byte)(k))}
		p.same(t, "k·G")
		points = append(points, p)
	}
	for i, p := range points {
		for _, q := range points {
			both{p.gm.add(q.gm), p.port.Add(q.port)}.same(t, "P+Q")
			both{p.gm.sub(q.gm), p.port.Sub(q.port)}.same(t, "P−Q")
		}
		k := &edge[(i+5)%len(edge)]
		both{p.gm.mult(k), p.port.Mult((*[32]byte)(k))}.same(t, "k·P")
		both{combined(k, &edge[i], p.gm), curve.Generator().Mult((*[32]byte)(k)).Add(p.port.Mult((*[32]byte)(&edge[i])))}.same(t, "a·G+b·P")
	}
}

// FuzzPortablePoint: both layers admit the same bytes.
func FuzzPortablePoint(f *testing.F) {
	g := curve.Generator().Bytes()
	f.Add(g)
	f.Add(append([]byte{4}, make([]byte, 64)...))
	f.Add(append([]byte{2}, g[1:33]...))
	f.Add([]byte("\x04" + curve.P + curve.Gy))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePoint(b)
		q, ok := curve.Parse(b)
		if (err == nil) != ok {
			t.Fatalf("%x: %v, portable %v", b, err, ok)
		}
		if err == nil && !bytes.Equal(p.bytes(), q.Bytes()) {
			t.Fatalf("%x is read as %x", b, q.Bytes())
		}
	})
}

func BenchmarkPortableMult(b *testing.B) {
	k := [32]byte([]byte(curve.B))
	p := curve.Generator()
	for b.Loop() {
		p.Mult(&k)
	}
}
