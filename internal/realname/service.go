package realname

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// Accounts is what the service needs of package account.
type Accounts interface {
	CheckCode(ctx context.Context, ticket, code string, purpose account.Purpose, session string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
	PhoneNumber(ctx context.Context, tx work.Tx, account string) (string, error)
}

// Changed hears of a person's new name in the transaction that gives it
// (flow/rename).
type Changed interface {
	PersonChanged(ctx context.Context, tx work.Tx, account, before, after string) error
}

// Deps are what the service needs; all but Changed are required.
type Deps struct {
	Runner   work.Runner
	Store    Store
	Clock    clock.Clock
	Rand     io.Reader
	Box      *secret.Box
	Accounts Accounts
	Checker  Checker
	Log      *slog.Logger
	// Changed is set once the rooms are built that follow names; nil tells nobody.
	Changed Changed
}

// Service is the real-name rules over their store.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

const (
	topicResume = "realname.resume"
	topicExpire = "realname.expire"
)

// resumePolicy asks the checker again until the check's life is over; then the
// expiry ends it.
var resumePolicy = job.Policy{Pauses: []time.Duration{
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
}}

// Register names the handlers of this package's jobs.
func (s *Service) Register(r *job.Runner) {
	r.Handle(topicResume, resumePolicy, s.resume)
	r.Handle(topicExpire, job.Patient, s.expire)
}

// Application is what a person enters (M§2.4.1, step 1).
type Application struct {
	Name, IDNumber string
	// Ticket and Code are of account.PurposeRealname.
	Ticket, Code string
	Method       Method
	// BankCard is for MethodBank: 12 to 19 digits, spaces and hyphens between them
	// as on the card.
	BankCard string
	// ConsentFace: the person agreed to the handling of the face (人脸信息).
	ConsentFace bool
}

// Start begins the check of the caller's person and asks for the factors. The
// returned check is in StateFace when they hold, StateRefused when not, and
// StateFactors if the checker has not answered yet: then a job goes on and the app
// reads the check again. An unfinished earlier check ends. A verified person may
// start again with the same ID number and a new name (docs/domain.md A38).
func (s *Service) Start(ctx context.Context, c account.Caller, in Application) (Check, error) {
	name, err := CleanName(in.Name)
	if err != nil {
		return Check{}, err
	}
	number, err := CleanIDNumber(in.IDNumber, s.Clock.Now())
	if err != nil {
		return Check{}, err
	}
	var card string
	switch in.Method {
	case MethodPhone:
	case MethodBank:
		if card, err = CleanBankCard(in.BankCard); err != nil {
			return Check{}, err
		}
	default:
		return Check{}, CodeMethod
	}
	if !in.ConsentFace {
		return Check{}, CodeConsent
	}
	if err := s.Accounts.CheckCode(ctx, in.Ticket, in.Code, account.PurposeRealname, c.Session); err != nil {
		return Check{}, err
	}
	var check Check
	err = s.Runner.Do(ctx, "realname.start", func(ctx context.Context, tx work.Tx) error {
		if err := s.mayStart(ctx, tx, c.Account, name, number); err != nil {
			return err
		}
		if err := s.Accounts.Spend(ctx, tx, in.Ticket, account.PurposeRealname, c.Account); err != nil {
			return err
		}
		phone, err := s.Accounts.PhoneNumber(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		check = Check{Account: c.Account, Purpose: PurposePerson, Method: in.Method, State: StateFactors,
			Name: name, IDNumber: number, Phone: phone}
		if card != "" {
			check.Card, check.CardTail, check.CardHash = card, card[len(card)-4:], s.cardHash(card)
		}
		return s.begin(ctx, tx, &check)
	})
	if err != nil {
		return Check{}, err
	}
	return s.ask(ctx, check, nil)
}

// mayStart refuses what no checker needs to be asked about.
func (s *Service) mayStart(ctx context.Context, tx work.Tx, acc, name, number string) error {
	p, err := s.Store.Person(ctx, tx, acc)
	switch {
	case errors.Is(err, work.ErrNotFound):
		return nil
	case err != nil:
		return err
	case p.IDNumber != number:
		return CodeOtherPerson
	case p.Name == name:
		return CodeAlready
	}
	return nil
}

// StartFace begins a live face check of an account's verified person for a flow's
// subject, in the flow's transaction; the video follows by Video, the result is
// read by Get. Asked again for the same subject it gives the running or passed
// check, or begins another after a failed one. Refusals: CodeNotVerified,
// CodeTooMany.
func (s *Service) StartFace(ctx context.Context, tx work.Tx, acc string, p Purpose, subject string) (Check, error) {
	person, err := s.Person(ctx, tx, acc)
	if err != nil {
		return Check{}, err
	}
	last, err := s.Store.Latest(ctx, tx, acc, p, subject)
	if err == nil && (last.State == StatePassed || !last.State.over()) {
		return s.counted(ctx, tx, last)
	}
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		return Check{}, err
	}
	c := Check{Account: acc, Purpose: p, Subject: subject, State: StateFace, Name: person.Name, IDNumber: person.IDNumber}
	return c, s.begin(ctx, tx, &c)
}

// begin counts the attempt and records the check with the jobs that carry it on.
func (s *Service) begin(ctx context.Context, tx work.Tx, c *Check) error {
	now := s.Clock.Now()
	n, err := s.Store.Attempt(ctx, tx, c.Account, c.Purpose, clock.Day(now))
	if err != nil {
		return err
	}
	if n > Daily {
		return CodeTooMany
	}
	if err := s.Store.EndOpen(ctx, tx, c.Account, c.Purpose); err != nil {
		return err
	}
	c.ID, c.StartedAt, c.Version, c.Remaining = id.New(s.Rand), now, 1, Daily-n
	if c.State == StateFactors {
		if err := s.call(ctx, tx, c); err != nil {
			return err
		}
	}
	tx.Wake(c.Account, work.Realname)
	if err := s.Store.Insert(ctx, tx, *c); err != nil {
		return err
	}
	if err := s.enqueue(ctx, tx, topicExpire, step{c.ID, ""}, now.Add(Life)); err != nil {
		return err
	}
	return s.record(ctx, tx, *c, "realname.started")
}

// call gives the check a new reference and enqueues the job that asks for its
// answer if this process does not.
func (s *Service) call(ctx context.Context, tx work.Tx, c *Check) error {
	c.Calls++
	c.Ref = fmt.Sprintf("%s-%d", c.ID, c.Calls)
	return s.enqueue(ctx, tx, topicResume, step{c.ID, c.Ref}, s.Clock.Now().Add(Wait+10*time.Second))
}

// step is the body of a job: ids only.
type step struct {
	Check string `json:"check"`
	Ref   string `json:"ref,omitempty"`
}

func (s *Service) enqueue(ctx context.Context, tx work.Tx, topic string, st step, due time.Time) error {
	body, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: topic, Body: body, Due: due})
}

func (s *Service) record(ctx context.Context, tx work.Tx, c Check, kind string) error {
	detail, err := json.Marshal(map[string]string{"purpose": string(c.Purpose), "reason": c.Reason})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: c.Account, Subject: c.ID, Detail: detail})
}

// Video hands a face video (≤ MaxVideo bytes) to the checker. The returned check is
// in StatePassed, in StateFace with a Reason if it must be recorded again, in
// StateRefused if no attempt is left, or in StateChecking if the checker has not
// answered yet. A video after a refused one counts as an attempt.
func (s *Service) Video(ctx context.Context, acc, check string, video []byte) (Check, error) {
	if len(video) == 0 || len(video) > MaxVideo {
		return Check{}, CodeVideo
	}
	var c Check
	err := s.Runner.Do(ctx, "realname.video", func(ctx context.Context, tx work.Tx) error {
		var err error
		if c, err = s.own(ctx, tx, acc, check); err != nil {
			return err
		}
		now := s.Clock.Now()
		switch {
		case c.State == StateFactors || c.State == StateChecking:
			return CodeBusy
		case c.State != StateFace || !now.Before(c.StartedAt.Add(Life)):
			return CodeOver
		}
		if c.Failed > 0 {
			n, err := s.Store.Attempt(ctx, tx, c.Account, c.Purpose, clock.Day(now))
			if err != nil {
				return err
			}
			if n > Daily {
				return CodeTooMany
			}
		}
		c.State, c.Reason = StateChecking, ""
		if err := s.call(ctx, tx, &c); err != nil {
			return err
		}
		return s.put(ctx, tx, &c)
	})
	if err != nil {
		return Check{}, err
	}
	return s.ask(ctx, c, video)
}

func (s *Service) put(ctx context.Context, tx work.Tx, c *Check) error {
	tx.Wake(c.Account, work.Realname)
	if err := s.Store.Put(ctx, tx, *c); err != nil {
		return err
	}
	c.Version++
	return nil
}

// own finds a check of an account; anybody else's is unknown.
func (s *Service) own(ctx context.Context, tx work.Tx, acc, check string) (Check, error) {
	c, err := s.Store.Get(ctx, tx, check)
	if errors.Is(err, work.ErrNotFound) || err == nil && c.Account != acc {
		return Check{}, CodeUnknown
	}
	if err != nil {
		return Check{}, err
	}
	return s.counted(ctx, tx, c)
}

func (s *Service) counted(ctx context.Context, tx work.Tx, c Check) (Check, error) {
	n, err := s.Store.Attempts(ctx, tx, c.Account, c.Purpose, clock.Day(s.Clock.Now()))
	c.Remaining = max(0, Daily-n)
	return c, err
}

// Get gives a check of the account; CodeUnknown if it has none such.
func (s *Service) Get(ctx context.Context, tx work.Tx, acc, check string) (Check, error) {
	return s.own(ctx, tx, acc, check)
}

// Person gives the verified person of an account; CodeNotVerified if there is none.
func (s *Service) Person(ctx context.Context, tx work.Tx, acc string) (Person, error) {
	p, err := s.Store.Person(ctx, tx, acc)
	if errors.Is(err, work.ErrNotFound) {
		return Person{}, CodeNotVerified
	}
	return p, err
}

// FormerNames gives the names that an account's person had before the present one,
// the last one first.
func (s *Service) FormerNames(ctx context.Context, tx work.Tx, acc string) ([]FormerName, error) {
	return s.Store.FormerNames(ctx, tx, acc)
}

// cardHash is keyed, because card numbers are few enough to be tried out.
func (s *Service) cardHash(number string) string {
	return hex.EncodeToString(s.Box.Hash("bank-card", []byte(number)))
}

func (s *Service) idHash(number string) []byte {
	return s.Box.Hash("id-number", []byte(IDResident+":"+number))
}

// reasonOf keeps a checker from inventing sentences.
func reasonOf(a Answer, otherwise fault.Code) string {
	if r, known := Reason(a.Reason.Name); known {
		return r.Name
	}
	return otherwise.Name
}
