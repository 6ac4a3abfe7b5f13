package enterprise_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tianweitong/internal/verification"
)

func TestCreditCodesAreCheckedAsGB32100Says(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Codes []struct{ In, Want string } }
	if err := json.Unmarshal(b, &vectors); err != nil || len(vectors.Codes) < 10 {
		t.Fatalf("%d vectors, %v", len(vectors.Codes), err)
	}
	for _, v := range vectors.Codes {
		if got, err := verification.CleanCode(v.In); got != v.Want || (err == nil) != (v.Want != "") {
			t.Errorf("%q → %q, %v, want %q", v.In, got, err, v.Want)
		}
	}
}

func TestEveryChangedCharacterOfACodeIsNoticed(t *testing.T) {
	const code, alphabet = "91350100M000100Y43", "0123456789ABCDEFGHJKLMNPQRTUWXY"
	for i := range code {
		for _, c := range alphabet {
			if other := code[:i] + string(c) + code[i+1:]; other != code {
				if _, err := verification.CleanCode(other); err == nil {
					t.Errorf("%s was taken", other)
				}
			}
		}
	}
}

func TestNamesOfEnterprisesAreWrittenAsLicencesPrintThem(t *testing.T) {
	for in, want := range map[string]string{
		" 测试甲科技(集团)有限公司 ":        "测试甲科技（集团）有限公司",
		"测试Ｌａｂ有限公司":              "测试Lab有限公司",
		"测试・甲 有限公司":              "测试·甲 有限公司",
		"测试":                     "",
		"ABC Limited":            "",
		"测试<b>有限公司":              "",
		"测试\u202e有限公司":           "",
		strings.Repeat("测试", 51): "",
		"测试\xff有限公司":             "",
	} {
		if got, err := verification.CleanName(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q → %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestGramsAreTheCharactersAndPairsOfAName(t *testing.T) {
	if got := verification.Grams("甲甲乙"); !slices.Equal(got, []string{"甲", "甲甲", "甲乙", "乙"}) {
		t.Errorf("grams: %q", got)
	}
}

func FuzzCleanCode(f *testing.F) {
	for _, s := range []string{"91350100M000100Y43", " 9135-0100 m000 100y43", "１", "", "91350100M000I00Y43"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := verification.CleanCode(s)
		if err != nil {
			return
		}
		if again, err := verification.CleanCode(got); err != nil || again != got || len(got) != 18 {
			t.Fatalf("%q → %q → %q, %v", s, got, again, err)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"测试甲科技（集团）有限公司", "测试・甲 有限公司", "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := verification.CleanName(s)
		if err != nil {
			return
		}
		if again, err := verification.CleanName(got); err != nil || again != got {
			t.Fatalf("%q → %q → %q, %v", s, got, again, err)
		}
	})
}
