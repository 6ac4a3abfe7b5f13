package e2e

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"tianweitong/internal/app"
	"tianweitong/internal/store"
	"tianweitong/platform"
	"tianweitong/test/housetest"
)

// TestTheInstallPagesCodeLeadsToThisHouse (2.1.a): whatever a request says, the
// code holds the configured address, under the app's policy.
func TestTheInstallPagesCodeLeadsToThisHouse(t *testing.T) {
	house := housetest.Start(t, housetest.Config(t, store.SQLite), app.Options{})
	want, err := platform.QR{Text: house.URLs().App + "/get"}.SVG()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, house.URLs().App+"/get/qr.svg?url=https://evil.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || res.Header.Get("Content-Type") != "image/svg+xml" || res.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%v: %.200s", res.Header, got)
	}
}
