package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/phone"
	"tianweitong/test/replay"
)

// taping writes a phone's work down. What its transport needs for itself,
// randomness and time for signing requests, stays off the tape.
type taping struct {
	phone.Transport
	tape    replay.Tape
	stream  replay.Stream
	sending bool
}

// tapeOf begins the tape of a phone.
func tapeOf(p *phone.Phone, store phone.Store, t *testing.T) *taping {
	t.Helper()
	r := &taping{Transport: p.Transport}
	r.tape.Thumbprint = p.Thumbprint
	var err error
	if r.tape.Before, err = store.Load(); err != nil {
		t.Fatal(err)
	}
	r.tape.Before.DeviceKey, r.tape.Before.Token, r.tape.Before.Nonce = nil, "", nil
	p.Transport, p.Rand, p.Now = r, r, r.now
	p.Progress = func(s phone.Stage) { r.tape.Stages = append(r.tape.Stages, s) }
	return r
}

// Send implements phone.Transport.
func (r *taping) Send(ctx context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	r.sending = true
	defer func() { r.sending = false }()
	status, answer, err := r.Transport.Send(ctx, method, path, contentType, body)
	if err == nil {
		r.tape.Calls = append(r.tape.Calls, replay.Call{Method: method, Path: path, ContentType: contentType, Body: body, Status: status, Answer: answer})
	}
	return status, answer, err
}

// Read is the phone's randomness.
func (r *taping) Read(b []byte) (int, error) {
	if r.sending {
		return rand.Read(b)
	}
	return r.stream.Read(b)
}

func (r *taping) now() time.Time {
	t := time.Now()
	if !r.sending {
		r.tape.Nows = append(r.tape.Nows, t.UnixNano())
	}
	return t
}

// TestABrowsersPhoneSendsAndKeepsTheSameBytes: a phone sets a PIN, installs a
// certificate, logs in, is checked and changes its PIN against a house; then the
// same inputs are given to a native phone and to one in WebAssembly, and every
// byte that they send and keep is the same.
func TestABrowsersPhoneSendsAndKeepsTheSameBytes(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	memory := new(phone.Memory)
	p, err := w.NewPerson(memory)
	must(err)
	must(w.Register(ctx, p))
	must(w.Verify(ctx, p))
	p.Phone, err = w.NewPhone(memory) // one that knows no name, as a browser's
	must(err)
	r := tapeOf(p.Phone, memory, t)
	do := func(j phone.Job, pins ...string) {
		t.Helper()
		r.tape.Jobs = append(r.tape.Jobs, replay.Job{Job: j, Pins: pins})
		w.mustDo(p.Phone, j, pins...)
	}
	// What a browser's screens ask for themselves is not the core's.
	aside := func(f func()) {
		calls, nows := len(r.tape.Calls), len(r.tape.Nows)
		f()
		r.tape.Calls, r.tape.Nows = r.tape.Calls[:calls], r.tape.Nows[:nows]
	}
	var setup, certificate string
	var s phone.Scan
	var items []phone.CheckItem
	aside(func() {
		ticket, code, err := w.Code(ctx, p.Phone, "pin", p.Number)
		must(err)
		setup, err = p.Phone.BeginPIN(ctx, ticket, code)
		must(err)
	})
	do(phone.Job{Kind: "setPIN", Setup: setup}, p.PIN, p.PIN)
	aside(func() {
		certificate, err = w.Purchase(ctx, p, app.SandboxInstitution, w.client.Code(), 1)
		must(err)
	})
	do(phone.Job{Kind: "install", Certificate: certificate}, p.PIN)
	aside(func() { s = scanned(ctx, w, p) })
	do(phone.Job{Kind: "execute", Scan: &s, Certificate: certificate}, p.PIN)
	aside(func() {
		items, err = p.Phone.BeginCheck(ctx, certificate)
		must(err)
	})
	do(phone.Job{Kind: "check", Certificate: certificate, Items: items}, p.PIN)
	do(phone.Job{Kind: "changePIN"}, p.PIN, "730194", "730194")
	if r.tape.After, err = memory.Load(); err != nil {
		t.Fatal(err)
	}
	r.tape.After.DeviceKey, r.tape.After.Token, r.tape.After.Nonce = nil, "", nil

	tape, err := json.Marshal(r.tape)
	must(err)
	var played replay.Tape
	must(json.Unmarshal(tape, &played))
	if err := replay.Play(played); err != nil {
		t.Fatalf("a native phone: %v", err)
	}
	for _, c := range played.Calls {
		if len(c.Body) > 0 {
			c.Body[0] ^= 1
		}
	}
	if replay.Play(played) == nil {
		t.Fatal("another request passes for the same: the test proves nothing")
	}

	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("TWT_REQUIRE_BROWSER") == "1" {
			t.Fatal("node is missing, so WebAssembly was not compared: make setup")
		}
		t.Skip("node is missing, so WebAssembly is not compared: make setup")
	}
	dir := t.TempDir()
	must(os.WriteFile(filepath.Join(dir, "tape.json"), tape, 0o600))
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "player.wasm"), "tianweitong/test/replay/player")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building for WebAssembly: %v\n%s", err, out)
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	must(err)
	out, err := exec.CommandContext(ctx, node, filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/wasm_exec_node.js"),
		filepath.Join(dir, "player.wasm"), filepath.Join(dir, "tape.json")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "the same" {
		t.Fatalf("a phone in WebAssembly: %v\n%s", err, out)
	}
}

func scanned(ctx context.Context, w *world, p *journey.Person) phone.Scan {
	w.Helper()
	s, err := w.Scanned(ctx, p, w.client, w.beginLogin())
	if err != nil {
		w.Fatal(err)
	}
	return s
}
