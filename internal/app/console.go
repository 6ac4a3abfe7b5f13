package app

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"

	"tianweitong/internal/audit"
	"tianweitong/internal/config"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/office"
	"tianweitong/internal/store/people"
	"tianweitong/web"
)

// wireConsole builds the officers' room and its API (docs/console.md).
func (a *App) wireConsole(ctx context.Context) error {
	h := a.house
	a.urls.Console = named(a.urls.Console)
	var err error
	if h.officers, err = a.newOfficers(a.urls.Console); err != nil {
		return err
	}
	h.officers.Register(a.jobs)
	h.desk = console.New(console.Deps{
		Base: console.Base{
			Clock: a.Clock, Rand: a.Rand, Log: a.Log, Secure: strings.HasPrefix(a.urls.Console, "https://"), TrustProxy: a.cfg.TrustProxy,
			Version: a.Version, Observe: a.metrics.request("console"),
		},
		Runner: a.store, Officers: h.officers, Audit: a.store.Audit(), Desk: a.desk(),
	})
	a.handle("console", a.consoleDoor(h.desk.Handler()))
	return h.officers.Start(ctx)
}

func (a *App) newOfficers(address string) (*office.Service, error) {
	return office.New(office.Deps{
		Runner: a.store, Store: people.Officers(a.store), Clock: a.Clock, Rand: a.Rand, Box: a.store.Box, Log: a.Log,
		URL: address, Issuer: "天威通后台", Chain: a.rereadChain,
	})
}

// rereadChain verifies the audit chain with its checkpoints.
func (a *App) rereadChain(ctx context.Context) (int64, []audit.Finding, error) {
	return audit.Verify(ctx, a.store, a.store.Audit(), a.Clock.Now(), func(statement, signature []byte) error {
		return a.house.verifyCheckpoint(ctx, statement, signature)
	}, nil)
}

// named gives this machine its name: browsers make passkeys for names alone.
func named(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	return u.String()
}

// consoleDoor is the console's origin: its API, and the pages for everything else.
func (a *App) consoleDoor(api http.Handler) http.Handler {
	pages := web.Console(a.cfg.Mode == config.Production && strings.HasPrefix(a.urls.Console, "https://"))
	mux := http.NewServeMux()
	for _, prefix := range []string{"/console/", "/openapi.json", "/openapi.yaml"} {
		mux.Handle(prefix, api)
	}
	mux.Handle("/", pages)
	return pages.Secure(a.ownPages(a.urls.Console, mux))
}

// NewOfficer makes an officer without a second pair of eyes and gives his
// one-time password (tianweitong admin create, and tests).
func (a *App) NewOfficer(ctx context.Context, n office.Newcomer) (string, error) {
	return a.house.officers.Create(ctx, n)
}

// Officers opens the officers' room alone, beside a house that serves; close ends
// it (tianweitong admin).
func Officers(ctx context.Context, c config.Config, o Options) (room *office.Service, close func() error, err error) {
	o.shut = true
	a := newApp(c, o)
	if err := a.openStores(ctx); err != nil {
		a.Close()
		return nil, nil, err
	}
	if room, err = a.newOfficers(""); err != nil {
		a.Close()
		return nil, nil, err
	}
	return room, a.Close, nil
}
