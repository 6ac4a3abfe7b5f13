package custody

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

const (
	nonceLife = 120 * time.Second
	maxID     = 256 // bytes of an ID in a proof
)

// Authorise implements Door.
func (m *Module) Authorise(ctx context.Context, tx work.Tx, a Activation) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	if err := a.check(m.d.Clock.Now()); err != nil {
		return err
	}
	l := loaded{op: OperationRow{Activation: a}}
	if err := m.loadKey(ctx, tx, &l); err != nil {
		return err
	}
	if err := a.fits(l.key.Kind); err != nil {
		return err
	}
	if l.share.Slot == SlotNext {
		l.op.ShareID = l.share.ID
	}
	return m.d.Store.AddOperation(ctx, tx, l.op)
}

func (a Activation) check(now time.Time) error {
	switch {
	case a.OpID == "" || a.KeyID == "" || a.Business == "" || a.Subject == "":
		return errors.New("custody: an activation names operation, key, business and subject")
	case len(a.OpID) > maxID || len(a.KeyID) > maxID:
		return errors.New("custody: an ID of over 256 bytes")
	case !now.Before(a.Expires):
		return errors.New("custody: an activation that has expired")
	case (len(a.M) == 0) == (len(a.Ciphertexts) == 0):
		return errors.New("custody: an activation has a message or ciphertexts")
	case len(a.M) > splitkey.MaxMessage:
		return fmt.Errorf("custody: a message of %d bytes", len(a.M))
	case len(a.Ciphertexts) > splitkey.MaxCiphertexts:
		return fmt.Errorf("custody: %d ciphertexts", len(a.Ciphertexts))
	case len(a.Ciphertexts) > 0 && (len(a.PlatformCertificate) == 0 || a.ID != ""):
		return errors.New("custody: a decryption is for a platform's certificate and has no ID")
	}
	for _, der := range a.Ciphertexts {
		if _, err := splitkey.ParseCiphertext(der); err != nil {
			return err
		}
	}
	return nil
}

// fits holds a message against the purposes of docs/split-keys.md §2.9: each of
// our own messages is signed under its own ID, everything else under the one of
// documents, and a PIN key signs confirmations only.
func (a Activation) fits(k Kind) error {
	if k == KindEncrypt != (len(a.Ciphertexts) > 0) {
		return fmt.Errorf("custody: a %s key cannot do this operation", k)
	}
	if k == KindEncrypt {
		return nil
	}
	if own := splitkey.MessageID(a.M); own != a.ID && (own != "" || a.ID != splitkey.IDDocument) {
		return fmt.Errorf("custody: a message of the purpose %q under the ID %q", own, a.ID)
	}
	if k == KindPIN {
		switch a.ID {
		case splitkey.IDPIN, splitkey.IDRefresh, splitkey.IDTrial, splitkey.IDTakeover:
		default:
			return fmt.Errorf("custody: a PIN key does not sign under the ID %q", a.ID)
		}
	}
	return nil
}

// Withdraw implements Door.
func (m *Module) Withdraw(ctx context.Context, tx work.Tx, opID string) error {
	op, err := m.d.Store.Operation(ctx, tx, opID)
	if errors.Is(err, work.ErrNotFound) {
		return nil
	}
	if err != nil || op.State != OperationPending && op.State != OperationComputed {
		return err
	}
	from := op.State
	op.State, op.Digest, op.Signature = OperationWithdrawn, nil, nil
	if err := m.d.Store.MoveOperation(ctx, tx, from, op); err != nil {
		return err
	}
	return m.d.Store.DropMessage(ctx, tx, opID)
}

// Activation implements Door.
func (m *Module) Activation(ctx context.Context, h Holder, opID string) (Activation, error) {
	var op OperationRow
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		op, err = m.operation(ctx, tx, h, opID)
		return err
	})
	return op.Activation, err
}

func (m *Module) operation(ctx context.Context, tx work.Tx, h Holder, opID string) (OperationRow, error) {
	op, err := m.d.Store.Operation(ctx, tx, opID)
	if err != nil {
		return OperationRow{}, unknown(err, CodeNoOperation)
	}
	if op.Holder.Account != h.Account {
		return OperationRow{}, CodeNoOperation
	}
	if op.Holder.Device != h.Device {
		return OperationRow{}, CodeWrongDevice
	}
	return op, nil
}

// loaded is an operation with all that decides about it.
type loaded struct {
	op    OperationRow
	key   KeyRow
	share ShareRow
}

// load reads an operation of the holder that is still to be answered.
func (m *Module) load(ctx context.Context, tx work.Tx, h Holder, opID string) (l loaded, err error) {
	if l.op, err = m.operation(ctx, tx, h, opID); err != nil {
		return l, err
	}
	switch l.op.State {
	case OperationWithdrawn, OperationDone:
		return l, CodeOperationOver
	case OperationComputed: // its own record is still to come: docs/custody.md
	default:
		if !m.d.Clock.Now().Before(l.op.Expires) {
			return l, CodeOperationOver
		}
	}
	return l, m.loadKey(ctx, tx, &l)
}

// loadKey finds the key and the share that serves the operation. An operation of
// a next share's own holder and subject is authorised for that share and serves
// no other; every other operation takes the current share of an active key.
func (m *Module) loadKey(ctx context.Context, tx work.Tx, l *loaded) (err error) {
	if l.key, err = m.d.Store.Key(ctx, tx, l.op.KeyID); err != nil {
		return unknown(err, CodeKeyUnusable)
	}
	current, next, err := m.shares(ctx, tx, l.key.ID)
	if err != nil {
		return err
	}
	a := l.op.Activation
	own := next != nil && next.Holder == a.Holder && next.Subject == a.Subject
	switch {
	case l.key.State == KeyDestroyed:
		return CodeKeyUnusable
	case own && (l.op.ShareID == next.ID || l.authorising()):
		l.share = *next
		return nil
	case l.op.ShareID != "":
		return CodeOperationOver.Becausef("the share of operation %s is gone", a.OpID)
	case l.key.Holder.Account != a.Holder.Account:
		return CodeNoOperation
	case l.key.Holder != a.Holder:
		return CodeWrongDevice
	case l.key.State != KeyActive || current == nil:
		return CodeKeyUnusable
	case l.key.Kind == KindEncrypt && !a.Unheld && m.d.Clock.Now().Before(l.key.HoldUntil):
		return CodeHeld.With(map[string]any{"until": l.key.HoldUntil.Format(time.RFC3339)})
	}
	l.share = *current
	return nil
}

func (l *loaded) authorising() bool { return l.op.State == "" }

// uncharged: the proof of a PIN key that is being made is the second typing of
// a new PIN; a mismatch discards the key instead of a charge (docs/split-keys.md
// §2.1).
func (l loaded) uncharged() bool {
	return l.key.Kind == KindPIN && l.share.Slot == SlotNext && l.share.Refresh == ""
}

// provesPIN: a right answer shows that the owner's PIN was typed. A share that was
// generated or dealt and is not yet active was masked by whoever holds the phone,
// under a PIN of his own choice.
func (l loaded) provesPIN() bool { return l.share.Slot == SlotCurrent || l.share.Refresh != "" }

func (l loaded) signs() bool { return l.key.Kind != KindEncrypt }

// Open implements Door.
func (m *Module) Open(ctx context.Context, h Holder, opID string) (Offer, error) {
	if err := m.Healthy(); err != nil {
		return Offer{}, err
	}
	var l loaded
	var pepper []byte
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if l, err = m.load(ctx, tx, h, opID); err != nil {
			return err
		}
		if !l.uncharged() {
			acc, err := m.d.Store.Account(ctx, tx, h.Account)
			if err != nil {
				return err
			}
			if err := refusal(acc.Ladder, m.d.Clock.Now()); err != nil {
				return err
			}
		}
		pepper, err = m.pepper(ctx, tx, l.share.PepperID)
		return err
	})
	if err != nil {
		return Offer{}, err
	}
	now := m.d.Clock.Now()
	row := NonceRow{
		PublicKey: l.key.PublicKey, ID: id.Token(m.d.Rand, 16), KeyID: l.key.ID, ShareID: l.share.ID, OpID: opID,
		BootID: m.boot, Expires: now.Add(nonceLife),
	}
	if l.op.State == OperationPending && l.op.Expires.Before(row.Expires) {
		row.Expires = l.op.Expires
	}
	offer := Offer{
		OpID: opID, Business: l.op.Business, KeyID: l.key.ID, ID: l.op.ID, M: l.op.M, NonceID: row.ID,
		Ciphertexts: l.op.Ciphertexts, PlatformCertificate: l.op.PlatformCertificate,
		Pepper: pepper, Seed: id.Bytes(m.d.Rand, splitkey.SeedSize), Expires: row.Expires,
	}
	if l.signs() {
		watch := clock.Start()
		omega, w, err := splitkey.OpenNonce(m.d.Rand, l.key.PublicKey)
		m.observe("open", watch, err)
		if err != nil {
			return Offer{}, m.fail(err)
		}
		offer.W = w
		// Before the row, so that a nonce in the row always has its ω in this process.
		m.open.put(row.ID, &nonce{omega: omega, w: w, expires: row.Expires}, now)
	} else {
		row.ServerNonce = id.Bytes(m.d.Rand, 32)
		offer.ServerNonce = row.ServerNonce
	}
	old := m.open.rows(row.PublicKey)
	err = m.do(ctx, "open", func(ctx context.Context, tx work.Tx) error { return m.d.Store.PutNonce(ctx, tx, row) })
	if err != nil {
		m.open.forget(row.ID)
		return Offer{}, err
	}
	if l.signs() {
		m.open.replace(row.PublicKey, old, row.ID)
	}
	return offer, nil
}
