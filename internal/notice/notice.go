// Package notice tells people what happened to their account, orders and
// certificates (通知): a list in the app and, where it matters, an SMS copy.
//
// A notice is posted in the transaction of the event it tells of, so neither
// exists without the other; the SMS leaves as a job with the same commit.
package notice

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// CodeUnknown: no such notice of this account.
var CodeUnknown = fault.Code{Name: "notice_unknown", Kind: fault.NotFound, Text: "没有找到这条通知，请返回列表刷新后查看。"}

// Notice is one message to one account. Title and Body are sealed in the store:
// later ones name people.
type Notice struct {
	ID      string
	Account string
	// Kind is a stable dotted name for icons, such as "pin.set"; GroupOf gives its group.
	Kind string
	// Title is one line; it is also the text of the SMS copy, so it holds no
	// names, numbers or amounts.
	Title string
	Body  string
	// Link is a path inside the app, such as "/orders/…"; empty for none.
	Link string
	// SMS asks for a copy to the account's phone; the account's settings may keep
	// it back (Service.Settings).
	SMS bool
	// Key, if not empty, makes posting repeatable: a second notice of the account
	// with this key is not posted. For handlers of jobs, which may run twice.
	Key string

	PostedAt time.Time
	// ReadAt is zero while it is unread.
	ReadAt time.Time
}

// Store keeps the notices.
type Store interface {
	// Add inserts a notice; false if its key was there.
	Add(ctx context.Context, tx work.Tx, n Notice) (bool, error)
	// List gives an account's notices that a filter lets through, newest first, those
	// before an id if one is given.
	List(ctx context.Context, tx work.Tx, account string, f Filter, n int) ([]Notice, error)
	// Unread counts the unread ones of each group that has some.
	Unread(ctx context.Context, tx work.Tx, account string) (map[Group]int, error)
	// MarkRead stamps an unread notice; a read one keeps its time. work.ErrNotFound
	// if the account has no such notice.
	MarkRead(ctx context.Context, tx work.Tx, account, id string, at time.Time) error
	// MarkAllRead stamps every unread notice of an account, in one group if given.
	MarkAllRead(ctx context.Context, tx work.Tx, account string, g Group, at time.Time) error
	// Quiet gives the groups that an account wants no SMS of; SetQuiet adds one or
	// takes it out.
	Quiet(ctx context.Context, tx work.Tx, account string) ([]Group, error)
	SetQuiet(ctx context.Context, tx work.Tx, account string, g Group, quiet bool) error
}

// Texts sends SMS copies; account.Service does.
type Texts interface {
	Text(ctx context.Context, tx work.Tx, account, template string, params map[string]string) error
}

// Deps are what the service needs.
type Deps struct {
	Runner work.Runner
	Store  Store
	Clock  clock.Clock
	Rand   io.Reader
	Texts  Texts
}

// Service posts and lists notices.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// Post adds a notice with the caller's commit; ID and PostedAt are set here.
func (s *Service) Post(ctx context.Context, tx work.Tx, n Notice) error {
	n.ID, n.PostedAt, n.ReadAt = id.New(s.Rand), s.Clock.Now(), time.Time{}
	fresh, err := s.Store.Add(ctx, tx, n)
	if err != nil || !fresh {
		return err
	}
	tx.Wake(n.Account, work.Notices)
	if !n.SMS {
		return nil
	}
	quiet, err := s.Store.Quiet(ctx, tx, n.Account)
	if err != nil || !GroupOf(n.Kind).fixed() && slices.Contains(quiet, GroupOf(n.Kind)) {
		return err
	}
	return s.Texts.Text(ctx, tx, n.Account, "notice", map[string]string{"title": n.Title})
}

// PageSize is the most notices in one page.
const PageSize = 50

// Filter is what of the notices is wanted; the zero value is the newest of all.
type Filter struct {
	// Before is empty or the Next of the page before.
	Before string
	// Group is empty for all.
	Group  Group
	Unread bool
}

// Page is a part of an account's notices, newest first.
type Page struct {
	Notices []Notice
	// Next continues the list; empty at its end.
	Next string
	// Unread counts all unread notices of the account, Groups those of each group.
	Unread int
	Groups []GroupCount
}

// GroupCount is a group with its unread notices.
type GroupCount struct {
	Group  Group
	Unread int
}

// List gives the newest notices of an account; cursor is empty or the Next of the
// page before.
func (s *Service) List(ctx context.Context, account, cursor string) (Page, error) {
	return s.Browse(ctx, account, Filter{Before: cursor})
}

// Browse gives a page of the notices that a filter lets through.
func (s *Service) Browse(ctx context.Context, account string, f Filter) (p Page, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		unread, err := s.Store.Unread(ctx, tx, account)
		if err != nil {
			return err
		}
		p = Page{}
		for _, g := range Groups() {
			p.Groups = append(p.Groups, GroupCount{g, unread[g]})
			p.Unread += unread[g]
		}
		p.Notices, err = s.Store.List(ctx, tx, account, f, PageSize+1)
		return err
	})
	if len(p.Notices) > PageSize {
		p.Notices = p.Notices[:PageSize]
		p.Next = p.Notices[PageSize-1].ID
	}
	return p, err
}

// Unread counts an account's unread notices.
func (s *Service) Unread(ctx context.Context, tx work.Tx, account string) (n int, err error) {
	unread, err := s.Store.Unread(ctx, tx, account)
	for _, of := range unread {
		n += of
	}
	return n, err
}

// MarkRead marks a notice of the account as read; doing it again changes nothing.
func (s *Service) MarkRead(ctx context.Context, account, notice string) error {
	err := s.Runner.Do(ctx, "notice.read", func(ctx context.Context, tx work.Tx) error {
		tx.Wake(account, work.Notices)
		return s.Store.MarkRead(ctx, tx, account, notice, s.Clock.Now())
	})
	if errors.Is(err, work.ErrNotFound) {
		return CodeUnknown.Because(err)
	}
	return err
}

// MarkAllRead marks every notice of the account as read (全部已读), or those of one
// group.
func (s *Service) MarkAllRead(ctx context.Context, account string, g Group) error {
	return s.Runner.Do(ctx, "notice.read_all", func(ctx context.Context, tx work.Tx) error {
		tx.Wake(account, work.Notices)
		return s.Store.MarkAllRead(ctx, tx, account, g, s.Clock.Now())
	})
}
