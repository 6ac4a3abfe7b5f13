package recover_test

import (
	"errors"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/recover"
)

func TestTheOldPhoneStopsARecovery(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		thief := old.NewPhone()

		r := begin(t, thief)
		if r, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil || r.State != recover.Stopped {
			t.Fatalf("stopped before the face: %s, %v", r.State, err)
		}
		old.UseKeys(cert)

		r = suspended(t, thief)
		if r, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil || r.State != recover.Stopped {
			t.Fatalf("stopped after the face: %s, %v", r.State, err)
		}
		if restricted(t, old) || !signedOut(t, thief) {
			t.Error("the old phone stays restricted, or the stopped one signed in")
		}
		old.UseKeys(cert) // as it was
		if c := w.Certificate(cert); c.State != certificate.Valid {
			t.Errorf("the certificate is %s", c.State)
		}
		wants(t, thief.EnterNewPIN(ctx, r.ID, thief.Phone.PIN), recover.CodeOver)

		// After the new PIN nothing can be as it was: everything stops.
		r = pinned(t, thief)
		if r.KnownDevice || r.HoldUntil.IsZero() {
			t.Error("a thief's phone is known the second time")
		}
		if _, err := thief.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		if r = get(t, thief, r.ID); r.State != recover.Done {
			t.Fatalf("the recovery is %s", r.State)
		}
		wants(t, thief.Decrypt(ctx, cert), custody.CodeHeld)
		if _, err := w.Recover.Stop(ctx, thief.Caller, r.ID); !errors.Is(err, recover.CodeNotOwner) {
			t.Errorf("the thief stops: %v", err)
		}
		if r, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil || r.State != recover.Stopped {
			t.Fatalf("stopped while held: %s, %v", r.State, err)
		}
		if restricted(t, old) {
			t.Error("the old phone stays restricted")
		}
		for _, k := range w.Keys(old.Caller.Account) {
			if k.State == custody.KeyActive {
				t.Errorf("a %s key is still active", k.Kind)
			}
		}
		if err := thief.Sign(ctx, cert); err == nil {
			t.Error("the thief signs")
		}
		w.Clock.Advance(2 * recover.HoldFor)
		if err := thief.Decrypt(ctx, cert); err == nil {
			t.Error("the thief decrypts")
		}
		// The owner brings everything back, at once: his phone is known.
		if r = pinned(t, old); !r.HoldUntil.IsZero() {
			t.Error("the owner's phone is held")
		}
		if _, err := old.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		old.UseKeys(cert)
		if r := begin(t, thief); r.KnownDevice {
			t.Error("a stopped phone counts as known")
		}
	})
}

func TestTheOldPhoneConfirms(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		p := old.NewPhone()
		r := pinned(t, p)
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		wants(t, p.Decrypt(ctx, cert), custody.CodeHeld)
		_, err := w.Recover.Confirm(ctx, p.Caller, r.ID)
		wants(t, err, recover.CodeNotOwner)
		if _, err := w.Recover.Confirm(ctx, old.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		p.UseKeys(cert)
		if !signedOut(t, old) || restricted(t, p) {
			t.Error("the old phone's session survives its word, or the new one's does not")
		}
		_, err = w.Recover.Stop(ctx, old.Caller, r.ID)
		wants(t, err, recover.CodeStopped)
	})
}

func TestTheOldPhoneConfirmsBeforeTheEnd(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		p := old.NewPhone()
		r := pinned(t, p)
		if _, err := w.Recover.Confirm(t.Context(), old.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		if !restricted(t, old) {
			t.Error("the old phone is not restricted while the recovery runs")
		}
		if _, err := p.InstallOnce(t.Context(), cert); err != nil {
			t.Fatal(err)
		}
		if r = get(t, p, r.ID); r.State != recover.Done || !signedOut(t, old) || restricted(t, p) {
			t.Errorf("the recovery is %s", r.State)
		}
		p.UseKeys(cert)
	})
}

func TestAConfirmedRecoveryFreesNobodyOfTheOneThatRuns(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		one, two := old.NewPhone(), old.NewPhone()
		first := pinned(t, one)
		if _, err := one.InstallOnce(t.Context(), cert); err != nil {
			t.Fatal(err)
		}
		suspended(t, two)
		if _, err := w.Recover.Confirm(t.Context(), old.Caller, first.ID); err != nil {
			t.Fatal(err)
		}
		if !restricted(t, old) || !restricted(t, one) || restricted(t, two) {
			t.Error("the recovery that runs restricts the others no longer")
		}
	})
}

func TestAnotherPhoneTakesARecoveryOver(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		one, two := old.NewPhone(), old.NewPhone()
		r1 := pinned(t, one) // and then this phone is lost too
		r2 := pinned(t, two)
		wants(t, one.EnterNewPIN(ctx, r1.ID, one.Phone.PIN), recover.CodeOver)
		if get(t, old, r1.ID).State != recover.Over {
			t.Error("the first recovery did not end")
		}
		if r2.OldDevice != old.Caller.Device {
			t.Error("the phone that may stop is not the one before both")
		}
		if _, err := two.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		if err := two.Sign(ctx, cert); err != nil {
			t.Error(err)
		}
		if err := one.Sign(ctx, cert); err == nil {
			t.Error("the phone in between signs")
		}
		// The phone in between came in by a recovery that was never finished.
		if r := begin(t, one); r.KnownDevice {
			t.Error("the phone in between counts as known")
		}
	})
}

// active counts the keys in use, by device.
func active(p *flowtest.Person) map[string]int {
	n := map[string]int{}
	for _, k := range p.Keys(p.Caller.Account) {
		if k.State == custody.KeyActive {
			n[k.Holder.Device]++
		}
	}
	return n
}

func TestNobodyGetsKeysBackThatWereNotTheOldPhones(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		thief := old.NewPhone()
		r := pinned(t, thief)
		if _, err := thief.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		// The thief begins again, and gives up at once.
		r = suspended(t, thief)
		if _, err := w.Recover.Stop(ctx, thief.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		if n := active(old); len(n) != 0 {
			t.Errorf("keys are in use again: %v", n)
		}
		// Nor does a third phone bring the thief's keys back.
		r = pinned(t, old)
		if _, err := old.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		one, two := old.NewPhone(), old.NewPhone()
		pinned(t, one)
		r = suspended(t, two)
		if _, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		if n := active(old); len(n) != 0 {
			t.Errorf("the phone in between has its keys back: %v", n)
		}
		if restricted(t, old) {
			t.Error("the old phone stays restricted")
		}
	})
}

func TestAContestedPhoneNeitherConfirmsNorIsTheOldOne(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		one, two := old.NewPhone(), old.NewPhone()
		first := pinned(t, one)
		if _, err := one.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		if first = get(t, one, first.ID); first.State != recover.Done {
			t.Fatalf("the first recovery is %s", first.State)
		}
		r := pinned(t, two)
		if r.OldDevice != old.Caller.Device {
			t.Error("a phone that is still held back counts as the old one")
		}
		_, err := w.Recover.Confirm(ctx, one.Caller, r.ID)
		wants(t, err, recover.CodeNotOwner)
		_, err = w.Recover.Stop(ctx, one.Caller, r.ID)
		wants(t, err, recover.CodeNotOwner)
		// Stopping the first also ends what began after it.
		if _, err := w.Recover.Stop(ctx, old.Caller, first.ID); err != nil {
			t.Fatal(err)
		}
		if got := get(t, two, r.ID); got.State != recover.Over {
			t.Errorf("the second recovery is %s", got.State)
		}
		if n := active(old); len(n) != 0 {
			t.Errorf("keys are in use: %v", n)
		}
	})
}

func TestAStoppedRecoveryLeavesARunningInstallationWhole(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		w.Faults.Break(0, false)
		old.Installed()
		at := 0
		for n, name := range w.Faults.Steps() {
			if name == "issuer.issue" {
				at = n + 1
			}
		}
		thief := old.NewPhone()
		ticket, code := thief.Code(account.PurposeRecover)
		cert := w.Buy(old.Caller.Account)
		w.Faults.Break(at, false)
		if i, err := old.InstallOnce(ctx, cert); err != nil || i.State != install.Issuing {
			t.Fatalf("%s, %v", i.State, err)
		}
		w.Faults.Break(0, false)
		r, err := w.Recover.Begin(ctx, thief.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = w.Recover.Face(ctx, thief.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Suspended {
			t.Fatalf("%s, %v", r.State, err)
		}
		if _, err := w.Recover.Stop(ctx, old.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Minute)
		w.Drain()
		old.Whole(cert, 1)
		old.UseKeys(cert)
	})
}
