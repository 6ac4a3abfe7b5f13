package platform_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tianweitong/platform"
	"tianweitong/platform/platformtest"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// serving is a client to whom every address answers with body, or 404 if that
// is nil.
func serving(body []byte) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		if body == nil {
			rec.WriteHeader(http.StatusNotFound)
		}
		rec.Write(body)
		return rec.Result(), nil
	})}
}

// through is a configuration whose requests pass a filter.
func through(s *platformtest.Service, filter func(*http.Request)) platform.Config {
	cfg := s.Config()
	cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		filter(r)
		return http.DefaultTransport.RoundTrip(r)
	})}
	return cfg
}

func client(t *testing.T, cfg platform.Config) *platform.Client {
	t.Helper()
	c, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequestsAreSignedOverEveryPart(t *testing.T) {
	s := platformtest.New(t)
	for name, filter := range map[string]func(*http.Request){
		"method":   func(r *http.Request) { r.Method = "PUT" },
		"path":     func(r *http.Request) { r.URL.Path = "/open/v1/certificates/1" },
		"query":    func(r *http.Request) { r.URL.RawQuery = "x=1" },
		"body":     func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2 },
		"time":     func(r *http.Request) { r.Header.Set("Twt-Time", r.Header.Get("Twt-Time")+"0") },
		"nonce":    func(r *http.Request) { r.Header.Set("Twt-Nonce", strings.Repeat("0", 32)) },
		"platform": func(r *http.Request) { r.Header.Set("Twt-Platform", "M1100000035") },
	} {
		_, err := client(t, through(s, filter)).Platform(ctx)
		var p *platform.Problem
		if !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("%s altered: got %v", name, err)
		}
	}
	other := s.Config()
	other.Audience = "elsewhere.example"
	if _, err := client(t, other).Platform(ctx); err == nil {
		t.Error("a request for another audience was taken")
	}
	if _, err := s.Client().Platform(ctx); err != nil {
		t.Errorf("unaltered: %v", err)
	}
}

func TestEveryRequestHasANonceOfItsOwn(t *testing.T) {
	s := platformtest.New(t)
	seen := map[string]bool{}
	c := client(t, through(s, func(r *http.Request) { seen[r.Header.Get("Twt-Nonce")] = true }))
	for range 3 {
		if _, err := c.Platform(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d nonces in 3 requests", len(seen))
	}
}

func TestSkewedClockIsRefusedWithTheServicesWords(t *testing.T) {
	s := platformtest.New(t)
	cfg := s.Config()
	cfg.Clock = &platformtest.Clock{}
	_, err := client(t, cfg).Platform(ctx)
	var p *platform.Problem
	if !errors.As(err, &p) || p.Code != "platform_signature" || p.Detail == "" || p.Instance == "" || p.RetryAfter != 7*time.Second {
		t.Errorf("got %#v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	s := platformtest.New(t)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer away.Close()
	cfg := s.Config()
	cfg.BaseURL, cfg.Audience = away.URL, strings.TrimPrefix(s.URL, "http://")
	var p *platform.Problem
	if _, err := client(t, cfg).Platform(ctx); !errors.As(err, &p) || p.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
}

func TestSessionSecretStaysHere(t *testing.T) {
	s := platformtest.New(t)
	c := client(t, through(s, func(r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, secret) || strings.Contains(r.URL.String(), string(secret)) {
			t.Error("the secret was sent")
		}
	}))
	tx := login(t, c)
	if strings.Contains(fmt.Sprintf("%+v", tx), string(secret)) || !tx.BelongsTo(secret) || tx.BelongsTo([]byte("another browser's secret")) || tx.BelongsTo(nil) {
		t.Error("the transaction is not bound to its session")
	}
}

func TestUnusableRequestsAreRefusedBeforeTheyAreSent(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	for name, edit := range map[string]func(*platform.SignRequest){
		"no title":          func(r *platform.SignRequest) { r.Title = "" },
		"long title":        func(r *platform.SignRequest) { r.Title = strings.Repeat("长", 101) },
		"short secret":      func(r *platform.SignRequest) { r.Secret = []byte("short") },
		"notify elsewhere":  func(r *platform.SignRequest) { r.NotifyPath = "evil.example/" },
		"no name":           func(r *platform.SignRequest) { r.Name = "" },
		"nothing to sign":   func(r *platform.SignRequest) { r.Document = nil },
		"both":              func(r *platform.SignRequest) { r.Size = 1 },
		"empty document":    func(r *platform.SignRequest) { r.Document = []byte{} },
		"document too big":  func(r *platform.SignRequest) { r.Document = bytes.Repeat([]byte("x"), 4<<20+1) },
		"DER structure":     func(r *platform.SignRequest) { r.Document = []byte{0x30, 0x03, 0x02, 0x01, 0x01} },
		"login as document": func(r *platform.SignRequest) { r.Document = platformtest.Prefixed("TWT/login/v1", "x") },
		"no address":        func(r *platform.SignRequest) { r.Browser.Address = "" },
		"address and port":  func(r *platform.SignRequest) { r.Browser.Address = "192.0.2.7:80" },
		"small by digest":   func(r *platform.SignRequest) { r.Document, r.Size, r.Digest = nil, 9, make([]byte, 32) },
		"short digest":      func(r *platform.SignRequest) { r.Document, r.Size, r.Digest = nil, 9, []byte{1} },
	} {
		r := platform.SignRequest{Request: request(), Name: "投标函.txt", Document: letter}
		edit(&r)
		if _, err := c.BeginSign(ctx, r); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("sent %v", calls)
	}
}

func TestForeignTransactionsNeverReachAPath(t *testing.T) {
	c := platformtest.New(t).Client()
	for _, id := range []string{"", "../platform", platformtest.Code + "/../../platform", platformtest.Code + strings.Repeat("G", 32), "M1100000035" + strings.Repeat("0", 32)} {
		tx := platform.Transaction{ID: id, Type: platform.TypeLogin}
		if _, err := c.Get(ctx, tx); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("Get %q: %v", id, err)
		}
		if _, err := c.QR(ctx, tx); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("QR %q: %v", id, err)
		}
		if err := c.Cancel(ctx, tx); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("Cancel %q: %v", id, err)
		}
	}
	if _, err := c.Certificate(ctx, "../platform"); !errors.Is(err, platform.ErrConfig) {
		t.Errorf("Certificate: %v", err)
	}
}

func TestRepliesThatAreNotTheProtocolAreRefused(t *testing.T) {
	s := platformtest.New(t)
	tx := login(t, s.Client())
	for name, body := range map[string]string{
		"no JSON":             `<html>`,
		"two values":          `{} {}`,
		"another transaction": `{"tId":"` + platformtest.Code + strings.Repeat("0", 32) + `","type":"login","state":"CREATED"}`,
		"another type":        `{"tId":"` + tx.ID + `","type":"sign","state":"CREATED"}`,
		"unknown state":       `{"tId":"` + tx.ID + `","type":"login","state":"HACKED"}`,
		"endless":             `"` + strings.Repeat("x", 9<<20) + `"`,
	} {
		cfg := s.Config()
		cfg.HTTP = serving([]byte(body))
		if _, err := client(t, cfg).Get(ctx, tx); !errors.Is(err, platform.ErrReply) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, text := range []string{"", "javascript:alert(1)", "https://app.example/s", "https://app.example/s#q=1", "https://app.example/s#k=" + strings.Repeat("x", 600)} {
		cfg := s.Config()
		cfg.HTTP = serving(fmt.Appendf(nil, `{"text":%q}`, text))
		if _, err := client(t, cfg).QR(ctx, tx); !errors.Is(err, platform.ErrReply) {
			t.Errorf("QR %.40q: got %v", text, err)
		}
	}
}

func TestStatesReadAsTheyStand(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	expect := func(state platform.State, code string, outcome platform.Outcome) {
		t.Helper()
		st, err := c.Get(ctx, tx)
		if err != nil || st.State != state || st.Code != code || st.Outcome != outcome || st.Result != nil {
			t.Errorf("got %+v, %v; want %s %q %q", st, err, state, code, outcome)
		}
	}
	expect(platform.Created, "", "")
	s.Scan(tx.ID, "4821")
	expect(platform.Scanned, "4821", "")
	s.Scan(tx.ID, "<b>")
	expect(platform.Scanned, "", "")
	s.Confirm(tx.ID)
	expect(platform.Ready, "", "")
	s.End(tx.ID, platform.Failed, platform.WrongCode)
	expect(platform.Failed, "", platform.WrongCode)
	s.End(tx.ID, platform.Rejected, "")
	expect(platform.Rejected, "", platform.UserRefused)
	s.End(tx.ID, platform.Expired, "")
	expect(platform.Expired, "", platform.Timeout)

	tx = login(t, c)
	if err := c.Cancel(ctx, tx); err != nil {
		t.Fatal(err)
	}
	expect(platform.Cancelled, "", "")
	var p *platform.Problem
	if err := c.Cancel(ctx, tx); !errors.As(err, &p) || p.Code != "scan_over" {
		t.Errorf("cancelled twice: %v", err)
	}
}

func TestCertificateIsFoundByItsSerialNumber(t *testing.T) {
	s := platformtest.New(t)
	got, err := s.Client().Certificate(ctx, fmt.Sprintf("%X", s.Holder.Certificate.SerialNumber))
	if err != nil || !got.Certificate.Equal(s.Holder.Certificate) || got.State != "valid" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOddBrowsersAreNotShutOut(t *testing.T) {
	s := platformtest.New(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", "Odd\x01\xff/1.0 "+strings.Repeat("长", 600))
	r.RemoteAddr = "[::ffff:192.0.2.7]:51234"
	q := platform.LoginRequest{Request: request()}
	q.Browser = platform.BrowserOf(r)
	tx, err := s.Client().BeginLogin(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Created(tx.ID).Browser
	if n := len([]rune(got.UserAgent)); !strings.HasPrefix(got.UserAgent, "Odd/1.0 长") || n > 512 || got.Address != "192.0.2.7" {
		t.Errorf("%d characters, %+.40v", n, got)
	}
}
