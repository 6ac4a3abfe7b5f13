package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"tianweitong/examples/tradingplatform/site"
	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/platform"
)

// demoPlatform is the example trading platform beside the sandbox, in the same
// process for convenience and in nothing else: it speaks to the house over HTTP
// as any platform does.
type demoPlatform struct {
	url       string
	listeners []net.Listener
	server    *http.Server
}

// openDemoPlatform registers the example with a house that serves, and takes
// its address. On the local network it has a second listener, on this machine,
// for the house's callbacks: those never go to an address of a local network.
func openDemoPlatform(ctx context.Context, a *app.App, cfg config.Config, address string, log *slog.Logger) (*demoPlatform, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: stop what uses the address, or name another with --demo-listen", err)
	}
	d := &demoPlatform{url: "http://" + l.Addr().String(), listeners: []net.Listener{l}}
	public := d.url
	account := site.Account{
		Registration: platform.Registration{Code: "D1100009001", Name: "样例招采平台", Region: "北京", Host: "bid.example"},
		Service:      a.URLs().Platform, Sandbox: a.URLs().Sandbox, Data: filepath.Join(cfg.Data, "tradingplatform"),
		Clock: a.Clock, // the sandbox's can be moved, and the platform goes with it
	}
	if root := a.Root(); root != nil {
		// The same port: what is registered holds whether --lan is given or not.
		own, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		d.url, public = "https://"+l.Addr().String(), "http://"+own.Addr().String()
		d.listeners = []net.Listener{tls.NewListener(l, root.Config(netip.MustParseAddr(cfg.LAN))), own}
		account.HTTP = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12}}}
	}
	account.CallbackBase = public
	client, err := site.Connect(ctx, account)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	log = log.With("door", "tradingplatform")
	handler, err := site.New(site.Config{Client: client, Name: account.Name, Public: public, Install: a.URLs().App + "/get", Secure: a.Root() != nil, Clock: a.Clock, Log: log})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	return d, nil
}

func (d *demoPlatform) close() error {
	var err error
	for _, l := range d.listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// serve serves until ctx ends or a listener fails.
func (d *demoPlatform) serve(ctx context.Context) error {
	d.server.BaseContext = func(net.Listener) context.Context { return ctx }
	failed := make(chan error, len(d.listeners))
	for _, l := range d.listeners {
		go func() { failed <- d.server.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, d.server.Shutdown(end))
}
