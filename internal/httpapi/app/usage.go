package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/usage"
)

type usagesInput struct {
	Certificate string `query:"certificate" maxLength:"40" doc:"只看这张证书"`
	Platform    string `query:"platform" maxLength:"11" doc:"只看这个交易平台，平台编码"`
	Business    string `query:"business" maxLength:"20" doc:"只看这种业务：login、sign"`
	Query       string `query:"query" maxLength:"60" doc:"交易平台名称的一部分"`
	Cursor      string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

// UsageBody is one record of 使用记录 (M§2.9).
type UsageBody struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Platform     string    `json:"platform"`
	PlatformName string    `json:"platformName"`
	Business     string    `json:"business"`
	Title        string    `json:"title"`
	// Outcome is OK or the end result (docs/domain.md §1.9).
	Outcome  string `json:"outcome"`
	Operator string `json:"operator" doc:"操作人"`
	// Certificate is the record and Serial the signing certificate's number;
	// absent if none was chosen.
	Certificate string `json:"certificate,omitempty"`
	Serial      string `json:"serial,omitempty"`
	// Digest is SM3 of what was signed.
	Digest []byte `json:"digest,omitempty"`
}

// UsagesBody is a page of records, newest first.
type UsagesBody struct {
	Records []UsageBody `json:"records"`
	Next    string      `json:"next,omitempty"`
}

const usagePage = 50

func (s *Server) usageRoutes() {
	route(s, http.MethodGet, "/usage", Session, "使用记录", func(ctx context.Context, c account.Caller, in *usagesInput) (*Body[UsagesBody], error) {
		f := usage.Filter{Certificate: in.Certificate, Platform: in.Platform, Business: in.Business, Name: strings.TrimSpace(in.Query)}
		all, err := s.Usages.List(ctx, c.Account, f, usage.Page{After: in.Cursor, Limit: usagePage + 1})
		if err != nil {
			return nil, err
		}
		out := UsagesBody{Records: []UsageBody{}}
		for i, r := range all {
			if i == usagePage {
				out.Next = all[i-1].ID
				break
			}
			out.Records = append(out.Records, usageBody(r))
		}
		return &Body[UsagesBody]{out}, nil
	})
	route(s, http.MethodGet, "/usage/{id}", Session, "使用记录：详情", func(ctx context.Context, c account.Caller, in *idInput) (*Body[UsageBody], error) {
		r, err := s.Usages.Get(ctx, c.Account, in.ID)
		return &Body[UsageBody]{usageBody(r)}, err
	})
}

func usageBody(r usage.Record) UsageBody {
	return UsageBody{
		ID: r.ID, At: r.At, Platform: r.Platform, PlatformName: r.PlatformName, Business: r.Business, Title: r.Title, Outcome: r.Outcome,
		Operator: r.Operator, Certificate: r.Certificate, Serial: r.Serial, Digest: r.Digest,
	}
}
