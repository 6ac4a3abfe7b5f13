package lookup_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/audit"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/lookup"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

// noon is a Monday in China.
var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

type kit struct {
	*testing.T
	*lookup.Service
	st    *store.Store
	clock *clock.Manual

	notices *notice.Service
}

func each(t *testing.T, f func(t *testing.T, k *kit)) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		accounts := account.New(account.Deps{Runner: st, Store: people.Accounts(st), Clock: c, Rand: rand.Reader, Box: st.Box})
		notices := notice.New(notice.Deps{Runner: st, Store: people.Notices(st), Clock: c, Rand: rand.Reader, Texts: accounts})
		f(t, &kit{t, lookup.New(lookup.Deps{
			Runner: st, Store: people.Lookups(st), Clock: c, Sessions: accounts, Calendar: worktime.China(), Notices: notices,
			Certificates: certificate.New(certificate.Deps{Store: st.Certificates(), Runner: st, Clock: c, Rand: rand.Reader, Devices: accounts}),
		}), st, c, notices})
	})
}

// told gives the kinds of an account's notices, the oldest first.
func (k *kit) told(account string) (out []string) {
	k.Helper()
	page, err := k.notices.List(k.Context(), account, "")
	if err != nil {
		k.Fatal(err)
	}
	for _, n := range page.Notices {
		out = append(out, n.Kind)
	}
	slices.Reverse(out)
	return out
}

func (k *kit) do(f func(context.Context, work.Tx) error) {
	k.Helper()
	if err := k.st.Do(k.Context(), "test", f); err != nil {
		k.Fatal(err)
	}
}

// person stores a verified account; its id is its number in hex digits.
func (k *kit) person(n int, name string, at time.Time) string {
	k.Helper()
	id, phone := fmt.Sprintf("%032x", n), fmt.Sprintf("139%08d", n)
	k.do(func(ctx context.Context, tx work.Tx) error {
		accounts := people.Accounts(k.st)
		if _, err := accounts.Register(ctx, tx, account.Account{ID: id, Phone: phone, PhoneHash: k.st.Box.Hash("phone", []byte(phone)), Device: "d", CreatedAt: at}); err != nil {
			return err
		}
		for i, d := range []string{"d", "e"} {
			if err := accounts.PutDevice(ctx, tx, account.StoredDevice{Account: id, Thumbprint: d, PublicKey: []byte("k"), Label: "设备" + d, Network: []byte("n"), SeenAt: at}); err != nil {
				return err
			}
			err := accounts.PutSession(ctx, tx, account.StoredSession{ID: fmt.Sprint(id, i), Account: id, Device: d, TokenHash: fmt.Append(nil, id, i), Nonce: []byte("n"),
				CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(account.Absolute)})
			if err != nil {
				return err
			}
		}
		number := numbers[n%len(numbers)]
		_, err := people.Realnames(k.st).AddPerson(ctx, tx, realname.Person{Account: id, Holder: id, Name: name, IDType: realname.IDResident, IDNumber: number,
			IDHash: k.st.Box.Hash("id-number", []byte(realname.IDResident+":"+number)), VerifiedAt: at})
		return err
	})
	return id
}

// numbers are of a place that does not exist (区划 999999).
var numbers = []string{"999999199001010016", "999999199001010032", "999999199001010059"}

func (k *kit) refused(err error, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.Errorf("got %v, want %v", err, want)
	}
}

// entries gives the audit entries about a subject, by kind.
func (k *kit) entries(subject string) (out []string) {
	k.Helper()
	var all []audit.Entry
	k.do(func(ctx context.Context, tx work.Tx) (err error) {
		all, err = k.st.Audit().Unsealed(ctx, tx, 1000)
		return err
	})
	for _, e := range all {
		if e.Subject == subject {
			out = append(out, e.Kind+" by "+e.Actor)
		}
	}
	slices.Sort(out)
	return out
}

func TestAccountsAreFoundByWholeValuesAndShownMasked(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		first := k.person(0, "测试甲", noon)
		second := k.person(1, "测试甲", noon)
		for name, c := range map[string]struct {
			lookup.Query
			want []string
		}{
			"phone":             {lookup.Query{Phone: "13900000000"}, []string{first}},
			"nobody's phone":    {lookup.Query{Phone: "13900000009"}, nil},
			"name":              {lookup.Query{Name: " 测试甲 "}, []string{second, first}},
			"part of a name":    {lookup.Query{Name: "测试"}, nil},
			"after a cursor":    {lookup.Query{Name: "测试甲", Cursor: second}, []string{first}},
			"ID number":         {lookup.Query{ID: numbers[1]}, []string{second}},
			"id":                {lookup.Query{ID: first}, []string{first}},
			"nobody's id":       {lookup.Query{ID: "0123456789abcdef0123456789abcdef"}, nil},
			"nobody's document": {lookup.Query{ID: numbers[2]}, nil},
		} {
			page, err := k.Find(t.Context(), lookup.Officer{ID: "o1"}, c.Query)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			var got []string
			for _, a := range page.Accounts {
				got = append(got, a.ID)
				if a.NameMasked != "测*甲" || a.PhoneMasked[3:7] != "****" || a.IDNumberMasked[4:14] != "**********" || !a.VerifiedAt.Equal(noon) {
					t.Errorf("%s: %+v", name, a)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
		for name, q := range map[string]lookup.Query{
			"nothing": {}, "two values": {Phone: "13900000000", Name: "测试甲"}, "part of a phone": {Phone: "1390000"},
			"a name that is none": {Name: "robert"}, "a number that is none": {ID: "999999199001010018"},
		} {
			_, err := k.Find(t.Context(), lookup.Officer{ID: "o1"}, q)
			if !errors.Is(err, lookup.CodeQuery) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSearchesAreCountedAndRecordedWithoutTheirValue(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		k.person(0, "测试甲", noon)
		o := lookup.Officer{ID: "o1"}
		find := func(n int) (lookup.Accounts, error) {
			return k.Find(t.Context(), o, lookup.Query{Phone: fmt.Sprintf("139%08d", n)})
		}
		for n := range lookup.MissesAnHour {
			if page, err := find(n + 1); err != nil || len(page.Accounts) != 0 {
				t.Fatalf("%+v, %v", page, err)
			}
		}
		for _, n := range []int{999, 0} { // whether somebody has it is not told any more
			_, err := find(n)
			k.refused(err, lookup.CodeMissLimit)
		}
		if got := k.entries(o.ID); !slices.Equal(got, slices.Repeat([]string{"console.looked_up by officer:o1"}, lookup.MissesAnHour)) {
			t.Errorf("entries: %v", got)
		}
		if _, err := k.Find(t.Context(), lookup.Officer{ID: "o2"}, lookup.Query{Phone: "13900000000"}); err != nil {
			t.Errorf("another officer: %v", err)
		}
		k.clock.Advance(time.Hour)
		k.do(func(ctx context.Context, tx work.Tx) error {
			for range lookup.SearchesADay - lookup.MissesAnHour - 2 {
				if _, err := k.Store.Count(ctx, tx, o.ID, "search", clock.Day(k.clock.Now())); err != nil {
					return err
				}
			}
			return nil
		})
		for range 2 {
			if page, err := find(0); err != nil || len(page.Accounts) != 1 {
				t.Fatalf("%+v, %v", page, err)
			}
		}
		_, err := find(0)
		k.refused(err, lookup.CodeSearchLimit)
		k.do(func(ctx context.Context, tx work.Tx) error {
			all, err := k.st.Audit().Unsealed(ctx, tx, 1000)
			for _, e := range all {
				if d := string(e.Detail); e.Kind == "console.looked_up" && d != `{"by":"phone","hit":true}` && d != `{"by":"phone","hit":false}` {
					t.Errorf("the entry says %s", d)
				}
			}
			return err
		})
		k.clock.Advance(24 * time.Hour)
		if _, err := find(0); err != nil {
			t.Errorf("the next day: %v", err)
		}
	})
}

func TestARevealIsCountedReasonedAndRecorded(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		id := k.person(0, "测试甲", noon)
		o := lookup.Officer{ID: "o1"}
		wish := func(field, reason string) lookup.Wish {
			return lookup.Wish{Kind: "account", ID: id, Field: field, Reason: reason}
		}
		for field, want := range map[string]string{"phone": "13900000000", "name": "测试甲", "idNumber": numbers[0]} {
			if got, err := k.Reveal(t.Context(), o, wish(field, "来电核实身份")); err != nil || got.Value != want {
				t.Errorf("%s: %+v, %v", field, got, err)
			}
		}
		if got := k.entries(id); !slices.Equal(got, slices.Repeat([]string{"console.revealed by officer:o1"}, 3)) {
			t.Errorf("entries: %v", got)
		}
		for _, short := range []string{"", "   核实   ", "四个字了"} {
			_, err := k.Reveal(t.Context(), o, wish("phone", short))
			k.refused(err, lookup.CodeReason)
		}
		_, err := k.Reveal(t.Context(), o, wish("password", "来电核实身份"))
		k.refused(err, lookup.CodeRevealField)
		_, err = k.Reveal(t.Context(), o, lookup.Wish{Kind: "account", ID: "x", Field: "phone", Reason: "来电核实身份"})
		k.refused(err, lookup.CodeNoAccount)
		var last lookup.Revealed
		for range lookup.RevealsADay - 3 {
			if last, err = k.Reveal(t.Context(), o, wish("phone", "来电核实身份")); err != nil {
				t.Fatal(err)
			}
		}
		if last.Remaining != 0 {
			t.Errorf("%d remain", last.Remaining)
		}
		_, err = k.Reveal(t.Context(), o, wish("phone", "来电核实身份"))
		k.refused(err, lookup.CodeRevealLimit)
		if got := len(k.entries(id)); got != lookup.RevealsADay {
			t.Errorf("%d entries", got)
		}
		if _, err := k.Reveal(t.Context(), lookup.Officer{ID: "o2"}, wish("phone", "来电核实身份")); err != nil {
			t.Errorf("another officer: %v", err)
		}
		k.clock.Advance(24 * time.Hour)
		if _, err := k.Reveal(t.Context(), o, wish("phone", "来电核实身份")); err != nil {
			t.Errorf("the next day: %v", err)
		}
	})
}

func TestAnOfficerEndsEverySessionOfAnAccount(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		id, other := k.person(0, "测试甲", noon), k.person(1, "测试乙", noon)
		o := lookup.Officer{ID: "o1"}
		_, err := k.EndSessions(t.Context(), o, id, "短")
		k.refused(err, lookup.CodeReason)
		_, err = k.EndSessions(t.Context(), o, "x", "本人来电称手机丢失")
		k.refused(err, lookup.CodeNoAccount)
		if n, err := k.EndSessions(t.Context(), o, id, "本人来电称手机丢失"); err != nil || n != 2 {
			t.Errorf("ended %d, %v", n, err)
		}
		if got := k.entries(id); !slices.Contains(got, "console.sessions_ended by officer:o1") {
			t.Errorf("entries: %v", got)
		}
		if got := k.told(id); !slices.Equal(got, []string{"account.sessions_ended"}) {
			t.Errorf("told %v", got)
		}
		for acc, want := range map[string]int{id: 0, other: 2} {
			d, err := k.Account(t.Context(), acc)
			if err != nil {
				t.Fatal(err)
			}
			open := 0
			for _, x := range d.Devices {
				open += x.Sessions
			}
			if open != want {
				t.Errorf("%d sessions of %s, want %d", open, acc, want)
			}
		}
		_, err = k.Account(t.Context(), "x")
		k.refused(err, lookup.CodeNoAccount)
	})
}

func TestAnOfficerFreezesACertificateAndTakesItBack(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		id := k.person(0, "测试甲", noon)
		k.do(func(ctx context.Context, tx work.Tx) error {
			return k.st.Certificates().Insert(ctx, tx, certificate.Certificate{ID: "c1", Holder: certificate.Holder{Kind: certificate.Person, Account: id}, Institution: "990001",
				Years: 1, Line: "l1", State: certificate.Valid, NotBefore: noon, NotAfter: noon.Add(time.Hour), Device: "d", CreatedAt: noon, InstalledAt: noon, Version: 1})
		})
		o := lookup.Officer{ID: "o1"}
		_, err := k.Freeze(t.Context(), o, "c1", "")
		k.refused(err, lookup.CodeReason)
		_, err = k.Freeze(t.Context(), o, "c2", "公安机关来函要求")
		k.refused(err, certificate.CodeNotFound)
		if c, err := k.Freeze(t.Context(), o, "c1", "公安机关来函要求"); err != nil || c.State != certificate.Frozen {
			t.Errorf("frozen: %+v, %v", c, err)
		}
		d, err := k.Account(t.Context(), id)
		if err != nil || len(d.Certificates) != 1 || d.Certificates[0].State != certificate.Frozen {
			t.Errorf("shown: %+v, %v", d.Certificates, err)
		}
		for range 2 { // again changes nothing
			if c, err := k.Unfreeze(t.Context(), o, "c1", "来函已撤销冻结要求"); err != nil || c.State != certificate.Valid {
				t.Errorf("unfrozen: %+v, %v", c, err)
			}
		}
		if got := k.told(id); !slices.Equal(got, []string{"certificate.frozen", "certificate.unfrozen"}) {
			t.Errorf("told %v", got)
		}
		want := []string{"certificate.frozen by officer:o1", "certificate.unfrozen by officer:o1", "console.certificate_frozen by officer:o1", "console.certificate_unfrozen by officer:o1"}
		if got := k.entries("c1"); !slices.Equal(got, want) {
			t.Errorf("entries: %v", got)
		}
	})
}

func TestStatsCountByTheCalendarDayInChina(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		midnight := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC) // the 23rd begins
		k.person(0, "测试甲", midnight)
		k.person(1, "测试乙", midnight.Add(-time.Millisecond))
		k.person(2, "测试丙", midnight.Add(-40*24*time.Hour))
		got, err := k.Stats(t.Context(), 30)
		if err != nil || len(got.Days) != 30 || got.Days[0].Date != "2026-10-25" {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, want := range map[int]lookup.DayFigures{
			29: {Date: "2026-11-23", Registrations: 1, Verifications: 1},
			28: {Date: "2026-11-22", Registrations: 1, Verifications: 1},
			27: {Date: "2026-11-21"},
		} {
			if got.Days[i] != want {
				t.Errorf("day %d: %+v, want %+v", i, got.Days[i], want)
			}
		}
		if one, err := k.Stats(t.Context(), 0); err != nil || len(one.Days) != 1 {
			t.Errorf("no days: %+v, %v", one, err)
		}
	})
}

// company stores an enterprise that an account administers, with it and others
// as members.
func (k *kit) company(n int, name string, administrator string, others ...string) string {
	k.Helper()
	id := fmt.Sprintf("e%031x", n)
	k.do(func(ctx context.Context, tx work.Tx) error {
		_, err := people.Enterprises(k.st).AddEnterprise(ctx, tx, enterprise.Enterprise{ID: id, Name: name, Code: fmt.Sprintf("91999999MA0TE5T0%dT", n), LegalName: "测试代表", LegalIDNumber: numbers[2],
			Administrator: administrator, Method: enterprise.MethodBank, VerifiedAt: k.clock.Now(), CreatedAt: k.clock.Now(), Facts: 1, Version: 1}, "a")
		for i, m := range append([]string{administrator}, others...) {
			if err == nil {
				_, err = people.Members(k.st).AddMember(ctx, tx, enterprise.Member{ID: fmt.Sprintf("%sm%d", id, i), Enterprise: id, Account: m, JoinedAt: k.clock.Now(), Via: enterprise.ViaApplied})
			}
		}
		return err
	})
	return id
}

func TestEnterprisesAreFoundByAPartOfTheNameOrTheCode(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		chief, other := k.person(0, "测试甲", noon), k.person(1, "测试乙", noon)
		one, two := k.company(1, "测试一号（100%_）有限公司", chief, other), k.company(2, "测试二号有限公司", other)
		for query, want := range map[string][]string{
			"": {two, one}, "有限": {two, one}, "二": {two}, "（100%": {one}, "%": {one}, "二%": nil, "0_": nil, "%_）": {one},
			" 91999999 ma0te5t02t": {two}, "91999999MA0TE5T03T": nil, "没有": nil,
		} {
			page, err := k.Enterprises(t.Context(), query, "")
			if err != nil {
				t.Errorf("%q: %v", query, err)
			}
			var got []string
			for _, e := range page.Enterprises {
				got = append(got, e.ID)
				if e.LegalMasked != "测**表" {
					t.Errorf("%+v", e)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", query, got, want)
			}
		}
		if page, err := k.Enterprises(t.Context(), "有限", two); err != nil || len(page.Enterprises) != 1 || page.Enterprises[0].ID != one {
			t.Errorf("after a cursor: %+v, %v", page, err)
		}
		d, err := k.Enterprise(t.Context(), one, "")
		if err != nil || d.Total != 2 || len(d.Members) != 2 || !d.Members[0].Administrator || d.Members[1].Administrator || d.Members[1].NameMasked != "测*乙" ||
			len(d.History) != 1 || d.LegalIDMasked != "9999**********0059" {
			t.Errorf("%+v, %v", d, err)
		}
		if d, err = k.Enterprise(t.Context(), one, d.Members[0].ID); err != nil || len(d.Members) != 1 {
			t.Errorf("the next page: %+v, %v", d, err)
		}
		_, err = k.Enterprise(t.Context(), "x", "")
		k.refused(err, lookup.CodeNoEnterprise)
		o := lookup.Officer{ID: "o1"}
		if v, err := k.Reveal(t.Context(), o, lookup.Wish{Kind: "enterprise", ID: one, Field: "legalIDNumber", Reason: "核对登记档案"}); err != nil || v.Value != numbers[2] {
			t.Errorf("revealed %+v, %v", v, err)
		}
		k.do(func(ctx context.Context, tx work.Tx) error {
			return people.Members(k.st).EndMember(ctx, tx, one+"m1", chief, noon)
		})
		a, err := k.Account(t.Context(), other)
		if err != nil || len(a.Memberships) != 2 || !a.Memberships[0].Administrator || a.Memberships[1].LeftAt.IsZero() {
			t.Errorf("memberships: %+v, %v", a.Memberships, err)
		}
		if s, err := k.Stats(t.Context(), 1); err != nil || s.Days[0].Enterprises != 2 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestWaitingIsCountedInWorkingHours(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		review := func(n int, state enterprise.State, escalated string, submitted, due, decided time.Time) {
			k.do(func(ctx context.Context, tx work.Tx) error {
				a := enterprise.Application{ID: fmt.Sprint("a", n), Number: fmt.Sprint("RV-", n), Kind: enterprise.KindCreate, Name: "测试", Code: "c", State: state,
					Method: enterprise.MethodDocuments, SubmittedAt: submitted, DueAt: due, Escalated: escalated, CreatedAt: submitted, DecidedAt: decided, Version: 1}
				if !decided.IsZero() {
					a.DecidedBy = "o1"
				}
				return people.Enterprises(k.st).InsertApplication(ctx, tx, a)
			})
		}
		friday := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC) // 17:30 in China
		review(1, enterprise.StateVerified, "", friday, friday, noon.Add(-2*time.Hour))
		review(2, enterprise.StateRefused, "", friday, friday, noon.Add(-time.Hour))
		review(3, enterprise.StateReviewing, "", friday, noon.Add(-time.Second), time.Time{})
		review(4, enterprise.StateReviewing, "o1", friday, noon.Add(time.Hour), time.Time{})
		review(5, enterprise.StateReviewing, "", friday, noon.Add(time.Hour), time.Time{})
		review(6, enterprise.StateEnded, "", friday, noon, time.Time{})
		got, err := k.Stats(t.Context(), 1)
		// Half an hour on Friday, and one or two on Monday from nine on.
		want := lookup.DayFigures{Date: "2026-11-23", Approved: 1, Refused: 1, WaitP50: 90 * time.Minute, WaitP90: 150 * time.Minute}
		if err != nil || got.Days[0] != want || got.Waiting != (lookup.Waiting{Open: 2, Second: 1, Late: 1}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWhatAFormerMemberLeftStaysFrozen(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		chief, other := k.person(0, "测试甲", noon), k.person(1, "测试乙", noon)
		e := k.company(1, "测试一号有限公司", chief, other)
		k.do(func(ctx context.Context, tx work.Tx) error {
			return k.st.Certificates().Insert(ctx, tx, certificate.Certificate{ID: "c1", Holder: certificate.Holder{Kind: certificate.Enterprise, Enterprise: e, Account: other}, Institution: "990001",
				Years: 1, Line: "l1", State: certificate.Valid, NotBefore: noon, NotAfter: noon.Add(time.Hour), Device: "d", CreatedAt: noon, InstalledAt: noon, Version: 1})
		})
		o := lookup.Officer{ID: "o1"}
		for range 2 { // a member's is given back
			if _, err := k.Freeze(t.Context(), o, "c1", "公安机关来函要求"); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Unfreeze(t.Context(), o, "c1", "来函已撤销冻结要求"); err != nil {
				t.Fatal(err)
			}
		}
		k.do(func(ctx context.Context, tx work.Tx) error {
			return people.Members(k.st).EndMember(ctx, tx, e+"m1", chief, noon)
		})
		if _, err := k.Freeze(t.Context(), o, "c1", "公安机关来函要求"); err != nil {
			t.Fatal(err)
		}
		_, err := k.Unfreeze(t.Context(), o, "c1", "来函已撤销冻结要求")
		k.refused(err, lookup.CodeFormerMember)
		k.do(func(ctx context.Context, tx work.Tx) error {
			if c, err := k.st.Certificates().Get(ctx, tx, "c1"); err != nil || c.State != certificate.Frozen {
				t.Errorf("%+v, %v", c, err)
			}
			return nil
		})
	})
}

func TestAReviewThatIsOpenedIsRecordedOncePerClaim(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		for i, c := range []struct {
			officer, review string
			claimed         time.Time
			want            int // entries about the review by then
		}{
			{"o1", "a1", time.Time{}, 1}, {"o1", "a1", noon, 2}, {"o1", "a1", noon, 2}, {"o2", "a1", noon, 3}, {"o1", "a1", noon, 3}, {"o1", "a2", noon, 1}, {"o1", "a1", noon.Add(time.Hour), 4},
		} {
			if err := k.NoteOpened(t.Context(), lookup.Officer{ID: c.officer}, c.review, c.claimed); err != nil {
				t.Fatal(err)
			}
			if got := k.entries(c.review); len(got) != c.want {
				t.Errorf("%d: %v", i, got)
			}
		}
	})
}
