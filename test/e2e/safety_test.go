package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/phone"
	"tianweitong/test/housetest"
)

// passwordEntry is the body of a sign-in by password on a new device.
func passwordEntry(t *testing.T, env phone.Environment, number, password string) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var agreed []map[string]string
	for _, a := range env.Agreements {
		agreed = append(agreed, map[string]string{"document": a.Document, "version": a.Version})
	}
	body, err := json.Marshal(map[string]any{
		"phone": number, "password": password, "agreements": agreed, "deviceKey": spki, "deviceLabel": "测试浏览器",
	})
	if err != nil {
		t.Fatal(err)
	}
	return key, body
}

// byPassword signs a number in by password on a new device.
func (w *world) byPassword(number, password string) (*device, answer) {
	w.Helper()
	key, body := passwordEntry(w.T, w.Env, number, password)
	res, err := http.Post(w.Server+"/app/v1/sessions/password", "application/json", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		w.Fatal(err)
	}
	var said struct {
		Code  string
		Nonce []byte
	}
	if err := json.Unmarshal(a.body, &said); err != nil {
		w.Fatal(err)
	}
	a.code = said.Code
	d := &device{T: w.T, server: w.Server, key: key, nonce: said.Nonce, now: w.Now}
	for _, c := range res.Cookies() {
		d.token = c.Value
	}
	return d, a
}

func (a answer) done(t *testing.T) {
	t.Helper()
	if a.status != http.StatusNoContent {
		t.Fatalf("the answer is %d %s", a.status, a.body)
	}
}

// TestPersonSignsInByPassword: row 2.2.b without screens. The password is set,
// changed and reset; another device that enters by it may do what it might after
// a code, and nothing with the keys.
func TestPersonSignsInByPassword(t *testing.T) {
	w := sandbox(t)
	ctx := t.Context()
	p, installed := w.holder()
	d := w.deviceOf(p.Phone)
	const good = "bid-2026-spring"
	ticket, code, err := w.Code(ctx, p.Phone, "password", p.Number)
	if err != nil {
		t.Fatal(err)
	}
	d.post("/app/v1/me/password", map[string]string{"newPassword": good, "ticket": ticket, "code": code}).done(t)
	d.post("/app/v1/me/password", map[string]string{"newPassword": "bid-2026-autumn", "oldPassword": good}).done(t)
	if _, a := w.byPassword(p.Number, good); a.status != http.StatusUnprocessableEntity || a.code != "password_wrong" {
		t.Fatalf("the old password: %d %s", a.status, a.body)
	}
	other, a := w.byPassword(p.Number, "bid-2026-autumn")
	if a.status != http.StatusOK {
		t.Fatalf("the password: %d %s", a.status, a.body)
	}
	var me struct {
		PasswordSet bool
		Device      struct{ Active, PINHere bool }
		PIN         struct{ Set bool }
	}
	other.do(http.MethodGet, "/app/v1/me", "", nil).into(t, &me)
	if !me.PasswordSet || !me.PIN.Set || me.Device.Active || me.Device.PINHere {
		t.Errorf("the new device is told %+v", me)
	}
	if a := other.post("/app/v1/certificates/"+installed.Certificate+"/revocation", map[string]string{"reason": "changed"}); a.code != "wrong_device" {
		t.Errorf("revoking from it: %d %s", a.status, a.body)
	}
	if a := other.post("/app/v1/certificates/"+installed.Certificate+"/installation", struct{}{}); a.status < 400 {
		t.Errorf("installing on it: %d %s", a.status, a.body)
	}
	if a := other.do(http.MethodDelete, "/app/v1/me/devices/"+w.thumbprint(d), "", nil); a.code != "device_holds_keys" {
		t.Errorf("signing the phone out from it: %d %s", a.status, a.body)
	}
	eventually(t, "the owner is told", func(c context.Context) bool {
		return w.messages(p.Number, "device.signed-in") == 1 && w.messages(p.Number, "notice") >= 2
	})

	if ticket, code, err = w.Code(ctx, w.stranger().Phone, "password-reset", p.Number); err != nil {
		t.Fatal(err)
	}
	stranger := &device{T: t, server: w.Server}
	stranger.post("/app/v1/password/reset", map[string]string{"phone": p.Number, "ticket": ticket, "code": code, "newPassword": good}).done(t)
	if a := other.do(http.MethodGet, "/app/v1/me", "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("after the reset the other device is answered %d %s", a.status, a.body)
	}
	if _, a := w.byPassword(p.Number, good); a.status != http.StatusOK {
		t.Fatalf("the password that was reset: %d %s", a.status, a.body)
	}
	w.signs(p) // the phone with the keys goes on
	sound(t, w.house)
}

func (w *world) thumbprint(d *device) string {
	w.Helper()
	var list struct {
		Devices []struct {
			ID      string
			Current bool
		}
	}
	d.do(http.MethodGet, "/app/v1/me/devices", "", nil).into(w.T, &list)
	for _, x := range list.Devices {
		if x.Current {
			return x.ID
		}
	}
	w.Fatal("the device is not in its own list")
	return ""
}

// TestAccountIsClosedAndItsNumberBeginsAnew: 注销 (docs/domain.md A31) on both
// engines: blocked while something is open, then over for good.
func TestAccountIsClosedAndItsNumberBeginsAnew(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		w := open(t, c)
		ctx := t.Context()
		p, installed := w.holder()
		d := w.deviceOf(p.Phone)
		type closure struct {
			Possible bool
			Blockers []struct{ Kind, Text string }
		}
		look := func() (out closure) {
			t.Helper()
			d.do(http.MethodGet, "/app/v1/me/closure", "", nil).into(t, &out)
			return out
		}
		if got := look(); got.Possible || len(got.Blockers) != 1 || got.Blockers[0].Kind != "certificate_valid" || got.Blockers[0].Text == "" {
			t.Fatalf("with a valid certificate: %+v", got)
		}
		closes := func() answer {
			t.Helper()
			w.advance(61 * time.Second)
			ticket, code, err := w.Code(ctx, p.Phone, "close", p.Number)
			if err != nil {
				t.Fatal(err)
			}
			return d.post("/app/v1/me/closure", map[string]string{"ticket": ticket, "code": code})
		}
		if a := closes(); a.status != http.StatusConflict || a.code != "closure_blocked" || !bytes.Contains(a.body, []byte(`"certificate_valid"`)) {
			t.Fatalf("with a valid certificate: %d %s", a.status, a.body)
		}
		if err := p.Phone.Revoke(ctx, installed.Certificate, "unneeded", p.PIN); err != nil {
			t.Fatal(err)
		}
		if got := look(); !got.Possible || len(got.Blockers) != 0 {
			t.Fatalf("after the revocation: %+v", got)
		}
		closes().done(t)
		if a := d.do(http.MethodGet, "/app/v1/me", "", nil); a.status != http.StatusUnauthorized {
			t.Errorf("the session lives on: %d %s", a.status, a.body)
		}
		eventually(t, "the farewell arrives", func(context.Context) bool { return w.messages(p.Number, "account.closed") == 1 })

		q := &journey.Person{Phone: w.stranger().Phone, Number: p.Number, Name: p.Name, IDNumber: p.IDNumber, PIN: p.PIN}
		if _, err := w.Enrol(ctx, q, app.SandboxInstitution, w.client.Code()); err != nil {
			t.Fatalf("the same person begins anew: %v", err)
		}
		certs, err := q.Phone.Certificates(ctx)
		if err != nil || len(certs) != 1 || certs[0].ID == installed.Certificate {
			t.Errorf("the new account holds %+v, %v", certs, err)
		}
		w.signs(q)
		sound(t, w.house)
	})
}
