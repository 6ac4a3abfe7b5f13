package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tianweitong/internal/app"
)

type serveCmd struct {
	common
}

// Run serves until it is told to stop, then lets requests and jobs at hand finish.
func (c serveCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
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
	fmt.Print(a.Banner())
	if err := a.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // being told to stop is how serving ends
}
