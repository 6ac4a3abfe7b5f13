// Package doortest gives tests a house as the platforms' door sees it: scan
// transactions on a real database, with real certificates and roaming, and in
// place of custody a door that signs whatever it was allowed to.
package doortest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/push"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/scan"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

// Noon is where the tests' clocks begin.
var Noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// AppURL is where phones reach the tests' house.
const AppURL = "https://app.example"

// House is everything that a scan touches.
type House struct {
	t testing.TB
	*store.Store
	Clock        *clock.Manual
	Scans        *scan.Service
	Certificates *certificate.Service
	Roamings     *roaming.Service
	Usages       *usage.Service
	Hub          *push.Hub
	PKI          *pkitest.Hierarchy
	Door         *Door
	Directory    *Directory

	mu      sync.Mutex
	people  map[string]realname.Person
	devices map[string]string
	signers map[string]func(m []byte) []byte // by the id of the signing key
	notices []notice.Notice
	// Stamp answers as the TSA.
	Stamp func(imprint []byte) ([]byte, error)
}

// New makes a house over st.
func New(t testing.TB, st *store.Store, c *clock.Manual) *House {
	t.Helper()
	h := &House{
		t: t, Store: st, Clock: c, Hub: push.NewHub(1000), PKI: pkitest.New(t), people: map[string]realname.Person{}, devices: map[string]string{}, signers: map[string]func([]byte) []byte{},
		Directory: &Directory{all: map[string]catalog.Platform{}},
		Stamp:     func(imprint []byte) ([]byte, error) { return append([]byte("stamp:"), imprint...), nil },
	}
	h.Certificates = certificate.New(certificate.Deps{Store: st.Certificates(), Runner: st, Clock: c, Rand: rand.Reader, Devices: h})
	h.Roamings = roaming.New(roaming.Deps{Store: st.Roamings(), Clock: c, Rand: rand.Reader})
	h.Usages = usage.New(usage.Deps{Store: st.Usage(), Runner: st, Clock: c, Rand: rand.Reader, Chain: st.Audit()})
	h.Door = &Door{house: h, operations: map[string]*Operation{}, pins: map[string]custody.PINStatus{}}
	master := id.Bytes(rand.Reader, secret.KeySize)
	box, err := secret.NewBox(master, rand.Reader)
	h.must(err)
	h.Scans = scan.New(scan.Deps{
		Store: st.Scans(), Runner: st, Clock: c, Rand: rand.Reader, Box: box, AppURL: AppURL, Platforms: h.Directory, People: h,
		Certificates: h.Certificates, Roamings: h.Roamings, Usages: h.Usages, Custody: h.Door, Timestamps: h, Push: h.Hub, Notices: h,
	})
	return h
}

func (h *House) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Must runs f in a transaction and fails the test with its error.
func (h *House) Must(f func(ctx context.Context, tx work.Tx) error) {
	h.t.Helper()
	h.must(h.Store.Do(context.Background(), "test", f))
}

// Person implements scan.People.
func (h *House) Person(_ context.Context, _ work.Tx, account string) (realname.Person, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.people[account]
	if !ok {
		return p, realname.CodeNotVerified
	}
	return p, nil
}

// ActiveDevice implements certificate.Devices.
func (h *House) ActiveDevice(_ context.Context, _ work.Tx, account string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.devices[account], nil
}

// Bind makes a device the account's active one.
func (h *House) Bind(account, device string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices[account] = device
}

// Timestamp implements scan.Timestamps.
func (h *House) Timestamp(_ context.Context, imprint []byte) ([]byte, error) { return h.Stamp(imprint) }

// Post implements scan.Notices.
func (h *House) Post(_ context.Context, tx work.Tx, n notice.Notice) error {
	tx.AfterCommit(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.notices = append(h.notices, n)
	})
	return nil
}

// Notices gives what was posted.
func (h *House) Notices() []notice.Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]notice.Notice(nil), h.notices...)
}

// Holder is a person with a phone.
type Holder struct {
	custody.Holder
	// ID is the opaque holder id.
	ID   string
	Name string
}

// Newcomer is a person with a phone who is not real-named.
func (h *House) Newcomer() Holder {
	device := sm3.Sum(id.Bytes(rand.Reader, 16))
	p := Holder{Holder: custody.Holder{Account: id.New(rand.Reader), Device: hex.EncodeToString(device[:])}}
	h.Bind(p.Account, p.Device)
	return p
}

// NewPerson is a person of that name, real-named.
func (h *House) NewPerson(name string) Holder {
	p := h.Newcomer()
	p.ID, p.Name = "P-"+p.Account[:12], name
	h.mu.Lock()
	defer h.mu.Unlock()
	h.people[p.Account] = realname.Person{Account: p.Account, Holder: p.ID, Name: name}
	return p
}

// Buy gives a person a certificate that is not installed (待下载).
func (h *House) Buy(p Holder, platform string) certificate.Certificate {
	h.t.Helper()
	var c certificate.Certificate
	h.Must(func(ctx context.Context, tx work.Tx) (err error) {
		line := id.New(rand.Reader)
		c, err = h.Certificates.Create(ctx, tx, certificate.Draft{
			Holder: certificate.Holder{Kind: certificate.Person, Account: p.Account}, Institution: "010001", Years: 1,
			Platform: platform, Order: "o" + line, Line: line,
		})
		return err
	})
	return c
}

// Install makes a bought certificate 有效 and opens its roaming to platform until
// end; no platform opens none.
func (h *House) Install(p Holder, c certificate.Certificate, platform string, end time.Time) certificate.Certificate {
	h.t.Helper()
	key := pkitest.Key(h.t)
	tmpl := pkitest.Template(pki.PersonSigning, key)
	tmpl.Subject = pki.Name{Country: "CN", CommonName: p.Name, Serial: p.ID}
	leaf := h.PKI.CA.Issue(h.t, tmpl)
	ref := id.New(rand.Reader)
	h.mu.Lock()
	h.signers["ks"+ref] = func(m []byte) []byte { return pkitest.Sign(h.t, key, m) }
	h.mu.Unlock()
	h.Must(func(ctx context.Context, tx work.Tx) error {
		begun, err := h.Certificates.BeginIssue(ctx, tx, p.Account, c.ID, ref)
		if err != nil {
			return err
		}
		c, err = h.Certificates.Installed(ctx, tx, c.ID, certificate.Installed{
			Ref: ref, SignSerial: leaf.SerialNumber.Text(16), EncSerial: "e" + ref, SignKey: "ks" + ref, EncKey: "ke" + ref,
			NotBefore: begun.NotBefore, NotAfter: begun.NotAfter, Device: p.Device, SignDER: leaf.Raw, EncDER: []byte{0x30},
			Chain: [][]byte{h.PKI.CA.Cert.Raw, h.PKI.Root.Cert.Raw},
		})
		if err != nil || platform == "" {
			return err
		}
		if end.IsZero() {
			end = c.NotAfter
		}
		return h.Roamings.Open(ctx, tx, c, platform, c.NotBefore, end, c.Line)
	})
	return c
}

// Certify buys and installs a certificate for a platform.
func (h *House) Certify(p Holder, platform string) certificate.Certificate {
	h.t.Helper()
	return h.Install(p, h.Buy(p, platform), platform, time.Time{})
}

// Directory is the directory of platforms.
type Directory struct {
	mu  sync.Mutex
	all map[string]catalog.Platform
}

// Platform implements scan.Platforms.
func (d *Directory) Platform(_ context.Context, _ work.Tx, code string) (catalog.Platform, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.all[code]
	if !ok {
		return p, catalog.CodePlatformUnknown
	}
	return p, nil
}

// Institution implements scan.Platforms.
func (d *Directory) Institution(_ context.Context, _ work.Tx, code string) (catalog.Institution, error) {
	return catalog.Institution{Code: code, Name: "测试CA", Active: true}, nil
}

// Put adds or changes an entry.
func (d *Directory) Put(p catalog.Platform) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all[p.Code] = p
}

// Platform is a trading platform with its key.
type Platform struct {
	catalog.Platform
	Sign func(message []byte) []byte
}

// NewPlatform registers a platform: n makes its code.
func (h *House) NewPlatform(n int) Platform {
	h.t.Helper()
	key := pkitest.Key(h.t)
	code := fmt.Sprintf("M11%08d", n)
	tmpl := pkitest.Template(pki.PlatformSigning, key)
	tmpl.Subject = pki.Name{Organization: "示例交易平台", CommonName: code}
	p := Platform{
		Platform: catalog.Platform{
			Code: code, Name: fmt.Sprintf("示例平台%d", n), Region: "北京", Host: "bid.example", CallbackBase: "https://bid.example/callbacks",
			SignCertificate: h.PKI.CA.Issue(h.t, tmpl).Raw, Active: true, Sandbox: true, AskCode: true,
		},
		Sign: func(m []byte) []byte { return pkitest.Sign(h.t, key, m) },
	}
	h.Directory.Put(p.Platform)
	return p
}

// Operation is an activation in the door.
type Operation struct {
	custody.Activation
	Withdrawn, Done bool
}

// Door stands for custody: it keeps activations and completes them when Enter is
// called, as the right PIN would.
type Door struct {
	house      *House
	mu         sync.Mutex
	operations map[string]*Operation
	pins       map[string]custody.PINStatus
	// Completed counts the signatures that left the door.
	Completed int
}

// Authorise implements scan.Custody.
func (d *Door) Authorise(_ context.Context, tx work.Tx, a custody.Activation) error {
	tx.AfterCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.operations[a.OpID] = &Operation{Activation: a}
	})
	return nil
}

// Withdraw implements scan.Custody.
func (d *Door) Withdraw(_ context.Context, tx work.Tx, opID string) error {
	tx.AfterCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if o := d.operations[opID]; o != nil && !o.Done {
			o.Withdrawn = true
		}
	})
	return nil
}

// PIN implements scan.Custody.
func (d *Door) PIN(_ context.Context, account string) (custody.PINStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.pins[account]; ok {
		return p, nil
	}
	return custody.PINStatus{Set: true, Remaining: 10}, nil
}

// SetPIN sets what PIN answers for an account.
func (d *Door) SetPIN(account string, p custody.PINStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pins[account] = p
}

// Operation gives an activation.
func (d *Door) Operation(opID string) Operation {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.operations[opID]; o != nil {
		return *o
	}
	return Operation{}
}

// ErrDoor says that the door holds no such operation for the holder, or not any more.
var ErrDoor = errors.New("doortest: the door refuses")

// Enter completes an operation as a right PIN does: routing, computing, then the
// second transaction. It keeps the steps of custody.Module.Answer, and nothing of
// its guards against answering twice, so that the caller's are what is tested.
func (d *Door) Enter(ctx context.Context, h custody.Holder, opID string) error {
	o := d.Operation(opID)
	if o.OpID == "" || o.Holder != h || o.Withdrawn || d.house.Clock.Now().After(o.Expires) {
		return ErrDoor
	}
	finish, err := d.house.Scans.Finish(ctx, h, o.Activation)
	if err != nil {
		return err
	}
	done := custody.Done{Activation: o.Activation, At: d.house.Clock.Now(), Signature: d.house.sign(o.Activation)}
	commit, err := finish(ctx, done)
	if err != nil {
		return err
	}
	if err := d.house.Do(ctx, "custody.finish", commit); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.operations[opID].Done = true
	d.Completed++
	return nil
}

// sign makes the holder's signature: a true one for documents; for logins, whose
// ID is another, it only looks like one.
func (h *House) sign(a custody.Activation) []byte {
	h.mu.Lock()
	sign := h.signers[a.KeyID]
	h.mu.Unlock()
	return sign(a.M)
}
