package catalog_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/money"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// each runs f in one transaction on each engine.
func each(t *testing.T, f func(ctx context.Context, tx work.Tx, s *catalog.Service) error) {
	t.Helper()
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := catalog.New(catalog.Deps{Store: st.Catalog(), Clock: st.Clock, Rand: rand.Reader})
		err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return f(ctx, tx, s) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

func sample(n int) catalog.Platform {
	return catalog.Platform{
		Code: fmt.Sprintf("M%010d", n), Name: fmt.Sprintf("示例交易平台%d", n), Region: "北京", Host: "bid.example.com",
		CallbackBase: "https://bid.example.com/twt", SignCertificate: []byte("s"), EncCertificate: []byte("e"), Active: true, AskCode: true,
	}
}

func TestPlatformIsRegisteredOnce(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		p := sample(1)
		p.Region = "北京市"
		if err := s.RegisterPlatform(ctx, tx, p); err != nil {
			return err
		}
		got, err := s.Platform(ctx, tx, p.Code)
		p.Region, p.RegisteredAt = "北京", noon
		if err != nil || fmt.Sprint(got) != fmt.Sprint(p) {
			t.Errorf("Platform = %+v, %v", got, err)
		}
		box := p
		box.Sandbox = true
		for _, again := range []catalog.Platform{p, box} {
			if err := s.RegisterPlatform(ctx, tx, again); !errors.Is(err, catalog.CodePlatformExists) {
				t.Errorf("a second registration: %v", err)
			}
		}
		if _, err := s.Platform(ctx, tx, "M9999999999"); !errors.Is(err, catalog.CodePlatformUnknown) {
			t.Errorf("an unknown platform: %v", err)
		}
		return nil
	})
}

func TestSandboxPlatformReplacesItself(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		p := sample(1)
		p.Sandbox, p.Host, p.CallbackBase = true, "127.0.0.1:9000", "http://127.0.0.1:9000"
		for _, key := range []string{"old", "new"} {
			p.SignCertificate = []byte(key)
			if err := s.RegisterPlatform(ctx, tx, p); err != nil {
				return err
			}
		}
		got, err := s.Platform(ctx, tx, p.Code)
		if err != nil || string(got.SignCertificate) != "new" {
			t.Errorf("Platform = %+v, %v", got, err)
		}
		return nil
	})
}

func TestMalformedPlatformsAreRefused(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		for name, change := range map[string]func(*catalog.Platform){
			"short code":          func(p *catalog.Platform) { p.Code = "M1" },
			"small letter":        func(p *catalog.Platform) { p.Code = "m0000000001" },
			"letters":             func(p *catalog.Platform) { p.Code = "M00000000AB" },
			"no name":             func(p *catalog.Platform) { p.Name = " " },
			"long name":           func(p *catalog.Platform) { p.Name = strings.Repeat("名", 61) },
			"no UTF-8":            func(p *catalog.Platform) { p.Name = "\xff\xfe\xfd" },
			"region":              func(p *catalog.Platform) { p.Region = "月球" },
			"no host":             func(p *catalog.Platform) { p.Host = "" },
			"host with path":      func(p *catalog.Platform) { p.Host = "bid.example.com/x" },
			"host with user":      func(p *catalog.Platform) { p.Host = "a@bid.example.com" },
			"host with port":      func(p *catalog.Platform) { p.Host = "bid.example.com:8443" },
			"callback by http":    func(p *catalog.Platform) { p.CallbackBase = "http://bid.example.com" },
			"callback with query": func(p *catalog.Platform) { p.CallbackBase = "https://bid.example.com/?a=b" },
			"callback with user":  func(p *catalog.Platform) { p.CallbackBase = "https://a:b@bid.example.com" },
			"callback nowhere":    func(p *catalog.Platform) { p.CallbackBase = "https:///x" },
		} {
			p := sample(1)
			change(&p)
			if err := s.RegisterPlatform(ctx, tx, p); !errors.Is(err, catalog.CodePlatformInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
}

func TestDirectoryIsListedByRegionAndSearchedByName(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		for i, x := range []struct{ name, region string }{
			{"沪上招标", "上海"}, {"京华招标网", "北京"}, {"全国示例平台", "全国"}, {"100%_EBid", "北京"}, {"已关闭平台", "北京"},
		} {
			p := sample(i)
			p.Name, p.Region, p.Active = x.name, x.region, x.name != "已关闭平台"
			if err := s.RegisterPlatform(ctx, tx, p); err != nil {
				return err
			}
		}
		for _, x := range []struct {
			filter catalog.Filter
			want   []string
		}{
			{catalog.Filter{}, []string{"全国示例平台", "100%_EBid", "京华招标网", "沪上招标"}},
			{catalog.Filter{Cursor: "M0000000003"}, []string{"京华招标网", "沪上招标"}},
			{catalog.Filter{Cursor: "M0000000003", Region: "北京"}, []string{"京华招标网"}},
			{catalog.Filter{Cursor: "M9999999999"}, nil},
			{catalog.Filter{Query: "招标"}, []string{"京华招标网", "沪上招标"}},
			{catalog.Filter{Query: " 招标 ", Region: "上海市"}, []string{"沪上招标"}},
			{catalog.Filter{Query: "%"}, []string{"100%_EBid"}},
			{catalog.Filter{Query: "_"}, []string{"100%_EBid"}},
			{catalog.Filter{Query: "ebid"}, []string{"100%_EBid"}},
			{catalog.Filter{Query: "!"}, nil},
			{catalog.Filter{Region: "月球"}, nil},
			{catalog.Filter{Query: "关闭"}, nil},
		} {
			page, err := s.Platforms(ctx, tx, x.filter)
			var got []string
			for _, p := range page.Platforms {
				got = append(got, p.Name)
			}
			if err != nil || !slices.Equal(got, x.want) || page.Next != "" {
				t.Errorf("%+v: %q, %q, %v", x.filter, got, page.Next, err)
			}
		}
		return nil
	})
}

func TestRegionsAreCountedInTheirOrder(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		for i, region := range []string{"上海", "北京市", "上海", "内蒙古自治区", "全国", "澳门", "天津"} {
			p := sample(i)
			p.Region, p.Active = region, region != "天津"
			if err := s.RegisterPlatform(ctx, tx, p); err != nil {
				return err
			}
		}
		got, err := s.Regions(ctx, tx)
		want := []catalog.Region{{"全国", "全", 1}, {"北京", "京", 1}, {"内蒙古", "蒙", 1}, {"上海", "沪", 2}, {"澳门", "澳", 1}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Regions = %v, %v", got, err)
		}
		page, err := s.Platforms(ctx, tx, catalog.Filter{Region: "澳门"}) // the last of all
		if err != nil || len(page.Platforms) != 1 {
			t.Errorf("the last region: %+v, %v", page, err)
		}
		return nil
	})
}

func TestWishesAreKeptFiveADay(t *testing.T) {
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) {
		s := catalog.New(catalog.Deps{Store: st.Catalog(), Clock: st.Clock, Rand: rand.Reader})
		wish := func(w catalog.Wish) error {
			return st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Wish(ctx, tx, w) })
		}
		good := catalog.Wish{Account: "a", Name: " 示例交易平台 ", Region: "北京市", Address: "bid.example.com/login", Note: "想在这里投标\n谢谢"}
		for field, change := range map[string]func(*catalog.Wish){
			"name": func(w *catalog.Wish) { w.Name = "台" }, "name ": func(w *catalog.Wish) { w.Name = strings.Repeat("名", 61) },
			"name  ": func(w *catalog.Wish) { w.Name = "\xff\xfe\xfd" }, "name   ": func(w *catalog.Wish) { w.Name = "平\n台" },
			"region": func(w *catalog.Wish) { w.Region = "月球" }, "note": func(w *catalog.Wish) { w.Note = strings.Repeat("注", 301) },
			"address": func(w *catalog.Wish) { w.Address = "javascript://a.b" }, "address ": func(w *catalog.Wish) { w.Address = "x" },
			"address  ": func(w *catalog.Wish) { w.Address = "https://u:p@bid.example.com" },
		} {
			w := good
			change(&w)
			err := wish(w)
			if _, members := fault.Of(err); !errors.Is(err, catalog.CodeWish) || members["field"] != strings.TrimSpace(field) {
				t.Errorf("%q: %v", field, err)
			}
		}
		kept := func() (out []catalog.Wish) {
			if err := st.View(t.Context(), func(ctx context.Context, tx work.Tx) (err error) {
				out, err = s.Wishes(ctx, tx, "", 100)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return out
		}
		var wg sync.WaitGroup
		var taken atomic.Int64
		for range 12 {
			wg.Go(func() {
				switch err := wish(good); {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, catalog.CodeWishes):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all := kept()
		if taken.Load() != catalog.WishesADay || len(all) != catalog.WishesADay {
			t.Fatalf("%d taken, %d kept", taken.Load(), len(all))
		}
		if w := all[0]; w.Name != "示例交易平台" || w.Region != "北京" || w.Address != good.Address || w.Note != good.Note || w.Account != "a" || !w.At.Equal(st.Clock.Now()) {
			t.Errorf("%+v", w)
		}
		other, tomorrow := good, good
		other.Account, other.Region, other.Address, other.Note = "b", "", "", ""
		if err := wish(other); err != nil {
			t.Error(err)
		}
		c.Advance(4 * time.Hour) // midnight in China
		if err := wish(tomorrow); err != nil || len(kept()) != catalog.WishesADay+2 {
			t.Errorf("%v, %d kept", err, len(kept()))
		}
		c.Advance(20 * time.Hour)
	})
}

func TestDirectoryIsPaged(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		const all = 2*catalog.PageSize + 3
		for i := range all {
			p := sample(i)
			p.Region = []string{"上海", "北京", "全国"}[i%3]
			if err := s.RegisterPlatform(ctx, tx, p); err != nil {
				return err
			}
		}
		seen, cursor := map[string]bool{}, ""
		for pages := 1; ; pages++ {
			page, err := s.Platforms(ctx, tx, catalog.Filter{Cursor: cursor})
			if err != nil {
				return err
			}
			for _, p := range page.Platforms {
				seen[p.Code] = true
			}
			if cursor = page.Next; cursor == "" {
				if pages != 3 || len(seen) != all {
					t.Errorf("%d platforms in %d pages", len(seen), pages)
				}
				return nil
			}
		}
	})
}

func TestPriceIsTheOneInEffectAtTheTime(t *testing.T) {
	each(t, func(ctx context.Context, tx work.Tx, s *catalog.Service) error {
		set := func(years int, fen money.Fen, from time.Time) error {
			return s.SetPrice(ctx, tx, catalog.Price{Institution: "010001", Kind: catalog.KindCertificate, Years: years, Fen: fen, From: from})
		}
		if err := set(1, 1, noon); !errors.Is(err, catalog.CodeInstitutionUnknown) {
			t.Errorf("a price of nobody: %v", err)
		}
		for _, i := range []catalog.Institution{{Code: "010002", Name: "乙", Active: false}, {Code: "010001", Name: "甲", Active: true}} {
			if err := s.PutInstitution(ctx, tx, i); err != nil {
				return err
			}
		}
		tomorrow := noon.AddDate(0, 0, 1)
		for _, err := range []error{set(1, 10000, noon), set(1, 12000, tomorrow), set(2, 18000, noon)} {
			if err != nil {
				return err
			}
		}
		for _, err := range []error{set(1, 10, noon.Add(-time.Second)), set(0, 10, noon), set(catalog.MaxYears+1, 10, noon), set(1, 0, noon), set(1, -1, noon)} {
			if !errors.Is(err, catalog.CodePriceInvalid) {
				t.Errorf("a bad price: %v", err)
			}
		}
		for _, x := range []struct {
			institution string
			kind        catalog.Kind
			years       int
			at          time.Time
			want        money.Fen
			err         error
		}{
			{"010001", catalog.KindCertificate, 1, noon, 10000, nil},
			{"010001", catalog.KindCertificate, 1, tomorrow.Add(-time.Millisecond), 10000, nil},
			{"010001", catalog.KindCertificate, 1, tomorrow, 12000, nil},
			{"010001", catalog.KindCertificate, 2, tomorrow, 18000, nil},
			{"010001", catalog.KindCertificate, 3, noon, 0, catalog.CodeNoPrice},
			{"010001", catalog.KindCertificate, 1, noon.Add(-time.Hour), 0, catalog.CodeNoPrice},
			{"010001", catalog.KindRoaming, 1, noon, 0, catalog.CodeNoPrice},
			{"010002", catalog.KindCertificate, 1, noon, 0, catalog.CodeInstitutionUnknown},
			{"999999", catalog.KindCertificate, 1, noon, 0, catalog.CodeInstitutionUnknown},
		} {
			got, err := s.Price(ctx, tx, x.institution, x.kind, x.years, x.at)
			if got != x.want || !errors.Is(err, x.err) {
				t.Errorf("%+v: %d, %v", x, got, err)
			}
		}
		if list, err := s.Prices(ctx, tx, "010001", tomorrow); err != nil || len(list) != 2 || list[0].Fen != 12000 || list[1].Fen != 18000 {
			t.Errorf("Prices = %v, %v", list, err)
		}
		if list, err := s.Institutions(ctx, tx); err != nil || len(list) != 1 || list[0].Name != "甲" {
			t.Errorf("Institutions = %v, %v", list, err)
		}
		for _, i := range []catalog.Institution{{Code: "", Name: "x"}, {Code: "1", Name: " "}, {Code: "12345678901", Name: "x"}, {Code: "abc", Name: "x"}} {
			if err := s.PutInstitution(ctx, tx, i); !errors.Is(err, catalog.CodeInstitutionInvalid) {
				t.Errorf("%+v: %v", i, err)
			}
		}
		return nil
	})
}
