package store

import (
	"context"

	"tianweitong/internal/flow/install"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

type installations struct{ *Store }

// Installations is the store of flow/install.
func (st *Store) Installations() install.Store { return installations{st} }

func (installations) InsertInstallation(ctx context.Context, tx work.Tx, i install.Installation) error {
	return swapped(queries(tx).InsertInstallation(ctx, db.InsertInstallationParams{
		ID: i.ID, Account: i.Account, Device: i.Device, Certificate: i.Certificate, Kind: string(i.Kind), State: string(i.State),
		Live: i.Live(), Op: i.Op, PinKey: i.PINKey, AuthorisedUntil: ms(i.AuthorisedUntil), SignKey: i.SignKey,
		SignPublic: notNil(i.SignPublic), EncKey: i.EncKey, EncPublic: notNil(i.EncPublic), OldSignKey: i.OldSignKey,
		EnrolmentKey: notNil(i.EnrolmentKey), RequestInfo: notNil(i.RequestInfo), Request: notNil(i.Request), Deals: i.Deals,
		CreatedAt: ms(i.CreatedAt), UpdatedAt: ms(i.UpdatedAt), Version: i.Version,
	}))
}

func (installations) Installation(ctx context.Context, tx work.Tx, id string) (install.Installation, error) {
	return installation(queries(tx).Installation(ctx, id))
}

func (installations) LastInstallation(ctx context.Context, tx work.Tx, certificate string) (install.Installation, error) {
	return installation(queries(tx).LastInstallation(ctx, certificate))
}

func installation(r db.Installation, err error) (install.Installation, error) {
	return install.Installation{
		ID: r.ID, Account: r.Account, Device: r.Device, Certificate: r.Certificate, Kind: install.Kind(r.Kind),
		State: install.State(r.State), Op: r.Op, PINKey: r.PinKey, AuthorisedUntil: at(r.AuthorisedUntil),
		SignKey: r.SignKey, SignPublic: r.SignPublic, EncKey: r.EncKey, EncPublic: r.EncPublic, OldSignKey: r.OldSignKey,
		EnrolmentKey: r.EnrolmentKey, RequestInfo: r.RequestInfo, Request: r.Request, Deals: r.Deals,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), Version: r.Version,
	}, failure(err)
}

func (installations) LiveInstallations(ctx context.Context, tx work.Tx, account string) ([]install.Installation, error) {
	rows, err := queries(tx).LiveInstallations(ctx, account)
	var out []install.Installation
	for _, r := range rows {
		i, _ := installation(r, nil)
		out = append(out, i)
	}
	return out, failure(err)
}

func (installations) UpdateInstallation(ctx context.Context, tx work.Tx, i install.Installation) error {
	return swapped(queries(tx).UpdateInstallation(ctx, db.UpdateInstallationParams{
		ID: i.ID, Device: i.Device, State: string(i.State), Live: i.Live(), Op: i.Op, PinKey: i.PINKey,
		AuthorisedUntil: ms(i.AuthorisedUntil), SignKey: i.SignKey, SignPublic: notNil(i.SignPublic), EncKey: i.EncKey,
		EncPublic: notNil(i.EncPublic), OldSignKey: i.OldSignKey, EnrolmentKey: notNil(i.EnrolmentKey),
		RequestInfo: notNil(i.RequestInfo), Request: notNil(i.Request), Deals: i.Deals, UpdatedAt: ms(i.UpdatedAt),
		Version: i.Version,
	}))
}

func (installations) InsertRedealing(ctx context.Context, tx work.Tx, r install.Redealing) error {
	err := swapped(queries(tx).InsertRedealing(ctx, db.InsertRedealingParams{
		ID: r.ID, Account: r.Account, Device: r.Device, State: string(r.State), Live: r.Live(), Op: r.Op, PinKey: r.PINKey,
		AuthorisedUntil: ms(r.AuthorisedUntil), EnrolmentKey: notNil(r.EnrolmentKey), Message: notNil(r.Message), Signature: notNil(r.Signature), Deals: r.Deals,
		CreatedAt: ms(r.CreatedAt), UpdatedAt: ms(r.UpdatedAt), Version: r.Version,
	}))
	if err != nil {
		return err
	}
	for n, k := range r.Keys {
		err := queries(tx).InsertRedealtKey(ctx, db.InsertRedealtKeyParams{
			Redealing: r.ID, Position: int64(n), EncKey: k.Key, EncPublic: notNil(k.Public), Op: k.Op, Proved: k.Proved,
		})
		if err != nil {
			return failure(err)
		}
	}
	return nil
}

func (i installations) Redealing(ctx context.Context, tx work.Tx, id string) (install.Redealing, error) {
	r, err := queries(tx).Redealing(ctx, id)
	return redealing(ctx, tx, r, err)
}

func (i installations) LiveRedealing(ctx context.Context, tx work.Tx, account string) (install.Redealing, error) {
	r, err := queries(tx).LiveRedealing(ctx, account)
	return redealing(ctx, tx, r, err)
}

func redealing(ctx context.Context, tx work.Tx, r db.Redealing, err error) (install.Redealing, error) {
	if err != nil {
		return install.Redealing{}, failure(err)
	}
	keys, err := queries(tx).RedealtKeys(ctx, r.ID)
	out := install.Redealing{
		ID: r.ID, Account: r.Account, Device: r.Device, State: install.RedealState(r.State), Op: r.Op, PINKey: r.PinKey,
		AuthorisedUntil: at(r.AuthorisedUntil), EnrolmentKey: r.EnrolmentKey, Message: r.Message, Signature: r.Signature, Deals: r.Deals,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), Version: r.Version,
	}
	for _, k := range keys {
		out.Keys = append(out.Keys, install.RedealtKey{Key: k.EncKey, Public: k.EncPublic, Op: k.Op, Proved: k.Proved})
	}
	return out, failure(err)
}

func (installations) UpdateRedealing(ctx context.Context, tx work.Tx, r install.Redealing) error {
	err := swapped(queries(tx).UpdateRedealing(ctx, db.UpdateRedealingParams{
		ID: r.ID, State: string(r.State), Live: r.Live(), Op: r.Op,
		AuthorisedUntil: ms(r.AuthorisedUntil), Signature: notNil(r.Signature), Deals: r.Deals,
		UpdatedAt: ms(r.UpdatedAt), Version: r.Version,
	}))
	if err != nil {
		return err
	}
	for _, k := range r.Keys {
		err := swapped(queries(tx).UpdateRedealtKey(ctx, db.UpdateRedealtKeyParams{
			Redealing: r.ID, EncKey: k.Key, Op: k.Op, Proved: k.Proved,
		}))
		if err != nil {
			return err
		}
	}
	return nil
}
