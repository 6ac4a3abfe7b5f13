package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/provider/sms"
	"tianweitong/internal/realname"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var (
	_ account.SMS      = (*sms.Client)(nil)
	_ realname.Checker = (*idcheck.Client)(nil)
)

type kit struct {
	t       *testing.T
	url     string
	clock   *clock.Manual
	sms     *sms.Client
	checker *idcheck.Client
}

func start(t *testing.T) *kit {
	c := clock.NewManual(noon)
	s := sandbox.New(sandbox.Options{Clock: c, Key: "key", Advance: c.Advance})
	s.Handle("GET /sandbox/other", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `"mounted"`) }))
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &kit{t: t, url: srv.URL, clock: c, sms: sms.New(srv.URL+sandbox.SMSBase, "key"), checker: idcheck.New(srv.URL+sandbox.IDCheckBase, "key")}
}

func (k *kit) get(path string, into any) {
	k.t.Helper()
	res, err := http.Get(k.url + path)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		k.t.Fatalf("GET %s: %d, %v", path, res.StatusCode, err)
	}
}

func (k *kit) post(path, body string) int {
	k.t.Helper()
	res, err := http.Post(k.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func (k *kit) next(o sandbox.Outcome) {
	k.t.Helper()
	if status := k.post("/sandbox/idcheck/next", `{"outcome":"`+string(o)+`"}`); status != http.StatusNoContent {
		k.t.Fatalf("status %d", status)
	}
}

func (k *kit) charged() (n int) {
	k.t.Helper()
	var got struct{ Charged int }
	k.get("/sandbox/idcheck", &got)
	return got.Charged
}

func TestMessagesArriveOnceAndAreReadByPhone(t *testing.T) {
	k := start(t)
	for _, m := range []struct{ ref, phone, code string }{
		{"1", "13900000001", "111111"}, {"1", "13900000001", "111111"}, {"2", "13900000002", "222222"}, {"3", "13900000001", "333333"},
	} {
		if err := k.sms.Send(t.Context(), m.ref, m.phone, "code.login", map[string]string{"code": m.code}); err != nil {
			t.Fatal(err)
		}
	}
	var got []sandbox.Text
	k.get("/sandbox/sms?phone=13900000001", &got)
	if len(got) != 2 || got[0].Params["code"] != "333333" || got[1].Params["code"] != "111111" || got[0].Template != "code.login" || !got[0].At.Equal(noon) {
		t.Fatalf("inbox = %+v", got)
	}
	k.get("/sandbox/sms?phone=13900000009", &got)
	if len(got) != 0 {
		t.Fatalf("inbox of another = %+v", got)
	}
}

func TestOnlyTheHousesClientsReachTheProviders(t *testing.T) {
	k := start(t)
	if err := sms.New(k.url+sandbox.SMSBase, "other").Send(t.Context(), "1", "13900000001", "t", nil); err == nil {
		t.Error("a message with a wrong key was taken")
	}
	if _, err := idcheck.New(k.url+sandbox.IDCheckBase, "").PersonFactors(t.Context(), query("1")); err == nil {
		t.Error("a check without a key was answered")
	}
	if k.charged() != 0 {
		t.Error("it was charged, too")
	}
}

func query(ref string) realname.Query {
	return realname.Query{Ref: ref, Name: "测试甲", IDNumber: "11010519491231002X", Phone: "13900000001"}
}

func card(ref string) realname.CardQuery {
	return realname.CardQuery{Ref: ref, Name: "测试甲", IDNumber: "11010519491231002X", Phone: "13900000001", Card: "6222021234567890128"}
}

func face(ref string, video []byte) realname.FaceQuery {
	return realname.FaceQuery{Ref: ref, Name: "测试甲", IDNumber: "11010519491231002X", Video: video}
}

func TestOutcomesAreSetOneByOneAndStickToTheirReference(t *testing.T) {
	k := start(t)
	k.next(sandbox.Refuse)
	k.next(sandbox.Approve)
	for range 2 {
		if a, err := k.checker.PersonFactors(t.Context(), query("1")); err != nil || a != (realname.Answer{Reason: realname.ReasonFactors}) {
			t.Fatalf("answer = %+v, %v", a, err)
		}
	}
	if a, err := k.checker.PersonFactors(t.Context(), query("2")); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	k.next(sandbox.Refuse)
	if a, err := k.checker.Face(t.Context(), face("1", []byte("v"))); err != nil || a != (realname.Answer{Reason: realname.ReasonFace}) {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if a, err := k.checker.Face(t.Context(), face("2", bytes.Repeat([]byte("v"), 1<<20))); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	k.next(sandbox.Refuse)
	if a, err := k.checker.CardFactors(t.Context(), card("1")); err != nil || a != (realname.Answer{Reason: realname.ReasonCard}) {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if a, err := k.checker.CardFactors(t.Context(), card("2")); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if n := k.charged(); n != 6 {
		t.Fatalf("%d checks charged", n)
	}
}

func TestCheckThatTimedOutIsAnsweredWhenAskedAgain(t *testing.T) {
	k := start(t)
	k.next(sandbox.Timeout)
	if _, err := k.checker.PersonFactors(t.Context(), query("1")); err == nil {
		t.Fatal("it was answered")
	}
	if a, err := k.checker.PersonFactors(t.Context(), query("1")); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if _, err := k.checker.Face(t.Context(), face("1", nil)); !errors.Is(err, realname.ErrNoSuchCheck) {
		t.Fatalf("a face that was never sent: %v", err)
	}
	k.next(sandbox.Timeout)
	if _, err := k.checker.Face(t.Context(), face("1", []byte("v"))); err == nil || errors.Is(err, realname.ErrNoSuchCheck) {
		t.Fatalf("err = %v", err)
	}
	if a, err := k.checker.Face(t.Context(), face("1", nil)); err != nil || !a.Passed {
		t.Fatalf("answer = %+v, %v", a, err)
	}
	if n := k.charged(); n != 2 {
		t.Fatalf("%d checks charged for two", n)
	}
}

func TestCheckersErrorsTellNothingPersonal(t *testing.T) {
	for name, url := range map[string]string{"nobody there": "http://127.0.0.1:1", "bad address": "http://[", "no such path": start(t).url} {
		c := idcheck.New(url, "key")
		_, factors := c.PersonFactors(t.Context(), query("1"))
		_, video := c.Face(t.Context(), face("1", []byte("v")))
		_, cards := c.CardFactors(t.Context(), card("1"))
		for _, err := range []error{factors, video, cards} {
			if err == nil {
				t.Errorf("%s: no error", name)
				continue
			}
			for _, secret := range []string{"测试甲", "11010519491231002X", "13900000001", "key"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error tells %s", name, secret)
				}
			}
		}
	}
}

func TestClockMovesForwardOnly(t *testing.T) {
	k := start(t)
	for _, body := range []string{`{"advanceSeconds":-1}`, `{"advanceSeconds":0}`, `{"advanceSeconds":99999999999}`, `{`, ``} {
		if status := k.post("/sandbox/clock", body); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, status)
		}
	}
	if status := k.post("/sandbox/clock", `{"advanceSeconds":90}`); status != http.StatusOK || !k.clock.Now().Equal(noon.Add(90*time.Second)) {
		t.Fatalf("status %d, now %v", status, k.clock.Now())
	}
}

func TestMalformedRequestsAreRefusedAndChargeNothing(t *testing.T) {
	k := start(t)
	if status := k.post("/sandbox/idcheck/next", `{"outcome":"maybe"}`); status != http.StatusBadRequest {
		t.Errorf("an unknown outcome: status %d", status)
	}
	for path, body := range map[string]string{
		"POST " + sandbox.SMSBase + "/v1/messages":      `{"ref":"1"}`,
		"PUT " + sandbox.IDCheckBase + "/v1/factors/1":  `{"name":"x"}`,
		"PUT " + sandbox.IDCheckBase + "/v1/factors/2":  `[`,
		"PUT " + sandbox.IDCheckBase + "/v1/faces/1":    `no form`,
		"PUT " + sandbox.IDCheckBase + "/v1/faces/2?x=": ``,
	} {
		method, path, _ := strings.Cut(path, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, k.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer key")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	if n := k.charged(); n != 0 {
		t.Errorf("%d checks charged", n)
	}
}

func TestOtherFakesAreMountedBeside(t *testing.T) {
	var got string
	start(t).get("/sandbox/other", &got)
	if got != "mounted" {
		t.Fatalf("got %q", got)
	}
}
