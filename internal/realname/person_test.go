package realname

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestIDNumberNeedsItsCheckCharacterAndARealDateOfBirth(t *testing.T) {
	// The first is the example of GB 11643-1999; the others are made up.
	for in, want := range map[string]string{
		"11010519491231002X":   "11010519491231002X",
		" 11010519491231002x ": "11010519491231002X",
		"440524188001010014":   "", // born before 1900
		"110105194912310021":   "", // wrong check character
		"110105194912310020":   "",
		"11010519491331002X":   "", // no such month
		"110105200002300012":   "", // 30 February
		"1101051949123100":     "",
		"11010519491231002XX":  "",
		"A1010519491231002X":   "",
		"１1010519491231002X":   "",
		"":                     "",
	} {
		got, err := CleanIDNumber(in, noon)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, CodeIDNumber) {
			t.Errorf("CleanIDNumber(%q) = %q, %v", in, got, err)
		}
	}
	// Every single digit that is typed wrong is noticed, and so is every swap of neighbours.
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			b := []byte(good)
			b[i] = d
			if _, err := CleanIDNumber(string(b), noon); (err == nil) != (string(b) == good) {
				t.Errorf("%s: %v", b, err)
			}
		}
		if b := []byte(good); i < 16 && b[i] != b[i+1] {
			b[i], b[i+1] = b[i+1], b[i]
			if _, err := CleanIDNumber(string(b), noon); err == nil {
				t.Errorf("%s passed", b)
			}
		}
	}
}

func TestIDNumberIsRefusedBeforeItsBirthday(t *testing.T) {
	number := withCheck("11010520261124001")
	if _, err := CleanIDNumber(number, noon); !errors.Is(err, CodeIDNumber) {
		t.Errorf("born tomorrow: %v", err)
	}
	if _, err := CleanIDNumber(number, noon.Add(4*time.Hour)); err != nil {
		t.Errorf("midnight in China has passed: %v", err)
	}
}

func withCheck(digits string) string {
	for _, c := range "0123456789X" {
		s := digits + string(c)
		if _, err := CleanIDNumber(s, noon.AddDate(1, 0, 0)); err == nil {
			return s
		}
	}
	return ""
}

func TestNameIsHanWithDotsInside(t *testing.T) {
	for in, want := range map[string]string{
		" 测试甲 ":                 "测试甲",
		"测试•某某":                 "测试·某某",
		"测试・某某":                 "测试·某某",
		"㐀〇":                    "㐀〇",
		"测":                     "",
		"·测试":                   "",
		"测试·":                   "",
		"测··试":                  "",
		"测 试":                   "",
		"Test":                  "",
		"测试1":                   "",
		"测试\n":                  "测试",
		strings.Repeat("测", 30): strings.Repeat("测", 30),
		strings.Repeat("测", 31): "",
		"\xff\xfe":              "",
	} {
		got, err := CleanName(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, CodeName) {
			t.Errorf("CleanName(%q) = %q, %v", in, got, err)
		}
	}
}

func TestBankCardNeedsItsCheckDigit(t *testing.T) {
	// Made up; ISO/IEC 7812-1.
	for in, want := range map[string]string{
		"6222021234567890128":      "6222021234567890128",
		" 6222 0212-3456 7890 128": "6222021234567890128",
		"4111111111111111":         "4111111111111111",
		"6222021234567890129":      "", // wrong check digit
		"6222021234567890182":      "", // digits swapped
		"00000000000000000":        "",
		"79927398713":              "", // right, and too short
		"62220212345678901280":     "",
		"622202123456789012X":      "",
		"６２２２０２１２３４５６７８９０１２８": "",
		"": "",
	} {
		got, err := CleanBankCard(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, CodeCard) {
			t.Errorf("CleanBankCard(%q) = %q, %v", in, got, err)
		}
	}
}

func FuzzCleanBankCard(f *testing.F) {
	for _, s := range []string{"6222021234567890128", "6222 0212 3456 7890 128", "4111-1111-1111-1111", "", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := CleanBankCard(s); err == nil {
			if again, err := CleanBankCard(got); err != nil || again != got {
				t.Fatalf("%q is not stable: %q, %v", got, again, err)
			}
		}
	})
}

func FuzzCheckVideo(f *testing.F) {
	f.Add("video/mp4", []byte("\x00\x00\x00\x10ftypisom...."))
	f.Add("video/webm;codecs=vp8,opus", []byte("\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm"))
	f.Add("Video/MP4 ", []byte{})
	f.Add(";", []byte("\x1a\x45"))
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		if err := CheckVideo(kind, b); err != nil && !errors.Is(err, CodeVideo) && !errors.Is(err, CodeVideoType) {
			t.Fatalf("%q: %v", kind, err)
		}
	})
}

func TestMasks(t *testing.T) {
	for in, want := range map[string]string{"": "*", "李": "*", "李四": "李*", "张三国": "张*国", "测试·某某": "测***某"} {
		if got := MaskName(in); got != want {
			t.Errorf("MaskName(%q) = %q", in, got)
		}
	}
	if got := MaskIDNumber("11010519491231002X"); got != "1101**********002X" {
		t.Errorf("MaskIDNumber = %q", got)
	}
	if got := MaskIDNumber("x"); got != "" {
		t.Errorf("MaskIDNumber = %q", got)
	}
}

func TestDayTurnsAtMidnightInChina(t *testing.T) {
	midnight := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	if clock.Day(midnight)-clock.Day(midnight.Add(-time.Millisecond)) != 1 || clock.Day(midnight) != clock.Day(midnight.Add(24*time.Hour-time.Millisecond)) {
		t.Error("the day does not turn at midnight in China")
	}
}

func FuzzCleanIDNumber(f *testing.F) {
	for _, s := range []string{"11010519491231002X", "110105194912310021", "", "x", "99999999999999999X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := CleanIDNumber(s, noon); err == nil {
			if again, err := CleanIDNumber(got, noon); err != nil || again != got {
				t.Fatalf("%q is not stable: %q, %v", got, again, err)
			}
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"测试甲", "测试•某某", "·", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := CleanName(s); err == nil {
			if again, err := CleanName(got); err != nil || again != got {
				t.Fatalf("%q is not stable: %q, %v", got, again, err)
			}
		}
	})
}
