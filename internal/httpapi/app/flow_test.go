package app_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/scan"
	"tianweitong/internal/store/storetest"
	"tianweitong/phone"
	"tianweitong/splitkey"
)

// doors is the API over the flows' whole house.
type doors struct {
	*flowtest.World
	url   string
	scans *scan.Service
}

func openFlows(t *testing.T) *doors {
	t.Helper()
	c := clock.NewManual(flowtest.Noon)
	w := flowtest.New(t, storetest.Open(t, storetest.SQLite(t), c), c)
	module := func(ctx context.Context) (m app.Module, err error) {
		if m.Statement, m.Signature, err = w.Custody.ModuleStatement(ctx); err != nil {
			return m, err
		}
		chain, err := w.CA.Service(ctx, "statement")
		if err != nil {
			return m, err
		}
		m.Certificate, m.Chain = chain[0], chain[1:]
		return m, nil
	}
	scans := scansOf(w)
	api := httptest.NewServer(app.New(app.Deps{
		Base: app.Base{
			Clock: c, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Exchanges: w.Custody, Module: module,
		},
		Runner: w.Store, Accounts: w.Accounts, Realnames: w.Persons, Notices: w.Notices, Orders: w.Orders, Certificates: w.Certificates,
		Roamings: w.Roamings, PINs: w.PIN, Recoveries: w.Recover, Custody: w.Custody, PIN: w.PIN, Installs: w.Install,
		Recovers: w.Recover, Revokes: w.Revoke, Checks: w.Check, Scans: scans, Usages: w.Usage,
	}).Handler())
	t.Cleanup(api.Close)
	return &doors{w, api.URL, scans}
}

// phone signs a number in on a new phone.
func (d *doors) phone(number string) *phone.Phone {
	d.T.Helper()
	p, err := phone.New(phone.Options{Server: d.url, Now: d.Clock.Now, Sandbox: true})
	d.no(err)
	ticket, code := d.code(p, "login", number)
	_, err = p.SignIn(d.T.Context(), number, ticket, code)
	d.no(err)
	return p
}

func (d *doors) code(p *phone.Phone, purpose, number string) (ticket, code string) {
	d.T.Helper()
	d.Clock.Advance(time.Minute)
	asked := ""
	if purpose == "login" {
		asked = number
	}
	t, err := p.RequestCode(d.T.Context(), purpose, asked, phone.Solved{})
	d.no(err)
	d.Drain()
	return t.Ticket, d.Text.Code(number)
}

func (d *doors) no(err error) {
	d.T.Helper()
	if err != nil {
		d.T.Fatal(err)
	}
}

func (d *doors) verified(p *phone.Phone, number, idNumber string) {
	d.T.Helper()
	ticket, code := d.code(p, "realname", number)
	c, err := p.StartRealName(d.T.Context(), "测试乙", idNumber, ticket, code)
	d.no(err)
	c, err = p.SendFace(d.T.Context(), "/realname", c.ID, mp4)
	d.no(err)
	if c.State != "passed" {
		d.T.Fatalf("real name ended as %s", c.State)
	}
}

func TestAPhoneInstallsAndRecoversOverHTTP(t *testing.T) {
	const number = "13812340001"
	d := openFlows(t)
	ctx := t.Context()
	p := d.phone(number)
	d.verified(p, number, "110101199003070011")
	ticket, code := d.code(p, "pin", number)
	if err := p.SetPIN(ctx, ticket, code, "274950", "135792"); !phone.IsCode(err, "pin_mismatch") {
		t.Fatalf("two entries that differ: %v", err)
	}
	ticket, code = d.code(p, "pin", number)
	d.no(p.SetPIN(ctx, ticket, code, "274950", "274950"))
	cert := d.Buy(p.Account())
	in, err := p.Install(ctx, cert, "274950")
	d.no(err)
	if len(in.SignCertificate) == 0 || len(in.EncCertificate) == 0 {
		t.Fatal("no certificates came back")
	}

	q := d.phone(number)
	ticket, code = d.code(q, "recover", number)
	r, err := q.StartRecovery(ctx, ticket, code)
	d.no(err)
	_, err = q.SendFace(ctx, "/recoveries", r.ID, mp4)
	d.no(err)
	if r, err = q.Recovery(ctx, r.ID); err != nil || r.State != string(recover.Suspended) {
		t.Fatalf("%s, %v", r.State, err)
	}
	if _, err := p.Certificates(ctx); !phone.IsCode(err, "session_restricted") {
		t.Errorf("the old phone goes on: %v", err)
	}
	if r, err := p.Recovery(ctx, r.ID); err != nil || r.State != string(recover.Suspended) { // to stop it, it must see it
		t.Errorf("the old phone sees %s, %v", r.State, err)
	}
	third := d.phone(number)
	if _, err := third.Certificates(ctx); !phone.IsCode(err, "session_restricted") {
		t.Errorf("a third phone goes on: %v", err)
	}
	ticket, code = d.code(third, "recover", number) // but it may begin a recovery of its own
	_, err = third.StartRecovery(ctx, ticket, code)
	d.no(err)
	d.no(q.ResetPIN(ctx, r.ID, "602817", "602817"))
	again, err := q.Install(ctx, cert, "602817")
	d.no(err)
	if string(again.SignCertificate) == string(in.SignCertificate) || string(again.EncCertificate) != string(in.EncCertificate) {
		t.Error("a re-key changes the signing certificate alone")
	}
	if r, err = q.Recovery(ctx, r.ID); err != nil || r.State != string(recover.Done) {
		t.Errorf("%s, %v", r.State, err)
	}
	if _, err := q.Install(ctx, "0123456789abcdef0123456789abcdef", "602817"); !phone.IsCode(err, "certificate_not_found") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// caller makes signed and sealed requests for a person of the flows' house.
type caller struct {
	*device
	holder custody.Holder
}

func (d *doors) caller(number string) *caller {
	d.T.Helper()
	h := &house{t: d.T.(*testing.T), clock: d.Clock, api: d.url}
	dev := h.device()
	spki, err := x509.MarshalPKIXPublicKey(&dev.key.PublicKey)
	d.no(err)
	sum := sha256.Sum256(spki)
	d.Clock.Advance(time.Minute)
	var ticket app.TicketBody
	dev.call(http.MethodPost, "/codes", object{"phone": number, "purpose": "login"}).into(&ticket)
	d.Drain()
	in := dev.call(http.MethodPost, "/sessions", object{
		"ticket": ticket.Ticket, "phone": number, "code": d.Text.Code(number), "agreements": []object{}, "deviceKey": spki, "deviceLabel": "test",
	})
	var s app.SessionBody
	in.into(&s)
	dev.token, dev.nonce = in.cookie.Value, s.Nonce
	return &caller{dev, custody.Holder{Account: s.Account, Device: hex.EncodeToString(sum[:])}}
}

// seal sends a sealed request; opID and nonceID are what it is bound to.
func (c *caller) seal(path, opID, nonceID string, in, out any) answer {
	c.t.Helper()
	var m app.Module
	c.call(http.MethodGet, "/module", nil).into(&m)
	s, err := splitkey.ParseModuleStatement(m.Statement)
	if err != nil {
		c.t.Fatal(err)
	}
	plain, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := hex.DecodeString(c.holder.Device)
	if err != nil {
		c.t.Fatal(err)
	}
	sealed, x, err := splitkey.SealRequest(rand.Reader, s.Key, splitkey.AAD{
		Kid: s.Kid, Method: http.MethodPost, Path: "/app/v1" + path, OpID: opID, NonceID: nonceID, Device: raw, Time: c.clock.Now().Unix(),
	}, plain)
	if err != nil {
		c.t.Fatal(err)
	}
	a := c.call(http.MethodPost, path, sealed)
	if a.status >= 300 || out == nil {
		return a
	}
	var reply splitkey.SealedReply
	a.into(&reply)
	if plain, err = x.OpenReply(reply); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(plain, out); err != nil {
		c.t.Fatal(err)
	}
	return a
}

func TestCustodysRoutesAreSealedAndBound(t *testing.T) {
	d := openFlows(t)
	c, other := d.caller("13812340002"), d.caller("13812340003")
	d.Clock.Advance(time.Minute)
	var ticket app.TicketBody
	c.call(http.MethodPost, "/codes", object{"purpose": "pin"}).into(&ticket)
	d.Drain()
	entry := object{"ticket": ticket.Ticket, "code": d.Text.Code("13812340002")}
	var setup app.SetupBody
	c.call(http.MethodPost, "/pin/setup", entry).into(&setup)

	c.call(http.MethodPost, "/enrolments", object{"kind": "pin", "subject": setup.ID}).refused(http.StatusUnprocessableEntity, "request_malformed")
	c.seal("/enrolments", "", "", object{"kind": "encrypt", "subject": setup.ID}, nil).refused(http.StatusUnprocessableEntity, "request_malformed")
	c.seal("/enrolments", "", "", object{"kind": "sign", "subject": setup.ID}, nil).refused(http.StatusNotFound, "installation_unknown")
	c.seal("/enrolments", "", "", object{"kind": "pin", "subject": "nothing"}, nil).refused(http.StatusNotFound, "recovery_unknown")
	other.seal("/enrolments", "", "", object{"kind": "pin", "subject": setup.ID}, nil).refused(http.StatusNotFound, "recovery_unknown")
	c.call(http.MethodPost, "/pin/setup/"+setup.ID+"/proof", object{}).refused(http.StatusConflict, "pin_not_entered")

	var e custody.Enrolment
	c.seal("/enrolments", "", "", object{"kind": "pin", "subject": setup.ID}, &e)
	raw, _ := hex.DecodeString(c.holder.Device)
	k, request, err := splitkey.StartKeygen(rand.Reader, splitkey.Context{
		Account: c.holder.Account, Device: raw, Enrolment: e.ID, Server: e.Server, KeyID: e.KeyID,
	})
	d.no(err)
	other.seal("/enrolments/"+e.ID+"/key", "", "", request, nil).refused(http.StatusConflict, "enrolment_invalid")
	var reply splitkey.KeygenReply
	c.seal("/enrolments/"+e.ID+"/key", "", "", request, &reply)
	d1, public, err := k.Finish(reply)
	d.no(err)
	var op app.OperationBody
	c.call(http.MethodPost, "/pin/setup/"+setup.ID+"/proof", object{}).into(&op)

	path := "/operations/" + op.OpID
	other.seal(path+"/nonce", op.OpID, "", object{}, nil).refused(http.StatusNotFound, "operation_unknown")
	c.seal(path+"/nonce", "another", "", object{}, nil).refused(http.StatusUnprocessableEntity, "exchange_unreadable")
	var o custody.Offer
	c.seal(path+"/nonce", op.OpID, "", object{}, &o)
	digest, err := splitkey.Digest(public, o.ID, o.M)
	d.no(err)
	sign, err := splitkey.Sign(rand.Reader, d1, splitkey.Binding{
		KeyID: o.KeyID, PublicKey: public, OpID: op.OpID, NonceID: o.NonceID, W: o.W, Digest: digest,
	})
	d.no(err)
	a := custody.Answer{NonceID: o.NonceID, Sign: &sign}
	c.seal(path+"/answer", op.OpID, "another nonce", a, nil).refused(http.StatusUnprocessableEntity, "answer_malformed")
	other.seal(path+"/answer", op.OpID, o.NonceID, a, nil).refused(http.StatusNotFound, "operation_unknown")
	var r custody.Result
	c.seal(path+"/answer", op.OpID, o.NonceID, a, &r)
	d.no(splitkey.Verify(public, digest, *r.Signature))
	var status app.PINBody
	c.call(http.MethodGet, "/pin", nil).into(&status)
	if !status.Set || !status.Here || status.Remaining != 10 {
		t.Errorf("%+v", status)
	}
}

func TestTheFlowsRoutesRefuseInChinese(t *testing.T) {
	d := openFlows(t)
	c := d.caller("13812340004")
	cert := d.Buy(c.holder.Account)
	path := "/certificates/" + cert
	c.call(http.MethodPost, path+"/installation", object{}).refused(http.StatusConflict, "pin_not_set")
	c.call(http.MethodGet, path+"/installation", nil).refused(http.StatusNotFound, "installation_unknown")
	c.call(http.MethodPost, path+"/revocation", object{"reason": "unneeded"}).refused(http.StatusConflict, "certificate_not_valid")
	c.call(http.MethodPost, path+"/revocation", object{"reason": "because"}).refused(http.StatusUnprocessableEntity, "request_malformed")
	c.call(http.MethodPost, path+"/check", object{}).refused(http.StatusConflict, "certificate_not_valid")
	c.call(http.MethodPost, "/pin/change", object{}).refused(http.StatusConflict, "pin_not_set")
	c.call(http.MethodPost, "/pin/face", object{}).refused(http.StatusConflict, "pin_face_not_needed")
	c.call(http.MethodPost, "/pin/change/none/flip", object{}).refused(http.StatusConflict, "pin_change_over")
	c.call(http.MethodPost, "/redealings", object{"enrolmentKey": []byte{4}}).refused(http.StatusUnprocessableEntity, "enrolment_key_invalid")
	c.call(http.MethodGet, "/recoveries/none", nil).refused(http.StatusNotFound, "recovery_unknown")
	c.call(http.MethodPost, "/recoveries/none/stop", object{}).refused(http.StatusNotFound, "recovery_unknown")
	c.call(http.MethodPost, "/recoveries/none/confirm", object{}).refused(http.StatusNotFound, "recovery_unknown")
	c.call(http.MethodPost, "/recoveries", object{"ticket": "none", "code": "123456"}).refused(http.StatusConflict, "sms_code_unknown")
	c.token = ""
	c.call(http.MethodPost, path+"/installation", object{}).refused(http.StatusUnauthorized, "login_required")
}
