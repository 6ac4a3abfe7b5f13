package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
)

// SelfCheckBody is a check (检测) of a certificate: one item a line.
type SelfCheckBody struct {
	Items []SelfCheckItem `json:"items"`
}

// SelfCheckItem is one line. The phone answers the operation of a pending one.
type SelfCheckItem struct {
	Name    string `json:"name" enum:"keys,sign,decrypt,chain,revocation,expiry,platforms"`
	Label   string `json:"label"`
	Outcome string `json:"outcome" enum:"good,bad,pending"`
	Text    string `json:"text"`
	OpID    string `json:"opID,omitempty"`
	Action  string `json:"action,omitempty" enum:"recover,roam,buy"`
}

func (s *Server) checkRoutes() {
	route(s, http.MethodPost, "/certificates/{id}/check", Session, "检测证书", func(ctx context.Context, c account.Caller, in *idInput) (*Body[SelfCheckBody], error) {
		items, err := s.Checks.Run(ctx, c, in.ID)
		out := SelfCheckBody{Items: make([]SelfCheckItem, len(items))}
		for n, i := range items {
			out.Items[n] = SelfCheckItem{Name: i.Name, Label: i.Label, Outcome: string(i.Outcome), Text: i.Text, OpID: i.Op, Action: i.Action}
		}
		return &Body[SelfCheckBody]{out}, err
	})
}
