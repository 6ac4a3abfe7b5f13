package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
)

func TestQRCodesThatServeNobody(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()
	genuine := w.qr(w.beginLogin())
	prefix, token, ok := strings.Cut(genuine, "#k=")
	if !ok {
		t.Fatalf("the code says %s", genuine)
	}
	prefix += "#k="

	if _, err := p.Phone.ScanQR(ctx, "WIFI:T:WPA;S:x;;"); !errors.Is(err, phone.ErrNotQR) {
		t.Errorf("a code of something else: %v", err)
	}
	elsewhere := sandboxOf(t) // the same software, another house
	foreign := elsewhere.qr(elsewhere.beginLogin())
	_, theirs, _ := strings.Cut(foreign, "#k=")
	for what, text := range map[string]string{
		"another host's":            strings.Replace(genuine, "http://127.0.0.1", "http://127.0.0.2", 1),
		"another house's":           foreign,
		"another house's token":     prefix + theirs,
		"a made-up":                 prefix + strings.Repeat("A", len(token)),
		"a cut":                     genuine[:len(genuine)-1],
		"an empty":                  prefix,
		"a token in the path":       strings.Replace(genuine, "#k=", "?k=", 1),
		"one without its transport": strings.Replace(genuine, "http://", "https://", 1),
	} {
		_, err := p.Phone.ScanQR(ctx, text)
		if !phone.IsCode(err, "qr_unknown") {
			t.Errorf("%s code: %v", what, err)
		}
	}
	for i := range len(token) {
		forged := []byte(token)
		if forged[i]++; forged[i] == token[i] {
			continue
		}
		// The last digit of base64 has bits that say nothing; those are not accepted either.
		if _, err := p.Phone.ScanQR(ctx, prefix+string(forged)); !phone.IsCode(err, "qr_unknown") {
			t.Fatalf("a code with another digit at %d: %v", i, err)
		}
	}
	if s, err := p.Phone.ScanQR(ctx, genuine); err != nil || s.State != "SCANNED" {
		t.Errorf("the genuine code: %s, %v", s.State, err)
	}
}

func TestQRCodeDiesAndItsTransactionToo(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()
	tx := w.beginLogin()
	old := w.qr(tx)
	w.advance(16 * time.Second)
	_, err := p.Phone.ScanQR(ctx, old)
	refused(t, err, http.StatusGone, "qr_expired")
	fresh := w.qr(tx)
	if fresh == old {
		t.Error("the page shows the dead code on")
	}
	if _, err := p.Phone.ScanQR(ctx, fresh); err != nil {
		t.Errorf("the next code: %v", err)
	}

	tx = w.beginLogin()
	w.advance(119 * time.Second)
	last := w.qr(tx)
	w.advance(2 * time.Second)
	if st := w.status(tx); st.State != platform.Expired || st.Outcome != platform.Timeout {
		t.Errorf("after two minutes the transaction is %s, %s", st.State, st.Outcome)
	}
	_, err = p.Phone.ScanQR(ctx, last)
	refused(t, err, http.StatusGone, "qr_expired")
	if _, err := w.client.QR(ctx, tx); err == nil {
		t.Error("an ended transaction still has a code")
	}
}

func TestQRCodeIsOnePhonesAlone(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	first, _ := w.holder()
	second, _ := w.holder()
	tx := w.beginSign()
	text := w.qr(tx)
	s, err := first.Phone.ScanQR(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Phone.ScanQR(ctx, text)
	refused(t, err, http.StatusConflict, "qr_taken")
	if again, err := first.Phone.ScanQR(ctx, text); err != nil || again.ID != s.ID {
		t.Errorf("the first phone again: %v", err)
	}
	if _, err := w.client.QR(ctx, tx); err == nil {
		t.Error("a scanned transaction still shows a code")
	}
	// The stranger can neither confirm nor refuse what is not his.
	_, err = second.Phone.Confirm(ctx, s, "x", "0000")
	refused(t, err, http.StatusNotFound, "scan_not_found")
	if st := w.status(tx); st.State != platform.Scanned {
		t.Errorf("the transaction is %s", st.State)
	}

	// Whoever is not real-named is told so before anything is bound.
	nobody := w.stranger()
	if err := w.Register(ctx, nobody); err != nil {
		t.Fatal(err)
	}
	tx = w.beginSign()
	_, err = nobody.Phone.ScanQR(ctx, w.qr(tx))
	refused(t, err, http.StatusConflict, "not_verified")
	if st := w.status(tx); st.State != platform.Created {
		t.Errorf("the transaction is %s", st.State)
	}
}

func TestWrongVerificationCodeEndsTheTransaction(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()
	tx := w.beginLogin()
	s, err := p.Phone.ScanQR(ctx, w.qr(tx))
	if err != nil || !s.AskCode {
		t.Fatalf("asks for the code: %t, %v", s.AskCode, err)
	}
	chosen, _ := s.Chosen()
	_, err = p.Phone.Confirm(ctx, s, chosen, "")
	refused(t, err, http.StatusUnprocessableEntity, "verification_code_required")
	shown := w.status(tx)
	if shown.State != platform.Scanned || len(shown.Code) != 4 {
		t.Fatalf("the page shows %q, %s", shown.Code, shown.State)
	}
	wrong := "0000"
	if wrong == shown.Code {
		wrong = "0001"
	}
	_, err = p.Phone.Confirm(ctx, s, chosen, wrong)
	refused(t, err, http.StatusForbidden, "verification_code_wrong")
	if st := w.status(tx); !st.State.Final() || st.Outcome != platform.WrongCode || st.Code != "" || st.Result != nil {
		t.Errorf("after a wrong code: %+v", st)
	}
	_, err = p.Phone.Confirm(ctx, s, chosen, shown.Code)
	refused(t, err, http.StatusGone, "scan_over")
}

func TestConfirmTakesNobodyElsesCertificate(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()
	_, theirs := w.holder()
	tx := w.beginSign()
	s, err := p.Phone.ScanQR(ctx, w.qr(tx))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Phone.Confirm(ctx, s, theirs.Certificate, w.status(tx).Code)
	refused(t, err, http.StatusConflict, "no_certificate")
	if st := w.status(tx); st.State != platform.Scanned {
		t.Errorf("the transaction is %s", st.State)
	}
}

func TestExpiredCertificateIsRefusedAtScanAndAtThePIN(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, _ := w.holder()
	certs, err := p.Phone.Certificates(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.advance(certs[0].NotAfter.Sub(w.Now()) - 90*time.Second)
	if err := w.SignIn(ctx, p, p.Phone); err != nil { // a year has passed
		t.Fatal(err)
	}
	tx, s := w.confirmed(p)
	w.advance(91 * time.Second)
	if _, err := p.Phone.Environment(ctx); err != nil { // its clock runs with the world's
		t.Fatal(err)
	}
	_, err = p.Phone.Execute(ctx, s, p.PIN)
	refused(t, err, http.StatusConflict, "scan_certificate_expired")
	if st := w.status(tx); st.State != platform.Failed || st.Outcome != platform.CertExpired || st.Result != nil {
		t.Errorf("the transaction is %s, %s", st.State, st.Outcome)
	}

	tx = w.beginSign()
	s, err = p.Phone.ScanQR(ctx, w.qr(tx))
	if err != nil || s.Gate != "CERT_EXPIRED" {
		t.Fatalf("the gate is %s, %v", s.Gate, err)
	}
	_, err = p.Phone.Confirm(ctx, s, certs[0].ID, w.status(tx).Code)
	refused(t, err, http.StatusConflict, "scan_certificate_expired")
	if pin, err := p.Phone.PIN(ctx); err != nil || pin.Remaining != 10 {
		t.Errorf("the PIN is %+v, %v", pin, err)
	}
}

func TestRevokedCertificateIsRefusedAndPublished(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, in := w.holder()
	w.signs(p)
	tx, s := w.confirmed(p)
	if err := p.Phone.Revoke(ctx, in.Certificate, "compromised", "111222"); !phone.IsCode(err, "pin_wrong") {
		t.Fatalf("revoking with a wrong PIN: %v", err)
	}
	if err := p.Phone.Revoke(ctx, in.Certificate, "compromised", p.PIN); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Phone.Execute(ctx, s, p.PIN); err == nil {
		t.Fatal("a revoked certificate signed")
	}
	if st := w.status(tx); st.Result != nil {
		t.Errorf("the transaction is %s, %s", st.State, st.Outcome)
	}
	tx = w.beginSign()
	s, err := p.Phone.ScanQR(ctx, w.qr(tx))
	if err != nil || s.Gate != "CERT_REVOKED" {
		t.Fatalf("the gate is %s, %v", s.Gate, err)
	}
	_, err = p.Phone.Confirm(ctx, s, in.Certificate, w.status(tx).Code)
	refused(t, err, http.StatusConflict, "scan_certificate_revoked")

	leaf := parse(t, in.SignCertificate)
	st, err := w.client.Certificate(ctx, leaf.SerialNumber.Text(16))
	if err != nil || st.State != "revoked" || st.RevokedAt.IsZero() {
		t.Errorf("the platform hears %s, %s, %v", st.State, st.RevokedAt, err)
	}
	eventually(t, "the list names it", func(context.Context) bool {
		_, der := get(t, leaf.CRLDistributionPoints[0])
		list, err := pki.ParseCRL([]byte(der), parse(t, in.Chain[0]))
		if err != nil {
			t.Fatal(err)
		}
		_, revoked := list.Lookup(leaf.SerialNumber)
		return revoked
	})
}
