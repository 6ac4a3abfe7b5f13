package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/house"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Custody is the store of custody. It never sees a secret: custody seals its
// columns under a key of its own.
func (st *Store) Custody() custody.Store { return custodyStore{st} }

type custodyStore struct{ *Store }

// sealedSecret is the length of 32 sealed bytes (secret.Box.Seal): what an
// erasure writes over them.
const sealedSecret = 1 + 12 + 32 + 16

func zeros() []byte { return make([]byte, sealedSecret) }

func (custodyStore) EnsureAccount(ctx context.Context, tx work.Tx, account string) error {
	return failure(queries(tx).EnsureCustodyAccount(ctx, db.EnsureCustodyAccountParams{Account: account, Ladder: []byte("{}")}))
}

func (custodyStore) LockAccount(ctx context.Context, tx work.Tx, account string) (custody.Account, error) {
	return custodyAccount(queries(tx).LockCustodyAccount(ctx, account))
}

func (custodyStore) Account(ctx context.Context, tx work.Tx, account string) (custody.Account, error) {
	return custodyAccount(queries(tx).GetCustodyAccount(ctx, account))
}

func custodyAccount(r db.CustodyAccount, err error) (custody.Account, error) {
	if err != nil {
		return custody.Account{}, failure(err)
	}
	a := custody.Account{ID: r.Account, Set: r.CurrentSet, Version: r.Version}
	if err := json.Unmarshal(r.Ladder, &a.Ladder); err != nil {
		return custody.Account{}, fmt.Errorf("the PIN ladder of account %s: %w", r.Account, err)
	}
	return a, nil
}

func (custodyStore) PutAccount(ctx context.Context, tx work.Tx, a custody.Account) error {
	ladder, err := json.Marshal(a.Ladder)
	if err != nil {
		return err
	}
	return swapped(queries(tx).PutCustodyAccount(ctx, db.PutCustodyAccountParams{
		Account: a.ID, Ladder: ladder, CurrentSet: a.Set, Version: a.Version,
	}))
}

func (custodyStore) AddPepper(ctx context.Context, tx work.Tx, p custody.Pepper) error {
	return failure(queries(tx).InsertCustodyPepper(ctx, db.InsertCustodyPepperParams{
		ID: p.ID, Account: p.Holder.Account, Device: p.Holder.Device, Sealed: p.Sealed, CreatedAt: ms(txNow(tx)),
	}))
}

func (custodyStore) Pepper(ctx context.Context, tx work.Tx, id string) (custody.Pepper, error) {
	r, err := queries(tx).GetCustodyPepper(ctx, id)
	return custody.Pepper{ID: r.ID, Holder: custody.Holder{Account: r.Account, Device: r.Device}, Sealed: r.Sealed}, failure(err)
}

func (custodyStore) ErasePepper(ctx context.Context, tx work.Tx, id string) error {
	q := queries(tx)
	if err := q.OverwriteCustodyPepper(ctx, db.OverwriteCustodyPepperParams{ID: id, Zeros: zeros()}); err != nil {
		return failure(err)
	}
	return failure(q.DeleteCustodyPepper(ctx, id))
}

func (custodyStore) ErasePeppers(ctx context.Context, tx work.Tx, account, keep string) error {
	q := queries(tx)
	err := q.OverwriteCustodyPeppers(ctx, db.OverwriteCustodyPeppersParams{Account: account, Keep: keep, Zeros: zeros()})
	if err != nil {
		return failure(err)
	}
	return failure(q.DeleteCustodyPeppers(ctx, db.DeleteCustodyPeppersParams{Account: account, Keep: keep}))
}

func (custodyStore) AddEnrolment(ctx context.Context, tx work.Tx, e custody.EnrolmentRow) error {
	return failure(queries(tx).InsertCustodyEnrolment(ctx, db.InsertCustodyEnrolmentParams{
		ID: e.ID, Account: e.Holder.Account, Device: e.Holder.Device, Kind: string(e.Kind), Subject: e.Subject,
		KeyID: e.KeyID, PepperID: e.PepperID, State: string(e.State), ExpiresAt: ms(e.Expires),
	}))
}

func (custodyStore) Enrolment(ctx context.Context, tx work.Tx, id string) (custody.EnrolmentRow, error) {
	r, err := queries(tx).GetCustodyEnrolment(ctx, id)
	return custodyEnrolment(r), failure(err)
}

func (custodyStore) Enrolments(ctx context.Context, tx work.Tx, account string) ([]custody.EnrolmentRow, error) {
	rows, err := queries(tx).ListCustodyEnrolments(ctx, account)
	return mapped(rows, custodyEnrolment), failure(err)
}

func custodyEnrolment(r db.CustodyEnrolment) custody.EnrolmentRow {
	return custody.EnrolmentRow{
		ID: r.ID, Holder: custody.Holder{Account: r.Account, Device: r.Device}, Kind: custody.Kind(r.Kind),
		Subject: r.Subject, KeyID: r.KeyID, PepperID: r.PepperID, State: custody.EnrolmentState(r.State), Expires: at(r.ExpiresAt),
	}
}

func (custodyStore) MoveEnrolment(ctx context.Context, tx work.Tx, id string, from, to custody.EnrolmentState) error {
	return swapped(queries(tx).MoveCustodyEnrolment(ctx, db.MoveCustodyEnrolmentParams{
		ID: id, FromState: string(from), ToState: string(to),
	}))
}

func (custodyStore) AddKey(ctx context.Context, tx work.Tx, k custody.KeyRow) error {
	return failure(queries(tx).InsertCustodyKey(ctx, db.InsertCustodyKeyParams{
		ID: k.ID, Account: k.Holder.Account, Device: k.Holder.Device, Kind: string(k.Kind), PublicKey: k.PublicKey,
		Subject: k.Subject, Enrolment: k.Enrolment, State: string(k.State), HoldUntil: ms(k.HoldUntil), CreatedAt: ms(k.CreatedAt),
	}))
}

func (custodyStore) Key(ctx context.Context, tx work.Tx, id string) (custody.KeyRow, error) {
	r, err := queries(tx).GetCustodyKey(ctx, id)
	return custodyKey(r), failure(err)
}

func (custodyStore) KeyByPublicKey(ctx context.Context, tx work.Tx, publicKey []byte) (custody.KeyRow, error) {
	r, err := queries(tx).FindCustodyKey(ctx, publicKey)
	return custodyKey(r), failure(err)
}

func (custodyStore) Keys(ctx context.Context, tx work.Tx, account string) ([]custody.KeyRow, error) {
	rows, err := queries(tx).ListCustodyKeys(ctx, account)
	return mapped(rows, custodyKey), failure(err)
}

func custodyKey(r db.CustodyKey) custody.KeyRow {
	return custody.KeyRow{CreatedAt: at(r.CreatedAt), Version: r.Version, Key: custody.Key{
		ID: r.ID, Holder: custody.Holder{Account: r.Account, Device: r.Device}, Kind: custody.Kind(r.Kind),
		PublicKey: r.PublicKey, Subject: r.Subject, State: custody.KeyState(r.State), Enrolment: r.Enrolment,
		HoldUntil: at(r.HoldUntil),
	}}
}

func (custodyStore) PutKey(ctx context.Context, tx work.Tx, k custody.KeyRow) error {
	return swapped(queries(tx).PutCustodyKey(ctx, db.PutCustodyKeyParams{
		ID: k.ID, Account: k.Holder.Account, Device: k.Holder.Device, Subject: k.Subject, State: string(k.State),
		HoldUntil: ms(k.HoldUntil), Version: k.Version,
	}))
}

func (custodyStore) AddShare(ctx context.Context, tx work.Tx, s custody.ShareRow) error {
	return failure(queries(tx).InsertCustodyShare(ctx, db.InsertCustodyShareParams{
		ID: s.ID, KeyID: s.KeyID, Slot: string(s.Slot), Account: s.Holder.Account, Device: s.Holder.Device,
		Subject: s.Subject, PepperID: s.PepperID, Refresh: s.Refresh, Sealed: s.Sealed, CreatedAt: ms(txNow(tx)),
	}))
}

func (custodyStore) Shares(ctx context.Context, tx work.Tx, keyID string) ([]custody.ShareRow, error) {
	rows, err := queries(tx).ListCustodyShares(ctx, keyID)
	return mapped(rows, custodyShare), failure(err)
}

func (custodyStore) SharesOf(ctx context.Context, tx work.Tx, account string) ([]custody.ShareRow, error) {
	rows, err := queries(tx).ListCustodySharesOfAccount(ctx, account)
	return mapped(rows, custodyShare), failure(err)
}

func custodyShare(r db.CustodyShare) custody.ShareRow {
	return custody.ShareRow{
		ID: r.ID, KeyID: r.KeyID, Slot: custody.Slot(r.Slot), Holder: custody.Holder{Account: r.Account, Device: r.Device},
		Subject: r.Subject, PepperID: r.PepperID, Refresh: r.Refresh, Sealed: r.Sealed, ProvedAt: at(r.ProvedAt),
	}
}

func (custodyStore) ProveShare(ctx context.Context, tx work.Tx, id string, t time.Time) error {
	_, err := queries(tx).MarkCustodyShareProved(ctx, db.MarkCustodyShareProvedParams{ID: id, ProvedAt: ms(t)})
	return failure(err)
}

func (custodyStore) PromoteShare(ctx context.Context, tx work.Tx, id string) error {
	return swapped(queries(tx).PromoteCustodyShare(ctx, id))
}

func (custodyStore) EraseShare(ctx context.Context, tx work.Tx, id string) error {
	q := queries(tx)
	if err := q.OverwriteCustodyShare(ctx, db.OverwriteCustodyShareParams{ID: id, Zeros: zeros()}); err != nil {
		return failure(err)
	}
	return failure(q.DeleteCustodyShare(ctx, id))
}

func (custodyStore) AddOperation(ctx context.Context, tx work.Tx, o custody.OperationRow) error {
	a := o.Activation
	ciphertexts, err := json.Marshal(a.Ciphertexts)
	if err != nil {
		return err
	}
	return failure(queries(tx).InsertCustodyOperation(ctx, db.InsertCustodyOperationParams{
		ID: a.OpID, Account: a.Holder.Account, Device: a.Holder.Device, KeyID: a.KeyID, Business: a.Business,
		Subject: a.Subject, ShareID: o.ShareID, Purpose: a.ID, M: notNil(a.M), Ciphertexts: ciphertexts,
		PlatformCertificate: notNil(a.PlatformCertificate), Unheld: a.Unheld, ExpiresAt: ms(a.Expires),
		Digest: []byte{}, Signature: []byte{},
	}))
}

func (custodyStore) Operation(ctx context.Context, tx work.Tx, id string) (custody.OperationRow, error) {
	r, err := queries(tx).GetCustodyOperation(ctx, id)
	if err != nil {
		return custody.OperationRow{}, failure(err)
	}
	o := custody.OperationRow{
		Activation: custody.Activation{
			OpID: r.ID, Holder: custody.Holder{Account: r.Account, Device: r.Device}, KeyID: r.KeyID,
			Business: r.Business, Subject: r.Subject, ID: r.Purpose, M: orNil(r.M),
			PlatformCertificate: orNil(r.PlatformCertificate), Unheld: r.Unheld, Expires: at(r.ExpiresAt),
		},
		ShareID: r.ShareID, State: custody.OperationState(r.State), Digest: orNil(r.Digest), Signature: orNil(r.Signature), CompletedAt: at(r.CompletedAt),
	}
	if len(r.Ciphertexts) > 0 {
		if err := json.Unmarshal(r.Ciphertexts, &o.Ciphertexts); err != nil {
			return custody.OperationRow{}, fmt.Errorf("the ciphertexts of operation %s: %w", id, err)
		}
	}
	return o, nil
}

func (custodyStore) MoveOperation(ctx context.Context, tx work.Tx, from custody.OperationState, o custody.OperationRow) error {
	return swapped(queries(tx).MoveCustodyOperation(ctx, db.MoveCustodyOperationParams{
		ID: o.OpID, FromState: string(from), ToState: string(o.State), Digest: notNil(o.Digest),
		Signature: notNil(o.Signature), CompletedAt: ms(o.CompletedAt),
	}))
}

func (custodyStore) DropMessage(ctx context.Context, tx work.Tx, id string) error {
	return failure(queries(tx).DropCustodyMessage(ctx, db.DropCustodyMessageParams{ID: id, None: []byte{}}))
}

func (custodyStore) PutNonce(ctx context.Context, tx work.Tx, n custody.NonceRow) error {
	return failure(queries(tx).PutCustodyNonce(ctx, db.PutCustodyNonceParams{
		PublicKey: n.PublicKey, ID: n.ID, KeyID: n.KeyID, ShareID: n.ShareID, OperationID: n.OpID, BootID: n.BootID,
		ServerNonce: notNil(n.ServerNonce), ExpiresAt: ms(n.Expires),
	}))
}

func (custodyStore) TakeNonce(ctx context.Context, tx work.Tx, want custody.NonceRow, now time.Time) (custody.NonceRow, error) {
	r, err := queries(tx).TakeCustodyNonce(ctx, db.TakeCustodyNonceParams{
		PublicKey: want.PublicKey, ID: want.ID, KeyID: want.KeyID, OperationID: want.OpID, BootID: want.BootID, Now: ms(now),
	})
	return custody.NonceRow{
		PublicKey: r.PublicKey, ID: r.ID, KeyID: r.KeyID, ShareID: r.ShareID, OpID: r.OperationID, BootID: r.BootID,
		ServerNonce: r.ServerNonce, Expires: at(r.ExpiresAt),
	}, failure(err)
}

func (custodyStore) DropNonces(ctx context.Context, tx work.Tx, keyID string) error {
	return failure(queries(tx).DeleteCustodyNoncesOfKey(ctx, keyID))
}

func (custodyStore) AddRefresh(ctx context.Context, tx work.Tx, r custody.RefreshRow) error {
	return failure(queries(tx).InsertCustodyRefresh(ctx, db.InsertCustodyRefreshParams{
		ID: r.ID, Account: r.Holder.Account, Device: r.Holder.Device, OperationID: r.OpID, State: string(r.State), ExpiresAt: ms(r.Expires),
	}))
}

func (custodyStore) Refresh(ctx context.Context, tx work.Tx, id string) (custody.RefreshRow, error) {
	r, err := queries(tx).GetCustodyRefresh(ctx, id)
	return custodyRefresh(r), failure(err)
}

func (custodyStore) OpenRefreshes(ctx context.Context, tx work.Tx, account string) ([]custody.RefreshRow, error) {
	rows, err := queries(tx).ListOpenCustodyRefreshes(ctx, account)
	return mapped(rows, custodyRefresh), failure(err)
}

func custodyRefresh(r db.CustodyRefresh) custody.RefreshRow {
	return custody.RefreshRow{
		ID: r.ID, Holder: custody.Holder{Account: r.Account, Device: r.Device}, OpID: r.OperationID,
		State: custody.RefreshState(r.State), Expires: at(r.ExpiresAt),
	}
}

func (custodyStore) MoveRefresh(ctx context.Context, tx work.Tx, id string, from, to custody.RefreshState) error {
	return swapped(queries(tx).MoveCustodyRefresh(ctx, db.MoveCustodyRefreshParams{ID: id, FromState: string(from), ToState: string(to)}))
}

func (custodyStore) AddModuleKey(ctx context.Context, tx work.Tx, k custody.ModuleKeyRow) error {
	return failure(queries(tx).InsertCustodyModuleKey(ctx, db.InsertCustodyModuleKeyParams{
		Kid: k.Kid, PublicKey: k.PublicKey, Sealed: k.Sealed, FromAt: ms(k.From), ToAt: ms(k.To),
	}))
}

func (custodyStore) ModuleKeys(ctx context.Context, tx work.Tx) ([]custody.ModuleKeyRow, error) {
	rows, err := queries(tx).ListCustodyModuleKeys(ctx)
	return mapped(rows, func(r db.CustodyModuleKey) custody.ModuleKeyRow {
		return custody.ModuleKeyRow{Kid: r.Kid, PublicKey: r.PublicKey, Sealed: r.Sealed, From: at(r.FromAt), To: at(r.ToAt)}
	}), failure(err)
}

func (custodyStore) AddRoleKey(ctx context.Context, tx work.Tx, k house.Row) error {
	return failure(queries(tx).InsertCustodyRoleKey(ctx, db.InsertCustodyRoleKeyParams{
		Role: string(k.Role), Name: k.Name, PublicKey: k.PublicKey, Sealed: k.Sealed, CreatedAt: ms(txNow(tx)),
	}))
}

func (custodyStore) RoleKey(ctx context.Context, tx work.Tx, role custody.Role, name string) (house.Row, error) {
	r, err := queries(tx).GetCustodyRoleKey(ctx, db.GetCustodyRoleKeyParams{Role: string(role), Name: name})
	return house.Row{Role: house.Role(r.Role), Name: r.Name, PublicKey: r.PublicKey, Sealed: r.Sealed}, failure(err)
}

func (custodyStore) Sweep(ctx context.Context, tx work.Tx, before, keys time.Time) error {
	q := queries(tx)
	if err := q.DeleteExpiredCustodyNonces(ctx, ms(before)); err != nil {
		return failure(err)
	}
	err := q.DropExpiredCustodyMessages(ctx, db.DropExpiredCustodyMessagesParams{None: []byte{}, Before: ms(before)})
	if err != nil {
		return failure(err)
	}
	err = q.OverwriteCustodyModuleKeys(ctx, db.OverwriteCustodyModuleKeysParams{Zeros: zeros(), Before: ms(keys)})
	if err != nil {
		return failure(err)
	}
	return failure(q.DeleteCustodyModuleKeys(ctx, ms(keys)))
}

// txNow is the clock of the store behind a transaction, for columns that only
// say when a row was written.
func txNow(t work.Tx) time.Time { return t.(*tx).st.Clock.Now() }

// orNil gives an empty column back as nil.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// mapped turns rows into what a noun knows.
func mapped[R, T any](rows []R, f func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = f(r)
	}
	return out
}
