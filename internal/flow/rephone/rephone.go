// Package rephone moves an account to another phone number (更换手机号): with a code on
// the old number, or, where that is out of reach, with a live face. Both ways take
// a code on the new number and the device that holds the account; for 72 hours
// afterwards no re-key goes by SMS (docs/domain.md A11, docs/accounts.md).
package rephone

import (
	"context"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// PurposeFace is the purpose of the face check.
const PurposeFace realname.Purpose = "phone"

// kept is how long a change stays readable.
const kept = 24 * time.Hour

// The refusals.
var (
	CodeUnknown = fault.Code{Name: "phone_change_unknown", Kind: fault.NotFound, Text: "没有找到这次更换手机号，请重新办理。"}
	CodeOver    = fault.Code{Name: "phone_change_over", Kind: fault.Gone, Text: "本次更换手机号已超时，请重新办理。"}
)

// Change is a change of number that waits for a face, or is done.
type Change struct {
	ID, Account, Device string
	// Phone is the new number; empty once it is the account's.
	Phone     string
	FaceCheck string // realname's
	CreatedAt time.Time
	Version   int64
}

// Done tells that the number is the account's.
func (c Change) Done() bool { return c.Phone == "" }

// Store keeps changes. Absent rows are work.ErrNotFound, a lost compare-and-swap is
// work.ErrConflict; Phone is sealed.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, c Change) error
	Change(ctx context.Context, tx work.Tx, id string) (Change, error)
	Update(ctx context.Context, tx work.Tx, c Change) error
	// Drop deletes an account's changes that are not done, and all older than a time.
	Drop(ctx context.Context, tx work.Tx, account string, before time.Time) error
}

// Accounts is what the flow needs of package account.
type Accounts interface {
	ChangePhone(ctx context.Context, c account.Caller, in account.PhoneChange, after func(context.Context, work.Tx) error) error
	CheckCodeTo(ctx context.Context, ticket, code string, purpose account.Purpose, session, phone string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
	PhoneMayMove(ctx context.Context, tx work.Tx, c account.Caller, phone string) error
	MovePhone(ctx context.Context, tx work.Tx, c account.Caller, phone string) error
}

// Faces checks the live face of the account's verified person.
type Faces interface {
	StartFace(ctx context.Context, tx work.Tx, account string, p realname.Purpose, subject string) (realname.Check, error)
	Video(ctx context.Context, account, check string, video []byte) (realname.Check, error)
	Get(ctx context.Context, tx work.Tx, account, check string) (realname.Check, error)
}

// Notices tells the owner.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Deps are what a Service needs; all are required.
type Deps struct {
	Store    Store
	Runner   work.Runner
	Clock    clock.Clock
	Rand     io.Reader
	Accounts Accounts
	Faces    Faces
	Notices  Notices
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// ByCode changes the number with a code on the old one; refusals are
// account.ChangePhone's.
func (s *Service) ByCode(ctx context.Context, c account.Caller, in account.PhoneChange) error {
	return s.Accounts.ChangePhone(ctx, c, in, func(ctx context.Context, tx work.Tx) error {
		return s.tell(ctx, tx, c.Account, in.NewPhone)
	})
}

// tell posts the notice of both ways. The old number was told by account; the copy
// of this one goes to the new.
func (s *Service) tell(ctx context.Context, tx work.Tx, acc, phone string) error {
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: acc, Kind: "account.phone_changed", Title: "登录手机号已更换", Link: "/settings/security", SMS: true,
		Body: "登录手机号已更换为 " + account.MaskPhone(phone) + "，其他设备已退出登录；72 小时内不能凭短信办理补办恢复。如非本人操作，请立即联系客服。",
	})
}

// Begin begins a change by face, with a code of account.PurposeNewPhone on the new
// number. Refusals: account.CodePhone, CodeNotActive, CodePhoneTaken, those of
// account.CheckCode, and realname.StartFace's.
func (s *Service) Begin(ctx context.Context, c account.Caller, phone, ticket, code string) (Change, realname.Check, error) {
	if !account.ValidPhone(phone) {
		return Change{}, realname.Check{}, account.CodePhone
	}
	if err := s.Accounts.CheckCodeTo(ctx, ticket, code, account.PurposeNewPhone, c.Session, phone); err != nil {
		return Change{}, realname.Check{}, err
	}
	var change Change
	var check realname.Check
	err := s.Runner.Do(ctx, "rephone.begin", func(ctx context.Context, tx work.Tx) error {
		if err := s.Accounts.PhoneMayMove(ctx, tx, c, phone); err != nil {
			return err
		}
		if err := s.Accounts.Spend(ctx, tx, ticket, account.PurposeNewPhone, c.Account); err != nil {
			return err
		}
		now := s.Clock.Now()
		if err := s.Store.Drop(ctx, tx, c.Account, now.Add(-kept)); err != nil {
			return err
		}
		change = Change{ID: id.New(s.Rand), Account: c.Account, Device: c.Device, Phone: phone, CreatedAt: now, Version: 1}
		var err error
		if check, err = s.Faces.StartFace(ctx, tx, c.Account, PurposeFace, change.ID); err != nil {
			return err
		}
		change.FaceCheck = check.ID
		if err := s.Store.Insert(ctx, tx, change); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "account.phone_change_begun", Actor: c.Account, Subject: change.ID})
	})
	return change, check, err
}

// Face hands the video to the checker and takes notice of its answer.
func (s *Service) Face(ctx context.Context, c account.Caller, change string, video []byte) (realname.Check, error) {
	var found Change
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		found, err = s.change(ctx, tx, c, change)
		return err
	})
	if err != nil {
		return realname.Check{}, err
	}
	if _, err := s.Faces.Video(ctx, c.Account, found.FaceCheck, video); err != nil {
		return realname.Check{}, err
	}
	return s.Get(ctx, c, change)
}

// Get gives the check as it stands and, once it passed, moves the account to the new
// number. Refusals: CodeUnknown, CodeOver, account.CodeNotActive,
// account.CodePhoneTaken.
func (s *Service) Get(ctx context.Context, c account.Caller, change string) (realname.Check, error) {
	var check realname.Check
	err := s.Runner.Do(ctx, "rephone.state", func(ctx context.Context, tx work.Tx) error {
		found, err := s.change(ctx, tx, c, change)
		if err != nil {
			return err
		}
		check, err = s.Faces.Get(ctx, tx, c.Account, found.FaceCheck)
		if err != nil || found.Done() || check.State != realname.StatePassed {
			return err
		}
		// A face that passed does not wait for the day when somebody has the phone.
		if !s.Clock.Now().Before(found.CreatedAt.Add(2 * realname.Life)) {
			return CodeOver
		}
		phone := found.Phone
		found.Phone = ""
		if err := s.Store.Update(ctx, tx, found); err != nil {
			return err
		}
		if err := s.Accounts.MovePhone(ctx, tx, c, phone); err != nil {
			return err
		}
		return s.tell(ctx, tx, c.Account, phone)
	})
	if errors.Is(err, work.ErrExists) {
		return realname.Check{}, account.CodePhoneTaken.Because(err)
	}
	return check, err
}

func (s *Service) change(ctx context.Context, tx work.Tx, c account.Caller, change string) (Change, error) {
	found, err := s.Store.Change(ctx, tx, change)
	if errors.Is(err, work.ErrNotFound) || err == nil && (found.Account != c.Account || found.Device != c.Device) {
		return Change{}, CodeUnknown
	}
	return found, err
}
