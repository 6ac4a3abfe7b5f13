package enterprise_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

const (
	codeA = "91999999MA0TE5T00T"
	codeB = "91999999MA0TE5T01X"

	legalA = "110101197001010016"
	legalB = "110101197001010024"
)

// bureau is a club whose enterprises are verified.
type bureau struct {
	*club
	*verification.Service
	outside *outside
	changes *changes
}

// outside is the register and the checker: its next answers, else it passes.
type outside struct {
	mu     sync.Mutex
	facts  []verification.RegistryAnswer
	person []realname.Answer
	away   int // how many calls are not answered
	refs   map[string]bool
}

var errAway = errors.New("nobody answers")

func (o *outside) answers(ref string) error {
	o.refs[ref] = true
	if o.away > 0 {
		o.away--
		return errAway
	}
	return nil
}

func (o *outside) EnterpriseFactors(_ context.Context, q verification.RegistryQuery) (a verification.RegistryAnswer, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.answers(q.Ref); err != nil {
		return a, err
	}
	if len(o.facts) > 0 {
		a, o.facts = o.facts[0], o.facts[1:]
		return a, nil
	}
	return verification.RegistryAnswer{Passed: true, Record: enterprise.Record{Name: q.Name, Code: q.Code, LegalName: "测*", Status: "存续", AsOf: "2026-11-20"}}, nil
}

func (o *outside) pass(ref string) (a realname.Answer, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.answers(ref); err != nil {
		return a, err
	}
	if len(o.person) > 0 {
		a, o.person = o.person[0], o.person[1:]
		return a, nil
	}
	return realname.Answer{Passed: true}, nil
}

func (o *outside) PersonFactors(_ context.Context, q realname.Query) (realname.Answer, error) {
	return o.pass(q.Ref)
}

func (o *outside) CardFactors(_ context.Context, q realname.CardQuery) (realname.Answer, error) {
	return o.pass(q.Ref)
}

func (o *outside) Face(context.Context, realname.FaceQuery) (realname.Answer, error) {
	return realname.Answer{}, errAway
}

// changes keeps the facts that changed, and refuses if told so.
type changes struct {
	mu   sync.Mutex
	all  [][2]enterprise.Enterprise
	fail error
}

func (c *changes) EnterpriseChanged(_ context.Context, tx work.Tx, before, after enterprise.Enterprise) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tx.AfterCommit(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, [2]enterprise.Enterprise{before, after})
	})
	return c.fail
}

// eachBureau runs a test on both engines, oneBureau on SQLite where no database
// decides.
func eachBureau(t *testing.T, f func(t *testing.T, b *bureau)) {
	t.Helper()
	eachClub(t, func(t *testing.T, c *club) { f(t, newBureau(c)) })
}

func oneBureau(t *testing.T) *bureau {
	t.Helper()
	now := clock.NewManual(morning)
	return newBureau(newClub(t, storetest.Open(t, storetest.SQLite(t), now), now))
}

func newBureau(c *club) *bureau {
	b := &bureau{club: c, outside: &outside{refs: map[string]bool{}}, changes: &changes{}}
	b.Service = verification.New(verification.Deps{
		Runner: c.st, Store: people.Enterprises(c.st), Members: c.Members, Clock: c.clock, Rand: rand.Reader, Box: c.st.Box,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Codes: c.accounts, Officers: c.accounts, Registry: b.outside, Checker: b.outside,
		Notices: c.notices, Changed: b.changes,
		Letter: func(f verification.LetterFacts) ([]byte, error) { return []byte(f.Name + f.Person + f.IDMasked), nil },
	})
	b.Service.Register(c.jobs)
	return b
}

// raw is the SQL transaction: to look behind the store.
func raw(tx work.Tx) *sql.Tx { return store.Raw(tx) }

// photo is a picture that can be read: stripes.
var photo = sync.OnceValue(func() []byte {
	img := image.NewGray(image.Rect(0, 0, 640, 420))
	for y := range 420 {
		for x := range 640 {
			if img.SetGray(x, y, color.Gray{230}); x/4%3 == 0 {
				img.SetGray(x, y, color.Gray{20})
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
})

func facts(code string) verification.Facts {
	return verification.Facts{Name: "测试甲科技有限公司", Code: code, LegalName: "测试法", LegalIDNumber: legalA}
}

// applied gives an application that the register has agreed to, with the
// representative's card.
func (b *bureau) applied(s someone, f verification.Facts, pictures ...string) enterprise.Application {
	b.t.Helper()
	a, err := b.Apply(b.t.Context(), s.Caller, f)
	b.must(err)
	a, err = b.Check(b.t.Context(), s.Account, a.ID)
	b.must(err)
	for _, k := range append(pictures, enterprise.PictureIDFront, enterprise.PictureIDBack) {
		a, err = b.PutPicture(b.t.Context(), s.Account, a.ID, k, photo())
		b.must(err)
	}
	if a.State != enterprise.StateChecked {
		b.t.Fatalf("checked application is %s with %v", a.State, a.Reasons)
	}
	return a
}

// submitted waits for an officer.
func (b *bureau) submitted(s someone, f verification.Facts) enterprise.Application {
	b.t.Helper()
	a := b.applied(s, f, enterprise.PictureLicence, enterprise.PictureLetter)
	a, err := b.Submit(b.t.Context(), s.Account, a.ID)
	b.must(err)
	return a
}

// proof is a code to the representative's phone, entered.
func (b *bureau) proof(s someone, legalPhone string) verification.Proof {
	b.t.Helper()
	b.clock.Advance(time.Minute)
	ticket, err := b.accounts.RequestCode(b.t.Context(), account.Ask{Phone: legalPhone, Purpose: account.PurposeLegal, Address: "192.0.2.1"}, s.Caller)
	b.must(err)
	all := b.texts(someone{phone: legalPhone}, "code.legal")
	return verification.Proof{Method: enterprise.MethodPhone, Phone: legalPhone, Ticket: ticket.ID, Code: all[len(all)-1]["code"]}
}

// all of the checklist.
func (b *bureau) checks(a enterprise.Application) (out []string) {
	b.t.Helper()
	r, err := b.Review(b.t.Context(), a.ID)
	b.must(err)
	for _, c := range r.Checklist {
		out = append(out, c.Code)
	}
	return out
}

// approve takes an application before an officer and approves it as it stands.
func (b *bureau) approve(o verification.Officer, a enterprise.Application) error {
	b.t.Helper()
	if err := b.Claim(b.t.Context(), o, a.ID); err != nil {
		return err
	}
	return b.Approve(b.t.Context(), o, a.ID, a.SubmittedAt, b.checks(a))
}

func (b *bureau) state(s someone, application string, want enterprise.State, reasons ...string) enterprise.Application {
	b.t.Helper()
	a, err := b.Application(b.t.Context(), s.Account, application)
	b.must(err)
	if a.State != want || len(a.Reasons) != len(reasons) || len(reasons) > 0 && a.Reasons[0] != reasons[0] {
		b.t.Fatalf("application is %s with %v, want %s with %v", a.State, a.Reasons, want, reasons)
	}
	return a
}
