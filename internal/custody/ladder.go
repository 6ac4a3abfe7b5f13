package custody

import (
	"slices"
	"time"
)

// The steps of the ladder and the budget (docs/domain.md §3.8).
const (
	firstLock   = 5  // wrong in a row
	secondLock  = 8  // wrong in a row
	finalLock   = 10 // wrong in a row
	noticeAt    = 3  // wrong in a row
	firstPause  = 30 * time.Minute
	secondPause = 24 * time.Hour
	budgetSize  = 30 // wrong in budgetSpan
	budgetSpan  = 30 * 24 * time.Hour
)

// Ladder is what an account's wrong PINs have come to. Every attempt is charged
// before it is computed and given back when the PIN was right, so a charge that
// is still here stands for a wrong PIN or for an attempt that broke off
// (docs/split-keys.md §2.2, step 3c).
type Ladder struct {
	// Next is the sequence number of the next charge.
	Next    int64    `json:"next"`
	Charges []Charge `json:"charges,omitempty"`
	// LockedUntil is the end of the timed lock.
	LockedUntil time.Time `json:"lockedUntil,omitzero"`
	// Final is the last lock; Destroyed says that the peppers are gone, from where
	// there is no way back but a re-key.
	Final     bool `json:"final,omitempty"`
	Destroyed bool `json:"destroyed,omitempty"`
	// Face is a live face check that allows attempts beyond the budget, until one
	// is wrong.
	Face bool `json:"face,omitempty"`
}

// Charge is one attempt.
type Charge struct {
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Run says that it belongs to the run of attempts since the last right PIN.
	Run bool `json:"run,omitempty"`
	// Place is its place in the run when it was charged, from 1.
	Place int `json:"place"`
	// Face says that it used up a face check.
	Face bool `json:"face,omitempty"`
	// Told says that its notice was sent.
	Told bool `json:"told,omitempty"`
}

// run is the number of attempts in a row that stand.
func (l *Ladder) run() int {
	n := 0
	for _, c := range l.Charges {
		if c.Run {
			n++
		}
	}
	return n
}

// spent is the number of charges in the span of the budget.
func (l *Ladder) spent(now time.Time) int {
	n := 0
	for _, c := range l.Charges {
		if now.Sub(c.At) < budgetSpan {
			n++
		}
	}
	return n
}

// refusal says why no attempt is allowed now; nil when one is.
func (l *Ladder) refusal(now time.Time) error {
	switch {
	case l.Final:
		return CodePINLocked
	case now.Before(l.LockedUntil):
		return CodePINLockedFor.With(map[string]any{"lockedUntil": l.LockedUntil.Format(time.RFC3339)})
	case l.spent(now) >= budgetSize && !l.Face:
		return CodePINBudget
	}
	return nil
}

// charge adds an attempt that refusal allows and sets the lock that follows if
// it stands.
func (l *Ladder) charge(now time.Time) Charge {
	l.Charges = slices.DeleteFunc(l.Charges, func(c Charge) bool { return !c.Run && now.Sub(c.At) >= budgetSpan })
	c := Charge{Seq: l.Next, At: now, Run: true, Place: l.run() + 1}
	if l.Face {
		c.Face, l.Face = true, false
	}
	l.Next++
	l.Charges = append(l.Charges, c)
	switch c.Place {
	case firstLock:
		l.LockedUntil = now.Add(firstPause)
	case secondLock:
		l.LockedUntil = now.Add(secondPause)
	case finalLock:
		l.Final = true
	}
	return c
}

// giveBack takes one charge out of run and budget after a right PIN and clears
// the run's earlier charges; later charges stand, in the run and in the budget.
func (l *Ladder) giveBack(seq int64) {
	i := l.find(seq)
	if i < 0 { // a new PIN has begun meanwhile
		return
	}
	l.Face = l.Face || l.Charges[i].Face
	l.Charges = slices.Delete(l.Charges, i, i+1)
	for j := range l.Charges[:i] {
		l.Charges[j].Run = false
	}
	run := l.run()
	if run < firstLock {
		l.LockedUntil = time.Time{}
	}
	l.Final = l.Destroyed || run >= finalLock
}

func (l *Ladder) find(seq int64) int {
	return slices.IndexFunc(l.Charges, func(c Charge) bool { return c.Seq == seq })
}

// restart begins a new PIN: run, budget and locks.
func (l *Ladder) restart() { *l = Ladder{Next: l.Next} }
