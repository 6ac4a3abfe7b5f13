package console_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/office"
)

func TestADealtPasswordLeadsToAPasswordAndAFactorOfOnesOwn(t *testing.T) {
	k := one(t)
	once, err := k.office.Create(t.Context(), office.Newcomer{Name: "first", DisplayName: "测试甲", Roles: []office.Role{office.Super}})
	if err != nil {
		t.Fatal(err)
	}
	b := k.browser()
	b.ok("POST", "/session", anyMap{"name": " First ", "password": once})
	b.refused("console_password_first", "POST", "/factors/totp/begin", anyMap{})
	b.refused("console_password_length", "POST", "/session/password", anyMap{"new": "kurz"})
	b.refused("console_password_weak", "POST", "/session/password", anyMap{"new": "first-und-letzter"})
	b.refused("console_password_weak", "POST", "/session/password", anyMap{"new": "MyPassword-2026"})
	b.refused("console_password_same", "POST", "/session/password", anyMap{"new": once})
	b.ok("POST", "/session/password", anyMap{"new": password})
	b.refused("console_stage", "POST", "/session/password", anyMap{"new": password + "x"})
	offer := b.ok("POST", "/factors/totp/begin", anyMap{})
	if u := offer["url"].(string); !strings.HasPrefix(u, "otpauth://totp/") || !strings.Contains(u, offer["secret"].(string)) || offer["qr"] == "" {
		t.Errorf("offer = %v", offer)
	}
	b.key = offer["secret"].(string)
	b.refused("console_code_wrong", "POST", "/factors/totp/finish", anyMap{"code": "000000"})
	got := b.ok("POST", "/factors/totp/finish", anyMap{"code": b.code(0)})
	if got["stage"] != "full" || got["next"] != nil || got["roles"].([]any)[0] != "super" {
		t.Errorf("session = %v", got)
	}
	// The code that set the factor up does not sign in as well.
	again := k.browser()
	again.ok("POST", "/session", anyMap{"name": "first", "password": password})
	again.refused("console_code_wrong", "POST", "/session/totp", anyMap{"code": b.code(0)})
	k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "first", "password": once})
}

func TestADealtPasswordServesThreeDays(t *testing.T) {
	k := one(t)
	once, err := k.office.Create(t.Context(), office.Newcomer{Name: "first", DisplayName: "测试甲", Roles: []office.Role{office.Super}})
	if err != nil {
		t.Fatal(err)
	}
	k.clock.Advance(72 * time.Hour)
	k.browser().refused("console_once_expired", "POST", "/session", anyMap{"name": "first", "password": once})
	if once, err = k.office.Reset(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	k.browser().enrol("first", once)
}

func TestTheCookieIsOutOfReachAndChangesWithTheSecondFactor(t *testing.T) {
	k := one(t)
	b := k.officer("first", office.Super).half()
	var tokens []string
	res, err := b.http.Post(k.url+"/console/v1/session", "application/json", strings.NewReader(`{"name":"first","password":"`+password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name != console.Cookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console/v1" {
			t.Errorf("cookie %v", c)
		}
		tokens = append(tokens, c.Value)
	}
	old := &http.Cookie{Name: console.Cookie, Value: tokens[0]}
	b.ok("POST", "/session/totp", anyMap{"code": b.code(0)})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", k.url+"/console/v1/session", nil)
	r.AddCookie(old)
	res, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 401 {
		t.Errorf("the token of the half session: %d", res.StatusCode)
	}
}

func TestSessionsEndWhenIdleAndAfterHalfADay(t *testing.T) {
	k := one(t)
	b := k.officer("first", office.Super)
	for range 25 { // a minute since the sign-in, and as good as twelve hours of work
		k.clock.Advance(28 * time.Minute)
		b.ok("GET", "/session", nil)
	}
	k.clock.Advance(19 * time.Minute)
	b.refused("console_login_required", "GET", "/session", nil)

	b = b.half()
	b.ok("POST", "/session/totp", anyMap{"code": b.code(0)})
	k.clock.Advance(30 * time.Minute)
	b.refused("console_login_required", "GET", "/session", nil)

	b = b.half()
	k.clock.Advance(10 * time.Minute)
	b.refused("console_login_required", "POST", "/session/totp", anyMap{"code": b.code(0)})

	b = b.half()
	b.ok("POST", "/session/totp", anyMap{"code": b.code(0)})
	b.ok("DELETE", "/session", nil)
	b.refused("console_login_required", "GET", "/session", nil)
}

func TestTheLockHoldsUnder64ParallelGuesses(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.officer("first", office.Super)
		var wrong, locked atomic.Int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				_, out := k.browser().send("POST", "/session", anyMap{"name": "first", "password": "not the password"})
				switch out["code"] {
				case "console_password_wrong":
					wrong.Add(1)
				case "console_locked":
					locked.Add(1)
				default:
					t.Errorf("answer %v", out)
				}
			})
		}
		all.Wait()
		if wrong.Load() != office.Tries || locked.Load() != 64-office.Tries {
			t.Errorf("%d were compared and %d locked out", wrong.Load(), locked.Load())
		}
		b := k.browser()
		b.refused("console_locked", "POST", "/session", anyMap{"name": "first", "password": password})
		b.refused("console_password_wrong", "POST", "/session", anyMap{"name": "nobody", "password": password})
		k.clock.Advance(office.Pause)
		b.ok("POST", "/session", anyMap{"name": "first", "password": password})
	})
}

func TestWrongCodesLockTheSecondFactor(t *testing.T) {
	k := one(t)
	b := k.officer("first", office.Super)
	for i := range office.Tries {
		out := b.half().refused("console_code_wrong", "POST", "/session/totp", anyMap{"code": "000000"})
		if left := office.Tries - i - 1; int(out["remaining"].(float64)) != left || (left == 0) != (out["lockedUntil"] != nil) {
			t.Errorf("after %d: %v", i+1, out)
		}
	}
	b.half().refused("console_locked", "POST", "/session/totp", anyMap{"code": b.code(0)})
	k.clock.Advance(office.Pause)
	h := b.half()
	h.ok("POST", "/session/totp", anyMap{"code": h.code(0)})
}

func TestTheSecondFactorHoldsUnder64ParallelGuesses(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		h := k.officer("first", office.Super).half()
		var wrong, locked atomic.Int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				_, out := h.send("POST", "/session/totp", anyMap{"code": "000000"})
				switch out["code"] {
				case "console_code_wrong":
					wrong.Add(1)
				case "console_locked":
					locked.Add(1)
				default:
					t.Errorf("answer %v", out)
				}
			})
		}
		all.Wait()
		if wrong.Load() != office.Tries || locked.Load() != 64-office.Tries {
			t.Errorf("%d were compared and %d locked out", wrong.Load(), locked.Load())
		}
	})
}

func TestATimeStepServesOnce(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		b := k.officer("first", office.Super)
		var halves []*browser
		for range 4 {
			halves = append(halves, b.half())
		}
		code := b.code(0)
		var passed atomic.Int64
		var all sync.WaitGroup
		for _, h := range halves {
			all.Go(func() {
				if status, out := h.send("POST", "/session/totp", anyMap{"code": code}); status == 200 {
					passed.Add(1)
				} else if out["code"] != "console_code_wrong" {
					t.Errorf("answer %v", out)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 {
			t.Errorf("one code signed in %d times", passed.Load())
		}
		late := b.half()
		late.refused("console_code_wrong", "POST", "/session/totp", anyMap{"code": b.code(-1)})
		late.ok("POST", "/session/totp", anyMap{"code": b.code(1)})
	})
}

func TestHalfASessionMayDoNothingElse(t *testing.T) {
	k := one(t)
	full := k.officer("first", office.Super, office.Verifier, office.Operator, office.Auditor)
	second := full.half()
	once, err := k.office.Create(t.Context(), office.Newcomer{Name: "newcomer", DisplayName: "测试乙", Roles: []office.Role{office.Super}})
	if err != nil {
		t.Fatal(err)
	}
	enrol := k.browser()
	enrol.ok("POST", "/session", anyMap{"name": "newcomer", "password": once})
	open := 0
	for _, r := range k.server.Routes() {
		path := strings.NewReplacer("{id}", "0", "{kind}", "0").Replace(strings.TrimPrefix(r.Path, "/console/v1"))
		if len(r.Access) == 0 {
			t.Errorf("%s %s lets nobody in", r.Method, r.Path)
			continue
		}
		if r.Access[0] == "public" {
			open++
			continue
		}
		if status, out := k.browser().send(r.Method, path, anyMap{}); status != 401 || out["code"] != "console_login_required" {
			t.Errorf("%s %s without a session: %d %v", r.Method, r.Path, status, out)
		}
		if r.Access[0] == "half" {
			open++
			continue
		}
		for name, b := range map[string]*browser{"second": second, "enrol": enrol} {
			if status, out := b.send(r.Method, path, anyMap{}); status != 401 || out["code"] != "console_second_factor_required" {
				t.Errorf("%s %s with half a session (%s): %d %v", r.Method, r.Path, name, status, out)
			}
		}
	}
	if open != 11 {
		t.Errorf("%d routes are open to half a session, want the 11 of signing in", open)
	}
}

func TestRoutesAreOpenToTheirRolesAlone(t *testing.T) {
	k := one(t)
	for _, role := range office.Roles() {
		b := k.officer("the."+string(role), role)
		for _, r := range k.server.Routes() {
			switch r.Access[0] {
			case "public", "half", "anyone":
				continue
			}
			mine := false
			for _, a := range r.Access {
				mine = mine || a == string(role)
			}
			if mine {
				continue
			}
			path := strings.NewReplacer("{id}", "0", "{kind}", "0").Replace(strings.TrimPrefix(r.Path, "/console/v1"))
			if status, out := b.send(r.Method, path, anyMap{}); status != 403 || out["code"] != "console_forbidden" {
				t.Errorf("%s: %s %s: %d %v", role, r.Method, r.Path, status, out)
			}
		}
	}
}
