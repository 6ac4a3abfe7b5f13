package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
	"tianweitong/test/housetest"
)

// shard is a series of houses, one after the other at the same addresses, each
// begun from a copy of stored data.
type shard struct {
	engine    store.Engine
	config    config.Config // with fixed ports: a house comes back where it was
	base      string        // where callbacks go
	callbacks atomic.Pointer[platform.Receiver]
	heard     atomic.Int64 // callbacks taken
	at        time.Time    // by the clock, which stands still
	saved     []saved      // by stage: what was there before it
}

// saved is a stopped house's data and the person's memory.
type saved struct {
	config config.Config
	memory memory
}

// ports finds ports that no outgoing connection takes: below the range from
// which systems number those.
func ports(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close()
		if out = append(out, address); len(out) == n {
			return out
		}
	}
	t.Fatal("no free ports")
	return nil
}

// newShard makes the first data: a platform is registered, and a person who is
// logged in and verified has bought nothing yet.
func newShard(t *testing.T, e store.Engine) *shard {
	t.Helper()
	s := &shard{engine: e, config: housetest.Config(t, e), at: time.Now()}
	p := ports(t, 5)
	s.config.App, s.config.Platform, s.config.PKI, s.config.Panel, s.config.Ops = p[0], p[1], p[2], p[3], p[4]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.callbacks.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.base = server.URL

	h := s.open(t, s.config, clock.NewManual(s.at))
	ctx, data := t.Context(), s.config.Data
	if _, _, err := h.world.Platform(ctx, filepath.Join(data, "platform"), platform.Registration{
		Code: "M9900000001", Name: "故障演练平台（沙箱）", Region: "北京", Host: "fault.example.cn", CallbackBase: server.URL,
	}); err != nil {
		t.Fatal(err)
	}
	someone, err := h.world.NewPerson(phone.File(filepath.Join(data, "phone.json")))
	if err == nil {
		someone.Phone = h.phone(t)
		err = h.world.Register(ctx, someone)
	}
	if err == nil {
		err = h.world.Verify(ctx, someone)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Seal(ctx), h.Stop()); err != nil {
		t.Fatal(err)
	}
	s.saved = []saved{{s.config, memory{person: *someone, secret: []byte("the secret of a browser session.")}}}
	return s
}

// begin opens a house on a copy of the data before a stage, and puts the person
// before it.
func (s *shard) begin(t *testing.T, stage int) *walk {
	t.Helper()
	from := s.saved[stage]
	w := &walk{house: s.open(t, s.copied(t, from.config), clock.NewManual(s.at)), memory: from.memory.clone()}
	w.person.Phone = w.house.phone(t)
	return w
}

func (s *shard) copied(t *testing.T, c config.Config) config.Config {
	t.Helper()
	from := c.Data
	c.Data = t.TempDir()
	if err := copyFolder(c.Data, from); err != nil {
		t.Fatal(err)
	}
	if s.engine == store.Postgres {
		c.DB, c.KMC = storetest.PostgresCopy(t, c.DB), storetest.PostgresCopy(t, c.KMC)
		return c
	}
	c.DB, c.KMC = "", ""
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// copyFolder keeps the files' modes: keys that others may read are refused.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}

// house is one life of a house, with the world around it. Its clock stands still
// and its background work waits for the wire.
type house struct {
	*housetest.House
	breaker *breaker
	clock   *clock.Manual
	config  config.Config
	http    *http.Client
	world   *journey.World
	client  *platform.Client // of the registered platform, once there is one
}

func (s *shard) open(t *testing.T, c config.Config, at *clock.Manual) *house {
	t.Helper()
	h := &house{breaker: new(breaker), clock: at, config: c}
	h.House = housetest.Start(t, c, app.Options{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: at, Still: true, Interrupt: h.breaker.interrupt,
	})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	h.http = &http.Client{Timeout: 30 * time.Second, Transport: &wire{h.breaker, transport, h.Drain}}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	if h.world, err = journey.Discover(t.Context(), h.URLs().App, pki.Arc{}); err != nil {
		t.Fatal(err)
	}
	h.world.HTTP = h.http
	cred, err := platform.LoadCredentials(filepath.Join(c.Data, "platform"))
	if errors.Is(err, fs.ErrNotExist) {
		return h // not registered yet
	}
	if err != nil {
		t.Fatal(err)
	}
	h.client, err = platform.New(platform.Config{
		BaseURL: h.URLs().Platform, Code: cred.Certificate.Subject.CommonName, SigningKey: cred.Keys.Signing,
		Certificate: cred.Certificate, Roots: cred.Roots, Issuers: cred.Issuers, Sandbox: true, HTTP: h.http, Clock: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.callbacks.Store(h.client.Receiver(s.base+notify, func(context.Context, platform.Callback) error {
		s.heard.Add(1)
		return nil
	}))
	return h
}

// phone opens the phone's app on its stored state.
func (h *house) phone(t *testing.T) *phone.Phone {
	t.Helper()
	p, err := phone.New(phone.Options{
		Server: h.world.Server, HTTP: h.http, Store: phone.File(filepath.Join(h.config.Data, "phone.json")), Now: h.clock.Now, Sandbox: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
