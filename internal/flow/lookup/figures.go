package lookup

import (
	"context"
	"slices"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

// Figures counts per calendar day in China, numbered as clock.Day does. Days
// without anything are absent.
type Figures interface {
	Registrations(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error)
	// Verifications counts the persons whose name and document were last verified.
	Verifications(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error)
	EnterprisesPerDay(ctx context.Context, tx work.Tx, from, until time.Time) (map[int64]int, error)
	// Decided gives the reviews that officers decided.
	Decided(ctx context.Context, tx work.Tx, from, until time.Time) ([]Decision, error)
	// Waiting counts what waits for an officer.
	Waiting(ctx context.Context, tx work.Tx, now time.Time) (Waiting, error)
}

// Waiting counts reviews that wait: for any officer, for a second one, and of
// both those whose deadline has passed.
type Waiting struct{ Open, Second, Late int }

// Decision is one decided review (审核).
type Decision struct {
	Submitted, Decided time.Time
	Approved           bool
}

// DayFigures are the figures of one day.
type DayFigures struct {
	// Date is the calendar day in China, "2026-11-23".
	Date                                      string
	Registrations, Verifications, Enterprises int
	Approved, Refused                         int
	// WaitP50 and WaitP90 are how long the decided ones had waited, in working
	// hours; zero when nothing was decided.
	WaitP50, WaitP90 time.Duration
}

// Stats are the figures of the last days, the oldest first, today last.
type Stats struct {
	Days    []DayFigures
	Waiting Waiting
}

// MaxDays is how far back Stats go.
const MaxDays = 90

// Stats gives the figures of the last days, today among them; days is cut to
// 1 … MaxDays.
func (s *Service) Stats(ctx context.Context, days int) (out Stats, err error) {
	days = min(max(days, 1), MaxDays)
	now := s.Clock.Now()
	today := clock.Day(now)
	first := today - int64(days) + 1
	from := begin(first)
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out = Stats{Days: make([]DayFigures, days)}
		for i := range out.Days {
			out.Days[i].Date = begin(first + int64(i)).In(clock.China).Format(time.DateOnly)
		}
		for _, c := range []struct {
			count func(context.Context, work.Tx, time.Time, time.Time) (map[int64]int, error)
			field func(*DayFigures) *int
		}{
			{s.Store.Registrations, func(d *DayFigures) *int { return &d.Registrations }},
			{s.Store.Verifications, func(d *DayFigures) *int { return &d.Verifications }},
			{s.Store.EnterprisesPerDay, func(d *DayFigures) *int { return &d.Enterprises }},
		} {
			counts, err := c.count(ctx, tx, from, begin(today+1))
			if err != nil {
				return err
			}
			for day, n := range counts {
				*c.field(&out.Days[day-first]) = n
			}
		}
		decided, err := s.Store.Decided(ctx, tx, from, begin(today+1))
		if err != nil {
			return err
		}
		out.add(decided, first, s.Calendar)
		out.Waiting, err = s.Store.Waiting(ctx, tx, now)
		return err
	})
	return out, err
}

// begin is the first moment of a day in China.
func begin(day int64) time.Time { return time.Unix(day*24*60*60, 0).Add(-8 * time.Hour).UTC() }

func (s *Stats) add(decided []Decision, first int64, c worktime.Calendar) {
	waits := make([][]time.Duration, len(s.Days))
	for _, d := range decided {
		i := clock.Day(d.Decided) - first
		if d.Approved {
			s.Days[i].Approved++
		} else {
			s.Days[i].Refused++
		}
		waits[i] = append(waits[i], c.Left(d.Submitted, d.Decided))
	}
	for i, w := range waits {
		slices.Sort(w)
		s.Days[i].WaitP50, s.Days[i].WaitP90 = quantile(w, 50), quantile(w, 90)
	}
}

// quantile is the smallest value that so many per cent do not exceed.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
