package account

import (
	"context"
	"errors"

	"tianweitong/internal/work"
)

// Hold keeps an account from being closed until the transaction's end; CodeNoAccount
// if it is closed. Who is about to be given what a closing looks for holds first, and
// so does the closing, so that one sees the other.
func (s *Service) Hold(ctx context.Context, tx work.Tx, account string) error {
	err := s.Store.Hold(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		return CodeNoAccount.Because(err)
	}
	return err
}

// Close ends an account (注销, docs/domain.md A31): its sessions and password end,
// its number is told and free for a new account from then on. keep says that
// records hang on the account, which the law wants kept: then its number stays
// sealed in the row, else it is erased. Whether it may close is the caller's rule.
func (s *Service) Close(ctx context.Context, tx work.Tx, account string, keep bool) error {
	if err := s.Text(ctx, tx, account, "account.closed", nil); err != nil {
		return err
	}
	if err := s.Store.DropPassword(ctx, tx, account); err != nil {
		return err
	}
	now := s.Clock.Now()
	if _, err := s.Store.EndSessionsBut(ctx, tx, account, "", "", now); err != nil {
		return err
	}
	return s.change(ctx, tx, account, "account.closed", func(a *Account) error {
		a.ClosedAt, a.Device, a.Only = now, "", Restriction{}
		a.PhoneHash = s.Box.Hash("closed", []byte(account))
		if !keep {
			a.Phone = ""
		}
		return nil
	})
}
