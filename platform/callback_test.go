package platform_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
	"tianweitong/platform/platformtest"
)

// door is a receiver behind a real address, and what it handed over.
type door struct {
	*platform.Receiver
	got  []platform.Callback
	fail error
}

func open(t *testing.T, s *platformtest.Service) *door {
	t.Helper()
	d := &door{}
	d.Receiver = s.Client().Receiver("", func(_ context.Context, cb platform.Callback) error {
		d.got = append(d.got, cb)
		return d.fail
	})
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.URL = server.URL + "/notify"
	return d
}

func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestCallbackOfTheServiceIsHandedOverOnce(t *testing.T) {
	s := platformtest.New(t)
	d := open(t, s)
	tx := login(t, s.Client())
	req := s.Callback(d.URL, tx.ID, platform.Executed, nil)
	again := req.Clone(ctx)
	again.Body, _ = req.GetBody()
	if status, body := send(t, req); status != 200 || body != `{"ret":"0"}` {
		t.Fatalf("answered %d %s", status, body)
	}
	if len(d.got) != 1 || d.got[0].ID != tx.ID || d.got[0].State != platform.Executed || d.got[0].Seq != 1 || d.got[0].Type != platform.TypeLogin {
		t.Errorf("handed over %+v", d.got)
	}
	if status, body := send(t, again); status != http.StatusConflict || body != `{"ret":"1"}` {
		t.Errorf("replay answered %d %s", status, body)
	}
	if status, _ := send(t, s.Callback(d.URL, tx.ID, platform.Executed, nil)); status != 200 {
		t.Errorf("a retry, signed anew, answered %d", status)
	}
	if len(d.got) != 2 {
		t.Errorf("handed over %d times", len(d.got))
	}
}

func TestCallbackWithOneBrokenPartIsRefused(t *testing.T) {
	s := platformtest.New(t)
	d := open(t, s)
	var log bytes.Buffer
	d.Log = slog.New(slog.NewTextHandler(&log, nil))
	tx := login(t, s.Client())
	member := func(name string, value any) func() *http.Request {
		return func() *http.Request {
			return s.Callback(d.URL, tx.ID, platform.Executed, func(m map[string]any, _ *platformtest.Party) { m[name] = value })
		}
	}
	by := func(p platformtest.Party) func() *http.Request {
		return func() *http.Request {
			return s.Callback(d.URL, tx.ID, platform.Executed, func(_ map[string]any, signer *platformtest.Party) { *signer = p })
		}
	}
	header := func(name, value string) func() *http.Request {
		return func() *http.Request {
			r := s.Callback(d.URL, tx.ID, platform.Executed, nil)
			r.Header.Set(name, value)
			return r
		}
	}
	issue := func(h *pkitest.Hierarchy, role pki.Role) platformtest.Party {
		cert, key := h.CA.IssueRole(t, role)
		return platformtest.Party{Certificate: cert, Key: key}
	}
	stranger := pkitest.New(t)
	foreign := func() *http.Request {
		p := issue(stranger, pki.Service)
		r := by(p)()
		encode := base64.StdEncoding.EncodeToString
		r.Header.Set("Twt-Certificate", encode(p.Certificate.Raw)+","+encode(stranger.CA.Cert.Raw)+","+encode(stranger.Root.Cert.Raw))
		return r
	}
	for name, make := range map[string]func() *http.Request{
		"another platform":              member("platform", "M1100000035"),
		"another address":               member("url", "https://other.example/notify"),
		"another recipient":             member("recipient", pki.SM3.Sum([]byte("x"))),
		"no recipient":                  member("recipient", nil),
		"too old":                       member("time", s.Clock.Now().Add(-platform.MaxSkew-time.Second)),
		"from the future":               member("time", s.Clock.Now().Add(platform.MaxSkew+time.Second)),
		"short nonce":                   member("nonce", "1"),
		"long nonce":                    member("nonce", strings.Repeat("1", 129)),
		"foreign transaction":           member("tId", "M1100000035"+strings.Repeat("0", 32)),
		"no number":                     member("seq", 0),
		"no type":                       member("type", ""),
		"unknown state":                 member("state", "HACKED"),
		"number as text":                member("seq", "1"),
		"holder's certificate":          by(s.Holder),
		"platform's own certificate":    by(s.Platform),
		"timestamp authority's":         by(s.TSA),
		"seal maker's certificate":      by(issue(s.Authority, pki.SealMaker)),
		"certificate of strangers":      foreign,
		"certificate and another's key": by(platformtest.Party{Certificate: s.Own.Certificate, Key: s.Holder.Key}),
		"no signature":                  header("Twt-Signature", ""),
		"signature that is no base64":   header("Twt-Signature", "!"),
		"no certificate":                header("Twt-Certificate", ""),
		"certificate that is no base64": header("Twt-Certificate", "!"),
		"certificate without issuer":    header("Twt-Certificate", base64.StdEncoding.EncodeToString(s.Own.Certificate.Raw)),
		"too many certificates":         header("Twt-Certificate", strings.Repeat("MAA=,", 9)+"MAA="),
		"endless certificate header":    header("Twt-Certificate", strings.Repeat("A", 40<<10)),
		"altered body": func() *http.Request {
			r := s.Callback(d.URL, tx.ID, platform.Executed, nil)
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(append(body, ' ')))
			r.ContentLength++
			return r
		},
		"no JSON": func() *http.Request { return s.SignedCallback(d.URL, []byte("x"), s.Own) },
	} {
		if status, body := send(t, make()); status != http.StatusForbidden || body != `{"ret":"1"}` {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	if status, _ := send(t, s.SignedCallback(d.URL, bytes.Repeat([]byte(" "), 64<<10+1), s.Own)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("large body: %d", status)
	}
	if res, err := http.Get(d.URL); err != nil || res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v %v", res, err)
	}
	if len(d.got) != 0 {
		t.Errorf("handed over %+v", d.got)
	}
	if !strings.Contains(log.String(), "for another platform") {
		t.Error("the log does not say why")
	}
	if status, _ := send(t, s.Callback(d.URL, tx.ID, platform.Executed, nil)); status != 200 {
		t.Errorf("the honest callback: %d", status)
	}
}

func TestCallbackThatFailedIsAskedForAgain(t *testing.T) {
	s := platformtest.New(t)
	d := open(t, s)
	d.fail = errors.New("database away")
	tx := login(t, s.Client())
	if status, body := send(t, s.Callback(d.URL, tx.ID, platform.Executed, nil)); status != http.StatusInternalServerError || body != `{"ret":"1"}` {
		t.Errorf("answered %d %s", status, body)
	}
}

type brokenNonces struct{}

func (brokenNonces) Use(context.Context, string, time.Time) (bool, error) {
	return false, errors.New("away")
}

func TestCallbackIsRefusedWhenNoncesCannotBeKept(t *testing.T) {
	s := platformtest.New(t)
	d := open(t, s)
	d.Nonces = brokenNonces{}
	tx := login(t, s.Client())
	if status, _ := send(t, s.Callback(d.URL, tx.ID, platform.Executed, nil)); status != http.StatusServiceUnavailable || len(d.got) != 0 {
		t.Errorf("answered %d, handed over %v", status, d.got)
	}
}

func TestNonceIsRememberedAsLongAsItsCallbackIsAcceptable(t *testing.T) {
	s := platformtest.New(t)
	d := open(t, s)
	tx := login(t, s.Client())
	// Dated as far ahead as is accepted, so that it stays acceptable longest.
	future := s.Clock.Now().Add(platform.MaxSkew)
	req := s.Callback(d.URL, tx.ID, platform.Executed, func(m map[string]any, _ *platformtest.Party) { m["time"] = future })
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 11 {
		again := req.Clone(ctx)
		again.Body = io.NopCloser(bytes.NewReader(body))
		want := http.StatusConflict
		if i == 0 {
			want = http.StatusOK
		}
		if status, _ := send(t, again); status != want {
			t.Errorf("after %d minutes: %d, want %d", i, status, want)
		}
		s.Clock.Advance(time.Minute)
	}
	again := req.Clone(ctx)
	again.Body = io.NopCloser(bytes.NewReader(body))
	if status, _ := send(t, again); status != http.StatusForbidden {
		t.Errorf("out of its time: %d", status)
	}
}

func TestIssuerOfTheServiceMayBeKnownBeforehand(t *testing.T) {
	s := platformtest.New(t)
	cfg := s.Config()
	cfg.Issuers = []*smx509.Certificate{s.Authority.CA.Cert}
	v := client(t, cfg).Receiver("http://bid.example/notify", func(context.Context, platform.Callback) error { return nil })
	tx := login(t, s.Client())
	for signer, want := range map[*platformtest.Party]int{&s.Own: http.StatusOK, &s.Holder: http.StatusForbidden} {
		r := s.Callback(v.URL, tx.ID, platform.Executed, func(_ map[string]any, p *platformtest.Party) { *p = *signer })
		r.Header.Set("Twt-Certificate", base64.StdEncoding.EncodeToString(signer.Certificate.Raw))
		rec := httptest.NewRecorder()
		v.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("answered %d, want %d", rec.Code, want)
		}
	}
}
