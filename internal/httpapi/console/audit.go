package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

// AuditEntry is one entry of the audit chain (审计记录).
type AuditEntry struct {
	ID      string    `json:"id"`
	Seq     int64     `json:"seq" doc:"链上序号；0 为尚未上链"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Actor   string    `json:"actor" doc:"账号、system、platform:<代码>、officer:<ID>"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail" doc:"JSON 文本，可为空"`
	Hash    string    `json:"hash" doc:"十六进制 SM3"`
}

// AuditPage is a page of entries, newest first.
type AuditPage struct {
	Entries []AuditEntry `json:"entries"`
	Next    string       `json:"next,omitempty"`
}

// auditFilter is what entries are searched by; empty fields do not narrow.
type auditFilter struct {
	Kind    string    `query:"kind" maxLength:"64" doc:"种类，或以点结尾的前缀，如 console."`
	Subject string    `query:"subject" maxLength:"100"`
	Actor   string    `query:"actor" maxLength:"100"`
	From    time.Time `query:"from"`
	To      time.Time `query:"to"`
}

type auditInput struct {
	auditFilter
	Cursor string `query:"cursor" maxLength:"64"`
}

type exportInput struct {
	auditFilter
	Format string `query:"format" enum:"jsonl,csv" default:"jsonl"`
}

// VerificationBody is the last re-reading of the whole chain.
type VerificationBody struct {
	State      string         `json:"state" enum:"never,running,done,failed"`
	StartedBy  *OfficerRef    `json:"startedBy,omitempty"`
	StartedAt  *time.Time     `json:"startedAt,omitempty"`
	FinishedAt *time.Time     `json:"finishedAt,omitempty"`
	Entries    int64          `json:"entries" doc:"已核对的记录数"`
	Findings   []AuditFinding `json:"findings" doc:"发现的问题；空为完好"`
	// More is how many findings there are beyond the ones listed.
	More int `json:"more"`
}

// AuditFinding is one thing that is wrong with the chain.
type AuditFinding struct {
	Seq  int64  `json:"seq"`
	What string `json:"what"`
}

func (s *Server) auditRoutes() {
	auditor := Roles(office.Auditor, office.Super)
	route(s, http.MethodGet, "/audit", auditor, "查询审计记录，新的在前", s.audit)
	route(s, http.MethodPost, "/audit/verify", auditor, "开始核对整条审计链（后台进行）", s.verifyAudit)
	route(s, http.MethodGet, "/audit/verify", auditor, "最近一次核对的结果", s.auditVerification)
	op := s.operation(http.MethodGet, "/audit/export", auditor, "导出审计记录（JSON 行或 CSV，按链上次序，含哈希与检查点）")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "每行一条；jsonl 的字段见 docs/console.md",
		Content: map[string]*huma.MediaType{
			"application/jsonl": {Schema: &huma.Schema{Type: huma.TypeString}},
			"text/csv":          {Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}}
	huma.Register(s.api, op, func(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
		out, err := s.exportAudit(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

func (s *Server) audit(context.Context, office.Caller, *auditInput) (*Body[AuditPage], error) {
	return nil, httpapi.CodeNotFound
}

func (s *Server) verifyAudit(context.Context, office.Caller, *Empty) (*Body[VerificationBody], error) {
	return nil, httpapi.CodeNotFound
}

func (s *Server) auditVerification(context.Context, office.Caller, *Empty) (*Body[VerificationBody], error) {
	return nil, httpapi.CodeNotFound
}

func (s *Server) exportAudit(context.Context, office.Caller, *exportInput) (*huma.StreamResponse, error) {
	return nil, httpapi.CodeNotFound
}
