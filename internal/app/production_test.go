package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianweitong/internal/config"
)

func TestProductionWithoutProvidersNamesEachAndLeavesNoTrace(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	c, err := config.Config{
		Mode: config.Production, Data: data, AppURL: "https://app.example.cn", PlatformURL: "https://open.example.cn", PKIURL: "http://pki.example.cn", ConsoleURL: "https://console.example.cn",
		Arc: "1.3.6.1.4.1.99999", Operator: "示例运营公司", SupportHotline: "400-000-0000", SupportHours: "工作日 9:00–18:00", SupportWebsite: "https://www.example.cn",
	}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("a production house starts on fakes")
	}
	for _, provider := range []string{"短信", "实名核验", "支付"} {
		if strings.Count(err.Error(), provider) != 1 {
			t.Errorf("%s is not named once in:\n%v", provider, err)
		}
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the refused start left %s behind: %v", data, err)
	}
}

func TestTheSandboxsPanelIsAbsentInProduction(t *testing.T) {
	a := &App{cfg: config.Config{Mode: config.Production}, Options: Options{Log: slog.New(slog.DiscardHandler)}}
	h, err := a.panel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"GET /", "GET /sandbox/sms", "POST /sandbox/clock", "POST /sandbox/platforms", "GET /sandbox/pay/x"} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s is answered %d", target, w.Code)
		}
	}
}
