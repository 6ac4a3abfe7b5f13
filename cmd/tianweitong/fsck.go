package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"tianweitong/internal/app"
)

type fsckCmd struct {
	common
}

// Run rereads everything and exits with 1 if anything is wrong.
func (c fsckCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(cfg.DB, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is nothing to check at %s: see --data and --db", path)
		}
	}
	report, err := app.Fsck(ctx, cfg, app.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: version})
	if err != nil {
		return err
	}
	for _, line := range report.Read {
		fmt.Println(line)
	}
	for _, finding := range report.Findings {
		fmt.Println("FINDING", finding)
	}
	if n := len(report.Findings); n > 0 {
		return fmt.Errorf("%d findings", n)
	}
	fmt.Println("no findings")
	return nil
}
