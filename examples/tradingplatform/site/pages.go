package site

import (
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tianweitong/platform"
)

// kinds are the two things that are scanned for, by the name in the path.
var kinds = map[string]platform.Type{"login": platform.TypeLogin, "sign": platform.TypeSign}

// pending gives the transaction that a page of this browser is about; the SDK
// checks that it belongs to the secret.
func (s *Site) pending(r *http.Request) (platform.Transaction, []byte, bool) {
	now := s.sessions.of(r)
	if now == nil {
		return platform.Transaction{}, nil, false
	}
	tx, ok := now.transaction(kinds[r.PathValue("kind")])
	return tx, now.secret, ok
}

// member admits those who are logged in.
func (s *Site) member(next func(http.ResponseWriter, *http.Request, *session, platform.Identity)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := s.sessions.of(r)
		if now == nil || now.user() == nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		next(w, r, now, *now.user())
	}
}

func (s *Site) index(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "index", "首页", nil)
}

// login begins a login for a fresh browser session.
func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	s.drop(r, platform.TypeLogin)
	now, err := s.sessions.start(w, r, nil, nil)
	if err != nil {
		s.crowded(w, r, err)
		return
	}
	tx, err := s.cfg.Client.BeginLogin(r.Context(), platform.LoginRequest{Request: s.request(r, now, "登录"+s.cfg.Name)})
	if err != nil {
		s.refused(w, r, err)
		return
	}
	now.begin(tx)
	http.Redirect(w, r, "/scan/login", http.StatusSeeOther)
}

// drop ends what the page showed before: a code that nobody looks at any more is
// not to be confirmed, and whoever scanned it is told.
func (s *Site) drop(r *http.Request, kind platform.Type) {
	now := s.sessions.of(r)
	if now == nil {
		return
	}
	tx, ok := now.transaction(kind)
	if !ok || now.user() != nil && kind == platform.TypeLogin {
		return
	}
	// What has ended already cannot be ended again.
	if err := s.cfg.Client.Cancel(r.Context(), tx); err != nil {
		s.cfg.Log.InfoContext(r.Context(), "cancel", "transaction", tx.ID, "error", err)
	}
}

func (s *Site) crowded(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.ErrorContext(r.Context(), "session", "error", err)
	s.fail(w, r, http.StatusServiceUnavailable, "现在访问的人较多", "请稍后重试。", "")
}

func (s *Site) request(r *http.Request, now *session, title string) platform.Request {
	q := platform.Request{Title: title, Secret: now.secret, Browser: platform.BrowserOf(r)}
	if s.cfg.Public != "" {
		q.NotifyPath = NotifyPath
	}
	return q
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(r)
	gone := s.sessions.cookie("")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// scanPage is the page with the QR code. It is whole without a script, which
// only saves the reloading.
type scanPage struct {
	platform.View
	Kind    string
	Again   string // where a new code is asked for
	Heading string
	Steps   []step
	Go      string // button of the last step
	Refresh int    // seconds between reloads without a script; 0: none
	Signing string // name of the document
	Letter  string // its text
	Digest  string // head and tail of its SM3, as the phone shows them
}

type step struct {
	Name      string
	Done, Now bool
}

// The steps of a scan. A signature by who is logged in asks for no digits: the
// phone shows what is signed instead.
var (
	loginSteps = []string{"扫码", "输入数字", "输入 PIN 码", "进入平台"}
	signSteps  = []string{"扫码", "在手机上核对并确认", "签名完成"}
)

// steps marks where the view stands among the names, as scan.js does.
func steps(v platform.View, names []string) []step {
	at := map[platform.Phase]int{platform.Waiting: 0, platform.Seen: len(names) - 2, platform.Completed: len(names) - 1}
	now, going := at[v.Phase]
	if v.Code != "" {
		now = 1
	}
	var list []step
	for i, name := range names {
		list = append(list, step{name, going && i < now || v.Phase == platform.Completed, going && i == now})
	}
	return list
}

func (s *Site) scan(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	now := s.sessions.of(r)
	if now == nil || kinds[kind] == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	tx, ok := now.transaction(kinds[kind])
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	st, err := s.widget.Status(r)
	if err != nil {
		s.refused(w, r, err)
		return
	}
	p := scanPage{View: st.View(), Kind: kind, Again: "/login", Heading: "扫码登录", Go: "进入平台"}
	names := loginSteps
	if kind == "sign" {
		p.Again, p.Heading, p.Go, p.Signing, names = "/sign", "扫码签名", "查看结果", tx.Name, signSteps
		p.Letter = string(now.text())
		digest := strings.ToUpper(hex.EncodeToString(tx.Digest))
		p.Digest = grouped(digest[:8]) + " … " + grouped(digest[len(digest)-8:])
	}
	p.Steps = steps(p.View, names)
	if !p.Final {
		p.Refresh = 8
	}
	s.render(w, r, http.StatusOK, "scan", p.Heading, p)
}

// finish goes on with a result, which the SDK has verified: for this platform,
// this transaction and this browser.
func (s *Site) finish(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	now := s.sessions.of(r)
	if now == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if _, begun := now.transaction(kinds[kind]); !begun { // pressed twice: done already
		http.Redirect(w, r, "/bid", http.StatusSeeOther)
		return
	}
	st, err := s.widget.Status(r)
	switch {
	case err != nil:
		s.refused(w, r, err)
	case st.Result == nil:
		http.Redirect(w, r, "/scan/"+kind, http.StatusSeeOther)
	case st.Type == platform.TypeLogin:
		who := st.Result.Identity
		if _, err := s.sessions.start(w, r, &who, letter(s.cfg.Name, who.Name, s.cfg.Clock.Now())); err != nil {
			s.crowded(w, r, err)
			return
		}
		http.Redirect(w, r, "/bid", http.StatusSeeOther)
	default:
		tx, _ := now.transaction(platform.TypeSign)
		rec, err := newReceipt(tx, st.Result)
		if err != nil {
			s.refused(w, r, err)
			return
		}
		now.keep(rec)
		http.Redirect(w, r, "/receipt", http.StatusSeeOther)
	}
}

// letterName is the file name of the bid letter (投标函).
const letterName = "投标函.txt"

// letter writes the document.
func letter(site, bidder string, at time.Time) []byte {
	return fmt.Appendf(nil, `投标函

致：样例招标人

一、我方已研究“城北污水处理厂提标改造（样例）”第 2 标段的招标文件，愿以人民币 32,100,000.00 元的总价承担该标段的全部工作。
二、我方的投标在投标截止之日起 90 日内有效。
三、我方保证投标文件内容真实。

投标人：%s
日期：%s
提交平台：%s
`, bidder, day(at), site)
}

func (s *Site) bid(w http.ResponseWriter, r *http.Request, now *session, _ platform.Identity) {
	s.render(w, r, http.StatusOK, "bid", "投标函", struct {
		Letter, Name string
		Receipt      *receipt
	}{string(now.text()), letterName, now.kept()})
}

// sign asks the one who is logged in, and nobody else, to sign the letter.
func (s *Site) sign(w http.ResponseWriter, r *http.Request, now *session, user platform.Identity) {
	q := platform.SignRequest{Request: s.request(r, now, "签署投标函"), Name: letterName,
		Document: now.text()}
	q.ExpectedHolder = user.Holder
	s.drop(r, platform.TypeSign)
	tx, err := s.cfg.Client.BeginSign(r.Context(), q)
	if err != nil {
		s.refused(w, r, err)
		return
	}
	now.begin(tx)
	http.Redirect(w, r, "/scan/sign", http.StatusSeeOther)
}

// receipt is a signed letter.
type receipt struct {
	Transaction  string
	Signer       platform.Identity
	SignedAt     time.Time
	Serial       string
	Issuer       string
	Until        time.Time
	DocumentSM3  string
	DocumentName string
	files        map[string]download
}

type download struct {
	name, kind string
	content    []byte
}

func newReceipt(tx platform.Transaction, r *platform.Result) (*receipt, error) {
	p7s, err := r.CMS()
	if err != nil {
		return nil, err
	}
	signer := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate.Raw})
	return &receipt{
		Transaction: tx.ID, Signer: r.Identity, SignedAt: r.SignedAt,
		Serial: fmt.Sprintf("%X", r.Certificate.SerialNumber), Issuer: r.Certificate.Issuer.CommonName, Until: r.Certificate.NotAfter,
		DocumentSM3: strings.ToUpper(hex.EncodeToString(tx.Digest)), DocumentName: tx.Name,
		files: map[string]download{
			"document":      {"bid-letter.txt", "text/plain; charset=utf-8", r.Message},
			"signature.p7s": {"signature.p7s", "application/pkcs7-signature", p7s},
			"timestamp.tsr": {"timestamp.tsr", "application/timestamp-reply", r.Timestamp},
			"sign.pem":      {"sign.pem", "application/x-pem-file", signer},
		},
	}, nil
}

func (s *Site) receipt(w http.ResponseWriter, r *http.Request, now *session, _ platform.Identity) {
	rec := now.kept()
	if rec == nil {
		http.Redirect(w, r, "/bid", http.StatusSeeOther)
		return
	}
	s.render(w, r, http.StatusOK, "receipt", "签名完成", rec)
}

func (s *Site) download(w http.ResponseWriter, r *http.Request, now *session, _ platform.Identity) {
	var f download
	rec, ok := now.kept(), false
	if rec != nil {
		f, ok = rec.files[r.PathValue("file")]
	}
	if !ok {
		s.fail(w, r, http.StatusNotFound, "没有找到这个文件", "请先完成签名。", "")
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(f.content)
}
