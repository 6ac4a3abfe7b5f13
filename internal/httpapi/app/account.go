package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/recover"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/puzzle"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// PINs tells how an account's PIN stands; flow/pin does.
type PINs interface {
	Status(ctx context.Context, c account.Caller) (st custody.PINStatus, here bool, err error)
}

// Recoveries tells of a re-key that concerns an account's devices; flow/recover does.
type Recoveries interface {
	Current(ctx context.Context, account string) (recover.Progress, bool, error)
}

type codeInput struct {
	Body struct {
		Phone   string `json:"phone,omitempty" maxLength:"20" doc:"仅用于 login、password-reset、phone-new 与 legal"`
		Purpose string `json:"purpose" maxLength:"20" doc:"login、password-reset（无需登录）；realname、pin、recover、phone、phone-new、password、close、legal、transfer（须登录）"`
		// Device is the device that asks; in a session it is the session's.
		Device  string         `json:"device,omitempty" pattern:"^[0-9a-f]{64}$" doc:"未登录时：设备公钥（SPKI DER）的 SHA-256"`
		Captcha *captchaAnswer `json:"captcha,omitempty" doc:"滑块验证的结果，收到 captcha_required 后提交"`
	}
}

type captchaAnswer struct {
	ID string `json:"id" maxLength:"200"`
	X  int    `json:"x" minimum:"0" maximum:"10000" doc:"拼图块左边缘在背景图中的位置（像素）"`
}

// CaptchaBody is a slide captcha (滑块验证).
type CaptchaBody struct {
	ID         string `json:"id"`
	Background []byte `json:"background" doc:"JPEG"`
	Tile       []byte `json:"tile" doc:"PNG，从左边缘开始向右移动"`
	TileY      int    `json:"tileY" doc:"拼图块上边缘在背景图中的位置"`
	TileWidth  int    `json:"tileWidth"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
}

// TicketBody stands for an SMS code that was sent.
type TicketBody struct {
	Ticket     string    `json:"ticket"`
	RetryAfter int       `json:"retryAfterSeconds"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

type sessionInput struct {
	Body struct {
		Ticket      string     `json:"ticket" maxLength:"100"`
		Phone       string     `json:"phone" maxLength:"20"`
		Code        string     `json:"code" maxLength:"20"`
		Agreements  []accepted `json:"agreements" maxItems:"20"`
		DeviceKey   []byte     `json:"deviceKey" doc:"SPKI DER，ECDSA P-256"`
		DeviceLabel string     `json:"deviceLabel,omitempty" maxLength:"200"`
	}
}

type accepted struct {
	Document string `json:"document" maxLength:"100"`
	Version  string `json:"version" maxLength:"100"`
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      SessionBody
}

// SessionBody is a new session; its token travels in the cookie alone.
type SessionBody struct {
	Account   string    `json:"account"`
	New       bool      `json:"new"`
	Nonce     []byte    `json:"nonce"`
	ExpiresAt time.Time `json:"expiresAt"`
}

type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// Me is what 我的 shows (M§2.4).
type Me struct {
	Account     string            `json:"account"`
	PhoneMasked string            `json:"phoneMasked"`
	PasswordSet bool              `json:"passwordSet" doc:"已设置登录密码"`
	Person      *MePerson         `json:"person,omitempty"`
	PIN         custody.PINStatus `json:"pin"`
	Device      MeDevice          `json:"device"`
	Recovery    *MeRecovery       `json:"recovery,omitempty"`
	Unread      int               `json:"unreadNotices"`
}

// MePerson is the verified person; the name in full is shown to its owner only.
type MePerson struct {
	Name       string `json:"name"`
	NameMasked string `json:"nameMasked"`
	IDMasked   string `json:"idNumberMasked"`
	State      string `json:"state" doc:"verified"`
}

// MeDevice is the device that asks.
type MeDevice struct {
	Active     bool `json:"active" doc:"本账号当前绑定的设备"`
	Restricted bool `json:"restricted" doc:"另一台设备正在办理恢复"`
	PINHere    bool `json:"pinHere" doc:"PIN 密钥在本设备上"`
}

// MeRecovery names a re-key that runs, waits or can still be stopped.
type MeRecovery struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Here  bool   `json:"here" doc:"由本设备发起"`
}

type phoneInput struct {
	Body struct {
		Ticket    string `json:"ticket" maxLength:"100" doc:"原手机号，用途 phone"`
		Code      string `json:"code" maxLength:"20"`
		NewTicket string `json:"newTicket" maxLength:"100" doc:"新手机号，用途 phone-new"`
		NewCode   string `json:"newCode" maxLength:"20"`
		NewPhone  string `json:"newPhone" maxLength:"20"`
	}
}

func (s *Server) accountRoutes() {
	// Asked for by nobody to sign in or to reset the password, and for everything
	// else in a session: the handler authenticates by purpose.
	route(s, http.MethodPost, "/codes", Public, "获取短信验证码", s.requestCode)
	route(s, http.MethodPost, "/captcha", Public, "获取滑块验证", s.captcha)
	route(s, http.MethodPost, "/sessions", Public, "验证码登录；首次登录即注册", s.signIn)
	route(s, http.MethodDelete, "/sessions/current", Restricted, "退出登录", s.signOut)
	route(s, http.MethodGet, "/me", Restricted, "我的账号", s.me)
	route(s, http.MethodGet, "/me/names", Session, "曾用名", s.formerNames)
	route(s, http.MethodPost, "/me/phone", Session, "更换手机号：凭原手机号的验证码", s.changePhone)
	s.rephoneRoutes()
}

func (s *Server) requestCode(ctx context.Context, _ account.Caller, in *codeInput) (*Body[TicketBody], error) {
	purpose := account.Purpose(in.Body.Purpose)
	var caller account.Caller
	if !purpose.Sessionless() {
		access := Session
		if purpose == account.PurposeRecover {
			access = Restricted // a phone lost in the middle of a recovery is replaced by another one
		}
		var err error
		if caller, err = s.authenticate(ctx, access); err != nil {
			return nil, err
		}
	}
	ask := account.Ask{Phone: in.Body.Phone, Purpose: purpose, Address: httpapi.RequestOf(ctx).Address, Device: in.Body.Device}
	if c := in.Body.Captcha; c != nil {
		ask.Captcha = account.Captcha{ID: c.ID, X: c.X}
	}
	t, err := s.Accounts.RequestCode(ctx, ask, caller)
	if err != nil {
		return nil, err
	}
	return &Body[TicketBody]{TicketBody{Ticket: t.ID, RetryAfter: int(t.RetryAfter.Seconds()), ExpiresAt: t.ExpiresAt}}, nil
}

func (s *Server) captcha(ctx context.Context, _ account.Caller, _ *Empty) (*Body[CaptchaBody], error) {
	c, err := s.Puzzles.New(ctx)
	return &Body[CaptchaBody]{CaptchaBody{ID: c.ID, Background: c.Background, Tile: c.Piece, TileY: c.Y,
		TileWidth: puzzle.Tile, Width: puzzle.Width, Height: puzzle.Height}}, err
}

func (s *Server) signIn(ctx context.Context, _ account.Caller, in *sessionInput) (*sessionOutput, error) {
	b := in.Body
	got, err := s.Accounts.SignIn(ctx, account.SignIn{Ticket: b.Ticket, Code: b.Code, Phone: b.Phone, Agreements: agreements(b.Agreements),
		DeviceKey: b.DeviceKey, DeviceLabel: b.DeviceLabel, Address: httpapi.RequestOf(ctx).Address})
	return s.session(got, err)
}

func agreements(given []accepted) []account.Agreement {
	out := make([]account.Agreement, len(given))
	for i, a := range given {
		out[i] = account.Agreement{Document: a.Document, Version: a.Version}
	}
	return out
}

func (s *Server) session(got account.Session, err error) (*sessionOutput, error) {
	if err != nil {
		return nil, err
	}
	return &sessionOutput{
		SetCookie: s.cookie(got.Token, got.ExpiresAt),
		Body:      SessionBody{Account: got.Account, New: got.New, Nonce: got.Nonce, ExpiresAt: got.ExpiresAt},
	}, nil
}

// cookie carries a token; an empty one takes it away.
func (s *Server) cookie(token string, expires time.Time) http.Cookie {
	c := http.Cookie{Name: Cookie, Value: token, Path: "/app/v1", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteStrictMode}
	if token == "" {
		c.MaxAge = -1
	} else {
		c.Expires = expires
	}
	return c
}

func (s *Server) signOut(ctx context.Context, c account.Caller, _ *Empty) (*signedOut, error) {
	if err := s.Accounts.SignOut(ctx, c); err != nil {
		return nil, err
	}
	return &signedOut{s.cookie("", time.Time{})}, nil
}

func (s *Server) me(ctx context.Context, c account.Caller, _ *Empty) (*Body[Me], error) {
	me := Me{Account: c.Account, Device: MeDevice{Restricted: c.Restricted}}
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		var err error
		if me.PhoneMasked, err = s.Accounts.Phone(ctx, tx, c.Account); err != nil {
			return err
		}
		if me.PasswordSet, err = s.Accounts.PasswordSet(ctx, tx, c.Account); err != nil {
			return err
		}
		active, err := s.Accounts.ActiveDevice(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		me.Device.Active = active == c.Device
		switch p, err := s.Realnames.Person(ctx, tx, c.Account); {
		case err == nil:
			me.Person = &MePerson{Name: p.Name, NameMasked: realname.MaskName(p.Name), IDMasked: realname.MaskIDNumber(p.IDNumber), State: "verified"}
		case !errors.Is(err, realname.CodeNotVerified):
			return err
		}
		me.Unread, err = s.Notices.Unread(ctx, tx, c.Account)
		return err
	})
	if err != nil {
		return nil, err
	}
	if me.PIN, me.Device.PINHere, err = s.PINs.Status(ctx, c); err != nil {
		return nil, err
	}
	running, found, err := s.Recoveries.Current(ctx, c.Account)
	if found {
		me.Recovery = &MeRecovery{ID: running.ID, State: string(running.State), Here: running.Device == c.Device}
	}
	return &Body[Me]{me}, err
}

func (s *Server) changePhone(ctx context.Context, c account.Caller, in *phoneInput) (*Empty, error) {
	b := in.Body
	return &Empty{}, s.Rephone.ByCode(ctx, c, account.PhoneChange{Ticket: b.Ticket, Code: b.Code,
		NewTicket: b.NewTicket, NewCode: b.NewCode, NewPhone: b.NewPhone})
}
