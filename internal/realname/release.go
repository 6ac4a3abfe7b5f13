package realname

import (
	"context"

	"tianweitong/internal/work"
)

// Release parts the verified person from an account that is being closed (注销,
// docs/domain.md A31): the account is nobody's any more, and the person may verify
// on another. keep says that records hang on the person, which the law wants kept:
// then name and ID number stay sealed in a row that no look-up finds, else they
// are erased.
func (s *Service) Release(ctx context.Context, tx work.Tx, acc string, keep bool) error {
	if err := s.Store.EndAll(ctx, tx, acc); err != nil {
		return err
	}
	var err error
	if keep {
		err = s.Store.Release(ctx, tx, acc, s.Box.Hash("closed", []byte(acc)), s.Clock.Now())
	} else {
		err = s.Store.Erase(ctx, tx, acc)
	}
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "realname.released", Actor: acc, Subject: acc})
}
