package app_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/httpapi/app/enterprises"
	"tianweitong/internal/id"
	"tianweitong/internal/order"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// verified signs somebody in whose person is verified.
func (h *house) verified(phone, name string) (*device, string) {
	h.t.Helper()
	d := h.device()
	s := d.signIn(phone)
	h.do(func(ctx context.Context, tx work.Tx) error {
		_, err := people.Realnames(h.st).AddPerson(ctx, tx, realname.Person{
			Account: s.Account, Holder: "h" + s.Account, Name: name, IDType: realname.IDResident, IDNumber: "x", IDHash: []byte(s.Account), VerifiedAt: noon,
		})
		return err
	})
	return d, s.Account
}

// found makes a verified enterprise with its administrator and other members.
func (h *house) found(name, administrator string, others ...string) string {
	h.t.Helper()
	e := id.New(rand.Reader)
	h.do(func(ctx context.Context, tx work.Tx) error {
		if _, err := store.Raw(tx).ExecContext(ctx, `INSERT INTO enterprises (id, name, code, legal_name, legal_id, legal_id_hash, administrator, method, verified_at, created_at, facts, version)
			VALUES ($1, $2, $1, $3, $3, $3, $4, 'phone', 0, 0, 1, 1)`, e, name, []byte{}, administrator); err != nil {
			return err
		}
		for _, acc := range append([]string{administrator}, others...) {
			if _, err := h.members.Join(ctx, tx, e, acc, enterprise.ViaInvited); err != nil {
				return err
			}
		}
		return nil
	})
	return e
}

func Test2_4_5_MembersOverHTTP(t *testing.T) {
	h := open(t)
	boss, bossID := h.verified("13900000001", "管理甲")
	ann, annID := h.verified("13900000002", "成员乙")
	e := h.found("示例建设有限公司", bossID)
	base := "/enterprises/" + e

	// By application.
	wrong := ann.call(http.MethodPost, base+"/requests", object{"administratorName": "别人", "administratorPhone": "13900000001"}).refused(422, "administrator_mismatch")
	if wrong["remaining"] != 4.0 {
		t.Errorf("problem = %v", wrong)
	}
	var asked enterprises.JoinRequestBody
	ann.call(http.MethodPost, base+"/requests", object{"administratorName": "管理甲", "administratorPhone": "13900000001"}).into(&asked)
	if asked.EnterpriseName != "示例建设有限公司" || asked.State != "open" {
		t.Errorf("asked: %+v", asked)
	}
	ann.call(http.MethodGet, base+"/requests", nil).refused(403, "identity_lost")
	var todos app.TodosBody
	boss.call(http.MethodGet, "/todos", nil).into(&todos)
	if len(todos.Todos) != 0 && todos.Todos[0].Kind == "join_requests" {
		t.Error("the person sees what waits for the enterprise's administrator")
	}
	boss.call(http.MethodGet, "/todos?as="+e, nil).into(&todos)
	if len(todos.Todos) != 1 || todos.Todos[0].Kind != "join_requests" || todos.Todos[0].Action.Enterprise != e || todos.Todos[0].Title != "1 人申请加入企业" {
		t.Errorf("todos: %+v", todos)
	}
	var waiting enterprises.ApplicantsBody
	boss.call(http.MethodGet, base+"/requests", nil).into(&waiting)
	boss.call(http.MethodPost, base+"/requests/"+waiting.Requests[0].ID+"/refuse", object{"reason": "x"}).refused(422, "member_reason")
	if a := boss.call(http.MethodPost, base+"/requests/"+waiting.Requests[0].ID+"/accept", nil); a.status != 204 {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	var members enterprises.MembersBody
	boss.call(http.MethodGet, base+"/members", nil).into(&members)
	if members.Total != 2 || !members.Members[0].Self || members.Members[1].Name != "成员乙" || members.Members[1].PhoneMasked != "139****0002" {
		t.Errorf("members: %+v", members)
	}
	ann.call(http.MethodGet, base+"/members", nil).refused(403, "not_administrator")

	// By invitation: the link is looked at before the login.
	var invited enterprises.InvitationBody
	boss.call(http.MethodPost, base+"/invitations", object{"name": "成员丙", "phone": "13900000003"}).into(&invited)
	if invited.PhoneMasked != "139****0003" || invited.ExpiresAt.Sub(invited.SentAt) != 7*24*time.Hour {
		t.Errorf("invited: %+v", invited)
	}
	link := h.text("13900000003", "enterprise.invitation")["link"]
	token, ok := strings.CutPrefix(link, "https://app.test/i#t=")
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	var seen enterprises.InvitedBody
	h.device().call(http.MethodPost, "/invitations/look", object{"token": token}).into(&seen)
	if seen.EnterpriseName != "示例建设有限公司" || seen.NameMasked != "成*丙" || seen.InviterMasked != "管*甲" || seen.PhoneMasked != "139****0003" || seen.State != "open" {
		t.Errorf("seen: %+v", seen)
	}
	h.device().call(http.MethodPost, "/invitations/look", object{"token": "guess"}).refused(404, "invitation_unknown")
	ben, _ := h.verified("13900000003", "成员丙")
	ann.call(http.MethodPost, "/invitations/"+seen.ID+"/accept", nil).refused(404, "invitation_unknown")
	ben.call(http.MethodGet, "/todos", nil).into(&todos)
	if !strings.Contains(fmt.Sprint(todos), "invitation") {
		t.Errorf("todos: %+v", todos)
	}
	var mine enterprises.InvitedListBody
	ben.call(http.MethodGet, "/invitations", nil).into(&mine)
	var joined enterprises.JoinedBody
	ben.call(http.MethodPost, "/invitations/"+mine.Invitations[0].ID+"/accept", nil).into(&joined)
	if joined.Enterprise != e {
		t.Errorf("joined %+v", joined)
	}
	if p := ben.call(http.MethodPost, "/invitations/"+seen.ID+"/accept", nil).refused(410, "invitation_over"); p["state"] != "accepted" {
		t.Errorf("problem = %v", p)
	}

	// Identities, removal, leaving, transfer.
	var who enterprises.IdentitiesBody
	ben.call(http.MethodGet, "/identities", nil).into(&who)
	if who.Person.Name != "成员丙" || len(who.Enterprises) != 1 || who.Enterprises[0].Role != "member" {
		t.Errorf("identities: %+v", who)
	}
	boss.call(http.MethodGet, base+"/members?q=成员丙", nil).into(&members)
	if len(members.Members) != 1 {
		t.Fatalf("found: %+v", members)
	}
	if a := boss.call(http.MethodDelete, base+"/members/"+members.Members[0].ID, object{"reason": "已离职"}); a.status != 204 {
		t.Fatalf("remove: %d %s", a.status, a.body)
	}
	ben.call(http.MethodGet, "/todos?as="+e, nil).refused(403, "identity_lost")
	boss.call(http.MethodPost, base+"/leave", nil).refused(409, "administrator_stays")
	boss.call(http.MethodGet, base+"/members?q=成员乙", nil).into(&members)
	ticket, code := boss.code("13900000001", "transfer")
	if a := boss.call(http.MethodPost, base+"/transfer", object{"member": members.Members[0].ID, "ticket": ticket, "code": code}); a.status != 204 {
		t.Fatalf("transfer: %d %s", a.status, a.body)
	}
	boss.call(http.MethodGet, base+"/members", nil).refused(403, "not_administrator")
	ann.call(http.MethodGet, base+"/members", nil).into(&members)
	if a := boss.call(http.MethodPost, base+"/leave?as="+e, nil); a.status != 204 {
		t.Fatalf("leave: %d %s", a.status, a.body)
	}
	_ = annID
}

// text gives the parameters of the last SMS of a template to a number.
func (h *house) text(phone, template string) map[string]string {
	h.t.Helper()
	h.drain()
	res, err := http.Get(h.sandbox + "/sandbox/sms?phone=" + phone)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var inbox []sandbox.Text
	if err := json.NewDecoder(res.Body).Decode(&inbox); err != nil {
		h.t.Fatal(err)
	}
	for _, m := range inbox {
		if m.Template == template {
			return m.Params
		}
	}
	h.t.Fatalf("no %s came", template)
	return nil
}

func Test2_4_3_EveryListShowsTheIdentitysThingsAlone(t *testing.T) {
	h := open(t)
	boss, bossID := h.verified("13900000001", "管理甲")
	ann, annID := h.verified("13900000002", "成员乙")
	stranger, _ := h.verified("13900000003", "路人丙")
	e, other := h.found("示例建设有限公司", bossID, annID), h.found("别家建设有限公司", bossID)
	h.do(func(ctx context.Context, tx work.Tx) error {
		return errors.Join(h.deps.Catalog.PutInstitution(ctx, tx, catalog.Institution{Code: "010001", Name: "示例 CA", Active: true}),
			h.deps.Catalog.RegisterPlatform(ctx, tx, catalog.Platform{Code: "M1100000034", Name: "示例交易平台", Region: "北京", Host: "bid.example.com", Active: true}))
	})
	for _, x := range []struct{ acc, in string }{{bossID, ""}, {annID, ""}, {bossID, e}, {annID, e}, {bossID, other}} {
		h.do(func(ctx context.Context, tx work.Tx) error {
			n := id.New(rand.Reader)
			kind, buyer := certificate.Person, order.Person
			if x.in != "" {
				kind, buyer = certificate.Enterprise, order.Enterprise
			}
			if err := h.st.Certificates().Insert(ctx, tx, certificate.Certificate{
				ID: n, Holder: certificate.Holder{Kind: kind, Account: x.acc, Enterprise: x.in}, Institution: "010001", Years: 1, Platform: "M1100000034", Order: "o" + n,
				Line: "l" + n, State: certificate.Pending, CreatedAt: noon, Version: 1,
			}); err != nil {
				return err
			}
			if err := h.st.Orders().Insert(ctx, tx, order.Order{
				ID: "o" + n, Buyer: order.Buyer{Kind: buyer, Account: x.acc, Enterprise: x.in}, State: order.Cancelled, CreatedAt: noon, ExpiresAt: noon, Version: 1,
			}); err != nil {
				return err
			}
			return h.deps.Usages.Write(ctx, tx, usage.Record{Ref: n, At: noon, Account: x.acc, Enterprise: x.in, Device: "d", Operator: "某人", Business: "check", Outcome: usage.OK})
		})
	}
	for name, x := range map[string]struct {
		d                            *device
		as                           string
		certificates, orders, usages int
	}{
		"administrator as a person":          {boss, "", 1, 1, 1},
		"administrator as his enterprise":    {boss, e, 2, 1, 2},
		"administrator as another of his":    {boss, other, 1, 1, 1},
		"member as a person":                 {ann, "", 1, 1, 1},
		"member as the enterprise":           {ann, e, 1, 1, 1},
		"who belongs to none, for himself":   {stranger, "", 0, 0, 0},
		"member with the parameter as empty": {ann, "&as=", 1, 1, 1},
	} {
		q := "?as=" + x.as
		if x.as == "" {
			q = "?"
		} else if x.as == "&as=" {
			q = "?as="
		}
		var certificates app.CertificatesBody
		var counts app.CertificateCountsBody
		var orders app.OrdersBody
		var usages app.UsagesBody
		x.d.call(http.MethodGet, "/certificates"+q, nil).into(&certificates)
		x.d.call(http.MethodGet, "/certificates/counts"+q, nil).into(&counts)
		x.d.call(http.MethodGet, "/orders"+q, nil).into(&orders)
		x.d.call(http.MethodGet, "/usage"+q, nil).into(&usages)
		if len(certificates.Certificates) != x.certificates || counts.Total != x.certificates || len(orders.Orders) != x.orders || len(usages.Records) != x.usages {
			t.Errorf("%s: %d certificates, counted %d, %d orders, %d records", name, len(certificates.Certificates), counts.Total, len(orders.Orders), len(usages.Records))
		}
		for _, c := range certificates.Certificates {
			if a := x.d.call(http.MethodGet, "/certificates/"+c.ID+q, nil); a.status != 200 {
				t.Errorf("%s cannot open what is listed: %d", name, a.status)
			}
			stranger.call(http.MethodGet, "/certificates/"+c.ID, nil).refused(404, "certificate_not_found")
		}
	}
	stranger.call(http.MethodGet, "/certificates?as="+e, nil).refused(403, "identity_lost")
	ann.call(http.MethodGet, "/certificates?as="+other, nil).refused(403, "identity_lost")
	ann.call(http.MethodGet, "/certificates?as=absent", nil).refused(403, "identity_lost")
	ann.call(http.MethodGet, "/certificates?as="+e+"&as="+other, nil).refused(422, "request_malformed")
	ann.call(http.MethodPost, "/orders?as="+e, object{"institution": "010001", "years": 1, "platform": "P"}).refused(409, "enterprise_later")
	ann.call(http.MethodPost, "/scans?as="+e, object{"qr": "x"}).refused(409, "enterprise_later")
	ann.call(http.MethodPost, "/pin/setup?as="+e, object{}).refused(409, "enterprise_later")
}

func TestAFormerMembersIdentityIsRefusedAtOnceAlsoOnOpenStreams(t *testing.T) {
	h, _ := streaming(t, time.Hour) // no heartbeat helps
	boss, bossID := h.verified("13900000001", "管理甲")
	ann, annID := h.verified("13900000002", "成员乙")
	e := h.found("示例建设有限公司", bossID, annID)
	acting, personal := ann.listenTo("/events?as="+e), ann.listen()
	acting.beats(1)
	personal.beats(1)
	h.do(func(_ context.Context, tx work.Tx) error { // news of the enterprise alone end nothing
		tx.Wake(annID, work.Enterprise)
		return nil
	})
	acting.hears("enterprise")
	personal.hears("enterprise")
	var m enterprise.Member
	h.do(func(ctx context.Context, tx work.Tx) (err error) {
		m, err = h.members.Store.Current(ctx, tx, e, annID)
		return err
	})
	if err := h.members.Remove(t.Context(), account.Caller{Account: bossID}, e, m.ID, "已离职"); err != nil {
		t.Fatal(err)
	}
	acting.ends()
	ann.call(http.MethodGet, "/certificates?as="+e, nil).refused(403, "identity_lost")
	ann.call(http.MethodGet, "/events?as="+e, nil).refused(403, "identity_lost")
	for range 2 { // the person's stream goes on: the enterprise and the notice
		personal.hears("enterprise", "notices")
	}
	h.do(func(_ context.Context, tx work.Tx) error { tx.Wake(annID, work.Orders); return nil })
	personal.hears("orders", "enterprise", "notices")
	boss.call(http.MethodGet, "/enterprises/"+e+"/members?as="+e, nil).into(&enterprises.MembersBody{})
}
