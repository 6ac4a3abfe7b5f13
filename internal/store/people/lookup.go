package people

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Lookups is what officers search and count.
func Lookups(st *store.Store) lookup.Store { return lookups{st} }

type lookups struct{ *store.Store }

func (s lookups) Account(ctx context.Context, tx work.Tx, id string) (lookup.Facts, error) {
	r, err := store.Queries(tx).Account(ctx, id)
	if err != nil {
		return lookup.Facts{}, store.Failure(err)
	}
	f := lookup.Facts{Account: lookup.Account{
		ID: r.ID, CreatedAt: store.At(r.CreatedAt), PhoneChangedAt: store.At(r.PhoneChangedAt), ClosedAt: store.At(r.ClosedAt),
	}}
	if f.Phone, err = s.UnsealText("accounts", "phone", r.ID, r.Phone); err != nil {
		return lookup.Facts{}, err
	}
	p, err := realnames(s).Person(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return f, nil
	}
	f.Name, f.IDNumber, f.VerifiedAt = p.Name, p.IDNumber, p.VerifiedAt
	return f, err
}

// The keyed hashes are those that the accounts and the real names are found by.

func (s lookups) ByPhone(ctx context.Context, tx work.Tx, phone string) (string, error) {
	r, err := store.Queries(tx).AccountByPhone(ctx, s.Box.Hash("phone", []byte(phone)))
	return r.ID, store.Failure(err)
}

func (s lookups) ByDocument(ctx context.Context, tx work.Tx, number string) (string, error) {
	return realnames(s).AccountOf(ctx, tx, s.Box.Hash("id-number", []byte(realname.IDResident+":"+number)))
}

func (s lookups) ByName(ctx context.Context, tx work.Tx, name, before string, n int) ([]string, error) {
	ids, err := store.Queries(tx).LookupAccountsByName(ctx, db.LookupAccountsByNameParams{NameHash: nameHash(s.Store, name), Before: before, Most: int32(n)})
	return ids, store.Failure(err)
}

func (lookups) Memberships(context.Context, work.Tx, string) ([]lookup.Membership, error) {
	return nil, nil
}

func (lookups) Certificates(ctx context.Context, tx work.Tx, account string, n int) ([]string, error) {
	ids, err := store.Queries(tx).LookupCertificates(ctx, db.LookupCertificatesParams{AccountID: account, Most: int32(n)})
	return ids, store.Failure(err)
}

func (lookups) CountReveal(ctx context.Context, tx work.Tx, officer string, day int64) (int, error) {
	n, err := store.Queries(tx).CountLookupReveal(ctx, db.CountLookupRevealParams{Officer: officer, Day: day})
	return int(n), store.Failure(err)
}

func (lookups) Registrations(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error) {
	rows, err := store.Queries(tx).RegistrationsPerDay(ctx, db.RegistrationsPerDayParams{FromAt: store.Ms(from), UntilAt: store.Ms(until)})
	out := map[int64]int{}
	for _, r := range rows {
		out[r.Day] = int(r.N)
	}
	return out, store.Failure(err)
}

func (lookups) Verifications(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error) {
	rows, err := store.Queries(tx).VerificationsPerDay(ctx, db.VerificationsPerDayParams{FromAt: store.Ms(from), UntilAt: store.Ms(until)})
	out := map[int64]int{}
	for _, r := range rows {
		out[r.Day] = int(r.N)
	}
	return out, store.Failure(err)
}

func (lookups) Enterprises(context.Context, work.Tx, time.Time, time.Time) (map[int64]int, error) {
	return nil, nil
}

func (lookups) Reviews(context.Context, work.Tx, time.Time, time.Time) ([]lookup.Decision, error) {
	return nil, nil
}

func (lookups) Waiting(context.Context, work.Tx, time.Time) (open, late int, err error) {
	return 0, 0, nil
}
