// Package browser runs the journeys of web/e2e in a real browser against a
// house and a trading platform of its own.
package browser

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tianweitong/examples/tradingplatform/site"
	"tianweitong/internal/app"
	"tianweitong/internal/store"
	"tianweitong/platform"
	"tianweitong/test/housetest"
	"tianweitong/web"
)

// require says that what the journeys need has to be there: CI must not pass
// because it ran nothing.
var require = os.Getenv("TWT_REQUIRE_BROWSER") == "1"

// lacking names what is missing on this machine, or "".
func lacking() string {
	switch {
	case !web.Phone(false).Built():
		return "the pages are not built: make build"
	case run("node", "--version") != nil:
		return "node is missing: make setup"
	case run(chromium(), "--version") != nil:
		return chromium() + " is missing: make setup"
	}
	if _, err := os.Stat("../../web/node_modules/playwright-core"); err != nil {
		return "the packages of web/ are not installed: make build"
	}
	return ""
}

func run(name string, args ...string) error { return exec.Command(name, args...).Run() }

func chromium() string {
	if c := os.Getenv("TWT_CHROMIUM"); c != "" {
		return c
	}
	return "/usr/bin/chromium"
}

// TestJourneys gives every file of web/e2e a house of its own: one moves the
// clock, another refuses identity checks.
func TestJourneys(t *testing.T) {
	if why := lacking(); why != "" {
		if require {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	files, err := filepath.Glob("../../web/e2e/*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no journeys: %v", err)
	}
	slices.Sort(files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.mjs"), func(t *testing.T) {
			t.Parallel() // a journey waits more than it computes
			journey(t, file)
		})
	}
}

const perFile = 5 * time.Minute

func journey(t *testing.T, file string) {
	house := housetest.Start(t, housetest.Config(t, store.SQLite), app.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), perFile)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test", "--test-reporter=spec", "--test-concurrency=1", file)
	cmd.Env = append(os.Environ(), "TWT_APP="+house.URLs().App, "TWT_SANDBOX="+house.URLs().Sandbox,
		"TWT_PLATFORM="+tradingPlatform(t, house, "D1100009001", "样例招采平台"),
		"TWT_OTHER_PLATFORM="+tradingPlatform(t, house, "D1100009002", "样例交易中心"), "TWT_CHROMIUM="+chromium())
	// The browser is node's child: both end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		t.Fatalf("not done after %s\n%s", perFile, out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// tradingPlatform runs the example site against the house and gives its address.
func tradingPlatform(t *testing.T, house *housetest.House, code, name string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	client, err := site.Connect(t.Context(), site.Account{
		Registration: platform.Registration{Code: code, Name: name, Region: "北京", Host: "bid.example", CallbackBase: url},
		Service:      house.URLs().Platform, Sandbox: house.URLs().Sandbox, Data: t.TempDir(), Clock: house.Clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	if server.Config.Handler, err = site.New(site.Config{Client: client, Name: name, Public: url, Clock: house.Clock}); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections() // event streams would outlast the test
		server.Close()
	})
	return url
}
