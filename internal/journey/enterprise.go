package journey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tianweitong/phone"
)

// Enterprise is made up: a name that says so, a code of a region that does not exist
// (区划 999999), a representative with a phone and a bank card.
type Enterprise struct {
	ID, Name, Code string
	Legal          Person // its legal representative (法定代表人), who reads codes on his number
	Card           string
}

// Application is an enterprise's application (企业实名) as its applicant sees it.
type Application struct {
	ID                 string `json:"id"`
	Number             string `json:"number"`
	Enterprise         string `json:"enterprise"`
	State              string `json:"state"`
	Busy               bool   `json:"busy"`
	LeftWorkingSeconds int64  `json:"leftWorkingSeconds"`
	Reasons            []struct {
		Code string `json:"code"`
		Text string `json:"text"`
	} `json:"reasons"`
	Note string `json:"note"`
}

// Member is one of an enterprise's members as its administrator sees him.
type Member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
	Self bool   `json:"self"`
}

// Invited is an invitation as whoever has its link sees it.
type Invited struct {
	ID             string `json:"id"`
	EnterpriseName string `json:"enterpriseName"`
	State          string `json:"state"`
}

// Identity is an enterprise as whose member somebody can act (身份).
type Identity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
}

// Notice is one notice (通知).
type Notice struct {
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Body  string `json:"body"`
}

// digits gives n random digits.
func digits(n int) (string, error) {
	x, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
	return fmt.Sprintf("%0*d", n, x), err
}

// NewEnterprise makes up an enterprise.
func (w *World) NewEnterprise() (*Enterprise, error) {
	legal, err := w.NewPerson(nil)
	if err != nil {
		return nil, err
	}
	legal.Name = "测试法人"
	n, err := digits(7)
	if err != nil {
		return nil, err
	}
	card, err := digits(14)
	if err != nil {
		return nil, err
	}
	return &Enterprise{Name: "沙箱演示" + n + "建设有限公司", Code: creditCode("91999999MA" + n), Legal: *legal, Card: luhn("9" + card)}, nil
}

// creditCode adds the check character of GB 32100-2015.
func creditCode(s string) string {
	const values = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	sum, weight := 0, 1
	for i := range s {
		sum += strings.IndexByte(values, s[i]) * weight
		weight = weight * 3 % 31
	}
	return s + string(values[(31-sum%31)%31])
}

// luhn adds a card number's check digit (ISO/IEC 7812-1 annex B).
func luhn(s string) string {
	sum := 0
	for i := range s {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return s + string(rune('0'+(10-sum%10)%10))
}

// Ask calls a route of the app's API as a person's phone does. in is nil, a []byte
// of a picture, or what becomes JSON; out is nil, a *bytes.Buffer, or what JSON
// fills. A refusal is a phone.Problem.
func (p *Person) Ask(ctx context.Context, method, path string, in, out any) error {
	kind, body := "application/json", []byte{}
	switch in := in.(type) {
	case nil:
		kind = ""
	case []byte:
		kind, body = "image/png", in
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	status, answer, err := p.Phone.Transport.Send(ctx, method, path, kind, body)
	if err != nil {
		return fmt.Errorf("journey: %s %s: %w", method, path, err)
	}
	return answered(status, answer, out)
}

// Found tells what a search finds by an enterprise's code: its id and the person's
// relation to it, both empty if it is not verified yet.
func (w *World) Found(ctx context.Context, p *Person, e *Enterprise) (id, relation string, err error) {
	var found struct {
		Results []struct {
			ID       string `json:"id"`
			Relation string `json:"relation"`
		} `json:"results"`
	}
	if err := p.Ask(ctx, http.MethodGet, "/enterprises/search?q="+url.QueryEscape(e.Code), nil, &found); err != nil || len(found.Results) == 0 {
		return "", "", err
	}
	return found.Results[0].ID, found.Results[0].Relation, nil
}

// Apply applies for an enterprise and has the register check its four elements
// (企业四要素); then the representative's ID card is uploaded.
func (w *World) Apply(ctx context.Context, p *Person, e *Enterprise) (Application, error) {
	var a Application
	if err := p.Ask(ctx, http.MethodPost, "/enterprise-applications", map[string]string{
		"name": e.Name, "code": e.Code, "legalName": e.Legal.Name, "legalIDNumber": e.Legal.IDNumber,
	}, &a); err != nil {
		return a, err
	}
	a, err := w.step(ctx, p, a, "/check", struct{}{})
	if err != nil {
		return a, err
	}
	if a.State != "checked" || len(a.Reasons) > 0 {
		return a, fmt.Errorf("journey: the register's answer leaves the application %s %v", a.State, a.Reasons)
	}
	for _, side := range []string{"id-front", "id-back"} {
		if a, err = w.Upload(ctx, p, a, side, e, false); err != nil {
			return a, err
		}
	}
	return a, nil
}

// Upload draws one of an application's papers and uploads it.
func (w *World) Upload(ctx context.Context, p *Person, a Application, kind string, e *Enterprise, stamp bool) (Application, error) {
	size := sheetSize
	if strings.HasPrefix(kind, "id-") {
		size = cardSize
	}
	picture, err := draught(size, kind+" "+e.Name, stamp)
	if err != nil {
		return a, err
	}
	return a, p.Ask(ctx, http.MethodPut, "/enterprise-applications/"+a.ID+"/pictures/"+kind, picture, &a)
}

// step takes a step of an application and waits for an answer from outside.
func (w *World) step(ctx context.Context, p *Person, a Application, path string, in any) (Application, error) {
	id := a.ID
	a = Application{}
	if err := p.Ask(ctx, http.MethodPost, "/enterprise-applications/"+id+path, in, &a); err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for a.Busy {
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return a, fmt.Errorf("journey: the application is still %s: %w", a.State, err)
		}
		var err error
		if a, err = w.Application(ctx, p, id); err != nil {
			return a, err
		}
	}
	return a, nil
}

// Application asks how far an application has come.
func (w *World) Application(ctx context.Context, p *Person, id string) (a Application, err error) {
	return a, p.Ask(ctx, http.MethodGet, "/enterprise-applications/"+id, nil, &a)
}

// ByPhone verifies an enterprise by a code to its representative's phone
// (法定代表人手机号认证).
func (w *World) ByPhone(ctx context.Context, p *Person, e *Enterprise) error {
	return w.byLegal(ctx, p, e, "/phone", map[string]string{})
}

// ByCard verifies it by the representative's bank card and the phone that his bank
// knows (法定代表人银行卡认证).
func (w *World) ByCard(ctx context.Context, p *Person, e *Enterprise) error {
	return w.byLegal(ctx, p, e, "/bank", map[string]string{"bankCard": e.Card})
}

func (w *World) byLegal(ctx context.Context, p *Person, e *Enterprise, way string, proof map[string]string) error {
	a, err := w.Apply(ctx, p, e)
	if err != nil {
		return err
	}
	if proof["ticket"], proof["code"], err = w.Code(ctx, p.Phone, "legal", e.Legal.Number); err != nil {
		return err
	}
	proof["phone"] = e.Legal.Number
	if a, err = w.step(ctx, p, a, way, proof); err != nil {
		return err
	}
	return w.verified(ctx, p, a, e)
}

// verified holds an application to its end: the enterprise is found, and its
// applicant administers it.
func (w *World) verified(ctx context.Context, p *Person, a Application, e *Enterprise) error {
	if a.State != "verified" || a.Enterprise == "" {
		return fmt.Errorf("journey: the application is %s %v", a.State, a.Reasons)
	}
	id, relation, err := w.Found(ctx, p, e)
	if err != nil {
		return err
	}
	if id != a.Enterprise || relation != "administrator" {
		return fmt.Errorf("journey: the search finds %q, and the applicant is %q there", id, relation)
	}
	e.ID = id
	return nil
}

// Members lists an enterprise's first members as its administrator sees them.
func (w *World) Members(ctx context.Context, p *Person, enterprise string) ([]Member, error) {
	var list struct {
		Members []Member `json:"members"`
	}
	return list.Members, p.Ask(ctx, http.MethodGet, "/enterprises/"+enterprise+"/members", nil, &list)
}

// AskToJoin asks to join (申请加入), naming the administrator as the person knows him.
func (w *World) AskToJoin(ctx context.Context, p *Person, enterprise, name, number string) error {
	return p.Ask(ctx, http.MethodPost, "/enterprises/"+enterprise+"/requests",
		map[string]string{"administratorName": name, "administratorPhone": number}, nil)
}

// Decide answers the oldest request to join: accepts, or with a reason refuses.
func (w *World) Decide(ctx context.Context, administrator *Person, enterprise, reason string) error {
	var waiting struct {
		Requests []struct {
			ID string `json:"id"`
		} `json:"requests"`
	}
	path := "/enterprises/" + enterprise + "/requests"
	if err := administrator.Ask(ctx, http.MethodGet, path, nil, &waiting); err != nil {
		return err
	}
	if len(waiting.Requests) == 0 {
		return errors.New("journey: nobody asks to join")
	}
	if path += "/" + waiting.Requests[0].ID; reason != "" {
		return administrator.Ask(ctx, http.MethodPost, path+"/refuse", map[string]string{"reason": reason}, nil)
	}
	return administrator.Ask(ctx, http.MethodPost, path+"/accept", struct{}{}, nil)
}

// Invite invites somebody by SMS (邀请加入) and gives the link that arrives.
func (w *World) Invite(ctx context.Context, administrator, guest *Person, enterprise string) (link string, err error) {
	if err := administrator.Ask(ctx, http.MethodPost, "/enterprises/"+enterprise+"/invitations",
		map[string]string{"name": guest.Name, "phone": guest.Number}, nil); err != nil {
		return "", err
	}
	return w.awaitText(ctx, guest.Number, 0, func(m sms) string { return m.Params["link"] })
}

// Look opens an invitation's link, signed in or not.
func (w *World) Look(ctx context.Context, p *Person, link string) (Invited, error) {
	_, token, ok := strings.Cut(link, "#t=")
	if !ok {
		return Invited{}, errors.New("journey: the link carries no token")
	}
	var v Invited
	return v, p.Ask(ctx, http.MethodPost, "/invitations/look", map[string]string{"token": token}, &v)
}

// Transfer makes a member the administrator (转让管理员) with an SMS code.
// phone.Phone.Transfer does it with the PIN.
func (w *World) Transfer(ctx context.Context, from *Person, enterprise, member string) error {
	ticket, code, err := w.Code(ctx, from.Phone, "transfer", from.Number)
	if err != nil {
		return err
	}
	return from.Ask(ctx, http.MethodPost, "/enterprises/"+enterprise+"/transfer",
		map[string]string{"member": member, "ticket": ticket, "code": code}, nil)
}

// Identities lists the enterprises that a person can act as.
func (w *World) Identities(ctx context.Context, p *Person) ([]Identity, error) {
	var who struct {
		Enterprises []Identity `json:"enterprises"`
	}
	return who.Enterprises, p.Ask(ctx, http.MethodGet, "/identities", nil, &who)
}

// Noticed gives the latest notice of a kind.
func (w *World) Noticed(ctx context.Context, p *Person, kind string) (Notice, error) {
	var page struct {
		Notices []Notice `json:"notices"`
	}
	if err := p.Ask(ctx, http.MethodGet, "/notices", nil, &page); err != nil {
		return Notice{}, err
	}
	i := slices.IndexFunc(page.Notices, func(n Notice) bool { return n.Kind == kind })
	if i < 0 {
		return Notice{}, fmt.Errorf("journey: there is no notice %s", kind)
	}
	return page.Notices[i], nil
}

// Texted waits for the SMS of a notice.
func (w *World) Texted(ctx context.Context, number, title string) error {
	_, err := w.awaitText(ctx, number, 0, func(m sms) string {
		if m.Template != "notice" || m.Params["title"] != title {
			return ""
		}
		return title
	})
	return err
}

// Letter downloads an application's letter of authorisation (企业授权书) as PDF.
func (w *World) Letter(ctx context.Context, p *Person, a Application) ([]byte, error) {
	var b bytes.Buffer
	err := p.Ask(ctx, http.MethodGet, "/enterprise-applications/"+a.ID+"/letter.pdf", nil, &b)
	return b.Bytes(), err
}

// Submit hands the documents to review (单位证件认证).
func (w *World) Submit(ctx context.Context, p *Person, a Application) (Application, error) {
	return w.step(ctx, p, a, "/submit", struct{}{})
}

// mustRefuse turns a refusal that has to come into no error, and anything else into one.
func mustRefuse(what string, err error, code string) error {
	if phone.IsCode(err, code) {
		return nil
	}
	return fmt.Errorf("journey: %s: %v, want %s", what, err, code)
}
