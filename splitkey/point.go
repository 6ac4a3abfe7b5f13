package splitkey

import "crypto/subtle"

// CheckPoint reports whether b is a valid public point: 65 bytes, 04‖x‖y, on
// the curve, not O (docs/split-keys.md §2.7). Otherwise ErrMalformed.
func CheckPoint(b []byte) error {
	_, err := parsePoint(b)
	return err
}

func (p point) equal(q point) bool {
	return subtle.ConstantTimeCompare(p.bytes(), q.bytes()) == 1
}

// xModN returns the abscissa modulo n, as SM2 uses it.
func (p point) xModN() scalar { return reduce(p.bytes()[1:33]) }
