// Package flowtest gives the tests of the flows a whole house over one database:
// the real nouns, custody, authority and key-management centre, a person with a
// phone, and a way to break any step.
package flowtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/ca"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/check"
	"tianweitong/internal/flow/closing"
	"tianweitong/internal/flow/handover"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/offboard"
	"tianweitong/internal/flow/pin"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/flow/safety"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/kmc"
	"tianweitong/internal/money"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/provider/issuer"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// Noon is when every world begins.
var Noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// PlatformName is what every platform is called here.
const PlatformName = "样例平台"

type directory struct{}

// Platform implements check.Platforms.
func (directory) Platform(_ context.Context, _ work.Tx, code string) (catalog.Platform, error) {
	return catalog.Platform{Code: code, Name: PlatformName, Active: true}, nil
}

// Institution and Platform are those of every certificate bought here.
const (
	Institution = "TWTCA1"
	Platform    = "M1100000034"
)

// World is one house.
type World struct {
	T      testing.TB
	Clock  *clock.Manual
	Store  *store.Store
	Faults *Faults
	Jobs   *job.Runner
	Text   *Texts
	Faces  *Checker

	Custody      *custody.Module
	Centre       kmc.Door
	CA           *ca.Service
	Accounts     *account.Service
	Persons      *realname.Service
	Notices      *notice.Service
	Orders       *order.Service
	Certificates *certificate.Service
	Roamings     *roaming.Service
	Usage        *usage.Service

	Safety   *safety.Service
	Closing  *closing.Service
	Members  *enterprise.Members
	Handover *handover.Service
	// Verification knows no register: applications are put before an officer as they are.
	Verification *verification.Service
	PIN          *pin.Service
	Install      *install.Service
	Recover      *recover.Service
	Revoke       *revoke.Service
	Check        *check.Service

	modules custody.Deps
	box     *secret.Box
	kmc     *store.KMC
	escrow  *secret.Box
}

// Each runs a test in a fresh world on both engines.
func Each(t *testing.T, f func(t *testing.T, w *World)) {
	t.Helper()
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := clock.NewManual(Noon)
			f(t, New(t, storetest.Open(t, dsn(t), c), c))
		})
	}
}

// New builds a world over a store and holds its ceremony.
func New(t testing.TB, st *store.Store, c *clock.Manual) *World {
	t.Helper()
	w := &World{
		T: t, Clock: c, Store: st, Faults: &Faults{Runner: st}, Text: &Texts{}, Faces: &Checker{},
		modules: custodytest.Deps(t, st, c), box: storetest.Box(t),
	}
	w.modules.Runner = w.Faults
	var err error
	w.escrow = storetest.Box(t)
	w.kmc, err = store.OpenKMC(t.Context(), storetest.SQLite(t), store.Options{Clock: c, Rand: rand.Reader, Box: w.escrow})
	w.must(err)
	t.Cleanup(func() { w.kmc.Close() })
	w.Start()
	if err := w.CA.Ceremony(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// Start builds every service anew over the same stores, as a restart does.
func (w *World) Start() {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	r, c, st := w.Faults, w.Clock, w.Store
	w.Custody = custodytest.Start(w.T, w.modules)
	w.Centre = &flakyCentre{w.centre(log), w.Faults}
	w.Jobs = job.New(st, c, rand.Reader, log)
	w.Accounts = account.New(account.Deps{
		Runner: r, Store: people.Accounts(st), Clock: c, Rand: rand.Reader, Box: w.box, SMS: w.Text, Log: log,
		Limits: account.Limits{Daily: 1000, PerNetwork: 1000, Anyone: 1000, PerAddress: 100000, PerDevice: 1000, Free: 100000, Hourly: 100000, Ceiling: 100000},
		Cost:   account.Cost{Passes: 1, Memory: 64, Lanes: 1},
	})
	w.Notices = notice.New(notice.Deps{Runner: r, Store: people.Notices(st), Clock: c, Rand: rand.Reader, Texts: w.Accounts})
	w.Persons = realname.New(realname.Deps{
		Runner: r, Store: people.Realnames(st), Clock: c, Rand: rand.Reader, Box: w.box, Accounts: w.Accounts, Checker: w.Faces, Log: log,
	})
	w.Orders = order.New(order.Deps{Store: st.Orders(), Runner: r, Clock: c, Rand: rand.Reader, Log: log, Notices: w.Notices})
	w.Certificates = certificate.New(certificate.Deps{Store: st.Certificates(), Runner: r, Clock: c, Rand: rand.Reader, Devices: w.Accounts})
	w.Roamings = roaming.New(roaming.Deps{Store: st.Roamings(), Clock: c, Rand: rand.Reader})
	w.Usage = usage.New(usage.Deps{Store: st.Usage(), Runner: r, Clock: c, Rand: rand.Reader, Chain: st.Audit()})
	before := w.CA
	w.CA = ca.New(ca.Deps{
		Runner: r, Store: st.CA(), Signer: w.Custody, Clock: c, Rand: rand.Reader, Log: log, Sandbox: true, Operator: "沙箱运营",
		Institutions: []ca.Institution{{Code: Institution, Name: "沙箱第一CA"}}, BaseURL: "http://pki.test", PINKeys: w.Custody.IsPINKey,
	})
	if before != nil {
		w.must(w.CA.Load(w.T.Context()))
	}
	service := func(ctx context.Context) ([]byte, error) {
		chain, err := w.CA.Service(ctx, "statement")
		if err != nil {
			return nil, err
		}
		return chain[0], nil
	}
	w.PIN = pin.New(pin.Deps{
		Store: st.PINSetups(), Runner: r, Clock: c, Rand: rand.Reader, Custody: w.Custody, Accounts: w.Accounts, Notices: w.Notices,
		Faces: w.Persons, Refresher: w.Custody, Installations: st.Installations(), ServiceCertificate: service,
	})
	w.Recover = recover.New(recover.Deps{
		Store: st.Recoveries(), Runner: r, Clock: c, Rand: rand.Reader, Custody: w.Custody, Accounts: w.Accounts,
		Certificates: w.Certificates, Installations: st.Installations(), Faces: w.Persons, Notices: w.Notices, Transactions: noScans{},
	})
	w.Install = install.NewService(install.Deps{
		Store: st.Installations(), Runner: r, Clock: c, Rand: rand.Reader, Log: log, Custody: w.Custody, KMC: w.Centre,
		Issuer: &flakyIssuer{issuer.Own{CA: w.CA}, w.Faults}, Certificates: w.Certificates, Persons: w.Persons, Roamings: w.Roamings,
		Orders: w.Orders, Revoker: w.CA, Notices: w.Notices, Usage: w.Usage, Recoveries: w.Recover, ServiceCertificate: service,
	})
	w.Revoke = revoke.New(revoke.Deps{
		Store: st.Revocations(), Runner: r, Clock: c, Rand: rand.Reader, Custody: w.Custody, Certificates: w.Certificates,
		Authority: w.CA, Persons: w.Persons, Notices: w.Notices, Usage: w.Usage, Recoveries: w.Recover,
	})
	w.Check = check.New(check.Deps{
		Runner: r, Clock: c, Rand: rand.Reader, Custody: w.Custody, Certificates: w.Certificates, Authority: w.CA,
		Roamings: w.Roamings, Platforms: directory{}, Persons: w.Persons, Usage: w.Usage, ServiceCertificate: service,
	})
	w.Safety = safety.New(safety.Deps{Runner: r, Accounts: w.Accounts, Keys: w.Custody, Notices: w.Notices})
	w.Members = enterprise.NewMembers(enterprise.MemberDeps{
		Runner: r, Store: people.Members(st), Clock: c, Rand: rand.Reader, Box: w.box, Accounts: w.Accounts, Persons: w.Persons, Notices: w.Notices,
		Departures: &offboard.Service{Certificates: w.Certificates}, AppURL: "https://app.test",
	})
	w.Handover = handover.New(handover.Deps{
		Store: people.Handovers(st), Runner: r, Clock: c, Rand: rand.Reader, Custody: w.Custody, Members: w.Members,
	})
	w.Verification = verification.New(verification.Deps{
		Runner: r, Store: people.Enterprises(st), Members: w.Members, Clock: c, Rand: rand.Reader, Box: w.box, Log: log,
		Codes: w.Accounts, Officers: w.Accounts, Checker: w.Faces, Notices: w.Notices,
	})
	w.Closing = closing.New(closing.Deps{
		Runner: r, Accounts: w.Accounts, Certificates: w.Certificates, Orders: w.Orders, Recoveries: w.Recover, Persons: w.Persons, Keys: w.Custody,
		Members: w.Members, Applications: w.Verification,
	})
	w.Accounts.Register(w.Jobs)
	w.Persons.Register(w.Jobs)
	w.Custody.Register(w.Jobs)
	w.CA.Register(w.Jobs)
	w.Install.Register(w.Jobs)
}

// centre starts the key-management centre over its own store.
func (w *World) centre(log *slog.Logger) kmc.Door {
	ctx := w.T.Context()
	requester, err := w.Custody.CreateRole(ctx, custody.RoleKMC, custody.House)
	w.must(err)
	transport, err := w.Custody.TransportKey(ctx)
	w.must(err)
	c, err := kmc.New(ctx, kmc.Deps{
		Runner: w.kmc, Store: w.kmc, Clock: w.Clock, Rand: rand.Reader, Log: log, Vault: w.escrow, Arc: pki.Arc{},
		Requester: requester, Transport: transport,
	})
	w.must(err)
	return &kmc.Client{
		Sign: func(ctx context.Context, body []byte) ([]byte, error) {
			return w.Custody.SignAs(ctx, custody.RoleKMC, custody.House, custody.KMCRequest(body))
		},
		Send: c.Serve, Centre: c.PublicKey(), Clock: w.Clock, Rand: rand.Reader,
	}
}

func (w *World) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Do runs a transaction of the test itself, which nothing breaks.
func (w *World) Do(f func(ctx context.Context, tx work.Tx) error) {
	w.T.Helper()
	w.must(w.Store.Do(w.T.Context(), "test", f))
}

// Found makes a verified enterprise with its administrator and other members.
func (w *World) Found(name string, administrator *Person, others ...*Person) (enterpriseID string) {
	w.T.Helper()
	enterpriseID = id.New(rand.Reader)
	w.Do(func(ctx context.Context, tx work.Tx) error {
		if _, err := store.Raw(tx).ExecContext(ctx, `INSERT INTO enterprises (id, name, code, legal_name, legal_id, legal_id_hash, administrator, method, verified_at, created_at, facts, version)
			VALUES ($1, $2, $1, $3, $3, $3, $4, 'phone', 0, 0, 1, 1)`, enterpriseID, name, []byte{}, administrator.Caller.Account); err != nil {
			return err
		}
		for _, p := range append([]*Person{administrator}, others...) {
			if _, err := w.Members.Join(ctx, tx, enterpriseID, p.Caller.Account, enterprise.ViaInvited); err != nil {
				return err
			}
		}
		return nil
	})
	return enterpriseID
}

// Membership gives the id of a person's current membership.
func (w *World) Membership(enterpriseID string, p *Person) (member string) {
	w.T.Helper()
	w.Do(func(ctx context.Context, tx work.Tx) error {
		m, err := w.Members.Store.Current(ctx, tx, enterpriseID, p.Caller.Account)
		member = m.ID
		return err
	})
	return member
}

// Drain does all background work that is due.
func (w *World) Drain() {
	w.T.Helper()
	w.must(w.Jobs.Drain(w.T.Context()))
}

// Buy gives an account a paid certificate of one year, 待下载.
func (w *World) Buy(account string) (cert string) {
	w.T.Helper()
	now := w.Clock.Now()
	o := order.Order{
		ID: id.New(rand.Reader), Buyer: order.Buyer{Kind: order.Person, Account: account}, State: order.Paid, Total: money.Fen(20000),
		CreatedAt: now, ExpiresAt: now.Add(order.Life), PaidAt: now, Version: 1,
		Lines: []order.Line{{
			ID: id.New(rand.Reader), Kind: order.LineCertificate, Institution: Institution, Years: 1, Platform: Platform,
			Price: money.Fen(20000), State: order.LineOpen,
		}},
	}
	w.Do(func(ctx context.Context, tx work.Tx) error {
		if err := w.Store.Orders().Insert(ctx, tx, o); err != nil {
			return err
		}
		c, err := w.Certificates.Create(ctx, tx, certificate.Draft{
			Holder:      certificate.Holder{Kind: certificate.Person, Account: account},
			Institution: Institution, Years: 1, Platform: Platform, Order: o.ID, Line: o.Lines[0].ID,
		})
		cert = c.ID
		if err != nil {
			return err
		}
		return w.Roamings.Plan(ctx, tx, c.ID, Platform, o.Lines[0].ID)
	})
	return cert
}

// Certificate reads a record as its holder sees it.
func (w *World) Certificate(cert string) certificate.Certificate {
	w.T.Helper()
	var c certificate.Certificate
	w.Do(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = w.Certificates.Find(ctx, tx, cert)
		return err
	})
	return c
}

// Keys reads all keys of an account.
func (w *World) Keys(account string) []custody.Key {
	w.T.Helper()
	var keys []custody.Key
	w.Do(func(ctx context.Context, tx work.Tx) (err error) {
		keys, err = w.Custody.Keys(ctx, tx, account)
		return err
	})
	return keys
}

// Texts is the SMS provider: it keeps the last code of each phone.
type Texts struct {
	mu    sync.Mutex
	codes map[string]string
	sent  []string
}

// Send implements account.SMS.
func (t *Texts) Send(_ context.Context, _, phone, template string, params map[string]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.codes == nil {
		t.codes = map[string]string{}
	}
	if code := params["code"]; code != "" {
		t.codes[phone] = code
	}
	t.sent = append(t.sent, template+":"+params["title"])
	return nil
}

// Code is the last code sent to a phone.
func (t *Texts) Code(phone string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.codes[phone]
}

// Sent reports whether a notice with a title was sent by SMS.
func (t *Texts) Sent(title string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sent {
		if s == "notice:"+title {
			return true
		}
	}
	return false
}

// Answer is what the identity checker answers about faces.
type Answer int

// The answers; the zero value is the usual one.
const (
	Passes Answer = iota
	Refuses
	Silent // it does not answer
)

// Checker is the identity checker: every person's factors are right.
type Checker struct {
	mu sync.Mutex
	is Answer
}

// Set says what it answers about faces from now on.
func (c *Checker) Set(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.is = a
}

// PersonFactors implements realname.Checker.
func (*Checker) PersonFactors(context.Context, realname.Query) (realname.Answer, error) {
	return realname.Answer{Passed: true}, nil
}

// CardFactors implements realname.Checker.
func (*Checker) CardFactors(context.Context, realname.CardQuery) (realname.Answer, error) {
	return realname.Answer{Passed: true}, nil
}

// Face implements realname.Checker.
func (c *Checker) Face(context.Context, realname.FaceQuery) (realname.Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.is {
	case Refuses:
		return realname.Answer{Reason: realname.ReasonFace}, nil
	case Silent:
		return realname.Answer{}, fmt.Errorf("the checker does not answer")
	}
	return realname.Answer{Passed: true}, nil
}

// Person is somebody with an account and a phone.
type Person struct {
	*World
	Number string
	Caller account.Caller
	Token  string // of the session
	Phone  *custodytest.Phone
}

var numbers = struct {
	sync.Mutex
	next int
}{next: 13800000000}

// Person signs a new person in on a new phone and verifies who it is.
func (w *World) Person() *Person {
	w.T.Helper()
	numbers.Lock()
	numbers.next++
	number := fmt.Sprint(numbers.next)
	numbers.Unlock()
	p := w.SignIn(number)
	p.verify()
	return p
}

// SignIn signs a number in on a new phone.
func (w *World) SignIn(number string) *Person {
	w.T.Helper()
	ctx := w.T.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	w.must(err)
	w.Clock.Advance(time.Minute)
	ticket, err := w.Accounts.RequestCode(ctx, account.Ask{Phone: number, Purpose: account.PurposeLogin, Address: "192.0.2.1"}, account.Caller{})
	w.must(err)
	w.Drain()
	s, err := w.Accounts.SignIn(ctx, account.SignIn{Ticket: ticket.ID, Code: w.Text.Code(number), Phone: number, DeviceKey: spki, DeviceLabel: "test"})
	w.must(err)
	p := &Person{World: w, Number: number, Token: s.Token, Caller: account.Caller{Account: s.Account, Session: s.ID, Device: s.Device}}
	p.Phone = custodytest.NewPhone(s.Account, w.Custody, w.Store, w.Clock)
	p.Phone.Holder = custody.Holder{Account: s.Account, Device: s.Device}
	return p
}

// Code asks for an SMS code and reads it.
func (p *Person) Code(purpose account.Purpose) (ticket, code string) {
	p.T.Helper()
	p.Clock.Advance(time.Minute)
	t, err := p.Accounts.RequestCode(p.T.Context(), account.Ask{Purpose: purpose, Address: "192.0.2.1"}, p.Caller)
	p.must(err)
	p.Drain()
	return t.ID, p.Text.Code(p.Number)
}

func (p *Person) verify() {
	p.T.Helper()
	ticket, code := p.Code(account.PurposeRealname)
	numbers.Lock()
	numbers.next++
	number := idNumber(numbers.next)
	numbers.Unlock()
	c, err := p.Persons.Start(p.T.Context(), p.Caller, realname.Application{
		Name: "测试甲", IDNumber: number, Ticket: ticket, Code: code, Method: "phone", ConsentFace: true,
	})
	p.must(err)
	c, err = p.Persons.Video(p.T.Context(), p.Caller.Account, c.ID, []byte("video"))
	p.must(err)
	if c.State != realname.StatePassed {
		p.T.Fatalf("real name ended as %s", c.State)
	}
}

// idNumber makes an ID number of nobody: region 110101, born 1990-01-01.
func idNumber(n int) string {
	s := fmt.Sprintf("11010119900101%03d", n%1000)
	sum := 0
	for i := range 17 {
		sum += int(s[i]-'0') * (1 << (17 - i) % 11)
	}
	return s + string("10X98765432"[sum%11])
}

// Finish routes as the operations' door does.
func (w *World) Finish(ctx context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	prefix, _, _ := strings.Cut(a.Business, ".")
	switch prefix {
	case "pin":
		return w.PIN.Finish(ctx, h, a)
	case "install":
		return w.Install.Finish(ctx, h, a)
	case "recover":
		return w.Recover.Finish(ctx, h, a)
	case "revoke":
		return w.Revoke.Finish(ctx, h, a)
	case "check":
		return w.Check.Finish(ctx, h, a)
	case "transfer":
		return w.Handover.Finish(ctx, h, a)
	}
	return nil, custody.CodeNoOperation
}

// noScans stands for package scan where nothing was scanned; test/e2e holds a
// real transaction over a re-key.
type noScans struct{}

func (noScans) Hold(context.Context, work.Tx, string) error           { return nil }
func (noScans) HoldOn(context.Context, work.Tx, custody.Holder) error { return nil }
func (noScans) Resume(context.Context, work.Tx, string) error         { return nil }
