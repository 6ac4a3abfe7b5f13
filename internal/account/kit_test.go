package account_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var agreements = []account.Agreement{
	{Document: "terms", Version: "2026-11", Title: "用户协议"},
	{Document: "privacy", Version: "2026-10", Title: "隐私政策"},
}

// home is the address of everybody who does not say otherwise.
const home = "192.0.2.1"

// cheap stretches quickly.
var cheap = account.Cost{Passes: 1, Memory: 64, Lanes: 1}

// inbox is an SMS provider that keeps what it was given.
type inbox struct {
	mu   sync.Mutex
	sent []message
	err  error
}

type message struct {
	ref, phone, template string
	params               map[string]string
}

func (b *inbox) Send(_ context.Context, ref, phone, template string, params map[string]string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.sent = append(b.sent, message{ref, phone, template, params})
	return nil
}

type kit struct {
	*account.Service
	t     *testing.T
	st    *store.Store
	clock *clock.Manual
	inbox *inbox
	jobs  *job.Runner
}

// each runs a test on both engines, each with a service of its own at noon.
func each(t *testing.T, f func(t *testing.T, k *kit)) {
	t.Helper()
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		f(t, kitOver(t, st, c))
	})
}

// one runs a test on SQLite alone: for rules that no store decides.
func one(t *testing.T) *kit {
	t.Helper()
	c := clock.NewManual(noon)
	return kitOver(t, storetest.Open(t, storetest.SQLite(t), c), c)
}

func kitOver(t *testing.T, st *store.Store, c *clock.Manual) *kit {
	k := &kit{t: t, st: st, clock: c, inbox: &inbox{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	k.Service = account.New(account.Deps{Runner: st, Store: people.Accounts(st), Clock: c, Rand: rand.Reader, Box: st.Box,
		SMS: k.inbox, Log: log, Agreements: agreements, Cost: cheap, Limits: account.Limits{Free: 1000}, Puzzles: puzzles{}})
	k.jobs = job.New(st, c, rand.Reader, log)
	k.Register(k.jobs)
	return k
}

// deliver does the waiting jobs and gives the code of the last SMS to a phone.
func (k *kit) deliver(phone string) string {
	k.t.Helper()
	if err := k.jobs.Drain(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	for i := len(k.inbox.sent) - 1; i >= 0; i-- {
		if m := k.inbox.sent[i]; m.phone == phone && m.params["code"] != "" {
			return m.params["code"]
		}
	}
	k.t.Fatalf("no code came to the phone")
	return ""
}

// unfollowed is what no flow adds.
func unfollowed(context.Context, work.Tx) error { return nil }

// puzzles is the captcha of tests: its id is its serial, and 7 is right.
type puzzles struct{}

func (puzzles) Judge(id string, x int) (string, bool) { return id, x == 7 }

// RequestCode asks without a captcha, of which these tests have a thousand free.
func (k *kit) RequestCode(ctx context.Context, phone string, p account.Purpose, c account.Caller, address string) (account.Ticket, error) {
	return k.Service.RequestCode(ctx, account.Ask{Phone: phone, Purpose: p, Address: address}, c)
}

func (k *kit) ask(phone string, p account.Purpose, c account.Caller) (ticket, code string) {
	k.t.Helper()
	k.clock.Advance(time.Minute)
	got, err := k.RequestCode(k.t.Context(), phone, p, c, home)
	if err != nil {
		k.t.Fatal(err)
	}
	if phone == "" {
		phone = k.number(c.Account)
	}
	return got.ID, k.deliver(phone)
}

func (k *kit) number(acc string) (phone string) {
	k.t.Helper()
	k.view(func(ctx context.Context, tx work.Tx) (err error) {
		phone, err = k.PhoneNumber(ctx, tx, acc)
		return err
	})
	return phone
}

func (k *kit) view(f func(context.Context, work.Tx) error) {
	k.t.Helper()
	if err := k.st.View(k.t.Context(), f); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) do(f func(context.Context, work.Tx) error) error {
	return k.st.Do(k.t.Context(), "test", f)
}

func (k *kit) signIn(phone string, device []byte) account.Session {
	k.t.Helper()
	ticket, code := k.ask(phone, account.PurposeLogin, account.Caller{})
	s, err := k.SignIn(k.t.Context(), account.SignIn{Ticket: ticket, Code: code, Phone: phone, Agreements: agreements, DeviceKey: device, Address: home})
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

func (k *kit) caller(s account.Session) account.Caller {
	k.t.Helper()
	c, _, err := k.Authenticate(k.t.Context(), s.Token)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

func device(t testing.TB, curve elliptic.Curve) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// other is a code that is surely wrong.
func other(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func want(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("err = %v, want %s", err, code.Name)
	}
}

func member(err error, name string) any {
	_, members := fault.Of(err)
	return members[name]
}

func phone(n int) string { return fmt.Sprintf("139%08d", n) }

// audit gives the entries of a kind that are not sealed yet: all of a short test.
func (k *kit) audit(kind string) (out []audit.Entry) {
	k.t.Helper()
	k.view(func(ctx context.Context, tx work.Tx) error {
		all, err := k.st.Audit().Unsealed(ctx, tx, 10_000)
		for _, e := range all {
			if e.Kind == kind {
				out = append(out, e)
			}
		}
		return err
	})
	return out
}
