// Package console is the officers' API: /console/v1 on a listener of its own
// (docs/console.md).
//
// Every route names who may call it (Access); there is no default. A session is
// a cookie; with the password alone it is half a session and may do nothing but
// go on to the second factor.
package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/clock"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

// Base is what every route needs; the services stand beside it in Deps.
type Base struct {
	Clock clock.Clock
	Rand  io.Reader
	Log   *slog.Logger
	// Secure marks the cookie Secure: true whenever the door is reached by https.
	Secure     bool
	TrustProxy bool
	Version    string
	Observe    func(route string, status int, took time.Duration)
}

// Server is the API as a value; Handler serves it.
type Server struct {
	Deps
	api huma.API
	mux *http.ServeMux
}

// New registers every route.
func New(d Deps) *Server {
	s := &Server{Deps: d, mux: http.NewServeMux()}
	s.api = httpapi.NewAPI(s.mux, "天威通 Console API", "后台人员使用的接口。除登录外的路由须已完成两步登录，并具备所列角色之一。", d.Version)
	s.routes()
	s.mux.Handle("/", httpapi.NotFound(d.Log))
	return s
}

// Handler is the API behind its edge.
func (s *Server) Handler() http.Handler {
	return &httpapi.Edge{Next: s.mux, Log: s.Log, Rand: s.Rand, TrustProxy: s.TrustProxy, Observe: s.Observe}
}

// OpenAPI is the OpenAPI 3.1 document in YAML.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().YAML() }

// Cookie is the name of the session cookie.
const Cookie = "twtc"

// Access says who may call a route. The zero value lets nobody in: a route that
// forgets its access is refused.
type Access struct {
	public, half, anyone bool
	roles                []office.Role
}

var (
	// Public: no session needed; none is looked at.
	Public = Access{public: true}
	// Half: any session, also one that waits for its second factor.
	Half = Access{half: true}
	// Anyone: any officer with a full session, whatever his roles.
	Anyone = Access{anyone: true}
)

// Roles lets officers with a full session and at least one of the roles in.
func Roles(roles ...office.Role) Access { return Access{roles: roles} }

// names is the access in the OpenAPI document.
func (a Access) names() []string {
	switch {
	case a.public:
		return []string{"public"}
	case a.half:
		return []string{"half"}
	case a.anyone:
		return []string{"anyone"}
	}
	out := []string{}
	for _, r := range a.roles {
		out = append(out, string(r))
	}
	return out
}

type callerKey struct{}

func callerOf(ctx context.Context) office.Caller {
	c, _ := ctx.Value(callerKey{}).(office.Caller)
	return c
}

// guard lets a request pass to its handler only with the session that the access
// asks for.
func (s *Server) guard(a Access) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		caller, err := s.admit(c.Context(), a)
		if err != nil {
			httpapi.Refuse(c, s.Log, err)
			return
		}
		next(huma.WithValue(c, callerKey{}, caller))
	}
}

func (s *Server) admit(ctx context.Context, a Access) (office.Caller, error) {
	token := httpapi.RequestOf(ctx).Cookie(Cookie)
	if token == "" {
		return office.Caller{}, office.CodeLogin
	}
	c, err := s.Officers.Authenticate(ctx, token)
	switch {
	case err != nil:
		return office.Caller{}, err
	case a.half:
		return c, nil
	case c.Stage != office.Full:
		return office.Caller{}, office.CodeHalf
	case a.anyone || c.Has(a.roles...):
		return c, nil
	}
	return office.Caller{}, office.CodeRole
}

// route adds a JSON route. Every route says who may call it.
func route[I, O any](s *Server, method, path string, a Access, summary string, h func(context.Context, office.Caller, *I) (*O, error)) {
	huma.Register(s.api, s.operation(method, path, a, summary), func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

// operation is a route's entry in the document, with its guard. Routes that
// answer with other than JSON register it themselves.
func (s *Server) operation(method, path string, a Access, summary string) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(method, path), Method: method, Path: "/console/v1" + path, Summary: summary,
		MaxBodyBytes: -1, // the edge limits bodies
		Extensions:   map[string]any{"x-access": slices.Clone(a.names())},
	}
	if !a.public {
		op.Middlewares = huma.Middlewares{s.guard(a)}
	}
	return op
}

// operationID reads like "POST /officers/{id}/roles" → "post-officers-id-roles".
func operationID(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("{", "", "}", "", "/", "-", ".", "-").Replace(path)
}

// Body is the usual shape of an answer.
type Body[T any] struct{ Body T }

// Empty is a request or answer without content.
type Empty struct{}

// byID is a request about one thing.
type byID struct {
	ID string `path:"id" maxLength:"64"`
}
