package people_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// inTx runs f in a transaction that must commit.
func inTx(t *testing.T, st *store.Store, f func(context.Context, work.Tx) error) {
	t.Helper()
	if err := st.Do(t.Context(), "test", f); err != nil {
		t.Fatal(err)
	}
}

func TestAccountsAreKeptByPhoneAndSwappedByVersion(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		a := account.Account{ID: "a1", Phone: "13900000001", PhoneHash: []byte("h1"), CreatedAt: noon}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Get(ctx, tx, "a1"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("Get of nobody: %v", err)
			}
			got, err := s.Register(ctx, tx, a)
			if err != nil || got.ID != "a1" || got.Phone != a.Phone || !got.CreatedAt.Equal(noon) {
				t.Errorf("Register = %+v, %v", got, err)
			}
			again := a
			again.ID = "a2"
			if got, err := s.Register(ctx, tx, again); err != nil || got.ID != "a1" {
				t.Errorf("Register again = %+v, %v", got, err)
			}
			got.Device, got.Phone, got.PhoneHash, got.PhoneChanged = "d", "13900000002", []byte("h2"), noon
			got.Only = account.Restriction{Device: "d", Until: noon.Add(time.Hour)}
			if err := s.Put(ctx, tx, got); err != nil {
				t.Error(err)
			}
			if err := s.Put(ctx, tx, got); !errors.Is(err, work.ErrConflict) {
				t.Errorf("Put of an old version: %v", err)
			}
			got, err = s.Get(ctx, tx, "a1")
			if err != nil || got.Phone != "13900000002" || !got.PhoneChanged.Equal(noon) || got.Device != "d" ||
				got.Only != (account.Restriction{Device: "d", Until: noon.Add(time.Hour)}) {
				t.Errorf("Get = %+v, %v", got, err)
			}
			_, err = s.Register(ctx, tx, account.Account{ID: "b", Phone: "13900000003", PhoneHash: []byte("h3"), CreatedAt: noon})
			return err
		})
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			b, err := s.Get(ctx, tx, "b")
			if err != nil {
				return err
			}
			b.PhoneHash = []byte("h2")
			return s.Put(ctx, tx, b)
		})
		if !errors.Is(err, work.ErrExists) {
			t.Fatalf("Put of a taken phone: %v", err)
		}
	})
}

func TestAccountCodesAndWindows(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			c := account.Code{ID: "c", Purpose: "pin", Account: "a", Session: "s", PhoneHash: []byte("p"), Hash: []byte("h"), ExpiresAt: noon.Add(time.Minute)}
			if err := s.PutCode(ctx, tx, c); err != nil {
				return err
			}
			if err := s.UseCode(ctx, tx, "c", noon); !errors.Is(err, work.ErrConflict) {
				t.Errorf("a code that did not pass was used: %v", err)
			}
			for i := 1; i <= account.CodeTries; i++ {
				if n, err := s.ChargeCode(ctx, tx, "c"); err != nil || n != i {
					t.Errorf("charge %d: %d, %v", i, n, err)
				}
			}
			if _, err := s.ChargeCode(ctx, tx, "c"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("charged past the last try: %v", err)
			}
			if err := s.PassCode(ctx, tx, "c", noon); err != nil {
				return err
			}
			if err := s.UseCode(ctx, tx, "c", noon); err != nil {
				return err
			}
			for name, err := range map[string]error{"used": s.UseCode(ctx, tx, "c", noon), "passed": s.PassCode(ctx, tx, "c", noon)} {
				if !errors.Is(err, work.ErrConflict) {
					t.Errorf("%s twice: %v", name, err)
				}
			}
			got, err := s.Code(ctx, tx, "c")
			if err != nil || got.Purpose != "pin" || got.Tries != account.CodeTries || !got.UsedAt.Equal(noon) || string(got.Hash) != "h" {
				t.Errorf("Code = %+v, %v", got, err)
			}

			for i, at := range []time.Time{noon, noon.Add(59 * time.Second), noon.Add(time.Minute), noon.Add(61 * time.Second)} {
				n, opened, err := s.Count(ctx, tx, "w", []byte("x"), at, time.Minute)
				if want := i%2 + 1; err != nil || n != want || at.Sub(opened) >= time.Minute {
					t.Errorf("count at %v: %d since %v, %v", at, n, opened, err)
				}
			}
			return nil
		})
	})
}

func TestAccountSessionsEndAndAreTidied(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		session := func(id, device string, expires time.Time) account.StoredSession {
			return account.StoredSession{ID: id, Account: "a", Device: device, TokenHash: []byte("t" + id), Nonce: []byte("n"),
				CreatedAt: noon, SeenAt: noon, ExpiresAt: expires}
		}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Register(ctx, tx, account.Account{ID: "a", PhoneHash: []byte("h"), CreatedAt: noon}); err != nil {
				return err
			}
			if err := s.Agree(ctx, tx, "a", account.Agreement{Document: "terms", Version: "1"}, noon); err != nil {
				return err
			}
			for _, d := range []string{"d1", "d2", "d1"} {
				if err := s.PutDevice(ctx, tx, account.StoredDevice{Account: "a", Thumbprint: d, PublicKey: []byte("k"), Label: "l" + d, Network: []byte("n"), SeenAt: noon}); err != nil {
					return err
				}
			}
			for range 2 {
				if err := s.StampBound(ctx, tx, "a", "d1", noon); err != nil {
					return err
				}
			}
			d, err := s.Device(ctx, tx, "a", "d1")
			if err != nil || !d.BoundAt.Equal(noon) || string(d.PublicKey) != "k" {
				t.Errorf("Device = %+v, %v", d, err)
			}
			for _, x := range []account.StoredSession{
				session("1", "d1", noon.Add(time.Hour)), session("2", "d2", noon.Add(time.Hour)), session("3", "d2", noon.Add(-time.Hour)),
			} {
				if err := s.PutSession(ctx, tx, x); err != nil {
					return err
				}
			}
			if err := s.TouchSession(ctx, tx, session("2", "d2", noon), noon.Add(time.Minute)); err != nil {
				return err
			}
			if err := s.EndSessionsOf(ctx, tx, "a", "d1", noon); err != nil {
				return err
			}
			return s.Tidy(ctx, tx, noon, noon)
		})
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			for token, open := range map[string]bool{"t1": false, "t2": true, "t3": false} {
				got, key, only, err := s.SessionByToken(ctx, tx, []byte(token))
				if open && (err != nil || got.Device != "d2" || !got.SeenAt.Equal(noon.Add(time.Minute)) || string(key) != "k" || only != (account.Restriction{})) {
					t.Errorf("%s: %+v, %v", token, got, err)
				}
				if !open && !errors.Is(err, work.ErrNotFound) {
					t.Errorf("%s: %v", token, err)
				}
			}
			return s.EndSession(ctx, tx, "2", noon)
		})
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			later := session("6", "d2", noon.Add(time.Hour))
			later.CreatedAt = noon.Add(time.Second)
			for _, x := range []account.StoredSession{session("4", "d1", noon.Add(time.Hour)), session("5", "d2", noon.Add(time.Hour)), later} {
				if err := s.PutSession(ctx, tx, x); err != nil {
					return err
				}
			}
			if err := s.EndOtherSessions(ctx, tx, "a", "d1", noon, noon); err != nil {
				return err
			}
			for token, open := range map[string]bool{"t4": true, "t5": false, "t6": true} {
				if _, _, _, err := s.SessionByToken(ctx, tx, []byte(token)); (err == nil) != open {
					t.Errorf("%s: %v", token, err)
				}
			}
			return nil
		})
	})
}

func TestAccountWindowsAreGivenBack(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			count := func(want int) {
				t.Helper()
				if n, _, err := s.Count(ctx, tx, "w", []byte("x"), noon, time.Minute); err != nil || n != want {
					t.Errorf("count %d, %v, want %d", n, err, want)
				}
			}
			count(1)
			count(2)
			count(3)
			for _, back := range []struct {
				opened time.Time
				n      int
			}{{noon, 2}, {noon, 2}, {noon.Add(-time.Second), 1}} { // the others: more than there are, another window
				if err := s.Uncount(ctx, tx, "w", []byte("x"), back.opened, back.n); err != nil {
					return err
				}
			}
			count(2)
			if err := s.Forget(ctx, tx, "w", []byte("x")); err != nil {
				return err
			}
			count(1)
			return nil
		})
	})
}

func TestAccountPasswordIsSealedAndDropped(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Register(ctx, tx, account.Account{ID: "a", Phone: "13900000001", PhoneHash: []byte("h"), CreatedAt: noon}); err != nil {
				return err
			}
			if got, err := s.ByPhone(ctx, tx, []byte("h")); err != nil || got.ID != "a" {
				t.Errorf("ByPhone = %+v, %v", got, err)
			}
			if _, err := s.ByPhone(ctx, tx, []byte("?")); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("ByPhone of nobody: %v", err)
			}
			if _, err := s.Password(ctx, tx, "a"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("no password: %v", err)
			}
			for _, p := range []string{"$argon2id$1", "$argon2id$2"} {
				if err := s.PutPassword(ctx, tx, "a", p, noon); err != nil {
					return err
				}
				for _, get := range []func(context.Context, work.Tx, string) (string, error){s.Password, s.LockPassword} {
					if got, err := get(ctx, tx, "a"); err != nil || got != p {
						t.Errorf("Password = %q, %v", got, err)
					}
				}
			}
			if err := s.DropPassword(ctx, tx, "a"); err != nil {
				return err
			}
			if _, err := s.Password(ctx, tx, "a"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("dropped: %v", err)
			}
			return nil
		})
	})
}

func TestAccountDevicesAreListedWithTheirSessions(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Accounts(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.Register(ctx, tx, account.Account{ID: "a", PhoneHash: []byte("h"), CreatedAt: noon}); err != nil {
				return err
			}
			for i, d := range []string{"d1", "d2", "d3", "d4"} {
				err := s.PutDevice(ctx, tx, account.StoredDevice{Account: "a", Thumbprint: d, PublicKey: []byte("k"), Label: d,
					Network: []byte("n"), SeenAt: noon.Add(time.Duration(i) * time.Second)})
				if err != nil {
					return err
				}
				err = s.PutSession(ctx, tx, account.StoredSession{ID: d, Account: "a", Device: d, TokenHash: []byte(d), Nonce: []byte("n"),
					CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)})
				if err != nil {
					return err
				}
			}
			if n, err := s.EndSessionsBut(ctx, tx, "a", "d1", "d2", noon); err != nil || n != 2 {
				t.Errorf("ended %d, %v", n, err)
			}
			// d2 signs in anew, unnamed and elsewhere.
			if err := s.PutDevice(ctx, tx, account.StoredDevice{Account: "a", Thumbprint: "d2", PublicKey: []byte("k"), Network: []byte("m"), SeenAt: noon.Add(time.Minute)}); err != nil {
				return err
			}
			list := func(now, used time.Time) (out string) {
				all, err := s.SignedIn(ctx, tx, "a", "d4", now, used)
				if err != nil {
					t.Error(err)
				}
				for _, d := range all {
					out += fmt.Sprint(d.Label, "/", string(d.Network), "/", d.Sessions, " ")
					if d.Sessions > 0 && !d.SignedInAt.Equal(noon) || !d.CreatedAt.Before(noon.Add(time.Minute)) {
						t.Errorf("%+v", d)
					}
				}
				return out
			}
			if got := list(noon, noon.Add(-time.Hour)); got != "d2/m/1 d4/n/0 d1/n/1 " {
				t.Errorf("signed in: %s", got)
			}
			for _, over := range []string{list(noon.Add(time.Hour), noon.Add(-time.Hour)), list(noon, noon)} {
				if over != "d4/n/0 " {
					t.Errorf("over: %s", over)
				}
			}
			a, err := s.Get(ctx, tx, "a")
			if err != nil {
				return err
			}
			a.ClosedAt, a.PhoneHash = noon, []byte("closed")
			if err := s.Put(ctx, tx, a); err != nil {
				return err
			}
			if a, err = s.Get(ctx, tx, "a"); err != nil || !a.ClosedAt.Equal(noon) {
				t.Errorf("closed at %v, %v", a.ClosedAt, err)
			}
			if _, _, _, err := s.SessionByToken(ctx, tx, []byte("d1")); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("a session of a closed account: %v", err)
			}
			return nil
		})
	})
}
