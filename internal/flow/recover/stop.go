package recover

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/work"
)

// Stop ends a recovery (docs/domain.md A11). Before the new PIN is set all keys
// are as they were, and the old device is the active one again; the recovering
// device may give up so too. After it only the old device may stop, until what
// was held back is released: then all keys are suspended, and the owner starts a
// recovery of his own. So it is too when the keys were not the old device's
// before. Stopped by the old device it ends the sessions of all others.
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
		stopped := r
		stopped.State, stopped.Op = Stopped, ""
		if _, err := s.save(ctx, tx, stopped, "recovery.stopped"); err != nil {
			return err
		}
		if err := s.undo(ctx, tx, r); err != nil {
			return err
		}
		if old && r.OldDevice != r.Device {
			if err := s.Accounts.EndOtherSessions(ctx, tx, r.Account, r.OldDevice); err != nil {
				return err
			}
		}
		body := "补办恢复已停止，原手机和 PIN 码可照常使用。"
		if late || r.State == Suspended && !r.Restorable {
			body = "补办恢复已停止，账号的全部密钥已停用。请在本机重新办理补办恢复，并尽快联系客服核查。"
		}
		return s.post(ctx, tx, r, "recovery.stopped", "补办恢复已停止", body)
	})
	if err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, recovery)
}

// undo takes back what a recovery did that was in the state of r.
func (s *Service) undo(ctx context.Context, tx work.Tx, r Recovery) error {
	var err error
	switch {
	case r.State == Face:
		if _, err := s.Store.Running(ctx, tx, r.Account); !errors.Is(err, work.ErrNotFound) {
			return err // another recovery holds the account's scans
		}
		return s.Transactions.Resume(ctx, tx, r.Account)
	case r.State == Suspended:
		err = s.giveBack(ctx, tx, r)
	default:
		err = s.freeze(ctx, tx, r.Account)
	}
	if err != nil {
		return err
	}
	if r.OldDevice != "" {
		if err := s.Accounts.BindDevice(ctx, tx, r.Account, r.OldDevice); err != nil {
			return err
		}
	}
	return s.Accounts.Lift(ctx, tx, r.Account)
}

// giveBack ends what was begun for a new PIN and restores the old device's keys.
func (s *Service) giveBack(ctx context.Context, tx work.Tx, r Recovery) error {
	if err := s.withdraw(ctx, tx, r); err != nil {
		return err
	}
	k, err := s.pendingPIN(ctx, tx, custody.Holder{Account: r.Account, Device: r.Device}, r.ID)
	if err == nil {
		err = s.Custody.Destroy(ctx, tx, k.ID)
	} else if errors.Is(err, CodeNoPIN) {
		err = nil // none was made yet
	}
	if err != nil || !r.Restorable {
		return err
	}
	if err := s.Custody.Restore(ctx, tx, r.Account); err != nil {
		return err
	}
	if err := s.Certificates.KeysBack(ctx, tx, r.Account); err != nil {
		return err
	}
	return s.Transactions.Resume(ctx, tx, r.Account)
}

// freeze suspends everything, also what another recovery has begun meanwhile.
func (s *Service) freeze(ctx context.Context, tx work.Tx, account string) error {
	if _, _, err := s.endRunning(ctx, tx, account); err != nil {
		return err
	}
	if err := s.stop(ctx, tx, account); err != nil {
		return err
	}
	// What was held back stays shut without a key; the owner's own recovery does
	// not wait for it.
	return s.hold(ctx, tx, account, time.Time{})
}

// Confirm is the old device's word that the recovery is its owner's: nothing is
// held back any longer (docs/domain.md A11), and once it is done nothing needs
// the old device's session either.
func (s *Service) Confirm(ctx context.Context, c account.Caller, recovery string) (Progress, error) {
	err := s.Runner.Do(ctx, "recover.confirm", func(ctx context.Context, tx work.Tx) error {
		r, err := s.of(ctx, tx, c.Account, recovery)
		if err != nil {
			return err
		}
		switch {
		case c.Device != r.OldDevice || c.Device == r.Device: // a contested device is never the old one
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
		if r, err = s.save(ctx, tx, r, "recovery.confirmed"); err != nil || r.State != Done {
			return err
		}
		if last, err := s.inForce(ctx, tx, r); err != nil || !last {
			return err
		}
		return s.release(ctx, tx, r)
	})
	if err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, recovery)
}

// inForce reports whether no recovery has suspended the account's keys since one
// that is done.
func (s *Service) inForce(ctx context.Context, tx work.Tx, r Recovery) (bool, error) {
	if _, err := s.Store.Running(ctx, tx, r.Account); !errors.Is(err, work.ErrNotFound) {
		return false, err
	}
	active, err := s.Accounts.ActiveDevice(ctx, tx, r.Account)
	return active == r.Device, err
}
