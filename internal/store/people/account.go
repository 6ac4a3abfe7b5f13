package people

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Accounts is the accounts' store.
func Accounts(st *store.Store) account.Store { return accounts{st} }

type accounts struct{ *store.Store }

func (accounts) Count(ctx context.Context, tx work.Tx, name string, subject []byte, now time.Time, span time.Duration) (int, time.Time, error) {
	r, err := store.Queries(tx).CountAccountWindow(ctx, db.CountAccountWindowParams{
		Name: name, Subject: subject, Now: store.Ms(now), Closed: store.Ms(now.Add(-span)),
	})
	return int(r.N), store.At(r.OpenedAt), store.Failure(err)
}

func (accounts) Uncount(ctx context.Context, tx work.Tx, name string, subject []byte, opened time.Time, n int) error {
	return store.Failure(store.Queries(tx).UncountAccountWindow(ctx, db.UncountAccountWindowParams{
		Name: name, Subject: subject, OpenedAt: store.Ms(opened), N: int64(n),
	}))
}

func (accounts) Forget(ctx context.Context, tx work.Tx, name string, subject []byte) error {
	return store.Failure(store.Queries(tx).DeleteAccountWindow(ctx, db.DeleteAccountWindowParams{Name: name, Subject: subject}))
}

func (accounts) Busiest(ctx context.Context, tx work.Tx, name string, since time.Time) (int, error) {
	n, err := store.Queries(tx).BusiestAccountWindow(ctx, db.BusiestAccountWindowParams{Name: name, Longer: name + ".%", Since: store.Ms(since)})
	return int(n), store.Failure(err)
}

func (accounts) CountHour(ctx context.Context, tx work.Tx, name string, when time.Time) error {
	return store.Failure(store.Queries(tx).CountAccountHour(ctx, db.CountAccountHourParams{Name: name, Hour: store.Ms(when.Truncate(time.Hour))}))
}

func (accounts) Hours(ctx context.Context, tx work.Tx, since time.Time) ([]account.HourCount, error) {
	rows, err := store.Queries(tx).AccountHours(ctx, store.Ms(since))
	out := make([]account.HourCount, len(rows))
	for i, r := range rows {
		out[i] = account.HourCount{Name: r.Name, Hour: store.At(r.Hour), N: int(r.N)}
	}
	return out, store.Failure(err)
}

func (accounts) PutCode(ctx context.Context, tx work.Tx, c account.Code) error {
	return store.Failure(store.Queries(tx).InsertAccountCode(ctx, db.InsertAccountCodeParams{
		ID: c.ID, Purpose: string(c.Purpose), Account: c.Account, Session: c.Session,
		PhoneHash: c.PhoneHash, CodeHash: c.Hash, ExpiresAt: store.Ms(c.ExpiresAt),
	}))
}

func (accounts) Code(ctx context.Context, tx work.Tx, id string) (account.Code, error) {
	r, err := store.Queries(tx).AccountCode(ctx, id)
	return account.Code{
		ID: r.ID, Purpose: account.Purpose(r.Purpose), Account: r.Account, Session: r.Session, PhoneHash: r.PhoneHash,
		Hash: r.CodeHash, Tries: int(r.Tries), ExpiresAt: store.At(r.ExpiresAt), PassedAt: store.At(r.PassedAt), UsedAt: store.At(r.UsedAt),
	}, store.Failure(err)
}

func (accounts) ChargeCode(ctx context.Context, tx work.Tx, id string) (int, error) {
	n, err := store.Queries(tx).ChargeAccountCode(ctx, db.ChargeAccountCodeParams{ID: id, Most: account.CodeTries})
	return int(n), store.Failure(err)
}

func (accounts) PassCode(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return store.Swapped(store.Queries(tx).PassAccountCode(ctx, db.PassAccountCodeParams{ID: id, PassedAt: store.Ms(when)}))
}

func (accounts) UseCode(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return store.Swapped(store.Queries(tx).UseAccountCode(ctx, db.UseAccountCodeParams{ID: id, UsedAt: store.Ms(when)}))
}

func (s accounts) Register(ctx context.Context, tx work.Tx, a account.Account) (account.Account, error) {
	sealed, err := s.sealPhone(a)
	if err != nil {
		return account.Account{}, err
	}
	err = store.Queries(tx).InsertAccount(ctx, db.InsertAccountParams{
		ID: a.ID, Phone: sealed, PhoneHash: a.PhoneHash, Device: a.Device, CreatedAt: store.Ms(a.CreatedAt),
	})
	if err != nil {
		return account.Account{}, store.Failure(err)
	}
	r, err := store.Queries(tx).AccountByPhone(ctx, a.PhoneHash)
	return s.account(r, err)
}

func (s accounts) Get(ctx context.Context, tx work.Tx, id string) (account.Account, error) {
	r, err := store.Queries(tx).Account(ctx, id)
	return s.account(r, err)
}

func (accounts) Hold(ctx context.Context, tx work.Tx, id string) error {
	_, err := store.Queries(tx).HoldAccount(ctx, id)
	return store.Failure(err)
}

func (s accounts) sealPhone(a account.Account) ([]byte, error) {
	return s.SealText("accounts", "phone", a.ID, a.Phone)
}

func (s accounts) account(r db.Account, err error) (account.Account, error) {
	if err != nil {
		return account.Account{}, store.Failure(err)
	}
	phone, err := s.UnsealText("accounts", "phone", r.ID, r.Phone)
	return account.Account{
		ID: r.ID, Phone: phone, PhoneHash: r.PhoneHash, PhoneChanged: store.At(r.PhoneChangedAt),
		Device: r.Device, Only: restriction(r.OnlyDevice, r.OnlyUntil), CreatedAt: store.At(r.CreatedAt), ClosedAt: store.At(r.ClosedAt),
		Version: r.Version,
	}, err
}

func (s accounts) Put(ctx context.Context, tx work.Tx, a account.Account) error {
	sealed, err := s.sealPhone(a)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateAccount(ctx, db.UpdateAccountParams{
		ID: a.ID, Phone: sealed, PhoneHash: a.PhoneHash, PhoneChangedAt: store.Ms(a.PhoneChanged),
		Device: a.Device, OnlyDevice: a.Only.Device, OnlyUntil: store.Ms(a.Only.Until), ClosedAt: store.Ms(a.ClosedAt), Version: a.Version,
	}))
}

func (s accounts) ByPhone(ctx context.Context, tx work.Tx, phoneHash []byte) (account.Account, error) {
	r, err := store.Queries(tx).AccountByPhone(ctx, phoneHash)
	return s.account(r, err)
}

func (s accounts) PutPassword(ctx context.Context, tx work.Tx, acc, stretched string, when time.Time) error {
	sealed, err := s.SealText("account_passwords", "secret", acc, stretched)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).PutAccountPassword(ctx, db.PutAccountPasswordParams{Account: acc, Secret: sealed, SetAt: store.Ms(when)}))
}

func (s accounts) Password(ctx context.Context, tx work.Tx, acc string) (string, error) {
	sealed, err := store.Queries(tx).AccountPassword(ctx, acc)
	return s.password(acc, sealed, err)
}

func (s accounts) LockPassword(ctx context.Context, tx work.Tx, acc string) (string, error) {
	sealed, err := store.Queries(tx).LockAccountPassword(ctx, acc)
	return s.password(acc, sealed, err)
}

func (s accounts) password(acc string, sealed []byte, err error) (string, error) {
	if err != nil {
		return "", store.Failure(err)
	}
	return s.UnsealText("account_passwords", "secret", acc, sealed)
}

func (accounts) DropPassword(ctx context.Context, tx work.Tx, acc string) error {
	return store.Failure(store.Queries(tx).DeleteAccountPassword(ctx, acc))
}

func (accounts) Agree(ctx context.Context, tx work.Tx, acc string, a account.Agreement, when time.Time) error {
	return store.Failure(store.Queries(tx).InsertAccountAgreement(ctx, db.InsertAccountAgreementParams{
		Account: acc, Document: a.Document, Edition: a.Version, AgreedAt: store.Ms(when),
	}))
}

func (accounts) PutNetwork(ctx context.Context, tx work.Tx, acc string, network []byte, when time.Time) error {
	return store.Failure(store.Queries(tx).PutAccountNetwork(ctx, db.PutAccountNetworkParams{Account: acc, Network: network, SeenAt: store.Ms(when)}))
}

func (accounts) KnownNetwork(ctx context.Context, tx work.Tx, phoneHash, network []byte, since time.Time) (bool, error) {
	known, err := store.Queries(tx).KnownAccountNetwork(ctx, db.KnownAccountNetworkParams{PhoneHash: phoneHash, Network: network, Since: store.Ms(since)})
	return known, store.Failure(err)
}

func (accounts) PutDevice(ctx context.Context, tx work.Tx, d account.StoredDevice) error {
	return store.Failure(store.Queries(tx).PutAccountDevice(ctx, db.PutAccountDeviceParams{
		Account: d.Account, Thumbprint: d.Thumbprint, PublicKey: d.PublicKey, Label: d.Label, Network: d.Network, SeenAt: store.Ms(d.SeenAt),
	}))
}

func (accounts) Device(ctx context.Context, tx work.Tx, acc, thumbprint string) (account.StoredDevice, error) {
	r, err := store.Queries(tx).AccountDevice(ctx, db.AccountDeviceParams{Account: acc, Thumbprint: thumbprint})
	return device(r), store.Failure(err)
}

func device(r db.AccountDevice) account.StoredDevice {
	return account.StoredDevice{
		Account: r.Account, Thumbprint: r.Thumbprint, PublicKey: r.PublicKey, Label: r.Label, Network: r.Network,
		CreatedAt: store.At(r.CreatedAt), SeenAt: store.At(r.SeenAt), BoundAt: store.At(r.BoundAt),
	}
}

func (accounts) SignedIn(ctx context.Context, tx work.Tx, acc, also string, now, used time.Time) ([]account.SignedInDevice, error) {
	rows, err := store.Queries(tx).SignedInAccountDevices(ctx, db.SignedInAccountDevicesParams{Account: acc, Also: also, Now: store.Ms(now), Idle: store.Ms(used)})
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]account.SignedInDevice, len(rows))
	for i, r := range rows {
		out[i] = account.SignedInDevice{StoredDevice: device(r.AccountDevice), Sessions: int(r.Sessions), SignedInAt: store.At(r.SignedInAt)}
	}
	return out, nil
}

func (accounts) StampBound(ctx context.Context, tx work.Tx, acc, thumbprint string, when time.Time) error {
	return store.Failure(store.Queries(tx).StampAccountDevice(ctx, db.StampAccountDeviceParams{
		Account: acc, Thumbprint: thumbprint, BoundAt: store.Ms(when),
	}))
}

func (accounts) PutSession(ctx context.Context, tx work.Tx, s account.StoredSession) error {
	return store.Failure(store.Queries(tx).InsertAccountSession(ctx, db.InsertAccountSessionParams{
		ID: s.ID, Account: s.Account, Device: s.Device, TokenHash: s.TokenHash, Nonce: s.Nonce,
		CreatedAt: store.Ms(s.CreatedAt), SeenAt: store.Ms(s.SeenAt), ExpiresAt: store.Ms(s.ExpiresAt),
	}))
}

func (accounts) SessionByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (account.StoredSession, []byte, account.Restriction, error) {
	r, err := store.Queries(tx).AccountSessionByToken(ctx, tokenHash)
	s := r.AccountSession
	return account.StoredSession{
		ID: s.ID, Account: s.Account, Device: s.Device, TokenHash: s.TokenHash, Nonce: s.Nonce,
		CreatedAt: store.At(s.CreatedAt), SeenAt: store.At(s.SeenAt), ExpiresAt: store.At(s.ExpiresAt),
	}, r.PublicKey, restriction(r.OnlyDevice, r.OnlyUntil), store.Failure(err)
}

func restriction(device string, until int64) account.Restriction {
	return account.Restriction{Device: device, Until: store.At(until)}
}

func (accounts) TouchSession(ctx context.Context, tx work.Tx, s account.StoredSession, when time.Time) error {
	q := store.Queries(tx)
	if err := q.TouchAccountSession(ctx, db.TouchAccountSessionParams{ID: s.ID, SeenAt: store.Ms(when)}); err != nil {
		return store.Failure(err)
	}
	return store.Failure(q.TouchAccountDevice(ctx, db.TouchAccountDeviceParams{Account: s.Account, Thumbprint: s.Device, SeenAt: store.Ms(when)}))
}

func (accounts) EndSession(ctx context.Context, tx work.Tx, id string, when time.Time) error {
	return store.Failure(store.Queries(tx).EndAccountSession(ctx, db.EndAccountSessionParams{ID: id, EndedAt: store.Ms(when)}))
}

func (accounts) EndSessionsOf(ctx context.Context, tx work.Tx, acc, device string, when time.Time) error {
	return store.Failure(store.Queries(tx).EndAccountSessionsOf(ctx, db.EndAccountSessionsOfParams{Account: acc, Device: device, EndedAt: store.Ms(when)}))
}

func (accounts) EndOtherSessions(ctx context.Context, tx work.Tx, acc, exceptDevice string, opened, when time.Time) error {
	return store.Failure(store.Queries(tx).EndOtherAccountSessions(ctx, db.EndOtherAccountSessionsParams{
		Account: acc, Device: exceptDevice, Opened: store.Ms(opened), EndedAt: store.Ms(when),
	}))
}

func (accounts) EndSessionsBut(ctx context.Context, tx work.Tx, acc, keep, keepToo string, when time.Time) (int, error) {
	n, err := store.Queries(tx).EndAccountSessionsBut(ctx, db.EndAccountSessionsButParams{
		Account: acc, Keep: keep, KeepToo: keepToo, EndedAt: store.Ms(when),
	})
	return int(n), store.Failure(err)
}

func (accounts) Tidy(ctx context.Context, tx work.Tx, before, networks time.Time) error {
	q := store.Queries(tx)
	if err := q.DeleteAccountCodesBefore(ctx, store.Ms(before)); err != nil {
		return store.Failure(err)
	}
	if err := q.DeleteAccountWindowsBefore(ctx, store.Ms(before)); err != nil {
		return store.Failure(err)
	}
	if err := q.DeleteAccountSessionsBefore(ctx, store.Ms(before)); err != nil {
		return store.Failure(err)
	}
	if err := q.DeleteAccountHoursBefore(ctx, store.Ms(before)); err != nil {
		return store.Failure(err)
	}
	return store.Failure(q.DeleteAccountNetworksBefore(ctx, store.Ms(networks)))
}
