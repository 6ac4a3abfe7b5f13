package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/office"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	origin   = "https://console.example.cn"
	password = "Sieben-Zwerge-47"
)

// kit is a console over a store.
type kit struct {
	t      *testing.T
	st     *store.Store
	clock  *clock.Manual
	office *office.Service
	server *console.Server
	url    string
}

// each runs a test on both engines, each with a console of its own at noon.
func each(t *testing.T, f func(t *testing.T, k *kit)) {
	t.Helper()
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		f(t, over(t, st, c))
	})
}

// one runs a test on SQLite alone: for rules that no store decides.
func one(t *testing.T) *kit {
	t.Helper()
	c := clock.NewManual(noon)
	return over(t, storetest.Open(t, storetest.SQLite(t), c), c)
}

func over(t *testing.T, st *store.Store, c *clock.Manual) *kit {
	t.Helper()
	k := &kit{t: t, st: st, clock: c}
	log := slog.New(slog.DiscardHandler)
	var err error
	k.office, err = office.New(office.Deps{
		Runner: st, Store: people.Officers(st), Clock: c, Rand: rand.Reader, Box: st.Box, Log: log,
		Cost: secret.Cost{Passes: 1, Memory: 64, Lanes: 1}, URL: origin, Issuer: "测试后台",
		Chain: func(ctx context.Context) (int64, []audit.Finding, error) {
			return audit.Verify(ctx, st, st.Audit(), c.Now(), signer{}.verify, nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	k.server = console.New(console.Deps{
		Base:   console.Base{Clock: c, Rand: rand.Reader, Log: log, Secure: false, Version: "test"},
		Runner: st, Officers: k.office, Audit: st.Audit(),
	})
	s := httptest.NewServer(k.server.Handler())
	k.url = s.URL
	t.Cleanup(func() {
		s.Close()
		k.office.Close()
	})
	return k
}

// signer signs checkpoints as a test does.
type signer struct{}

func (signer) SignStatement(_ context.Context, statement []byte) ([]byte, error) {
	return append([]byte("signed:"), statement...), nil
}

func (signer) verify(statement, signature []byte) error {
	if !bytes.Equal(signature, append([]byte("signed:"), statement...)) {
		return errors.New("not signed")
	}
	return nil
}

// chain seals what was recorded.
func (k *kit) chain() {
	k.t.Helper()
	if err := audit.NewSealer(k.st, k.st.Audit(), signer{}, k.clock, slog.New(slog.DiscardHandler)).Seal(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

// browser is one officer's browser.
type browser struct {
	k    *kit
	http *http.Client
	key  string // of one-time passwords
	name string
	id   string
}

func (k *kit) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return &browser{k: k, http: &http.Client{Jar: jar}}
}

type anyMap = map[string]any

// send sends a request and gives the status and the answer.
func (b *browser) send(method, path string, body any) (int, anyMap) {
	status, raw := b.raw(method, path, body)
	out := anyMap{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			b.k.t.Errorf("%s %s: %s", method, path, raw)
		}
	}
	return status, out
}

func (b *browser) raw(method, path string, body any) (int, []byte) {
	var r io.Reader
	if body != nil {
		j, err := json.Marshal(body)
		if err != nil {
			b.k.t.Error(err)
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(b.k.t.Context(), method, b.k.url+"/console/v1"+path, r)
	if err != nil {
		b.k.t.Error(err)
		return 0, nil
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.k.t.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.k.t.Error(err)
	}
	return res.StatusCode, raw
}

// ok sends what must succeed.
func (b *browser) ok(method, path string, body any) anyMap {
	b.k.t.Helper()
	status, out := b.send(method, path, body)
	if status/100 != 2 {
		b.k.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// refused sends what must be refused by a code.
func (b *browser) refused(code, method, path string, body any) anyMap {
	b.k.t.Helper()
	status, out := b.send(method, path, body)
	if out["code"] != code {
		b.k.t.Fatalf("%s %s: %d %v, want %s", method, path, status, out, code)
	}
	return out
}

// code is the one-time password of now, of steps ahead.
func (b *browser) code(ahead int) string {
	b.k.t.Helper()
	c, err := totp.GenerateCode(b.key, b.k.clock.Now().Add(time.Duration(ahead)*30*time.Second))
	if err != nil {
		b.k.t.Fatal(err)
	}
	return c
}

// officer makes an officer with roles and enrols him; the browser is signed in.
func (k *kit) officer(name string, roles ...office.Role) *browser {
	k.t.Helper()
	once, err := k.office.Create(k.t.Context(), office.Newcomer{Name: name, DisplayName: "测试" + name, Phone: "13900000001", Roles: roles})
	if err != nil {
		k.t.Fatal(err)
	}
	b := k.browser()
	b.enrol(name, once)
	return b
}

// enrol takes a one-time password to a full session.
func (b *browser) enrol(name, once string) {
	b.k.t.Helper()
	b.name = name
	if got := b.ok("POST", "/session", anyMap{"name": name, "password": once}); got["next"] != "enrol" || got["passwordOnce"] != true {
		b.k.t.Fatalf("after the dealt password: %v", got)
	}
	b.ok("POST", "/session/password", anyMap{"new": password})
	b.key = b.ok("POST", "/factors/totp/begin", anyMap{})["secret"].(string)
	got := b.ok("POST", "/factors/totp/finish", anyMap{"code": b.code(0)})
	if got["stage"] != "full" {
		b.k.t.Fatalf("after the second factor: %v", got)
	}
	b.id = got["officer"].(anyMap)["id"].(string)
	b.k.clock.Advance(time.Minute) // the next code is another one
}

// half signs in with the password alone, in a browser of its own.
func (b *browser) half() *browser {
	b.k.t.Helper()
	h := b.k.browser()
	h.name, h.key, h.id = b.name, b.key, b.id
	h.ok("POST", "/session", anyMap{"name": b.name, "password": password})
	return h
}
