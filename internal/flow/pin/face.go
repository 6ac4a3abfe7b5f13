package pin

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// PurposeFace is the purpose of the face check that goes before further
// attempts when the budget of wrong entries is used up (docs/domain.md §3.8).
const PurposeFace realname.Purpose = "pin"

// The refusals of the face check.
var (
	CodeNoFace      = fault.Code{Name: "pin_face_not_needed", Kind: fault.Conflict, Text: "当前无需人脸核验，请直接输入 PIN 码。"}
	CodeFaceUnknown = fault.Code{Name: "pin_face_unknown", Kind: fault.NotFound, Text: "没有找到这次人脸核验，请重新开始。"}
)

// Unlock is one face check that allows attempts beyond the budget.
type Unlock struct {
	ID, Account string
	Check       string // realname's
	Used        bool   // it has allowed them, once
	CreatedAt   time.Time
	Version     int64
}

// Faces checks the live face of the account's verified person.
type Faces interface {
	StartFace(ctx context.Context, tx work.Tx, account string, p realname.Purpose, subject string) (realname.Check, error)
	Video(ctx context.Context, account, check string, video []byte) (realname.Check, error)
	Get(ctx context.Context, tx work.Tx, account, check string) (realname.Check, error)
}

// BeginFace begins a face check for a PIN whose budget is used up.
func (s *Service) BeginFace(ctx context.Context, c account.Caller) (Unlock, realname.Check, error) {
	st, err := s.Custody.PIN(ctx, c.Account)
	if err != nil {
		return Unlock{}, realname.Check{}, err
	}
	if !st.FaceNeeded || st.Locked {
		return Unlock{}, realname.Check{}, CodeNoFace
	}
	var u Unlock
	var check realname.Check
	err = s.Runner.Do(ctx, "pin.face", func(ctx context.Context, tx work.Tx) (err error) {
		u = Unlock{ID: id.New(s.Rand), Account: c.Account, CreatedAt: s.Clock.Now(), Version: 1}
		if check, err = s.Faces.StartFace(ctx, tx, c.Account, PurposeFace, u.ID); err != nil {
			return err
		}
		u.Check = check.ID
		return s.Store.InsertUnlock(ctx, tx, u)
	})
	return u, check, err
}

// Face hands the video to the checker; a face that passes allows attempts
// until one is wrong.
func (s *Service) Face(ctx context.Context, c account.Caller, unlock string, video []byte) (realname.Check, error) {
	var u Unlock
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		u, err = s.unlock(ctx, tx, c, unlock)
		return err
	})
	if err != nil {
		return realname.Check{}, err
	}
	if _, err := s.Faces.Video(ctx, c.Account, u.Check, video); err != nil {
		return realname.Check{}, err
	}
	return s.FaceState(ctx, c, unlock)
}

// FaceState gives the check as it stands and takes notice, once, if it passed.
func (s *Service) FaceState(ctx context.Context, c account.Caller, unlock string) (realname.Check, error) {
	var check realname.Check
	err := s.Runner.Do(ctx, "pin.face_state", func(ctx context.Context, tx work.Tx) error {
		u, err := s.unlock(ctx, tx, c, unlock)
		if err != nil {
			return err
		}
		check, err = s.Faces.Get(ctx, tx, c.Account, u.Check)
		if err != nil || u.Used || check.State != realname.StatePassed {
			return err
		}
		u.Used = true
		if err := s.Store.UpdateUnlock(ctx, tx, u); err != nil {
			return err
		}
		return s.Custody.FaceChecked(ctx, tx, c.Account)
	})
	return check, err
}

func (s *Service) unlock(ctx context.Context, tx work.Tx, c account.Caller, unlock string) (Unlock, error) {
	u, err := s.Store.Unlock(ctx, tx, unlock)
	if errors.Is(err, work.ErrNotFound) || err == nil && u.Account != c.Account {
		return Unlock{}, CodeFaceUnknown
	}
	return u, err
}
