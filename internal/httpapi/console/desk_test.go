package console_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/audit"
	"tianweitong/internal/certificate"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/notice"
	"tianweitong/internal/office"
	"tianweitong/internal/realname"
	"tianweitong/internal/scan"
	"tianweitong/internal/store/people"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

// reviewer stands for enterprise.Service: it notes what it is asked.
type reviewer struct {
	asked []string
	left  time.Duration
	owner string // who has it before him
	state enterprise.State
	clock func() time.Time
}

func (r *reviewer) note(o verification.Officer, what ...any) error {
	if len(o.PhoneHash) == 0 {
		return verification.CodeInvolved
	}
	r.asked = append(r.asked, fmt.Sprint(what...))
	return nil
}

func (r *reviewer) Reviews(_ context.Context, tab verification.Tab, cursor string) (verification.ReviewPage, error) {
	row := verification.ReviewRow{ID: "a1", Number: "RV-261123-0001", Name: "测试有限公司", Kind: enterprise.KindCreate, State: enterprise.StateReviewing, Left: r.left, Claimed: r.owner}
	return verification.ReviewPage{Rows: []verification.ReviewRow{row}, Next: string(tab) + cursor, Total: 1}, nil
}

func (r *reviewer) Review(_ context.Context, id string) (verification.Review, error) {
	if id != "a1" {
		return verification.Review{}, verification.CodeApplicationUnknown
	}
	return verification.Review{
		Application: enterprise.Application{ID: id, Number: "RV-261123-0001", Name: "测试有限公司", Kind: enterprise.KindCreate, State: r.state, LegalName: "测试代表",
			LegalIDNumber: document, Pictures: []string{enterprise.PictureLetter}, Claimed: r.owner, ClaimedUntil: r.clock().Add(time.Minute)},
		Facts:         []verification.Comparison{{Item: "企业名称", Applied: "测试有限公司", Registered: "测试有限公司", Match: true}, {Item: "法定代表人", Applied: "测试代表", Registered: "测试代表", Match: true}},
		ApplicantName: "测试经办", Checklist: []verification.CheckItem{{Code: "licence", Text: "营业执照清晰"}},
		Events: []verification.Event{{Kind: "submitted", Actor: "acc"}, {Kind: "claimed", Actor: "officer:" + r.owner}},
	}, nil
}

func (r *reviewer) Picture(_ context.Context, id, kind string) ([]byte, error) {
	if id != "a1" || kind != enterprise.PictureLetter {
		return nil, verification.CodeApplicationUnknown
	}
	return []byte("\xff\xd8jpeg"), nil
}

func (r *reviewer) Claim(_ context.Context, o verification.Officer, id string) error {
	r.owner = o.ID
	return r.note(o, "claim ", id)
}

func (r *reviewer) Release(_ context.Context, o verification.Officer, id string) error {
	return r.note(o, "release ", id)
}

func (r *reviewer) Approve(_ context.Context, o verification.Officer, id string, seen time.Time, checks []string) error {
	return r.note(o, "approve ", id, " seen ", seen.Unix(), checks)
}

func (r *reviewer) Refuse(_ context.Context, o verification.Officer, id string, seen time.Time, reasons []string, note string) error {
	return r.note(o, "refuse ", id, " seen ", seen.Unix(), reasons, note)
}

func (r *reviewer) Escalate(_ context.Context, o verification.Officer, id, note string) error {
	return r.note(o, "second ", id, note)
}

const transaction = "0123456789abcdef0123456789abcdef"

// callbacks stands for platformapi.Callbacks.
type callbacks struct{ replayed []string }

func (c *callbacks) Undelivered(_ context.Context, platform string, n int) ([]scan.Undelivered, error) {
	return slices.Repeat([]scan.Undelivered{{Transaction: transaction, Platform: "M1", Attempts: 6, Problem: "platformapi: the platform cannot be reached", FirstAt: noon, LastAt: noon}}, n), nil
}

func (c *callbacks) Replay(_ context.Context, platform, transaction string) error {
	c.replayed = append(c.replayed, platform+" "+transaction)
	return nil
}

// document is of a place that does not exist (区划 999999).
const document = "999999199001010016"

// desk is a kit whose console has the desk's services: real ones over the store
// but for reviews and callbacks.
type desk struct {
	*kit
	reviews   *reviewer
	callbacks *callbacks
	account   string
}

func withDesk(k *kit) *desk {
	d := &desk{kit: k, reviews: &reviewer{left: time.Hour, state: enterprise.StateReviewing, clock: k.clock.Now}, callbacks: new(callbacks), account: fmt.Sprintf("%032x", 7)}
	accounts := account.New(account.Deps{Runner: k.st, Store: people.Accounts(k.st), Clock: k.clock, Rand: rand.Reader, Box: k.st.Box, Log: slog.New(slog.DiscardHandler)})
	k.server = console.New(console.Deps{
		Base:   console.Base{Clock: k.clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Version: "test"},
		Runner: k.st, Officers: k.office, Audit: k.st.Audit(),
		Desk: console.Desk{
			Reviews: d.reviews, SMS: accounts, Callbacks: d.callbacks,
			Lookups: lookup.New(lookup.Deps{Runner: k.st, Store: people.Lookups(k.st), Clock: k.clock, Sessions: accounts, Calendar: worktime.China(),
				Notices:      notice.New(notice.Deps{Runner: k.st, Store: people.Notices(k.st), Clock: k.clock, Rand: rand.Reader, Texts: accounts}),
				Certificates: certificate.New(certificate.Deps{Store: k.st.Certificates(), Runner: k.st, Clock: k.clock, Rand: rand.Reader, Devices: accounts})}),
		},
	})
	s := httptest.NewServer(k.server.Handler())
	k.url = s.URL
	k.t.Cleanup(s.Close)
	err := k.st.Do(k.t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		const phone = "13900000007"
		if _, err := people.Accounts(k.st).Register(ctx, tx, account.Account{ID: d.account, Phone: phone, PhoneHash: k.st.Box.Hash("phone", []byte(phone)), Device: "d", CreatedAt: noon}); err != nil {
			return err
		}
		if err := k.st.Certificates().Insert(ctx, tx, certificate.Certificate{ID: "c1", Holder: certificate.Holder{Kind: certificate.Person, Account: d.account}, Institution: "990001", Years: 1,
			Line: "l1", State: certificate.Valid, NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0), Device: "d", CreatedAt: noon, InstalledAt: noon, Version: 1}); err != nil {
			return err
		}
		_, err := people.Realnames(k.st).AddPerson(ctx, tx, realname.Person{Account: d.account, Holder: "h", Name: "测试甲", IDType: realname.IDResident, IDNumber: document,
			IDHash: k.st.Box.Hash("id-number", []byte(realname.IDResident+":"+document)), VerifiedAt: noon})
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return d
}

// kinds are the audit entries that an officer left, his sign-in apart.
func (d *desk) kinds(officer string) (out []string) {
	d.t.Helper()
	var all []audit.Entry
	err := d.st.View(d.t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
		all, err = d.st.Audit().Unsealed(ctx, tx, 1000)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range all {
		if e.Actor == "officer:"+officer && slices.Contains(deskKinds, e.Kind) {
			out = append(out, e.Kind+" "+e.Subject)
		}
	}
	return out
}

var deskKinds = []string{"console.review_opened", "console.picture_viewed", "console.revealed", "console.sessions_ended", "console.certificate_frozen", "console.certificate_unfrozen", "console.callback_replayed"}

func TestVerifiersTakeReviewsThroughTheirDecision(t *testing.T) {
	d := withDesk(one(t))
	v := d.officer("verena", office.Verifier)
	for left, tone := range map[time.Duration]string{4 * time.Hour: "ok", 2 * time.Hour: "soon", -time.Second: "late"} {
		d.reviews.left = left
		row := v.ok("GET", "/reviews?tab=second&cursor=x", nil)["reviews"].([]any)[0].(anyMap)
		if row["tone"] != tone || row["claimedBy"] != nil {
			t.Errorf("%v: %v", left, row)
		}
	}
	if got := v.ok("GET", "/reviews", nil); got["next"] != "open" {
		t.Errorf("the first tab: %v", got)
	}
	if got := v.ok("POST", "/reviews/a1/claim", nil); got["mine"] != true || got["claimedBy"].(anyMap)["displayName"] != "测试verena" {
		t.Errorf("claimed: %v", got)
	}
	got := v.ok("GET", "/reviews/a1", nil)
	if got["legalIDNumberMasked"] != "9999**********0016" || strings.Contains(fmt.Sprint(got), document) {
		t.Errorf("the representative's number: %v", got)
	}
	if events := got["events"].([]any); events[0].(anyMap)["officer"] != nil || events[1].(anyMap)["officer"].(anyMap)["id"] != v.id {
		t.Errorf("events: %v", events)
	}
	status, picture := v.raw("GET", "/reviews/a1/pictures/letter", nil)
	if status != 200 || string(picture) != "\xff\xd8jpeg" {
		t.Errorf("the picture: %d %q", status, picture)
	}
	if status, _ := v.send("GET", "/reviews/a1/pictures/passport", nil); status != 422 {
		t.Errorf("a picture of no kind: %d", status)
	}
	v.ok("POST", "/reviews/a1/release", nil)
	v.ok("POST", "/reviews/a1/approve", anyMap{"submittedAt": "1970-01-01T00:00:07Z", "checks": []string{"licence"}})
	v.ok("POST", "/reviews/a1/refuse", anyMap{"submittedAt": "1970-01-01T00:00:08Z", "reasons": []string{"other"}, "note": "看不清"})
	v.ok("POST", "/reviews/a1/second", anyMap{"note": "请复核"})
	if want := []string{"claim a1", "release a1", "approve a1 seen 7 [licence]", "refuse a1 seen 8 [other]看不清", "second a1请复核"}; !slices.Equal(d.reviews.asked, want) {
		t.Errorf("asked %q", d.reviews.asked)
	}
	v.refused("enterprise_application_unknown", "GET", "/reviews/x", nil)
	if got := d.kinds(v.id); !slices.Equal(got, []string{"console.review_opened a1", "console.picture_viewed a1"}) {
		t.Errorf("audit: %v", got)
	}
}

func TestADecidedReviewShowsNoNames(t *testing.T) {
	d := withDesk(one(t))
	v := d.officer("verena", office.Verifier)
	if got := fmt.Sprint(v.ok("GET", "/reviews/a1", nil)); !strings.Contains(got, "测试代表") || !strings.Contains(got, "测试经办") {
		t.Errorf("to be decided: %s", got)
	}
	for _, d.reviews.state = range []enterprise.State{enterprise.StateVerified, enterprise.StateRefused, enterprise.StateEnded} {
		if got := fmt.Sprint(v.ok("GET", "/reviews/a1", nil)); strings.Contains(got, "测试代表") || strings.Contains(got, "测试经办") || !strings.Contains(got, "测**表") {
			t.Errorf("%s: %s", d.reviews.state, got)
		}
	}
	if got := d.kinds(v.id); !slices.Equal(got, []string{"console.review_opened a1"}) {
		t.Errorf("audit: %v", got)
	}
}

func TestOperatorsLookUpRevealAndActWithReasons(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		d := withDesk(k)
		o := d.officer("otto", office.Operator)
		for _, query := range []anyMap{{"phone": "13900000007"}, {"name": "测试甲"}, {"id": document}, {"id": d.account}} {
			all := o.ok("POST", "/accounts/search", query)["accounts"].([]any)
			if len(all) != 1 || all[0].(anyMap)["phoneMasked"] != "139****0007" || all[0].(anyMap)["nameMasked"] != "测*甲" {
				t.Errorf("%s: %v", query, all)
			}
		}
		o.refused("lookup_query", "POST", "/accounts/search", anyMap{})
		a := o.ok("GET", "/accounts/"+d.account, nil)
		if c := a["certificates"].([]any)[0].(anyMap); c["state"] != "valid" || c["freezable"] != true {
			t.Errorf("%v", c)
		}
		o.refused("reason_short", "POST", "/reveal", anyMap{"kind": "account", "id": d.account, "field": "phone", "reason": "看看"})
		if got := o.ok("POST", "/reveal", anyMap{"kind": "account", "id": d.account, "field": "phone", "reason": "来电核实身份"}); got["value"] != "13900000007" || got["remaining"] != float64(29) {
			t.Errorf("revealed: %v", got)
		}
		if got := o.ok("POST", "/certificates/c1/freeze", anyMap{"reason": "公安机关来函要求"}); got["state"] != "frozen" || got["unfreezable"] != true {
			t.Errorf("frozen: %v", got)
		}
		o.ok("POST", "/certificates/c1/unfreeze", anyMap{"reason": "来函已撤销要求"})
		if got := o.ok("POST", "/accounts/"+d.account+"/sessions/end", anyMap{"reason": "本人来电称手机丢失"}); got["ended"] != float64(0) {
			t.Errorf("ended: %v", got)
		}
		if got := o.ok("GET", "/callbacks", nil); len(got["callbacks"].([]any)) != 200 || got["more"] != true {
			t.Errorf("%d callbacks", len(got["callbacks"].([]any)))
		}
		for _, id := range []string{"M1-t1", "-" + transaction, "M1-=1%2B1", "M1-" + transaction + "x"} {
			o.refused("not_found", "POST", "/callbacks/"+id+"/replay", nil)
		}
		o.ok("POST", "/callbacks/M1-"+transaction+"/replay", nil)
		if !slices.Equal(d.callbacks.replayed, []string{"M1 " + transaction}) {
			t.Errorf("replayed %v", d.callbacks.replayed)
		}
		want := []string{"console.revealed " + d.account, "console.certificate_frozen c1", "console.certificate_unfrozen c1", "console.sessions_ended " + d.account, "console.callback_replayed " + transaction}
		if got := d.kinds(o.id); !slices.Equal(got, want) {
			t.Errorf("audit: %v", got)
		}
		if got := o.ok("GET", "/limits", nil); len(got["limits"].([]any)) == 0 || len(got["hours"].([]any)) != 24 {
			t.Errorf("limits: %v", got)
		} else {
			for _, l := range got["limits"].([]any) {
				if l.(anyMap)["text"] == "" {
					t.Errorf("a limit without words: %v", l)
				}
			}
		}
		if got := o.ok("GET", "/stats?days=7", nil); len(got["days"].([]any)) != 7 || got["days"].([]any)[6].(anyMap)["registrations"] != float64(1) {
			t.Errorf("stats: %v", got)
		}
		if got := o.ok("GET", "/enterprises", nil); len(got["enterprises"].([]any)) != 0 {
			t.Errorf("enterprises: %v", got)
		}
		o.refused("lookup_enterprise_unknown", "GET", "/enterprises/x", nil)
	})
}
