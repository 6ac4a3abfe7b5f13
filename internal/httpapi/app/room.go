package app

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/httpapi"
)

// Room adds routes that stand in a package of their own.
type Room interface{ Mount(*Server) }

// Route adds a JSON route of a Room. Every route says who may call it.
func Route[I, O any](s *Server, method, path string, a Access, summary string, h func(context.Context, account.Caller, *I) (*O, error)) {
	route(s, method, path, a, summary, h)
}

// File is a file as the whole answer.
type File struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// FileRoute adds a GET route of a session whose answer is one file of a media type.
func FileRoute[I any](s *Server, path, kind, summary string, h func(context.Context, account.Caller, *I) (*File, error)) {
	op := s.operation(http.MethodGet, path, Session, summary)
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{kind: aFile()}}}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*File, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		out.ContentType = kind
		return out, nil
	})
}

// UploadRoute adds a PUT route of a session whose body is a file of one of some
// media types.
func UploadRoute[I, O any](s *Server, path string, kinds []string, summary string, h func(context.Context, account.Caller, *I) (*O, error)) {
	op := s.operation(http.MethodPut, path, Session, summary)
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	for _, kind := range kinds {
		op.RequestBody.Content[kind] = aFile()
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

func aFile() *huma.MediaType {
	return &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
}
