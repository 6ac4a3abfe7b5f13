package main

import (
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"

	"tianweitong/internal/app"
	"tianweitong/internal/clock"
	"tianweitong/internal/config"
	"tianweitong/internal/lan"
)

// drawn reads a code back from what a terminal shows: its own colours alone
// decide what is dark.
func drawn(t *testing.T, s string) [][]bool {
	t.Helper()
	var rows [][]bool
	for _, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		line, ok := strings.CutSuffix(strings.TrimPrefix(line, "  "), "\x1b[0m")
		if !ok {
			t.Fatalf("a line leaves its colours behind: %q", line)
		}
		var upper, lower []bool
		for _, m := range regexp.MustCompile("\x1b\\[38;5;(16|231);48;5;(16|231)m(▀+)").FindAllStringSubmatch(line, -1) {
			for range strings.Count(m[3], "▀") {
				upper, lower = append(upper, m[1] == "16"), append(lower, m[2] == "16")
			}
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

func TestTheTerminalShowsTheCodeWithItsQuietZoneOnAnyBackground(t *testing.T) {
	const address = "https://192.168.1.5:8080"
	code, err := qr.Encode(address, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	rows := drawn(t, terminalQR(address))
	if len(rows) < code.Size+2*quiet || len(rows[0]) != code.Size+2*quiet {
		t.Fatalf("%d rows of %d modules, want %d", len(rows), len(rows[0]), code.Size+2*quiet)
	}
	for y, row := range rows {
		for x, dark := range row {
			if dark != code.Black(x-quiet, y-quiet) {
				t.Fatalf("module %d, %d is wrong", x, y)
			}
		}
	}
}

func TestTheBannerNamesEveryAddress(t *testing.T) {
	urls := app.URLs{App: "http://127.0.0.1:8080", Platform: "http://127.0.0.1:8081", PKI: "http://127.0.0.1:8082", Sandbox: "http://127.0.0.1:8083", Ops: "http://127.0.0.1:8089"}
	b := banner{cfg: config.Config{Mode: config.Sandbox, Data: "data"}, urls: urls, demo: "http://127.0.0.1:8090"}
	for _, want := range []string{urls.App, urls.Platform, urls.PKI, urls.Sandbox, urls.Ops, b.demo, "沙箱", "▀", "make run LAN=1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the banner lacks %s", want)
		}
	}
	root, err := lan.Open(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	b.root, b.urls.App, b.urls.Trust = root, "https://192.168.1.5:8080", "http://192.168.1.5:8088"
	for _, want := range []string{b.urls.App, b.urls.Trust, "证书信任设置", "Certificate Trust Settings", "不向网络开放"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the banner of the local network lacks %s", want)
		}
	}
}
