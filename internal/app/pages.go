package app

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tianweitong/internal/config"
	"tianweitong/internal/fault"
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
	return pages.Secure(a.ownPages(a.urls.App, mux))
}

// ownPages refuses what a page of another origin has a visitor's browser send,
// a page on another port of this host included. Codes and password entries are
// counted by the network that they come from: any page that the owner happens to
// open could use up what only his own network has.
func (a *App) ownPages(origin string, next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	// A server in front may pass on another Host than the browser's.
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		if err := p.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			a.Log.Warn("an address is no origin", "error", err)
		}
	}
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpapi.WriteProblem(w, r, a.Log, codeOtherPage)
	}))
	return p.Handler(next)
}

var codeOtherPage = fault.Code{Name: "cross_origin", Kind: fault.Forbidden, Text: "请求来自其他网站的页面，已拒绝；请直接打开天威通后重试。"}

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
