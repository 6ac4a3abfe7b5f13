package site_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"tianweitong/examples/tradingplatform/site"
	"tianweitong/platform/platformtest"
)

// TestAPlantedCookieSharesNoSession: by https the session's cookie is one that a
// browser takes from this host alone, and a cookie of another name, which a
// sibling host can plant, is nobody's session.
func TestAPlantedCookieSharesNoSession(t *testing.T) {
	s := platformtest.New(t)
	handler, err := site.New(site.Config{Client: s.Client(), Name: "样例招采平台", Clock: s.Clock, Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	thief, victim := visit(t, server), visit(t, server)
	thief.http.Transport, victim.http.Transport = server.Client().Transport, server.Client().Transport

	thief.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := thief.http.Post(server.URL+"/login", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	set := res.Cookies()
	if len(set) != 1 || set[0].Name != "__Host-site" || !set[0].Secure || set[0].Path != "/" || set[0].Domain != "" || !set[0].HttpOnly {
		t.Fatalf("the session's cookie is %v", set)
	}
	victim.http.Jar.SetCookies(address, []*http.Cookie{{Name: "site", Value: set[0].Value, Path: "/"}})
	if path, _ := victim.get("/scan/login"); path != "/" {
		t.Errorf("a planted cookie opens %s", path)
	}
	if path, _ := victim.post("/login"); path != "/scan/login" {
		t.Errorf("with a planted cookie a login leads to %s", path)
	}
	if path, _ := victim.post("/logout"); path != "/" {
		t.Errorf("logging out leads to %s", path)
	}
	if got := victim.http.Jar.Cookies(address); len(got) != 1 || got[0].Name != "site" {
		t.Errorf("after logging out the browser keeps %v", got)
	}
}
