package sandbox_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"tianweitong/internal/clock"
	"tianweitong/internal/provider/idcheck"
	"tianweitong/internal/provider/sandbox"
	"tianweitong/internal/provider/sms"
)

func FuzzProviders(f *testing.F) {
	for _, s := range []string{`{"ref":"1","phone":"13900000001","template":"t"}`, `{"name":"x","idNumber":"y","phone":"z"}`, "{",
		"--b\r\nContent-Disposition: form-data; name=\"person\"\r\n\r\n{}\r\n--b--\r\n"} {
		f.Add([]byte(s))
	}
	s := sandbox.New(sandbox.Options{Clock: clock.NewManual(noon), Key: "key"})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, x := range []struct{ method, path, kind string }{
			{http.MethodPost, sandbox.SMSBase + sms.Path, "application/json"},
			{http.MethodPut, sandbox.IDCheckBase + idcheck.FactorsPath + "1", "application/json"},
			{http.MethodPut, sandbox.IDCheckBase + idcheck.CardsPath + "1", "application/json"},
			{http.MethodPut, sandbox.IDCheckBase + idcheck.FacesPath + "1", "multipart/form-data; boundary=b"},
			{http.MethodPost, "/sandbox/idcheck/next", "application/json"},
		} {
			r := httptest.NewRequest(x.method, x.path, bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer key")
			r.Header.Set("Content-Type", x.kind)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusGatewayTimeout {
				t.Fatalf("%s %s: status %d", x.method, x.path, w.Code)
			}
		}
	})
}
