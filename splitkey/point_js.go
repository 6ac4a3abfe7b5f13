package splitkey

import (
	"fmt"

	"tianweitong/splitkey/internal/curve"
)

// point is a point of the curve.
type point struct{ curve.Point }

func generator() point { return point{curve.Generator()} }

func parsePoint(b []byte) (point, error) {
	p, ok := curve.Parse(b)
	if !ok {
		return point{}, fmt.Errorf("%w: not an uncompressed point on the curve", ErrMalformed)
	}
	return point{p}, nil
}

func (p point) bytes() []byte        { return p.Bytes() }
func (p point) isInfinity() bool     { return p.IsInfinity() }
func (p point) mult(k *scalar) point { return point{p.Mult((*[32]byte)(k))} }
func (p point) add(q point) point    { return point{p.Add(q.Point)} }
func (p point) sub(q point) point    { return point{p.Sub(q.Point)} }

func baseMult(k *scalar) point { return generator().mult(k) }

// combined returns a·G + b·P.
func combined(a, b *scalar, p point) point { return baseMult(a).add(p.mult(b)) }
