package journey

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tianweitong/fonts"
	"tianweitong/internal/letter"
	"tianweitong/internal/picture"
	"tianweitong/internal/realname"
	"tianweitong/internal/verification"
)

func TestWhatIsMadeUpPassesTheHousesChecks(t *testing.T) {
	w := &World{Server: "http://127.0.0.1:1"}
	for range 20 {
		e, err := w.NewEnterprise()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verification.CleanCode(e.Code); err != nil {
			t.Errorf("code %s: %v", e.Code, err)
		}
		if _, err := verification.CleanName(e.Name); err != nil {
			t.Errorf("name %s: %v", e.Name, err)
		}
		if _, err := realname.CleanBankCard(e.Card); err != nil {
			t.Errorf("card %s: %v", e.Card, err)
		}
	}
}

func TestTheOfficerSeesWhetherALetterBearsASeal(t *testing.T) {
	for _, seal := range []bool{false, true} {
		b, err := draught(sheetSize, "letter", seal)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := picture.Read(t.Context(), b, picture.Document)
		if err != nil {
			t.Fatal(err)
		}
		if seen, err := stamped(kept); err != nil || seen != seal {
			t.Errorf("seal %t, seen %t, %v", seal, seen, err)
		}
	}
	card, err := draught(cardSize, "id-front", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := picture.Read(t.Context(), card, picture.Card); err != nil {
		t.Errorf("the card cannot be read: %v", err)
	}
}

func TestALetterIsReadAsItsReaderWould(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": nil, "no PDF": []byte("<html>%%EOF"), "cut off": []byte("%PDF-1.7\n1 0 obj")} {
		if text, err := letterText(b); err == nil {
			t.Errorf("%s reads %q", name, text)
		}
	}
	if fonts.Regular() == nil {
		return // built without the typeface there is no letter
	}
	b, err := letter.Authorisation(letter.Facts{Name: "沙箱演示甲建设有限公司", Person: "测试子", At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}, fonts.Regular())
	if err != nil {
		t.Fatal(err)
	}
	text, err := letterText(b)
	if err != nil || !strings.Contains(text, "企业授权书") || !strings.Contains(text, "单位名称：沙箱演示甲建设有限公司") {
		t.Errorf("the letter reads %q, %v", text, err)
	}
}

func FuzzLetterText(f *testing.F) {
	f.Add([]byte("%PDF-1.7\n<0001><0003><4F01>\nstream\nx%%EOF"))
	f.Add([]byte("%PDF-1.7\n<0000><FFFF><FFFF>\n%%EOF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := letterText(b); err != nil && text != "" || err == nil && !bytes.HasPrefix(b, []byte("%PDF-1.")) {
			t.Errorf("%q, %v", text, err)
		}
	})
}
