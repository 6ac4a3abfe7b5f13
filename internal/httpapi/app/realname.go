package app

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

type realnameInput struct {
	Body struct {
		Name        string `json:"name" maxLength:"100"`
		IDNumber    string `json:"idNumber" maxLength:"40"`
		Ticket      string `json:"ticket" maxLength:"100"`
		Code        string `json:"code" maxLength:"20"`
		Method      string `json:"method" enum:"phone,bank" doc:"phone：手机三要素；bank：银行卡四要素"`
		BankCard    string `json:"bankCard,omitempty" maxLength:"40" doc:"bank 时必填：12 至 19 位卡号，预留手机号须为登录手机号"`
		ConsentFace bool   `json:"consentFace" doc:"同意人脸信息处理规则"`
	}
}

// FaceInput is a face video as the request's whole body; Content-Type says
// whether it is MP4 or WebM.
type FaceInput struct {
	ID      string `path:"id" maxLength:"40"`
	Source  string `query:"source" enum:"live,upload" default:"live" doc:"live：现场录制；upload：上传文件，仅沙箱注册时可用"`
	RawBody []byte `contentType:"video/mp4"`
}

// video checks a face video before anything is counted. registration is the one
// place where the sandbox takes a file instead of a live recording.
func (s *Server) video(ctx context.Context, in *FaceInput, registration bool) ([]byte, error) {
	if realname.Source(in.Source) == realname.Upload && !(registration && s.Environment.FaceUpload) {
		return nil, realname.CodeUpload
	}
	return in.RawBody, realname.CheckVideo(httpapi.RequestOf(ctx).Header("Content-Type"), in.RawBody)
}

// faceRouteOf adds a route that takes a face video.
func faceRouteOf[O any](s *Server, path string, a Access, summary string, h func(context.Context, account.Caller, *FaceInput, []byte) (*O, error)) {
	op := s.operation(http.MethodPut, path, a, summary)
	binary := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"video/mp4": binary, "video/webm": binary}}
	huma.Register(s.api, op, func(ctx context.Context, in *FaceInput) (*O, error) {
		video, err := s.video(ctx, in, strings.HasPrefix(path, "/realname/"))
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		out, err := h(ctx, callerOf(ctx), in, video)
		if err != nil {
			return nil, httpapi.ProblemOf(ctx, s.Log, err)
		}
		return out, nil
	})
}

// CheckBody is a real-name or face check as its person sees it.
type CheckBody struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"factors,face,checking,passed,refused,ended"`
	// Method is absent where only a face is asked for.
	Method string `json:"method,omitempty" enum:"phone,bank"`
	// CardTail is the bank card's last four digits.
	CardTail string `json:"cardTail,omitempty" doc:"银行卡末四位"`
	// Reason and Detail tell why it failed, or why the video is wanted again.
	Reason    string `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
	Remaining int    `json:"remaining" doc:"今日剩余次数"`
}

func checkBody(c realname.Check) CheckBody {
	b := CheckBody{ID: c.ID, State: string(c.State), Method: string(c.Method), CardTail: c.CardTail, Remaining: c.Remaining}
	if r, known := realname.Reason(c.Reason); known {
		b.Reason, b.Detail = r.Name, r.Text
	}
	return b
}

// idInput is the path of one thing by its id.
type idInput struct {
	ID string `path:"id" maxLength:"40"`
}

func (s *Server) realnameRoutes() {
	route(s, http.MethodPost, "/realname", Session, "个人实名：提交姓名、证件号与验证码", func(ctx context.Context, c account.Caller, in *realnameInput) (*Body[CheckBody], error) {
		b := in.Body
		check, err := s.Realnames.Start(ctx, c, realname.Application{Name: b.Name, IDNumber: b.IDNumber, Ticket: b.Ticket, Code: b.Code,
			Method: realname.Method(b.Method), BankCard: b.BankCard, ConsentFace: b.ConsentFace})
		return &Body[CheckBody]{checkBody(check)}, err
	})
	faceRouteOf(s, "/realname/{id}/face", Session, "个人实名：提交人脸视频", func(ctx context.Context, c account.Caller, in *FaceInput, video []byte) (*Body[CheckBody], error) {
		check, err := s.Realnames.Video(ctx, c.Account, in.ID, video)
		return &Body[CheckBody]{checkBody(check)}, err
	})
	route(s, http.MethodGet, "/realname/{id}", Session, "个人实名：查看结果", func(ctx context.Context, c account.Caller, in *idInput) (*Body[CheckBody], error) {
		var check realname.Check
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			check, err = s.Realnames.Get(ctx, tx, c.Account, in.ID)
			return err
		})
		return &Body[CheckBody]{checkBody(check)}, err
	})
}
