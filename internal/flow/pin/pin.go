// Package pin sets and changes the PIN (PIN 码, M§2.7.4) of an account. The PIN
// itself never comes here: what is set is a PIN key, split between phone and
// custody, whose use proves the PIN (docs/split-keys.md §2.1, §3).
//
// A forgotten PIN is the business of package recover.
package pin

import (
	"context"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// The businesses of this flow, as custody's activations name them.
const (
	BusinessSet     = "pin.set"
	BusinessRefresh = "pin.refresh" // the old PIN, before a change
	BusinessProof   = "pin.proof"   // one new share of a change
)

// The refusals of this package.
var (
	// CodeSet: the account has a PIN already, on this or another device.
	CodeSet = fault.Code{Name: "pin_already_set", Kind: fault.Conflict, Text: "您已设置过 PIN 码；如忘记，请使用“重置 PIN 码”。"}
	// CodeOver: the setting of the PIN expired or ended.
	CodeOver = fault.Code{Name: "pin_setup_over", Kind: fault.Gone, Text: "本次 PIN 码设置已失效，请重新获取验证码后再设置。"}
	// CodeNoSetup: no such setting on this device.
	CodeNoSetup = fault.Code{Name: "pin_setup_unknown", Kind: fault.NotFound, Text: "没有找到这次 PIN 码设置，请重新开始。"}
	// CodeNotEntered: the proof was asked for before the first entry made a key.
	CodeNotEntered = fault.Code{Name: "pin_not_entered", Kind: fault.Conflict, Text: "请先输入新的 PIN 码。"}
)

// State is where the setting of a first PIN stands.
type State string

// The states.
const (
	Open State = "open" // the SMS code passed; the PIN is being entered
	Done State = "done"
)

// Life is how long a setting may take from the SMS code to the second entry.
const Life = 30 * time.Minute

// Setup is the setting of a first PIN.
type Setup struct {
	ID, Account, Device string
	State               State
	// Op is the operation by which the second entry is proved; empty before.
	Op                 string
	CreatedAt, Expires time.Time
	Version            int64
}

// Store keeps settings and face checks. Get-like calls answer work.ErrNotFound;
// updates are a compare-and-swap on Version.
type Store interface {
	InsertSetup(ctx context.Context, tx work.Tx, s Setup) error
	Setup(ctx context.Context, tx work.Tx, id string) (Setup, error)
	UpdateSetup(ctx context.Context, tx work.Tx, s Setup) error

	InsertUnlock(ctx context.Context, tx work.Tx, u Unlock) error
	Unlock(ctx context.Context, tx work.Tx, id string) (Unlock, error)
	UpdateUnlock(ctx context.Context, tx work.Tx, u Unlock) error
}

// Accounts is what the flow needs of package account.
type Accounts interface {
	CheckCode(ctx context.Context, ticket, code string, purpose account.Purpose, session string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
	BindDevice(ctx context.Context, tx work.Tx, account, device string) error
}

// Notices tells the owner.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Deps are what a Service needs.
type Deps struct {
	Store    Store
	Runner   work.Runner
	Clock    clock.Clock
	Rand     io.Reader
	Custody  custody.Door
	Accounts Accounts
	Faces    Faces
	Notices  Notices
	// Refresher is custody too.
	Refresher Refresher
	// Installations tell whether something is being issued.
	Installations install.Store
	// ServiceCertificate is the certificate (DER) that trials name as the
	// receiver of the plaintext.
	ServiceCertificate func(context.Context) ([]byte, error)
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Status gives the state of the account's PIN and whether its key lives on the
// caller's device.
func (s *Service) Status(ctx context.Context, c account.Caller) (st custody.PINStatus, here bool, err error) {
	st, err = s.Custody.PIN(ctx, c.Account)
	return st, st.Set && st.Device == c.Device, err
}

// Begin opens the setting of the first PIN with an SMS code of purpose pin. It
// is only for accounts that have no PIN key anywhere, else CodeSet: whoever has
// one and forgot the PIN needs more than an SMS (docs/domain.md §3.8, A11).
func (s *Service) Begin(ctx context.Context, c account.Caller, ticket, code string) (Setup, error) {
	if err := s.Accounts.CheckCode(ctx, ticket, code, account.PurposePIN, c.Session); err != nil {
		return Setup{}, err
	}
	var out Setup
	err := s.Runner.Do(ctx, "pin.begin", func(ctx context.Context, tx work.Tx) error {
		if err := s.unset(ctx, tx, c.Account); err != nil {
			return err
		}
		if err := s.Accounts.Spend(ctx, tx, ticket, account.PurposePIN, c.Account); err != nil {
			return err
		}
		now := s.Clock.Now()
		out = Setup{
			ID: id.New(s.Rand), Account: c.Account, Device: c.Device, State: Open, CreatedAt: now,
			Expires: now.Add(Life), Version: 1,
		}
		if err := s.Store.InsertSetup(ctx, tx, out); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "pin.setup_begun", Actor: c.Account, Subject: out.ID})
	})
	return out, err
}

// Enrol lets the phone make a PIN key for a setting. Enrolling again, after a
// break or two entries that differed, makes the earlier key void.
func (s *Service) Enrol(ctx context.Context, h custody.Holder, setup string) (custody.Enrolment, error) {
	var out custody.Enrolment
	err := s.Runner.Do(ctx, "pin.enrol", func(ctx context.Context, tx work.Tx) error {
		st, err := s.open(ctx, tx, h, setup)
		if err != nil {
			return err
		}
		if err := s.unset(ctx, tx, h.Account); err != nil {
			return err
		}
		if st.Op != "" {
			if err := s.Custody.Withdraw(ctx, tx, st.Op); err != nil {
				return err
			}
			st.Op = ""
			if err := s.Store.UpdateSetup(ctx, tx, st); err != nil {
				return err
			}
		}
		out, err = s.Custody.Enrol(ctx, tx, h, custody.KindPIN, setup)
		return err
	})
	return out, err
}

// Prove returns the operation by which the second entry is compared with the
// first: a signature by the new key from what the phone read back. Entries that
// differ discard the key, charge nothing, and let the user enrol again
// (docs/split-keys.md §2.1).
func (s *Service) Prove(ctx context.Context, h custody.Holder, setup string) (opID string, err error) {
	err = s.Runner.Do(ctx, "pin.prove", func(ctx context.Context, tx work.Tx) error {
		st, err := s.open(ctx, tx, h, setup)
		if err != nil {
			return err
		}
		key, err := pendingKey(ctx, tx, s.Custody, h, setup)
		if err != nil {
			return err
		}
		if st.Op != "" {
			if err := s.Custody.Withdraw(ctx, tx, st.Op); err != nil {
				return err
			}
		}
		a, err := prove.Confirmation{
			Holder: h, KeyID: key.ID, Business: BusinessSet, Subject: setup, ID: splitkey.IDPIN, Purpose: "set",
			Object: prove.Digest(key.PublicKey), KeyIDs: []string{key.ID},
		}.Activation(s.Rand, s.Clock.Now())
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		opID, st.Op = a.OpID, a.OpID
		return s.Store.UpdateSetup(ctx, tx, st)
	})
	return opID, err
}

// pendingKey finds the PIN key that the phone made for a subject.
func pendingKey(ctx context.Context, tx work.Tx, d custody.Door, h custody.Holder, subject string) (custody.Key, error) {
	keys, err := d.Keys(ctx, tx, h.Account)
	if err != nil {
		return custody.Key{}, err
	}
	for _, k := range keys {
		if k.Kind == custody.KindPIN && k.Subject == subject && k.State == custody.KeyPending && k.Holder == h {
			return k, nil
		}
	}
	return custody.Key{}, CodeNotEntered
}

// Finish returns what follows a proof of this flow.
func (s *Service) Finish(ctx context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	switch a.Business {
	case BusinessSet:
		return s.finishSet(h, a), nil
	case BusinessRefresh, BusinessProof:
		return nil, nil // custody remembers what was proved until the flip
	}
	return nil, custody.CodeNoOperation
}

func (s *Service) finishSet(h custody.Holder, a custody.Activation) custody.Finish {
	return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			st, err := s.Store.Setup(ctx, tx, a.Subject)
			if err != nil || st.State == Done {
				return err
			}
			// Before the first PIN nothing hangs on the device, so the one that
			// sets it becomes the active one (docs/domain.md A28). Binding swaps the
			// account's row, so of two phones that finish at once the second sees the
			// first's PIN.
			if err := s.Accounts.BindDevice(ctx, tx, h.Account, h.Device); err != nil {
				return err
			}
			if err := s.unset(ctx, tx, h.Account); err != nil {
				return err
			}
			if err := s.Custody.Activate(ctx, tx, a.KeyID); err != nil {
				return err
			}
			st.State = Done
			if err := s.Store.UpdateSetup(ctx, tx, st); err != nil {
				return err
			}
			if err := s.Notices.Post(ctx, tx, notice.Notice{
				Account: h.Account, Kind: "pin.set", Title: "PIN 码已设置",
				Body: "您已在本机设置证书 PIN 码。PIN 码不会保存在任何地方，请牢记；如非本人操作，请立即联系客服。",
			}); err != nil {
				return err
			}
			return tx.Record(ctx, work.Entry{Kind: "pin.set", Actor: h.Account, Subject: a.KeyID})
		}, nil
	}
}

// open gives a setting of this holder that still runs.
func (s *Service) open(ctx context.Context, tx work.Tx, h custody.Holder, setup string) (Setup, error) {
	st, err := s.Store.Setup(ctx, tx, setup)
	switch {
	case errors.Is(err, work.ErrNotFound):
		return Setup{}, CodeNoSetup
	case err != nil:
		return Setup{}, err
	case st.Account != h.Account || st.Device != h.Device:
		return Setup{}, CodeNoSetup
	case st.State != Open || !s.Clock.Now().Before(st.Expires):
		return Setup{}, CodeOver
	}
	return st, nil
}

// unset refuses an account that has a PIN key, in use or suspended.
func (s *Service) unset(ctx context.Context, tx work.Tx, acc string) error {
	keys, err := s.Custody.Keys(ctx, tx, acc)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kind == custody.KindPIN && (k.State == custody.KeyActive || k.State == custody.KeySuspended) {
			return CodeSet
		}
	}
	return nil
}
