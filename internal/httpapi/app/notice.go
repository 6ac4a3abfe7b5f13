package app

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/notice"
)

type noticesInput struct {
	Cursor string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

// NoticeBody is one notice.
type NoticeBody struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Title  string    `json:"title"`
	Body   string    `json:"body"`
	Link   string    `json:"link,omitempty"`
	At     time.Time `json:"at"`
	Unread bool      `json:"unread"`
}

// NoticesBody is a page of notices, newest first.
type NoticesBody struct {
	Notices []NoticeBody `json:"notices"`
	Next    string       `json:"next,omitempty"`
	Unread  int          `json:"unread"`
}

// The notices stay open to restricted sessions: the one about the re-key is
// among them (docs/domain.md A11).
func (s *Server) noticeRoutes() {
	route(s, http.MethodGet, "/notices", Restricted, "通知列表", func(ctx context.Context, c account.Caller, in *noticesInput) (*Body[NoticesBody], error) {
		page, err := s.Notices.List(ctx, c.Account, in.Cursor)
		if err != nil {
			return nil, err
		}
		return &Body[NoticesBody]{noticesBody(page)}, nil
	})
	route(s, http.MethodPost, "/notices/read", Restricted, "全部标为已读", func(ctx context.Context, c account.Caller, _ *Empty) (*Empty, error) {
		return &Empty{}, s.Notices.MarkAllRead(ctx, c.Account)
	})
	route(s, http.MethodPost, "/notices/{id}/read", Restricted, "标为已读", func(ctx context.Context, c account.Caller, in *idInput) (*Empty, error) {
		return &Empty{}, s.Notices.MarkRead(ctx, c.Account, in.ID)
	})
}

func noticesBody(p notice.Page) NoticesBody {
	out := NoticesBody{Notices: []NoticeBody{}, Next: p.Next, Unread: p.Unread}
	for _, n := range p.Notices {
		out.Notices = append(out.Notices, NoticeBody{ID: n.ID, Kind: n.Kind, Title: n.Title, Body: n.Body, Link: n.Link,
			At: n.PostedAt, Unread: n.ReadAt.IsZero()})
	}
	return out
}
