package console

import (
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// WriteCSV writes an export of one entry with a subject.
func WriteCSV(w io.Writer, subject string) error {
	l, err := newCSV(w)
	if err != nil {
		return err
	}
	if err := l.write(exported{Type: "entry", Seq: 1, Subject: subject}); err != nil {
		return err
	}
	return l.flush()
}

// Route is one route as it is registered.
type Route struct {
	Method, Path string
	Access       []string
}

// Routes lists every route of a server.
func (s *Server) Routes() []Route {
	var out []Route
	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete, "PATCH": item.Patch,
		} {
			if op != nil {
				access, _ := op.Extensions["x-access"].([]string)
				out = append(out, Route{method, path, access})
			}
		}
	}
	return out
}
