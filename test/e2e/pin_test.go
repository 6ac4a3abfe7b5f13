package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/journey"
	"tianweitong/phone"
	"tianweitong/platform"
)

const wrongPIN = "111222"

// guess enters a wrong PIN into a fresh transaction and gives what the server
// said; nothing may come of it.
func (w *world) guess(p *journey.Person) *phone.Problem {
	w.Helper()
	tx, s := w.confirmed(p)
	_, err := p.Phone.Execute(w.Context(), s, wrongPIN)
	problem := refused(w.T, err, http.StatusForbidden, "pin_wrong")
	if st := w.status(tx); st.State != platform.Ready || st.Result != nil {
		w.Errorf("after a wrong PIN the transaction is %s", st.State)
	}
	return problem
}

func (w *world) remaining(p *journey.Person) int {
	w.Helper()
	st, err := p.Phone.PIN(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return st.Remaining
}

// messages are the SMS of a number whose template has a prefix.
func (w *world) messages(number, template string) (n int) {
	w.Helper()
	_, body := get(w.T, w.Env.SandboxURL+"/sandbox/sms?phone="+number)
	var all []struct{ Template string }
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		w.Fatal(err)
	}
	for _, m := range all {
		if strings.HasPrefix(m.Template, template) {
			n++
		}
	}
	return n
}

// TestWrongPINsClimbTheLadder: 1, 5, 8 and 10 in a row with what each brings, the
// clock past each lock in between (docs/domain.md §3.8).
func TestWrongPINsClimbTheLadder(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()

	// A right PIN between wrong ones starts the run anew.
	for range 4 {
		w.guess(p)
	}
	w.signs(p)
	if n := w.remaining(p); n != 10 {
		t.Fatalf("after a right PIN %d tries remain", n)
	}

	texts := w.messages(p.Number, "notice")
	opened := w.house.Clock.Now()
	for n := 1; n <= 10; n++ {
		problem := w.guess(p)
		if got := problem.Members["remaining"]; got != float64(10-n) {
			t.Fatalf("wrong PIN %d: %v remain", n, got)
		}
		until, timed := problem.Members["lockedUntil"].(string)
		final, _ := problem.Members["locked"].(bool)
		var pause time.Duration
		switch n {
		case 5:
			pause = 30 * time.Minute
		case 8:
			pause = 24 * time.Hour
		}
		if timed != (pause > 0) || final != (n == 10) {
			t.Fatalf("wrong PIN %d: %v", n, problem.Members)
		}
		if pause == 0 {
			continue
		}
		end, err := time.Parse(time.RFC3339, until)
		if now := w.house.Clock.Now(); err != nil || end.Before(opened.Add(pause-time.Second)) || end.After(now.Add(pause)) {
			t.Fatalf("wrong PIN %d locks until %s, %v", n, until, err)
		}
		w.locked(p, until)
		w.advance(end.Sub(w.house.Clock.Now()) - 10*time.Second)
		w.locked(p, until)
		w.advance(12 * time.Second) // the sandbox moves by whole seconds
		opened = w.house.Clock.Now()
	}
	eventually(t, "the owner is told", func(context.Context) bool { return w.messages(p.Number, "notice") > texts })

	// The end: the right PIN is refused like any other, for good.
	w.advance(31 * 24 * time.Hour)
	if err := w.SignIn(ctx, p, p.Phone); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Phone.PIN(ctx); err != nil || !st.Locked || st.Remaining != 0 {
		t.Errorf("the PIN is %+v, %v", st, err)
	}
	tx := w.beginSign()
	s, err := p.Phone.ScanQR(ctx, w.qr(tx))
	if err != nil || s.Gate != "PIN_LOCKED" {
		t.Fatalf("the gate is %s, %v", s.Gate, err)
	}
	chosen, _ := s.Chosen()
	_, err = p.Phone.Confirm(ctx, s, chosen, w.status(tx).Code)
	refused(t, err, http.StatusLocked, "pin_locked")

	// Only a re-key leads on.
	if err := w.Recover(ctx, p, p.Phone, "730194"); err != nil {
		t.Fatal(err)
	}
	certs, err := p.Phone.Certificates(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Phone.Install(ctx, certs[0].ID, p.PIN); err != nil {
		t.Fatal(err)
	}
	w.signs(p)
}

// locked: neither the right PIN nor a new transaction gets past a timed lock.
func (w *world) locked(p *journey.Person, until string) {
	w.Helper()
	tx := w.beginSign()
	s, err := p.Phone.ScanQR(w.Context(), w.qr(tx))
	if err != nil || s.Gate != "PIN_LOCKED" {
		w.Fatalf("the gate is %s, %v", s.Gate, err)
	}
	chosen, _ := s.Chosen()
	_, err = p.Phone.Confirm(w.Context(), s, chosen, w.status(tx).Code)
	if got := refused(w.T, err, http.StatusLocked, "pin_locked_for"); got.Members["lockedUntil"] != until {
		w.Errorf("locked until %v, want %s", got.Members["lockedUntil"], until)
	}
}

// TestLockFallsOnWhatIsConfirmedAlready: a transaction that was confirmed before
// the lock gets no nonce during it.
func TestLockFallsOnWhatIsConfirmedAlready(t *testing.T) {
	w := sandbox(t)
	p, _ := w.holder()
	_, waiting := w.confirmed(p)
	for range 5 {
		w.guess(p)
	}
	_, err := p.Phone.Execute(t.Context(), waiting, p.PIN)
	refused(t, err, http.StatusLocked, "pin_locked_for")
}
