package platform

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"time"
)

// Phase is a Status as a page shows it.
type Phase string

// The phases of a page (界面状态).
const (
	Waiting   Phase = "waiting"   // 等待扫码
	Seen      Phase = "scanned"   // 已扫码
	Completed Phase = "done"      // 已登录, 已签名
	Stopped   Phase = "cancelled" // 已取消
	Overdue   Phase = "expired"   // 已过期
	Broken    Phase = "failed"    // 未完成
)

// View is what the page is told of a Status: nothing of the result.
type View struct {
	Phase Phase `json:"phase"`
	// Label is the phase in two to four characters, Text a sentence or "".
	Label string `json:"label"`
	Text  string `json:"text"`
	Code  string `json:"code,omitempty"` // 验证数字, after the scan only
	Final bool   `json:"final"`
}

// View says how a page shows the status.
func (s Status) View() View {
	v := View{Code: s.Code, Final: s.State.Final(), Text: s.Outcome.Text()}
	if s.Outcome == "" {
		v.Text = ""
	}
	switch s.State {
	case Created:
		v.Phase, v.Label, v.Text = Waiting, "等待扫码", "请用天威通扫一扫"
	case Scanned:
		v.Phase, v.Label, v.Text = Seen, "已扫码", "请在手机上确认"
		if s.Code != "" {
			v.Text = "请在手机上输入这组数字"
		}
	case Bound, Ready, Authorized:
		v.Phase, v.Label, v.Text = Seen, "已扫码", "请在手机上输入 PIN 码"
	case Recovering:
		v.Phase, v.Label, v.Text = Seen, "恢复中", "手机正在恢复密钥，请稍候"
	case Executed, Delivered:
		v.Phase, v.Label = Completed, "已登录"
		if s.Type == TypeSign {
			v.Label = "已签名"
		}
	case Rejected, Cancelled:
		v.Phase, v.Label = Stopped, "已取消"
	case Expired:
		v.Phase, v.Label = Overdue, "已过期"
	default:
		v.Phase, v.Label = Broken, "未完成"
	}
	return v
}

// Widget is the http.Handler for the platform's own page, which never speaks to
// the service itself. By the last element of the path it answers:
//
//	qr       the code as JSON: text, image (a data: URL), rotatesIn, expiresIn in ms
//	qr.svg   the picture alone
//	qr.png
//	state    the View as JSON
//	events   the Views as server-sent events named "state", until a final one
//
// Everything is for the browser session that asked for the transaction; any
// other request is answered 404.
type Widget struct {
	// Find gives the transaction that a request is about and the secret of the
	// browser session that the request comes from, or false.
	Find func(*http.Request) (tx Transaction, secret []byte, ok bool)
	// Log hears what went wrong; nil is silence.
	Log *slog.Logger

	client *Client
}

// Widget returns the handler for a page.
func (c *Client) Widget(find func(*http.Request) (Transaction, []byte, bool)) *Widget {
	return &Widget{Find: find, client: c}
}

// heartbeat keeps proxies from closing a quiet stream.
const heartbeat = 15 * time.Second

// ServeHTTP implements http.Handler.
func (g *Widget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	tx, ok := g.find(r)
	if r.Method != http.MethodGet || !ok {
		http.NotFound(w, r)
		return
	}
	switch path.Base(r.URL.Path) {
	case "qr":
		g.code(w, r, tx)
	case "qr.svg":
		g.picture(w, r, tx, "image/svg+xml", QR.SVG)
	case "qr.png":
		g.picture(w, r, tx, "image/png", QR.PNG)
	case "state":
		s, err := g.client.Get(r.Context(), tx)
		if err != nil && transient(err) {
			g.fail(w, r, err)
			return
		}
		g.answer(w, r, g.view(r, s, err))
	case "events":
		g.events(w, r, tx)
	default:
		http.NotFound(w, r)
	}
}

func (g *Widget) find(r *http.Request) (Transaction, bool) {
	tx, secret, ok := g.Find(r)
	return tx, ok && tx.BelongsTo(secret)
}

// Status asks where the request's transaction stands, for the page that goes on
// with its result. It is ErrConfig for another browser session.
func (g *Widget) Status(r *http.Request) (Status, error) {
	tx, ok := g.find(r)
	if !ok {
		return Status{}, fmt.Errorf("%w: not a transaction of this browser session", ErrConfig)
	}
	return g.client.Get(r.Context(), tx)
}

func (g *Widget) code(w http.ResponseWriter, r *http.Request, tx Transaction) {
	q, err := g.client.QR(r.Context(), tx)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	svg, err := q.SVG()
	if err != nil {
		g.fail(w, r, err)
		return
	}
	now := g.client.clock.Now()
	g.answer(w, r, struct {
		Text      string `json:"text"`
		Image     string `json:"image"`
		RotatesIn int64  `json:"rotatesIn"` // the browser's clock may be wrong
		ExpiresIn int64  `json:"expiresIn"`
	}{q.Text, "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(svg), remaining(now, q.RotatesAt), remaining(now, q.ExpiresAt)})
}

func remaining(now, until time.Time) int64 { return max(0, until.Sub(now).Milliseconds()) }

func (g *Widget) picture(w http.ResponseWriter, r *http.Request, tx Transaction, kind string, draw func(QR) ([]byte, error)) {
	q, err := g.client.QR(r.Context(), tx)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	b, err := draw(q)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(b)
}

// events passes the states on. The service's events end here: the page is given
// Views, and a final one only after the result was verified.
func (g *Widget) events(w http.ResponseWriter, r *http.Request, tx Transaction) {
	ctx := r.Context()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	// A server's limit for writing an answer is meant for answers that end. Where
	// the server knows no limits there is none to lift.
	_ = out.SetWriteDeadline(time.Time{})
	views := make(chan View)
	go func() {
		defer close(views)
		for s, err := range g.client.Watch(ctx, tx) {
			select {
			case views <- g.view(r, s, err):
			case <-ctx.Done():
				return
			}
		}
	}()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case v, ok := <-views:
			if !ok {
				return
			}
			b, err := json.Marshal(v)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "event: state\ndata: %s\n\n", b)
		case <-beat.C:
			fmt.Fprint(w, ": \n\n")
		}
		if out.Flush() != nil {
			return
		}
	}
}

// view is the page's view of a question's answer. What went wrong is told to the
// log; a refused result looks like a failed operation.
func (g *Widget) view(r *http.Request, s Status, err error) View {
	if err == nil {
		return s.View()
	}
	g.log(r, err)
	return View{Phase: Broken, Label: "未完成", Text: "暂时无法完成，请刷新页面重试", Final: true}
}

func (g *Widget) answer(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		g.log(r, err)
	}
}

func (g *Widget) fail(w http.ResponseWriter, r *http.Request, err error) {
	g.log(r, err)
	status := http.StatusBadGateway
	if transient(err) {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, "暂时无法连接天威通，请稍后刷新页面重试", status)
}

func (g *Widget) log(r *http.Request, err error) {
	if g.Log != nil && r.Context().Err() == nil {
		g.Log.WarnContext(r.Context(), "scan page", "error", err)
	}
}
