// Package money counts in fen (分), the hundredth of a yuan; there is no float.
package money

import (
	"fmt"
	"math"
)

// Fen is an amount in fen. Prices and payments are never negative.
type Fen int64

// String writes yuan with two decimals, as screens show it: 12000 is "120.00".
func (f Fen) String() string {
	sign := ""
	u := uint64(f)
	if f < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}

// Sum adds amounts; ok is false on overflow or a negative amount.
func Sum(amounts ...Fen) (total Fen, ok bool) {
	for _, a := range amounts {
		if a < 0 || total > math.MaxInt64-a {
			return 0, false
		}
		total += a
	}
	return total, true
}
