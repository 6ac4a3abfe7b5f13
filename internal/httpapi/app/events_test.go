package app_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/notice"
	"tianweitong/internal/push"
	"tianweitong/internal/work"
)

// streaming is a house whose changes wake streams, behind a server with the
// binary's kind of limits, only much shorter.
func streaming(t *testing.T, beat time.Duration) (*house, *app.Server) {
	h := open(t)
	h.deps.Hub, h.deps.Heartbeat = push.NewHub(100), beat
	h.st.Wake = func(account string, what work.What) { h.deps.Hub.Publish(push.AccountTopic(account, string(what))) }
	s := app.New(h.deps)
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.Config.ReadTimeout, srv.Config.IdleTimeout = 100*time.Millisecond, time.Minute
	srv.Start()
	t.Cleanup(srv.Close)
	h.api = srv.URL
	return h, s
}

// listener reads a stream; lines is closed at its end.
type listener struct {
	t      *testing.T
	lines  chan string
	cancel context.CancelFunc
}

func (d *device) listen() *listener { return d.listenTo("/events") }

func (d *device) listenTo(path string) *listener {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.api+"/app/v1"+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.sign(req, nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" ||
		res.Header.Get("Cache-Control") != "no-store, no-transform" {
		d.t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	l := &listener{d.t, make(chan string), cancel}
	d.t.Cleanup(cancel)
	go func() {
		defer close(l.lines)
		defer res.Body.Close()
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			select {
			case l.lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}

// hears waits for the next change and wants it to be one of these.
func (l *listener) hears(wanted ...string) {
	l.t.Helper()
	for line := range l.lines {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if !slices.ContainsFunc(wanted, func(w string) bool { return data == `{"what":"`+w+`"}` }) {
				l.t.Fatalf("heard %s, want %q", data, wanted)
			}
			return
		}
	}
	l.t.Fatalf("the stream ended before %q", wanted)
}

// beats waits for n heartbeats.
func (l *listener) beats(n int) {
	l.t.Helper()
	for line := range l.lines {
		if line == ":" {
			if n--; n == 0 {
				return
			}
		}
	}
	l.t.Fatalf("the stream ended %d heartbeats early", n)
}

// ends waits for the end of the stream and gives the last change heard before it.
func (l *listener) ends() (last string) {
	for line := range l.lines {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			last = data
		}
	}
	return last
}

func TestStreamTellsWhatChangedAndEndsWithTheSession(t *testing.T) {
	h, _ := streaming(t, 0)
	d, other := h.device(), h.device()
	s := d.signIn("13900000001")
	other.signIn("13900000002")
	mine, theirs := d.listen(), other.listen()
	mine.beats(1)
	theirs.beats(1)
	h.do(func(ctx context.Context, tx work.Tx) error {
		return h.deps.Notices.Post(ctx, tx, notice.Notice{Account: s.Account, Kind: "x", Title: "标题", Body: "正文"})
	})
	mine.hears("notices")
	h.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		tx.Wake(s.Account, work.Orders)
		return context.Canceled // rolled back: nobody is woken
	})
	ticket, code := d.code("13900000001", "realname")
	d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code, "method": "phone", "consentFace": true})
	mine.hears("realname")
	d.call(http.MethodDelete, "/sessions/current", nil)
	if last := mine.ends(); last != `{"what":"session"}` {
		t.Errorf("the stream ended with %s", last)
	}
	if other.call(http.MethodGet, "/me", nil).status != http.StatusOK {
		t.Error("the other session ended too")
	}
	again, removed := h.device(), h.device()
	again.signIn("13900000001")
	removed.signIn("13900000001")
	gone := removed.listen()
	gone.beats(1)
	again.call(http.MethodPost, "/me/devices/signout-others", nil)
	if last := gone.ends(); last != `{"what":"session"}` {
		t.Errorf("the stream of a device that was signed out ended with %s", last)
	}
	theirs.cancel()
	if heard := theirs.ends(); heard != "" {
		t.Errorf("a stranger heard %s", heard)
	}
}

// A quiet stream outlives the limit on reading a request, and notices by itself
// that its session has run out.
func TestQuietStreamLivesAsLongAsItsSession(t *testing.T) {
	h, _ := streaming(t, 20*time.Millisecond)
	d := h.device()
	d.signIn("13900000001")
	l := d.listen()
	l.beats(20)
	h.clock.Advance(91 * 24 * time.Hour)
	l.ends()
}

func TestSessionHasFiveStreams(t *testing.T) {
	h, s := streaming(t, 20*time.Millisecond)
	d := h.device()
	d.signIn("13900000001")
	var all []*listener
	for range 5 {
		all = append(all, d.listen())
	}
	d.call(http.MethodGet, "/events", nil).refused(429, "app_events_full")
	all[0].cancel()
	all[0].ends()
	for h.deps.Hub.Len() == 5 { // until the server has noticed
		all[1].beats(1)
	}
	all[0] = d.listen()
	all[0].beats(1)
	s.Close()
	for _, l := range all {
		l.ends()
	}
}

// With a place for each session of each device one person could fill the hub.
func TestAccountHasTwentyStreamsOnAllItsDevices(t *testing.T) {
	h, s := streaming(t, 20*time.Millisecond)
	var all []*listener
	for range 4 {
		d := h.device()
		d.signIn("13900000001")
		for range 5 {
			all = append(all, d.listen())
		}
	}
	fifth, other := h.device(), h.device()
	fifth.signIn("13900000001")
	fifth.call(http.MethodGet, "/events", nil).refused(429, "app_events_full")
	other.signIn("13900000002")
	all = append(all, other.listen())
	all[0].cancel()
	all[0].ends()
	for h.deps.Hub.Len() == 21 { // until the server has noticed
		all[1].beats(1)
	}
	all = append(all, fifth.listen())
	s.Close()
	for _, l := range all {
		l.ends()
	}
}
