package pin_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

func begin(t *testing.T, p *flowtest.Person) pin.Setup {
	t.Helper()
	ticket, code := p.Code(account.PurposePIN)
	s, err := p.PIN.Begin(t.Context(), p.Caller, ticket, code)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheFirstPINIsTypedTwice(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.SignIn("13911110001")
		s := begin(t, p)
		wants(t, p.EnterPIN(ctx, s.ID, "135792"), custody.CodePINMismatch)
		if st, _, err := w.PIN.Status(ctx, p.Caller); err != nil || st.Set || st.Remaining != 10 {
			t.Fatalf("after two entries that differ: %+v, %v", st, err)
		}
		for _, k := range w.Keys(p.Caller.Account) {
			if k.State != custody.KeyDestroyed {
				t.Errorf("the discarded key is %s", k.State)
			}
		}
		if err := p.EnterPIN(ctx, s.ID, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		st, here, err := w.PIN.Status(ctx, p.Caller)
		if err != nil || !st.Set || !here || st.Remaining != 10 {
			t.Errorf("after the second entry: %+v here %v, %v", st, here, err)
		}
		_, err = w.PIN.Enrol(ctx, p.Phone.Holder, s.ID)
		wants(t, err, pin.CodeOver)
	})
}

func TestASecondPINIsNotSetBySMS(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.SignIn("13911110002")
		// Two phones begin at the same time; the first to finish has the PIN.
		q := p.NewPhone()
		mine, other := begin(t, p), begin(t, q)
		if err := q.EnterPIN(ctx, other.ID, q.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		wants(t, p.EnterPIN(ctx, mine.ID, p.Phone.PIN), pin.CodeSet)
		ticket, code := p.Code(account.PurposePIN)
		_, err := w.PIN.Begin(ctx, p.Caller, ticket, code)
		wants(t, err, pin.CodeSet)
		// The phone that set it is the active one, also for a suspended PIN.
		w.Do(func(ctx context.Context, tx work.Tx) error {
			device, err := w.Accounts.ActiveDevice(ctx, tx, p.Caller.Account)
			if device != q.Caller.Device {
				t.Errorf("the active device is %s", device)
			}
			return errors.Join(err, w.Custody.Suspend(ctx, tx, p.Caller.Account))
		})
		_, err = w.PIN.Begin(ctx, p.Caller, ticket, code)
		wants(t, err, pin.CodeSet)
	})
}

func TestTwoPhonesThatFinishAtOnceSetOnePIN(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.SignIn("13911110008")
		phones := []*flowtest.Person{p, p.NewPhone()}
		var ops []string
		for _, q := range phones {
			s := begin(t, q)
			e, err := w.PIN.Enrol(ctx, q.Phone.Holder, s.ID)
			if err != nil {
				t.Fatal(err)
			}
			q.Phone.Door = w.Custody
			if err := q.Phone.Make(ctx, custody.KindPIN, e); err != nil {
				t.Fatal(err)
			}
			op, err := w.PIN.Prove(ctx, q.Phone.Holder, s.ID)
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, op)
		}
		// Both proofs are right; the two records begin together.
		var together, all sync.WaitGroup
		together.Add(len(phones))
		outcomes := make([]error, len(phones))
		for n, q := range phones {
			a, err := w.Custody.Activation(ctx, q.Phone.Holder, ops[n])
			if err != nil {
				t.Fatal(err)
			}
			f, err := w.PIN.Finish(ctx, q.Phone.Holder, a)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				_, outcomes[n] = q.Phone.Perform(ctx, ops[n], q.Phone.PIN, func(ctx context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
					together.Done()
					together.Wait()
					return f(ctx, d)
				})
			})
		}
		all.Wait()
		set := 0
		for _, err := range outcomes {
			if err == nil {
				set++
			} else if !errors.Is(err, pin.CodeSet) {
				t.Error(err)
			}
		}
		if set != 1 {
			t.Errorf("%d phones set the PIN: %v", set, outcomes)
		}
		active := ""
		for _, k := range w.Keys(p.Caller.Account) {
			if k.State == custody.KeyActive {
				active += k.Holder.Device
			}
		}
		w.Do(func(ctx context.Context, tx work.Tx) error {
			device, err := w.Accounts.ActiveDevice(ctx, tx, p.Caller.Account)
			if device != active {
				t.Errorf("the active device is %q, PIN keys are on %q", device, active)
			}
			return err
		})
	})
}

func TestASettingNeedsItsCodeItsPhoneAndItsTime(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.SignIn("13911110003")
		ticket, code := p.Code(account.PurposePIN)
		wrong := "000000"
		if code == wrong {
			wrong = "111111"
		}
		_, err := w.PIN.Begin(ctx, p.Caller, ticket, wrong)
		wants(t, err, account.CodeWrong)
		other, otherCode := p.Code(account.PurposeRealname)
		_, err = w.PIN.Begin(ctx, p.Caller, other, otherCode)
		wants(t, err, account.CodeUnknown)
		s := begin(t, p)
		_, err = w.PIN.Prove(ctx, p.Phone.Holder, s.ID)
		wants(t, err, pin.CodeNotEntered)
		_, err = w.PIN.Enrol(ctx, p.NewPhone().Phone.Holder, s.ID)
		wants(t, err, pin.CodeNoSetup)
		w.Clock.Advance(pin.Life)
		_, err = w.PIN.Enrol(ctx, p.Phone.Holder, s.ID)
		wants(t, err, pin.CodeOver)
	})
}

// change goes through a change of PIN on the phone, up to the flip.
func change(ctx context.Context, p *flowtest.Person, old, next string) (set string, records map[string]splitkey.Record, err error) {
	op, err := p.PIN.Change(ctx, p.Caller)
	if err != nil {
		return "", nil, err
	}
	o, err := p.Custody.Open(ctx, p.Phone.Holder, op)
	if err != nil {
		return "", nil, err
	}
	if _, err := p.Perform(ctx, op, old); err != nil {
		return "", nil, err
	}
	message, err := splitkey.ParseConfirmMessage(o.M)
	if err != nil {
		return "", nil, err
	}
	device, err := hex.DecodeString(p.Phone.Holder.Device)
	if err != nil {
		return "", nil, err
	}
	start, request, err := splitkey.StartRefresh(rand.Reader, splitkey.RefreshContext{
		Account: p.Caller.Account, Device: device, OpID: op, ServerNonce: message.ServerNonce, KeyIDs: message.KeyIDs,
	})
	if err != nil {
		return "", nil, err
	}
	begun, err := p.PIN.Refresh(ctx, p.Phone.Holder, op, request)
	if err != nil {
		return "", nil, err
	}
	fresh, err := start.Finish(begun.Reply)
	if err != nil {
		return "", nil, err
	}
	before, err := p.Phone.Stretch(old, o.Pepper)
	if err != nil {
		return "", nil, err
	}
	after, err := p.Phone.Stretch(next, o.Pepper)
	if err != nil {
		return "", nil, err
	}
	var now []splitkey.Record
	for _, id := range begun.KeyIDs {
		now = append(now, p.Phone.Records[id])
	}
	derived, err := fresh.Records(rand.Reader, p.Phone.Holder.Device, before, after, now)
	if err != nil {
		return "", nil, err
	}
	records = map[string]splitkey.Record{}
	for i, r := range derived {
		records[r.KeyID] = r
		o, err := p.Custody.Open(ctx, p.Phone.Holder, begun.Operations[i])
		if err != nil {
			return "", nil, err
		}
		a, err := p.Phone.AnswerWith(o, next, r)
		if err != nil {
			return "", nil, err
		}
		if _, err := p.Custody.Answer(ctx, p.Phone.Holder, o.OpID, a, nil); err != nil {
			return "", nil, err
		}
	}
	return begun.ID, records, nil
}

func TestChangingThePINCoversEveryKeyInOneFlip(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		one, two := p.Installed(), p.Installed()
		old, next := p.Phone.PIN, "602817"
		set, records, err := change(ctx, p, old, next)
		if err != nil {
			t.Fatal(err)
		}
		p.UseKeys(one) // until the flip the old PIN is the PIN
		if err := w.PIN.Flip(ctx, p.Caller, set); err != nil {
			t.Fatal(err)
		}
		if err := w.PIN.Flip(ctx, p.Caller, set); err != nil {
			t.Errorf("flipping again: %v", err)
		}
		if err := p.Sign(ctx, one); !errors.Is(err, custody.CodeWrongPIN) {
			t.Errorf("the old set still signs: %v", err)
		}
		if got, err := w.PIN.CurrentSet(ctx, p.Caller); err != nil || got != set {
			t.Errorf("the current set is %q, %v", got, err)
		}
		p.Phone.PIN = next
		for id, r := range records {
			p.Phone.Records[id] = r
		}
		p.UseKeys(one)
		p.UseKeys(two)
		p.UseKeys(p.Installed()) // and new certificates come under the new PIN
	})
}

func TestChangingThePINNeedsTheOldOne(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		_, err := w.PIN.Change(ctx, p.Caller)
		wants(t, err, custody.CodeNoPIN)
		p.SetPIN()
		_, _, err = change(ctx, p, "135792", "602817")
		wants(t, err, custody.CodeWrongPIN)
		if st, _, err := w.PIN.Status(ctx, p.Caller); err != nil || st.Remaining != 9 {
			t.Errorf("%d tries remain, %v", st.Remaining, err)
		}
		_, err = w.PIN.Change(ctx, p.NewPhone().Caller)
		wants(t, err, custody.CodeWrongDevice)
	})
}

func TestThePINIsNotChangedWhileACertificateIsIssued(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		w.Faults.Break(0, false)
		p.Installed()
		at := 0
		for n, name := range w.Faults.Steps() {
			if name == "install.begin_issue" {
				at = n + 1
			}
		}
		cert := w.Buy(p.Caller.Account)
		w.Faults.Break(at, true)
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		w.Faults.Break(0, false)
		_, err := w.PIN.Change(ctx, p.Caller)
		wants(t, err, pin.CodeInstalling)
		w.Drain()
		if _, err := w.PIN.Change(ctx, p.Caller); err != nil {
			t.Errorf("after it was issued: %v", err)
		}
	})
}

func TestAUsedUpBudgetTakesOneFaceCheck(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		_, _, err := w.PIN.BeginFace(ctx, p.Caller)
		wants(t, err, pin.CodeNoFace)
		wrong := func() error {
			op, err := w.PIN.Change(ctx, p.Caller)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Perform(ctx, op, "135792")
			return err
		}
		// Four wrong, one right, until thirty are spent: no lock, but the budget.
		for n := 0; ; n++ {
			if err := wrong(); errors.Is(err, custody.CodePINBudget) {
				if n != 30 {
					t.Fatalf("the budget held after %d", n)
				}
				break
			} else if !errors.Is(err, custody.CodeWrongPIN) {
				t.Fatal(err)
			}
			if n%4 == 3 && n < 28 {
				op, err := w.PIN.Change(ctx, p.Caller)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Perform(ctx, op, p.Phone.PIN); err != nil {
					t.Fatal(err)
				}
			}
		}
		u, check, err := w.PIN.BeginFace(ctx, p.Caller)
		if err != nil || check.State != realname.StateFace {
			t.Fatalf("%s, %v", check.State, err)
		}
		w.Faces.Set(flowtest.Refuses)
		if check, err = w.PIN.Face(ctx, p.Caller, u.ID, []byte("video")); err != nil || check.State != realname.StateFace {
			t.Fatalf("a refused face: %s, %v", check.State, err)
		}
		wants(t, wrong(), custody.CodePINBudget)
		w.Faces.Set(flowtest.Passes)
		if check, err = w.PIN.Face(ctx, p.Caller, u.ID, []byte("video")); err != nil || check.State != realname.StatePassed {
			t.Fatalf("a good face: %s, %v", check.State, err)
		}
		wants(t, wrong(), custody.CodeWrongPIN)
		// The same check serves once.
		if _, err := w.PIN.FaceState(ctx, p.Caller, u.ID); err != nil {
			t.Fatal(err)
		}
		wants(t, wrong(), custody.CodePINBudget)
		w.Clock.Advance(31 * 24 * time.Hour)
		wants(t, wrong(), custody.CodeWrongPIN)
	})
}
