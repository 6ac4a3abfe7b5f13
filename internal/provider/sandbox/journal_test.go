package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/provider/sandbox"
)

// follow opens the stream behind a sequence number and gives its events; the
// returned function ends it.
func (k *kit) follow(after int64) (<-chan sandbox.Event, func()) {
	k.t.Helper()
	ctx, stop := context.WithCancel(k.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/sandbox/events", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	if after > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(after, 10))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		k.t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	events := make(chan sandbox.Event, 600)
	go func() {
		defer close(events)
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e sandbox.Event
				if json.Unmarshal([]byte(data), &e) == nil {
					events <- e
				}
			}
		}
	}()
	return events, stop
}

func next(t *testing.T, events <-chan sandbox.Event) sandbox.Event {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("no event came")
	}
	panic("unreachable")
}

func TestThePanelFollowsWhatHappens(t *testing.T) {
	k := start(t)
	events, stop := k.follow(0)
	defer stop()
	if err := k.sms.Send(t.Context(), "1", "13900000001", "code.login", map[string]string{"code": "111111", "minutes": "5"}); err != nil {
		t.Fatal(err)
	}
	first := next(t, events)
	if first.Kind != "sms.delivered" || first.Subject != "13900000001" || !first.At.Equal(noon) {
		t.Fatalf("first event = %+v", first)
	}
	k.next(sandbox.Refuse)
	if _, err := k.checker.PersonFactors(t.Context(), query("1")); err != nil {
		t.Fatal(err)
	}
	k.post("/sandbox/clock", `{"advanceSeconds":60}`)
	for i, want := range []string{"check.set", "check.refuse", "clock.moved"} {
		if e := next(t, events); e.Kind != want || e.Seq != first.Seq+int64(i)+1 {
			t.Fatalf("event %d = %+v, want %s", i, e, want)
		}
	}
	again, end := k.follow(first.Seq)
	defer end()
	if e := next(t, again); e.Kind != "check.set" {
		t.Errorf("a page that came back begins with %+v", e)
	}
}

func TestTheJournalForgetsTheOldestAndEndsItsStreams(t *testing.T) {
	j := sandbox.NewJournal(clock.NewManual(noon))
	server := httptest.NewServer(j)
	t.Cleanup(server.Close)
	k := &kit{t: t, url: server.URL}
	for i := range 600 {
		j.Note(sandbox.Event{Kind: "x", Subject: strconv.Itoa(i)})
	}
	if kept := j.After(0); len(kept) != 500 || kept[0].Subject != "100" {
		t.Fatalf("%d events are kept, from %v", len(kept), kept[0])
	}
	events, stop := k.follow(0)
	defer stop()
	next(t, events)
	j.Close()
	j.Close()
	for range events { // ends when the stream does
	}
	last := j.After(0)[499].Seq
	fresh := sandbox.NewJournal(clock.NewManual(noon.Add(time.Hour)))
	fresh.Note(sandbox.Event{Kind: "y"})
	if len(fresh.After(last)) != 1 {
		t.Error("after a restart a page would miss what happens")
	}
}

func TestTooManyPagesAreToldToComeBack(t *testing.T) {
	k := start(t)
	for range 32 {
		_, stop := k.follow(0)
		defer stop()
	}
	res, err := http.Get(k.url + "/sandbox/events")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", res.StatusCode)
	}
}

func TestThePanelShowsChecksAndTakesOutcomesBack(t *testing.T) {
	k := start(t)
	k.next(sandbox.Refuse)
	k.next(sandbox.Timeout)
	if _, err := k.checker.PersonFactors(t.Context(), query("1")); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodDelete, k.url+"/sandbox/idcheck/next", nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatal(res, err)
	}
	if a, err := k.checker.Face(t.Context(), face("2", []byte("v"))); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	var got struct {
		Next   []sandbox.Outcome
		Recent []sandbox.Check
	}
	k.get("/sandbox/idcheck", &got)
	want := fmt.Sprintf("%+v", []sandbox.Check{
		{Ref: "2", Kind: "faces", Name: "测试甲", IDNumber: "11010519491231002X", Outcome: sandbox.Approve, At: noon},
		{Ref: "1", Kind: "factors", Name: "测试甲", IDNumber: "11010519491231002X", Phone: "13900000001", Outcome: sandbox.Refuse, At: noon},
	})
	if len(got.Next) != 0 || fmt.Sprintf("%+v", got.Recent) != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestTheInboxShowsWhatThePhoneWould(t *testing.T) {
	k := start(t)
	for i, m := range []struct {
		template string
		params   map[string]string
		want     string
	}{
		{"code.pin", map[string]string{"code": "204816", "minutes": "5"}, "【天威通】验证码 204816，用于设置证书 PIN 码，5 分钟内有效。请勿告诉他人。"},
		{"code.other", map[string]string{"code": "1", "minutes": "5"}, "【天威通】验证码 1，用于身份验证，5 分钟内有效。请勿告诉他人。"},
		{"code.password-reset", map[string]string{"code": "204816", "minutes": "5"}, "【天威通】验证码 204816，用于重置登录密码，5 分钟内有效。请勿告诉他人。"},
		{"account.closed", nil, "【天威通】您的账号已按您的申请注销，感谢使用；该手机号可重新注册。如非本人操作，请立即联系客服。"},
		{"device.signed-in", nil, "【天威通】您的账号刚刚用密码在一台新设备上登录。如非本人操作，请立即重置登录密码，或联系客服。"},
		{"notice", map[string]string{"title": "证书已签发"}, "【天威通】证书已签发。详情请打开天威通查看。"},
		{"account.closed", nil, "【天威通】您的账号已按您的申请注销，感谢使用；该手机号可重新注册。如非本人操作，请立即联系客服。"},
		{"other", map[string]string{"b": "2", "a": "1"}, "【天威通】other，a：1，b：2"},
	} {
		if err := k.sms.Send(t.Context(), strconv.Itoa(i), "13900000001", m.template, m.params); err != nil {
			t.Fatal(err)
		}
		var got []sandbox.Text
		k.get("/sandbox/sms", &got)
		if got[0].Body != m.want {
			t.Errorf("%s reads %q, want %q", m.template, got[0].Body, m.want)
		}
	}
}

func TestTheClockIsShown(t *testing.T) {
	k := start(t)
	var got struct {
		Now     time.Time
		Movable bool
	}
	k.get("/sandbox/clock", &got)
	if !got.Now.Equal(noon) || !got.Movable {
		t.Errorf("got %+v", got)
	}
}
