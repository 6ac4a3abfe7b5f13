package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
)

const (
	sweepTopic = "scan.sweep"
	// pace is how often the sweep looks; readers see an end at once, by the time.
	pace  = 5 * time.Second
	batch = 50
)

// Register makes the runner sweep: it writes down the ends that the timer
// brought, and forgets results after ResultLife. Start begins it.
func (s *Service) Register(r *job.Runner) {
	r.Handle(sweepTopic, job.Patient, func(ctx context.Context, _ []byte) error { return s.tick(ctx) })
}

// Start enqueues the next sweep; starting twice makes one sweep.
func (s *Service) Start(ctx context.Context) error {
	return s.Runner.Do(ctx, "scan.start", s.next)
}

func (s *Service) next(ctx context.Context, tx work.Tx) error {
	due := s.Clock.Now().Truncate(pace).Add(pace)
	return tx.Enqueue(ctx, work.Job{Topic: sweepTopic, Key: fmt.Sprintf("%s:%d", sweepTopic, due.Unix()), Due: due})
}

func (s *Service) tick(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	return s.Sweep(ctx)
}

// Sweep handles everything that is due: it is repeatable and may run beside
// another. A row that cannot be handled does not hold up the others.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var due []string
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			due, err = s.Store.Due(ctx, tx, s.Clock.Now(), batch)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		if err = s.sweepAll(ctx, due...); err == nil {
			continue
		}
		done := 0
		for _, id := range due {
			if s.sweepAll(ctx, id) == nil {
				done++
			}
		}
		if done == 0 {
			return fmt.Errorf("%d transactions cannot be swept: %w", len(due), err)
		}
	}
}

func (s *Service) sweepAll(ctx context.Context, ids ...string) error {
	return s.Runner.Do(ctx, "scan.sweep", func(ctx context.Context, tx work.Tx) error {
		for _, id := range ids {
			if err := s.sweep(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) sweep(ctx context.Context, tx work.Tx, id string) error {
	t, err := s.Store.Get(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	switch {
	case t.DueAt.IsZero() || now.Before(t.DueAt):
		return nil // somebody else was here
	case t.State.Open() && t.at(now).State == Expired:
		_, err = s.end(ctx, tx, "system", t, Timeout, Expired)
		return err
	case t.State.Open():
		t.DueAt = t.deadline()
		return s.Store.Put(ctx, tx, t)
	}
	// Reduce: the usage record, the signature and its timestamp stay.
	t.DueAt, t.Private = time.Time{}, Private{Title: t.Private.Title, Platform: t.Private.Platform}
	if err := s.Store.Put(ctx, tx, t); err != nil {
		return err
	}
	return s.Store.Forget(ctx, tx, id)
}

// Hold stops the timer of an account's scanned transactions while it re-keys
// (恢复中), at most HoldLife each; what custody was allowed for them is withdrawn.
// For flow/recover, in its transaction; repeated it changes nothing.
func (s *Service) Hold(ctx context.Context, tx work.Tx, account string) error {
	return s.hold(ctx, tx, account, func(Transaction) bool { return true })
}

// HoldOn is Hold for what one device has scanned: it has begun a re-key, and its
// face is not checked yet. What other devices hold goes on until then.
func (s *Service) HoldOn(ctx context.Context, tx work.Tx, h custody.Holder) error {
	return s.hold(ctx, tx, h.Account, func(t Transaction) bool { return t.heldBy(h) })
}

func (s *Service) hold(ctx context.Context, tx work.Tx, account string, which func(Transaction) bool) error {
	return s.each(ctx, tx, account, func(t Transaction, now time.Time) error {
		if t.State == Recovering || t.at(now).State == Expired || !which(t) {
			return nil
		}
		if t.Operation != "" {
			if err := s.Custody.Withdraw(ctx, tx, t.Operation); err != nil {
				return err
			}
		}
		t.Remaining = max(t.ExpiresAt.Sub(now), 0)
		if err := t.walk(Recovering); err != nil {
			return err
		}
		t.HoldUntil, t.Operation, t.Certificate, t.Private.Serial = now.Add(HoldLife), "", "", ""
		t.DueAt = t.deadline()
		if err := s.put(ctx, tx, t); err != nil {
			return err
		}
		return s.record(ctx, tx, "scan.held", account, t)
	})
}

// Resume lets held transactions go on once the re-key is done or was stopped,
// with the time that they had left and at least a minute: the certificate is
// chosen again. For flow/recover, in its transaction.
func (s *Service) Resume(ctx context.Context, tx work.Tx, account string) error {
	return s.each(ctx, tx, account, func(t Transaction, now time.Time) error {
		if t.State != Recovering || t.at(now).State == Expired {
			return nil
		}
		if err := t.walk(Scanned); err != nil {
			return err
		}
		t.ExpiresAt, t.HoldUntil = now.Add(max(t.Remaining, least)), time.Time{}
		t.DueAt = t.deadline()
		if err := s.put(ctx, tx, t); err != nil {
			return err
		}
		return s.record(ctx, tx, "scan.resumed", account, t)
	})
}

func (s *Service) each(ctx context.Context, tx work.Tx, account string, f func(Transaction, time.Time) error) error {
	all, err := s.Store.OpenOf(ctx, tx, account)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	for _, t := range all {
		if err := f(t, now); err != nil {
			return err
		}
	}
	return nil
}
