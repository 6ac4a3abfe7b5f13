package scan

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/secret"
)

func tokens(t testing.TB, random io.Reader) *Service {
	box, err := secret.NewBox(bytes.Repeat([]byte{7}, secret.KeySize), random)
	if err != nil {
		t.Fatal(err)
	}
	return New(Deps{Box: box, AppURL: "https://app.example", Clock: clock.NewManual(time.UnixMilli(1_800_000_000_000)), Rand: rand.Reader})
}

func TestTokenNamesItsTransactionForItsTime(t *testing.T) {
	s := tokens(t, rand.Reader)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Z][0-9]{10}`).Draw(t, "platform") + hex.EncodeToString(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		n := rapid.Int64Range(0, 1<<32-1).Draw(t, "slot")
		token, err := s.token(id, n)
		if err != nil {
			t.Fatal(err)
		}
		began := time.UnixMilli(n * 10_000)
		if got, err := s.read(s.prefix()+token, began.Add(15*time.Second-time.Millisecond)); err != nil || got != id {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := s.read(s.prefix()+token, began.Add(15*time.Second)); !errors.Is(err, CodeQRExpired) {
			t.Fatalf("dead: %v", err)
		}
	})
}

func TestVerificationCodesAreFourDigitsAndEachAsLikely(t *testing.T) {
	seen := map[byte]int{}
	const draws = 4000
	for range draws {
		c, err := digits(rand.Reader)
		if err != nil || len(c) != 4 {
			t.Fatalf("%q, %v", c, err)
		}
		seen[c[0]]++
	}
	for d := byte('0'); d <= '9'; d++ {
		// Expected 400, standard deviation 19: 8 of them never happen.
		if n := seen[d]; n < 250 || n > 550 {
			t.Errorf("%c came %d times of %d", d, n, draws)
		}
	}
	if _, err := digits(bytes.NewReader(nil)); err == nil {
		t.Error("a code without randomness")
	}
}

// sevens is the same in every worker of a fuzz target.
type sevens struct{}

func (sevens) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 7
	}
	return len(b), nil
}

func FuzzRead(f *testing.F) {
	s := tokens(f, sevens{})
	good, err := s.token("M1100000034"+hex.EncodeToString(make([]byte, 16)), 180_000_000)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.prefix() + good)
	f.Add(s.prefix())
	f.Add("https://app.example/s#k=AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := s.read(text, time.UnixMilli(1_800_000_000_000))
		if err == nil && text != s.prefix()+good {
			t.Fatalf("%q names %q", text, id)
		}
		if err != nil && !errors.Is(err, CodeQRUnknown) && !errors.Is(err, CodeQRExpired) {
			t.Fatal(err)
		}
	})
}

func FuzzDraft(f *testing.F) {
	s := tokens(f, rand.Reader)
	p := catalog.Platform{Code: "M1100000034", Active: true}
	f.Add("login", "登录", "198.51.100.7", "/done", "a.txt", []byte("x"))
	f.Add("sign", "签名", "::1", "", "投标函.txt", []byte("0\x03\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, kind, title, address, notify, name string, b []byte) {
		d, err := s.Draft(p, Request{
			Type: Type(kind), Title: title, Binding: make([]byte, 32), Browser: Browser{UserAgent: title, Address: address},
			NotifyPath: notify, Challenge: b, Body: b, Document: Document{Name: name},
		})
		if err != nil {
			return
		}
		if d.t.State != Created || len(d.ID()) != 43 || d.t.NotifyPath != "" && d.t.NotifyPath[0] != '/' {
			t.Fatalf("%+v", d.t)
		}
	})
}
