package custody

import (
	"bytes"
	"context"
	"errors"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

const (
	enrolmentLife = 10 * time.Minute
	// enrolmentLimit is how many keys of one kind and subject may be made in a day:
	// their rows stay, and whoever asks for the account's keys reads them.
	enrolmentLimit = 20
	enrolmentSpan  = 24 * time.Hour
)

// Enrol implements Door.
func (m *Module) Enrol(ctx context.Context, tx work.Tx, h Holder, k Kind, subject string) (Enrolment, error) {
	if err := m.Healthy(); err != nil {
		return Enrolment{}, err
	}
	if _, err := h.device(); err != nil {
		return Enrolment{}, err
	}
	if subject == "" || k != KindPIN && k != KindSign {
		return Enrolment{}, errors.New("custody: an enrolment is for a PIN or signing key of a subject")
	}
	if err := m.d.Store.EnsureAccount(ctx, tx, h.Account); err != nil {
		return Enrolment{}, err
	}
	acc, err := m.d.Store.LockAccount(ctx, tx, h.Account)
	if err != nil {
		return Enrolment{}, err
	}
	err = m.voidEnrolments(ctx, tx, h.Account, func(e EnrolmentRow) bool { return e.Kind == k && e.Subject == subject })
	if err != nil {
		return Enrolment{}, err
	}
	now := m.d.Clock.Now()
	if err := m.enrolable(ctx, tx, h.Account, k, subject, now); err != nil {
		return Enrolment{}, err
	}
	var pepperID string
	var pepper []byte
	if k == KindPIN {
		pepperID, pepper, err = m.newPepper(ctx, tx, h)
	} else {
		if err := refusal(acc.Ladder, now); err != nil {
			return Enrolment{}, err
		}
		pepperID, pepper, err = m.currentPepper(ctx, tx, h)
	}
	if err != nil {
		return Enrolment{}, err
	}
	e := EnrolmentRow{
		ID: id.New(m.d.Rand), Holder: h, Kind: k, Subject: subject, KeyID: id.New(m.d.Rand), PepperID: pepperID,
		State: EnrolmentOpen, Expires: now.Add(enrolmentLife),
	}
	if err := m.d.Store.AddEnrolment(ctx, tx, e); err != nil {
		return Enrolment{}, err
	}
	if err := record(ctx, tx, "custody.enrolled", h.Account, e.KeyID); err != nil {
		return Enrolment{}, err
	}
	return Enrolment{ID: e.ID, KeyID: e.KeyID, Server: m.d.Server, Seed: id.Bytes(m.d.Rand, splitkey.SeedSize), Pepper: pepper}, nil
}

// enrolable refuses a subject for which too many keys were made of late.
func (m *Module) enrolable(ctx context.Context, tx work.Tx, account string, kind Kind, subject string, now time.Time) error {
	keys, err := m.d.Store.Keys(ctx, tx, account)
	made := 0
	for _, k := range keys {
		if k.Kind == kind && k.Subject == subject && now.Sub(k.CreatedAt) < enrolmentSpan {
			made++
		}
	}
	if err == nil && made >= enrolmentLimit {
		return CodeTooMany
	}
	return err
}

func record(ctx context.Context, tx work.Tx, kind, actor, subject string) error {
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: subject})
}

func (m *Module) newPepper(ctx context.Context, tx work.Tx, h Holder) (string, []byte, error) {
	p := Pepper{ID: id.New(m.d.Rand), Holder: h}
	plain := id.Bytes(m.d.Rand, splitkey.PepperSize)
	var err error
	if p.Sealed, err = m.seal("custody_peppers", p.row(), plain); err != nil {
		return "", nil, err
	}
	return p.ID, plain, m.d.Store.AddPepper(ctx, tx, p)
}

// currentPepper is that of the holder's PIN key: one stretch of the PIN serves
// all keys of a device.
func (m *Module) currentPepper(ctx context.Context, tx work.Tx, h Holder) (string, []byte, error) {
	k, err := m.PINKey(ctx, tx, h.Account)
	if err != nil {
		return "", nil, err
	}
	if k.Holder != h {
		return "", nil, CodeWrongDevice
	}
	current, _, err := m.shares(ctx, tx, k.ID)
	if err != nil {
		return "", nil, err
	}
	if current == nil {
		return "", nil, CodeKeyUnusable.Becausef("PIN key %s has no share", k.ID)
	}
	plain, err := m.pepper(ctx, tx, current.PepperID)
	return current.PepperID, plain, err
}

// shares gives a key's current and next share, nil where there is none.
func (m *Module) shares(ctx context.Context, tx work.Tx, keyID string) (current, next *ShareRow, err error) {
	rows, err := m.d.Store.Shares(ctx, tx, keyID)
	if err != nil {
		return nil, nil, err
	}
	for i := range rows {
		if rows[i].Slot == SlotCurrent {
			current = &rows[i]
		} else {
			next = &rows[i]
		}
	}
	return current, next, nil
}

// voidEnrolments ends the account's enrolments that match: an open one serves no
// more, and a key that one made is destroyed unless it has been activated.
func (m *Module) voidEnrolments(ctx context.Context, tx work.Tx, account string, match func(EnrolmentRow) bool) error {
	all, err := m.d.Store.Enrolments(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, e := range all {
		if !match(e) {
			continue
		}
		k, err := m.d.Store.Key(ctx, tx, e.KeyID)
		switch {
		case errors.Is(err, work.ErrNotFound):
		case err != nil:
			return err
		case k.State != KeyPending:
			continue
		default:
			if err := m.destroy(ctx, tx, k); err != nil {
				return err
			}
		}
		if err := m.d.Store.MoveEnrolment(ctx, tx, e.ID, e.State, EnrolmentVoid); err != nil {
			return err
		}
		if e.Kind == KindPIN {
			if err := m.d.Store.ErasePepper(ctx, tx, e.PepperID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Generate implements Door.
func (m *Module) Generate(ctx context.Context, h Holder, enrolment string, r splitkey.KeygenRequest) (splitkey.KeygenReply, error) {
	none := splitkey.KeygenReply{}
	if err := m.Healthy(); err != nil {
		return none, err
	}
	device, err := h.device()
	if err != nil {
		return none, err
	}
	var e EnrolmentRow
	read := func(ctx context.Context, tx work.Tx) (err error) {
		if e, err = m.d.Store.Enrolment(ctx, tx, enrolment); err != nil {
			return unknown(err, CodeEnrolment)
		}
		if e.Holder != h || e.State != EnrolmentOpen || !m.d.Clock.Now().Before(e.Expires) {
			return CodeEnrolment
		}
		return nil
	}
	if err := m.d.Runner.View(ctx, read); err != nil {
		return none, err
	}
	watch := clock.Start()
	d2, reply, err := splitkey.ServerKeygen(m.d.Rand, splitkey.Context{
		Account: h.Account, Device: device, Enrolment: e.ID, Server: m.d.Server, KeyID: e.KeyID,
	}, r)
	m.observe("keygen", watch, err)
	if err != nil {
		return none, m.refused(err)
	}
	defer d2.Wipe()
	share := ShareRow{ID: id.New(m.d.Rand), KeyID: e.KeyID, Slot: SlotNext, Holder: h, Subject: e.Subject, PepperID: e.PepperID}
	if err := m.sealShare(&share, d2); err != nil {
		return none, err
	}
	err = m.do(ctx, "generate", func(ctx context.Context, tx work.Tx) error {
		if err := read(ctx, tx); err != nil {
			return err
		}
		if err := m.d.Store.MoveEnrolment(ctx, tx, e.ID, EnrolmentOpen, EnrolmentUsed); err != nil {
			return err
		}
		k := KeyRow{CreatedAt: m.d.Clock.Now(), Key: Key{
			ID: e.KeyID, Holder: h, Kind: e.Kind, PublicKey: reply.P, Subject: e.Subject, State: KeyPending, Enrolment: e.ID,
		}}
		if err := m.d.Store.AddKey(ctx, tx, k); err != nil {
			return err
		}
		if err := m.d.Store.AddShare(ctx, tx, share); err != nil {
			return err
		}
		return record(ctx, tx, "custody.generated", h.Account, k.ID)
	})
	if err != nil {
		return none, err
	}
	return reply, nil
}

// refused maps an error of splitkey that charges nobody.
func (m *Module) refused(err error) error {
	if errors.Is(err, splitkey.ErrRandom) {
		return m.fail(err)
	}
	return CodeBadAnswer.Because(err)
}

// Accept implements Door.
func (m *Module) Accept(ctx context.Context, tx work.Tx, h Holder, keyID, subject string, publicKey, forCustody []byte) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	if _, err := h.device(); err != nil {
		return err
	}
	if keyID == "" || len(keyID) > maxID || subject == "" {
		return errors.New("custody: a delivery is for a key and a subject")
	}
	b, err := m.openDelivery(ctx, tx, h, keyID, subject, publicKey, forCustody)
	if err != nil {
		return err
	}
	defer b.Wipe()
	if _, err := m.d.Store.LockAccount(ctx, tx, h.Account); err != nil {
		return unknown(err, CodeNoPIN)
	}
	pepperID, _, err := m.currentPepper(ctx, tx, h)
	if err != nil {
		return err
	}
	k, err := m.d.Store.Key(ctx, tx, keyID)
	switch {
	case errors.Is(err, work.ErrNotFound):
		k = KeyRow{CreatedAt: m.d.Clock.Now(), Key: Key{
			ID: keyID, Holder: h, Kind: KindEncrypt, PublicKey: publicKey, Subject: subject, State: KeyPending,
		}}
		err = m.d.Store.AddKey(ctx, tx, k)
	case err == nil && (k.Kind != KindEncrypt || k.State == KeyDestroyed || !bytes.Equal(k.PublicKey, publicKey)):
		err = CodeKeyUnusable.Becausef("key %s cannot take a share", keyID)
	case err == nil && k.State == KeyPending: // dealt before, never proved
		k.Holder, k.Subject = h, subject
		err = m.d.Store.PutKey(ctx, tx, k)
	}
	if err != nil {
		return err
	}
	if err := m.dropNext(ctx, tx, keyID); err != nil {
		return err
	}
	share := ShareRow{ID: id.New(m.d.Rand), KeyID: keyID, Slot: SlotNext, Holder: h, Subject: subject, PepperID: pepperID}
	if err := m.sealShare(&share, b); err != nil {
		return err
	}
	if err := m.d.Store.AddShare(ctx, tx, share); err != nil {
		return err
	}
	return record(ctx, tx, "custody.accepted", h.Account, keyID)
}

// dropNext erases a share that was not activated, and the key's open nonce.
func (m *Module) dropNext(ctx context.Context, tx work.Tx, keyID string) error {
	_, next, err := m.shares(ctx, tx, keyID)
	if err != nil {
		return err
	}
	if next != nil {
		if err := m.d.Store.EraseShare(ctx, tx, next.ID); err != nil {
			return err
		}
	}
	return m.d.Store.DropNonces(ctx, tx, keyID)
}
