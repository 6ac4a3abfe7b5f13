package flowtest

import (
	"context"
	"errors"
	"sync"

	"tianweitong/internal/certificate"
	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
)

// ErrBroken is what a broken step ends with.
var ErrBroken = errors.New("flowtest: broken here")

// Faults counts steps — transactions and outside calls — and breaks one of
// them: before it is done, or after, when it persisted but nobody heard.
type Faults struct {
	work.Runner
	mu    sync.Mutex
	count int
	names []string
	at    int
	name  string
	after bool
	hit   bool
}

// Break breaks the n-th step from now, counted from 1; 0 breaks none and counts.
func (f *Faults) Break(n int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.names, f.at, f.name, f.after, f.hit = 0, nil, n, "", after, false
}

// BreakAt breaks the first step of a name from now.
func (f *Faults) BreakAt(name string, after bool) {
	f.Break(0, after)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name = name
}

// Steps gives the names of the steps since Break.
func (f *Faults) Steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names
}

// Hit reports whether the break happened.
func (f *Faults) Hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

func (f *Faults) step(name string, do func() error) error {
	f.mu.Lock()
	f.count++
	f.names = append(f.names, name)
	broken := f.count == f.at || f.name == name && !f.hit
	f.hit = f.hit || broken
	after := f.after
	f.mu.Unlock()
	if broken && !after {
		return ErrBroken
	}
	err := do()
	if broken && err == nil {
		return ErrBroken
	}
	return err
}

// Do implements work.Runner.
func (f *Faults) Do(ctx context.Context, name string, body func(context.Context, work.Tx) error) error {
	return f.step(name, func() error { return f.Runner.Do(ctx, name, body) })
}

type flakyIssuer struct {
	certificate.Issuer
	faults *Faults
}

func (i *flakyIssuer) Prepare(ctx context.Context, r certificate.IssueRequest) (p certificate.Prepared, err error) {
	err = i.faults.step("issuer.prepare", func() error {
		p, err = i.Issuer.Prepare(ctx, r)
		return err
	})
	return p, err
}

func (i *flakyIssuer) Issue(ctx context.Context, ref string) (p certificate.Pair, err error) {
	err = i.faults.step("issuer.issue", func() error {
		p, err = i.Issuer.Issue(ctx, ref)
		return err
	})
	return p, err
}

type flakyCentre struct {
	kmc.Door
	faults *Faults
}

func (c *flakyCentre) Make(ctx context.Context, ref string) (p []byte, err error) {
	err = c.faults.step("kmc.make", func() error {
		p, err = c.Door.Make(ctx, ref)
		return err
	})
	return p, err
}

func (c *flakyCentre) Deal(ctx context.Context, r kmc.DealRequest) (d kmc.Deal, err error) {
	err = c.faults.step("kmc.deal", func() error {
		d, err = c.Door.Deal(ctx, r)
		return err
	})
	return d, err
}
