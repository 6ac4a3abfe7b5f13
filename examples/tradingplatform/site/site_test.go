package site_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/examples/tradingplatform/site"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
	"tianweitong/platform/platformtest"
)

// visitor is a browser on the site.
type visitor struct {
	t    *testing.T
	http http.Client
	base string
}

func open(t *testing.T, s *platformtest.Service) (*httptest.Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	server := httptest.NewUnstartedServer(nil)
	handler, err := site.New(site.Config{Client: s.Client(), Name: "样例招采平台", Clock: s.Clock,
		Public: "http://" + server.Listener.Addr().String(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return server, &log
}

func visit(t *testing.T, server *httptest.Server) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, http.Client{Jar: jar, Timeout: 10 * time.Second}, server.URL}
}

// page answers where a request ended and what it shows.
func (v *visitor) page(res *http.Response, err error) (path, body string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.Request.URL.Path, string(b)
}

func (v *visitor) get(path string) (string, string) {
	v.t.Helper()
	return v.page(v.http.Get(v.base + path))
}

func (v *visitor) post(path string) (string, string) {
	v.t.Helper()
	return v.page(v.http.PostForm(v.base+path, url.Values{}))
}

func expect(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(body, p) {
			t.Errorf("the page lacks %q:\n%s", p, body)
		}
	}
}

// enter logs a visitor in.
func (v *visitor) enter(s *platformtest.Service) {
	v.t.Helper()
	v.post("/login")
	s.Execute(s.Last())
	if path, _ := v.post("/scan/login/finish"); path != "/bid" {
		v.t.Fatalf("after the login at %s", path)
	}
}

func TestLoginAndSignByScanning(t *testing.T) {
	s := platformtest.New(t)
	server, log := open(t, s)
	v := visit(t, server)
	_, body := v.get("/")
	expect(t, body, "扫码登录", `action="/login"`)
	path, body := v.post("/login")
	if path != "/scan/login" {
		t.Fatalf("at %s", path)
	}
	expect(t, body, "等待扫码", `src="/scan/login/qr.svg"`, `data-phase="waiting"`)
	id := s.Last()
	if c := s.Created(id); c.Type != platform.TypeLogin || c.Title != "登录样例招采平台" || c.NotifyPath != site.NotifyPath || c.Browser.Address != "127.0.0.1" {
		t.Errorf("asked for %+v", c)
	}
	s.Scan(id, "4821")
	_, body = v.get("/scan/login")
	expect(t, body, "已扫码", "4821")
	if path, _ := v.post("/scan/login/finish"); path != "/scan/login" {
		t.Errorf("went on to %s without a result", path)
	}
	s.Execute(id)
	_, body = v.get("/scan/login")
	expect(t, body, "已登录", "进入平台")
	path, body = v.post("/scan/login/finish")
	if path != "/bid" {
		t.Fatalf("at %s", path)
	}
	expect(t, body, "张三", "投标人：张三", `action="/sign"`)

	path, body = v.post("/sign")
	if path != "/scan/sign" {
		t.Fatalf("at %s", path)
	}
	c := s.Created(s.Last())
	sum := pki.SM3.Sum(c.Sign.Document)
	expect(t, body, "扫码签名", "投标函.txt", fmt.Sprintf("%X %X … %X %X", sum[:2], sum[2:4], sum[28:30], sum[30:]), "在手机上核对并确认")
	if strings.Contains(body, "验证数字") {
		t.Error("the page of a signature promises digits that nobody asks for")
	}
	if c.ExpectedIdentity != "P-0001" || !bytes.Contains(c.Sign.Document, []byte("投标人：张三")) {
		t.Errorf("asked for %+v", c)
	}
	s.Scan(s.Last(), "")
	s.Execute(s.Last())
	path, body = v.post("/scan/sign/finish")
	if path != "/receipt" {
		t.Fatalf("at %s", path)
	}
	expect(t, body, "签名完成", "张三", "投标函.txt", s.Last())

	_, p7s := v.get("/receipt/signature.p7s")
	_, document := v.get("/receipt/document")
	if document != string(c.Sign.Document) {
		t.Error("the document is not the one that was signed")
	}
	d, err := pki.ParseSignedData(pki.Arc{}, []byte(p7s))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Verify(strings.NewReader(document)); err != nil {
		t.Error(err)
	}
	pkitest.OpenSSLVerifies(t, d.Signer, []byte(document), d.Signature)
	if _, cert := v.get("/receipt/sign.pem"); !strings.HasPrefix(cert, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("sign.pem is %.40q", cert)
	}
	if path, _ := v.get("/receipt/../../etc/passwd"); strings.HasPrefix(path, "/receipt") {
		t.Errorf("at %s", path)
	}

	if path, _ := v.post("/logout"); path != "/" {
		t.Errorf("at %s", path)
	}
	for _, page := range []string{"/bid", "/receipt", "/receipt/document", "/scan/sign"} {
		if path, _ := v.get(page); path != "/" {
			t.Errorf("%s is still open after logging out", page)
		}
	}
	if strings.Contains(log.String(), "WARN") || strings.Contains(log.String(), "ERROR") {
		t.Errorf("log:\n%s", log)
	}
}

func TestResultServesOnlyTheBrowserThatAsked(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	victim, thief := visit(t, server), visit(t, server)
	victim.post("/login")
	mine := s.Last()
	thief.post("/login")
	s.Scan(mine, "4821")
	s.Execute(mine)
	if path, _ := thief.post("/scan/login/finish"); path != "/scan/login" {
		t.Errorf("the other browser went to %s", path)
	}
	if path, body := visit(t, server).get("/scan/login/state"); strings.Contains(body, "phase") {
		t.Errorf("a stranger is told at %s: %s", path, body)
	}
	if path, _ := victim.post("/scan/login/finish"); path != "/bid" {
		t.Errorf("the own browser went to %s", path)
	}
}

func TestLoggingInChangesTheSessionsSecret(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	at, _ := url.Parse(server.URL)
	v.post("/login")
	before := v.http.Jar.Cookies(at)[0]
	s.Execute(s.Last())
	v.post("/scan/login/finish")
	after := v.http.Jar.Cookies(at)[0]
	if before.Value == after.Value {
		t.Error("the cookie stayed the same")
	}
	old := visit(t, server)
	old.http.Jar.SetCookies(at, []*http.Cookie{before})
	if path, _ := old.get("/bid"); path != "/" {
		t.Errorf("the old cookie opens %s", path)
	}
	if path, _ := v.post("/scan/login/finish"); path != "/bid" {
		t.Errorf("pressed twice: at %s", path)
	}
}

func TestSessionsEnd(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.enter(s)
	s.Clock.Advance(31 * time.Minute)
	if path, _ := v.get("/bid"); path != "/" {
		t.Errorf("still open: %s", path)
	}
}

func TestBrokenResultLogsNobodyIn(t *testing.T) {
	s := platformtest.New(t)
	server, log := open(t, s)
	v := visit(t, server)
	v.post("/login")
	s.Execute(s.Last(), func(e *platformtest.Execution) { e.Login.Host = "other.example" })
	_, body := v.post("/scan/login/finish")
	expect(t, body, "结果没有通过核验")
	if path, _ := v.get("/bid"); path != "/" {
		t.Errorf("logged in: %s", path)
	}
	expect(t, log.String(), "signed message is not ours")
}

func TestAnotherHolderCannotSign(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.enter(s)
	v.post("/sign")
	key := pkitest.Key(t)
	other := pkitest.Template(pki.PersonSigning, key)
	other.Subject.Serial, other.Subject.CommonName = "P-0002", "李四"
	s.Execute(s.Last(), func(e *platformtest.Execution) {
		e.Signer = platformtest.Party{Certificate: s.Authority.CA.Issue(t, other), Key: key}
	})
	_, body := v.post("/scan/sign/finish")
	expect(t, body, "结果没有通过核验")
	if path, _ := v.get("/receipt"); path != "/bid" {
		t.Errorf("a receipt was kept: %s", path)
	}
}

func TestEndsSayWhatHappenedAndOfferANewCode(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	for _, end := range []struct {
		state platform.State
		why   platform.Outcome
		says  []string
	}{
		{platform.Expired, platform.Timeout, []string{"已过期，点击刷新", `data-phase="expired"`}},
		{platform.Rejected, platform.UserRefused, []string{"已取消", "已在手机上拒绝", "重新获取二维码"}},
		{platform.Failed, platform.WrongCode, []string{"未完成", "验证数字不一致", "重新获取二维码"}},
	} {
		v.post("/login")
		s.End(s.Last(), end.state, end.why)
		_, body := v.get("/scan/login")
		expect(t, body, end.says...)
	}
}

// TestNewCodeEndsTheOldOne: whoever scanned a code that its page has given up is
// told, and cannot confirm it.
func TestNewCodeEndsTheOldOne(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.post("/login")
	old := s.Last()
	s.Scan(old, "4821")
	v.post("/login")
	if want := "POST /open/v1/transactions/" + old + "/cancel"; !slices.Contains(s.Calls(), want) {
		t.Errorf("%s is not among %q", want, s.Calls())
	}
	_, body := v.get("/scan/login")
	expect(t, body, "等待扫码")
}

// TestStepsFollowTheScan: the page marks what is done and what comes now without
// a script, as the script does.
func TestStepsFollowTheScan(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.post("/login")
	for _, now := range []struct {
		step string
		done int
		then func()
	}{
		{"扫码", 0, func() { s.Scan(s.Last(), "4821") }},
		{"输入数字", 1, func() { s.Execute(s.Last()) }},
		{"进入平台", 4, func() {}},
	} {
		_, body := v.get("/scan/login")
		expect(t, body, `aria-current="step"><span>`+now.step)
		if n := strings.Count(body, " data-done"); n != now.done {
			t.Errorf("at %s %d steps are done, want %d", now.step, n, now.done)
		}
		now.then()
	}
}

func TestWhoHasNoAppIsShownWhereToGetIt(t *testing.T) {
	s := platformtest.New(t)
	for _, install := range []string{"", "https://app.example/get"} {
		handler, err := site.New(site.Config{Client: s.Client(), Name: "样例招采平台", Install: install})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := strings.Contains(w.Body.String(), "安装到手机"); got != (install != "") || !strings.Contains(w.Body.String(), install) {
			t.Errorf("with %q the link is shown: %v", install, got)
		}
	}
}

func TestOutageIsSaidCalmly(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	s.Fail(1)
	_, body := v.post("/login")
	expect(t, body, "请求未被接受，请检查后重试。", "0011223344556677")
	if path, _ := v.get("/scan/login"); path != "/" {
		t.Errorf("a page without a transaction: %s", path)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	req, _ := http.NewRequest("POST", server.URL+"/login", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusForbidden || len(s.Calls()) != 0 {
		t.Errorf("answered %d, asked %v", res.StatusCode, s.Calls())
	}
}

func TestCallbackIsReceived(t *testing.T) {
	s := platformtest.New(t)
	server, log := open(t, s)
	v := visit(t, server)
	v.post("/login")
	req := s.Callback(server.URL+site.NotifyPath, s.Last(), platform.Executed, nil)
	path, body := v.page(http.DefaultClient.Do(req))
	if body != `{"ret":"0"}` {
		t.Errorf("%s answered %s", path, body)
	}
	expect(t, log.String(), s.Last())
}

// TestPagesKeepTheirOwnPolicy: nothing inline, nothing from elsewhere, one
// heading, a language, and the policy on every answer.
func TestPagesKeepTheirOwnPolicy(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.enter(s)
	v.post("/sign")
	s.Execute(s.Last())
	v.post("/scan/sign/finish")
	v.post("/sign")
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?: defer)?>|(?:src|href)="(?:https?:)?//`)
	for _, page := range []string{"/", "/bid", "/scan/sign", "/receipt", "/nowhere"} {
		res, err := v.http.Get(server.URL + page)
		if err != nil {
			t.Fatal(err)
		}
		csp := res.Header.Get("Content-Security-Policy")
		_, body := v.page(res, nil)
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", page, csp)
		}
		if m := inline.FindString(body); m != "" {
			t.Errorf("%s holds %q", page, m)
		}
		if n := strings.Count(body, "<h1"); n != 1 {
			t.Errorf("%s has %d first headings", page, n)
		}
		expect(t, body, `<html lang="zh-CN">`, "<main id=", `name="viewport"`, "<title>")
	}
	for _, file := range []string{"site.css", "scan.js", "mark.svg", "twt.svg", "blur.svg", "skyline.svg"} {
		res, err := http.Get(server.URL + "/static/" + file)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v %v", file, res, err)
		}
	}
	if _, body := v.get("/static/"); strings.Contains(body, "scan.js") {
		t.Error("the folder is listed")
	}
}

func TestScanPageIsFedWithoutReloading(t *testing.T) {
	s := platformtest.New(t)
	server, _ := open(t, s)
	v := visit(t, server)
	v.post("/login")
	var first, second struct{ Image string }
	for _, q := range []*struct{ Image string }{&first, &second} {
		_, body := v.get("/scan/login/qr")
		if err := json.Unmarshal([]byte(body), q); err != nil {
			t.Fatal(err)
		}
	}
	if first.Image == second.Image || !strings.HasPrefix(first.Image, "data:image/svg+xml;base64,") {
		t.Error("the code does not change")
	}
	s.Execute(s.Last())
	_, body := v.get("/scan/login/events")
	expect(t, body, "event: state\n", `"phase":"done"`, "已登录")
	if strings.Contains(body, "张三") || strings.Contains(body, "signature") {
		t.Errorf("the page is told the result: %s", body)
	}
}
