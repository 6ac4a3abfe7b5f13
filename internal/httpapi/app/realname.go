package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

type realnameInput struct {
	Body struct {
		Name        string `json:"name" maxLength:"100"`
		IDNumber    string `json:"idNumber" maxLength:"40"`
		Ticket      string `json:"ticket" maxLength:"100"`
		Code        string `json:"code" maxLength:"20"`
		Method      string `json:"method" maxLength:"20" doc:"phone：手机三要素"`
		ConsentFace bool   `json:"consentFace" doc:"同意人脸信息处理规则"`
	}
}

// FaceInput is a recorded face video as the request's whole body.
type FaceInput struct {
	ID      string `path:"id" maxLength:"40"`
	RawBody []byte `contentType:"video/mp4"`
}

// CheckBody is a real-name or face check as its person sees it.
type CheckBody struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"factors,face,checking,passed,refused,ended"`
	// Reason and Detail tell why it failed, or why the video is wanted again.
	Reason    string `json:"reason,omitempty"`
	Detail    string `json:"detail,omitempty"`
	Remaining int    `json:"remaining" doc:"今日剩余次数"`
}

func checkBody(c realname.Check) CheckBody {
	b := CheckBody{ID: c.ID, State: string(c.State), Remaining: c.Remaining}
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
			Method: b.Method, ConsentFace: b.ConsentFace})
		return &Body[CheckBody]{checkBody(check)}, err
	})
	route(s, http.MethodPut, "/realname/{id}/face", Session, "个人实名：提交人脸视频", func(ctx context.Context, c account.Caller, in *FaceInput) (*Body[CheckBody], error) {
		check, err := s.Realnames.Video(ctx, c.Account, in.ID, in.RawBody)
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
