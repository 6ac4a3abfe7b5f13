package people

import (
	"context"
	"errors"
	"strings"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/verification"
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

func (lookups) Memberships(ctx context.Context, tx work.Tx, account string) ([]lookup.Membership, error) {
	rows, err := store.Queries(tx).LookupMemberships(ctx, account)
	out := make([]lookup.Membership, len(rows))
	for i, r := range rows {
		m := memberOf(r.EnterpriseMember)
		out[i] = lookup.Membership{Enterprise: m.Enterprise, Name: r.Name, Administrator: r.Administrator == account && m.LeftAt.IsZero(),
			JoinedAt: m.JoinedAt, LeftAt: m.LeftAt, Via: m.Via}
	}
	return out, store.Failure(err)
}

func (s lookups) Enterprise(ctx context.Context, tx work.Tx, id string) (enterprise.Enterprise, error) {
	return enterprises(s).Enterprise(ctx, tx, id)
}

func (s lookups) LockEnterprise(ctx context.Context, tx work.Tx, id string) error {
	_, err := members(s).Lock(ctx, tx, id)
	return err
}

func (s lookups) EnterpriseByCode(ctx context.Context, tx work.Tx, code string) (enterprise.Enterprise, error) {
	return enterprises(s).ByCode(ctx, tx, code)
}

func (s lookups) EnterprisesLike(ctx context.Context, tx work.Tx, part, before string, n int) ([]enterprise.Enterprise, error) {
	var ids []string
	var err error
	if runes := []rune(part); len(runes) == 0 {
		ids, err = store.Queries(tx).LookupEnterprises(ctx, db.LookupEnterprisesParams{Before: before, Most: int32(n)})
	} else {
		ids, err = store.Queries(tx).LookupEnterprisesLike(ctx, db.LookupEnterprisesLikeParams{
			Gram: string(runes[:min(2, len(runes))]), Pattern: "%" + likeEscaper.Replace(part) + "%", Before: before, Most: int32(n),
		})
	}
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]enterprise.Enterprise, len(ids))
	for i, id := range ids {
		if out[i], err = s.Enterprise(ctx, tx, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// likeEscaper keeps what is typed from being a pattern.
var likeEscaper = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

func (s lookups) History(ctx context.Context, tx work.Tx, id string) ([]verification.FactsVersion, error) {
	return enterprises(s).History(ctx, tx, id)
}

func (s lookups) Members(ctx context.Context, tx work.Tx, id, after string, n int) ([]enterprise.Member, error) {
	return members(s).Members(ctx, tx, id, nil, after, n)
}

func (s lookups) CountMembers(ctx context.Context, tx work.Tx, id string) (int, error) {
	return members(s).CountMembers(ctx, tx, id, nil)
}

func (s lookups) Application(ctx context.Context, tx work.Tx, id string) (enterprise.Application, error) {
	return enterprises(s).Application(ctx, tx, id)
}

func (lookups) Certificates(ctx context.Context, tx work.Tx, account string, n int) ([]string, error) {
	ids, err := store.Queries(tx).LookupCertificates(ctx, db.LookupCertificatesParams{AccountID: account, Most: int32(n)})
	return ids, store.Failure(err)
}

func (lookups) Count(ctx context.Context, tx work.Tx, officer, what string, span int64) (int, error) {
	n, err := store.Queries(tx).CountLookup(ctx, db.CountLookupParams{Officer: officer, What: what, Span: span})
	return int(n), store.Failure(err)
}

func (lookups) Uncount(ctx context.Context, tx work.Tx, officer, what string, span int64) error {
	return store.Failure(store.Queries(tx).UncountLookup(ctx, db.UncountLookupParams{Officer: officer, What: what, Span: span}))
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

func (lookups) EnterprisesPerDay(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error) {
	rows, err := store.Queries(tx).EnterprisesPerDay(ctx, db.EnterprisesPerDayParams{FromAt: store.Ms(from), UntilAt: store.Ms(until)})
	out := map[int64]int{}
	for _, r := range rows {
		out[r.Day] = int(r.N)
	}
	return out, store.Failure(err)
}

func (lookups) Decided(ctx context.Context, tx work.Tx, from, until time.Time) ([]lookup.Decision, error) {
	rows, err := store.Queries(tx).DecidedReviews(ctx, db.DecidedReviewsParams{FromAt: store.Ms(from), UntilAt: store.Ms(until)})
	out := make([]lookup.Decision, len(rows))
	for i, r := range rows {
		out[i] = lookup.Decision{Submitted: store.At(r.SubmittedAt), Decided: store.At(r.DecidedAt), Approved: r.State == string(enterprise.StateVerified)}
	}
	return out, store.Failure(err)
}

func (lookups) Waiting(ctx context.Context, tx work.Tx, now time.Time) (w lookup.Waiting, err error) {
	rows, err := store.Queries(tx).WaitingReviews(ctx, db.WaitingReviewsParams{Now: store.Ms(now), State: string(enterprise.StateReviewing)})
	for _, r := range rows {
		if r.Second == 1 {
			w.Second += int(r.N)
		} else {
			w.Open += int(r.N)
		}
		if r.Late == 1 {
			w.Late += int(r.N)
		}
	}
	return w, store.Failure(err)
}
