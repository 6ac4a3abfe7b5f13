//go:build !js

package splitkey

import (
	"crypto/elliptic"
	"fmt"
	"math/big"

	"github.com/emmansun/gmsm/sm2/sm2ec"
)

// group is what the package uses of gmsm's curve: constant-time assembly
// behind big.Int coordinates, which only wrap the bytes (docs/split-keys.md §4).
type group interface {
	Params() *elliptic.CurveParams
	Add(x1, y1, x2, y2 *big.Int) (x, y *big.Int)
	ScalarMult(x, y *big.Int, k []byte) (*big.Int, *big.Int)
	ScalarBaseMult(k []byte) (x, y *big.Int)
	CombinedMult(x, y *big.Int, base, scalar []byte) (*big.Int, *big.Int)
	Unmarshal(b []byte) (x, y *big.Int)
}

var gm = sm2ec.P256().(group)

// point is a point of the curve; O has the coordinates (0, 0).
type point struct{ x, y *big.Int }

func generator() point { return point{gm.Params().Gx, gm.Params().Gy} }

// parsePoint admits exactly 65 bytes that begin with 04, on the curve, not O.
// Length and first byte are checked before the library, which takes compressed
// points as well (docs/split-keys.md §2.7).
func parsePoint(b []byte) (point, error) {
	if len(b) != PointSize || b[0] != 4 {
		return point{}, fmt.Errorf("%w: not an uncompressed point", ErrMalformed)
	}
	x, y := gm.Unmarshal(b)
	if x == nil || (x.Sign() == 0 && y.Sign() == 0) {
		return point{}, fmt.Errorf("%w: point not on the curve", ErrMalformed)
	}
	return point{x, y}, nil
}

func (p point) bytes() []byte {
	b := make([]byte, PointSize)
	b[0] = 4
	p.x.FillBytes(b[1:33])
	p.y.FillBytes(b[33:])
	return b
}

func (p point) isInfinity() bool { return p.x.Sign() == 0 && p.y.Sign() == 0 }

func baseMult(k *scalar) point {
	x, y := gm.ScalarBaseMult(k[:])
	return point{x, y}
}

func (p point) mult(k *scalar) point {
	x, y := gm.ScalarMult(p.x, p.y, k[:])
	return point{x, y}
}

// combined returns a·G + b·P.
func combined(a, b *scalar, p point) point {
	x, y := gm.CombinedMult(p.x, p.y, a[:], b[:])
	return point{x, y}
}

func (p point) add(q point) point {
	x, y := gm.Add(p.x, p.y, q.x, q.y)
	return point{x, y}
}

func (p point) sub(q point) point {
	if q.isInfinity() {
		return p
	}
	return p.add(point{q.x, new(big.Int).Sub(gm.Params().P, q.y)})
}
