package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"tianweitong/internal/clock"
	"tianweitong/internal/kmc"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

func eachKMC(t *testing.T, f func(t *testing.T, st *store.KMC)) {
	t.Helper()
	for _, engine := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		t.Run(engine.name, func(t *testing.T) {
			st, err := store.OpenKMC(t.Context(), engine.dsn(t), store.Options{Clock: clock.NewManual(noon), Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { st.Close() })
			f(t, st)
		})
	}
}

func TestKMCStore(t *testing.T) {
	eachKMC(t, func(t *testing.T, st *store.KMC) {
		ctx := t.Context()
		k := kmc.Key{Ref: "r1", PublicKey: []byte("p1"), Sealed: custodySecret}
		err := st.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error {
			if err := st.AddKey(ctx, tx, k); err != nil {
				return err
			}
			second := k
			second.PublicKey = []byte("p2")
			if err := st.AddKey(ctx, tx, second); err != nil { // does nothing
				return err
			}
			got, err := st.Key(ctx, tx, "r1")
			if err != nil || string(got.PublicKey) != "p1" {
				t.Errorf("%+v, %v", got, err)
			}
			got.Account = "account-1"
			if err := st.PutKey(ctx, tx, got); err != nil {
				return err
			}
			if err := st.PutKey(ctx, tx, got); !errors.Is(err, work.ErrConflict) {
				t.Errorf("put an old version: %v", err)
			}
			if got, err = st.KeyByPublicKey(ctx, tx, []byte("p1")); err != nil || got.Account != "account-1" {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := st.Key(ctx, tx, "r2"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("a key that is not there: %v", err)
			}
			if err := st.AddDealing(ctx, tx, kmc.Dealing{Ref: "d1", KeyRef: "r1", Enrolment: []byte("e"), Share: []byte("h1"), At: noon}); err != nil {
				return err
			}
			return tx.Record(ctx, work.Entry{Kind: "kmc.dealt", Actor: "system", Subject: "r1"})
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, d := range map[string]kmc.Dealing{
			"reference": {Ref: "d1", KeyRef: "r1", Enrolment: []byte("e"), Share: []byte("h2"), At: noon},
			"share":     {Ref: "d2", KeyRef: "r1", Enrolment: []byte("e"), Share: []byte("h1"), At: noon},
		} {
			err := st.Do(ctx, "test", func(ctx context.Context, tx work.Tx) error { return st.AddDealing(ctx, tx, d) })
			if !errors.Is(err, work.ErrExists) {
				t.Errorf("the same %s dealt twice: %v", name, err)
			}
		}
		if err := st.Ready(ctx); err != nil {
			t.Error(err)
		}
	})
}
