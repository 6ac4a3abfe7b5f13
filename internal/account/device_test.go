package account_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/work"
)

// devices lists the devices as "name sessions active same-network".
func (k *kit) devices(acc, address string, names map[string]string) (out []string, all []account.DeviceEntry) {
	k.t.Helper()
	k.view(func(ctx context.Context, tx work.Tx) (err error) {
		all, err = k.Devices(ctx, tx, acc, address)
		return err
	})
	for _, d := range all {
		out = append(out, fmt.Sprint(names[d.Thumbprint], " ", d.Sessions, " ", d.Active, " ", d.SameNetwork))
	}
	return out, all
}

func (k *kit) same(got []string, want ...string) {
	k.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.t.Errorf("devices %v, want %v", got, want)
	}
}

func TestDevicesAreListedWithTheirLastUse(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		key := device(t, p256)
		a := k.signIn(phone(1), key)
		began := k.clock.Now()
		k.setPassword(a, good)
		b, err := k.enter(phone(1), good, "198.51.100.1", device(t, p256))
		if err != nil {
			t.Fatal(err)
		}
		k.signIn(phone(2), key) // another account's
		names := map[string]string{a.Device: "a", b.Device: "b"}
		k.clock.Advance(time.Hour)
		k.caller(a)
		got, all := k.devices(a.Account, home, names)
		k.same(got, "a 1 true true", "b 1 false false")
		if d := all[0]; !d.SeenAt.Equal(k.clock.Now()) || !d.CreatedAt.Equal(began) {
			t.Errorf("seen at %v, first at %v", d.SeenAt, d.CreatedAt)
		}
		// Written at most once a minute.
		seen := k.clock.Now()
		for range 2 {
			k.clock.Advance(29 * time.Second)
			k.caller(a)
			if _, all := k.devices(a.Account, home, names); !all[0].SeenAt.Equal(seen) {
				t.Errorf("written after %v", all[0].SeenAt.Sub(seen))
			}
		}
		k.clock.Advance(2 * time.Second)
		k.caller(a)
		if _, all := k.devices(a.Account, home, names); !all[0].SeenAt.Equal(k.clock.Now()) {
			t.Error("not written after a minute")
		}
		// Who signed out is gone; the active device stays in the list.
		for _, s := range []account.Session{a, b} {
			if err := k.SignOut(t.Context(), k.caller(s)); err != nil {
				t.Fatal(err)
			}
		}
		got, _ = k.devices(a.Account, "198.51.100.1", names)
		k.same(got, "a 0 true false")
		// What was not used for long is as good as signed out.
		c := k.signIn(phone(1), device(t, p256))
		names[c.Device] = "c"
		k.clock.Advance(account.Idle)
		got, _ = k.devices(a.Account, home, names)
		k.same(got, "a 0 true true")
	})
}

func TestADeviceIsSignedOutByAnother(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		shared := device(t, p256)
		a, b, c := k.signIn(phone(1), device(t, p256)), k.signIn(phone(1), shared), k.signIn(phone(1), device(t, p256))
		foreign := k.signIn(phone(2), shared)
		signOut := func(acc, device string) error {
			return k.do(func(ctx context.Context, tx work.Tx) error { return k.SignOutDevice(ctx, tx, acc, device) })
		}
		over := func(s account.Session) {
			t.Helper()
			_, _, err := k.Authenticate(t.Context(), s.Token)
			want(t, err, account.CodeSignedOut)
		}
		want(t, signOut(a.Account, "nothing"), account.CodeNoDevice)
		want(t, signOut(foreign.Account, a.Device), account.CodeNoDevice)
		for range 2 {
			if err := signOut(a.Account, b.Device); err != nil {
				t.Fatal(err)
			}
		}
		over(b)
		for _, s := range []account.Session{a, c, foreign} {
			k.caller(s)
		}
		b = k.signIn(phone(1), shared)
		restrict := func(f func(context.Context, work.Tx) error) {
			t.Helper()
			if err := k.do(f); err != nil {
				t.Fatal(err)
			}
		}
		// While a re-key runs nobody is signed out: the old device may stop it.
		restrict(func(ctx context.Context, tx work.Tx) error { return k.Restrict(ctx, tx, a.Account, b.Device) })
		want(t, signOut(a.Account, a.Device), account.CodeRekeying)
		others := func(keep, keepToo string) (n int, err error) {
			err = k.do(func(ctx context.Context, tx work.Tx) error {
				n, err = k.SignOutBut(ctx, tx, a.Account, keep, keepToo)
				return err
			})
			return n, err
		}
		_, err := others(b.Device, "")
		want(t, err, account.CodeRekeying)
		restrict(func(ctx context.Context, tx work.Tx) error { return k.Lift(ctx, tx, a.Account) })
		if n, err := others(b.Device, a.Device); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		over(c)
		k.caller(a)
		if n, err := others("", ""); err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
		over(a)
		over(b)
		k.caller(foreign)
	})
}

// Sessions that ended with a re-key are not shown as open.
func TestDevicesAfterAReKeyAreNotShownAsSignedIn(t *testing.T) {
	k := one(t)
	a, b := k.signIn(phone(1), device(t, p256)), k.signIn(phone(1), device(t, p256))
	names := map[string]string{a.Device: "a", b.Device: "b"}
	err := k.do(func(ctx context.Context, tx work.Tx) error {
		if err := k.BindDevice(ctx, tx, a.Account, b.Device); err != nil {
			return err
		}
		if err := k.Restrict(ctx, tx, a.Account, b.Device); err != nil {
			return err
		}
		return k.LiftAt(ctx, tx, a.Account, k.clock.Now().Add(time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := k.devices(a.Account, home, names)
	k.same(got, "b 1 true true", "a 1 false true")
	k.clock.Advance(time.Hour)
	got, _ = k.devices(a.Account, home, names)
	k.same(got, "b 1 true true")
}

func TestAClosedAccountFreesItsNumber(t *testing.T) {
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			each(t, func(t *testing.T, k *kit) {
				key := device(t, p256)
				s, second := k.signIn(phone(1), key), k.signIn(phone(1), device(t, p256))
				k.setPassword(s, good)
				ticket, code := k.ask("", account.PurposePIN, k.caller(s))
				if err := k.CheckCode(t.Context(), ticket, code, account.PurposePIN, s.ID); err != nil {
					t.Fatal(err)
				}
				if err := k.do(func(ctx context.Context, tx work.Tx) error { return k.Close(ctx, tx, s.Account, keep) }); err != nil {
					t.Fatal(err)
				}
				for _, over := range []account.Session{s, second} {
					_, _, err := k.Authenticate(t.Context(), over.Token)
					want(t, err, account.CodeSignedOut)
				}
				if err := k.jobs.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if last := k.inbox.sent[len(k.inbox.sent)-1]; last.template != "account.closed" || last.phone != phone(1) {
					t.Errorf("the last message is %v", last)
				}
				if kept := k.number(s.Account); kept != map[bool]string{true: phone(1)}[keep] {
					t.Errorf("the row keeps the number %q", kept)
				}
				// Nothing reaches it any more, whatever was on its way.
				sent := len(k.inbox.sent)
				err := k.do(func(ctx context.Context, tx work.Tx) error { return k.Text(ctx, tx, s.Account, "notice", nil) })
				if err != nil {
					t.Fatal(err)
				}
				if err := k.jobs.Drain(t.Context()); err != nil || len(k.inbox.sent) != sent {
					t.Errorf("the number was written to: %v", err)
				}
				err = k.do(func(ctx context.Context, tx work.Tx) error {
					return k.Spend(ctx, tx, ticket, account.PurposePIN, s.Account)
				})
				want(t, err, account.CodeUnknown)
				err = k.do(func(ctx context.Context, tx work.Tx) error { return k.BindDevice(ctx, tx, s.Account, s.Device) })
				want(t, err, account.CodeNoAccount)
				err = k.do(func(ctx context.Context, tx work.Tx) error { return k.Close(ctx, tx, s.Account, keep) })
				want(t, err, account.CodeNoAccount)
				_, err = k.enter(phone(1), good, home, key)
				want(t, err, account.CodePasswordWrong)
				// The number begins anew.
				fresh := k.signIn(phone(1), key)
				if !fresh.New || fresh.Account == s.Account {
					t.Fatalf("the number enters %+v", fresh)
				}
				k.view(func(ctx context.Context, tx work.Tx) error {
					set, err := k.PasswordSet(ctx, tx, fresh.Account)
					if err != nil || set {
						t.Errorf("the new account has a password: %v", err)
					}
					return nil
				})
				got, _ := k.devices(fresh.Account, home, map[string]string{fresh.Device: "fresh"})
				k.same(got, "fresh 1 true true")
			})
		})
	}
}
