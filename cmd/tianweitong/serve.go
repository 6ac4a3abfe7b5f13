package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/lan"
)

type serveCmd struct {
	common
	LAN          bool   `name:"lan" help:"Serve the app by https on the local network, so that a real phone can use it (sandbox only)."`
	DemoPlatform bool   `help:"Also run the example trading platform, registered with the sandbox."`
	DemoListen   string `help:"Address of the example trading platform; 127.0.0.1:8090, or port 8090 on the local network." placeholder:"ADDRESS"`
}

// config is the configuration with what --lan says.
func (c serveCmd) config() (config.Config, error) {
	cfg, err := c.read()
	if err != nil {
		return cfg, err
	}
	if c.LAN && cfg.LAN == "" {
		a, err := lan.Address()
		if err != nil {
			return cfg, err
		}
		cfg.LAN = a.String()
	}
	if cfg, err = cfg.Complete(); err == nil && c.DemoPlatform && cfg.Mode != config.Sandbox {
		err = errors.New("--demo-platform is for the sandbox: in production there are real ones")
	}
	return cfg, err
}

// Run serves until it is told to stop, then lets requests and jobs at hand finish.
func (c serveCmd) Run(ctx context.Context) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	log, err := logger(os.Stderr, cfg.LogLevel)
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, app.Options{Log: log, Version: version})
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := make(chan error, 1)
	go func() {
		err := a.Run(ctx)
		stop(err)
		served <- err
	}()
	b := banner{cfg: cfg, urls: a.URLs(), root: a.Root()}
	var demo *demoPlatform
	if c.DemoPlatform {
		if demo, err = openDemoPlatform(ctx, a, cfg, c.demoListen(cfg), log); err != nil {
			stop(err)
			return errors.Join(fmt.Errorf("the example trading platform: %w", err), calm(<-served))
		}
		b.demo = demo.url
	}
	fmt.Print(b)
	if demo != nil {
		err = demo.serve(ctx)
		stop(err)
	}
	return errors.Join(calm(err), calm(<-served))
}

func (c serveCmd) demoListen(cfg config.Config) string {
	switch {
	case c.DemoListen != "":
		return c.DemoListen
	case cfg.LAN != "":
		return net.JoinHostPort(cfg.LAN, "8090")
	}
	return "127.0.0.1:8090"
}

// calm holds that being told to stop is how serving ends.
func calm(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
