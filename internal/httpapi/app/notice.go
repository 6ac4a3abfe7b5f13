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
	Group  string `query:"group" enum:"enterprise,certificate,order,account,system" doc:"只看这一类"`
	Unread bool   `query:"unread" doc:"只看未读"`
}

type noticeGroupInput struct {
	Group string `query:"group" enum:"enterprise,certificate,order,account,system" doc:"只标记这一类"`
}

// NoticeSettingsBody says of which groups' notices an SMS goes out too.
type NoticeSettingsBody struct {
	Groups []NoticeSetting `json:"groups" maxItems:"10"`
}

// NoticeSetting is one group's setting.
type NoticeSetting struct {
	Group string `json:"group" enum:"enterprise,certificate,order,account,system"`
	SMS   bool   `json:"sms" doc:"重要通知同时发短信"`
	Fixed bool   `json:"fixed,omitempty" doc:"不可关闭"`
}

// NoticeBody is one notice.
type NoticeBody struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Group  string    `json:"group"`
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
	Groups  []GroupBody  `json:"groups"`
}

// GroupBody is a group of notices with the number of unread ones.
type GroupBody struct {
	Group  string `json:"group"`
	Unread int    `json:"unread"`
}

// The notices stay open to restricted sessions: the one about the re-key is
// among them (docs/domain.md A11).
func (s *Server) noticeRoutes() {
	route(s, http.MethodGet, "/notices", Restricted, "通知列表", func(ctx context.Context, c account.Caller, in *noticesInput) (*Body[NoticesBody], error) {
		page, err := s.Notices.Browse(ctx, c.Account, notice.Filter{Before: in.Cursor, Group: notice.Group(in.Group), Unread: in.Unread})
		if err != nil {
			return nil, err
		}
		return &Body[NoticesBody]{noticesBody(page)}, nil
	})
	route(s, http.MethodPost, "/notices/read", Restricted, "全部标为已读", func(ctx context.Context, c account.Caller, in *noticeGroupInput) (*Empty, error) {
		return &Empty{}, s.Notices.MarkAllRead(ctx, c.Account, notice.Group(in.Group))
	})
	route(s, http.MethodPost, "/notices/{id}/read", Restricted, "标为已读", func(ctx context.Context, c account.Caller, in *idInput) (*Empty, error) {
		return &Empty{}, s.Notices.MarkRead(ctx, c.Account, in.ID)
	})
	route(s, http.MethodGet, "/notices/settings", Session, "通知设置", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[NoticeSettingsBody], error) {
		return s.noticeSettings(ctx, c)
	})
	route(s, http.MethodPut, "/notices/settings", Session, "修改通知设置", func(ctx context.Context, c account.Caller, in *Body[NoticeSettingsBody]) (*Body[NoticeSettingsBody], error) {
		var settings []notice.Setting
		for _, g := range in.Body.Groups {
			settings = append(settings, notice.Setting{Group: notice.Group(g.Group), SMS: g.SMS})
		}
		if err := s.Notices.Set(ctx, c.Account, settings); err != nil {
			return nil, err
		}
		return s.noticeSettings(ctx, c)
	})
}

func (s *Server) noticeSettings(ctx context.Context, c account.Caller) (*Body[NoticeSettingsBody], error) {
	settings, err := s.Notices.Settings(ctx, c.Account)
	out := &Body[NoticeSettingsBody]{}
	for _, g := range settings {
		out.Body.Groups = append(out.Body.Groups, NoticeSetting{Group: string(g.Group), SMS: g.SMS, Fixed: g.Fixed})
	}
	return out, err
}

func noticesBody(p notice.Page) NoticesBody {
	out := NoticesBody{Notices: []NoticeBody{}, Next: p.Next, Unread: p.Unread}
	for _, g := range p.Groups {
		out.Groups = append(out.Groups, GroupBody{string(g.Group), g.Unread})
	}
	for _, n := range p.Notices {
		out.Notices = append(out.Notices, NoticeBody{ID: n.ID, Kind: n.Kind, Group: string(notice.GroupOf(n.Kind)), Title: n.Title, Body: n.Body, Link: n.Link,
			At: n.PostedAt, Unread: n.ReadAt.IsZero()})
	}
	return out
}
