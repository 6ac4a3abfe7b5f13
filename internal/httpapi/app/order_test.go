package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/flow/purchase"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/order"
	"tianweitong/internal/provider/pay"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

// shop is a house that sells, with a cashier on real HTTP.
type shop struct {
	*house
	counter *pay.Counter
}

func openShop(t *testing.T) *shop {
	s := &shop{house: open(t)}
	var api http.Handler
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api.ServeHTTP(w, r) }))
	t.Cleanup(door.Close)
	cashier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.counter.ServeHTTP(w, r) }))
	t.Cleanup(cashier.Close)
	merchant := pay.Secret{Merchant: "M0001", Key: bytes.Repeat([]byte{7}, pay.KeySize)}
	var err error
	if s.counter, err = pay.NewCounter(pay.CounterOptions{Secret: merchant, Public: cashier.URL, Clock: s.clock, Rand: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	gateway, err := pay.NewSandbox(pay.Options{Secret: merchant, Base: cashier.URL + pay.GatewayPath, Notify: door.URL + "/notify/pay/sandbox", Clock: s.clock, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	d := &s.deps
	d.Certificates = certificate.New(certificate.Deps{Store: s.st.Certificates(), Runner: s.st, Clock: s.clock, Rand: rand.Reader, Devices: d.Accounts, Directory: d.Catalog})
	d.Roamings = roaming.New(roaming.Deps{Store: s.st.Roamings(), Clock: s.clock, Rand: rand.Reader})
	d.Orders = order.New(order.Deps{
		Store: s.st.Orders(), Runner: s.st, Clock: s.clock, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(s, nil)),
		Prices: purchase.Prices{Catalog: d.Catalog}, Notices: d.Notices, Gateways: map[string]order.Gateway{"sandbox": gateway},
		Fulfiller: purchase.Fulfiller{Certificates: d.Certificates, Roamings: d.Roamings, Notices: d.Notices},
	})
	d.Purchases = purchase.New(purchase.Deps{Runner: s.st, Persons: d.Realnames, Orders: d.Orders})
	d.Orders.Register(s.jobs)
	api = app.New(*d).Handler()
	s.api = door.URL
	s.do(func(ctx context.Context, tx work.Tx) error {
		return errors.Join(
			d.Catalog.PutInstitution(ctx, tx, catalog.Institution{Code: "010001", Name: "示例CA", Active: true}),
			d.Catalog.SetPrice(ctx, tx, catalog.Price{Institution: "010001", Kind: catalog.KindCertificate, Years: 1, Fen: 12000, From: s.clock.Now()}),
			d.Catalog.RegisterPlatform(ctx, tx, catalog.Platform{
				Code: "M1100000034", Name: "示例交易平台", Region: "北京", Host: "bid.example.com", CallbackBase: "https://bid.example.com/twt",
				SignCertificate: []byte("s"), EncCertificate: []byte("e"), Active: true,
			}))
	})
	return s
}

// verify gives a signed-in person a real name.
func (d *device) verify(phone string) {
	d.t.Helper()
	ticket, code := d.code(phone, "realname")
	var check app.CheckBody
	d.call(http.MethodPost, "/realname", object{"name": "测试甲", "idNumber": "11010519491231002X", "ticket": ticket, "code": code,
		"method": "phone", "consentFace": true}).into(&check)
	d.call(http.MethodPut, "/realname/"+check.ID+"/face", mp4).into(&check)
	if check.State != "passed" {
		d.t.Fatalf("check = %+v", check)
	}
}

var cart = object{"institution": "010001", "years": 1, "platform": "M1100000034"}

func TestBuyOverHTTP(t *testing.T) {
	s := openShop(t)
	d := s.device()
	d.call(http.MethodPost, "/orders", cart).refused(401, "login_required")
	d.signIn("13900000001")
	d.call(http.MethodPost, "/orders", cart).refused(409, "not_verified")
	d.verify("13900000001")
	d.call(http.MethodPost, "/orders", object{"institution": "010001", "years": 9, "platform": "M1100000034"}).refused(422, "order_years")
	d.call(http.MethodPost, "/orders", object{"institution": "010001", "years": 1, "platform": "M9999999999"}).refused(404, "platform_unknown")
	d.call(http.MethodPost, "/orders", object{"institution": "010001", "platform": "M1100000034"}).refused(422, "request_malformed")

	var o app.OrderBody
	d.call(http.MethodPost, "/orders", cart).into(&o)
	if o.State != "unpaid" || o.TotalFen != 12000 || len(o.Lines) != 1 || o.Lines[0].PlatformName != "示例交易平台" || o.Lines[0].InstitutionName != "示例CA" {
		t.Fatalf("order = %+v", o)
	}
	d.call(http.MethodPost, "/orders/"+o.ID+"/payments", object{"gateway": "absent"}).refused(404, "payment_gateway_unknown")
	var p, again app.PaymentBody
	d.call(http.MethodPost, "/orders/"+o.ID+"/payments", object{"gateway": "sandbox"}).into(&p)
	d.call(http.MethodPost, "/orders/"+o.ID+"/payments", object{"gateway": "sandbox"}).into(&again)
	if p != again || p.AmountFen != 12000 || p.URL == "" {
		t.Fatalf("payments = %+v, %+v", p, again)
	}
	res, err := http.Post(p.URL+"/pay-twice", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var took bytes.Buffer
	took.ReadFrom(res.Body)
	if strings.TrimSpace(took.String()) != `{"notices":[200,200]}` {
		t.Fatalf("the notices were taken with %s", took.String())
	}
	d.call(http.MethodGet, "/orders/"+o.ID, nil).into(&o)
	if o.State != "paid" || len(o.Payments) != 1 || o.Payments[0].State != "settled" || o.Payments[0].URL != "" || !o.Lines[0].Refundable {
		t.Fatalf("order = %+v", o)
	}
	var list app.OrdersBody
	d.call(http.MethodGet, "/orders", nil).into(&list)
	if len(list.Orders) != 1 || list.Orders[0].ID != o.ID || list.Next != "" {
		t.Fatalf("orders = %+v", list)
	}

	var certificates app.CertificatesBody
	for query, want := range map[string]int{
		"": 1, "state=pending": 1, "state=valid": 0, "query=" + url.QueryEscape("示例"): 1, "query=" + url.QueryEscape("测试甲"): 1,
		"query=" + url.QueryEscape("没有"): 0, "state=pending&query=" + url.QueryEscape("交易"): 1,
	} {
		d.call(http.MethodGet, "/certificates?"+query, nil).into(&certificates)
		if len(certificates.Certificates) != want {
			t.Errorf("%q: %+v", query, certificates)
		}
	}
	d.call(http.MethodGet, "/certificates?state=dancing", nil).refused(422, "request_malformed")
	d.call(http.MethodGet, "/certificates", nil).into(&certificates)
	id := certificates.Certificates[0].ID
	var c app.CertificateBody
	d.call(http.MethodGet, "/certificates/"+id, nil).into(&c)
	if c.State != "pending" || c.Order != o.ID || len(c.Roamings) != 1 || c.Roamings[0].State != "opening" || c.Roamings[0].Name != "示例交易平台" {
		t.Fatalf("certificate = %+v", c)
	}

	stranger := s.device()
	stranger.signIn("13900000002")
	stranger.call(http.MethodGet, "/orders/"+o.ID, nil).refused(404, "order_not_found")
	stranger.call(http.MethodGet, "/certificates/"+id, nil).refused(404, "certificate_not_found")
	stranger.call(http.MethodPost, "/orders/"+o.ID+"/lines/"+o.Lines[0].ID+"/refund", nil).refused(404, "order_not_found")

	d.call(http.MethodPost, "/orders/"+o.ID+"/cancel", nil).refused(409, "order_not_unpaid")
	d.call(http.MethodPost, "/orders/"+o.ID+"/lines/absent/refund", nil).refused(404, "order_not_found")
	d.call(http.MethodPost, "/orders/"+o.ID+"/lines/"+o.Lines[0].ID+"/refund", nil).into(&o)
	if o.State != "refunding" || len(o.Refunds) != 1 || o.Refunds[0].State != "open" || o.Lines[0].Refundable {
		t.Fatalf("order = %+v", o)
	}
	d.drain()
	d.call(http.MethodGet, "/orders/"+o.ID, nil).into(&o)
	d.call(http.MethodGet, "/certificates/"+id, nil).into(&c)
	if o.State != "refunded" || o.Refunds[0].State != "done" || c.State != "cancelled" || c.Roamings[0].State != "cancelled" {
		t.Fatalf("order = %+v, certificate = %+v", o, c)
	}
}

func TestOrderRunsOutOverHTTP(t *testing.T) {
	s := openShop(t)
	d := s.device()
	d.signIn("13900000001")
	d.verify("13900000001")
	var o, cancelled app.OrderBody
	d.call(http.MethodPost, "/orders", cart).into(&o)
	d.call(http.MethodPost, "/orders", cart).into(&cancelled)
	d.call(http.MethodPost, "/orders/"+cancelled.ID+"/cancel", nil).into(&cancelled)
	if cancelled.State != "cancelled" || cancelled.Reason != "buyer" {
		t.Fatalf("order = %+v", cancelled)
	}
	s.clock.Advance(30 * time.Minute)
	d.call(http.MethodGet, "/orders/"+o.ID, nil).into(&o)
	if o.State != "cancelled" || o.Reason != "expired" {
		t.Fatalf("order = %+v", o)
	}
	d.call(http.MethodPost, "/orders/"+o.ID+"/payments", object{"gateway": "sandbox"}).refused(410, "order_expired")
}

func TestForgedNoticesAreRefusedOverHTTP(t *testing.T) {
	s := openShop(t)
	for path, want := range map[string]string{"/notify/pay/sandbox": "payment_notice_invalid", "/notify/pay/absent": "payment_gateway_unknown"} {
		res, err := http.Post(s.api+path, "application/json", strings.NewReader(`{"payment":{"payment":"p","state":"paid","amount":1,"trade":"t","paidAt":1}}`))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.ReadFrom(res.Body)
		res.Body.Close()
		if res.StatusCode/100 != 4 || !strings.Contains(b.String(), `"code":"`+want+`"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, b.String())
		}
	}
}
