package letter

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tianweitong/fonts"
)

var facts = Facts{Number: "RV-261123-0001", Name: "测试甲科技（集团）有限公司", Code: "91999999MA0TE5T00T", LegalName: "测试甲",
	Person: "测试乙", IDMasked: "1101**********0011", At: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)}

func TestALetterNeedsItsTypeface(t *testing.T) {
	if _, err := Authorisation(facts, nil); !errors.Is(err, CodeFont) {
		t.Errorf("without a typeface: %v", err)
	}
	if _, err := Authorisation(facts, []byte("no font")); err == nil {
		t.Error("a typeface of nothing was taken")
	}
}

func TestALetterIsASmallPDF(t *testing.T) {
	typeface := fonts.Regular()
	if typeface == nil {
		t.Log("built without the typeface: `make build` copies it")
		return
	}
	for name, f := range map[string]Facts{"usual": facts, "long": {Name: strings.Repeat("测试", 50), Person: strings.Repeat("测", 30), At: facts.At}} {
		b, err := Authorisation(f, typeface)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.HasPrefix(b, []byte("%PDF-1.")) || len(b) < 5_000 || len(b) > 400_000 {
			t.Errorf("%s: %d bytes that begin %q", name, len(b), b[:8])
		}
		if to := os.Getenv("TWT_LETTER"); to != "" && name == "usual" { // to look at it
			if err := os.WriteFile(to, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
