package people

import (
	"context"

	"tianweitong/internal/flow/handover"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Handovers is the store of transfers that wait for a PIN.
func Handovers(st *store.Store) handover.Store { return handovers{st} }

type handovers struct{ *store.Store }

func (handovers) Insert(ctx context.Context, tx work.Tx, t handover.Transfer) error {
	return store.Failure(store.Queries(tx).InsertTransfer(ctx, db.InsertTransferParams{
		ID: t.ID, Enterprise: t.Enterprise, Administrator: t.Administrator, Member: t.Member, Op: t.Op, State: string(t.State),
		CreatedAt: store.Ms(t.CreatedAt), Version: t.Version,
	}))
}

func transferOf(r db.EnterpriseTransfer) handover.Transfer {
	return handover.Transfer{ID: r.ID, Enterprise: r.Enterprise, Administrator: r.Administrator, Member: r.Member, Op: r.Op,
		State: handover.State(r.State), CreatedAt: store.At(r.CreatedAt), Version: r.Version}
}

func (handovers) Transfer(ctx context.Context, tx work.Tx, id string) (handover.Transfer, error) {
	r, err := store.Queries(tx).GetTransfer(ctx, id)
	return transferOf(r), store.Failure(err)
}

func (handovers) Asked(ctx context.Context, tx work.Tx, in string) (handover.Transfer, error) {
	r, err := store.Queries(tx).AskedTransfer(ctx, in)
	return transferOf(r), store.Failure(err)
}

func (handovers) Update(ctx context.Context, tx work.Tx, t handover.Transfer) error {
	return store.Swapped(store.Queries(tx).UpdateTransfer(ctx, db.UpdateTransferParams{ID: t.ID, State: string(t.State), Version: t.Version}))
}
