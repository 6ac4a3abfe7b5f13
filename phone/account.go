package phone

import (
	"context"
	"encoding/hex"
	"errors"
	"time"
)

// Environment is what the server says of itself before a login.
type Environment struct {
	Sandbox    bool      `json:"sandbox"`
	SandboxURL string    `json:"sandboxURL"`
	Platform   string    `json:"platformURL"`
	PKI        string    `json:"pkiURL"`
	ServerTime time.Time `json:"serverTime"`
	Agreements []struct {
		Document string `json:"document"`
		Version  string `json:"version"`
		Title    string `json:"title"`
	} `json:"agreements"`
}

// Environment asks the server for its environment and sets the phone's clock by it.
func (p *Phone) Environment(ctx context.Context) (Environment, error) {
	var e Environment
	err := p.get(ctx, "/environment", &e)
	if err == nil && !e.ServerTime.IsZero() {
		p.offset = e.ServerTime.Sub(p.Now())
	}
	return e, err
}

// Ticket stands for an SMS code that was sent (验证码).
type Ticket struct {
	Ticket     string    `json:"ticket"`
	RetryAfter int       `json:"retryAfterSeconds"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

// Captcha is a slide captcha (滑块验证): the piece belongs somewhere to the right at
// its height TileY.
type Captcha struct {
	ID         string `json:"id"`
	Background []byte `json:"background"` // JPEG of Width×Height pixels
	Tile       []byte `json:"tile"`       // PNG
	TileY      int    `json:"tileY"`
	TileWidth  int    `json:"tileWidth"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
}

// Solved is a captcha with the pixel where the piece's left edge was put; the zero
// value is none.
type Solved struct {
	ID string `json:"id"`
	X  int    `json:"x"`
}

// Captcha gets one to solve.
func (p *Phone) Captcha(ctx context.Context) (c Captcha, err error) {
	return c, p.post(ctx, "/captcha", struct{}{}, &c)
}

// RequestCode has a code sent. The number is given for the purposes login,
// password-reset, phone-new and legal; every other uses the account's own. A
// refusal "captcha_required" asks for a solved captcha.
func (p *Phone) RequestCode(ctx context.Context, purpose, number string, solved Solved) (Ticket, error) {
	in := map[string]any{"purpose": purpose, "device": hex.EncodeToString(p.Thumbprint)}
	if number != "" {
		in["phone"] = number
	}
	if solved.ID != "" {
		in["captcha"] = solved
	}
	var t Ticket
	return t, p.post(ctx, "/codes", in, &t)
}

// SignIn logs in with a code, agreeing to the agreements in their current
// versions; the first login registers (2.2.a, 2.2.c).
func (p *Phone) SignIn(ctx context.Context, number, ticket, code string) (fresh bool, err error) {
	d, ok := p.Transport.(interface{ spki() []byte })
	if !ok {
		return false, errors.New("phone: its device key is elsewhere")
	}
	e, err := p.Environment(ctx)
	if err != nil {
		return false, err
	}
	type agreement struct {
		Document string `json:"document"`
		Version  string `json:"version"`
	}
	agreed := []agreement{}
	for _, a := range e.Agreements {
		agreed = append(agreed, agreement{a.Document, a.Version})
	}
	var out struct {
		Account string `json:"account"`
		New     bool   `json:"new"`
		Nonce   []byte `json:"nonce"`
	}
	p.state.Token = ""
	err = p.post(ctx, "/sessions", map[string]any{
		"phone": number, "ticket": ticket, "code": code, "agreements": agreed,
		"deviceKey": d.spki(), "deviceLabel": "Go 手机",
	}, &out)
	if err != nil {
		return false, err
	}
	if out.Account != p.state.Account {
		p.name = ""
	}
	p.state.Account, p.state.Nonce = out.Account, out.Nonce
	return out.New, p.save()
}

// SignOut ends the session.
func (p *Phone) SignOut(ctx context.Context) error {
	err := p.call(ctx, methodDelete, "/sessions/current", "", nil, nil)
	p.state.Token, p.state.Nonce = "", nil
	if err != nil {
		return err
	}
	return p.save()
}

// Check is a running identity check.
type Check struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// StartRealName begins the real-name check (个人实名, 2.4.1): name, ID number, a
// code to the registered number, consent for face data.
func (p *Phone) StartRealName(ctx context.Context, name, idNumber, ticket, code string) (Check, error) {
	var c Check
	err := p.post(ctx, "/realname", map[string]any{
		"name": name, "idNumber": idNumber, "ticket": ticket, "code": code, "method": "phone", "consentFace": true,
	}, &c)
	if err == nil {
		p.name = name
	}
	return c, err
}

// SendFace sends the recorded face video of a check under path, "/realname" or
// "/recoveries".
func (p *Phone) SendFace(ctx context.Context, path, id string, video []byte) (Check, error) {
	var c Check
	return c, p.call(ctx, methodPut, path+"/"+id+"/face", "video/mp4", video, &c)
}

// RealName asks how far a check has come.
func (p *Phone) RealName(ctx context.Context, id string) (Check, error) {
	var c Check
	return c, p.get(ctx, "/realname/"+id, &c)
}
