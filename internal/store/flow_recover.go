package store

import (
	"context"
	"time"

	"tianweitong/internal/flow/recover"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

type recoveries struct{ *Store }

// Recoveries is the store of flow/recover.
func (st *Store) Recoveries() recover.Store { return recoveries{st} }

func (recoveries) Insert(ctx context.Context, tx work.Tx, r recover.Recovery) error {
	return failure(queries(tx).InsertRecovery(ctx, db.InsertRecoveryParams{
		ID: r.ID, Account: r.Account, Device: r.Device, OldDevice: r.OldDevice, KnownDevice: r.KnownDevice,
		State: string(r.State), Running: r.Running(), Face: r.FaceCheck, Op: r.Op, Confirmed: r.Confirmed, Restorable: r.Restorable,
		SuspendedAt: ms(r.SuspendedAt), HoldUntil: ms(r.HoldUntil), CreatedAt: ms(r.CreatedAt), UpdatedAt: ms(r.UpdatedAt),
		Version: r.Version,
	}))
}

func (recoveries) Recovery(ctx context.Context, tx work.Tx, id string) (recover.Recovery, error) {
	return recovery(queries(tx).Recovery(ctx, id))
}

func (recoveries) Last(ctx context.Context, tx work.Tx, account string) (recover.Recovery, error) {
	return recovery(queries(tx).LastRecovery(ctx, account))
}

func (recoveries) Running(ctx context.Context, tx work.Tx, account string) (recover.Recovery, error) {
	return recovery(queries(tx).RunningRecovery(ctx, account))
}

func recovery(r db.Recovery, err error) (recover.Recovery, error) {
	return recover.Recovery{
		ID: r.ID, Account: r.Account, Device: r.Device, OldDevice: r.OldDevice, KnownDevice: r.KnownDevice,
		State: recover.State(r.State), FaceCheck: r.Face, Op: r.Op, Confirmed: r.Confirmed, Restorable: r.Restorable, SuspendedAt: at(r.SuspendedAt),
		HoldUntil: at(r.HoldUntil), CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), Version: r.Version,
	}, failure(err)
}

func (recoveries) Unsettled(ctx context.Context, tx work.Tx, account, device string, now time.Time) (recover.Recovery, error) {
	return recovery(queries(tx).UnsettledRecovery(ctx, db.UnsettledRecoveryParams{Account: account, Device: device, Now: ms(now)}))
}

func (recoveries) Update(ctx context.Context, tx work.Tx, r recover.Recovery) error {
	return swapped(queries(tx).UpdateRecovery(ctx, db.UpdateRecoveryParams{
		ID: r.ID, OldDevice: r.OldDevice, State: string(r.State), Running: r.Running(), Face: r.FaceCheck, Op: r.Op,
		Confirmed: r.Confirmed, Restorable: r.Restorable, SuspendedAt: ms(r.SuspendedAt), HoldUntil: ms(r.HoldUntil), UpdatedAt: ms(r.UpdatedAt),
		Version: r.Version,
	}))
}
