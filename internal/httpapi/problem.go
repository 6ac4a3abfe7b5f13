// Package httpapi is what the house's HTTP doors share: problem documents in
// Chinese, request identifiers, limits, logs without secrets.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"tianweitong/internal/fault"
)

// Problem is a problem document (RFC 9457). Detail is the sentence for the
// user, Code the stable name for programs, Instance the request's identifier
// for the support desk. Members are further public values of a refusal.
type Problem struct {
	Type     string         `json:"type" doc:"urn:tianweitong: and the code"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Code     string         `json:"code" doc:"stable name of the refusal"`
	Detail   string         `json:"detail" doc:"a Chinese sentence: what happened and what to do"`
	Instance string         `json:"instance,omitempty" doc:"identifier of the request"`
	Fields   []Field        `json:"fields,omitempty" doc:"which fields of the request are wrong"`
	Members  map[string]any `json:"-"`
	header   http.Header
}

// Field is one wrong field of a request: where it stands and what is wrong,
// never the value that was sent.
type Field struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error names the code; it is for logs.
func (p *Problem) Error() string { return p.Code }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma's content type filter.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// MarshalJSON writes the document with its members beside the standard ones,
// which they cannot overwrite.
func (p *Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	b, err := json.Marshal((*plain)(p))
	if err != nil || len(p.Members) == 0 {
		return b, err
	}
	own := map[string]any{}
	for k, v := range p.Members {
		own[k] = v
	}
	var fixed map[string]json.RawMessage
	if err := json.Unmarshal(b, &fixed); err != nil {
		return nil, err
	}
	for k, v := range fixed {
		own[k] = v
	}
	return json.Marshal(own)
}

var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Gone:            http.StatusGone,
	fault.TooMany:         http.StatusTooManyRequests,
	fault.Locked:          http.StatusLocked,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// The edge's own refusals.
var (
	CodeMalformed = fault.Code{Name: "request_malformed", Kind: fault.Invalid, Text: "提交的内容有误，请检查后重新提交。"}
	CodeNotFound  = fault.Code{Name: "not_found", Kind: fault.NotFound, Text: "没有找到您要的内容，请返回上一页刷新后重试。"}
	CodeTooLarge  = fault.Code{Name: "body_too_large", Kind: fault.TooLarge, Text: "提交的内容过大，请减小后重试。"}
	CodeMethod    = fault.Code{Name: "method_not_allowed", Kind: fault.NotFound, Text: "不支持这种操作，请更新应用后重试。"}
	CodeSlow      = fault.Code{Name: "request_timeout", Kind: fault.Unavailable, Text: "网络较慢，请求未完成，请重试。"}
)

// ProblemOf turns an error into the document for its reader. What carries no
// code is "internal"; the cause goes to the log, with the request's identifier,
// and nowhere else.
func ProblemOf(ctx context.Context, log *slog.Logger, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	code, members := fault.Of(err)
	if ctx.Err() != nil && code.Name == fault.Unexpected.Name {
		code = CodeSlow
	}
	status := statuses[code.Kind]
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // the caller left; nobody has to look
		log.InfoContext(ctx, "request left", "request", RequestID(ctx), "code", code.Name, "error", err)
	case status >= 500:
		log.ErrorContext(ctx, "request failed", "request", RequestID(ctx), "code", code.Name, "error", err)
	default:
		log.DebugContext(ctx, "request refused", "request", RequestID(ctx), "code", code.Name, "error", err)
	}
	return problem(ctx, code, members, status)
}

func problem(ctx context.Context, code fault.Code, members map[string]any, status int) *Problem {
	p := &Problem{
		Type: "urn:tianweitong:" + code.Name, Title: http.StatusText(status), Status: status,
		Code: code.Name, Detail: code.Text, Instance: RequestID(ctx), Members: members,
	}
	if s, ok := members["retryAfterSeconds"].(int); ok {
		p.header = http.Header{"Retry-After": {itoa(s)}}
	}
	return p
}

// WriteProblem answers a plain handler's request with a problem document.
func WriteProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	p := ProblemOf(r.Context(), log, err)
	for k, v := range p.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// Refuse answers a huma middleware's request with a problem document, headers
// included.
func Refuse(c huma.Context, log *slog.Logger, err error) {
	p := ProblemOf(c.Context(), log, err)
	for k, v := range p.header {
		c.SetHeader(k, v[0])
	}
	c.SetHeader("Content-Type", "application/problem+json")
	c.SetStatus(p.Status)
	json.NewEncoder(c.BodyWriter()).Encode(p)
}

var useOnce sync.Once

// useProblems makes huma answer with our documents: its own would echo the
// value that was sent. Huma keeps this in package variables.
func useProblems() {
	useOnce.Do(func() {
		huma.NewErrorWithContext = func(c huma.Context, status int, msg string, errs ...error) huma.StatusError {
			ctx := context.Background()
			if c != nil {
				ctx = c.Context()
			}
			return fromHuma(ctx, status, msg, errs)
		}
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return fromHuma(context.Background(), status, msg, errs)
		}
		validation.MsgUnexpectedProperty = "不认识的字段"
		validation.MsgExpectedRequiredProperty = "缺少字段 %s"
		validation.MsgExpectedString = "应为文字"
		validation.MsgExpectedNumber = "应为数字"
		validation.MsgExpectedInteger = "应为整数"
		validation.MsgExpectedBoolean = "应为 true 或 false"
		validation.MsgExpectedArray = "应为列表"
		validation.MsgExpectedObject = "应为对象"
		validation.MsgExpectedBase64String = "应为 Base64 文本"
		validation.MsgExpectedOneOf = "应为以下之一：%s"
		validation.MsgExpectedMinLength = "至少 %d 个字符"
		validation.MsgExpectedMaxLength = "最多 %d 个字符"
		validation.MsgExpectedMinItems = "至少 %d 项"
		validation.MsgExpectedMaxItems = "最多 %d 项"
		validation.MsgExpectedMinimumNumber = "不小于 %v"
		validation.MsgExpectedMaximumNumber = "不大于 %v"
		validation.MsgExpectedMatchPattern = "格式应为 %s"
		validation.MsgExpectedBePattern = "格式应为 %s"
		validation.MsgExpectedRFC3339DateTime = "应为 RFC 3339 时间"
	})
}

func fromHuma(ctx context.Context, status int, _ string, errs []error) *Problem {
	code := CodeMalformed
	switch {
	case status == http.StatusNotFound:
		code = CodeNotFound
	case status == http.StatusRequestEntityTooLarge:
		code = CodeTooLarge
	case status == http.StatusMethodNotAllowed:
		code = CodeMethod
	case status == http.StatusRequestTimeout:
		code = CodeSlow
	case status >= 500:
		code = fault.Unexpected
	}
	p := problem(ctx, code, nil, status)
	for _, e := range errs {
		var d huma.ErrorDetailer
		if errors.As(e, &d) {
			ed := d.ErrorDetail()
			p.Fields = append(p.Fields, Field{Location: ed.Location, Message: withoutValue(ed)})
		}
	}
	return p
}

// withoutValue keeps messages that are ours and hides those in which a parser
// may quote the input.
func withoutValue(d *huma.ErrorDetail) string {
	if strings.ContainsFunc(d.Message, func(r rune) bool { return r > 0x2e80 }) {
		return d.Message
	}
	return "格式不正确"
}
