package scan

import (
	"net/netip"
	"strings"
	"time"
)

// Origin is where the platform's page is open, compared with the phone
// (docs/domain.md §1.9): against codes that somebody relays.
type Origin struct {
	UserAgent string `json:"userAgent"`
	// Browser is what UserAgent says for people: Windows · Chrome.
	Browser string `json:"browser"`
	Region  string `json:"region,omitempty"`
	Network string `json:"network,omitempty"`
	// Differs: another region or network than the phone's; Risk says which. The
	// page turns red and waits WaitSeconds before it can be confirmed.
	Differs     bool   `json:"differs"`
	Risk        string `json:"risk,omitempty" enum:"region,network"`
	RiskText    string `json:"riskText,omitempty"`
	WaitSeconds int    `json:"waitSeconds,omitempty"`
	// RequestedAt is when the platform's page asked, AgeSeconds how long ago that
	// was by the house's clock.
	RequestedAt time.Time `json:"requestedAt"`
	AgeSeconds  int       `json:"ageSeconds"`
}

const wait = 10

func (s *Service) origin(t Transaction) Origin {
	b := t.Private.Browser
	o := Origin{
		UserAgent: b.UserAgent, Browser: browserName(b.UserAgent), RequestedAt: t.CreatedAt,
		AgeSeconds: int(max(s.Clock.Now().Sub(t.CreatedAt), 0) / time.Second),
	}
	o.Region, o.Network = s.Locator.Locate(b.Address)
	region, network := s.Locator.Locate(t.Private.Phone)
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	switch {
	case differ(o.Region, region):
		o.Risk, o.RiskText = "region", "电脑与本机不在同一地区，请确认是您本人在电脑上操作。"
	case differ(o.Network, network):
		o.Risk, o.RiskText = "network", "电脑与本机不在同一网络，请确认是您本人在电脑上操作。"
	}
	if o.Differs = o.Risk != ""; o.Differs {
		o.WaitSeconds = wait
	}
	return o
}

// browserName names the system and the program of a User-Agent (RFC 9110
// §10.1.5) as people know them. Whoever writes it can lie; it is shown, nothing is
// decided by it.
func browserName(agent string) string {
	first := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	// What others also claim to be comes last.
	system := first([][2]string{{"Windows", "Windows"}, {"HarmonyOS", "HarmonyOS"}, {"OpenHarmony", "HarmonyOS"}, {"Android", "Android"},
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}})
	program := first([][2]string{{"MicroMessenger/", "微信"}, {"DingTalk/", "钉钉"}, {"QQBrowser/", "QQ 浏览器"}, {"360SE", "360 浏览器"}, {"360EE", "360 浏览器"},
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}})
	switch {
	case system == "" && program == "":
		return "未知浏览器"
	case system == "" || program == "":
		return system + program
	}
	return system + " · " + program
}

// prefixes locates without a directory of addresses: no region, and as network
// what usually belongs to one line.
type prefixes struct{}

func (prefixes) Locate(address string) (region, network string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", ""
	}
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsPrivate() {
		return "", "" // it says nothing about where the other is
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "", ""
	}
	return "", p.String()
}
