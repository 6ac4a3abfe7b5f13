package recover_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/store"
)

// goOn does what is next for a recovery on a phone, as its app would at a start,
// and reports whether it is done.
func goOn(ctx context.Context, p *flowtest.Person) (done bool, err error) {
	r, found, err := p.Recover.Current(ctx, p.Caller.Account)
	if err != nil {
		return false, err
	}
	if !found || r.Device != p.Caller.Device {
		ticket, code := p.Code(account.PurposeRecover)
		if r, err = p.Recover.Begin(ctx, p.Caller, ticket, code); err != nil {
			return false, err
		}
	}
	if r, err = p.Recover.Get(ctx, p.Caller, r.ID); err != nil {
		return false, err
	}
	if r.State == recover.Face {
		if r, err = p.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil {
			return false, err
		}
	}
	if r.State == recover.Suspended {
		if err := p.EnterNewPIN(ctx, r.ID, p.Phone.PIN); err != nil {
			return false, err
		}
		if r, err = p.Recover.Get(ctx, p.Caller, r.ID); err != nil {
			return false, err
		}
	}
	for _, cert := range r.Certificates {
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			return false, err
		}
	}
	r, err = p.Recover.Get(ctx, p.Caller, r.ID)
	return r.State == recover.Done, err
}

// TestEveryBrokenStepOfARecoveryGoesOn breaks the steps that are the recovery's
// own, before and after they persisted, kills the house there and goes on.
func TestEveryBrokenStepOfARecoveryGoesOn(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		rehearsal := func() (*flowtest.Person, *flowtest.Person, string) {
			old := w.Person()
			old.SetPIN()
			return old, old.NewPhone(), old.Installed()
		}
		_, p, _ := rehearsal()
		w.Faults.Break(0, false)
		if done, err := goOn(t.Context(), p); err != nil || !done {
			t.Fatal(done, err)
		}
		steps := w.Faults.Steps()
		steps = slices.Compact(slices.Sorted(slices.Values(steps[:slices.Index(steps, "install.start")])))
		for _, name := range steps {
			own := strings.HasPrefix(name, "recover.") || name == "custody.finish" || name == "custody.generate" || name == "realname.settle"
			if !own || w.Store.Engine() == store.Postgres && name != "recover.suspend" {
				continue
			}
			for _, after := range []bool{false, true} {
				row := name + " failed"
				if after {
					row += " but persisted"
				}
				t.Run(row, func(t *testing.T) {
					old, p, cert := rehearsal()
					w.Faults.BreakAt(name, after)
					done, err := goOn(t.Context(), p)
					if !w.Faults.Hit() {
						t.Fatalf("the step was not reached: %v", err)
					}
					w.Faults.Break(0, false)
					for try := 0; !done; try++ {
						if try == 3 {
							t.Fatal(err)
						}
						w.Start()
						w.Clock.Advance(time.Minute)
						w.Drain()
						done, err = goOn(t.Context(), p)
					}
					recovered(t, old, p, cert)
				})
			}
		}
	})
}

func recovered(t *testing.T, old, p *flowtest.Person, cert string) {
	t.Helper()
	if c := p.Certificate(cert); c.State != certificate.Valid || c.Device != p.Caller.Device {
		t.Errorf("the certificate is %s", c.State)
	}
	pins := 0
	for _, k := range p.Keys(p.Caller.Account) {
		if k.State == custody.KeySuspended || k.State == custody.KeyPending {
			t.Errorf("a %s key is left %s", k.Kind, k.State)
		}
		if k.Kind == custody.KindPIN && k.State == custody.KeyActive {
			pins++
		}
	}
	if pins != 1 {
		t.Errorf("%d PINs", pins)
	}
	if err := p.Sign(t.Context(), cert); err != nil {
		t.Error(err)
	}
	if err := p.Decrypt(t.Context(), cert); !errors.Is(err, custody.CodeHeld) {
		t.Errorf("older envelopes open at once: %v", err)
	}
	if err := old.Sign(t.Context(), cert); err == nil {
		t.Error("the old phone signs")
	}
}
