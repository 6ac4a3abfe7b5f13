package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/rename"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/httpapi/app/enterprises"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/realname"
	"tianweitong/internal/store/people"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

// claimed takes an application before the officer and gives when it was submitted.
func (h *house) claimed(application string) time.Time {
	h.t.Helper()
	r, err := h.desk.Review(h.t.Context(), application)
	if err == nil {
		err = h.desk.Claim(h.t.Context(), verification.Officer{ID: "o"}, application)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return r.Application.SubmittedAt
}

type noApplications struct{}

func (noApplications) ApplicationsOf(context.Context, work.Tx, string, int) ([]enterprise.Application, error) {
	return nil, nil
}

// enterprises is their room between the sandbox and the members.
func (h *house) enterprises(checker *idcheck.Client, log *slog.Logger) {
	d := &h.deps
	h.desk = verification.New(verification.Deps{Runner: h.st, Store: people.Enterprises(h.st), Members: h.members, Clock: h.clock, Rand: rand.Reader, Box: h.st.Box,
		Log: log, Codes: d.Accounts, Officers: d.Accounts, Registry: checker, Checker: checker, Notices: d.Notices, Changed: &rename.Service{},
		Letter: func(verification.LetterFacts) ([]byte, error) { return []byte("%PDF-1.7"), nil }})
	h.desk.Register(h.jobs)
	d.Members, d.Rooms = h.members, []app.Room{&enterprises.Service{Enterprises: h.desk, Members: h.members}}
}

// verifiedAs makes the signed-in account's person without a face.
func (d *device) verifiedAs(account, name string) {
	d.t.Helper()
	d.do(func(ctx context.Context, tx work.Tx) error {
		_, err := people.Realnames(d.st).AddPerson(ctx, tx, realname.Person{Account: account, Holder: "h" + account, Name: name,
			IDType: realname.IDResident, IDNumber: "110101199003070011", IDHash: []byte(account), VerifiedAt: noon})
		return err
	})
}

// paper is a photograph that can be read.
func paper(t *testing.T) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 640, 420))
	for i := range img.Pix {
		if img.Pix[i] = 230; i/4%3 == 0 {
			img.Pix[i] = 20
		}
	}
	img.SetGray(0, 0, color.Gray{Y: 0})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var fourElements = object{"name": "测试甲科技(集团)有限公司", "code": "91999999MA0TE5T00T", "legalName": "测试法", "legalIDNumber": "110101197001010016"}

// next sets the checker's next outcome.
func (h *house) next(outcome string) {
	h.t.Helper()
	res, err := http.Post(h.sandbox+"/sandbox/idcheck/next", "application/json", bytes.NewReader([]byte(`{"outcome":"`+outcome+`"}`)))
	if err != nil || res.StatusCode != http.StatusNoContent {
		h.t.Fatalf("setting the outcome: %v, %v", res, err)
	}
	res.Body.Close()
}

func TestAnEnterpriseIsVerifiedOverHTTP_2_4_2(t *testing.T) {
	h := open(t)
	d := h.device()
	d.call(http.MethodPost, "/enterprise-applications", fourElements).refused(401, "login_required")
	s := d.signIn("13900000001")
	d.call(http.MethodPost, "/enterprise-applications", fourElements).refused(409, "not_verified")
	d.verifiedAs(s.Account, "测试甲")
	d.call(http.MethodPost, "/enterprise-applications", object{"name": "测试甲有限公司", "code": "91999999MA0TE5T00X", "legalName": "测试法",
		"legalIDNumber": "110101197001010016"}).refused(422, "enterprise_code_invalid")
	var a enterprises.ApplicationBody
	d.call(http.MethodPost, "/enterprise-applications", fourElements).into(&a)
	if a.State != "draft" || a.Name != "测试甲科技（集团）有限公司" || a.LegalIDMasked != "1101**********0016" || a.RemainingToday != 5 || a.Stage == "" {
		t.Fatalf("application %+v", a)
	}
	at := "/enterprise-applications/" + a.ID
	h.next("refuse")
	d.call(http.MethodPost, at+"/check", nil).into(&a)
	if a.State != "checked" || len(a.Reasons) != 1 || a.Reasons[0].Code != "registry_legal" || len(a.Ways) != 1 {
		t.Fatalf("with another representative: %+v", a)
	}
	d.call(http.MethodPut, at, object{"name": "", "code": "", "legalName": "测试法乙", "legalIDNumber": ""}).into(&a)
	d.call(http.MethodPost, at+"/check", nil).into(&a)
	if a.State != "checked" || len(a.Reasons) != 0 || len(a.Ways) != 3 || len(a.Missing) != 4 {
		t.Fatalf("corrected: %+v", a)
	}
	ticket, code := d.code("13800009999", "legal")
	proof := object{"phone": "13800009999", "ticket": ticket, "code": code}
	d.call(http.MethodPost, at+"/phone", proof).refused(409, "enterprise_pictures_missing")
	d.kind = "image/jpeg"
	d.call(http.MethodPut, at+"/pictures/id-front", []byte("%PDF-1.7")).refused(422, "picture_is_pdf")
	d.call(http.MethodPut, at+"/pictures/id-front", append(paper(t), make([]byte, 10<<20)...)).refused(413, "body_too_large")
	for _, kind := range []string{"id-front", "id-back"} {
		d.call(http.MethodPut, at+"/pictures/"+kind, paper(t)).into(&a)
	}
	if picture := d.call(http.MethodGet, at+"/pictures/id-back", nil); picture.status != 200 || !bytes.HasPrefix(picture.body, []byte("\xff\xd8\xff")) {
		t.Fatalf("own picture: %d", picture.status)
	}
	if letter := d.call(http.MethodGet, at+"/letter.pdf", nil); letter.status != 200 || !bytes.HasPrefix(letter.body, []byte("%PDF")) {
		t.Fatalf("letter: %d %s", letter.status, letter.body)
	}
	h.next("timeout")
	d.call(http.MethodPost, at+"/phone", proof).into(&a)
	if a.State != "verifying" || !a.Busy || a.LegalName != "测**乙" {
		t.Fatalf("while nobody answers: %+v", a)
	}
	h.clock.Advance(realname.Wait * 2)
	h.drain()
	d.call(http.MethodGet, at, nil).into(&a)
	if a.State != "verified" || a.Enterprise == "" || a.Method != "phone" {
		t.Fatalf("afterwards: %+v", a)
	}
	var e enterprises.EnterpriseBody
	d.call(http.MethodGet, "/enterprises/"+a.Enterprise, nil).into(&e)
	if e.Role != "administrator" || e.Administrator.Name != "测试甲" || e.Administrator.Phone != "139****0001" || e.LegalNameMasked != "测**乙" || len(e.History) != 1 {
		t.Fatalf("enterprise %+v", e)
	}
	var found enterprises.FoundListBody
	d.call(http.MethodGet, "/enterprises/search?q=%E9%9B%86%E5%9B%A2", nil).into(&found)
	if len(found.Results) != 1 || found.Results[0].Relation != "administrator" {
		t.Fatalf("found %+v", found)
	}

	other := h.device()
	o := other.signIn("13900000002")
	other.verifiedAs(o.Account, "测试乙")
	other.call(http.MethodGet, at, nil).refused(404, "enterprise_application_unknown")
	other.call(http.MethodGet, at+"/pictures/id-front", nil).refused(404, "enterprise_application_unknown")
	other.call(http.MethodGet, "/enterprises/"+a.Enterprise, nil).refused(403, "identity_lost")
	if p := other.call(http.MethodPost, "/enterprise-applications", fourElements).refused(409, "enterprise_exists"); p["enterprise"] != a.Enterprise {
		t.Errorf("problem %v", p)
	}
}

func TestDocumentsAreReviewedOverHTTP_2_4_2(t *testing.T) {
	h := open(t)
	d := h.device()
	d.verifiedAs(d.signIn("13900000001").Account, "测试甲")
	var a enterprises.ApplicationBody
	d.call(http.MethodPost, "/enterprise-applications", fourElements).into(&a)
	at := "/enterprise-applications/" + a.ID
	d.call(http.MethodPost, at+"/check", nil).into(&a)
	d.call(http.MethodPost, at+"/submit", nil).refused(409, "enterprise_pictures_missing")
	d.kind = "image/jpeg"
	for _, kind := range a.Missing {
		d.call(http.MethodPut, at+"/pictures/"+kind, paper(t)).into(&a)
	}
	d.call(http.MethodPost, at+"/submit", nil).into(&a)
	if a.State != "reviewing" || a.LeftWorkingSeconds != 9*3600 || a.DueAt.IsZero() || a.LegalName != "测*法" {
		t.Fatalf("submitted: %+v", a)
	}
	if err := h.desk.Refuse(t.Context(), verification.Officer{ID: "o"}, a.ID, h.claimed(a.ID), []string{"licence_unreadable"}, ""); err != nil {
		t.Fatal(err)
	}
	var all enterprises.ApplicationsBody
	d.call(http.MethodGet, "/enterprise-applications", nil).into(&all)
	if len(all.Applications) != 1 || all.Applications[0].State != "refused" || len(all.Applications[0].Reasons) != 1 {
		t.Fatalf("refused: %+v", all)
	}
	d.call(http.MethodPut, at+"/pictures/licence", paper(t)).into(&a)
	d.call(http.MethodPost, at+"/submit", nil).into(&a)
	if err := h.desk.Approve(t.Context(), verification.Officer{ID: "o"}, a.ID, h.claimed(a.ID), []string{"letter_seal", "letter_facts", "licence", "id_card"}); err != nil {
		t.Fatal(err)
	}
	d.call(http.MethodGet, at, nil).into(&a)
	if a.State != "verified" || a.Method != "documents" {
		t.Fatalf("approved: %+v", a)
	}
	d.call(http.MethodDelete, at, nil).refused(410, "enterprise_application_over")
}
