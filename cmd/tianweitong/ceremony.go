package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"tianweitong/internal/app"
)

type ceremonyCmd struct {
	common
}

// Run makes what is missing and prints the root's fingerprint. It can be
// repeated; nothing that exists is made again.
func (c ceremonyCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	lines, err := app.Ceremony(ctx, cfg, app.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: version})
	for _, l := range lines {
		fmt.Println(l)
	}
	return err
}
