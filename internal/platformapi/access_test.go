package platformapi

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

func TestReadingsOfOnePlatformLeaveRoomForTheOthers(t *testing.T) {
	w := window{most: 6, each: 3}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	n := uint64(0)
	take := func(platform string, at time.Time) error {
		n++
		var nonce [16]byte
		binary.BigEndian.PutUint64(nonce[:], n)
		return w.take(platform, nonce, at, now)
	}
	for i := range 3 { // of different minutes
		if err := take("A", now.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if err := take("A", now); !errors.Is(err, CodeTooMany) {
		t.Errorf("a fourth of one platform: %v", err)
	}
	for range 3 {
		if err := take("B", now); err != nil {
			t.Errorf("another platform: %v", err)
		}
	}
	if err := take("C", now); !errors.Is(err, CodeTooMany) {
		t.Errorf("beyond what all may have: %v", err)
	}
	now = now.Add(Skew + 90*time.Second) // the first minute has gone
	for _, platform := range []string{"A", "B"} {
		if err := take(platform, now); err != nil {
			t.Errorf("later, %s: %v", platform, err)
		}
	}
	var nonce [16]byte
	if w.take("C", nonce, now, now) != nil || !errors.Is(w.take("C", nonce, now, now), CodeReplayed) {
		t.Error("a nonce served twice")
	}
	if err := w.take("B", nonce, now, now); err != nil {
		t.Errorf("one platform's nonce is another's: %v", err)
	}
}
