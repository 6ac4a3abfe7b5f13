package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
	"tianweitong/internal/flow/revoke"
)

type revocationInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Reason string `json:"reason" enum:"compromised,changed,unneeded" doc:"compromised：手机丢失或密钥可能泄露；changed：证书信息有变更；unneeded：不再使用"`
	}
}

// RevocationBody is a request for revocation (吊销) that waits for the PIN.
type RevocationBody struct {
	ID   string `json:"id"`
	OpID string `json:"opID"`
}

func (s *Server) revokeRoutes() {
	route(s, http.MethodPost, "/certificates/{id}/revocation", Session, "吊销证书：选择原因", func(ctx context.Context, c account.Caller, in *revocationInput) (*Body[RevocationBody], error) {
		r, err := s.Revokes.Begin(ctx, c, in.ID, revoke.Reason(in.Body.Reason))
		return &Body[RevocationBody]{RevocationBody{r.ID, r.Op}}, err
	})
}
