// Package platformapi is the trading platforms' door: /open/v1 on a listener of
// its own (docs/platform-api.md). Every request is signed with the platform's SM2
// certificate; a platform sees its own transactions and nothing else. The package
// also sends the callbacks, which are hints: results are fetched here.
package platformapi

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/push"
	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

// Directory is package catalog.
type Directory interface {
	Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error)
}

// Certificates is package certificate.
type Certificates interface {
	BySerial(ctx context.Context, tx work.Tx, serial string) (certificate.Leaf, certificate.Certificate, error)
}

// Deps are what the door needs. Observe may be nil.
type Deps struct {
	Runner       work.Runner
	Store        scan.Requests
	Clock        clock.Clock
	Rand         io.Reader
	Log          *slog.Logger
	Directory    Directory
	Scans        *scan.Service
	Certificates Certificates
	Hub          *push.Hub
	// Audience is the host (with its port, if it has one) under which platforms
	// reach this door; it is part of what they sign.
	Audience   string
	TrustProxy bool
	Version    string
	// Creations is how many transactions a platform may begin in a minute; 0 is
	// 60,000. Streams is how many event streams it may hold; 0 is 256.
	Creations, Streams int
	Observe            func(route string, status int, took time.Duration)
}

// Server is the door as a value; Handler serves it.
type Server struct {
	Deps
	api  huma.API
	mux  *http.ServeMux
	keys keys
	once window
	// begun and streams keep one platform from taking what all share.
	begun   pace
	streams httpapi.Places
	// stop ends the event streams.
	stop     chan struct{}
	stopOnce sync.Once
}

const base = "/open/v1"

// New registers every route.
func New(d Deps) *Server {
	d.Creations, d.Streams = cmp.Or(d.Creations, creationsPerMinute), cmp.Or(d.Streams, streamsPerPlatform)
	s := &Server{Deps: d, mux: http.NewServeMux(), stop: make(chan struct{}), once: window{most: 4 << 20, each: 1 << 20}}
	s.api = httpapi.NewAPI(s.mux, "天威通开放平台接口", "交易平台使用的接口。每个请求都须以平台的 SM2 签名证书签名。", d.Version)
	s.transactionRoutes()
	s.directoryRoutes()
	s.mux.Handle("/", httpapi.NotFound(d.Log))
	return s
}

const (
	// documentBody holds a document of 4 MiB in base64 and what goes with it.
	documentBody = 6 << 20
	otherBody    = 16 << 10
)

// Handler is the door behind its edge.
func (s *Server) Handler() http.Handler {
	return &httpapi.Edge{
		Next: s.mux, Log: s.Log, Rand: s.Rand, TrustProxy: s.TrustProxy, Observe: s.Observe,
		Limit: func(method, path string) int64 {
			if method == http.MethodPost && path == base+"/transactions" {
				return documentBody
			}
			return otherBody
		},
		Admit: s.admit,
		Who:   func(ctx context.Context) string { return httpapi.RequestOf(ctx).Header(HeaderPlatform) },
	}
}

// OpenAPI is the OpenAPI 3.1 document in YAML.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().YAML() }

// Close ends the event streams, so that a server can shut down.
func (s *Server) Close() { s.stopOnce.Do(func() { close(s.stop) }) }

// route adds a route that only a signed request reaches; there is no other kind.
func route[I, O any](s *Server, method, path string, status int, summary string, h func(context.Context, Caller, *I) (*O, error)) {
	huma.Register(s.api, s.operation(method, path, status, summary), func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

func (s *Server) operation(method, path string, status int, summary string) huma.Operation {
	name := strings.NewReplacer("{", "", "}", "", "/", "-").Replace(path)
	return huma.Operation{
		OperationID: strings.ToLower(method) + name, Method: method, Path: base + path, Summary: summary, DefaultStatus: status,
		MaxBodyBytes: -1, // the edge limits bodies
		Middlewares:  huma.Middlewares{s.guard},
	}
}

// body is the usual shape of an answer.
type body[T any] struct{ Body T }
