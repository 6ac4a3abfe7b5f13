package people

import (
	"context"
	"time"

	"tianweitong/internal/flow/rephone"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// PhoneChanges is the store of flow/rephone.
func PhoneChanges(st *store.Store) rephone.Store { return phoneChanges{st} }

type phoneChanges struct{ *store.Store }

func (s phoneChanges) Insert(ctx context.Context, tx work.Tx, c rephone.Change) error {
	phone, err := s.SealText("phone_changes", "phone", c.ID, c.Phone)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertPhoneChange(ctx, db.InsertPhoneChangeParams{
		ID: c.ID, Account: c.Account, Device: c.Device, Phone: phone, FaceCheck: c.FaceCheck, CreatedAt: store.Ms(c.CreatedAt), Version: c.Version,
	}))
}

func (s phoneChanges) Change(ctx context.Context, tx work.Tx, id string) (rephone.Change, error) {
	r, err := store.Queries(tx).PhoneChange(ctx, id)
	if err != nil {
		return rephone.Change{}, store.Failure(err)
	}
	phone, err := s.UnsealText("phone_changes", "phone", r.ID, r.Phone)
	return rephone.Change{ID: r.ID, Account: r.Account, Device: r.Device, Phone: phone, FaceCheck: r.FaceCheck,
		CreatedAt: store.At(r.CreatedAt), Version: r.Version}, err
}

func (s phoneChanges) Update(ctx context.Context, tx work.Tx, c rephone.Change) error {
	phone, err := s.SealText("phone_changes", "phone", c.ID, c.Phone)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdatePhoneChange(ctx, db.UpdatePhoneChangeParams{ID: c.ID, Phone: phone, Version: c.Version}))
}

func (phoneChanges) Drop(ctx context.Context, tx work.Tx, account string, before time.Time) error {
	return store.Failure(store.Queries(tx).DeletePhoneChanges(ctx, db.DeletePhoneChangesParams{Account: account, Before: store.Ms(before), Done: []byte{}}))
}
