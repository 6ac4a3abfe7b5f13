// Package recover is the re-key (补办恢复): a forgotten PIN (重置 PIN 码, M§2.7.4), a
// lost or new phone and cleared storage are one operation (docs/split-keys.md
// §2.6; docs/domain.md A2, A11, A28).
//
// After an SMS code and a live face check all keys of the account are suspended
// and the device becomes the active one; a new PIN is set on it; then package
// install gives every certificate a new signing key and deals every encryption
// key anew. The old device is told at the start and can stop it.
package recover

import (
	"context"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// BusinessPIN is the proof of the new PIN, as custody's activations name it.
const BusinessPIN = "recover.pin"

// The times of docs/domain.md A11.
const (
	// HoldFor delays the decryption of older envelopes on a device that was never
	// bound before.
	HoldFor = 24 * time.Hour
	// PhonePause follows a change of the phone number: no re-key by SMS.
	PhonePause = 72 * time.Hour
	// FaceLife is how long a recovery waits for its face check.
	FaceLife = realname.Life
)

// The refusals of this package.
var (
	CodeNothing  = fault.Code{Name: "recovery_not_needed", Kind: fault.Conflict, Text: "您还没有设置 PIN 码，请直接设置，无需办理补办恢复。"}
	CodeNotFound = fault.Code{Name: "recovery_unknown", Kind: fault.NotFound, Text: "没有找到这次补办恢复，请重新办理。"}
	CodeOver     = fault.Code{Name: "recovery_over", Kind: fault.Gone, Text: "本次补办恢复已结束，如仍需恢复请重新办理。"}
	CodeStep     = fault.Code{Name: "recovery_step", Kind: fault.Conflict, Text: "补办恢复的步骤已变化，请刷新后继续。"}
	CodeNoPIN    = fault.Code{Name: "recovery_pin_missing", Kind: fault.Conflict, Text: "请先输入新的 PIN 码。"}
	CodeNotOwner = fault.Code{Name: "recovery_not_yours", Kind: fault.Forbidden, Text: "只有原绑定的手机可以确认或停止这次补办恢复。"}
	CodeStopped  = fault.Code{Name: "recovery_cannot_stop", Kind: fault.Conflict, Text: "本次补办恢复已不能停止；如非本人操作，请立即联系客服。"}
	CodePhoneNew = fault.Code{Name: "recovery_phone_changed", Kind: fault.Forbidden, Text: "您在 72 小时内更换过手机号，为保障安全暂不能凭短信办理补办恢复；请稍后再试，或联系客服。"}
)

// State is where a recovery stands.
type State string

// The states.
const (
	Face      State = "face"      // the SMS code passed; the face check is wanted
	Suspended State = "suspended" // all keys are suspended; a new PIN is wanted
	Pinned    State = "pinned"    // the new PIN is set; certificates are re-keyed
	Done      State = "done"
	Stopped   State = "stopped" // by the old device, or given up in time
	Over      State = "over"    // expired, or another recovery took its place
)

// Recovery is one re-key of an account on one device.
type Recovery struct {
	ID, Account, Device string
	// OldDevice was the active device; it may confirm or stop.
	OldDevice string
	// KnownDevice: this device was the account's active one before, in a way that
	// nobody contests.
	KnownDevice bool
	State       State
	FaceCheck   string // the id of the face check
	Op          string // the proof of the new PIN; empty before
	// Confirmed: the old device agreed, so nothing is held back.
	Confirmed bool
	// Restorable: the keys were the old device's and in use when they were
	// suspended, so that stopping before the new PIN gives them back.
	Restorable bool
	// SuspendedAt is when the keys were suspended.
	SuspendedAt time.Time
	// HoldUntil is until when older envelopes stay shut; zero for no hold.
	HoldUntil            time.Time
	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// Running reports whether the account's keys are suspended for this recovery
// and it is not done.
func (r Recovery) Running() bool { return r.State == Suspended || r.State == Pinned }

// Store keeps recoveries; at most one of an account runs. Get-like calls answer
// work.ErrNotFound; Update is a compare-and-swap on Version.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, r Recovery) error
	Recovery(ctx context.Context, tx work.Tx, id string) (Recovery, error)
	// Last gives the newest of an account.
	Last(ctx context.Context, tx work.Tx, account string) (Recovery, error)
	Running(ctx context.Context, tx work.Tx, account string) (Recovery, error)
	// Unsettled gives the oldest recovery by which a device never known before
	// came in and that was not finished, was stopped, or still holds back.
	Unsettled(ctx context.Context, tx work.Tx, account, device string, now time.Time) (Recovery, error)
	Update(ctx context.Context, tx work.Tx, r Recovery) error
}

// Accounts is what the flow needs of package account.
type Accounts interface {
	CheckCode(ctx context.Context, ticket, code string, purpose account.Purpose, session string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
	PhoneChanged(ctx context.Context, tx work.Tx, account string) (time.Time, error)
	ActiveDevice(ctx context.Context, tx work.Tx, account string) (string, error)
	BoundAt(ctx context.Context, tx work.Tx, account, device string) (time.Time, error)
	BindDevice(ctx context.Context, tx work.Tx, account, device string) error
	Restrict(ctx context.Context, tx work.Tx, account, exceptDevice string) error
	Lift(ctx context.Context, tx work.Tx, account string) error
	LiftAt(ctx context.Context, tx work.Tx, account string, at time.Time) error
	EndOtherSessions(ctx context.Context, tx work.Tx, account, exceptDevice string) error
}

// Certificates lists what an account holds, and shows whether the keys are in use.
type Certificates interface {
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
	KeysLost(ctx context.Context, tx work.Tx, account string) error
	KeysBack(ctx context.Context, tx work.Tx, account string) error
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

// Transactions are the account's scans: they wait while it re-keys (恢复中) and go
// on afterwards (docs/domain.md §2.3); scan.Service is one.
type Transactions interface {
	Hold(ctx context.Context, tx work.Tx, account string) error
	HoldOn(ctx context.Context, tx work.Tx, h custody.Holder) error
	Resume(ctx context.Context, tx work.Tx, account string) error
}

// Deps are what a Service needs.
type Deps struct {
	Store        Store
	Runner       work.Runner
	Clock        clock.Clock
	Rand         io.Reader
	Custody      custody.Door
	Accounts     Accounts
	Certificates Certificates
	// Installations are settled before the keys are suspended.
	Installations install.Store
	Faces         Faces
	Transactions  Transactions
	Notices       Notices
	// SMSAlone leaves the face check out. It exists for the sandbox; in service
	// it is a start-up error (docs/domain.md A11).
	SMSAlone bool
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Progress is a recovery with what is left to bring back.
type Progress struct {
	Recovery
	// Check is the face check while the recovery waits for it.
	Check realname.Check
	// Certificates are the records whose installation of kind rekey is wanted.
	Certificates []string
	// Keys is the number of encryption keys that a redealing brings back.
	Keys int
}

// Begin begins a recovery on the caller's device with an SMS code of purpose
// recover. The owner is told on every channel; a running one on the same device
// goes on.
func (s *Service) Begin(ctx context.Context, c account.Caller, ticket, code string) (Progress, error) {
	if err := s.Accounts.CheckCode(ctx, ticket, code, account.PurposeRecover, c.Session); err != nil {
		return Progress{}, err
	}
	var r Recovery
	err := s.Runner.Do(ctx, "recover.begin", func(ctx context.Context, tx work.Tx) (err error) {
		r, err = s.begin(ctx, tx, c, ticket)
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, r.ID)
}

func (s *Service) begin(ctx context.Context, tx work.Tx, c account.Caller, ticket string) (Recovery, error) {
	now := s.Clock.Now()
	changed, err := s.Accounts.PhoneChanged(ctx, tx, c.Account)
	if err != nil {
		return Recovery{}, err
	}
	if !changed.IsZero() && now.Before(changed.Add(PhonePause)) {
		return Recovery{}, CodePhoneNew.With(map[string]any{"retryAt": changed.Add(PhonePause)})
	}
	pin, others, err := s.keys(ctx, tx, c.Account)
	if err != nil {
		return Recovery{}, err
	}
	if !pin {
		return Recovery{}, CodeNothing
	}
	if err := s.Accounts.Spend(ctx, tx, ticket, account.PurposeRecover, c.Account); err != nil {
		return Recovery{}, err
	}
	running, err := s.Store.Running(ctx, tx, c.Account)
	switch {
	case err == nil && running.Device == c.Device:
		return running, nil
	case err != nil && !errors.Is(err, work.ErrNotFound):
		return Recovery{}, err
	}
	known, err := s.known(ctx, tx, c, now)
	if err != nil {
		return Recovery{}, err
	}
	old, err := s.oldDevice(ctx, tx, c.Account, now)
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{
		ID: id.New(s.Rand), Account: c.Account, Device: c.Device, OldDevice: old, KnownDevice: known, State: Face,
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	face := !s.SMSAlone
	if face {
		check, err := s.Faces.StartFace(ctx, tx, c.Account, realname.PurposeRecover, r.ID)
		switch {
		case errors.Is(err, realname.CodeNotVerified) && !others:
			face = false // nobody is verified, so no certificate hangs on this PIN yet
		case err != nil:
			return Recovery{}, err
		}
		r.FaceCheck = check.ID
	}
	tx.Wake(r.Account, work.Recovery)
	if err := s.Store.Insert(ctx, tx, r); err != nil {
		return Recovery{}, err
	}
	if err := tx.Record(ctx, work.Entry{Kind: "recovery.begun", Actor: c.Account, Subject: r.ID}); err != nil {
		return Recovery{}, err
	}
	if err := s.post(ctx, tx, r, "recovery.begun", "您的账号正在办理补办恢复（PIN 码重置）",
		"有设备正在凭短信验证码为您的账号办理补办恢复。如非本人操作，请立即在原手机上停止，或联系客服。"); err != nil {
		return Recovery{}, err
	}
	if face {
		// The face takes longer than a login lives: what this phone has scanned waits
		// from here on.
		return r, s.Transactions.HoldOn(ctx, tx, custody.Holder{Account: r.Account, Device: r.Device})
	}
	return s.suspend(ctx, tx, r)
}

// known reports whether the device was the account's active one before. A
// device that only a contested recovery made active does not count: else a thief
// would be known the second time (docs/domain.md A11).
func (s *Service) known(ctx context.Context, tx work.Tx, c account.Caller, now time.Time) (bool, error) {
	bound, err := s.Accounts.BoundAt(ctx, tx, c.Account, c.Device)
	if err != nil || bound.IsZero() {
		return false, err
	}
	_, err = s.Store.Unsettled(ctx, tx, c.Account, c.Device, now)
	if errors.Is(err, work.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// oldDevice gives the device that may confirm or stop: the active one, or, if
// that came in by a recovery which is still contested, the one before it.
func (s *Service) oldDevice(ctx context.Context, tx work.Tx, account string, now time.Time) (string, error) {
	active, err := s.Accounts.ActiveDevice(ctx, tx, account)
	if err != nil {
		return "", err
	}
	contested, err := s.Store.Unsettled(ctx, tx, account, active, now)
	if errors.Is(err, work.ErrNotFound) {
		return active, nil
	}
	return contested.OldDevice, err
}

// keys reports whether the account has a PIN key, and whether it ever had keys
// for certificates.
func (s *Service) keys(ctx context.Context, tx work.Tx, account string) (pin, others bool, err error) {
	keys, err := s.Custody.Keys(ctx, tx, account)
	for _, k := range keys {
		if k.Kind != custody.KindPIN {
			others = true
		} else if k.State == custody.KeyActive || k.State == custody.KeySuspended {
			pin = true
		}
	}
	return pin, others, err
}

func (s *Service) post(ctx context.Context, tx work.Tx, r Recovery, kind, title, body string) error {
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: r.Account, Kind: kind, Title: title, Body: body, Link: "/recoveries/" + r.ID, SMS: true, Key: kind + "/" + r.ID,
	})
}

// suspend stops every key of the account, binds the device and restricts the
// sessions of all others. A recovery that ran elsewhere ends; its old device
// stays the one that may stop.
func (s *Service) suspend(ctx context.Context, tx work.Tx, r Recovery) (Recovery, error) {
	pin, err := s.Custody.PINKey(ctx, tx, r.Account)
	if err != nil && !errors.Is(err, custody.CodeNoPIN) {
		return Recovery{}, err
	}
	other, there, err := s.endRunning(ctx, tx, r.Account)
	if err != nil {
		return Recovery{}, err
	}
	r.Restorable = pin.ID != "" && pin.Holder.Device == r.OldDevice
	if there {
		r.OldDevice, r.Restorable = other.OldDevice, other.State == Suspended && other.Restorable
	}
	if err := s.stop(ctx, tx, r.Account); err != nil {
		return Recovery{}, err
	}
	if err := s.Accounts.BindDevice(ctx, tx, r.Account, r.Device); err != nil {
		return Recovery{}, err
	}
	if err := s.Accounts.Restrict(ctx, tx, r.Account, r.Device); err != nil {
		return Recovery{}, err
	}
	r.State, r.SuspendedAt = Suspended, s.Clock.Now()
	if r, err = s.save(ctx, tx, r, "recovery.suspended"); err != nil {
		return Recovery{}, err
	}
	return r, s.post(ctx, tx, r, "recovery.suspended", "您的证书密钥已暂停使用，正在新设备上恢复",
		"身份核验已通过，账号的全部密钥已暂停。如非本人操作，请立即在原手机上停止，密钥将恢复原状。")
}

// stop takes every key of an account out of use.
func (s *Service) stop(ctx context.Context, tx work.Tx, account string) error {
	if err := install.Settle(ctx, tx, s.Installations, s.Custody, account, s.Clock.Now()); err != nil {
		return err
	}
	if err := s.Custody.Suspend(ctx, tx, account); err != nil {
		return err
	}
	if err := s.Certificates.KeysLost(ctx, tx, account); err != nil {
		return err
	}
	return s.Transactions.Hold(ctx, tx, account)
}

// endRunning ends the recovery that runs, if one does, and gives it as it stood.
func (s *Service) endRunning(ctx context.Context, tx work.Tx, account string) (was Recovery, there bool, err error) {
	was, err = s.Store.Running(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		return Recovery{}, false, nil
	}
	if err != nil {
		return Recovery{}, false, err
	}
	if err := s.withdraw(ctx, tx, was); err != nil {
		return Recovery{}, false, err
	}
	over := was
	over.State, over.Op = Over, ""
	_, err = s.save(ctx, tx, over, "recovery.over")
	return was, true, err
}

func (s *Service) save(ctx context.Context, tx work.Tx, r Recovery, kind string) (Recovery, error) {
	r.UpdatedAt = s.Clock.Now()
	tx.Wake(r.Account, work.Recovery)
	if err := s.Store.Update(ctx, tx, r); err != nil {
		return Recovery{}, err
	}
	r.Version++
	return r, tx.Record(ctx, work.Entry{Kind: kind, Actor: r.Account, Subject: r.ID})
}

// Face hands the face video to the checker and goes on if it passed. A checker
// that takes its time leaves the state as it is; Get asks again.
func (s *Service) Face(ctx context.Context, c account.Caller, recovery string, video []byte) (Progress, error) {
	h := custody.Holder{Account: c.Account, Device: c.Device}
	var r Recovery
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		r, err = s.on(ctx, tx, h, recovery, Face)
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	if _, err := s.Faces.Video(ctx, c.Account, r.FaceCheck, video); err != nil {
		return Progress{}, err
	}
	return s.Get(ctx, c, recovery)
}

// Get gives a recovery of the caller's account. On the device that recovers it
// takes notice of a face check that passed meanwhile.
func (s *Service) Get(ctx context.Context, c account.Caller, recovery string) (Progress, error) {
	var p Progress
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		r, err := s.of(ctx, tx, c.Account, recovery)
		if err != nil {
			return err
		}
		p, err = s.progress(ctx, tx, r)
		return err
	})
	if err != nil || p.State != Face || c.Device != p.Device || p.Check.State != realname.StatePassed {
		return p, err
	}
	err = s.Runner.Do(ctx, "recover.suspend", func(ctx context.Context, tx work.Tx) error {
		r, err := s.of(ctx, tx, c.Account, recovery)
		if err != nil {
			return err
		}
		if r.State == Face { // else another look was quicker
			if r, err = s.suspend(ctx, tx, r); err != nil {
				return err
			}
		}
		p, err = s.progress(ctx, tx, r)
		return err
	})
	return p, err
}

func (s *Service) progress(ctx context.Context, tx work.Tx, r Recovery) (Progress, error) {
	p := Progress{Recovery: r}
	if r.State == Face && !s.Clock.Now().Before(r.CreatedAt.Add(FaceLife)) {
		p.State = Over
	}
	if p.State == Face && r.FaceCheck != "" {
		check, err := s.Faces.Get(ctx, tx, r.Account, r.FaceCheck)
		p.Check = check
		return p, err
	}
	if r.State != Pinned {
		return p, nil
	}
	certificates, keys, err := install.Remaining(ctx, tx, s.Custody, s.Certificates, r.Account)
	p.Certificates, p.Keys = certificates, len(keys)
	return p, err
}

func (s *Service) of(ctx context.Context, tx work.Tx, account, recovery string) (Recovery, error) {
	r, err := s.Store.Recovery(ctx, tx, recovery)
	if errors.Is(err, work.ErrNotFound) || err == nil && r.Account != account {
		return Recovery{}, CodeNotFound
	}
	return r, err
}

// on gives a recovery that the device itself runs, in a state.
func (s *Service) on(ctx context.Context, tx work.Tx, h custody.Holder, recovery string, in State) (Recovery, error) {
	r, err := s.of(ctx, tx, h.Account, recovery)
	switch {
	case err != nil:
		return Recovery{}, err
	case r.Device != h.Device:
		return Recovery{}, CodeNotFound
	case r.State == Done || r.State == Stopped || r.State == Over,
		r.State == Face && !s.Clock.Now().Before(r.CreatedAt.Add(FaceLife)):
		return Recovery{}, CodeOver
	case r.State != in:
		return Recovery{}, CodeStep
	}
	return r, nil
}

// Enrol lets the phone make the new PIN key.
func (s *Service) Enrol(ctx context.Context, h custody.Holder, recovery string) (custody.Enrolment, error) {
	var out custody.Enrolment
	err := s.Runner.Do(ctx, "recover.enrol", func(ctx context.Context, tx work.Tx) error {
		r, err := s.on(ctx, tx, h, recovery, Suspended)
		if err != nil {
			return err
		}
		if err := s.withdraw(ctx, tx, r); err != nil {
			return err
		}
		r.Op = ""
		if _, err := s.save(ctx, tx, r, "recovery.enrolled"); err != nil {
			return err
		}
		out, err = s.Custody.Enrol(ctx, tx, h, custody.KindPIN, recovery)
		return err
	})
	return out, err
}

func (s *Service) withdraw(ctx context.Context, tx work.Tx, r Recovery) error {
	if r.Op == "" {
		return nil
	}
	return s.Custody.Withdraw(ctx, tx, r.Op)
}

// Prove returns the operation by which the second entry of the new PIN is
// compared with the first.
func (s *Service) Prove(ctx context.Context, h custody.Holder, recovery string) (opID string, err error) {
	err = s.Runner.Do(ctx, "recover.prove", func(ctx context.Context, tx work.Tx) error {
		r, err := s.on(ctx, tx, h, recovery, Suspended)
		if err != nil {
			return err
		}
		if err := s.withdraw(ctx, tx, r); err != nil {
			return err
		}
		key, err := s.pendingPIN(ctx, tx, h, recovery)
		if err != nil {
			return err
		}
		a, err := prove.Confirmation{
			Holder: h, KeyID: key.ID, Business: BusinessPIN, Subject: recovery, ID: splitkey.IDPIN, Purpose: "reset",
			Object: prove.Digest(key.PublicKey), KeyIDs: []string{key.ID},
		}.Activation(s.Rand, s.Clock.Now())
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		opID, r.Op = a.OpID, a.OpID
		_, err = s.save(ctx, tx, r, "recovery.proving")
		return err
	})
	return opID, err
}

func (s *Service) pendingPIN(ctx context.Context, tx work.Tx, h custody.Holder, recovery string) (custody.Key, error) {
	keys, err := s.Custody.Keys(ctx, tx, h.Account)
	if err != nil {
		return custody.Key{}, err
	}
	for _, k := range keys {
		if k.Kind == custody.KindPIN && k.Subject == recovery && k.State == custody.KeyPending && k.Holder == h {
			return k, nil
		}
	}
	return custody.Key{}, CodeNoPIN
}

// Finish returns what follows the proof of the new PIN: the old PIN ends, and
// on a device never known before the encryption keys are held back.
func (s *Service) Finish(_ context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	if a.Business != BusinessPIN {
		return nil, custody.CodeNoOperation
	}
	return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			r, err := s.Store.Recovery(ctx, tx, a.Subject)
			if err != nil {
				return err
			}
			if r.State != Suspended || r.Op != a.OpID {
				return CodeStep
			}
			if err := s.Custody.NewPIN(ctx, tx, h); err != nil {
				return err
			}
			if err := s.Custody.Activate(ctx, tx, a.KeyID); err != nil {
				return err
			}
			if !r.KnownDevice && !r.Confirmed {
				r.HoldUntil = s.Clock.Now().Add(HoldFor)
				if err := s.hold(ctx, tx, r.Account, r.HoldUntil); err != nil {
					return err
				}
			}
			r.State, r.Op = Pinned, ""
			if r, err = s.save(ctx, tx, r, "recovery.pinned"); err != nil {
				return err
			}
			certificates, keys, err := install.Remaining(ctx, tx, s.Custody, s.Certificates, r.Account)
			if err != nil {
				return err
			}
			return s.Rekeyed(ctx, tx, r.Account, len(certificates)+len(keys))
		}, nil
	}, nil
}

// hold delays decryption with every encryption key of the account; the zero
// time ends the delay.
func (s *Service) hold(ctx context.Context, tx work.Tx, account string, until time.Time) error {
	keys, err := s.Custody.Keys(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kind == custody.KindEncrypt && k.State != custody.KeyDestroyed && (until.IsZero() || k.HoldUntil.Before(until)) {
			if err := s.Custody.Hold(ctx, tx, k.ID, until); err != nil {
				return err
			}
		}
	}
	return nil
}

// release ends the restriction of all other devices at the end of a recovery,
// and their sessions with it. While older envelopes are held back that waits, so
// that the old device may confirm or stop.
func (s *Service) release(ctx context.Context, tx work.Tx, r Recovery) error {
	if s.Clock.Now().Before(r.HoldUntil) {
		return s.Accounts.LiftAt(ctx, tx, r.Account, r.HoldUntil)
	}
	if err := s.Accounts.Lift(ctx, tx, r.Account); err != nil {
		return err
	}
	return s.Accounts.EndOtherSessions(ctx, tx, r.Account, r.Device)
}

// Rekeyed implements install.Recoveries: the recovery is done when nothing is
// left to bring back.
func (s *Service) Rekeyed(ctx context.Context, tx work.Tx, account string, remaining int) error {
	r, err := s.Store.Running(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) || err == nil && (r.State != Pinned || remaining > 0) {
		return nil
	}
	if err != nil {
		return err
	}
	// What is suspended still belongs to certificates that have ended: their
	// signing keys end too.
	keys, err := s.Custody.Keys(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kind == custody.KindSign && k.State == custody.KeySuspended {
			if err := s.Custody.Destroy(ctx, tx, k.ID); err != nil {
				return err
			}
		}
	}
	if err := s.release(ctx, tx, r); err != nil {
		return err
	}
	if err := s.Transactions.Resume(ctx, tx, account); err != nil {
		return err
	}
	r.State = Done
	if r, err = s.save(ctx, tx, r, "recovery.done"); err != nil {
		return err
	}
	body := "补办恢复已完成，证书可在本机使用，原手机上的密钥已失效。"
	if !r.HoldUntil.IsZero() {
		body += "为保障安全，此前加密的文件须满 24 小时后才能在本机解密；原手机上可确认提前解除，或停止本次恢复。"
	}
	return s.post(ctx, tx, r, "recovery.done", "补办恢复已完成", body)
}
