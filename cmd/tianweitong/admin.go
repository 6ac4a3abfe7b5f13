package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/fault"
	"tianweitong/internal/office"
)

type adminCmd struct {
	Create adminCreateCmd `cmd:"" help:"Make an officer of the console; prints his one-time password. Without --role a super administrator."`
	Reset  adminResetCmd  `cmd:"" help:"Give an officer a new one-time password and take his second factors away."`
}

type adminCreateCmd struct {
	common
	Name        string   `help:"What he signs in with." required:""`
	DisplayName string   `help:"What others read; his name if missing." placeholder:"TEXT"`
	Phone       string   `help:"His phone, which a verifier needs." placeholder:"NUMBER"`
	Role        []string `help:"super, and in the sandbox verifier, operator, auditor." default:"super"`
}

// Run makes the officer beside a house that may be serving.
func (c adminCreateCmd) Run(ctx context.Context) error {
	n := office.Newcomer{Name: c.Name, DisplayName: c.DisplayName, Phone: c.Phone}
	if n.DisplayName == "" {
		n.DisplayName = c.Name
	}
	for _, r := range c.Role {
		n.Roles = append(n.Roles, office.Role(r))
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if cfg.Mode == config.Production && !slices.Equal(c.Role, []string{string(office.Super)}) {
		return errors.New("in production only super administrators are made here: they propose the others in the console")
	}
	return deal(ctx, cfg, c.Name, func(o *office.Service) (string, error) { return o.Create(ctx, n) })
}

type adminResetCmd struct {
	common
	Name string `help:"What he signs in with." required:""`
}

// Run resets the officer beside a house that may be serving.
func (c adminResetCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return deal(ctx, cfg, c.Name, func(o *office.Service) (string, error) { return o.Reset(ctx, c.Name) })
}

// deal prints the one-time password that f gives.
func deal(ctx context.Context, cfg config.Config, name string, f func(*office.Service) (string, error)) error {
	if path, ok := strings.CutPrefix(cfg.DB, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil { // a new one beside the house would take the officer in silence
			return fmt.Errorf("there is no house at %s: start it once, or see --data and --db", path)
		}
	}
	room, done, err := app.Officers(ctx, cfg, app.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: version})
	if err != nil {
		return err
	}
	defer done()
	password, err := f(room)
	if err != nil {
		if code, _ := fault.Of(err); code.Name != fault.Unexpected.Name {
			return errors.New(code.Text)
		}
		return err
	}
	fmt.Printf("登录名 name:                 %s\n一次性密码 one-time password: %s\n72 小时内首次登录，随后设置自己的密码与第二步验证。\nSign in within 72 hours; then choose a password and set up a second factor.\n", name, password)
	return nil
}
