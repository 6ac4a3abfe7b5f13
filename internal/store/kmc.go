package store

import (
	"context"
	"embed"

	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
)

//go:embed kmcmigrations/*.sql
var kmcMigrations embed.FS

var kmcSchema = schema{kmcMigrations, "kmcmigrations"}

// KMC is the store of the key-management centre: a database of its own, which
// no noun reaches. Its few statements are written out here; sqlc knows the main
// schema only.
type KMC struct{ store *Store }

var (
	_ kmc.Store   = (*KMC)(nil)
	_ work.Runner = (*KMC)(nil)
)

// OpenKMC connects to the centre's database, as Open does, and brings its schema
// up to date. The address must not be that of the main store. Options.Box is
// not used: the centre seals its keys itself.
func OpenKMC(ctx context.Context, dsn string, o Options) (*KMC, error) {
	st, err := open(ctx, dsn, kmcSchema, o)
	if err != nil {
		return nil, err
	}
	return &KMC{st}, nil
}

// Do implements work.Runner.
func (k *KMC) Do(ctx context.Context, name string, f func(context.Context, work.Tx) error) error {
	return k.store.Do(ctx, name, f)
}

// View implements work.Runner.
func (k *KMC) View(ctx context.Context, f func(context.Context, work.Tx) error) error {
	return k.store.View(ctx, f)
}

// Ready reports whether the database answers.
func (k *KMC) Ready(ctx context.Context) error { return k.store.Ready(ctx) }

// Close closes the database.
func (k *KMC) Close() error { return k.store.Close() }

// AddKey implements kmc.Store.
func (k *KMC) AddKey(ctx context.Context, tx work.Tx, key kmc.Key) error {
	_, err := raw(tx).ExecContext(ctx, `INSERT INTO kmc_keys (ref, public_key, sealed, account, created_at, version)
		VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (ref) DO NOTHING`,
		key.Ref, key.PublicKey, key.Sealed, key.Account, ms(txNow(tx)))
	return failure(err)
}

const selectKey = `SELECT ref, public_key, sealed, account, version FROM kmc_keys `

// Key implements kmc.Store.
func (k *KMC) Key(ctx context.Context, tx work.Tx, ref string) (kmc.Key, error) {
	return kmcKey(ctx, tx, selectKey+`WHERE ref = $1`, ref)
}

// KeyByPublicKey implements kmc.Store.
func (k *KMC) KeyByPublicKey(ctx context.Context, tx work.Tx, publicKey []byte) (kmc.Key, error) {
	return kmcKey(ctx, tx, selectKey+`WHERE public_key = $1`, publicKey)
}

func kmcKey(ctx context.Context, tx work.Tx, query string, arg any) (key kmc.Key, err error) {
	row := raw(tx).QueryRowContext(ctx, query, arg)
	err = row.Scan(&key.Ref, &key.PublicKey, &key.Sealed, &key.Account, &key.Version)
	return key, failure(err)
}

// PutKey implements kmc.Store.
func (k *KMC) PutKey(ctx context.Context, tx work.Tx, key kmc.Key) error {
	r, err := raw(tx).ExecContext(ctx, `UPDATE kmc_keys SET account = $1, version = version + 1 WHERE ref = $2 AND version = $3`,
		key.Account, key.Ref, key.Version)
	if err != nil {
		return failure(err)
	}
	return swapped(r.RowsAffected())
}

// AddDealing implements kmc.Store.
func (k *KMC) AddDealing(ctx context.Context, tx work.Tx, d kmc.Dealing) error {
	_, err := raw(tx).ExecContext(ctx, `INSERT INTO kmc_dealings (ref, key_ref, enrolment, share, dealt_at) VALUES ($1, $2, $3, $4, $5)`,
		d.Ref, d.KeyRef, d.Enrolment, d.Share, ms(d.At))
	return failure(err)
}
