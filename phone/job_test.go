package phone

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tianweitong/splitkey"
)

// TestOnlyARefusalVoidsAKey: a key whose proof was answered by nobody may be in
// force already, and stays.
func TestOnlyARefusalVoidsAKey(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&Problem{Status: 409, Code: "pin_mismatch"}, true},
		{fmt.Errorf("wrapped: %w", &Problem{Status: 403, Code: "pin_wrong"}), true},
		{&Problem{Status: 503, Code: "http_503"}, false},
		{&Problem{Status: 0, Code: "network_failed"}, false}, // as a browser tells it
		{errors.New("connection reset"), false},
	} {
		if got := refusal(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestEveryErrorHasAWordForTheScreen: the server's own, or one that the app has a
// sentence for.
func TestEveryErrorHasAWordForTheScreen(t *testing.T) {
	for want, err := range map[string]error{
		"pin_wrong":         fmt.Errorf("x: %w", &Problem{Status: 403, Code: "pin_wrong"}),
		"key_lost":          fmt.Errorf("x: %w", ErrKeyLost),
		"storage_failed":    errors.Join(ErrStorage, errors.New("quota")),
		"server_untrusted":  errors.Join(ErrUntrusted, errors.New("chain")),
		"message_mismatch":  fmt.Errorf("%w: y", ErrMismatch),
		"answer_unreadable": splitkey.ErrSealed,
		"installation_void": ErrVoid,
		"server_slow":       context.DeadlineExceeded,
		"pin_weak":          splitkey.ErrPINDate,
		"core_failed":       errors.New("anything"),
	} {
		if got := Explain(err); got.Code != want {
			t.Errorf("%v is told as %s, want %s", err, got.Code, want)
		}
	}
	for _, pin := range []string{"123456", "20011", "010203", "199012"} {
		if WeakPIN([]byte(pin)) == "" {
			t.Errorf("%s is no weak PIN", pin)
		}
	}
	if s := WeakPIN([]byte("271942")); s != "" {
		t.Errorf("a good PIN: %s", s)
	}
}

// TestAJobTakesItsEntriesAndClearsThem also when it is refused.
func TestAJobTakesItsEntriesAndClearsThem(t *testing.T) {
	p := against(t, nil)
	for _, j := range []Job{{Kind: "install"}, {Kind: "changePIN"}, {Kind: "other"}, {Kind: "settle"}, {}} {
		a, b := []byte("271942"), []byte("730194")
		if _, err := p.Do(context.Background(), j, a, b); !errors.Is(err, ErrJob) {
			t.Errorf("job %q with two entries: %v", j.Kind, err)
		}
		if string(a) != "\x00\x00\x00\x00\x00\x00" || string(b) != string(a) {
			t.Errorf("job %q leaves its entries", j.Kind)
		}
	}
	if _, err := p.Do(context.Background(), Job{Kind: "settle"}); err != nil {
		t.Errorf("nothing to settle: %v", err)
	}
}
