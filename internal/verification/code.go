package verification

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tianweitong/internal/fault"
)

// The refusals of what is entered.
var (
	CodeCode = fault.Code{Name: "enterprise_code_invalid", Kind: fault.Invalid,
		Text: "统一社会信用代码不正确，请核对营业执照上的 18 位代码。"}
	CodeName = fault.Code{Name: "enterprise_name_invalid", Kind: fault.Invalid,
		Text: "企业名称格式不正确，请按营业执照填写 4 至 100 个字的全称。"}
)

// codeDigits are the characters of a code in the order of their values.
const codeDigits = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// CleanCode normalises a unified social credit code (统一社会信用代码) as entered and
// checks it by GB 32100-2015: 18 characters without I, O, S, V and Z, of which
// the third to the eighth are a region's digits, and the last is a check
// character modulo 31.
func CleanCode(s string) (string, error) {
	s = strings.ToUpper(strings.ReplaceAll(strings.Join(strings.Fields(s), ""), "-", ""))
	if len(s) != 18 || strings.Trim(s[2:8], "0123456789") != "" {
		return "", CodeCode
	}
	sum, weight := 0, 1
	for i := range 17 {
		v := strings.IndexByte(codeDigits, s[i])
		if v < 0 {
			return "", CodeCode
		}
		sum += v * weight
		weight = weight * 3 % 31
	}
	if s[17] != codeDigits[(31-sum%31)%31] {
		return "", CodeCode
	}
	return s, nil
}

// CleanName normalises an enterprise's name as entered and checks it: 4 to 100
// characters, some of them Han, no control characters. Full-width letters and digits
// become half-width, brackets full-width, as business licences print them.
func CleanName(s string) (string, error) {
	s = strings.NewReplacer("•", "·", "・", "·", "‧", "·", "．", "·").Replace(s)
	s = strings.NewReplacer("(", "（", ")", "）").Replace(norm.NFKC.String(s))
	s = strings.Join(strings.Fields(s), " ")
	if n := utf8.RuneCountInString(s); n < 4 || n > 100 || !utf8.ValidString(s) || strings.ContainsAny(s, "<>") {
		return "", CodeName
	}
	han := false
	for _, r := range s {
		han = han || unicode.Is(unicode.Han, r)
		if !unicode.IsPrint(r) {
			return "", CodeName
		}
	}
	if !han {
		return "", CodeName
	}
	return s, nil
}

// Grams are the one and two characters that a name contains, each once; searching
// goes by them.
func Grams(name string) []string {
	var out []string
	seen := map[string]bool{}
	runes := []rune(name)
	for i := range runes {
		for n := 1; n <= 2 && i+n <= len(runes); n++ {
			if g := string(runes[i : i+n]); !seen[g] {
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	return out
}
