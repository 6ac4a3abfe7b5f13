// Package site is a small e-tendering site (电子招投标平台): one logs in by
// scanning a QR code and signs a bid letter with the phone. It uses the SDK and
// the standard library only and is meant to be read: how a platform keeps a
// transaction with the browser session that asked, shows the code, goes on with
// a verified result, and receives callbacks (docs/sdk.md).
package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"tianweitong/platform"
)

//go:embed page static
var files embed.FS

// NotifyPath is where the site receives callbacks, below its public address.
const NotifyPath = "/notify/tianweitong"

// Config is what the site needs.
type Config struct {
	// Client speaks to the service.
	Client *platform.Client
	// Name of the platform, as the pages show it.
	Name string
	// Install is the page that installs the phone's app, shown to those who have
	// none; empty shows nothing.
	Install string
	// Public is the address that the service calls back to, such as
	// https://bid.example; empty is without callbacks.
	Public string
	// Secure says that the site is reached by https: its cookie is for that and
	// for this host alone.
	Secure bool
	// Clock tells the time; nil is the machine's.
	Clock platform.Clock
	// Rand gives session secrets; nil is crypto/rand.
	Rand io.Reader
	// Log hears what goes wrong; nil is silence.
	Log *slog.Logger
}

// Site is the whole site, an http.Handler.
type Site struct {
	cfg      Config
	sessions sessions
	widget   *platform.Widget
	pages    map[string]*template.Template
	handler  http.Handler
}

// policy allows nothing but what this site itself serves; the QR code is an
// image inside its answer.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// New makes the site.
func New(cfg Config) (*Site, error) {
	if cfg.Client == nil || cfg.Name == "" {
		return nil, errors.New("site: Client and Name are wanted")
	}
	if cfg.Clock == nil {
		cfg.Clock = platform.SystemClock{}
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{cfg: cfg, sessions: sessions{clock: cfg.Clock, rand: cfg.Rand, secure: cfg.Secure}, pages: map[string]*template.Template{}}
	for _, name := range []string{"index", "scan", "bid", "receipt", "error"} {
		t, err := template.New("layout.html").Funcs(template.FuncMap{"grouped": grouped, "day": day, "second": second, "initial": initial}).
			ParseFS(files, "page/layout.html", "page/parts.html", "page/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("site: %w", err)
		}
		s.pages[name] = t
	}
	s.widget = cfg.Client.Widget(s.pending)
	s.widget.Log = cfg.Log
	assets, err := fs.Sub(files, "static")
	if err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /bid", s.member(s.bid))
	mux.HandleFunc("POST /sign", s.member(s.sign))
	mux.HandleFunc("GET /receipt", s.member(s.receipt))
	mux.HandleFunc("GET /receipt/{file}", s.member(s.download))
	mux.HandleFunc("GET /scan/{kind}", s.scan)
	mux.HandleFunc("POST /scan/{kind}/finish", s.finish)
	mux.Handle("GET /scan/{kind}/{part}", s.widget)
	mux.Handle("GET /static/{file}", http.StripPrefix("/static/", http.FileServerFS(assets)))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, "没有找到这个页面", "请从首页重新进入。", "")
	})
	// Pages change something only by a POST of their own.
	s.handler = http.NewCrossOriginProtection().Handler(mux)
	if cfg.Public != "" {
		own := s.handler
		outer := http.NewServeMux()
		calls := cfg.Client.Receiver(strings.TrimSuffix(cfg.Public, "/")+NotifyPath, s.called)
		calls.Log = cfg.Log
		outer.Handle(NotifyPath, calls)
		outer.Handle("/", own)
		s.handler = outer
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	s.handler.ServeHTTP(w, r)
}

// called hears of a callback. It is a hint: the pages follow the states by
// themselves, and a result is always fetched and verified.
func (s *Site) called(ctx context.Context, cb platform.Callback) error {
	s.cfg.Log.InfoContext(ctx, "callback", "transaction", cb.ID, "state", cb.State)
	return nil
}

// view is what every page is given.
type view struct {
	Site  string
	Title string
	User  *platform.Identity // nil: nobody is logged in
	Scan  bool               // the page needs the script
	// Hero says that the page shows what the platform is for, beside its card.
	Hero    bool
	Notices []bulletin
	Steps   []step // of a login that has not begun
	Install string
	Data    any
}

// bulletin is one line of the front page's announcements (公告).
type bulletin struct{ Kind, Title, When string }

// bulletins are made up; their dates follow the clock.
func bulletins(now time.Time) []bulletin {
	date := func(days int) string { return now.In(beijing).AddDate(0, 0, days).Format("01-02") }
	return []bulletin{
		{"开标", "城北污水处理厂提标改造（样例）第 2 标段", date(1) + " 14:00"},
		{"招标", "东湖快速路绿化养护（样例）", date(3) + " 截止"},
		{"公示", "南苑学校教学楼新建（样例）", date(2) + " 截止"},
	}
}

func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	v := view{Site: s.cfg.Name, Title: title, Scan: page == "scan", Install: s.cfg.Install, Data: data}
	if p, ok := data.(scanPage); page == "index" || ok && p.Signing == "" {
		v.Hero, v.Notices = true, bulletins(s.cfg.Clock.Now())
		v.Steps = steps(platform.View{Phase: platform.Waiting}, loginSteps)
	}
	if now := s.sessions.of(r); now != nil {
		v.User = now.user()
	}
	var b bytes.Buffer
	if err := s.pages[page].Execute(&b, v); err != nil {
		s.cfg.Log.ErrorContext(r.Context(), "page", "page", page, "error", err)
		http.Error(w, "页面暂时无法显示，请稍后重试", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// problem is what an error page says: what happened, what to do, which number
// to tell the service's support.
type problem struct{ What, Do, Number string }

func (s *Site) fail(w http.ResponseWriter, r *http.Request, status int, what, do, number string) {
	s.render(w, r, status, "error", what, problem{what, do, number})
}

// refused shows what the service or the SDK said.
func (s *Site) refused(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.WarnContext(r.Context(), "service", "error", err)
	var p *platform.Problem
	switch {
	case errors.As(err, &p) && p.Detail != "":
		s.fail(w, r, http.StatusBadGateway, "操作没有开始", p.Detail, p.Instance)
	case errors.Is(err, platform.ErrRefused):
		s.fail(w, r, http.StatusBadGateway, "结果没有通过核验", "本平台没有采用这次结果，请重新扫码。", "")
	default:
		s.fail(w, r, http.StatusBadGateway, "暂时无法连接天威通", "没有产生任何签名或登录，请稍后重试。", "")
	}
}

var beijing = time.FixedZone("CST", 8*60*60)

func day(t time.Time) string    { return t.In(beijing).Format("2006-01-02") }
func second(t time.Time) string { return t.In(beijing).Format("2006-01-02 15:04:05") }

// initial is the first character of a name.
func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}

// grouped writes a serial number or digest in groups of four.
func grouped(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
