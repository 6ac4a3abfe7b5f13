package recover

import (
	"context"
	"errors"

	"tianweitong/internal/work"
)

// Current gives the newest recovery of an account, or false if there is none
// that concerns anybody: running, waiting for its face check, or to be stopped.
func (s *Service) Current(ctx context.Context, account string) (p Progress, found bool, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		var r Recovery
		if r, found, err = s.current(ctx, tx, account); err != nil || !found {
			return err
		}
		p, err = s.progress(ctx, tx, r)
		return err
	})
	return p, found, err
}

// Concerns tells whether Current gives a recovery.
func (s *Service) Concerns(ctx context.Context, tx work.Tx, account string) (bool, error) {
	_, found, err := s.current(ctx, tx, account)
	return found, err
}

func (s *Service) current(ctx context.Context, tx work.Tx, account string) (Recovery, bool, error) {
	r, err := s.Store.Running(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		r, err = s.Store.Last(ctx, tx, account)
	}
	if errors.Is(err, work.ErrNotFound) {
		return Recovery{}, false, nil
	}
	if err != nil {
		return Recovery{}, false, err
	}
	now := s.Clock.Now()
	waits := r.State == Face && now.Before(r.CreatedAt.Add(FaceLife))
	return r, r.Running() || waits || r.State == Done && now.Before(r.HoldUntil), nil
}
