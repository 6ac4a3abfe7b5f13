package custody

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// recordLimit is how long what follows the charge may take. It goes on when the
// phone hangs up: a right PIN must not stay charged for a lost connection.
const recordLimit = 30 * time.Second

// Answer implements Door. The steps are those of docs/split-keys.md §2.2, step 3:
// read and check, charge and consume in one transaction, compute, record that
// the PIN was right together with the signature, and last the caller's record.
func (m *Module) Answer(ctx context.Context, h Holder, opID string, a Answer, f Finish) (Result, error) {
	if err := m.Healthy(); err != nil {
		return Result{}, err
	}
	var l loaded
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if l.op, err = m.operation(ctx, tx, h, opID); err != nil || l.op.Signature != nil {
			return err
		}
		l, err = m.load(ctx, tx, h, opID)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	if l.op.Signature != nil {
		return m.repeat(ctx, l.op, a, f)
	}
	c, err := m.prepare(&l, a)
	if err != nil {
		return Result{}, err
	}
	defer c.share.Wipe()
	if l.signs() {
		if c.nonce = m.open.claim(a.NonceID); c.nonce == nil {
			return Result{}, CodeStale
		}
	}
	charged, err := m.charge(ctx, h, &l, &c)
	if err != nil {
		if c.nonce != nil {
			m.open.restore(a.NonceID, c.nonce)
		}
		return Result{}, err
	}
	if c.nonce != nil {
		defer c.nonce.omega.Wipe()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if err := m.step("charged"); err != nil {
		return Result{}, err
	}
	result, err := m.compute(&l, c)
	switch {
	case errors.Is(err, splitkey.ErrProof):
		return Result{}, m.wrong(ctx, l, charged)
	case err != nil: // what was checked before the charge cannot be malformed
		return Result{}, m.fail(err)
	}
	if err := m.step("computed"); err != nil {
		return Result{}, err
	}
	if result, err = m.right(ctx, &l, c, result, charged); err != nil {
		return Result{}, err
	}
	if err := m.step("recorded"); err != nil {
		return Result{}, err
	}
	return m.finish(ctx, l.op, result, f)
}

// repeat answers for an operation whose signature is stored: nothing is charged
// or computed again.
func (m *Module) repeat(ctx context.Context, op OperationRow, a Answer, f Finish) (Result, error) {
	if a.Sign == nil || subtle.ConstantTimeCompare(a.Sign.E, op.Digest) != 1 {
		return Result{}, CodeBadAnswer.Becausef("a repeated answer for another message")
	}
	if op.State == OperationDone {
		return op.result(), nil
	}
	return m.finish(ctx, op, op.result(), f)
}

func (o OperationRow) result() Result {
	return Result{Signature: &splitkey.Signature{R: o.Signature[:splitkey.ScalarSize], S: o.Signature[splitkey.ScalarSize:]}}
}

// candidate is an answer that may be charged: well-formed, for our message.
type candidate struct {
	answer  Answer
	share   *splitkey.Secret
	nonce   *nonce // signing
	digest  []byte // signing: e, of our own M
	c1      [][]byte
	consume NonceRow // what the open nonce must match; after the charge, the row
}

// prepare checks all that is checked without a charge (§2.2, step 3b).
func (m *Module) prepare(l *loaded, a Answer) (candidate, error) {
	c := candidate{answer: a, consume: NonceRow{
		PublicKey: l.key.PublicKey, ID: a.NonceID, KeyID: l.key.ID, OpID: l.op.OpID, BootID: m.boot,
	}}
	var err error
	if l.signs() {
		if a.Sign == nil || a.Decrypt != nil {
			return c, CodeBadAnswer
		}
		if c.digest, err = splitkey.Digest(l.key.PublicKey, l.op.ID, l.op.M); err == nil {
			err = a.Sign.Check(c.digest)
		}
		if err != nil {
			return c, CodeBadAnswer.Because(err)
		}
	} else {
		if a.Decrypt == nil || a.Sign != nil {
			return c, CodeBadAnswer
		}
		if err := a.Decrypt.Check(); err != nil {
			return c, CodeBadAnswer.Because(err)
		}
		for _, der := range l.op.Ciphertexts {
			x, err := splitkey.ParseCiphertext(der)
			if err != nil {
				return c, err
			}
			c.c1 = append(c.c1, x.C1)
		}
	}
	c.share, err = m.share(l.share)
	return c, err
}

// charge is the one transaction that every proof of a PIN goes through (§2.2,
// step 3c): it locks the account's row, refuses while a lock holds, charges the
// attempt and consumes the nonce.
func (m *Module) charge(ctx context.Context, h Holder, l *loaded, c *candidate) (ladder.Charge, error) {
	var charged ladder.Charge
	err := m.do(ctx, "charge", func(ctx context.Context, tx work.Tx) error {
		acc, err := m.d.Store.LockAccount(ctx, tx, h.Account)
		if err != nil {
			return unknown(err, CodeNoPIN)
		}
		now := m.d.Clock.Now()
		fresh, err := m.load(ctx, tx, h, l.op.OpID)
		if err != nil {
			return err
		}
		if fresh.uncharged() {
			moved, err := m.moveProof(ctx, tx, fresh, EnrolmentUsed, EnrolmentProving)
			if err != nil {
				return err
			}
			if !moved {
				return CodeEnrolment.Becausef("the new PIN of key %s was being compared before", fresh.key.ID)
			}
		} else {
			if err := refusal(acc.Ladder, now); err != nil {
				return err
			}
			charged = acc.Ladder.Charge(now)
			if err := m.d.Store.PutAccount(ctx, tx, acc); err != nil {
				return err
			}
			if err := m.enqueueSettle(ctx, tx, h.Account, charged); err != nil {
				return err
			}
		}
		row, err := m.d.Store.TakeNonce(ctx, tx, c.consume, now)
		if err != nil {
			return unknown(err, CodeStale)
		}
		if fresh.op.State != OperationPending || fresh.share.ID != l.share.ID || row.ShareID != l.share.ID {
			return CodeStale
		}
		c.consume = row
		return nil
	})
	return charged, err
}

// moveProof marks where the comparison of a new PIN stands: one that broke off is
// the last, because nobody is charged for the guess it may have been. False if
// it stands elsewhere.
func (m *Module) moveProof(ctx context.Context, tx work.Tx, l loaded, from, to EnrolmentState) (bool, error) {
	e, err := m.d.Store.Enrolment(ctx, tx, l.key.Enrolment)
	if err != nil || e.State != from {
		return false, err
	}
	return true, m.d.Store.MoveEnrolment(ctx, tx, e.ID, from, to)
}

// compute joins share, nonce and answer (§2.2, step 3d; §2.4, step 2).
func (m *Module) compute(l *loaded, c candidate) (Result, error) {
	keyID, opID := l.key.ID, l.op.OpID
	if !l.signs() {
		platform := sm3.Sum(l.op.PlatformCertificate)
		watch := clock.Start()
		t2, err := splitkey.DeriveT2(c.share, l.key.PublicKey, splitkey.DecryptBinding{
			KeyID: keyID, OpID: opID, ServerNonce: c.consume.ServerNonce, Platform: platform[:], C1: c.c1,
		}, *c.answer.Decrypt)
		m.observe("decrypt", watch, err)
		return Result{T2: t2}, err
	}
	watch := clock.Start()
	sig, err := splitkey.Complete(c.share, c.nonce.omega, splitkey.Binding{
		KeyID: keyID, PublicKey: l.key.PublicKey, OpID: opID, NonceID: c.consume.ID, W: c.nonce.w, Digest: c.digest,
	}, *c.answer.Sign)
	m.observe("sign", watch, err)
	return Result{Signature: &sig}, err
}

// right records a right PIN: the charge goes back, the run's earlier charges are
// cleared if the share is under the PIN, and a signature is kept for as long as the caller's record takes. An
// operation has one signature: if another answer was quicker, its is returned.
func (m *Module) right(ctx context.Context, l *loaded, c candidate, computed Result, charged ladder.Charge) (result Result, err error) {
	err = m.do(ctx, "right", func(ctx context.Context, tx work.Tx) error {
		result = computed
		acc, err := m.d.Store.LockAccount(ctx, tx, l.op.Holder.Account)
		if err != nil {
			return err
		}
		switch {
		case l.uncharged():
			_, err = m.moveProof(ctx, tx, *l, EnrolmentProving, EnrolmentUsed)
		case l.provesPIN():
			acc.Ladder.GiveBack(charged.Seq)
			err = m.d.Store.PutAccount(ctx, tx, acc)
		default:
			acc.Ladder.Uncharge(charged.Seq)
			err = m.d.Store.PutAccount(ctx, tx, acc)
		}
		if err != nil {
			return err
		}
		now := m.d.Clock.Now()
		if l.share.Slot == SlotNext {
			if err := m.d.Store.ProveShare(ctx, tx, l.share.ID, now); err != nil {
				return err
			}
		}
		l.op.CompletedAt = now
		if computed.Signature == nil {
			return nil // T2 is kept nowhere; the operation stays open until it is recorded
		}
		op, err := m.d.Store.Operation(ctx, tx, l.op.OpID)
		switch {
		case err != nil:
			return err
		case op.Signature != nil:
			result, l.op = op.result(), op
			return nil
		case op.State != OperationPending:
			return nil // withdrawn meanwhile: finish will say so
		}
		op.State, op.Digest, op.CompletedAt = OperationComputed, c.digest, now
		op.Signature = append(append([]byte{}, computed.Signature.R...), computed.Signature.S...)
		return m.d.Store.MoveOperation(ctx, tx, OperationPending, op)
	})
	return result, err
}

// finish runs the caller's part and closes the operation in one transaction
// with it. Until that has committed nothing leaves custody; a repeated answer
// comes here again for a signature, and decryption begins anew.
func (m *Module) finish(ctx context.Context, op OperationRow, result Result, f Finish) (Result, error) {
	done := Done{Activation: op.Activation, At: op.CompletedAt}
	if result.Signature != nil {
		der, err := result.Signature.DER()
		if err != nil {
			return Result{}, m.fail(err)
		}
		done.Signature = der
	}
	var commit func(context.Context, work.Tx) error
	if f != nil {
		var err error
		if commit, err = f(ctx, done); err != nil {
			return Result{}, err
		}
	}
	if err := m.step("finishing"); err != nil {
		return Result{}, err
	}
	err := m.do(ctx, "finish", func(ctx context.Context, tx work.Tx) error {
		now, err := m.d.Store.Operation(ctx, tx, op.OpID)
		if err != nil {
			return err
		}
		switch {
		case now.State == OperationDone && result.Signature != nil:
			return nil // another repetition was quicker
		case now.State == OperationDone, now.State == OperationWithdrawn:
			return CodeOperationOver
		}
		from := now.State
		now.State, now.CompletedAt = OperationDone, op.CompletedAt
		if err := m.d.Store.MoveOperation(ctx, tx, from, now); err != nil {
			return err
		}
		// Documents and ciphertexts are their owners' to keep; what a PIN has
		// confirmed stays.
		if op.ID == splitkey.IDDocument || op.ID == "" {
			if err := m.d.Store.DropMessage(ctx, tx, op.OpID); err != nil {
				return err
			}
		}
		if err := record(ctx, tx, "custody.completed", op.Holder.Account, op.OpID); err != nil {
			return err
		}
		if commit == nil {
			return nil
		}
		return commit(ctx, tx)
	})
	if err != nil {
		return Result{}, err
	}
	return result, nil
}

// wrong turns a failed proof into its refusal. The charge stands already; what
// follows from it, notice and destroyed peppers, is settled here, or by the job
// of the charge if this breaks off.
func (m *Module) wrong(ctx context.Context, l loaded, charged ladder.Charge) error {
	account := l.op.Holder.Account
	if l.uncharged() {
		err := m.do(ctx, "mismatch", func(ctx context.Context, tx work.Tx) error {
			if _, err := m.d.Store.LockAccount(ctx, tx, account); err != nil {
				return err
			}
			return m.voidEnrolments(ctx, tx, account, func(e EnrolmentRow) bool { return e.KeyID == l.key.ID })
		})
		if err != nil {
			return err
		}
		return CodePINMismatch
	}
	if err := m.settle(ctx, account, charged.Seq); err != nil {
		m.d.Log.Error("settling a wrong PIN; its job will do it", "account", account, "error", err)
	}
	members := map[string]any{"remaining": ladder.Last - charged.Place}
	switch {
	case charged.Place >= ladder.Last:
		members["locked"] = true
	case !charged.Until.IsZero():
		members["lockedUntil"] = charged.Until.Format(time.RFC3339)
	}
	return CodeWrongPIN.With(members)
}
