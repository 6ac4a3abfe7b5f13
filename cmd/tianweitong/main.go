// Command tianweitong is the whole product in one binary: the server, the
// ceremony of its CAs, the checker of everything it wrote, and a demo that walks
// the chain as a stranger would check it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"tianweitong/internal/config"
)

// version is set by the release build.
var version = "dev"

type cli struct {
	Serve    serveCmd    `cmd:"" help:"Start the server; without configuration the embedded sandbox (沙箱)."`
	Demo     demoCmd     `cmd:"" help:"Walk the chain: register, verify, buy, install, log in, sign, lose the phone, re-key, sign again."`
	Ceremony ceremonyCmd `cmd:"" help:"Make the keys and certificates of the house that are missing."`
	Fsck     fsckCmd     `cmd:"" help:"Reread everything: certificates, lists, money, the audit chain."`
	Seed     seedCmd     `cmd:"" help:"Fill a sandbox with made-up people and enterprises, for measuring."`
	Admin    adminCmd    `cmd:"" help:"Make the first super administrators of the console, or let one in again."`
	Openapi  openapiCmd  `cmd:"" help:"Write the OpenAPI documents of the app, console and platform APIs."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// common are the flags of every command that opens the house's stores.
type common struct {
	Config string `help:"JSON configuration file." type:"existingfile"`
	Data   string `help:"Folder of embedded mode." placeholder:"DIR"`
	DB     string `help:"Main database: sqlite:PATH or postgres://…" placeholder:"DSN"`
	KMC    string `help:"The key-management centre's own database." placeholder:"DSN"`
	Log    string `help:"debug, info, warn or error." placeholder:"LEVEL"`
}

func (c common) load() (config.Config, error) {
	out, err := c.read()
	if err != nil {
		return out, err
	}
	return out.Complete()
}

// read is the configuration as it was given, before Complete.
func (c common) read() (config.Config, error) {
	out, err := config.Load(c.Config, environment())
	if err != nil {
		return out, err
	}
	for value, field := range map[*string]*string{&c.Data: &out.Data, &c.DB: &out.DB, &c.KMC: &out.KMC, &c.Log: &out.LogLevel} {
		if *value != "" {
			*field = *value
		}
	}
	return out, nil
}

func environment() map[string]string {
	out := map[string]string{}
	for _, e := range os.Environ() {
		if k, v, ok := strings.Cut(e, "="); ok && strings.HasPrefix(k, "TWT_") {
			out[k] = v
		}
	}
	return out
}

func logger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: it must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("tianweitong", version)
	return nil
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("tianweitong"), kong.Description("天威通：手机数字证书。Mobile certificates for e-tendering."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tianweitong: %v; see tianweitong --help\n", err)
		return 2
	}
	if err := k.Run(); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			err = errors.New("interrupted before it was done")
		}
		fmt.Fprintln(os.Stderr, "tianweitong:", err)
		return 1
	}
	return 0
}
