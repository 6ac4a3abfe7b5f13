package platform_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tianweitong/platform"
	"tianweitong/platform/platformtest"
)

// page is a platform's page: the session's secret is a header here.
func page(t *testing.T, c *platform.Client, tx *platform.Transaction) (get func(path, secret string) *http.Response, g *platform.Widget) {
	t.Helper()
	g = c.Widget(func(r *http.Request) (platform.Transaction, []byte, bool) {
		return *tx, []byte(r.Header.Get("Secret")), tx.ID != ""
	})
	server := httptest.NewServer(http.StripPrefix("/scan", g))
	t.Cleanup(server.Close)
	return func(path, secret string) *http.Response {
		t.Helper()
		req, _ := http.NewRequest("GET", server.URL+"/scan/"+path, nil)
		req.Header.Set("Secret", secret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}, g
}

func read(t *testing.T, res *http.Response, v any) {
	t.Helper()
	if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("answered %d, %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		t.Fatal(err)
	}
}

func TestWidgetServesOnlyTheSessionThatAsked(t *testing.T) {
	s := platformtest.New(t)
	tx := login(t, s.Client())
	get, g := page(t, s.Client(), &tx)
	s.Scan(tx.ID, "4821")
	for _, path := range []string{"qr", "qr.svg", "qr.png", "state", "events"} {
		for _, who := range []string{"", "another browser's secret"} {
			res := get(path, who)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusNotFound || bytes.Contains(body, []byte("4821")) {
				t.Errorf("%s for %q: %d %s", path, who, res.StatusCode, body)
			}
		}
	}
	if res := get("elsewhere", string(secret)); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown path: %d", res.StatusCode)
	}
	s.Execute(tx.ID)
	r := httptest.NewRequest("GET", "/done", nil)
	if _, err := g.Status(r); err == nil {
		t.Error("the result was given to another session")
	}
	r.Header.Set("Secret", string(secret))
	if st, err := g.Status(r); err != nil || st.Result == nil {
		t.Errorf("got %+v, %v", st, err)
	}
}

func TestWidgetDrawsTheCode(t *testing.T) {
	s := platformtest.New(t)
	tx := login(t, s.Client())
	get, _ := page(t, s.Client(), &tx)
	var q struct {
		Text, Image          string
		RotatesIn, ExpiresIn int64
	}
	read(t, get("qr", string(secret)), &q)
	if !strings.HasPrefix(q.Text, "https://app.example/s#k=") || q.RotatesIn != 10_000 || q.ExpiresIn != 120_000 {
		t.Errorf("got %+v", q)
	}
	svg, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(q.Image, "data:image/svg+xml;base64,"))
	if err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) || bytes.Contains(svg, []byte("app.example")) {
		t.Errorf("image %.60s, %v", svg, err)
	}
	if res := get("qr.svg", string(secret)); res.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("svg as %q", res.Header.Get("Content-Type"))
	}
	picture, err := png.Decode(get("qr.png", string(secret)).Body)
	if err != nil || picture.Bounds().Dx() < 200 {
		t.Errorf("png: %v", err)
	}
}

// TestSVGAndPNGShowTheSameModules reads both pictures back, module by module.
func TestSVGAndPNGShowTheSameModules(t *testing.T) {
	q := platform.QR{Text: "https://app.example/s#k=abcdefghijklmnopqrstuvwxyz0123456789"}
	raw, err := q.PNG()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	svg, err := q.SVG()
	if err != nil {
		t.Fatal(err)
	}
	side := picture.Bounds().Dx() / 8
	dark := make(map[[2]int]bool)
	_, path, _ := strings.Cut(string(svg), `fill="#131a2a" d="`)
	for run := range strings.SplitSeq(strings.TrimSuffix(path, `"/></svg>`), "z") {
		var x, y, n, back int
		if run == "" {
			continue
		}
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &n, &back); err != nil || back != n {
			t.Fatalf("run %q: %v", run, err)
		}
		for i := range n {
			dark[[2]int{x + i, y}] = true
		}
	}
	for y := range side {
		for x := range side {
			r, _, _, _ := picture.At(x*8+4, y*8+4).RGBA()
			if (r == 0) != dark[[2]int{x, y}] {
				t.Fatalf("module %d,%d differs", x, y)
			}
		}
	}
}

func TestWidgetSaysTheState(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	get, _ := page(t, c, &tx)
	expect := func(phase platform.Phase, label, code string, final bool) {
		t.Helper()
		var v platform.View
		read(t, get("state", string(secret)), &v)
		if v.Phase != phase || v.Label != label || v.Code != code || v.Final != final {
			t.Errorf("got %+v", v)
		}
	}
	expect(platform.Waiting, "等待扫码", "", false)
	s.Scan(tx.ID, "4821")
	expect(platform.Seen, "已扫码", "4821", false)
	s.Confirm(tx.ID)
	expect(platform.Seen, "已扫码", "", false)
	s.End(tx.ID, platform.Recovering, "")
	expect(platform.Seen, "恢复中", "", false)
	s.Execute(tx.ID)
	expect(platform.Completed, "已登录", "", true)
	s.Execute(tx.ID, func(e *platformtest.Execution) { e.Login.Host = "other.example" })
	expect(platform.Broken, "未完成", "", true)
	s.End(tx.ID, platform.Rejected, "")
	expect(platform.Stopped, "已取消", "", true)
	s.End(tx.ID, platform.Expired, "")
	expect(platform.Overdue, "已过期", "", true)
	s.End(tx.ID, platform.Failed, platform.WrongCode)
	expect(platform.Broken, "未完成", "", true)
	s.Fail(1)
	if res := get("state", string(secret)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("outage answered %d", res.StatusCode)
	}
	s.Fail(1)
	if res := get("qr", string(secret)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("outage answered %d", res.StatusCode)
	}
	tx = sign(t, c, nil)
	s.Execute(tx.ID)
	expect(platform.Completed, "已签名", "", true)
}

func TestWidgetStreamsToTheEnd(t *testing.T) {
	s := platformtest.New(t)
	tx := login(t, s.Client())
	get, _ := page(t, s.Client(), &tx)
	res := get("events", string(secret))
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream as %q", res.Header.Get("Content-Type"))
	}
	var seen []string
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var v platform.View
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatal(err)
		}
		switch seen = append(seen, v.Label+v.Code); v.Phase {
		case platform.Waiting:
			s.Scan(tx.ID, "4821")
		case platform.Seen:
			s.Execute(tx.ID)
		}
	}
	if got := strings.Join(seen, " "); got != "等待扫码 已扫码4821 已登录" {
		t.Errorf("saw %s", got)
	}
}

func TestEveryEndHasASentence(t *testing.T) {
	for _, state := range []platform.State{platform.Failed, platform.Rejected, platform.Expired} {
		v := platform.Status{State: state, Outcome: "SOMETHING_NEW"}.View()
		if v.Text == "" || !v.Final {
			t.Errorf("%s: %+v", state, v)
		}
	}
}
