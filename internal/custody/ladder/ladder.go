// Package ladder counts the wrong PINs of an account and says when the next
// attempt is allowed (docs/domain.md §3.8). It is a value that custody keeps in
// the account's row and changes under that row's lock.
package ladder

import (
	"slices"
	"time"
)

// The steps: numbers of wrong PINs in a row.
const (
	Notice = 3 // the account is told
	First  = 5
	Second = 8
	Last   = 10
)

const (
	firstPause  = 30 * time.Minute
	secondPause = 24 * time.Hour
	budgetSize  = 30 // wrong in budgetSpan
	budgetSpan  = 30 * 24 * time.Hour
)

// Lock is why no attempt is allowed.
type Lock int

// The locks.
const (
	None Lock = iota
	Timed
	Final
	Budget // a live face check goes first
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
	// Until is the end of the timed lock that it set.
	Until time.Time `json:"until,omitzero"`
	// Face says that it used up a face check.
	Face bool `json:"face,omitempty"`
	// Told says that its notice was sent.
	Told bool `json:"told,omitempty"`
}

// Run is the number of attempts in a row that stand.
func (l *Ladder) Run() int {
	n := 0
	for _, c := range l.Charges {
		if c.Run {
			n++
		}
	}
	return n
}

// Spent reports whether the budget is used up and no face check has been made.
func (l *Ladder) Spent(now time.Time) bool { return l.spent(now) >= budgetSize && !l.Face }

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

// Lock says why no attempt is allowed now; None when one is.
func (l *Ladder) Lock(now time.Time) Lock {
	switch {
	case l.Final:
		return Final
	case now.Before(l.LockedUntil):
		return Timed
	case l.Spent(now):
		return Budget
	}
	return None
}

// Charge adds an attempt that no lock forbids and sets the lock that follows if
// it stands.
func (l *Ladder) Charge(now time.Time) Charge {
	l.Charges = slices.DeleteFunc(l.Charges, func(c Charge) bool { return !c.Run && now.Sub(c.At) >= budgetSpan })
	c := Charge{Seq: l.Next, At: now, Run: true, Place: l.Run() + 1}
	if l.Face {
		c.Face, l.Face = true, false
	}
	switch c.Place {
	case First:
		c.Until = now.Add(firstPause)
	case Second:
		c.Until = now.Add(secondPause)
	case Last:
		l.Final = true
	}
	if !c.Until.IsZero() {
		l.LockedUntil = c.Until
	}
	l.Next++
	l.Charges = append(l.Charges, c)
	return c
}

// GiveBack takes one charge out of run and budget after a right PIN and clears
// the run's earlier charges; later charges stand, in the run and in the budget.
func (l *Ladder) GiveBack(seq int64) {
	i := l.find(seq)
	for j := range l.Charges[:max(i, 0)] {
		l.Charges[j].Run = false
	}
	l.Uncharge(seq)
}

// Uncharge takes one charge out of run and budget after a proof that shows
// nothing about the PIN: all others stand.
func (l *Ladder) Uncharge(seq int64) {
	i := l.find(seq)
	if i < 0 { // a new PIN has begun meanwhile
		return
	}
	l.Face = l.Face || l.Charges[i].Face
	l.Charges = slices.Delete(l.Charges, i, i+1)
	run := l.Run()
	l.LockedUntil = time.Time{}
	for _, c := range l.Charges {
		if run >= First && c.Run && c.Until.After(l.LockedUntil) {
			l.LockedUntil = c.Until
		}
	}
	l.Final = l.Destroyed || run >= Last
}

// Standing gives a charge that still belongs to the run; nil if it was given back
// or cleared.
func (l *Ladder) Standing(seq int64) *Charge {
	if i := l.find(seq); i >= 0 && l.Charges[i].Run {
		return &l.Charges[i]
	}
	return nil
}

func (l *Ladder) find(seq int64) int {
	return slices.IndexFunc(l.Charges, func(c Charge) bool { return c.Seq == seq })
}

// Restart begins a new PIN: run, budget and locks.
func (l *Ladder) Restart() { *l = Ladder{Next: l.Next} }
