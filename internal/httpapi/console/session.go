package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tianweitong/internal/httpapi"
	"tianweitong/internal/office"
)

type signInInput struct {
	Body struct {
		Name     string `json:"name" maxLength:"64" doc:"登录名"`
		Password string `json:"password" maxLength:"128"`
	}
}

type sessionOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      SessionBody
}

// SessionBody is a session as its officer's page sees it; the token travels in
// the cookie alone.
type SessionBody struct {
	Stage string `json:"stage" enum:"second,enrol,full" doc:"second 待第二步验证；enrol 待设置第二步；full 已登录"`
	Next  string `json:"next,omitempty" enum:"totp,passkey,enrol" doc:"下一步；full 时没有"`
	// Factors are the second factors that he has, the preferred one first.
	Factors []string `json:"factors" doc:"已有的第二步：passkey、totp"`
	// PasswordOnce: the password was dealt; he chooses his own before anything else.
	PasswordOnce bool `json:"passwordOnce" doc:"一次性密码：须先设置自己的密码"`
	// Passkeys: the console is reached under a name for which browsers make passkeys.
	Passkeys    bool       `json:"passkeys" doc:"本后台可使用通行密钥"`
	Officer     OfficerRef `json:"officer"`
	Roles       []string   `json:"roles"`
	ExpiresAt   time.Time  `json:"expiresAt"`
	IdleSeconds int        `json:"idleSeconds" doc:"无操作多少秒后自动退出"`
}

// OfficerRef names an officer.
type OfficerRef struct {
	ID          string `json:"id"`
	Name        string `json:"name" doc:"登录名"`
	DisplayName string `json:"displayName"`
}

type codeInput struct {
	Body struct {
		Code string `json:"code" maxLength:"20"`
	}
}

// PasskeyOptions are what navigator.credentials takes, in the JSON form of
// PublicKeyCredential.parse…OptionsFromJSON.
type PasskeyOptions struct {
	PublicKey json.RawMessage `json:"publicKey"`
}

type passkeyInput struct {
	Body struct {
		Credential json.RawMessage `json:"credential" doc:"PublicKeyCredential.toJSON()"`
		Label      string          `json:"label,omitempty" maxLength:"40" doc:"仅用于登记：通行密钥的名称"`
	}
}

type newPasswordInput struct {
	Body struct {
		Old string `json:"old,omitempty" maxLength:"128" doc:"已完成登录时须填写"`
		New string `json:"new" maxLength:"128"`
	}
}

type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) sessionRoutes() {
	route(s, http.MethodPost, "/session", Public, "登录第一步：登录名与密码", s.signIn)
	route(s, http.MethodGet, "/session", Half, "当前登录", s.session)
	route(s, http.MethodDelete, "/session", Half, "退出登录", s.signOut)
	route(s, http.MethodPost, "/session/totp", Half, "登录第二步：动态口令", s.enterTOTP)
	route(s, http.MethodPost, "/session/passkey/begin", Half, "登录第二步：开始验证通行密钥", s.beginPasskey)
	route(s, http.MethodPost, "/session/passkey/finish", Half, "登录第二步：完成验证通行密钥", s.finishPasskey)
	route(s, http.MethodPost, "/session/password", Half, "设置自己的密码", s.setPassword)
}

// cookie carries a token until the browser closes; an empty one takes it away.
func (s *Server) cookie(token string) http.Cookie {
	c := http.Cookie{Name: Cookie, Value: token, Path: "/console/v1", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteStrictMode}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) body(c office.Caller) SessionBody {
	b := SessionBody{
		Stage: string(c.Stage), Factors: []string{}, Roles: []string{}, PasswordOnce: c.Once, Passkeys: s.Officers.Passkeys(),
		Officer:   OfficerRef{ID: c.ID, Name: c.Name, DisplayName: c.DisplayName},
		ExpiresAt: c.ExpiresAt, IdleSeconds: int(office.Idle.Seconds()),
	}
	for _, k := range c.Factors {
		b.Factors = append(b.Factors, string(k))
	}
	switch c.Stage {
	case office.Second:
		b.Next = b.Factors[0]
	case office.Enrol:
		b.Next = "enrol"
	case office.Full:
		b.Roles = roleNames(c.Roles)
	}
	return b
}

// answer gives a session with its cookie; the token is empty when it stays.
func (s *Server) answer(got office.Session, err error) (*sessionOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &sessionOutput{Body: s.body(got.Caller)}
	if got.Token != "" {
		out.SetCookie = []http.Cookie{s.cookie(got.Token)}
	}
	return out, nil
}

func (s *Server) signIn(ctx context.Context, _ office.Caller, in *signInInput) (*sessionOutput, error) {
	return s.answer(s.Officers.SignIn(ctx, in.Body.Name, in.Body.Password, httpapi.RequestOf(ctx).Address))
}

func (s *Server) session(_ context.Context, c office.Caller, _ *Empty) (*Body[SessionBody], error) {
	return &Body[SessionBody]{s.body(c)}, nil
}

func (s *Server) signOut(ctx context.Context, c office.Caller, _ *Empty) (*signedOut, error) {
	if err := s.Officers.SignOut(ctx, c); err != nil {
		return nil, err
	}
	return &signedOut{s.cookie("")}, nil
}

func (s *Server) enterTOTP(ctx context.Context, c office.Caller, in *codeInput) (*sessionOutput, error) {
	return s.answer(s.Officers.EnterTOTP(ctx, c, in.Body.Code))
}

func (s *Server) beginPasskey(ctx context.Context, c office.Caller, _ *Empty) (*Body[PasskeyOptions], error) {
	options, err := s.Officers.BeginPasskey(ctx, c)
	return &Body[PasskeyOptions]{PasskeyOptions{options}}, err
}

func (s *Server) finishPasskey(ctx context.Context, c office.Caller, in *passkeyInput) (*sessionOutput, error) {
	return s.answer(s.Officers.FinishPasskey(ctx, c, in.Body.Credential))
}

func (s *Server) setPassword(ctx context.Context, c office.Caller, in *newPasswordInput) (*sessionOutput, error) {
	return s.answer(s.Officers.SetPassword(ctx, c, in.Body.Old, in.Body.New, httpapi.RequestOf(ctx).Address))
}
