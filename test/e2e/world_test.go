package e2e

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/internal/store"
	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
	"tianweitong/test/housetest"
)

// world is a serving house with one trading platform.
type world struct {
	*journey.World
	*testing.T
	house  *housetest.House
	client *platform.Client
	cred   platform.Credentials
}

func open(t *testing.T, c config.Config) *world {
	t.Helper()
	w := &world{T: t, house: housetest.Start(t, c, app.Options{})}
	var err error
	if w.World, err = journey.Discover(t.Context(), w.house.URLs().App, pki.Arc{}); err != nil {
		t.Fatal(err)
	}
	w.client, w.cred = w.platform("M9900000001", "测试交易平台（沙箱）")
	return w
}

// sandbox is a world on SQLite: for rules that no store decides.
func sandbox(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return sandboxOf(t)
}

func sandboxOf(t *testing.T) *world {
	t.Helper()
	return open(t, housetest.Config(t, store.SQLite))
}

func (w *world) platform(code, name string) (*platform.Client, platform.Credentials) {
	w.Helper()
	c, cred, err := w.Platform(w.Context(), filepath.Join(w.TempDir(), code), platform.Registration{
		Code: code, Name: name, Region: "北京", Host: "bid.example.cn",
	})
	if err != nil {
		w.Fatal(err)
	}
	return c, cred
}

// stranger has a phone and nothing else.
func (w *world) stranger() *journey.Person {
	w.Helper()
	p, err := w.NewPerson(nil)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// holder has an installed certificate.
func (w *world) holder() (*journey.Person, phone.Installed) {
	w.Helper()
	p := w.stranger()
	in, err := w.Enrol(w.Context(), p, app.SandboxInstitution, w.client.Code())
	if err != nil {
		w.Fatal(err)
	}
	return p, in
}

func (w *world) advance(d time.Duration) {
	w.Helper()
	if err := w.Advance(w.Context(), d); err != nil {
		w.Fatal(err)
	}
}

func request(title string) platform.Request {
	return platform.Request{Title: title, Secret: make([]byte, 32), Browser: platform.Browser{UserAgent: "Mozilla/5.0", Address: "127.0.0.1"}}
}

func (w *world) beginLogin() platform.Transaction {
	w.Helper()
	tx, err := w.client.BeginLogin(w.Context(), platform.LoginRequest{Request: request("登录测试平台")})
	if err != nil {
		w.Fatal(err)
	}
	return tx
}

func (w *world) beginSign() platform.Transaction {
	w.Helper()
	tx, err := w.client.BeginSign(w.Context(), platform.SignRequest{Request: request("签署投标函"), Document: document, Name: "投标函.txt"})
	if err != nil {
		w.Fatal(err)
	}
	return tx
}

func (w *world) qr(tx platform.Transaction) string {
	w.Helper()
	qr, err := w.client.QR(w.Context(), tx)
	if err != nil {
		w.Fatal(err)
	}
	return qr.Text
}

func (w *world) status(tx platform.Transaction) platform.Status {
	w.Helper()
	st, err := w.client.Get(w.Context(), tx)
	if err != nil {
		w.Fatal(err)
	}
	return st
}

// confirmed takes a fresh signature up to the PIN pad.
func (w *world) confirmed(p *journey.Person) (platform.Transaction, phone.Scan) {
	w.Helper()
	tx := w.beginSign()
	s, err := w.Scanned(w.Context(), p, w.client, tx)
	if err != nil {
		w.Fatal(err)
	}
	return tx, s
}

// signs is a whole signature.
func (w *world) signs(p *journey.Person) {
	w.Helper()
	if _, err := w.Signature(w.Context(), p, w.client, w.beginSign()); err != nil {
		w.Fatal(err)
	}
}

// refused holds an error to a refusal of the server and returns it.
func refused(t *testing.T, err error, status int, code string) *phone.Problem {
	t.Helper()
	var p *phone.Problem
	if !errors.As(err, &p) || p.Code != code || p.Status != status {
		t.Fatalf("got %v, want %s (%d)", err, code, status)
	}
	if p.Detail == "" || p.Instance == "" {
		t.Errorf("%s says %q, instance %q", code, p.Detail, p.Instance)
	}
	return p
}

func parse(t *testing.T, der []byte) *smx509.Certificate {
	t.Helper()
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sound waits until fsck finds nothing: the audit chain is half a second behind,
// and much more when the clock was moved.
func sound(t *testing.T, h *housetest.House) {
	t.Helper()
	var findings []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("fsck: %q", findings)
		}
	})
	eventually(t, "fsck finds nothing", func(ctx context.Context) bool {
		report, err := h.Fsck(ctx)
		if err == nil {
			findings = report.Findings
		}
		return err == nil && len(findings) == 0
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, f func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		case <-tick.C:
		}
	}
}

// quiet is a log that nobody reads.
func quiet(testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
