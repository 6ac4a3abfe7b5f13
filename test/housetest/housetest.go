// Package housetest starts whole houses for tests: the same wiring as the
// binary's, real listeners, on either engine.
package housetest

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
)

const free = "127.0.0.1:0"

// Config is a sandbox with fresh databases of an engine and free ports.
func Config(t testing.TB, e store.Engine) config.Config {
	t.Helper()
	c := config.Config{Data: t.TempDir(), App: free, Platform: free, PKI: free, Panel: free, Console: free, Ops: free}
	if e == store.Postgres {
		c.DB, c.KMC = storetest.Postgres(t), storetest.Postgres(t)
	}
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each runs a test on both engines.
func Each(t *testing.T, f func(t *testing.T, c config.Config)) {
	t.Helper()
	for _, e := range []store.Engine{store.SQLite, store.Postgres} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			f(t, Config(t, e))
		})
	}
}

// House is a house that serves.
type House struct {
	*app.App
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error
}

// Start builds a house and serves until Stop or the end of the test. Without a
// log of its own it writes warnings to the test's.
func Start(t testing.TB, c config.Config, o app.Options) *House {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if o.Version == "" {
		o.Version = "test"
	}
	a, err := app.New(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	h := &House{App: a, cancel: cancel, done: make(chan error, 1)}
	go func() { h.done <- a.Run(ctx) }()
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// Stop lets the house finish what is at hand and closes it. It may be called
// again.
func (h *House) Stop() error {
	h.once.Do(func() {
		h.cancel()
		h.err = errors.Join(<-h.done, h.Close())
	})
	return h.err
}

// Path is a file in the test's own folder.
func Path(t testing.TB, name string) string { return filepath.Join(t.TempDir(), name) }
