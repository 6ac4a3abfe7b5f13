package store

import (
	"context"

	"tianweitong/internal/roaming"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Roamings is the store of package roaming.
func (st *Store) Roamings() roaming.Store { return roamings{st} }

type roamings struct{ *Store }

func (roamings) Insert(ctx context.Context, tx work.Tx, r roaming.Roaming) error {
	return failure(queries(tx).InsertRoaming(ctx, db.InsertRoamingParams{
		ID: r.ID, CertificateID: r.Certificate, Platform: r.Platform, LineID: r.Line, State: string(r.State),
		StartAt: ms(r.Start), EndAt: ms(r.End), CreatedAt: ms(r.CreatedAt), Version: r.Version,
	}))
}

func (roamings) Get(ctx context.Context, tx work.Tx, certificate, platform string) (roaming.Roaming, error) {
	r, err := queries(tx).GetRoaming(ctx, db.GetRoamingParams{CertificateID: certificate, Platform: platform})
	return roamingOf(r), failure(err)
}

func (roamings) Of(ctx context.Context, tx work.Tx, certificate string) ([]roaming.Roaming, error) {
	return roamingsOf(queries(tx).ListRoamings(ctx, certificate))
}

func (roamings) OfAccount(ctx context.Context, tx work.Tx, account string) ([]roaming.Roaming, error) {
	return roamingsOf(queries(tx).ListRoamingsOfAccount(ctx, account))
}

func (roamings) OfLine(ctx context.Context, tx work.Tx, line string) ([]roaming.Roaming, error) {
	return roamingsOf(queries(tx).ListRoamingsOfLine(ctx, line))
}

func (roamings) Update(ctx context.Context, tx work.Tx, r roaming.Roaming) error {
	return swapped(queries(tx).UpdateRoaming(ctx, db.UpdateRoamingParams{
		ID: r.ID, Version: r.Version, State: string(r.State), StartAt: ms(r.Start), EndAt: ms(r.End),
	}))
}

func roamingsOf(rows []db.Roaming, err error) ([]roaming.Roaming, error) {
	out := make([]roaming.Roaming, len(rows))
	for i, r := range rows {
		out[i] = roamingOf(r)
	}
	return out, failure(err)
}

func roamingOf(r db.Roaming) roaming.Roaming {
	return roaming.Roaming{
		ID: r.ID, Certificate: r.CertificateID, Platform: r.Platform, Line: r.LineID, State: roaming.State(r.State),
		Start: at(r.StartAt), End: at(r.EndAt), CreatedAt: at(r.CreatedAt), Version: r.Version,
	}
}
