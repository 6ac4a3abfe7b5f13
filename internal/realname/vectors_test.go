package realname

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// The app checks the form by the same vectors before it sends it
// (web/shared/src/check).
func TestFormIsJudgedAsInTheSharedVectors(t *testing.T) {
	type vector struct{ In, Want string }
	var shared struct {
		Now       time.Time
		IDNumbers []vector
		Cards     []vector
		Names     []vector
	}
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &shared); err != nil {
		t.Fatal(err)
	}
	for _, set := range []struct {
		name    string
		vectors []vector
		clean   func(string) (string, error)
	}{
		{"ID numbers", shared.IDNumbers, func(s string) (string, error) { return CleanIDNumber(s, shared.Now) }},
		{"cards", shared.Cards, CleanBankCard},
		{"names", shared.Names, CleanName},
	} {
		if len(set.vectors) < 8 {
			t.Errorf("%s: %d vectors", set.name, len(set.vectors))
		}
		for _, v := range set.vectors {
			if got, err := set.clean(v.In); got != v.Want || (err == nil) != (v.Want != "") {
				t.Errorf("%s: %q = %q, %v; want %q", set.name, v.In, got, err, v.Want)
			}
		}
	}
}
