package lookup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// RevealsADay is how many values one officer may see in full on a calendar day.
const RevealsADay = 30

// The refusals of a reveal.
var (
	CodeRevealField = fault.Code{Name: "reveal_field", Kind: fault.Invalid,
		Text: "没有可查看的内容，请刷新页面后重试。"}
	CodeRevealLimit = fault.Code{Name: "reveal_limit", Kind: fault.TooMany,
		Text: "您今日查看完整信息的次数已用完，请明天再试，或由其他人员查看。"}
)

// Wish is which value an officer wants to see in full, and why.
type Wish struct {
	// Kind is account, enterprise or application.
	Kind, ID string
	// Field is phone, name or idNumber of an account's person; legalName or
	// legalIDNumber of an enterprise or an application.
	Field, Reason string
}

// Revealed is the value, and how many more the officer may see today.
type Revealed struct {
	Value     string
	Remaining int
}

// Reveal gives one value in full. It is counted and in the audit chain before
// the answer leaves. Refusals: CodeReason, CodeRevealField, CodeRevealLimit,
// CodeNoAccount, CodeNoEnterprise.
func (s *Service) Reveal(ctx context.Context, o Officer, w Wish) (out Revealed, err error) {
	if w.Reason, err = cleanReason(w.Reason); err != nil {
		return Revealed{}, err
	}
	err = s.Runner.Do(ctx, "lookup.reveal", func(ctx context.Context, tx work.Tx) error {
		value, err := s.value(ctx, tx, w)
		if err != nil {
			return err
		}
		if value == "" {
			return CodeRevealField
		}
		n, err := s.Store.Count(ctx, tx, o.ID, countReveals, clock.Day(s.Clock.Now()))
		if err != nil {
			return err
		}
		if n > RevealsADay {
			return CodeRevealLimit
		}
		out = Revealed{Value: value, Remaining: RevealsADay - n}
		return record(ctx, tx, "console.revealed", o, w.ID, map[string]any{"kind": w.Kind, "field": w.Field, "reason": w.Reason})
	})
	if err != nil {
		return Revealed{}, err
	}
	return out, nil
}

func (s *Service) value(ctx context.Context, tx work.Tx, w Wish) (string, error) {
	switch w.Kind {
	case "account":
		f, err := s.facts(ctx, tx, w.ID)
		if err != nil {
			return "", err
		}
		switch {
		case w.Field == "phone" && f.ClosedAt.IsZero():
			return f.Phone, nil
		case w.Field == "name":
			return f.Name, nil
		case w.Field == "idNumber":
			return f.IDNumber, nil
		}
	case "enterprise":
		e, err := s.verified(ctx, tx, w.ID)
		return representative(w.Field, e.LegalName, e.LegalIDNumber), err
	case "application":
		a, err := s.Store.Application(ctx, tx, w.ID)
		if errors.Is(err, work.ErrNotFound) {
			return "", CodeNoEnterprise
		}
		return representative(w.Field, a.LegalName, a.LegalIDNumber), err
	}
	return "", CodeRevealField
}

func representative(field, name, number string) string {
	switch field {
	case "legalName":
		return name
	case "legalIDNumber":
		return number
	}
	return ""
}

// Note puts what an officer did or saw into the audit chain, for doors that have
// no transaction of their own.
func (s *Service) Note(ctx context.Context, o Officer, kind, subject string, detail map[string]any) error {
	return s.Runner.Do(ctx, "lookup.note", func(ctx context.Context, tx work.Tx) error {
		return record(ctx, tx, kind, o, subject, detail)
	})
}

// NoteOpened puts into the audit chain that an officer saw a review with the names
// in it: once for each claim of it while he looks at no other one.
func (s *Service) NoteOpened(ctx context.Context, o Officer, review string, claimed time.Time) error {
	return s.Runner.Do(ctx, "lookup.opened", func(ctx context.Context, tx work.Tx) error {
		which := sha256.Sum256(fmt.Append(nil, review, "@", claimed.UnixMilli()))
		n, err := s.Store.Count(ctx, tx, o.ID, countOpened, int64(binary.BigEndian.Uint64(which[:])))
		if err != nil || n > 1 {
			return err
		}
		return record(ctx, tx, "console.review_opened", o, review, nil)
	})
}

func record(ctx context.Context, tx work.Tx, kind string, o Officer, subject string, detail map[string]any) error {
	b, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: o.actor(), Subject: subject, Detail: b})
}
