package secret

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
)

func TestOnlyTheStretchedPasswordMatches(t *testing.T) {
	s, cheap := NewStretcher(), Cost{Passes: 1, Memory: 64, Lanes: 1}
	stored, err := s.Stretch(t.Context(), rand.Reader, "correct horse", cheap)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		password, stored string
		cost             Cost
		right, old       bool
	}{
		{"correct horse", stored, cheap, true, false},
		{"correct horse", stored, Cost{Passes: 2, Memory: 64, Lanes: 1}, true, true},
		{"wrong horse", stored, cheap, false, false},
		{"", "", cheap, false, false},
	} {
		if right, old, err := s.Matches(t.Context(), x.password, x.stored, x.cost); err != nil || right != x.right || old != x.old {
			t.Errorf("%q: %v, %v, %v", x.password, right, old, err)
		}
	}
	if _, _, err := s.Matches(t.Context(), "x", "$argon2id$", cheap); !errors.Is(err, ErrStretched) {
		t.Errorf("malformed: %v", err)
	}
}

func TestStretchingWaitsForAPlaceNoLongerThanItsCaller(t *testing.T) {
	s := NewStretcher()
	for range atOnce {
		s.places <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stretch(ctx, rand.Reader, "x", DefaultCost); !errors.Is(err, ErrBusy) {
		t.Errorf("err = %v", err)
	}
}

func FuzzStoredPassword(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=65536,t=0,p=4$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseStretched(s)
		if err != nil {
			return
		}
		if again, err := parseStretched(p.String()); err != nil || again.String() != p.String() {
			t.Fatalf("%q reads as %q", s, again)
		}
	})
}
