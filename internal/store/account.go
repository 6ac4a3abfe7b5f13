package store

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Accounts is the accounts' store.
func (st *Store) Accounts() account.Store { return accounts{st} }

type accounts struct{ *Store }

func (accounts) Count(ctx context.Context, tx work.Tx, name string, subject []byte, now time.Time, span time.Duration) (int, time.Time, error) {
	r, err := queries(tx).CountAccountWindow(ctx, db.CountAccountWindowParams{
		Name: name, Subject: subject, Now: ms(now), Closed: ms(now.Add(-span)),
	})
	return int(r.N), at(r.OpenedAt), failure(err)
}

func (accounts) Uncount(ctx context.Context, tx work.Tx, name string, subject []byte, opened time.Time, n int) error {
	return failure(queries(tx).UncountAccountWindow(ctx, db.UncountAccountWindowParams{
		Name: name, Subject: subject, OpenedAt: ms(opened), N: int64(n),
	}))
}

func (accounts) Forget(ctx context.Context, tx work.Tx, name string, subject []byte) error {
	return failure(queries(tx).DeleteAccountWindow(ctx, db.DeleteAccountWindowParams{Name: name, Subject: subject}))
}

func (accounts) PutCode(ctx context.Context, tx work.Tx, c account.Code) error {
	return failure(queries(tx).InsertAccountCode(ctx, db.InsertAccountCodeParams{
		ID: c.ID, Purpose: string(c.Purpose), Account: c.Account, Session: c.Session,
		PhoneHash: c.PhoneHash, CodeHash: c.Hash, ExpiresAt: ms(c.ExpiresAt),
	}))
}

func (accounts) Code(ctx context.Context, tx work.Tx, id string) (account.Code, error) {
	r, err := queries(tx).AccountCode(ctx, id)
	return account.Code{
		ID: r.ID, Purpose: account.Purpose(r.Purpose), Account: r.Account, Session: r.Session, PhoneHash: r.PhoneHash,
		Hash: r.CodeHash, Tries: int(r.Tries), ExpiresAt: at(r.ExpiresAt), PassedAt: at(r.PassedAt), UsedAt: at(r.UsedAt),
	}, failure(err)
}

func (accounts) ChargeCode(ctx context.Context, tx work.Tx, id string) (int, error) {
	n, err := queries(tx).ChargeAccountCode(ctx, db.ChargeAccountCodeParams{ID: id, Most: account.CodeTries})
	return int(n), failure(err)
}

func (accounts) PassCode(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return swapped(queries(tx).PassAccountCode(ctx, db.PassAccountCodeParams{ID: id, PassedAt: ms(when)}))
}

func (accounts) UseCode(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return swapped(queries(tx).UseAccountCode(ctx, db.UseAccountCodeParams{ID: id, UsedAt: ms(when)}))
}

func (s accounts) Register(ctx context.Context, tx work.Tx, a account.Account) (account.Account, error) {
	sealed, err := s.sealPhone(a)
	if err != nil {
		return account.Account{}, err
	}
	err = queries(tx).InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, Phone: sealed, PhoneHash: a.PhoneHash, Device: a.Device, CreatedAt: ms(a.CreatedAt),
	})
	if err != nil {
		return account.Account{}, failure(err)
	}
	r, err := queries(tx).AccountByPhone(ctx, a.PhoneHash)
	return s.account(r, err)
}

func (s accounts) Get(ctx context.Context, tx work.Tx, id string) (account.Account, error) {
	r, err := queries(tx).Account(ctx, id)
	return s.account(r, err)
}

func (s accounts) sealPhone(a account.Account) ([]byte, error) {
	return s.seal("accounts", "phone", a.ID, a.Phone)
}

func (s accounts) account(r db.Account, err error) (account.Account, error) {
	if err != nil {
		return account.Account{}, failure(err)
	}
	phone, err := s.unseal("accounts", "phone", r.ID, r.Phone)
	return account.Account{
		ID: r.ID, Phone: phone, PhoneHash: r.PhoneHash, PhoneChanged: at(r.PhoneChangedAt),
		Device: r.Device, Only: restriction(r.OnlyDevice, r.OnlyUntil), CreatedAt: at(r.CreatedAt), ClosedAt: at(r.ClosedAt),
		Version: r.Version,
	}, err
}

func (s accounts) Put(ctx context.Context, tx work.Tx, a account.Account) error {
	sealed, err := s.sealPhone(a)
	if err != nil {
		return err
	}
	return swapped(queries(tx).UpdateAccount(ctx, db.UpdateAccountParams{
		ID: a.ID, Phone: sealed, PhoneHash: a.PhoneHash, PhoneChangedAt: ms(a.PhoneChanged),
		Device: a.Device, OnlyDevice: a.Only.Device, OnlyUntil: ms(a.Only.Until), ClosedAt: ms(a.ClosedAt), Version: a.Version,
	}))
}

func (s accounts) ByPhone(ctx context.Context, tx work.Tx, phoneHash []byte) (account.Account, error) {
	r, err := queries(tx).AccountByPhone(ctx, phoneHash)
	return s.account(r, err)
}

func (s accounts) PutPassword(ctx context.Context, tx work.Tx, acc, stretched string, when time.Time) error {
	sealed, err := s.seal("account_passwords", "secret", acc, stretched)
	if err != nil {
		return err
	}
	return failure(queries(tx).PutAccountPassword(ctx, db.PutAccountPasswordParams{Account: acc, Secret: sealed, SetAt: ms(when)}))
}

func (s accounts) Password(ctx context.Context, tx work.Tx, acc string) (string, error) {
	sealed, err := queries(tx).AccountPassword(ctx, acc)
	return s.password(acc, sealed, err)
}

func (s accounts) LockPassword(ctx context.Context, tx work.Tx, acc string) (string, error) {
	sealed, err := queries(tx).LockAccountPassword(ctx, acc)
	return s.password(acc, sealed, err)
}

func (s accounts) password(acc string, sealed []byte, err error) (string, error) {
	if err != nil {
		return "", failure(err)
	}
	return s.unseal("account_passwords", "secret", acc, sealed)
}

func (accounts) DropPassword(ctx context.Context, tx work.Tx, acc string) error {
	return failure(queries(tx).DeleteAccountPassword(ctx, acc))
}

func (accounts) Agree(ctx context.Context, tx work.Tx, acc string, a account.Agreement, when time.Time) error {
	return failure(queries(tx).InsertAccountAgreement(ctx, db.InsertAccountAgreementParams{
		Account: acc, Document: a.Document, Edition: a.Version, AgreedAt: ms(when),
	}))
}

func (accounts) PutNetwork(ctx context.Context, tx work.Tx, acc string, network []byte, when time.Time) error {
	return failure(queries(tx).PutAccountNetwork(ctx, db.PutAccountNetworkParams{Account: acc, Network: network, SeenAt: ms(when)}))
}

func (accounts) KnownNetwork(ctx context.Context, tx work.Tx, phoneHash, network []byte, since time.Time) (bool, error) {
	known, err := queries(tx).KnownAccountNetwork(ctx, db.KnownAccountNetworkParams{PhoneHash: phoneHash, Network: network, Since: ms(since)})
	return known, failure(err)
}

func (accounts) PutDevice(ctx context.Context, tx work.Tx, d account.StoredDevice) error {
	return failure(queries(tx).PutAccountDevice(ctx, db.PutAccountDeviceParams{
		Account: d.Account, Thumbprint: d.Thumbprint, PublicKey: d.PublicKey, Label: d.Label, Network: d.Network, SeenAt: ms(d.SeenAt),
	}))
}

func (accounts) Device(ctx context.Context, tx work.Tx, acc, thumbprint string) (account.StoredDevice, error) {
	r, err := queries(tx).AccountDevice(ctx, db.AccountDeviceParams{Account: acc, Thumbprint: thumbprint})
	return device(r), failure(err)
}

func device(r db.AccountDevice) account.StoredDevice {
	return account.StoredDevice{
		Account: r.Account, Thumbprint: r.Thumbprint, PublicKey: r.PublicKey, Label: r.Label, Network: r.Network,
		CreatedAt: at(r.CreatedAt), SeenAt: at(r.SeenAt), BoundAt: at(r.BoundAt),
	}
}

func (accounts) SignedIn(ctx context.Context, tx work.Tx, acc, also string, now, used time.Time) ([]account.SignedInDevice, error) {
	rows, err := queries(tx).SignedInAccountDevices(ctx, db.SignedInAccountDevicesParams{Account: acc, Also: also, Now: ms(now), Idle: ms(used)})
	if err != nil {
		return nil, failure(err)
	}
	out := make([]account.SignedInDevice, len(rows))
	for i, r := range rows {
		out[i] = account.SignedInDevice{StoredDevice: device(r.AccountDevice), Sessions: int(r.Sessions), SignedInAt: at(r.SignedInAt)}
	}
	return out, nil
}

func (accounts) StampBound(ctx context.Context, tx work.Tx, acc, thumbprint string, when time.Time) error {
	return failure(queries(tx).StampAccountDevice(ctx, db.StampAccountDeviceParams{
		Account: acc, Thumbprint: thumbprint, BoundAt: ms(when),
	}))
}

func (accounts) PutSession(ctx context.Context, tx work.Tx, s account.StoredSession) error {
	return failure(queries(tx).InsertAccountSession(ctx, db.InsertAccountSessionParams{
		ID: s.ID, Account: s.Account, Device: s.Device, TokenHash: s.TokenHash, Nonce: s.Nonce,
		CreatedAt: ms(s.CreatedAt), SeenAt: ms(s.SeenAt), ExpiresAt: ms(s.ExpiresAt),
	}))
}

func (accounts) SessionByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (account.StoredSession, []byte, account.Restriction, error) {
	r, err := queries(tx).AccountSessionByToken(ctx, tokenHash)
	s := r.AccountSession
	return account.StoredSession{
		ID: s.ID, Account: s.Account, Device: s.Device, TokenHash: s.TokenHash, Nonce: s.Nonce,
		CreatedAt: at(s.CreatedAt), SeenAt: at(s.SeenAt), ExpiresAt: at(s.ExpiresAt),
	}, r.PublicKey, restriction(r.OnlyDevice, r.OnlyUntil), failure(err)
}

func restriction(device string, until int64) account.Restriction {
	return account.Restriction{Device: device, Until: at(until)}
}

func (accounts) TouchSession(ctx context.Context, tx work.Tx, s account.StoredSession, when time.Time) error {
	q := queries(tx)
	if err := q.TouchAccountSession(ctx, db.TouchAccountSessionParams{ID: s.ID, SeenAt: ms(when)}); err != nil {
		return failure(err)
	}
	return failure(q.TouchAccountDevice(ctx, db.TouchAccountDeviceParams{Account: s.Account, Thumbprint: s.Device, SeenAt: ms(when)}))
}

func (accounts) EndSession(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return failure(queries(tx).EndAccountSession(ctx, db.EndAccountSessionParams{ID: id, EndedAt: ms(when)}))
}

func (accounts) EndSessionsOf(ctx context.Context, tx work.Tx, acc, device string, when time.Time) error {
	return failure(queries(tx).EndAccountSessionsOf(ctx, db.EndAccountSessionsOfParams{Account: acc, Device: device, EndedAt: ms(when)}))
}

func (accounts) EndOtherSessions(ctx context.Context, tx work.Tx, acc, exceptDevice string, opened, when time.Time) error {
	return failure(queries(tx).EndOtherAccountSessions(ctx, db.EndOtherAccountSessionsParams{
		Account: acc, Device: exceptDevice, Opened: ms(opened), EndedAt: ms(when),
	}))
}

func (accounts) EndSessionsBut(ctx context.Context, tx work.Tx, acc, keep, keepToo string, when time.Time) (int, error) {
	n, err := queries(tx).EndAccountSessionsBut(ctx, db.EndAccountSessionsButParams{
		Account: acc, Keep: keep, KeepToo: keepToo, EndedAt: ms(when),
	})
	return int(n), failure(err)
}

func (accounts) Tidy(ctx context.Context, tx work.Tx, before, networks time.Time) error {
	q := queries(tx)
	if err := q.DeleteAccountCodesBefore(ctx, ms(before)); err != nil {
		return failure(err)
	}
	if err := q.DeleteAccountWindowsBefore(ctx, ms(before)); err != nil {
		return failure(err)
	}
	if err := q.DeleteAccountSessionsBefore(ctx, ms(before)); err != nil {
		return failure(err)
	}
	return failure(q.DeleteAccountNetworksBefore(ctx, ms(networks)))
}
