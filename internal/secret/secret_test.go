package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func box(t testing.TB) *Box {
	t.Helper()
	b, err := NewBox(bytes.Repeat([]byte{7}, KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	b := box(t)
	home := Place{"accounts", "phone", "a1"}
	s, err := b.Seal(home, []byte("13800000000"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Open(home, s); err != nil || string(got) != "13800000000" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	for _, p := range []Place{{"accounts", "phone", "a2"}, {"accounts", "name", "a1"}, {"persons", "phone", "a1"}, {"account", "sphone", "a1"}} {
		if _, err := b.Open(p, s); !errors.Is(err, ErrSealed) {
			t.Errorf("opened at %v", p)
		}
	}
}

func TestAlteredSealIsRefused(t *testing.T) {
	b := box(t)
	p := Place{"t", "c", "r"}
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		s, err := b.Seal(p, plain)
		if err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(s)-1).Draw(t, "i")
		s[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "x"))
		if _, err := b.Open(p, s); !errors.Is(err, ErrSealed) {
			t.Fatalf("byte %d altered, yet it opens", i)
		}
	})
}

func TestHashesOfTwoPurposesDiffer(t *testing.T) {
	b := box(t)
	if Equal(b.Hash("phone", []byte("1")), b.Hash("idnumber", []byte("1"))) {
		t.Error("one hash serves two purposes")
	}
	if Equal(b.Hash("ab", []byte("c")), b.Hash("a", []byte("bc"))) {
		t.Error("purpose and value run together")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 40))
	b, _ := NewBox(make([]byte, KeySize), rand.Reader)
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := b.Open(Place{"t", "c", "r"}, in); err == nil {
			t.Fatal("random bytes open")
		}
	})
}
