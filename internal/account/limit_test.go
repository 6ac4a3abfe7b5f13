package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/work"
)

// login asks for a login code with a captcha; an empty one is none.
func (k *kit) login(phone, address, device, captcha string, x int) error {
	_, err := k.Service.RequestCode(context.Background(), account.Ask{Phone: phone, Purpose: account.PurposeLogin, Address: address,
		Device: device, Captcha: account.Captcha{ID: captcha, X: x}}, account.Caller{})
	return err
}

// 2.2: SMS bombing is stopped.
func TestTheFirstCodeIsFreeAndTheNextCostsACaptcha(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.Limits.Free = 1
		device := strings.Repeat("d", 64)
		if err := k.login(phone(1), home, device, "", 0); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(time.Minute)
		for what, err := range map[string]error{
			"this phone":   k.login(phone(1), "198.51.100.1", strings.Repeat("e", 64), "", 0),
			"this address": k.login(phone(2), home, strings.Repeat("e", 64), "", 0),
			"this device":  k.login(phone(2), "198.51.100.1", device, "", 0),
		} {
			if !errors.Is(err, account.CodeCaptcha) {
				t.Errorf("the second code for %s: %v", what, err)
			}
		}
		if err := k.login(phone(2), "198.51.100.1", strings.Repeat("e", 64), "", 0); err != nil {
			t.Errorf("somebody else's first: %v", err)
		}
		want(t, k.login(phone(1), home, device, "", 0), account.CodeCaptcha)
		if err := k.login(phone(1), home, device, "one", 7); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(24 * time.Hour)
		if err := k.login(phone(1), home, device, "", 0); err != nil {
			t.Errorf("the next day: %v", err)
		}
	})
}

func TestACaptchaServesOnceAndAWrongAnswerUsesItUp(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.Limits.Free = 1
		want(t, k.login(phone(1), home, "", "wrong", 8), account.CodeCaptchaWrong)
		want(t, k.login(phone(1), home, "", "wrong", 7), account.CodeCaptchaWrong) // no second try
		if err := k.login(phone(1), home, "", "right", 7); err != nil {
			t.Fatal(err)
		}
		k.clock.Advance(time.Minute)
		want(t, k.login(phone(1), home, "", "right", 7), account.CodeCaptchaWrong)
		// A limit is told as such; the captcha is asked for only when it would help.
		if err := k.login(phone(1), home, "", "next", 7); err != nil {
			t.Fatal(err)
		}
		want(t, k.login(phone(1), home, "", "", 0), account.CodeTooSoon)
	})
}

func TestOfSixtyFourParallelRequestsOneIsFreeAndOneUsesACaptcha(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.Limits.Free, k.Limits.Pause = 1, time.Nanosecond
		run := func(ask func(n int) error, refusal error) (sent int64) {
			var ok atomic.Int64
			var wg sync.WaitGroup
			for n := range 64 {
				wg.Go(func() {
					switch err := ask(n); {
					case err == nil:
						ok.Add(1)
					case !errors.Is(err, refusal):
						t.Errorf("err = %v", err)
					}
				})
			}
			wg.Wait()
			return ok.Load()
		}
		if n := run(func(n int) error { return k.login(phone(100+n), home, "", "", 0) }, account.CodeCaptcha); n != 1 {
			t.Errorf("%d free codes for one address", n)
		}
		if n := run(func(n int) error { return k.login(phone(200+n), elsewhere(n), "", "once", 7) }, account.CodeCaptchaWrong); n != 1 {
			t.Errorf("%d codes for one captcha", n)
		}
		k.Limits.PerDevice = 10
		device := strings.Repeat("d", 64)
		if n := run(func(n int) error { return k.login(phone(300+n), elsewhere(n), device, fmt.Sprint(n), 7) }, account.CodeDeviceLimit); n != 10 {
			t.Errorf("%d codes for one device", n)
		}
		k.clock.Advance(time.Hour)
		k.Limits.Ceiling = 20
		if n := run(func(n int) error { return k.login(phone(400+n), elsewhere(100+n), "", fmt.Sprint("c", n), 7) }, account.CodeBusy); n != 20 {
			t.Errorf("%d codes in an hour under a ceiling of 20", n)
		}
		// Nobody is above the ceiling, not even the owner in his session.
		c := account.Caller{Account: "nobody", Session: "s"}
		_, err := k.Service.RequestCode(t.Context(), account.Ask{Phone: phone(1), Purpose: account.PurposeLegal, Address: "198.51.100.2"}, c)
		want(t, err, account.CodeBusy)
	})
}

func TestWhoIsSignedInPestersFewOthers(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		n, err := 0, error(nil)
		for ; err == nil && n < 20; n++ {
			_, err = k.Service.RequestCode(t.Context(), account.Ask{Phone: phone(50 + n), Purpose: account.PurposeLegal, Address: elsewhere(n)}, c)
		}
		want(t, err, account.CodeTooMany)
		if n != 11 {
			t.Errorf("%d numbers were reached", n-1)
		}
	})
}

func TestACodeForTheRepresentativeServesHisNumberAlone(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.caller(k.signIn(phone(1), device(t, p256)))
		ticket, code := k.ask(phone(2), account.PurposeLegal, c)
		want(t, k.CheckCodeTo(t.Context(), ticket, code, account.PurposeLegal, c.Session, phone(3)), account.CodeUnknown)
		want(t, k.CheckCodeTo(t.Context(), ticket, code, account.PurposeTransfer, c.Session, phone(2)), account.CodeUnknown)
		if err := k.CheckCodeTo(t.Context(), ticket, code, account.PurposeLegal, c.Session, phone(2)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheConsoleSeesWhatWasSentAndRefused(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.Limits.Free = 1
		if err := k.login(phone(1), home, "", "", 0); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			want(t, k.login(phone(1), home, "", "", 0), account.CodeTooSoon)
		}
		want(t, k.login(phone(2), home, "", "", 0), account.CodeCaptcha)
		want(t, k.login(phone(2), home, "", "x", 9), account.CodeCaptchaWrong)
		k.clock.Advance(time.Hour)
		if err := k.login(phone(1), home, "", "y", 7); err != nil {
			t.Fatal(err)
		}
		use, err := k.SMSUse(t.Context())
		if err != nil || len(use.Hours) != 24 || use.Sent != 1 || use.Ceiling != 20000 || use.CaptchasWrong != 1 {
			t.Fatalf("use = %+v, %v", use, err)
		}
		if before, now := use.Hours[22], use.Hours[23]; before.Sent != 1 || before.Refused != 3 || now.Sent != 1 || now.Refused != 0 || now.At != k.clock.Now().Truncate(time.Hour) {
			t.Errorf("hours = %+v, %+v", before, now)
		}
		seen := map[string]account.LimitUse{}
		for _, l := range use.Limits {
			seen[l.Name] = l
		}
		if l := seen["pause"]; l.RefusedDay != 3 || l.RefusedHour != 0 {
			t.Errorf("pause = %+v", l)
		}
		if l := seen["free"]; l.RefusedDay != 1 || l.Busiest != 1 {
			t.Errorf("free = %+v", l)
		}
		if l := seen["anyone"]; l.Busiest != 2 || l.Most != 30 {
			t.Errorf("anyone = %+v", l)
		}
	})
}

func TestMessagesToOthersCountAgainstTheCeiling(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.Limits.Hourly, k.Limits.Ceiling = 2, 4
		text := func(n int) error {
			return k.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				return k.TextTo(ctx, tx, phone(n), "enterprise.invitation", nil)
			})
		}
		fine := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for n := range 2 {
			fine(text(n))
		}
		err := text(2)
		want(t, err, account.CodeTextBusy)
		if member(err, "retryAfterSeconds") == nil {
			t.Error(err)
		}
		for n := range 2 { // codes have the rest of the house's
			fine(k.login(phone(n), home, "", "", 0))
		}
		want(t, k.login(phone(3), elsewhere(3), "", "", 0), account.CodeBusy)
		use, err := k.SMSUse(t.Context())
		if err != nil || use.Sent != 4 || use.Hours[23].Sent != 4 {
			t.Errorf("use = %+v, %v", use, err)
		}
		if i := slices.IndexFunc(use.Limits, func(l account.LimitUse) bool { return l.Name == "others" }); i < 0 || use.Limits[i].Busiest != 2 || use.Limits[i].Most != 2 {
			t.Errorf("limits = %+v", use.Limits)
		}
		k.clock.Advance(time.Hour)
		fine(text(2))
	})
}
