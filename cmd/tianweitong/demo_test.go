package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"tianweitong/internal/app"
	"tianweitong/internal/store"
	"tianweitong/test/housetest"
)

func TestADemoThatBreaksExitsWithOne(t *testing.T) {
	h := housetest.Start(t, housetest.Config(t, store.SQLite), app.Options{})
	res, err := http.Post(h.URLs().Sandbox+"/sandbox/idcheck/next", "application/json", bytes.NewReader([]byte(`{"outcome":"refuse"}`)))
	if err != nil || res.StatusCode >= 300 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	out := t.TempDir()
	if code := run([]string{"demo", "--server", h.URLs().App, "--out", out}); code != 1 {
		t.Errorf("the exit code is %d", code)
	}
	b, err := os.ReadFile(filepath.Join(out, "journey.json"))
	if err != nil || !bytes.Contains(b, []byte(`"complete": false`)) {
		t.Errorf("journey.json is %s, %v", b, err)
	}
	if code := run([]string{"demo", "--server", "http://127.0.0.1:1"}); code != 1 {
		t.Errorf("where no sandbox answers the exit code is %d", code)
	}
}
