package web

import (
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

const (
	// firstScreen is the most JavaScript, compressed as it is sent, that stands
	// between an address and the first screen.
	firstScreen = 150_000
	// coreSize is the most that the key protocol's WebAssembly may weigh.
	coreSize = 1_200_000
)

var (
	scripts = regexp.MustCompile(`<(?:script|link)\b[^>]*\b(?:src|href)="/(assets/[^"]+\.js)"`)
	late    = regexp.MustCompile(`^assets/(Home|Login)View-[^/]*\.js$`)
	imports = regexp.MustCompile(`(?:\bimport|\bfrom)\s*["'](\./[^"']+\.js)["']`)
)

func content(t *testing.T, files tree, name string) string {
	t.Helper()
	f, ok := files[name]
	if !ok {
		t.Fatalf("%s is named and is not there", name)
	}
	r, err := f.forms[len(f.forms)-1].open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages skips where there are none, unless CI says that there have to be.
func pages(t *testing.T) tree {
	t.Helper()
	if !Phone(false).Built() {
		if os.Getenv("TWT_REQUIRE_BROWSER") == "1" {
			t.Fatal("the pages are not built: make build")
		}
		t.Skip("the pages are not built: make build")
	}
	return phoneFiles()
}

// everyOrigin gives the builds of all origins; they are built together.
func everyOrigin(t *testing.T) map[string]tree {
	t.Helper()
	return map[string]tree{"app": pages(t), "console": consoleFiles(), "panel": panelFiles()}
}

// graph follows static imports from some files; the answer has each once.
func graph(t *testing.T, from []string) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[0]
		from = from[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, m := range imports.FindAllStringSubmatch(content(t, phoneFiles(), name), -1) {
			from = append(from, path.Join(path.Dir(name), m[1]))
		}
	}
	return seen
}

func TestTheFirstScreenIsLight(t *testing.T) {
	files := pages(t)
	var entry []string
	for _, m := range scripts.FindAllStringSubmatch(content(t, files, shell), -1) {
		entry = append(entry, m[1])
	}
	if len(entry) == 0 {
		t.Fatal("the shell has no script")
	}
	// Login and home, the two first screens, have to be part of the entry.
	for name := range files {
		if late.MatchString(name) {
			t.Errorf("%s is fetched after the entry: a first screen costs another round trip", name)
		}
	}
	var sent int64
	all := graph(t, entry)
	for name := range all {
		sent += files[name].forms[0].size // brotli where there is one
	}
	t.Logf("%d files, %.1f kB", len(all), float64(sent)/1000)
	if sent > firstScreen {
		t.Errorf("the first screen needs %d bytes of JavaScript, at most %d", sent, firstScreen)
	}
}

func TestTheCoreIsLight(t *testing.T) {
	n := 0
	for name, f := range pages(t) {
		if !strings.HasPrefix(name, "core/phone-") || path.Ext(name) != ".wasm" {
			continue
		}
		n++
		if f.forms[0].coding != "br" || !f.immutable {
			t.Errorf("%s: its first form is %q, immutable: %v", name, f.forms[0].coding, f.immutable)
		}
		t.Logf("%s: %.0f kB", name, float64(f.forms[0].size)/1000)
		if f.forms[0].size > coreSize {
			t.Errorf("%s is sent as %d bytes, at most %d", name, f.forms[0].size, coreSize)
		}
	}
	if n != 1 {
		t.Errorf("there are %d cores, want one", n)
	}
}

// TestNoStyleOrPageNamesAnotherSite keeps out what a browser would load by
// itself: the fallback of an icon font, a page's preconnect.
func TestNoStyleOrPageNamesAnotherSite(t *testing.T) {
	other := regexp.MustCompile(`(?:url\(|href=|src=)["']?(?:https?:)?//[^"')\s>]+`)
	for origin, files := range everyOrigin(t) {
		for name := range files {
			switch path.Ext(name) {
			case ".html", ".css":
				if found := other.FindString(content(t, files, name)); found != "" {
					t.Errorf("%s of the %s names %s", name, origin, found)
				}
			}
		}
	}
}

// TestPagesHaveNothingInline: a script or style inside a page would not run
// under the policy.
func TestPagesHaveNothingInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script(?:\s+type="module")?\s*>|<style|\sstyle=|\son[a-z]+=`)
	for origin, files := range everyOrigin(t) {
		for name := range files {
			if path.Ext(name) == ".html" {
				if found := inline.FindString(content(t, files, name)); found != "" {
					t.Errorf("%s of the %s has %q inside", name, origin, found)
				}
			}
		}
	}
}
