package e2e

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"tianweitong/platform"
)

// TestScannedLoginWaitsForTheReKeyAndGoesOn: row 2.8.7 without screens. The
// bidder's phone has lost its keys; he scans, is told, re-keys, and the very same
// login goes on while the platform's page shows 恢复中.
func TestScannedLoginWaitsForTheReKeyAndGoesOn(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, installed := w.holder()
	fresh, err := w.NewPhone(nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh.Now = w.Now           // its clock runs with the house's
	w.advance(61 * time.Second) // one login code a minute
	if err := w.SignIn(ctx, p, fresh); err != nil {
		t.Fatal(err)
	}
	tx := w.beginLogin()
	s, err := fresh.ScanQR(ctx, w.qr(tx))
	if err != nil {
		t.Fatal(err)
	}
	if s.Gate != "KEY_LOST" {
		t.Fatalf("the phone without keys is told %s", s.Gate)
	}
	var open struct {
		Scan struct{ ID, GateText, Action string }
	}
	w.deviceOf(fresh).do(http.MethodGet, "/app/v1/scans/open", "", nil).into(t, &open)
	if open.Scan.ID != s.ID || open.Scan.Action != "recover" || open.Scan.GateText == "" {
		t.Fatalf("a phone that reloads finds %+v", open)
	}
	w.advance(90 * time.Second) // reading the page, waiting for the SMS
	if err := w.Recover(ctx, p, fresh, "748392"); err != nil {
		t.Fatal(err)
	}
	if st := w.status(tx); st.State != platform.Recovering {
		t.Fatalf("while the keys are made anew the platform sees %s", st.State)
	}
	if _, err := fresh.Install(ctx, installed.Certificate, p.PIN); err != nil {
		t.Fatal(err)
	}
	if s, err = fresh.Scan(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	chosen, ok := s.Chosen()
	if !ok {
		t.Fatalf("after the re-key no certificate fits: %s", s.Gate)
	}
	if s, err = fresh.Confirm(ctx, s, chosen, w.status(tx).Code); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Execute(ctx, s, p.PIN); err != nil {
		t.Fatal(err)
	}
	if r, err := w.Result(ctx, w.client, tx); err != nil || r.Identity.Name != p.Name {
		t.Fatalf("the login that waited: %+v, %v", r, err)
	}

	// Its record says so, with its place in the audit chain (2.9.a).
	d := w.deviceOf(fresh)
	var list struct {
		Records []struct{ ID, Result, Business string }
	}
	today := w.Now().In(time.FixedZone("CST", 8*60*60)).Format(time.DateOnly)
	d.do(http.MethodGet, "/app/v1/usage?outcome=ok&business=login&from="+today+"&to="+today+"&query="+url.QueryEscape(p.Name), "", nil).into(t, &list)
	if len(list.Records) != 1 || list.Records[0].Result != "ok" {
		t.Fatalf("%+v", list)
	}
	var receipt struct {
		Receipt, InstitutionName, Serial string
		Digest                           []byte
		Position                         int64
		Sound, Here                      bool
		Origin                           struct{ Browser string }
	}
	eventually(t, "the record is chained", func(context.Context) bool {
		d.do(http.MethodGet, "/app/v1/usage/"+list.Records[0].ID, "", nil).into(t, &receipt)
		return receipt.Position > 0
	})
	if !receipt.Sound || !receipt.Here || receipt.InstitutionName == "" || receipt.Serial == "" || len(receipt.Digest) != 32 || receipt.Receipt == "" || receipt.Origin.Browser == "" {
		t.Errorf("%+v", receipt)
	}
	if a := d.do(http.MethodGet, "/app/v1/usage?from=2026-13-01", "", nil); a.code != "usage_dates_invalid" {
		t.Errorf("a date that does not exist: %d %s", a.status, a.body)
	}
	if a := d.do(http.MethodGet, "/app/v1/usage?from=2026-11-02&to=2026-11-01", "", nil); a.code != "usage_dates_invalid" {
		t.Errorf("dates the wrong way round: %d %s", a.status, a.body)
	}
}
