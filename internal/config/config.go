// Package config is the house's configuration: one JSON file or the
// environment, read strictly; the zero value is a sandbox that runs embedded
// (docs/config.md).
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Mode is how serious the house is.
type Mode string

// The modes.
const (
	// Sandbox (沙箱) runs embedded: its own CAs marked as a test, fakes of the
	// outside world, a clock that can be moved.
	Sandbox Mode = "sandbox"
	// Production refuses sandbox roots, fakes and missing providers at the start.
	Production Mode = "production"
)

// Config is the whole configuration. Every field can be set by the environment
// variable named in its tag, which wins over the file.
type Config struct {
	Mode Mode `json:"mode" env:"TWT_MODE"`
	// Data is the folder of embedded mode: databases, keys, published files.
	Data string `json:"data" env:"TWT_DATA"`
	// DB is the main database, "sqlite:PATH" or "postgres://…"; empty is a SQLite
	// file in Data. KMC is the key-management centre's own database.
	DB  string `json:"db" env:"TWT_DB"`
	KMC string `json:"kmc" env:"TWT_KMC"`
	// The listeners. Empty takes the embedded mode's address, "off" none.
	App      string `json:"app" env:"TWT_APP"`
	Platform string `json:"platform" env:"TWT_PLATFORM"`
	PKI      string `json:"pki" env:"TWT_PKI"`
	Ops      string `json:"ops" env:"TWT_OPS"`
	Panel    string `json:"sandbox" env:"TWT_SANDBOX"`
	Console  string `json:"console" env:"TWT_CONSOLE"`
	// LAN, in the sandbox, is the address of the local network on which app and
	// platform API are served by https (docs/local-network.md); empty is this
	// machine alone. Cashier is then the listener of the cashier's page, which a
	// phone has to reach, and Trust the one where it gets the root.
	LAN     string `json:"lan" env:"TWT_LAN"`
	Cashier string `json:"cashier" env:"TWT_CASHIER"`
	Trust   string `json:"trust" env:"TWT_TRUST"`
	// The addresses under which the outside reaches the listeners; empty is
	// http:// and the listener's own address, which production refuses.
	AppURL      string `json:"appURL" env:"TWT_APP_URL"`
	PlatformURL string `json:"platformURL" env:"TWT_PLATFORM_URL"`
	PKIURL      string `json:"pkiURL" env:"TWT_PKI_URL"`
	ConsoleURL  string `json:"consoleURL" env:"TWT_CONSOLE_URL"`
	// Operator is the O of the root and service certificates.
	Operator string `json:"operator" env:"TWT_OPERATOR"`
	// Arc is the operator's private OID arc; empty is the documented example's.
	Arc string `json:"arc" env:"TWT_ARC"`
	// TrustProxy takes client addresses from X-Forwarded-For's last entry.
	TrustProxy bool `json:"trustProxy" env:"TWT_TRUST_PROXY"`
	// Whom users ask for help (docs/domain.md A40): named on every page of help and
	// of errors. Production has no default for them.
	SupportHotline string `json:"supportHotline" env:"TWT_SUPPORT_HOTLINE"`
	SupportHours   string `json:"supportHours" env:"TWT_SUPPORT_HOURS"`
	SupportWebsite string `json:"supportWebsite" env:"TWT_SUPPORT_WEBSITE"`
	// LogLevel is debug, info, warn or error; empty is info.
	LogLevel string `json:"logLevel" env:"TWT_LOG_LEVEL"`
}

// Load reads the file at path, if path is not empty, then the environment; see
// Complete for the rest. An unknown field of the file is an error.
func Load(path string, environ map[string]string) (Config, error) {
	var c Config
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("reading the configuration: %w", err)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return c, fmt.Errorf("the configuration %s: %w", path, err)
		}
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: environ}); err != nil {
		return c, fmt.Errorf("the environment: %w", err)
	}
	return c, nil
}

// Complete fills empty fields and checks the whole.
func (c Config) Complete() (Config, error) {
	fill := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	if c.Mode == "" {
		c.Mode = Sandbox
	}
	if c.Mode != Sandbox && c.Mode != Production {
		return c, fmt.Errorf("mode %q: it must be sandbox or production", c.Mode)
	}
	fill(&c.Data, "data")
	fill(&c.DB, "sqlite:"+filepath.Join(c.Data, "main.db"))
	fill(&c.KMC, "sqlite:"+filepath.Join(c.Data, "kmc.db"))
	outside := "127.0.0.1"
	if c.LAN != "" {
		if err := c.checkLAN(); err != nil {
			return c, err
		}
		outside = c.LAN
		fill(&c.Cashier, net.JoinHostPort(outside, "8084"))
		fill(&c.Trust, net.JoinHostPort(outside, "8088"))
	}
	fill(&c.App, net.JoinHostPort(outside, "8080"))
	fill(&c.Platform, net.JoinHostPort(outside, "8081"))
	fill(&c.PKI, "127.0.0.1:8082")
	if c.Mode == Sandbox {
		fill(&c.Panel, "127.0.0.1:8083")
		fill(&c.SupportHotline, "400-666-3999")
		fill(&c.SupportHours, "工作日 9:00–18:00")
		fill(&c.SupportWebsite, "https://www.itrus.com.cn")
	}
	fill(&c.Console, "127.0.0.1:8084")
	fill(&c.Ops, "127.0.0.1:8089")
	fill(&c.Operator, "天威通沙箱")
	fill(&c.LogLevel, "info")
	if c.DB == c.KMC {
		return c, errors.New("the key-management centre needs a database of its own: db and kmc are the same")
	}
	for _, u := range []struct{ name, value string }{{"appURL", c.AppURL}, {"platformURL", c.PlatformURL}, {"pkiURL", c.PKIURL}, {"consoleURL", c.ConsoleURL}} {
		if err := checkURL(u.value); err != nil {
			return c, fmt.Errorf("%s: %w", u.name, err)
		}
	}
	if c.Mode == Production {
		return c, c.production()
	}
	if c.PKI == "off" && c.PKIURL == "" {
		return c, errors.New("pkiURL (TWT_PKI_URL) is needed when pki is off: it stands in every certificate")
	}
	return c, nil
}

// checkLAN wants one address, and addresses of the outside left to it: they are
// https:// and the listener's own.
func (c Config) checkLAN() error {
	switch _, err := netip.ParseAddr(c.LAN); {
	case err != nil:
		return fmt.Errorf("lan %q: it must be an address of this machine, such as 192.168.1.5", c.LAN)
	case c.Mode == Production:
		return errors.New("lan is for trying a phone against a sandbox: in production a server in front speaks https")
	case c.AppURL != "" || c.PlatformURL != "":
		return errors.New("lan sets appURL and platformURL by itself: leave them out")
	}
	return nil
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.HasSuffix(s, "/") {
		return errors.New("it must look like https://host, without a slash at the end")
	}
	return nil
}

// named tells an https address with a name from one with a number.
func named(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err != nil
}

// production names everything that is missing at once.
func (c Config) production() error {
	var missing []error
	for _, u := range []struct{ name, value string }{{"appURL", c.AppURL}, {"platformURL", c.PlatformURL}} {
		if !strings.HasPrefix(u.value, "https://") {
			missing = append(missing, fmt.Errorf("%s must be an https address", u.name))
		}
	}
	if c.Console != "off" && !named(c.ConsoleURL) {
		missing = append(missing, errors.New("consoleURL must be an https address with a name, for passkeys; or console must be off"))
	}
	if c.PKIURL == "" {
		missing = append(missing, errors.New("pkiURL is missing: it stands in every certificate"))
	}
	if c.Panel != "" && c.Panel != "off" {
		missing = append(missing, errors.New("sandbox must be off: the panel has no place in production"))
	}
	if c.Arc == "" {
		missing = append(missing, errors.New("arc is missing: the operator's own OID arc"))
	}
	if c.SupportHotline == "" || c.SupportHours == "" || c.SupportWebsite == "" {
		missing = append(missing, errors.New("supportHotline, supportHours or supportWebsite is missing: users must know whom to ask"))
	}
	if strings.Contains(c.Operator, "沙箱") {
		missing = append(missing, errors.New("operator is missing: the name in the root certificate"))
	}
	return errors.Join(missing...)
}
