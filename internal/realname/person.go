package realname

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tianweitong/internal/clock"
)

// CleanName normalises a person's name as entered and checks it: 2 to 30 Han
// characters, with the middle dot · inside. Other dots that keyboards offer are
// taken for it.
func CleanName(s string) (string, error) {
	s = strings.NewReplacer("•", "·", "・", "·", "‧", "·", "．", "·").Replace(strings.TrimSpace(s))
	if n := utf8.RuneCountInString(s); n < 2 || n > 30 || strings.HasPrefix(s, "·") || strings.HasSuffix(s, "·") || strings.Contains(s, "··") {
		return "", CodeName
	}
	for _, r := range s {
		if r != '·' && !unicode.Is(unicode.Han, r) {
			return "", CodeName
		}
	}
	return s, nil
}

// CleanIDNumber normalises a resident ID number (公民身份号码) as entered and
// checks it by GB 11643-1999: 17 digits with a date of birth that is not in the
// future, and the check character of ISO 7064 MOD 11-2.
func CleanIDNumber(s string, now time.Time) (string, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) != 18 || s[0] == '0' || strings.Trim(s[:17], "0123456789") != "" {
		return "", CodeIDNumber
	}
	sum := 0
	for i := range 17 {
		sum += int(s[i]-'0') * (1 << (17 - i) % 11)
	}
	if s[17] != "10X98765432"[sum%11] {
		return "", CodeIDNumber
	}
	born, err := time.ParseInLocation("20060102", s[6:14], clock.China)
	if err != nil || born.Year() < 1900 || born.After(now) {
		return "", CodeIDNumber
	}
	return s, nil
}

// CleanBankCard normalises a bank card number as entered and checks it: 12 to 19
// digits with the check digit of ISO/IEC 7812-1 (Luhn). Spaces and hyphens between
// the digits are dropped.
func CleanBankCard(s string) (string, error) {
	s = strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(s))
	if len(s) < 12 || len(s) > 19 || strings.Trim(s, "0123456789") != "" || strings.Trim(s, "0") == "" {
		return "", CodeCard
	}
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	if sum%10 != 0 {
		return "", CodeCard
	}
	return s, nil
}

// MaskName shows a person's name to others: 张*国, 李*.
func MaskName(name string) string {
	r := []rune(name)
	switch {
	case len(r) < 2:
		return "*"
	case len(r) == 2:
		return string(r[0]) + "*"
	}
	return string(r[0]) + strings.Repeat("*", len(r)-2) + string(r[len(r)-1])
}

// MaskIDNumber shows the first and last four of an ID number.
func MaskIDNumber(s string) string {
	if len(s) != 18 {
		return ""
	}
	return s[:4] + "**********" + s[14:]
}
