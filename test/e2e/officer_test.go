package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestTheSandboxDealsVerifiersAlone: the panel's officer reviews and does nothing
// else; he begins with half a session like any other.
func TestTheSandboxDealsVerifiersAlone(t *testing.T) {
	w := sandbox(t)
	deal := func(door, body string, header ...string) (int, map[string]string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, door+"/sandbox/officers", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		json.Unmarshal(b, &out) // problems have other members, too
		return res.StatusCode, out
	}
	panel := w.house.URLs().Sandbox
	const good = `{"name":"demo-one","displayName":"演示鉴证员","phone":"19900000001","roles":["super"]}`
	for name, x := range map[string]struct {
		door, body string
		want       int
		header     []string
	}{
		"no JSON":         {panel, "{", 422, nil},
		"without a phone": {panel, `{"name":"demo-one","displayName":"演示鉴证员"}`, 422, nil},
		"of another page": {panel, good, 403, []string{"Origin", "https://evil.example"}},
		"at the app":      {w.house.URLs().App, good, 405, nil},
		"at the console":  {w.house.URLs().Console, good, 405, nil},
	} {
		if status, out := deal(x.door, x.body, x.header...); status != x.want || out["password"] != "" {
			t.Errorf("%s: %d %v, want %d", name, status, out, x.want)
		}
	}
	status, dealt := deal(panel, good)
	if status != 200 || dealt["console"] != w.house.URLs().Console {
		t.Fatalf("dealt: %d %v", status, dealt)
	}
	if status, _ := deal(panel, good); status != 409 {
		t.Errorf("the same name again: %d", status)
	}
	d := newDesk(t, dealt["console"])
	d.ok("POST", "/session", `{"name":"demo-one","password":"`+dealt["password"]+`"}`)
	if res, out := d.send("GET", "/console/v1/reviews", ""); res.StatusCode != 401 {
		t.Errorf("the reviews with a password alone: %d %v", res.StatusCode, out)
	}
	desk, err := w.NewDesk(t.Context(), "19900000002")
	if err != nil {
		t.Fatal(err)
	}
	if err := desk.SignIn(t.Context()); err != nil {
		t.Error(err)
	}
	if roles := desk.Roles; len(roles) != 1 || roles[0] != "verifier" {
		t.Errorf("his roles are %v", roles)
	}
}
