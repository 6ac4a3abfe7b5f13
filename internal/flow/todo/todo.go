// Package todo lists what an account should do next (待办): derived from how
// everything stands now, stored nowhere, so that a row disappears when its matter
// is settled, wherever that was done.
package todo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// Kind is what a to-do is about.
type Kind string

// The kinds, in the order of the list among equally urgent ones.
const (
	Recovery  Kind = "recovery"   // a re-key is running
	PINLocked Kind = "pin_locked" // or the face is wanted
	KeyLost   Kind = "key_lost"   // valid certificates whose keys are out of use
	Realname  Kind = "realname"
	Pay       Kind = "pay"
	Install   Kind = "install"
	// JoinRequests wait for the administrator, Invitation for the invited.
	JoinRequests Kind = "join_requests"
	Invitation   Kind = "invitation"
	// The applications to verify an enterprise, or to change its facts.
	EnterpriseRefused Kind = "enterprise_refused"
	EnterpriseReview  Kind = "enterprise_review"
	EnterpriseDraft   Kind = "enterprise_draft"
	SetPIN            Kind = "set_pin"
	Expiring          Kind = "expiring"
)

var rank = []Kind{Recovery, PINLocked, KeyLost, Realname, Pay, Install, EnterpriseRefused, JoinRequests, Invitation, EnterpriseReview, EnterpriseDraft, SetPIN, Expiring}

// Urgency is when it should be done.
type Urgency string

// The urgencies.
const (
	Now  Urgency = "now"  // 今天要处理
	Soon Urgency = "soon" // 近期
)

// urgent is how long before its end a certificate's end is urgent.
const urgent = 7 * 24 * time.Hour

// Action is where the app goes: a word and what it is about.
type Action struct {
	// Kind is realname, pay, install, set_pin, unlock, recover, recovery, certificate,
	// join_requests, invitation or application.
	Kind        string
	Label       string // of the button
	Certificate string
	Order       string
	Recovery    string
	Enterprise  string
	Application string
}

// Todo is one row.
type Todo struct {
	Kind        Kind
	Title, Text string
	Action      Action
	Urgency     Urgency
	// Since is since when it waits; zero if nothing says so. Until is when it ends
	// by itself, or when something ends; zero for never.
	Since, Until time.Time
	// Amount is what an order costs.
	Amount money.Fen
}

// Persons is package realname.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Orders is package order.
type Orders interface {
	Unpaid(ctx context.Context, tx work.Tx, sc account.Scope) ([]order.Order, error)
}

// Certificates is package certificate.
type Certificates interface {
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
}

// Institutions is package catalog.
type Institutions interface {
	Institution(ctx context.Context, tx work.Tx, code string) (catalog.Institution, error)
}

// PINs is flow/pin.
type PINs interface {
	Status(ctx context.Context, c account.Caller) (st custody.PINStatus, here bool, err error)
}

// Recoveries is flow/recover.
type Recoveries interface {
	Current(ctx context.Context, account string) (recover.Progress, bool, error)
}

// Deps are what a Service needs.
type Deps struct {
	Runner       work.Runner
	Clock        clock.Clock
	Persons      Persons
	Orders       Orders
	Certificates Certificates
	Institutions Institutions
	PINs         PINs
	Recoveries   Recoveries
	Members      Members
	Enterprises  Enterprises
}

// Service derives to-dos.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// List gives the to-dos of the caller's identity, the most urgent first; a running
// re-key is among everybody's. A caller
// that a re-key elsewhere restricts sees that re-key alone.
func (s *Service) List(ctx context.Context, c account.Caller) ([]Todo, error) {
	running, there, err := s.Recoveries.Current(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	var out []Todo
	if there {
		out = append(out, recovery(running, running.Device == c.Device))
	}
	if c.Restricted {
		return out, nil
	}
	if c.Enterprise != "" {
		more, err := s.governed(ctx, c)
		return append(out, more...), err
	}
	pin, _, err := s.PINs.Status(ctx, c)
	if err != nil {
		return nil, err
	}
	// A re-key that only waits for its hold to end hinders nobody.
	rekeying := there && (running.Running() || running.State == recover.Face)
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		more, err := s.owned(ctx, tx, c.Account, pin, rekeying)
		if out = append(out, more...); err != nil {
			return err
		}
		more, err = s.invited(ctx, tx, c.Account)
		if out = append(out, more...); err != nil {
			return err
		}
		more, err = s.applied(ctx, tx, c.Account, "")
		out = append(out, more...)
		return err
	})
	slices.SortStableFunc(out, func(a, b Todo) int {
		return cmp.Or(cmp.Compare(a.Urgency, b.Urgency), slices.Index(rank, a.Kind)-slices.Index(rank, b.Kind), a.Since.Compare(b.Since))
	})
	return out, err
}

// recovery is a re-key as the recovering phone, or another one, sees it.
func recovery(p recover.Progress, here bool) Todo {
	t := Todo{Kind: Recovery, Urgency: Now, Since: p.CreatedAt, Action: Action{Kind: "recovery", Label: "去处理", Recovery: p.ID}}
	switch {
	case p.State == recover.Done:
		t.Title, t.Text, t.Urgency, t.Until = "补办恢复已完成", "此前的加密文件暂缓解密，到时自动恢复", Soon, p.HoldUntil
		if !here {
			t.Urgency, t.Text = Now, "另一台设备已恢复密钥，如非本人操作请立即停止"
		}
		t.Action.Label = "去查看"
	case here:
		t.Title, t.Text, t.Action.Label = "补办恢复未完成", "完成后证书即可继续使用", "继续办理"
	default:
		t.Title, t.Text = "账号正在办理补办恢复", "另一台设备正在恢复密钥，如非本人操作请立即停止"
	}
	return t
}

// owned lists what follows from person, PIN, orders and certificates.
func (s *Service) owned(ctx context.Context, tx work.Tx, acc string, pin custody.PINStatus, rekeying bool) ([]Todo, error) {
	var out []Todo
	_, err := s.Persons.Person(ctx, tx, acc)
	verified := err == nil
	switch {
	case errors.Is(err, realname.CodeNotVerified):
		out = append(out, Todo{Kind: Realname, Urgency: Now, Title: "完成个人实名", Text: "实名后即可办理证书、扫码登录与签名",
			Action: Action{Kind: "realname", Label: "去认证"}})
	case err != nil:
		return nil, err
	}
	orders, err := s.Orders.Unpaid(ctx, tx, account.Scope{Account: acc})
	if err != nil {
		return nil, err
	}
	held, err := s.Certificates.Held(ctx, tx, acc)
	if err != nil {
		return nil, err
	}
	names := institutions{s.Institutions, map[string]string{}}
	for _, o := range orders {
		what, err := names.bought(ctx, tx, o.Lines[0].Institution, o.Lines[0].Years)
		if err != nil {
			return nil, err
		}
		out = append(out, Todo{Kind: Pay, Urgency: Now, Title: "订单待支付", Text: fmt.Sprintf("%s · ¥%s", what, o.Total),
			Action: Action{Kind: "pay", Label: "去支付", Order: o.ID}, Since: o.CreatedAt, Until: o.ExpiresAt, Amount: o.Total})
	}
	pending, lost := false, certificate.Certificate{}
	for _, c := range held {
		switch c.State {
		case certificate.Pending:
			pending = true
			what, err := names.bought(ctx, tx, c.Institution, c.Years)
			if err != nil {
				return nil, err
			}
			out = append(out, Todo{Kind: Install, Urgency: Now, Title: "证书待下载安装", Text: what + " · 已支付",
				Action: Action{Kind: "install", Label: "去安装", Certificate: c.ID}, Since: c.CreatedAt})
		case certificate.KeyLost:
			lost = c
		case certificate.Valid:
			if t, soon, err := s.ending(ctx, tx, names, c); err != nil {
				return nil, err
			} else if soon {
				out = append(out, t)
			}
		}
	}
	if lost.ID != "" && !rekeying {
		out = append(out, Todo{Kind: KeyLost, Urgency: Now, Title: "证书密钥不可用", Text: "证书本身仍有效，本人核验后即可恢复",
			Action: Action{Kind: "recover", Label: "补办恢复", Certificate: lost.ID}})
	}
	if t, wanted := s.pin(pin, verified, pending, rekeying); wanted {
		out = append(out, t)
	}
	return out, nil
}

// ending is a certificate whose end is near.
func (s *Service) ending(ctx context.Context, tx work.Tx, names institutions, c certificate.Certificate) (Todo, bool, error) {
	left := c.NotAfter.Sub(s.Clock.Now())
	if left > certificate.Soon {
		return Todo{}, false, nil
	}
	name, err := names.of(ctx, tx, c.Institution)
	t := Todo{Kind: Expiring, Urgency: Soon, Title: fmt.Sprintf("证书 %d 天后到期", left/(24*time.Hour)), Since: c.NotAfter.Add(-certificate.Soon), Until: c.NotAfter,
		Text: name + " · " + c.NotAfter.In(clock.China).Format(time.DateOnly), Action: Action{Kind: "certificate", Label: "去查看", Certificate: c.ID}}
	if left < 24*time.Hour {
		t.Title = "证书将在 24 小时内到期"
	}
	if left <= urgent {
		t.Urgency = Now
	}
	return t, true, err
}

// pin is what the PIN needs; a running re-key sets a new one anyway.
func (s *Service) pin(pin custody.PINStatus, verified, pending, rekeying bool) (Todo, bool) {
	t := Todo{Kind: PINLocked, Urgency: Now, Title: "PIN 码已锁定", Action: Action{Kind: "unlock", Label: "去解锁"}}
	switch {
	case rekeying:
		return t, false
	case pin.Locked:
		t.Text, t.Action = "请重置 PIN 码后继续使用证书", Action{Kind: "recover", Label: "去重置"}
	case s.Clock.Now().Before(pin.LockedUntil):
		t.Text, t.Until = "可等待自动解锁，或立即重置 PIN 码", pin.LockedUntil
	case pin.FaceNeeded:
		t.Title, t.Text, t.Action.Label = "PIN 码输错次数过多", "请先完成人脸核验", "去核验"
	case !pin.Set && (verified || pending):
		t = Todo{Kind: SetPIN, Urgency: Soon, Title: "设置证书 PIN 码", Text: "安装和使用证书时需要输入", Action: Action{Kind: "set_pin", Label: "去设置"}}
		if pending {
			t.Urgency = Now
		}
	default:
		return t, false
	}
	return t, true
}

// institutions names CAs, each once.
type institutions struct {
	Institutions
	known map[string]string
}

func (i institutions) of(ctx context.Context, tx work.Tx, code string) (string, error) {
	if name, ok := i.known[code]; ok {
		return name, nil
	}
	found, err := i.Institution(ctx, tx, code)
	if err != nil {
		return "", err
	}
	i.known[code] = strings.TrimSpace(found.Name)
	return i.known[code], nil
}

// bought is what an order bought: 天威诚信 CA · 2 年.
func (i institutions) bought(ctx context.Context, tx work.Tx, code string, years int) (string, error) {
	name, err := i.of(ctx, tx, code)
	return fmt.Sprintf("%s · %d 年", name, years), err
}
