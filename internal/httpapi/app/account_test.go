package app_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/offboard"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/flow/rephone"
	"tianweitong/internal/flow/safety"
	"tianweitong/internal/flow/standing"
	"tianweitong/internal/flow/todo"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/provider/sms"
	"tianweitong/internal/puzzle"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// mp4 stands for a face video.
var mp4 = []byte("\x00\x00\x00\x10ftypisom....")

// noPINs, noRecoveries and noKeys stand in for the flows, which have tests of their own.
type noPINs struct{}

func (noPINs) Status(context.Context, account.Caller) (custody.PINStatus, bool, error) {
	return custody.PINStatus{Remaining: 10}, false, nil
}

type noRecoveries struct{}

func (noRecoveries) Current(context.Context, string) (recover.Progress, bool, error) {
	return recover.Progress{}, false, nil
}

type noKeys struct{}

func (noKeys) Keys(context.Context, work.Tx, string) ([]custody.Key, error) { return nil, nil }

// house is the people's part of the house behind real HTTP: the API, the sandbox,
// and between them the providers' real clients.
type house struct {
	t       *testing.T
	st      *store.Store
	clock   *clock.Manual
	jobs    *job.Runner
	api     string
	sandbox string
	deps    app.Deps
	members *enterprise.Members
	desk    *verification.Service
	mu      sync.Mutex
	log     bytes.Buffer
}

func (h *house) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func open(t *testing.T) *house {
	c := clock.NewManual(noon)
	h := &house{t: t, clock: c, st: storetest.Open(t, storetest.SQLite(t), c)}
	log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
	outside := httptest.NewServer(sandbox.New(sandbox.Options{Clock: c, Key: "key", Advance: c.Advance}))
	t.Cleanup(outside.Close)
	h.sandbox = outside.URL
	h.jobs = job.New(h.st, c, rand.Reader, log)
	d := &h.deps
	d.Clock, d.Rand, d.Log, d.Secure, d.Runner = c, rand.Reader, log, true, h.st
	d.Accounts = account.New(account.Deps{Runner: h.st, Store: people.Accounts(h.st), Clock: c, Rand: rand.Reader, Box: h.st.Box,
		SMS: sms.New(outside.URL+sandbox.SMSBase, "key"), Log: log, Agreements: []account.Agreement{{Document: "terms", Version: "1"}},
		Cost: account.Cost{Passes: 1, Memory: 64, Lanes: 1}, Limits: account.Limits{Free: 1000}})
	checker := idcheck.New(outside.URL+sandbox.IDCheckBase, "key")
	d.Realnames = realname.New(realname.Deps{Runner: h.st, Store: people.Realnames(h.st), Clock: c, Rand: rand.Reader, Box: h.st.Box, Accounts: d.Accounts, Checker: checker, Log: log})
	d.Catalog = catalog.New(catalog.Deps{Store: h.st.Catalog(), Clock: c, Rand: rand.Reader})
	d.Notices = notice.New(notice.Deps{Runner: h.st, Store: people.Notices(h.st), Clock: c, Rand: rand.Reader, Texts: d.Accounts})
	d.PINs, d.Recoveries = noPINs{}, noRecoveries{}
	d.Certificates = certificate.New(certificate.Deps{Store: h.st.Certificates(), Runner: h.st, Clock: c, Rand: rand.Reader, Devices: d.Accounts, Directory: d.Catalog})
	d.Roamings = roaming.New(roaming.Deps{Store: h.st.Roamings(), Clock: c, Rand: rand.Reader})
	d.Orders = order.New(order.Deps{Store: h.st.Orders(), Runner: h.st, Clock: c, Rand: rand.Reader, Log: log, Notices: d.Notices})
	d.Usages = usage.New(usage.Deps{Store: h.st.Usage(), Runner: h.st, Clock: c, Rand: rand.Reader, Chain: h.st.Audit()})
	h.members = enterprise.NewMembers(enterprise.MemberDeps{Runner: h.st, Store: people.Members(h.st), Clock: c, Rand: rand.Reader, Box: h.st.Box,
		Accounts: d.Accounts, Persons: d.Realnames, Notices: d.Notices, Departures: &offboard.Service{Certificates: d.Certificates},
		Applications: noApplications{}, AppURL: "https://app.test"})
	d.Standings = standing.New(standing.Deps{Clock: c, Certificates: d.Certificates, Roamings: d.Roamings, Orders: d.Orders})
	h.enterprises(checker, log)
	d.Todos = todo.New(todo.Deps{Runner: h.st, Clock: c, Persons: d.Realnames, Orders: d.Orders, Certificates: d.Certificates, Institutions: d.Catalog,
		PINs: d.PINs, Recoveries: d.Recoveries, Members: h.members, Enterprises: h.desk})
	d.Safety = safety.New(safety.Deps{Runner: h.st, Accounts: d.Accounts, Keys: noKeys{}, Notices: d.Notices})
	d.Puzzles = puzzle.New(puzzle.Deps{Clock: c, Rand: rand.Reader, Box: h.st.Box})
	d.Rephone = rephone.New(rephone.Deps{Store: people.PhoneChanges(h.st), Runner: h.st, Clock: c, Rand: rand.Reader, Accounts: d.Accounts, Faces: d.Realnames, Notices: d.Notices})
	d.Accounts.Register(h.jobs)
	d.Realnames.Register(h.jobs)
	api := httptest.NewServer(app.New(*d).Handler())
	t.Cleanup(api.Close)
	h.api = api.URL
	return h
}

func (h *house) do(f func(context.Context, work.Tx) error) {
	h.t.Helper()
	if err := h.st.Do(h.t.Context(), "test", f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) drain() {
	h.t.Helper()
	if err := h.jobs.Drain(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// answer is a response with its JSON.
type answer struct {
	t      *testing.T
	status int
	cookie *http.Cookie
	body   []byte
}

func (a answer) into(v any) {
	a.t.Helper()
	if a.status >= 300 {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	reflect.ValueOf(v).Elem().SetZero() // else members that are absent keep an earlier answer's values
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
}

// refused wants a problem document with a code and a Chinese sentence.
func (a answer) refused(status int, code string) map[string]any {
	a.t.Helper()
	var p map[string]any
	if err := json.Unmarshal(a.body, &p); err != nil || a.status != status || p["code"] != code || p["type"] != "urn:tianweitong:"+code {
		a.t.Fatalf("status %d: %s, want %d %s", a.status, a.body, status, code)
	}
	if detail, _ := p["detail"].(string); !strings.HasSuffix(detail, "。") {
		a.t.Fatalf("detail = %q", detail)
	}
	return p
}

// device is a phone: its key, and the session it has.
type device struct {
	*house
	key   *ecdsa.PrivateKey
	token string
	nonce []byte
	kind  string // of a raw body; empty is video/mp4
}

func (h *house) device() *device {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	return &device{house: h, key: key}
}

func (d *device) call(method, path string, body any) answer {
	d.t.Helper()
	raw, isRaw := body.([]byte)
	if !isRaw && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			d.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.api+"/app/v1"+path, bytes.NewReader(raw))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if isRaw {
		req.Header.Set("Content-Type", cmp.Or(d.kind, "video/mp4"))
	}
	d.sign(req, raw)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{t: d.t, status: res.StatusCode}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		a.cookie = c
	}
	return a
}

// sign makes a request one of the session's, if there is one.
func (d *device) sign(req *http.Request, raw []byte) {
	d.t.Helper()
	if d.token != "" {
		number := make([]byte, 16)
		rand.Read(number)
		at := d.clock.Now().UnixMilli()
		digest := app.RequestDigest(req.Method, req.URL.RequestURI(), raw, d.nonce, at, hex.EncodeToString(number))
		signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest)
		if err != nil {
			d.t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: app.Cookie, Value: d.token})
		req.Header.Set("Twt-Time", strconv.FormatInt(at, 10))
		req.Header.Set("Twt-Request", hex.EncodeToString(number))
		req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	}
}

type object map[string]any

// code asks for a code and reads it in the sandbox's inbox.
func (d *device) code(phone, purpose string) (ticket, code string) {
	d.t.Helper()
	d.clock.Advance(time.Minute)
	var got struct{ Ticket string }
	d.call(http.MethodPost, "/codes", object{"phone": phone, "purpose": purpose}).into(&got)
	d.drain()
	res, err := http.Get(d.sandbox + "/sandbox/sms?phone=" + phone)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var inbox []sandbox.Text
	if err := json.NewDecoder(res.Body).Decode(&inbox); err != nil || len(inbox) == 0 {
		d.t.Fatalf("inbox = %v, %v", inbox, err)
	}
	return got.Ticket, inbox[0].Params["code"]
}

func (d *device) login(phone, ticket, code string) answer {
	d.t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.call(http.MethodPost, "/sessions", object{"ticket": ticket, "phone": phone, "code": code, "deviceKey": spki,
		"deviceLabel": "测试手机", "agreements": []object{{"document": "terms", "version": "1"}}})
}

func (d *device) signIn(phone string) (session app.SessionBody) {
	d.t.Helper()
	ticket, code := d.code(phone, "login")
	a := d.login(phone, ticket, code)
	a.into(&session)
	d.token, d.nonce = a.cookie.Value, session.Nonce
	return session
}

func TestSignInOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	d.call(http.MethodGet, "/me", nil).refused(401, "login_required")
	d.call(http.MethodPost, "/codes", object{"phone": "12345", "purpose": "login"}).refused(422, "phone_invalid")
	d.call(http.MethodPost, "/codes", object{"purpose": "pin"}).refused(401, "login_required")
	ticket, code := d.code("13900000001", "login")
	again := d.call(http.MethodPost, "/codes", object{"phone": "13900000001", "purpose": "login"}).refused(429, "sms_too_soon")
	if again["retryAfterSeconds"] != 60.0 {
		t.Fatalf("problem = %v", again)
	}
	if p := d.login("13900000001", ticket, "x").refused(422, "sms_code_wrong"); p["remaining"] != 4.0 {
		t.Fatalf("problem = %v", p)
	}
	a := d.login("13900000001", ticket, code)
	var session app.SessionBody
	a.into(&session)
	c := a.cookie
	if !session.New || c == nil || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || bytes.Contains(a.body, []byte(c.Value)) {
		t.Fatalf("session = %+v, cookie = %v", session, c)
	}
	d.login("13900000001", ticket, code).refused(410, "sms_code_used")
	d.token, d.nonce = c.Value, session.Nonce

	var me app.Me
	d.call(http.MethodGet, "/me", nil).into(&me)
	if me.Account != session.Account || me.PhoneMasked != "139****0001" || me.Person != nil || !me.Device.Active || me.Device.Restricted || me.PIN.Remaining != 10 {
		t.Fatalf("me = %+v", me)
	}
	second := h.device()
	if s := second.signIn("13900000001"); s.New || s.Account != session.Account {
		t.Fatalf("session = %+v", s)
	}
	second.call(http.MethodGet, "/me", nil).into(&me)
	if me.Device.Active {
		t.Fatal("two devices are active")
	}
	if a := d.call(http.MethodDelete, "/sessions/current", nil); a.status != http.StatusNoContent || a.cookie == nil || a.cookie.MaxAge >= 0 {
		t.Fatalf("status %d, cookie %v", a.status, a.cookie)
	}
	d.call(http.MethodGet, "/me", nil).refused(401, "signed_out")
}

func TestRealNameOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	d.signIn("13900000001")
	apply := func(name, number string) answer {
		ticket, code := d.code("13900000001", "realname")
		return d.call(http.MethodPost, "/realname", object{"name": name, "idNumber": number, "ticket": ticket, "code": code, "method": "phone", "consentFace": true})
	}
	next := func(outcome string) {
		res, err := http.Post(h.sandbox+"/sandbox/idcheck/next", "application/json", strings.NewReader(`{"outcome":"`+outcome+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	apply("测试甲", "110105194912310021").refused(422, "id_number_invalid")
	var check app.CheckBody
	next("refuse")
	apply("测试甲", "11010519491231002X").into(&check)
	if check.State != "refused" || check.Reason != "factors_mismatch" || check.Detail == "" || check.Remaining != 4 {
		t.Fatalf("check = %+v", check)
	}
	apply("测试甲", "11010519491231002X").into(&check)
	if check.State != "face" || check.Remaining != 3 {
		t.Fatalf("check = %+v", check)
	}
	video := append(bytes.Clone(mp4), make([]byte, 1<<20)...)
	next("refuse")
	d.call(http.MethodPut, "/realname/"+check.ID+"/face", video).into(&check)
	if check.State != "face" || check.Reason != "face_mismatch" {
		t.Fatalf("check = %+v", check)
	}
	next("timeout")
	d.call(http.MethodPut, "/realname/"+check.ID+"/face", video).into(&check)
	if check.State != "checking" {
		t.Fatalf("check = %+v", check)
	}
	d.call(http.MethodPut, "/realname/"+check.ID+"/face", video).refused(409, "realname_busy")
	h.clock.Advance(time.Minute)
	h.drain()
	d.call(http.MethodGet, "/realname/"+check.ID, nil).into(&check)
	if check.State != "passed" || check.Reason != "" {
		t.Fatalf("check = %+v", check)
	}
	var me app.Me
	d.call(http.MethodGet, "/me", nil).into(&me)
	if me.Person == nil || me.Person.NameMasked != "测*甲" || me.Person.IDMasked != "1101**********002X" || me.Person.State != "verified" {
		t.Fatalf("me = %+v", me.Person)
	}

	other := h.device()
	other.signIn("13900000002")
	other.call(http.MethodGet, "/realname/"+check.ID, nil).refused(404, "realname_unknown")
	other.call(http.MethodPut, "/realname/"+check.ID+"/face", video).refused(404, "realname_unknown")
	other.call(http.MethodPut, "/realname/"+check.ID+"/face", []byte{}).refused(400, "request_malformed")
}

func TestBankCardVerifiesAPersonOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	d.signIn("13900000001")
	const card = "6222021234567890128"
	apply := func(card string) answer {
		ticket, code := d.code("13900000001", "realname")
		return d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code,
			"method": "bank", "bankCard": card, "consentFace": true})
	}
	apply("6222021234567890129").refused(422, "bank_card_invalid")
	next := func(outcome string) {
		res, err := http.Post(h.sandbox+"/sandbox/idcheck/next", "application/json", strings.NewReader(`{"outcome":"`+outcome+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	var check app.CheckBody
	next("refuse")
	apply(card).into(&check)
	if check.State != "refused" || check.Reason != "bank_card_mismatch" || check.Remaining != 4 {
		t.Fatalf("check = %+v", check)
	}
	next("timeout")
	apply("6222 0212 3456 7890 128").into(&check)
	if check.State != "factors" || check.Remaining != 3 {
		t.Fatalf("check = %+v", check)
	}
	h.clock.Advance(time.Minute)
	h.drain()
	d.call(http.MethodGet, "/realname/"+check.ID, nil).into(&check)
	if check.State != "face" || check.Method != "bank" || check.CardTail != "0128" {
		t.Fatalf("check = %+v", check)
	}
	d.call(http.MethodPut, "/realname/"+check.ID+"/face?source=live", mp4).into(&check)
	if check.State != "passed" {
		t.Fatalf("check = %+v", check)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Contains(h.log.String(), card) || strings.Contains(h.log.String(), card[4:12]) {
		t.Fatal("the card's number stands in the log")
	}
}

// The recorder of one browser gives WebM, that of another MP4; a file is taken for
// a registration in the sandbox alone.
func TestFaceVideoIsTakenAsTheRecorderMakesIt(t *testing.T) {
	h := open(t)
	h.deps.Environment.FaceUpload = true
	lenient := httptest.NewServer(app.New(h.deps).Handler())
	t.Cleanup(lenient.Close)
	d := h.device()
	d.signIn("13900000001")
	ticket, code := d.code("13900000001", "realname")
	var check app.CheckBody
	d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code,
		"method": "phone", "consentFace": true}).into(&check)
	webm := []byte("\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm....")
	face := "/realname/" + check.ID + "/face"
	for _, x := range []struct {
		kind string
		body []byte
		code string
	}{
		{"video/quicktime", mp4, "face_video_type"}, {"image/jpeg", []byte("\xff\xd8\xff\xe0"), "face_video_type"}, {"application/octet-stream", webm, "face_video_type"},
		{"video/webm", mp4, "face_video_type"}, {"video/mp4", webm, "face_video_type"}, {"video/webm", []byte("x"), "face_video_type"},
	} {
		d.kind = x.kind
		d.call(http.MethodPut, face, x.body).refused(422, x.code)
	}
	d.kind = "video/webm;codecs=vp8,opus"
	d.call(http.MethodPut, face+"?source=upload", webm).refused(403, "face_upload_refused")
	d.call(http.MethodPut, face+"?source=other", webm).refused(422, "request_malformed")
	d.api = lenient.URL
	id := strings.Repeat("0", 32)
	d.call(http.MethodPut, "/recoveries/"+id+"/face?source=upload", webm).refused(403, "face_upload_refused")
	d.call(http.MethodPut, "/pin/face/"+id+"/face?source=upload", webm).refused(403, "face_upload_refused")
	d.call(http.MethodPut, face+"?source=upload", webm).into(&check)
	if check.State != "passed" {
		t.Fatalf("check = %+v", check)
	}
}

func TestRestrictedSessionReachesLittle(t *testing.T) {
	h := open(t)
	old, fresh := h.device(), h.device()
	s := old.signIn("13900000001")
	fresh.signIn("13900000001")
	spki, err := x509.MarshalPKIXPublicKey(&fresh.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	thumbprint, err := account.Thumbprint(spki)
	if err != nil {
		t.Fatal(err)
	}
	h.do(func(ctx context.Context, tx work.Tx) error {
		return h.deps.Accounts.Restrict(ctx, tx, s.Account, thumbprint)
	})
	var me app.Me
	old.call(http.MethodGet, "/me", nil).into(&me)
	if !me.Device.Restricted {
		t.Fatalf("me = %+v", me)
	}
	var todos app.TodosBody
	old.call(http.MethodGet, "/todos", nil).into(&todos)
	if len(todos.Todos) != 0 { // the real name is the other phone's affair now
		t.Fatalf("todos = %+v", todos)
	}
	for _, path := range []string{"/platforms", "/platforms/x", "/regions", "/institutions", "/realname/x", "/scans/open", "/certificates/counts", "/usage"} {
		old.call(http.MethodGet, path, nil).refused(403, "session_restricted")
	}
	old.call(http.MethodPost, "/codes", object{"purpose": "pin"}).refused(403, "session_restricted")
	old.call(http.MethodPost, "/me/phone", object{"ticket": "", "code": "", "newTicket": "", "newCode": "", "newPhone": ""}).refused(403, "session_restricted")
	for _, purpose := range []string{"password", "close"} {
		old.call(http.MethodPost, "/codes", object{"purpose": purpose}).refused(403, "session_restricted")
	}
	for _, path := range []string{"/me/devices", "/me/closure"} {
		old.call(http.MethodGet, path, nil).refused(403, "session_restricted")
	}
	old.call(http.MethodPost, "/me/password", object{"newPassword": "bid-2026-spring"}).refused(403, "session_restricted")
	old.call(http.MethodPost, "/me/closure", object{"ticket": "", "code": ""}).refused(403, "session_restricted")
	old.call(http.MethodPost, "/me/devices/signout-others", nil).refused(403, "session_restricted")
	old.call(http.MethodDelete, "/me/devices/"+thumbprint, nil).refused(403, "session_restricted")
	var platforms app.PlatformsBody
	fresh.call(http.MethodGet, "/platforms", nil).into(&platforms)
}

func TestChangedPhoneOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	s := d.signIn("13900000001")
	in := object{"newPhone": "13900000002"}
	in["ticket"], in["code"] = d.code("13900000001", "phone")
	in["newTicket"], in["newCode"] = d.code("13900000002", "phone-new")
	if a := d.call(http.MethodPost, "/me/phone", in); a.status != http.StatusNoContent {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	if again := h.device().signIn("13900000002"); again.Account != s.Account {
		t.Fatalf("session = %+v", again)
	}
}

func TestCatalogOverHTTP(t *testing.T) {
	h := open(t)
	d := h.device()
	d.call(http.MethodGet, "/platforms", nil).refused(401, "login_required")
	d.signIn("13900000001")
	h.do(func(ctx context.Context, tx work.Tx) error {
		c := h.deps.Catalog
		for i, x := range []string{"北京", "上海"} {
			err := c.RegisterPlatform(ctx, tx, catalog.Platform{Code: fmt.Sprintf("M%010d", i), Name: x + "示例平台", Region: x, Host: "bid.example.com", Active: true})
			if err != nil {
				return err
			}
		}
		if err := c.PutInstitution(ctx, tx, catalog.Institution{Code: "010001", Name: "示例 CA", Active: true}); err != nil {
			return err
		}
		return c.SetPrice(ctx, tx, catalog.Price{Institution: "010001", Kind: catalog.KindCertificate, Years: 1, Fen: 20000, From: h.clock.Now()})
	})
	var platforms app.PlatformsBody
	d.call(http.MethodGet, "/platforms?region=%E4%B8%8A%E6%B5%B7&query=%E7%A4%BA%E4%BE%8B", nil).into(&platforms)
	if len(platforms.Platforms) != 1 || platforms.Platforms[0].Name != "上海示例平台" {
		t.Fatalf("platforms = %+v", platforms)
	}
	var one app.PlatformDetailBody
	d.call(http.MethodGet, "/platforms/M0000000000", nil).into(&one)
	if one.Region != "北京" || !one.Active || one.Mine.State != "none" || len(one.Certificates) != 0 {
		t.Fatalf("platform = %+v", one)
	}
	var regions app.RegionsBody
	d.call(http.MethodGet, "/regions", nil).into(&regions)
	if len(regions.Regions) != 2 || regions.Regions[1] != (app.RegionBody{Name: "上海", Short: "沪", Platforms: 1}) {
		t.Fatalf("regions = %+v", regions)
	}
	d.call(http.MethodPost, "/wishes", object{"name": "台"}).refused(422, "wish_invalid")
	var thanks app.WishBody
	d.call(http.MethodPost, "/wishes", object{"name": "示例平台", "region": "北京", "note": "谢谢"}).into(&thanks)
	if !strings.HasPrefix(thanks.Text, "感谢") {
		t.Fatalf("thanks = %+v", thanks)
	}
	var counts app.CertificateCountsBody
	d.call(http.MethodGet, "/certificates/counts", nil).into(&counts)
	if counts.Total != 0 || counts.Counts == nil {
		t.Fatalf("counts = %+v", counts)
	}
	var todos app.TodosBody
	d.call(http.MethodGet, "/todos", nil).into(&todos)
	if len(todos.Todos) != 1 || todos.Todos[0].Kind != "realname" || todos.Todos[0].Action.Kind != "realname" {
		t.Fatalf("todos = %+v", todos)
	}
	d.call(http.MethodGet, "/platforms/M9999999999", nil).refused(404, "platform_unknown")
	d.call(http.MethodGet, "/institutions?platform=M9999999999", nil).refused(404, "platform_unknown")
	var institutions app.InstitutionsBody
	d.call(http.MethodGet, "/institutions?platform=M0000000000", nil).into(&institutions)
	if len(institutions.Institutions) != 1 || institutions.Institutions[0].Prices[0] != (app.PriceBody{Kind: "certificate", Years: 1, Fen: 20000}) {
		t.Fatalf("institutions = %+v", institutions)
	}
}

func TestNoticesOverHTTP(t *testing.T) {
	h := open(t)
	d, other := h.device(), h.device()
	s := d.signIn("13900000001")
	other.signIn("13900000002")
	h.do(func(ctx context.Context, tx work.Tx) error {
		return h.deps.Notices.Post(ctx, tx, notice.Notice{Account: s.Account, Kind: "x", Title: "标题", Body: "正文", SMS: true})
	})
	h.drain()
	var page app.NoticesBody
	d.call(http.MethodGet, "/notices", nil).into(&page)
	if len(page.Notices) != 1 || page.Unread != 1 || page.Notices[0].Title != "标题" || !page.Notices[0].Unread {
		t.Fatalf("page = %+v", page)
	}
	path := "/notices/" + page.Notices[0].ID + "/read"
	other.call(http.MethodPost, path, nil).refused(404, "notice_unknown")
	if a := d.call(http.MethodPost, path, nil); a.status != http.StatusNoContent {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	h.do(func(ctx context.Context, tx work.Tx) error {
		return h.deps.Notices.Post(ctx, tx, notice.Notice{Account: s.Account, Kind: "x", Title: "标题", Body: "正文"})
	})
	if a := d.call(http.MethodPost, "/notices/read", nil); a.status != http.StatusNoContent {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	var me app.Me
	d.call(http.MethodGet, "/me", nil).into(&me)
	if me.Unread != 0 {
		t.Fatalf("me = %+v", me)
	}
}

// The whole log of a registration and a real-name check, at its chattiest, with a
// refusal and a time-out on the way, holds nothing personal and no code.
func TestLogsHoldNothingPersonal(t *testing.T) {
	h := open(t)
	d := h.device()
	secrets := []string{"13900000001", "测试甲", "11010519491231002X"}
	d.login("13900000001", "x", "271828").refused(409, "sms_code_unknown")
	d.signIn("13900000001")
	ticket, code := d.code("13900000001", "realname")
	secrets = append(secrets, code, ticket, d.token)
	res, err := http.Post(h.sandbox+"/sandbox/idcheck/next", "application/json", strings.NewReader(`{"outcome":"timeout"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	var check app.CheckBody
	d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code, "method": "phone", "consentFace": true}).into(&check)
	h.clock.Advance(time.Minute)
	h.drain()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log.Len() == 0 {
		t.Fatal("there is no log")
	}
	for _, s := range secrets {
		if bytes.Contains(h.log.Bytes(), []byte(s)) {
			t.Errorf("the log holds %q", s)
		}
	}
}

// Large bodies have few places; an account's devices share its own.
func TestAnAccountsDevicesShareItsPlacesForVideos(t *testing.T) {
	h := open(t)
	one, two := h.device(), h.device()
	one.signIn("13900000001")
	two.signIn("13900000001")
	video := func(d *device, body io.Reader) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, h.api+"/app/v1/realname/"+strings.Repeat("0", 32)+"/face", body)
		if err != nil {
			t.Error(err)
			return nil
		}
		req.ContentLength = 1 << 20
		req.AddCookie(&http.Cookie{Name: app.Cookie, Value: d.token})
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil // cut off below
		}
		res.Body.Close()
		return res
	}
	for range 2 {
		read, write := io.Pipe()
		go video(one, read)
		if _, err := write.Write(make([]byte, 512<<10)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { write.CloseWithError(io.ErrUnexpectedEOF) })
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); { // until the server receives both
		if res := video(two, bytes.NewReader(make([]byte, 1<<20))); res != nil && res.StatusCode == http.StatusServiceUnavailable {
			return
		}
	}
	t.Fatal("one account sends three videos at once")
}
