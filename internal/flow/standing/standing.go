// Package standing tells how an account stands on trading platforms (M§2.6.1):
// which of its certificates serve there, and what is missing.
//
// It reads what an account owns once, by a fixed number of queries, and answers
// for any number of platforms from that.
package standing

import (
	"context"
	"slices"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/order"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

// State is how an account stands on a platform.
type State string

// The states, the best first; of several certificates the best decides.
const (
	Usable    State = "usable"     // 可用
	Expiring  State = "expiring"   // 即将到期: usable, and not for much longer (certificate.Soon)
	KeyLost   State = "key_lost"   // 密钥丢失: usable after a re-key
	ToInstall State = "to_install" // 待安装
	ToPay     State = "to_pay"     // 待支付
	Expired   State = "expired"    // 已过期: the certificate or its roaming
	NotRoamed State = "not_roamed" // 有证书，未开通漫游
	None      State = "none"       // 尚无证书
)

var best = []State{Usable, Expiring, KeyLost, ToInstall, ToPay, Expired, NotRoamed, None}

// Action is what the holder does next with one certificate (M§2.6.1).
type Action string

// The actions; there is none where only a later roaming would help.
const (
	Scan    Action = "scan"    // 扫一扫使用
	Install Action = "install" // 下载安装
	Pay     Action = "pay"
	Recover Action = "recover" // 补办恢复
)

// Standing is an account on a platform.
type Standing struct {
	State State
	// Certificates counts the certificates, or orders, that the state speaks of.
	Certificates int
	// Until is the latest end among them; zero where nothing ends.
	Until time.Time
}

// Entry is one certificate, or one order that would buy one, on a platform.
type Entry struct {
	// Certificate is set unless Order is: an order that waits for its payment, with
	// Line the line for this platform.
	Certificate certificate.Certificate
	Order       order.Order
	Line        order.Line
	// Roaming is the certificate's on the platform; its state is None if there is
	// none.
	Roaming roaming.Roaming
	State   State
	// Until is when it ends there: the certificate, its roaming, or the time to pay.
	Until  time.Time
	Action Action
}

// Certificates is package certificate.
type Certificates interface {
	Mine(ctx context.Context, tx work.Tx, sc account.Scope) ([]certificate.Certificate, error)
}

// Roamings is package roaming.
type Roamings interface {
	OfAccount(ctx context.Context, tx work.Tx, account string) ([]roaming.Roaming, error)
}

// Orders is package order.
type Orders interface {
	Unpaid(ctx context.Context, tx work.Tx, sc account.Scope) ([]order.Order, error)
}

// Deps are what a Service needs.
type Deps struct {
	Clock        clock.Clock
	Certificates Certificates
	Roamings     Roamings
	Orders       Orders
}

// Service reads.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Owned is what an account owns, as far as platforms are concerned.
type Owned struct {
	now          time.Time
	certificates []certificate.Certificate
	roamings     map[string]map[string]roaming.Roaming // by platform, certificate
	unpaid       map[string][]Entry                    // by platform
}

// Of reads what an identity owns.
func (s *Service) Of(ctx context.Context, tx work.Tx, sc account.Scope) (Owned, error) {
	o := Owned{now: s.Clock.Now(), roamings: map[string]map[string]roaming.Roaming{}, unpaid: map[string][]Entry{}}
	var err error
	if o.certificates, err = s.Certificates.Mine(ctx, tx, sc); err != nil {
		return o, err
	}
	all, err := s.Roamings.OfAccount(ctx, tx, sc.Account)
	if err != nil {
		return o, err
	}
	for _, r := range all {
		if o.roamings[r.Platform] == nil {
			o.roamings[r.Platform] = map[string]roaming.Roaming{}
		}
		o.roamings[r.Platform][r.Certificate] = r
	}
	orders, err := s.Orders.Unpaid(ctx, tx, sc)
	for _, w := range orders {
		for _, l := range w.Lines {
			o.unpaid[l.Platform] = append(o.unpaid[l.Platform], Entry{Order: w, Line: l, State: ToPay, Until: w.ExpiresAt, Action: Pay})
		}
	}
	return o, err
}

// Entries gives what an account has for a platform, the best first: certificates
// that serve or served there, or could by roaming, and orders that are not paid.
func (o Owned) Entries(platform string) []Entry {
	out := slices.Clone(o.unpaid[platform])
	for _, c := range o.certificates {
		r, known := o.roamings[platform][c.ID]
		if !known {
			r = roaming.Roaming{Certificate: c.ID, Platform: platform, State: roaming.None}
		}
		e := Entry{Certificate: c, Roaming: r, State: state(c, r, platform, o.now), Until: c.NotAfter}
		if e.State == None {
			continue
		}
		if known && !r.End.IsZero() && r.End.Before(e.Until) {
			e.Until = r.End
		}
		switch e.State {
		case Usable, Expiring:
			e.Action = Scan
		case KeyLost:
			e.Action = Recover
		case ToInstall:
			e.Action, e.Until = Install, time.Time{}
		}
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return slices.Index(best, a.State) - slices.Index(best, b.State) })
	return out
}

// state judges one certificate on a platform.
func state(c certificate.Certificate, r roaming.Roaming, platform string, now time.Time) State {
	switch c.State {
	case certificate.Pending:
		if r.State == roaming.Opening || c.Platform == platform {
			return ToInstall
		}
	case certificate.Expired:
		if r.State == roaming.Open || r.State == roaming.Expired {
			return Expired
		}
	case certificate.Valid, certificate.KeyLost:
		switch {
		case r.State == roaming.Expired:
			return Expired
		case r.State != roaming.Open:
			return NotRoamed
		case c.State == certificate.KeyLost:
			return KeyLost
		case earlier(r.End, c.NotAfter).Sub(now) <= certificate.Soon:
			return Expiring
		}
		return Usable
	}
	return None
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// On sums an account's entries on a platform up. What is usable for long hides
// what is about to end.
func (o Owned) On(platform string) Standing {
	out := Standing{State: None}
	for _, e := range o.Entries(platform) {
		if out.State == None {
			out.State = e.State
		}
		same := e.State == out.State || out.State == Usable && e.State == Expiring
		if !same {
			break
		}
		out.Certificates++
		if e.Until.After(out.Until) {
			out.Until = e.Until
		}
	}
	return out
}
