package office

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// Store keeps officers, factors, sessions, windows, proposals and verifications.
type Store interface {
	// Add stores a new officer; work.ErrExists for a name that is taken.
	Add(ctx context.Context, tx work.Tx, o Officer) error
	// Get and ByName give an officer; work.ErrNotFound.
	Get(ctx context.Context, tx work.Tx, id string) (Officer, error)
	ByName(ctx context.Context, tx work.Tx, name string) (Officer, error)
	// Lock is Get, and keeps others from changing him until the commit.
	Lock(ctx context.Context, tx work.Tx, id string) (Officer, error)
	All(ctx context.Context, tx work.Tx) ([]Officer, error)
	// Put replaces roles, state, password and the last sign-in if Version is still
	// the stored one; work.ErrConflict.
	Put(ctx context.Context, tx work.Tx, o Officer) error

	AddFactor(ctx context.Context, tx work.Tx, f Factor) error
	// Factors gives an officer's, oldest first; for "" everybody's, without secrets.
	Factors(ctx context.Context, tx work.Tx, officer string) ([]Factor, error)
	// UseStep records a time step that is later than the last; work.ErrConflict.
	UseStep(ctx context.Context, tx work.Tx, factor string, step int64, when time.Time) error
	// PutFactor replaces a factor's secret and its last use.
	PutFactor(ctx context.Context, tx work.Tx, f Factor) error
	// DropFactor removes one; work.ErrConflict if there is none such.
	DropFactor(ctx context.Context, tx work.Tx, officer, factor string) error
	DropFactors(ctx context.Context, tx work.Tx, officer string) error

	PutSession(ctx context.Context, tx work.Tx, s StoredSession) error
	// SessionByToken gives a session that has not ended; work.ErrNotFound.
	SessionByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (StoredSession, error)
	Touch(ctx context.Context, tx work.Tx, session string, when time.Time) error
	// HoldSession keeps a session from ending until the commit; work.ErrConflict if
	// it is over.
	HoldSession(ctx context.Context, tx work.Tx, session string, now time.Time) error
	// EndSession ends one; work.ErrConflict if it is over.
	EndSession(ctx context.Context, tx work.Tx, session string, when time.Time) error
	// EndSessionsOf ends an officer's but one.
	EndSessionsOf(ctx context.Context, tx work.Tx, officer, except string, when time.Time) error
	// PutCeremony keeps what the second step of a ceremony needs of its first, in
	// place of any other; work.ErrConflict if the session is over.
	PutCeremony(ctx context.Context, tx work.Tx, session, ceremony string) error
	// TakeCeremony gives it once; empty for none.
	TakeCeremony(ctx context.Context, tx work.Tx, session string) (string, error)
	// Tidy removes what is over.
	Tidy(ctx context.Context, tx work.Tx, before time.Time) error

	// Count counts one in a window that opens with its first and closes after span.
	Count(ctx context.Context, tx work.Tx, name string, subject []byte, now time.Time, span time.Duration) (n int, opened time.Time, err error)
	// Uncount takes n back from the window that opened then.
	Uncount(ctx context.Context, tx work.Tx, name string, subject []byte, opened time.Time, n int) error
	// Forget closes every window of a subject.
	Forget(ctx context.Context, tx work.Tx, subject []byte) error

	// AddProposal stores an open one; work.ErrExists while another about the same
	// officer or name is open.
	AddProposal(ctx context.Context, tx work.Tx, p Proposal) error
	// Proposal gives one; work.ErrNotFound.
	Proposal(ctx context.Context, tx work.Tx, id string) (Proposal, error)
	// Proposals gives open ones, then the newest, n in all.
	Proposals(ctx context.Context, tx work.Tx, n int) ([]Proposal, error)
	// Decide closes an open one with its State, Decider, DecidedAt and Reason;
	// work.ErrConflict if it is not open.
	Decide(ctx context.Context, tx work.Tx, p Proposal) error
	// Expire closes open ones whose time is over.
	Expire(ctx context.Context, tx work.Tx, now time.Time) error

	AddVerification(ctx context.Context, tx work.Tx, v Verification) error
	FinishVerification(ctx context.Context, tx work.Tx, v Verification) error
	// LastVerification gives the newest; work.ErrNotFound.
	LastVerification(ctx context.Context, tx work.Tx) (Verification, error)
}

// Deps are what the service needs; all are required but Cost.
type Deps struct {
	Runner work.Runner
	Store  Store
	Clock  clock.Clock
	Rand   io.Reader
	// Box makes the keyed hashes.
	Box *secret.Box
	Log *slog.Logger
	// Cost is what a password is stretched with; zero for secret.DefaultCost.
	Cost secret.Cost
	// URL is the console's origin as browsers reach it: passkeys are bound to it.
	URL string
	// Issuer names the house in authenticator apps.
	Issuer string
	// Chain rereads the audit chain.
	Chain func(ctx context.Context) (entries int64, found []audit.Finding, err error)
}

// Service is the officers' rules over their store.
type Service struct {
	Deps
	stretcher *secret.Stretcher
	passkeys  *webauthn.WebAuthn // nil where browsers make none

	run     context.Context // of verifications
	stop    context.CancelFunc
	mu      sync.Mutex
	running string // the verification at hand
	ends    sync.WaitGroup
}

// New makes the service. An error says that URL is no origin.
func New(d Deps) (*Service, error) {
	if d.Cost == (secret.Cost{}) {
		d.Cost = secret.DefaultCost
	}
	s := &Service{Deps: d, stretcher: secret.NewStretcher()}
	s.run, s.stop = context.WithCancel(context.Background())
	var err error
	s.passkeys, err = relyingParty(d.URL, d.Issuer)
	return s, err
}

// Close ends a verification that runs.
func (s *Service) Close() {
	s.stop()
	s.ends.Wait()
}

const topicTidy = "office.tidy"

// Register names the handlers of this package's jobs.
func (s *Service) Register(r *job.Runner) { r.Handle(topicTidy, job.Patient, s.tidy) }

// Start sets the daily tidying going; calling it again does nothing.
func (s *Service) Start(ctx context.Context) error {
	return s.Runner.Do(ctx, "office.start", func(ctx context.Context, tx work.Tx) error {
		return s.planTidy(ctx, tx, s.Clock.Now())
	})
}

func (s *Service) planTidy(ctx context.Context, tx work.Tx, due time.Time) error {
	return tx.Enqueue(ctx, work.Job{Topic: topicTidy, Key: topicTidy + ":" + due.Format(time.DateOnly), Due: due})
}

func (s *Service) tidy(ctx context.Context, _ []byte) error {
	const kept = 30 * 24 * time.Hour
	return s.Runner.Do(ctx, topicTidy, func(ctx context.Context, tx work.Tx) error {
		now := s.Clock.Now()
		if err := s.Store.Tidy(ctx, tx, now.Add(-kept)); err != nil {
			return err
		}
		return s.planTidy(ctx, tx, now.Add(24*time.Hour))
	})
}

// The refusals of what an officer's data may be.
var (
	CodeName     = fault.Code{Name: "officer_name", Kind: fault.Invalid, Text: "登录名须为 3 至 32 位小写字母、数字、点或横线，并以字母开头。"}
	CodeDisplay  = fault.Code{Name: "officer_display_name", Kind: fault.Invalid, Text: "姓名须为 2 至 32 个字，请检查后重试。"}
	CodePhone    = fault.Code{Name: "officer_phone", Kind: fault.Invalid, Text: "请填写正确的 11 位手机号。"}
	CodeRoles    = fault.Code{Name: "officer_roles", Kind: fault.Invalid, Text: "请至少选择一种角色，且不能重复。"}
	CodePhoneFor = fault.Code{Name: "officer_phone_required", Kind: fault.Invalid,
		Text: "鉴证员须登记手机号，用于回避本人及所在企业的申请；请先登记手机号。"}
	CodeTaken = fault.Code{Name: "officer_name_taken", Kind: fault.Conflict, Text: "该登录名已被使用，请换一个。"}
	CodeNone  = fault.Code{Name: "officer_not_found", Kind: fault.NotFound, Text: "没有找到该后台人员，请刷新后重试。"}
)

var (
	fitName  = regexp.MustCompile(`^[a-z][a-z0-9.-]{2,31}$`)
	fitPhone = regexp.MustCompile(`^1[3-9][0-9]{9}$`)
)

// Newcomer is what a new officer is made of. Phone may be empty unless he is to be a
// verifier.
type Newcomer struct {
	Name, DisplayName, Phone string
	Roles                    []Role
}

// fit holds a new officer to the rules.
func (n Newcomer) fit() error {
	switch l := len([]rune(n.DisplayName)); {
	case !fitName.MatchString(n.Name):
		return CodeName
	case l < 2 || l > 32 || strings.TrimSpace(n.DisplayName) != n.DisplayName:
		return CodeDisplay
	case n.Phone != "" && !fitPhone.MatchString(n.Phone):
		return CodePhone
	}
	return fitRoles(n.Roles, n.Phone)
}

func fitRoles(roles []Role, phone string) error {
	seen := map[Role]bool{}
	for _, r := range roles {
		if seen[r] || !known(r) {
			return CodeRoles
		}
		seen[r] = true
	}
	switch {
	case len(roles) == 0:
		return CodeRoles
	case seen[Verifier] && phone == "":
		return CodePhoneFor
	}
	return nil
}

func known(r Role) bool {
	for _, k := range Roles() {
		if k == r {
			return true
		}
	}
	return false
}

// MaskPhone shows the ends of a number: 138****6021.
func MaskPhone(phone string) string {
	if len(phone) != 11 {
		return ""
	}
	return phone[:3] + "****" + phone[7:]
}

// phoneHash is keyed as accounts' are.
func (s *Service) phoneHash(phone string) []byte {
	if phone == "" {
		return nil
	}
	return s.Box.Hash("phone", []byte(phone))
}

// officer gives one, or CodeNone.
func (s *Service) officer(ctx context.Context, tx work.Tx, id string) (Officer, error) {
	return found(s.Store.Lock(ctx, tx, id))
}

func found(o Officer, err error) (Officer, error) {
	if errors.Is(err, work.ErrNotFound) {
		return o, CodeNone.Because(err)
	}
	return o, err
}

// relyingParty makes the console's side of passkeys, or nothing where it is
// reached by an address: browsers bind passkeys to names alone.
func relyingParty(address, name string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || isAddress(u.Hostname()) {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: name, RPOrigins: []string{u.Scheme + "://" + u.Host},
	})
}

// Passkeys tells whether browsers make passkeys for the console's address.
func (s *Service) Passkeys() bool { return s.passkeys != nil }
