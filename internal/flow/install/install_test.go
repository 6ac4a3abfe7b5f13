package install_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/order"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

func refusal(err error) string {
	c, _ := fault.Of(err)
	return c.Name
}

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

func TestAnInstallationEndsInOneWholeState(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		p.Whole(cert, 1)
		// Phone and server sign and decrypt with what was installed.
		p.UseKeys(cert)
		// Asked again, it answers what is there, with both certificates.
		i, err := w.Install.Start(t.Context(), p.Caller, cert)
		if err != nil || i.State != install.Installed || len(i.SignDER) == 0 || len(i.EncDER) == 0 || len(i.Chain) != 2 {
			t.Fatalf("asked again: %v, state %s", err, i.State)
		}
		p.Whole(cert, 1)
	})
}

func TestAnInstallationNeedsAPINAndAPerson(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.SignIn("13900000001")
		cert := w.Buy(p.Caller.Account)
		_, err := w.Install.Start(t.Context(), p.Caller, cert)
		wants(t, err, custody.CodeNoPIN)
		p.SetPIN()
		_, err = w.Install.Start(t.Context(), p.Caller, cert)
		wants(t, err, realname.CodeNotVerified)
	})
}

func TestAWrongPINIsChargedOnceAndMakesNothing(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		i, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Perform(ctx, i.Op, "135792")
		wants(t, err, custody.CodeWrongPIN)
		if st, _, err := w.PIN.Status(ctx, p.Caller); err != nil || st.Remaining != 9 {
			t.Errorf("%d tries remain (%v), want 9", st.Remaining, err)
		}
		if keys := w.Keys(p.Caller.Account); len(keys) != 1 {
			t.Errorf("%d keys after a wrong PIN, want the PIN key alone", len(keys))
		}
		if _, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID); refusal(err) != install.CodeStep.Name {
			t.Errorf("enrolled without a PIN: %v", err)
		}
		// In the middle: the co-signature of the request.
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		e, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Phone.Make(ctx, custody.KindSign, e); err != nil {
			t.Fatal(err)
		}
		_, point := flowtest.EnrolmentKey()
		asked, err := w.Install.Request(ctx, p.Phone.Holder, i.ID, point)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Perform(ctx, asked.Op, "135792")
		wants(t, err, custody.CodeWrongPIN)
		if st, _, err := w.PIN.Status(ctx, p.Caller); err != nil || st.Remaining != 9 {
			t.Errorf("%d tries remain (%v), want 9", st.Remaining, err)
		}
		if _, err := w.Install.Deliver(ctx, p.Phone.Holder, i.ID); refusal(err) != install.CodeStep.Name {
			t.Errorf("delivered without a co-signature: %v", err)
		}
		p.Whole(cert, 0)
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		p.Whole(cert, 1)
	})
}

func TestABreakTakesANewEnrolment(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		i, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		e, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Phone.Make(ctx, custody.KindSign, e); err != nil {
			t.Fatal(err)
		}
		_, point := flowtest.EnrolmentKey()
		asked, err := w.Install.Request(ctx, p.Phone.Holder, i.ID, point)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		if again.ID != i.ID || again.State != install.Authorising || again.Op == i.Op {
			t.Fatalf("started again as %s in %s", again.ID, again.State)
		}
		if _, err := p.Perform(ctx, asked.Op, p.Phone.PIN); refusal(err) != custody.CodeOperationOver.Name {
			t.Errorf("the old request is still signed: %v", err)
		}
		if _, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID); refusal(err) != install.CodeStep.Name {
			t.Errorf("enrolled without the new PIN entry: %v", err)
		}
		if _, err := p.Perform(ctx, again.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		e2, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		if err != nil || e2.ID == e.ID || e2.KeyID == e.KeyID {
			t.Fatalf("no new enrolment: %v", err)
		}
		for _, k := range w.Keys(p.Caller.Account) {
			if k.ID == e.KeyID && k.State != custody.KeyDestroyed {
				t.Errorf("the key of the broken attempt is %s", k.State)
			}
		}
	})
}

func TestOnePINEntryMakesOneSigningKey(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		i, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		e, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		if err != nil {
			t.Fatal(err)
		}
		again := func(when string) {
			t.Helper()
			if _, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID); refusal(err) != install.CodeStep.Name {
				t.Errorf("enrolled a second time %s: %v", when, err)
			}
		}
		again("before the key was made")
		if err := p.Phone.Make(ctx, custody.KindSign, e); err != nil {
			t.Fatal(err)
		}
		again("after the key was made")
		_, point := flowtest.EnrolmentKey()
		asked, err := w.Install.Request(ctx, p.Phone.Holder, i.ID, point)
		if err != nil {
			t.Fatal(err)
		}
		again("beside the request")
		if _, err := p.Perform(ctx, asked.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		again("after the co-signature")
		if _, err := w.Install.Deliver(ctx, p.Phone.Holder, i.ID); err != nil {
			t.Fatal(err)
		}
		again("after the delivery")
		if _, err := p.InstallOnce(ctx, cert); err != nil { // with the PIN it begins again
			t.Fatal(err)
		}
		p.Whole(cert, 1)
	})
}

func TestTheAuthorisationRunsOut(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		i, err := w.Install.Start(ctx, p.Caller, w.Buy(p.Caller.Account))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(install.Authorisation)
		_, err = w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		wants(t, err, install.CodeStep)
	})
}

func TestTheSameShareNeverLeavesTwice(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		i, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		e, err := w.Install.Enrol(ctx, p.Phone.Holder, i.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Phone.Make(ctx, custody.KindSign, e); err != nil {
			t.Fatal(err)
		}
		key, point := flowtest.EnrolmentKey()
		asked, err := w.Install.Request(ctx, p.Phone.Holder, i.ID, point)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, asked.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		var shares [][]byte
		var last install.Delivery
		for range 3 {
			d, err := w.Install.Deliver(ctx, p.Phone.Holder, i.ID)
			if err != nil {
				t.Fatal(err)
			}
			share, err := sm2.Decrypt(key, d.ForPhone)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range shares {
				if bytes.Equal(s, share) {
					t.Fatal("the same share was delivered twice")
				}
			}
			if last.Op != "" {
				if _, err := w.Custody.Open(ctx, p.Phone.Holder, last.Op); refusal(err) != custody.CodeOperationOver.Name {
					t.Errorf("the trial of an earlier delivery is still open: %v", err)
				}
				if d.KeyID != last.KeyID || !bytes.Equal(d.PublicKey, last.PublicKey) {
					t.Error("another encryption key was delivered")
				}
			}
			shares, last = append(shares, share), d
		}
		if err := p.Phone.Receive(last.KeyID, last.PublicKey, key, last.ForPhone, e.Pepper); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, last.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		w.Drain() // the phone does not come back
		p.Whole(cert, 1)
	})
}

func TestAnotherPersonOrPhoneCannotInstall(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p, q := w.Person(), w.Person()
		p.SetPIN()
		q.SetPIN()
		cert := w.Buy(p.Caller.Account)
		_, err := w.Install.Start(ctx, q.Caller, cert)
		wants(t, err, certificate.CodeNotFound)
		_, err = w.Install.Start(ctx, p.NewPhone().Caller, cert)
		wants(t, err, custody.CodeWrongDevice)
		i, err := w.Install.Start(ctx, p.Caller, cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		_, err = w.Install.Enrol(ctx, q.Phone.Holder, i.ID)
		wants(t, err, install.CodeNotFound)
		_, point := flowtest.EnrolmentKey()
		_, err = w.Install.Request(ctx, q.Phone.Holder, i.ID, point)
		wants(t, err, install.CodeNotFound)
		_, err = w.Install.Deliver(ctx, q.Phone.Holder, i.ID)
		wants(t, err, install.CodeNotFound)
		_, err = w.Install.Request(ctx, p.Phone.Holder, i.ID, point[:64])
		wants(t, err, install.CodeEnrolmentKey)
	})
}

func TestOneInstallationOfACertificateLives(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		ids := make([]string, 8)
		var all sync.WaitGroup
		for n := range ids {
			all.Go(func() {
				i, err := w.Install.Start(context.WithoutCancel(t.Context()), p.Caller, cert)
				if err != nil {
					t.Error(err)
				}
				ids[n] = i.ID
			})
		}
		all.Wait()
		for _, other := range ids {
			if other != ids[0] {
				t.Fatalf("two installations began: %s and %s", ids[0], other)
			}
		}
	})
}

// refuser is a CA that refuses for good.
type refuser struct{ certificate.Issuer }

func (refuser) Prepare(context.Context, certificate.IssueRequest) (certificate.Prepared, error) {
	return certificate.Prepared{}, certificate.ErrRefused
}

func TestARefusalOfTheCAFreesTheCertificate(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		own := w.Install.Issuer
		w.Install.Issuer = refuser{own}
		i, err := p.InstallOnce(t.Context(), cert)
		if err != nil || i.State != install.Void {
			t.Fatalf("ended as %s, %v; want void", i.State, err)
		}
		p.Whole(cert, 0)
		for _, k := range w.Keys(p.Caller.Account) {
			if k.Kind != custody.KindPIN && k.State != custody.KeyDestroyed {
				t.Errorf("a %s key is left %s", k.Kind, k.State)
			}
		}
		w.Install.Issuer = own
		if _, err := p.InstallOnce(t.Context(), cert); err != nil {
			t.Fatal(err)
		}
		p.Whole(cert, 1)
	})
}

func TestARefundedCertificateIsNotIssued(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := w.Buy(p.Caller.Account)
		w.Faults.Break(0, false)
		if _, err := p.InstallOnce(t.Context(), w.Buy(p.Caller.Account)); err != nil {
			t.Fatal(err)
		}
		at := 0
		for n, name := range w.Faults.Steps() {
			if name == "install.begin_issue" {
				at = n + 1
			}
		}
		// The phone has proved everything; then the line is refunded.
		w.Faults.Break(at, false)
		i, err := p.InstallOnce(t.Context(), cert)
		if err != nil || i.State != install.Proved || !w.Faults.Hit() {
			t.Fatalf("the installation is %s, %v", i.State, err)
		}
		line := w.Certificate(cert).Line
		w.Do(func(ctx context.Context, tx work.Tx) error { return w.Certificates.CancelLine(ctx, tx, line) })
		w.Faults.Break(0, false)
		_, err = w.Install.Start(t.Context(), p.Caller, cert)
		wants(t, err, certificate.CodeCancelled)
		w.Drain()
		if c := w.Certificate(cert); c.State != certificate.Cancelled || c.SignSerial != "" {
			t.Errorf("the refunded certificate is %s", c.State)
		}
	})
}

func TestInstallingFulfilsTheLineAndOpensThePlatform(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		c := w.Certificate(p.Installed())
		w.Do(func(ctx context.Context, tx work.Tx) error {
			o, err := w.Store.Orders().OfLine(ctx, tx, c.Line)
			if err != nil || o.State != order.Completed {
				t.Errorf("the order is %s, %v", o.State, err)
			}
			s, err := w.Roamings.Status(ctx, tx, c.ID, flowtest.Platform, c.NotAfter.Add(-time.Second))
			if err != nil || s != roaming.Open {
				t.Errorf("the platform is %s at the end, %v", s, err)
			}
			return nil
		})
	})
}
