// Package job does background work from the jobs table: what a business
// transaction enqueued is done at least once, survives a restart, is retried
// with growing pauses, and ends among the dead letters rather than in silence.
package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
)

// Claimed is a job that this runner holds until its lease ends.
type Claimed struct {
	ID       string
	Topic    string
	Body     []byte
	Attempts int // this one included
	Lease    string
}

// Store keeps the jobs. Every call is a transaction of its own.
type Store interface {
	// ClaimJobs gives up to n due jobs of some topics to the lease until the given
	// time.
	ClaimJobs(ctx context.Context, of Topics, lease string, now, until time.Time, n int) ([]Claimed, error)
	// FinishJob removes a job that the lease still holds. It and the next two
	// answer ErrLost when the lease ended meanwhile.
	FinishJob(ctx context.Context, c Claimed) error
	// RetryJob makes a job due again later.
	RetryJob(ctx context.Context, c Claimed, due time.Time, why string) error
	// BuryJob puts a job among the dead letters.
	BuryJob(ctx context.Context, c Claimed, why string) error
	// CountJobs counts waiting and dead jobs by topic.
	CountJobs(ctx context.Context) ([]Count, error)
}

// Topics are the named topics or, with Except, all others.
type Topics struct {
	Except bool
	Names  []string
}

// Count is how many jobs of a topic wait or are dead.
type Count struct {
	Topic string
	Dead  bool
	N     int64
}

// Handler does one job. It may be called again for the same job, so what it
// does outside must be repeatable. An error is retried by the topic's policy
// unless it wraps ErrGiveUp.
type Handler func(ctx context.Context, body []byte) error

// ErrGiveUp marks an error that no retry can mend.
var ErrGiveUp = errors.New("job: give up")

// Policy is how a topic is retried.
type Policy struct {
	// Pauses are the waits after the first, second … failure; when they are used
	// up the job is buried.
	Pauses []time.Duration
	// Limit is the longest run of one attempt; 0 is 30 s.
	Limit time.Duration
	// Workers, if set, gives the topic as many workers of its own, and no others:
	// for work that outsiders can slow down.
	Workers int
}

// Patient retries for about a day: for work that must not be lost.
var Patient = Policy{Pauses: []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}}

// Brief is the schedule of platform callbacks (docs/domain.md §1.9): 1 s, 5 s,
// 30 s, 2 min, 10 min, then kept for replay.
var Brief = Policy{Pauses: []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}}

// ErrLost says that the lease on a job ended before its result was recorded.
var ErrLost = errors.New("job: the lease is lost")

const (
	defaultLimit = 30 * time.Second
	idle         = 250 * time.Millisecond
)

type topic struct {
	policy  Policy
	handler Handler
}

// Runner claims and does jobs. Register every topic before Run.
type Runner struct {
	store  Store
	clock  clock.Clock
	rand   io.Reader
	log    *slog.Logger
	topics map[string]topic
	shared lane
	lanes  []lane // of topics with workers of their own
	// Workers is how many jobs of the other topics run side by side; set before
	// Run, 0 is 4.
	Workers int
	// Observe, if set, hears each attempt.
	Observe func(topic string, took time.Duration, err error)
}

// lane is some topics with the workers that do their jobs.
type lane struct {
	topics  Topics
	workers int
	wake    chan struct{}
}

// New makes a runner.
func New(s Store, c clock.Clock, rand io.Reader, log *slog.Logger) *Runner {
	return &Runner{store: s, clock: c, rand: rand, log: log, topics: map[string]topic{},
		shared: lane{topics: Topics{Except: true}, wake: make(chan struct{}, 1)}}
}

// Handle registers the handler of a topic; a topic has one.
func (r *Runner) Handle(name string, p Policy, h Handler) {
	if _, twice := r.topics[name]; twice {
		panic("job: two handlers for " + name)
	}
	r.topics[name] = topic{p, h}
	if p.Workers > 0 {
		r.shared.topics.Names = append(r.shared.topics.Names, name)
		r.lanes = append(r.lanes, lane{Topics{Names: []string{name}}, p.Workers, make(chan struct{}, 1)})
	}
}

// Wake makes the runner look at the table at once.
func (r *Runner) Wake() {
	for _, l := range append([]lane{r.shared}, r.lanes...) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Run works until ctx ends, then waits for the jobs at hand.
func (r *Runner) Run(ctx context.Context) error {
	shared := r.shared
	if shared.workers = r.Workers; shared.workers == 0 {
		shared.workers = 4
	}
	var all sync.WaitGroup
	for _, l := range append([]lane{shared}, r.lanes...) {
		all.Go(func() { r.work(ctx, l) })
	}
	all.Wait()
	return nil
}

func (r *Runner) work(ctx context.Context, l lane) {
	slots := make(chan struct{}, l.workers)
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		slots <- struct{}{} // wait for a free hand before claiming
		free := 1
		for free < l.workers {
			select {
			case slots <- struct{}{}:
				free++
				continue
			default:
			}
			break
		}
		claimed, err := r.claim(ctx, l.topics, free)
		if err != nil && ctx.Err() == nil {
			r.log.Error("claiming jobs", "error", err)
		}
		for range free - len(claimed) {
			<-slots
		}
		for _, c := range claimed {
			running.Go(func() {
				defer func() { <-slots }()
				r.attempt(ctx, c)
			})
		}
		if len(claimed) == 0 {
			l.rest(ctx)
		}
	}
}

func (l lane) rest(ctx context.Context) {
	t := time.NewTimer(idle)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-l.wake:
	case <-t.C:
	}
}

func (r *Runner) claim(ctx context.Context, of Topics, n int) ([]Claimed, error) {
	now := r.clock.Now()
	return r.store.ClaimJobs(ctx, of, id.New(r.rand), now, now.Add(5*time.Minute), n)
}

// Drain does every job that is due now, and what those jobs enqueue, then
// returns; for tests and for one-off commands.
func (r *Runner) Drain(ctx context.Context) error {
	for {
		claimed, err := r.claim(ctx, Topics{Except: true}, 16)
		if err != nil || len(claimed) == 0 {
			return err
		}
		for _, c := range claimed {
			r.attempt(ctx, c)
		}
	}
}

func (r *Runner) attempt(ctx context.Context, c Claimed) {
	t, known := r.topics[c.Topic]
	if !known {
		r.finish(ctx, c, Policy{}, fmt.Errorf("no handler for topic %q: %w", c.Topic, ErrGiveUp))
		return
	}
	limit := t.policy.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	watch := clock.Start()
	run, cancel := context.WithTimeout(ctx, limit)
	err := safely(run, t.handler, c.Body)
	cancel()
	if r.Observe != nil {
		r.Observe(c.Topic, clock.Since(watch), err)
	}
	r.finish(ctx, c, t.policy, err)
}

func safely(ctx context.Context, h Handler, body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return h(ctx, body)
}

func (r *Runner) finish(ctx context.Context, c Claimed, p Policy, err error) {
	// A stopping process still records what became of the job at hand.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var kept error
	switch {
	case err == nil:
		kept = r.store.FinishJob(ctx, c)
	case errors.Is(err, ErrGiveUp) || c.Attempts > len(p.Pauses):
		r.log.Error("job buried", "topic", c.Topic, "job", c.ID, "attempts", c.Attempts, "error", err)
		kept = r.store.BuryJob(ctx, c, err.Error())
	default:
		r.log.Warn("job will be tried again", "topic", c.Topic, "job", c.ID, "attempts", c.Attempts, "error", err)
		kept = r.store.RetryJob(ctx, c, r.clock.Now().Add(p.Pauses[c.Attempts-1]), err.Error())
	}
	if kept != nil {
		r.log.Error("recording a job's result", "topic", c.Topic, "job", c.ID, "error", kept)
	}
}
