package rephone_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/rephone"
	"tianweitong/internal/realname"
	"tianweitong/internal/store/people"
	"tianweitong/internal/work"
)

const fresh = "13700000001"

func open(w *flowtest.World) *rephone.Service {
	return rephone.New(rephone.Deps{Store: people.PhoneChanges(w.Store), Runner: w.Store, Clock: w.Clock, Rand: rand.Reader,
		Accounts: w.Accounts, Faces: w.Persons, Notices: w.Notices})
}

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

// code has a code sent to a number that is not the person's yet.
func code(p *flowtest.Person, number string) (ticket, digits string) {
	p.T.Helper()
	p.Clock.Advance(time.Minute)
	ask := account.Ask{Phone: number, Purpose: account.PurposeNewPhone, Address: "192.0.2.1"}
	t, err := p.Accounts.RequestCode(p.T.Context(), ask, p.Caller)
	if err != nil {
		p.T.Fatal(err)
	}
	p.Drain()
	return t.ID, p.Text.Code(number)
}

func begin(p *flowtest.Person, s *rephone.Service, number string) (string, error) {
	p.T.Helper()
	ticket, digits := code(p, number)
	c, _, err := s.Begin(p.T.Context(), p.Caller, number, ticket, digits)
	return c.ID, err
}

func number(p *flowtest.Person) (n string) {
	p.T.Helper()
	p.Do(func(ctx context.Context, tx work.Tx) (err error) {
		n, err = p.Accounts.PhoneNumber(ctx, tx, p.Caller.Account)
		return err
	})
	return n
}

func TestALiveFaceChangesTheNumberAndPausesRecoveryBySMS(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		s, p := open(w), w.Person()
		p.SetPIN()
		old := p.Number
		other := w.SignIn(old) // the same account on another device
		id, err := begin(p, s, fresh)
		if err != nil {
			t.Fatal(err)
		}
		if number(p) != old {
			t.Fatal("changed before the face was seen")
		}
		check, err := s.Face(t.Context(), p.Caller, id, []byte("video"))
		if err != nil || check.State != realname.StatePassed || number(p) != fresh {
			t.Fatalf("%s, %v; the number is %s", check.State, err, number(p))
		}
		// Asking again changes nothing and tells nobody twice.
		if _, err := s.Get(t.Context(), p.Caller, id); err != nil {
			t.Fatal(err)
		}
		w.Drain()
		told := 0
		page, err := w.Notices.List(t.Context(), p.Caller.Account, "")
		for _, n := range page.Notices {
			if n.Kind == "account.phone_changed" {
				told++
			}
		}
		if err != nil || told != 1 {
			t.Fatalf("told %d times, %v", told, err)
		}
		if _, _, err := w.Accounts.Authenticate(t.Context(), other.Token); !errors.Is(err, account.CodeSignedOut) {
			t.Errorf("the other device: %v", err)
		}
		p.Number = fresh
		ticket, digits := p.Code(account.PurposeRecover)
		_, err = w.Recover.Begin(t.Context(), p.Caller, ticket, digits)
		wants(t, err, recover.CodePhoneNew)
		w.Clock.Advance(recover.PhonePause)
		ticket, digits = p.Code(account.PurposeRecover)
		if _, err = w.Recover.Begin(t.Context(), p.Caller, ticket, digits); err != nil {
			t.Errorf("after 72 hours: %v", err)
		}
	})
}

func TestChangeByFaceIsTheHoldersAloneOnHisActiveDevice(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		s, p := open(w), w.Person()
		other, stranger := w.SignIn(p.Number), w.Person()
		_, err := begin(other, s, fresh)
		wants(t, err, account.CodeNotActive)
		_, err = begin(p, s, stranger.Number)
		wants(t, err, account.CodePhoneTaken)
		ticket, digits := code(p, "13700000002")
		_, _, err = s.Begin(t.Context(), p.Caller, fresh, ticket, digits)
		wants(t, err, account.CodeUnknown)

		id, err := begin(p, s, fresh)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []account.Caller{other.Caller, stranger.Caller} {
			_, err = s.Face(t.Context(), c, id, []byte("video"))
			wants(t, err, rephone.CodeUnknown)
			_, err = s.Get(t.Context(), c, id)
			wants(t, err, rephone.CodeUnknown)
		}
		// One that is begun anew takes the place of the one before.
		again, err := begin(p, s, fresh)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Get(t.Context(), p.Caller, id)
		wants(t, err, rephone.CodeUnknown)
		w.Clock.Advance(realname.Life)
		_, err = s.Face(t.Context(), p.Caller, again, []byte("video"))
		wants(t, err, realname.CodeOver)
		if number(p) == fresh {
			t.Fatal("changed without a face")
		}
	})
}

func TestANumberThatWasTakenMeanwhileStaysTheOthers(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		s, p := open(w), w.Person()
		id, err := begin(p, s, fresh)
		if err != nil {
			t.Fatal(err)
		}
		w.SignIn(fresh)
		_, err = s.Face(t.Context(), p.Caller, id, []byte("video"))
		wants(t, err, account.CodePhoneTaken)
		if number(p) == fresh {
			t.Fatal("two accounts have one number")
		}
	})
}

func TestOnlyAVerifiedPersonHasAFaceToShow(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		_, err := begin(w.SignIn("13700000009"), open(w), fresh)
		wants(t, err, realname.CodeNotVerified)
	})
}
