package app

import (
	"encoding/hex"
	"testing"
)

// TestWhatADeviceSigns is a vector that the app's own tests hold too
// (web/shared/src/api/device.test.ts).
func TestWhatADeviceSigns(t *testing.T) {
	nonce := make([]byte, 32)
	for i := range nonce {
		nonce[i] = byte(i)
	}
	got := RequestDigest("POST", "/app/v1/codes?a=%E5%A4%A9", []byte(`{"purpose":"login"}`), nonce, 1700000000000, "00112233445566778899aabbccddeeff")
	if want := "a5819ff2458c2ccd7b40b2f3b3a994835f88fb4e2582274565a7d7c0709462b6"; hex.EncodeToString(got) != want {
		t.Errorf("%x, want %s", got, want)
	}
}
