package account_test

import (
	"context"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
)

var p256 = elliptic.P256()

func TestFirstSignInRegistersAndLaterOnesEnterTheSameAccount(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		first, second := device(t, p256), device(t, p256)
		a := k.signIn(phone(1), first)
		b := k.signIn(phone(1), second)
		c := k.signIn(phone(2), first)
		if !a.New || b.New || !c.New || a.Account != b.Account || a.Account == c.Account {
			t.Fatalf("accounts: %v %v %v", a, b, c)
		}
		k.view(func(ctx context.Context, tx work.Tx) error {
			active, err := k.ActiveDevice(ctx, tx, a.Account)
			if err != nil || active != a.Device {
				t.Errorf("active device = %s, %v", active, err)
			}
			if bound, err := k.BoundAt(ctx, tx, a.Account, b.Device); err != nil || !bound.IsZero() {
				t.Errorf("the second device counts as bound: %v, %v", bound, err)
			}
			masked, err := k.Phone(ctx, tx, a.Account)
			if err != nil || masked != "139****0001" {
				t.Errorf("masked = %s, %v", masked, err)
			}
			_, err = k.Phone(ctx, tx, "nobody")
			if !errors.Is(err, account.CodeNoAccount) {
				t.Errorf("err = %v", err)
			}
			return nil
		})
	})
}

func TestParallelFirstSignInsMakeOneAccount(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		const devices = 4
		var in [devices]account.SignIn
		for i := range in {
			in[i] = account.SignIn{Phone: phone(1), Agreements: agreements, DeviceKey: device(t, p256)}
			in[i].Ticket, in[i].Code = k.ask(phone(1), account.PurposeLogin, account.Caller{})
		}
		var mu sync.Mutex
		accounts, fresh := map[string]bool{}, 0
		var wg sync.WaitGroup
		for i := range in {
			wg.Go(func() {
				s, err := k.SignIn(context.Background(), in[i])
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				accounts[s.Account] = true
				if s.New {
					fresh++
				}
			})
		}
		wg.Wait()
		if len(accounts) != 1 || fresh != 1 {
			t.Fatalf("%d accounts, %d registrations", len(accounts), fresh)
		}
	})
}

func TestSignInNeedsTheCurrentAgreements(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		in := account.SignIn{Phone: phone(1), DeviceKey: device(t, p256)}
		in.Ticket, in.Code = k.ask(in.Phone, account.PurposeLogin, account.Caller{})
		old := []account.Agreement{agreements[0], {Document: "privacy", Version: "2025-01"}}
		for name, given := range map[string][]account.Agreement{"none": nil, "one": agreements[:1], "an old version": old} {
			in.Agreements = given
			_, err := k.SignIn(t.Context(), in)
			if !errors.Is(err, account.CodeAgreements) || member(err, "agreements") == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		in.Agreements = agreements
		if _, err := k.SignIn(t.Context(), in); err != nil {
			t.Fatalf("the refusals used up the code: %v", err)
		}
	})
}

func TestDeviceKeyMustBeACanonicalP256Key(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKIXPublicKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	good := device(t, p256)
	trailing := append(append([]byte{}, good...), 0)
	offCurve := append([]byte{}, good...)
	offCurve[len(offCurve)-1] ^= 1
	for name, key := range map[string][]byte{
		"nothing": nil, "P-384": device(t, elliptic.P384()), "Ed25519": edDER, "trailing byte": trailing, "off the curve": offCurve,
	} {
		if _, err := account.Thumbprint(key); !errors.Is(err, account.CodeDeviceKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := account.Thumbprint(good); err != nil || len(got) != 64 {
		t.Fatalf("Thumbprint = %s, %v", got, err)
	}
}

func FuzzThumbprint(f *testing.F) {
	f.Add(device(f, p256))
	f.Add(device(f, elliptic.P384()))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, spki []byte) {
		got, err := account.Thumbprint(spki)
		if (err == nil) != (len(got) == 64) || err != nil && !errors.Is(err, account.CodeDeviceKey) {
			t.Fatalf("Thumbprint = %q, %v", got, err)
		}
	})
}

func TestSessionIsKnownByItsTokenOnly(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		key := device(t, p256)
		s := k.signIn(phone(1), key)
		c, d, err := k.Authenticate(t.Context(), s.Token)
		if err != nil {
			t.Fatal(err)
		}
		if c != (account.Caller{Account: s.Account, Session: s.ID, Device: s.Device}) {
			t.Fatalf("caller = %+v", c)
		}
		if d.Thumbprint != s.Device || string(d.PublicKey) != string(key) || string(d.Nonce) != string(s.Nonce) || len(d.Nonce) != 32 {
			t.Fatalf("device = %+v", d)
		}
		for _, token := range []string{"", "x", s.ID, s.Token + "A", strings.ToLower(s.Token)} {
			if _, _, err := k.Authenticate(t.Context(), token); !errors.Is(err, account.CodeSignedOut) {
				t.Errorf("token %q: %v", token, err)
			}
		}
	})
}

func TestSessionEndsBySignOutIdlenessAgeAndANewSignInOnItsDevice(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		key := device(t, p256)
		over := func(s account.Session) {
			t.Helper()
			_, _, err := k.Authenticate(t.Context(), s.Token)
			want(t, err, account.CodeSignedOut)
		}
		s := k.signIn(phone(1), key)
		elsewhere := k.signIn(phone(1), device(t, p256))
		again := k.signIn(phone(1), key)
		over(s)
		k.caller(elsewhere)

		if err := k.SignOut(t.Context(), k.caller(again)); err != nil {
			t.Fatal(err)
		}
		over(again)

		k.clock.Advance(account.Idle - 2*time.Minute)
		k.caller(elsewhere) // a use within the time starts it anew
		k.clock.Advance(account.Idle - time.Second)
		k.caller(elsewhere)
		k.clock.Advance(account.Idle)
		over(elsewhere)

		old := k.signIn(phone(1), key)
		for range 9 {
			k.clock.Advance(account.Absolute / 10)
			k.caller(old)
		}
		k.clock.Advance(account.Absolute / 10)
		over(old)
	})
}

func TestRekeyRestrictsEveryOtherDeviceAlsoLaterOnes(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		oldPhone, newPhone := device(t, p256), device(t, p256)
		s, n := k.signIn(phone(1), oldPhone), k.signIn(phone(1), newPhone)
		change := func(f func(context.Context, work.Tx) error) {
			t.Helper()
			if err := k.do(f); err != nil {
				t.Fatal(err)
			}
		}
		change(func(ctx context.Context, tx work.Tx) error { return k.Restrict(ctx, tx, s.Account, n.Device) })
		s2 := k.signIn(phone(1), oldPhone)
		if !k.caller(s2).Restricted || k.caller(n).Restricted {
			t.Fatal("the wrong device is restricted")
		}
		elsewhere := k.signIn(phone(2), oldPhone) // another account's session on the same device
		change(func(ctx context.Context, tx work.Tx) error {
			if err := k.BindDevice(ctx, tx, s.Account, n.Device); err != nil {
				return err
			}
			return k.Lift(ctx, tx, s.Account)
		})
		if k.caller(s2).Restricted || k.caller(n).Restricted {
			t.Fatal("the restriction was not lifted")
		}
		change(func(ctx context.Context, tx work.Tx) error { return k.EndOtherSessions(ctx, tx, s.Account, n.Device) })
		_, _, err := k.Authenticate(t.Context(), s2.Token)
		want(t, err, account.CodeSignedOut)
		k.caller(n)
		k.caller(elsewhere)
		k.view(func(ctx context.Context, tx work.Tx) error {
			active, err := k.ActiveDevice(ctx, tx, s.Account)
			if err != nil || active != n.Device {
				t.Errorf("active = %s, %v", active, err)
			}
			for _, d := range []string{s.Device, n.Device} {
				if bound, err := k.BoundAt(ctx, tx, s.Account, d); err != nil || bound.IsZero() {
					t.Errorf("%s was bound at %v, %v", d, bound, err)
				}
			}
			return nil
		})
		err = k.do(func(ctx context.Context, tx work.Tx) error {
			return k.BindDevice(ctx, tx, s.Account, strings.Repeat("0", 64))
		})
		want(t, err, account.CodeDeviceKey)
	})
}

func TestARestrictionThatEndsLaterTakesTheSessionsWithIt(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		oldPhone, newPhone := device(t, p256), device(t, p256)
		s, n := k.signIn(phone(1), oldPhone), k.signIn(phone(1), newPhone)
		change := func(f func(context.Context, work.Tx) error) {
			t.Helper()
			if err := k.do(f); err != nil {
				t.Fatal(err)
			}
		}
		until := k.clock.Now().Add(24 * time.Hour)
		change(func(ctx context.Context, tx work.Tx) error {
			if err := k.Restrict(ctx, tx, s.Account, n.Device); err != nil {
				return err
			}
			return k.LiftAt(ctx, tx, s.Account, until)
		})
		k.clock.Advance(time.Hour)
		third := k.signIn(phone(1), device(t, p256))
		k.clock.Advance(until.Sub(k.clock.Now()) - time.Second)
		if !k.caller(s).Restricted || !k.caller(third).Restricted || k.caller(n).Restricted {
			t.Fatal("the wrong device is restricted")
		}
		k.clock.Advance(time.Second)
		over := func(when string) {
			t.Helper()
			for _, gone := range []account.Session{s, third} {
				if _, _, err := k.Authenticate(t.Context(), gone.Token); !errors.Is(err, account.CodeSignedOut) {
					t.Errorf("%s: %v", when, err)
				}
			}
		}
		over("at the end")
		if k.caller(n).Restricted {
			t.Error("the device of the re-key is restricted")
		}
		later := k.signIn(phone(1), device(t, p256))
		if k.caller(later).Restricted {
			t.Error("a later session is restricted")
		}
		// They stay over whatever comes next.
		change(func(ctx context.Context, tx work.Tx) error { return k.Restrict(ctx, tx, s.Account, later.Device) })
		over("at the next re-key")
		if !k.caller(n).Restricted {
			t.Error("the next re-key restricts nobody")
		}
		change(func(ctx context.Context, tx work.Tx) error { return k.Lift(ctx, tx, s.Account) })
		over("after the next re-key")
	})
}

func TestAChangedPhoneEndsTheSessionsOfAllOtherDevices(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		s := k.signIn(phone(1), device(t, p256))
		second := k.signIn(phone(1), device(t, p256))
		c := k.caller(s)
		in := account.PhoneChange{NewPhone: phone(3)}
		in.Ticket, in.Code = k.ask("", account.PurposePhone, c)
		in.NewTicket, in.NewCode = k.ask(phone(3), account.PurposeNewPhone, c)
		if err := k.ChangePhone(t.Context(), c, in, unfollowed); err != nil {
			t.Fatal(err)
		}
		k.caller(s)
		_, _, err := k.Authenticate(t.Context(), second.Token)
		want(t, err, account.CodeSignedOut)
	})
}

func TestChangedPhoneTakesBothCodesAndTheActiveDevice(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		s := k.signIn(phone(1), device(t, p256))
		second := k.signIn(phone(1), device(t, p256))
		taken := k.signIn(phone(2), device(t, p256))
		change := func(c account.Caller, to string) error {
			in := account.PhoneChange{NewPhone: to}
			in.Ticket, in.Code = k.ask("", account.PurposePhone, c)
			in.NewTicket, in.NewCode = k.ask(to, account.PurposeNewPhone, c)
			return k.ChangePhone(t.Context(), c, in, unfollowed)
		}
		c := k.caller(s)
		want(t, change(k.caller(second), phone(3)), account.CodeNotActive)
		want(t, change(c, phone(2)), account.CodePhoneTaken)

		in := account.PhoneChange{NewPhone: phone(3)}
		in.Ticket, in.Code = k.ask("", account.PurposePhone, c)
		in.NewTicket, in.NewCode = k.ask(phone(4), account.PurposeNewPhone, c)
		want(t, k.ChangePhone(t.Context(), c, in, unfollowed), account.CodeUnknown) // the second code went elsewhere

		if err := change(c, phone(3)); err != nil {
			t.Fatal(err)
		}
		if err := k.jobs.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := k.inbox.sent[len(k.inbox.sent)-1]
		if last.template != "phone.changed" || last.phone != phone(1) || last.params["phone"] != "139****0003" {
			t.Fatalf("the old number was told %v", last)
		}
		k.view(func(ctx context.Context, tx work.Tx) error {
			at, err := k.PhoneChanged(ctx, tx, s.Account)
			if err != nil || !at.Equal(k.clock.Now()) {
				t.Errorf("changed at %v, %v", at, err)
			}
			return nil
		})
		if k.number(s.Account) != phone(3) || k.number(taken.Account) != phone(2) {
			t.Fatal("the numbers are mixed up")
		}
		if again := k.signIn(phone(3), device(t, p256)); again.Account != s.Account || again.New {
			t.Fatalf("the new number enters %v", again)
		}
		if anew := k.signIn(phone(1), device(t, p256)); anew.Account == s.Account || !anew.New {
			t.Fatalf("the old number enters %v", anew)
		}
	})
}

func TestDailyTidyingGoesOnByItself(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		for range 2 {
			if err := k.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if err := k.jobs.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, err := k.st.CountJobs(t.Context())
			if err != nil || len(n) != 1 || n[0] != (job.Count{Topic: "account.tidy", N: 1}) {
				t.Fatalf("jobs = %v, %v", n, err)
			}
			k.clock.Advance(24 * time.Hour)
		}
	})
}
