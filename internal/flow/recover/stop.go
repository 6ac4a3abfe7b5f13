package recover

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/work"
)

// Stop ends a recovery (docs/domain.md A11). Before the new PIN is set all keys
// are as they were, and the old device is the active one again; the recovering
// device may give up so too. After it only the old device may stop, until what
// was held back is released: then all keys are suspended, and the owner starts a
// recovery of his own.
func (s *Service) Stop(ctx context.Context, c account.Caller, recovery string) (Progress, error) {
	err := s.Runner.Do(ctx, "recover.stop", func(ctx context.Context, tx work.Tx) error {
		r, err := s.of(ctx, tx, c.Account, recovery)
		if err != nil {
			return err
		}
		old := c.Device == r.OldDevice
		if !old && c.Device != r.Device {
			return CodeNotOwner
		}
		early := r.State == Face || r.State == Suspended
		late := r.State == Pinned || r.State == Done && s.Clock.Now().Before(r.HoldUntil)
		switch {
		case r.State == Stopped:
			return nil
		case r.State == Over:
			return CodeOver
		case early:
		case !late:
			return CodeStopped
		case !old || r.OldDevice == r.Device:
			return CodeNotOwner
		}
		if err := s.undo(ctx, tx, r); err != nil {
			return err
		}
		r.State, r.Op = Stopped, ""
		if r, err = s.save(ctx, tx, r, "recovery.stopped"); err != nil {
			return err
		}
		body := "补办恢复已停止，原手机和 PIN 码可照常使用。"
		if late {
			body = "补办恢复已停止，账号的全部密钥已停用。请在本机重新办理补办恢复，并尽快联系客服核查。"
		}
		return s.post(ctx, tx, r, "recovery.stopped", "补办恢复已停止", body)
	})
	if err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, recovery)
}

func (s *Service) undo(ctx context.Context, tx work.Tx, r Recovery) error {
	switch r.State {
	case Face:
		return nil
	case Suspended:
		if err := s.withdraw(ctx, tx, r); err != nil {
			return err
		}
		h := custody.Holder{Account: r.Account, Device: r.Device}
		if k, err := s.pendingPIN(ctx, tx, h, r.ID); err == nil {
			if err := s.Custody.Destroy(ctx, tx, k.ID); err != nil {
				return err
			}
		}
		if err := s.Custody.Restore(ctx, tx, r.Account); err != nil {
			return err
		}
	default:
		if err := install.Settle(ctx, tx, s.Installations, s.Custody, r.Account, s.Clock.Now()); err != nil {
			return err
		}
		if err := s.Custody.Suspend(ctx, tx, r.Account); err != nil {
			return err
		}
		// What was held back stays shut without a key; the owner's own recovery
		// does not wait for it.
		if err := s.hold(ctx, tx, r.Account, time.Time{}); err != nil {
			return err
		}
	}
	if r.OldDevice != "" {
		if err := s.Accounts.BindDevice(ctx, tx, r.Account, r.OldDevice); err != nil {
			return err
		}
	}
	return s.Accounts.Lift(ctx, tx, r.Account)
}

// Confirm is the old device's word that the recovery is its owner's: nothing is
// held back any longer (docs/domain.md A11).
func (s *Service) Confirm(ctx context.Context, c account.Caller, recovery string) (Progress, error) {
	err := s.Runner.Do(ctx, "recover.confirm", func(ctx context.Context, tx work.Tx) error {
		r, err := s.of(ctx, tx, c.Account, recovery)
		if err != nil {
			return err
		}
		switch {
		case c.Device != r.OldDevice || c.Device == r.Device:
			return CodeNotOwner
		case r.State == Stopped || r.State == Over:
			return CodeOver
		case r.Confirmed:
			return nil
		}
		if !r.HoldUntil.IsZero() {
			if err := s.hold(ctx, tx, r.Account, time.Time{}); err != nil {
				return err
			}
		}
		r.Confirmed, r.HoldUntil = true, time.Time{}
		_, err = s.save(ctx, tx, r, "recovery.confirmed")
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, recovery)
}
