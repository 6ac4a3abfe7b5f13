// Command tradingplatform runs the example site against a service: by default a
// sandbox on this machine, where it registers itself the first time.
//
//	go run ./examples/tradingplatform            # then open http://127.0.0.1:8090
//	go run ./examples/tradingplatform -help
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"tianweitong/examples/tradingplatform/site"
)

// options are flags; each default can be set by the environment.
type options struct {
	listen, public, install string
	site.Account
}

func parse(args []string, env func(string) string) (options, error) {
	var o options
	f := flag.NewFlagSet("tradingplatform", flag.ContinueOnError)
	text := func(p *string, name, variable, value, usage string) {
		f.StringVar(p, name, cmp.Or(env(variable), value), usage+" ($"+variable+")")
	}
	text(&o.listen, "listen", "TRADING_LISTEN", "127.0.0.1:8090", "address to listen on")
	text(&o.Service, "service", "TRADING_SERVICE", "http://127.0.0.1:8081", "origin of the service's platform API")
	text(&o.Audience, "audience", "TRADING_AUDIENCE", "", "host that requests are signed for; the service's own if empty")
	text(&o.Sandbox, "sandbox", "TRADING_SANDBOX", "http://127.0.0.1:8083", "address of the sandbox's door; \"none\" for a service that is none")
	text(&o.Data, "data", "TRADING_DATA", "data/tradingplatform", "folder of keys and certificates")
	text(&o.public, "public", "TRADING_PUBLIC", "", "address that the service calls back to; empty: no callbacks")
	text(&o.install, "install", "TRADING_INSTALL", "http://127.0.0.1:8080/get", "page that installs the phone's app; \"none\" shows no link")
	text(&o.Code, "code", "TRADING_CODE", "D1100009001", "platform code")
	text(&o.Name, "name", "TRADING_NAME", "样例招采平台", "name of the platform")
	text(&o.Region, "region", "TRADING_REGION", "北京", "province or municipality of the platform")
	text(&o.Host, "host", "TRADING_HOST", "bid.example", "registered host")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.Sandbox == "none" {
		o.Sandbox = ""
	}
	if o.install == "none" {
		o.install = ""
	}
	o.CallbackBase = o.public
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)), nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tradingplatform:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. ready, if set, is told the address.
func run(ctx context.Context, o options, log *slog.Logger, ready func(net.Addr)) error {
	client, err := site.Connect(ctx, o.Account)
	if err != nil {
		return err
	}
	handler, err := site.New(site.Config{Client: client, Name: o.Name, Public: o.public, Install: o.install,
		Secure: strings.HasPrefix(o.public, "https://"), Log: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	// Streams outlast any limit for writing; the handler ends them with ctx.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx }}
	log.Info("listening", "address", "http://"+l.Addr().String())
	if ready != nil {
		ready(l.Addr())
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(end)
}
