package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/office"
	"tianweitong/internal/realname"
	"tianweitong/internal/verification"
)

// ReviewRow is an application in the queue (实名审核).
type ReviewRow struct {
	ID          string      `json:"id"`
	Number      string      `json:"number" doc:"单号，如 RV-261123-0019"`
	Name        string      `json:"name" doc:"企业名称"`
	Kind        string      `json:"kind" enum:"create,change" doc:"新建企业、信息变更"`
	State       string      `json:"state" enum:"draft,checked,verifying,reviewing,refused,verified,ended"`
	SubmittedAt time.Time   `json:"submittedAt,omitzero"`
	DueAt       time.Time   `json:"dueAt,omitzero"`
	Left        int64       `json:"leftWorkingSeconds" doc:"距时限的工作时间，秒；超时为负"`
	Tone        string      `json:"tone" enum:"ok,soon,late" doc:"soon：不足 3 个工作小时；late：已超时"`
	ClaimedBy   *OfficerRef `json:"claimedBy,omitempty" doc:"正在处理的人员"`
	Mine        bool        `json:"mine" doc:"由我处理中"`
	EscalatedBy *OfficerRef `json:"escalatedBy,omitempty" doc:"转复核的人员；须由他人办理"`
	DecidedBy   *OfficerRef `json:"decidedBy,omitempty"`
	DecidedAt   *time.Time  `json:"decidedAt,omitempty"`
}

// ReviewList is a page of the queue, the earliest deadline first; of what is
// done, the last decided first.
type ReviewList struct {
	Reviews []ReviewRow `json:"reviews"`
	Next    string      `json:"next,omitempty"`
	Total   int         `json:"total" doc:"本栏总数；已办为今日数"`
}

// ReviewFact is one line of the comparison (核对项).
type ReviewFact struct {
	Item       string `json:"item"`
	Applied    string `json:"applied" doc:"申请填写"`
	Registered string `json:"registered" doc:"登记信息"`
	Match      bool   `json:"match"`
}

// Choice is a line of the checklist or a reason to refuse.
type Choice struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// ReviewEvent is one thing that happened to an application.
type ReviewEvent struct {
	Kind    string      `json:"kind"`
	At      time.Time   `json:"at"`
	Officer *OfficerRef `json:"officer,omitempty" doc:"空为申请人或系统"`
	Note    string      `json:"note,omitempty"`
}

// ReviewApplicant is who asks (经办人), masked but for his verified name, which the
// letter must show, until it is decided.
type ReviewApplicant struct {
	Account        string `json:"account"`
	Name           string `json:"name"`
	PhoneMasked    string `json:"phoneMasked"`
	IDNumberMasked string `json:"idNumberMasked"`
}

// ReviewBody is one application as an officer decides it.
type ReviewBody struct {
	ReviewRow
	Code           string          `json:"code" doc:"统一社会信用代码"`
	LegalName      string          `json:"legalName" doc:"法定代表人"`
	LegalIDMasked  string          `json:"legalIDNumberMasked"`
	Method         string          `json:"method"`
	Facts          []ReviewFact    `json:"facts"`
	RegistryStatus string          `json:"registryStatus,omitempty"`
	RegistryAsOf   string          `json:"registryAsOf,omitempty" doc:"登记数据日期，YYYY-MM-DD"`
	Pictures       []string        `json:"pictures" doc:"已上传的影像：id-front、id-back、licence、letter"`
	Checklist      []Choice        `json:"checklist" doc:"人工核对项，通过时须全部勾选"`
	RefusalReasons []Choice        `json:"refusalReasons"`
	Reasons        []string        `json:"reasons" doc:"上次驳回的原因"`
	Note           string          `json:"note,omitempty" doc:"上次的审核意见"`
	Events         []ReviewEvent   `json:"events"`
	Applicant      ReviewApplicant `json:"applicant"`
	Before         *ReviewBefore   `json:"before,omitempty" doc:"信息变更：现有信息"`
}

// ReviewBefore is a verified enterprise whose facts are to change.
type ReviewBefore struct {
	Enterprise string `json:"enterprise"`
	Name       string `json:"name"`
	LegalName  string `json:"legalName"`
}

type reviewsInput struct {
	Tab    string `query:"tab" enum:"open,second,done" default:"open" doc:"open 待审核；second 复核；done 已办"`
	Cursor string `query:"cursor" maxLength:"100" doc:"上一页的 next"`
}

type pictureInput struct {
	ID   string `path:"id" maxLength:"64"`
	Kind string `path:"kind" enum:"id-front,id-back,licence,letter"`
}

type pictureOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type approveInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		SubmittedAt time.Time `json:"submittedAt" doc:"所核对资料的提交时间；已重新提交时拒绝"`
		Checks      []string  `json:"checks" maxItems:"20" doc:"勾选的核对项，须为全部"`
	}
}

type refuseInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		SubmittedAt time.Time `json:"submittedAt" doc:"所核对资料的提交时间；已重新提交时拒绝"`
		Reasons     []string  `json:"reasons" minItems:"1" maxItems:"20" doc:"驳回原因的 code"`
		Note        string    `json:"note" maxLength:"200" doc:"审核意见，原样通知申请人"`
	}
}

type secondInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Note string `json:"note" maxLength:"200" doc:"给复核人员的说明"`
	}
}

func (s *Server) reviewRoutes() {
	route(s, http.MethodGet, "/reviews", verifier, "审核队列", s.reviews)
	route(s, http.MethodGet, "/reviews/{id}", verifier, "一件审核", s.review)
	route(s, http.MethodGet, "/reviews/{id}/pictures/{kind}", verifier, "影像（JPEG）；每次查看写入审计", s.picture)
	route(s, http.MethodPost, "/reviews/{id}/claim", verifier, "开始处理，保留 15 分钟", s.acts(Reviews.Claim))
	route(s, http.MethodPost, "/reviews/{id}/release", verifier, "放回队列", s.acts(Reviews.Release))
	route(s, http.MethodPost, "/reviews/{id}/approve", verifier, "通过", s.approveReview)
	route(s, http.MethodPost, "/reviews/{id}/refuse", verifier, "驳回", s.refuseReview)
	route(s, http.MethodPost, "/reviews/{id}/second", verifier, "转复核：须由另一名人员办理", s.secondReview)
}

// soon is the working time under which a deadline is near: a third of it.
const soon = 3 * time.Hour

func tone(left time.Duration) string {
	switch {
	case left < 0:
		return "late"
	case left < soon:
		return "soon"
	}
	return "ok"
}

func examiner(c office.Caller) verification.Officer {
	return verification.Officer{ID: c.ID, PhoneHash: c.PhoneHash}
}

func (s *Server) reviews(ctx context.Context, c office.Caller, in *reviewsInput) (*Body[ReviewList], error) {
	page, err := s.Reviews.Reviews(ctx, verification.Tab(in.Tab), in.Cursor)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	out := ReviewList{Reviews: make([]ReviewRow, len(page.Rows)), Next: page.Next, Total: page.Total}
	for i, r := range page.Rows {
		out.Reviews[i] = reviewRow(r, c, names)
	}
	return &Body[ReviewList]{out}, nil
}

func reviewRow(r verification.ReviewRow, c office.Caller, names map[string]OfficerRef) ReviewRow {
	return ReviewRow{
		ID: r.ID, Number: r.Number, Name: r.Name, Kind: string(r.Kind), State: string(r.State), SubmittedAt: r.SubmittedAt, DueAt: r.DueAt,
		Left: int64(r.Left / time.Second), Tone: tone(r.Left), ClaimedBy: named(names, r.Claimed), Mine: r.Claimed == c.ID,
		EscalatedBy: named(names, r.Escalated), DecidedBy: named(names, r.DecidedBy), DecidedAt: moment(r.DecidedAt),
	}
}

func (s *Server) review(ctx context.Context, c office.Caller, in *byID) (*Body[ReviewBody], error) {
	r, err := s.Reviews.Review(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if r.Application.State != enterprise.StateReviewing {
		r = masked(r)
	} else if err := s.Lookups.NoteOpened(ctx, clerk(c), in.ID, claimedAt(r.Events)); err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	a := r.Application
	row := verification.ReviewRow{
		ID: a.ID, Number: a.Number, Name: a.Name, Kind: a.Kind, State: a.State, SubmittedAt: a.SubmittedAt, DueAt: a.DueAt, Left: r.Left,
		Escalated: a.Escalated, DecidedBy: a.DecidedBy, DecidedAt: a.DecidedAt,
	}
	if s.Clock.Now().Before(a.ClaimedUntil) {
		row.Claimed = a.Claimed
	}
	out := ReviewBody{
		ReviewRow: reviewRow(row, c, names), Code: a.Code, LegalName: a.LegalName, LegalIDMasked: realname.MaskIDNumber(a.LegalIDNumber),
		Method: string(a.Method), RegistryStatus: a.Record.Status, RegistryAsOf: a.Record.AsOf, Note: a.Note,
		Facts: []ReviewFact{}, Pictures: append([]string{}, a.Pictures...), Reasons: append([]string{}, a.Reasons...), Events: []ReviewEvent{},
		Checklist: []Choice{}, RefusalReasons: []Choice{},
		Applicant: ReviewApplicant{Account: a.Account, Name: r.ApplicantName, PhoneMasked: r.ApplicantPhone, IDNumberMasked: r.ApplicantID},
	}
	for _, f := range r.Facts {
		out.Facts = append(out.Facts, ReviewFact{Item: f.Item, Applied: f.Applied, Registered: f.Registered, Match: f.Match})
	}
	for _, i := range r.Checklist {
		out.Checklist = append(out.Checklist, Choice{i.Code, i.Text})
	}
	for _, i := range r.Refusals {
		out.RefusalReasons = append(out.RefusalReasons, Choice{i.Code, i.Text})
	}
	for _, e := range r.Events {
		event := ReviewEvent{Kind: e.Kind, At: e.At, Note: e.Note}
		if id, ok := strings.CutPrefix(e.Actor, "officer:"); ok {
			event.Officer = named(names, id)
		}
		out.Events = append(out.Events, event)
	}
	if b := r.Before; b.ID != "" {
		out.Before = &ReviewBefore{Enterprise: b.ID, Name: b.Name, LegalName: b.LegalName}
	}
	return &Body[ReviewBody]{out}, nil
}

// claimedAt is when a review was last claimed; zero for never.
func claimedAt(events []verification.Event) (at time.Time) {
	for _, e := range events {
		if e.Kind == "claimed" && e.At.After(at) {
			at = e.At
		}
	}
	return at
}

// masked hides whose names an officer has no more decision to take on.
func masked(r verification.Review) verification.Review {
	legal := realname.MaskName(r.Application.LegalName)
	for i, f := range r.Facts {
		r.Facts[i].Applied, r.Facts[i].Registered = strings.ReplaceAll(f.Applied, r.Application.LegalName, legal), strings.ReplaceAll(f.Registered, r.Application.LegalName, legal)
	}
	r.Checklist, r.Application.LegalName = nil, legal // it names him, and nothing is left to check
	if r.ApplicantName != "" {
		r.ApplicantName = realname.MaskName(r.ApplicantName)
	}
	if r.Before.ID != "" {
		r.Before.LegalName = realname.MaskName(r.Before.LegalName)
	}
	return r
}

// picture gives a picture once the audit chain holds that it was looked at.
func (s *Server) picture(ctx context.Context, c office.Caller, in *pictureInput) (*pictureOutput, error) {
	jpeg, err := s.Reviews.Picture(ctx, in.ID, in.Kind)
	if err != nil {
		return nil, err
	}
	if err := s.Lookups.Note(ctx, clerk(c), "console.picture_viewed", in.ID, map[string]any{"picture": in.Kind}); err != nil {
		return nil, err
	}
	return &pictureOutput{ContentType: "image/jpeg", Body: jpeg}, nil
}

// acts is a route that does one thing to a review and gives it as it stands then.
func (s *Server) acts(do func(Reviews, context.Context, verification.Officer, string) error) func(context.Context, office.Caller, *byID) (*Body[ReviewBody], error) {
	return func(ctx context.Context, c office.Caller, in *byID) (*Body[ReviewBody], error) {
		if err := do(s.Reviews, ctx, examiner(c), in.ID); err != nil {
			return nil, err
		}
		return s.review(ctx, c, in)
	}
}

func (s *Server) approveReview(ctx context.Context, c office.Caller, in *approveInput) (*Body[ReviewBody], error) {
	if err := s.Reviews.Approve(ctx, examiner(c), in.ID, in.Body.SubmittedAt, in.Body.Checks); err != nil {
		return nil, err
	}
	return s.review(ctx, c, &byID{in.ID})
}

func (s *Server) refuseReview(ctx context.Context, c office.Caller, in *refuseInput) (*Body[ReviewBody], error) {
	if err := s.Reviews.Refuse(ctx, examiner(c), in.ID, in.Body.SubmittedAt, in.Body.Reasons, in.Body.Note); err != nil {
		return nil, err
	}
	return s.review(ctx, c, &byID{in.ID})
}

func (s *Server) secondReview(ctx context.Context, c office.Caller, in *secondInput) (*Body[ReviewBody], error) {
	if err := s.Reviews.Escalate(ctx, examiner(c), in.ID, in.Body.Note); err != nil {
		return nil, err
	}
	return s.review(ctx, c, &byID{in.ID})
}
