package purchase_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/purchase"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/order"
	"tianweitong/internal/provider/pay"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	buyer       = "0190buyer"
	device      = "d1"
	institution = "010001"
	platform    = "M1100000034"
)

// persons knows one verified person; devices gives everybody one device.
type persons struct{}

func (persons) Person(_ context.Context, _ work.Tx, account string) (realname.Person, error) {
	if account != buyer {
		return realname.Person{}, realname.CodeNotVerified
	}
	return realname.Person{Account: account}, nil
}

type devices struct{}

func (devices) ActiveDevice(context.Context, work.Tx, string) (string, error) { return device, nil }

// market is everything that takes part in a purchase, the gateway on real HTTP.
type market struct {
	*testing.T
	st           *store.Store
	clock        *clock.Manual
	purchase     *purchase.Service
	orders       *order.Service
	certificates *certificate.Service
	roamings     *roaming.Service
	notices      *notice.Service
	catalog      *catalog.Service
	jobs         *job.Runner
	counter      *pay.Counter
	secret       pay.Secret
	// down makes the gateway refuse connections; deaf loses our notices.
	down, deaf bool
}

func each(t *testing.T, f func(m *market)) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		c.Advance(noon.Sub(c.Now()))
		m := &market{T: t, st: st, clock: c, secret: pay.Secret{Merchant: "M0001", Key: bytes.Repeat([]byte{7}, pay.KeySize)}}
		log := slog.New(slog.NewTextHandler(t.Output(), nil))
		m.catalog = catalog.New(catalog.Deps{Store: st.Catalog(), Clock: c, Rand: rand.Reader})
		m.certificates = certificate.New(certificate.Deps{Store: st.Certificates(), Runner: st, Clock: c, Rand: rand.Reader, Devices: devices{}})
		m.roamings = roaming.New(roaming.Deps{Store: st.Roamings(), Clock: c, Rand: rand.Reader})
		m.notices = notice.New(notice.Deps{Runner: st, Store: people.Notices(st), Clock: c, Rand: rand.Reader})

		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if m.down {
				http.Error(w, "down", http.StatusBadGateway)
				return
			}
			m.counter.ServeHTTP(w, r)
		}))
		t.Cleanup(gateway.Close)
		ours := httptest.NewServer(http.HandlerFunc(m.take))
		t.Cleanup(ours.Close)
		var err error
		m.counter, err = pay.NewCounter(pay.CounterOptions{Secret: m.secret, Public: gateway.URL, File: filepath.Join(t.TempDir(), "books"), Clock: c, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		client, err := pay.NewSandbox(pay.Options{Secret: m.secret, Base: gateway.URL + pay.GatewayPath, Notify: ours.URL + "/notify/pay/sandbox", Clock: c, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		m.orders = order.New(order.Deps{
			Store: st.Orders(), Runner: st, Clock: c, Rand: rand.Reader, Log: log, Prices: purchase.Prices{Catalog: m.catalog},
			Fulfiller: purchase.Fulfiller{Certificates: m.certificates, Roamings: m.roamings, Notices: m.notices},
			Notices:   m.notices, Gateways: map[string]order.Gateway{"sandbox": client},
		})
		m.purchase = purchase.New(purchase.Deps{Runner: st, Persons: persons{}, Orders: m.orders})
		m.jobs = job.New(st, c, rand.Reader, log)
		m.orders.Register(m.jobs)
		m.do(func(ctx context.Context, tx work.Tx) error {
			return errors.Join(
				m.catalog.PutInstitution(ctx, tx, catalog.Institution{Code: institution, Name: "示例CA", Active: true}),
				m.catalog.SetPrice(ctx, tx, catalog.Price{Institution: institution, Kind: catalog.KindCertificate, Years: 1, Fen: 12000, From: noon}),
				m.catalog.RegisterPlatform(ctx, tx, catalog.Platform{
					Code: platform, Name: "示例交易平台", Region: "北京", Host: "bid.example.com", CallbackBase: "https://bid.example.com/twt",
					SignCertificate: []byte("s"), EncCertificate: []byte("e"), Active: true,
				}))
		})
		f(m)
	})
}

// take is our door for the gateway's notices.
func (m *market) take(w http.ResponseWriter, r *http.Request) {
	if m.deaf {
		http.Error(w, "deaf", http.StatusServiceUnavailable)
		return
	}
	b, _ := io.ReadAll(r.Body)
	err := m.orders.Notice(r.Context(), "sandbox", order.RawNotice{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: b})
	if err != nil {
		code, _ := fault.Of(err)
		http.Error(w, code.Name, http.StatusConflict)
	}
}

func (m *market) do(f func(context.Context, work.Tx) error) {
	m.Helper()
	if err := m.try(f); err != nil {
		m.Fatal(err)
	}
}

func (m *market) try(f func(context.Context, work.Tx) error) error {
	return m.st.Do(m.Context(), "test", f)
}

func (m *market) drain() {
	m.Helper()
	if err := m.jobs.Drain(m.Context()); err != nil {
		m.Fatal(err)
	}
}

var cart = order.Cart{Institution: institution, Years: 1, Platform: platform}

func (m *market) place() order.Order {
	m.Helper()
	o, err := m.purchase.Place(m.Context(), buyer, cart)
	if err != nil {
		m.Fatal(err)
	}
	return o
}

func (m *market) press(o order.Order, button string) []int {
	m.Helper()
	p, err := m.orders.Pay(m.Context(), buyer, o.ID, "sandbox")
	if err != nil {
		m.Fatal(err)
	}
	taken, err := m.counter.Press(m.Context(), p.ID, button)
	if err != nil {
		m.Fatal(err)
	}
	return taken
}

// bought is a paid order and its certificate.
func (m *market) bought() (order.Order, certificate.Certificate) {
	m.Helper()
	o := m.place()
	if taken := m.press(o, "pay"); len(taken) != 1 || taken[0] != http.StatusOK {
		m.Fatalf("the notice was taken with %v", taken)
	}
	return o, m.only()
}

// only is the one certificate of the buyer.
func (m *market) only() certificate.Certificate {
	m.Helper()
	page, err := m.certificates.List(m.Context(), account.Scope{Account: buyer}, certificate.Filter{}, "")
	if err != nil || len(page.Certificates) != 1 {
		m.Fatalf("certificates: %+v, %v", page, err)
	}
	return page.Certificates[0]
}

func (m *market) state(o order.Order) order.State {
	m.Helper()
	got, _, _, err := m.orders.Get(m.Context(), buyer, o.ID)
	if err != nil {
		m.Fatal(err)
	}
	return got.State
}

func (m *market) roaming(c certificate.Certificate) roaming.State {
	m.Helper()
	var st roaming.State
	m.do(func(ctx context.Context, tx work.Tx) (err error) {
		st, err = m.roamings.Status(ctx, tx, c.ID, platform, m.clock.Now())
		return err
	})
	return st
}

// install does what flow/install does at its end, in its two transactions.
func (m *market) install(c certificate.Certificate, ref string) error {
	err := m.try(func(ctx context.Context, tx work.Tx) (err error) {
		c, err = m.certificates.BeginIssue(ctx, tx, buyer, c.ID, ref)
		return err
	})
	if err != nil {
		return err
	}
	return m.try(func(ctx context.Context, tx work.Tx) error {
		held, err := m.certificates.Installed(ctx, tx, c.ID, certificate.Installed{
			Ref: ref, SignSerial: "a1" + c.ID, EncSerial: "b1" + c.ID, SignKey: "k1", EncKey: "k2", NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			Device: device, SignDER: []byte{0x30, 0}, EncDER: []byte{0x30, 0},
		})
		if err != nil {
			return err
		}
		if err := m.roamings.Open(ctx, tx, held, held.Platform, held.NotBefore, held.NotAfter, held.Line); err != nil {
			return err
		}
		return m.orders.Fulfilled(ctx, tx, held.Line)
	})
}

func TestPaidOrderGivesACertificateToInstall(t *testing.T) {
	each(t, func(m *market) {
		o, c := m.bought()
		if c.State != certificate.Pending || c.Order != o.ID || c.Line != o.Lines[0].ID || c.Years != 1 || c.Holder.Kind != certificate.Person {
			m.Fatalf("%+v", c)
		}
		if got := m.roaming(c); got != roaming.Opening {
			m.Fatalf("the platform is %s", got)
		}
		page, err := m.notices.List(m.Context(), buyer, "")
		if err != nil || len(page.Notices) != 1 || page.Notices[0].Link != "/certificates/"+c.ID {
			m.Fatalf("%+v, %v", page, err)
		}
		if err := m.install(c, "i1"); err != nil {
			m.Fatal(err)
		}
		c = m.only()
		if c.State != certificate.Valid || m.roaming(c) != roaming.Open || m.state(o) != order.Completed {
			m.Fatalf("%s, %s, %s", c.State, m.roaming(c), m.state(o))
		}
		m.clock.Advance(366 * 24 * time.Hour)
		if got := m.roaming(c); got != roaming.Expired {
			m.Fatalf("after a year the platform is %s", got)
		}
	})
}

func TestNoticesTwiceAndAtOnceGiveOneCertificate(t *testing.T) {
	each(t, func(m *market) {
		o := m.place()
		for _, status := range m.press(o, "pay-twice") {
			if status != http.StatusOK {
				m.Errorf("a notice was taken with %d", status)
			}
		}
		m.only()
		if m.state(o) != order.Paid {
			m.Fatal(m.state(o))
		}
	})
}

func TestLatePaymentGoesBackThroughTheGateway(t *testing.T) {
	each(t, func(m *market) {
		o := m.place()
		m.press(o, "late")
		m.down = true
		m.drain()
		_, payments, refunds, err := m.orders.Get(m.Context(), buyer, o.ID)
		if err != nil || len(refunds) != 1 || refunds[0].State != order.RefundOpen || payments[0].State != order.PaymentLate {
			m.Fatalf("%+v, %+v, %v", payments, refunds, err)
		}
		m.down = false
		m.clock.Advance(time.Minute)
		m.drain()
		_, _, refunds, err = m.orders.Get(m.Context(), buyer, o.ID)
		if err != nil || len(refunds) != 1 || refunds[0].State != order.RefundDone {
			m.Fatalf("%+v, %v", refunds, err)
		}
		page, err := m.certificates.List(m.Context(), account.Scope{Account: buyer}, certificate.Filter{}, "")
		if err != nil || len(page.Certificates) != 0 {
			m.Fatalf("%+v, %v", page, err)
		}
	})
}

func TestLostNoticeIsFoundByAsking(t *testing.T) {
	each(t, func(m *market) {
		o := m.place()
		m.deaf = true
		if taken := m.press(o, "pay"); taken[0] != http.StatusServiceUnavailable {
			m.Fatal(taken)
		}
		if m.state(o) != order.Unpaid {
			m.Fatal(m.state(o))
		}
		m.clock.Advance(30 * time.Second)
		m.drain()
		m.only()
		if m.state(o) != order.Paid {
			m.Fatal(m.state(o))
		}
	})
}

func TestRefundEndsCertificateAndPlatformAtOnce(t *testing.T) {
	each(t, func(m *market) {
		o, c := m.bought()
		if _, err := m.orders.Refund(m.Context(), buyer, o.ID, c.Line); err != nil {
			m.Fatal(err)
		}
		if got := m.only().State; got != certificate.Cancelled || m.roaming(c) != roaming.Cancelled {
			m.Fatalf("%s, %s", got, m.roaming(c))
		}
		if err := m.install(c, "i1"); !errors.Is(err, certificate.CodeCancelled) {
			m.Fatalf("installing what was refunded: %v", err)
		}
		m.drain()
		if m.state(o) != order.Refunded {
			m.Fatal(m.state(o))
		}
	})
}

func TestNothingIsRefundedOnceIssuingBegan(t *testing.T) {
	each(t, func(m *market) {
		o, c := m.bought()
		m.do(func(ctx context.Context, tx work.Tx) error {
			_, err := m.certificates.BeginIssue(ctx, tx, buyer, c.ID, "i1")
			return err
		})
		if _, err := m.orders.Refund(m.Context(), buyer, o.ID, c.Line); !errors.Is(err, certificate.CodeIssuing) {
			m.Fatal(err)
		}
		m.do(func(ctx context.Context, tx work.Tx) error { return m.certificates.AbandonIssue(ctx, tx, c.ID, "i1") })
		if _, err := m.orders.Refund(m.Context(), buyer, o.ID, c.Line); err != nil {
			m.Fatal(err)
		}
	})
}

// Invariant 7 of docs/domain.md §5: whichever comes first, an order line gives
// either the certificate or the money.
func TestRefundAndInstallationRace(t *testing.T) {
	each(t, func(m *market) {
		outcomes := map[string]int{}
		for i := range 12 {
			o := m.place()
			m.press(o, "pay")
			page, err := m.certificates.List(m.Context(), account.Scope{Account: buyer}, certificate.Filter{State: certificate.Pending}, "")
			if err != nil || len(page.Certificates) != 1 {
				m.Fatalf("%+v, %v", page, err)
			}
			c := page.Certificates[0]
			var installed, refunded error
			start := make(chan struct{})
			var both sync.WaitGroup
			both.Go(func() { <-start; installed = m.install(c, fmt.Sprint("i", i)) })
			both.Go(func() { <-start; _, refunded = m.orders.Refund(m.Context(), buyer, o.ID, c.Line) })
			close(start)
			both.Wait()
			if (installed == nil) == (refunded == nil) {
				m.Fatalf("installed: %v, refunded: %v", installed, refunded)
			}
			m.drain()
			want := order.Completed
			if refunded == nil {
				want = order.Refunded
			}
			if got := m.state(o); got != want {
				m.Fatalf("the order is %s, want %s", got, want)
			}
			outcomes[string(want)]++
		}
		m.Log(outcomes)
	})
}

func TestOnlyVerifiedPersonsBuyWhatIsOnOffer(t *testing.T) {
	each(t, func(m *market) {
		if _, err := m.purchase.Place(m.Context(), "stranger", cart); !errors.Is(err, realname.CodeNotVerified) {
			m.Errorf("unverified: %v", err)
		}
		m.do(func(ctx context.Context, tx work.Tx) error {
			return m.catalog.RegisterPlatform(ctx, tx, catalog.Platform{
				Code: "M1100000035", Name: "已停用平台", Region: "北京", Host: "old.example.com", CallbackBase: "https://old.example.com/twt",
				SignCertificate: []byte("s"), EncCertificate: []byte("e"),
			})
		})
		for _, c := range []struct {
			order.Cart
			want error
		}{
			{order.Cart{Institution: institution, Years: 1, Platform: "M9999999999"}, catalog.CodePlatformUnknown},
			{order.Cart{Institution: institution, Years: 1, Platform: "M1100000035"}, catalog.CodePlatformUnknown},
			{order.Cart{Institution: institution, Years: 2, Platform: platform}, catalog.CodeNoPrice},
			{order.Cart{Institution: "990001", Years: 1, Platform: platform}, catalog.CodeInstitutionUnknown},
			{order.Cart{Institution: institution, Years: 0, Platform: platform}, order.CodeYears},
		} {
			if _, err := m.purchase.Place(m.Context(), buyer, c.Cart); !errors.Is(err, c.want) {
				m.Errorf("%+v: %v, want %v", c.Cart, err, c.want)
			}
		}
	})
}

func TestPriceOfTheOrderIsThatOfItsMoment(t *testing.T) {
	each(t, func(m *market) {
		o := m.place()
		m.do(func(ctx context.Context, tx work.Tx) error {
			return m.catalog.SetPrice(ctx, tx, catalog.Price{Institution: institution, Kind: catalog.KindCertificate, Years: 1, Fen: 9900, From: noon.Add(time.Minute)})
		})
		m.clock.Advance(2 * time.Minute)
		p, err := m.orders.Pay(m.Context(), buyer, o.ID, "sandbox")
		if err != nil || p.Amount != 12000 {
			m.Fatalf("%+v, %v", p, err)
		}
		if later := m.place(); later.Total != 9900 {
			m.Fatalf("a later order costs %s", later.Total)
		}
	})
}
