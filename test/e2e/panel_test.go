package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestThePanelsLogHearsTheHouse: what the house records is seen to happen, the
// directory is listed, and a page that follows does not hold up the end.
func TestThePanelsLogHearsTheHouse(t *testing.T) {
	w := sandbox(t)
	panel := w.house.URLs().Sandbox
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, panel+"/sandbox/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	hear := func(kind string) {
		t.Helper()
		for lines.Scan() {
			var e struct{ Kind string }
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &e) == nil && e.Kind == kind {
				return
			}
		}
		t.Fatalf("the log never told %s: %v", kind, lines.Err())
	}

	hear("platform.registered") // by open
	w.holder()
	hear("counter.pay")
	hear("ca.issued")
	var listed struct {
		Platforms []struct{ Code, Name, Host string }
	}
	_, body := get(t, panel+"/sandbox/platforms")
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed.Platforms) != 1 || listed.Platforms[0].Code != "M9900000001" {
		t.Errorf("the directory is %s", body)
	}
	if _, body := get(t, panel+"/sandbox/platforms?query=nobody"); !strings.Contains(body, `"platforms":[]`) {
		t.Errorf("a name that nobody has finds %s", body)
	}
	if _, body := get(t, panel+"/sandbox/house"); !strings.Contains(body, w.house.URLs().App) {
		t.Errorf("the doors are %s", body)
	}

	stopping := time.Now()
	if err := w.house.Stop(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what was still on the way
	}
	if took := time.Since(stopping); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}
