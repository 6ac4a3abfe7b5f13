package account

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/job"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// Deps are what the service needs; all are required but Limits, Puzzles and Cost.
type Deps struct {
	Runner work.Runner
	Store  Store
	Clock  clock.Clock
	Rand   io.Reader
	// Box makes the keyed hashes and seals the jobs' bodies.
	Box *secret.Box
	SMS SMS
	Log *slog.Logger
	// Agreements are the documents that a sign-in must accept, as they stand now.
	Agreements []Agreement
	Limits     Limits
	// Puzzles judges captchas; nil takes no answer.
	Puzzles Puzzles
	// Cost is what a login password is stretched with; zero for DefaultCost.
	Cost Cost
}

// Service is the accounts' rules over their store.
type Service struct {
	Deps
	stretcher *stretcher
}

// New makes the service.
func New(d Deps) *Service {
	d.Limits = d.Limits.withDefaults()
	if d.Cost == (Cost{}) {
		d.Cost = DefaultCost
	}
	return &Service{d, newStretcher()}
}

// Register names the handlers of this package's jobs.
func (s *Service) Register(r *job.Runner) {
	r.Handle(topicSMS, smsPolicy, s.sendText)
	r.Handle(topicTidy, job.Patient, s.tidy)
}

// Start sets the daily tidying going; calling it again does nothing.
func (s *Service) Start(ctx context.Context) error {
	return s.Runner.Do(ctx, "account.start", func(ctx context.Context, tx work.Tx) error {
		return s.enqueueTidy(ctx, tx, s.Clock.Now())
	})
}

const (
	topicTidy = "account.tidy"
	// kept is how long what is over stays for questions to support.
	kept = 30 * 24 * time.Hour
)

// enqueueTidy plans the tidying of one day. The key names the day: a running job
// keeps its own key until it is finished.
func (s *Service) enqueueTidy(ctx context.Context, tx work.Tx, due time.Time) error {
	return tx.Enqueue(ctx, work.Job{Topic: topicTidy, Key: topicTidy + ":" + due.Format(time.DateOnly), Due: due})
}

func (s *Service) tidy(ctx context.Context, _ []byte) error {
	return s.Runner.Do(ctx, topicTidy, func(ctx context.Context, tx work.Tx) error {
		now := s.Clock.Now()
		if err := s.Store.Tidy(ctx, tx, now.Add(-kept), now.Add(-Absolute)); err != nil {
			return err
		}
		return s.enqueueTidy(ctx, tx, now.Add(24*time.Hour))
	})
}

func (s *Service) phoneHash(phone string) []byte { return s.Box.Hash("phone", []byte(phone)) }

func (s *Service) get(ctx context.Context, tx work.Tx, account string) (Account, error) {
	a, err := s.Store.Get(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		return Account{}, CodeNoAccount.Because(err)
	}
	return a, err
}

// Phone gives the account's number as screens show it: 138****6021.
func (s *Service) Phone(ctx context.Context, tx work.Tx, account string) (string, error) {
	a, err := s.get(ctx, tx, account)
	return MaskPhone(a.Phone), err
}

// PhoneNumber gives the account's number in full: for messages and the real-name
// check, never for a log or an answer.
func (s *Service) PhoneNumber(ctx context.Context, tx work.Tx, account string) (string, error) {
	a, err := s.get(ctx, tx, account)
	return a.Phone, err
}

// Owner gives the account of a number; CodeNoAccount if it has none. It answers
// only what the house itself asks.
func (s *Service) Owner(ctx context.Context, tx work.Tx, phone string) (string, error) {
	a, err := s.Store.ByPhone(ctx, tx, s.phoneHash(phone))
	if errors.Is(err, work.ErrNotFound) {
		return "", CodeNoAccount.Because(err)
	}
	return a.ID, err
}

// PhoneChanged gives when the number was last changed, zero for never: for 72 h
// afterwards no re-key goes by SMS (docs/domain.md A11).
func (s *Service) PhoneChanged(ctx context.Context, tx work.Tx, account string) (time.Time, error) {
	a, err := s.get(ctx, tx, account)
	return a.PhoneChanged, err
}

// ActiveDevice gives the thumbprint of the one active device (docs/domain.md
// A28): the registering device until a flow binds another.
func (s *Service) ActiveDevice(ctx context.Context, tx work.Tx, account string) (string, error) {
	a, err := s.get(ctx, tx, account)
	return a.Device, err
}

// BindDevice makes a device that has signed in the account's one active device;
// CodeDeviceKey if it never signed in. Whether it may is the caller's rule.
func (s *Service) BindDevice(ctx context.Context, tx work.Tx, account, device string) error {
	return s.change(ctx, tx, account, "account.device_bound", func(a *Account) error {
		return s.bind(ctx, tx, a, device)
	})
}

func (s *Service) bind(ctx context.Context, tx work.Tx, a *Account, device string) error {
	if _, err := s.Store.Device(ctx, tx, a.ID, device); errors.Is(err, work.ErrNotFound) {
		return CodeDeviceKey.Becausef("device %s never signed in to account %s", device, a.ID)
	} else if err != nil {
		return err
	}
	a.Device = device
	return s.Store.StampBound(ctx, tx, a.ID, device, s.Clock.Now())
}

// BoundAt gives when a device first was the account's active device, zero for
// never: a device never bound needs more than SMS and face for a re-key
// (docs/domain.md A11). Cleared storage loses the key, so it counts as never.
func (s *Service) BoundAt(ctx context.Context, tx work.Tx, account, device string) (time.Time, error) {
	d, err := s.Store.Device(ctx, tx, account, device)
	if errors.Is(err, work.ErrNotFound) {
		return time.Time{}, nil
	}
	return d.BoundAt, err
}

// Restrict marks the start of a re-key on one device: sessions of all others,
// also ones opened later, may only confirm or stop it.
func (s *Service) Restrict(ctx context.Context, tx work.Tx, account, exceptDevice string) error {
	return s.restrict(ctx, tx, account, "account.restricted", Restriction{Device: exceptDevice})
}

// Lift takes Restrict back, when the re-key is done or was stopped.
func (s *Service) Lift(ctx context.Context, tx work.Tx, account string) error {
	return s.restrict(ctx, tx, account, "account.lifted", Restriction{})
}

func (s *Service) restrict(ctx context.Context, tx work.Tx, account, kind string, r Restriction) error {
	return s.change(ctx, tx, account, kind, func(a *Account) error {
		if now := s.Clock.Now(); a.Only.over(now) { // the sessions that it took with it stay over
			if err := s.Store.EndOtherSessions(ctx, tx, account, a.Only.Device, a.Only.Until, now); err != nil {
				return err
			}
		}
		a.Only = r
		return nil
	})
}

// LiftAt ends what Restrict began at a time that is still to come: until then
// the others stay restricted, and then their sessions end.
func (s *Service) LiftAt(ctx context.Context, tx work.Tx, account string, at time.Time) error {
	return s.change(ctx, tx, account, "account.lifted_later", func(a *Account) error {
		a.Only.Until = at
		return nil
	})
}

func (s *Service) change(ctx context.Context, tx work.Tx, account, kind string, f func(*Account) error) error {
	a, err := s.get(ctx, tx, account)
	if err != nil {
		return err
	}
	if !a.ClosedAt.IsZero() {
		return CodeNoAccount.Becausef("account %s is closed", account)
	}
	if err := f(&a); err != nil {
		return err
	}
	if err := s.Store.Put(ctx, tx, a); err != nil {
		return err
	}
	tx.Wake(account, work.Session)
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: account, Subject: account})
}
