package pay

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testSecret() Secret {
	return Secret{Merchant: "M0001", Key: bytes.Repeat([]byte{7}, KeySize)}
}

// stage is a gateway and its counter on real HTTP, and a merchant that keeps
// the notices it was sent.
type stage struct {
	*Sandbox
	counter *Counter
	server  *httptest.Server
	clock   *clock.Manual
	file    string
	notices chan order.RawNotice
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{clock: clock.NewManual(noon), file: filepath.Join(t.TempDir(), "books.json"), notices: make(chan order.RawNotice, 8)}
	merchant := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.notices <- order.RawNotice{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: b}
	}))
	t.Cleanup(merchant.Close)
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.counter.ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	s.reopen(t)
	var err error
	s.Sandbox, err = NewSandbox(Options{
		Secret: testSecret(), Base: s.server.URL + GatewayPath, Notify: merchant.URL + "/notify/pay/sandbox", Clock: s.clock, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) reopen(t *testing.T) {
	t.Helper()
	var err error
	s.counter, err = NewCounter(CounterOptions{Secret: testSecret(), Public: "https://pay.test/", File: s.file, Clock: s.clock, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) bill(t *testing.T) order.Bill {
	t.Helper()
	b := order.Bill{Payment: "p1", Amount: 12000, Title: "数字证书 1 年", Expires: noon.Add(time.Hour)}
	for range 2 {
		u, err := s.Create(t.Context(), b)
		if err != nil || u != "https://pay.test/sandbox/pay/p1" {
			t.Fatalf("%q, %v", u, err)
		}
	}
	return b
}

// press presses a button over HTTP and returns the status.
func (s *stage) press(t *testing.T, payment, button string) int {
	t.Helper()
	resp, err := http.Post(s.server.URL+CashierPath+payment+"/"+button, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestBillIsPaidAndTold(t *testing.T) {
	s := open(t)
	s.bill(t)
	if st, err := s.Query(t.Context(), "p1"); err != nil || st.State != order.StandingUnpaid {
		t.Fatalf("%+v, %v", st, err)
	}
	if got := s.press(t, "p1", "pay-twice"); got != http.StatusOK {
		t.Fatal(got)
	}
	st, err := s.Query(t.Context(), "p1")
	if err != nil || st.State != order.StandingPaid || st.Amount != 12000 || st.Trade == "" || !st.PaidAt.Equal(noon) {
		t.Fatalf("%+v, %v", st, err)
	}
	for range 2 {
		n, err := s.ParseNotice(<-s.notices)
		if err != nil || n.Payment != "p1" || n.Standing != st || n.Refund != "" {
			t.Fatalf("%+v, %v", n, err)
		}
	}
	for _, button := range []string{"pay", "fail", "late", "dance"} {
		if got := s.press(t, "p1", button); got != http.StatusConflict {
			t.Errorf("%s on a paid bill: %d", button, got)
		}
	}
	if got := s.press(t, "absent", "pay"); got != http.StatusNotFound {
		t.Errorf("absent bill: %d", got)
	}
}

func TestButtonsOfTheCashier(t *testing.T) {
	for _, c := range []struct {
		button  string
		after   time.Duration
		status  int
		notices int
		state   order.StandingState
		paidAt  time.Time
	}{
		{"pay", 0, 200, 1, order.StandingPaid, noon},
		{"silent", 0, 200, 0, order.StandingPaid, noon},
		{"fail", 0, 200, 1, order.StandingClosed, time.Time{}},
		{"late", 0, 200, 1, order.StandingPaid, noon.Add(time.Hour + time.Second)},
		{"late", 2 * time.Hour, 200, 1, order.StandingPaid, noon.Add(2 * time.Hour)},
		{"pay", time.Hour, 409, 0, order.StandingClosed, time.Time{}},
	} {
		t.Run(c.button+c.after.String(), func(t *testing.T) {
			s := open(t)
			s.bill(t)
			s.clock.Advance(c.after)
			if got := s.press(t, "p1", c.button); got != c.status {
				t.Fatalf("status %d", got)
			}
			st, err := s.Query(t.Context(), "p1")
			if err != nil || st.State != c.state || !st.PaidAt.Equal(c.paidAt) || len(s.notices) != c.notices {
				t.Fatalf("%+v, %v, %d notices", st, err, len(s.notices))
			}
		})
	}
}

func TestRefundIsGivenOnceAndNeverMoreThanWasPaid(t *testing.T) {
	s := open(t)
	s.bill(t)
	early := order.Refund{ID: "r0", Payment: "p1", Amount: 1}
	if st, err := s.Refund(t.Context(), early); err != nil || st != order.RefundFailed {
		t.Fatalf("before the payment: %s, %v", st, err)
	}
	s.press(t, "p1", "silent")
	for range 2 {
		if st, err := s.Refund(t.Context(), order.Refund{ID: "r1", Payment: "p1", Amount: 7000}); err != nil || st != order.RefundDone {
			t.Fatalf("%s, %v", st, err)
		}
	}
	s.reopen(t) // the books survive
	if st, err := s.Refund(t.Context(), order.Refund{ID: "r2", Payment: "p1", Amount: 7000}); err != nil || st != order.RefundFailed {
		t.Fatalf("more than was paid: %s, %v", st, err)
	}
	<-s.notices // r0
	n, err := s.ParseNotice(<-s.notices)
	if err != nil || n.Payment != "p1" || n.Refund != "r1" || n.RefundState != order.RefundDone {
		t.Fatalf("%+v, %v", n, err)
	}
}

func TestUnknownPaymentIsUnpaid(t *testing.T) {
	s := open(t)
	if st, err := s.Query(t.Context(), "absent"); err != nil || st.State != order.StandingUnpaid {
		t.Fatalf("%+v, %v", st, err)
	}
}

func TestAnotherAmountForTheSameBillIsRefused(t *testing.T) {
	s := open(t)
	b := s.bill(t)
	b.Amount++
	if _, err := s.Create(t.Context(), b); err == nil {
		t.Fatal("the bill changed")
	}
}

func TestForgedAndOldNoticesAreRefused(t *testing.T) {
	s := open(t)
	s.bill(t)
	s.press(t, "p1", "pay")
	good := <-s.notices
	if _, err := s.ParseNotice(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(n *order.RawNotice){
		"body":      func(n *order.RawNotice) { n.Body = bytes.Replace(n.Body, []byte("12000"), []byte("12001"), 1) },
		"path":      func(n *order.RawNotice) { n.Path = "/notify/pay/other" },
		"method":    func(n *order.RawNotice) { n.Method = "PUT" },
		"time":      func(n *order.RawNotice) { http.Header(n.Header).Set(headerTime, "1") },
		"nonce":     func(n *order.RawNotice) { http.Header(n.Header).Set(headerNonce, strings.Repeat("0", 32)) },
		"merchant":  func(n *order.RawNotice) { http.Header(n.Header).Set(headerMerchant, "M0002") },
		"signature": func(n *order.RawNotice) { http.Header(n.Header).Del(headerSignature) },
		"a request's signature": func(n *order.RawNotice) {
			testSecret().sign(labelRequest, n.Header, n.Method, n.Path, n.Body, s.clock, rand.Reader)
		},
		"another key": func(n *order.RawNotice) {
			other := testSecret()
			other.Key = bytes.Repeat([]byte{8}, KeySize)
			other.sign(labelNotice, n.Header, n.Method, n.Path, n.Body, s.clock, rand.Reader)
		},
	} {
		bad := good
		bad.Header = http.Header(good.Header).Clone()
		spoil(&bad)
		if _, err := s.ParseNotice(bad); !errors.Is(err, order.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.clock.Advance(Skew + time.Millisecond)
	if _, err := s.ParseNotice(good); !errors.Is(err, order.ErrForged) {
		t.Errorf("old: %v", err)
	}
}

func TestCounterRefusesUnsignedRequests(t *testing.T) {
	s := open(t)
	for _, c := range [][2]string{{"POST", "/v1/payments"}, {"GET", "/v1/payments/p1"}, {"POST", "/v1/refunds"}} {
		req, _ := http.NewRequest(c[0], s.server.URL+GatewayPath+c[1], strings.NewReader("{}"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", c, resp.StatusCode)
		}
	}
}

// A reply is bound to its request: one that was recorded answers nothing else.
func TestRepliesThatAreNotTheGatewaysAreRefused(t *testing.T) {
	s := open(t)
	s.bill(t)
	s.press(t, "p1", "silent")
	var old *httptest.ResponseRecorder
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if old == nil {
			old = httptest.NewRecorder()
			s.counter.ServeHTTP(old, r)
		}
		for k, v := range old.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(old.Code)
		w.Write(old.Body.Bytes())
	}))
	defer proxy.Close()
	s.o.Base = proxy.URL + GatewayPath
	if st, err := s.Query(t.Context(), "p1"); err != nil || st.State != order.StandingPaid {
		t.Fatalf("%+v, %v", st, err)
	}
	if st, err := s.Query(t.Context(), "p1"); err == nil {
		t.Fatalf("a recorded reply was believed: %+v", st)
	}
}

func TestGatewayThatIsDownIsAnError(t *testing.T) {
	s := open(t)
	s.server.Close()
	if _, err := s.Query(t.Context(), "p1"); err == nil {
		t.Fatal("no error")
	}
}

func TestCashierShowsTheBill(t *testing.T) {
	s := open(t)
	s.bill(t)
	get := func() string {
		t.Helper()
		resp, err := http.Get(s.server.URL + CashierPath + "p1")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	if page := get(); !strings.Contains(page, "¥120.00") || !strings.Contains(page, `formaction="/sandbox/pay/p1/pay"`) {
		t.Fatal(page)
	}
	req, _ := http.NewRequest(http.MethodPost, s.server.URL+CashierPath+"p1/pay", nil)
	req.Header.Set("Accept", "text/html,*/*")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); !strings.Contains(string(b), "支付成功") || resp.Request.URL.Path != CashierPath+"p1" {
		t.Fatalf("%s: %s", resp.Request.URL, b)
	}
}

func TestTheBuyerComesBackToTheOrder(t *testing.T) {
	s := open(t)
	s.o.Return = "https://app.test/orders/"
	if _, err := s.Create(t.Context(), order.Bill{Payment: "p1", Order: "o 1", Amount: 123456700, Title: "<b>", Expires: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		press string
		wants []string
	}{
		{"", []string{"¥1,234,567.00", "&lt;b&gt;", "支付截止", "2026-11-23 21:00", "沙箱"}},
		{"fail", []string{"支付未成功", "没有扣款", "/sandbox/pay/p1/late"}},
		{"late", []string{"支付成功", "交易号"}},
	} {
		if c.press != "" {
			s.press(t, "p1", c.press)
		}
		resp, err := http.Get(s.server.URL + CashierPath + "p1")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if policy := resp.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("policy %q", policy)
		}
		for _, want := range append(c.wants, `href="https://app.test/orders/o%201"`) {
			if !strings.Contains(string(b), want) {
				t.Errorf("after %q the page lacks %q:\n%s", c.press, want, b)
			}
		}
	}
}

func TestThePanelListsPaymentsWithWhatTheyTake(t *testing.T) {
	s := open(t)
	var told []string
	s.counter.o.Observe = func(what, payment string, amount money.Fen) {
		told = append(told, what+" "+payment+" "+amount.String())
	}
	s.bill(t)
	s.clock.Advance(time.Minute)
	if _, err := s.Create(t.Context(), order.Bill{Payment: "p2", Amount: 1, Title: "x", Expires: noon.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s.press(t, "p1", "pay")
	if _, err := s.Refund(t.Context(), order.Refund{ID: "r1", Payment: "p1", Amount: 2000}); err != nil {
		t.Fatal(err)
	}
	s.press(t, "p2", "fail")
	resp, err := http.Get(s.server.URL + ListPath)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []listed
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if p := got[0]; p.Payment != "p2" || p.State != order.StandingClosed || !slices.Equal(p.Buttons, []string{"late"}) || !p.CreatedAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("first %+v", p)
	}
	if p := got[1]; p.Payment != "p1" || p.State != order.StandingPaid || p.Returned != 2000 || len(p.Buttons) != 0 || p.Trade == "" || p.Page != "/sandbox/pay/p1" {
		t.Errorf("second %+v", p)
	}
	want := []string{"created p1 120.00", "created p2 0.01", "pay p1 120.00", "notice.taken p1 120.00", "refund.done p1 20.00", "fail p2 0.01", "notice.taken p2 0.00"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestACashierThatCannotGoOnSaysSoOnAPage(t *testing.T) {
	s := open(t)
	s.bill(t)
	s.press(t, "p1", "pay")
	for path, want := range map[string]int{"absent": 404, "p1/pay": 409, "absent/pay": 404} {
		method := http.MethodPost
		if !strings.Contains(path, "/") {
			method = http.MethodGet
		}
		req, _ := http.NewRequest(method, s.server.URL+CashierPath+path, nil)
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || !strings.Contains(string(b), "无法继续") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, b)
		}
	}
}

func FuzzNotice(f *testing.F) {
	for _, s := range []string{
		`{"payment":{"payment":"p","state":"paid","amount":12000,"trade":"S1","paidAt":1795435200000}}`,
		`{"payment":{"payment":"p","state":"closed","amount":0,"trade":"","paidAt":0}}`,
		`{"refund":{"refund":"r","payment":"p","state":"done"}}`,
		`{"payment":{"payment":"p","state":"paid","amount":-1,"trade":"S1","paidAt":1}}`,
		`{"payment":{"payment":"p","state":"paid","amount":1e3,"trade":"S1","paidAt":1}}`,
		`{"payment":{"payment":"p"},"refund":{"refund":"r","payment":"p","state":"done"}}`,
		`{} {}`, `null`, `[]`, `{"payment":null}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNotice(b)
		if err != nil {
			return
		}
		if !json.Valid(b) || n.Payment == "" {
			t.Fatalf("%q became %+v", b, n)
		}
		if n.Refund == "" && n.Standing.State == order.StandingPaid && (n.Standing.Amount <= 0 || n.Standing.Trade == "" || n.Standing.PaidAt.IsZero()) {
			t.Fatalf("%q became a payment of nothing: %+v", b, n)
		}
	})
}
