package custody_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

func TestWrongPINIsChargedOnceAndLocksByTheLadder(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		for n := 1; n <= 10; n++ {
			op := s.confirm(t)
			_, err := s.phone.Perform(ctx, op, wrongPIN, nil)
			members := refused(t, err, custody.CodeWrongPIN)
			if members["remaining"] != 10-n {
				t.Fatalf("entry %d: remaining = %v", n, members["remaining"])
			}
			st := s.status(t)
			if st.Remaining != 10-n || st.Locked != (n == 10) {
				t.Fatalf("entry %d: %+v", n, st)
			}
			pause := map[int]time.Duration{5: 30 * time.Minute, 8: 24 * time.Hour}[n]
			if pause == 0 {
				if _, told := members["lockedUntil"]; told || !st.LockedUntil.IsZero() {
					t.Fatalf("entry %d locked: %+v", n, members)
				}
				continue
			}
			if until := s.clock.Now().Add(pause); !st.LockedUntil.Equal(until) || members["lockedUntil"] != until.Format(time.RFC3339) {
				t.Fatalf("entry %d: locked until %v, told %v", n, st.LockedUntil, members)
			}
			_, err = s.m.Open(ctx, s.phone.Holder, s.confirm(t))
			refused(t, err, custody.CodePINLockedFor)
			s.clock.Advance(pause - time.Millisecond)
			_, err = s.m.Open(ctx, s.phone.Holder, s.confirm(t))
			refused(t, err, custody.CodePINLockedFor)
			s.clock.Advance(time.Millisecond)
		}
		_, err := s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINLocked)
		s.clock.Advance(365 * 24 * time.Hour)
		_, err = s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINLocked)
	})
}

func TestRightPINClearsTheRunAndNotTheBudget(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		for range 10 { // 3 wrong, 1 right: a thief who guesses between the owner's entries
			for range 3 {
				_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
				refused(t, err, custody.CodeWrongPIN)
			}
			if s.status(t).FaceNeeded {
				break
			}
			must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
			if got := s.status(t).Remaining; got != 10 {
				t.Fatalf("remaining = %d after a right PIN", got)
			}
		}
		if got := s.wrong(); got != 30 {
			t.Fatalf("%d wrong entries used the budget up", got)
		}
		_, err := s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINBudget)

		face := func() {
			s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.FaceChecked(ctx, tx, s.phone.Holder.Account) })
		}
		face()
		for range 3 { // right entries go on under one face check
			must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
		}
		_, err = s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
		refused(t, err, custody.CodeWrongPIN)
		_, err = s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINBudget)

		s.clock.Advance(30 * 24 * time.Hour)
		must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
	})
}

func TestThousandParallelGuessesComputeFiveAndTenInAll(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		keys := must(s.phone.Install(ctx, custodytest.KMC(t, s.m, s.clock)))(t)
		second := must(s.phone.SigningKey(ctx))(t)
		public := s.phone.Records[keys.Encrypt].PublicKey
		expires := noon.Add(7 * 24 * time.Hour)
		for round, want := range []struct{ computed, guesses int }{{5, 1000}, {8, 40}, {10, 40}, {10, 40}} {
			ops := []string{must(s.phone.Authorise(ctx, custody.Activation{
				KeyID: keys.Encrypt, Business: "b", Subject: "s", Ciphertexts: [][]byte{must(custodytest.Encrypt(public, []byte("x")))(t)},
				PlatformCertificate: custodytest.Certificate, Expires: expires,
			}))(t)}
			for _, k := range []string{keys.Sign, second} {
				ops = append(ops, must(s.phone.Authorise(ctx, custody.Activation{
					KeyID: k, Business: "b", Subject: "s", ID: splitkey.IDDocument, M: []byte("document"), Expires: expires,
				}))(t))
			}
			ops = append(ops, s.confirm(t))
			var wg sync.WaitGroup
			var mu sync.Mutex
			told := map[string]int{}
			guess := func(op string) (locked bool) {
				_, err := s.phone.Perform(ctx, op, wrongPIN, nil)
				code, _ := fault.Of(err)
				mu.Lock()
				defer mu.Unlock()
				told[code.Name]++
				return errors.Is(err, custody.CodePINLockedFor) || errors.Is(err, custody.CodePINLocked)
			}
			for i := range want.guesses {
				wg.Go(func() { guess(ops[i%len(ops)]) })
			}
			wg.Wait()
			for !guess(ops[0]) { // whatever the others' nonces replaced
			}
			for name, n := range told {
				switch name {
				case custody.CodeWrongPIN.Name, custody.CodeStale.Name, custody.CodePINLockedFor.Name, custody.CodePINLocked.Name:
				default:
					t.Errorf("round %d: %d guesses ended with %s", round, n, name)
				}
			}
			if got := s.wrong(); got != want.computed {
				t.Fatalf("round %d: %d guesses computed, want %d", round, got, want.computed)
			}
			s.clock.Advance(24 * time.Hour)
		}
	})
}

// TestKillsBetweenChargeAndComputationGiveNoGuesses: an attempt that broke off
// counts as one, so kills buy a thief nothing.
func TestKillsBetweenChargeAndComputationGiveNoGuesses(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		killed := errors.New("killed")
		var charged atomic.Int64
		s.m.Interrupt(func(step string) error {
			if step == "charged" && charged.Add(1)%2 == 1 {
				return killed
			}
			return nil
		})
		ops := []string{s.confirm(t)}
		for _, subject := range []string{"a", "b", "c"} {
			key := must(s.phone.Generate(t.Context(), custody.KindSign, subject))(t)
			ops = append(ops, must(s.phone.Document(t.Context(), key, subject, "x"))(t))
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() { s.phone.Perform(t.Context(), ops[i%len(ops)], wrongPIN, nil) })
		}
		wg.Wait()
		for locked := false; !locked; {
			_, err := s.phone.Perform(t.Context(), ops[0], wrongPIN, nil)
			locked = errors.Is(err, custody.CodePINLockedFor)
		}
		if n := charged.Load(); n != 5 || s.wrong() != 2 || s.status(t).Remaining != 5 {
			t.Fatalf("%d charged, %d computed, %+v", n, s.wrong(), s.status(t))
		}
	})
}

func TestTenthWrongPINDestroysThePepper(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		peppers := func() (n int) {
			ok(t, s.st.View(ctx, func(ctx context.Context, tx work.Tx) error {
				shares, err := s.st.Custody().SharesOf(ctx, tx, s.phone.Holder.Account)
				for _, sh := range shares {
					if _, err := s.st.Custody().Pepper(ctx, tx, sh.PepperID); err == nil {
						n++
					}
				}
				return err
			}))
			return n
		}
		wrong := func() {
			s.clock.Advance(24 * time.Hour)
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		for range 9 {
			wrong()
		}
		if peppers() != 1 {
			t.Fatal("the pepper is gone before the tenth failure")
		}
		wrong()
		if peppers() != 0 {
			t.Fatal("the pepper outlived the tenth failure")
		}
	})
}

// TestChargeThatBrokeOffIsSettledByItsJob ends the process between the tenth
// charge and the computation: the lock stands, and its job destroys the pepper.
func TestChargeThatBrokeOffIsSettledByItsJob(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		for range 9 {
			s.clock.Advance(24 * time.Hour)
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		s.clock.Advance(24 * time.Hour)
		killed := errors.New("killed")
		s.m.Interrupt(func(step string) error {
			if step == "charged" {
				return killed
			}
			return nil
		})
		if _, err := s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil); !errors.Is(err, killed) {
			t.Fatal(err)
		}
		s.restart(t)
		_, err := s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINLocked)
		s.clock.Advance(2 * time.Minute)
		r := job.New(s.st, s.clock, s.deps.Rand, s.deps.Log)
		s.m.Register(r)
		r.Handle(custody.TopicNotice, job.Brief, func(context.Context, []byte) error { return nil })
		ok(t, r.Drain(ctx))
		ok(t, s.st.View(ctx, func(ctx context.Context, tx work.Tx) error {
			shares, err := s.st.Custody().SharesOf(ctx, tx, s.phone.Holder.Account)
			if err != nil {
				return err
			}
			if _, err := s.st.Custody().Pepper(ctx, tx, shares[0].PepperID); !errors.Is(err, work.ErrNotFound) {
				t.Fatalf("the pepper is still there: %v", err)
			}
			return nil
		}))
	})
}

func TestThirdWrongPINIsTold(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		var told []custody.Notice
		r := job.New(s.st, s.clock, s.deps.Rand, s.deps.Log)
		s.m.Register(r)
		r.Handle(custody.TopicNotice, job.Brief, func(_ context.Context, body []byte) error {
			var n custody.Notice
			told = append(told, n)
			return json.Unmarshal(body, &told[len(told)-1])
		})
		for n := 1; n <= 4; n++ {
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
			s.clock.Advance(2 * time.Minute) // the settling job of the charge is due too
			ok(t, r.Drain(ctx))
			want := 0
			if n >= 3 {
				want = 1
			}
			if len(told) != want {
				t.Fatalf("%d notices after %d wrong entries", len(told), n)
			}
		}
		if told[0].Account != s.phone.Holder.Account || told[0].Wrong != 3 {
			t.Fatalf("notice = %+v", told[0])
		}
	})
}

func TestRightPINAfterTwoWrongIsNotTold(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		for range 2 {
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
		s.clock.Advance(2 * time.Minute)
		r := job.New(s.st, s.clock, s.deps.Rand, s.deps.Log)
		s.m.Register(r)
		r.Handle(custody.TopicNotice, job.Brief, func(context.Context, []byte) error {
			t.Error("told of a third wrong PIN that was right")
			return nil
		})
		ok(t, r.Drain(ctx))
	})
}
