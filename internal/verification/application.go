package verification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/id"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

const (
	// Daily is how many checks of facts, and how many checks of the representative's
	// phone or card, an account has a day.
	Daily = 5
	// Open is how many applications of an account may be open.
	Open = 5
	// Searches is how many searches an account has a day.
	Searches = 300
	// Pictures is how many uploads of pictures an account has a day.
	Pictures = 60
	// starts is how many applications and submissions an account has a day.
	starts = 20
	// Deadline is the working time that a review may take (M§2.4.2: one working day).
	Deadline = worktime.Day
)

// What is counted by day.
const (
	countSearch  = "search"
	countStart   = "start"
	countCheck   = "check"
	countVerify  = "verify"
	countNumber  = "number"
	countPicture = "picture"
)

// china is the calendar of deadlines.
var china = worktime.China()

// idCard are the pictures that every way to verify needs, documents those that a
// review needs.
var (
	idCard    = []string{enterprise.PictureIDFront, enterprise.PictureIDBack}
	documents = []string{enterprise.PictureIDFront, enterprise.PictureIDBack, enterprise.PictureLicence, enterprise.PictureLetter}
)

// clean checks facts as entered. Empty ones take what was, if there is something.
func (s *Service) clean(f Facts, was enterprise.Application) (a enterprise.Application, err error) {
	a = was
	if f.Name != "" || was.Name == "" {
		if a.Name, err = CleanName(f.Name); err != nil {
			return a, err
		}
	}
	if f.Code != "" || was.Code == "" {
		if a.Code, err = CleanCode(f.Code); err != nil {
			return a, err
		}
	}
	if f.LegalName != "" || was.LegalName == "" {
		if a.LegalName, err = realname.CleanName(f.LegalName); err != nil {
			return a, err
		}
	}
	if f.LegalIDNumber != "" || was.LegalIDNumber == "" {
		a.LegalIDNumber, err = realname.CleanIDNumber(f.LegalIDNumber, s.Clock.Now())
	}
	return a, err
}

// Apply begins an application of a verified person: for a new enterprise, or with
// f.Enterprise for other facts of one that he administers; then empty facts stay as
// they are. Refusals: realname.CodeNotVerified, CodeExists, CodeOpen, CodeTooManyOpen,
// CodeChecks, CodeSame, CodeOtherCode, CodeNotAdministrator, CodeLost and those of
// the facts.
func (s *Service) Apply(ctx context.Context, c account.Caller, f Facts) (enterprise.Application, error) {
	var a enterprise.Application
	if f.Enterprise == "" { // what is wrong with the facts needs no transaction
		if _, err := s.clean(f, a); err != nil {
			return a, err
		}
	}
	err := s.Runner.Do(ctx, "enterprise.apply", func(ctx context.Context, tx work.Tx) error {
		if err := s.Members.Accounts.Hold(ctx, tx, c.Account); err != nil {
			return err
		}
		if _, err := s.Members.Persons.Person(ctx, tx, c.Account); err != nil {
			return err
		}
		was, err := s.before(ctx, tx, c.Account, f.Enterprise)
		if err != nil {
			return err
		}
		if a, err = s.clean(f, was); err != nil {
			return err
		}
		if err := s.free(ctx, tx, a, was); err != nil {
			return err
		}
		now := s.Clock.Now()
		if err := s.count(ctx, tx, c.Account, countStart, starts); err != nil {
			return err
		}
		n, err := s.Store.Count(ctx, tx, "", countNumber, clock.Day(now))
		if err != nil {
			return err
		}
		a.ID, a.Number = id.New(s.Rand), fmt.Sprintf("RV-%s-%04d", now.In(clock.China).Format("060102"), n)
		a.State, a.CreatedAt, a.Version = enterprise.StateDraft, now, 1
		if err := s.Store.InsertApplication(ctx, tx, a); err != nil {
			return err
		}
		tx.Wake(a.Account, work.Enterprise)
		if err := s.record(ctx, tx, a, a.Account, "enterprise.applied"); err != nil {
			return err
		}
		a, err = s.counted(ctx, tx, a)
		return err
	})
	return a, err
}

// before gives the application's first facts: none, or those of the enterprise that
// the caller wants to change.
func (s *Service) before(ctx context.Context, tx work.Tx, acc, of string) (enterprise.Application, error) {
	if of == "" {
		return enterprise.Application{Account: acc, Kind: enterprise.KindCreate}, nil
	}
	if err := s.Members.Governs(ctx, tx, acc, of); err != nil {
		return enterprise.Application{}, err
	}
	e, err := s.Store.Enterprise(ctx, tx, of)
	return enterprise.Application{Account: acc, Kind: enterprise.KindChange, Enterprise: e.ID, Name: e.Name, Code: e.Code, LegalName: e.LegalName, LegalIDNumber: e.LegalIDNumber}, err
}

// free refuses what nobody needs to be asked about: a code that is verified, a second
// application for the same, a change that changes nothing.
func (s *Service) free(ctx context.Context, tx work.Tx, a, was enterprise.Application) error {
	if a.Kind == enterprise.KindChange {
		if a.Code != was.Code {
			return CodeOtherCode
		}
		if a.Name == was.Name && a.LegalName == was.LegalName && a.LegalIDNumber == was.LegalIDNumber {
			return CodeSame
		}
	} else if err := s.unverified(ctx, tx, a.Code); err != nil {
		return err
	}
	mine, err := s.Store.ApplicationsOf(ctx, tx, a.Account, 50)
	if err != nil {
		return err
	}
	open := 0
	for _, o := range mine {
		if o.State.Over() || o.ID == a.ID {
			continue
		}
		if o.Code == a.Code {
			return CodeOpen.With(map[string]any{"application": o.ID})
		}
		if open++; open >= Open {
			return CodeTooManyOpen
		}
	}
	return nil
}

func (s *Service) unverified(ctx context.Context, tx work.Tx, code string) error {
	e, err := s.Store.ByCode(ctx, tx, code)
	if errors.Is(err, work.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return CodeExists.With(map[string]any{"enterprise": e.ID})
}

// count counts one of a day's; CodeChecks, CodeSearches or CodePictures when they are
// used up.
func (s *Service) count(ctx context.Context, tx work.Tx, subject, purpose string, most int) error {
	n, err := s.Store.Count(ctx, tx, subject, purpose, clock.Day(s.Clock.Now()))
	switch {
	case err != nil:
		return err
	case n > most && purpose == countSearch:
		return CodeSearches
	case n > most && purpose == countPicture:
		return CodePictures
	case n > most:
		return CodeChecks
	}
	return nil
}

// counted adds how many checks are left today.
func (s *Service) counted(ctx context.Context, tx work.Tx, a enterprise.Application) (enterprise.Application, error) {
	purpose := countCheck
	if a.State != enterprise.StateDraft {
		purpose = countVerify
	}
	n, err := s.Store.Counted(ctx, tx, a.Account, purpose, clock.Day(s.Clock.Now()))
	a.Remaining = max(0, Daily-n)
	return a, err
}

// own finds an application of an account; anybody else's is unknown.
func (s *Service) own(ctx context.Context, tx work.Tx, acc, application string) (enterprise.Application, error) {
	a, err := s.Store.Application(ctx, tx, application)
	if errors.Is(err, work.ErrNotFound) || err == nil && a.Account != acc {
		return enterprise.Application{}, CodeApplicationUnknown
	}
	return a, err
}

// change moves an application of an account in a transaction. f decides on the
// application as it stands and is refused one that is over.
func (s *Service) change(ctx context.Context, acc, application, name string, f func(ctx context.Context, tx work.Tx, a *enterprise.Application) error) (enterprise.Application, error) {
	var a enterprise.Application
	err := s.Runner.Do(ctx, name, func(ctx context.Context, tx work.Tx) (err error) {
		if a, err = s.own(ctx, tx, acc, application); err != nil {
			return err
		}
		if a.State.Over() {
			return CodeApplicationOver
		}
		if err := f(ctx, tx, &a); err != nil {
			return err
		}
		if err := s.put(ctx, tx, &a); err != nil {
			return err
		}
		a, err = s.counted(ctx, tx, a)
		return err
	})
	return a, err
}

func (s *Service) put(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
	tx.Wake(a.Account, work.Enterprise)
	if err := s.Store.PutApplication(ctx, tx, *a); err != nil {
		return err
	}
	a.Version++
	return nil
}

func (s *Service) record(ctx context.Context, tx work.Tx, a enterprise.Application, actor, kind string) error {
	detail, err := json.Marshal(map[string]any{"kind": a.Kind, "method": a.Method, "enterprise": a.Enterprise, "reasons": a.Reasons})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: a.ID, Detail: detail})
}

func (s *Service) event(ctx context.Context, tx work.Tx, a enterprise.Application, kind, actor, note string) error {
	return s.Store.AddEvent(ctx, tx, Event{ID: id.New(s.Rand), Application: a.ID, Kind: kind, Actor: actor, Note: note, At: s.Clock.Now()})
}

// still tells whether the applicant may change something now.
func still(a *enterprise.Application) error {
	if a.Ref != "" || a.State == enterprise.StateVerifying || a.State == enterprise.StateReviewing {
		return CodeApplicationBusy
	}
	return nil
}

// Correct changes facts: only what changed is typed again. Other facts are checked
// anew.
func (s *Service) Correct(ctx context.Context, acc, application string, f Facts) (enterprise.Application, error) {
	return s.change(ctx, acc, application, "enterprise.correct", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := still(a); err != nil {
			return err
		}
		after, err := s.clean(f, *a)
		if err != nil {
			return err
		}
		if after.Name == a.Name && after.Code == a.Code && after.LegalName == a.LegalName && after.LegalIDNumber == a.LegalIDNumber {
			return nil
		}
		was := *a
		if a.Kind == enterprise.KindChange {
			if was, err = s.before(ctx, tx, acc, a.Enterprise); err != nil {
				return err
			}
		}
		if err := s.free(ctx, tx, after, was); err != nil {
			return err
		}
		after.State, after.Record, after.Reasons, after.Note = enterprise.StateDraft, enterprise.Record{}, nil, ""
		*a = after
		return nil
	})
}

// Withdraw ends an application (撤回) and erases its pictures and numbers.
func (s *Service) Withdraw(ctx context.Context, acc, application string) error {
	_, err := s.change(ctx, acc, application, "enterprise.withdraw", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		return s.withdraw(ctx, tx, a)
	})
	return err
}

func (s *Service) withdraw(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
	if err := s.event(ctx, tx, *a, "withdrawn", a.Account, ""); err != nil {
		return err
	}
	return s.over(ctx, tx, a, enterprise.StateEnded, a.Account, "enterprise.withdrawn")
}

// Close withdraws all of an account that is being closed, in the caller's transaction.
func (s *Service) Close(ctx context.Context, tx work.Tx, acc string) error {
	all, err := s.Store.OpenOf(ctx, tx, acc)
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := s.withdraw(ctx, tx, &a); err != nil {
			return err
		}
		if err := s.put(ctx, tx, &a); err != nil {
			return err
		}
	}
	return nil
}

// over closes an application without an enterprise; the caller puts it. The
// pictures go, and the numbers.
func (s *Service) over(ctx context.Context, tx work.Tx, a *enterprise.Application, to enterprise.State, actor, kind string) error {
	a.State, a.Ref, a.Phone, a.Card, a.LegalIDNumber = to, "", "", "", ""
	a.Claimed, a.ClaimedUntil = "", time.Time{}
	if err := s.Store.DropPictures(ctx, tx, a.ID); err != nil {
		return err
	}
	return s.record(ctx, tx, *a, actor, kind)
}

// Submit hands the documents to review, with the letter stamped (单位证件认证). A
// refused application is submitted again the same way.
func (s *Service) Submit(ctx context.Context, acc, application string) (enterprise.Application, error) {
	return s.change(ctx, acc, application, "enterprise.submit", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := still(a); err != nil {
			return err
		}
		if a.State != enterprise.StateChecked && a.State != enterprise.StateRefused {
			return CodeStep
		}
		if err := lacks(*a, documents); err != nil {
			return err
		}
		if err := s.count(ctx, tx, acc, countStart, starts); err != nil {
			return err
		}
		now := s.Clock.Now()
		a.State, a.Method, a.Reasons, a.Note = enterprise.StateReviewing, enterprise.MethodDocuments, nil, ""
		a.SubmittedAt, a.DueAt = now, china.Add(now, Deadline)
		a.Claimed, a.ClaimedUntil, a.Escalated, a.DecidedBy, a.DecidedAt = "", time.Time{}, "", "", time.Time{}
		if err := s.event(ctx, tx, *a, "submitted", acc, ""); err != nil {
			return err
		}
		return s.record(ctx, tx, *a, acc, "enterprise.submitted")
	})
}

func missing(a enterprise.Application, of []string) []string {
	var out []string
	for _, k := range of {
		if !slices.Contains(a.Pictures, k) {
			out = append(out, k)
		}
	}
	return out
}

func lacks(a enterprise.Application, of []string) error {
	if m := missing(a, of); len(m) > 0 {
		return CodeMissing.With(map[string]any{"missing": m})
	}
	return nil
}

// Applications lists an account's, newest first.
func (s *Service) Applications(ctx context.Context, acc string) (out []enterprise.Application, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if out, err = s.Store.ApplicationsOf(ctx, tx, acc, 50); err != nil {
			return err
		}
		for i := range out {
			if out[i], err = s.counted(ctx, tx, out[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Pending gives an account's applications that are not over.
func (s *Service) Pending(ctx context.Context, tx work.Tx, acc string) ([]enterprise.Application, error) {
	all, err := s.Store.ApplicationsOf(ctx, tx, acc, 50)
	return slices.DeleteFunc(all, func(a enterprise.Application) bool { return a.State.Over() }), err
}

// Application gives one of an account's; CodeApplicationUnknown.
func (s *Service) Application(ctx context.Context, acc, application string) (a enterprise.Application, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if a, err = s.own(ctx, tx, acc, application); err != nil {
			return err
		}
		a, err = s.counted(ctx, tx, a)
		return err
	})
	return a, err
}
