package scan_test

import (
	"context"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

// open asks what a phone has under way; "" for nothing.
func (s *stage) open(h custody.Holder) string {
	s.t.Helper()
	seen, found, err := s.Scans.Open(s.t.Context(), h)
	if err != nil || found != (seen.ID != "") {
		s.t.Fatalf("%+v, %v, %v", seen, found, err)
	}
	return seen.ID
}

func TestPhoneFindsItsScanAgain(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		if id := s.open(s.holder.Holder); id != "" {
			t.Fatalf("nothing was scanned, and %s is open", id)
		}
		s.begin(login())
		first := s.scanned(sign()).ID
		s.Clock.Advance(time.Second)
		second := s.scanned(login()).ID
		if id := s.open(s.holder.Holder); id != second {
			t.Errorf("found %s, want the newest", id)
		}
		elsewhere := s.holder.Holder
		elsewhere.Device = "elsewhere"
		for _, other := range []custody.Holder{elsewhere, s.NewPerson("李测试").Holder} {
			if id := s.open(other); id != "" {
				t.Errorf("%+v finds %s", other, id)
			}
		}
		if err := s.Scans.Reject(t.Context(), s.holder.Holder, second); err != nil {
			t.Fatal(err)
		}
		if id := s.open(s.holder.Holder); id != first {
			t.Errorf("found %s, want the one that is left", id)
		}
		s.Clock.Advance(scan.OtherLife) // no sweep was there
		if id := s.open(s.holder.Holder); id != "" {
			t.Errorf("what expired is open: %s", id)
		}
	})
}

// A phone without its keys scans a login in its last second: there is time to
// enter the SMS code, and from then on the timer waits (row 2.8.7).
func TestLoginScannedWithoutKeysWaitsForTheReKey(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		s.Bind(s.holder.Account, "elsewhere")
		other := s.NewPerson("李测试")
		id := s.begin(login()).ID
		s.Clock.Advance(scan.LoginLife - time.Second)
		seen, err := s.scan(s.holder, id)
		if err != nil || seen.Gate != scan.KeyLost || seen.ExpiresAt.Sub(s.Clock.Now()) != 2*time.Minute {
			t.Fatalf("%+v, %v", seen, err)
		}
		s.Clock.Advance(time.Minute)
		s.sweep()
		hold := func(h custody.Holder) {
			s.Must(func(ctx context.Context, tx work.Tx) error { return s.Scans.HoldOn(ctx, tx, h) })
		}
		hold(other.Holder)
		hold(custody.Holder{Account: s.holder.Account, Device: "elsewhere"})
		if st := s.status(id); st.State != scan.Scanned {
			t.Fatalf("held by another phone: %s", st.State)
		}
		hold(s.holder.Holder)
		s.Clock.Advance(scan.HoldLife - time.Second)
		s.sweep()
		if seen, err = s.Scans.Get(t.Context(), s.holder.Holder, id); err != nil || seen.State != scan.Recovering || !seen.HoldUntil.Equal(s.Clock.Now().Add(time.Second)) {
			t.Fatalf("%+v, %v", seen, err)
		}
		s.Must(func(ctx context.Context, tx work.Tx) error { return s.Scans.Hold(ctx, tx, s.holder.Account) })
		s.Clock.Advance(time.Second) // the second hold adds nothing to the first
		ended(t, s.status(id), scan.Expired, scan.Timeout)
	})
}

func TestScanTellsWhereItIsAskedFor(t *testing.T) {
	s := lite(t)
	agents := map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                    "Windows · Chrome",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":      "Windows · Edge",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15":              "macOS · Safari",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                             "Linux · Firefox",
		"Mozilla/5.0 (Linux; Android 15; X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0": "Android · 微信",
		"Test/1": "未知浏览器", "": "未知浏览器",
	}
	for agent, want := range agents {
		r := login()
		r.Browser.UserAgent = agent
		id := s.begin(r).ID
		s.Clock.Advance(8 * time.Second)
		seen, err := s.scan(s.holder, id)
		if o := seen.Origin; err != nil || o.Browser != want || o.AgeSeconds != 8 || o.Differs || o.Risk != "" || o.RiskText != "" {
			t.Errorf("%+v, %v", o, err)
		}
	}
	r := login()
	r.Browser.Address = "203.0.113.9"
	seen, err := s.scan(s.holder, s.begin(r).ID)
	if o := seen.Origin; err != nil || !o.Differs || o.Risk != "network" || o.RiskText == "" || o.Network != "203.0.113.0/24" || o.WaitSeconds != 10 {
		t.Errorf("%+v, %v", o, err)
	}
}
