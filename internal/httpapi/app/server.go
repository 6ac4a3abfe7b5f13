// Package app is the phone app's API: /app/v1, JSON in, JSON or a problem
// document out.
//
// Every route names who may call it (Access); there is no default. A session is
// a cookie and a device signature over each request (docs/split-keys.md §3.3);
// custody's routes are sealed exchanges besides (docs/split-keys.md §2.8).
package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/once"
	"tianweitong/internal/push"
	"tianweitong/splitkey"
)

// Exchanges opens the sealed exchanges of custody's routes.
type Exchanges interface {
	// Exchange opens a request that arrived under this binding; the returned
	// exchange seals the one reply. custody.CodeSealed otherwise.
	Exchange(ctx context.Context, a splitkey.AAD, r splitkey.SealedRequest) ([]byte, *splitkey.Exchange, error)
}

// Environment is what an app must know before it talks to the house.
type Environment struct {
	Sandbox    bool        `json:"sandbox"`
	SandboxURL string      `json:"sandboxURL,omitempty"`
	Platform   string      `json:"platformURL,omitempty"`
	PKI        string      `json:"pkiURL"`
	Arc        string      `json:"arc" doc:"运营方的 OID 前缀，手机据此核对证书申请与证书角色"`
	Agreements []Agreement `json:"agreements"`
	// FaceUpload: a registration takes a file instead of a live recording.
	FaceUpload bool    `json:"faceUpload" doc:"注册时可上传人脸视频文件，仅沙箱"`
	Support    Support `json:"support"`
	// Gateways are the ways to pay (支付方式), the preferred one first.
	Gateways []string `json:"gateways" doc:"可用的支付方式，首选在前"`
	// ServerTime lets a phone correct its clock before it signs requests.
	ServerTime time.Time `json:"serverTime"`
}

// Support is whom to ask (帮助与客服, docs/domain.md A40).
type Support struct {
	Hotline string `json:"hotline"`
	Hours   string `json:"hours"`
	Website string `json:"website"`
}

// Agreement is a document that everybody agrees to at the first login.
type Agreement struct {
	Document string `json:"document"`
	Version  string `json:"version"`
	Title    string `json:"title"`
}

// Module is the current key of custody's module with its statement, signed by
// the service certificate (docs/split-keys.md §2.8).
type Module struct {
	Statement   []byte   `json:"statement"`   // splitkey.ModuleStatement
	Signature   []byte   `json:"signature"`   // DER, over the statement
	Certificate []byte   `json:"certificate"` // of the service, DER
	Chain       [][]byte `json:"chain"`       // issuing CA … root, DER
}

// Base is what every route needs; the nouns' services stand beside it in Deps.
type Base struct {
	Clock clock.Clock
	Rand  io.Reader
	Log   *slog.Logger
	// Secure marks the cookie Secure: true whenever the door is reached by https.
	Secure      bool
	TrustProxy  bool
	Version     string
	Environment Environment
	Exchanges   Exchanges
	// Module gives the document of GET /module.
	Module  func(context.Context) (Module, error)
	Observe func(route string, status int, took time.Duration)
	// Hub wakes the event streams; Heartbeat is their rhythm, 0 is 20 s.
	Hub       *push.Hub
	Heartbeat time.Duration
}

// Server is the API as a value; Handler serves it.
type Server struct {
	Deps
	api  huma.API
	mux  *http.ServeMux
	once once.Window[string] // request numbers

	streams httpapi.Places
	stop    chan struct{} // ends the event streams
	closing sync.Once
}

// New registers every route.
func New(d Deps) *Server {
	s := &Server{Deps: d, mux: http.NewServeMux(), stop: make(chan struct{})}
	s.once.Life = 2 * skew
	s.api = httpapi.NewAPI(s.mux, "天威通 App API", "手机应用使用的接口。会话路由须携带设备签名；密钥路由的正文另行加密。", d.Version)
	s.routes()
	s.mux.Handle("/", httpapi.NotFound(d.Log))
	return s
}

const (
	faceVideo   = 20 << 20
	pictureBody = 10 << 20
)

// Handler is the API behind its edge.
func (s *Server) Handler() http.Handler {
	return &httpapi.Edge{
		Next: s.mux, Log: s.Log, Rand: s.Rand, TrustProxy: s.TrustProxy, Observe: s.Observe,
		Limit: func(method, path string) int64 {
			if method == http.MethodPut && faceRoute.MatchString(path) {
				return faceVideo
			}
			if method == http.MethodPut && pictureRoute.MatchString(path) {
				return pictureBody
			}
			return httpapi.DefaultBody
		},
		Admit: s.admit,
		Who:   s.uploader,
	}
}

// pictureRoute matches the routes that take a picture.
var pictureRoute = regexp.MustCompile(`^/app/v1/enterprise-applications/[0-9a-f]{32}/pictures/[a-z-]+$`)

// faceRoute matches the routes that take a face video.
var faceRoute = regexp.MustCompile(`^/app/v1/(realname|recoveries|pin/face|phone/face)/[0-9a-f]{32}/face$`)

// admit wants a session before a video is read; its signature is checked
// afterwards, because it covers the body.
func (s *Server) admit(ctx context.Context) error {
	token := httpapi.RequestOf(ctx).Cookie(Cookie)
	if token == "" {
		return CodeLogin
	}
	_, _, err := s.Accounts.Authenticate(ctx, token)
	return err
}

// uploader names the account behind a large body that was admitted: its sessions
// share its places, however many devices it has.
func (s *Server) uploader(ctx context.Context) string {
	token := httpapi.RequestOf(ctx).Cookie(Cookie)
	c, _, err := s.Accounts.Authenticate(ctx, token)
	if err != nil {
		return token
	}
	return c.Account
}

// OpenAPI is the OpenAPI 3.1 document in YAML.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().YAML() }

// route adds a JSON route. Every route says who may call it.
func route[I, O any](s *Server, method, path string, a Access, summary string, h func(context.Context, account.Caller, *I) (*O, error)) {
	huma.Register(s.api, s.operation(method, path, a, summary), func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

func (s *Server) operation(method, path string, a Access, summary string) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: "/app/v1" + path, Summary: summary,
		Metadata: map[string]any{"access": a}, MaxBodyBytes: -1, // the edge limits bodies
		SkipValidateBody: false,
	}
	if a != Public {
		op.Middlewares = huma.Middlewares{s.guard(a)}
		op.Parameters = append(op.Parameters, identityParameter())
	}
	return op
}

// operationID reads like "POST /orders/{id}/payments" → "post-orders-id-payments".
func operationID(method, path string) string {
	clean := strings.Map(func(r rune) rune {
		switch r {
		case '{', '}':
			return -1
		case '/':
			return '-'
		}
		return r
	}, path)
	return strings.ToLower(method) + clean
}

// Body is the usual shape of an answer.
type Body[T any] struct{ Body T }

// Empty is a request or answer without content.
type Empty struct{}

func holder(c account.Caller) custody.Holder {
	return custody.Holder{Account: c.Account, Device: c.Device}
}
