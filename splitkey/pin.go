package splitkey

import (
	"errors"
	"strings"
)

// Reasons why a PIN is refused at setting (docs/split-keys.md §3.2). They are
// judged in the worker and never leave it.
var (
	ErrPINFormat   = errors.New("splitkey: a PIN has six digits")
	ErrPINCommon   = errors.New("splitkey: PIN is among the first that a thief tries")
	ErrPINDate     = errors.New("splitkey: PIN is a date")
	ErrPINPersonal = errors.New("splitkey: PIN is part of the ID number or phone number")
)

// commonPINs are frequent ones that no rule below catches.
const commonPINs = " 100200 110120 112358 131420 141421 161803 173205 201314 223606 271828 314159 520131 520530 521125 527100 " +
	"584520 584521 775852 147852 147896 258369 258963 369852 741852 789456 456789 963852 159753 159357 357159 753159 951753 " +
	"753951 357951 135246 246135 147369 963741 741963 852456 456852 258456 654258 123654 654123 321654 456123 789123 987123 " +
	"142536 124578 235689 142857 102030 203040 304050 010203 686868 "

// CheckPIN judges a new PIN: six digits, not among the ones most people choose,
// not a date (YYMMDD, MMDDYY, DDMMYY, YYYYMM), not six consecutive digits of
// the ID number or phone number of its owner. Either number may be empty. It
// is for setting a PIN only; an entered one is never judged.
func CheckPIN(pin, idNumber, phone string) error {
	if len(pin) != 6 || strings.Trim(pin, "0123456789") != "" {
		return ErrPINFormat
	}
	switch {
	case strings.Contains(idNumber, pin) || strings.Contains(phone, pin):
		return ErrPINPersonal
	case isPatterned(pin) || strings.Contains(commonPINs, pin):
		return ErrPINCommon
	case isDate(pin):
		return ErrPINDate
	}
	return nil
}

// isPatterned refuses few different digits, constant steps, repetitions,
// mirrors and runs: some 12,000 of the million.
func isPatterned(pin string) bool {
	var count [10]int
	distinct, most := 0, 0
	for _, c := range []byte(pin) {
		if count[c-'0']++; count[c-'0'] == 1 {
			distinct++
		}
		most = max(most, count[c-'0'])
	}
	if distinct <= 2 || most >= 5 {
		return true
	}
	step := func(s string, i int) byte { return (s[i+1] - s[i] + 10) % 10 }
	constant := func(s string) bool {
		for i := 1; i+1 < len(s); i++ {
			if step(s, i) != step(s, 0) {
				return false
			}
		}
		return true
	}
	a, b := pin[:3], pin[3:]
	pairs := pin[0] == pin[1] && pin[2] == pin[3] && pin[4] == pin[5] // 112233
	mirror := pin[0] == pin[5] && pin[1] == pin[4] && pin[2] == pin[3]
	return constant(pin) || // 123456, 987654, 135791
		pin[:2] == pin[2:4] && pin[2:4] == pin[4:] || // 121212
		a == b || mirror || pairs || // 123123, 123321
		constant(a) && constant(b) // 123456, 123789, 111222, 258147
}

// isDate refuses YYMMDD, MMDDYY, DDMMYY, and YYYYMM of 1900 to 2099.
func isDate(pin string) bool {
	n := func(i int) int { return int(pin[i]-'0')*10 + int(pin[i+1]-'0') }
	month := func(m int) bool { return m >= 1 && m <= 12 }
	day := func(m, d int) bool {
		return month(m) && d >= 1 && d <= [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
	}
	first, second, third := n(0), n(2), n(4)
	return day(second, third) || day(first, second) || day(second, first) ||
		(first == 19 || first == 20) && month(third)
}
