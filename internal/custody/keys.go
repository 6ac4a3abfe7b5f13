package custody

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/work"
)

// Activate implements Door.
func (m *Module) Activate(ctx context.Context, tx work.Tx, keyIDs ...string) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	for _, keyID := range keyIDs {
		if err := m.activate(ctx, tx, keyID); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) activate(ctx context.Context, tx work.Tx, keyID string) error {
	k, acc, err := m.lockKey(ctx, tx, keyID)
	if err != nil {
		return err
	}
	current, next, err := m.shares(ctx, tx, keyID)
	if err != nil {
		return err
	}
	if next == nil || next.Refresh != "" { // a refresh flips all keys at once
		if k.State == KeyActive {
			return nil // activated before
		}
		return CodeKeyUnusable.Becausef("key %s has no share to activate", keyID)
	}
	if next.ProvedAt.IsZero() {
		return CodeKeyUnusable.Becausef("the phone has not proved its share of key %s", keyID)
	}
	if current != nil {
		if err := m.d.Store.EraseShare(ctx, tx, current.ID); err != nil {
			return err
		}
	}
	if err := m.d.Store.PromoteShare(ctx, tx, next.ID); err != nil {
		return err
	}
	k.State, k.Holder, k.Subject = KeyActive, next.Holder, next.Subject
	if err := m.d.Store.PutKey(ctx, tx, k); err != nil {
		return err
	}
	if err := m.d.Store.DropNonces(ctx, tx, keyID); err != nil {
		return err
	}
	if err := record(ctx, tx, "custody.activated", k.Holder.Account, keyID); err != nil {
		return err
	}
	if k.Kind == KindPIN {
		return m.endOldPIN(ctx, tx, acc, keyID, next.PepperID)
	}
	return nil
}

// lockKey reads a key under the lock of its account.
func (m *Module) lockKey(ctx context.Context, tx work.Tx, keyID string) (KeyRow, Account, error) {
	k, err := m.d.Store.Key(ctx, tx, keyID)
	if err != nil {
		return KeyRow{}, Account{}, unknown(err, CodeKeyUnusable)
	}
	acc, err := m.d.Store.LockAccount(ctx, tx, k.Holder.Account)
	if err != nil {
		return KeyRow{}, Account{}, err
	}
	k, err = m.d.Store.Key(ctx, tx, keyID)
	return k, acc, err
}

// Suspend implements Door.
func (m *Module) Suspend(ctx context.Context, tx work.Tx, account string) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	if _, err := m.d.Store.LockAccount(ctx, tx, account); errors.Is(err, work.ErrNotFound) {
		return nil // nothing here
	} else if err != nil {
		return err
	}
	if err := m.turn(ctx, tx, account, KeyActive, KeySuspended); err != nil {
		return err
	}
	return record(ctx, tx, "custody.suspended", account, account)
}

// turn moves the account's keys from one state to another and ends all that is
// unfinished: what a re-key began does not outlive its end, nor the other way
// round.
func (m *Module) turn(ctx context.Context, tx work.Tx, account string, from, to KeyState) error {
	if err := m.endUnfinished(ctx, tx, account); err != nil {
		return err
	}
	keys, err := m.d.Store.Keys(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.State != from {
			continue
		}
		k.State = to
		if err := m.d.Store.PutKey(ctx, tx, k); err != nil {
			return err
		}
		if err := m.d.Store.DropNonces(ctx, tx, k.ID); err != nil {
			return err
		}
	}
	return nil
}

// endUnfinished voids the account's enrolments and changes of PIN, destroys its
// pending keys and erases every share that is not current.
func (m *Module) endUnfinished(ctx context.Context, tx work.Tx, account string) error {
	if err := m.abandonRefreshes(ctx, tx, account); err != nil {
		return err
	}
	if err := m.voidEnrolments(ctx, tx, account, func(EnrolmentRow) bool { return true }); err != nil {
		return err
	}
	keys, err := m.d.Store.Keys(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.State == KeyPending { // a delivery's, which no enrolment made
			if err := m.destroy(ctx, tx, k); err != nil {
				return err
			}
		}
	}
	return m.eraseNext(ctx, tx, account, func(ShareRow) bool { return true })
}

// Restore implements Door.
func (m *Module) Restore(ctx context.Context, tx work.Tx, account string) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	if _, err := m.d.Store.LockAccount(ctx, tx, account); errors.Is(err, work.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := m.turn(ctx, tx, account, KeySuspended, KeyActive); err != nil {
		return err
	}
	return record(ctx, tx, "custody.restored", account, account)
}

// Destroy implements Door.
func (m *Module) Destroy(ctx context.Context, tx work.Tx, keyIDs ...string) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	for _, keyID := range keyIDs {
		k, _, err := m.lockKey(ctx, tx, keyID)
		if err != nil {
			return err
		}
		if err := m.destroy(ctx, tx, k); err != nil {
			return err
		}
	}
	return nil
}

// destroy erases both shares of a key; the caller holds its account's lock.
func (m *Module) destroy(ctx context.Context, tx work.Tx, k KeyRow) error {
	if k.State == KeyDestroyed {
		return nil
	}
	rows, err := m.d.Store.Shares(ctx, tx, k.ID)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if err := m.d.Store.EraseShare(ctx, tx, s.ID); err != nil {
			return err
		}
	}
	k.State = KeyDestroyed
	if err := m.d.Store.PutKey(ctx, tx, k); err != nil {
		return err
	}
	if err := m.d.Store.DropNonces(ctx, tx, k.ID); err != nil {
		return err
	}
	return record(ctx, tx, "custody.destroyed", k.Holder.Account, k.ID)
}

// NewPIN implements Door.
func (m *Module) NewPIN(ctx context.Context, tx work.Tx, h Holder) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	acc, err := m.d.Store.LockAccount(ctx, tx, h.Account)
	if err != nil {
		return unknown(err, CodeNoPIN)
	}
	keys, err := m.d.Store.Keys(ctx, tx, h.Account)
	if err != nil {
		return err
	}
	for i := len(keys) - 1; i >= 0; i-- {
		k := keys[i]
		if k.Kind != KindPIN || k.Holder != h {
			continue
		}
		if k.State == KeyActive {
			return nil // Activate has ended the old one
		}
		_, next, err := m.shares(ctx, tx, k.ID)
		if err != nil {
			return err
		}
		if k.State == KeyPending && next != nil && !next.ProvedAt.IsZero() {
			return m.endOldPIN(ctx, tx, acc, k.ID, next.PepperID)
		}
	}
	return CodeKeyUnusable.Becausef("account %s has no new PIN key that was proved", h.Account)
}

// endOldPIN leaves one PIN key and one pepper, and restarts the ladder.
func (m *Module) endOldPIN(ctx context.Context, tx work.Tx, acc Account, keep, pepperID string) error {
	keys, err := m.d.Store.Keys(ctx, tx, acc.ID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kind == KindPIN && k.ID != keep {
			if err := m.destroy(ctx, tx, k); err != nil {
				return err
			}
		}
	}
	if err := m.d.Store.ErasePeppers(ctx, tx, acc.ID, pepperID); err != nil {
		return err
	}
	acc.Ladder.Restart()
	acc.Set = ""
	if err := m.d.Store.PutAccount(ctx, tx, acc); err != nil {
		return err
	}
	return record(ctx, tx, "pin.new", acc.ID, keep)
}

// Hold implements Door.
func (m *Module) Hold(ctx context.Context, tx work.Tx, keyID string, until time.Time) error {
	k, err := m.d.Store.Key(ctx, tx, keyID)
	if err != nil {
		return unknown(err, CodeKeyUnusable)
	}
	k.HoldUntil = until
	if err := m.d.Store.PutKey(ctx, tx, k); err != nil {
		return err
	}
	return record(ctx, tx, "custody.held", k.Holder.Account, keyID)
}

// PIN implements Door.
func (m *Module) PIN(ctx context.Context, account string) (PINStatus, error) {
	s := PINStatus{Remaining: ladder.Last}
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		acc, err := m.d.Store.Account(ctx, tx, account)
		if errors.Is(err, work.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now := m.d.Clock.Now()
		s.Remaining = max(0, ladder.Last-acc.Ladder.Run())
		s.Locked = acc.Ladder.Final
		if now.Before(acc.Ladder.LockedUntil) {
			s.LockedUntil = acc.Ladder.LockedUntil
		}
		s.FaceNeeded = acc.Ladder.Spent(now)
		keys, err := m.d.Store.Keys(ctx, tx, account)
		for _, k := range keys {
			if k.Kind == KindPIN && (k.State == KeyActive || k.State == KeySuspended) {
				s.Set, s.Device = true, k.Holder.Device
			}
		}
		return err
	})
	return s, err
}

// PINKey implements Door.
func (m *Module) PINKey(ctx context.Context, tx work.Tx, account string) (Key, error) {
	keys, err := m.d.Store.Keys(ctx, tx, account)
	if err != nil {
		return Key{}, err
	}
	for _, k := range keys {
		if k.Kind == KindPIN && k.State == KeyActive {
			return k.Key, nil
		}
	}
	return Key{}, CodeNoPIN
}

// Key implements Door.
func (m *Module) Key(ctx context.Context, tx work.Tx, keyID string) (Key, error) {
	k, err := m.d.Store.Key(ctx, tx, keyID)
	return k.Key, unknown(err, CodeKeyUnusable)
}

// Keys implements Door.
func (m *Module) Keys(ctx context.Context, tx work.Tx, account string) ([]Key, error) {
	rows, err := m.d.Store.Keys(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	out := make([]Key, len(rows))
	for i, k := range rows {
		out[i] = k.Key
	}
	return out, nil
}

// IsPINKey implements Door.
func (m *Module) IsPINKey(ctx context.Context, publicKey []byte) (bool, error) {
	is := false
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		k, err := m.d.Store.KeyByPublicKey(ctx, tx, publicKey)
		if errors.Is(err, work.ErrNotFound) {
			return nil
		}
		is = k.Kind == KindPIN
		return err
	})
	return is, err
}

// FaceChecked implements Door.
func (m *Module) FaceChecked(ctx context.Context, tx work.Tx, account string) error {
	acc, err := m.d.Store.LockAccount(ctx, tx, account)
	if err != nil {
		return unknown(err, CodeNoPIN)
	}
	acc.Ladder.Face = true
	if err := m.d.Store.PutAccount(ctx, tx, acc); err != nil {
		return err
	}
	return record(ctx, tx, "pin.face-checked", account, account)
}
