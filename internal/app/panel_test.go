package app

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPanelAnswersNoPageOfAnotherOrigin(t *testing.T) {
	a := &App{Options: Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, urls: URLs{Sandbox: "http://127.0.0.1:8083"}}
	h := a.fenced(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, c := range map[string]struct {
		method, host, origin string
		want                 int
	}{
		"a program":                     {"POST", "127.0.0.1:8083", "", 200},
		"the panel's own page":          {"POST", "127.0.0.1:8083", "http://127.0.0.1:8083", 200},
		"by its other name":             {"GET", "localhost:8083", "", 200},
		"a page that the developer saw": {"POST", "127.0.0.1:8083", "https://evil.example", 403},
		"a name rebound to this host":   {"GET", "evil.example:8083", "", 404},
	} {
		r := httptest.NewRequest(c.method, "http://"+c.host+"/sandbox/sms", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.want)
		}
	}
}
