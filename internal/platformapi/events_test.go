package platformapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

// stream reads the events of a transaction until it ends.
type stream struct {
	t      *testing.T
	events chan map[string]any // closed at the end of the stream
	cancel context.CancelFunc
}

func (s *site) listen(t *testing.T, tid string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	resp, err := http.DefaultClient.Do(s.request(ctx, s.get("/transactions/"+tid+"/events")))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	st := &stream{t, make(chan map[string]any, 16), cancel}
	t.Cleanup(cancel)
	go func() {
		defer close(st.events)
		defer resp.Body.Close()
		name := ""
		for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
			if n, ok := strings.CutPrefix(sc.Text(), "event: "); ok {
				name = n
			}
			if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok && name == "state" {
				var m map[string]any
				if json.Unmarshal([]byte(data), &m) == nil {
					st.events <- m
				}
			}
		}
	}()
	return st
}

func (s *stream) next(state string) map[string]any {
	s.t.Helper()
	m, ok := <-s.events
	if !ok || m["state"] != state || m["result"] != nil {
		s.t.Fatalf("event %v, want %s", m, state)
	}
	return m
}

func (s *stream) ended() {
	s.t.Helper()
	if m, more := <-s.events; more {
		s.t.Fatalf("event %v after the end", m)
	}
}

func TestEventsFollowTheTransactionToItsEnd(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	e := s.listen(t, tid)
	e.next("CREATED")
	s.scanned(tid)
	code := e.next("SCANNED")["code"].(string)
	seen, err := s.Scans.Confirm(t.Context(), s.holder.Holder, tid, s.cert, code)
	if err != nil {
		t.Fatal(err)
	}
	if m := e.next("READY"); m["code"] != nil {
		t.Errorf("the code is still shown: %v", m)
	}
	if err := s.Door.Enter(t.Context(), s.holder.Holder, seen.OpID); err != nil {
		t.Fatal(err)
	}
	e.next("EXECUTED")
	e.ended()
	late := s.listen(t, tid)
	late.next("EXECUTED")
	late.ended()
}

func TestEventsEndWithTheTime(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	s.Clock.Advance(scan.LoginLife - 50*time.Millisecond)
	e := s.listen(t, tid)
	e.next("CREATED")
	s.Clock.Advance(time.Minute) // the stream's own timer finds it, with no sweep or wake-up, and before the heartbeat
	began := time.Now()
	e.next("EXPIRED")
	e.ended()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it was told after %v", took)
	}
}

func TestManyListenersHearACancellation(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	var all []*stream
	for range 4 {
		e := s.listen(t, tid)
		e.next("CREATED")
		all = append(all, e)
	}
	s.ok(200, s.post("/transactions/"+tid+"/cancel"))
	for _, e := range all {
		e.next("CANCELLED")
		e.ended()
	}
	if n := s.Hub.Len(); n != 0 {
		t.Errorf("%d subscriptions stayed", n)
	}
}

func TestListenerThatLeavesLeavesNothing(t *testing.T) {
	s := lite(t)
	e := s.listen(t, s.begin(loginBody("")))
	e.next("CREATED")
	e.cancel()
	e.ended()
	s.http.Close() // waits for the stream's handler
	if n := s.Hub.Len(); n != 0 {
		t.Fatalf("%d subscriptions stayed", n)
	}
}

func TestServerThatStopsEndsTheStreams(t *testing.T) {
	s := lite(t)
	e := s.listen(t, s.begin(loginBody("")))
	e.next("CREATED")
	s.server.Close()
	e.ended()
	s.http.Close()
	if n := s.Hub.Len(); n != 0 {
		t.Fatalf("%d subscriptions stayed", n)
	}
}

func TestOnePlatformLeavesStreamsToTheOthers(t *testing.T) {
	s := lite(t)
	s.server.Streams = 6
	other := s.NewPlatform(2)
	theirs := s.call("POST", "/transactions", loginBody(""))
	theirs.by = other
	tids := []string{s.begin(loginBody("")), s.begin(loginBody(""))}
	events := func(tid string) call { return s.get("/transactions/" + tid + "/events") }
	var all []*stream
	for range 4 {
		all = append(all, s.listen(t, tids[0]))
	}
	s.refused(503, "events_full", events(tids[0])) // one transaction has four
	for range 2 {
		all = append(all, s.listen(t, tids[1]))
	}
	s.refused(503, "events_full", events(tids[1])) // the platform has six
	q := events(s.ok(201, theirs).json["tId"].(string))
	q.by = other
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := http.DefaultClient.Do(s.request(ctx, q))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("another platform's stream: %s", resp.Status)
	}
	// A place that was left serves again.
	s.ok(200, s.post("/transactions/"+tids[0]+"/cancel"))
	for _, e := range all[:4] {
		e.next("CREATED")
		e.next("CANCELLED")
		e.ended()
	}
	s.listen(t, tids[1]).next("CREATED")
}

func TestFullHubSendsListenersToPolling(t *testing.T) {
	s := lite(t)
	s.Hub.Limit = 1
	tid := s.begin(loginBody(""))
	s.listen(t, tid).next("CREATED")
	s.refused(503, "events_full", s.get("/transactions/"+tid+"/events"))
	s.ok(200, s.get("/transactions/"+tid))
}

func TestUncommittedChangeWakesNobody(t *testing.T) {
	s := lite(t)
	tid := s.begin(loginBody(""))
	sub, err := s.Hub.Subscribe(scan.Topic(tid))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	s.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		if _, err := s.Scans.Cancel(ctx, tx, s.platform.Code, tid); err != nil {
			return err
		}
		return context.Canceled
	})
	select {
	case <-sub.C:
		t.Fatal("woken by what was rolled back")
	default:
	}
}
