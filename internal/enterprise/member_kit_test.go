package enterprise_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var morning = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

// club is enterprises' members on one database, with real accounts and persons.
type club struct {
	*enterprise.Members
	t        *testing.T
	st       *store.Store
	clock    *clock.Manual
	accounts *account.Service
	notices  *notice.Service
	jobs     *job.Runner
	inbox    *letterbox
	left     *departures
}

// letterbox is an SMS provider that keeps what it was given.
type letterbox struct {
	mu   sync.Mutex
	sent []map[string]string // with phone and template
}

func (b *letterbox) Send(_ context.Context, _, phone, template string, params map[string]string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := map[string]string{"phone": phone, "template": template}
	for k, v := range params {
		m[k] = v
	}
	b.sent = append(b.sent, m)
	return nil
}

// departures keeps who left, and refuses if told so.
type departures struct {
	mu   sync.Mutex
	all  []enterprise.Departure
	fail error
}

func (d *departures) Left(_ context.Context, tx work.Tx, x enterprise.Departure) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	tx.AfterCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all = append(d.all, x)
	})
	return nil
}

// unverified has no applications.
type unverified []enterprise.Application

func (u unverified) ApplicationsOf(context.Context, work.Tx, string, int) ([]enterprise.Application, error) {
	return u, nil
}

func eachClub(t *testing.T, f func(t *testing.T, c *club)) {
	t.Helper()
	now := clock.NewManual(morning)
	storetest.Each(t, now, func(t *testing.T, st *store.Store) {
		now.Advance(morning.Sub(now.Now()))
		f(t, newClub(t, st, now))
	})
}

func newClub(t *testing.T, st *store.Store, now *clock.Manual) *club {
	c := &club{t: t, st: st, clock: now, inbox: &letterbox{}, left: &departures{}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	c.accounts = account.New(account.Deps{Runner: st, Store: people.Accounts(st), Clock: now, Rand: rand.Reader, Box: st.Box, SMS: c.inbox, Log: log,
		Limits: account.Limits{Free: 1000}})
	persons := realname.New(realname.Deps{Runner: st, Store: people.Realnames(st), Clock: now, Rand: rand.Reader, Box: st.Box, Accounts: c.accounts, Log: log})
	c.notices = notice.New(notice.Deps{Runner: st, Store: people.Notices(st), Clock: now, Rand: rand.Reader, Texts: c.accounts})
	c.Members = enterprise.NewMembers(enterprise.MemberDeps{
		Runner: st, Store: people.Members(st), Clock: now, Rand: rand.Reader, Box: st.Box, Accounts: c.accounts, Persons: persons, Notices: c.notices,
		Departures: c.left, Applications: unverified(nil), AppURL: "https://app.example",
	})
	c.jobs = job.New(st, now, rand.Reader, log)
	c.accounts.Register(c.jobs)
	return c
}

func (c *club) do(f func(context.Context, work.Tx) error) {
	c.t.Helper()
	if err := c.st.Do(c.t.Context(), "test", f); err != nil {
		c.t.Fatal(err)
	}
}

// someone is a person of tests.
type someone struct {
	account.Caller
	name, phone string
}

// person registers an account; with a name it is verified.
func (c *club) person(n int, name string) someone {
	c.t.Helper()
	s := someone{Caller: account.Caller{Account: fmt.Sprintf("acc%05d", n), Session: fmt.Sprintf("s%05d", n), Device: "d"}, name: name, phone: fmt.Sprintf("139%08d", n)}
	c.do(func(ctx context.Context, tx work.Tx) error {
		_, err := people.Accounts(c.st).Register(ctx, tx, account.Account{
			ID: s.Account, Phone: s.phone, PhoneHash: c.st.Box.Hash("phone", []byte(s.phone)), Device: "d", CreatedAt: morning, Version: 1,
		})
		if err != nil || name == "" {
			return err
		}
		_, err = people.Realnames(c.st).AddPerson(ctx, tx, realname.Person{
			Account: s.Account, Holder: "h" + s.Account, Name: name, IDType: realname.IDResident, IDNumber: "x", IDHash: []byte(s.Account), VerifiedAt: morning,
		})
		return err
	})
	return s
}

// found makes a verified enterprise with its creator.
func (c *club) found(name string, admin someone) string {
	c.t.Helper()
	e := id.New(rand.Reader)
	c.do(func(ctx context.Context, tx work.Tx) error {
		if _, err := store.Raw(tx).ExecContext(ctx, `INSERT INTO enterprises (id, name, code, legal_name, legal_id, legal_id_hash, administrator, method, verified_at, created_at, facts, version)
			VALUES ($1, $2, $1, $3, $3, $3, $4, 'phone', 0, 0, 1, 1)`, e, name, []byte{}, admin.Account); err != nil {
			return err
		}
		_, err := c.Join(ctx, tx, e, admin.Account, enterprise.ViaCreated)
		return err
	})
	return e
}

// join makes members without asking.
func (c *club) join(e string, all ...someone) {
	c.t.Helper()
	c.do(func(ctx context.Context, tx work.Tx) error {
		for _, s := range all {
			if fresh, err := c.Join(ctx, tx, e, s.Account, enterprise.ViaInvited); err != nil || !fresh {
				return errors.Join(err, fmt.Errorf("joined: %v", fresh))
			}
		}
		return nil
	})
}

// id of a current membership.
func (c *club) id(e string, s someone) string {
	c.t.Helper()
	var m enterprise.Member
	c.do(func(ctx context.Context, tx work.Tx) (err error) {
		m, err = c.Store.Current(ctx, tx, e, s.Account)
		return err
	})
	return m.ID
}

func (c *club) role(e string, s someone) (role enterprise.Role, member bool) {
	c.t.Helper()
	c.do(func(ctx context.Context, tx work.Tx) (err error) {
		role, member, err = c.RoleOf(ctx, tx, s.Account, e)
		return err
	})
	return role, member
}

// texts gives the SMS to a number with a template, the last one last.
func (c *club) texts(s someone, template string) (out []map[string]string) {
	c.t.Helper()
	if err := c.jobs.Drain(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.inbox.mu.Lock()
	defer c.inbox.mu.Unlock()
	for _, m := range c.inbox.sent {
		if m["phone"] == s.phone && m["template"] == template {
			out = append(out, m)
		}
	}
	return out
}

// told counts the notices of a kind.
func (c *club) told(s someone, kind string) int {
	c.t.Helper()
	p, err := c.notices.List(c.t.Context(), s.Account, "")
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	for _, x := range p.Notices {
		if x.Kind == kind {
			n++
		}
	}
	return n
}

func (c *club) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *club) refused(err, want error) {
	c.t.Helper()
	if !errors.Is(err, want) {
		c.t.Errorf("refused with %v, want %v", err, want)
	}
}

// token gives what the last invitation to somebody carries.
func (c *club) token(s someone) string {
	c.t.Helper()
	all := c.texts(s, "enterprise.invitation")
	if len(all) == 0 {
		c.t.Fatal("no invitation was sent")
	}
	_, token, _ := strings.Cut(all[len(all)-1]["link"], "https://app.example/i#t=")
	return token
}

// code asks for a code and gives ticket and digits.
func (c *club) code(s someone, p account.Purpose) (ticket, digits string) {
	c.t.Helper()
	c.clock.Advance(time.Minute)
	got, err := c.accounts.RequestCode(c.t.Context(), account.Ask{Purpose: p, Address: "192.0.2.1"}, s.Caller)
	c.must(err)
	all := c.texts(s, "code."+string(p))
	return got.ID, all[len(all)-1]["code"]
}
