package splitkey

import (
	"errors"
	"fmt"
	"testing"
)

func TestWeakPINsAreRefused(t *testing.T) {
	const idNumber, phone = "11010519491231002X", "13900001234"
	for pin, want := range map[string]error{
		"": ErrPINFormat, "12345": ErrPINFormat, "1234567": ErrPINFormat, "12345a": ErrPINFormat, "１２３４５６": ErrPINFormat, "12 456": ErrPINFormat,
		"000000": ErrPINCommon, "888888": ErrPINCommon, "123456": ErrPINCommon, "654321": ErrPINCommon, "890123": ErrPINCommon,
		"121212": ErrPINCommon, "112112": ErrPINCommon, "123321": ErrPINCommon, "112233": ErrPINCommon, "111222": ErrPINCommon,
		"168168": ErrPINCommon, "666888": ErrPINCommon, "147258": ErrPINCommon, "159357": ErrPINCommon, "520131": ErrPINCommon,
		"135791": ErrPINCommon, "777779": ErrPINCommon, "789456": ErrPINCommon, "314159": ErrPINCommon,
		"900307": ErrPINDate, "123199": ErrPINDate, "311299": ErrPINDate, "198710": ErrPINDate, "290200": ErrPINDate, "200412": ErrPINDate,
		"110105": ErrPINPersonal, "491231": ErrPINPersonal, "231002": ErrPINPersonal, "139000": ErrPINPersonal, "001234": ErrPINPersonal,
		"493817": nil, "804962": nil, "375806": nil,
	} {
		if err := CheckPIN(pin, idNumber, phone); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", pin, err, want)
		}
	}
	if err := CheckPIN("493817", "", ""); err != nil {
		t.Error("unknown numbers refuse a good PIN:", err)
	}
}

// The rules leave enough PINs, and refuse the share they should.
func TestRefusedPINsAreAFewThousandAndTheDates(t *testing.T) {
	count := map[error]int{}
	for i := range 1_000_000 {
		count[CheckPIN(fmt.Sprintf("%06d", i), "", "")]++
	}
	if n := count[ErrPINCommon]; n < 3_000 || n > 20_000 {
		t.Errorf("%d PINs are common", n)
	}
	if n := count[ErrPINDate]; n < 80_000 || n > 115_000 {
		t.Errorf("%d PINs are dates", n)
	}
	if count[nil] < 850_000 {
		t.Errorf("only %d PINs are left", count[nil])
	}
}
