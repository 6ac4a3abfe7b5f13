package account

import (
	"context"
	"errors"

	"tianweitong/internal/work"
)

// OwnerByHash gives the account of a number by its keyed hash, where the number
// itself is not at hand; CodeNoAccount if it has none.
func (s *Service) OwnerByHash(ctx context.Context, tx work.Tx, phoneHash []byte) (string, error) {
	a, err := s.Store.ByPhone(ctx, tx, phoneHash)
	if errors.Is(err, work.ErrNotFound) {
		return "", CodeNoAccount.Because(err)
	}
	return a.ID, err
}
