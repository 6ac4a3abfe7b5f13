package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/pki"
)

type demoCmd struct {
	Server   string `help:"Address of a running sandbox's app API; without it a server is started in this process." placeholder:"URL"`
	Document string `help:"File to be signed; without it a made-up bid letter." type:"existingfile" placeholder:"FILE"`
	Out      string `help:"Folder for certificates, signature, timestamp, CRL, OCSP answer, letter of authorisation and journey.json." placeholder:"DIR"`
	DB       string `help:"Database of the in-process server: sqlite:PATH or postgres://…" placeholder:"DSN"`
	KeepLog  string `help:"File for the in-process server's log." placeholder:"FILE"`
	LogLevel string `help:"Level of the in-process server's log." default:"info" enum:"debug,info,warn,error"`
}

const bidLetter = `投标函（演示文本）

致：演示招标人
我方已仔细研究沙箱演示项目的招标文件，愿意按照招标文件的要求参加投标，并承诺在投标有效期内不修改、不撤销投标文件。

投标人：演示投标人
`

// Run walks the chain and exits with 0 only if every step held.
func (c demoCmd) Run(ctx context.Context) error {
	document, name := []byte(bidLetter), "投标函.txt"
	if c.Document != "" {
		b, err := os.ReadFile(c.Document)
		if err != nil {
			return err
		}
		document, name = b, filepath.Base(c.Document)
	}
	server, arc := c.Server, pki.Arc{}
	if server == "" {
		stop, address, err := c.start(ctx)
		if err != nil {
			return err
		}
		defer stop()
		server = address
	}
	w, err := journey.Discover(ctx, server, arc)
	if err != nil {
		return fmt.Errorf("no sandbox answers at %s (the app's address, http://127.0.0.1:8080 after `make run`): %w", server, err)
	}
	n, chapter := 0, ""
	err = w.Demo(ctx, journey.Options{
		Document: document, Name: name, Out: c.Out, Institution: app.SandboxInstitution,
		Progress: func(s journey.Step) {
			if n++; s.Chapter != chapter {
				chapter = s.Chapter
				fmt.Println(chapter)
			}
			mark := "✓"
			if s.Error != "" {
				mark = "✗"
			}
			fmt.Printf("%s %2d  %6d ms  %s", mark, n, s.Milliseconds, s.Name)
			if s.Note != "" {
				fmt.Printf("  — %s", s.Note)
			}
			fmt.Println()
		},
	})
	if err == nil {
		fmt.Println("每一步都成立。Every step held.")
		if c.Out != "" {
			fmt.Println("已写入", c.Out)
		}
	}
	return err
}

// start runs a whole sandbox in this process, in a folder of its own.
func (c demoCmd) start(ctx context.Context) (stop func(), address string, err error) {
	dir, err := os.MkdirTemp("", "twt-demo-server-")
	if err != nil {
		return nil, "", err
	}
	var log io.Writer = io.Discard
	if c.KeepLog != "" {
		f, err := os.OpenFile(c.KeepLog, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, "", err
		}
		log = f
	}
	l, err := logger(log, c.LogLevel)
	if err != nil {
		return nil, "", err
	}
	const free = "127.0.0.1:0"
	cfg, err := config.Config{Data: dir, DB: c.DB, App: free, Platform: free, PKI: free, Panel: free, Console: free, Ops: free}.Complete()
	if err != nil {
		return nil, "", err
	}
	a, err := app.New(ctx, cfg, app.Options{Log: l, Version: version})
	if err != nil {
		os.RemoveAll(dir)
		return nil, "", err
	}
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(run) }()
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "tianweitong:", err)
		}
		a.Close()
		os.RemoveAll(dir)
	}, a.URLs().App, nil
}
