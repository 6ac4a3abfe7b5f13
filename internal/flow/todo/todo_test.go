package todo_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/todo"
	"tianweitong/internal/id"
	"tianweitong/internal/order"
	"tianweitong/internal/work"
)

type institutions struct{}

func (institutions) Institution(_ context.Context, _ work.Tx, code string) (catalog.Institution, error) {
	return catalog.Institution{Code: code, Name: "沙箱第一CA"}, nil
}

// pins stands before flow/pin, so that locks need no wrong entries.
type pins struct {
	todo.PINs
	is *custody.PINStatus
}

func (p pins) Status(ctx context.Context, c account.Caller) (custody.PINStatus, bool, error) {
	if p.is != nil {
		return *p.is, true, nil
	}
	return p.PINs.Status(ctx, c)
}

func list(w *flowtest.World, c account.Caller, pin *custody.PINStatus, applied ...enterprise.Application) []todo.Todo {
	w.T.Helper()
	s := todo.New(todo.Deps{
		Runner: w.Store, Clock: w.Clock, Persons: w.Persons, Orders: w.Orders, Certificates: w.Certificates, Institutions: institutions{},
		PINs: pins{w.PIN, pin}, Recoveries: w.Recover, Members: w.Members, Enterprises: applications(applied),
	})
	all, err := s.List(w.T.Context(), c)
	if err != nil {
		w.T.Fatal(err)
	}
	for _, t := range all {
		if t.Title == "" || t.Text == "" || t.Action.Kind == "" || t.Action.Label == "" || strings.HasSuffix(t.Text, "。") {
			w.T.Errorf("%+v", t)
		}
	}
	return all
}

// told is a list in short: kind and urgency of each.
func told(all []todo.Todo) (out string) {
	for _, t := range all {
		out += fmt.Sprintf(" %s/%s", t.Kind, t.Urgency)
	}
	return strings.TrimSpace(out)
}

func TestTodosFollowFromHowEverythingStands(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		stranger := w.SignIn("13712340001")
		is := func(c account.Caller, want string) []todo.Todo {
			t.Helper()
			all := list(w, c, nil)
			if got := told(all); got != want {
				t.Fatalf("told %q, want %q", got, want)
			}
			return all
		}
		is(stranger.Caller, "realname/now")
		p := w.Person()
		is(p.Caller, "set_pin/soon")

		now := w.Clock.Now()
		o := order.Order{
			ID: id.New(rand.Reader), Buyer: order.Buyer{Kind: order.Person, Account: p.Caller.Account}, State: order.Unpaid, Total: 36000,
			CreatedAt: now, ExpiresAt: now.Add(order.Life), Version: 1,
			Lines: []order.Line{{ID: id.New(rand.Reader), Kind: order.LineCertificate, Institution: flowtest.Institution, Years: 2, Platform: flowtest.Platform, Price: 36000, State: order.LineOpen}},
		}
		w.Do(func(ctx context.Context, tx work.Tx) error { return w.Store.Orders().Insert(ctx, tx, o) })
		pay := is(p.Caller, "pay/now set_pin/soon")[0]
		if pay.Text != "沙箱第一CA · 2 年 · ¥360.00" || pay.Amount != 36000 || !pay.Until.Equal(o.ExpiresAt) || !pay.Since.Equal(now) || pay.Action.Order != o.ID {
			t.Errorf("%+v", pay)
		}
		w.Clock.Advance(order.Life)
		cert := w.Buy(p.Caller.Account)
		install := is(p.Caller, "install/now set_pin/now")[0]
		if install.Action.Certificate != cert || install.Text != "沙箱第一CA · 1 年 · 已支付" {
			t.Errorf("%+v", install)
		}
		p.SetPIN()
		is(p.Caller, "install/now")
		if _, err := p.InstallOnce(t.Context(), cert); err != nil {
			t.Fatal(err)
		}
		is(p.Caller, "")
		is(stranger.Caller, "realname/now")

		until := w.Certificate(cert).NotAfter
		w.Clock.Advance(until.Sub(w.Clock.Now()) - certificate.Soon - time.Second)
		is(p.Caller, "")
		w.Clock.Advance(time.Second)
		if e := is(p.Caller, "expiring/soon")[0]; e.Title != "证书 90 天后到期" || !e.Until.Equal(until) || e.Action.Certificate != cert {
			t.Errorf("%+v", e)
		}
		w.Clock.Advance(certificate.Soon - time.Hour)
		if e := is(p.Caller, "expiring/now")[0]; e.Title != "证书将在 24 小时内到期" {
			t.Errorf("%+v", e)
		}
		w.Clock.Advance(2 * time.Hour)
		is(p.Caller, "")
	})
}

func TestLockedPINIsATodoUntilItOpens(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		for _, x := range []struct {
			is     custody.PINStatus
			want   string
			action string
		}{
			{custody.PINStatus{Set: true, Locked: true}, "pin_locked/now", "recover"},
			{custody.PINStatus{Set: true, LockedUntil: w.Clock.Now().Add(time.Minute)}, "pin_locked/now", "unlock"},
			{custody.PINStatus{Set: true, FaceNeeded: true}, "pin_locked/now", "unlock"},
			{custody.PINStatus{Set: true, LockedUntil: w.Clock.Now()}, "", ""},
		} {
			all := list(w, p.Caller, &x.is)
			if told(all) != x.want || x.want != "" && all[0].Action.Kind != x.action {
				t.Errorf("%+v: %+v", x.is, all)
			}
		}
	})
}

func TestRunningReKeyIsATodoOnBothPhones(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		old := w.Person()
		old.SetPIN()
		cert := old.Installed()
		p := old.NewPhone()
		ticket, code := p.Code(account.PurposeRecover)
		r, err := p.Recover.Begin(ctx, p.Caller, ticket, code)
		if err != nil {
			t.Fatal(err)
		}
		here := list(w, p.Caller, nil)
		if told(here) != "recovery/now" || here[0].Action.Recovery != r.ID || here[0].Action.Label != "继续办理" {
			t.Fatalf("%+v", here)
		}
		if r, err = p.Recover.Face(ctx, p.Caller, r.ID, []byte("video")); err != nil || r.State != recover.Suspended {
			t.Fatal(r.State, err)
		}
		if got := told(list(w, p.Caller, nil)); got != "recovery/now" {
			t.Fatalf("the keys are out of use for it: %q", got)
		}
		restricted := old.Caller
		restricted.Restricted = true
		if there := list(w, restricted, nil); told(there) != "recovery/now" || there[0].Title != "账号正在办理补办恢复" {
			t.Fatalf("%+v", there)
		}
		if err := p.EnterNewPIN(ctx, r.ID, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		if _, err := p.InstallOnce(ctx, cert); err != nil {
			t.Fatal(err)
		}
		if got := told(list(w, p.Caller, nil)); got != "recovery/soon" {
			t.Fatalf("while older envelopes wait: %q", got)
		}
		if got := told(list(w, restricted, nil)); got != "recovery/now" {
			t.Fatalf("the old phone may still stop it: %q", got)
		}
		w.Clock.Advance(recover.HoldFor)
		if got := told(list(w, p.Caller, nil)); got != "" {
			t.Fatalf("after it: %q", got)
		}
	})
}

func TestKeysThatNobodyHasAreATodo(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		w.Do(func(ctx context.Context, tx work.Tx) error { return w.Certificates.KeysLost(ctx, tx, p.Caller.Account) })
		if all := list(w, p.Caller, nil); told(all) != "key_lost/now" || all[0].Action.Kind != "recover" || all[0].Action.Certificate != cert {
			t.Fatalf("%+v", all)
		}
	})
}
