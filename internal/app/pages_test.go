package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tianweitong/internal/config"
)

// Another site's page must not spend, from its visitors' networks, the codes and
// password entries that are the owner's.
func TestAppTakesNoRequestOfAnotherOriginsPage(t *testing.T) {
	taken := 0
	a := &App{cfg: config.Config{Mode: config.Sandbox}, Options: Options{Log: slog.New(slog.DiscardHandler)}}
	a.urls.App = "https://app.example.cn"
	door := a.appDoor(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { taken++ }))
	for _, c := range []struct {
		name, method, path string
		headers            map[string]string
		want               int
	}{
		{"another site", "POST", "/app/v1/codes", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"another port of the host", "POST", "/app/v1/sessions/password", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://app.example.cn:8090"}, 403},
		{"another site, an old browser", "POST", "/app/v1/codes", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a form's opaque origin", "POST", "/app/v1/sessions", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403},
		{"the app", "POST", "/app/v1/codes", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://app.example.cn"}, 200},
		{"the app behind a server that changes Host", "DELETE", "/app/v1/sessions/current", map[string]string{"Origin": "https://app.example.cn"}, 200},
		{"a program", "POST", "/app/v1/codes", nil, 200},
		{"a gateway's notice", "POST", "/notify/pay/sandbox", nil, 200},
		{"a link from elsewhere", "GET", "/app/v1/environment", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
	} {
		before := taken
		r := httptest.NewRequest(c.method, "http://10.0.0.7:8080"+c.path, strings.NewReader("{}"))
		for k, v := range c.headers {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != c.want || (taken > before) != (c.want == 200) {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.want)
		}
		if c.want == 403 && !strings.Contains(w.Body.String(), `"cross_origin"`) {
			t.Errorf("%s: %s", c.name, w.Body)
		}
	}
}
