package office

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// OnceLife is how long a dealt password waits for its officer.
const OnceLife = 72 * time.Hour

// The refusals.
var (
	CodeSelf = fault.Code{Name: "officer_self", Kind: fault.Conflict, Text: "不能停用自己；如需停用，请由另一名超级管理员操作。"}
	CodeWhy  = fault.Code{Name: "console_reason", Kind: fault.Invalid, Text: "请填写 2 至 200 个字的原因。"}
	// CodeSupers is for the command line.
	CodeSupers = fault.Code{Name: "officer_supers", Kind: fault.Conflict,
		Text: "已有两名以上超级管理员，请在后台提议新增；无法登录时用 tianweitong admin reset 重置。"}
)

// operatorActor is how the audit chain names whoever holds the house's keys and works
// at its command line.
const operatorActor = "operator"

// Listed is an officer with what a list shows of him.
type Listed struct {
	Officer
	Factors []Kind
	// Proposal is the id of the open proposal about him, or "".
	Proposal string
}

// List gives every officer, the oldest first; they are few.
func (s *Service) List(ctx context.Context) ([]Listed, error) {
	var out []Listed
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		all, err := s.Store.All(ctx, tx)
		if err != nil {
			return err
		}
		factors, err := s.Store.Factors(ctx, tx, "")
		if err != nil {
			return err
		}
		proposals, err := s.Store.Proposals(ctx, tx, proposalsShown)
		if err != nil {
			return err
		}
		out = make([]Listed, len(all))
		for i, o := range all {
			o.Password = ""
			out[i].Officer = o
			var own []Factor
			for _, f := range factors {
				if f.Officer == o.ID {
					own = append(own, f)
				}
			}
			out[i].Factors = kinds(own)
			for _, p := range proposals {
				if p.Subject.ID == o.ID && s.standing(p) == Open {
					out[i].Proposal = p.ID
				}
			}
		}
		return nil
	})
	return out, err
}

// acting gives the caller as he is now, if he still is an active super
// administrator; CodeRole. Whoever it concerns besides is locked with him in one
// order, so that two who act on each other wait and neither deadlocks.
func (s *Service) acting(ctx context.Context, tx work.Tx, c Caller, others ...string) (map[string]Officer, error) {
	out := map[string]Officer{}
	for _, who := range sorted(append(others, c.ID)) {
		o, err := s.Store.Lock(ctx, tx, who)
		if errors.Is(err, work.ErrNotFound) {
			continue // a new officer's id is not there yet
		}
		if err != nil {
			return nil, err
		}
		out[who] = o
	}
	if me := out[c.ID]; me.State != Active || !me.Has(Super) {
		return nil, CodeRole
	}
	return out, nil
}

// Disable (停用) ends an officer's sessions and lets him in no more, at once:
// taking away needs one, giving back needs two. Refusals: CodeNone, CodeSelf,
// CodeWhy.
func (s *Service) Disable(ctx context.Context, c Caller, officer, reason string) error {
	if reason = strings.TrimSpace(reason); !reasonable(reason) {
		return CodeWhy
	}
	if officer == c.ID {
		return CodeSelf
	}
	return s.Runner.Do(ctx, "office.disable", func(ctx context.Context, tx work.Tx) error {
		who, err := s.acting(ctx, tx, c, officer)
		if err != nil {
			return err
		}
		o, ok := who[officer]
		if !ok {
			return CodeNone
		}
		if o.State == Disabled {
			return nil
		}
		o.State = Disabled
		if err := s.Store.Put(ctx, tx, o); err != nil {
			return err
		}
		if err := s.Store.EndSessionsOf(ctx, tx, officer, "", s.Clock.Now()); err != nil {
			return err
		}
		if err := s.closeProposals(ctx, tx, c, officer); err != nil {
			return err
		}
		return s.record(ctx, tx, "officer_disabled", c.ID, officer, map[string]any{"reason": reason})
	})
}

// closeProposals refuses what is proposed about an officer who is disabled: it was
// about somebody who could sign in.
func (s *Service) closeProposals(ctx context.Context, tx work.Tx, c Caller, officer string) error {
	all, err := s.Store.Proposals(ctx, tx, proposalsShown)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Subject.ID != officer || p.State != Open {
			continue
		}
		p.State, p.Decider, p.DecidedAt, p.Reason = Refused, c.Officer, s.Clock.Now(), "该人员已停用"
		if err := s.Store.Decide(ctx, tx, p); err != nil {
			return err
		}
		if err := s.record(ctx, tx, string(Refused), c.ID, officer, map[string]any{"proposal": p.ID, "action": p.Action, "proposedBy": p.Proposer.ID}); err != nil {
			return err
		}
	}
	return nil
}

func reasonable(reason string) bool {
	n := utf8.RuneCountInString(reason)
	return n >= 2 && n <= 200
}

// Create makes an officer at the command line, without a second pair of eyes:
// whoever runs it holds the database and its keys. It gives the one-time
// password. While two super administrators can sign in, more are made in the
// console: CodeSupers.
func (s *Service) Create(ctx context.Context, n Newcomer) (password string, err error) {
	if err := n.fit(); err != nil {
		return "", err
	}
	password = s.deal() + "-" + s.deal()
	stretched, err := s.stretcher.Stretch(ctx, s.Rand, password, s.Cost)
	if err != nil {
		return "", busy(err)
	}
	o := Officer{ID: id.New(s.Rand), Name: n.Name, DisplayName: n.DisplayName, Phone: n.Phone, PhoneHash: s.phoneHash(n.Phone), Roles: n.Roles}
	err = s.Runner.Do(ctx, "office.create", func(ctx context.Context, tx work.Tx) error {
		all, err := s.Store.All(ctx, tx)
		if err != nil {
			return err
		}
		supers := 0
		for _, x := range all {
			if x.State == Active && x.Has(Super) && !x.Once {
				supers++
			}
		}
		if o.Has(Super) && supers >= 2 {
			return CodeSupers
		}
		if err := s.add(ctx, tx, o, stretched); err != nil {
			return err
		}
		return s.recordOperator(ctx, tx, "officer_created", o)
	})
	return password, err
}

// add stores a new officer with a dealt password.
func (s *Service) add(ctx context.Context, tx work.Tx, o Officer, stretched string) error {
	now := s.Clock.Now()
	o.State, o.Password, o.Once, o.OnceUntil, o.CreatedAt = Active, stretched, true, now.Add(OnceLife), now
	switch _, err := s.Store.ByName(ctx, tx, o.Name); {
	case err == nil:
		return CodeTaken
	case !errors.Is(err, work.ErrNotFound):
		return err
	}
	if err := s.Store.Add(ctx, tx, o); errors.Is(err, work.ErrExists) {
		return CodeTaken.Because(err)
	} else {
		return err
	}
}

// Reset gives an officer a new one-time password at the command line, takes his
// second factors away and lets him in again; CodeNone.
func (s *Service) Reset(ctx context.Context, name string) (password string, err error) {
	password = s.deal() + "-" + s.deal()
	stretched, err := s.stretcher.Stretch(ctx, s.Rand, password, s.Cost)
	if err != nil {
		return "", busy(err)
	}
	err = s.Runner.Do(ctx, "office.reset", func(ctx context.Context, tx work.Tx) error {
		o, err := found(s.Store.ByName(ctx, tx, name))
		if err != nil {
			return err
		}
		o.State = Active
		if err := s.reset(ctx, tx, o, stretched); err != nil {
			return err
		}
		return s.recordOperator(ctx, tx, "officer_reset", o)
	})
	return password, err
}

// reset deals an officer a password in place of all that he had; whether it lets
// him in is his state's.
func (s *Service) reset(ctx context.Context, tx work.Tx, o Officer, stretched string) error {
	now := s.Clock.Now()
	o.Password, o.Once, o.OnceUntil = stretched, true, now.Add(OnceLife)
	if err := s.Store.Put(ctx, tx, o); err != nil {
		return err
	}
	if err := s.Store.DropFactors(ctx, tx, o.ID); err != nil {
		return err
	}
	for _, subject := range [][]byte{[]byte(o.ID), s.Box.Hash("office-name", []byte(o.Name))} {
		if err := s.Store.Forget(ctx, tx, subject); err != nil {
			return err
		}
	}
	return s.Store.EndSessionsOf(ctx, tx, o.ID, "", now)
}

func (s *Service) recordOperator(ctx context.Context, tx work.Tx, kind string, o Officer) error {
	b, err := json.Marshal(map[string]any{"roles": o.Roles})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "console." + kind, Actor: operatorActor, Subject: o.ID, Detail: b})
}
