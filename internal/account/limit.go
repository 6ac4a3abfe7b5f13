package account

import (
	"context"
	"net/netip"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// Captcha is an answer to a slide captcha (滑块验证): its id, and where the piece was
// put. The zero value is none.
type Captcha struct {
	ID string
	X  int
}

// Puzzles judges captchas; package puzzle does.
type Puzzles interface {
	// Judge gives the serial of the captcha, empty if there is none, and whether it
	// was answered rightly.
	Judge(id string, x int) (serial string, right bool)
}

// captchaKept is how long the serial of a captcha that was answered is remembered;
// captchas live shorter.
const captchaKept = time.Hour

// solve uses up a captcha, right or wrong, in a transaction of its own: what is
// refused afterwards does not make it good for another answer.
func (s *Service) solve(ctx context.Context, c Captcha) (bool, error) {
	if c.ID == "" || s.Puzzles == nil {
		return false, nil
	}
	serial, right := s.Puzzles.Judge(c.ID, c.X)
	if serial == "" {
		return false, CodeCaptchaWrong
	}
	var first bool
	err := s.Runner.Do(ctx, "account.captcha", func(ctx context.Context, tx work.Tx) error {
		n, _, err := s.Store.Count(ctx, tx, "captcha", s.Box.Hash("captcha", []byte(serial)), s.Clock.Now(), captchaKept)
		first = n == 1
		return err
	})
	switch {
	case err != nil:
		return false, err
	case !first || !right:
		s.countRefused(ctx, hourWrong)
		return false, CodeCaptchaWrong
	}
	return true, nil
}

// limited names a limit, to the store and to the console.
type limited string

// The limits of codes.
const (
	limitAddress   limited = "code.address"
	limitSite      limited = "code.site" // an IPv6 /48
	limitDevice    limited = "code.device"
	limitNetwork   limited = "code.day.network"
	limitAccount   limited = "code.day.account"
	limitSession   limited = "code.day.session"
	limitKnown     limited = "code.day.known"
	limitAnyone    limited = "code.day.anyone"
	limitPause     limited = "code.pause"
	limitFree      limited = "code.free"
	limitStrangers limited = "code.all"
	limitOthers    limited = "text.others" // messages to numbers of others, no codes
	limitHouse     limited = "code.house"
)

const day = 24 * time.Hour

// budget is one count that a code or a password goes against. name is the window's, which may
// say more than its limit.
type budget struct {
	name    string
	subject []byte
	most    int
	span    time.Duration
	refusal fault.Code
	limit   limited
}

func (l limited) budget(subject []byte, most int, span time.Duration, refusal fault.Code) budget {
	return budget{string(l), subject, most, span, refusal, l}
}

// refuse tells when a window that opened then has room again.
func (b budget) refuse(opened, now time.Time) error {
	wait := opened.Add(b.span).Sub(now)
	return b.refusal.With(map[string]any{"retryAfterSeconds": int((wait + time.Second - 1) / time.Second)})
}

// more makes a budget's window one of several of its limit.
func (b budget) more(name string) budget {
	b.name += "." + name
	return b
}

// spent tells what counting a code came to: which limit refused it, or that it was
// the hour's last for strangers.
type spent struct {
	refused string
	capped  bool
}

// limit counts a code against the budgets of who asks. A refusal rolls the
// counts back, so waiting as told always helps.
func (s *Service) limit(ctx context.Context, tx work.Tx, ask Ask, caller Caller, solved bool) (spent, error) {
	now := s.Clock.Now()
	all, err := s.budgets(ctx, tx, ask, caller, solved, now)
	if err != nil {
		return spent{}, err
	}
	var out spent
	// Counting locks each row in the same order everywhere: no deadlock.
	for _, b := range all {
		n, opened, err := s.Store.Count(ctx, tx, b.name, b.subject, now, b.span)
		if err != nil {
			return spent{}, err
		}
		if n > b.most {
			if b.limit == limitFree {
				return spent{refused: string(b.limit)}, CodeCaptcha
			}
			return spent{refused: string(b.limit)}, b.refuse(opened, now)
		}
		out.capped = out.capped || b.limit == limitStrangers && n == b.most
	}
	return out, nil
}

// budgets are what a code counts against, those of one asker first, the house's
// last: they are locked for the shortest time.
func (s *Service) budgets(ctx context.Context, tx work.Tx, ask Ask, caller Caller, solved bool, now time.Time) ([]budget, error) {
	hash, from, l := s.phoneHash(ask.Phone), networks(ask.Address), s.Limits
	device := ask.Device
	if caller.Device != "" {
		device = caller.Device
	}
	house := limitHouse.budget([]byte{}, l.Ceiling, time.Hour, CodeBusy)
	var all, pairs, free []budget
	for _, n := range from {
		name := limitAddress
		if n.share > 1 {
			name = limitSite
		}
		all = append(all, name.budget(s.networkHash(n), n.share*l.PerAddress, time.Hour, CodeAddress))
		pairs = append(pairs, limitNetwork.budget(s.pairHash(ask.Phone, n), n.share*l.PerNetwork, day, CodeNetwork))
	}
	if device != "" {
		all = append(all, limitDevice.budget(s.Box.Hash("device", []byte(device)), l.PerDevice, day, CodeDeviceLimit))
	}
	if !solved {
		free = append(free, limitFree.budget(hash, l.Free, day, CodeCaptcha).more("phone"),
			limitFree.budget(s.networkHash(from[0]), l.Free, day, CodeCaptcha).more("address"))
		if device != "" {
			free = append(free, limitFree.budget(s.Box.Hash("device", []byte(device)), l.Free, day, CodeCaptcha).more("device"))
		}
	}
	pause := limitPause.budget(hash, 1, l.Pause, CodeTooSoon).more(string(ask.Purpose))
	if !ask.Purpose.ofAnyNumber() {
		all = append(all, limitSession.budget(hash, l.Daily, day, CodeTooMany), pause)
		return append(append(all, free...), house), nil
	}
	if ask.Purpose.Sessionless() {
		known, err := s.Store.KnownNetwork(ctx, tx, hash, s.networkHash(from[0]), now.Add(-Absolute))
		if err != nil {
			return nil, err
		}
		if known {
			all = append(all, limitKnown.budget(s.pairHash(ask.Phone, from[0]), l.Known, day, CodeNetwork), pause.more("known"))
			return append(append(all, free...), house), nil
		}
	} else { // whoever is signed in must not pester others either
		all = append(all, limitAccount.budget([]byte(caller.Account), l.Daily, day, CodeTooMany))
	}
	all = append(append(all, pairs...), limitAnyone.budget(hash, l.Anyone, day, CodeTooMany), pause)
	return append(append(all, free...), limitStrangers.budget([]byte{}, l.Hourly, time.Hour, CodeBusy), house), nil
}

// network is what limits count as one asker, with the share of the limits that
// it has.
type network struct {
	name  string
	share int
}

// networks gives what an address belongs to, the narrowest first: an IPv4
// address is one asker; so is the IPv6 /64 that one customer has to himself, and
// the /48 that a site has is siteFactor of them.
func networks(address string) []network {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return []network{{"unknown", 1}}
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return []network{{a.String(), 1}}
	}
	return []network{
		{netip.PrefixFrom(a, 64).Masked().String(), 1},
		{netip.PrefixFrom(a, 48).Masked().String(), siteFactor},
	}
}

func (s *Service) networkHash(n network) []byte { return s.Box.Hash("address", []byte(n.name)) }

func (s *Service) pairHash(phone string, n network) []byte {
	return s.Box.Hash("phone-address", []byte(phone+"@"+n.name))
}
