package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

const good = "bid-2026-spring"

func TestPasswordRules(t *testing.T) {
	for password, want := range map[string]error{
		"abcdef12": nil, "投标": account.CodePasswordLength, "12345-78": nil, "abcdefg.": nil, "Abcdefgh": account.CodePasswordMixed,
		strings.Repeat("a1", 32): nil, strings.Repeat("a1", 32) + "a": account.CodePasswordLength,
		"":             account.CodePasswordLength,
		"271942":       account.CodePasswordLength, // a PIN
		"27194281":     account.CodePasswordMixed,
		"13900000001":  account.CodePasswordMixed,
		"a13900000001": account.CodePasswordPhone, "13900000001!": account.CodePasswordPhone,
		"Password1": account.CodePasswordCommon, "1qaz2wsx": account.CodePasswordCommon, "WOAINI1314": account.CodePasswordCommon,
		"abcdef 12": account.CodePasswordSigns, "投标密码投标密码12": account.CodePasswordSigns, "abcdef12\x00": account.CodePasswordSigns,
	} {
		if err := account.FitPassword(password, phone(1)); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", password, err, want)
		}
	}
}

// setPassword sets a first password by code.
func (k *kit) setPassword(s account.Session, password string) {
	k.t.Helper()
	c := k.caller(s)
	in := account.PasswordChange{New: password, Address: home}
	in.Ticket, in.Code = k.ask("", account.PurposePassword, c)
	if err := k.ChangePassword(k.t.Context(), c, in, nothing); err != nil {
		k.t.Fatal(err)
	}
}

func nothing(context.Context, work.Tx, string, bool) error { return nil }

func (k *kit) enter(phone, password, address string, device []byte) (account.Session, error) {
	k.t.Helper()
	return k.SignInByPassword(k.t.Context(), account.SignIn{Phone: phone, Password: password, Agreements: agreements, DeviceKey: device, Address: address})
}

func TestPasswordEntersItsAccountAndRegistersNobody(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		first, second := device(t, p256), device(t, p256)
		s := k.signIn(phone(1), first)
		k.setPassword(s, good)
		in, err := k.enter(phone(1), good, "198.51.100.1", second)
		if err != nil {
			t.Fatal(err)
		}
		if in.Account != s.Account || in.New || in.Device == s.Device {
			t.Fatalf("session = %+v", in)
		}
		k.caller(s)
		c := k.caller(in)
		k.view(func(ctx context.Context, tx work.Tx) error {
			active, err := k.ActiveDevice(ctx, tx, s.Account)
			if err != nil || active != s.Device {
				t.Errorf("the active device is %s, %v", active, err)
			}
			bound, err := k.BoundAt(ctx, tx, s.Account, c.Device)
			if err != nil || !bound.IsZero() {
				t.Errorf("the device counts as bound: %v, %v", bound, err)
			}
			return nil
		})
		if err := k.jobs.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last := k.inbox.sent[len(k.inbox.sent)-1]; last.template != "device.signed-in" || last.phone != phone(1) {
			t.Errorf("the owner was told %v", last)
		}
		told := len(k.inbox.sent)
		if _, err := k.enter(phone(1), good, "198.51.100.1", second); err != nil {
			t.Fatal(err)
		}
		if err := k.jobs.Drain(t.Context()); err != nil || len(k.inbox.sent) != told {
			t.Errorf("a known device is told again: %v", err)
		}
		_, err = k.enter(phone(2), good, home, second)
		want(t, err, account.CodePasswordWrong)
		if fresh := k.signIn(phone(2), second); !fresh.New {
			t.Error("a password registered a number")
		}
	})
}

// Each new device costs the owner an SMS and the house a session: who knows a
// password must not have them without end.
func TestAPasswordBringsInFewNewDevicesADay(t *testing.T) {
	k := one(t)
	k.setPassword(k.signIn(phone(1), device(t, p256)), good)
	var last []byte
	for range account.PasswordDevices {
		last = device(t, p256)
		if _, err := k.enter(phone(1), good, home, last); err != nil {
			t.Fatal(err)
		}
	}
	for range account.PasswordTries + 1 { // more tries are no wrong passwords
		_, err := k.enter(phone(1), good, home, device(t, p256))
		want(t, err, account.CodePasswordDevices)
		if member(err, "retryAt") != k.clock.Now().Add(24*time.Hour) {
			t.Errorf("retryAt %v", member(err, "retryAt"))
		}
	}
	if err := k.jobs.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, m := range k.inbox.sent {
		if m.template == "device.signed-in" {
			told++
		}
	}
	if told != account.PasswordDevices {
		t.Errorf("%d messages", told)
	}
	if _, err := k.enter(phone(1), good, home, last); err != nil {
		t.Errorf("a device that is known: %v", err)
	}
	k.signIn(phone(1), device(t, p256))
	k.clock.Advance(24 * time.Hour)
	if _, err := k.enter(phone(1), good, home, device(t, p256)); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// One answer, one count and one computation for a wrong password, an account
// without one, and a number without an account.
func TestNobodyLearnsWhoHasAnAccountOrAPassword(t *testing.T) {
	k := one(t)
	k.setPassword(k.signIn(phone(1), device(t, p256)), good)
	k.signIn(phone(2), device(t, p256))
	var n atomic.Int64
	k.CountStretches(&n)
	var before int64
	for i, who := range []int{1, 2, 3} {
		address := fmt.Sprintf("198.51.100.%d", i+1)
		for left := account.PasswordTries - 1; left >= 0; left-- {
			_, err := k.enter(phone(who), "wrong-password-1", address, device(t, p256))
			want(t, err, account.CodePasswordWrong)
			if member(err, "remaining") != left || (member(err, "lockedUntil") != nil) != (left == 0) {
				t.Errorf("phone %d: %v", who, err)
			}
		}
		_, err := k.enter(phone(who), "wrong-password-1", address, device(t, p256))
		want(t, err, account.CodePasswordLocked)
		if until := member(err, "lockedUntil"); until != k.clock.Now().Add(account.PasswordPause) {
			t.Errorf("phone %d is locked until %v", who, until)
		}
		if got := n.Load() - before; got != account.PasswordTries {
			t.Errorf("phone %d: %d computations", who, got)
		}
		before = n.Load()
	}
	entries := k.audit("account.password_wrong")
	if len(entries) != 3*account.PasswordTries {
		t.Errorf("%d wrong passwords in the audit", len(entries))
	}
}

func TestAThousandParallelGuessesComputeFew(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.setPassword(k.signIn(phone(1), device(t, p256)), good)
		key := device(t, p256)
		var n, wrong, locked atomic.Int64
		k.CountStretches(&n)
		guess := func(password, address string) {
			switch _, err := k.enter(phone(1), password, address, key); {
			case errors.Is(err, account.CodePasswordWrong):
				wrong.Add(1)
			case errors.Is(err, account.CodePasswordLocked):
				locked.Add(1)
			default:
				t.Errorf("a guess gave %v", err)
			}
		}
		var wg sync.WaitGroup
		for i := range 500 { // one network
			wg.Go(func() { guess(fmt.Sprintf("guess-%d", i), "198.51.100.1") })
		}
		wg.Wait()
		if n.Load() != account.PasswordTries || wrong.Load() != account.PasswordTries || locked.Load() != 500-account.PasswordTries {
			t.Fatalf("one network: %d computed, %d wrong, %d locked", n.Load(), wrong.Load(), locked.Load())
		}
		for i := range 500 { // a network each
			wg.Go(func() { guess(fmt.Sprintf("guess-%d", i), fmt.Sprintf("203.0.%d.%d", 100+i/250, i%250)) })
		}
		wg.Wait()
		if n.Load() != account.PasswordDaily || wrong.Load() != account.PasswordDaily {
			t.Fatalf("many networks: %d computed, %d wrong", n.Load(), wrong.Load())
		}
		// The right one computes nothing either while that lasts, except at home.
		_, err := k.enter(phone(1), good, "203.0.113.250", key)
		want(t, err, account.CodePasswordLocked)
		if _, err := k.enter(phone(1), good, home, key); err != nil {
			t.Fatalf("strangers lock the owner out at home: %v", err)
		}
	})
}

func TestARightPasswordGivesTheTriesBack(t *testing.T) {
	k := one(t)
	key := device(t, p256)
	k.setPassword(k.signIn(phone(1), key), good)
	for range 4 {
		for range account.PasswordTries - 1 {
			_, err := k.enter(phone(1), "wrong-password-1", home, key)
			want(t, err, account.CodePasswordWrong)
		}
		if _, err := k.enter(phone(1), good, home, key); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 { // nor do right ones add up
		if _, err := k.enter(phone(1), good, home, key); err != nil {
			t.Fatal(err)
		}
	}
	// What was wrong stays in the day's count: 16 of 20.
	for left := 3; left >= 0; left-- {
		_, err := k.enter(phone(1), "wrong-password-1", home, key)
		want(t, err, account.CodePasswordWrong)
		if member(err, "remaining") != left {
			t.Errorf("remaining %v, want %d", member(err, "remaining"), left)
		}
	}
	_, err := k.enter(phone(1), good, home, key)
	want(t, err, account.CodePasswordLocked)
}

func TestALockedPasswordEndsByTimeAndLeavesTheCode(t *testing.T) {
	k := one(t)
	key := device(t, p256)
	k.setPassword(k.signIn(phone(1), key), good)
	for range account.PasswordTries {
		_, err := k.enter(phone(1), "wrong-password-1", home, key)
		want(t, err, account.CodePasswordWrong)
	}
	_, err := k.enter(phone(1), good, home, key)
	want(t, err, account.CodePasswordLocked)
	until := member(err, "lockedUntil").(time.Time)
	k.signIn(phone(1), key)
	k.clock.Advance(until.Sub(k.clock.Now()) - time.Second)
	_, err = k.enter(phone(1), good, home, key)
	want(t, err, account.CodePasswordLocked)
	k.clock.Advance(time.Second)
	if _, err := k.enter(phone(1), good, home, key); err != nil {
		t.Fatal(err)
	}
}

func TestOneNetworkTriesFewNumbers(t *testing.T) {
	k := one(t)
	key := device(t, p256)
	for i := range account.PasswordHourly {
		_, err := k.enter(phone(i), "wrong-password-1", fmt.Sprintf("2001:db8::%x", i), key)
		want(t, err, account.CodePasswordWrong)
	}
	_, err := k.enter(phone(99), "wrong-password-1", "2001:db8::ffff", key)
	want(t, err, account.CodePasswordAddress)
	if member(err, "lockedUntil") != k.clock.Now().Add(time.Hour) {
		t.Errorf("until %v", member(err, "lockedUntil"))
	}
}

func TestPasswordSignInNeedsAgreementsAndAGoodDevice(t *testing.T) {
	k := one(t)
	var n atomic.Int64
	k.CountStretches(&n)
	in := account.SignIn{Phone: phone(1), Password: good, DeviceKey: device(t, p256), Address: home}
	_, err := k.SignInByPassword(t.Context(), in)
	want(t, err, account.CodeAgreements)
	in.Agreements, in.DeviceKey = agreements, []byte("x")
	_, err = k.SignInByPassword(t.Context(), in)
	want(t, err, account.CodeDeviceKey)
	in.Phone = "1390000"
	_, err = k.SignInByPassword(t.Context(), in)
	want(t, err, account.CodePhone)
	if n.Load() != 0 {
		t.Error("refused, and yet computed")
	}
}

func TestPasswordIsSetByCodeAndChangedByOldOneOrCode(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		s := k.signIn(phone(1), device(t, p256))
		c := k.caller(s)
		change := func(in account.PasswordChange) error {
			in.Address = home
			return k.ChangePassword(t.Context(), c, in, nothing)
		}
		want(t, change(account.PasswordChange{New: good}), account.CodePasswordNew)
		want(t, change(account.PasswordChange{New: good, Old: "whatever-1"}), account.CodePasswordNew)
		want(t, change(account.PasswordChange{New: "weak"}), account.CodePasswordLength)
		ticket, code := k.ask("", account.PurposePIN, c)
		want(t, change(account.PasswordChange{New: good, Ticket: ticket, Code: code}), account.CodeUnknown) // another purpose
		ticket, code = k.ask("", account.PurposePassword, c)
		want(t, change(account.PasswordChange{New: good, Ticket: ticket, Code: other(code)}), account.CodeWrong)
		var first []bool
		note := func(_ context.Context, _ work.Tx, _ string, f bool) error { first = append(first, f); return nil }
		if err := k.ChangePassword(t.Context(), c, account.PasswordChange{New: good, Ticket: ticket, Code: code}, note); err != nil {
			t.Fatal(err)
		}
		want(t, change(account.PasswordChange{New: "another-1", Ticket: ticket, Code: code}), account.CodeUsed)
		want(t, change(account.PasswordChange{New: "another-1"}), account.CodePasswordProof)
		want(t, change(account.PasswordChange{New: good, Old: good}), account.CodePasswordSame)
		err := change(account.PasswordChange{New: "another-1", Old: "wrong-password-1"})
		want(t, err, account.CodePasswordOldWrong)
		if member(err, "remaining") != account.PasswordTries-1 {
			t.Errorf("remaining %v", member(err, "remaining"))
		}
		if err := k.ChangePassword(t.Context(), c, account.PasswordChange{New: "another-1", Old: good, Address: home}, note); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(first) != "[true false]" {
			t.Errorf("first = %v", first)
		}
		_, err = k.enter(phone(1), good, home, device(t, p256))
		want(t, err, account.CodePasswordWrong)
		if _, err := k.enter(phone(1), "another-1", home, device(t, p256)); err != nil {
			t.Fatal(err)
		}
		// What comes with the change comes with it or not at all.
		boom := errors.New("boom")
		err = k.ChangePassword(t.Context(), c, account.PasswordChange{New: "a-third-one-1", Old: "another-1", Address: home},
			func(context.Context, work.Tx, string, bool) error { return boom })
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if _, err := k.enter(phone(1), "another-1", home, device(t, p256)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAForgottenPasswordIsResetByCode(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		key := device(t, p256)
		s := k.signIn(phone(1), key)
		k.setPassword(s, good)
		for range account.PasswordTries {
			_, err := k.enter(phone(1), "wrong-password-1", home, key)
			want(t, err, account.CodePasswordWrong)
		}
		reset := func(n int, password, ticket, code string) error {
			return k.ResetPassword(t.Context(), account.PasswordReset{Phone: phone(n), New: password, Ticket: ticket, Code: code, Address: home}, nothing)
		}
		want(t, k.ResetPassword(t.Context(), account.PasswordReset{Phone: "1"}, nothing), account.CodePhone)
		want(t, reset(1, "another-1", "x", "123456"), account.CodeUnknown)
		login, code := k.ask(phone(1), account.PurposeLogin, account.Caller{})
		want(t, reset(1, "another-1", login, code), account.CodeUnknown) // another purpose
		ticket, code := k.ask(phone(1), account.PurposeReset, account.Caller{})
		want(t, reset(2, "another-1", ticket, code), account.CodeUnknown) // another number
		want(t, reset(1, "weak", ticket, code), account.CodePasswordLength)
		want(t, reset(1, "another-1", ticket, other(code)), account.CodeWrong)
		if err := reset(1, "another-1", ticket, code); err != nil {
			t.Fatal(err)
		}
		want(t, reset(1, "another-2", ticket, code), account.CodeUsed)
		if _, err := k.enter(phone(1), "another-1", home, key); err != nil {
			t.Fatalf("the lock of the old password holds the new one: %v", err)
		}
		// A code for the reset signs nobody in.
		ticket, code = k.ask(phone(1), account.PurposeReset, account.Caller{})
		_, err := k.SignIn(t.Context(), account.SignIn{Ticket: ticket, Code: code, Phone: phone(1), Agreements: agreements, DeviceKey: key})
		want(t, err, account.CodeUnknown)
	})
}

// A number without an account gets the same answers until its code was entered.
func TestAResetTellsWhoHasAnAccountOnlyToThePhone(t *testing.T) {
	k := one(t)
	k.signIn(phone(1), device(t, p256))
	var answers [2][]string
	for i, n := range []int{1, 2} {
		note := func(err error) {
			code, members := fault.Of(err)
			answers[i] = append(answers[i], fmt.Sprint(code.Name, members))
		}
		k.clock.Advance(time.Hour)
		ask := func() (string, error) {
			got, err := k.RequestCode(t.Context(), phone(n), account.PurposeReset, account.Caller{}, "198.51.100.1")
			return got.ID, err
		}
		ticket, err := ask()
		note(err)
		_, err = ask()
		note(err)
		code := k.deliver(phone(n))
		in := account.PasswordReset{Phone: phone(n), New: good, Ticket: ticket, Code: other(code)}
		note(k.ResetPassword(t.Context(), in, nothing))
		in.Code = code
		err = k.ResetPassword(t.Context(), in, nothing)
		if n == 1 && err != nil || n == 2 && !errors.Is(err, account.CodeNotRegistered) {
			t.Errorf("phone %d: %v", n, err)
		}
	}
	if fmt.Sprint(answers[0]) != fmt.Sprint(answers[1]) {
		t.Errorf("with an account %v, without %v", answers[0], answers[1])
	}
}

func TestAPasswordIsStretchedAnewWhenTheCostRose(t *testing.T) {
	k := one(t)
	key := device(t, p256)
	s := k.signIn(phone(1), key)
	k.setPassword(s, good)
	stored := func() (out string) {
		k.view(func(ctx context.Context, tx work.Tx) (err error) {
			out, err = k.Store.Password(ctx, tx, s.Account)
			return err
		})
		return out
	}
	before := stored()
	if !strings.HasPrefix(before, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("stored as %s", before)
	}
	k.Cost.Passes = 2
	if _, err := k.enter(phone(1), "wrong-password-1", home, key); !errors.Is(err, account.CodePasswordWrong) || stored() != before {
		t.Fatalf("a wrong one: %v", err)
	}
	for range 2 {
		if _, err := k.enter(phone(1), good, home, key); err != nil {
			t.Fatal(err)
		}
		if got := stored(); !strings.HasPrefix(got, "$argon2id$v=19$m=64,t=2,p=1$") {
			t.Fatalf("stored as %s", got)
		}
	}
}

// Whoever enters by the old password while it is reset has no session afterwards.
func TestAResetEndsWhatTheOldPasswordOpensMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		s := k.signIn(phone(1), device(t, p256))
		k.setPassword(s, good)
		key, old := device(t, p256), good
		for i := range 4 {
			ticket, code := k.ask(phone(1), account.PurposeReset, account.Caller{})
			fresh := fmt.Sprint("another-", i)
			var in account.Session
			var entered error
			var wg sync.WaitGroup
			wg.Go(func() { in, entered = k.enter(phone(1), old, home, key) })
			wg.Go(func() {
				err := k.ResetPassword(context.Background(), account.PasswordReset{Phone: phone(1), Ticket: ticket, Code: code, New: fresh, Address: home},
					func(ctx context.Context, tx work.Tx, acc string, _ bool) error {
						_, err := k.SignOutBut(ctx, tx, acc, "", "")
						return err
					})
				if err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if entered == nil {
				_, _, err := k.Authenticate(t.Context(), in.Token)
				want(t, err, account.CodeSignedOut)
			} else {
				want(t, entered, account.CodePasswordWrong)
			}
			old = fresh
		}
	})
}
