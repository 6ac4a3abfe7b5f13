package custody_test

import (
	"crypto/rand"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/id"
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
