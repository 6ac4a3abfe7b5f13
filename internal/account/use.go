package account

import (
	"context"
	"time"

	"tianweitong/internal/work"
)

// What is counted by the hour besides what each limit refused.
const (
	hourSent  = "sent"
	hourWrong = "captcha.wrong"
)

// SMSUse is how far the limits of SMS codes are used, for the officers' console.
type SMSUse struct {
	// Limits are the limits, in the order of docs/accounts.md.
	Limits []LimitUse
	// Sent are the codes and invitations sent in the current hour's window of the
	// whole house, and Ceiling the most there can be.
	Sent, Ceiling int
	// CaptchasWrong are the captchas answered wrongly in the last 24 hours.
	CaptchasWrong int
	// Hours are the last 24 hours by the clock, the oldest first.
	Hours []SMSHour
}

// LimitUse is one limit.
type LimitUse struct {
	// Name is stable: address, site, device, network, account, session, known,
	// anyone, free, strangers, others, house. What free refuses is asked for a
	// captcha; what others refuses (TextTo) is not counted.
	Name string
	Most int
	Span time.Duration
	// Busiest is how much of it that one has used who used the most.
	Busiest int
	// RefusedHour and RefusedDay count refusals in this hour of the clock and in
	// the 24 up to it.
	RefusedHour, RefusedDay int
}

// SMSHour is one hour of the clock.
type SMSHour struct {
	At            time.Time
	Sent, Refused int
}

// HourCount is how often something was counted in an hour.
type HourCount struct {
	Name string
	Hour time.Time
	N    int
}

// SMSUse tells how far the limits of SMS codes are used.
func (s *Service) SMSUse(ctx context.Context) (SMSUse, error) {
	l := s.Limits
	rows := []struct {
		name  string
		limit limited
		most  int
		span  time.Duration
	}{
		{"address", limitAddress, l.PerAddress, time.Hour}, {"site", limitSite, siteFactor * l.PerAddress, time.Hour},
		{"device", limitDevice, l.PerDevice, day}, {"network", limitNetwork, l.PerNetwork, day}, {"anyone", limitAnyone, l.Anyone, day},
		{"known", limitKnown, l.Known, day}, {"session", limitSession, l.Daily, day}, {"account", limitAccount, l.Daily, day},
		{"free", limitFree, l.Free, day}, {"pause", limitPause, 1, l.Pause}, {"strangers", limitStrangers, l.Hourly, time.Hour},
		{"others", limitOthers, l.Hourly, time.Hour}, {"house", limitHouse, l.Ceiling, time.Hour},
	}
	out := SMSUse{Ceiling: l.Ceiling}
	now := s.Clock.Now()
	hour := now.Truncate(time.Hour)
	first := hour.Add(-23 * time.Hour)
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out.Limits, out.Hours, out.CaptchasWrong, out.Sent = nil, nil, 0, 0
		at := map[limited]int{}
		for i, r := range rows {
			busiest, err := s.Store.Busiest(ctx, tx, string(r.limit), now.Add(-r.span))
			if err != nil {
				return err
			}
			out.Limits = append(out.Limits, LimitUse{Name: r.name, Most: r.most, Span: r.span, Busiest: busiest})
			at[r.limit] = i
			if r.limit == limitHouse {
				out.Sent = busiest
			}
		}
		for n := range 24 {
			out.Hours = append(out.Hours, SMSHour{At: first.Add(time.Duration(n) * time.Hour)})
		}
		counts, err := s.Store.Hours(ctx, tx, first)
		for _, c := range counts {
			i := int(c.Hour.Sub(first) / time.Hour)
			if i < 0 || i >= len(out.Hours) {
				continue
			}
			switch n, ok := at[limited(c.Name)]; {
			case c.Name == hourSent:
				out.Hours[i].Sent += c.N
			case c.Name == hourWrong:
				out.CaptchasWrong += c.N
			case ok:
				out.Limits[n].RefusedDay += c.N
				if c.Hour.Equal(hour) {
					out.Limits[n].RefusedHour += c.N
				}
				if limited(c.Name) != limitFree { // a captcha was asked for, nothing refused
					out.Hours[i].Refused += c.N
				}
			}
		}
		return err
	})
	return out, err
}

// countRefused counts what was refused; the refusal itself rolled back. It is a
// figure for officers: that it could not be kept keeps nobody from his answer.
func (s *Service) countRefused(ctx context.Context, name string) {
	err := s.Runner.Do(ctx, "account.code_refused", func(ctx context.Context, tx work.Tx) error {
		return s.Store.CountHour(ctx, tx, name, s.Clock.Now())
	})
	if err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "a refused SMS code was not counted", "limit", name, "error", err)
	}
}
