package notice_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/notice"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// texts counts SMS copies; account's own tests send real ones.
type texts []string

func (x *texts) Text(_ context.Context, _ work.Tx, account, template string, params map[string]string) error {
	*x = append(*x, account+" "+template+" "+params["title"])
	return nil
}

func each(t *testing.T, f func(t *testing.T, s *notice.Service, sent *texts)) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		sent := &texts{}
		f(t, notice.New(notice.Deps{Runner: st, Store: people.Notices(st), Clock: st.Clock, Rand: rand.Reader, Texts: sent}), sent)
	})
}

func post(t *testing.T, s *notice.Service, n notice.Notice) {
	t.Helper()
	err := s.Runner.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Post(ctx, tx, n) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestNoticeExistsOnlyWithItsEvent(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, _ *texts) {
		boom := errors.New("boom")
		err := s.Runner.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			if err := s.Post(ctx, tx, notice.Notice{Account: "a", Kind: "x", Title: "t"}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if p, err := s.List(t.Context(), "a", ""); err != nil || len(p.Notices) != 0 || p.Unread != 0 {
			t.Fatalf("List = %+v, %v", p, err)
		}
	})
}

func TestNoticesAreListedNewestFirstInPages(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, _ *texts) {
		const all = notice.PageSize + 7
		for i := range all {
			post(t, s, notice.Notice{Account: "a", Kind: "order.paid", Title: fmt.Sprint(i), Body: "正文", Link: "/orders/1"})
		}
		post(t, s, notice.Notice{Account: "b", Kind: "x", Title: "another's"})
		first, err := s.List(t.Context(), "a", "")
		if err != nil || len(first.Notices) != notice.PageSize || first.Next == "" || first.Unread != all {
			t.Fatalf("first page: %d, %q, %d, %v", len(first.Notices), first.Next, first.Unread, err)
		}
		rest, err := s.List(t.Context(), "a", first.Next)
		if err != nil || len(rest.Notices) != 7 || rest.Next != "" {
			t.Fatalf("second page: %d, %q, %v", len(rest.Notices), rest.Next, err)
		}
		for i, n := range append(first.Notices, rest.Notices...) {
			if n.Title != fmt.Sprint(all-1-i) || n.Body != "正文" || n.Link != "/orders/1" || n.Kind != "order.paid" || !n.PostedAt.Equal(noon) || !n.ReadAt.IsZero() {
				t.Fatalf("notice %d = %+v", i, n)
			}
		}
	})
}

func TestOnlyTheOwnerMarksANoticeRead(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, _ *texts) {
		post(t, s, notice.Notice{Account: "a", Kind: "x", Title: "t"})
		p, err := s.List(t.Context(), "a", "")
		if err != nil {
			t.Fatal(err)
		}
		id := p.Notices[0].ID
		for name, err := range map[string]error{"another": s.MarkRead(t.Context(), "b", id), "no such": s.MarkRead(t.Context(), "a", "x")} {
			if !errors.Is(err, notice.CodeUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 2 {
			if err := s.MarkRead(t.Context(), "a", id); err != nil {
				t.Fatal(err)
			}
		}
		p, err = s.List(t.Context(), "a", "")
		if err != nil || p.Unread != 0 || !p.Notices[0].ReadAt.Equal(noon) {
			t.Fatalf("List = %+v, %v", p, err)
		}
	})
}

func TestAllOfAnAccountAreMarkedReadAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, _ *texts) {
		for _, account := range []string{"a", "a", "b"} {
			post(t, s, notice.Notice{Account: account, Kind: "x", Title: "t"})
		}
		for range 2 {
			if err := s.MarkAllRead(t.Context(), "a", ""); err != nil {
				t.Fatal(err)
			}
		}
		for account, unread := range map[string]int{"a": 0, "b": 1} {
			p, err := s.List(t.Context(), account, "")
			if err != nil || p.Unread != unread || p.Notices[0].ReadAt.IsZero() != (unread > 0) {
				t.Errorf("%s: %+v, %v", account, p, err)
			}
		}
	})
}

func TestKeyedNoticeIsPostedAndTextedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, sent *texts) {
		for range 3 {
			post(t, s, notice.Notice{Account: "a", Kind: "pin.wrong", Title: "PIN 码多次输错", SMS: true, Key: "k"})
		}
		post(t, s, notice.Notice{Account: "b", Kind: "pin.wrong", Title: "PIN 码多次输错", Key: "k"})
		for account, want := range map[string]int{"a": 1, "b": 1} {
			if p, err := s.List(t.Context(), account, ""); err != nil || len(p.Notices) != want {
				t.Errorf("%s has %d notices, %v", account, len(p.Notices), err)
			}
		}
		if len(*sent) != 1 || (*sent)[0] != "a notice PIN 码多次输错" {
			t.Fatalf("sent = %q", *sent)
		}
	})
}

func TestNoticesAreGroupedFilteredAndReadByGroup(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, _ *texts) {
		for _, kind := range []string{"order.paid", "certificate.installed", "order.refunded", "pin.set", "enterprise.joined", "whatever"} {
			post(t, s, notice.Notice{Account: "a", Kind: kind, Title: kind})
		}
		browse := func(f notice.Filter) notice.Page {
			t.Helper()
			p, err := s.Browse(t.Context(), "a", f)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		counts := func(want map[notice.Group]int) {
			t.Helper()
			for _, g := range browse(notice.Filter{}).Groups {
				if g.Unread != want[g.Group] {
					t.Errorf("%d unread in %s, want %d", g.Unread, g.Group, want[g.Group])
				}
			}
		}
		counts(map[notice.Group]int{"order": 2, "certificate": 1, "account": 1, "enterprise": 1, "system": 1})
		orders := browse(notice.Filter{Group: notice.Order})
		if len(orders.Notices) != 2 || orders.Notices[0].Kind != "order.refunded" || orders.Unread != 6 {
			t.Fatalf("orders = %+v", orders)
		}
		if err := s.MarkRead(t.Context(), "a", orders.Notices[0].ID); err != nil {
			t.Fatal(err)
		}
		if p := browse(notice.Filter{Group: notice.Order, Unread: true}); len(p.Notices) != 1 || p.Notices[0].Kind != "order.paid" {
			t.Fatalf("unread orders = %+v", p.Notices)
		}
		if err := s.MarkAllRead(t.Context(), "a", notice.Order); err != nil {
			t.Fatal(err)
		}
		counts(map[notice.Group]int{"certificate": 1, "account": 1, "enterprise": 1, "system": 1})
		if err := s.MarkAllRead(t.Context(), "a", ""); err != nil {
			t.Fatal(err)
		}
		counts(nil)
	})
}

func TestTheSMSOfAGroupCanBeSwitchedOffButNotOfTheAccountsSafety(t *testing.T) {
	each(t, func(t *testing.T, s *notice.Service, sent *texts) {
		set := func(g notice.Group, on bool) error {
			return s.Set(t.Context(), "a", []notice.Setting{{Group: g, SMS: on}})
		}
		if err := set(notice.Enterprise, false); err != nil {
			t.Fatal(err)
		}
		post(t, s, notice.Notice{Account: "a", Kind: "member.removed", Title: "quiet", SMS: true})
		post(t, s, notice.Notice{Account: "b", Kind: "member.removed", Title: "another's", SMS: true})
		post(t, s, notice.Notice{Account: "a", Kind: "pin.wrong", Title: "safety", SMS: true})
		if fmt.Sprint(*sent) != "[b notice another's a notice safety]" {
			t.Fatalf("sent = %v", *sent)
		}
		if err := set(notice.Account, false); !errors.Is(err, notice.CodeFixed) {
			t.Fatal(err)
		}
		if err := set("weather", false); !errors.Is(err, notice.CodeGroup) {
			t.Fatal(err)
		}
		for _, g := range []bool{true, true} { // twice, as a nervous thumb does
			if err := set(notice.Enterprise, g); err != nil {
				t.Fatal(err)
			}
		}
		settings, err := s.Settings(t.Context(), "a")
		if err != nil || len(settings) != len(notice.Groups()) {
			t.Fatalf("settings = %v, %v", settings, err)
		}
		for _, g := range settings {
			if !g.SMS || g.Fixed != (g.Group == notice.Account) {
				t.Errorf("settings = %+v", g)
			}
		}
	})
}
