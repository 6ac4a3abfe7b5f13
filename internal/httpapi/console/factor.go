package console

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

// FactorBody is one second factor.
type FactorBody struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind" enum:"totp,passkey"`
	Label     string     `json:"label"`
	CreatedAt time.Time  `json:"createdAt"`
	UsedAt    *time.Time `json:"usedAt,omitempty"`
}

// FactorList is every second factor of the caller.
type FactorList struct {
	Factors []FactorBody `json:"factors"`
}

type beginInput struct {
	Body struct {
		Password string `json:"password,omitempty" maxLength:"128" doc:"已完成登录时须再次输入密码"`
	}
}

// TOTPOffer is the secret of a time-based one-time password (动态口令), shown once.
type TOTPOffer struct {
	Secret string `json:"secret" doc:"Base32，手工录入用"`
	URL    string `json:"url" doc:"otpauth://"`
	QR     []byte `json:"qr" doc:"二维码，PNG"`
}

func (s *Server) factorRoutes() {
	route(s, http.MethodGet, "/factors", Anyone, "我的第二步验证方式", s.factors)
	route(s, http.MethodDelete, "/factors/{id}", Anyone, "移除一种第二步验证方式；不能移除最后一种", s.removeFactor)
	route(s, http.MethodPost, "/factors/totp/begin", Half, "登记动态口令：取得密钥，仅显示一次", s.beginTOTP)
	route(s, http.MethodPost, "/factors/totp/finish", Half, "登记动态口令：输入一次口令完成", s.finishTOTP)
	route(s, http.MethodPost, "/factors/passkey/begin", Half, "登记通行密钥：开始", s.beginEnrolment)
	route(s, http.MethodPost, "/factors/passkey/finish", Half, "登记通行密钥：完成", s.finishEnrolment)
}

func (s *Server) factors(ctx context.Context, c office.Caller, _ *Empty) (*Body[FactorList], error) {
	all, err := s.Officers.Factors(ctx, c)
	out := FactorList{Factors: []FactorBody{}}
	for _, f := range all {
		out.Factors = append(out.Factors, FactorBody{ID: f.ID, Kind: string(f.Kind), Label: f.Label, CreatedAt: f.CreatedAt, UsedAt: moment(f.UsedAt)})
	}
	return &Body[FactorList]{out}, err
}

// moment is a time, or nothing for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *Server) removeFactor(ctx context.Context, c office.Caller, in *byID) (*Empty, error) {
	return &Empty{}, s.Officers.RemoveFactor(ctx, c, in.ID)
}

func (s *Server) beginTOTP(ctx context.Context, c office.Caller, in *beginInput) (*Body[TOTPOffer], error) {
	o, err := s.Officers.BeginTOTP(ctx, c, in.Body.Password, httpapi.RequestOf(ctx).Address)
	return &Body[TOTPOffer]{TOTPOffer{Secret: o.Secret, URL: o.URL, QR: o.QR}}, err
}

func (s *Server) finishTOTP(ctx context.Context, c office.Caller, in *codeInput) (*sessionOutput, error) {
	return s.answer(s.Officers.FinishTOTP(ctx, c, in.Body.Code))
}

func (s *Server) beginEnrolment(ctx context.Context, c office.Caller, in *beginInput) (*Body[PasskeyOptions], error) {
	options, err := s.Officers.BeginEnrolment(ctx, c, in.Body.Password, httpapi.RequestOf(ctx).Address)
	return &Body[PasskeyOptions]{PasskeyOptions{options}}, err
}

func (s *Server) finishEnrolment(ctx context.Context, c office.Caller, in *passkeyInput) (*sessionOutput, error) {
	return s.answer(s.Officers.FinishEnrolment(ctx, c, in.Body.Label, in.Body.Credential))
}
