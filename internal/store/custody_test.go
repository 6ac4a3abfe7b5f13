package store_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/custody/house"
	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var (
	custodyHolder = custody.Holder{Account: "account-1", Device: "device-1"}
	custodySecret = bytes.Repeat([]byte{7}, 61)
)

func custodyDo(t *testing.T, st *store.Store, f func(ctx context.Context, tx work.Tx, c custody.Store) error) {
	t.Helper()
	err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return f(ctx, tx, st.Custody()) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestCustodyAccountIsLockedAndSwapped(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			if _, err := c.LockAccount(ctx, tx, "account-1"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("locked an account that is not there: %v", err)
			}
			if err := c.EnsureAccount(ctx, tx, "account-1"); err != nil {
				return err
			}
			return c.EnsureAccount(ctx, tx, "account-1")
		})
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			a, err := c.LockAccount(ctx, tx, "account-1")
			if err != nil {
				return err
			}
			a.Set = "set-1"
			a.Ladder = ladder.Ladder{Next: 3, LockedUntil: noon, Charges: []ladder.Charge{{Seq: 2, At: noon, Run: true, Place: 1}}}
			if err := c.PutAccount(ctx, tx, a); err != nil {
				return err
			}
			got, err := c.Account(ctx, tx, "account-1")
			if err != nil || got.Set != "set-1" || got.Ladder.Next != 3 || len(got.Ladder.Charges) != 1 || !got.Ladder.LockedUntil.Equal(noon) {
				t.Errorf("%+v, %v", got, err)
			}
			a.Version--
			if err := c.PutAccount(ctx, tx, a); !errors.Is(err, work.ErrConflict) {
				t.Errorf("put without the lock: %v", err)
			}
			return nil
		})
	})
}

func TestCustodyKeysAndShares(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		key := custody.KeyRow{CreatedAt: noon, Key: custody.Key{
			ID: "k1", Holder: custodyHolder, Kind: custody.KindEncrypt, PublicKey: []byte("p1"), Subject: "s", State: custody.KeyPending,
			HoldUntil: noon.Add(time.Hour),
		}}
		next := custody.ShareRow{ID: "s1", KeyID: "k1", Slot: custody.SlotNext, Holder: custodyHolder, Subject: "s", PepperID: "pep", Sealed: custodySecret}
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			if err := c.AddKey(ctx, tx, key); err != nil {
				return err
			}
			return c.AddShare(ctx, tx, next)
		})
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			twin := key
			twin.ID = "k2"
			return st.Custody().AddKey(ctx, tx, twin)
		})
		if !errors.Is(err, work.ErrExists) {
			t.Fatalf("two keys with one public key: %v", err)
		}
		err = st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			twin := next
			twin.ID = "s2"
			return st.Custody().AddShare(ctx, tx, twin)
		})
		if !errors.Is(err, work.ErrExists) {
			t.Fatalf("two shares in one slot: %v", err)
		}
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			k, err := c.KeyByPublicKey(ctx, tx, []byte("p1"))
			if err != nil || k.ID != "k1" || k.Holder != custodyHolder || !k.HoldUntil.Equal(key.HoldUntil) {
				t.Errorf("%+v, %v", k, err)
			}
			k.State = custody.KeyActive
			if err := c.PutKey(ctx, tx, k); err != nil {
				return err
			}
			if err := c.PutKey(ctx, tx, k); !errors.Is(err, work.ErrConflict) {
				t.Errorf("put an old version: %v", err)
			}
			if err := c.ProveShare(ctx, tx, "s1", noon); err != nil {
				return err
			}
			if err := c.ProveShare(ctx, tx, "gone", noon); err != nil {
				return err
			}
			if err := c.PromoteShare(ctx, tx, "s1"); err != nil {
				return err
			}
			if err := c.PromoteShare(ctx, tx, "s1"); !errors.Is(err, work.ErrConflict) {
				t.Errorf("promoted twice: %v", err)
			}
			rows, err := c.Shares(ctx, tx, "k1")
			if err != nil || len(rows) != 1 || rows[0].Slot != custody.SlotCurrent || !rows[0].ProvedAt.Equal(noon) || !bytes.Equal(rows[0].Sealed, custodySecret) {
				t.Errorf("%+v, %v", rows, err)
			}
			if err := c.EraseShare(ctx, tx, "s1"); err != nil {
				return err
			}
			rows, err = c.SharesOf(ctx, tx, "account-1")
			if err != nil || len(rows) != 0 {
				t.Errorf("after the erasure: %+v, %v", rows, err)
			}
			return nil
		})
	})
}

func TestCustodyNonceIsTakenOnceByItsOwner(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		n := custody.NonceRow{
			PublicKey: []byte("p1"), ID: "n1", KeyID: "k1", ShareID: "s1", OpID: "o1", BootID: "b1", ServerNonce: []byte("sn"), Expires: noon.Add(time.Minute),
		}
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			if err := c.PutNonce(ctx, tx, n); err != nil {
				return err
			}
			replaced := n
			replaced.ID = "n2"
			if err := c.PutNonce(ctx, tx, replaced); err != nil {
				return err
			}
			for name, alter := range map[string]func(*custody.NonceRow){
				"replaced":   func(*custody.NonceRow) {},
				"key":        func(w *custody.NonceRow) { w.ID, w.KeyID = "n2", "k2" },
				"operation":  func(w *custody.NonceRow) { w.ID, w.OpID = "n2", "o2" },
				"process":    func(w *custody.NonceRow) { w.ID, w.BootID = "n2", "b2" },
				"public key": func(w *custody.NonceRow) { w.ID, w.PublicKey = "n2", []byte("p2") },
			} {
				want := n
				alter(&want)
				if _, err := c.TakeNonce(ctx, tx, want, noon); !errors.Is(err, work.ErrNotFound) {
					t.Errorf("another %s: %v", name, err)
				}
			}
			if _, err := c.TakeNonce(ctx, tx, replaced, n.Expires); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("expired: %v", err)
			}
			got, err := c.TakeNonce(ctx, tx, replaced, noon)
			if err != nil || got.ShareID != "s1" || string(got.ServerNonce) != "sn" {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := c.TakeNonce(ctx, tx, replaced, noon); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("taken twice: %v", err)
			}
			return nil
		})
	})
}

func TestCustodyOperationsMoveForward(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		o := custody.OperationRow{ShareID: "s1", Activation: custody.Activation{
			OpID: "o1", Holder: custodyHolder, KeyID: "k1", Business: "b", Subject: "s",
			Ciphertexts: [][]byte{{1}, {2, 3}}, PlatformCertificate: []byte("c"), Unheld: true, Expires: noon.Add(time.Minute),
		}}
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error { return c.AddOperation(ctx, tx, o) })
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			got, err := c.Operation(ctx, tx, "o1")
			if err != nil || got.State != custody.OperationPending || got.ShareID != "s1" || len(got.Ciphertexts) != 2 || got.M != nil || !got.Unheld {
				t.Errorf("%+v, %v", got, err)
			}
			got.State, got.Digest, got.Signature, got.CompletedAt = custody.OperationComputed, []byte("e"), []byte("rs"), noon
			if err := c.MoveOperation(ctx, tx, custody.OperationPending, got); err != nil {
				return err
			}
			if err := c.MoveOperation(ctx, tx, custody.OperationPending, got); !errors.Is(err, work.ErrConflict) {
				t.Errorf("moved from where it is not: %v", err)
			}
			if err := c.DropMessage(ctx, tx, "o1"); err != nil {
				return err
			}
			got, err = c.Operation(ctx, tx, "o1")
			if err != nil || got.Ciphertexts != nil || string(got.Signature) != "rs" || !got.CompletedAt.Equal(noon) {
				t.Errorf("%+v, %v", got, err)
			}
			return c.Sweep(ctx, tx, noon.Add(time.Hour), noon)
		})
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			got, err := c.Operation(ctx, tx, "o1")
			if err != nil || got.State != custody.OperationComputed {
				t.Errorf("a sweep changed a computed operation: %+v, %v", got, err)
			}
			return nil
		})
	})
}

func TestCustodySweepForgetsWhatIsOver(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			for i, expires := range []time.Time{noon, noon.Add(time.Hour)} {
				name := string(rune('a' + i))
				err := errors.Join(
					c.AddOperation(ctx, tx, custody.OperationRow{Activation: custody.Activation{
						OpID: name, Holder: custodyHolder, KeyID: "k", Business: "b", Subject: "s", ID: "x", M: []byte("m"), Expires: expires,
					}}),
					c.PutNonce(ctx, tx, custody.NonceRow{PublicKey: []byte(name), ID: name, KeyID: "k", OpID: name, BootID: "b", Expires: expires}),
					c.AddModuleKey(ctx, tx, custody.ModuleKeyRow{Kid: name, PublicKey: []byte(name), Sealed: custodySecret, From: noon, To: expires}),
				)
				if err != nil {
					return err
				}
			}
			at := noon.Add(time.Minute)
			return c.Sweep(ctx, tx, at, at)
		})
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			a, errA := c.Operation(ctx, tx, "a")
			b, errB := c.Operation(ctx, tx, "b")
			if errA != nil || errB != nil || a.State != custody.OperationWithdrawn || a.M != nil || b.State != custody.OperationPending || string(b.M) != "m" {
				t.Errorf("operations: %+v %+v", a, b)
			}
			for _, name := range []string{"a", "b"} {
				_, err := c.TakeNonce(ctx, tx, custody.NonceRow{PublicKey: []byte(name), ID: name, KeyID: "k", OpID: name, BootID: "b"}, noon.Add(-time.Hour))
				if (err == nil) != (name == "b") {
					t.Errorf("nonce %s: %v", name, err)
				}
			}
			keys, err := c.ModuleKeys(ctx, tx)
			if err != nil || len(keys) != 1 || keys[0].Kid != "b" {
				t.Errorf("module keys: %+v, %v", keys, err)
			}
			return nil
		})
	})
}

func TestCustodyPeppersRolesEnrolmentsAndRefreshes(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		custodyDo(t, st, func(ctx context.Context, tx work.Tx, c custody.Store) error {
			for _, id := range []string{"p1", "p2", "p3"} {
				if err := c.AddPepper(ctx, tx, custody.Pepper{ID: id, Holder: custodyHolder, Sealed: custodySecret}); err != nil {
					return err
				}
			}
			if err := errors.Join(c.ErasePepper(ctx, tx, "p1"), c.ErasePeppers(ctx, tx, "account-1", "p3")); err != nil {
				return err
			}
			for _, id := range []string{"p1", "p2", "p3"} {
				p, err := c.Pepper(ctx, tx, id)
				if (err == nil) != (id == "p3") || err == nil && (p.Holder != custodyHolder || !bytes.Equal(p.Sealed, custodySecret)) {
					t.Errorf("pepper %s: %+v, %v", id, p, err)
				}
			}
			role := house.Row{Role: custody.RoleTSA, Name: "tsa", PublicKey: []byte("first"), Sealed: custodySecret}
			if err := c.AddRoleKey(ctx, tx, role); err != nil {
				return err
			}
			role.PublicKey = []byte("second")
			if err := c.AddRoleKey(ctx, tx, role); err != nil {
				return err
			}
			if got, err := c.RoleKey(ctx, tx, custody.RoleTSA, "tsa"); err != nil || string(got.PublicKey) != "first" {
				t.Errorf("role: %+v, %v", got, err)
			}
			e := custody.EnrolmentRow{ID: "e1", Holder: custodyHolder, Kind: custody.KindSign, Subject: "s", KeyID: "k", PepperID: "p3", State: custody.EnrolmentOpen, Expires: noon}
			if err := c.AddEnrolment(ctx, tx, e); err != nil {
				return err
			}
			if got, err := c.Enrolment(ctx, tx, "e1"); err != nil || got != e {
				t.Errorf("enrolment: %+v, %v", got, err)
			}
			if err := c.MoveEnrolment(ctx, tx, "e1", custody.EnrolmentUsed, custody.EnrolmentVoid); !errors.Is(err, work.ErrConflict) {
				t.Errorf("moved from where it is not: %v", err)
			}
			if err := c.MoveEnrolment(ctx, tx, "e1", custody.EnrolmentOpen, custody.EnrolmentVoid); err != nil {
				return err
			}
			if got, err := c.Enrolments(ctx, tx, "account-1"); err != nil || len(got) != 0 {
				t.Errorf("void enrolments: %+v, %v", got, err)
			}
			r := custody.RefreshRow{ID: "r1", Holder: custodyHolder, OpID: "o1", State: custody.RefreshOpen, Expires: noon}
			if err := c.AddRefresh(ctx, tx, r); err != nil {
				return err
			}
			if got, err := c.OpenRefreshes(ctx, tx, "account-1"); err != nil || len(got) != 1 || got[0] != r {
				t.Errorf("refreshes: %+v, %v", got, err)
			}
			if err := c.MoveRefresh(ctx, tx, "r1", custody.RefreshOpen, custody.RefreshFlipped); err != nil {
				return err
			}
			if got, err := c.Refresh(ctx, tx, "r1"); err != nil || got.State != custody.RefreshFlipped {
				t.Errorf("refresh: %+v, %v", got, err)
			}
			return nil
		})
	})
}
