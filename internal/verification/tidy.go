package verification

import (
	"context"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/work"
)

const (
	// idle is how long an application waits for its applicant's next step. Its
	// pictures are of somebody's ID card: they are not kept for a step nobody takes.
	idle = 90 * 24 * time.Hour
	// tidied is how many are ended in one transaction.
	tidied = 100
)

// Start sets the daily tidying going; calling it again does nothing.
func (s *Service) Start(ctx context.Context) error {
	return s.Runner.Do(ctx, "enterprise.start", func(ctx context.Context, tx work.Tx) error {
		return s.planTidy(ctx, tx, s.Clock.Now())
	})
}

// planTidy plans the tidying of one day. The key names the day: a running job keeps
// its own key until it is finished.
func (s *Service) planTidy(ctx context.Context, tx work.Tx, due time.Time) error {
	return tx.Enqueue(ctx, work.Job{Topic: topicTidy, Key: topicTidy + ":" + due.Format(time.DateOnly), Due: due})
}

// tidy ends the applications that their applicants have left for idle.
func (s *Service) tidy(ctx context.Context, _ []byte) error {
	for more := true; more; {
		if err := s.Runner.Do(ctx, topicTidy, func(ctx context.Context, tx work.Tx) error {
			all, err := s.Store.Idle(ctx, tx, s.Clock.Now().Add(-idle), tidied)
			if err != nil {
				return err
			}
			more = len(all) == tidied
			for _, a := range all {
				if err := s.abandoned(ctx, tx, &a); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return s.Runner.Do(ctx, topicTidy, func(ctx context.Context, tx work.Tx) error {
		return s.planTidy(ctx, tx, s.Clock.Now().Add(24*time.Hour))
	})
}

// abandoned ends one without a notice: nobody waits for it.
func (s *Service) abandoned(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
	if err := s.over(ctx, tx, a, enterprise.StateEnded, "system", "enterprise.abandoned"); err != nil {
		return err
	}
	if err := s.event(ctx, tx, *a, "ended", "system", ""); err != nil {
		return err
	}
	return s.put(ctx, tx, a)
}
