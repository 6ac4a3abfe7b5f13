package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"tianweitong/internal/app"
)

type seedCmd struct {
	common
	Accounts    int `help:"How many accounts." default:"100000"`
	Enterprises int `help:"How many enterprises." default:"10000"`
}

// Run fills the database; a server that uses it must be stopped.
func (c seedCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o := app.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: version}
	err = app.Seed(ctx, cfg, o, app.SeedSize{Accounts: c.Accounts, Enterprises: c.Enterprises}, func(what string, done, of int) {
		fmt.Fprintf(os.Stderr, "\r%-12s %7d / %d", what, done, of)
		if done == of {
			fmt.Fprintln(os.Stderr)
		}
	})
	if err != nil {
		return err
	}
	fmt.Printf("已生成样例数据：手机号 %s 至 %s，均为虚构。\n", app.SeedPhone(0), app.SeedPhone(c.Accounts-1))
	return nil
}
