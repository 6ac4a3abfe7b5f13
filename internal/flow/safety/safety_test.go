package safety_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/safety"
	"tianweitong/internal/work"
)

const good = "bid-2026-spring"

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

func in(p *flowtest.Person) bool {
	_, _, err := p.Accounts.Authenticate(p.T.Context(), p.Token)
	return err == nil
}

// sets sets or changes the password by code.
func sets(p *flowtest.Person, password string) error {
	ticket, code := p.Code(account.PurposePassword)
	return p.Safety.SetPassword(p.T.Context(), p.Caller, account.PasswordChange{New: password, Ticket: ticket, Code: code})
}

func resets(w *flowtest.World, number, password string) error {
	w.Clock.Advance(time.Minute)
	ticket, err := w.Accounts.RequestCode(w.T.Context(), account.Ask{Phone: number, Purpose: account.PurposeReset, Address: "192.0.2.1"}, account.Caller{})
	if err != nil {
		return err
	}
	w.Drain()
	return w.Safety.ResetPassword(w.T.Context(), account.PasswordReset{Phone: number, New: password, Ticket: ticket.ID, Code: w.Text.Code(number)})
}

func told(p *flowtest.Person, kind string) (n int) {
	page, err := p.Notices.List(p.T.Context(), p.Caller.Account, "")
	if err != nil {
		p.T.Fatal(err)
	}
	for _, x := range page.Notices {
		if x.Kind == kind {
			n++
		}
	}
	return n
}

func TestANewPasswordIsToldAndSignsTheOthersOut(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.SignIn("13700000001")
		q := p.NewPhone()
		if err := sets(q, good); err != nil {
			t.Fatal(err)
		}
		if in(p) || !in(q) {
			t.Error("the wrong device was signed out")
		}
		p = q.NewPhone()
		if err := p.Safety.SetPassword(t.Context(), p.Caller, account.PasswordChange{New: "another-1", Old: good}); err != nil {
			t.Fatal(err)
		}
		if in(q) || !in(p) {
			t.Error("the wrong device was signed out")
		}
		if err := resets(w, p.Number, "a-third-one-1"); err != nil {
			t.Fatal(err)
		}
		if in(p) {
			t.Error("a reset left somebody signed in")
		}
		w.Drain()
		if told(p, "account.password_set") != 1 || told(p, "account.password_changed") != 2 || !w.Text.Sent("登录密码已设置") || !w.Text.Sent("登录密码已修改") {
			t.Error("the owner was not told of each")
		}
	})
}

// Who has the SIM may change the password, but does not take from the phone with
// the keys what it needs to stop a re-key.
func TestThePhoneWithTheKeysIsSignedOutByNobodyElse(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		p.Installed()
		other, thief := p.NewPhone(), p.NewPhone()
		if err := sets(thief, good); err != nil {
			t.Fatal(err)
		}
		if !in(p) || in(other) {
			t.Error("setting a password signs the wrong device out")
		}
		if err := resets(w, p.Number, "another-1"); err != nil {
			t.Fatal(err)
		}
		if !in(p) || in(thief) {
			t.Error("a reset signs the wrong device out")
		}
		thief = p.NewPhone()
		if n, err := w.Safety.SignOutOthers(ctx, thief.Caller); err != nil || n != 0 || !in(p) {
			t.Errorf("signed out %d, %v", n, err)
		}
		wants(t, w.Safety.SignOutDevice(ctx, thief.Caller, p.Caller.Device), safety.CodeKeyDevice)
		wants(t, w.Safety.SignOutDevice(ctx, thief.Caller, thief.Caller.Device), account.CodeThisDevice)
		// And while the thief's re-key runs: not even from its own, now active device.
		ticket, code := thief.Code(account.PurposeRecover)
		r, err := w.Recover.Begin(ctx, thief.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recover.Face(ctx, thief.Caller, r.ID, []byte("video")); err != nil {
			t.Fatal(err)
		}
		wants(t, w.Safety.SignOutDevice(ctx, thief.Caller, p.Caller.Device), account.CodeRekeying)
		_, err = w.Safety.SignOutOthers(ctx, thief.Caller)
		wants(t, err, account.CodeRekeying)
		if err := sets(thief, "a-third-one-1"); err != nil {
			t.Fatal(err)
		}
		if err := resets(w, p.Number, "a-fourth-one-1"); err != nil {
			t.Fatal(err)
		}
		if !in(p) {
			t.Fatal("the old phone cannot stop the re-key any more")
		}
		if _, err := w.Recover.Stop(ctx, p.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		if in(thief) {
			t.Error("the thief stays")
		}
	})
}

func TestDevicesAreSeenAndSignedOut(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		q, r := p.NewPhone(), p.NewPhone()
		list := func(keys bool) {
			t.Helper()
			all, err := w.Safety.Devices(ctx, q.Caller, "192.0.2.1")
			if err != nil || len(all) != 3 {
				t.Fatalf("%d devices, %v", len(all), err)
			}
			for _, d := range all {
				first := d.Thumbprint == p.Caller.Device
				if d.Current != (d.Thumbprint == q.Caller.Device) || d.Active != first || d.Keys != (first && keys) || d.Sessions != 1 || d.Label != "test" {
					t.Errorf("%+v", d)
				}
			}
		}
		list(false)
		// Without keys no device is more than another.
		if err := w.Safety.SignOutDevice(ctx, q.Caller, p.Caller.Device); err != nil {
			t.Fatal(err)
		}
		if in(p) || !in(r) {
			t.Error("the wrong device was signed out")
		}
		wants(t, w.Safety.SignOutDevice(ctx, w.Person().Caller, r.Caller.Device), account.CodeNoDevice)
		p2 := w.SignIn(p.Number)
		p2.SetPIN() // binds
		p.Caller = p2.Caller
		all, err := w.Safety.Devices(ctx, r.Caller, "192.0.2.1")
		if err != nil || !slices.ContainsFunc(all, func(d safety.Device) bool { return d.Keys && d.Active && d.Thumbprint == p2.Caller.Device }) {
			t.Errorf("nobody holds the keys: %+v, %v", all, err)
		}
		if n, err := w.Safety.SignOutOthers(ctx, p2.Caller); err != nil || n != 2 || in(q) || in(r) || !in(p2) {
			t.Errorf("signed out %d, %v", n, err)
		}
	})
}

// A password that comes with a broken commit is neither set nor told.
func TestABrokenChangeChangesAllOrNothing(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.SignIn("13700000002")
		q := p.NewPhone()
		ticket, code := q.Code(account.PurposePassword)
		set := func() error {
			return w.Safety.SetPassword(t.Context(), q.Caller, account.PasswordChange{New: good, Ticket: ticket, Code: code})
		}
		for n := 1; ; n++ {
			w.Faults.Break(n, false)
			err := set()
			hit := w.Faults.Hit()
			w.Faults.Break(0, false)
			var has bool
			w.Do(func(ctx context.Context, tx work.Tx) (err error) {
				has, err = w.Accounts.PasswordSet(ctx, tx, p.Caller.Account)
				return err
			})
			if has != (err == nil) || in(p) == has || (told(p, "account.password_set") == 1) != has {
				t.Fatalf("step %d: %v, set %v, the other signed in %v", n, err, has, in(p))
			}
			if !hit {
				return
			}
		}
	})
}
