package verification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// Officer is who decides: an id of package office and the keyed hash of his phone.
type Officer struct {
	ID        string
	PhoneHash []byte
}

// Tab is a part of the review queue.
type Tab string

// The tabs (实名审核).
const (
	TabOpen   Tab = "open"   // 待审核
	TabSecond Tab = "second" // 复核
	TabDone   Tab = "done"   // 已办
)

// ReviewRow is an application in the queue.
type ReviewRow struct {
	ID, Number, Name   string
	Kind               enterprise.Kind
	State              enterprise.State
	SubmittedAt, DueAt time.Time
	// Left is the working time until DueAt; negative when it is over.
	Left time.Duration
	// Claimed is the officer who has it before him now, empty for nobody.
	Claimed   string
	Escalated string
	DecidedBy string
	DecidedAt time.Time
}

// ReviewPage is a part of the queue, the earliest deadline first; of TabDone the
// last decided first.
type ReviewPage struct {
	Rows []ReviewRow
	Next string
	// Total counts the whole tab, TabDone only today.
	Total int
}

// CheckItem is a line of the checklist (人工核对).
type CheckItem struct{ Code, Text string }

// RefusalReason is what an officer chooses of.
type RefusalReason struct{ Code, Text string }

// Comparison is a fact as applied for beside the register's.
type Comparison struct {
	Item, Applied, Registered string
	// Match: the two agree.
	Match bool
}

// Review is an application as an officer sees it.
type Review struct {
	Application enterprise.Application
	Left        time.Duration
	Facts       []Comparison
	Checklist   []CheckItem
	Refusals    []RefusalReason
	Events      []Event
	// Applicant and his masked phone and ID number.
	ApplicantName, ApplicantPhone, ApplicantID string
	// Before is the enterprise as it stands, for a change.
	Before enterprise.Enterprise
}

// ReviewStore is what reviews need of the store.
type ReviewStore interface {
	// Queue gives reviewing applications, those with a second opinion asked or
	// those without, by deadline, after a cursor's.
	Queue(ctx context.Context, tx work.Tx, second bool, dueAfter time.Time, after string, n int) ([]enterprise.Application, error)
	CountQueue(ctx context.Context, tx work.Tx, second bool) (int, error)
	// Decided gives those that officers decided, the last first.
	Decided(ctx context.Context, tx work.Tx, before time.Time, beforeID string, n int) ([]enterprise.Application, error)
	CountDecided(ctx context.Context, tx work.Tx, since time.Time) (int, error)
}

// The refusals of officers' steps.
var (
	// CodeClaimed: another officer has it before him.
	CodeClaimed = fault.Code{Name: "review_claimed", Kind: fault.Conflict,
		Text: "另一位鉴证人员正在审核这份申请，请先处理其他申请。"}
	CodeDecided = fault.Code{Name: "review_decided", Kind: fault.Conflict,
		Text: "这份申请已有审核结果或已撤回，请刷新列表。"}
	// CodeUnclaimed: nobody decides what he does not have before him.
	CodeUnclaimed = fault.Code{Name: "review_unclaimed", Kind: fault.Conflict,
		Text: "您尚未开始处理这份申请，或 15 分钟的处理时间已过，请开始处理并核对后再提交。"}
	// CodeChanged: what he looked at is not what stands there now.
	CodeChanged = fault.Code{Name: "review_changed", Kind: fault.Conflict,
		Text: "申请人已重新提交资料，请重新核对后再作决定。"}
	CodeEscalated = fault.Code{Name: "review_escalated", Kind: fault.Conflict,
		Text: "这份申请已是复核件，请直接通过或驳回。"}
	// CodeInvolved: nobody reviews what concerns himself.
	CodeInvolved = fault.Code{Name: "review_involved", Kind: fault.Forbidden,
		Text: "您与这份申请有关联，须由其他鉴证人员审核。"}
	CodeSecond = fault.Code{Name: "review_second", Kind: fault.Forbidden,
		Text: "您已转交复核，须由另一位鉴证人员作出决定。"}
	CodeChecklist = fault.Code{Name: "review_checklist", Kind: fault.Invalid,
		Text: "核对项尚未全部完成，请逐项核对后再通过。"}
	CodeRefusal = fault.Code{Name: "review_reason", Kind: fault.Invalid,
		Text: "请选择驳回原因；选择“其他”时请填写说明，最多 200 字。"}
	CodeNote = fault.Code{Name: "review_note", Kind: fault.Invalid,
		Text: "请填写转复核的说明，2 至 200 字。"}
)

const (
	// ClaimLife is how long a claim lasts without a decision.
	ClaimLife = 15 * time.Minute
	// reviewPage is the most rows in one page.
	reviewPage = 50
	maxNote    = 200
)

func (s *Service) row(a enterprise.Application) ReviewRow {
	now := s.Clock.Now()
	r := ReviewRow{ID: a.ID, Number: a.Number, Name: a.Name, Kind: a.Kind, State: a.State, SubmittedAt: a.SubmittedAt, DueAt: a.DueAt,
		Left: china.Left(now, a.DueAt), Escalated: a.Escalated, DecidedBy: a.DecidedBy, DecidedAt: a.DecidedAt}
	if now.Before(a.ClaimedUntil) {
		r.Claimed = a.Claimed
	}
	return r
}

// Reviews gives a page of the queue; cursor is empty or the Next of the page before.
func (s *Service) Reviews(ctx context.Context, tab Tab, cursor string) (p ReviewPage, err error) {
	at, after := fromCursor(cursor)
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		p = ReviewPage{}
		var all []enterprise.Application
		if tab == TabDone {
			if p.Total, err = s.Store.CountDecided(ctx, tx, midnight(s.Clock.Now())); err != nil {
				return err
			}
			all, err = s.Store.Decided(ctx, tx, at, after, reviewPage+1)
		} else {
			if p.Total, err = s.Store.CountQueue(ctx, tx, tab == TabSecond); err != nil {
				return err
			}
			all, err = s.Store.Queue(ctx, tx, tab == TabSecond, at, after, reviewPage+1)
		}
		if err != nil {
			return err
		}
		if len(all) > reviewPage {
			all = all[:reviewPage]
			last := all[reviewPage-1]
			p.Next = cursorOf(last.DueAt, last.ID)
			if tab == TabDone {
				p.Next = cursorOf(last.DecidedAt, last.ID)
			}
		}
		for _, a := range all {
			p.Rows = append(p.Rows, s.row(a))
		}
		return nil
	})
	return p, err
}

func cursorOf(at time.Time, id string) string { return fmt.Sprintf("%d-%s", at.UnixMilli(), id) }

// fromCursor reads a cursor; one that is none begins at the start.
func fromCursor(c string) (at time.Time, id string) {
	ms, id, ok := strings.Cut(c, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return time.Time{}, ""
	}
	return time.UnixMilli(n).UTC(), id
}

func midnight(t time.Time) time.Time {
	y, m, d := t.In(clock.China).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, clock.China)
}

// Review gives one application: facts beside the register's, checklist, events.
func (s *Service) Review(ctx context.Context, application string) (r Review, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		r = Review{}
		a, err := s.Store.Application(ctx, tx, application)
		if errors.Is(err, work.ErrNotFound) || err == nil && a.SubmittedAt.IsZero() {
			return CodeApplicationUnknown
		}
		if err != nil {
			return err
		}
		r.Application, r.Left = a, china.Left(s.Clock.Now(), a.DueAt)
		if a.Kind == enterprise.KindChange {
			if r.Before, err = s.Store.Enterprise(ctx, tx, a.Enterprise); err != nil {
				return err
			}
		}
		r.Facts, r.Checklist = compared(a), checklist(a)
		for _, c := range refusals {
			r.Refusals = append(r.Refusals, RefusalReason{c.Name, c.Text})
		}
		if r.Events, err = s.Store.Events(ctx, tx, a.ID); err != nil {
			return err
		}
		p, err := s.Members.Persons.Person(ctx, tx, a.Account)
		if err != nil && !errors.Is(err, realname.CodeNotVerified) {
			return err
		}
		r.ApplicantName, r.ApplicantID = p.Name, realname.MaskIDNumber(p.IDNumber)
		r.ApplicantPhone, err = s.Members.Accounts.Phone(ctx, tx, a.Account)
		return err
	})
	return r, err
}

// compared sets what was applied for beside the register's record.
func compared(a enterprise.Application) []Comparison {
	legal := a.Record.Differs != enterprise.DiffersLegal
	masked := "姓名与证件核验一致"
	if !legal {
		masked = "姓名与证件未能匹配"
	}
	return []Comparison{
		{"企业名称", a.Name, a.Record.Name, a.Name == a.Record.Name},
		{"统一社会信用代码", a.Code, a.Record.Code, a.Code == a.Record.Code},
		{"法定代表人", a.LegalName, a.Record.LegalName, legal},
		{"证件号码", realname.MaskIDNumber(a.LegalIDNumber), masked, legal},
		{"登记状态", "", a.Record.Status, a.Record.Status != ""},
	}
}

// checklist is what an officer looks at with his own eyes (人工核对).
func checklist(a enterprise.Application) []CheckItem {
	return []CheckItem{
		{"letter_seal", "授权书盖章清晰，印文与企业名称一致"},
		{"letter_facts", "授权书的被授权人、事项与期限完整"},
		{"licence", "营业执照清晰，载明的法定代表人为" + a.LegalName},
		{"id_card", "法定代表人身份证与申请一致，且在有效期内"},
	}
}

// Picture gives a picture to an officer; the caller audits it.
func (s *Service) Picture(ctx context.Context, application, kind string) (b []byte, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		a, err := s.Store.Application(ctx, tx, application)
		if errors.Is(err, work.ErrNotFound) || err == nil && a.SubmittedAt.IsZero() {
			return CodeApplicationUnknown
		}
		if err != nil {
			return err
		}
		b, err = s.picture(ctx, tx, application, kind)
		return err
	})
	return b, err
}

// decide moves an application that waits for an officer; f decides. Nobody touches
// what another has before him.
func (s *Service) decide(ctx context.Context, o Officer, application, name string, f func(ctx context.Context, tx work.Tx, a *enterprise.Application) error) error {
	return s.Runner.Do(ctx, name, func(ctx context.Context, tx work.Tx) error {
		a, err := s.Store.Application(ctx, tx, application)
		if errors.Is(err, work.ErrNotFound) {
			return CodeApplicationUnknown
		}
		if err != nil {
			return err
		}
		if a.State != enterprise.StateReviewing {
			return CodeDecided
		}
		if a.Claimed != "" && a.Claimed != o.ID && s.Clock.Now().Before(a.ClaimedUntil) {
			return CodeClaimed
		}
		return f(ctx, tx, &a)
	})
}

func (o Officer) actor() string { return "officer:" + o.ID }

// Claim takes an application before an officer for ClaimLife; claiming his own again
// renews it. Who may not decide would only keep others from it.
func (s *Service) Claim(ctx context.Context, o Officer, application string) error {
	return s.decide(ctx, o, application, "review.claim", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := s.mayDecide(ctx, tx, o, *a); err != nil {
			return err
		}
		fresh := a.Claimed != o.ID
		a.Claimed, a.ClaimedUntil = o.ID, s.Clock.Now().Add(ClaimLife)
		if fresh {
			if err := s.event(ctx, tx, *a, "claimed", o.actor(), ""); err != nil {
				return err
			}
			if err := s.record(ctx, tx, *a, o.actor(), "console.review_claimed"); err != nil {
				return err
			}
		}
		return s.put(ctx, tx, a)
	})
}

// Release lets it go.
func (s *Service) Release(ctx context.Context, o Officer, application string) error {
	return s.decide(ctx, o, application, "review.release", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if a.Claimed == "" {
			return nil
		}
		a.Claimed, a.ClaimedUntil = "", time.Time{}
		if err := s.event(ctx, tx, *a, "released", o.actor(), ""); err != nil {
			return err
		}
		if err := s.record(ctx, tx, *a, o.actor(), "console.review_released"); err != nil {
			return err
		}
		return s.put(ctx, tx, a)
	})
}

// mayDecide keeps an officer from what concerns himself and from what he gave to a
// second one.
func (s *Service) mayDecide(ctx context.Context, tx work.Tx, o Officer, a enterprise.Application) error {
	if a.Escalated == o.ID {
		return CodeSecond
	}
	return s.uninvolved(ctx, tx, o, a)
}

// looked keeps an officer from deciding what he has not before him: he holds a claim
// that lasts, and seen is the submission whose documents he saw. They do not change
// until they are submitted anew.
func (s *Service) looked(o Officer, a enterprise.Application, seen time.Time) error {
	switch {
	case a.Claimed != o.ID || !s.Clock.Now().Before(a.ClaimedUntil):
		return CodeUnclaimed
	case !a.SubmittedAt.Equal(seen):
		return CodeChanged
	}
	return nil
}

// uninvolved looks for the officer's own account by his phone: it must not be the
// applicant's, the representative's, or a member's.
func (s *Service) uninvolved(ctx context.Context, tx work.Tx, o Officer, a enterprise.Application) error {
	if len(o.PhoneHash) == 0 {
		return nil
	}
	acc, err := s.Officers.OwnerByHash(ctx, tx, o.PhoneHash)
	if errors.Is(err, account.CodeNoAccount) {
		return nil
	}
	if err != nil {
		return err
	}
	if acc == a.Account {
		return CodeInvolved
	}
	p, err := s.Members.Persons.Person(ctx, tx, acc)
	if err != nil && !errors.Is(err, realname.CodeNotVerified) {
		return err
	}
	if err == nil && p.IDNumber == a.LegalIDNumber {
		return CodeInvolved
	}
	if a.Enterprise == "" {
		return nil
	}
	_, member, err := s.Members.RoleOf(ctx, tx, acc, a.Enterprise)
	if err == nil && member {
		err = CodeInvolved
	}
	return err
}

// Approve verifies the enterprise; checks are the codes of the whole checklist. The
// officer holds the claim and seen is the SubmittedAt of what he saw: CodeUnclaimed,
// CodeChanged.
func (s *Service) Approve(ctx context.Context, o Officer, application string, seen time.Time, checks []string) error {
	return s.decide(ctx, o, application, "review.approve", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := s.mayDecide(ctx, tx, o, *a); err != nil {
			return err
		}
		if err := s.looked(o, *a, seen); err != nil {
			return err
		}
		for _, c := range checklist(*a) {
			if !slices.Contains(checks, c.Code) {
				return CodeChecklist
			}
		}
		a.DecidedBy, a.DecidedAt = o.ID, s.Clock.Now()
		return s.verified(ctx, tx, a, o.actor())
	})
}

// Refuse gives the application back with reasons (驳回); the note is shown to the
// applicant as it stands. Claim and seen are as of Approve.
func (s *Service) Refuse(ctx context.Context, o Officer, application string, seen time.Time, reasons []string, note string) error {
	note = strings.TrimSpace(note)
	if len(reasons) == 0 || len(reasons) > len(refusals) || utf8.RuneCountInString(note) > maxNote || slices.Contains(reasons, "other") && note == "" {
		return CodeRefusal
	}
	for _, r := range reasons {
		if !slices.ContainsFunc(refusals, func(c fault.Code) bool { return c.Name == r }) {
			return CodeRefusal
		}
	}
	return s.decide(ctx, o, application, "review.refuse", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := s.mayDecide(ctx, tx, o, *a); err != nil {
			return err
		}
		if err := s.looked(o, *a, seen); err != nil {
			return err
		}
		a.State, a.Reasons, a.Note = enterprise.StateRefused, reasons, note
		a.Claimed, a.ClaimedUntil, a.DecidedBy, a.DecidedAt = "", time.Time{}, o.ID, s.Clock.Now()
		if err := s.put(ctx, tx, a); err != nil {
			return err
		}
		if err := s.event(ctx, tx, *a, "refused", o.actor(), note); err != nil {
			return err
		}
		if err := s.Notices.Post(ctx, tx, notice.Notice{Account: a.Account, Kind: "enterprise.refused", Title: "企业实名审核未通过，请补正资料", SMS: true,
			Body: a.Name + "：" + ReasonsOf(reasons)[0].Text, Link: "/enterprises/applications/" + a.ID}); err != nil {
			return err
		}
		return s.record(ctx, tx, *a, o.actor(), "enterprise.refused")
	})
}

// Escalate asks for a second opinion (转复核), once: only another officer decides then,
// and he does not give it back (CodeEscalated).
func (s *Service) Escalate(ctx context.Context, o Officer, application, note string) error {
	note = strings.TrimSpace(note)
	if n := utf8.RuneCountInString(note); n < 2 || n > maxNote {
		return CodeNote
	}
	return s.decide(ctx, o, application, "review.escalate", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := s.mayDecide(ctx, tx, o, *a); err != nil {
			return err
		}
		if a.Escalated != "" {
			return CodeEscalated
		}
		a.Escalated, a.Claimed, a.ClaimedUntil = o.ID, "", time.Time{}
		if err := s.put(ctx, tx, a); err != nil {
			return err
		}
		if err := s.event(ctx, tx, *a, "escalated", o.actor(), note); err != nil {
			return err
		}
		return s.record(ctx, tx, *a, o.actor(), "enterprise.escalated")
	})
}
