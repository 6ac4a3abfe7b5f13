package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/test/housetest"
)

// hoard collects what must not be in a log, with a word for each.
type hoard struct {
	mu  sync.Mutex
	all map[string]string
}

func (h *hoard) add(what, secret string) {
	if secret == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[secret] = what
}

// bytes adds every way in which bytes are written down.
func (h *hoard) bytes(what string, b []byte) {
	if len(b) < 8 {
		return
	}
	h.add(what, hex.EncodeToString(b))
	h.add(what, strings.ToUpper(hex.EncodeToString(b)))
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		h.add(what, e.EncodeToString(b))
	}
	h.add(what, strings.Trim(strings.ReplaceAll(strings.ReplaceAll(jsonOf(b), ",", " "), `"`, ""), "[]"))
}

func jsonOf(b []byte) string {
	numbers := make([]int, len(b))
	for i, x := range b {
		numbers[i] = int(x)
	}
	out, _ := json.Marshal(numbers)
	return string(out)
}

// personal are the members of the phones' and platforms' JSON that are secrets
// or tell who somebody is.
var personal = map[string]string{
	"phone": "a phone number", "name": "a name", "idNumber": "an ID number", "code": "a code", "ticket": "a ticket",
	"nonce": "a session's nonce", "qr": "a QR code", "challenge": "a challenge", "browserBinding": "a browser's binding",
	"password": "a password", "oldPassword": "a password", "newPassword": "a password",
	"legalName": "a name", "legalIDNumber": "an ID number", "administratorName": "a name", "administratorPhone": "a phone number", "bankCard": "a bank card",
	"token": "an invitation's token", "new": "a password", "secret": "an authenticator's key",
	"enrolmentKey": "an enrolment key", "ek": "a sealed key", "box": "a sealed body", "document": "a document",
}

// RoundTrip implements http.RoundTripper: it listens to everything that phones,
// platforms and the sandbox's panel say and hear.
func (h *hoard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		h.read(b)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range append(r.Cookies(), res.Cookies()...) {
		h.add("a session's token", c.Value)
	}
	for _, name := range []string{"Twt-Signature", "Twt-Request"} {
		h.add("a request's "+name, r.Header.Get(name))
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(b))
	if res.StatusCode < 300 {
		h.read(b)
	}
	return res, err
}

func (h *hoard) read(b []byte) {
	var v any
	if json.Unmarshal(b, &v) == nil {
		h.walk("", v)
	}
}

var codeName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func (h *hoard) walk(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			h.walk(k, x)
		}
	case []any:
		for _, x := range v {
			h.walk(name, x)
		}
	case string:
		what, secret := personal[name]
		if secret && len(v) >= 3 && !codeName.MatchString(v) && !harmless[v] {
			h.add(what, v)
		}
	}
}

// harmless are values of those members that are no secrets: a platform's code and
// name, a certificate's institution, a document's name.
var harmless = map[string]bool{"沙箱演示交易平台": true, "投标函.txt": true, "沙箱第一CA": true, "OK": true}

// phones adds what the demo's phones keep.
func (h *hoard) phones(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "twt-demo-*", "phone*.json"))
	for _, f := range files {
		st, err := phone.File(f).Load()
		if err != nil {
			continue
		}
		h.bytes("a device key", st.DeviceKey)
		h.bytes("a device's salt", st.DeviceSalt)
		h.bytes("a session's nonce", st.Nonce)
		h.add("a session's token", st.Token)
		for _, r := range append(st.Records, st.Next...) {
			h.bytes("a masked share", r.Masked)
			h.bytes("a mask's salt", r.Salt)
		}
	}
	return len(files)
}

// found looks for every secret; digits alone are looked for as whole words, since
// identifiers in hexadecimal hold any six digits sooner or later, and decimals of
// the metrics any four.
func (h *hoard) found(log string) (found []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(log, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.')
	}) {
		words[strings.Trim(w, ".")] = true
	}
	for secret, what := range h.all {
		if digits := strings.Trim(secret, "0123456789") == ""; digits && words[secret] || !digits && strings.Contains(log, secret) {
			found = append(found, what+": "+secret)
		}
	}
	return found
}

// log is a buffer for many writers.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNoSecretReachesALog runs a whole demo, a wrong code and a wrong ID number,
// with the log at its most talkative, and looks for everything that was secret.
func TestNoSecretReachesALog(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch) // where the demo keeps its phones
	c := housetest.Config(t, store.SQLite)
	var written log
	o := app.Options{Log: slog.New(slog.NewJSONHandler(&written, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // its fraction holds any digits
			}
			return a
		},
	}))}
	h := housetest.Start(t, c, o)
	w, err := journey.Discover(t.Context(), h.URLs().App, pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := &hoard{all: map[string]string{}}
	for _, pin := range []string{"271942", "918273", "385164", "640973"} { // the demo's
		secrets.add("a PIN", pin)
	}
	w.HTTP = &http.Client{Transport: secrets, Timeout: time.Minute}
	states := 0
	if err := w.Demo(t.Context(), journey.Options{
		Document: document, Name: "投标函.txt", Institution: app.SandboxInstitution, Out: filepath.Join(scratch, "out"),
		Progress: func(journey.Step) { states += secrets.phones(scratch) },
	}); err != nil {
		t.Fatal(err)
	}
	mistakes(t, w)
	keys, err := filepath.Glob(filepath.Join(c.Data, "keys", "*.key"))
	if err != nil || len(keys) < 5 {
		t.Fatalf("the house's keys: %v, %v", keys, err)
	}
	for _, f := range keys {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		secrets.bytes("a key of the house", raw)
	}
	_, metrics := get(t, h.URLs().Ops+"/metrics")
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}

	kinds := map[string]int{}
	for _, what := range secrets.all {
		kinds[what]++
	}
	for _, what := range []string{
		"a PIN", "a code", "a phone number", "a name", "an ID number", "a ticket", "a session's token", "a session's nonce",
		"a device key", "a device's salt", "a masked share", "a QR code", "a password", "a bank card", "an invitation's token",
		"an authenticator's key",
	} {
		if kinds[what] == 0 {
			t.Errorf("the demo showed no %s: this test looks past it", what)
		}
	}
	text := written.String()
	if n := strings.Count(text, `"msg":"request"`); n < 100 || states < 10 {
		t.Fatalf("%d requests in the log, %d states of phones", n, states)
	}
	for _, f := range secrets.found(text + metrics) {
		t.Errorf("the log holds %s", f)
	}
	// The search itself finds what is there.
	for secret, what := range secrets.all {
		if len(secrets.found(`{"msg":"x","value":"`+secret+`"}`)) == 0 {
			t.Fatalf("%s would not be found", what)
		}
	}
}

// mistakes are what people type wrong: errors quote their input gladly.
func mistakes(t *testing.T, w *journey.World) {
	t.Helper()
	ctx := t.Context()
	p, err := w.NewPerson(nil)
	if err != nil {
		t.Fatal(err)
	}
	ticket, code, err := w.Code(ctx, p.Phone, "login", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Phone.SignIn(ctx, p.Number, ticket, "7"+code[1:]+"7"); err == nil {
		t.Error("a wrong code logged in")
	}
	if _, err := p.Phone.SignIn(ctx, p.Number, ticket, code); err != nil {
		t.Fatal(err)
	}
	ticket, code, err = w.Code(ctx, p.Phone, "realname", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Phone.StartRealName(ctx, p.Name, p.IDNumber[:17]+"Y", ticket, code); err == nil {
		t.Error("a wrong ID number was taken")
	}
	if _, err := p.Phone.RequestCode(ctx, "login", "1990000", phone.Solved{}); err == nil {
		t.Error("a wrong phone number was taken")
	}
	_, entry := passwordEntry(t, w.Env, p.Number, "made-up-4711")
	res, err := w.HTTP.Post(w.Server+"/app/v1/sessions/password", "application/json", bytes.NewReader(entry))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || !bytes.Contains(b, []byte(`"password_wrong"`)) {
		t.Errorf("a made-up password: %s, %v", b, err)
	}
	res.Body.Close()
	w.HTTP.Get(w.Server + "/app/v1/orders/" + url.PathEscape(p.Number)) // in a path, by mistake
	if err := errors.Join(w.Advance(ctx, 61*time.Second), w.Outcome(ctx, "refuse")); err != nil {
		t.Fatal(err)
	}
	if err := w.Verify(ctx, p); err == nil || phone.IsCode(err, "sms_too_soon") {
		t.Errorf("verifying a person whom the checker refuses: %v", err)
	}
}
