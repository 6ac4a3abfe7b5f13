package worktime

import (
	"testing"
	"time"

	"tianweitong/internal/clock"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", s, clock.China)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAWorkingDayEndsOnTheNextWorkedDay(t *testing.T) {
	c := China()
	for _, x := range []struct{ from, want string }{
		{"2026-11-23 09:00", "2026-11-23 18:00"}, // Monday, the whole day
		{"2026-11-23 09:31", "2026-11-24 09:31"},
		{"2026-11-23 07:00", "2026-11-23 18:00"}, // before the opening
		{"2026-11-23 18:00", "2026-11-24 18:00"}, // at the close
		{"2026-11-23 22:10", "2026-11-24 18:00"},
		{"2026-11-27 15:00", "2026-11-30 15:00"}, // Friday: over the weekend
		{"2026-11-28 11:00", "2026-11-30 18:00"}, // Saturday
		{"2026-09-30 12:00", "2026-10-08 12:00"}, // the national holiday
		{"2026-10-09 16:00", "2026-10-10 16:00"}, // a Saturday that is worked
	} {
		if got := c.Add(at(t, x.from), Day); !got.Equal(at(t, x.want)) {
			t.Errorf("a working day from %s ends %s, want %s", x.from, got.In(clock.China).Format("2006-01-02 15:04"), x.want)
		}
	}
}

func TestTheTimeLeftCountsWorkingHoursAndTurnsNegative(t *testing.T) {
	c := China()
	for _, x := range []struct {
		now, until string
		want       time.Duration
	}{
		{"2026-11-23 16:00", "2026-11-24 10:30", 3*time.Hour + 30*time.Minute},
		{"2026-11-27 17:00", "2026-11-30 10:00", 2 * time.Hour},
		{"2026-11-28 08:00", "2026-11-29 20:00", 0},
		{"2026-11-24 10:30", "2026-11-23 16:00", -(3*time.Hour + 30*time.Minute)},
		{"2026-11-23 10:00", "2026-11-23 10:00", 0},
	} {
		if got := c.Left(at(t, x.now), at(t, x.until)); got != x.want {
			t.Errorf("left from %s until %s: %s, want %s", x.now, x.until, got, x.want)
		}
	}
}

func TestWhatIsAddedIsLeft(t *testing.T) {
	c, from := China(), at(t, "2026-01-01 00:00")
	for i := range 500 {
		now := from.Add(time.Duration(i) * 17 * time.Hour)
		d := time.Duration(1+i%40) * 37 * time.Minute
		if got := c.Left(now, c.Add(now, d)); got != d {
			t.Fatalf("%s + %s: %s are left", now, d, got)
		}
	}
}
