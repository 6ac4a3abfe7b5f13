package custody_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/id"
	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

func (s *stage) key(t testing.TB, keyID string) custody.Key {
	t.Helper()
	var k custody.Key
	ok(t, s.st.View(t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		k, err = s.m.Key(ctx, tx, keyID)
		return err
	}))
	return k
}

// shares are a key's shares as they are stored.
func (s *stage) shares(t testing.TB, keyID string) []custody.ShareRow {
	t.Helper()
	var out []custody.ShareRow
	ok(t, s.st.View(t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		out, err = s.st.Custody().Shares(ctx, tx, keyID)
		return err
	}))
	return out
}

func TestEnrolmentServesOnceForItsHolderForTenMinutes(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		enrol := func(subject string) (e custody.Enrolment) {
			s.do(t, func(ctx context.Context, tx work.Tx) (err error) {
				e, err = s.m.Enrol(ctx, tx, s.phone.Holder, custody.KindSign, subject)
				return err
			})
			return e
		}
		e := enrol("installation-1")
		_, request, err := splitkey.StartKeygen(rand.Reader, splitkey.Context{
			Account: s.phone.Holder.Account, Device: make([]byte, 32), Enrolment: e.ID, Server: e.Server, KeyID: e.KeyID,
		})
		ok(t, err)
		_, err = s.m.Generate(ctx, s.phone.Holder, e.ID, request) // proved for another device
		refused(t, err, custody.CodeBadAnswer)
		second := custodytest.NewPhone(s.phone.Holder.Account, s.m, s.st, s.clock)
		refused(t, second.Make(ctx, custody.KindSign, e), custody.CodeEnrolment)
		ok(t, s.phone.Make(ctx, custody.KindSign, e))
		refused(t, s.phone.Make(ctx, custody.KindSign, e), custody.CodeEnrolment)

		late := enrol("installation-2")
		s.clock.Advance(10 * time.Minute)
		refused(t, s.phone.Make(ctx, custody.KindSign, late), custody.CodeEnrolment)

		// A second enrolment of the same subject makes the first void.
		void, e := enrol("installation-3"), enrol("installation-3")
		refused(t, s.phone.Make(ctx, custody.KindSign, void), custody.CodeEnrolment)
		ok(t, s.phone.Make(ctx, custody.KindSign, e))
		enrol("installation-3")
		if got := s.key(t, e.KeyID).State; got != custody.KeyDestroyed {
			t.Fatalf("the key of a void enrolment is %s", got)
		}
	})
}

func TestEnrolmentIsForThePhoneThatHasThePIN(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		enrol := func(h custody.Holder) error {
			return s.try(t, func(ctx context.Context, tx work.Tx) error {
				_, err := s.m.Enrol(ctx, tx, h, custody.KindSign, "x")
				return err
			})
		}
		refused(t, enrol(custodytest.NewPhone(id.New(rand.Reader), s.m, s.st, s.clock).Holder), custody.CodeNoPIN)
		refused(t, enrol(custodytest.NewPhone(s.phone.Holder.Account, s.m, s.st, s.clock).Holder), custody.CodeWrongDevice)
		for range 5 {
			_, err := s.phone.Perform(t.Context(), s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		refused(t, enrol(s.phone.Holder), custody.CodePINLockedFor) // the pepper stays behind the lock
	})
}

func TestPendingKeyServesItsOwnSubjectOnly(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		key := must(s.phone.Generate(ctx, custody.KindSign, "installation-1"))(t)
		_, err := s.phone.Document(ctx, key, "installation-2", "x")
		refused(t, err, custody.CodeKeyUnusable)
		refused(t, s.phone.Activate(ctx, key), custody.CodeKeyUnusable) // nothing is proved yet
		op := must(s.phone.Document(ctx, key, "installation-1", "x"))(t)
		must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)
		ok(t, s.phone.Activate(ctx, key))
		ok(t, s.phone.Activate(ctx, key))
		must(s.phone.Document(ctx, key, "anything", "x"))(t)
		_, err = s.m.Open(ctx, s.phone.Holder, op)
		refused(t, err, custody.CodeOperationOver)
	})
}

// TestMismatchOfANewPINDiscardsTheKeyUncharged: docs/split-keys.md §2.1.
func TestMismatchOfANewPINDiscardsTheKeyUncharged(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		p := custodytest.NewPhone(id.New(rand.Reader), s.m, s.st, s.clock)
		key := must(p.Generate(ctx, custody.KindPIN, "setup-1"))(t)
		op := must(p.Confirm(ctx, key, splitkey.IDPIN, "pin.set", "setup-1"))(t)
		_, err := p.Perform(ctx, op, wrongPIN, nil)
		refused(t, err, custody.CodePINMismatch)
		if got := s.key(t, key).State; got != custody.KeyDestroyed || len(s.shares(t, key)) != 0 {
			t.Fatalf("the key is %s", got)
		}
		_, err = p.Perform(ctx, op, p.PIN, nil)
		refused(t, err, custody.CodeKeyUnusable)
		st := must(s.m.PIN(ctx, p.Holder.Account))(t)
		if st.Set || st.Remaining != 10 {
			t.Fatalf("%+v", st)
		}
		must(p.SetPIN(ctx))(t)
	})
}

func TestSuspendedAndDestroyedKeysDoNothing(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		centre := custodytest.KMC(t, s.m, s.clock)
		keys := must(s.phone.Install(ctx, centre))(t)
		half := must(s.phone.Generate(ctx, custody.KindSign, "unfinished"))(t)
		ops := map[string]string{
			"pin": s.confirm(t), "sign": must(s.phone.Document(ctx, keys.Sign, "s", "x"))(t),
			"encrypt": must(s.phone.Trial(ctx, keys.Encrypt, "s", s.phone.Records[keys.Encrypt].PublicKey))(t),
		}
		open := map[string]custody.Answer{}
		for name, op := range ops {
			open[name] = s.answer(t, op, s.phone.PIN)
		}
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Suspend(ctx, tx, s.phone.Holder.Account) })
		for name, op := range ops {
			_, err := s.m.Answer(ctx, s.phone.Holder, op, open[name], nil)
			refused(t, err, custody.CodeKeyUnusable)
			_, err = s.m.Open(ctx, s.phone.Holder, op)
			refused(t, err, custody.CodeKeyUnusable)
		}
		if got := s.key(t, half).State; got != custody.KeyDestroyed {
			t.Fatalf("an unfinished key is %s", got)
		}
		if err := s.try(t, func(ctx context.Context, tx work.Tx) error {
			_, err := s.m.PINKey(ctx, tx, s.phone.Holder.Account)
			return err
		}); !errors.Is(err, custody.CodeNoPIN) {
			t.Fatal(err)
		}
		if !s.status(t).Set {
			t.Fatal("a suspended PIN counts as not set: anybody with an SMS code could set a new one")
		}
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Restore(ctx, tx, s.phone.Holder.Account) })
		for _, op := range ops {
			must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)
		}
		s.uncharged(t)

		op := must(s.phone.Document(ctx, keys.Sign, "s", "x"))(t)
		a := s.answer(t, op, s.phone.PIN)
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Destroy(ctx, tx, keys.Sign) })
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Destroy(ctx, tx, keys.Sign) })
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeKeyUnusable)
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Restore(ctx, tx, s.phone.Holder.Account) })
		if k := s.key(t, keys.Sign); k.State != custody.KeyDestroyed || len(k.PublicKey) != 65 || len(s.shares(t, keys.Sign)) != 0 {
			t.Fatalf("a destroyed key: %+v", k)
		}
		s.uncharged(t)
	})
}

// TestNewPINEndsTheOldOne: a re-key on another phone (docs/domain.md A11), from
// a PIN that is locked for good.
func TestNewPINEndsTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		account := s.phone.Holder.Account
		for range 10 {
			s.clock.Advance(24 * time.Hour)
			_, err := s.phone.Perform(ctx, s.confirm(t), wrongPIN, nil)
			refused(t, err, custody.CodeWrongPIN)
		}
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Suspend(ctx, tx, account) })
		p := custodytest.NewPhone(account, s.m, s.st, s.clock)
		if err := s.try(t, func(ctx context.Context, tx work.Tx) error { return s.m.NewPIN(ctx, tx, p.Holder) }); !errors.Is(err, custody.CodeKeyUnusable) {
			t.Fatalf("the ladder restarted without a new PIN: %v", err)
		}
		key := must(p.Generate(ctx, custody.KindPIN, "recovery-1"))(t)
		op := must(p.Confirm(ctx, key, splitkey.IDPIN, "recover.pin", "recovery-1"))(t)
		must(p.Perform(ctx, op, p.PIN, nil))(t)
		s.do(t, func(ctx context.Context, tx work.Tx) error {
			if err := s.m.NewPIN(ctx, tx, p.Holder); err != nil {
				return err
			}
			return s.m.Activate(ctx, tx, key)
		})
		if got := s.key(t, s.pin).State; got != custody.KeyDestroyed {
			t.Fatalf("the old PIN key is %s", got)
		}
		st := s.status(t)
		if !st.Set || st.Locked || st.Remaining != 10 || st.Device != p.Holder.Device {
			t.Fatalf("%+v", st)
		}
		must(p.SigningKey(ctx))(t)
		is := must(s.m.IsPINKey(ctx, p.Records[key].PublicKey))(t)
		was := must(s.m.IsPINKey(ctx, s.phone.Records[s.pin].PublicKey))(t)
		no := must(s.m.IsPINKey(ctx, make([]byte, 65)))(t)
		if !is || !was || no {
			t.Fatalf("IsPINKey: %v %v %v", is, was, no)
		}
	})
}

// TestStoppedReKeyLeavesNothing: the old device stops a re-key after the new
// phone has proved its PIN key.
func TestStoppedReKeyLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		account := s.phone.Holder.Account
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Suspend(ctx, tx, account) })
		thief := custodytest.NewPhone(account, s.m, s.st, s.clock)
		key := must(thief.Generate(ctx, custody.KindPIN, "recovery-1"))(t)
		op := must(thief.Confirm(ctx, key, splitkey.IDPIN, "recover.pin", "recovery-1"))(t)
		must(thief.Perform(ctx, op, thief.PIN, nil))(t)
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Restore(ctx, tx, account) })
		if got := s.key(t, key).State; got != custody.KeyDestroyed {
			t.Fatalf("the new PIN key is %s", got)
		}
		refused(t, thief.Activate(ctx, key), custody.CodeKeyUnusable)
		err := s.try(t, func(ctx context.Context, tx work.Tx) error { return s.m.NewPIN(ctx, tx, thief.Holder) })
		refused(t, err, custody.CodeKeyUnusable)
		must(s.phone.Perform(ctx, s.confirm(t), s.phone.PIN, nil))(t)
	})
}

// TestRedealtKeyLeavesTheOldPhone: a re-key deals the encryption key anew; the
// old share stays until the new one is proved, and opens nothing afterwards.
func TestRedealtKeyLeavesTheOldPhone(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		centre := custodytest.KMC(t, s.m, s.clock)
		keys := must(s.phone.Install(ctx, centre))(t)
		public := s.phone.Records[keys.Encrypt].PublicKey
		account := s.phone.Holder.Account
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Suspend(ctx, tx, account) })
		p := custodytest.NewPhone(account, s.m, s.st, s.clock)
		pin := must(p.SetPIN(ctx))(t)
		old := s.shares(t, keys.Encrypt)

		redeal := func(n string) (receive func()) {
			enrolment, request, offer := s.redealRequest(t, p, pin, keys.Encrypt, public, n)
			deal := must(centre.Deal(ctx, request))(t)
			ok(t, p.Accept(ctx, keys.Encrypt, "recovery", public, deal.ForCustody))
			return func() { ok(t, p.Receive(keys.Encrypt, public, enrolment.private, deal.ForPhone, offer.Pepper)) }
		}
		redeal("1") // the reply was lost: another dealing replaces it
		redeal("2")()
		if now := s.shares(t, keys.Encrypt); len(now) != 2 || now[0].ID != old[0].ID {
			t.Fatalf("before the proof: %d shares", len(now))
		}
		refused(t, p.Activate(ctx, keys.Encrypt), custody.CodeKeyUnusable)
		op := must(p.Trial(ctx, keys.Encrypt, "recovery", public))(t)
		must(p.Perform(ctx, op, p.PIN, nil))(t)
		ok(t, p.Activate(ctx, keys.Encrypt))
		if now := s.shares(t, keys.Encrypt); len(now) != 1 || now[0].ID == old[0].ID {
			t.Fatalf("after the proof: %+v", now)
		}
		k := s.key(t, keys.Encrypt)
		if k.State != custody.KeyActive || k.Holder != p.Holder || string(k.PublicKey) != string(public) {
			t.Fatalf("%+v", k)
		}
		_, err := s.phone.Trial(ctx, keys.Encrypt, "x", public)
		refused(t, err, custody.CodeWrongDevice)

		// Older envelopes may have to wait; throw-away ciphertexts do not.
		until := s.clock.Now().Add(24 * time.Hour)
		s.do(t, func(ctx context.Context, tx work.Tx) error { return s.m.Hold(ctx, tx, keys.Encrypt, until) })
		envelope := must(custodytest.Encrypt(public, []byte("a bid")))(t)
		decrypt := custody.Activation{
			KeyID: keys.Encrypt, Business: "b", Subject: "s", Ciphertexts: [][]byte{envelope}, PlatformCertificate: custodytest.Certificate,
		}
		_, err = p.Authorise(ctx, decrypt)
		if got := refused(t, err, custody.CodeHeld)["until"]; got != until.Format(time.RFC3339) {
			t.Fatalf("held until %v", got)
		}
		must(p.Perform(ctx, must(p.Trial(ctx, keys.Encrypt, "x", public))(t), p.PIN, nil))(t)
		s.clock.Advance(24 * time.Hour)
		must(p.Perform(ctx, must(p.Authorise(ctx, decrypt))(t), p.PIN, nil))(t)
	})
}

// redealRequest has the PIN key ask for the re-dealing of an encryption key.
func (s *stage) redealRequest(t testing.TB, p *custodytest.Phone, pin, keyID string, public []byte, ref string) (*enrolmentKey, kmc.DealRequest, custody.Offer) {
	t.Helper()
	enrolment := newEnrolmentKey(t)
	m := must(confirmation(p, splitkey.IDPIN, "redeal", enrolment.digest, keyID).Bytes())(t)
	op := must(p.Authorise(t.Context(), custody.Activation{KeyID: pin, Business: "install.redeal", Subject: "redeal", ID: splitkey.IDPIN, M: m}))(t)
	o := must(s.m.Open(t.Context(), p.Holder, op))(t)
	r := must(s.m.Answer(t.Context(), p.Holder, op, must(p.Answer(o, p.PIN))(t), nil))(t)
	return enrolment, kmc.DealRequest{
		Ref: ref, Account: p.Holder.Account, Device: p.Holder.Device, PublicKey: public, EnrolmentKey: enrolment.public,
		Redeal: &kmc.Redeal{M: m, Signature: must(r.Signature.DER())(t), PINKey: p.Records[pin].PublicKey},
	}, o
}

func TestDeliveryOfAnotherIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		centre := custodytest.KMC(t, s.m, s.clock)
		subject := "installation-1"
		sign := must(s.phone.Generate(ctx, custody.KindSign, subject))(t)
		pe := must(centre.Make(ctx, subject))(t)
		enrolment, csr, _, err := s.phone.Request(ctx, sign, subject, pe)
		ok(t, err)
		point := must(pki.Point(&enrolment.PublicKey))(t)
		deal := must(centre.Deal(ctx, kmc.DealRequest{
			Ref: "1", Account: s.phone.Holder.Account, Device: s.phone.Holder.Device, PublicKey: pe, EnrolmentKey: point, CSR: csr,
		}))(t)
		other := must(centre.Make(ctx, "another"))(t)
		keyID := id.New(rand.Reader)
		refused(t, s.phone.Accept(ctx, keyID, subject, other, deal.ForCustody), custody.CodeEnrolment)
		refused(t, s.phone.Accept(ctx, keyID, "installation-2", pe, deal.ForCustody), custody.CodeEnrolment)
		refused(t, s.phone.Accept(ctx, keyID, subject, pe, deal.ForPhone), custody.CodeEnrolment)
		second := custodytest.NewPhone(s.phone.Holder.Account, s.m, s.st, s.clock)
		refused(t, second.Accept(ctx, keyID, subject, pe, deal.ForCustody), custody.CodeEnrolment)
		refused(t, s.phone.Accept(ctx, sign, subject, pe, deal.ForCustody), custody.CodeKeyUnusable) // a signing key
		ok(t, s.phone.Accept(ctx, keyID, subject, pe, deal.ForCustody))
		refused(t, s.phone.Activate(ctx, keyID), custody.CodeKeyUnusable)
	})
}
