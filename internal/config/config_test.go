package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnknownFieldIsRefused(t *testing.T) {
	p := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(p, []byte(`{"mode":"sandbox","databse":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p, nil); err == nil || !strings.Contains(err.Error(), "databse") {
		t.Fatalf("err = %v", err)
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(p, []byte(`{"data":"a","app":"x:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(p, map[string]string{"TWT_DATA": "b"})
	if err != nil || c.Data != "b" || c.App != "x:1" {
		t.Fatalf("c = %+v, %v", c, err)
	}
}

func TestZeroValueIsAnEmbeddedSandbox(t *testing.T) {
	c, err := Config{}.Complete()
	if err != nil || c.Mode != Sandbox || !strings.HasPrefix(c.DB, "sqlite:") {
		t.Fatalf("c = %+v, %v", c, err)
	}
	if c.SupportHotline == "" || c.SupportHours == "" || !strings.HasPrefix(c.SupportWebsite, "https://") {
		t.Errorf("nobody to ask: %+v", c)
	}
}

func TestProductionNamesAllThatIsMissing(t *testing.T) {
	_, err := Config{Mode: Production}.Complete()
	if err == nil {
		t.Fatal("an empty production configuration starts")
	}
	for _, word := range []string{"appURL", "platformURL", "pkiURL", "consoleURL", "arc", "operator", "supportHotline"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not named in %v", word, err)
		}
	}
}

func TestTheConsoleNeedsANameInProduction(t *testing.T) {
	for _, x := range []struct {
		console, url string
		named        bool
	}{{"", "", true}, {"", "http://console.example.cn", true}, {"", "https://192.0.2.7", true}, {"", "https://console.example.cn", false}, {"off", "", false}} {
		_, err := Config{Mode: Production, Console: x.console, ConsoleURL: x.url}.Complete()
		if err == nil || strings.Contains(err.Error(), "consoleURL") != x.named {
			t.Errorf("console %q at %q: %v", x.console, x.url, err)
		}
	}
}

func TestOneDatabaseForBothIsRefused(t *testing.T) {
	if _, err := (Config{DB: "sqlite:x", KMC: "sqlite:x"}).Complete(); err == nil {
		t.Fatal("accepted")
	}
}

func TestLocalNetworkOpensTheAppAndKeepsThePanelHere(t *testing.T) {
	c, err := Config{LAN: "192.168.1.5"}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	for listener, want := range map[string]string{
		c.App: "192.168.1.5:8080", c.Platform: "192.168.1.5:8081", c.Cashier: "192.168.1.5:8084", c.Trust: "192.168.1.5:8088",
		c.Panel: "127.0.0.1:8083", c.PKI: "127.0.0.1:8082", c.Ops: "127.0.0.1:8089", c.Console: "127.0.0.1:8084",
	} {
		if listener != want {
			t.Errorf("a listener is %s, want %s", listener, want)
		}
	}
	for name, bad := range map[string]Config{
		"a name": {LAN: "desk.local"}, "production": {LAN: "192.168.1.5", Mode: Production}, "an address of its own": {LAN: "192.168.1.5", AppURL: "https://a.example"},
	} {
		if _, err := bad.Complete(); err == nil || !strings.Contains(err.Error(), "lan") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
