package custody_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/id"
	"tianweitong/splitkey"
)

// TestKeyInTheMakingClearsNoRun: a thief masks what he makes himself under a PIN
// of his own, so its right proof says nothing about the owner's PIN.
func TestKeyInTheMakingClearsNoRun(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		prove := func() {
			owner := s.phone.PIN
			defer func() { s.phone.PIN = owner }()
			s.phone.PIN = "999111"
			subject := id.New(rand.Reader)
			key := must(s.phone.Generate(ctx, custody.KindSign, subject))(t)
			op := must(s.phone.Document(ctx, key, subject, "a request"))(t)
			must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)
		}
		for n := 1; n <= 4; n++ {
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
			prove()
			if got := s.status(t).Remaining; got != 10-n {
				t.Fatalf("remaining = %d after %d wrong PINs", got, n)
			}
		}
		_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
		refused(t, err, custody.CodeWrongPIN)
		_, err = s.m.Open(ctx, s.phone.Holder, s.confirm(t))
		refused(t, err, custody.CodePINLockedFor)
		s.clock.Advance(30 * time.Minute)
		prove() // its own charge is no wrong PIN either
		if st := s.status(t); st.Remaining != 5 || !st.LockedUntil.IsZero() {
			t.Fatalf("%+v", st)
		}
		must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
		s.remaining(t, 10)
	})
}

// TestActiveKeysClearTheRun: the owner masked their shares, and a bidder who
// signs right with any of them has shown his PIN.
func TestActiveKeysClearTheRun(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		key := must(s.phone.SigningKey(ctx))(t)
		for range 2 {
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		s.remaining(t, 8)
		must(s.phone.Perform(ctx, must(s.phone.Document(ctx, key, "s", "x"))(t), s.phone.PIN, nil))(t)
		s.remaining(t, 10)
	})
}

// remaining fails unless so many entries remain.
func (s *stage) remaining(t testing.TB, want int) {
	t.Helper()
	if st := s.status(t); st.Remaining != want {
		t.Fatalf("%+v, want %d remaining", st, want)
	}
}

// newPIN is a phone whose new PIN was typed once, with the operation that
// compares the second typing.
func (s *stage) newPIN(t testing.TB) (p *custodytest.Phone, op string) {
	t.Helper()
	p = custodytest.NewPhone(id.New(rand.Reader), s.m, s.st, s.clock)
	subject := id.New(rand.Reader)
	key := must(p.Generate(t.Context(), custody.KindPIN, subject))(t)
	return p, must(p.Confirm(t.Context(), key, splitkey.IDPIN, "pin.set", subject))(t)
}

// TestSecondTypingIsComputedOnce: it charges nobody, so there is one guess at the
// new PIN and no second beside it or after a crash.
func TestSecondTypingIsComputedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		p, op := s.newPIN(t)
		s.m.Interrupt(func(step string) error {
			if step == "charged" {
				s.m.Interrupt(nil)
				_, err := p.Perform(ctx, op, p.PIN, nil)
				refused(t, err, custody.CodeEnrolment)
			}
			return nil
		})
		_, err := p.Perform(ctx, op, wrongPIN, nil)
		refused(t, err, custody.CodePINMismatch)
		_, err = p.Perform(ctx, op, p.PIN, nil)
		refused(t, err, custody.CodeKeyUnusable)
		if got := s.wrong(); got != 1 {
			t.Fatalf("%d guesses at one new PIN", got)
		}
	})
}

func TestSecondTypingThatBrokeOffIsTheLast(t *testing.T) {
	for _, step := range []string{"charged", "computed"} {
		t.Run(step, func(t *testing.T) {
			each(t, func(t *testing.T, s *stage) {
				ctx := t.Context()
				p, op := s.newPIN(t)
				killed := errors.New("killed")
				s.m.Interrupt(func(at string) error {
					if at == step {
						return killed
					}
					return nil
				})
				if _, err := p.Perform(ctx, op, p.PIN, nil); !errors.Is(err, killed) {
					t.Fatal(err)
				}
				s.restart(t)
				p.Door = s.m
				for range 2 {
					_, err := p.Perform(ctx, op, wrongPIN, nil)
					refused(t, err, custody.CodeEnrolment)
				}
				if got := s.wrong(); got != 0 {
					t.Fatalf("%d guesses after the crash", got)
				}
				must(p.SetPIN(ctx))(t) // the user enrols again
			})
		})
	}
}

func TestParallelSecondTypingsComputeOnce(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		p, op := s.newPIN(t)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 50 { // whatever the others' nonces replaced
					if _, err := p.Perform(ctx, op, wrongPIN, nil); !errors.Is(err, custody.CodeStale) {
						return
					}
				}
			})
		}
		wg.Wait()
		p.Perform(ctx, op, wrongPIN, nil) // if none came through
		if got := s.wrong(); got != 1 {
			t.Fatalf("%d guesses at one new PIN", got)
		}
	})
}

// TestProvedPINKeyServesAgainBeforeItIsActive: a re-key confirms more than once
// with it.
func TestProvedPINKeyServesAgainBeforeItIsActive(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		p, op := s.newPIN(t)
		must(p.Perform(ctx, op, p.PIN, nil))(t)
		a := must(s.m.Activation(ctx, p.Holder, op))(t)
		again := must(p.Confirm(ctx, a.KeyID, splitkey.IDPIN, "b", a.Subject))(t)
		must(p.Perform(ctx, again, p.PIN, nil))(t)
		ok(t, p.Activate(ctx, a.KeyID))
	})
}

// TestEnrolmentsOfOneSubjectAreLimited: every key that was made leaves a row, which
// whoever asks for the account's keys reads.
func TestEnrolmentsOfOneSubjectAreLimited(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		for range 20 {
			must(s.phone.Generate(ctx, custody.KindSign, "installation-1"))(t)
		}
		_, err := s.phone.Generate(ctx, custody.KindSign, "installation-1")
		refused(t, err, custody.CodeTooMany)
		must(s.phone.Generate(ctx, custody.KindSign, "installation-2"))(t)
		s.clock.Advance(24 * time.Hour)
		must(s.phone.Generate(ctx, custody.KindSign, "installation-1"))(t)
	})
}
