package sms_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tianweitong/internal/account"
	"tianweitong/internal/job"
	"tianweitong/internal/provider/sms"
)

var _ account.SMS = (*sms.Client)(nil)

const phone, code = "13900000001", "271828"

func send(t *testing.T, h http.HandlerFunc) error {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	return sms.New(srv.URL+"/", "key").Send(t.Context(), "ref-1", phone, "code.login", map[string]string{"code": code})
}

func TestMessageIsSentWithItsReferenceAndKey(t *testing.T) {
	var got sms.Message
	var seen *http.Request
	err := send(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r
		json.NewDecoder(r.Body).Decode(&got)
		w.WriteHeader(http.StatusAccepted)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Ref != "ref-1" || got.Phone != phone || got.Template != "code.login" || got.Params["code"] != code {
		t.Fatalf("message = %+v", got)
	}
	if seen.Method != http.MethodPost || seen.URL.Path != sms.Path || seen.Header.Get("Authorization") != "Bearer key" {
		t.Fatalf("request = %s %s", seen.Method, seen.URL)
	}
}

func TestRefusedMessageIsGivenUpAndOthersAreTriedAgain(t *testing.T) {
	for status, final := range map[int]bool{400: true, 422: true, 401: false, 429: false, 500: false, 503: false, 302: false} {
		err := send(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		if err == nil || errors.Is(err, job.ErrGiveUp) != final {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestNothingPersonalInErrors(t *testing.T) {
	failures := map[string]error{
		"echo": send(t, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, fmt.Sprint("cannot send ", code, " to ", phone), http.StatusBadRequest)
		}),
		"cut off": send(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"nobody there": sms.New("http://127.0.0.1:1", "key").Send(t.Context(), "ref-1", phone, "code.login",
			map[string]string{"code": code}),
		"bad address": sms.New("http://[", "key").Send(t.Context(), "ref-1", phone, "code.login", nil),
	}
	for name, err := range failures {
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, secret := range []string{phone, code, "key"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells %s", name, secret)
			}
		}
	}
}
