package audit

import (
	"errors"
	"testing"
	"time"
)

func TestASearchFitsWhatItNames(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	e := Entry{Kind: "console.signed_in", Actor: "officer:1", Subject: "1", At: noon}
	for _, x := range []struct {
		s    Search
		want bool
	}{
		{Search{}, true},
		{Search{Kind: "console."}, true},
		{Search{Kind: "console"}, false},
		{Search{Kind: "console.signed_in", Actor: "officer:1", Subject: "1"}, true},
		{Search{Actor: "officer:2"}, false},
		{Search{Subject: "2"}, false},
		{Search{From: noon, To: noon.Add(time.Millisecond)}, true},
		{Search{To: noon}, false},
		{Search{From: noon.Add(time.Millisecond)}, false},
	} {
		if got := x.s.Fits(e); got != x.want {
			t.Errorf("%+v: %v", x.s, got)
		}
	}
}

func FuzzReadCursor(f *testing.F) {
	for _, s := range []string{"", ".", "0.", "1795435260000.01a20a241029", "-1.x", "9223372036854775808.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, id, err := ReadCursor(s)
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Fatal(err)
			}
			return
		}
		if again, same, err := ReadCursor(Cursor(Entry{ID: id, At: at})); err != nil || !again.Equal(at) || same != id {
			t.Fatalf("%q reads as %v %q", s, at, id)
		}
	})
}
