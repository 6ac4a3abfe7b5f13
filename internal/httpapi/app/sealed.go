package app

import (
	"context"
	"encoding/hex"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/httpapi"
	"tianweitong/splitkey"
)

// sealedBody is embedded by the input of a sealed route, beside its path
// parameters.
type sealedBody struct {
	Body splitkey.SealedRequest
}

func (b *sealedBody) sealed() splitkey.SealedRequest { return b.Body }

type sealedInput[P any] interface {
	*P
	sealed() splitkey.SealedRequest
}

// sealedRoute adds a route whose JSON travels in a sealed exchange both ways
// (docs/split-keys.md §2.8). P embeds sealedBody and holds the path parameters;
// I and O are the JSON inside. A refusal travels in clear: it holds nothing
// that was computed from a share.
func sealedRoute[P, I, O any, PP sealedInput[P]](s *Server, method, path string, a Access, summary string, h func(context.Context, account.Caller, PP, I) (O, error)) {
	huma.Register(s.api, s.operation(method, path, a, summary), func(ctx context.Context, p *P) (*Body[splitkey.SealedReply], error) {
		caller := callerOf(ctx)
		reply, err := s.exchange(ctx, caller, PP(p).sealed(), func(plain []byte) (any, error) {
			var in I
			if err := json.Unmarshal(plain, &in); err != nil {
				return nil, httpapi.CodeMalformed.Because(err)
			}
			return h(ctx, caller, PP(p), in)
		})
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return &Body[splitkey.SealedReply]{*reply}, nil
	})
}

func (s *Server) exchange(ctx context.Context, c account.Caller, r splitkey.SealedRequest, h func(plain []byte) (any, error)) (*splitkey.SealedReply, error) {
	device, err := hex.DecodeString(c.Device)
	if err != nil {
		return nil, custody.CodeSealed.Because(err)
	}
	req := httpapi.RequestOf(ctx)
	plain, x, err := s.Exchanges.Exchange(ctx, r.AAD(req.Method, req.URI, device), r)
	if err != nil {
		return nil, err
	}
	defer x.Wipe()
	out, err := h(plain)
	clear(plain)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	sealed, err := x.SealReply(s.Rand, b)
	clear(b)
	return &sealed, err
}
