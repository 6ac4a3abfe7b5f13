package console

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/office"
)

// AccountRow is an account as a search shows it, masked.
type AccountRow struct {
	ID             string     `json:"id"`
	PhoneMasked    string     `json:"phoneMasked" doc:"已注销为空"`
	NameMasked     string     `json:"nameMasked" doc:"未实名为空"`
	IDNumberMasked string     `json:"idNumberMasked"`
	CreatedAt      time.Time  `json:"createdAt"`
	VerifiedAt     *time.Time `json:"verifiedAt,omitempty"`
	ClosedAt       *time.Time `json:"closedAt,omitempty"`
}

// AccountList is a page of accounts.
type AccountList struct {
	Accounts []AccountRow `json:"accounts"`
	Next     string       `json:"next,omitempty"`
}

// AccountDevice is one of an account's devices.
type AccountDevice struct {
	Label      string     `json:"label"`
	Active     bool       `json:"active" doc:"当前绑定的手机"`
	Sessions   int        `json:"sessions"`
	SignedInAt *time.Time `json:"signedInAt,omitempty"`
	SeenAt     time.Time  `json:"seenAt"`
}

// AccountEnterprise is one of an account's memberships, present or former.
type AccountEnterprise struct {
	Enterprise string     `json:"enterprise"`
	Name       string     `json:"name"`
	Role       string     `json:"role" enum:"administrator,member,former"`
	Via        string     `json:"via" enum:"created,applied,invited"`
	JoinedAt   time.Time  `json:"joinedAt"`
	LeftAt     *time.Time `json:"leftAt,omitempty"`
}

// CertificateRow is one of an account's certificates.
type CertificateRow struct {
	ID          string     `json:"id"`
	Institution string     `json:"institution" doc:"CA 机构代码"`
	Enterprise  string     `json:"enterprise,omitempty"`
	State       string     `json:"state" enum:"pending,valid,key_lost,frozen,expired,revoked,replaced,cancelled"`
	Serial      string     `json:"serial,omitempty" doc:"签名证书序列号，十六进制"`
	NotAfter    *time.Time `json:"notAfter,omitempty"`
	Freezable   bool       `json:"freezable"`
	Unfreezable bool       `json:"unfreezable"`
}

// AccountBody is an account with what belongs to it.
type AccountBody struct {
	AccountRow
	PhoneChangedAt *time.Time          `json:"phoneChangedAt,omitempty"`
	Devices        []AccountDevice     `json:"devices"`
	Enterprises    []AccountEnterprise `json:"enterprises"`
	Certificates   []CertificateRow    `json:"certificates" doc:"最新的 100 张"`
}

// EnterpriseRow is an enterprise as a search shows it.
type EnterpriseRow struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Code        string    `json:"code"`
	LegalMasked string    `json:"legalNameMasked"`
	Method      string    `json:"method" enum:"phone,bank,documents"`
	VerifiedAt  time.Time `json:"verifiedAt"`
	Members     int       `json:"members,omitempty" doc:"仅企业详情"`
}

// EnterpriseList is a page of enterprises, the newest first.
type EnterpriseList struct {
	Enterprises []EnterpriseRow `json:"enterprises"`
	Next        string          `json:"next,omitempty"`
}

// EnterpriseMember is a member as officers see him.
type EnterpriseMember struct {
	ID            string    `json:"id"`
	Account       string    `json:"account"`
	NameMasked    string    `json:"nameMasked"`
	PhoneMasked   string    `json:"phoneMasked"`
	Administrator bool      `json:"administrator"`
	Via           string    `json:"via" enum:"created,applied,invited"`
	JoinedAt      time.Time `json:"joinedAt"`
}

// EnterpriseVersion is one version of an enterprise's facts.
type EnterpriseVersion struct {
	Facts       int64     `json:"facts"`
	Name        string    `json:"name"`
	LegalMasked string    `json:"legalNameMasked"`
	Method      string    `json:"method"`
	At          time.Time `json:"at"`
}

// EnterpriseBody is an enterprise with its history and a page of its members.
type EnterpriseBody struct {
	EnterpriseRow
	LegalIDMasked string              `json:"legalIDNumberMasked"`
	CreatedAt     time.Time           `json:"createdAt"`
	History       []EnterpriseVersion `json:"history"`
	MemberPage    []EnterpriseMember  `json:"memberPage"`
	Next          string              `json:"next,omitempty"`
}

type accountsInput struct {
	Body struct {
		Phone  string `json:"phone,omitempty" maxLength:"11" doc:"完整手机号"`
		Name   string `json:"name,omitempty" maxLength:"90" doc:"完整姓名"`
		ID     string `json:"id,omitempty" maxLength:"32" doc:"账号编号，或完整身份证号"`
		Cursor string `json:"cursor,omitempty" maxLength:"40"`
	}
}

type enterprisesInput struct {
	Q      string `query:"q" maxLength:"120" doc:"企业名称的一部分，或完整的统一社会信用代码；空为全部"`
	Cursor string `query:"cursor" maxLength:"40"`
}

type enterpriseInput struct {
	ID     string `path:"id" maxLength:"64"`
	Cursor string `query:"cursor" maxLength:"40" doc:"成员的上一页的 next"`
}

type revealInput struct {
	Body struct {
		Kind   string `json:"kind" enum:"account,enterprise,application"`
		ID     string `json:"id" maxLength:"64"`
		Field  string `json:"field" enum:"phone,name,idNumber,legalName,legalIDNumber" doc:"account：phone、name、idNumber；其余：legalName、legalIDNumber"`
		Reason string `json:"reason" maxLength:"200" doc:"5 至 200 字，写入审计"`
	}
}

// RevealBody is a value in full.
type RevealBody struct {
	Value     string `json:"value"`
	Remaining int    `json:"remaining" doc:"今天还可查看几次"`
}

// EndedBody tells how many sessions ended.
type EndedBody struct {
	Ended int `json:"ended"`
}

func (s *Server) lookupRoutes() {
	route(s, http.MethodPost, "/accounts/search", deskWorker, "查找账号（按完整的值）：每人每天 300 次，写入审计", s.accounts)
	route(s, http.MethodGet, "/accounts/{id}", deskWorker, "一个账号", s.account)
	route(s, http.MethodPost, "/accounts/{id}/sessions/end", operator, "结束账号的全部登录", s.endSessions)
	route(s, http.MethodGet, "/enterprises", deskWorker, "查找企业", s.enterprises)
	route(s, http.MethodGet, "/enterprises/{id}", deskWorker, "一家企业", s.enterprise)
	route(s, http.MethodPost, "/reveal", deskWorker, "查看一项完整信息：须写原因，每人每天 30 次，写入审计", s.reveal)
	route(s, http.MethodPost, "/certificates/{id}/freeze", operator, "冻结证书", s.holds((*lookup.Service).Freeze))
	route(s, http.MethodPost, "/certificates/{id}/unfreeze", operator, "解冻证书", s.holds((*lookup.Service).Unfreeze))
}

func (s *Server) accounts(ctx context.Context, c office.Caller, in *accountsInput) (*Body[AccountList], error) {
	page, err := s.Lookups.Find(ctx, clerk(c), lookup.Query{Phone: in.Body.Phone, Name: in.Body.Name, ID: in.Body.ID, Cursor: in.Body.Cursor})
	out := AccountList{Accounts: make([]AccountRow, len(page.Accounts)), Next: page.Next}
	for i, a := range page.Accounts {
		out.Accounts[i] = accountRow(a)
	}
	return &Body[AccountList]{out}, err
}

func accountRow(a lookup.Account) AccountRow {
	return AccountRow{ID: a.ID, PhoneMasked: a.PhoneMasked, NameMasked: a.NameMasked, IDNumberMasked: a.IDNumberMasked,
		CreatedAt: a.CreatedAt, VerifiedAt: moment(a.VerifiedAt), ClosedAt: moment(a.ClosedAt)}
}

func (s *Server) account(ctx context.Context, _ office.Caller, in *byID) (*Body[AccountBody], error) {
	d, err := s.Lookups.Account(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := AccountBody{AccountRow: accountRow(d.Account), PhoneChangedAt: moment(d.PhoneChangedAt),
		Devices: make([]AccountDevice, len(d.Devices)), Enterprises: make([]AccountEnterprise, len(d.Memberships)), Certificates: make([]CertificateRow, len(d.Certificates))}
	for i, x := range d.Devices {
		out.Devices[i] = AccountDevice{Label: x.Label, Active: x.Active, Sessions: x.Sessions, SignedInAt: moment(x.SignedInAt), SeenAt: x.SeenAt}
	}
	for i, m := range d.Memberships {
		role := "member"
		switch {
		case !m.LeftAt.IsZero():
			role = "former"
		case m.Administrator:
			role = "administrator"
		}
		out.Enterprises[i] = AccountEnterprise{Enterprise: m.Enterprise, Name: m.Name, Role: role, Via: m.Via, JoinedAt: m.JoinedAt, LeftAt: moment(m.LeftAt)}
	}
	for i, c := range d.Certificates {
		out.Certificates[i] = certificateRow(c)
	}
	return &Body[AccountBody]{out}, nil
}

func certificateRow(c certificate.Certificate) CertificateRow {
	return CertificateRow{ID: c.ID, Institution: c.Institution, Enterprise: c.Holder.Enterprise, State: string(c.State), Serial: c.SignSerial, NotAfter: moment(c.NotAfter),
		Freezable: c.State == certificate.Valid || c.State == certificate.KeyLost, Unfreezable: c.State == certificate.Frozen}
}

func (s *Server) endSessions(ctx context.Context, c office.Caller, in *reasonInput) (*Body[EndedBody], error) {
	n, err := s.Lookups.EndSessions(ctx, clerk(c), in.ID, in.Body.Reason)
	return &Body[EndedBody]{EndedBody{n}}, err
}

func (s *Server) enterprises(ctx context.Context, _ office.Caller, in *enterprisesInput) (*Body[EnterpriseList], error) {
	page, err := s.Lookups.Enterprises(ctx, in.Q, in.Cursor)
	out := EnterpriseList{Enterprises: make([]EnterpriseRow, len(page.Enterprises)), Next: page.Next}
	for i, e := range page.Enterprises {
		out.Enterprises[i] = enterpriseRow(e)
	}
	return &Body[EnterpriseList]{out}, err
}

func enterpriseRow(e lookup.Enterprise) EnterpriseRow {
	return EnterpriseRow{ID: e.ID, Name: e.Name, Code: e.Code, LegalMasked: e.LegalMasked, Method: e.Method, VerifiedAt: e.VerifiedAt}
}

func (s *Server) enterprise(ctx context.Context, _ office.Caller, in *enterpriseInput) (*Body[EnterpriseBody], error) {
	d, err := s.Lookups.Enterprise(ctx, in.ID, in.Cursor)
	if err != nil {
		return nil, err
	}
	out := EnterpriseBody{EnterpriseRow: enterpriseRow(d.Enterprise), LegalIDMasked: d.LegalIDMasked, CreatedAt: d.CreatedAt,
		History: make([]EnterpriseVersion, len(d.History)), MemberPage: make([]EnterpriseMember, len(d.Members)), Next: d.Next}
	out.Members = d.Total
	for i, v := range d.History {
		out.History[i] = EnterpriseVersion{Facts: v.Facts, Name: v.Name, LegalMasked: v.LegalMasked, Method: v.Method, At: v.At}
	}
	for i, m := range d.Members {
		out.MemberPage[i] = EnterpriseMember{ID: m.ID, Account: m.Account, NameMasked: m.NameMasked, PhoneMasked: m.PhoneMasked,
			Administrator: m.Administrator, Via: m.Via, JoinedAt: m.JoinedAt}
	}
	return &Body[EnterpriseBody]{out}, nil
}

func (s *Server) reveal(ctx context.Context, c office.Caller, in *revealInput) (*Body[RevealBody], error) {
	r, err := s.Lookups.Reveal(ctx, clerk(c), lookup.Wish{Kind: in.Body.Kind, ID: in.Body.ID, Field: in.Body.Field, Reason: in.Body.Reason})
	return &Body[RevealBody]{RevealBody{r.Value, r.Remaining}}, err
}

func (s *Server) holds(do func(*lookup.Service, context.Context, lookup.Officer, string, string) (certificate.Certificate, error)) func(context.Context, office.Caller, *reasonInput) (*Body[CertificateRow], error) {
	return func(ctx context.Context, c office.Caller, in *reasonInput) (*Body[CertificateRow], error) {
		held, err := do(s.Lookups, ctx, clerk(c), in.ID, in.Body.Reason)
		return &Body[CertificateRow]{certificateRow(held)}, err
	}
}
