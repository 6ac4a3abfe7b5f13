// Package worktime counts working hours (工作时间): Monday to Friday, 09:00 to 18:00
// in China, without public holidays and with the weekends that are worked instead.
//
// Holidays (节假日) are announced by the State Council each year, so they are data:
// the operator extends them by a release. A day that the data does not name is
// judged by its weekday.
package worktime

import (
	"time"

	"tianweitong/internal/clock"
)

const (
	opens  = 9 * time.Hour
	closes = 18 * time.Hour
)

// Day is the length of one working day.
const Day = closes - opens

// Calendar knows which days are worked. The zero value knows no holidays.
type Calendar struct {
	// Off are days, "2026-10-01", that are not worked although they are weekdays.
	Off map[string]bool
	// On are days of a weekend that are worked.
	On map[string]bool
}

// New makes a calendar of holidays, each from its first to its last day, and of
// worked weekend days; all "2026-10-01". It panics at a date that is none: the data
// is part of the program.
func New(holidays [][2]string, worked []string) Calendar {
	c := Calendar{Off: map[string]bool{}, On: map[string]bool{}}
	for _, h := range holidays {
		for d, last := date(h[0]), date(h[1]); !d.After(last); d = d.AddDate(0, 0, 1) {
			c.Off[d.Format(time.DateOnly)] = true
		}
	}
	for _, w := range worked {
		c.On[date(w).Format(time.DateOnly)] = true
	}
	return c
}

func date(s string) time.Time {
	d, err := time.ParseInLocation(time.DateOnly, s, clock.China)
	if err != nil {
		panic("worktime: " + err.Error())
	}
	return d
}

// works tells whether a day is worked; midnight is its start in China.
func (c Calendar) works(midnight time.Time) bool {
	name := midnight.Format(time.DateOnly)
	weekend := midnight.Weekday() == time.Saturday || midnight.Weekday() == time.Sunday
	return c.On[name] || !weekend && !c.Off[name]
}

func midnight(t time.Time) time.Time {
	y, m, d := t.In(clock.China).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, clock.China)
}

// horizon bounds every count: no year has more days off than this in a row.
const horizon = 4000

// Add gives when d of working time after t is over; a t outside working hours
// counts as the next opening. d must not be negative. The result is UTC.
func (c Calendar) Add(t time.Time, d time.Duration) time.Time {
	day := midnight(t)
	for range horizon {
		if c.works(day) {
			from, to := day.Add(opens), day.Add(closes)
			if t.After(from) {
				from = t
			}
			if left := to.Sub(from); left > 0 && d <= left {
				return from.Add(d).UTC()
			} else if left > 0 {
				d -= left
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return day.UTC()
}

// Left gives the working time from now until a moment; negative if it has passed.
func (c Calendar) Left(now, until time.Time) time.Duration {
	if now.After(until) {
		return -c.Left(until, now)
	}
	var sum time.Duration
	day := midnight(now)
	for range horizon {
		if !day.Before(until) {
			break
		}
		if c.works(day) {
			from, to := later(day.Add(opens), now), earlier(day.Add(closes), until)
			if to.After(from) {
				sum += to.Sub(from)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return sum
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
