package custody

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// A change of PIN (修改 PIN 码) gives every key of the device new shares of the
// same public key (docs/split-keys.md §2.5). Its steps:
//
//  1. AuthoriseRefresh in the caller's transaction; the phone proves the old PIN
//     by answering that operation (Open, Answer).
//  2. BeginRefresh in a sealed exchange: both sides derive the new shares, the
//     phone writes its new records beside the old ones, custody its next shares.
//  3. The phone proves every new share by answering the operations of BeginRefresh
//     (Open, Answer).
//  4. FlipRefresh in the caller's transaction makes all next shares current at
//     once. Before it the old PIN is the PIN, after it the new one.
//  5. The phone deletes the records that are not current. If it broke off it asks
//     CurrentSet at its next start.
//
// Whatever breaks off before step 4 is abandoned by the next AuthoriseRefresh or
// BeginRefresh, and its shares are never proved again.

const refreshLife = 10 * time.Minute

// Refreshing is a change of PIN that has begun.
type Refreshing struct {
	// ID names the phone's new set of records; CurrentSet gives it after the flip.
	ID string `json:"id"`
	// Reply is the server's ephemeral point.
	Reply splitkey.RefreshReply `json:"reply"`
	// Context is what both sides derive from, apart from the points.
	KeyIDs      []string `json:"keyIDs"`
	ServerNonce []byte   `json:"serverNonce"`
	// Operations prove the new shares, one for each key in the order of KeyIDs.
	Operations []string  `json:"operations"`
	Expires    time.Time `json:"expires"`
}

// AuthoriseRefresh records the operation by which the phone proves the old PIN:
// a signature of the PIN key, under IDRefresh, over the list of all keys of the
// device. Business and subject route its result as usual. It abandons an earlier
// change of PIN.
func (m *Module) AuthoriseRefresh(ctx context.Context, tx work.Tx, h Holder, opID, business, subject string, expires time.Time) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	device, err := h.device()
	if err != nil {
		return err
	}
	if _, err := m.d.Store.LockAccount(ctx, tx, h.Account); err != nil {
		return unknown(err, CodeNoPIN)
	}
	if err := m.abandonRefreshes(ctx, tx, h.Account); err != nil {
		return err
	}
	pin, err := m.PINKey(ctx, tx, h.Account)
	if err != nil {
		return err
	}
	if pin.Holder != h {
		return CodeWrongDevice
	}
	keys, err := m.refreshable(ctx, tx, h)
	if err != nil {
		return err
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	object := sm3.Sum([]byte(opID))
	message, err := splitkey.ConfirmMessage{
		ID: splitkey.IDRefresh, Account: h.Account, Device: device, Purpose: "refresh", Object: object[:],
		KeyIDs: ids, ServerNonce: id.Bytes(m.d.Rand, 32),
	}.Bytes()
	if err != nil {
		return err
	}
	return m.Authorise(ctx, tx, Activation{
		OpID: opID, Holder: h, KeyID: pin.ID, Business: business, Subject: subject, ID: splitkey.IDRefresh,
		M: message, Expires: expires,
	})
}

// refreshable gives the keys under the PIN of a device: all that are active there.
func (m *Module) refreshable(ctx context.Context, tx work.Tx, h Holder) ([]KeyRow, error) {
	all, err := m.d.Store.Keys(ctx, tx, h.Account)
	if err != nil {
		return nil, err
	}
	var out []KeyRow
	for _, k := range all {
		if k.Holder == h && k.State == KeyActive {
			out = append(out, k)
		}
	}
	return out, nil
}

// BeginRefresh derives custody's next shares. opID is the operation of
// AuthoriseRefresh, finished less than ten minutes ago; it serves once, so a
// retry proves the old PIN again and takes other values. The result travels only
// in the sealed reply. Business and certificate (DER, the service certificate)
// are those of the operations that prove the new shares; their subject is
// Refreshing.ID.
func (m *Module) BeginRefresh(ctx context.Context, h Holder, opID string, r splitkey.RefreshRequest, business string, certificate []byte) (Refreshing, error) {
	if err := m.Healthy(); err != nil {
		return Refreshing{}, err
	}
	var c splitkey.RefreshContext
	var keys []refreshing
	err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		c, keys, err = m.refreshContext(ctx, tx, h, opID)
		return err
	})
	if err != nil {
		return Refreshing{}, err
	}
	fresh, reply, err := splitkey.ServerRefresh(m.d.Rand, c, r)
	if err != nil {
		return Refreshing{}, m.refused(err)
	}
	defer fresh.Wipe()
	out := Refreshing{
		ID: id.New(m.d.Rand), Reply: reply, KeyIDs: c.KeyIDs, ServerNonce: c.ServerNonce,
		Expires: m.d.Clock.Now().Add(refreshLife),
	}
	for i := range keys {
		k := &keys[i]
		if err := m.deriveNext(fresh, k, out.ID); err != nil {
			return Refreshing{}, err
		}
		if k.proof, err = m.proofOf(k.key, out, business, certificate); err != nil {
			return Refreshing{}, err
		}
		out.Operations = append(out.Operations, k.proof.OpID)
	}
	if err := m.step("derived"); err != nil {
		return Refreshing{}, err
	}
	err = m.do(ctx, "refresh", func(ctx context.Context, tx work.Tx) error {
		return m.storeRefresh(ctx, tx, h, opID, out, keys)
	})
	if err != nil {
		return Refreshing{}, err
	}
	return out, nil
}

// refreshing is one key of a change of PIN.
type refreshing struct {
	key     KeyRow
	current ShareRow
	next    ShareRow
	proof   Activation
}

// storeRefresh keeps the derived shares if everything is still as they were
// derived from.
func (m *Module) storeRefresh(ctx context.Context, tx work.Tx, h Holder, opID string, out Refreshing, keys []refreshing) error {
	if _, err := m.d.Store.LockAccount(ctx, tx, h.Account); err != nil {
		return err
	}
	if err := m.abandonRefreshes(ctx, tx, h.Account); err != nil {
		return err
	}
	_, now, err := m.refreshContext(ctx, tx, h, opID)
	if err != nil {
		return err
	}
	err = m.d.Store.AddRefresh(ctx, tx, RefreshRow{ID: out.ID, Holder: h, OpID: opID, State: RefreshOpen, Expires: out.Expires})
	if errors.Is(err, work.ErrExists) {
		return CodeRefresh.Because(err) // the operation has served
	}
	if err != nil {
		return err
	}
	for i, k := range keys {
		if now[i].current.ID != k.current.ID {
			return CodeRefresh.Becausef("the share of key %s has changed", k.key.ID)
		}
		if err := m.dropNext(ctx, tx, k.key.ID); err != nil { // a delivery that was never proved
			return err
		}
		if err := m.d.Store.AddShare(ctx, tx, k.next); err != nil {
			return err
		}
		if err := m.Authorise(ctx, tx, k.proof); err != nil {
			return err
		}
	}
	return record(ctx, tx, "pin.refreshing", h.Account, out.ID)
}

// refreshContext reads the list that the old PIN has confirmed and holds it
// against the keys of the device as they are now.
func (m *Module) refreshContext(ctx context.Context, tx work.Tx, h Holder, opID string) (splitkey.RefreshContext, []refreshing, error) {
	none := splitkey.RefreshContext{}
	op, err := m.operation(ctx, tx, h, opID)
	if err != nil {
		return none, nil, err
	}
	if op.ID != splitkey.IDRefresh || op.State != OperationDone || m.d.Clock.Now().Sub(op.CompletedAt) >= refreshLife {
		return none, nil, CodeRefresh.Becausef("operation %s does not open a change of PIN", opID)
	}
	pin, err := m.PINKey(ctx, tx, h.Account)
	if err != nil {
		return none, nil, err
	}
	message, err := splitkey.ParseConfirmMessage(op.M)
	if err != nil || pin.ID != op.KeyID {
		return none, nil, CodeRefresh.Becausef("operation %s is not of the PIN key", opID)
	}
	rows, err := m.refreshable(ctx, tx, h)
	if err != nil {
		return none, nil, err
	}
	keys := make([]refreshing, len(rows))
	ids := make([]string, len(rows))
	for i, k := range rows {
		current, _, err := m.shares(ctx, tx, k.ID)
		if err != nil {
			return none, nil, err
		}
		if current == nil {
			return none, nil, CodeKeyUnusable.Becausef("key %s has no share", k.ID)
		}
		ids[i], keys[i] = k.ID, refreshing{key: k, current: *current}
	}
	if !slices.Equal(ids, message.KeyIDs) {
		return none, nil, CodeRefresh.Becausef("the keys of the device have changed")
	}
	return splitkey.RefreshContext{
		Account: h.Account, Device: message.Device, OpID: opID, ServerNonce: message.ServerNonce, KeyIDs: ids,
	}, keys, nil
}

// deriveNext derives the next share of one key.
func (m *Module) deriveNext(fresh *splitkey.Refresh, k *refreshing, set string) error {
	old, err := m.share(k.current)
	if err != nil {
		return err
	}
	defer old.Wipe()
	derive := fresh.ServerSigning
	if k.key.Kind == KindEncrypt {
		derive = fresh.ServerEncryption
	}
	share, err := derive(k.key.ID, old)
	if err != nil {
		return m.fail(err)
	}
	defer share.Wipe()
	k.next = ShareRow{
		ID: id.New(m.d.Rand), KeyID: k.key.ID, Slot: SlotNext, Holder: k.key.Holder, Subject: set,
		PepperID: k.current.PepperID, Refresh: set,
	}
	return m.sealShare(&k.next, share)
}

// proofOf is the activation that proves a new share: a confirmation for a PIN or
// signing key, a throw-away ciphertext for an encryption key.
func (m *Module) proofOf(k KeyRow, set Refreshing, business string, certificate []byte) (Activation, error) {
	a := Activation{
		OpID: id.New(m.d.Rand), Holder: k.Holder, KeyID: k.ID, Business: business, Subject: set.ID, Expires: set.Expires,
	}
	if k.Kind == KindEncrypt {
		pub, err := sm2.NewPublicKey(k.PublicKey)
		if err != nil {
			return Activation{}, err
		}
		der, err := sm2.EncryptASN1(m.d.Rand, pub, id.Bytes(m.d.Rand, 32))
		if err != nil {
			return Activation{}, err
		}
		a.Ciphertexts, a.PlatformCertificate, a.Unheld = [][]byte{der}, certificate, true
		return a, nil
	}
	device, err := k.Holder.device()
	if err != nil {
		return Activation{}, err
	}
	object := sm3.Sum([]byte(set.ID))
	a.ID = splitkey.IDTrial
	a.M, err = splitkey.ConfirmMessage{
		ID: splitkey.IDTrial, Account: k.Holder.Account, Device: device, Purpose: "refresh", Object: object[:],
		KeyIDs: []string{k.ID}, ServerNonce: id.Bytes(m.d.Rand, 32),
	}.Bytes()
	return a, err
}

// FlipRefresh makes the new shares of a change of PIN current, all in the
// caller's transaction, and destroys the old ones. The keys of the device must
// be those of the refresh, each new share proved, else CodeRefresh. What was
// being made or delivered under the old PIN is void; run and budget restart.
// Flipping again does nothing.
func (m *Module) FlipRefresh(ctx context.Context, tx work.Tx, h Holder, refreshID string) error {
	if err := m.Healthy(); err != nil {
		return err
	}
	acc, err := m.d.Store.LockAccount(ctx, tx, h.Account)
	if err != nil {
		return unknown(err, CodeRefresh)
	}
	r, err := m.d.Store.Refresh(ctx, tx, refreshID)
	if err != nil {
		return unknown(err, CodeRefresh)
	}
	switch {
	case r.Holder != h:
		return CodeRefresh
	case r.State == RefreshFlipped && acc.Set == r.ID:
		return nil
	case r.State != RefreshOpen || !m.d.Clock.Now().Before(r.Expires):
		return CodeRefresh.Becausef("the change of PIN %s is %s", r.ID, r.State)
	}
	keys, err := m.refreshable(ctx, tx, h)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := m.flipKey(ctx, tx, k, r.ID); err != nil {
			return err
		}
	}
	if err := m.d.Store.MoveRefresh(ctx, tx, r.ID, RefreshOpen, RefreshFlipped); err != nil {
		return err
	}
	if err := m.endUnfinished(ctx, tx, h.Account); err != nil {
		return err
	}
	acc.Set = r.ID
	acc.Ladder.Restart()
	if err := m.d.Store.PutAccount(ctx, tx, acc); err != nil {
		return err
	}
	return record(ctx, tx, "pin.changed", h.Account, r.ID)
}

func (m *Module) flipKey(ctx context.Context, tx work.Tx, k KeyRow, set string) error {
	current, next, err := m.shares(ctx, tx, k.ID)
	if err != nil {
		return err
	}
	if current == nil || next == nil || next.Refresh != set || next.ProvedAt.IsZero() {
		return CodeRefresh.Becausef("the new share of key %s is not proved", k.ID)
	}
	if err := m.d.Store.EraseShare(ctx, tx, current.ID); err != nil {
		return err
	}
	if err := m.d.Store.PromoteShare(ctx, tx, next.ID); err != nil {
		return err
	}
	return m.d.Store.DropNonces(ctx, tx, k.ID)
}

// eraseNext erases the account's next shares that match.
func (m *Module) eraseNext(ctx context.Context, tx work.Tx, account string, match func(ShareRow) bool) error {
	shares, err := m.d.Store.SharesOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, s := range shares {
		if s.Slot == SlotNext && match(s) {
			if err := m.d.Store.EraseShare(ctx, tx, s.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// CurrentSet names the set of records that is under the PIN: the ID of the last
// change of PIN that flipped, empty before the first or after a re-key. A phone
// that holds two sets keeps the one of this name and deletes the other.
func (m *Module) CurrentSet(ctx context.Context, h Holder) (set string, err error) {
	err = m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		acc, err := m.d.Store.Account(ctx, tx, h.Account)
		if errors.Is(err, work.ErrNotFound) {
			return nil
		}
		set = acc.Set
		return err
	})
	return set, err
}

// abandonRefreshes ends every change of PIN of an account that has not flipped;
// its shares are erased and never proved again.
func (m *Module) abandonRefreshes(ctx context.Context, tx work.Tx, account string) error {
	open, err := m.d.Store.OpenRefreshes(ctx, tx, account)
	if err != nil || len(open) == 0 {
		return err
	}
	if err := m.eraseNext(ctx, tx, account, func(s ShareRow) bool { return s.Refresh != "" }); err != nil {
		return err
	}
	for _, r := range open {
		if err := m.d.Store.MoveRefresh(ctx, tx, r.ID, RefreshOpen, RefreshAbandoned); err != nil {
			return err
		}
	}
	return nil
}
