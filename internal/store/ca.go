package store

import (
	"context"
	"time"

	"tianweitong/internal/ca"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

type authorities struct{ *Store }

// CA is the store of the certification authority.
func (st *Store) CA() ca.Store { return authorities{st} }

func (s authorities) PutAuthority(ctx context.Context, t work.Tx, a ca.Authority) error {
	return failure(queries(t).InsertAuthority(ctx, db.InsertAuthorityParams{
		Name: a.Name, Serial: a.Serial, Role: int64(a.Role), Issuer: a.Issuer, Tbs: a.TBS, Der: notNil(a.DER), CreatedAt: ms(a.CreatedAt),
	}))
}

func (s authorities) SignAuthority(ctx context.Context, t work.Tx, name, serial string, der []byte) error {
	return swapped(queries(t).SignAuthority(ctx, db.SignAuthorityParams{Name: name, Serial: serial, Der: der, Unsigned: []byte{}}))
}

func (s authorities) Authorities(ctx context.Context, t work.Tx) ([]ca.Authority, error) {
	rows, err := queries(t).Authorities(ctx)
	out := make([]ca.Authority, len(rows))
	for i, r := range rows {
		out[i] = ca.Authority{Name: r.Name, Serial: r.Serial, Role: pki.Role(r.Role), Issuer: r.Issuer, TBS: r.Tbs, DER: r.Der, CreatedAt: at(r.CreatedAt)}
	}
	return out, failure(err)
}

func (s authorities) PutIssuance(ctx context.Context, t work.Tx, i ca.Issuance) (bool, error) {
	n, err := queries(t).InsertIssuance(ctx, db.InsertIssuanceParams{
		Ref: i.Ref, Institution: i.Institution, Serial: i.Serial, Role: int64(i.Role), Replacement: i.Replacement,
		PublicKey: i.PublicKey, Tbs: i.TBS, Der: []byte{}, NotAfter: ms(i.NotAfter), PreparedAt: ms(i.PreparedAt),
	})
	return n == 1, failure(err)
}

func issuance(r db.CaCertificate) ca.Issuance {
	return ca.Issuance{
		Ref: r.Ref, Institution: r.Institution, Serial: r.Serial, Role: pki.Role(r.Role), Replacement: r.Replacement, PublicKey: r.PublicKey,
		TBS: r.Tbs, DER: r.Der, NotAfter: at(r.NotAfter), PreparedAt: at(r.PreparedAt), IssuedAt: at(r.IssuedAt),
		RevokedAt: at(r.RevokedAt), Reason: pki.Reason(r.Reason),
	}
}

func (s authorities) Issuance(ctx context.Context, t work.Tx, ref string) (ca.Issuance, error) {
	r, err := queries(t).IssuanceByRef(ctx, ref)
	return issuance(r), failure(err)
}

func (s authorities) BySerial(ctx context.Context, t work.Tx, serial string) (ca.Issuance, error) {
	r, err := queries(t).IssuanceBySerial(ctx, serial)
	return issuance(r), failure(err)
}

func (s authorities) SignIssuance(ctx context.Context, t work.Tx, ref string, der []byte, when time.Time) error {
	return swapped(queries(t).SignIssuance(ctx, db.SignIssuanceParams{Ref: ref, Der: der, IssuedAt: ms(when)}))
}

func (s authorities) Revoke(ctx context.Context, t work.Tx, serial string, when time.Time, reason pki.Reason) (bool, error) {
	n, err := queries(t).RevokeIssuance(ctx, db.RevokeIssuanceParams{
		Serial: serial, RevokedAt: ms(when), Reason: int64(reason), Hold: int64(pki.CertificateHold),
	})
	return n == 1, failure(err)
}

func (s authorities) Release(ctx context.Context, t work.Tx, serial string) (bool, error) {
	n, err := queries(t).ReleaseIssuance(ctx, db.ReleaseIssuanceParams{Serial: serial, Hold: int64(pki.CertificateHold)})
	return n == 1, failure(err)
}

func (s authorities) Revoked(ctx context.Context, t work.Tx, institution string) ([]ca.Revoked, error) {
	rows, err := queries(t).RevokedIssuances(ctx, institution)
	out := make([]ca.Revoked, len(rows))
	for i, r := range rows {
		out[i] = ca.Revoked{Serial: r.Serial, At: at(r.RevokedAt), Reason: pki.Reason(r.Reason)}
	}
	return out, failure(err)
}

func (s authorities) IssuancesAfter(ctx context.Context, t work.Tx, ref string, n int) ([]ca.Issuance, error) {
	rows, err := queries(t).IssuancesAfter(ctx, db.IssuancesAfterParams{After: ref, PageSize: int32(n)})
	out := make([]ca.Issuance, len(rows))
	for i, r := range rows {
		out[i] = issuance(r)
	}
	return out, failure(err)
}

func (s authorities) PutList(ctx context.Context, t work.Tx, l ca.List) error {
	return failure(queries(t).InsertList(ctx, db.InsertListParams{
		Institution: l.Institution, Number: l.Number, Der: l.DER, ThisUpdate: ms(l.ThisUpdate), NextUpdate: ms(l.NextUpdate),
	}))
}

func (s authorities) LastList(ctx context.Context, t work.Tx, institution string) (ca.List, error) {
	r, err := queries(t).LastList(ctx, institution)
	return ca.List{Institution: r.Institution, Number: r.Number, DER: r.Der, ThisUpdate: at(r.ThisUpdate), NextUpdate: at(r.NextUpdate)}, failure(err)
}
