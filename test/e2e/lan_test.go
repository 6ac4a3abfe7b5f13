package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/pki"
	"tianweitong/platform"
	"tianweitong/test/housetest"
)

// TestAPhoneOnTheLocalNetworkBuysByHTTPS serves a house as --lan does, on an
// address that every machine has.
func TestAPhoneOnTheLocalNetworkBuysByHTTPS(t *testing.T) {
	t.Parallel()
	c := housetest.Config(t, store.SQLite)
	c.LAN, c.Cashier, c.Trust = "127.0.0.1", "127.0.0.1:0", "127.0.0.1:0"
	h := housetest.Start(t, c, app.Options{})
	urls := h.URLs()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Root().Pool()}}}
	t.Cleanup(client.CloseIdleConnections)

	for name, url := range map[string]string{"app": urls.App, "platform": urls.Platform, "cashier": urls.Cashier} {
		if !strings.HasPrefix(url, "https://") {
			t.Errorf("%s is served at %s", name, url)
		}
	}
	if _, err := http.Get(urls.App); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the root: %v", err)
	}

	w, err := journey.DiscoverBy(t.Context(), client, urls.App, pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.NewPerson(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return w.Register(t.Context(), p) },
		func() error { return w.Verify(t.Context(), p) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	site, _, err := w.Platform(t.Context(), t.TempDir(), platform.Registration{Code: "M9900000001", Name: "测试交易平台（沙箱）", Region: "北京", Host: "bid.example.cn"})
	if err != nil {
		t.Fatal(err)
	}
	order, err := p.Phone.Buy(t.Context(), app.SandboxInstitution, 1, site.Code())
	if err != nil {
		t.Fatal(err)
	}
	pay, err := p.Phone.Pay(t.Context(), order.ID, "sandbox")
	if err != nil || !strings.HasPrefix(pay.URL, urls.Cashier+"/") {
		t.Fatalf("the cashier is at %s, want it at %s: %v", pay.URL, urls.Cashier, err)
	}
	// The cashier's notice reaches the house by https under the same root.
	if _, err := w.PayFor(t.Context(), p, order, "pay"); err != nil {
		t.Fatal(err)
	}

	tx, err := site.BeginLogin(t.Context(), platform.LoginRequest{Request: request("登录测试平台")})
	if err != nil {
		t.Fatal(err)
	}
	if qr, err := site.QR(t.Context(), tx); err != nil || !strings.HasPrefix(qr.Text, urls.App+"/s#k=") {
		t.Errorf("the QR code says %.40s, %v", qr.Text, err)
	}

	for _, door := range []string{urls.Cashier, urls.Trust, urls.App} {
		for _, path := range []string{"/sandbox/sms", "/sandbox/idcheck", "/sandbox/payments", "/sandbox/events"} {
			res, err := client.Get(door + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s is answered %d on the network", door, path, res.StatusCode)
			}
		}
	}
	if !strings.HasPrefix(urls.Sandbox, "http://127.0.0.1:") {
		t.Errorf("the panel is at %s", urls.Sandbox)
	}
}

func TestTheSessionsCookieIsSecureOnTheLocalNetwork(t *testing.T) {
	t.Parallel()
	c := housetest.Config(t, store.SQLite)
	c.LAN, c.Cashier, c.Trust = "127.0.0.1", "127.0.0.1:0", "127.0.0.1:0"
	h := housetest.Start(t, c, app.Options{})
	var cookies []*http.Cookie
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Root().Pool()}}
	client := &http.Client{Timeout: time.Minute, Transport: observe(func(q *http.Request) (*http.Response, error) {
		res, err := transport.RoundTrip(q)
		if err == nil {
			cookies = append(cookies, res.Cookies()...)
		}
		return res, err
	})}
	t.Cleanup(transport.CloseIdleConnections)
	w, err := journey.DiscoverBy(t.Context(), client, h.URLs().App, pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.NewPerson(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Errorf("cookies: %v", cookies)
	}
}

type observe func(*http.Request) (*http.Response, error)

func (f observe) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPagesAndAPIShareOneFencedOrigin looks at the assembled door: the API
// answers JSON, everything else is the app's, and both carry the headers.
func TestPagesAndAPIShareOneFencedOrigin(t *testing.T) {
	w := sandbox(t)
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/app/v1/environment": {200, "application/json"}, "/app/v1/nothing": {404, "application/problem+json"}, "/openapi.json": {200, "application/openapi+json"},
		"/assets/gone.js": {404, "text/plain; charset=utf-8"}, "/notify/pay/nobody": {404, ""},
	} {
		method := http.MethodGet
		if strings.HasPrefix(path, "/notify/") {
			method = http.MethodPost
		}
		req, err := http.NewRequestWithContext(t.Context(), method, w.Server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		kind := res.Header.Get("Content-Type")
		if err != nil || res.StatusCode != want.status || want.kind != "" && kind != want.kind || bytes.Contains(body, []byte("<html")) {
			t.Errorf("%s: %d %s, %v", path, res.StatusCode, kind, err)
		}
		if strings.HasSuffix(kind, "json") && !json.Valid(body) {
			t.Errorf("%s is not JSON: %s", path, body)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "require-trusted-types-for 'script'") {
			t.Errorf("%s has the policy %q", path, csp)
		}
		if strings.HasPrefix(path, "/app/") && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %s", path, res.Header.Get("Cache-Control"))
		}
	}
}
