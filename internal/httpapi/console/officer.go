package console

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/office"
)

// OfficerBody is an officer as super administrators see him.
type OfficerBody struct {
	OfficerRef
	PhoneMasked string     `json:"phoneMasked"`
	Roles       []string   `json:"roles"`
	State       string     `json:"state" enum:"active,disabled"`
	Factors     []string   `json:"factors" doc:"已有的第二步"`
	Once        bool       `json:"passwordOnce" doc:"尚未用一次性密码登录"`
	CreatedAt   time.Time  `json:"createdAt"`
	SignedInAt  *time.Time `json:"signedInAt,omitempty"`
	Self        bool       `json:"self"`
	// Proposal is the open proposal about him, if any.
	Proposal string `json:"proposal,omitempty"`
}

// OfficerList is every officer; they are few.
type OfficerList struct {
	Officers []OfficerBody `json:"officers"`
}

type newOfficerInput struct {
	Body struct {
		Name        string   `json:"name" maxLength:"64" doc:"登录名：3–32 位小写字母、数字、点、横线"`
		DisplayName string   `json:"displayName" maxLength:"64"`
		Phone       string   `json:"phone" maxLength:"20"`
		Roles       []string `json:"roles" maxItems:"4"`
	}
}

type rolesInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Roles []string `json:"roles" maxItems:"4"`
	}
}

type reasonInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" maxLength:"200"`
	}
}

// ProposalBody is a change that another super administrator has to approve.
type ProposalBody struct {
	ID     string `json:"id"`
	Action string `json:"action" enum:"create,roles,enable,reset-factor"`
	// Officer is whom it is about.
	Officer     OfficerRef  `json:"officer"`
	PhoneMasked string      `json:"phoneMasked,omitempty" doc:"仅 create"`
	Roles       []string    `json:"roles" doc:"create、roles：新的角色"`
	RolesBefore []string    `json:"rolesBefore" doc:"roles：原来的角色"`
	State       string      `json:"state" enum:"open,approved,refused,withdrawn,expired"`
	ProposedBy  OfficerRef  `json:"proposedBy"`
	ProposedAt  time.Time   `json:"proposedAt"`
	ExpiresAt   time.Time   `json:"expiresAt"`
	DecidedBy   *OfficerRef `json:"decidedBy,omitempty"`
	DecidedAt   *time.Time  `json:"decidedAt,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	// Mine and Decidable are the caller's part in it.
	Mine      bool `json:"mine" doc:"由我提出，可撤回"`
	Decidable bool `json:"decidable" doc:"我可以批准或拒绝"`
}

// Dealt is a part of a one-time password, shown once: the first to the proposer,
// the second to the approver. The officer signs in with both, joined by "-".
type Dealt struct {
	Part  int        `json:"part" enum:"1,2"`
	Code  string     `json:"code"`
	Until *time.Time `json:"until,omitempty" doc:"第二段：须在此之前首次登录"`
}

// ProposalAnswer is a proposal and, where a password is dealt, its part.
type ProposalAnswer struct {
	Proposal ProposalBody `json:"proposal"`
	Dealt    *Dealt       `json:"dealt,omitempty" doc:"仅 create、reset-factor：一次性密码的一段，仅显示一次"`
}

// ProposalList is the newest proposals, open ones first.
type ProposalList struct {
	Proposals []ProposalBody `json:"proposals"`
}

func (s *Server) officerRoutes() {
	super := Roles(office.Super)
	route(s, http.MethodGet, "/officers", super, "后台人员", s.officers)
	route(s, http.MethodPost, "/officers", super, "提议新增后台人员（须另一名超级管理员批准）", s.proposeOfficer)
	route(s, http.MethodPost, "/officers/{id}/roles", super, "提议变更角色（须批准）", s.proposeRoles)
	route(s, http.MethodPost, "/officers/{id}/disable", super, "停用，立即生效", s.disable)
	route(s, http.MethodPost, "/officers/{id}/enable", super, "提议重新启用（须批准）", s.proposeEnable)
	route(s, http.MethodPost, "/officers/{id}/reset-factor", super, "提议重置密码与第二步（须批准）", s.proposeReset)
}

func (s *Server) proposalRoutes() {
	super := Roles(office.Super)
	route(s, http.MethodGet, "/proposals", super, "待批准与近期的提议", s.proposals)
	route(s, http.MethodPost, "/proposals/{id}/approve", super, "批准；提议人与当事人不能批准", s.approve)
	route(s, http.MethodPost, "/proposals/{id}/refuse", super, "拒绝；提议人与当事人不能拒绝", s.refuse)
	route(s, http.MethodDelete, "/proposals/{id}", super, "撤回自己的提议", s.withdraw)
}

func roleNames(roles []office.Role) []string {
	out := []string{}
	for _, r := range roles {
		out = append(out, string(r))
	}
	return out
}

func ref(o office.Officer) OfficerRef {
	return OfficerRef{ID: o.ID, Name: o.Name, DisplayName: o.DisplayName}
}

func (s *Server) officers(ctx context.Context, c office.Caller, _ *Empty) (*Body[OfficerList], error) {
	all, err := s.Officers.List(ctx)
	out := OfficerList{Officers: []OfficerBody{}}
	for _, o := range all {
		b := OfficerBody{
			OfficerRef: ref(o.Officer), PhoneMasked: office.MaskPhone(o.Phone), Roles: roleNames(o.Roles), State: string(o.State), Factors: []string{},
			Once: o.Once, CreatedAt: o.CreatedAt, SignedInAt: moment(o.SignedInAt), Self: o.ID == c.ID, Proposal: o.Proposal,
		}
		for _, k := range o.Factors {
			b.Factors = append(b.Factors, string(k))
		}
		out.Officers = append(out.Officers, b)
	}
	return &Body[OfficerList]{out}, err
}

func proposal(p office.Proposal, c office.Caller) ProposalBody {
	b := ProposalBody{
		ID: p.ID, Action: string(p.Action), Officer: ref(p.Subject), PhoneMasked: office.MaskPhone(p.Phone),
		Roles: roleNames(p.Roles), RolesBefore: roleNames(p.RolesBefore), State: string(p.State),
		ProposedBy: ref(p.Proposer), ProposedAt: p.ProposedAt, ExpiresAt: p.ExpiresAt, DecidedAt: moment(p.DecidedAt), Reason: p.Reason,
		Mine: p.Proposer.ID == c.ID && p.State == office.Open, Decidable: p.DecidableBy(c.Officer),
	}
	if p.Decider.ID != "" {
		d := ref(p.Decider)
		b.DecidedBy = &d
	}
	return b
}

// proposed answers with a proposal and a part of a password.
func proposed(c office.Caller, p office.Proposal, part office.Part, err error) (*Body[ProposalAnswer], error) {
	if err != nil {
		return nil, err
	}
	out := ProposalAnswer{Proposal: proposal(p, c)}
	if part.Code != "" {
		out.Dealt = &Dealt{Part: part.Number, Code: part.Code, Until: moment(part.Until)}
	}
	return &Body[ProposalAnswer]{out}, nil
}

func roles(names []string) []office.Role {
	out := make([]office.Role, len(names))
	for i, n := range names {
		out[i] = office.Role(n)
	}
	return out
}

func (s *Server) proposeOfficer(ctx context.Context, c office.Caller, in *newOfficerInput) (*Body[ProposalAnswer], error) {
	b := in.Body
	p, part, err := s.Officers.ProposeCreate(ctx, c, office.Newcomer{Name: b.Name, DisplayName: b.DisplayName, Phone: b.Phone, Roles: roles(b.Roles)})
	return proposed(c, p, part, err)
}

func (s *Server) proposeRoles(ctx context.Context, c office.Caller, in *rolesInput) (*Body[ProposalAnswer], error) {
	p, err := s.Officers.ProposeRoles(ctx, c, in.ID, roles(in.Body.Roles))
	return proposed(c, p, office.Part{}, err)
}

func (s *Server) proposeEnable(ctx context.Context, c office.Caller, in *byID) (*Body[ProposalAnswer], error) {
	p, err := s.Officers.ProposeEnable(ctx, c, in.ID)
	return proposed(c, p, office.Part{}, err)
}

func (s *Server) proposeReset(ctx context.Context, c office.Caller, in *byID) (*Body[ProposalAnswer], error) {
	p, part, err := s.Officers.ProposeReset(ctx, c, in.ID)
	return proposed(c, p, part, err)
}

func (s *Server) disable(ctx context.Context, c office.Caller, in *reasonInput) (*Empty, error) {
	return &Empty{}, s.Officers.Disable(ctx, c, in.ID, in.Body.Reason)
}

func (s *Server) proposals(ctx context.Context, c office.Caller, _ *Empty) (*Body[ProposalList], error) {
	all, err := s.Officers.Proposals(ctx)
	out := ProposalList{Proposals: []ProposalBody{}}
	for _, p := range all {
		out.Proposals = append(out.Proposals, proposal(p, c))
	}
	return &Body[ProposalList]{out}, err
}

func (s *Server) approve(ctx context.Context, c office.Caller, in *byID) (*Body[ProposalAnswer], error) {
	p, part, err := s.Officers.Approve(ctx, c, in.ID)
	return proposed(c, p, part, err)
}

func (s *Server) refuse(ctx context.Context, c office.Caller, in *reasonInput) (*Body[ProposalAnswer], error) {
	p, err := s.Officers.Refuse(ctx, c, in.ID, in.Body.Reason)
	return proposed(c, p, office.Part{}, err)
}

func (s *Server) withdraw(ctx context.Context, c office.Caller, in *byID) (*Empty, error) {
	return &Empty{}, s.Officers.Withdraw(ctx, c, in.ID)
}
