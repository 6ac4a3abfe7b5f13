package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/fault"
)

var refused = fault.Code{Name: "test_refused", Kind: fault.Unauthenticated, Text: "请先登录。"}

func edge(t *testing.T, e *Edge) *httptest.Server {
	t.Helper()
	e.Log, e.Rand = slog.New(slog.NewTextHandler(io.Discard, nil)), rand.Reader
	if e.Next == nil {
		e.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b[:min(4, len(b))])
		})
	}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s *httptest.Server, body io.Reader) int {
	t.Helper()
	res, err := http.Post(s.URL+"/x", "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// endless counts how much of it was read.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	if e.read > 64<<20 {
		return 0, io.EOF
	}
	e.read += len(b)
	return len(b), nil
}

func TestLargeBodyIsNotReadWithoutAdmission(t *testing.T) {
	s := edge(t, &Edge{
		Limit: func(string, string) int64 { return 20 << 20 },
		Admit: func(context.Context) error { return refused },
	})
	body := new(endless)
	if got := send(t, s, body); got != http.StatusUnauthorized {
		t.Fatalf("status %d", got)
	}
	if body.read > 8<<20 { // what the sockets buffer
		t.Fatalf("%d bytes were taken", body.read)
	}
	if got := send(t, s, strings.NewReader("small")); got != http.StatusOK {
		t.Fatalf("a small body needs no admission: status %d", got)
	}
}

func TestOnlySoManyLargeBodiesACallerAtATime(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	s := edge(t, &Edge{
		Limit: func(string, string) int64 { return 20 << 20 },
		Who:   func(ctx context.Context) string { return RequestOf(ctx).UserAgent },
		Next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			inside <- struct{}{}
			<-leave
		}),
	})
	status := func(who string) int {
		req, err := http.NewRequest(http.MethodPost, s.URL, bytes.NewReader(make([]byte, DefaultBody+1)))
		if err != nil {
			return 0
		}
		req.Header.Set("User-Agent", who)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	done := make(chan int)
	for range largePerCaller {
		go func() { done <- status("a") }()
	}
	for range largePerCaller {
		<-inside
	}
	if got := status("a"); got != http.StatusServiceUnavailable {
		t.Fatalf("one too many of a caller: status %d", got)
	}
	go func() { done <- status("b") }()
	<-inside // another caller has places of his own
	close(leave)
	for range largePerCaller + 1 {
		if got := <-done; got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
}

func TestBodyBeyondTheLimitIsRefused(t *testing.T) {
	s := edge(t, &Edge{})
	if got := send(t, s, bytes.NewReader(make([]byte, DefaultBody+1))); got != http.StatusRequestEntityTooLarge {
		t.Fatalf("status %d", got)
	}
}

func TestPanicIsAnsweredCalmly(t *testing.T) {
	s := edge(t, &Edge{Next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret detail") })})
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusInternalServerError || !strings.Contains(string(b), `"code":"internal"`) || strings.Contains(string(b), "secret") {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
}

func TestProblemHasMembersButNeverLosesItsOwn(t *testing.T) {
	p := &Problem{Code: "x", Status: 423, Detail: "句子。", Members: map[string]any{"remaining": 3, "code": "forged", "status": 200}}
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"code":"x"`, `"status":423`, `"remaining":3`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is missing in %s", want, b)
		}
	}
}

// The time that a body may take to arrive does not bound the answer.
func TestASlowAnswerIsNotCancelled(t *testing.T) {
	mux := http.NewServeMux()
	api := NewAPI(mux, "x", "x", "x")
	type in struct {
		Body struct {
			X string `json:"x"`
		}
	}
	op := huma.Operation{OperationID: "x", Method: http.MethodPost, Path: "/x", BodyReadTimeout: time.Millisecond}
	cancelled := make(chan bool, 1)
	huma.Register(api, op, func(ctx context.Context, _ *in) (*struct{}, error) {
		select {
		case <-ctx.Done():
			cancelled <- true
		case <-time.After(200 * time.Millisecond):
			cancelled <- false
		}
		return nil, nil
	})
	srv := edge(t, &Edge{Next: mux})
	res, err := http.Post(srv.URL+"/x", "application/json", strings.NewReader(`{"x":"y"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent || <-cancelled {
		t.Errorf("a slow answer is cut off: %d", res.StatusCode)
	}
}

// A phone that closes its app is no fault of the house: only a real failure may
// wake somebody.
func TestACallerWhoLeavesIsNoError(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	left, leave := context.WithCancel(t.Context())
	leave()
	ProblemOf(left, log, fmt.Errorf("reading the order: %w", context.Canceled))
	if strings.Contains(out.String(), "ERROR") {
		t.Errorf("logged %s", out.String())
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	ProblemOf(late, log, fmt.Errorf("reading the order: %w", context.DeadlineExceeded))
	if !strings.Contains(out.String(), "ERROR") {
		t.Errorf("a request that ran out of time leaves %s", out.String())
	}
}
