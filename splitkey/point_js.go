package splitkey

// point is a point of the curve.
type point = portable

func generator() point { return portableGenerator() }

func parsePoint(b []byte) (point, error) { return parsePortable(b) }

func baseMult(k *scalar) point { return generator().mult(k) }

// combined returns a·G + b·P.
func combined(a, b *scalar, p point) point { return baseMult(a).add(p.mult(b)) }
