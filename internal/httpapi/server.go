package httpapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
)

// NewAPI makes a huma API on a mux whose errors are our problem documents and
// whose OpenAPI 3.1 document stands at /openapi.json.
func NewAPI(mux *http.ServeMux, title, description, version string) huma.API {
	useProblems()
	c := huma.DefaultConfig(title, version)
	c.Info.Description = description
	c.DocsPath = "" // its page would load third-party scripts
	c.SchemasPath = ""
	c.CreateHooks = nil // no $schema members in answers
	// The edge has read the body. A deadline for it would stay on the connection and
	// cancel whatever takes longer to answer, five seconds by default.
	c.OnAddOperation = append(c.OnAddOperation, func(_ *huma.OpenAPI, op *huma.Operation) { op.BodyReadTimeout = -1 })
	return humago.New(mux, c)
}

type requestKey struct{}

// Request is what the edge knows of a request before anybody is authenticated.
type Request struct {
	// ID identifies the request in logs and problem documents.
	ID string
	// Address is the client's network address without its port.
	Address string
	// URI is path and query as they were sent; Body is the whole body.
	Method, URI string
	Body        []byte
	UserAgent   string
	header      http.Header
}

// Header gives a header of the request.
func (r *Request) Header(name string) string { return r.header.Get(name) }

// Cookie gives a cookie's value, or "".
func (r *Request) Cookie(name string) string {
	c, err := (&http.Request{Header: r.header}).Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// RequestOf gives the request that the context belongs to; never nil inside Edge.
func RequestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	if r == nil {
		return &Request{header: http.Header{}}
	}
	return r
}

// RequestID gives the identifier of the context's request, or "".
func RequestID(ctx context.Context) string { return RequestOf(ctx).ID }

// Edge is the outermost handler of a door.
type Edge struct {
	// Next is the router.
	Next http.Handler
	Log  *slog.Logger
	Rand io.Reader
	// Limit gives the largest body in bytes for a path; nil is 256 KiB for all.
	Limit func(method, path string) int64
	// Admit, if set, decides before a body beyond the default is read: nobody
	// without a session makes the house hold megabytes.
	Admit func(ctx context.Context) error
	// Who names the caller for the limit of large bodies a caller; nil is the
	// client's address.
	Who   func(ctx context.Context) string
	mu    sync.Mutex
	large map[string]int // by caller
	held  int
	// TrustProxy takes the client's address from the last X-Forwarded-For entry.
	TrustProxy bool
	// Observe, if set, hears route, status and duration of each request.
	Observe func(route string, status int, took time.Duration)
}

const (
	// DefaultBody is the largest body of a route that names no limit.
	DefaultBody = 256 << 10
	// largeBodies is how many bodies beyond it are held at a time, and
	// largePerCaller how many of one caller.
	largeBodies    = 24
	largePerCaller = 2
	// A large body has to arrive at largeRate bytes a second, after a start.
	largeRate  = 512 << 10
	largeStart = 15 * time.Second
)

// CodeBusy: too many large bodies are being received.
var CodeBusy = fault.Code{Name: "busy", Kind: fault.Unavailable, Text: "当前上传人数较多，请稍后重试。"}

// ServeHTTP reads the body within its limit, names the request, answers panics
// calmly, and logs route, status and time, never bodies, queries or headers.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	watch := clock.Start()
	req := &Request{
		ID: hex.EncodeToString(id.Bytes(e.Rand, 8)), Address: e.address(r), Method: r.Method,
		URI: r.URL.RequestURI(), UserAgent: r.UserAgent(), header: r.Header,
	}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set("Request-Id", req.ID)
	rec.Header().Set("X-Content-Type-Options", "nosniff")
	rec.Header().Set("Cache-Control", "no-store")
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			e.Log.ErrorContext(r.Context(), "panic", "request", req.ID, "error", p)
			if rec.status == 0 {
				WriteProblem(rec, r, e.Log, fault.Unexpected)
			}
		}
		took := clock.Since(watch)
		if e.Observe != nil {
			e.Observe(r.Pattern, rec.status, took)
		}
		e.Log.InfoContext(r.Context(), "request", "request", req.ID, "route", r.Pattern, "status", rec.status, "ms", took.Milliseconds())
	}()
	body, release, err := e.body(rec, r)
	if err != nil {
		WriteProblem(rec, r, e.Log, err)
		return
	}
	defer release()
	req.Body = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	e.Next.ServeHTTP(rec, r)
}

// body reads the whole body within its limit. A large one needs admission and a
// free place, which release gives back when the request is done.
func (e *Edge) body(w http.ResponseWriter, r *http.Request) (b []byte, release func(), err error) {
	limit, release := int64(DefaultBody), func() {}
	if e.Limit != nil {
		limit = e.Limit(r.Method, r.URL.Path)
	}
	if limit > DefaultBody && (r.ContentLength < 0 || r.ContentLength > DefaultBody) {
		if r.ContentLength > limit {
			return nil, nil, CodeTooLarge
		}
		if e.Admit != nil {
			if err := e.Admit(r.Context()); err != nil {
				return nil, nil, err
			}
		}
		if release = e.place(r.Context()); release == nil {
			return nil, nil, CodeBusy
		}
		// Not every writer knows deadlines; the server's own limit holds then.
		http.NewResponseController(w).SetReadDeadline(clock.System{}.Now().Add(largeStart + time.Duration(limit/largeRate)*time.Second))
	}
	b, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		release()
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, nil, CodeTooLarge
		}
		return nil, nil, CodeMalformed.Because(err)
	}
	return b, release, nil
}

// place takes one of the places for large bodies, or nil when there is none.
func (e *Edge) place(ctx context.Context) (release func()) {
	who := RequestOf(ctx).Address
	if e.Who != nil {
		who = e.Who(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held >= largeBodies || e.large[who] >= largePerCaller {
		return nil
	}
	if e.large == nil {
		e.large = map[string]int{}
	}
	e.held++
	e.large[who]++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.held--
		if e.large[who]--; e.large[who] == 0 {
			delete(e.large, who)
		}
	}
}

func (e *Edge) address(r *http.Request) string {
	if e.TrustProxy {
		if all := r.Header.Values("X-Forwarded-For"); len(all) > 0 {
			last := all[len(all)-1]
			if i := bytes.LastIndexByte([]byte(last), ','); i >= 0 {
				last = last[i+1:]
			}
			if ip := net.ParseIP(string(bytes.TrimSpace([]byte(last)))); ip != nil {
				return ip.String()
			}
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// recorder remembers the status; it passes Flush on for server-sent events.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) Flush() { http.NewResponseController(r.ResponseWriter).Flush() }

func itoa(n int) string { return strconv.Itoa(n) }

// NotFound answers every path that no route has.
func NotFound(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { WriteProblem(w, r, log, CodeNotFound) })
}
