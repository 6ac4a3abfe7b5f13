package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/catalog"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/push"
	"tianweitong/internal/scan"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/phone"
	"tianweitong/splitkey"
)

// bidding is the one platform of these tests.
type bidding struct{}

func (bidding) Institution(_ context.Context, _ work.Tx, code string) (catalog.Institution, error) {
	return catalog.Institution{Code: code, Name: "测试CA"}, nil
}

func (bidding) Platform(context.Context, work.Tx, string) (catalog.Platform, error) {
	return catalog.Platform{Code: flowtest.Platform, Name: "示例交易平台", Region: "北京", Host: "bid.example", Active: true, AskCode: true}, nil
}

func scansOf(w *flowtest.World) *scan.Service {
	return scan.New(scan.Deps{
		Store: w.Store.Scans(), Runner: w.Store, Clock: w.Clock, Rand: rand.Reader, Box: storetest.Box(w.T), AppURL: "https://app.example",
		Platforms: bidding{}, People: w.Persons, Certificates: w.Certificates, Roamings: w.Roamings, Usages: w.Usage, Custody: w.Custody,
		Timestamps: w.CA, Push: push.NewHub(0), Notices: w.Notices,
	})
}

// page is the platform's page: it begins a transaction and shows its code.
func (d *doors) page(r scan.Request) (tid string, qr string) {
	d.T.Helper()
	p, _ := bidding{}.Platform(d.T.Context(), nil, "")
	r.Title, r.Binding, r.Browser = "示例业务", make([]byte, 32), scan.Browser{UserAgent: "Test/1", Address: "127.0.0.1"}
	draft, err := d.scans.Draft(p, r)
	d.no(err)
	d.Do(func(ctx context.Context, tx work.Tx) error {
		_, err := d.scans.Create(ctx, tx, draft)
		return err
	})
	q, err := d.scans.QR(d.T.Context(), p.Code, draft.ID())
	d.no(err)
	return draft.ID(), q.Text
}

func (d *doors) status(tid string) scan.Status {
	d.T.Helper()
	st, err := d.scans.Status(d.T.Context(), flowtest.Platform, tid, true)
	d.no(err)
	return st
}

// A whole phone against the real rooms: custody, CA, flows, sealed exchanges.
func TestAPhoneScansAndSignsOverHTTP(t *testing.T) {
	const number = "13812340007"
	d := openFlows(t)
	ctx := t.Context()
	p := d.phone(number)
	_, qr := d.page(scan.Request{Type: scan.Login, Challenge: make([]byte, 32)})
	if _, err := p.ScanQR(ctx, qr); !phone.IsCode(err, "not_verified") {
		t.Fatalf("without a real name: %v", err)
	}
	d.verified(p, number, "110101199003070177")
	_, qr = d.page(scan.Request{Type: scan.Login, Challenge: make([]byte, 32)})
	s, err := p.ScanQR(ctx, qr)
	d.no(err)
	if s.Gate != "NO_CERT" || s.State != "SCANNED" {
		t.Fatalf("without a certificate: %+v", s)
	}
	if _, err := p.Confirm(ctx, s, "", d.status(s.ID).Private.Code); !phone.IsCode(err, "no_certificate") {
		t.Fatalf("confirming without a certificate: %v", err)
	}
	ticket, code := d.code(p, "pin", number)
	d.no(p.SetPIN(ctx, ticket, code, "274950", "274950"))
	cert := d.Buy(p.Account())
	_, err = p.Install(ctx, cert, "274950")
	d.no(err)

	// Login: a wrong PIN costs a try, the right one logs in.
	tid, qr := d.page(scan.Request{Type: scan.Login, Challenge: make([]byte, 32)})
	s, err = p.ScanQR(ctx, qr)
	d.no(err)
	if chosen, ok := s.Chosen(); !ok || chosen != cert || s.Gate != "OK" || !s.AskCode || s.Platform.Name != "示例交易平台" {
		t.Fatalf("scanned %+v", s)
	}
	s, err = p.Confirm(ctx, s, cert, d.status(tid).Private.Code)
	d.no(err)
	if _, err := p.Execute(ctx, s, "111222"); !phone.IsCode(err, "pin_wrong") {
		t.Fatalf("a wrong PIN: %v", err)
	}
	if st := d.status(tid); st.State != scan.Ready {
		t.Fatalf("after a wrong PIN: %s", st.State)
	}
	signed, err := p.Execute(ctx, s, "274950")
	d.no(err)
	st := d.status(tid)
	if st.State != scan.Executed || !bytes.Equal(st.Signed.M, signed.M) || !bytes.Equal(st.Signed.Signature, signed.Signature) || st.Signed.Identity.Name != "测试乙" {
		t.Fatalf("executed %+v", st)
	}

	// Signature: the document itself.
	letter := []byte("投标函：我方承诺遵守招标文件。")
	tid, qr = d.page(scan.Request{Type: scan.Sign, Body: letter, Document: scan.Document{Name: "投标函.txt"}})
	s, err = p.ScanQR(ctx, qr)
	d.no(err)
	s, err = p.Confirm(ctx, s, cert, d.status(tid).Private.Code)
	d.no(err)
	_, err = p.Execute(ctx, s, "274950")
	d.no(err)
	if st := d.status(tid); st.State != scan.Executed || !bytes.Equal(st.Signed.M, letter) || len(st.Signed.Timestamp) == 0 {
		t.Fatalf("executed %+v", st)
	}

	// And a large one by its attributes.
	sum := sm3.Sum(letter)
	tid, qr = d.page(scan.Request{Type: scan.Sign, Document: scan.Document{Name: "投标文件.zip", Size: splitkey.MaxMessage + 1, Digest: sum[:]}})
	s, err = p.ScanQR(ctx, qr)
	d.no(err)
	s, err = p.Confirm(ctx, s, cert, d.status(tid).Private.Code)
	d.no(err)
	_, err = p.Execute(ctx, s, "274950")
	d.no(err)

	// One that is refused.
	tid, qr = d.page(scan.Request{Type: scan.Login, Challenge: make([]byte, 32)})
	s, err = p.ScanQR(ctx, qr)
	d.no(err)
	d.no(p.Reject(ctx, s))
	if st := d.status(tid); st.State != scan.Rejected {
		t.Fatalf("refused: %s", st.State)
	}
	second := d.phone("13812340008")
	d.verified(second, "13812340008", "110101199003070185")
	if _, err := second.Scan(ctx, tid); !phone.IsCode(err, "scan_not_found") {
		t.Fatalf("somebody else's: %v", err)
	}
}

func TestUsageOverHTTP(t *testing.T) {
	s := openShop(t)
	s.deps.Usages = usage.New(usage.Deps{Store: s.st.Usage(), Runner: s.st, Clock: s.clock, Rand: rand.Reader, Chain: s.st.Audit()})
	s.deps.Scans = scan.New(scan.Deps{Store: s.st.Scans(), Runner: s.st, Clock: s.clock, Box: storetest.Box(t), AppURL: "https://app.example"})
	door := httptest.NewServer(app.New(s.deps).Handler())
	t.Cleanup(door.Close)
	s.api = door.URL
	d := s.device()
	d.call(http.MethodGet, "/usage", nil).refused(401, "login_required")
	d.signIn("13900000009")
	var list struct {
		Records []struct {
			ID, PlatformName, Business, Outcome, Title, Operator string
			At                                                   time.Time
		}
		Next string
	}
	d.call(http.MethodGet, "/usage", nil).into(&list)
	if list.Records == nil || len(list.Records) != 0 {
		t.Fatalf("usage = %+v", list)
	}
	d.call(http.MethodGet, "/usage/absent", nil).refused(404, "usage_not_found")
	d.call(http.MethodPost, "/scans", object{"qr": "https://evil.example/s#k=AAAA"}).refused(422, "qr_unknown")
	d.call(http.MethodGet, "/scans/absent", nil).refused(404, "scan_not_found")
}
