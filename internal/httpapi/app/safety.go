package app

import (
	"context"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/flow/closing"
	"tianweitong/internal/httpapi"
)

type passwordSessionInput struct {
	Body struct {
		Phone       string     `json:"phone" maxLength:"20"`
		Password    string     `json:"password" maxLength:"200"`
		Agreements  []accepted `json:"agreements" maxItems:"20"`
		DeviceKey   []byte     `json:"deviceKey" doc:"SPKI DER，ECDSA P-256"`
		DeviceLabel string     `json:"deviceLabel,omitempty" maxLength:"200"`
	}
}

type passwordInput struct {
	Body struct {
		NewPassword string `json:"newPassword" maxLength:"200" doc:"8 至 64 位，字母、数字、符号至少两种"`
		OldPassword string `json:"oldPassword,omitempty" maxLength:"200" doc:"已设置过密码时，与验证码任选其一"`
		Ticket      string `json:"ticket,omitempty" maxLength:"100" doc:"用途 password"`
		Code        string `json:"code,omitempty" maxLength:"20"`
	}
}

type resetInput struct {
	Body struct {
		Phone       string `json:"phone" maxLength:"20"`
		Ticket      string `json:"ticket" maxLength:"100" doc:"用途 password-reset"`
		Code        string `json:"code" maxLength:"20"`
		NewPassword string `json:"newPassword" maxLength:"200"`
	}
}

// DevicesBody is the list of devices (设备管理), the last used first.
type DevicesBody struct {
	Devices []DeviceBody `json:"devices"`
}

// DeviceBody is one device that is signed in, or the account's active one.
type DeviceBody struct {
	ID          string    `json:"id"`
	Label       string    `json:"label"`
	FirstSeen   time.Time `json:"firstSeen"`
	LastSeen    time.Time `json:"lastSeen" doc:"精确到分钟"`
	SameNetwork bool      `json:"sameNetwork" doc:"上次登录时与本机现在处于同一网络"`
	Current     bool      `json:"current" doc:"本机"`
	Active      bool      `json:"active" doc:"本账号当前绑定的设备"`
	Keys        bool      `json:"keys" doc:"证书密钥在这台设备上，只能由它自己退出登录"`
	Sessions    int       `json:"sessions" doc:"登录中的会话数；0 为已退出"`
}

// SignedOutBody tells how many sessions ended.
type SignedOutBody struct {
	SignedOut int `json:"signedOut"`
}

// ClosureBody tells whether the account can be closed (注销), and what stands in
// the way.
type ClosureBody struct {
	Possible bool              `json:"possible"`
	Blockers []closing.Blocker `json:"blockers"`
}

type closeInput struct {
	Body struct {
		Ticket string `json:"ticket" maxLength:"100" doc:"用途 close"`
		Code   string `json:"code" maxLength:"20"`
	}
}

func (s *Server) safetyRoutes() {
	route(s, http.MethodPost, "/sessions/password", Public, "密码登录；不注册新账号", s.signInByPassword)
	route(s, http.MethodPost, "/me/password", Session, "设置或修改登录密码", s.setPassword)
	route(s, http.MethodPost, "/password/reset", Public, "忘记密码：凭验证码重置登录密码", s.resetPassword)
	route(s, http.MethodGet, "/me/devices", Session, "登录设备", s.devices)
	route(s, http.MethodDelete, "/me/devices/{id}", Session, "将一台设备退出登录", s.signOutDevice)
	route(s, http.MethodPost, "/me/devices/signout-others", Session, "将其他设备退出登录", s.signOutOthers)
	route(s, http.MethodGet, "/me/closure", Session, "注销前需要了结的事项", s.closure)
	route(s, http.MethodPost, "/me/closure", Session, "注销账号", s.closeAccount)
}

func (s *Server) signInByPassword(ctx context.Context, _ account.Caller, in *passwordSessionInput) (*sessionOutput, error) {
	b := in.Body
	got, err := s.Accounts.SignInByPassword(ctx, account.SignIn{Phone: b.Phone, Password: b.Password, Agreements: agreements(b.Agreements),
		DeviceKey: b.DeviceKey, DeviceLabel: b.DeviceLabel, Address: httpapi.RequestOf(ctx).Address})
	return s.session(got, err)
}

func (s *Server) setPassword(ctx context.Context, c account.Caller, in *passwordInput) (*Empty, error) {
	b := in.Body
	return &Empty{}, s.Safety.SetPassword(ctx, c, account.PasswordChange{Old: b.OldPassword, Ticket: b.Ticket, Code: b.Code,
		New: b.NewPassword, Address: httpapi.RequestOf(ctx).Address})
}

func (s *Server) resetPassword(ctx context.Context, _ account.Caller, in *resetInput) (*Empty, error) {
	b := in.Body
	return &Empty{}, s.Safety.ResetPassword(ctx, account.PasswordReset{Phone: b.Phone, Ticket: b.Ticket, Code: b.Code,
		New: b.NewPassword, Address: httpapi.RequestOf(ctx).Address})
}

func (s *Server) devices(ctx context.Context, c account.Caller, _ *Empty) (*Body[DevicesBody], error) {
	all, err := s.Safety.Devices(ctx, c, httpapi.RequestOf(ctx).Address)
	if err != nil {
		return nil, err
	}
	out := DevicesBody{Devices: make([]DeviceBody, len(all))}
	for i, d := range all {
		out.Devices[i] = DeviceBody{ID: d.Thumbprint, Label: d.Label, FirstSeen: d.CreatedAt, LastSeen: d.SeenAt, SameNetwork: d.SameNetwork,
			Current: d.Current, Active: d.Active, Keys: d.Keys, Sessions: d.Sessions}
	}
	return &Body[DevicesBody]{out}, nil
}

func (s *Server) signOutDevice(ctx context.Context, c account.Caller, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*Empty, error) {
	return &Empty{}, s.Safety.SignOutDevice(ctx, c, in.ID)
}

func (s *Server) signOutOthers(ctx context.Context, c account.Caller, _ *Empty) (*Body[SignedOutBody], error) {
	n, err := s.Safety.SignOutOthers(ctx, c)
	return &Body[SignedOutBody]{SignedOutBody{n}}, err
}

func (s *Server) closure(ctx context.Context, c account.Caller, _ *Empty) (*Body[ClosureBody], error) {
	blockers, err := s.Closing.Blockers(ctx, c)
	return &Body[ClosureBody]{ClosureBody{Possible: len(blockers) == 0, Blockers: blockers}}, err
}

func (s *Server) closeAccount(ctx context.Context, c account.Caller, in *closeInput) (*signedOut, error) {
	if err := s.Closing.Close(ctx, c, in.Body.Ticket, in.Body.Code); err != nil {
		return nil, err
	}
	return &signedOut{s.cookie("", time.Time{})}, nil
}
