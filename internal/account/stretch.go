package account

import (
	"context"
	"errors"

	"tianweitong/internal/secret"
)

// Cost is what stretching one password takes.
type Cost = secret.Cost

// DefaultCost is the house's.
var DefaultCost = secret.DefaultCost

type stretcher = secret.Stretcher

func newStretcher() *stretcher { return secret.NewStretcher() }

// stretch gives a new password as it is stored.
func (s *Service) stretch(ctx context.Context, password string) (string, error) {
	out, err := s.stretcher.Stretch(ctx, s.Rand, password, s.Cost)
	return out, busy(err)
}

// matches compares a password with a stored one; old says that the stored one
// was stretched at another cost than today's.
func (s *Service) matches(ctx context.Context, password, stored string) (right, old bool, err error) {
	right, old, err = s.stretcher.Matches(ctx, password, stored, s.Cost)
	return right, old, busy(err)
}

func busy(err error) error {
	if errors.Is(err, secret.ErrBusy) {
		return CodePasswordBusy.Because(err)
	}
	return err
}
