package app

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/splitkey"
)

// CodeEntry is an SMS code as entered, with the ticket that it came for.
type CodeEntry struct {
	Ticket string `json:"ticket" maxLength:"100"`
	Code   string `json:"code" maxLength:"20"`
}

type codeEntryInput struct{ Body CodeEntry }

// PINBody is how the PIN stands (PIN 码管理, M§2.7.4).
type PINBody struct {
	custody.PINStatus
	Here bool `json:"here" doc:"PIN 密钥在本设备上"`
}

// SetupBody is the setting of a first PIN.
type SetupBody struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
}

// OperationBody names the operation that the phone answers next.
type OperationBody struct {
	OpID string `json:"opID"`
}

// SetBody names the set of records that is under the PIN.
type SetBody struct {
	Set string `json:"set" doc:"当前 PIN 码对应的记录集；首次修改前为空"`
}

// FaceBody is a face check with the thing that it is for.
type FaceBody struct {
	ID    string    `json:"id"`
	Check CheckBody `json:"check"`
}

type refreshPath struct {
	sealedBody
	ID string `path:"id" maxLength:"40"`
}

func (s *Server) pinRoutes() {
	route(s, http.MethodGet, "/pin", Session, "PIN 码状态", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[PINBody], error) {
		st, here, err := s.PIN.Status(ctx, c)
		return &Body[PINBody]{PINBody{st, here}}, err
	})
	route(s, http.MethodPost, "/pin/setup", Session, "首次设置 PIN 码：校验短信验证码", func(ctx context.Context, c account.Caller, in *codeEntryInput) (*Body[SetupBody], error) {
		st, err := s.PIN.Begin(ctx, c, in.Body.Ticket, in.Body.Code)
		return &Body[SetupBody]{SetupBody{st.ID, st.Expires}}, err
	})
	route(s, http.MethodPost, "/pin/setup/{id}/proof", Session, "首次设置 PIN 码：第二次输入", func(ctx context.Context, c account.Caller, in *idInput) (*Body[OperationBody], error) {
		op, err := s.PIN.Prove(ctx, holder(c), in.ID)
		return &Body[OperationBody]{OperationBody{op}}, err
	})
	route(s, http.MethodPost, "/pin/change", Session, "修改 PIN 码：校验原 PIN 码", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[OperationBody], error) {
		op, err := s.PIN.Change(ctx, c)
		return &Body[OperationBody]{OperationBody{op}}, err
	})
	sealedRoute(s, http.MethodPost, "/pin/change/{id}/refresh", Session, "修改 PIN 码：更新全部密钥分量", func(ctx context.Context, c account.Caller, p *refreshPath, r splitkey.RefreshRequest) (custody.Refreshing, error) {
		return s.PIN.Refresh(ctx, holder(c), p.ID, r)
	})
	route(s, http.MethodPost, "/pin/change/{id}/flip", Session, "修改 PIN 码：启用新 PIN 码", func(ctx context.Context, c account.Caller, in *idInput) (*Empty, error) {
		return nil, s.PIN.Flip(ctx, c, in.ID)
	})
	route(s, http.MethodGet, "/pin/set", Session, "当前 PIN 码对应的记录集", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[SetBody], error) {
		set, err := s.PIN.CurrentSet(ctx, c)
		return &Body[SetBody]{SetBody{set}}, err
	})
	route(s, http.MethodPost, "/pin/face", Session, "PIN 码输错次数过多：开始人脸核验", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[FaceBody], error) {
		u, check, err := s.PIN.BeginFace(ctx, c)
		return &Body[FaceBody]{FaceBody{u.ID, checkBody(check)}}, err
	})
	faceRouteOf(s, "/pin/face/{id}/face", Session, "PIN 码输错次数过多：提交人脸视频", func(ctx context.Context, c account.Caller, in *FaceInput, video []byte) (*Body[FaceBody], error) {
		check, err := s.PIN.Face(ctx, c, in.ID, video)
		return &Body[FaceBody]{FaceBody{in.ID, checkBody(check)}}, err
	})
	route(s, http.MethodGet, "/pin/face/{id}", Session, "PIN 码输错次数过多：查看核验结果", func(ctx context.Context, c account.Caller, in *idInput) (*Body[FaceBody], error) {
		check, err := s.PIN.FaceState(ctx, c, in.ID)
		return &Body[FaceBody]{FaceBody{in.ID, checkBody(check)}}, err
	})
}
