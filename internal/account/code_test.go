package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
)

func TestPhoneMustBeAMainlandMobileNumber(t *testing.T) {
	for _, bad := range []string{"", "1390000000", "139000000000", "12900000000", "23900000000", "1390000000a", "+8613900000000", "１３９００００００００"} {
		if account.ValidPhone(bad) {
			t.Errorf("%q was taken for a phone", bad)
		}
	}
	if !account.ValidPhone("13900000000") || !account.ValidPhone("19912345678") {
		t.Error("a good number was refused")
	}
	if got := account.MaskPhone("13900001234"); got != "139****1234" {
		t.Errorf("MaskPhone = %s", got)
	}
}

func TestCodeIsRefusedWithoutAGoodPhoneOrSession(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		_, err := k.RequestCode(t.Context(), "12345", account.PurposeLogin, account.Caller{}, "192.0.2.1")
		want(t, err, account.CodePhone)
		_, err = k.RequestCode(t.Context(), phone(1), account.PurposePIN, account.Caller{}, "192.0.2.1")
		want(t, err, account.CodeSignedOut)
		_, err = k.RequestCode(t.Context(), phone(1), "anything", account.Caller{}, "192.0.2.1")
		want(t, err, account.CodePurpose)
	})
}

func TestWrongCodeCanBeEnteredAgainFiveTimesInAll(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		ticket, code := k.ask("", account.PurposePIN, c)
		check := func(code string) error { return k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session) }
		for left := account.CodeTries - 1; left > 0; left-- {
			err := check(other(code))
			want(t, err, account.CodeWrong)
			if member(err, "remaining") != left {
				t.Fatalf("remaining = %v, want %d", member(err, "remaining"), left)
			}
		}
		want(t, check(other(code)), account.CodeExhausted)
		want(t, check(code), account.CodeExhausted)
		err := k.do(func(ctx context.Context, tx work.Tx) error {
			return k.Spend(ctx, tx, ticket, account.PurposePIN, c.Account)
		})
		want(t, err, account.CodeUnknown)
	})
}

func TestAtMostFiveOfHundredParallelGuessesAreCompared(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		ticket, code := k.ask("", account.PurposePIN, c)
		var compared, refused atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				err := k.CheckCode(context.Background(), ticket, other(code), account.PurposePIN, c.Session)
				switch {
				case errors.Is(err, account.CodeWrong):
					compared.Add(1)
				case errors.Is(err, account.CodeExhausted):
					refused.Add(1)
				default:
					t.Errorf("a guess gave %v", err)
				}
			})
		}
		wg.Wait()
		// The fifth comparison already answers that the tries are used up.
		if compared.Load() != account.CodeTries-1 || refused.Load() != 100-account.CodeTries+1 {
			t.Fatalf("%d told wrong, %d refused", compared.Load(), refused.Load())
		}
		want(t, k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session), account.CodeExhausted)
	})
}

func TestCodeExpires(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		ticket, code := k.ask(phone(1), account.PurposeLogin, account.Caller{})
		k.clock.Advance(account.CodeLife)
		_, err := k.SignIn(t.Context(), account.SignIn{Ticket: ticket, Code: code, Phone: phone(1), Agreements: agreements, DeviceKey: device(t, p256)})
		want(t, err, account.CodeExpired)
	})
}

func TestCodeServesOnce(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		in := account.SignIn{Phone: phone(1), Agreements: agreements, DeviceKey: device(t, p256)}
		in.Ticket, in.Code = k.ask(in.Phone, account.PurposeLogin, account.Caller{})
		s, err := k.SignIn(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.SignIn(t.Context(), in)
		want(t, err, account.CodeUsed)

		c := k.caller(s)
		ticket, code := k.ask("", account.PurposePIN, c)
		spend := func() error {
			return k.do(func(ctx context.Context, tx work.Tx) error {
				return k.Spend(ctx, tx, ticket, account.PurposePIN, c.Account)
			})
		}
		want(t, spend(), account.CodeUnknown) // not entered yet
		if err := k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session); err != nil {
			t.Fatal(err)
		}
		if err := spend(); err != nil {
			t.Fatal(err)
		}
		want(t, spend(), account.CodeUsed)
		want(t, k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session), account.CodeUsed)
	})
}

func TestParallelSignInsWithOneCodeOpenOneSession(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		in := account.SignIn{Phone: phone(1), Agreements: agreements, DeviceKey: device(t, p256)}
		in.Ticket, in.Code = k.ask(in.Phone, account.PurposeLogin, account.Caller{})
		var opened atomic.Int64
		var wg sync.WaitGroup
		for range account.CodeTries {
			wg.Go(func() {
				_, err := k.SignIn(context.Background(), in)
				switch {
				case err == nil:
					opened.Add(1)
				case !errors.Is(err, account.CodeUsed):
					t.Errorf("err = %v", err)
				}
			})
		}
		wg.Wait()
		if opened.Load() != 1 {
			t.Fatalf("%d sessions from one code", opened.Load())
		}
	})
}

func TestPassedCodeWaitsTenMinutesForItsBusiness(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		ticket, code := k.ask("", account.PurposePIN, c)
		if err := k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(account.PassLife)
		err := k.do(func(ctx context.Context, tx work.Tx) error {
			return k.Spend(ctx, tx, ticket, account.PurposePIN, c.Account)
		})
		want(t, err, account.CodeExpired)
	})
}

func TestCodeIsBoundToPurposeSessionAccountAndPhone(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		first, second := device(t, p256), device(t, p256)
		c := k.caller(k.signIn(phone(1), first))
		elsewhere := k.caller(k.signIn(phone(1), second))
		stranger := k.caller(k.signIn(phone(2), first))
		ticket, code := k.ask("", account.PurposePIN, c)
		for name, err := range map[string]error{
			"other purpose": k.CheckCode(t.Context(), ticket, code, account.PurposeRecover, c.Session),
			"other session": k.CheckCode(t.Context(), ticket, code, account.PurposePIN, elsewhere.Session),
			"other account": k.CheckCode(t.Context(), ticket, code, account.PurposePIN, stranger.Session),
			"no session":    k.CheckCode(t.Context(), ticket, code, account.PurposePIN, ""),
			"other ticket":  k.CheckCode(t.Context(), "x"+ticket, code, account.PurposePIN, c.Session),
		} {
			if !errors.Is(err, account.CodeUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := k.SignIn(t.Context(), account.SignIn{Ticket: ticket, Code: code, Phone: phone(1), Agreements: agreements, DeviceKey: first})
		want(t, err, account.CodeUnknown)

		// None of that used up a try, and the right one still passes.
		if err := k.CheckCode(t.Context(), ticket, code, account.PurposePIN, c.Session); err != nil {
			t.Fatal(err)
		}
		for name, spend := range map[string]func(context.Context, work.Tx) error{
			"other purpose": func(ctx context.Context, tx work.Tx) error {
				return k.Spend(ctx, tx, ticket, account.PurposeRealname, c.Account)
			},
			"other account": func(ctx context.Context, tx work.Tx) error {
				return k.Spend(ctx, tx, ticket, account.PurposePIN, stranger.Account)
			},
			"nobody": func(ctx context.Context, tx work.Tx) error {
				return k.Spend(ctx, tx, ticket, account.PurposePIN, "")
			},
		} {
			if err := k.do(spend); !errors.Is(err, account.CodeUnknown) {
				t.Errorf("spend, %s: %v", name, err)
			}
		}

		// A login code serves the phone that it was sent to, and nothing else.
		ticket, code = k.ask(phone(3), account.PurposeLogin, account.Caller{})
		_, err = k.SignIn(t.Context(), account.SignIn{Ticket: ticket, Code: code, Phone: phone(1), Agreements: agreements, DeviceKey: first})
		want(t, err, account.CodeUnknown)
		want(t, k.CheckCode(t.Context(), ticket, code, account.PurposeLogin, c.Session), account.CodeUnknown)
	})
}

// asks asks for codes, a minute apart, until one is refused.
func (k *kit) asks(most int, phone string, p account.Purpose, c account.Caller, address func(n int) string) (n int, err error) {
	k.t.Helper()
	for ; n < most; n++ {
		k.clock.Advance(time.Minute)
		if _, err = k.RequestCode(k.t.Context(), phone, p, c, address(n)); err != nil {
			return n, err
		}
	}
	return n, nil
}

func at(address string) func(int) string { return func(int) string { return address } }

func elsewhere(n int) string { return fmt.Sprintf("203.0.%d.%d", 113+n/250, n%250) }

func TestPhoneGetsOneCodeAMinute(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.signIn(phone(1), device(t, p256))
		if _, err := k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, elsewhere); err != nil {
			t.Fatal(err)
		}
		_, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, elsewhere(1))
		want(t, err, account.CodeTooSoon)
		if member(err, "retryAfterSeconds") != 60 {
			t.Fatalf("retryAfterSeconds = %v", member(err, "retryAfterSeconds"))
		}
		// Nor does that keep the owner waiting where he signed in before.
		if _, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, home); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAStrangerLocksNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		n, err := k.asks(30, phone(1), account.PurposeLogin, account.Caller{}, at("198.51.100.9"))
		want(t, err, account.CodeNetwork)
		if n != 5 || member(err, "retryAfterSeconds") == nil {
			t.Fatalf("%d codes from one strange address, %v", n, err)
		}
		// The owner is served at another address, in his session, and at home.
		if n, err := k.asks(2, phone(1), account.PurposeLogin, account.Caller{}, at("198.51.100.1")); err != nil {
			t.Fatalf("%d codes elsewhere, %v", n, err)
		}
		// With many addresses a stranger uses up what strangers have together.
		n, err = k.asks(40, phone(1), account.PurposeLogin, account.Caller{}, elsewhere)
		want(t, err, account.CodeTooMany)
		if n != 30-5-2-1 { // one was the registration's
			t.Fatalf("%d codes for strangers", n)
		}
		n, err = k.asks(30, phone(1), account.PurposeLogin, account.Caller{}, at(home))
		want(t, err, account.CodeNetwork)
		if n != 10 {
			t.Fatalf("%d codes where the account signed in before", n)
		}
		n, err = k.asks(30, "", account.PurposeRecover, c, elsewhere)
		want(t, err, account.CodeTooMany)
		if n != 10 {
			t.Fatalf("%d codes in the owner's session", n)
		}
		k.clock.Advance(24 * time.Hour)
		if _, err := k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, at("198.51.100.9")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestANetworkIsKnownForAWhileAndToItsAccountAlone(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		if err := k.Start(t.Context()); err != nil { // the daily tidying
			t.Fatal(err)
		}
		k.signIn(phone(1), device(t, p256))
		k.signIn(phone(2), device(t, p256))
		if _, err := k.asks(40, phone(1), account.PurposeLogin, account.Caller{}, elsewhere); !errors.Is(err, account.CodeTooMany) {
			t.Fatal(err)
		}
		in := account.SignIn{Phone: phone(2), Agreements: agreements, DeviceKey: device(t, p256), Address: "198.51.100.7"}
		in.Ticket, in.Code = k.ask(in.Phone, account.PurposeLogin, account.Caller{})
		if _, err := k.SignIn(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		_, err := k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, at("198.51.100.7"))
		want(t, err, account.CodeTooMany)
		if _, err := k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, at(home)); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(account.Absolute - 2*time.Hour)
		if err := k.jobs.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := k.asks(40, phone(1), account.PurposeLogin, account.Caller{}, elsewhere); !errors.Is(err, account.CodeTooMany) {
			t.Fatal(err)
		}
		if _, err := k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, at(home)); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(2 * time.Hour)
		_, err = k.asks(1, phone(1), account.PurposeLogin, account.Caller{}, at(home))
		want(t, err, account.CodeTooMany)
	})
}

func TestOnePersonSignsInOnTwoPhonesADayAndManyPersonsAtOneAddress(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		for range 2 { // each phone registers or signs in, out, and in again
			d := device(t, p256)
			k.signIn(phone(1), d)
			k.signIn(phone(1), d)
		}
		for n := range 40 { // an office
			k.signIn(phone(100+n), device(t, p256))
		}
	})
}

func TestAddressIsLimitedWithItsIPv6Network(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		const most = 60
		ask := func(n int, address string) error {
			_, err := k.RequestCode(t.Context(), phone(n), account.PurposeLogin, account.Caller{}, address)
			return err
		}
		for n := range most {
			if err := ask(n, fmt.Sprintf("2001:db8::%x", n)); err != nil {
				t.Fatal(err)
			}
		}
		want(t, ask(most, "2001:db8::ffff"), account.CodeAddress)
		// A site has four times as much, whatever its /64.
		for n := most; n < 4*most; n++ {
			if err := ask(n, fmt.Sprintf("2001:db8:0:%x::1", n)); err != nil {
				t.Fatal(err)
			}
		}
		want(t, ask(4*most, "2001:db8:0:ffff::1"), account.CodeAddress)
		if err := ask(4*most, "2001:db8:1::1"); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(time.Hour)
		if err := ask(0, "2001:db8::ffff"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAStrangersIPv6SiteGetsAFewCodesForOnePhone(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		n, err := k.asks(30, phone(1), account.PurposeLogin, account.Caller{}, at("2001:db8::1"))
		want(t, err, account.CodeNetwork)
		if n != 5 {
			t.Fatalf("%d codes from one /64", n)
		}
		n, err = k.asks(30, phone(1), account.PurposeLogin, account.Caller{}, func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n+1) })
		want(t, err, account.CodeNetwork)
		if n != 15 {
			t.Fatalf("%d more codes from one /48", n)
		}
	})
}

func TestStrangersTogetherHaveACapWithAnAlarm(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		var log bytes.Buffer
		k.Log = slog.New(slog.NewTextHandler(&log, nil))
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		k.clock.Advance(time.Hour)
		k.Limits.Hourly = 20
		ask := func(n int) error {
			_, err := k.RequestCode(t.Context(), phone(100+n), account.PurposeLogin, account.Caller{}, elsewhere(n))
			return err
		}
		for n := range 20 {
			if log.Len() != 0 {
				t.Fatalf("an alarm after %d codes: %s", n, log.String())
			}
			if err := ask(n); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 3 {
			err := ask(20 + n)
			want(t, err, account.CodeBusy)
			if member(err, "retryAfterSeconds") == nil {
				t.Fatal(err)
			}
		}
		if strings.Count(log.String(), "level=ERROR") != 1 || strings.Contains(log.String(), phone(119)) {
			t.Fatalf("the log: %s", log.String())
		}
		if _, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, home); err != nil {
			t.Fatalf("where the account signed in before: %v", err)
		}
		if _, err := k.RequestCode(t.Context(), "", account.PurposePIN, c, elsewhere(1)); err != nil {
			t.Fatalf("in a session: %v", err)
		}
		k.clock.Advance(time.Hour)
		if err := ask(20); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLimitsHoldForParallelRequests(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		var sent atomic.Int64
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				_, err := k.RequestCode(context.Background(), phone(1), account.PurposeLogin, account.Caller{}, "192.0.2.1")
				switch {
				case err == nil:
					sent.Add(1)
				case !errors.Is(err, account.CodeTooSoon):
					t.Errorf("err = %v", err)
				}
			})
		}
		wg.Wait()
		if sent.Load() != 1 {
			t.Fatalf("%d codes within a minute", sent.Load())
		}
		for n := range 100 {
			wg.Go(func() {
				_, err := k.RequestCode(context.Background(), phone(100+n), account.PurposeLogin, account.Caller{}, "192.0.2.1")
				switch {
				case err == nil:
					sent.Add(1)
				case !errors.Is(err, account.CodeAddress):
					t.Errorf("err = %v", err)
				}
			})
		}
		wg.Wait()
		if sent.Load() != 60 {
			t.Fatalf("%d codes to one address within an hour", sent.Load())
		}
	})
}

func TestWaitingJobsShowNeitherPhoneNorCode(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		if _, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		jobs, err := k.st.ClaimJobs(t.Context(), job.Topics{Except: true}, "peek", k.clock.Now(), k.clock.Now(), 10)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("jobs = %v, %v", jobs, err)
		}
		code := k.deliver(phone(1))
		for _, secret := range []string{phone(1), code} {
			if bytes.Contains(jobs[0].Body, []byte(secret)) {
				t.Fatalf("the job's body shows %s", secret)
			}
		}
	})
}

func TestUndeliverableCodeIsDroppedWhenItIsOver(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.inbox.err = errors.New("the provider is away")
		if _, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		drain := func() {
			if err := k.jobs.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		drain()
		k.clock.Advance(account.CodeLife)
		k.inbox.err = nil
		drain()
		if n, err := k.st.CountJobs(t.Context()); err != nil || len(n) != 0 || len(k.inbox.sent) != 0 {
			t.Fatalf("jobs = %v, %v; %d sent", n, err, len(k.inbox.sent))
		}
	})
}

func TestMessageThatWasMovedToAnotherJobIsBuried(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		if _, err := k.RequestCode(t.Context(), phone(1), account.PurposeLogin, account.Caller{}, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		jobs, err := k.st.ClaimJobs(t.Context(), job.Topics{Except: true}, "peek", k.clock.Now(), k.clock.Now(), 10)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("jobs = %v, %v", jobs, err)
		}
		i := strings.Index(string(jobs[0].Body), `"ref":"`) + len(`"ref":"`)
		moved := bytes.Clone(jobs[0].Body)
		moved[i] ^= 1
		for _, body := range [][]byte{moved, []byte("{"), nil} {
			if err := k.do(func(ctx context.Context, tx work.Tx) error {
				return tx.Enqueue(ctx, work.Job{Topic: jobs[0].Topic, Body: body})
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.jobs.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		n, err := k.st.CountJobs(t.Context())
		if err != nil || len(n) != 1 || n[0] != (job.Count{Topic: "sms.send", Dead: true, N: 3}) || len(k.inbox.sent) != 1 {
			t.Fatalf("jobs = %v, %v; %d sent", n, err, len(k.inbox.sent))
		}
	})
}
