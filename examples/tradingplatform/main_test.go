package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

// sandbox is a service that registers a platform and then knows its keys.
func sandbox(t *testing.T) (address string, registered *atomic.Int32, forget func()) {
	t.Helper()
	h := pkitest.New(t)
	registered = new(atomic.Int32)
	var known atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sandbox/platforms", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Code, Name, Host string
			SignKey, EncKey  []byte
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		issue := func(role pki.Role, point []byte) []byte {
			pub, err := pki.ParsePoint(point)
			if err != nil {
				t.Error(err)
			}
			return h.CA.Issue(t, pki.Template{Role: role, PublicKey: pub, Host: q.Host, Subject: pki.Name{Organization: q.Name, CommonName: q.Code}}).Raw
		}
		registered.Add(1)
		known.Store(true)
		json.NewEncoder(w).Encode(map[string][]byte{"signCertificate": issue(pki.PlatformSigning, q.SignKey),
			"encCertificate": issue(pki.PlatformEncryption, q.EncKey), "root": h.Root.Cert.Raw})
	})
	mux.HandleFunc("GET /open/v1/platform", func(w http.ResponseWriter, r *http.Request) {
		if !known.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"code": r.Header.Get("Twt-Platform")})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, registered, func() { known.Store(false) }
}

func start(t *testing.T, args ...string) error {
	t.Helper()
	o, err := parse(append([]string{"-listen", "127.0.0.1:0"}, args...), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	return run(ctx, o, slog.New(slog.DiscardHandler), func(at net.Addr) {
		go func() {
			defer stop()
			res, err := http.Get("http://" + at.String() + "/")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "样例招采平台") {
				t.Errorf("the page shows %s", body)
			}
		}()
	})
}

func TestSiteRegistersOnceAndAgainWhenForgotten(t *testing.T) {
	address, registered, forget := sandbox(t)
	args := []string{"-service", address, "-sandbox", address, "-data", filepath.Join(t.TempDir(), "data")}
	for _, again := range []struct {
		before func()
		want   int32
	}{{func() {}, 1}, {func() {}, 1}, {forget, 2}} {
		again.before()
		if err := start(t, args...); err != nil {
			t.Fatal(err)
		}
		if got := registered.Load(); got != again.want {
			t.Errorf("registered %d times, want %d", got, again.want)
		}
	}
}

func TestProductionIsNeverRegisteredFor(t *testing.T) {
	address, registered, _ := sandbox(t)
	if err := start(t, "-service", address, "-sandbox", "none", "-data", t.TempDir()); err == nil || registered.Load() != 0 {
		t.Errorf("registered %d times, error %v", registered.Load(), err)
	}
}

func TestOptionsComeFromFlagsThenEnvironment(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"TRADING_CODE": "D1100009009", "TRADING_PUBLIC": "https://bid.example"}[name]
	}
	o, err := parse([]string{"-code", "D1100009010"}, env)
	if err != nil || o.Code != "D1100009010" || o.CallbackBase != "https://bid.example" {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := parse([]string{"more"}, env); err == nil {
		t.Error("an argument too many was taken")
	}
}
