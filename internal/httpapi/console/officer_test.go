package console_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/office"
	"tianweitong/internal/work"
)

// supers makes three super administrators: two at the command line, the third by
// the two.
func (k *kit) supers() (a, b, c *browser) {
	k.t.Helper()
	a, b = k.officer("super.a", office.Super), k.officer("super.b", office.Super)
	c = k.propose(a, b, "super.c", "13900000003", "super")
	return a, b, c
}

// propose has a propose an officer and b approve him.
func (k *kit) propose(a, b *browser, name, phone string, roles ...string) *browser {
	k.t.Helper()
	first := a.ok("POST", "/officers", anyMap{"name": name, "displayName": "测试" + name, "phone": phone, "roles": roles})
	second := b.ok("POST", "/proposals/"+proposalID(first)+"/approve", nil)
	n := k.browser()
	n.enrol(name, part(first)+"-"+part(second))
	return n
}

func proposalID(answer anyMap) string { return answer["proposal"].(anyMap)["id"].(string) }
func part(answer anyMap) string       { return answer["dealt"].(anyMap)["code"].(string) }

func (b *browser) listed(name string) anyMap {
	b.k.t.Helper()
	for _, o := range b.ok("GET", "/officers", nil)["officers"].([]any) {
		if o.(anyMap)["name"] == name {
			return o.(anyMap)
		}
	}
	b.k.t.Fatalf("no officer %s", name)
	return nil
}

func TestAnOfficerIsMadeByTwo(t *testing.T) {
	k := one(t)
	a, b := k.officer("super.a", office.Super), k.officer("super.b", office.Super)
	body := anyMap{"name": "verifier.a", "displayName": "测试丙", "phone": "13900000004", "roles": []string{"verifier"}}
	first := a.ok("POST", "/officers", body)
	b.refused("proposal_pending", "POST", "/officers", body)
	a.refused("console_four_eyes", "POST", "/proposals/"+proposalID(first)+"/approve", nil)
	a.refused("console_four_eyes", "POST", "/proposals/"+proposalID(first)+"/refuse", anyMap{"reason": "测试"})
	b.refused("proposal_not_mine", "DELETE", "/proposals/"+proposalID(first), nil)
	second := b.ok("POST", "/proposals/"+proposalID(first)+"/approve", nil)
	b.refused("proposal_decided", "POST", "/proposals/"+proposalID(first)+"/approve", nil)
	for _, half := range []string{part(first), part(second), part(second) + "-" + part(first)} {
		k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "verifier.a", "password": half})
	}
	n := k.browser()
	n.enrol("verifier.a", part(first)+"-"+part(second))
	if got := a.listed("verifier.a"); got["phoneMasked"] != "139****0004" || got["passwordOnce"] != false {
		t.Errorf("listed: %v", got)
	}
	a.refused("officer_name_taken", "POST", "/officers", body)
	for code, change := range map[string]anyMap{
		"officer_name": {"name": "X"}, "officer_display_name": {"displayName": "测"}, "officer_phone": {"phone": "123"}, "officer_roles": {"roles": []string{"king"}},
	} {
		bad := anyMap{"name": "another", "displayName": "测试丁", "phone": "13900000005", "roles": []string{"auditor"}}
		for f, v := range change {
			bad[f] = v
		}
		a.refused(code, "POST", "/officers", bad)
	}
}

func TestNobodyDecidesAboutHimself(t *testing.T) {
	k := one(t)
	a, b, c := k.supers()
	p := proposalID(a.ok("POST", "/officers/"+b.id+"/roles", anyMap{"roles": []string{"super", "auditor"}}))
	b.refused("console_four_eyes", "POST", "/proposals/"+p+"/approve", nil)
	a.refused("console_four_eyes", "POST", "/proposals/"+p+"/approve", nil)
	c.ok("POST", "/proposals/"+p+"/approve", nil)
	if got := b.ok("GET", "/session", nil)["roles"].([]any); len(got) != 2 {
		t.Errorf("roles = %v", got)
	}
	a.refused("proposal_no_change", "POST", "/officers/"+b.id+"/roles", anyMap{"roles": []string{"auditor", "super"}})
	own := proposalID(a.ok("POST", "/officers/"+a.id+"/roles", anyMap{"roles": []string{"super", "verifier"}}))
	a.refused("console_four_eyes", "POST", "/proposals/"+own+"/approve", nil)
	b.ok("POST", "/proposals/"+own+"/refuse", anyMap{"reason": "暂不需要"})
	c.refused("proposal_decided", "POST", "/proposals/"+own+"/approve", nil)
}

func TestOneOfManyApprovalsCounts(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		a, b, c := k.supers()
		first := a.ok("POST", "/officers", anyMap{"name": "raced", "displayName": "测试戊", "phone": "13900000006", "roles": []string{"operator"}})
		var approved, decided atomic.Int64
		var codes sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			who := []*browser{b, c}[i%2]
			all.Go(func() {
				status, out := who.send("POST", "/proposals/"+proposalID(first)+"/approve", nil)
				switch {
				case status == 200:
					approved.Add(1)
					codes.Store("code", part(out))
				case out["code"] == "proposal_decided":
					decided.Add(1)
				default:
					t.Errorf("answer %d %v", status, out)
				}
			})
		}
		all.Wait()
		if approved.Load() != 1 || decided.Load() != 7 {
			t.Fatalf("%d approved, %d told that it was decided", approved.Load(), decided.Load())
		}
		second, _ := codes.Load("code")
		k.browser().enrol("raced", part(first)+"-"+second.(string))
	})
}

func TestAProposalLapsesWithItsProposerAndItsTime(t *testing.T) {
	k := one(t)
	a, b, c := k.supers()
	p := proposalID(a.ok("POST", "/officers", anyMap{"name": "late", "displayName": "测试己", "phone": "13900000006", "roles": []string{"operator"}}))
	b.ok("POST", "/officers/"+a.id+"/disable", anyMap{"reason": "测试停用"})
	c.refused("proposal_lapsed", "POST", "/proposals/"+p+"/approve", nil)
	p = proposalID(b.ok("POST", "/officers/"+a.id+"/enable", nil))
	k.clock.Advance(office.ProposalLife)
	for _, x := range []*browser{b, c} {
		*x = *x.half()
		x.ok("POST", "/session/totp", anyMap{"code": x.code(0)})
	}
	c.refused("proposal_decided", "POST", "/proposals/"+p+"/approve", nil)
	p = proposalID(b.ok("POST", "/officers/"+a.id+"/enable", nil))
	c.ok("POST", "/proposals/"+p+"/approve", nil)
	a = a.half()
	a.ok("POST", "/session/totp", anyMap{"code": a.code(0)})
}

func TestDisablingHoldsAtOnce(t *testing.T) {
	k := one(t)
	a, b, _ := k.supers()
	a.refused("officer_self", "POST", "/officers/"+a.id+"/disable", anyMap{"reason": "测试停用"})
	a.refused("console_reason", "POST", "/officers/"+b.id+"/disable", anyMap{"reason": " "})
	a.ok("POST", "/officers/"+b.id+"/disable", anyMap{"reason": "测试停用"})
	b.refused("console_login_required", "GET", "/session", nil)
	k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "super.b", "password": password})
}

func TestTwoWhoDisableEachOtherLeaveOne(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		a, b := k.officer("super.a", office.Super), k.officer("super.b", office.Super)
		var all sync.WaitGroup
		for _, x := range []struct {
			who  *browser
			whom string
		}{{a, b.id}, {b, a.id}} {
			all.Go(func() { x.who.send("POST", "/officers/"+x.whom+"/disable", anyMap{"reason": "测试停用"}) })
		}
		all.Wait()
		officers, err := k.office.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		active := 0
		for _, o := range officers {
			if o.State == office.Active {
				active++
			}
		}
		if active != 1 {
			t.Errorf("%d super administrators are left", active)
		}
	})
}

func TestAResetDealsAnewAndTakesTheOldAway(t *testing.T) {
	k := one(t)
	a, b, c := k.supers()
	first := a.ok("POST", "/officers/"+c.id+"/reset-factor", nil)
	second := b.ok("POST", "/proposals/"+proposalID(first)+"/approve", nil)
	c.refused("console_login_required", "GET", "/session", nil)
	k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "super.c", "password": password})
	k.browser().enrol("super.c", part(first)+"-"+part(second))
}

func TestAResetLetsNobodyInWhoIsDisabled(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		a, b, c := k.supers()
		first := a.ok("POST", "/officers/"+c.id+"/reset-factor", nil)
		a.ok("POST", "/officers/"+c.id+"/disable", anyMap{"reason": "测试停用"})
		b.refused("proposal_decided", "POST", "/proposals/"+proposalID(first)+"/approve", nil)
		first = a.ok("POST", "/officers/"+c.id+"/reset-factor", nil) // what is proposed afterwards keeps him out
		second := b.ok("POST", "/proposals/"+proposalID(first)+"/approve", nil)
		k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "super.c", "password": part(first) + "-" + part(second)})
		once, err := k.office.Reset(t.Context(), "super.c")
		if err != nil {
			t.Fatal(err)
		}
		k.browser().enrol("super.c", once)
	})
}

func TestASessionThatEndedSetsNoPassword(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		a := k.officer("super.a", office.Super)
		at, err := url.Parse(k.url + "/console/v1/")
		if err != nil {
			t.Fatal(err)
		}
		c, err := k.office.Authenticate(t.Context(), a.http.Jar.Cookies(at)[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.office.SignOut(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := k.office.SetPassword(t.Context(), c, password, "Another-Zwerg-48", "192.0.2.1"); !errors.Is(err, office.CodeLogin) {
			t.Errorf("after the session's end: %v", err)
		}
		if _, err := k.office.SignIn(t.Context(), "super.a", password, "192.0.2.1"); err != nil {
			t.Errorf("the password that stands: %v", err)
		}
	})
}

func TestTheCommandLineMakesTwoSuperAdministratorsAtMost(t *testing.T) {
	k := one(t)
	k.supers()
	n := office.Newcomer{Name: "super.d", DisplayName: "测试庚", Roles: []office.Role{office.Super}}
	if _, err := k.office.Create(t.Context(), n); err == nil || !strings.Contains(err.Error(), office.CodeSupers.Name) {
		t.Errorf("a third: %v", err)
	}
	n.Roles = []office.Role{office.Verifier}
	if _, err := k.office.Create(t.Context(), n); err == nil || !strings.Contains(err.Error(), office.CodePhoneFor.Name) {
		t.Errorf("a verifier without a phone: %v", err)
	}
}

func TestWhatOfficersDoIsRecordedWithoutSecrets(t *testing.T) {
	k := one(t)
	a, b, _ := k.supers()
	k.browser().refused("console_password_wrong", "POST", "/session", anyMap{"name": "super.a", "password": "not the password"})
	a.ok("POST", "/officers/"+b.id+"/disable", anyMap{"reason": "测试停用"})
	k.clock.Advance(time.Minute)
	seen := map[string]int{}
	err := k.st.View(t.Context(), func(ctx context.Context, tx work.Tx) error {
		all, err := k.st.Audit().Find(ctx, tx, audit.Search{Kind: "console."}, "", 100)
		for _, e := range all {
			seen[e.Kind]++
			for _, s := range []string{password, "139", a.key} {
				if strings.Contains(string(e.Detail), s) {
					t.Errorf("%s holds a secret: %s", e.Kind, e.Detail)
				}
			}
			if e.Kind == "console.officer_disabled" && (e.Actor != "officer:"+a.id || e.Subject != b.id) {
				t.Errorf("disabled by %s: %s", e.Actor, e.Subject)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]int{
		"console.officer_created": 2, "console.proposed": 1, "console.approved": 1, "console.password_changed": 3, "console.factor_added": 3,
		"console.signed_in": 3, "console.password_wrong": 1, "console.officer_disabled": 1,
	} {
		if seen[kind] != want {
			t.Errorf("%s is recorded %d times, want %d", kind, seen[kind], want)
		}
	}
}
