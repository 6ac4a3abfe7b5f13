package ladder

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var ladderStart = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestAtMostTenWrongInARow: whatever the clock does between attempts, a run of
// wrong PINs computes ten times in all, five before the first pause, and at most
// thirty in thirty days.
func TestAtMostTenWrongInARow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ladder
		now := ladderStart
		var times []time.Time
		for range 200 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "pause")))
			if l.Lock(now) == None {
				l.Charge(now)
				times = append(times, now)
			}
		}
		if len(times) > Last {
			t.Fatalf("%d attempts in a row", len(times))
		}
		if len(times) > First && times[First].Sub(times[First-1]) < firstPause {
			t.Fatal("no pause after the fifth")
		}
		if len(times) > Second && times[Second].Sub(times[Second-1]) < secondPause {
			t.Fatal("no pause after the eighth")
		}
	})
}

// TestLadderAgainstItsDefinition compares the ladder with a list of attempts and
// their outcomes: attempts overlap, and a right one returns its charge late.
func TestLadderAgainstItsDefinition(t *testing.T) {
	type attempt struct {
		seq   int64
		at    time.Time
		given bool // back
		run   bool
	}
	rapid.Check(t, func(t *rapid.T) {
		var l Ladder
		now := ladderStart
		var all []attempt
		open := map[int64]bool{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Hour)).Draw(t, "pause")))
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				if l.Lock(now) == None {
					c := l.Charge(now)
					all = append(all, attempt{c.Seq, now, false, true})
					open[c.Seq] = true
				}
			case 2: // the oldest open attempt was right
				for i := range all {
					if open[all[i].seq] {
						delete(open, all[i].seq)
						l.GiveBack(all[i].seq)
						all[i].given, all[i].run = true, false
						for j := range all[:i] {
							all[j].run = false
						}
						break
					}
				}
			case 3: // it was right and says nothing about the others
				for i := range all {
					if open[all[i].seq] {
						delete(open, all[i].seq)
						l.Uncharge(all[i].seq)
						all[i].given, all[i].run = true, false
						break
					}
				}
			case 4: // it was wrong
				for i := range all {
					if open[all[i].seq] {
						delete(open, all[i].seq)
						break
					}
				}
			}
			run, spent := 0, 0
			for _, a := range all {
				if a.run {
					run++
				}
				if !a.given && now.Sub(a.at) < budgetSpan {
					spent++
				}
			}
			if l.Run() != run || l.spent(now) != spent {
				t.Fatalf("run %d, want %d; spent %d, want %d", l.Run(), run, l.spent(now), spent)
			}
			if l.Final != (run >= Last) {
				t.Fatalf("final = %v at a run of %d", l.Final, run)
			}
			if run < First && !l.Final && now.Before(l.LockedUntil) {
				t.Fatalf("locked at a run of %d", run)
			}
			b, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			var back Ladder
			if err := json.Unmarshal(b, &back); err != nil || len(l.Charges) > 0 && !reflect.DeepEqual(back, l) {
				t.Fatalf("stored %s", b)
			}
		}
	})
}

func TestDestroyedPeppersKeepTheLock(t *testing.T) {
	var l Ladder
	now := ladderStart
	var seqs []int64
	for range Last {
		now = now.Add(25 * time.Hour)
		seqs = append(seqs, l.Charge(now).Seq)
	}
	l.GiveBack(seqs[9])
	if got := l.Lock(now.Add(25 * time.Hour)); got != None {
		t.Fatalf("the tenth was right: lock %d", got)
	}
	l = Ladder{}
	for i := range Last {
		now = now.Add(25 * time.Hour)
		seqs[i] = l.Charge(now).Seq
	}
	l.Destroyed = true
	l.GiveBack(seqs[8])
	if got := l.Lock(now.Add(25 * time.Hour)); got != Final {
		t.Fatalf("unlocked without a pepper: lock %d", got)
	}
}

// TestUnchargedLeavesTheLocksOfTheOthers: a charge that is taken back alone takes
// the lock along that it set, and no other.
func TestUnchargedLeavesTheLocksOfTheOthers(t *testing.T) {
	var l Ladder
	now := ladderStart
	for range Second - 1 {
		l.Charge(now)
	}
	before := l.LockedUntil
	l.Uncharge(l.Charge(now.Add(firstPause)).Seq)
	if l.Run() != Second-1 || !l.LockedUntil.Equal(before) || before.IsZero() {
		t.Fatalf("run %d, locked until %v, was %v", l.Run(), l.LockedUntil, before)
	}
	l.Charge(now.Add(firstPause))
	if l.Lock(now.Add(firstPause)) != Timed {
		t.Fatal("the eighth in a row set no lock")
	}
	for l.Run() < Last {
		now = now.Add(secondPause)
		if c := l.Charge(now); l.Final {
			l.Uncharge(c.Seq)
			if l.Final || l.Run() != Last-1 {
				t.Fatalf("the tenth was taken back: run %d, %+v", l.Run(), l)
			}
			break
		}
	}
}
