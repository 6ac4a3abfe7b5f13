// Package noble_test lets a second implementation of the phone, on
// @noble/curves, go the person's path against a whole house: what two programs
// of different hands agree on is the protocol of docs/split-keys.md.
package noble_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tianweitong/internal/app"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/pki"
	"tianweitong/platform"
	"tianweitong/test/housetest"
)

// other is the running second phone.
type other struct {
	*testing.T
	in  io.Writer
	out *bufio.Scanner
}

type answer struct {
	Value     json.RawMessage `json:"value"`
	Error     string          `json:"error"`
	Code      string          `json:"code"`
	Remaining int             `json:"remaining"`
}

func start(t *testing.T, app, sandbox string) *other {
	t.Helper()
	web, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules/@noble/curves")); err != nil {
		if os.Getenv("TWT_REQUIRE_BROWSER") == "1" {
			t.Fatal("web/node_modules is not installed: run make build")
		}
		t.Skip("web/node_modules is not installed: run make build")
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(web, "noble/main.mjs"), app, sandbox)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // the test's context, which is over by now, may have ended it first
	})
	s := bufio.NewScanner(out)
	s.Buffer(nil, 8<<20)
	return &other{T: t, in: in, out: s}
}

func (o *other) ask(command map[string]any) answer {
	o.Helper()
	if err := json.NewEncoder(o.in).Encode(command); err != nil {
		o.Fatal(err)
	}
	if !o.out.Scan() {
		o.Fatalf("%v: the phone ended: %v", command["do"], o.out.Err())
	}
	var a answer
	if err := json.Unmarshal(o.out.Bytes(), &a); err != nil {
		o.Fatal(err)
	}
	return a
}

// does wants it to succeed and reads what comes back into value, if not nil.
func (o *other) does(value any, command map[string]any) {
	o.Helper()
	a := o.ask(command)
	if a.Error != "" {
		o.Fatalf("%v: %s", command["do"], a.Error)
	}
	if value != nil {
		if err := json.Unmarshal(a.Value, value); err != nil {
			o.Fatal(err)
		}
	}
}

// The whole person chain: key generation, PIN, installation with its trial
// decryption, login, a wrong PIN, a signature, a change of PIN over every key,
// and another signature under the new one.
func TestASecondImplementationGoesThePersonsPath(t *testing.T) {
	house := housetest.Start(t, housetest.Config(t, store.SQLite), app.Options{})
	w, err := journey.Discover(t.Context(), house.URLs().App, pki.Arc{})
	if err != nil {
		t.Fatal(err)
	}
	client, _, err := w.Platform(t.Context(), t.TempDir(), platform.Registration{Code: "M9900000002", Name: "测试交易平台（沙箱）", Region: "北京", Host: "bid.example.cn"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.NewPerson(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := start(t, house.URLs().App, house.URLs().Sandbox)

	o.does(nil, map[string]any{"do": "register", "number": p.Number})
	o.does(nil, map[string]any{"do": "realname", "name": p.Name, "idNumber": p.IDNumber, "video": journey.Video})
	o.does(nil, map[string]any{"do": "setPIN", "pin": "482915"})
	var bought struct{ Certificate string }
	o.does(&bought, map[string]any{"do": "buy", "institution": app.SandboxInstitution, "years": 1, "platform": client.Code()})
	o.does(nil, map[string]any{"do": "install", "certificate": bought.Certificate, "pin": "482915"})

	login := func() platform.Transaction {
		t.Helper()
		tx, err := client.BeginLogin(t.Context(), platform.LoginRequest{Request: request("登录测试平台")})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	sign := func() platform.Transaction {
		t.Helper()
		tx, err := client.BeginSign(t.Context(), platform.SignRequest{Request: request("签署投标函"), Document: []byte("我方愿以人民币一元整承包本工程（样例）。"), Name: "投标函.txt"})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	// confirmed scans and confirms; it returns the operation to answer.
	confirmed := func(tx platform.Transaction) string {
		t.Helper()
		qr, err := client.QR(t.Context(), tx)
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			ID      string
			AskCode bool
			OpID    string
		}
		o.does(&s, map[string]any{"do": "scan", "qr": qr.Text})
		code := ""
		if s.AskCode {
			st, err := client.Get(t.Context(), tx)
			if err != nil {
				t.Fatal(err)
			}
			code = st.Code
		}
		o.does(&s, map[string]any{"do": "confirm", "scan": s.ID, "certificate": bought.Certificate, "code": code})
		return s.OpID
	}
	holds := func(tx platform.Transaction) {
		t.Helper()
		r, err := w.Result(t.Context(), client, tx)
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			t.Fatal("no result")
		}
	}

	first := login()
	o.does(nil, map[string]any{"do": "execute", "opID": confirmed(first), "pin": "482915"})
	holds(first)

	second := sign()
	op := confirmed(second)
	if a := o.ask(map[string]any{"do": "execute", "opID": op, "pin": "482916"}); a.Code != "pin_wrong" || a.Remaining == 0 {
		t.Fatalf("a wrong PIN answers %+v", a)
	}
	o.does(nil, map[string]any{"do": "execute", "opID": op, "pin": "482915"})
	holds(second)

	o.does(nil, map[string]any{"do": "changePIN", "old": "482915", "pin": "739164"})
	third := sign()
	op = confirmed(third)
	if a := o.ask(map[string]any{"do": "execute", "opID": op, "pin": "482915"}); a.Code != "pin_wrong" {
		t.Fatalf("the old PIN answers %+v", a)
	}
	o.does(nil, map[string]any{"do": "execute", "opID": op, "pin": "739164"})
	holds(third)
}

func request(title string) platform.Request {
	return platform.Request{Title: title, Secret: make([]byte, 32), Browser: platform.Browser{UserAgent: "Mozilla/5.0", Address: "127.0.0.1"}}
}
