package realname_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Made-up people: the numbers' check characters are right, the places are not.
const (
	name   = "测试甲"
	number = "11010519491231002X"
	second = "110105199001010010"
)

// codes stands in for package account: every ticket but "bad" serves.
type codes struct{}

func (codes) CheckCode(_ context.Context, ticket, _ string, p account.Purpose, _ string) error {
	if ticket == "bad" || p != account.PurposeRealname {
		return account.CodeWrong
	}
	return nil
}

func (codes) Spend(context.Context, work.Tx, string, account.Purpose, string) error { return nil }

func (codes) PhoneNumber(_ context.Context, _ work.Tx, _ string) (string, error) {
	return "13900000001", nil
}

// checker answers as it is told and charges each reference once.
type checker struct {
	mu      sync.Mutex
	factors realname.Answer
	face    realname.Answer
	away    error // fails after the request arrived
	deaf    error // fails before the request arrived
	charged map[string]realname.Answer
	videos  [][]byte
	cards   []string
}

func (k *checker) PersonFactors(_ context.Context, q realname.Query) (realname.Answer, error) {
	return k.answer(q.Ref, true, k.factors)
}

func (k *checker) CardFactors(_ context.Context, q realname.CardQuery) (realname.Answer, error) {
	k.cards = append(k.cards, q.Card)
	return k.answer(q.Ref, true, k.factors)
}

func (k *checker) Face(_ context.Context, q realname.FaceQuery) (realname.Answer, error) {
	if q.Video != nil {
		k.videos = append(k.videos, q.Video)
	}
	return k.answer(q.Ref, q.Video != nil, k.face)
}

func (k *checker) answer(ref string, arrives bool, a realname.Answer) (realname.Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deaf != nil {
		return realname.Answer{}, k.deaf
	}
	if _, known := k.charged[ref]; !known {
		if !arrives {
			return realname.Answer{}, realname.ErrNoSuchCheck
		}
		k.charged[ref] = a
	}
	return k.charged[ref], k.away
}

type kit struct {
	*realname.Service
	t       *testing.T
	st      *store.Store
	clock   *clock.Manual
	checker *checker
	jobs    *job.Runner
}

func each(t *testing.T, f func(t *testing.T, k *kit)) {
	t.Helper()
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		k := &kit{t: t, st: st, clock: c, checker: &checker{charged: map[string]realname.Answer{}}}
		k.checker.factors.Passed, k.checker.face.Passed = true, true
		k.restart()
		f(t, k)
	})
}

// restart is a new process over the same store.
func (k *kit) restart() {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	k.Service = realname.New(realname.Deps{Runner: k.st, Store: people.Realnames(k.st), Clock: k.clock, Rand: rand.Reader, Box: k.st.Box,
		Accounts: codes{}, Checker: k.checker, Log: log})
	k.jobs = job.New(k.st, k.clock, rand.Reader, log)
	k.Register(k.jobs)
}

func application(n, id string) realname.Application {
	return realname.Application{Name: n, IDNumber: id, Ticket: "t", Code: "c", Method: "phone", ConsentFace: true}
}

func caller(acc string) account.Caller { return account.Caller{Account: acc, Session: "s-" + acc} }

func (k *kit) start(acc, n, id string) realname.Check {
	k.t.Helper()
	c, err := k.Start(k.t.Context(), caller(acc), application(n, id))
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func (k *kit) video(c realname.Check) realname.Check {
	k.t.Helper()
	c, err := k.Video(k.t.Context(), c.Account, c.ID, []byte("video"))
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func (k *kit) read(c realname.Check) (got realname.Check) {
	k.t.Helper()
	err := k.st.View(k.t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		got, err = k.Get(ctx, tx, c.Account, c.ID)
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return got
}

func (k *kit) person(acc string) (p realname.Person, err error) {
	err = k.st.View(k.t.Context(), func(ctx context.Context, tx work.Tx) error {
		p, err = k.Person(ctx, tx, acc)
		return err
	})
	return p, err
}

func (k *kit) later(d time.Duration) {
	k.t.Helper()
	k.clock.Advance(d)
	if err := k.jobs.Drain(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

func in(t *testing.T, c realname.Check, s realname.State, reason fault.Code) {
	t.Helper()
	if c.State != s || c.Reason != reason.Name {
		t.Fatalf("state = %s, reason = %q; want %s, %q", c.State, c.Reason, s, reason.Name)
	}
}

func want(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("err = %v, want %s", err, code.Name)
	}
}

var none fault.Code

func TestFactorsAndFaceMakeAVerifiedPerson(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		_, err := k.person("a")
		want(t, err, realname.CodeNotVerified)
		c := k.start("a", name, "11010519491231002x")
		in(t, c, realname.StateFace, none)
		c = k.video(c)
		in(t, c, realname.StatePassed, none)
		p, err := k.person("a")
		if err != nil || p.Name != name || p.IDNumber != number || p.Holder == "" || p.IDType != realname.IDResident || !p.VerifiedAt.Equal(noon) {
			t.Fatalf("person = %+v, %v", p, err)
		}
		if c := k.read(c); c.Name+c.IDNumber+c.Phone != "" {
			t.Fatal("a check that is over still holds what was checked")
		}
		if len(k.checker.charged) != 2 {
			t.Fatalf("%d calls were charged", len(k.checker.charged))
		}
		_, err = k.Start(t.Context(), caller("a"), application(name, number))
		want(t, err, realname.CodeAlready)
	})
}

func TestBadApplicationsAreRefusedBeforeAnythingIsCharged(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		good := application(name, number)
		for _, x := range []struct {
			change func(*realname.Application)
			code   fault.Code
		}{
			{func(a *realname.Application) { a.Name = "A" }, realname.CodeName},
			{func(a *realname.Application) { a.IDNumber = "110105194912310021" }, realname.CodeIDNumber},
			{func(a *realname.Application) { a.Method = "" }, realname.CodeMethod},
			{func(a *realname.Application) { a.Method = realname.MethodBank }, realname.CodeCard},
			{func(a *realname.Application) { a.Method, a.BankCard = realname.MethodBank, "6222021234567890129" }, realname.CodeCard},
			{func(a *realname.Application) { a.ConsentFace = false }, realname.CodeConsent},
			{func(a *realname.Application) { a.Ticket = "bad" }, account.CodeWrong},
		} {
			a := good
			x.change(&a)
			_, err := k.Start(t.Context(), caller("a"), a)
			want(t, err, x.code)
		}
		if len(k.checker.charged) != 0 {
			t.Fatal("the checker was asked")
		}
		if c := k.start("a", name, number); c.Remaining != realname.Daily-1 {
			t.Fatalf("remaining = %d", c.Remaining)
		}
	})
}

func TestRefusedFactorsSayWhyAndCanBeTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.factors = realname.Answer{Reason: realname.ReasonFactors}
		c := k.start("a", name, number)
		in(t, c, realname.StateRefused, realname.ReasonFactors)
		_, err := k.Video(t.Context(), "a", c.ID, []byte("video"))
		want(t, err, realname.CodeOver)
		k.checker.factors = realname.Answer{Passed: true}
		in(t, k.start("a", name, number), realname.StateFace, none)
	})
}

const card = "6222021234567890128" // made up; its check digit is right

func bank() realname.Application {
	a := application(name, number)
	a.Method, a.BankCard = realname.MethodBank, "6222 0212 3456 7890 128"
	return a
}

func TestBankCardServesInPlaceOfThePhoneAndIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.away = errors.New("away")
		c, err := k.Start(t.Context(), caller("a"), bank())
		if err != nil {
			t.Fatal(err)
		}
		in(t, c, realname.StateFactors, none)
		if c := k.read(c); c.Card != card {
			t.Fatal("the number is not kept for the question that is outstanding")
		}
		k.checker.away = nil
		k.restart()
		k.later(time.Minute)
		c = k.read(c)
		in(t, c, realname.StateFace, none)
		if len(k.checker.charged) != 1 || len(k.checker.cards) != 2 || k.checker.cards[1] != card {
			t.Fatalf("%d charged, asked with %q", len(k.checker.charged), k.checker.cards)
		}
		if c.Card != "" || c.CardTail != "0128" || len(c.CardHash) < 32 {
			t.Fatalf("kept: %q, %q, %q", c.Card, c.CardTail, c.CardHash)
		}
		in(t, k.video(c), realname.StatePassed, none)
		if p, err := k.person("a"); err != nil || p.Name != name {
			t.Fatalf("person = %+v, %v", p, err)
		}
	})
}

func TestRefusedCardSaysWhyAndBothMethodsShareTheDaysAttempts(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		for n, reason := range []fault.Code{realname.ReasonCard, realname.ReasonCardPhone, realname.ReasonCardUnusable} {
			k.checker.factors = realname.Answer{Reason: reason}
			c, err := k.Start(t.Context(), caller("a"), bank())
			if err != nil {
				t.Fatal(err)
			}
			in(t, c, realname.StateRefused, reason)
			if c.Remaining != realname.Daily-1-n {
				t.Fatalf("remaining = %d", c.Remaining)
			}
			if c := k.read(c); c.Card != "" || c.CardTail != "0128" {
				t.Fatalf("kept: %q, %q", c.Card, c.CardTail)
			}
		}
		k.checker.factors = realname.Answer{Reason: realname.ReasonFactors}
		if c := k.start("a", name, number); c.Remaining != 1 {
			t.Fatalf("remaining = %d", c.Remaining)
		}
		k.start("a", name, number)
		_, err := k.Start(t.Context(), caller("a"), bank())
		want(t, err, realname.CodeTooMany)
	})
}

func TestUnfinishedCheckForgetsItsCard(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.deaf = errors.New("deaf")
		c, err := k.Start(t.Context(), caller("a"), bank())
		if err != nil {
			t.Fatal(err)
		}
		k.later(realname.Life)
		if c := k.read(c); c.State != realname.StateRefused || c.Card != "" {
			t.Fatalf("state = %s, card = %q", c.State, c.Card)
		}
		if c, err = k.Start(t.Context(), caller("a"), bank()); err != nil {
			t.Fatal(err)
		}
		k.start("a", name, number) // begun again the other way
		if c := k.read(c); c.State != realname.StateEnded || c.Card != "" {
			t.Fatalf("state = %s, card = %q", c.State, c.Card)
		}
	})
}

func TestFiveAttemptsADayAndRefusedFacesCount(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.face = realname.Answer{Reason: realname.ReasonNotLive}
		c := k.start("a", name, number)
		for left := realname.Daily - 1; left > 0; left-- {
			c = k.video(c)
			in(t, c, realname.StateFace, realname.ReasonNotLive)
			if c.Remaining != left {
				t.Fatalf("remaining = %d, want %d", c.Remaining, left)
			}
		}
		c = k.video(c)
		in(t, c, realname.StateRefused, realname.ReasonNotLive)
		if c.Remaining != 0 {
			t.Fatalf("remaining = %d", c.Remaining)
		}
		_, err := k.Start(t.Context(), caller("a"), application(name, number))
		want(t, err, realname.CodeTooMany)
		in(t, k.start("b", "测试乙", second), realname.StateFace, none)
		k.later(4 * time.Hour) // midnight in China
		in(t, k.start("a", name, number), realname.StateFace, none)
	})
}

func TestParallelStartsCountFive(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.factors = realname.Answer{Reason: realname.ReasonFactors}
		var started atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := k.Start(context.Background(), caller("a"), application(name, number))
				switch {
				case err == nil:
					started.Add(1)
				case !errors.Is(err, realname.CodeTooMany):
					t.Errorf("err = %v", err)
				}
			})
		}
		wg.Wait()
		if started.Load() != realname.Daily {
			t.Fatalf("%d attempts in a day", started.Load())
		}
	})
}

func TestIDNumberOfAnotherAccountIsRefusedClearly(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.video(k.start("a", name, number))
		c := k.start("b", name, number)
		in(t, c, realname.StateRefused, realname.ReasonTaken)
		if reason, known := realname.Reason(c.Reason); !known || reason.Text == "" {
			t.Fatal("the reason has no sentence")
		}
		// Who does not hold the factors is not told that the number is taken.
		k.checker.factors = realname.Answer{Reason: realname.ReasonFactors}
		in(t, k.start("c", name, number), realname.StateRefused, realname.ReasonFactors)
	})
}

func TestTwoAccountsVerifiedAtOnceMakeOnePerson(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		accounts := []string{"a", "b", "c", "d"}
		var checks []realname.Check
		for _, acc := range accounts {
			checks = append(checks, k.start(acc, name, number))
		}
		var passed, taken atomic.Int64
		var wg sync.WaitGroup
		for _, c := range checks {
			wg.Go(func() {
				c, err := k.Video(context.Background(), c.Account, c.ID, []byte("video"))
				switch {
				case err == nil && c.State == realname.StatePassed:
					passed.Add(1)
				case err == nil && c.Reason == realname.ReasonTaken.Name:
					taken.Add(1)
				default:
					t.Errorf("check = %+v, %v", c, err)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 1 || taken.Load() != 3 {
			t.Fatalf("%d passed, %d told that the number is taken", passed.Load(), taken.Load())
		}
	})
}

// followers keep the names that changed.
type followers struct{ heard []string }

func (f *followers) PersonChanged(_ context.Context, _ work.Tx, account, before, after string) error {
	f.heard = append(f.heard, account+": "+before+" → "+after)
	return nil
}

func TestWhoFollowsNamesHearsOfANewOneOnce(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		f := &followers{}
		k.Changed = f
		k.video(k.start("a", name, number))
		k.video(k.start("a", "测试乙", number))
		if want := []string{"a: " + name + " → 测试乙"}; !slices.Equal(f.heard, want) {
			t.Errorf("heard %q, want %q", f.heard, want)
		}
	})
}

func TestChangedNameKeepsTheHolder(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.video(k.start("a", name, number))
		before, err := k.person("a")
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Start(t.Context(), caller("a"), application("测试乙", second))
		want(t, err, realname.CodeOtherPerson)
		in(t, k.video(k.start("a", "测试乙", number)), realname.StatePassed, none)
		after, err := k.person("a")
		if err != nil || after.Name != "测试乙" || after.Holder != before.Holder || after.IDNumber != number {
			t.Fatalf("person = %+v, %v", after, err)
		}
	})
}

func TestCheckerThatTimesOutIsAskedAgainByTheSameReference(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		timeout := errors.New("timeout")
		for step, fails := range map[string]*error{"answer lost": &k.checker.away, "request lost": &k.checker.deaf} {
			clear(k.checker.charged)
			*fails = timeout
			c := k.start(step, name, number)
			in(t, c, realname.StateFactors, none)
			_, err := k.Video(t.Context(), c.Account, c.ID, []byte("video"))
			want(t, err, realname.CodeBusy)
			k.later(time.Minute)
			in(t, k.read(c), realname.StateFactors, none)
			*fails = nil
			k.later(time.Minute)
			in(t, k.read(c), realname.StateFace, none)
			if len(k.checker.charged) != 1 {
				t.Fatalf("%s: %d calls were charged for one answer", step, len(k.checker.charged))
			}
		}
	})
}

func TestFaceWhoseAnswerWasLostIsNotChargedTwice(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.start("a", name, number)
		k.checker.away = errors.New("timeout")
		c = k.video(c)
		in(t, c, realname.StateChecking, none)
		_, err := k.Video(t.Context(), "a", c.ID, []byte("video"))
		want(t, err, realname.CodeBusy)
		k.checker.away = nil
		k.restart()
		k.later(time.Minute)
		in(t, k.read(c), realname.StatePassed, none)
		if len(k.checker.charged) != 2 || len(k.checker.videos) != 1 {
			t.Fatalf("%d charged, %d videos sent", len(k.checker.charged), len(k.checker.videos))
		}
	})
}

func TestFaceThatNeverArrivedIsRecordedAgainWithoutCounting(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.start("a", name, number)
		k.checker.face = realname.Answer{Reason: realname.ReasonFace}
		c = k.video(c)
		in(t, c, realname.StateFace, realname.ReasonFace)
		left := c.Remaining
		k.checker.deaf = errors.New("connection refused")
		in(t, k.video(c), realname.StateChecking, none)
		k.checker.deaf = nil
		k.restart()
		k.later(time.Minute)
		c = k.read(c)
		in(t, c, realname.StateFace, realname.ReasonLost)
		if c.Remaining != left {
			t.Fatalf("remaining = %d, was %d", c.Remaining, left)
		}
		k.checker.face = realname.Answer{Passed: true}
		in(t, k.video(c), realname.StatePassed, none)
	})
}

// crash stops the process before the n-th transaction of a step.
type crash struct {
	work.Runner
	before int
}

var errCrash = errors.New("the process died")

func (c *crash) Do(ctx context.Context, name string, f func(context.Context, work.Tx) error) error {
	if c.before--; c.before <= 0 {
		return errCrash
	}
	return c.Runner.Do(ctx, name, f)
}

func TestProcessThatDiesAfterARecordedStepGoesOnWhereItWas(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		// Dies after the checker answered and before the answer was recorded.
		k.Service.Runner = &crash{k.st, 2}
		c := k.start("a", name, number)
		in(t, c, realname.StateFactors, none)
		k.restart()
		k.later(time.Minute)
		c = k.read(c)
		in(t, c, realname.StateFace, none)

		k.Service.Runner = &crash{k.st, 2}
		in(t, k.video(c), realname.StateChecking, none)
		k.restart()
		k.later(time.Minute)
		in(t, k.read(c), realname.StatePassed, none)
		if len(k.checker.charged) != 2 {
			t.Fatalf("%d calls were charged for two answers", len(k.checker.charged))
		}
		n, err := k.st.CountJobs(t.Context())
		if err != nil || len(n) != 1 || n[0].Topic != "realname.expire" {
			t.Fatalf("jobs = %v, %v", n, err)
		}
	})
}

func TestCheckThatIsNotAnsweredInTimeGivesItsAttemptBack(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.checker.deaf = errors.New("timeout")
		c := k.start("a", name, number)
		for range 40 {
			k.later(time.Minute)
		}
		c = k.read(c)
		in(t, c, realname.StateRefused, realname.ReasonAway)
		if c.Remaining != realname.Daily || c.Name+c.IDNumber+c.Phone != "" {
			t.Fatalf("check = %+v", c)
		}
	})
}

func TestCheckWithoutAVideoEndsAfterHalfAnHour(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.start("a", name, number)
		k.clock.Advance(realname.Life)
		_, err := k.Video(t.Context(), "a", c.ID, []byte("video"))
		want(t, err, realname.CodeOver)
		k.later(0)
		c = k.read(c)
		in(t, c, realname.StateEnded, none)
		if c.Name+c.IDNumber+c.Phone != "" {
			t.Fatal("an abandoned check keeps what was checked")
		}
	})
}

func TestNewStartEndsTheOldCheck(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		first := k.start("a", name, number)
		next := k.start("a", "测试乙", second)
		_, err := k.Video(t.Context(), "a", first.ID, []byte("video"))
		want(t, err, realname.CodeOver)
		in(t, k.video(next), realname.StatePassed, none)
	})
}

func TestAnotherAccountsCheckIsUnknown(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		c := k.start("a", name, number)
		_, err := k.Video(t.Context(), "b", c.ID, []byte("video"))
		want(t, err, realname.CodeUnknown)
		_, err = k.Video(t.Context(), "a", "x", []byte("video"))
		want(t, err, realname.CodeUnknown)
		_, err = k.Video(t.Context(), "a", c.ID, nil)
		want(t, err, realname.CodeVideo)
	})
}

func TestFlowAsksForAFaceOncePerSubject(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		ask := func(subject string) (c realname.Check, err error) {
			err = k.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
				c, err = k.StartFace(ctx, tx, "a", realname.PurposeRecover, subject)
				return err
			})
			return c, err
		}
		_, err := ask("r1")
		want(t, err, realname.CodeNotVerified)
		k.video(k.start("a", name, number))

		c, err := ask("r1")
		if err != nil {
			t.Fatal(err)
		}
		in(t, c, realname.StateFace, none)
		if again, err := ask("r1"); err != nil || again.ID != c.ID {
			t.Fatalf("again = %+v, %v", again, err)
		}
		c = k.video(c)
		in(t, c, realname.StatePassed, none)
		if c.Subject != "r1" || c.Purpose != realname.PurposeRecover || c.Remaining != realname.Daily-1 {
			t.Fatalf("check = %+v", c)
		}
		if again, err := ask("r1"); err != nil || again.ID != c.ID {
			t.Fatalf("a passed check was not given again: %+v, %v", again, err)
		}

		k.checker.face = realname.Answer{Reason: realname.ReasonFace}
		for range realname.Daily - 1 {
			if c, err = ask("r2"); err != nil {
				t.Fatal(err)
			}
			c = k.video(c)
		}
		in(t, c, realname.StateRefused, realname.ReasonFace)
		_, err = ask("r2")
		want(t, err, realname.CodeTooMany)
		if p, err := k.person("a"); err != nil || p.Name != name {
			t.Fatalf("a refused face changed the person: %+v, %v", p, err)
		}
	})
}
