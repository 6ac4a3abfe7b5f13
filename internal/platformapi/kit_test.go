package platformapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/platformapi"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// The tests' PostgreSQL server runs as long as this process.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("tianweitong/internal/store/storetest.maintenance.func1.1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}

const office = "198.51.100.7"

// site is a house with its platforms' door, a platform and a holder.
type site struct {
	*doortest.House
	t        testing.TB
	server   *platformapi.Server
	http     *httptest.Server
	audience string
	platform doortest.Platform
	holder   doortest.Holder
	cert     string
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newSite(t testing.TB, st *store.Store, c *clock.Manual) *site {
	h := doortest.New(t, st, c)
	s := &site{House: h, t: t, platform: h.NewPlatform(1)}
	s.holder = h.NewPerson("王测试")
	s.cert = h.Certify(s.holder, s.platform.Code).ID
	s.http = httptest.NewUnstartedServer(nil)
	s.audience = s.http.Listener.Addr().String()
	s.server = platformapi.New(platformapi.Deps{
		Runner: st, Store: st.PlatformRequests(), Clock: c, Rand: rand.Reader, Log: quiet(), Directory: h.Directory, Scans: h.Scans,
		Certificates: h.Certificates, Hub: h.Hub, Audience: s.audience, Version: "test",
	})
	s.http.Config.Handler = s.server.Handler()
	s.http.Start()
	t.Cleanup(func() {
		s.server.Close()
		s.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func lite(t testing.TB) *site {
	c := clock.NewManual(doortest.Noon)
	return newSite(t, storetest.Open(t, storetest.SQLite(t), c), c)
}

func each(t *testing.T, f func(t *testing.T, s *site)) {
	c := clock.NewManual(doortest.Noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) { f(t, newSite(t, st, c)) })
}

// call is one request, before it is signed.
type call struct {
	by           doortest.Platform
	method, path string
	body         string
	nonce        string
	at           time.Time
	audience     string
	// spoil changes the request after it was signed.
	spoil func(*http.Request)
}

func (s *site) call(method, path, body string) call {
	return call{by: s.platform, method: method, path: path, body: body, nonce: hex.EncodeToString(id.Bytes(rand.Reader, 16)), at: s.Clock.Now(), audience: s.audience}
}

func (s *site) get(path string) call  { return s.call("GET", path, "") }
func (s *site) post(path string) call { return s.call("POST", path, "") }

func (s *site) request(ctx context.Context, c call) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, c.method, s.http.URL+"/open/v1"+c.path, strings.NewReader(c.body))
	if err != nil {
		s.t.Fatal(err)
	}
	message := platformapi.Message(c.by.Code, c.audience, c.method, r.URL.RequestURI(), []byte(c.body), c.at.UnixMilli(), c.nonce)
	r.Header.Set("Twt-Platform", c.by.Code)
	r.Header.Set("Twt-Time", strconv.FormatInt(c.at.UnixMilli(), 10))
	r.Header.Set("Twt-Nonce", c.nonce)
	r.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(c.by.Sign(message)))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.spoil != nil {
		c.spoil(r)
	}
	return r
}

// answer is a reply's status and JSON.
type answer struct {
	status int
	json   map[string]any
	raw    []byte
}

func (a answer) code() string { s, _ := a.json["code"].(string); return s }

func (s *site) do(c call) answer {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(s.request(context.Background(), c))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, raw: b}
	if err := json.Unmarshal(b, &a.json); err != nil {
		s.t.Fatalf("%s %s: %d %q", c.method, c.path, a.status, b)
	}
	return a
}

// ok fails the test unless the status is the one wanted.
func (s *site) ok(status int, c call) answer {
	s.t.Helper()
	a := s.do(c)
	if a.status != status {
		s.t.Fatalf("%s %s: %d %s", c.method, c.path, a.status, a.raw)
	}
	return a
}

// refused fails the test unless the answer is that problem.
func (s *site) refused(status int, code string, c call) {
	s.t.Helper()
	a := s.do(c)
	if a.status != status || a.code() != code || a.json["type"] != "urn:tianweitong:"+code || a.json["detail"] == "" {
		s.t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, a.status, a.raw, status, code)
	}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

var challenge = bytes.Repeat([]byte{7}, 32)

const browser = `"browser":{"userAgent":"Test/1","address":"` + office + `"}`

func loginBody(extra string) string {
	return `{"type":"login","title":"登录示例平台","browserBinding":"` + b64(make([]byte, 32)) + `",` + browser + `,"login":{"challenge":"` + b64(challenge) + `"}` + extra + `}`
}

func signBody(document []byte, extra string) string {
	return `{"type":"sign","title":"签署投标函","browserBinding":"` + b64(make([]byte, 32)) + `",` + browser + `,"sign":{"document":"` + b64(document) + `","name":"投标函.txt"}` + extra + `}`
}

func (s *site) begin(body string) string {
	s.t.Helper()
	return s.ok(201, s.call("POST", "/transactions", body)).json["tId"].(string)
}

// scanned has the holder's phone scan the present code.
func (s *site) scanned(tid string) {
	s.t.Helper()
	text := s.ok(200, s.get("/transactions/"+tid+"/qr")).json["text"].(string)
	if _, err := s.Scans.Scan(context.Background(), s.holder.Holder, text, office); err != nil {
		s.t.Fatal(err)
	}
}
