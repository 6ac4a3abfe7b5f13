package fault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// errKilled is what everything ends with in a house that was killed.
var errKilled = errors.New("the house was killed here")

// breaker kills a house at its n-th transaction: before it began, or after it
// had committed when nobody heard of it. What follows in that house fails, as
// nothing follows in a process that is gone.
type breaker struct {
	mu    sync.Mutex
	armed bool
	n     int  // transactions since arm
	at    int  // the one to break; 0 breaks none and records
	after bool // break it when it has committed
	dead  bool
	name  string // of the transaction that broke
	steps []step // recorded
}

type step struct {
	name      string
	committed bool
}

func (b *breaker) arm(at int, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed, b.at, b.after = true, at, after
}

// interrupt is a store's hook.
func (b *breaker) interrupt(name string, committed bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.dead:
		return errKilled
	case !b.armed:
		return nil
	case committed:
		b.steps[b.n-1].committed = true
	default:
		b.n++
		b.steps = append(b.steps, step{name: name})
	}
	if b.n == b.at && committed == b.after {
		b.dead, b.name = true, name
		return errKilled
	}
	return nil
}

func (b *breaker) killed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// wire is the way from phones and platforms to a house. A killed house answers
// nothing; in a living one the background work is done after every request, so
// that the order of the transactions is always the same.
type wire struct {
	*breaker
	next  http.RoundTripper
	drain func(context.Context) error
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.killed() {
		return nil, errKilled
	}
	res, err := w.next.RoundTrip(r)
	if w.killed() {
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return nil, errKilled
	}
	if err != nil {
		return nil, err
	}
	if err := w.drain(r.Context()); err != nil && !w.killed() {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}
