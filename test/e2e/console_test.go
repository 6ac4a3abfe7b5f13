package e2e

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"tianweitong/internal/app"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/office"
	"tianweitong/test/housetest"
)

// desk is an officer's browser.
type desk struct {
	*testing.T
	url  string
	http *http.Client
}

func newDesk(t *testing.T, url string) *desk {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, url, &http.Client{Jar: jar}}
}

// send sends a request as the console's pages do.
func (d *desk) send(method, path, body string, header ...string) (*http.Response, map[string]any) {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := d.http.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	out := map[string]any{}
	json.Unmarshal(raw, &out) // pages are no JSON
	return res, out
}

func (d *desk) ok(method, path, body string) map[string]any {
	d.Helper()
	res, out := d.send(method, "/console/v1"+path, body)
	if res.StatusCode/100 != 2 {
		d.Fatalf("%s %s: %d %v", method, path, res.StatusCode, out)
	}
	return out
}

// Made at the shell beside a house that serves, an officer
// signs in at the console's own origin and verifies the chain that the house
// wrote and signed.
func TestAnOfficerMadeAtTheShellVerifiesTheChain(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		house := housetest.Start(t, c, app.Options{})
		room, done, err := app.Officers(t.Context(), c, app.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		once, err := room.Create(t.Context(), office.Newcomer{Name: "first", DisplayName: "测试甲", Roles: []office.Role{office.Super}})
		if err != nil {
			t.Fatal(err)
		}
		if err := done(); err != nil {
			t.Fatal(err)
		}
		address := house.URLs().Console
		if !strings.HasPrefix(address, "http://localhost:") {
			t.Errorf("the console stands at %s, where browsers make no passkeys", address)
		}
		d := newDesk(t, address)
		d.ok("POST", "/session", `{"name":"first","password":"`+once+`"}`)
		d.ok("POST", "/session/password", `{"new":"Sieben-Zwerge-47"}`)
		key := d.ok("POST", "/factors/totp/begin", `{}`)["secret"].(string)
		code, err := totp.GenerateCode(key, clock.System{}.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := d.ok("POST", "/factors/totp/finish", `{"code":"`+code+`"}`); got["passkeys"] != true {
			t.Errorf("session = %v", got)
		}
		// What was just recorded is chained within a second.
		for clock.Pause(t.Context(), 50*time.Millisecond) {
			page := d.ok("GET", "/audit?kind=console.signed_in", "")["entries"].([]any)
			if len(page) == 1 && page[0].(map[string]any)["seq"].(float64) > 0 {
				break
			}
		}
		d.ok("POST", "/audit/verify", "")
		for clock.Pause(t.Context(), 50*time.Millisecond) {
			got := d.ok("GET", "/audit/verify", "")
			if got["state"] == "running" {
				continue
			}
			if got["state"] != "done" || len(got["findings"].([]any)) != 0 || got["entries"].(float64) < 4 {
				t.Errorf("verification = %v", got)
			}
			break
		}
	})
}

func TestTheConsolesOriginIsItsOwn(t *testing.T) {
	w := sandbox(t)
	d := newDesk(t, w.house.URLs().Console)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-site", "Origin", w.house.URLs().App}, {"Origin", "https://evil.example"},
	} {
		if res, out := d.send("POST", "/console/v1/session", `{"name":"a","password":"b"}`, header...); res.StatusCode != 403 || out["code"] != "cross_origin" {
			t.Errorf("%v: %d %v", header, res.StatusCode, out)
		}
	}
	for _, path := range []string{"/", "/console/v1/session"} {
		res, _ := d.send("GET", path, "", "Accept", "text/html")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self';", "Permissions-Policy": "publickey-credentials-get=(self)", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := res.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s = %q", path, name, got)
			}
		}
	}
	for _, door := range []string{w.house.URLs().App, w.house.URLs().Platform, w.house.URLs().Sandbox} {
		if status, _ := get(t, door+"/console/v1/session"); status != 404 {
			t.Errorf("%s serves the console: %d", door, status)
		}
	}
	if status, _ := get(t, w.house.URLs().Console+"/app/v1/environment"); status == 200 {
		t.Error("the console's door serves the app's API")
	}
}
