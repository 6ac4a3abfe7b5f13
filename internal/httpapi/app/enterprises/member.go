package enterprises

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/realname"
)

// IdentitiesBody is who the caller can act as (身份切换, M§2.4.3).
type IdentitiesBody struct {
	Person struct {
		Name     string `json:"name" doc:"未实名时为空"`
		Verified bool   `json:"verified"`
	} `json:"person"`
	Enterprises []IdentityBody `json:"enterprises"`
	// Applications are enterprises that are still being verified.
	Applications []PendingIdentityBody `json:"applications" doc:"认证中的企业，标为未实名"`
	Invitations  int                   `json:"invitations" doc:"可接受的邀请数"`
}

// IdentityBody is an enterprise that the caller belongs to.
type IdentityBody struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Code  string    `json:"code" doc:"统一社会信用代码"`
	Role  string    `json:"role" enum:"administrator,member"`
	Since time.Time `json:"since"`
}

// PendingIdentityBody is an enterprise that is being verified.
type PendingIdentityBody struct {
	ID    string `json:"id" doc:"申请编号"`
	Name  string `json:"name"`
	State string `json:"state"`
}

type enterpriseInput struct {
	ID string `path:"id" maxLength:"40" doc:"企业"`
}

type joinInput struct {
	ID   string `path:"id" maxLength:"40" doc:"企业"`
	Body struct {
		AdministratorName  string `json:"administratorName" maxLength:"60"`
		AdministratorPhone string `json:"administratorPhone" maxLength:"20"`
	}
}

// JoinRequestBody is a request to join (加入申请) as who asked sees it.
type JoinRequestBody struct {
	ID             string    `json:"id"`
	Enterprise     string    `json:"enterprise"`
	EnterpriseName string    `json:"enterpriseName"`
	State          string    `json:"state" enum:"open,accepted,refused,withdrawn,settled"`
	Reason         string    `json:"reason,omitempty" doc:"拒绝的原因"`
	AskedAt        time.Time `json:"askedAt"`
	EndedAt        time.Time `json:"endedAt,omitzero"`
}

// JoinRequestsBody lists the caller's own requests, the newest first.
type JoinRequestsBody struct {
	Requests []JoinRequestBody `json:"requests"`
}

// ApplicantBody is a request to join as the administrator sees it.
type ApplicantBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	PhoneMasked string    `json:"phoneMasked"`
	AskedAt     time.Time `json:"askedAt"`
}

// ApplicantsBody lists the requests that wait, the oldest first.
type ApplicantsBody struct {
	Requests []ApplicantBody `json:"requests"`
}

type membersInput struct {
	ID     string `path:"id" maxLength:"40" doc:"企业"`
	Query  string `query:"q" maxLength:"60" doc:"姓名的开头，或完整手机号"`
	Cursor string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

// MemberBody is a member as the administrator sees him.
type MemberBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	PhoneMasked string    `json:"phoneMasked"`
	Role        string    `json:"role" enum:"administrator,member"`
	JoinedAt    time.Time `json:"joinedAt"`
	Self        bool      `json:"self"`
}

// MembersBody is a page of members, the first joined first.
type MembersBody struct {
	Members []MemberBody `json:"members"`
	Next    string       `json:"next,omitempty"`
	Total   int          `json:"total" doc:"符合条件的成员总数"`
}

type removeInput struct {
	ID     string `path:"id" maxLength:"40" doc:"企业"`
	Member string `path:"member" maxLength:"40" doc:"成员"`
	Body   reasonBody
}

type reasonBody struct {
	Reason string `json:"reason" maxLength:"400" doc:"2 至 100 个字"`
}

type requestPath struct {
	Request string `path:"request" maxLength:"40" doc:"加入申请"`
}

type decideInput struct {
	ID      string `path:"id" maxLength:"40" doc:"企业"`
	Request string `path:"request" maxLength:"40" doc:"加入申请"`
}

type refuseInput struct {
	ID      string `path:"id" maxLength:"40" doc:"企业"`
	Request string `path:"request" maxLength:"40" doc:"加入申请"`
	Body    reasonBody
}

type inviteInput struct {
	ID   string `path:"id" maxLength:"40" doc:"企业"`
	Body struct {
		Name  string `json:"name" maxLength:"60"`
		Phone string `json:"phone" maxLength:"20"`
	}
}

// InvitationBody is an invitation as the administrator sees it.
type InvitationBody struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	PhoneMasked string    `json:"phoneMasked"`
	State       string    `json:"state" enum:"open,accepted,declined,withdrawn,settled,expired"`
	SentAt      time.Time `json:"sentAt"`
	ExpiresAt   time.Time `json:"expiresAt"`
	CreatedAt   time.Time `json:"createdAt"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
}

// InvitationsBody lists an enterprise's invitations, the newest first.
type InvitationsBody struct {
	Invitations []InvitationBody `json:"invitations"`
}

type invitationPath struct {
	Invitation string `path:"invitation" maxLength:"40" doc:"邀请"`
}

type governInput struct {
	ID         string `path:"id" maxLength:"40" doc:"企业"`
	Invitation string `path:"invitation" maxLength:"40" doc:"邀请"`
}

type lookInput struct {
	Body struct {
		Token string `json:"token" maxLength:"60" doc:"短信链接 # 后的 t"`
	}
}

// InvitedBody is an invitation as whoever has its link sees it.
type InvitedBody struct {
	ID             string    `json:"id"`
	Enterprise     string    `json:"enterprise"`
	EnterpriseName string    `json:"enterpriseName"`
	InviterMasked  string    `json:"inviterMasked"`
	NameMasked     string    `json:"nameMasked"`
	PhoneMasked    string    `json:"phoneMasked"`
	State          string    `json:"state" enum:"open,accepted,declined,withdrawn,settled,expired"`
	ExpiresAt      time.Time `json:"expiresAt"`
}

// InvitedListBody lists what the caller's number is invited to.
type InvitedListBody struct {
	Invitations []InvitedBody `json:"invitations"`
}

// JoinedBody names the enterprise that was joined.
type JoinedBody struct {
	Enterprise string `json:"enterprise"`
}

type transferInput struct {
	ID   string `path:"id" maxLength:"40" doc:"企业"`
	Body struct {
		Member string `json:"member" maxLength:"40"`
		Ticket string `json:"ticket" maxLength:"60"`
		Code   string `json:"code" maxLength:"10" doc:"用途 transfer 的短信验证码"`
	}
}

type transferPINInput struct {
	ID   string `path:"id" maxLength:"40" doc:"企业"`
	Body struct {
		Member string `json:"member" maxLength:"40"`
	}
}

// TransferBody is a transfer (转让管理员) that waits for the PIN.
type TransferBody struct {
	ID   string `json:"id"`
	OpID string `json:"opID"`
}

func (s *Service) memberRoutes() {
	app.Route(s.server, http.MethodGet, "/identities", app.Session, "可用身份", s.identities)
	s.joinRoutes()
	s.invitationRoutes()
	app.Route(s.server, http.MethodGet, "/enterprises/{id}/members", app.Session, "成员列表（管理员）", func(ctx context.Context, c account.Caller, in *membersInput) (*app.Body[MembersBody], error) {
		p, err := s.Members.List(ctx, c, in.ID, in.Query, in.Cursor)
		out := MembersBody{Members: make([]MemberBody, len(p.Colleagues)), Next: p.Next, Total: p.Total}
		for i, m := range p.Colleagues {
			out.Members[i] = MemberBody{ID: m.ID, Name: m.Name, PhoneMasked: m.Phone, Role: string(m.Role), JoinedAt: m.JoinedAt, Self: m.Account == c.Account}
		}
		return &app.Body[MembersBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodDelete, "/enterprises/{id}/members/{member}", app.Session, "移除成员（管理员）", func(ctx context.Context, c account.Caller, in *removeInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Remove(ctx, c, in.ID, in.Member, in.Body.Reason)
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/leave", app.Session, "退出企业", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Leave(ctx, c, in.ID)
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/transfer", app.Session, "转让管理员：短信验证码", func(ctx context.Context, c account.Caller, in *transferInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Transfer(ctx, c, in.ID, in.Body.Member, in.Body.Ticket, in.Body.Code)
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/transfer/pin", app.Session, "转让管理员：以 PIN 码确认", func(ctx context.Context, c account.Caller, in *transferPINInput) (*app.Body[TransferBody], error) {
		t, err := s.Handovers.Begin(ctx, c, in.ID, in.Body.Member)
		return &app.Body[TransferBody]{Body: TransferBody{t.ID, t.Op}}, err
	})
}

func (s *Service) identities(ctx context.Context, c account.Caller, _ *app.Empty) (*app.Body[IdentitiesBody], error) {
	all, err := s.Members.Identities(ctx, c)
	out := IdentitiesBody{Enterprises: []IdentityBody{}, Applications: []PendingIdentityBody{}, Invitations: all.Invitations}
	out.Person.Name, out.Person.Verified = all.Name, all.Name != ""
	for _, m := range all.Memberships {
		out.Enterprises = append(out.Enterprises, IdentityBody{ID: m.Head.ID, Name: m.Head.Name, Code: m.Head.Code, Role: string(m.Role), Since: m.JoinedAt})
	}
	for _, a := range all.Pending {
		out.Applications = append(out.Applications, PendingIdentityBody{a.ID, a.Name, string(a.State)})
	}
	return &app.Body[IdentitiesBody]{Body: out}, err
}

func (s *Service) joinRoutes() {
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/requests", app.Session, "申请加入企业", func(ctx context.Context, c account.Caller, in *joinInput) (*app.Body[JoinRequestBody], error) {
		r, err := s.Members.Ask(ctx, c, in.ID, in.Body.AdministratorName, in.Body.AdministratorPhone)
		return &app.Body[JoinRequestBody]{Body: joinRequestBody(r)}, err
	})
	app.Route(s.server, http.MethodGet, "/enterprises/requests", app.Session, "我的加入申请", func(ctx context.Context, c account.Caller, _ *app.Empty) (*app.Body[JoinRequestsBody], error) {
		all, err := s.Members.Asked(ctx, c)
		out := JoinRequestsBody{Requests: make([]JoinRequestBody, len(all))}
		for i, r := range all {
			out.Requests[i] = joinRequestBody(r)
		}
		return &app.Body[JoinRequestsBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodDelete, "/enterprises/requests/{request}", app.Session, "撤回加入申请", func(ctx context.Context, c account.Caller, in *requestPath) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Withdraw(ctx, c, in.Request)
	})
	app.Route(s.server, http.MethodGet, "/enterprises/{id}/requests", app.Session, "待审核的加入申请（管理员）", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[ApplicantsBody], error) {
		all, err := s.Members.Requests(ctx, c, in.ID)
		out := ApplicantsBody{Requests: make([]ApplicantBody, len(all))}
		for i, r := range all {
			out.Requests[i] = ApplicantBody{ID: r.ID, Name: r.Name, PhoneMasked: r.Phone, AskedAt: r.AskedAt}
		}
		return &app.Body[ApplicantsBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/requests/{request}/accept", app.Session, "同意加入（管理员）", func(ctx context.Context, c account.Caller, in *decideInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Accept(ctx, c, in.ID, in.Request)
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/requests/{request}/refuse", app.Session, "拒绝加入（管理员）", func(ctx context.Context, c account.Caller, in *refuseInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Refuse(ctx, c, in.ID, in.Request, in.Body.Reason)
	})
}

func joinRequestBody(r enterprise.Asked) JoinRequestBody {
	return JoinRequestBody{ID: r.ID, Enterprise: r.Enterprise, EnterpriseName: r.Head.Name, State: string(r.State), Reason: r.Reason,
		AskedAt: r.AskedAt, EndedAt: r.EndedAt}
}

func (s *Service) invitationRoutes() {
	app.Route(s.server, http.MethodGet, "/enterprises/{id}/invitations", app.Session, "邀请记录（管理员）", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[InvitationsBody], error) {
		all, err := s.Members.Invitations(ctx, c, in.ID)
		out := InvitationsBody{Invitations: make([]InvitationBody, len(all))}
		for i, v := range all {
			out.Invitations[i] = invitationBody(v)
		}
		return &app.Body[InvitationsBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/invitations", app.Session, "邀请加入（管理员）", func(ctx context.Context, c account.Caller, in *inviteInput) (*app.Body[InvitationBody], error) {
		v, err := s.Members.Invite(ctx, c, in.ID, in.Body.Name, in.Body.Phone)
		return &app.Body[InvitationBody]{Body: invitationBody(v)}, err
	})
	app.Route(s.server, http.MethodDelete, "/enterprises/{id}/invitations/{invitation}", app.Session, "撤回邀请（管理员）", func(ctx context.Context, c account.Caller, in *governInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.CancelInvitation(ctx, c, in.ID, in.Invitation)
	})
	app.Route(s.server, http.MethodPost, "/enterprises/{id}/invitations/{invitation}/resend", app.Session, "重新发送邀请短信（管理员）", func(ctx context.Context, c account.Caller, in *governInput) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Resend(ctx, c, in.ID, in.Invitation)
	})
	app.Route(s.server, http.MethodPost, "/invitations/look", app.Public, "查看短信链接中的邀请", func(ctx context.Context, _ account.Caller, in *lookInput) (*app.Body[InvitedBody], error) {
		v, err := s.Members.Look(ctx, in.Body.Token)
		return &app.Body[InvitedBody]{Body: invitedBody(v)}, err
	})
	app.Route(s.server, http.MethodGet, "/invitations", app.Session, "我收到的邀请", func(ctx context.Context, c account.Caller, _ *app.Empty) (*app.Body[InvitedListBody], error) {
		all, err := s.Members.Mine(ctx, c)
		out := InvitedListBody{Invitations: make([]InvitedBody, len(all))}
		for i, v := range all {
			out.Invitations[i] = invitedBody(v)
		}
		return &app.Body[InvitedListBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodPost, "/invitations/{invitation}/accept", app.Session, "接受邀请", func(ctx context.Context, c account.Caller, in *invitationPath) (*app.Body[JoinedBody], error) {
		joined, err := s.Members.Take(ctx, c, in.Invitation)
		return &app.Body[JoinedBody]{Body: JoinedBody{joined}}, err
	})
	app.Route(s.server, http.MethodPost, "/invitations/{invitation}/decline", app.Session, "谢绝邀请", func(ctx context.Context, c account.Caller, in *invitationPath) (*app.Empty, error) {
		return &app.Empty{}, s.Members.Decline(ctx, c, in.Invitation)
	})
}

func invitationBody(v enterprise.Invitation) InvitationBody {
	return InvitationBody{ID: v.ID, Name: v.Name, PhoneMasked: account.MaskPhone(v.Phone), State: string(v.State), SentAt: v.SentAt,
		ExpiresAt: v.ExpiresAt, CreatedAt: v.CreatedAt, EndedAt: v.EndedAt}
}

func invitedBody(v enterprise.Invited) InvitedBody {
	return InvitedBody{ID: v.ID, Enterprise: v.Head.ID, EnterpriseName: v.Head.Name, InviterMasked: v.InviterName, NameMasked: realname.MaskName(v.Name),
		PhoneMasked: account.MaskPhone(v.Phone), State: string(v.State), ExpiresAt: v.ExpiresAt}
}
