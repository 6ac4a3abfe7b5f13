package store

import (
	"context"

	"tianweitong/internal/flow/pin"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

type pinSetups struct{ *Store }

// PINSetups is the store of flow/pin.
func (st *Store) PINSetups() pin.Store { return pinSetups{st} }

func (pinSetups) InsertSetup(ctx context.Context, tx work.Tx, s pin.Setup) error {
	return failure(queries(tx).InsertPINSetup(ctx, db.InsertPINSetupParams{
		ID: s.ID, Account: s.Account, Device: s.Device, State: string(s.State), Op: s.Op,
		CreatedAt: ms(s.CreatedAt), ExpiresAt: ms(s.Expires), Version: s.Version,
	}))
}

func (pinSetups) Setup(ctx context.Context, tx work.Tx, id string) (pin.Setup, error) {
	r, err := queries(tx).PINSetup(ctx, id)
	return pin.Setup{
		ID: r.ID, Account: r.Account, Device: r.Device, State: pin.State(r.State), Op: r.Op,
		CreatedAt: at(r.CreatedAt), Expires: at(r.ExpiresAt), Version: r.Version,
	}, failure(err)
}

func (pinSetups) UpdateSetup(ctx context.Context, tx work.Tx, s pin.Setup) error {
	return swapped(queries(tx).UpdatePINSetup(ctx, db.UpdatePINSetupParams{
		ID: s.ID, State: string(s.State), Op: s.Op, Version: s.Version,
	}))
}

func (pinSetups) InsertUnlock(ctx context.Context, tx work.Tx, u pin.Unlock) error {
	return failure(queries(tx).InsertPINUnlock(ctx, db.InsertPINUnlockParams{
		ID: u.ID, Account: u.Account, FaceCheck: u.Check, Used: u.Used, CreatedAt: ms(u.CreatedAt), Version: u.Version,
	}))
}

func (pinSetups) Unlock(ctx context.Context, tx work.Tx, id string) (pin.Unlock, error) {
	r, err := queries(tx).PINUnlock(ctx, id)
	return pin.Unlock{
		ID: r.ID, Account: r.Account, Check: r.FaceCheck, Used: r.Used, CreatedAt: at(r.CreatedAt), Version: r.Version,
	}, failure(err)
}

func (pinSetups) UpdateUnlock(ctx context.Context, tx work.Tx, u pin.Unlock) error {
	return swapped(queries(tx).UpdatePINUnlock(ctx, db.UpdatePINUnlockParams{ID: u.ID, Used: u.Used, Version: u.Version}))
}
