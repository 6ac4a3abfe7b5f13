package platformapi_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOnePlatformBeginsSoManyInAMinute(t *testing.T) {
	s := lite(t)
	s.server.Creations = 2
	begin := func() call { return s.call("POST", "/transactions", loginBody("")) }
	s.Clock.Advance(20 * time.Second)
	for range 2 {
		s.ok(201, begin())
	}
	s.refused(429, "request_too_many", begin())
	if a := s.do(begin()); a.json["retryAfterSeconds"] != 40.0 {
		t.Errorf("no word of when: %s", a.raw)
	}
	others := begin()
	others.by = s.NewPlatform(2)
	s.ok(201, others)
	s.Clock.Advance(40 * time.Second)
	s.ok(201, begin())
}

// upload begins a large body and gives the answer that came before its end: 100
// once the door has begun to read.
func (s *site) upload(q call) (status int) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	r := s.request(s.t.Context(), q)
	fmt.Fprintf(conn, "POST /open/v1/transactions HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", s.audience, 1<<20)
	r.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d", &status); err != nil {
		s.t.Fatalf("%q: %v", line, err)
	}
	return status
}

func TestLargeBodyIsReadForAPlatformAlone(t *testing.T) {
	s := lite(t)
	mine := func() call { return s.call("POST", "/transactions", "{}") }
	for name, spoil := range map[string]func(q *call){
		"a stranger":       func(q *call) { q.spoil = func(r *http.Request) { clear(r.Header) } },
		"no signature":     func(q *call) { q.spoil = func(r *http.Request) { r.Header.Del("Twt-Signature") } },
		"unknown platform": func(q *call) { q.spoil = func(r *http.Request) { r.Header.Set("Twt-Platform", "M9999999999") } },
		"an old request":   func(q *call) { q.at = q.at.Add(-time.Hour) },
	} {
		q := mine()
		spoil(&q)
		if got := s.upload(q); got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	large := func(q call) call {
		q.body = signBody([]byte(strings.Repeat("a", 1<<19)), "")
		return q
	}
	for range 2 {
		if got := s.upload(mine()); got != 100 {
			t.Fatalf("the platform's own: %d", got)
		}
	}
	s.refused(503, "busy", large(mine()))
	others := mine()
	others.by = s.NewPlatform(2)
	s.ok(201, large(others))
}
