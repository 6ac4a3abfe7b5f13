package e2e

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/phone"
)

// do has a phone do a job as its app would, and wants the entries cleared.
func (w *world) do(p *phone.Phone, j phone.Job, pins ...string) (any, error) {
	w.Helper()
	var typed [][]byte
	for _, pin := range pins {
		typed = append(typed, []byte(pin))
	}
	out, err := p.Do(w.Context(), j, typed...)
	for _, b := range typed {
		if !bytes.Equal(b, make([]byte, len(b))) {
			w.Errorf("%s leaves the PIN in memory", j.Kind)
		}
	}
	return out, err
}

func (w *world) mustDo(p *phone.Phone, j phone.Job, pins ...string) any {
	w.Helper()
	out, err := w.do(p, j, pins...)
	if err != nil {
		w.Fatalf("%s: %v", j.Kind, err)
	}
	return out
}

// checks runs 检测 with one entry of the PIN and gives the outcomes by name.
func (w *world) checks(p *journey.Person, certificate string) map[string]string {
	w.Helper()
	items, err := p.Phone.BeginCheck(w.Context(), certificate)
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range w.mustDo(p.Phone, phone.Job{Kind: "check", Certificate: certificate, Items: items}, p.PIN).([]phone.Stage) {
		out[s.Name] = s.Outcome
	}
	return out
}

// TestAppsJobsFromTheFirstPINToTheLastRecovery walks every job of the app's
// worker (2.7.4, 2.7.8, 2.7.9, 2.8.7): the PIN is set and changed, a certificate
// installed, checked, used and revoked; then a new phone brings everything back
// with one entry of the PIN, the revoked certificate's encryption key too.
func TestAppsJobsFromTheFirstPINToTheLastRecovery(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := w.stranger()
	var stages []string
	p.Phone.Progress = func(s phone.Stage) { stages = append(stages, s.Name) }
	must(w.Register(ctx, p))
	must(w.Verify(ctx, p))
	ticket, code, err := w.Code(ctx, p.Phone, "pin", p.Number)
	must(err)
	setup, err := p.Phone.BeginPIN(ctx, ticket, code)
	must(err)
	if _, err := w.do(p.Phone, phone.Job{Kind: "setPIN", Setup: setup}, p.PIN, "640974"); !phone.IsCode(err, "pin_mismatch") {
		t.Errorf("a first PIN typed in two ways: %v", err)
	}
	w.mustDo(p.Phone, phone.Job{Kind: "setPIN", Setup: setup}, p.PIN, p.PIN) // with the same code
	first, err := w.Purchase(ctx, p, app.SandboxInstitution, w.client.Code(), 1)
	must(err)
	second, err := w.Purchase(ctx, p, app.SandboxInstitution, w.client.Code(), 1)
	must(err)
	stages = nil
	w.mustDo(p.Phone, phone.Job{Kind: "install", Certificate: first}, p.PIN)
	if want := []string{"proving", "making-keys", "requesting", "delivering", "issuing"}; !slices.Equal(stages, want) {
		t.Errorf("the stages of an installation: %v", stages)
	}
	w.mustDo(p.Phone, phone.Job{Kind: "install", Certificate: second}, p.PIN)

	good := map[string]string{"sign": "good", "decrypt": "good"}
	same := func(what string, got map[string]string) {
		t.Helper()
		if len(got) != len(good) || got["sign"] != "good" || got["decrypt"] != "good" {
			t.Errorf("%s: %v", what, got)
		}
	}
	same("the check after the installation", w.checks(p, first))
	items, err := p.Phone.BeginCheck(ctx, first)
	must(err)
	if _, err := w.do(p.Phone, phone.Job{Kind: "check", Certificate: first, Items: items}, "111222"); !phone.IsCode(err, "pin_wrong") {
		t.Errorf("a check with a wrong PIN: %v", err)
	}

	w.mustDo(p.Phone, phone.Job{Kind: "changePIN"}, p.PIN, "730194", "730194")
	p.PIN = "730194"
	w.mustDo(p.Phone, phone.Job{Kind: "settle"})
	same("the check after the change of PIN", w.checks(p, second))
	tx := w.beginLogin()
	s, err := w.Scanned(ctx, p, w.client, tx)
	must(err)
	signed := w.mustDo(p.Phone, phone.Job{Kind: "execute", Scan: &s, Certificate: chosenOf(t, s)}, p.PIN).(phone.Signed)
	if len(signed.M) == 0 || len(signed.Signature) == 0 {
		t.Errorf("the result of a login: %+v", signed)
	}
	w.mustDo(p.Phone, phone.Job{Kind: "revoke", Certificate: second, Reason: "unneeded"}, p.PIN)

	// A new phone.
	w.advance(61 * time.Second)
	fresh, err := w.NewPhone(nil)
	must(err)
	fresh.Now = w.Now // its clock runs with the house's
	must(w.SignIn(ctx, p, fresh))
	w.advance(61 * time.Second)
	ticket, code, err = w.Code(ctx, fresh, "recover", p.Number)
	must(err)
	r, err := fresh.StartRecovery(ctx, ticket, code)
	must(err)
	_, err = fresh.SendFace(ctx, "/recoveries", r.ID, journey.Video)
	must(err)
	_, err = fresh.AwaitRecovery(ctx, r.ID, "suspended")
	must(err)
	stages = nil
	fresh.Progress = func(s phone.Stage) { stages = append(stages, s.Name) }
	if _, err := w.do(fresh, phone.Job{Kind: "recover", Recovery: r.ID}, "640973", "640974"); !phone.IsCode(err, "pin_mismatch") {
		t.Errorf("a new PIN typed in two ways: %v", err)
	}
	w.mustDo(fresh, phone.Job{Kind: "recover", Recovery: r.ID}, "640973", "640973")
	p.Phone, p.PIN = fresh, "640973"
	if !slices.Contains(stages, "certificate") || !slices.Contains(stages, "redealing") {
		t.Errorf("the stages of a recovery: %v", stages)
	}
	if r, err = fresh.Recovery(ctx, r.ID); err != nil || r.State != "done" {
		t.Fatalf("the recovery is %+v, %v", r, err)
	}
	same("the check after the recovery", w.checks(p, first))
	if got := w.checks(p, second); got["decrypt"] != "good" {
		t.Errorf("the revoked certificate's encryption key after the recovery: %v", got)
	}
	w.mustDo(fresh, phone.Job{Kind: "resume", Recovery: r.ID}, p.PIN) // nothing is left
	w.mustDo(fresh, phone.Job{Kind: "changePIN"}, p.PIN, "820475", "820475")
	p.PIN = "820475"
	if got := w.checks(p, second); got["decrypt"] != "good" {
		t.Errorf("the revoked certificate's encryption key under the next PIN: %v", got)
	}

	for name, j := range map[string]phone.Job{
		"unknown": {Kind: "export"}, "no scan": {Kind: "execute", Certificate: first}, "not held": {Kind: "execute", Certificate: "elsewhere", Scan: &s},
	} {
		if _, err := w.do(fresh, j, p.PIN); err == nil {
			t.Errorf("%s: done", name)
		}
	}
}

func chosenOf(t *testing.T, s phone.Scan) string {
	t.Helper()
	chosen, ok := s.Chosen()
	if !ok {
		t.Fatalf("no certificate fits: %s", s.Gate)
	}
	return chosen
}

// lossy loses the answer to a change of PIN's last request, which has arrived.
type lossy struct{ phone.Transport }

func (l lossy) Send(ctx context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	status, answer, err := l.Transport.Send(ctx, method, path, contentType, body)
	if strings.HasSuffix(path, "/flip") {
		return 0, nil, errors.New("the connection broke")
	}
	return status, answer, err
}

// TestAChangeOfPINWhoseLastAnswerIsLostIsAskedFor: the phone does not guess which
// PIN is in force.
func TestAChangeOfPINWhoseLastAnswerIsLostIsAskedFor(t *testing.T) {
	w := sandbox(t)
	p, in := w.holder()
	p.Phone.Transport = lossy{p.Phone.Transport}
	w.mustDo(p.Phone, phone.Job{Kind: "changePIN"}, p.PIN, "730194", "730194")
	p.PIN = "730194"
	if got := w.checks(p, in.Certificate); got["sign"] != "good" || got["decrypt"] != "good" {
		t.Errorf("under the new PIN: %v", got)
	}
}
