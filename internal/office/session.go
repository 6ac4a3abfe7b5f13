package office

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// How long sessions live.
const (
	// Idle is how long a full one lives without a request, Absolute how long at most.
	Idle     = 30 * time.Minute
	Absolute = 12 * time.Hour
	// HalfLife is how long the second factor is waited for, EnrolLife how long a new
	// officer may take to set up his own.
	HalfLife  = 10 * time.Minute
	EnrolLife = 30 * time.Minute
	// touchEvery is how exactly the last request is remembered.
	touchEvery = time.Minute
)

// The refusals.
var (
	CodeStage = fault.Code{Name: "console_stage", Kind: fault.Conflict, Text: "当前登录状态不能进行这一步，请刷新页面后重试。"}
	CodeOwn   = fault.Code{Name: "console_password_first", Kind: fault.Conflict, Text: "请先设置您自己的密码，再设置第二步验证。"}
)

// Session is a session as its page gets it; Token is empty when the cookie stays.
type Session struct {
	Caller
	Token string
}

// SignIn enters name and password and opens half a session, or one for setting
// up a second factor. Refusals: CodePasswordWrong, CodeLocked, CodeOnceOver,
// CodeBusy.
func (s *Service) SignIn(ctx context.Context, name, password, address string) (Session, error) {
	ctx, cancel := charged(ctx)
	defer cancel()
	who, spent, err := s.guess(ctx, strings.ToLower(strings.TrimSpace(name)), password, address)
	if err != nil {
		return Session{}, err
	}
	var out Session
	var refusal error
	err = s.Runner.Do(ctx, "office.sign_in", func(ctx context.Context, tx work.Tx) error {
		refusal = nil
		o, err := s.same(ctx, tx, who, spent)
		if err != nil {
			return err
		}
		if o.Once && !s.Clock.Now().Before(o.OnceUntil) {
			refusal = CodeOnceOver
			return nil // commits: the password was right, its charge goes back
		}
		factors, err := s.Store.Factors(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		stage := Second
		if len(factors) == 0 {
			stage = Enrol
		}
		out, err = s.open(ctx, tx, o, factors, stage)
		return err
	})
	if err == nil {
		err = refusal
	}
	return out, err
}

// open stores a new session.
func (s *Service) open(ctx context.Context, tx work.Tx, o Officer, factors []Factor, stage Stage) (Session, error) {
	token, now := id.Token(s.Rand, 32), s.Clock.Now()
	life := map[Stage]time.Duration{Second: HalfLife, Enrol: EnrolLife, Full: Absolute}[stage]
	stored := StoredSession{
		ID: id.New(s.Rand), Officer: o.ID, TokenHash: s.tokenHash(token), Stage: stage, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(life),
	}
	return Session{Caller: caller(o, stored, factors), Token: token}, s.Store.PutSession(ctx, tx, stored)
}

func caller(o Officer, stored StoredSession, factors []Factor) Caller {
	o.Password = ""
	return Caller{Officer: o, Session: stored.ID, Stage: stored.Stage, Factors: kinds(factors), ExpiresAt: stored.ExpiresAt}
}

// kinds names the factors, passkeys first.
func kinds(factors []Factor) []Kind {
	var out []Kind
	for _, k := range []Kind{Passkey, TOTP} {
		for _, f := range factors {
			if f.Kind == k {
				out = append(out, k)
				break
			}
		}
	}
	return out
}

func (s *Service) tokenHash(token string) []byte { return s.Box.Hash("office-session", []byte(token)) }

// complete ends the session that waited and opens a full one under a new token.
func (s *Service) complete(ctx context.Context, tx work.Tx, c Caller, with Kind) (Session, error) {
	o, err := s.officer(ctx, tx, c.ID)
	if err != nil {
		return Session{}, err
	}
	now := s.Clock.Now()
	switch err := s.Store.EndSession(ctx, tx, c.Session, now); {
	case errors.Is(err, work.ErrConflict) || err == nil && o.State != Active:
		return Session{}, CodeLogin
	case err != nil:
		return Session{}, err
	}
	o.SignedInAt = now
	if err := s.Store.Put(ctx, tx, o); err != nil {
		return Session{}, err
	}
	factors, err := s.Store.Factors(ctx, tx, o.ID)
	if err != nil {
		return Session{}, err
	}
	if err := s.record(ctx, tx, "signed_in", o.ID, o.ID, map[string]any{"factor": with}); err != nil {
		return Session{}, err
	}
	return s.open(ctx, tx, o, factors, Full)
}

// record leaves an audit entry of an officer's action.
func (s *Service) record(ctx context.Context, tx work.Tx, kind, officer, subject string, detail map[string]any) error {
	var b []byte
	if detail != nil {
		var err error
		if b, err = json.Marshal(detail); err != nil {
			return err
		}
	}
	return tx.Record(ctx, work.Entry{Kind: "console." + kind, Actor: actor(officer), Subject: subject, Detail: b})
}

// Authenticate gives who stands behind a token; CodeLogin.
func (s *Service) Authenticate(ctx context.Context, token string) (Caller, error) {
	var c Caller
	var stored StoredSession
	now := s.Clock.Now()
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		var err error
		if stored, err = s.Store.SessionByToken(ctx, tx, s.tokenHash(token)); err != nil {
			return err
		}
		o, err := s.Store.Get(ctx, tx, stored.Officer)
		if err != nil {
			return err
		}
		factors, err := s.Store.Factors(ctx, tx, o.ID)
		c = caller(o, stored, factors)
		return err
	})
	switch {
	case errors.Is(err, work.ErrNotFound):
		return Caller{}, CodeLogin
	case err != nil:
		return Caller{}, err
	case c.State != Active || !now.Before(stored.ExpiresAt) || now.Sub(stored.SeenAt) >= Idle:
		return Caller{}, CodeLogin
	}
	if now.Sub(stored.SeenAt) >= touchEvery {
		err = s.Runner.Do(ctx, "office.touch", func(ctx context.Context, tx work.Tx) error {
			return s.Store.Touch(ctx, tx, stored.ID, now)
		})
	}
	return c, err
}

// SignOut ends the caller's session.
func (s *Service) SignOut(ctx context.Context, c Caller) error {
	return s.Runner.Do(ctx, "office.sign_out", func(ctx context.Context, tx work.Tx) error {
		switch err := s.Store.EndSession(ctx, tx, c.Session, s.Clock.Now()); {
		case errors.Is(err, work.ErrConflict):
			return nil
		case err != nil:
			return err
		}
		return s.record(ctx, tx, "signed_out", c.ID, c.ID, nil)
	})
}

// compared gives the officer whose password is replaced: the old one is proved in a
// full session, the dealt one was at the sign-in.
func (s *Service) compared(ctx context.Context, c Caller, old, address string) (o Officer, err error) {
	if c.Stage == Full {
		return s.prove(ctx, c, old, address)
	}
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		o, err = s.Store.Get(ctx, tx, c.ID)
		return err
	})
	return o, err
}

// SetPassword gives the caller a password of his own: in place of one that was
// dealt, in a session for setting up, or with the old one in a full session;
// his other sessions end. Refusals: those of the rules, CodeStage, CodeLogin,
// CodePasswordSame, CodePasswordWrong, CodeLocked.
func (s *Service) SetPassword(ctx context.Context, c Caller, old, fresh, address string) (Session, error) {
	if c.Stage == Second || c.Stage == Enrol && !c.Once {
		return Session{}, CodeStage
	}
	if err := fitPassword(fresh, c.Name); err != nil {
		return Session{}, err
	}
	ctx, cancel := charged(ctx)
	defer cancel()
	was, err := s.compared(ctx, c, old, address)
	if err != nil {
		return Session{}, err
	}
	same, _, err := s.stretcher.Matches(ctx, fresh, was.Password, s.Cost)
	if err != nil {
		return Session{}, busy(err)
	}
	if same {
		return Session{}, CodePasswordSame
	}
	stretched, err := s.stretcher.Stretch(ctx, s.Rand, fresh, s.Cost)
	if err != nil {
		return Session{}, busy(err)
	}
	err = s.Runner.Do(ctx, "office.set_password", func(ctx context.Context, tx work.Tx) error {
		o, err := s.officer(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if o.Password != was.Password || o.State != Active {
			return CodeLogin
		}
		o.Password, o.Once, o.OnceUntil = stretched, false, time.Time{}
		if err := s.Store.Put(ctx, tx, o); err != nil {
			return err
		}
		if err := s.Store.HoldSession(ctx, tx, c.Session, s.Clock.Now()); errors.Is(err, work.ErrConflict) {
			return CodeLogin // stretching takes its time: somebody ended it meanwhile
		} else if err != nil {
			return err
		}
		if err := s.Store.EndSessionsOf(ctx, tx, c.ID, c.Session, s.Clock.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, "password_changed", c.ID, c.ID, nil)
	})
	c.Once = false
	return Session{Caller: c}, err
}
