package closing_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/closing"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/id"
	"tianweitong/internal/order"
	"tianweitong/internal/realname"
	"tianweitong/internal/store/people"
	"tianweitong/internal/usage"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("refused with %v, want %s", err, code.Name)
	}
}

// blocked gives the kinds that block with their counts.
func blocked(p *flowtest.Person) string {
	p.T.Helper()
	all, err := p.Closing.Blockers(p.T.Context(), p.Caller)
	if err != nil {
		p.T.Fatal(err)
	}
	var out []string
	for _, b := range all {
		out = append(out, fmt.Sprint(b.Kind, " ", b.Count))
		if !strings.HasSuffix(b.Text, "。") || strings.Contains(b.Text, "%") {
			p.T.Errorf("%s says %q", b.Kind, b.Text)
		}
	}
	return strings.Join(out, ", ")
}

func closes(p *flowtest.Person) error {
	ticket, code := p.Code(account.PurposeClose)
	return p.Closing.Close(p.T.Context(), p.Caller, ticket, code)
}

func revokes(p *flowtest.Person, cert string) {
	p.T.Helper()
	r, err := p.Revoke.Begin(p.T.Context(), p.Caller, cert, revoke.Unneeded)
	if err != nil {
		p.T.Fatal(err)
	}
	if _, err := p.Perform(p.T.Context(), r.Op, p.Phone.PIN); err != nil {
		p.T.Fatal(err)
	}
}

func TestClosingWaitsForWhatIsUnfinished(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		is := func(want string) {
			t.Helper()
			if got := blocked(p); got != want {
				t.Fatalf("blocked by %q, want %q", got, want)
			}
			if want == "" {
				return
			}
			err := closes(p)
			wants(t, err, closing.CodeBlocked)
			if _, members := fault.Of(err); len(members["blockers"].([]closing.Blocker)) != strings.Count(want, ",")+1 {
				t.Fatalf("the refusal says %v", members)
			}
		}
		is("")
		first := w.Buy(p.Caller.Account)
		is("certificate_pending 1, order_paid 1")
		if _, err := p.InstallOnce(ctx, first); err != nil {
			t.Fatal(err)
		}
		second := p.Installed()
		is("certificate_valid 2")
		revokes(p, second)
		is("certificate_valid 1")

		// Keys on another device, and a re-key that waits, runs, and is stopped.
		thief := p.NewPhone()
		if got := blocked(thief); got != "certificate_valid 1, other_device 1" {
			t.Errorf("from another device: %s", got)
		}
		revokes(p, first)
		if got := blocked(thief); got != "other_device 1" {
			t.Errorf("from another device: %s", got)
		}
		wants(t, closes(thief), closing.CodeBlocked)
		ticket, code := thief.Code(account.PurposeRecover)
		r, err := w.Recover.Begin(ctx, thief.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		is("recovery 1")
		if _, err := w.Recover.Face(ctx, thief.Caller, r.ID, []byte("video")); err != nil {
			t.Fatal(err)
		}
		if got := blocked(thief); got != "recovery 1" {
			t.Errorf("while it runs: %s", got)
		}
		if _, err := w.Recover.Stop(ctx, p.Caller, r.ID); err != nil {
			t.Fatal(err)
		}

		// Orders in every state.
		for state, want := range map[order.State]string{
			order.Unpaid: "order_unpaid 1", order.Paid: "order_paid 1", order.Refunding: "order_refunding 1",
			order.Completed: "", order.Cancelled: "", order.Refunded: "",
		} {
			now := w.Clock.Now()
			o := order.Order{ID: id.New(rand.Reader), Buyer: order.Buyer{Kind: order.Person, Account: p.Caller.Account}, State: state,
				CreatedAt: now, ExpiresAt: now, Version: 1} // the time to pay is up: the gateway was not asked yet
			w.Do(func(ctx context.Context, tx work.Tx) error { return w.Store.Orders().Insert(ctx, tx, o) })
			is(want)
			w.Do(func(ctx context.Context, tx work.Tx) error {
				o.State = order.Cancelled
				return w.Store.Orders().Update(ctx, tx, o)
			})
		}
		is("")
	})
}

// Whatever becomes of an officer's approval, or of a member's joining, that comes
// together with the closing: a closed account administers nothing and belongs nowhere.
func TestAClosedAccountIsGivenNothingMeanwhile(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		firm := w.Found("测试公司", w.Person())
		for i := range 32 {
			p := w.Person()
			a := applied(p, fmt.Sprint(i))
			ticket, code := p.Code(account.PurposeClose)
			var given, closed error
			var both sync.WaitGroup
			both.Go(func() {
				if i%2 == 0 {
					given = w.Verification.Approve(ctx, officer, a.ID, a.SubmittedAt, checklist)
					return
				}
				given = w.Store.Do(ctx, "test.join", func(ctx context.Context, tx work.Tx) error {
					_, err := w.Members.Join(ctx, tx, firm, p.Caller.Account, enterprise.ViaInvited)
					return err
				})
			})
			both.Go(func() { closed = p.Closing.Close(ctx, p.Caller, ticket, code) })
			both.Wait()
			if given != nil && !errors.Is(given, account.CodeNoAccount) && !errors.Is(given, verification.CodeDecided) && !errors.Is(given, realname.CodeNotVerified) {
				t.Errorf("%d: given: %v", i, given)
			}
			if closed != nil && !errors.Is(closed, closing.CodeBlocked) || closed != nil && given != nil {
				t.Errorf("%d: closed: %v, given: %v", i, closed, given)
			}
			w.Do(func(ctx context.Context, tx work.Tx) error {
				all, err := w.Members.Memberships(ctx, tx, p.Caller.Account)
				if closed == nil && len(all) > 0 {
					t.Errorf("%d: the closed account belongs to %v", i, all)
				}
				return err
			})
		}
	})
}

func TestAClosingWithdrawsWhatAnOfficerHasBeforeHim(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		a := applied(p, "1")
		w.Do(func(ctx context.Context, tx work.Tx) error {
			return w.Verification.Store.PutPicture(ctx, tx, a.ID, enterprise.PictureIDFront, []byte("picture"), w.Clock.Now())
		})
		if err := closes(p); err != nil {
			t.Fatal(err)
		}
		w.Do(func(ctx context.Context, tx work.Tx) error {
			over, err := w.Verification.Store.Application(ctx, tx, a.ID)
			if over.State != enterprise.StateEnded || len(over.Pictures) > 0 || over.LegalIDNumber != "" {
				t.Errorf("after the closing it is %+v", over)
			}
			return err
		})
		wants(t, w.Verification.Approve(t.Context(), officer, a.ID, a.SubmittedAt, checklist), verification.CodeDecided)
	})
}

var (
	officer   = verification.Officer{ID: "o"}
	checklist = []string{"letter_seal", "letter_facts", "licence", "id_card"}
)

// applied is an application of a person for a made-up code that waits for an officer.
func applied(p *flowtest.Person, code string) enterprise.Application {
	p.T.Helper()
	now := p.Clock.Now()
	a := enterprise.Application{ID: id.New(rand.Reader), Number: code, Account: p.Caller.Account, Kind: enterprise.KindCreate, Name: "测试甲科技有限公司", Code: code,
		LegalName: "测试法", LegalIDNumber: "110101197001010016", State: enterprise.StateReviewing, Method: enterprise.MethodDocuments,
		SubmittedAt: now, DueAt: now, Claimed: officer.ID, ClaimedUntil: now.Add(time.Hour), CreatedAt: now, Version: 1}
	p.Do(func(ctx context.Context, tx work.Tx) error { return p.Verification.Store.InsertApplication(ctx, tx, a) })
	return a
}

func TestAClosedAccountIsOverAndItsPersonFree(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		revokes(p, cert)
		other := p.NewPhone()
		var old realname.Person
		w.Do(func(ctx context.Context, tx work.Tx) (err error) {
			old, err = w.Persons.Person(ctx, tx, p.Caller.Account)
			return err
		})
		ticket, code := p.Code(account.PurposePIN)
		wants(t, w.Closing.Close(ctx, p.Caller, ticket, code), account.CodeUnknown) // another purpose
		if err := closes(p); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*flowtest.Person{p, other} {
			_, _, err := w.Accounts.Authenticate(ctx, s.Token)
			wants(t, err, account.CodeSignedOut)
		}
		for _, k := range w.Keys(p.Caller.Account) {
			want := custody.KeyDestroyed
			if k.Kind == custody.KindEncrypt {
				want = custody.KeySuspended
			}
			if k.State != want {
				t.Errorf("the %s key is %s", k.Kind, k.State)
			}
		}
		if err := p.Decrypt(ctx, cert); err == nil {
			t.Error("the phone still decrypts")
		}
		// Records stay, with nobody to be found by them.
		if c := w.Certificate(cert); c.State != certificate.Revoked || c.Holder.Account != p.Caller.Account {
			t.Errorf("the record is %+v", c)
		}
		records, err := w.Usage.List(ctx, p.Caller.Scope(), usage.Filter{}, usage.Page{})
		if err != nil || len(records) < 2 || records[0].Operator != "测试甲" {
			t.Errorf("usage records %v, %v", records, err)
		}
		err = w.Store.View(ctx, func(ctx context.Context, tx work.Tx) error {
			_, err := w.Persons.Person(ctx, tx, p.Caller.Account)
			return err
		})
		wants(t, err, realname.CodeNotVerified)

		// The same person, number and phone: a new account, which sees nothing of the old.
		q := w.SignIn(p.Number)
		if q.Caller.Account == p.Caller.Account {
			t.Fatal("the number enters the closed account")
		}
		verify(q, old.IDNumber)
		w.Do(func(ctx context.Context, tx work.Tx) error {
			fresh, err := w.Persons.Person(ctx, tx, q.Caller.Account)
			if err != nil || fresh.IDNumber != old.IDNumber || fresh.Holder == old.Holder {
				t.Errorf("the person is %+v, %v", fresh, err)
			}
			_, err = w.Certificates.Get(ctx, tx, q.Caller.Account, cert)
			if !errors.Is(err, certificate.CodeNotFound) {
				t.Errorf("the old certificate: %v", err)
			}
			return nil
		})
		if held, err := w.Certificates.List(ctx, q.Caller.Scope(), certificate.Filter{}, ""); err != nil || len(held.Certificates) != 0 {
			t.Errorf("it holds %v, %v", held, err)
		}
		told, err := w.Notices.List(ctx, q.Caller.Account, "")
		if err != nil || len(told.Notices) != 0 {
			t.Errorf("it was told %v, %v", told, err)
		}
		q.SetPIN()
		q.UseKeys(q.Installed())
		if got := blocked(q); got != "certificate_valid 1" {
			t.Errorf("the new account is blocked by %q", got)
		}
		w.Orphans()
	})
}

func verify(p *flowtest.Person, number string) {
	p.T.Helper()
	ticket, code := p.Code(account.PurposeRealname)
	c, err := p.Persons.Start(p.T.Context(), p.Caller, realname.Application{
		Name: "测试甲", IDNumber: number, Ticket: ticket, Code: code, Method: "phone", ConsentFace: true,
	})
	if err != nil {
		p.T.Fatal(err)
	}
	if c, err = p.Persons.Video(p.T.Context(), p.Caller.Account, c.ID, []byte("video")); err != nil || c.State != realname.StatePassed {
		p.T.Fatalf("%s %s, %v", c.State, c.Reason, err)
	}
}

// Who never held a certificate leaves neither number nor name behind.
func TestClosingErasesWhomNoRecordNeeds(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		ticket, code := p.Code(account.PurposeRealname)
		_, err := w.Persons.Start(t.Context(), p.Caller, realname.Application{
			Name: "测试乙", IDNumber: "11010519491231002X", Ticket: ticket, Code: code, Method: "phone", ConsentFace: true,
		})
		wants(t, err, realname.CodeOtherPerson)
		if err := closes(p); err != nil {
			t.Fatal(err)
		}
		w.Do(func(ctx context.Context, tx work.Tx) error {
			number, err := w.Accounts.PhoneNumber(ctx, tx, p.Caller.Account)
			if err != nil || number != "" {
				t.Errorf("the number is %q, %v", number, err)
			}
			_, err = people.Realnames(w.Store).Person(ctx, tx, p.Caller.Account)
			if !errors.Is(err, work.ErrNotFound) {
				t.Errorf("the person: %v", err)
			}
			return nil
		})
	})
}

func TestABrokenClosingClosesAllOrNothing(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		ticket, code := p.Code(account.PurposeClose)
		for n := 1; ; n++ {
			w.Faults.Break(n, false)
			err := w.Closing.Close(t.Context(), p.Caller, ticket, code)
			hit := w.Faults.Hit()
			w.Faults.Break(0, false)
			_, _, out := w.Accounts.Authenticate(t.Context(), p.Token)
			for _, k := range w.Keys(p.Caller.Account) {
				if (k.State == custody.KeyDestroyed) != (err == nil) {
					t.Fatalf("step %d: %v, the key is %s", n, err, k.State)
				}
			}
			if (out != nil) != (err == nil) {
				t.Fatalf("step %d: %v, the session %v", n, err, out)
			}
			if !hit {
				return
			}
			w.Clock.Advance(time.Second)
		}
	})
}

func TestAnAdministratorTransfersBeforeHeCloses(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		boss, heir := w.Person(), w.Person()
		in := w.Found("示例建设有限公司", boss, heir)
		if got := blocked(boss); got != "administrator 1" {
			t.Errorf("blocked by %q", got)
		}
		wants(t, closes(boss), closing.CodeBlocked)
		member := w.Membership(in, heir)
		w.Do(func(ctx context.Context, tx work.Tx) error {
			return w.Members.Hand(ctx, tx, boss.Caller.Account, in, member)
		})
		if err := closes(boss); err != nil {
			t.Fatal(err)
		}
		page, err := w.Members.List(ctx, heir.Caller, in, "", "")
		if err != nil || len(page.Colleagues) != 1 || page.Colleagues[0].Account != heir.Caller.Account {
			t.Errorf("members: %+v, %v", page, err)
		}
	})
}
