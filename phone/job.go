package phone

import (
	"context"
	"errors"
	"fmt"

	"tianweitong/splitkey"
)

// Job is a task with the PIN as the app in a browser hands it to its worker; Kind
// says which of the other fields it wants.
type Job struct {
	Kind        string      `json:"kind"`
	Setup       string      `json:"setup"`
	Certificate string      `json:"certificate"`
	Reason      string      `json:"reason"`
	Recovery    string      `json:"recovery"`
	Enterprise  string      `json:"enterprise"`
	Member      string      `json:"member"`
	Items       []CheckItem `json:"items"`
	Scan        *Scan       `json:"scan"`
}

// entries is how many PINs a job of each kind takes.
var entries = map[string]int{
	"setPIN": 2, "changePIN": 3, "install": 1, "execute": 1, "revoke": 1, "check": 1, "recover": 2, "resume": 1, "settle": 0, "transfer": 1,
}

// Do does a job with the entries of the PIN in the order of the sheet: the old
// one first, the new one, the new one again. The entries are cleared. The result
// is what the screen shows next: of execute a Signed, of install the Installed, of
// check the lines; else nil.
func (p *Phone) Do(ctx context.Context, j Job, pins ...[]byte) (any, error) {
	defer func() {
		for _, pin := range pins {
			clear(pin)
		}
	}()
	want, known := entries[j.Kind]
	if !known || len(pins) != want {
		return nil, fmt.Errorf("%w: job %q with %d entries", ErrJob, j.Kind, len(pins))
	}
	e := make([]*Entry, len(pins))
	for i, pin := range pins {
		e[i] = p.enter(pin)
		defer e[i].Wipe()
	}
	switch j.Kind {
	case "setPIN":
		return nil, p.setPIN(ctx, j.Setup, e[0], e[1])
	case "changePIN":
		if string(pins[1]) != string(pins[2]) {
			return nil, fmt.Errorf("%w: the new PIN was typed in two ways", ErrJob)
		}
		return nil, p.changePIN(ctx, e[0], e[1])
	case "install":
		return p.install(ctx, j.Certificate, e[0])
	case "execute":
		if j.Scan == nil {
			return nil, fmt.Errorf("%w: nothing to execute", ErrJob)
		}
		s := *j.Scan
		s.chosen = j.Certificate
		return p.execute(ctx, s, e[0])
	case "revoke":
		return nil, p.revoke(ctx, j.Certificate, j.Reason, e[0])
	case "transfer":
		return nil, p.transfer(ctx, j.Enterprise, j.Member, e[0])
	case "check":
		return p.check(ctx, j.Certificate, j.Items, e[0])
	case "recover":
		return nil, p.recover(ctx, j.Recovery, e[0], e[1])
	case "resume":
		return nil, p.bringBack(ctx, j.Recovery, e[0])
	}
	return nil, p.Settle(ctx)
}

// ErrJob: the app asks for something that its phone does not know.
var ErrJob = errors.New("phone: not a job of this phone")

// WeakPIN says in Chinese why a new PIN is refused; "" if it is not.
func WeakPIN(pin []byte) string {
	switch err := splitkey.CheckPIN(string(pin), "", ""); {
	case err == nil:
		return ""
	case errors.Is(err, splitkey.ErrPINDate):
		return "PIN 码不能是日期，请换一个更难猜到的 PIN 码。"
	case errors.Is(err, splitkey.ErrPINFormat):
		return "PIN 码须为 6 位数字。"
	}
	return "该 PIN 码过于常见，请换一个更难猜到的 PIN 码。"
}

// Explain gives the problem behind an error of Do: the server's refusal as it
// came, or a code of the phone itself.
func Explain(err error) *Problem {
	var refused *Problem
	if errors.As(err, &refused) {
		return refused
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{ErrKeyLost, "key_lost"}, {ErrStorage, "storage_failed"}, {ErrUntrusted, "server_untrusted"}, {ErrMismatch, "message_mismatch"},
		{splitkey.ErrProof, "server_untrusted"}, {splitkey.ErrSealed, "answer_unreadable"}, {ErrAnswer, "answer_unreadable"},
		{ErrVoid, "installation_void"}, {context.DeadlineExceeded, "server_slow"},
		{splitkey.ErrPINFormat, "pin_weak"}, {splitkey.ErrPINCommon, "pin_weak"}, {splitkey.ErrPINDate, "pin_weak"},
	} {
		if errors.Is(err, known.err) {
			return &Problem{Code: known.code}
		}
	}
	return &Problem{Code: "core_failed"}
}
