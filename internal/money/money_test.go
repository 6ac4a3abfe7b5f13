package money

import (
	"math"
	"testing"
)

func TestFenIsWrittenInYuan(t *testing.T) {
	for f, want := range map[Fen]string{0: "0.00", 5: "0.05", 12000: "120.00", -1: "-0.01", math.MinInt64: "-92233720368547758.08"} {
		if got := f.String(); got != want {
			t.Errorf("%d = %q, want %q", int64(f), got, want)
		}
	}
}

func TestSumRefusesOverflowAndNegatives(t *testing.T) {
	if s, ok := Sum(1, 2, 3); !ok || s != 6 {
		t.Errorf("Sum = %v %v", s, ok)
	}
	if _, ok := Sum(math.MaxInt64, 1); ok {
		t.Error("overflow accepted")
	}
	if _, ok := Sum(5, -1); ok {
		t.Error("negative accepted")
	}
}
