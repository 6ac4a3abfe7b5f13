package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"tianweitong/internal/ca"
	"tianweitong/internal/catalog"
	"tianweitong/internal/config"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/money"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/web"
)

// handle gives a reserved door its handler; a door that is off has none.
func (a *App) handle(name string, h http.Handler) {
	for _, d := range a.doors {
		if d.name == name {
			d.server = &http.Server{
				Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 32 << 10,
				ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug), // a phone that does not trust the root yet is no event
			}
		}
	}
}

// panel builds the sandbox's listener (沙箱): SMS inbox, identity checks, payment
// counter, clock, registration of platforms. It exists in no other mode.
func (a *App) panel(ctx context.Context) (http.Handler, error) {
	if a.cfg.Mode != config.Sandbox {
		return httpapi.NotFound(a.Log), nil
	}
	key, err := keyFile(a.cfg, a.Rand, "provider")
	if err != nil {
		return nil, err
	}
	o := sandbox.Options{Clock: a.Clock, Key: hex.EncodeToString(key), Journal: a.house.journal}
	if a.movable != nil {
		o.Advance = func(d time.Duration) {
			if err := a.advance(d); err != nil {
				a.Log.Error("keeping the sandbox's clock", "error", err)
			}
		}
	}
	s := sandbox.New(o)
	a.house.counter.Mount(s.Handle)
	s.Handle("POST /sandbox/platforms", http.HandlerFunc(a.registerPlatform))
	s.Handle("GET /sandbox/platforms", http.HandlerFunc(a.listPlatforms))
	s.Handle("POST /sandbox/officers", http.HandlerFunc(a.dealOfficer))
	s.Handle("GET /sandbox/captcha/{id}", http.HandlerFunc(a.showCaptcha))
	s.Handle("GET /sandbox/house", http.HandlerFunc(a.showHouse))
	s.Handle("/", web.Panel())
	return a.fenced(s), a.seed(ctx)
}

// showCaptcha solves a captcha (滑块验证) for journeys, which slide by program.
func (a *App) showCaptcha(w http.ResponseWriter, r *http.Request) {
	x, ok := a.house.puzzles.Solution(r.PathValue("id"))
	if !ok {
		httpapi.WriteProblem(w, r, a.Log, httpapi.CodeNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int{"x": x})
}

// fenced keeps web pages that a developer happens to visit away from the
// panel: no cross-origin request changes anything, and a name that was rebound
// to this machine reads nothing.
func (a *App) fenced(h http.Handler) http.Handler {
	own := hostOf(a.urls.Sandbox)
	_, port, err := net.SplitHostPort(own)
	if err != nil {
		port = "80"
	}
	names := []string{own, net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	inner := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(names, r.Host) {
			httpapi.WriteProblem(w, r, a.Log, httpapi.CodeNotFound)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// seed fills the sandbox's directory on the first start: its institution and
// prices.
func (a *App) seed(ctx context.Context) error {
	c := a.house.catalog
	return a.store.Do(ctx, "sandbox.seed", func(ctx context.Context, tx work.Tx) error {
		for _, i := range institutions() {
			if _, err := c.Institution(ctx, tx, i.Code); err == nil {
				continue
			}
			if err := c.PutInstitution(ctx, tx, catalog.Institution{Code: i.Code, Name: i.Name, Active: true}); err != nil {
				return err
			}
			for years, fen := range map[int]money.Fen{1: 20000, 2: 36000, 3: 48000} {
				if err := c.SetPrice(ctx, tx, catalog.Price{
					Institution: i.Code, Kind: catalog.KindCertificate, Years: years, Fen: fen,
				}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// registration is what a platform in the sandbox sends; keys are 65-byte points.
type registration struct {
	Code         string `json:"code"`
	Name         string `json:"name"`
	Region       string `json:"region"`
	Host         string `json:"host"`
	CallbackBase string `json:"callbackBase"`
	SignKey      []byte `json:"signKey"`
	EncKey       []byte `json:"encKey"`
}

type registered struct {
	SignCertificate []byte   `json:"signCertificate"`
	EncCertificate  []byte   `json:"encCertificate"`
	Root            []byte   `json:"root"`
	Chain           [][]byte `json:"chain"`
}

var codeRegistration = fault.Code{Name: "registration_invalid", Kind: fault.Invalid, Text: "接入资料有误，请检查平台代码、域名与公钥。"}

// registerPlatform certifies a platform's keys and enters it in the directory;
// outside the sandbox that is the operator's work, with four eyes.
func (a *App) registerPlatform(w http.ResponseWriter, r *http.Request) {
	out, err := a.register(r)
	if err != nil {
		httpapi.WriteProblem(w, r, a.Log, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

func (a *App) register(r *http.Request) (registered, error) {
	var in registration
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	if err != nil {
		return registered{}, codeRegistration.Because(err)
	}
	sign, err := a.certifyPlatform(r.Context(), in, pki.PlatformSigning, in.SignKey)
	if err != nil {
		return registered{}, err
	}
	enc, err := a.certifyPlatform(r.Context(), in, pki.PlatformEncryption, in.EncKey)
	if err != nil {
		return registered{}, err
	}
	if err := a.store.Do(r.Context(), "sandbox.platform", func(ctx context.Context, tx work.Tx) error {
		return a.house.catalog.RegisterPlatform(ctx, tx, catalog.Platform{
			Code: in.Code, Name: in.Name, Region: in.Region, Host: in.Host, CallbackBase: in.CallbackBase,
			SignCertificate: sign, EncCertificate: enc, Active: true, Sandbox: true, AskCode: true,
		})
	}); err != nil {
		return registered{}, err
	}
	chain, err := a.house.ca.Chain(ca.Operator)
	if err != nil {
		return registered{}, err
	}
	return registered{SignCertificate: sign, EncCertificate: enc, Root: chain[len(chain)-1], Chain: chain}, nil
}

// certifyPlatform issues one certificate; the reference holds the key, so that a
// repeated registration with the same key gives the same certificate.
func (a *App) certifyPlatform(ctx context.Context, in registration, role pki.Role, key []byte) ([]byte, error) {
	if len(key) != 65 || len(in.Code) > 32 {
		return nil, codeRegistration
	}
	ref := "platform/" + in.Code + "/" + hex.EncodeToString(key[1:21])
	from := a.Clock.Now().Truncate(time.Second)
	if _, err := a.house.ca.Prepare(ctx, ca.Request{
		Ref: ref, Institution: ca.Operator, Role: role, PublicKey: key, Host: in.Host,
		Subject:   pki.Name{Country: "CN", Organization: in.Name, CommonName: in.Code},
		NotBefore: from, NotAfter: from.AddDate(3, 0, 0).Add(-time.Second),
	}); err != nil {
		if errors.Is(err, ca.ErrRefused) {
			return nil, codeRegistration.Because(err)
		}
		return nil, err
	}
	i, err := a.house.ca.Issue(ctx, ref)
	return i.DER, err
}
