package console

import "github.com/danielgtaylor/huma/v2"

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
