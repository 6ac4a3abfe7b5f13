package store

import (
	"context"

	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

type revocations struct{ *Store }

// Revocations is the store of flow/revoke.
func (st *Store) Revocations() revoke.Store { return revocations{st} }

func (revocations) Insert(ctx context.Context, tx work.Tx, r revoke.Request) error {
	return failure(queries(tx).InsertRevocationRequest(ctx, db.InsertRevocationRequestParams{
		ID: r.ID, Account: r.Account, Device: r.Device, Certificate: r.Certificate, Reason: string(r.Reason),
		State: string(r.State), Op: r.Op, CreatedAt: ms(r.CreatedAt), Version: r.Version,
	}))
}

func (revocations) Request(ctx context.Context, tx work.Tx, id string) (revoke.Request, error) {
	return revocation(queries(tx).RevocationRequest(ctx, id))
}

func (revocations) Last(ctx context.Context, tx work.Tx, certificate string) (revoke.Request, error) {
	return revocation(queries(tx).LastRevocationRequest(ctx, certificate))
}

func revocation(r db.RevocationRequest, err error) (revoke.Request, error) {
	return revoke.Request{
		ID: r.ID, Account: r.Account, Device: r.Device, Certificate: r.Certificate, Reason: revoke.Reason(r.Reason),
		State: revoke.State(r.State), Op: r.Op, CreatedAt: at(r.CreatedAt), Version: r.Version,
	}, failure(err)
}

func (revocations) Update(ctx context.Context, tx work.Tx, r revoke.Request) error {
	return swapped(queries(tx).UpdateRevocationRequest(ctx, db.UpdateRevocationRequestParams{
		ID: r.ID, State: string(r.State), Op: r.Op, Version: r.Version,
	}))
}
