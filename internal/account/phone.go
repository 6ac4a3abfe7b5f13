package account

import (
	"context"
	"errors"

	"tianweitong/internal/work"
)

// PhoneChange moves an account to another number (更换手机号). It takes a code on
// the old number (PurposePhone) and one on the new (PurposeNewPhone).
type PhoneChange struct {
	Ticket, Code       string
	NewTicket, NewCode string
	NewPhone           string
}

// ChangePhone changes the account's number from its active device with both codes,
// as MovePhone does; after is what a flow adds in the same transaction.
// Refusals: CodePhone, CodeNotActive, CodePhoneTaken and those of CheckCode.
func (s *Service) ChangePhone(ctx context.Context, c Caller, in PhoneChange, after func(context.Context, work.Tx) error) error {
	if !ValidPhone(in.NewPhone) {
		return CodePhone
	}
	if err := s.CheckCode(ctx, in.Ticket, in.Code, PurposePhone, c.Session); err != nil {
		return err
	}
	if err := s.CheckCodeTo(ctx, in.NewTicket, in.NewCode, PurposeNewPhone, c.Session, in.NewPhone); err != nil {
		return err
	}
	err := s.Runner.Do(ctx, "account.change_phone", func(ctx context.Context, tx work.Tx) error {
		if err := s.Spend(ctx, tx, in.Ticket, PurposePhone, c.Account); err != nil {
			return err
		}
		if err := s.Spend(ctx, tx, in.NewTicket, PurposeNewPhone, c.Account); err != nil {
			return err
		}
		if err := s.MovePhone(ctx, tx, c, in.NewPhone); err != nil {
			return err
		}
		return after(ctx, tx)
	})
	if errors.Is(err, work.ErrExists) {
		return CodePhoneTaken.Because(err)
	}
	return err
}

// PhoneMayMove refuses what MovePhone would: the caller's is not the active device, a
// re-key runs elsewhere, or the number has an account. Refusals: CodeNotActive,
// CodePhoneTaken.
func (s *Service) PhoneMayMove(ctx context.Context, tx work.Tx, c Caller, phone string) error {
	a, err := s.get(ctx, tx, c.Account)
	if err != nil {
		return err
	}
	if a.Device != c.Device || a.Only.binds(c.Device, s.Clock.Now()) {
		return CodeNotActive
	}
	_, err = s.Store.ByPhone(ctx, tx, s.phoneHash(phone))
	switch {
	case err == nil:
		return CodePhoneTaken
	case errors.Is(err, work.ErrNotFound):
		return nil
	}
	return err
}

// MovePhone moves the account to a number that the caller proved to hold: from its
// active device, not while a re-key runs elsewhere. The sessions of all other
// devices end and the old number is told. For 72 h afterwards no re-key goes by
// SMS (docs/domain.md A11). Refusals: CodeNotActive; work.ErrExists if the number
// was taken meanwhile.
func (s *Service) MovePhone(ctx context.Context, tx work.Tx, c Caller, phone string) error {
	if err := s.Text(ctx, tx, c.Account, "phone.changed", map[string]string{"phone": MaskPhone(phone)}); err != nil {
		return err
	}
	now := s.Clock.Now()
	if err := s.change(ctx, tx, c.Account, "account.phone_changed", func(a *Account) error {
		if a.Device != c.Device || a.Only.binds(c.Device, now) {
			return CodeNotActive
		}
		a.Phone, a.PhoneHash, a.PhoneChanged = phone, s.phoneHash(phone), now
		return nil
	}); err != nil {
		return err
	}
	return s.EndOtherSessions(ctx, tx, c.Account, c.Device)
}
