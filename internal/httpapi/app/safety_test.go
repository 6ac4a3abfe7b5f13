package app_test

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/httpapi/app"
)

func (d *device) password(phone, password string) answer {
	d.t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		d.t.Fatal(err)
	}
	d.token = ""
	return d.call(http.MethodPost, "/sessions/password", object{"phone": phone, "password": password, "deviceKey": spki,
		"deviceLabel": "测试电脑", "agreements": []object{{"document": "terms", "version": "1"}}})
}

// done wants an answer without content.
func (a answer) done() {
	a.t.Helper()
	if a.status != http.StatusNoContent {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
}

func TestPasswordOverHTTP(t *testing.T) {
	h := open(t)
	d, second := h.device(), h.device()
	first := d.signIn("13900000001")
	var me app.Me
	d.call(http.MethodGet, "/me", nil).into(&me)
	if me.PasswordSet {
		t.Fatal("it has a password already")
	}
	const good = "bid-2026-spring"
	d.call(http.MethodPost, "/me/password", object{"newPassword": "271942"}).refused(422, "password_length")
	d.call(http.MethodPost, "/me/password", object{"newPassword": good}).refused(409, "password_not_set")
	ticket, code := d.code("13900000001", "password")
	d.call(http.MethodPost, "/me/password", object{"newPassword": good, "ticket": ticket, "code": code}).done()
	d.call(http.MethodGet, "/me", nil).into(&me)
	if !me.PasswordSet {
		t.Fatal("the password is not shown as set")
	}
	d.call(http.MethodPost, "/me/password", object{"newPassword": "another-1"}).refused(422, "password_proof_required")
	d.call(http.MethodPost, "/me/password", object{"newPassword": "another-1", "oldPassword": "wrong-1"}).refused(422, "password_old_wrong")

	second.password("13900000002", good).refused(422, "password_wrong") // no account, and none is made
	a := second.password("13900000001", good)
	var session app.SessionBody
	a.into(&session)
	if c := a.cookie; session.New || session.Account != first.Account || c == nil || !c.HttpOnly || !c.Secure ||
		c.SameSite != http.SameSiteStrictMode || bytes.Contains(a.body, []byte(c.Value)) {
		t.Fatalf("session = %+v, cookie = %v", session, c)
	}
	second.token, second.nonce = a.cookie.Value, session.Nonce
	second.call(http.MethodGet, "/me", nil).into(&me)
	if me.Device.Active {
		t.Error("the password made another device the active one")
	}

	third := h.device()
	for left := account.PasswordTries - 1; left >= 0; left-- { // the right one gave back what was wrong before
		p := third.password("13900000001", "wrong-1").refused(422, "password_wrong")
		if _, until := p["lockedUntil"]; p["remaining"] != float64(left) || until != (left == 0) {
			t.Fatalf("problem = %v", p)
		}
	}
	p := third.password("13900000001", good).refused(423, "password_locked")
	if until, err := time.Parse(time.RFC3339, p["lockedUntil"].(string)); err != nil || !until.After(h.clock.Now()) {
		t.Fatalf("problem = %v", p)
	}
	third.signIn("13900000001") // by code

	third.token = ""
	ticket, code = third.code("13900000001", "password-reset")
	reset := object{"phone": "13900000001", "ticket": ticket, "code": code, "newPassword": "another-1"}
	third.call(http.MethodPost, "/password/reset", reset).done()
	third.call(http.MethodPost, "/password/reset", reset).refused(410, "sms_code_used")
	d.call(http.MethodGet, "/me", nil).refused(401, "signed_out")
	second.call(http.MethodGet, "/me", nil).refused(401, "signed_out")
	third.password("13900000001", "another-1").into(&session)
	ticket, code = third.code("13900000003", "password-reset")
	third.call(http.MethodPost, "/password/reset", object{"phone": "13900000003", "ticket": ticket, "code": code, "newPassword": good}).refused(404, "account_not_registered")
}

func TestDevicesOverHTTP(t *testing.T) {
	h := open(t)
	d, second, stranger := h.device(), h.device(), h.device()
	d.signIn("13900000001")
	second.signIn("13900000001")
	stranger.signIn("13900000002")
	var list app.DevicesBody
	d.call(http.MethodGet, "/me/devices", nil).into(&list)
	if len(list.Devices) != 2 {
		t.Fatalf("devices = %+v", list)
	}
	var other string
	for _, x := range list.Devices {
		if x.Label != "测试手机" || x.Active != x.Current || x.Keys || !x.SameNetwork || x.Sessions != 1 || x.FirstSeen.IsZero() || x.LastSeen.Before(x.FirstSeen) {
			t.Errorf("device = %+v", x)
		}
		if x.Current {
			d.call(http.MethodDelete, "/me/devices/"+x.ID, nil).refused(409, "device_current")
		} else {
			other = x.ID
		}
	}
	stranger.call(http.MethodDelete, "/me/devices/"+other, nil).refused(404, "device_unknown")
	d.call(http.MethodDelete, "/me/devices/x", nil).refused(404, "device_unknown")
	d.call(http.MethodDelete, "/me/devices/"+other, nil).done()
	second.call(http.MethodGet, "/me", nil).refused(401, "signed_out")
	second.signIn("13900000001")
	var ended app.SignedOutBody
	d.call(http.MethodPost, "/me/devices/signout-others", nil).into(&ended)
	if ended.SignedOut != 1 {
		t.Errorf("signed out %d", ended.SignedOut)
	}
	second.call(http.MethodGet, "/me", nil).refused(401, "signed_out")
	stranger.call(http.MethodGet, "/me/devices", nil).into(&list)
	if len(list.Devices) != 1 {
		t.Errorf("devices = %+v", list)
	}
}
