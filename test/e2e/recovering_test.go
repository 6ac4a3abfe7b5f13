package e2e

import (
	"net/http"
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
	var open struct{ Scan struct{ ID, GateText, Action string } }
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
}
