package custody

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzParseDelivery(f *testing.F) {
	good, err := json.Marshal(delivery{
		PublicKey: make([]byte, 65), Share: make([]byte, 32), Account: "a", Device: strings.Repeat("5a", 32), Enrolment: "e",
	})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseDelivery(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"publicKey":"AA=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDelivery(b)
		if err == nil && (len(d.PublicKey) != 65 || len(d.Share) != 32 || d.Enrolment == "" && len(d.KeyIDs) == 0) {
			t.Fatalf("accepted %q", b)
		}
	})
}
