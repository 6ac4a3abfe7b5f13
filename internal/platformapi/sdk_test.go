package platformapi_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/platformapi/doortest"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
)

// sdk makes a client of the SDK for a newly registered platform, and a TSA behind
// the house that the client believes.
func (s *site) sdk(t *testing.T) *platform.Client {
	t.Helper()
	tsa, tsaKey := s.PKI.Root.IssueRole(t, pki.TSA)
	s.Stamp = func(imprint []byte) ([]byte, error) {
		serial, err := pki.NewSerial(rand.Reader)
		if err != nil {
			return nil, err
		}
		d, err := pki.NewTimestamp(pki.Arc{}, pki.TSAPolicyOf(pki.Arc{}, true), tsa, []*smx509.Certificate{s.PKI.Root.Cert}, serial, s.Clock.Now(),
			pki.TimestampRequest{Hash: pki.SM3, Imprint: imprint, WantCertificate: true})
		if err != nil {
			return nil, err
		}
		return d.Assemble(pkitest.Sign(t, tsaKey, d.ToBeSigned()))
	}
	key := pkitest.Key(t)
	tmpl := pkitest.Template(pki.PlatformSigning, key)
	tmpl.Subject.CommonName = s.platform.Code
	own := s.PKI.CA.Issue(t, tmpl)
	entry := s.platform.Platform
	entry.SignCertificate = own.Raw
	s.Directory.Put(entry)
	c, err := platform.New(platform.Config{
		BaseURL: s.http.URL, Code: s.platform.Code, SigningKey: key, Certificate: own, Roots: []*smx509.Certificate{s.PKI.Root.Cert},
		Sandbox: true, Clock: s.Clock, HTTP: http.DefaultClient, Poll: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The SDK that platforms use speaks to this door, and believes what it gives.
func TestSDKGoesThroughASignature(t *testing.T) {
	s := lite(t)
	c := s.sdk(t)
	if p, err := c.Platform(t.Context()); err != nil || p.Code != s.platform.Code || p.Host != "bid.example" {
		t.Fatalf("%+v, %v", p, err)
	}
	tx, err := c.BeginSign(t.Context(), platform.SignRequest{
		Request: platform.Request{
			Title: "签署投标函", Secret: []byte("0123456789abcdef"), Browser: platform.Browser{UserAgent: "Test/1", Address: office},
			ExpectedHolder: s.holder.ID, AskCode: true, NotifyPath: "/done",
		},
		Document: []byte("投标函"), Name: "投标函.txt",
	})
	if err != nil {
		t.Fatal(err)
	}
	var states []platform.State
	var last platform.Status
	for st, err := range c.Watch(t.Context(), tx) {
		if err != nil {
			t.Fatal(err)
		}
		states, last = append(states, st.State), st
		switch st.State {
		case platform.Created:
			q, err := c.QR(t.Context(), tx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Scans.Scan(t.Context(), s.holder.Holder, q.Text, office); err != nil {
				t.Fatal(err)
			}
		case platform.Scanned:
			seen, err := s.Scans.Confirm(t.Context(), s.holder.Holder, tx.ID, s.cert, st.Code)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Door.Enter(t.Context(), s.holder.Holder, seen.OpID); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := last.Result
	if r == nil || last.Outcome != platform.OK || string(r.Message) != "投标函" || r.Identity.Holder != s.holder.ID || r.Identity.Name != "王测试" {
		t.Fatalf("after %v: %+v", states, last)
	}
	cert, err := c.Certificate(t.Context(), r.Certificate.SerialNumber.Text(16))
	if err != nil || cert.State != "valid" {
		t.Fatalf("%+v, %v", cert, err)
	}
}

func TestSDKSeesRefusalsAndCancellations(t *testing.T) {
	s := lite(t)
	c := s.sdk(t)
	begin := func() platform.Transaction {
		tx, err := c.BeginLogin(t.Context(), platform.LoginRequest{Request: platform.Request{
			Title: "登录", Secret: []byte("0123456789abcdef"), Browser: platform.Browser{Address: office},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	see := func(tx platform.Transaction, state platform.State, o platform.Outcome) {
		t.Helper()
		st, err := c.Get(t.Context(), tx)
		if err != nil || st.State != state || st.Outcome != o {
			t.Fatalf("%+v, %v; want %s %s", st, err, state, o)
		}
	}
	tx := begin()
	see(tx, platform.Created, "")
	if err := c.Cancel(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	see(tx, platform.Cancelled, platform.Withdrawn)

	tx = begin()
	q, err := c.QR(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scans.Scan(t.Context(), s.holder.Holder, q.Text, office); err != nil {
		t.Fatal(err)
	}
	if err := s.Scans.Reject(t.Context(), s.holder.Holder, tx.ID); err != nil {
		t.Fatal(err)
	}
	see(tx, platform.Rejected, platform.UserRefused)
	var p *platform.Problem
	if err := c.Cancel(t.Context(), tx); !errors.As(err, &p) || p.Code != "scan_over" || p.Detail == "" {
		t.Fatalf("cancelling what is over: %v", err)
	}
	tx = begin()
	s.Clock.Advance(doortest.Noon.Add(time.Hour).Sub(doortest.Noon))
	see(tx, platform.Expired, platform.Timeout)
}
