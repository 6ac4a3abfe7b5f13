// Package clock is the only place that asks the machine for the time.
//
// Everything that depends on time takes a Clock; tests and the sandbox move one
// by hand.
package clock

import (
	"context"
	"sync/atomic"
	"time"
)

// China is the one time zone of the country; it has no summer time.
var China = time.FixedZone("CST", 8*60*60)

// Day numbers the calendar days in China.
func Day(t time.Time) int64 { return t.Add(8*time.Hour).Unix() / (24 * 60 * 60) }

// Clock tells the time.
type Clock interface {
	// Now is the current time in UTC with millisecond precision: what the
	// stores keep, so that a value read back equals the value written.
	Now() time.Time
}

// System is the machine's clock.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Movable is a clock that runs with the machine's and can be moved forward: the
// sandbox's clock. Its zero value shows the machine's time.
type Movable struct{ ahead atomic.Int64 }

// Now implements Clock.
func (m *Movable) Now() time.Time {
	return System{}.Now().Add(time.Duration(m.ahead.Load()))
}

// Advance moves the clock forward by d. It never goes back: a negative d is ignored.
func (m *Movable) Advance(d time.Duration) {
	if d > 0 {
		m.ahead.Add(int64(d))
	}
}

// Ahead is how far the clock was moved.
func (m *Movable) Ahead() time.Duration { return time.Duration(m.ahead.Load()) }

// Manual is a clock that stands still until it is moved: for tests.
type Manual struct{ at atomic.Int64 }

// NewManual returns a clock that shows t.
func NewManual(t time.Time) *Manual {
	m := new(Manual)
	m.at.Store(t.UnixMilli())
	return m
}

// Now implements Clock.
func (m *Manual) Now() time.Time { return time.UnixMilli(m.at.Load()).UTC() }

// Advance moves the clock forward by d.
func (m *Manual) Advance(d time.Duration) { m.at.Add(d.Milliseconds()) }

// Since measures real elapsed time, for metrics and journeys; it is not
// affected by any Clock.
func Since(start Stopwatch) time.Duration { return time.Since(time.Time(start)) }

// Stopwatch is a start of a measurement.
type Stopwatch time.Time

// Start begins a measurement.
func Start() Stopwatch { return Stopwatch(time.Now()) }

// Pause waits for d of real time or until ctx ends; it reports whether the
// whole time passed. Background loops use it between two looks at the stores;
// what is due is decided by a Clock, never by this.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
