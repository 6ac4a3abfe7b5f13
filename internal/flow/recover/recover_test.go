package recover_test

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/realname"
	"tianweitong/internal/store/people"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

func begin(t *testing.T, p *flowtest.Person) recover.Progress {
	t.Helper()
	ticket, code := p.Code(account.PurposeRecover)
	r, err := p.Recover.Begin(t.Context(), p.Caller, ticket, code)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// suspended begins a recovery and passes its face check.
func suspended(t *testing.T, p *flowtest.Person) recover.Progress {
	t.Helper()
	r := begin(t, p)
	r, err := p.Recover.Face(t.Context(), p.Caller, r.ID, []byte("video"))
	if err != nil || r.State != recover.Suspended {
		t.Fatalf("after the face check: %s, %v", r.State, err)
	}
	return r
}

func pinned(t *testing.T, p *flowtest.Person) recover.Progress {
	t.Helper()
	r := suspended(t, p)
	if err := p.EnterNewPIN(t.Context(), r.ID, p.Phone.PIN); err != nil {
		t.Fatal(err)
	}
	return get(t, p, r.ID)
}

func get(t *testing.T, p *flowtest.Person, recovery string) recover.Progress {
	t.Helper()
	r, err := p.Recover.Get(t.Context(), p.Caller, recovery)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// listed gives the states in which a phone's list and its filter show a
// certificate; they must be one.
func listed(t *testing.T, p *flowtest.Person, cert string) certificate.State {
	t.Helper()
	state := p.World.Certificate(cert).State
	for _, filter := range []certificate.State{"", state} {
		page, err := p.Certificates.List(t.Context(), p.Caller.Scope(), certificate.Filter{State: filter}, "")
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, c := range page.Certificates {
			found = found || c.ID == cert && c.State == state
		}
		if !found {
			t.Errorf("the list of %q does not show it as %s", filter, state)
		}
	}
	return state
}

// restricted tells what the edge would let a phone do.
func restricted(t *testing.T, p *flowtest.Person) bool {
	t.Helper()
	c, _, err := p.Accounts.Authenticate(t.Context(), p.Token)
	if err != nil {
		t.Fatal(err)
	}
	return c.Restricted
}

// signedOut tells whether the edge knows a phone's session no longer.
func signedOut(t *testing.T, p *flowtest.Person) bool {
	t.Helper()
	_, _, err := p.Accounts.Authenticate(t.Context(), p.Token)
	if err != nil {
		wants(t, err, account.CodeSignedOut)
	}
	return err != nil
}

func TestALostPhoneIsReplaced(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		one, two := old.Installed(), old.Installed()
		before := w.Certificate(one)
		for range 4 { // the old phone is in use
			w.Clock.Advance(10 * 24 * time.Hour)
			restricted(t, old)
		}

		p := old.NewPhone()
		p.Phone.PIN = "602817"
		if err := p.Sign(ctx, one); !errors.Is(err, custody.CodeWrongDevice) {
			t.Fatalf("the new phone uses a key of the old one: %v", err)
		}
		r := begin(t, p)
		if r.State != recover.Face || r.Check.State != realname.StateFace {
			t.Fatalf("begun in %s, %s", r.State, r.Check.State)
		}
		w.Drain()
		if !w.Text.Sent("您的账号正在办理补办恢复（PIN 码重置）") {
			t.Error("the owner was not told at the start")
		}
		old.UseKeys(one) // an SMS alone stops nobody
		r, err := w.Recover.Face(ctx, p.Caller, r.ID, []byte("video"))
		if err != nil || r.State != recover.Suspended {
			t.Fatalf("after the face: %s, %v", r.State, err)
		}
		if err := old.Sign(ctx, one); err == nil {
			t.Error("the old phone still signs")
		}
		if !restricted(t, old) || restricted(t, p) {
			t.Error("the old phone's session is not restricted, or the new one's is")
		}
		if c := w.Certificate(one); c.State != certificate.KeyLost {
			t.Errorf("the certificate is %s", c.State)
		}
		wants(t, p.EnterNewPIN(ctx, r.ID, "135792"), custody.CodePINMismatch)
		if err := p.EnterNewPIN(ctx, r.ID, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		if r = get(t, p, r.ID); r.State != recover.Pinned || len(r.Certificates) != 2 || r.Keys != 0 {
			t.Fatalf("%s with %d certificates and %d keys to bring back", r.State, len(r.Certificates), r.Keys)
		}
		for _, cert := range r.Certificates {
			if i, err := p.InstallOnce(ctx, cert); err != nil || i.State != install.Installed || i.Kind != install.Rekey {
				t.Fatalf("re-keying: %s %s, %v", i.Kind, i.State, err)
			}
		}
		if r = get(t, p, r.ID); r.State != recover.Done {
			t.Fatalf("the recovery is %s", r.State)
		}
		if !restricted(t, old) || restricted(t, p) {
			t.Error("while older envelopes wait the old phone may only confirm or stop, the new one everything")
		}
		for _, cert := range []string{one, two} {
			if err := p.Sign(ctx, cert); err != nil {
				t.Errorf("signing after the re-key: %v", err)
			}
		}
		after := w.Certificate(one)
		rekeyed(t, w, before, after)
		// A phone never known before waits with older envelopes.
		wants(t, p.Decrypt(ctx, one), custody.CodeHeld)
		w.Clock.Advance(recover.HoldFor)
		if !signedOut(t, old) || restricted(t, p) {
			t.Error("the lost phone's session survives, or the new one's does not")
		}
		p.UseKeys(one)
		p.UseKeys(two)
		w.Orphans()
	})
}

// rekeyed compares a certificate before and after its re-key.
func rekeyed(t *testing.T, w *flowtest.World, before, after certificate.Certificate) {
	t.Helper()
	ctx := t.Context()
	if after.State != certificate.Valid || after.SignSerial == before.SignSerial || after.SignKey == before.SignKey {
		t.Errorf("the signing certificate is the old one, in %s", after.State)
	}
	if after.EncSerial != before.EncSerial || after.EncKey != before.EncKey || !after.NotAfter.Equal(before.NotAfter) {
		t.Error("the encryption certificate or the end date changed")
	}
	w.Do(func(ctx context.Context, tx work.Tx) error {
		k, err := w.Custody.Key(ctx, tx, before.SignKey)
		if k.State != custody.KeyDestroyed {
			t.Errorf("the old signing key is %s", k.State)
		}
		l, _, lerr := w.Certificates.BySerial(ctx, tx, before.SignSerial)
		if l.ReplacedAt.IsZero() {
			t.Error("the old signing certificate is not recorded as replaced")
		}
		valid, verr := w.CA.ValidAt(ctx, tx, before.SignSerial, w.Clock.Now())
		if !valid {
			t.Error("the old signing certificate was revoked")
		}
		return errors.Join(err, lerr, verr)
	})
	if err := w.CA.Publish(ctx, flowtest.Institution); err != nil {
		t.Fatal(err)
	}
	list, err := w.CA.CRL(ctx, flowtest.Institution)
	if err != nil {
		t.Fatal(err)
	}
	der, err := w.CA.AuthorityDER(flowtest.Institution)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := pki.ParseCRL(list.DER, issuer)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString(before.SignSerial, 16)
	if _, listed := crl.Lookup(n); listed {
		t.Error("the replaced certificate is on the revocation list")
	}
}

func TestAForgottenPINOnTheSamePhoneHoldsNothingBack(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		// Ten wrong entries: locked for good.
		for n := range 10 {
			if n == 5 || n == 8 {
				w.Clock.Advance(25 * time.Hour)
			}
			i, err := w.Revoke.Begin(ctx, p.Caller, cert, revoke.Unneeded)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Perform(ctx, i.Op, "135792"); !errors.Is(err, custody.CodeWrongPIN) {
				t.Fatalf("entry %d: %v", n+1, err)
			}
		}
		wants(t, p.Sign(ctx, cert), custody.CodePINLocked)
		p.Phone.PIN = "602817"
		other := p.NewPhone()
		r := pinned(t, p)
		if !restricted(t, other) {
			t.Error("another phone is not restricted while the recovery runs")
		}
		if !r.HoldUntil.IsZero() || !r.KnownDevice {
			t.Errorf("held until %s on the phone itself", r.HoldUntil)
		}
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		p.UseKeys(cert)
		if !signedOut(t, other) || restricted(t, p) {
			t.Error("another phone's session survives, or this one's does not")
		}
		if st, _, err := w.PIN.Status(ctx, p.Caller); err != nil || st.Locked || st.Remaining != 10 {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

func TestACertificateWithoutItsKeysIsNotValidOnTheSamePhoneEither(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		one, two := p.Installed(), p.Installed()
		shows := func(when string, want ...certificate.State) {
			t.Helper()
			for n, cert := range []string{one, two} {
				if got := listed(t, p, cert); got != want[n] {
					t.Errorf("%s: certificate %d is %s, want %s", when, n+1, got, want[n])
				}
			}
			w.Do(func(ctx context.Context, tx work.Tx) error {
				usable, err := w.Certificates.Usable(ctx, tx, p.Caller.Account)
				n := 0
				for _, s := range want {
					if s == certificate.Valid {
						n++
					}
				}
				if len(usable) != n {
					t.Errorf("%s: %d certificates can sign, want %d", when, len(usable), n)
				}
				return err
			})
		}
		shows("before", certificate.Valid, certificate.Valid)
		r := suspended(t, p)
		shows("suspended", certificate.KeyLost, certificate.KeyLost)
		if _, err := w.Recover.Stop(ctx, p.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		shows("given back", certificate.Valid, certificate.Valid)
		p.UseKeys(one)
		p.Phone.PIN = "602817"
		pinned(t, p)
		shows("with a new PIN", certificate.KeyLost, certificate.KeyLost)
		if _, err := p.InstallOnce(ctx, one); err != nil {
			t.Fatal(err)
		}
		shows("one is re-keyed", certificate.Valid, certificate.KeyLost)
		if _, err := p.InstallOnce(ctx, two); err != nil {
			t.Fatal(err)
		}
		shows("both are re-keyed", certificate.Valid, certificate.Valid)
		p.UseKeys(one)
		p.UseKeys(two)
	})
}

func TestWhatIsIssuedWhileTheKeysAreSuspendedHasNone(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		w.Faults.Break(0, false)
		p.Installed()
		at := 0
		for n, name := range w.Faults.Steps() {
			if name == "issuer.issue" {
				at = n + 1
			}
		}
		ticket, code := p.Code(account.PurposeRecover)
		cert := w.Buy(p.Caller.Account)
		w.Faults.Break(at, false)
		if i, err := p.InstallOnce(ctx, cert); err != nil || i.State != install.Issuing {
			t.Fatalf("%s, %v", i.State, err)
		}
		w.Faults.Break(0, false)
		r, err := w.Recover.Begin(ctx, p.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = w.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Suspended {
			t.Fatalf("%s, %v", r.State, err)
		}
		w.Clock.Advance(time.Minute)
		w.Drain()
		if got := listed(t, p, cert); got != certificate.KeyLost {
			t.Errorf("issued with suspended keys it is %s", got)
		}
		if _, err := w.Recover.Stop(ctx, p.Caller, r.ID); err != nil {
			t.Fatal(err)
		}
		if got := listed(t, p, cert); got != certificate.Valid {
			t.Errorf("with its keys back it is %s", got)
		}
		p.UseKeys(cert)
	})
}

func TestARecoveryNeedsSMSAndFace(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		p := old.NewPhone()
		ticket, code := p.Code(account.PurposeRecover)
		_, err := w.Recover.Begin(ctx, p.Caller, ticket, code)
		wants(t, err, recover.CodeNothing) // nothing is set yet
		old.SetPIN()
		cert := old.Installed()
		other, otherCode := p.Code(account.PurposePIN)
		_, err = w.Recover.Begin(ctx, p.Caller, other, otherCode)
		wants(t, err, account.CodeUnknown)
		r := begin(t, p)
		_, err = w.Recover.Enrol(ctx, p.Phone.Holder, r.ID)
		wants(t, err, recover.CodeStep)
		w.Faces.Set(flowtest.Refuses)
		if r, err = w.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Face {
			t.Fatalf("a refused face: %s, %v", r.State, err)
		}
		old.UseKeys(cert)
		_, err = w.Recover.Face(ctx, old.Caller, r.ID, []byte("video"))
		wants(t, err, recover.CodeNotFound)
		// A checker that takes its time: the phone asks again.
		w.Faces.Set(flowtest.Silent)
		if r, err = w.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Face || r.Check.State != realname.StateChecking {
			t.Fatalf("a silent checker: %s %s, %v", r.State, r.Check.State, err)
		}
		w.Faces.Set(flowtest.Passes)
		w.Clock.Advance(time.Minute)
		w.Drain()
		if got := get(t, old, r.ID); got.State != recover.Face {
			t.Errorf("the old phone's look moved it to %s", got.State)
		}
		if r = get(t, p, r.ID); r.State != recover.Suspended {
			t.Errorf("after the checker answered: %s", r.State)
		}
	})
}

func TestARecoveryWaitsOnlySoLongForAFace(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		r := begin(t, p)
		if _, found, err := w.Recover.Current(t.Context(), p.Caller.Account); err != nil || !found {
			t.Errorf("it is not current: %v", err)
		}
		w.Clock.Advance(recover.FaceLife)
		_, err := w.Recover.Face(t.Context(), p.Caller, r.ID, []byte("video"))
		wants(t, err, recover.CodeOver)
		if _, found, err := w.Recover.Current(t.Context(), p.Caller.Account); err != nil || found {
			t.Errorf("it is still current: %v", err)
		}
	})
}

func TestAChangedNumberPausesRecoveryBySMS(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		w.Do(func(ctx context.Context, tx work.Tx) error {
			a, err := people.Accounts(w.Store).Get(ctx, tx, p.Caller.Account)
			if err != nil {
				return err
			}
			a.PhoneChanged = w.Clock.Now()
			return people.Accounts(w.Store).Put(ctx, tx, a)
		})
		w.Clock.Advance(recover.PhonePause - 5*time.Minute)
		ticket, code := p.Code(account.PurposeRecover)
		_, err := w.Recover.Begin(t.Context(), p.Caller, ticket, code)
		wants(t, err, recover.CodePhoneNew)
		w.Clock.Advance(5 * time.Minute)
		begin(t, p)
	})
}

func TestEveryEncryptionKeyEverHeldComesBack(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		one, two, gone := old.Installed(), old.Installed(), old.Installed()
		r, err := w.Revoke.Begin(ctx, old.Caller, gone, revoke.Unneeded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Perform(ctx, r.Op, old.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		p := old.NewPhone()
		got := pinned(t, p)
		if len(got.Certificates) != 2 || got.Keys != 1 {
			t.Fatalf("%d certificates and %d keys to bring back", len(got.Certificates), got.Keys)
		}
		if err := p.Redeal(ctx); err != nil {
			t.Fatal(err)
		}
		if got = get(t, p, got.ID); got.Keys != 0 || got.State != recover.Pinned {
			t.Fatalf("%s with %d keys to bring back", got.State, got.Keys)
		}
		if err := p.Redeal(ctx); !errors.Is(err, install.CodeNoRedeal) {
			t.Errorf("dealt again for nothing: %v", err)
		}
		for _, cert := range []string{one, two} {
			if _, err := p.InstallOnce(ctx, cert); err != nil {
				t.Fatal(err)
			}
		}
		if got = get(t, p, got.ID); got.State != recover.Done {
			t.Errorf("the recovery is %s", got.State)
		}
		w.Clock.Advance(recover.HoldFor)
		for _, cert := range []string{one, two, gone} {
			if err := p.Decrypt(ctx, cert); err != nil {
				t.Errorf("decrypting with %s: %v", w.Certificate(cert).State, err)
			}
		}
		if err := p.Sign(ctx, gone); err == nil {
			t.Error("a revoked certificate signs")
		}
		if err := old.Decrypt(ctx, gone); err == nil {
			t.Error("the old phone still decrypts")
		}
	})
}

func TestTheAuthorisationOfARedealingRunsOut(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		gone := old.Installed()
		r, err := w.Revoke.Begin(ctx, old.Caller, gone, revoke.Unneeded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Perform(ctx, r.Op, old.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		p := old.NewPhone()
		pinned(t, p)
		_, point := flowtest.EnrolmentKey()
		asked, err := w.Install.Redeal(ctx, p.Phone.Holder, point)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, asked.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(install.Authorisation - time.Second)
		if all, err := w.Install.DeliverRedealt(ctx, p.Phone.Holder, asked.ID); err != nil || len(all) != 1 {
			t.Fatalf("%d keys delivered in time, %v", len(all), err)
		}
		w.Clock.Advance(time.Second)
		_, err = w.Install.DeliverRedealt(ctx, p.Phone.Holder, asked.ID)
		wants(t, err, install.CodeStep)
		if err := p.Redeal(ctx); err != nil { // it begins again with the PIN
			t.Error(err)
		}
	})
}

func TestARecoveryGoesAroundARunningInstallation(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		w.Faults.Break(0, false)
		old.Installed()
		at := map[string]int{}
		for n, name := range w.Faults.Steps() {
			at[name] = n + 1
		}
		p := old.NewPhone()
		ticket, code := p.Code(account.PurposeRecover) // does all jobs: nothing may run between
		// One installation is proved only, one has passed the point of no return.
		proved, issuing := w.Buy(old.Caller.Account), w.Buy(old.Caller.Account)
		w.Faults.Break(at["install.begin_issue"], false)
		if i, err := old.InstallOnce(ctx, proved); err != nil || i.State != install.Proved {
			t.Fatalf("%s, %v", i.State, err)
		}
		w.Faults.Break(at["issuer.issue"], false)
		if i, err := old.InstallOnce(ctx, issuing); err != nil || i.State != install.Issuing {
			t.Fatalf("%s, %v", i.State, err)
		}
		w.Faults.Break(0, false)
		r, err := w.Recover.Begin(ctx, p.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = w.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Suspended {
			t.Fatalf("%s, %v", r.State, err)
		}
		w.Clock.Advance(time.Minute)
		w.Drain() // what was being issued ends now, with its keys suspended
		if c := w.Certificate(proved); c.State != certificate.Pending || c.IssueRef != "" {
			t.Errorf("what was proved only is %s", c.State)
		}
		if c := w.Certificate(issuing); c.State != certificate.KeyLost {
			t.Errorf("what was being issued is %s", c.State)
		}
		if err := p.EnterNewPIN(ctx, r.ID, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		for _, cert := range get(t, p, r.ID).Certificates {
			if _, err := p.InstallOnce(ctx, cert); err != nil {
				t.Fatal(err)
			}
		}
		if r = get(t, p, r.ID); r.State != recover.Done {
			t.Errorf("the recovery is %s", r.State)
		}
		if _, err := p.InstallOnce(ctx, proved); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(recover.HoldFor)
		p.UseKeys(proved)
		p.UseKeys(issuing)
		w.Orphans()
	})
}

func TestInTheSandboxSMSAloneMaySuffice(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		w.Recover.SMSAlone = true
		if r := begin(t, p); r.State != recover.Suspended {
			t.Errorf("the recovery is %s", r.State)
		}
	})
}

func TestAPINWithoutAnyCertificateIsResetBySMS(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.SignIn("13922220001") // never verified: there is no face to compare
		p.SetPIN()
		r := begin(t, p)
		if r.State != recover.Suspended {
			t.Fatalf("the recovery is %s", r.State)
		}
		p.Phone.PIN = "602817"
		if err := p.EnterNewPIN(t.Context(), r.ID, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		if r = get(t, p, r.ID); r.State != recover.Done {
			t.Errorf("the recovery is %s", r.State)
		}
	})
}
