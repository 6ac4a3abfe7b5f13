// Package scan runs the transactions between a trading platform's page and a
// phone (扫码应用, M§2.8): a platform creates one and shows its QR code, one phone
// scans and binds it, its holder confirms, custody executes it at most once, and
// the platform fetches the result.
//
//	CREATED → SCANNED → BOUND → READY → AUTHORIZED → EXECUTED → DELIVERED
//
// or REJECTED, EXPIRED, CANCELLED, FAILED before EXECUTED (docs/domain.md §1.9,
// docs/scan.md). Every step is one small transaction; certificates, roaming and
// the timestamp are read or made before it, and what decides is read again
// inside.
package scan

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/secret"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// Type is the business of a transaction (业务类型).
type Type string

// The types.
const (
	Login Type = "login" // M§2.8.1
	Sign  Type = "sign"  // M§2.8.2
)

// State is where a transaction stands (docs/domain.md §1.9).
type State string

// The states. BOUND and AUTHORIZED are passed through inside one commit, because
// the payload of a login or signature is there from the start and custody
// completes in one step.
const (
	Created    State = "CREATED"
	Scanned    State = "SCANNED"    // one device holds it
	Bound      State = "BOUND"      // identity and certificate chosen
	Ready      State = "READY"      // the PIN may be entered
	Authorized State = "AUTHORIZED" // the PIN was right
	Executed   State = "EXECUTED"   // the result is there
	Delivered  State = "DELIVERED"  // the platform acknowledged the callback
	Rejected   State = "REJECTED"   // by the user
	Expired    State = "EXPIRED"    // by the timer
	Cancelled  State = "CANCELLED"  // by the platform
	Failed     State = "FAILED"
	// Recovering (恢复中) holds the timer while the holder re-keys.
	Recovering State = "RECOVERING"
)

var moves = map[State][]State{
	Created:    {Scanned, Expired, Cancelled},
	Scanned:    {Bound, Rejected, Expired, Cancelled, Failed, Recovering},
	Bound:      {Ready, Rejected, Expired, Cancelled, Failed, Recovering},
	Ready:      {Authorized, Ready, Rejected, Expired, Cancelled, Failed, Recovering},
	Authorized: {Executed, Failed},
	Executed:   {Delivered},
	Recovering: {Scanned, Rejected, Expired, Cancelled, Failed},
}

// Open tells whether a transaction in this state can still be executed.
func (s State) Open() bool {
	switch s {
	case Created, Scanned, Bound, Ready, Authorized, Recovering:
		return true
	}
	return false
}

// Outcome is the end result of a transaction, or where the scan gate stands
// (docs/domain.md §1.9, §3.9).
type Outcome string

// The outcomes that a platform sees.
const (
	OK             Outcome = usage.OK
	UserRefused    Outcome = "USER_REFUSED"
	Timeout        Outcome = "TIMEOUT"
	WrongCode      Outcome = "WRONG_CODE"
	NoCert         Outcome = "NO_CERT"
	NotRoamed      Outcome = "NOT_ROAMED"
	RoamExpired    Outcome = "ROAM_EXPIRED"
	CertExpired    Outcome = "CERT_EXPIRED"
	CertRevoked    Outcome = "CERT_REVOKED"
	KeyLost        Outcome = "KEY_LOST"
	PINLocked      Outcome = "PIN_LOCKED"
	PlatformCancel Outcome = "PLATFORM_CANCELLED"
)

// What only the phone's gate says besides; a platform sees NO_CERT for it.
const (
	CertPending Outcome = "CERT_PENDING" // 待下载
	CertFrozen  Outcome = "CERT_FROZEN"  // 已冻结
	PINNotSet   Outcome = "PIN_NOT_SET"
	PINFace     Outcome = "PIN_FACE_REQUIRED"
)

// public is the outcome as a platform may see it.
func (o Outcome) public() Outcome {
	switch o {
	case CertPending, CertFrozen, PINNotSet:
		return NoCert
	case PINFace:
		return PINLocked
	}
	return o
}

// The times of a transaction (docs/domain.md §1.9).
const (
	LoginLife = 120 * time.Second
	OtherLife = 300 * time.Second
	// HoldLife is how long RECOVERING stops the timer at most.
	HoldLife = 10 * time.Minute
	// ResultLife is how long a result is kept for another query.
	ResultLife = 24 * time.Hour
	// grace is how long after its end a READY transaction still takes the result
	// of a PIN that was right in time.
	grace = 15 * time.Second
	// toBegin is what a transaction has left at least when it is scanned by a phone
	// without its keys: time to begin the re-key, which then holds the timer.
	toBegin = 2 * time.Minute
	// least is what a transaction has left at least after it was held.
	least = time.Minute
)

// Transaction (扫码业务) is one row. Times are zero until they happen.
type Transaction struct {
	// ID is tId: the platform's code and 32 hexadecimal digits.
	ID  string
	Seq int64
	// Platform is the code of the platform that created it; nobody else sees it.
	Platform string
	Type     Type
	State    State
	// Outcome is set when it ended.
	Outcome Outcome
	// Expected is the holder id that alone may scan it; empty for anybody.
	Expected string
	// AskCode: the four digits must be typed on the phone.
	AskCode bool
	// NotifyPath is the path of the callback; empty for none.
	NotifyPath string
	// Account and Device hold it since the scan.
	Account, Device string
	// Certificate is the record chosen and Operation custody's, since READY.
	Certificate, Operation string

	CreatedAt, ScannedAt, EndedAt time.Time
	// ExpiresAt ends it; while RECOVERING it is HoldUntil that does, and
	// Remaining is what comes back.
	ExpiresAt, HoldUntil time.Time
	Remaining            time.Duration
	// DueAt is when the sweep looks at it next; zero for never again.
	DueAt   time.Time
	Private Private
	Version int64
}

// Private is the part of a transaction that is kept sealed.
type Private struct {
	Title string `json:"title,omitempty"`
	// Platform is the directory's name of the platform.
	Platform string `json:"platform,omitempty"`
	// Code is the verification code (验证数字) once it was drawn.
	Code string `json:"code,omitempty"`
	// Browser is where the platform's page is open; Phone the address of the
	// phone that scanned.
	Browser Browser `json:"browser,omitzero"`
	Phone   string  `json:"phone,omitempty"`
	// Binding is SM3 of the platform's session secret, Challenge its challenge.
	Binding   []byte   `json:"binding,omitempty"`
	Challenge []byte   `json:"challenge,omitempty"`
	Document  Document `json:"document,omitzero"`
	Identity  Identity `json:"identity,omitzero"`
	// Serial is the chosen signing certificate's serial number.
	Serial string `json:"serial,omitempty"`
}

// Browser is the browser that shows the QR code, as the platform reports it.
type Browser struct {
	UserAgent string `json:"userAgent,omitempty"`
	Address   string `json:"address,omitempty"`
}

// Document is what is signed, without its content.
type Document struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Digest []byte `json:"digest"` // SM3
}

// Identity (身份) is whom a holder acts as.
type Identity struct {
	// Kind is "person".
	Kind string `json:"kind"`
	// Holder is the opaque id in the certificate's subject.
	Holder string `json:"holder"`
	Name   string `json:"name"`
}

// Result is what an executed transaction made; a (Transaction, Seq) has one.
type Result struct {
	Transaction string
	Seq         int64
	// Certificate is the record and Serial the signing certificate's.
	Certificate, Serial string
	// M is the signed message, unless it is the document that Store.Message gives.
	M []byte
	// Signature is DER SEQUENCE{r,s}; Timestamp our TSA's answer over it, DER.
	Signature, Timestamp []byte
	SignedAt             time.Time
}

// Store keeps transactions, documents and results.
type Store interface {
	// Insert adds a transaction, with the message to be signed if that is known.
	Insert(ctx context.Context, tx work.Tx, t Transaction, m []byte) error
	// Get answers work.ErrNotFound.
	Get(ctx context.Context, tx work.Tx, id string) (Transaction, error)
	// Put writes t back if its Version is still the stored one, and raises it;
	// else work.ErrConflict.
	Put(ctx context.Context, tx work.Tx, t Transaction) error
	// Message gives the message stored with Insert; work.ErrNotFound.
	Message(ctx context.Context, tx work.Tx, id string) ([]byte, error)
	// InsertResult answers work.ErrExists for a second result.
	InsertResult(ctx context.Context, tx work.Tx, r Result) error
	// Result answers work.ErrNotFound.
	Result(ctx context.Context, tx work.Tx, id string, seq int64) (Result, error)
	// Due gives up to n ids whose DueAt has come, longest first.
	Due(ctx context.Context, tx work.Tx, now time.Time, n int) ([]string, error)
	// OpenOf gives an account's scanned transactions that have not ended.
	OpenOf(ctx context.Context, tx work.Tx, account string) ([]Transaction, error)
	// Forget deletes the messages of a transaction; the signature stays.
	Forget(ctx context.Context, tx work.Tx, id string) error
}

// Platforms is the directory of platforms and institutions (package catalog).
type Platforms interface {
	Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error)
	Institution(ctx context.Context, tx work.Tx, code string) (catalog.Institution, error)
}

// People tells who an account is; not real-named is a refusal of its own
// (package realname).
type People interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Certificates is package certificate.
type Certificates interface {
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
	Find(ctx context.Context, tx work.Tx, id string) (certificate.Certificate, error)
	BySerial(ctx context.Context, tx work.Tx, serial string) (certificate.Leaf, certificate.Certificate, error)
}

// Roamings is package roaming.
type Roamings interface {
	On(ctx context.Context, tx work.Tx, certificate, platform string, at time.Time) (roaming.Roaming, error)
}

// Usages is package usage.
type Usages interface {
	Write(ctx context.Context, tx work.Tx, r usage.Record) error
	LastCertificate(ctx context.Context, tx work.Tx, account, platform string) (string, error)
}

// Custody is the part of custody.Door that scanning needs.
type Custody interface {
	Authorise(ctx context.Context, tx work.Tx, a custody.Activation) error
	Withdraw(ctx context.Context, tx work.Tx, opID string) error
	PIN(ctx context.Context, account string) (custody.PINStatus, error)
}

// Timestamps is the house's TSA: the answer (RFC 3161, DER) over an SM3 imprint.
type Timestamps interface {
	Timestamp(ctx context.Context, imprint []byte) ([]byte, error)
}

// Waker wakes those who wait for a topic (package push).
type Waker interface{ Publish(topic string) }

// Locator names the region and the network of an address; an empty part is
// unknown.
type Locator interface {
	Locate(address string) (region, network string)
}

// Notices is package notice.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Deps are what a Service needs. Locator and Observe may be nil.
type Deps struct {
	Store  Store
	Runner work.Runner
	Clock  clock.Clock
	Rand   io.Reader
	// Box seals QR tokens; one of its own, since it seals far more often than
	// any column.
	Box *secret.Box
	// AppURL is where phones reach the house, without a slash at the end.
	AppURL       string
	Platforms    Platforms
	People       People
	Certificates Certificates
	Roamings     Roamings
	Usages       Usages
	Custody      Custody
	Timestamps   Timestamps
	Push         Waker
	// Arc numbers the attributes that name a document too large to be shown.
	Arc     pki.Arc
	Locator Locator
	Notices Notices
	// Observe hears of every change of state after its commit.
	Observe func(t Type, s State, o Outcome)
}

// Service keeps the rules.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service {
	if d.Locator == nil {
		d.Locator = prefixes{}
	}
	return &Service{d}
}

// Topic is the push topic of a transaction.
func Topic(id string) string { return "scan:" + id }

// CallbackTopic is the job that tells a platform about the end of a transaction;
// its body is a Callback in JSON.
const CallbackTopic = "scan.callback"

// Callback is the body of that job.
type Callback struct {
	Platform    string `json:"platform"`
	Transaction string `json:"transaction"`
	Seq         int64  `json:"seq"`
	State       State  `json:"state"`
}

// deadline is when the timer ends t.
func (t Transaction) deadline() time.Time {
	switch t.State {
	case Recovering:
		return t.HoldUntil
	case Ready:
		return t.ExpiresAt.Add(grace)
	}
	return t.ExpiresAt
}

// at gives t as it stands at a moment: the timer ends it then, whether or not the
// sweep has written it down.
func (t Transaction) at(now time.Time) Transaction {
	if t.State.Open() && !now.Before(t.deadline()) {
		t.State, t.Outcome, t.EndedAt = Expired, Timeout, t.deadline()
	}
	return t
}

// walk moves t through states that follow each other.
func (t *Transaction) walk(path ...State) error {
	for _, next := range path {
		if !slices.Contains(moves[t.State], next) {
			return CodeOver.Becausef("%s does not follow %s", next, t.State)
		}
		t.State = next
	}
	return nil
}

// heldBy tells whether a device holds t.
func (t Transaction) heldBy(h custody.Holder) bool {
	return t.Account != "" && t.Account == h.Account && t.Device == h.Device
}

// OfPlatform reads a transaction for the platform that created it; another's is
// CodeNotFound.
func (s *Service) OfPlatform(ctx context.Context, tx work.Tx, platform, id string) (Transaction, error) {
	t, err := s.Store.Get(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) || err == nil && t.Platform != platform {
		return Transaction{}, CodeNotFound
	}
	return t, err
}

// ofHolder reads a transaction for the device that holds it.
func (s *Service) ofHolder(ctx context.Context, tx work.Tx, h custody.Holder, id string) (Transaction, error) {
	t, err := s.Store.Get(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) || err == nil && !t.heldBy(h) {
		return Transaction{}, CodeNotFound
	}
	return t, err
}
