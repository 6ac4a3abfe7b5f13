package custody_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// uncharged fails if anything was computed or charged since the stage was set.
func (s *stage) uncharged(t testing.TB) {
	t.Helper()
	if st := s.status(t); st.Remaining != 10 || s.wrong() != 0 {
		t.Fatalf("charged: %+v, %d wrong computations", st, s.wrong())
	}
}

func TestNonceServesOneAnswer(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		bad := must(s.phone.Answer(o, wrongPIN))(t)
		good := must(s.phone.Answer(o, s.phone.PIN))(t)
		_, err := s.m.Answer(ctx, s.phone.Holder, op, bad, nil)
		refused(t, err, custody.CodeWrongPIN)
		_, err = s.m.Answer(ctx, s.phone.Holder, op, good, nil)
		refused(t, err, custody.CodeStale)
		if got := s.status(t).Remaining; got != 9 {
			t.Fatalf("remaining = %d", got)
		}
	})
}

func TestTwoAnswersToOneNonceAtOnceComputeOnce(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Go(func() {
				a, err := s.phone.Answer(o, wrongPIN)
				if err == nil {
					_, err = s.m.Answer(ctx, s.phone.Holder, op, a, nil)
				}
				errs[i] = err
			})
		}
		wg.Wait()
		wrong := 0
		for _, err := range errs {
			if errors.Is(err, custody.CodeWrongPIN) {
				wrong++
			} else {
				refused(t, err, custody.CodeStale)
			}
		}
		if wrong != 1 || s.wrong() != 1 || s.status(t).Remaining != 9 {
			t.Fatalf("%d wrong answers, %d computed", wrong, s.wrong())
		}
	})
}

// TestSweptNonceStopsNobody: an answer is charged in the last moment of its
// nonce, and another account's Open sweeps what has expired before it computes.
func TestSweptNonceStopsNobody(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		other := custodytest.NewPhone(id.New(rand.Reader), s.m, s.st, s.clock)
		key := must(other.SetPIN(ctx))(t)
		s.clock.Advance(10 * time.Minute)
		op := must(other.Confirm(ctx, key, splitkey.IDPIN, "b", "s"))(t)
		o := must(s.m.Open(ctx, other.Holder, op))(t)
		a := must(other.Answer(o, other.PIN))(t)
		s.clock.Advance(o.Expires.Sub(s.clock.Now()) - time.Millisecond)
		mine := s.confirm(t)
		s.m.Interrupt(func(step string) error {
			if step == "charged" {
				s.clock.Advance(2 * time.Millisecond)
				must(s.m.Open(ctx, s.phone.Holder, mine))(t)
			}
			return nil
		})
		_, err := s.m.Answer(ctx, other.Holder, op, a, nil)
		s.m.Interrupt(nil)
		ok(t, err)
		ok(t, s.m.Healthy())
		if got := must(s.m.PIN(ctx, other.Holder.Account))(t).Remaining; got != 10 {
			t.Fatalf("remaining = %d", got)
		}
		must(s.phone.Perform(ctx, mine, s.phone.PIN, nil))(t)
	})
}

// TestOneOpenNonceAPublicKey: a second nonce on any operation of a key replaces
// the first, or a phone could forge (docs/split-keys.md §1.1).
func TestOneOpenNonceAPublicKey(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		first, second := s.confirm(t), s.confirm(t)
		a := s.answer(t, first, s.phone.PIN)
		b := s.answer(t, second, s.phone.PIN)
		_, err := s.m.Answer(ctx, s.phone.Holder, first, a, nil)
		refused(t, err, custody.CodeStale)
		must(s.m.Answer(ctx, s.phone.Holder, second, b, nil))(t)
		s.uncharged(t)
	})
}

// TestReplacedNonceLeavesMemory: who opens an operation over and over keeps one ω.
func TestReplacedNonceLeavesMemory(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op, before := s.confirm(t), s.m.Nonces()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { s.m.Open(ctx, s.phone.Holder, op) })
		}
		wg.Wait()
		must(s.m.Open(ctx, s.phone.Holder, op))(t)
		if n := s.m.Nonces() - before; n != 1 {
			t.Fatalf("%d nonces of one key are kept", n)
		}
		// What is being answered is not the next Open's to wipe.
		a := s.answer(t, op, s.phone.PIN)
		s.m.Interrupt(func(step string) error {
			if step == "charged" {
				must(s.m.Open(ctx, s.phone.Holder, op))(t)
			}
			return nil
		})
		must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)
	})
}

func TestNonceOfAnotherOperationIsStale(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		other := must(s.phone.SigningKey(ctx))(t)
		op := must(s.phone.Document(ctx, other, "s", "一"))(t)
		twin := must(s.phone.Document(ctx, other, "s", "一"))(t) // the same message
		a := s.answer(t, op, s.phone.PIN)
		_, err := s.m.Answer(ctx, s.phone.Holder, twin, a, nil)
		refused(t, err, custody.CodeStale)
		must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)

		pinOp := s.confirm(t)
		b := s.answer(t, pinOp, s.phone.PIN)
		o := must(s.m.Open(ctx, s.phone.Holder, twin))(t)
		c := must(s.phone.Answer(o, s.phone.PIN))(t)
		c.NonceID = b.NonceID // another key's
		_, err = s.m.Answer(ctx, s.phone.Holder, twin, c, nil)
		refused(t, err, custody.CodeStale)
		for _, name := range []string{"", "*", ">", "a.b", o.NonceID + " "} {
			c.NonceID = name
			_, err = s.m.Answer(ctx, s.phone.Holder, twin, c, nil)
			refused(t, err, custody.CodeStale)
		}
		s.uncharged(t)
	})
}

func TestAlteredAnswersAreRefusedWithoutACharge(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		zero, n := make([]byte, 32), slices.Repeat([]byte{0xff}, 32)
		for name, alter := range map[string]func(*custody.Answer){
			"another digest": func(a *custody.Answer) { a.Sign.E = slices.Clone(a.Sign.E); a.Sign.E[0] ^= 1 },
			"r is zero":      func(a *custody.Answer) { a.Sign.R = zero },
			"r is too large": func(a *custody.Answer) { a.Sign.R = n },
			"t1 is zero":     func(a *custody.Answer) { a.Sign.T1 = zero },
			"t1 is short":    func(a *custody.Answer) { a.Sign.T1 = a.Sign.T1[1:] },
			"nothing":        func(a *custody.Answer) { a.Sign = nil },
			"a decryption":   func(a *custody.Answer) { a.Decrypt = &splitkey.DecryptAnswer{} },
		} {
			a := must(s.phone.Answer(o, s.phone.PIN))(t)
			alter(&a)
			_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
			if !errors.Is(err, custody.CodeBadAnswer) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.uncharged(t)
		must(s.m.Answer(ctx, s.phone.Holder, op, must(s.phone.Answer(o, s.phone.PIN))(t), nil))(t)
	})
}

// TestShiftedAnswerDoesNotVerify: an answer to a W that somebody moved on the
// way is a failed proof here (docs/split-keys.md §1.3).
func TestShiftedAnswerDoesNotVerify(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		_, w, err := splitkey.OpenNonce(rand.Reader, s.phone.Records[s.pin].PublicKey)
		ok(t, err)
		o.W = w
		_, err = s.m.Answer(ctx, s.phone.Holder, op, must(s.phone.Answer(o, s.phone.PIN))(t), nil)
		refused(t, err, custody.CodeWrongPIN)
	})
}

// TestSecondDeviceCannotLockTheFirst: another device of the account, and another
// account, are refused before anything is charged (docs/split-keys.md §8).
func TestSecondDeviceCannotLockTheFirst(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		a := s.answer(t, op, wrongPIN)
		second := custodytest.NewPhone(s.phone.Holder.Account, s.m, s.st, s.clock)
		stranger := custodytest.NewPhone(id.New(rand.Reader), s.m, s.st, s.clock)
		for range 12 {
			_, err := s.m.Open(ctx, second.Holder, op)
			refused(t, err, custody.CodeWrongDevice)
			_, err = s.m.Answer(ctx, second.Holder, op, a, nil)
			refused(t, err, custody.CodeWrongDevice)
			_, err = s.m.Open(ctx, stranger.Holder, op)
			refused(t, err, custody.CodeNoOperation)
			_, err = s.m.Answer(ctx, stranger.Holder, op, a, nil)
			refused(t, err, custody.CodeNoOperation)
		}
		_, err := second.Confirm(ctx, s.pin, splitkey.IDPIN, "revoke.confirm", "x")
		refused(t, err, custody.CodeWrongDevice)
		_, err = stranger.Confirm(ctx, s.pin, splitkey.IDPIN, "revoke.confirm", "x")
		refused(t, err, custody.CodeNoOperation)
		s.uncharged(t)
	})
}

func TestNonceExpiresWithoutACharge(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := must(s.phone.Authorise(ctx, s.activation(t, time.Hour)))(t)
		a := s.answer(t, op, wrongPIN)
		s.clock.Advance(120 * time.Second)
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeStale)
		must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)

		op = must(s.phone.Authorise(ctx, s.activation(t, time.Minute)))(t)
		a = s.answer(t, op, wrongPIN)
		s.clock.Advance(time.Minute)
		_, err = s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeOperationOver)
		_, err = s.m.Open(ctx, s.phone.Holder, op)
		refused(t, err, custody.CodeOperationOver)
		s.uncharged(t)
	})
}

// activation is a confirmation by the PIN key.
func (s *stage) activation(t testing.TB, life time.Duration) custody.Activation {
	t.Helper()
	a := must(s.m.Activation(t.Context(), s.phone.Holder, s.confirm(t)))(t)
	a.Expires = s.clock.Now().Add(life)
	return a
}

func TestRestartMakesNoncesStaleWithoutACharge(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		a := s.answer(t, op, wrongPIN)
		boot := s.m.Boot()
		s.restart(t)
		if s.m.Boot() == boot {
			t.Fatal("two lives of one name")
		}
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeStale)
		s.uncharged(t)
		must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)

		// Decryption keeps no secret in memory; its nonce is bound to the life all the same.
		keys := must(s.phone.Install(ctx, custodytest.KMC(t, s.m, s.clock)))(t)
		trial := must(s.phone.Trial(ctx, keys.Encrypt, "check", s.phone.Records[keys.Encrypt].PublicKey))(t)
		d := s.answer(t, trial, wrongPIN)
		s.restart(t)
		_, err = s.m.Answer(ctx, s.phone.Holder, trial, d, nil)
		refused(t, err, custody.CodeStale)
		s.uncharged(t)
	})
}

// TestKillLeavesWhatItMust ends the process after every recorded step of an
// answer and looks at the whole state after the next start.
func TestKillLeavesWhatItMust(t *testing.T) {
	killed := errors.New("killed")
	for _, c := range []struct {
		step      string
		remaining int  // after the restart
		repeated  bool // the phone's repeated answer completes without a new nonce
		finished  int  // how often Finish had been called before the kill
	}{
		{"charged", 9, false, 0},  // the charge stands, right PIN or not
		{"computed", 9, false, 0}, // the signature is lost with the memory
		{"recorded", 10, true, 0},
		{"finishing", 10, true, 1},
	} {
		t.Run(c.step, func(t *testing.T) {
			each(t, func(t *testing.T, s *stage) {
				ctx := t.Context()
				op := s.confirm(t)
				calls, commits := 0, 0
				finish := func(_ context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
					calls++
					if d.Activation.OpID != op || len(d.Signature) == 0 || len(d.Activation.M) == 0 {
						t.Errorf("Finish hears %+v", d)
					}
					return func(ctx context.Context, tx work.Tx) error { commits++; return nil }, nil
				}
				s.m.Interrupt(func(step string) error {
					if step == c.step {
						return killed
					}
					return nil
				})
				a := s.answer(t, op, s.phone.PIN)
				if _, err := s.m.Answer(ctx, s.phone.Holder, op, a, finish); !errors.Is(err, killed) {
					t.Fatalf("err = %v", err)
				}
				s.restart(t)
				if got := s.status(t).Remaining; got != c.remaining || calls != c.finished || commits != 0 {
					t.Fatalf("remaining %d, %d calls, %d commits", got, calls, commits)
				}
				r, err := s.m.Answer(ctx, s.phone.Holder, op, a, finish)
				if c.repeated {
					ok(t, err)
				} else {
					refused(t, err, custody.CodeStale)
					r = must(s.phone.Perform(ctx, op, s.phone.PIN, finish))(t)
				}
				if commits != 1 || s.status(t).Remaining != 10 {
					t.Fatalf("%d commits, %+v", commits, s.status(t))
				}
				again := must(s.m.Answer(ctx, s.phone.Holder, op, a, finish))(t)
				if commits != 1 || !slices.Equal(again.Signature.S, r.Signature.S) {
					t.Fatal("a finished operation was done again")
				}
			})
		})
	}
}

func TestFailedFinishIsRepeatedByTheSameAnswer(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		late := fault.Code{Name: "test_timestamp_late", Kind: fault.Unavailable}
		op := s.confirm(t)
		a := s.answer(t, op, s.phone.PIN)
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
			return nil, late
		})
		refused(t, err, late)
		_, err = s.m.Answer(ctx, s.phone.Holder, op, a, func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
			return func(context.Context, work.Tx) error { return late }, nil
		})
		refused(t, err, late)
		s.uncharged(t)
		signed := s.count("sign")
		s.clock.Advance(time.Hour) // the activation is over; what was computed may still be recorded
		var at time.Time
		r := must(s.m.Answer(ctx, s.phone.Holder, op, a, func(_ context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
			at = d.At
			return nil, nil
		}))(t)
		if s.count("sign") != signed || !at.Equal(noon) {
			t.Fatalf("computed again, or at %v", at)
		}
		ok(t, splitkey.Verify(s.phone.Records[s.pin].PublicKey, a.Sign.E, *r.Signature))

		other := a
		sign := *a.Sign
		sign.E = make([]byte, 32)
		other.Sign = &sign
		_, err = s.m.Answer(ctx, s.phone.Holder, op, other, nil)
		refused(t, err, custody.CodeBadAnswer)
	})
}

func TestOperationHasOneSignature(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		op := s.confirm(t)
		first := s.answer(t, op, s.phone.PIN)
		var second custody.Answer
		var inner custody.Result
		s.m.Interrupt(func(step string) error {
			if step == "computed" { // between the two, another answer runs to its end
				s.m.Interrupt(nil)
				second = s.answer(t, op, s.phone.PIN)
				inner = must(s.m.Answer(ctx, s.phone.Holder, op, second, nil))(t)
			}
			return nil
		})
		outer := must(s.m.Answer(ctx, s.phone.Holder, op, first, nil))(t)
		if !slices.Equal(outer.Signature.S, inner.Signature.S) {
			t.Fatal("two signatures of one operation")
		}
		s.uncharged(t)
	})
}

func TestWithdrawnOperationIsOver(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		withdraw := func(op string) {
			s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Withdraw(ctx, tx, op) })
		}
		op := s.confirm(t)
		a := s.answer(t, op, wrongPIN)
		withdraw(op)
		withdraw("unknown")
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeOperationOver)
		_, err = s.m.Open(ctx, s.phone.Holder, op)
		refused(t, err, custody.CodeOperationOver)
		s.uncharged(t)

		// Withdrawn while it computes: the PIN was right, the signature never leaves.
		op = s.confirm(t)
		a = s.answer(t, op, s.phone.PIN)
		s.m.Interrupt(func(step string) error {
			if step == "computed" {
				withdraw(op)
			}
			return nil
		})
		r, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeOperationOver)
		if r.Signature != nil {
			t.Fatal("a withdrawn signature left custody")
		}
		s.uncharged(t)
		// Withdrawn after it was computed and before it was recorded: the same.
		op = s.confirm(t)
		a = s.answer(t, op, s.phone.PIN)
		s.m.Interrupt(func(step string) error {
			if step == "recorded" {
				withdraw(op)
			}
			return nil
		})
		_, err = s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeOperationOver)
		// A finished one stays.
		s.m.Interrupt(nil)
		op = s.confirm(t)
		a = s.answer(t, op, s.phone.PIN)
		must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)
		withdraw(op)
		must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)
	})
}

func TestFailedFinishOfADecryptionGivesNothingAndBeginsAnew(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		keys := must(s.phone.Install(ctx, custodytest.KMC(t, s.m, s.clock)))(t)
		op := must(s.phone.Trial(ctx, keys.Encrypt, "check", s.phone.Records[keys.Encrypt].PublicKey))(t)
		late := fault.Code{Name: "test_late", Kind: fault.Unavailable}
		a := s.answer(t, op, s.phone.PIN)
		r, err := s.m.Answer(ctx, s.phone.Holder, op, a, func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
			return nil, late
		})
		refused(t, err, late)
		if r.T2 != nil {
			t.Fatal("T2 left before it was recorded")
		}
		s.uncharged(t)
		_, err = s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeStale)
		must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)
	})
}

func TestClientThatHangsUpIsNotCharged(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx, hangUp := context.WithCancel(t.Context())
		op := s.confirm(t)
		a := s.answer(t, op, s.phone.PIN)
		s.m.Interrupt(func(step string) error {
			if step == "charged" {
				hangUp()
			}
			return nil
		})
		must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)
		s.uncharged(t)
	})
}

func TestAuthoriseRefusesWhatAKeyMayNotDo(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		keys := must(s.phone.Install(ctx, custodytest.KMC(t, s.m, s.clock)))(t)
		login := must(splitkey.LoginMessage{
			Platform: "p", Host: "h", Transaction: "t", Challenge: make([]byte, 32), Browser: make([]byte, 32), Time: 1,
		}.Bytes())(t)
		ciphertext := must(custodytest.Encrypt(s.phone.Records[keys.Encrypt].PublicKey, []byte("x")))(t)
		confirmation := s.activation(t, time.Hour).M
		for name, a := range map[string]custody.Activation{
			"no message":                  {KeyID: keys.Sign, ID: splitkey.IDDocument},
			"a login as a document":       {KeyID: keys.Sign, ID: splitkey.IDDocument, M: login},
			"a document as a login":       {KeyID: keys.Sign, ID: splitkey.IDLogin, M: []byte("x")},
			"a confirmation as a login":   {KeyID: keys.Sign, ID: splitkey.IDLogin, M: confirmation},
			"a document by the PIN key":   {KeyID: s.pin, ID: splitkey.IDDocument, M: []byte("x")},
			"a login by the PIN key":      {KeyID: s.pin, ID: splitkey.IDLogin, M: login},
			"an unknown purpose":          {KeyID: keys.Sign, ID: "x", M: []byte("x")},
			"a signature by de":           {KeyID: keys.Encrypt, ID: splitkey.IDDocument, M: []byte("x")},
			"a decryption by d":           {KeyID: keys.Sign, Ciphertexts: [][]byte{ciphertext}, PlatformCertificate: []byte("c")},
			"a decryption for nobody":     {KeyID: keys.Encrypt, Ciphertexts: [][]byte{ciphertext}},
			"no ciphertext":               {KeyID: keys.Encrypt, Ciphertexts: [][]byte{[]byte("x")}, PlatformCertificate: []byte("c")},
			"a message of over 4 MiB":     {KeyID: keys.Sign, ID: splitkey.IDDocument, M: make([]byte, splitkey.MaxMessage+1)},
			"an unknown key":              {KeyID: "x", ID: splitkey.IDDocument, M: []byte("x")},
			"an activation that is over":  {KeyID: keys.Sign, ID: splitkey.IDDocument, M: []byte("x"), Expires: noon},
			"message and ciphertext both": {KeyID: keys.Encrypt, M: []byte("x"), Ciphertexts: [][]byte{ciphertext}, PlatformCertificate: []byte("c")},
		} {
			a.Business, a.Subject = "b", "s"
			if _, err := s.phone.Authorise(ctx, a); err == nil {
				t.Errorf("%s: authorised", name)
			}
		}
	})
}
