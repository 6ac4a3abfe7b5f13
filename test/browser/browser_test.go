// Package browser runs the journeys of web/e2e in a real browser against a
// house and a trading platform of its own.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tianweitong/examples/tradingplatform/site"
	"tianweitong/internal/app"
	"tianweitong/internal/office"
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
		t.Run(name(file), func(t *testing.T) {
			t.Parallel() // a journey waits more than it computes
			out, err := journey(t, file)
			switch {
			case err == nil:
				t.Logf("%s", out)
			case once.more(file):
				report(t, "%s failed beside the others and is run again alone: %v\n%s", name(file), err, out)
			default:
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestJourneysThatFailedRunAlone runs what failed once more when nothing else of
// this package runs: two browsers and two houses on two shared cores can be
// slower than any wait allows. What fails alone is broken.
func TestJourneysThatFailedRunAlone(t *testing.T) {
	for _, file := range once.take() {
		t.Run(name(file), func(t *testing.T) {
			out, err := journey(t, file)
			if err != nil {
				t.Fatalf("failed again when run alone: %v\n%s", err, out)
			}
			report(t, "%s passed when run alone", name(file))
		})
	}
}

// TestMain holds the run to the second try of what failed, however tests were chosen.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := once.take(); len(left) > 0 {
		fmt.Printf("failed and not run again: %s\n", left)
		code = 1
	}
	os.Exit(code)
}

// secondTries is how many files may fail once; more are no matter of load.
const secondTries = 2

// tries remembers the files that get a second one.
type tries struct {
	sync.Mutex
	files []string
	given int
}

var once tries

// more says whether a file that failed may run again, and remembers it.
func (a *tries) more(file string) bool {
	a.Lock()
	defer a.Unlock()
	if a.given++; a.given > secondTries {
		return false
	}
	a.files = append(a.files, file)
	return true
}

func (a *tries) take() []string {
	a.Lock()
	defer a.Unlock()
	files := a.files
	a.files = nil
	return files
}

// report logs, and writes to the file TWT_UNSTEADY too: go test is silent about
// what passes in the end.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	path := os.Getenv("TWT_UNSTEADY")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, format+"\n", args...)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func name(file string) string { return strings.TrimSuffix(filepath.Base(file), ".test.mjs") }

const perFile = 5 * time.Minute

// journey runs a file against a house of its own and gives what node printed.
func journey(t *testing.T, file string) ([]byte, error) {
	t.Helper()
	house := housetest.Start(t, housetest.Config(t, store.SQLite), app.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), perFile)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test", "--test-reporter=spec", "--test-concurrency=1", file)
	cmd.Env = append(os.Environ(), "TWT_APP="+house.URLs().App, "TWT_SANDBOX="+house.URLs().Sandbox,
		"TWT_PLATFORM="+tradingPlatform(t, house, "D1100009001", "样例招采平台"),
		"TWT_OTHER_PLATFORM="+tradingPlatform(t, house, "D1100009002", "样例交易中心"), "TWT_CHROMIUM="+chromium(),
		"TWT_CONSOLE="+house.URLs().Console, "TWT_OFFICERS="+officers(t, house))
	// The browser is node's child: both end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %s", perFile)
	}
	return out, err
}

// officers makes two verifiers, who may need a second pair of eyes, and somebody of
// each other role; it gives their one-time passwords by name, as JSON.
func officers(t *testing.T, house *housetest.House) string {
	t.Helper()
	passwords := map[string]string{}
	for name, role := range map[string]office.Role{
		"verifier-1": office.Verifier, "verifier-2": office.Verifier, "operator": office.Operator, "auditor": office.Auditor, "super-1": office.Super, "super-2": office.Super,
	} {
		password, err := house.NewOfficer(t.Context(), office.Newcomer{
			Name: name, DisplayName: "测试" + name, Phone: fmt.Sprintf("1990000%04d", len(passwords)), Roles: []office.Role{role},
		})
		if err != nil {
			t.Fatal(err)
		}
		passwords[name] = password
	}
	b, err := json.Marshal(passwords)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
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
