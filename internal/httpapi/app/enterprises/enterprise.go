package enterprises

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/realname"
	"tianweitong/internal/verification"
)

type searchInput struct {
	Query string `query:"q" maxLength:"100" doc:"企业名称中至少 2 个字，或完整的统一社会信用代码"`
}

// FoundBody is an enterprise as a search shows it.
type FoundBody struct {
	ID                  string `json:"id"`
	Name                string `json:"name"`
	Code                string `json:"code"`
	AdministratorMasked string `json:"administratorMasked" doc:"管理员姓名，脱敏"`
	// Relation is the caller's.
	Relation string `json:"relation" enum:",administrator,member,requested"`
}

// FoundListBody is what a search found, 20 at most.
type FoundListBody struct {
	Results []FoundBody `json:"results"`
}

// FactsInput are the four elements (企业四要素, docs/domain.md A13). In a correction
// an empty one stays as it was.
type FactsInput struct {
	Name          string `json:"name" maxLength:"200"`
	Code          string `json:"code" maxLength:"40"`
	LegalName     string `json:"legalName" maxLength:"100"`
	LegalIDNumber string `json:"legalIDNumber" maxLength:"40"`
	Enterprise    string `json:"enterprise,omitempty" maxLength:"40" doc:"信息变更时：要变更的企业"`
}

func (f FactsInput) facts() verification.Facts {
	return verification.Facts{Name: f.Name, Code: f.Code, LegalName: f.LegalName, LegalIDNumber: f.LegalIDNumber, Enterprise: f.Enterprise}
}

type applyInput struct{ Body FactsInput }

type correctInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body FactsInput
}

type pictureInput struct {
	ID      string `path:"id" maxLength:"40"`
	Kind    string `path:"kind" enum:"id-front,id-back,licence,letter"`
	RawBody []byte `contentType:"image/jpeg"`
}

type pictureRef struct {
	ID   string `path:"id" maxLength:"40"`
	Kind string `path:"kind" enum:"id-front,id-back,licence,letter"`
}

type legalPhoneInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Phone  string `json:"phone" maxLength:"20" doc:"法定代表人手机号；验证码用途为 legal"`
		Ticket string `json:"ticket" maxLength:"100"`
		Code   string `json:"code" maxLength:"20"`
	}
}

type legalBankInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		Phone    string `json:"phone" maxLength:"20" doc:"法定代表人的银行预留手机号；验证码用途为 legal"`
		BankCard string `json:"bankCard" maxLength:"40"`
		Ticket   string `json:"ticket" maxLength:"100"`
		Code     string `json:"code" maxLength:"20"`
	}
}

// ApplicationReason is why something was refused.
type ApplicationReason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// ApplicationBody is an application to verify an enterprise or to change its facts.
type ApplicationBody struct {
	ID         string `json:"id"`
	Number     string `json:"number" doc:"受理单号"`
	Kind       string `json:"kind" enum:"create,change"`
	Enterprise string `json:"enterprise,omitempty" doc:"变更的企业；认证通过后为新企业"`
	Name       string `json:"name"`
	Code       string `json:"code"`
	// LegalName is masked from the submission on; the ID number always is.
	LegalName     string `json:"legalName"`
	LegalIDMasked string `json:"legalIDMasked"`
	State         string `json:"state" enum:"draft,checked,verifying,reviewing,refused,verified,ended"`
	// Busy: an answer from outside is awaited; the events tell when it is there.
	Busy   bool   `json:"busy"`
	Method string `json:"method,omitempty" enum:"phone,bank,documents"`
	// Ways are the methods that can be used now.
	Ways     []string            `json:"ways" doc:"当前可用的验证方式：phone、bank、documents"`
	Pictures []string            `json:"pictures" doc:"已上传的图片"`
	Missing  []string            `json:"missing" doc:"提交人工审核前还须上传的图片"`
	Reasons  []ApplicationReason `json:"reasons"`
	Note     string              `json:"note,omitempty" doc:"鉴证人员的说明"`
	Stage    string              `json:"stage" doc:"当前进度，给用户看的一句话"`
	// RegistryAsOf is the day of the register's data.
	RegistryAsOf       string    `json:"registryAsOf,omitempty"`
	CreatedAt          time.Time `json:"createdAt"`
	SubmittedAt        time.Time `json:"submittedAt,omitzero"`
	DueAt              time.Time `json:"dueAt,omitzero"`
	LeftWorkingSeconds int64     `json:"leftWorkingSeconds,omitempty" doc:"审核期限剩余的工作时间；负数为已超时"`
	RemainingToday     int       `json:"remainingToday" doc:"今日剩余核验次数"`
}

// ApplicationsBody lists the account's applications, newest first.
type ApplicationsBody struct {
	Applications []ApplicationBody `json:"applications"`
}

// EnterpriseBody is an enterprise as its members see it.
type EnterpriseBody struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Code            string            `json:"code"`
	Role            string            `json:"role" enum:"administrator,member"`
	LegalNameMasked string            `json:"legalNameMasked"`
	VerifiedAt      time.Time         `json:"verifiedAt"`
	Method          string            `json:"method" enum:"phone,bank,documents"`
	Administrator   AdministratorBody `json:"administrator"`
	// History is for the administrator, the newest first.
	History []EnterpriseFacts `json:"history,omitempty"`
}

// AdministratorBody is whom members turn to.
type AdministratorBody struct {
	Name  string `json:"name"`
	Phone string `json:"phone" doc:"脱敏"`
}

// EnterpriseFacts is one version of an enterprise's facts.
type EnterpriseFacts struct {
	Facts           int64     `json:"facts" doc:"第几版"`
	Name            string    `json:"name"`
	LegalNameMasked string    `json:"legalNameMasked"`
	At              time.Time `json:"at"`
	Method          string    `json:"method" enum:"phone,bank,documents"`
}

func (s *Service) applicationBody(a enterprise.Application) ApplicationBody {
	p := s.Enterprises.Progress(a)
	b := ApplicationBody{ID: a.ID, Number: a.Number, Kind: string(a.Kind), Enterprise: a.Enterprise, Name: a.Name, Code: a.Code,
		LegalName: a.LegalName, LegalIDMasked: realname.MaskIDNumber(a.LegalIDNumber), State: string(a.State), Busy: a.Ref != "", Method: string(a.Method),
		Ways: []string{}, Pictures: append([]string{}, a.Pictures...), Missing: append([]string{}, p.Missing...), Reasons: []ApplicationReason{}, Note: a.Note,
		Stage: p.Stage, RegistryAsOf: a.Record.AsOf, CreatedAt: a.CreatedAt, SubmittedAt: a.SubmittedAt, DueAt: a.DueAt,
		LeftWorkingSeconds: int64(p.Left.Seconds()), RemainingToday: a.Remaining}
	if a.State != enterprise.StateDraft && a.State != enterprise.StateChecked {
		b.LegalName = realname.MaskName(a.LegalName)
	}
	for _, w := range p.Ways {
		b.Ways = append(b.Ways, string(w))
	}
	for _, r := range verification.ReasonsOf(a.Reasons) {
		b.Reasons = append(b.Reasons, ApplicationReason{r.Name, r.Text})
	}
	return b
}

// one turns a service's answer into the route's.
func (s *Service) one(a enterprise.Application, err error) (*app.Body[ApplicationBody], error) {
	if err != nil {
		return nil, err
	}
	return &app.Body[ApplicationBody]{Body: s.applicationBody(a)}, nil
}

func (s *Service) enterpriseRoutes() {
	app.Route(s.server, http.MethodGet, "/enterprises/search", app.Session, "查找企业", func(ctx context.Context, c account.Caller, in *searchInput) (*app.Body[FoundListBody], error) {
		found, err := s.Enterprises.Search(ctx, c.Account, in.Query)
		out := FoundListBody{Results: []FoundBody{}}
		for _, f := range found {
			out.Results = append(out.Results, FoundBody{ID: f.ID, Name: f.Name, Code: f.Code, AdministratorMasked: f.Administrator, Relation: f.Relation})
		}
		return &app.Body[FoundListBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodGet, "/enterprises/{id}", app.Session, "企业资料", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[EnterpriseBody], error) {
		v, err := s.Enterprises.View(ctx, c.Account, in.ID)
		if err != nil {
			return nil, err
		}
		return &app.Body[EnterpriseBody]{Body: enterpriseBody(v)}, nil
	})
	s.applicationRoutes()
	s.verificationRoutes()
	s.pictureRoutes()
}

func enterpriseBody(v verification.View) EnterpriseBody {
	b := EnterpriseBody{ID: v.ID, Name: v.Name, Code: v.Code, Role: string(v.Role), LegalNameMasked: realname.MaskName(v.LegalName),
		VerifiedAt: v.VerifiedAt, Method: string(v.Method), Administrator: AdministratorBody{Name: v.AdministratorName, Phone: v.AdministratorPhone}}
	for _, f := range v.History {
		b.History = append(b.History, EnterpriseFacts{Facts: f.Facts, Name: f.Name, LegalNameMasked: realname.MaskName(f.LegalName), At: f.At, Method: string(f.Method)})
	}
	return b
}

func (s *Service) applicationRoutes() {
	app.Route(s.server, http.MethodPost, "/enterprise-applications", app.Session, "企业实名：提交企业四要素", func(ctx context.Context, c account.Caller, in *applyInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Apply(ctx, c, in.Body.facts()))
	})
	app.Route(s.server, http.MethodGet, "/enterprise-applications", app.Session, "企业实名：我的申请", func(ctx context.Context, c account.Caller, _ *app.Empty) (*app.Body[ApplicationsBody], error) {
		all, err := s.Enterprises.Applications(ctx, c.Account)
		out := ApplicationsBody{Applications: []ApplicationBody{}}
		for _, a := range all {
			out.Applications = append(out.Applications, s.applicationBody(a))
		}
		return &app.Body[ApplicationsBody]{Body: out}, err
	})
	app.Route(s.server, http.MethodGet, "/enterprise-applications/{id}", app.Session, "企业实名：查看申请", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Application(ctx, c.Account, in.ID))
	})
	app.Route(s.server, http.MethodPut, "/enterprise-applications/{id}", app.Session, "企业实名：更正，未变的可留空", func(ctx context.Context, c account.Caller, in *correctInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Correct(ctx, c.Account, in.ID, in.Body.facts()))
	})
	app.Route(s.server, http.MethodDelete, "/enterprise-applications/{id}", app.Session, "企业实名：撤回申请", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Empty, error) {
		return &app.Empty{}, s.Enterprises.Withdraw(ctx, c.Account, in.ID)
	})
}

func (s *Service) verificationRoutes() {
	app.Route(s.server, http.MethodPost, "/enterprise-applications/{id}/check", app.Session, "企业实名：核验四要素", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Check(ctx, c.Account, in.ID))
	})
	app.Route(s.server, http.MethodPost, "/enterprise-applications/{id}/phone", app.Session, "企业实名：法定代表人手机号认证", func(ctx context.Context, c account.Caller, in *legalPhoneInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Verify(ctx, c, in.ID, verification.Proof{Method: enterprise.MethodPhone, Phone: in.Body.Phone, Ticket: in.Body.Ticket, Code: in.Body.Code}))
	})
	app.Route(s.server, http.MethodPost, "/enterprise-applications/{id}/bank", app.Session, "企业实名：法定代表人银行卡认证", func(ctx context.Context, c account.Caller, in *legalBankInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Verify(ctx, c, in.ID, verification.Proof{Method: enterprise.MethodBank, Phone: in.Body.Phone, Card: in.Body.BankCard, Ticket: in.Body.Ticket, Code: in.Body.Code}))
	})
	app.Route(s.server, http.MethodPost, "/enterprise-applications/{id}/submit", app.Session, "企业实名：提交单位证件，等待人工审核", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.Submit(ctx, c.Account, in.ID))
	})
}

func (s *Service) pictureRoutes() {
	const path = "/enterprise-applications/{id}/pictures/{kind}"
	app.UploadRoute(s.server, path, []string{"image/jpeg", "image/png"}, "企业实名：上传图片", func(ctx context.Context, c account.Caller, in *pictureInput) (*app.Body[ApplicationBody], error) {
		return s.one(s.Enterprises.PutPicture(ctx, c.Account, in.ID, in.Kind, in.RawBody))
	})
	app.FileRoute(s.server, path, "image/jpeg", "企业实名：查看自己上传的图片", func(ctx context.Context, c account.Caller, in *pictureRef) (*app.File, error) {
		b, err := s.Enterprises.OwnPicture(ctx, c.Account, in.ID, in.Kind)
		return &app.File{Body: b}, err
	})
	app.FileRoute(s.server, "/enterprise-applications/{id}/letter.pdf", "application/pdf", "企业实名：下载已填好的企业授权书", func(ctx context.Context, c account.Caller, in *enterpriseInput) (*app.File, error) {
		b, err := s.Enterprises.Letter(ctx, c.Account, in.ID)
		return &app.File{Body: b, Disposition: `attachment; filename="authorisation.pdf"`}, err
	})
}
