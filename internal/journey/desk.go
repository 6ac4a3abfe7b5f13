package journey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"tianweitong/phone"
)

// Desk is an officer (后台人员) of the sandbox at the console, in a browser of his own.
type Desk struct {
	Roles                       []string // after SignIn
	world                       *World
	url, name, password, secret string
	http                        *http.Client
}

// NewDesk has the sandbox deal a verifier (鉴证员), who signs in for the first time:
// the one-time password gives way to his own, an authenticator (动态口令) becomes his
// second factor.
func (w *World) NewDesk(ctx context.Context, number string) (*Desk, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	h := *w.HTTP
	h.Jar = jar
	d := &Desk{name: "demo-" + strings.ToLower(rand.Text()[:10]), password: rand.Text(), world: w, http: &h}
	var dealt struct {
		Password string `json:"password"`
		Console  string `json:"console"`
	}
	if err := w.call(ctx, http.MethodPost, w.Env.SandboxURL+"/sandbox/officers",
		map[string]string{"name": d.name, "displayName": "演示鉴证员", "phone": number}, &dealt); err != nil {
		return nil, err
	}
	d.url = dealt.Console
	if err := d.do(ctx, http.MethodPost, "/session", map[string]string{"name": d.name, "password": dealt.Password}, nil); err != nil {
		return nil, err
	}
	if err := d.do(ctx, http.MethodPost, "/session/password", map[string]string{"new": d.password}, nil); err != nil {
		return nil, err
	}
	var offer struct {
		Secret string `json:"secret"`
	}
	if err := d.do(ctx, http.MethodPost, "/factors/totp/begin", struct{}{}, &offer); err != nil {
		return nil, err
	}
	d.secret = offer.Secret
	code, err := totp.GenerateCode(d.secret, w.Now())
	if err != nil {
		return nil, err
	}
	return d, d.do(ctx, http.MethodPost, "/factors/totp/finish", map[string]string{"code": code}, nil)
}

// SignIn signs the officer in anew with password and authenticator. Each code serves
// once, so he shows the one of the next half minute.
func (d *Desk) SignIn(ctx context.Context) error {
	if err := d.do(ctx, http.MethodDelete, "/session", nil, nil); err != nil {
		return err
	}
	var s struct {
		Stage string   `json:"stage"`
		Roles []string `json:"roles"`
	}
	if err := d.do(ctx, http.MethodPost, "/session", map[string]string{"name": d.name, "password": d.password}, &s); err != nil {
		return err
	}
	if err := mustRefuse("the reviews with a password alone", d.do(ctx, http.MethodGet, "/reviews", nil, nil), "console_second_factor_required"); err != nil {
		return err
	}
	code, err := totp.GenerateCode(d.secret, d.world.Now().Add(30*time.Second))
	if err != nil {
		return err
	}
	if err := d.do(ctx, http.MethodPost, "/session/totp", map[string]string{"code": code}, &s); err != nil {
		return err
	}
	if s.Stage != "full" {
		return fmt.Errorf("journey: the officer's session is %q", s.Stage)
	}
	d.Roles = s.Roles
	return nil
}

// Review is an application before an officer (实名审核).
type Review struct {
	ID          string    `json:"id"`
	SubmittedAt time.Time `json:"submittedAt"`
	Facts       []struct {
		Item  string `json:"item"`
		Match bool   `json:"match"`
	} `json:"facts"`
	Checklist []struct {
		Code string `json:"code"`
	} `json:"checklist"`
}

// Claim takes a review of the queue before the officer.
func (d *Desk) Claim(ctx context.Context, id string) (Review, error) {
	var queue struct {
		Reviews []Review `json:"reviews"`
		Next    string   `json:"next"`
	}
	for found := false; !found; {
		cursor := queue.Next
		queue.Reviews, queue.Next = nil, ""
		if err := d.do(ctx, http.MethodGet, "/reviews?tab=open&cursor="+cursor, nil, &queue); err != nil {
			return Review{}, err
		}
		for _, r := range queue.Reviews {
			found = found || r.ID == id
		}
		if !found && queue.Next == "" {
			return Review{}, fmt.Errorf("journey: review %s is not in the queue", id)
		}
	}
	var r Review
	return r, d.do(ctx, http.MethodPost, "/reviews/"+id+"/claim", struct{}{}, &r)
}

// Picture gives a picture as the officer sees it.
func (d *Desk) Picture(ctx context.Context, review, kind string) ([]byte, error) {
	var b bytes.Buffer
	err := d.do(ctx, http.MethodGet, "/reviews/"+review+"/pictures/"+kind, nil, &b)
	return b.Bytes(), err
}

// Approve approves with the lines of the checklist that the officer ticked.
func (d *Desk) Approve(ctx context.Context, review Review, checks []string) error {
	return d.do(ctx, http.MethodPost, "/reviews/"+review.ID+"/approve", map[string]any{"submittedAt": review.SubmittedAt, "checks": checks}, nil)
}

// Refuse refuses with reasons and a note to the applicant.
func (d *Desk) Refuse(ctx context.Context, review Review, note string, reasons ...string) error {
	return d.do(ctx, http.MethodPost, "/reviews/"+review.ID+"/refuse", map[string]any{"submittedAt": review.SubmittedAt, "reasons": reasons, "note": note}, nil)
}

// do calls the console's API; a refusal is a phone.Problem.
func (d *Desk) do(ctx context.Context, method, path string, in, out any) error {
	body := []byte{}
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.url+"/console/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	return answered(res.StatusCode, b, out)
}

// answered reads an answer of the house into out, a *bytes.Buffer or what JSON
// fills; a refusal is a phone.Problem.
func answered(status int, body []byte, out any) error {
	if status >= 300 {
		p := &phone.Problem{Status: status, Code: fmt.Sprintf("http_%d", status)}
		if json.Unmarshal(body, &p.Members) == nil {
			if s, ok := p.Members["code"].(string); ok {
				p.Code = s
			}
			p.Detail, _ = p.Members["detail"].(string)
			p.Instance, _ = p.Members["instance"].(string)
		}
		return p
	}
	if file, ok := out.(*bytes.Buffer); ok {
		file.Write(body)
		return nil
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	return json.Unmarshal(body, out)
}
