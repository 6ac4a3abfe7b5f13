package office

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// Action is what a proposal changes.
type Action string

// The actions: what gives somebody a power or a way in.
const (
	ActCreate Action = "create"
	ActRoles  Action = "roles"
	ActEnable Action = "enable"
	ActReset  Action = "reset-factor"
)

// ProposalState is how far a proposal has come.
type ProposalState string

// The states.
const (
	Open      ProposalState = "open"
	Approved  ProposalState = "approved"
	Refused   ProposalState = "refused"
	Withdrawn ProposalState = "withdrawn"
	Expired   ProposalState = "expired"
)

// Proposal is a change that takes two super administrators (四眼原则): one
// proposes, another one decides, and neither is whom it is about.
type Proposal struct {
	ID     string
	Action Action
	// Subject is whom it is about. Of a new officer it holds what he will be.
	Subject Officer
	// Phone is a new officer's number.
	Phone              string
	Roles, RolesBefore []Role
	// First is the first part of the password to be dealt, until it is decided.
	First                 string
	State                 ProposalState
	Proposer, Decider     Officer
	ProposedAt, ExpiresAt time.Time
	DecidedAt             time.Time
	Reason                string
}

// Part is a part of a one-time password, shown once: the first to the proposer,
// the second to the approver, so that neither can sign in for the officer.
type Part struct {
	Number int // 1 or 2; 0 for none
	Code   string
	// Until is when the password must have been used; zero for the first part.
	Until time.Time
}

const (
	// ProposalLife is how long a proposal waits.
	ProposalLife   = 7 * 24 * time.Hour
	proposalsShown = 100
)

// The refusals.
var (
	CodeFourEyes = fault.Code{Name: "console_four_eyes", Kind: fault.Forbidden, Text: "提议人和当事人不能审批该提议，请由另一名超级管理员处理。"}
	CodeDecided  = fault.Code{Name: "proposal_decided", Kind: fault.Conflict, Text: "该提议已经处理或已失效，请刷新查看。"}
	CodeLapsed   = fault.Code{Name: "proposal_lapsed", Kind: fault.Conflict, Text: "提议人已不是超级管理员，该提议已失效；请重新提议。"}
	CodePending  = fault.Code{Name: "proposal_pending", Kind: fault.Conflict, Text: "该人员已有一项待批准的提议，请先处理。"}
	CodeNoChange = fault.Code{Name: "proposal_no_change", Kind: fault.Conflict, Text: "该人员当前已是所提议的状态，无需变更。"}
	CodeNotMine  = fault.Code{Name: "proposal_not_mine", Kind: fault.Forbidden, Text: "只能撤回自己提出的提议。"}
	CodeNoThing  = fault.Code{Name: "proposal_not_found", Kind: fault.NotFound, Text: "没有找到该提议，请刷新后重试。"}
)

// DecidableBy tells whether an officer may approve or refuse it.
func (p Proposal) DecidableBy(o Officer) bool {
	return p.State == Open && o.Has(Super) && o.ID != p.Proposer.ID && o.ID != p.Subject.ID
}

// standing is the state with regard to the time.
func (s *Service) standing(p Proposal) ProposalState {
	if p.State == Open && !s.Clock.Now().Before(p.ExpiresAt) {
		return Expired
	}
	return p.State
}

// Proposals gives open ones first, then the newest.
func (s *Service) Proposals(ctx context.Context) ([]Proposal, error) {
	var out []Proposal
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if out, err = s.Store.Proposals(ctx, tx, proposalsShown); err != nil {
			return err
		}
		for i := range out {
			out[i].State = s.standing(out[i])
		}
		return s.name(ctx, tx, out)
	})
	return out, err
}

// name fills in who proposed and decided.
func (s *Service) name(ctx context.Context, tx work.Tx, all []Proposal) error {
	officers, err := s.Store.All(ctx, tx)
	if err != nil {
		return err
	}
	by := map[string]Officer{}
	for _, o := range officers {
		o.Password = ""
		by[o.ID] = o
	}
	for i := range all {
		p := &all[i]
		p.First = ""
		p.Proposer, p.Decider = by[p.Proposer.ID], by[p.Decider.ID]
	}
	return nil
}

// ProposeCreate proposes a new officer. Refusals: those of his data, CodeTaken,
// CodePending.
func (s *Service) ProposeCreate(ctx context.Context, c Caller, n Newcomer) (Proposal, Part, error) {
	if err := n.fit(); err != nil {
		return Proposal{}, Part{}, err
	}
	if n.Phone == "" {
		return Proposal{}, Part{}, CodePhone
	}
	p := Proposal{
		Action: ActCreate, Subject: Officer{ID: id.New(s.Rand), Name: n.Name, DisplayName: n.DisplayName}, Phone: n.Phone, Roles: n.Roles, First: s.deal(),
	}
	return s.propose(ctx, c, p)
}

// ProposeRoles proposes other roles. Refusals: CodeNone, CodeRoles, CodePhoneFor,
// CodeNoChange, CodePending.
func (s *Service) ProposeRoles(ctx context.Context, c Caller, officer string, roles []Role) (Proposal, error) {
	p, _, err := s.propose(ctx, c, Proposal{Action: ActRoles, Subject: Officer{ID: officer}, Roles: roles})
	return p, err
}

// ProposeEnable proposes to let a disabled officer in again. Refusals: CodeNone,
// CodeNoChange, CodePending.
func (s *Service) ProposeEnable(ctx context.Context, c Caller, officer string) (Proposal, error) {
	p, _, err := s.propose(ctx, c, Proposal{Action: ActEnable, Subject: Officer{ID: officer}})
	return p, err
}

// ProposeReset proposes to deal an officer a new password and take his second
// factors away. Refusals: CodeNone, CodePending.
func (s *Service) ProposeReset(ctx context.Context, c Caller, officer string) (Proposal, Part, error) {
	return s.propose(ctx, c, Proposal{Action: ActReset, Subject: Officer{ID: officer}, First: s.deal()})
}

func (s *Service) propose(ctx context.Context, c Caller, p Proposal) (Proposal, Part, error) {
	first := p.First
	now := s.Clock.Now()
	p.ID, p.State, p.Proposer, p.ProposedAt, p.ExpiresAt = id.New(s.Rand), Open, c.Officer, now, now.Add(ProposalLife)
	err := s.Runner.Do(ctx, "office.propose", func(ctx context.Context, tx work.Tx) error {
		who, err := s.acting(ctx, tx, c, p.Subject.ID)
		if err != nil {
			return err
		}
		if err := s.Store.Expire(ctx, tx, now); err != nil {
			return err
		}
		if p.Action == ActCreate {
			if _, err := s.Store.ByName(ctx, tx, p.Subject.Name); err == nil {
				return CodeTaken
			} else if !errors.Is(err, work.ErrNotFound) {
				return err
			}
		} else {
			o, ok := who[p.Subject.ID]
			if !ok {
				return CodeNone
			}
			o.Password = ""
			p.Subject, p.RolesBefore = o, o.Roles
			if err := p.fit(); err != nil {
				return err
			}
		}
		if err := s.Store.AddProposal(ctx, tx, p); errors.Is(err, work.ErrExists) {
			return CodePending.Because(err)
		} else if err != nil {
			return err
		}
		return s.record(ctx, tx, "proposed", c.ID, p.Subject.ID, map[string]any{"proposal": p.ID, "action": p.Action, "roles": p.Roles})
	})
	p.First = ""
	if err != nil || first == "" {
		return p, Part{}, err
	}
	return p, Part{Number: 1, Code: first}, nil
}

// fit refuses what would change nothing or not fit its officer.
func (p Proposal) fit() error {
	switch p.Action {
	case ActRoles:
		if err := fitRoles(p.Roles, p.Subject.Phone); err != nil {
			return err
		}
		if slices.Equal(slices.Sorted(slices.Values(p.Roles)), slices.Sorted(slices.Values(p.RolesBefore))) {
			return CodeNoChange
		}
	case ActEnable:
		if p.Subject.State == Active {
			return CodeNoChange
		}
	}
	return nil
}

// Approve carries a proposal out. Of a dealt password it gives the second part.
// Refusals: CodeNoThing, CodeFourEyes, CodeDecided, CodeLapsed, CodeTaken.
func (s *Service) Approve(ctx context.Context, c Caller, proposal string) (Proposal, Part, error) {
	var stretched string
	var part Part
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		p, err := s.Store.Proposal(ctx, tx, proposal)
		if err == nil && p.First != "" {
			part = Part{Number: 2, Code: s.deal()}
			stretched = p.First + "-" + part.Code
		}
		return notProposed(err)
	})
	if err != nil {
		return Proposal{}, Part{}, err
	}
	if stretched != "" {
		if stretched, err = s.stretcher.Stretch(ctx, s.Rand, stretched, s.Cost); err != nil {
			return Proposal{}, Part{}, busy(err)
		}
	}
	p, err := s.decide(ctx, c, proposal, Approved, "", func(ctx context.Context, tx work.Tx, p Proposal, o Officer) error {
		part.Until = time.Time{}
		if stretched != "" {
			part.Until = s.Clock.Now().Add(OnceLife)
		}
		return s.carryOut(ctx, tx, p, o, stretched)
	})
	if err != nil {
		return Proposal{}, Part{}, err
	}
	return p, part, nil
}

// carryOut does what a proposal says to the officer as he is now.
func (s *Service) carryOut(ctx context.Context, tx work.Tx, p Proposal, o Officer, stretched string) error {
	switch p.Action {
	case ActCreate:
		return s.add(ctx, tx, Officer{
			ID: p.Subject.ID, Name: p.Subject.Name, DisplayName: p.Subject.DisplayName, Phone: p.Phone, PhoneHash: s.phoneHash(p.Phone), Roles: p.Roles,
		}, stretched)
	case ActRoles:
		o.Roles = p.Roles
		return s.Store.Put(ctx, tx, o)
	case ActEnable:
		o.State = Active
		return s.Store.Put(ctx, tx, o)
	case ActReset:
		return s.reset(ctx, tx, o, stretched)
	}
	return CodeNoThing.Becausef("action %q", p.Action)
}

// decide closes a proposal as an officer who is neither its proposer nor whom it
// is about, and whose proposer still may propose.
func (s *Service) decide(ctx context.Context, c Caller, proposal string, as ProposalState, reason string,
	do func(ctx context.Context, tx work.Tx, p Proposal, o Officer) error) (p Proposal, err error) {
	err = s.Runner.Do(ctx, "office.decide", func(ctx context.Context, tx work.Tx) error {
		if p, err = s.Store.Proposal(ctx, tx, proposal); err != nil {
			return notProposed(err)
		}
		who, err := s.acting(ctx, tx, c, p.Subject.ID, p.Proposer.ID)
		if err != nil {
			return err
		}
		if s.standing(p) != Open {
			return CodeDecided
		}
		if !p.DecidableBy(who[c.ID]) {
			return CodeFourEyes
		}
		if proposer := who[p.Proposer.ID]; proposer.State != Active || !proposer.Has(Super) {
			return CodeLapsed
		}
		p.State, p.Decider, p.DecidedAt, p.Reason = as, who[c.ID], s.Clock.Now(), reason
		if err := s.Store.Decide(ctx, tx, p); err != nil {
			return err // a conflict runs again and finds it decided
		}
		if err := do(ctx, tx, p, who[p.Subject.ID]); err != nil {
			return err
		}
		if err := s.record(ctx, tx, string(as), c.ID, p.Subject.ID, map[string]any{
			"proposal": p.ID, "action": p.Action, "proposedBy": p.Proposer.ID, "roles": p.Roles,
		}); err != nil {
			return err
		}
		one := []Proposal{p}
		err = s.name(ctx, tx, one)
		p = one[0]
		return err
	})
	return p, err
}

// Refuse closes a proposal without carrying it out. Refusals: those of Approve,
// CodeWhy.
func (s *Service) Refuse(ctx context.Context, c Caller, proposal, reason string) (Proposal, error) {
	if reason = strings.TrimSpace(reason); !reasonable(reason) {
		return Proposal{}, CodeWhy
	}
	return s.decide(ctx, c, proposal, Refused, reason, func(context.Context, work.Tx, Proposal, Officer) error { return nil })
}

// Withdraw takes the caller's own proposal back. Refusals: CodeNoThing,
// CodeNotMine, CodeDecided.
func (s *Service) Withdraw(ctx context.Context, c Caller, proposal string) error {
	return s.Runner.Do(ctx, "office.withdraw", func(ctx context.Context, tx work.Tx) error {
		p, err := s.Store.Proposal(ctx, tx, proposal)
		switch {
		case err != nil:
			return notProposed(err)
		case p.Proposer.ID != c.ID:
			return CodeNotMine
		case s.standing(p) != Open:
			return CodeDecided
		}
		p.State, p.Decider, p.DecidedAt = Withdrawn, c.Officer, s.Clock.Now()
		if err := s.Store.Decide(ctx, tx, p); err != nil {
			return err
		}
		return s.record(ctx, tx, "withdrawn", c.ID, p.Subject.ID, map[string]any{"proposal": p.ID, "action": p.Action})
	})
}

func notProposed(err error) error {
	if errors.Is(err, work.ErrNotFound) {
		return CodeNoThing.Because(err)
	}
	return err
}

// sorted gives ids once each, in one order for everybody.
func sorted(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}
