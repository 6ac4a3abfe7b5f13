// Package app wires the house as a value: New builds it, Run serves it, Close
// ends it. Tests, the demo and the binary build the same one.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/job"
	"tianweitong/internal/lan"
	"tianweitong/internal/push"
	"tianweitong/internal/store"
	"tianweitong/internal/work"
)

// SandboxInstitution is the CA institution of the embedded sandbox.
const SandboxInstitution = "990001"

// Options are what a configuration does not say.
type Options struct {
	Log     *slog.Logger
	Version string
	// Rand is nil for the machine's.
	Rand io.Reader
	// Clock is nil for the machine's, in the sandbox one that can be moved.
	Clock clock.Clock
	// Still leaves the background work to Drain and Seal, and Interrupt is called
	// around every transaction (store.Options). For tests of recovery, which must
	// know what comes after what.
	Still     bool
	Interrupt func(name string, committed bool) error
	shut      bool // the doors are named and not opened
}

// URLs are the addresses of the doors as the outside reaches them; "" for a
// door that is off.
type URLs struct{ App, Platform, PKI, Sandbox, Console, Cashier, Trust, Ops string }

// App is a whole house.
type App struct {
	Options
	cfg     config.Config
	urls    URLs
	movable *clock.Movable
	store   *store.Store
	kmc     *store.KMC
	release func()
	lost    <-chan struct{}
	jobs    *job.Runner
	sealer  *audit.Sealer
	metrics *metrics
	// wakes are the phones' event streams; the platforms' have a hub of their own.
	wakes   *push.Hub
	house   *house
	root    *lan.Root // of the local network; nil unless the house serves there
	doors   []*door
	closing sync.Once
}

// New builds the house: opens the stores, claims them for this process, runs
// custody's self-test, holds the ceremony (in the sandbox) or loads its result,
// and takes the listeners' addresses. Nothing is served before Run.
func New(ctx context.Context, c config.Config, o Options) (*App, error) {
	a := newApp(c, o)
	if err := a.build(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func newApp(c config.Config, o Options) *App {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &App{Options: o, cfg: c, wakes: push.NewHub(16384)}
}

func (a *App) build(ctx context.Context) error {
	if a.cfg.Mode == config.Production {
		// The providers that ship now are the sandbox's; a production house must
		// not start on fakes, nor leave a trace of the attempt.
		return missingProviders()
	}
	if err := a.openStores(ctx); err != nil {
		return err
	}
	release, lost, err := a.store.Claim(ctx, filepath.Join(a.cfg.Data, "serve.lock"))
	if err != nil {
		return err
	}
	a.release, a.lost = release, lost
	if err := a.store.ReleaseJobs(ctx); err != nil {
		return err
	}
	return a.wire(ctx)
}

// missingProviders is a sentence for each provider that production lacks.
func missingProviders() error {
	var missing []error
	for _, p := range []struct{ name, without string }{
		{"SMS (短信)", "nobody could sign in or confirm anything"},
		{"identity checks (实名核验)", "nobody could be verified"},
		{"payment (支付)", "nobody could buy a certificate"},
	} {
		missing = append(missing, fmt.Errorf("production has no provider for %s: %s; the sandbox's is a fake and is not used", p.name, p.without))
	}
	return errors.Join(missing...)
}

// openStores opens both databases under their own sealing keys.
func (a *App) openStores(ctx context.Context) error {
	if a.Clock == nil {
		a.Clock = clock.System{}
		if a.cfg.Mode == config.Sandbox {
			a.movable = new(clock.Movable)
			a.movable.Advance(a.storedAdvance())
			a.Clock = a.movable
		}
	}
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return err
	}
	box, err := a.box("box")
	if err != nil {
		return err
	}
	a.metrics = newMetrics(func(ctx context.Context) ([]job.Count, error) { return a.store.CountJobs(ctx) })
	a.store, err = store.Open(ctx, a.cfg.DB, store.Options{
		Clock: a.Clock, Rand: a.Rand, Box: box, Observe: a.metrics.write, Interrupt: a.Interrupt,
		Wake: func(account string, what work.What) { a.wakes.Publish(push.AccountTopic(account, string(what))) },
	})
	if err != nil {
		return err
	}
	a.kmc, err = store.OpenKMC(ctx, a.cfg.KMC, store.Options{Clock: a.Clock, Rand: a.Rand, Interrupt: a.Interrupt})
	return err
}

// Run serves until ctx ends, a listener fails or the claim on the database is
// lost; then it lets requests and jobs at hand finish.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var background sync.WaitGroup
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	if !a.Still {
		background.Go(func() { a.jobs.Run(work) })
	}
	background.Go(func() {
		select {
		case <-a.lost:
			stop(errors.New("the claim on the database is lost: another process may serve"))
		case <-ctx.Done():
		}
		// Event streams would hold the doors open.
		a.house.platforms.Close()
		a.house.phones.Close()
		if a.house.journal != nil {
			a.house.journal.Close()
		}
	})
	sealing, seal := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	if a.Still {
		done <- nil
	} else {
		go func() { done <- a.sealer.Run(sealing) }()
	}

	err := a.serve(ctx) // the doors close first,
	end()               // then the background work,
	background.Wait()
	seal() // and what they wrote is chained last
	err = errors.Join(err, <-done)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// Drain does the background work that is due and Seal chains the audit entries,
// once: what Run does all the time, unless the house is Still.
func (a *App) Drain(ctx context.Context) error { return a.jobs.Drain(ctx) }

// Seal is described at Drain.
func (a *App) Seal(ctx context.Context) error { return a.sealer.Seal(ctx) }

// Close releases listeners, claim and databases. It may be called twice.
func (a *App) Close() error {
	var err error
	a.closing.Do(func() {
		for _, d := range a.doors {
			d.listener.Close()
		}
		if a.house != nil {
			a.house.close()
		}
		if a.release != nil {
			a.release()
		}
		if a.kmc != nil {
			err = errors.Join(err, a.kmc.Close())
		}
		if a.store != nil {
			err = errors.Join(err, a.store.Close())
		}
	})
	return err
}

// URLs gives the doors' addresses.
func (a *App) URLs() URLs { return a.urls }

// Root is the local network's root, or nil when the house does not serve there.
func (a *App) Root() *lan.Root { return a.root }

// ready is the readiness of each part.
func (a *App) ready(ctx context.Context) map[string]error {
	return map[string]error{
		"database": a.store.Ready(ctx), "kmc": a.kmc.Ready(ctx), "custody": a.house.custody.Healthy(),
	}
}

const advanceFile = "sandbox-clock"

// storedAdvance is how far the sandbox's clock was moved in earlier runs: what
// is stored must not lie in the future after a restart.
func (a *App) storedAdvance() time.Duration {
	b, err := os.ReadFile(filepath.Join(a.cfg.Data, advanceFile))
	if err != nil {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return d
}

func (a *App) advance(d time.Duration) error {
	a.movable.Advance(d)
	if err := os.WriteFile(filepath.Join(a.cfg.Data, advanceFile), []byte(a.movable.Ahead().String()+"\n"), 0o600); err != nil {
		return err
	}
	a.jobs.Wake()
	return nil
}
