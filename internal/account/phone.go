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

// ChangePhone changes the account's number from its active device, ends the
// sessions of all others and tells the old number; not while a re-key runs
// elsewhere. For 72 h afterwards no re-key goes by SMS (docs/domain.md A11).
// Refusals: CodePhone, CodeNotActive, CodePhoneTaken and those of CheckCode.
func (s *Service) ChangePhone(ctx context.Context, c Caller, in PhoneChange) error {
	if !ValidPhone(in.NewPhone) {
		return CodePhone
	}
	if err := s.CheckCode(ctx, in.Ticket, in.Code, PurposePhone, c.Session); err != nil {
		return err
	}
	if err := s.CheckCodeTo(ctx, in.NewTicket, in.NewCode, PurposeNewPhone, c.Session, in.NewPhone); err != nil {
		return err
	}
	fresh := s.phoneHash(in.NewPhone)
	err := s.Runner.Do(ctx, "account.change_phone", func(ctx context.Context, tx work.Tx) error {
		if err := s.Spend(ctx, tx, in.Ticket, PurposePhone, c.Account); err != nil {
			return err
		}
		if err := s.Spend(ctx, tx, in.NewTicket, PurposeNewPhone, c.Account); err != nil {
			return err
		}
		if err := s.Text(ctx, tx, c.Account, "phone.changed", map[string]string{"phone": MaskPhone(in.NewPhone)}); err != nil {
			return err
		}
		now := s.Clock.Now()
		if err := s.change(ctx, tx, c.Account, "account.phone_changed", func(a *Account) error {
			if a.Device != c.Device || a.Only.binds(c.Device, now) {
				return CodeNotActive
			}
			a.Phone, a.PhoneHash, a.PhoneChanged = in.NewPhone, fresh, now
			return nil
		}); err != nil {
			return err
		}
		return s.EndOtherSessions(ctx, tx, c.Account, c.Device)
	})
	if errors.Is(err, work.ErrExists) {
		return CodePhoneTaken.Because(err)
	}
	return err
}
