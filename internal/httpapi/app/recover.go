package app

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/flow/recover"
)

// RecoveryBody is a re-key (补办恢复) as its owner sees it, on either phone.
type RecoveryBody struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"face,suspended,pinned,done,stopped,over"`
	Here  bool   `json:"here" doc:"由本设备发起"`
	// Check is the face check while it is wanted.
	Check *CheckBody `json:"check,omitempty"`
	// Certificates want an installation of kind rekey; Keys counts the encryption
	// keys that a redealing brings back.
	Certificates []string `json:"certificates,omitempty"`
	Keys         int      `json:"keys,omitempty"`
	// HoldUntil is until when older envelopes stay shut.
	HoldUntil time.Time `json:"holdUntil,omitzero"`
	Confirmed bool      `json:"confirmed,omitempty" doc:"原手机已确认"`
	CreatedAt time.Time `json:"createdAt"`
}

func recoveryBody(c account.Caller, p recover.Progress) *Body[RecoveryBody] {
	out := RecoveryBody{
		ID: p.ID, State: string(p.State), Here: p.Device == c.Device, Certificates: p.Certificates, Keys: p.Keys,
		HoldUntil: p.HoldUntil, Confirmed: p.Confirmed, CreatedAt: p.CreatedAt,
	}
	if p.Check.ID != "" {
		check := checkBody(p.Check)
		out.Check = &check
	}
	return &Body[RecoveryBody]{out}
}

// recoverRoutes are open to restricted sessions as far as the face check: a
// phone that is lost in the middle of a recovery is replaced like any other.
func (s *Server) recoverRoutes() {
	route(s, http.MethodPost, "/recoveries", Restricted, "办理补办恢复（重置 PIN 码、更换手机）：校验短信验证码", func(ctx context.Context, c account.Caller, in *codeEntryInput) (*Body[RecoveryBody], error) {
		p, err := s.Recovers.Begin(ctx, c, in.Body.Ticket, in.Body.Code)
		return recoveryBody(c, p), err
	})
	faceRouteOf(s, "/recoveries/{id}/face", Restricted, "补办恢复：提交人脸视频", func(ctx context.Context, c account.Caller, in *FaceInput, video []byte) (*Body[RecoveryBody], error) {
		p, err := s.Recovers.Face(ctx, c, in.ID, video)
		return recoveryBody(c, p), err
	})
	route(s, http.MethodGet, "/recoveries/{id}", Restricted, "补办恢复：查看进度", func(ctx context.Context, c account.Caller, in *idInput) (*Body[RecoveryBody], error) {
		p, err := s.Recovers.Get(ctx, c, in.ID)
		return recoveryBody(c, p), err
	})
	route(s, http.MethodPost, "/recoveries/{id}/proof", Session, "补办恢复：第二次输入新 PIN 码", func(ctx context.Context, c account.Caller, in *idInput) (*Body[OperationBody], error) {
		op, err := s.Recovers.Prove(ctx, holder(c), in.ID)
		return &Body[OperationBody]{OperationBody{op}}, err
	})
	route(s, http.MethodPost, "/recoveries/{id}/stop", Restricted, "停止补办恢复", func(ctx context.Context, c account.Caller, in *idInput) (*Body[RecoveryBody], error) {
		p, err := s.Recovers.Stop(ctx, c, in.ID)
		return recoveryBody(c, p), err
	})
	route(s, http.MethodPost, "/recoveries/{id}/confirm", Restricted, "原手机确认补办恢复", func(ctx context.Context, c account.Caller, in *idInput) (*Body[RecoveryBody], error) {
		p, err := s.Recovers.Confirm(ctx, c, in.ID)
		return recoveryBody(c, p), err
	})
}
