package app

import (
	"crypto/tls"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/config"
	"tianweitong/internal/httpapi"
	"tianweitong/web"
)

// appDoor is the app's origin: the API and the notices of payment where they
// were, and the pages for everything else.
func (a *App) appDoor(api http.Handler) http.Handler {
	// A sandbox's address is one of this machine or network: a browser that was
	// told to come by https for a year would miss whatever serves there next.
	pages := web.Phone(a.cfg.Mode == config.Production && strings.HasPrefix(a.urls.App, "https://"))
	mux := http.NewServeMux()
	for _, prefix := range []string{"/app/", "/notify/", "/openapi.json", "/openapi.yaml"} {
		mux.Handle(prefix, api)
	}
	mux.HandleFunc("GET /get/qr.svg", a.installQR)
	mux.Handle("/", pages)
	return pages.Secure(mux)
}

// cashierDoor is the one part of the sandbox's panel that a phone on the local
// network may reach. The inbox shows codes and the clock is everybody's, so the
// panel itself stays on this machine.
func (a *App) cashierDoor() http.Handler {
	mux := http.NewServeMux()
	a.house.counter.MountPage(mux.Handle)
	mux.Handle("/", httpapi.NotFound(a.Log))
	return http.NewCrossOriginProtection().Handler(mux)
}

// client calls the house's own addresses: nil, the usual one, unless they are
// https under this machine's root.
func (a *App) client() *http.Client {
	if a.root == nil {
		return nil
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.root.Pool(), MinVersion: tls.VersionTLS12}}}
}
