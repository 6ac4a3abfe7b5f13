package console

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/audit"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
	"tianweitong/internal/work"
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

// AuditFilter is what entries are searched by; empty fields do not narrow.
type AuditFilter struct {
	Kind    string    `query:"kind" maxLength:"64" doc:"种类，或以点结尾的前缀，如 console."`
	Subject string    `query:"subject" maxLength:"100"`
	Actor   string    `query:"actor" maxLength:"100"`
	From    time.Time `query:"from"`
	To      time.Time `query:"to"`
}

type auditInput struct {
	AuditFilter
	Cursor string `query:"cursor" maxLength:"64"`
}

type exportInput struct {
	AuditFilter
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

const auditPage = 50

// CodeCursor: a page was asked for by something that is no cursor.
var CodeCursor = fault.Code{Name: "console_cursor", Kind: fault.Invalid, Text: "翻页信息已失效，请从第一页重新查看。"}

func (f AuditFilter) search() audit.Search {
	return audit.Search{Kind: f.Kind, Subject: f.Subject, Actor: f.Actor, From: f.From, To: f.To}
}

func entry(e audit.Entry) AuditEntry {
	return AuditEntry{ID: e.ID, Seq: e.Seq, At: e.At, Kind: e.Kind, Actor: e.Actor, Subject: e.Subject, Detail: string(e.Detail), Hash: hex.EncodeToString(e.Hash)}
}

func (s *Server) audit(ctx context.Context, _ office.Caller, in *auditInput) (*Body[AuditPage], error) {
	var found []audit.Entry
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		found, err = s.Audit.Find(ctx, tx, in.search(), in.Cursor, auditPage+1)
		return err
	})
	if errors.Is(err, audit.ErrCursor) {
		err = CodeCursor.Because(err)
	}
	out := AuditPage{Entries: []AuditEntry{}}
	for i, e := range found {
		if i == auditPage {
			out.Next = audit.Cursor(found[i-1])
			break
		}
		out.Entries = append(out.Entries, entry(e))
	}
	return &Body[AuditPage]{out}, err
}

func verified(v office.Verification) *Body[VerificationBody] {
	b := VerificationBody{State: "never", Findings: []AuditFinding{}}
	if v.ID == "" {
		return &Body[VerificationBody]{b}
	}
	by := ref(v.StartedBy)
	b.StartedBy, b.StartedAt, b.FinishedAt, b.Entries, b.State = &by, moment(v.StartedAt), moment(v.FinishedAt), v.Entries, "done"
	switch {
	case v.Running:
		b.State = "running"
	case v.Failed:
		b.State = "failed"
	}
	const shown = 100
	for i, f := range v.Findings {
		if i == shown {
			b.More = len(v.Findings) - shown
			break
		}
		b.Findings = append(b.Findings, AuditFinding{Seq: f.Seq, What: f.What})
	}
	return &Body[VerificationBody]{b}
}

func (s *Server) verifyAudit(ctx context.Context, c office.Caller, _ *Empty) (*Body[VerificationBody], error) {
	v, err := s.Officers.Verify(ctx, c)
	return verified(v), err
}

func (s *Server) auditVerification(ctx context.Context, _ office.Caller, _ *Empty) (*Body[VerificationBody], error) {
	v, err := s.Officers.Verification(ctx)
	return verified(v), err
}
