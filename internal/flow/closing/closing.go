// Package closing closes an account (注销, docs/domain.md A31): only when nothing is
// left that its owner paid for or relies on, and never so that records are lost
// which the law wants kept.
//
// All in one transaction: the blockers are looked at again, sessions and password
// end, the PIN key and the signing keys are destroyed, the verified person and
// the phone number are free for another account, applications to verify an enterprise
// are withdrawn with their pictures. Certificates, orders, usage
// and audit entries stay, and so do the encryption keys in escrow: who must by
// law open an old envelope goes to the key-management centre.
package closing

import (
	"context"
	"fmt"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/order"
	"tianweitong/internal/work"
)

// CodeBlocked carries "blockers", as GET /me/closure lists them.
var CodeBlocked = fault.Code{Name: "closure_blocked", Kind: fault.Conflict,
	Text: "账号还有未了结的事项，暂不能注销，请按提示处理后再试。"}

// Kind says what stands in the way.
type Kind string

// The kinds.
const (
	CertificateValid   Kind = "certificate_valid"
	CertificatePending Kind = "certificate_pending"
	OrderUnpaid        Kind = "order_unpaid"
	OrderPaid          Kind = "order_paid"
	OrderRefunding     Kind = "order_refunding"
	Recovery           Kind = "recovery"
	// OtherDevice: the keys are on another device. Who has no more than the SIM
	// must not end what only the owner's phone can still decrypt.
	OtherDevice Kind = "other_device"
	// Administrator: an enterprise has exactly one (docs/domain.md §5.1).
	Administrator Kind = "administrator"
)

// texts say what happened and what to do; %d is the count.
var texts = map[Kind]string{
	CertificateValid:   "您有 %d 张未到期的证书，请先吊销，或等证书到期后再注销。",
	CertificatePending: "您有 %d 张待安装的证书，请先在订单中申请退款，或安装后吊销。",
	OrderUnpaid:        "您有 %d 个待支付的订单，请先支付或取消。",
	OrderPaid:          "您有 %d 个已支付、尚未完成的订单，请先完成安装或申请退款。",
	OrderRefunding:     "您有 %d 个退款中的订单，请等退款到账后再注销。",
	Recovery:           "您的账号有进行中的补办恢复，请等其完成，或先停止。",
	Administrator:      "您是 %d 家企业的管理员，请先在成员管理中转让管理员。",
	OtherDevice:        "证书密钥保管在另一台设备上，请在该设备上注销；如设备已丢失，请先办理补办恢复。",
}

// order of the list.
var kinds = []Kind{CertificateValid, CertificatePending, OrderPaid, OrderRefunding, OrderUnpaid, Administrator, Recovery, OtherDevice}

// Blocker is one kind of thing that stands in the way, and how many there are.
type Blocker struct {
	Kind  Kind   `json:"kind"`
	Count int    `json:"count"`
	Text  string `json:"text"`
}

// Certificates lists what an account holds.
type Certificates interface {
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
}

// Orders lists the orders that are not over.
type Orders interface {
	Unfinished(ctx context.Context, tx work.Tx, account string) ([]order.Order, error)
}

// Recoveries tells whether a re-key runs, waits or can still be stopped.
type Recoveries interface {
	Concerns(ctx context.Context, tx work.Tx, account string) (bool, error)
}

// Persons parts the verified person from the account.
type Persons interface {
	Release(ctx context.Context, tx work.Tx, account string, keep bool) error
}

// Accounts is what the flow needs of package account.
type Accounts interface {
	// Hold lets nobody give the account anything until the commit.
	Hold(ctx context.Context, tx work.Tx, account string) error
	CheckCode(ctx context.Context, ticket, code string, purpose account.Purpose, session string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
	ActiveDevice(ctx context.Context, tx work.Tx, account string) (string, error)
	Close(ctx context.Context, tx work.Tx, account string, keep bool) error
}

// Members is who belongs to which enterprise.
type Members interface {
	// Administered counts the enterprises that an account administers.
	Administered(ctx context.Context, tx work.Tx, account string) (int, error)
	// Close ends every membership of an account.
	Close(ctx context.Context, tx work.Tx, account string) error
}

// Applications are the enterprises that an account is having verified.
type Applications interface {
	// Close withdraws those of an account that are not over.
	Close(ctx context.Context, tx work.Tx, account string) error
}

// Keys is what the flow needs of custody.Door.
type Keys interface {
	Keys(ctx context.Context, tx work.Tx, account string) ([]custody.Key, error)
	Suspend(ctx context.Context, tx work.Tx, account string) error
	Destroy(ctx context.Context, tx work.Tx, keyIDs ...string) error
}

// Deps are what a Service needs.
type Deps struct {
	Runner       work.Runner
	Accounts     Accounts
	Certificates Certificates
	Orders       Orders
	Recoveries   Recoveries
	Persons      Persons
	Keys         Keys
	Members      Members
	Applications Applications
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Blockers gives what stands in the way of closing the caller's account; none if
// nothing does.
func (s *Service) Blockers(ctx context.Context, c account.Caller) (out []Blocker, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out, _, err = s.look(ctx, tx, c)
		return err
	})
	return out, err
}

// look also tells whether records hang on the account: those of certificates, which
// are kept for five years after their end (电子签名法 §24).
func (s *Service) look(ctx context.Context, tx work.Tx, c account.Caller) (out []Blocker, keep bool, err error) {
	n := map[Kind]int{}
	held, err := s.Certificates.Held(ctx, tx, c.Account)
	if err != nil {
		return nil, false, err
	}
	for _, h := range held {
		switch h.State {
		case certificate.Valid, certificate.KeyLost, certificate.Frozen:
			n[CertificateValid]++
		case certificate.Pending:
			n[CertificatePending]++
		}
	}
	orders, err := s.Orders.Unfinished(ctx, tx, c.Account)
	if err != nil {
		return nil, false, err
	}
	for _, o := range orders {
		switch o.State {
		case order.Unpaid:
			n[OrderUnpaid]++
		case order.Refunding:
			n[OrderRefunding]++
		default:
			n[OrderPaid]++
		}
	}
	if n[Administrator], err = s.Members.Administered(ctx, tx, c.Account); err != nil {
		return nil, false, err
	}
	runs, err := s.Recoveries.Concerns(ctx, tx, c.Account)
	if err != nil {
		return nil, false, err
	}
	if runs {
		n[Recovery] = 1
	}
	elsewhere, err := s.elsewhere(ctx, tx, c)
	if err != nil {
		return nil, false, err
	}
	if elsewhere {
		n[OtherDevice] = 1
	}
	out = []Blocker{}
	for _, k := range kinds {
		if n[k] == 0 {
			continue
		}
		text := texts[k]
		if k != Recovery && k != OtherDevice {
			text = fmt.Sprintf(text, n[k])
		}
		out = append(out, Blocker{Kind: k, Count: n[k], Text: text})
	}
	return out, len(held) > 0, nil
}

// elsewhere tells whether keys of the account live on another device than the
// caller's.
func (s *Service) elsewhere(ctx context.Context, tx work.Tx, c account.Caller) (bool, error) {
	keys, err := s.Keys.Keys(ctx, tx, c.Account)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		if k.State == custody.KeyActive || k.State == custody.KeySuspended {
			active, err := s.Accounts.ActiveDevice(ctx, tx, c.Account)
			return active != c.Device, err
		}
	}
	return false, nil
}

// Close closes the caller's account with a code of account.PurposeClose; its
// number gets a farewell. Refusals: CodeBlocked and those of CheckCode.
func (s *Service) Close(ctx context.Context, c account.Caller, ticket, code string) error {
	if err := s.Accounts.CheckCode(ctx, ticket, code, account.PurposeClose, c.Session); err != nil {
		return err
	}
	return s.Runner.Do(ctx, "closing.close", func(ctx context.Context, tx work.Tx) error {
		if err := s.Accounts.Hold(ctx, tx, c.Account); err != nil { // or what comes after the look is missed
			return err
		}
		blockers, keep, err := s.look(ctx, tx, c)
		if err != nil {
			return err
		}
		if len(blockers) > 0 {
			return CodeBlocked.With(map[string]any{"blockers": blockers})
		}
		if err := s.Accounts.Spend(ctx, tx, ticket, account.PurposeClose, c.Account); err != nil {
			return err
		}
		if err := s.endKeys(ctx, tx, c.Account); err != nil {
			return err
		}
		if err := s.Members.Close(ctx, tx, c.Account); err != nil {
			return err
		}
		if err := s.Applications.Close(ctx, tx, c.Account); err != nil {
			return err
		}
		if err := s.Persons.Release(ctx, tx, c.Account, keep); err != nil {
			return err
		}
		return s.Accounts.Close(ctx, tx, c.Account, keep)
	})
}

// endKeys destroys the PIN key and the signing keys with whatever was being made,
// and stops the encryption keys, which decrypt nothing without the PIN.
func (s *Service) endKeys(ctx context.Context, tx work.Tx, acc string) error {
	if err := s.Keys.Suspend(ctx, tx, acc); err != nil {
		return err
	}
	keys, err := s.Keys.Keys(ctx, tx, acc)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kind == custody.KindEncrypt || k.State == custody.KeyDestroyed {
			continue
		}
		if err := s.Keys.Destroy(ctx, tx, k.ID); err != nil {
			return err
		}
	}
	return nil
}
