package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

// built is an app's origin with a small build.
func built(t *testing.T) *Origin {
	t.Helper()
	files, err := grow(fstest.MapFS{
		".keep":                            text(""),
		"index.html":                       text("<!doctype html>shell"),
		"index.html.br":                    text("shell in brotli"),
		"index.html.gz":                    text("shell in gzip"),
		"get.html":                         text("<!doctype html>get"),
		"sw.js":                            text("worker"),
		"manifest.webmanifest":             text("{}"),
		"assets/index-DiwrgTda.js":         text("0123456789"),
		"assets/index-DiwrgTda.js.br":      text("script in brotli"),
		"assets/index-DiwrgTda.js.gz":      text("script in gzip"),
		"assets/style-_a-B3c4D.css":        text("style"),
		"assets/qr-0a1b2c3d.mjs":           text("module"),
		"core/phone-0123456789abcdef.wasm": text("\x00asm"),
		"core/core.json":                   text("{}"),
		"face/model.bin":                   text("model"),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Phone(false)
	o.files = files
	return o
}

type answer struct {
	*http.Response
	body string
}

// ask sends what a browser sends; header is "Name: value".
func ask(t *testing.T, h http.Handler, method, target string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

const navigates = "Sec-Fetch-Mode: navigate"

func TestFilesCarryTheirTypeAndLife(t *testing.T) {
	const forever = "public, max-age=31536000, immutable"
	o := built(t)
	for target, want := range map[string][2]string{
		"/":                                 {"text/html; charset=utf-8", "no-cache"},
		"/index.html":                       {"text/html; charset=utf-8", "no-cache"},
		"/sw.js":                            {"text/javascript; charset=utf-8", "no-cache"},
		"/manifest.webmanifest":             {"application/manifest+json", "no-cache"},
		"/assets/index-DiwrgTda.js":         {"text/javascript; charset=utf-8", forever},
		"/assets/qr-0a1b2c3d.mjs":           {"text/javascript; charset=utf-8", forever},
		"/assets/style-_a-B3c4D.css":        {"text/css; charset=utf-8", forever},
		"/core/phone-0123456789abcdef.wasm": {"application/wasm", forever},
		"/core/core.json":                   {"application/json", "no-cache"}, // its name says nothing of its content
		"/face/model.bin":                   {"application/octet-stream", "no-cache"},
	} {
		a := ask(t, o, "GET", target, navigates)
		if got := [2]string{a.Header.Get("Content-Type"), a.Header.Get("Cache-Control")}; a.StatusCode != 200 || got != want || a.Header.Get("Etag") == "" {
			t.Errorf("%s: %d, %q, etag %s; want %q", target, a.StatusCode, got, a.Header.Get("Etag"), want)
		}
	}
}

func TestNavigationsReachTheShellAndNothingElseDoes(t *testing.T) {
	o := built(t)
	for _, c := range []struct {
		target, header string
		status         int
		body           string
	}{
		{"/", navigates, 200, "shell"},
		{"/certificates/0198f0a0", navigates, 200, "shell"},
		{"/s", navigates, 200, "shell"}, // where a QR code lands
		{"/s", "Accept: text/html,application/xhtml+xml,*/*;q=0.8", 200, "shell"},
		{"/get", navigates, 200, "get"},
		{"/certificates", "Sec-Fetch-Mode: cors", 404, ""},
		{"/certificates", "Accept: */*", 404, ""},
		{"/assets/gone-00000000.js", navigates, 404, ""},
		{"/assets/gone", navigates, 404, ""},
		{"/core/phone-ffffffffffffffff.wasm", "Accept: text/html", 404, ""},
		{"/phone.wasm", navigates, 404, ""},
		{"/app/v1/nothing", navigates, 404, ""},
		{"/openapi", navigates, 404, ""},
		{"/.keep", navigates, 404, ""},
		{"/index.html.br", navigates, 404, ""},
		{"/assets", "Sec-Fetch-Mode: no-cors", 404, ""},
	} {
		a := ask(t, o, "GET", c.target, c.header)
		if a.StatusCode != c.status || !strings.Contains(a.body, c.body) || c.status == 404 && strings.Contains(a.body, "<") {
			t.Errorf("%s (%s): %d %q", c.target, c.header, a.StatusCode, a.body)
		}
		if c.status == 404 && a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a missing file may be cached: %s", c.target, a.Header.Get("Cache-Control"))
		}
	}
}

func TestNoPathLeavesTheBuild(t *testing.T) {
	o := built(t)
	for _, target := range []string{
		"/../embed.go", "/assets/../../embed.go", "/assets/%2e%2e/%2e%2e/embed.go", "/..%2fembed.go", "/assets/..%5c..%5cembed.go",
		"//index.html", "/./index.html", "/assets/./index-DiwrgTda.js", "/%2fetc/passwd", "/assets/index-DiwrgTda.js%00.html", "/assets//index-DiwrgTda.js",
	} {
		if a := ask(t, o, "GET", "http://app.example"+target, navigates); a.StatusCode != 404 {
			t.Errorf("%s: %d %q", target, a.StatusCode, a.body)
		}
	}
}

func TestThePrecompressedFormIsChosenByTheRequest(t *testing.T) {
	o := built(t)
	etags := map[string]bool{}
	for _, c := range []struct{ accept, coding, body string }{
		{"gzip, deflate, br, zstd", "br", "script in brotli"},
		{"gzip", "gzip", "script in gzip"},
		{"br;q=0, gzip;q=0.5", "gzip", "script in gzip"},
		{"BR", "br", "script in brotli"},
		{"br;q=x", "", "0123456789"},
		{"identity", "", "0123456789"},
		{"", "", "0123456789"},
	} {
		a := ask(t, o, "GET", "/assets/index-DiwrgTda.js", "Accept-Encoding: "+c.accept)
		if a.Header.Get("Content-Encoding") != c.coding || a.body != c.body || a.Header.Get("Vary") != "Accept-Encoding" ||
			a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || a.ContentLength != int64(len(c.body)) {
			t.Errorf("%q: %s %q %v", c.accept, a.Header.Get("Content-Encoding"), a.body, a.Header)
		}
		etags[a.Header.Get("Etag")] = true
	}
	if len(etags) != 3 {
		t.Errorf("three forms have the tags %v", etags)
	}
}

func TestWhatTheBrowserHoldsIsNotSentAgain(t *testing.T) {
	o := built(t)
	for _, encoding := range []string{"", "br"} {
		first := ask(t, o, "GET", "/", navigates, "Accept-Encoding: "+encoding)
		again := ask(t, o, "GET", "/", navigates, "Accept-Encoding: "+encoding, "If-None-Match: "+first.Header.Get("Etag"))
		if again.StatusCode != http.StatusNotModified || again.body != "" || again.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%q: %d %q", encoding, again.StatusCode, again.body)
		}
	}
}

func TestHeadAndRanges(t *testing.T) {
	o := built(t)
	head := ask(t, o, "HEAD", "/assets/index-DiwrgTda.js", "Accept-Encoding: br")
	if head.StatusCode != 200 || head.body != "" || head.Header.Get("Content-Length") != "16" || head.Header.Get("Content-Encoding") != "br" {
		t.Errorf("HEAD: %d %q %v", head.StatusCode, head.body, head.Header)
	}
	part := ask(t, o, "GET", "/assets/index-DiwrgTda.js", "Accept-Encoding: br", "Range: bytes=2-4")
	if part.StatusCode != http.StatusPartialContent || part.body != "234" || part.Header.Get("Content-Encoding") != "" || part.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("a range: %d %q %v", part.StatusCode, part.body, part.Header)
	}
	if a := ask(t, o, "GET", "/assets/index-DiwrgTda.js", "Range: bytes=20-"); a.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: %d", a.StatusCode)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		if a := ask(t, o, method, "/", navigates); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
}

// directives reads a policy; a directive that stands twice counts once.
func directives(policy string) map[string][]string {
	out := map[string][]string{}
	for _, d := range strings.Split(policy, ";") {
		if f := strings.Fields(d); len(f) > 0 {
			out[f[0]] = f[1:]
		}
	}
	return out
}

func TestEveryAnswerOfTheAppsOriginIsFenced(t *testing.T) {
	o := built(t)
	api := o.Secure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "no-store") }))
	answers := map[string]answer{"the API": ask(t, api, "POST", "/app/v1/x")}
	for _, target := range []string{"/", "/sw.js", "/assets/index-DiwrgTda.js", "/assets/gone", "/get", "/core/phone-0123456789abcdef.wasm"} {
		answers[target] = ask(t, o, "GET", target, navigates)
	}
	answers["a refusal"] = ask(t, o, "POST", "/")
	for name, a := range answers {
		h := a.Header
		for header, want := range map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "",
		} {
			if h.Get(header) != want {
				t.Errorf("%s: %s is %q", name, header, h.Get(header))
			}
		}
		if p := h.Get("Permissions-Policy"); !strings.Contains(p, "camera=(self)") || !strings.Contains(p, "microphone=()") || !strings.Contains(p, "geolocation=()") {
			t.Errorf("%s: Permissions-Policy is %q", name, p)
		}
		d := directives(h.Get("Content-Security-Policy"))
		for directive, want := range map[string][]string{
			"default-src": {"'none'"}, "script-src": {"'self'", "'wasm-unsafe-eval'"}, "style-src": {"'self'"}, "connect-src": {"'self'"},
			"worker-src": {"'self'"}, "base-uri": {"'none'"}, "frame-ancestors": {"'none'"}, "form-action": {"'self'"},
			"require-trusted-types-for": {"'script'"}, "trusted-types": {"vue", "twt"},
		} {
			if !slices.Equal(d[directive], want) {
				t.Errorf("%s: %s is %q, want %q", name, directive, d[directive], want)
			}
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe-inline") || strings.Contains(h.Get("Content-Security-Policy"), "http") {
			t.Errorf("%s: the policy opens: %s", name, h.Get("Content-Security-Policy"))
		}
	}
	if got := answers["the API"].Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the API may be cached: %q", got)
	}
}

func TestOnlyADurableHTTPSOriginAsksForItForAYear(t *testing.T) {
	if a := ask(t, Phone(true), "GET", "/"); a.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("got %q", a.Header.Get("Strict-Transport-Security"))
	}
}

func TestAFreshCloneSaysHowToBuild(t *testing.T) {
	for name, o := range map[string]*Origin{"app": Phone(false), "panel": Panel()} {
		o.files = tree{}
		a := ask(t, o, "GET", "/", navigates)
		if a.StatusCode != http.StatusServiceUnavailable || strings.Count(a.body, "make build") != 2 || !strings.Contains(a.body, "构建") || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q", name, a.StatusCode, a.body)
		}
		if strings.Contains(a.body, "style=") || strings.Contains(a.body, "<script") {
			t.Errorf("%s: the page breaks its own policy", name)
		}
	}
}

func TestThePanelHasNoCameraAndNoApp(t *testing.T) {
	o := Panel()
	o.files = built(t).files
	a := ask(t, o, "GET", "/", navigates)
	if d := directives(a.Header.Get("Content-Security-Policy")); !slices.Equal(d["script-src"], []string{"'self'"}) || strings.Contains(a.Header.Get("Permissions-Policy"), "camera=(self)") {
		t.Errorf("%v", a.Header)
	}
	if a := ask(t, o, "GET", "/sandbox/nothing", navigates); a.StatusCode != 404 {
		t.Errorf("an unknown route of the panel is answered %d", a.StatusCode)
	}
}
