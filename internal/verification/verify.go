package verification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

const (
	topicResume = "enterprise.resume"
	topicExpire = "enterprise.expire"
	topicTidy   = "enterprise.tidy"
	// patience is how long an answer is awaited before the step is given back.
	patience = 30 * time.Minute
)

var resumePolicy = job.Policy{Pauses: []time.Duration{
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
}}

// Register names the handlers of this package's jobs.
func (s *Service) Register(r *job.Runner) {
	r.Handle(topicResume, resumePolicy, s.resume)
	r.Handle(topicExpire, job.Patient, s.expire)
	r.Handle(topicTidy, job.Patient, s.tidy)
}

// step is the body of a job: ids only.
type step struct {
	Application string `json:"application"`
	Ref         string `json:"ref"`
}

// call gives the application a new reference and enqueues the jobs that ask for its
// answer if this process does not, and that give the step back if nobody answers.
func (s *Service) call(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
	a.Calls++
	a.Ref = fmt.Sprintf("%s-%d", a.ID, a.Calls)
	body, err := json.Marshal(step{a.ID, a.Ref})
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	if err := tx.Enqueue(ctx, work.Job{Topic: topicResume, Body: body, Due: now.Add(realname.Wait + 10*time.Second)}); err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: topicExpire, Body: body, Due: now.Add(patience)})
}

// Check asks the register whether the four elements belong together (四要素核验),
// Daily times a day. The application is then StateChecked, or StateDraft with the
// reason; or it has a Ref if the register has not answered yet: then a job goes on.
func (s *Service) Check(ctx context.Context, acc, application string) (enterprise.Application, error) {
	a, err := s.change(ctx, acc, application, "enterprise.check", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := still(a); err != nil {
			return err
		}
		if a.State != enterprise.StateDraft {
			return CodeStep
		}
		if a.Kind == enterprise.KindCreate {
			if err := s.unverified(ctx, tx, a.Code); err != nil {
				return err
			}
		}
		if err := s.count(ctx, tx, acc, countCheck, Daily); err != nil {
			return err
		}
		a.Reasons = nil
		return s.call(ctx, tx, a)
	})
	if err != nil {
		return enterprise.Application{}, err
	}
	return s.ask(ctx, a)
}

// Verify proves by a code to the representative's phone, and his bank card where
// p.Method says so, that he agrees. The application is then StateVerified, or
// StateChecked with the reason; or StateVerifying if the checker has not answered yet.
func (s *Service) Verify(ctx context.Context, c account.Caller, application string, p Proof) (enterprise.Application, error) {
	if !account.ValidPhone(p.Phone) {
		return enterprise.Application{}, account.CodePhone
	}
	var err error
	if p.Method == enterprise.MethodBank {
		if p.Card, err = realname.CleanBankCard(p.Card); err != nil {
			return enterprise.Application{}, err
		}
	}
	ready := func(a *enterprise.Application) error {
		if err := still(a); err != nil {
			return err
		}
		if a.State != enterprise.StateChecked && a.State != enterprise.StateRefused || a.Record.Differs != "" {
			return CodeStep
		}
		return lacks(*a, idCard)
	}
	if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error { // before the code is charged
		a, err := s.own(ctx, tx, c.Account, application)
		if err == nil && a.State.Over() {
			err = CodeApplicationOver
		}
		if err != nil {
			return err
		}
		return ready(&a)
	}); err != nil {
		return enterprise.Application{}, err
	}
	if err := s.Codes.CheckCodeTo(ctx, p.Ticket, p.Code, account.PurposeLegal, c.Session, p.Phone); err != nil {
		return enterprise.Application{}, err
	}
	a, err := s.change(ctx, c.Account, application, "enterprise.verify", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := ready(a); err != nil {
			return err
		}
		if err := s.count(ctx, tx, c.Account, countVerify, Daily); err != nil {
			return err
		}
		if err := s.Codes.Spend(ctx, tx, p.Ticket, account.PurposeLegal, c.Account); err != nil {
			return err
		}
		a.State, a.Method, a.Phone, a.Card, a.Reasons, a.Note = enterprise.StateVerifying, p.Method, p.Phone, p.Card, nil, ""
		return s.call(ctx, tx, a)
	})
	if err != nil {
		return enterprise.Application{}, err
	}
	return s.ask(ctx, a)
}

// ask makes the recorded call and records the answer. If nobody answers in time the
// application is given as it stands: the job goes on.
func (s *Service) ask(ctx context.Context, a enterprise.Application) (enterprise.Application, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), realname.Wait)
	defer cancel()
	after, err := s.settleCall(ctx, a)
	if err != nil {
		s.Log.Warn("an enterprise's check goes on in the background", "application", a.ID, "ref", a.Ref, "error", err)
		return a, nil
	}
	return after, nil
}

// settleCall makes the call whose answer is outstanding, by its reference, and
// records what came back. An error leaves everything as it was.
func (s *Service) settleCall(ctx context.Context, asked enterprise.Application) (enterprise.Application, error) {
	var facts RegistryAnswer
	var person realname.Answer
	var err error
	switch {
	case asked.State == enterprise.StateDraft:
		facts, err = s.Registry.EnterpriseFactors(ctx, RegistryQuery{Ref: asked.Ref, Name: asked.Name, Code: asked.Code,
			LegalName: asked.LegalName, LegalIDNumber: asked.LegalIDNumber})
	case asked.Method == enterprise.MethodBank:
		person, err = s.Checker.CardFactors(ctx, realname.CardQuery{Ref: asked.Ref, Name: asked.LegalName, IDNumber: asked.LegalIDNumber, Phone: asked.Phone, Card: asked.Card})
	default:
		person, err = s.Checker.PersonFactors(ctx, realname.Query{Ref: asked.Ref, Name: asked.LegalName, IDNumber: asked.LegalIDNumber, Phone: asked.Phone})
	}
	if err != nil {
		return asked, err
	}
	var a enterprise.Application
	err = s.Runner.Do(ctx, "enterprise.settle", func(ctx context.Context, tx work.Tx) (err error) {
		if a, err = s.Store.Application(ctx, tx, asked.ID); err != nil {
			return err
		}
		if a.Ref == asked.Ref { // else it was settled, or ended, meanwhile
			if a.State == enterprise.StateDraft {
				err = s.settleFacts(ctx, tx, &a, facts)
			} else {
				err = s.settlePerson(ctx, tx, &a, person)
			}
			if err != nil {
				return err
			}
		}
		a, err = s.counted(ctx, tx, a)
		return err
	})
	return a, err
}

// settleFacts moves by the register's answer. One that differs in the representative
// alone leaves the documents, because registers are some days behind.
func (s *Service) settleFacts(ctx context.Context, tx work.Tx, a *enterprise.Application, r RegistryAnswer) error {
	a.Ref, a.Record, a.Reasons = "", r.Record, nil
	switch {
	case r.Passed:
		a.State = enterprise.StateChecked
	case r.Reason.Name == ReasonLegal.Name:
		a.State, a.Record.Differs, a.Reasons = enterprise.StateChecked, enterprise.DiffersLegal, []string{ReasonLegal.Name}
	default:
		a.Reasons = []string{ReasonCode.Name}
		if known := ReasonsOf([]string{r.Reason.Name}); len(known) == 1 {
			a.Reasons = []string{known[0].Name}
		}
	}
	if err := s.record(ctx, tx, *a, a.Account, "enterprise.checked"); err != nil {
		return err
	}
	return s.put(ctx, tx, a)
}

func (s *Service) settlePerson(ctx context.Context, tx work.Tx, a *enterprise.Application, r realname.Answer) error {
	a.Ref, a.Phone, a.Card = "", "", ""
	if r.Passed {
		return s.verified(ctx, tx, a, a.Account)
	}
	a.State, a.Reasons = enterprise.StateChecked, []string{legalReason(a.Method, r.Reason)}
	if err := s.record(ctx, tx, *a, a.Account, "enterprise.verify_failed"); err != nil {
		return err
	}
	return s.put(ctx, tx, a)
}

// verified makes the enterprise of an application, or changes its facts. Whoever
// comes second for the same code is told so.
func (s *Service) verified(ctx context.Context, tx work.Tx, a *enterprise.Application, by string) error {
	if a.Kind == enterprise.KindChange {
		return s.changed(ctx, tx, a, by)
	}
	if err := s.Members.Accounts.Hold(ctx, tx, a.Account); err != nil {
		return err
	}
	now := s.Clock.Now()
	e := enterprise.Enterprise{ID: id.New(s.Rand), Name: a.Name, Code: a.Code, LegalName: a.LegalName, LegalIDNumber: a.LegalIDNumber,
		LegalIDHash: s.legalHash(a.LegalIDNumber), Administrator: a.Account, Method: a.Method, VerifiedAt: now, CreatedAt: now, Facts: 1, Version: 1}
	fresh, err := s.Store.AddEnterprise(ctx, tx, e, a.ID)
	if err != nil {
		return err
	}
	if !fresh {
		return s.lost(ctx, tx, a, ReasonTaken)
	}
	if _, err := s.Members.Join(ctx, tx, e.ID, a.Account, enterprise.ViaCreated); err != nil {
		return err
	}
	if err := s.done(ctx, tx, a, e, by, "enterprise.verified", notice.Notice{Title: "企业实名认证已通过", Body: e.Name + "已完成实名，您是该企业的管理员。"}); err != nil {
		return err
	}
	others, err := s.Store.OpenFor(ctx, tx, a.Code)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID != a.ID {
			if err := s.lost(ctx, tx, &o, ReasonTaken); err != nil {
				return err
			}
		}
	}
	return nil
}

// done closes an application that led to facts. What was checked stays in the
// enterprise, the pictures as evidence of a review.
func (s *Service) done(ctx context.Context, tx work.Tx, a *enterprise.Application, e enterprise.Enterprise, by, kind string, n notice.Notice) error {
	a.Enterprise, a.State, a.Reasons = e.ID, enterprise.StateVerified, nil
	a.LegalIDNumber, a.Claimed, a.ClaimedUntil = "", "", time.Time{}
	if a.Method != enterprise.MethodDocuments {
		if err := s.Store.DropPictures(ctx, tx, a.ID); err != nil {
			return err
		}
	}
	if err := s.put(ctx, tx, a); err != nil {
		return err
	}
	n.Account, n.Kind, n.Link = a.Account, kind, "/enterprises/"+e.ID
	if err := s.Notices.Post(ctx, tx, n); err != nil {
		return err
	}
	if err := s.event(ctx, tx, *a, "verified", by, ""); err != nil {
		return err
	}
	return s.record(ctx, tx, *a, by, kind)
}

// lost ends an application that has become pointless and tells its applicant.
func (s *Service) lost(ctx context.Context, tx work.Tx, a *enterprise.Application, why fault.Code) error {
	a.Reasons = []string{why.Name}
	if err := s.over(ctx, tx, a, enterprise.StateEnded, "system", "enterprise.ended"); err != nil {
		return err
	}
	if err := s.put(ctx, tx, a); err != nil {
		return err
	}
	if err := s.event(ctx, tx, *a, "ended", "system", ""); err != nil {
		return err
	}
	return s.Notices.Post(ctx, tx, notice.Notice{Account: a.Account, Kind: "enterprise.ended", Title: "企业实名申请已结束",
		Body: a.Name + "：" + why.Text, Link: "/enterprises/applications/" + a.ID})
}

func (s *Service) legalHash(number string) []byte {
	return s.Box.Hash("legal-id", []byte(realname.IDResident+":"+number))
}

func (s *Service) load(ctx context.Context, body []byte) (a enterprise.Application, st step, err error) {
	if err := json.Unmarshal(body, &st); err != nil {
		return a, st, fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		a, err = s.Store.Application(ctx, tx, st.Application)
		return err
	})
	if errors.Is(err, work.ErrNotFound) {
		err = fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	return a, st, err
}

// resume asks for the answer of a call whose process did not live to record it.
func (s *Service) resume(ctx context.Context, body []byte) error {
	a, st, err := s.load(ctx, body)
	if err != nil || a.Ref != st.Ref {
		return err
	}
	_, err = s.settleCall(ctx, a)
	return err
}

// expire gives a step back that nobody answered, and what it counted.
func (s *Service) expire(ctx context.Context, body []byte) error {
	_, st, err := s.load(ctx, body)
	if err != nil {
		return err
	}
	return s.Runner.Do(ctx, topicExpire, func(ctx context.Context, tx work.Tx) error {
		a, err := s.Store.Application(ctx, tx, st.Application)
		if err != nil || a.Ref != st.Ref {
			return err
		}
		purpose := countCheck
		if a.State == enterprise.StateVerifying {
			purpose, a.State = countVerify, enterprise.StateChecked
		}
		if err := s.Store.Uncount(ctx, tx, a.Account, purpose, clock.Day(s.Clock.Now().Add(-patience))); err != nil {
			return err
		}
		a.Ref, a.Phone, a.Card, a.Reasons = "", "", "", []string{ReasonAway.Name}
		return s.put(ctx, tx, &a)
	})
}
