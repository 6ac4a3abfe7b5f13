package order

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// edges are the moves of docs/domain.md §3.4; an order may also stay.
var edges = map[State][]State{
	Unpaid:    {Paid, Cancelled},
	Paid:      {Completed, Refunding},
	Refunding: {Paid, Completed, Refunded},
	Cancelled: {},
	Completed: {},
	Refunded:  {},
}

var lineEdges = map[LineState][]LineState{
	LineOpen:         {LineDone, LineRefunding},
	LineRefunding:    {LineRefunded, LineRefundFailed},
	LineRefundFailed: {LineRefunding},
	LineDone:         {},
	LineRefunded:     {},
}

func TestOrderOnlyMovesAlongTheStateMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Order{ID: "o", State: Unpaid, CreatedAt: noon, ExpiresAt: noon.Add(Life)}
		for range rapid.IntRange(1, 3).Draw(t, "lines") {
			o.Lines = append(o.Lines, Line{ID: string(rune('a' + len(o.Lines))), State: LineOpen})
		}
		now := noon
		line := func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"a", "b", "c", "absent"}).Draw(t, "line")
		}
		step := func(move func(o *Order) error) func(*rapid.T) {
			return func(t *rapid.T) {
				was := o
				was.Lines = slices.Clone(o.Lines)
				if err := move(&o); err != nil {
					if d := cmp.Diff(was, o); d != "" {
						t.Fatalf("a refused move changed the order: %s", d)
					}
				}
				if o.State != was.State && !slices.Contains(edges[was.State], o.State) {
					t.Fatalf("%s became %s", was.State, o.State)
				}
				for i, l := range o.Lines {
					if w := was.Lines[i].State; l.State != w && !slices.Contains(lineEdges[w], l.State) {
						t.Fatalf("line %s: %s became %s", l.ID, w, l.State)
					}
				}
			}
		}
		actions := map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute) },
			"pay":         step(func(o *Order) error { return o.pay(now) }),
			"cancel":      step(func(o *Order) error { return o.cancel(ByBuyer, now) }),
			"expire":      step(func(o *Order) error { return o.cancel(ByTime, now) }),
			"": func(t *rapid.T) {
				if o.wants(now) && (o.State != Unpaid || now.After(o.ExpiresAt)) {
					t.Fatalf("a payment of %s is wanted while the order is %s", now, o.State)
				}
				if o.State == Unpaid && (o.At(now) == Unpaid) != now.Before(o.ExpiresAt) {
					t.Fatalf("at %s an unpaid order shows as %s", now, o.At(now))
				}
				n := map[LineState]int{}
				for _, l := range o.Lines {
					n[l.State]++
				}
				all := len(o.Lines)
				paidFor := n[LineOpen] != all
				switch o.State {
				case Unpaid, Cancelled:
					if paidFor {
						t.Fatalf("%s with lines %v", o.State, o.Lines)
					}
				case Completed:
					if n[LineDone] == 0 || n[LineDone]+n[LineRefunded] != all {
						t.Fatalf("completed with lines %v", o.Lines)
					}
				case Refunded:
					if n[LineRefunded] != all {
						t.Fatalf("refunded with lines %v", o.Lines)
					}
				case Refunding:
					if n[LineRefunding] == 0 {
						t.Fatalf("refunding with lines %v", o.Lines)
					}
				case Paid:
					if n[LineRefunding] > 0 || n[LineOpen]+n[LineRefundFailed] == 0 {
						t.Fatalf("paid with lines %v", o.Lines)
					}
				}
			},
		}
		for name, move := range map[string]func(*Order, string) error{
			"fulfil":        func(o *Order, l string) error { return o.fulfil(l, now) },
			"refund":        func(o *Order, l string) error { return o.refund(l, now) },
			"refund done":   func(o *Order, l string) error { return o.refunded(l, true, now) },
			"refund failed": func(o *Order, l string) error { return o.refunded(l, false, now) },
		} {
			actions[name] = func(t *rapid.T) {
				l := line(t)
				step(func(o *Order) error { return move(o, l) })(t)
			}
		}
		t.Repeat(actions)
	})
}

func TestExpiryIsDecidedByTheClock(t *testing.T) {
	o := Order{State: Unpaid, ExpiresAt: noon.Add(Life)}
	for _, c := range []struct {
		after time.Duration
		want  State
	}{{0, Unpaid}, {Life - time.Millisecond, Unpaid}, {Life, Cancelled}, {24 * time.Hour, Cancelled}} {
		if got := o.At(noon.Add(c.after)); got != c.want {
			t.Errorf("after %s: %s, want %s", c.after, got, c.want)
		}
	}
}
