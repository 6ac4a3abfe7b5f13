// Package journey walks a person's path through the house from the outside,
// over HTTP only: the demo, the load generator and the end-to-end tests share
// its steps. It needs a sandbox (沙箱), because it reads the SMS inbox and
// presses the payment counter's buttons.
package journey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
)

// World is a running sandbox as strangers see it.
type World struct {
	// Server is the app API's address.
	Server string
	HTTP   *http.Client
	Env    phone.Environment
	Arc    pki.Arc
	ahead  atomic.Int64 // the sandbox's clock minus ours, ns
}

// Now is the sandbox's time; platforms of a journey sign their requests by it.
func (w *World) Now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// Discover asks a server for its environment. A server that is no sandbox is an
// error: the journey could not read its SMS.
func Discover(ctx context.Context, server string, arc pki.Arc) (*World, error) {
	return DiscoverBy(ctx, &http.Client{Timeout: 60 * time.Second}, server, arc)
}

// DiscoverBy is Discover by a client of the caller's, for a server whose
// certificate the machine does not know.
func DiscoverBy(ctx context.Context, h *http.Client, server string, arc pki.Arc) (*World, error) {
	w := &World{Server: strings.TrimSuffix(server, "/"), HTTP: h, Arc: arc}
	p, err := phone.New(phone.Options{Server: w.Server, HTTP: w.HTTP})
	if err != nil {
		return nil, err
	}
	if w.Env, err = p.Environment(ctx); err != nil {
		return nil, err
	}
	if !w.Env.Sandbox || w.Env.SandboxURL == "" {
		return nil, errors.New("journey: the server is no sandbox")
	}
	w.ahead.Store(int64(time.Until(w.Env.ServerTime)))
	return w, nil
}

// Person is made up: a number from a test range, a name, an ID number with a
// right check digit.
type Person struct {
	Name, IDNumber, Number, PIN string
	Phone                       *phone.Phone
}

// given are the made-up names; no two neighbours look alike.
var given = []string{"测试甲", "测试乙", "测试丙", "测试丁", "测试戊", "测试己", "测试庚", "测试辛"}

// NewPerson makes up a person with a fresh phone; store nil is memory.
func (w *World) NewPerson(store phone.Store) (*Person, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(b[:])
	p := &Person{
		Name:     given[n%uint64(len(given))],
		Number:   fmt.Sprintf("199%08d", n%100_000_000),
		IDNumber: idNumber(n / 7),
		PIN:      "271942",
	}
	var err error
	p.Phone, err = w.NewPhone(store)
	return p, err
}

// NewPhone is another device out of the box.
func (w *World) NewPhone(store phone.Store) (*phone.Phone, error) {
	return phone.New(phone.Options{Server: w.Server, HTTP: w.HTTP, Store: store, Arc: w.Arc, Sandbox: w.Env.Sandbox})
}

// idNumber makes an ID number of a place that does not exist (区划 999999) with
// the check digit of GB 11643.
func idNumber(n uint64) string {
	day := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n%14000))
	s := fmt.Sprintf("999999%s%03d", day.Format("20060102"), n/14000%1000)
	weights := []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, x := range weights {
		sum += int(s[i]-'0') * x
	}
	return s + string("10X98765432"[sum%11])
}

// Code gets an SMS code sent and reads it from the sandbox's inbox.
func (w *World) Code(ctx context.Context, p *phone.Phone, purpose, number string) (ticket, code string, err error) {
	before, err := w.inbox(ctx, number)
	if err != nil {
		return "", "", err
	}
	given := number
	if !slices.Contains([]string{"login", "password-reset", "phone-new", "legal"}, purpose) {
		given = ""
	}
	t, err := p.RequestCode(ctx, purpose, given, phone.Solved{})
	if phone.IsCode(err, "captcha_required") {
		var solved phone.Solved
		if solved, err = w.slide(ctx, p); err == nil {
			t, err = p.RequestCode(ctx, purpose, given, solved)
		}
	}
	if err != nil {
		return "", "", err
	}
	code, err = w.arrived(ctx, number, len(before))
	return t.Ticket, code, err
}

// slide solves a captcha as no phone can: the sandbox tells where the piece belongs.
func (w *World) slide(ctx context.Context, p *phone.Phone) (phone.Solved, error) {
	c, err := p.Captcha(ctx)
	if err != nil {
		return phone.Solved{}, err
	}
	solved := phone.Solved{ID: c.ID}
	return solved, w.call(ctx, http.MethodGet, w.Env.SandboxURL+"/sandbox/captcha/"+c.ID, nil, &solved)
}

type sms struct {
	Template string            `json:"template"`
	Params   map[string]string `json:"params"`
}

func (w *World) inbox(ctx context.Context, number string) ([]sms, error) {
	var out []sms
	return out, w.call(ctx, http.MethodGet, w.Env.SandboxURL+"/sandbox/sms?phone="+url.QueryEscape(number), nil, &out)
}

// arrived waits for a message with a code beyond the first n.
func (w *World) arrived(ctx context.Context, number string, n int) (string, error) {
	return w.awaitText(ctx, number, n, func(m sms) string { return m.Params["code"] })
}

// awaitText waits for a message beyond the first n in which pick finds something.
func (w *World) awaitText(ctx context.Context, number string, n int, pick func(sms) string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		all, err := w.inbox(ctx, number)
		if err != nil {
			return "", err
		}
		for _, m := range all[:max(0, len(all)-n)] { // newest first
			if found := pick(m); found != "" {
				return found, nil
			}
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return "", fmt.Errorf("journey: no SMS arrived: %w", err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Press presses a button of the sandbox's payment counter: pay, fail,
// pay-twice, late, silent.
func (w *World) Press(ctx context.Context, cashier, button string) error {
	return w.call(ctx, http.MethodPost, cashier+"/"+button, struct{}{}, nil)
}

// Advance moves the sandbox's clock forward.
func (w *World) Advance(ctx context.Context, d time.Duration) error {
	err := w.call(ctx, http.MethodPost, w.Env.SandboxURL+"/sandbox/clock", map[string]any{"advanceSeconds": int64(d / time.Second)}, nil)
	if err == nil {
		w.ahead.Add(int64(d.Truncate(time.Second)))
	}
	return err
}

// Outcome sets what the next identity check answers: approve, refuse, timeout.
func (w *World) Outcome(ctx context.Context, outcome string) error {
	return w.call(ctx, http.MethodPost, w.Env.SandboxURL+"/sandbox/idcheck/next", map[string]string{"outcome": outcome}, nil)
}

func (w *World) call(ctx context.Context, method, address string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := w.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("journey: %s %s: %s: %s", method, address, res.Status, bytes.TrimSpace(b))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// Platform registers a made-up trading platform with the sandbox and returns a
// client for it. Keys and certificates are kept in dir.
func (w *World) Platform(ctx context.Context, dir string, r platform.Registration) (*platform.Client, platform.Credentials, error) {
	cred, err := platform.Register(ctx, w.HTTP, w.Env.SandboxURL, dir, r, rand.Reader)
	if err != nil {
		return nil, cred, err
	}
	c, err := platform.New(platform.Config{
		BaseURL: w.Env.Platform, Code: r.Code, SigningKey: cred.Keys.Signing, Certificate: cred.Certificate,
		Roots: cred.Roots, Sandbox: true, Arc: w.Arc, HTTP: w.HTTP, Clock: w,
	})
	return c, cred, err
}
