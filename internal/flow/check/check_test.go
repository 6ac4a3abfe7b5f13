package check_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/check"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/revoke"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// run gives the items by their names.
func run(t *testing.T, p *flowtest.Person, cert string) map[string]check.Item {
	t.Helper()
	items, err := p.Check.Run(t.Context(), p.Caller, cert)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]check.Item{}
	for _, i := range items {
		if i.Label == "" || i.Text == "" || out[i.Name].Name != "" {
			t.Errorf("item %q is empty or stands twice", i.Name)
		}
		out[i.Name] = i
	}
	return out
}

func outcomes(t *testing.T, got map[string]check.Item, want map[string]check.Outcome) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d items, want %d", len(got), len(want))
	}
	for name, o := range want {
		if got[name].Outcome != o {
			t.Errorf("%s: %q (%s), want %q", name, got[name].Outcome, got[name].Text, o)
		}
	}
}

func TestAGoodCertificatePassesEveryItem(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		items := run(t, p, cert)
		outcomes(t, items, map[string]check.Outcome{
			"keys": check.Good, "sign": check.Pending, "decrypt": check.Pending, "chain": check.Good,
			"revocation": check.Good, "expiry": check.Good, "platforms": check.Good,
		})
		if text := items["platforms"].Text; !strings.Contains(text, flowtest.PlatformName) {
			t.Errorf("platforms: %q names none", text)
		}
		for _, name := range []string{"sign", "decrypt"} {
			if _, err := p.Perform(ctx, items[name].Op, "135792"); !errors.Is(err, custody.CodeWrongPIN) {
				t.Errorf("%s with a wrong PIN: %v", name, err)
			}
			if _, err := p.Perform(ctx, items[name].Op, p.Phone.PIN); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		records, err := w.Usage.List(ctx, p.Caller.Scope(), usage.Filter{Certificate: cert, Business: "check"}, usage.Page{})
		if err != nil || len(records) != 2 {
			t.Errorf("%d usage records, %v", len(records), err)
		}
	})
}

func TestALostKeyIsFound(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		w.Do(func(ctx context.Context, tx work.Tx) error { return w.Custody.Suspend(ctx, tx, p.Caller.Account) })
		items := run(t, p, cert)
		outcomes(t, items, map[string]check.Outcome{
			"keys": check.Bad, "chain": check.Good, "revocation": check.Good, "expiry": check.Good, "platforms": check.Good,
		})
		if items["keys"].Action != "recover" {
			t.Errorf("the action is %q", items["keys"].Action)
		}
	})
}

func TestARevokedAndAnExpiredCertificateAreFound(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p := w.Person()
		p.SetPIN()
		revoked, expired := p.Installed(), p.Installed()
		r, err := w.Revoke.Begin(ctx, p.Caller, revoked, revoke.Unneeded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Perform(ctx, r.Op, p.Phone.PIN); err != nil {
			t.Fatal(err)
		}
		w.Drain()
		outcomes(t, run(t, p, revoked), map[string]check.Outcome{ // it decrypts, and signs no more
			"keys": check.Good, "decrypt": check.Pending, "chain": check.Good, "revocation": check.Bad,
			"expiry": check.Good, "platforms": check.Good,
		})
		w.Clock.Advance(400 * 24 * time.Hour)
		if err := w.CA.Publish(ctx, flowtest.Institution); err != nil {
			t.Fatal(err)
		}
		outcomes(t, run(t, p, expired), map[string]check.Outcome{
			"keys": check.Good, "sign": check.Pending, "decrypt": check.Pending, "chain": check.Good,
			"revocation": check.Good, "expiry": check.Bad, "platforms": check.Bad,
		})
	})
}

func TestAStaleListIsTold(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := p.Installed()
		w.Clock.Advance(80 * time.Hour) // nothing publishes in this test
		if i := run(t, p, cert)["revocation"]; i.Outcome != check.Bad || i.Action != "" {
			t.Errorf("%q, action %q", i.Outcome, i.Action)
		}
	})
}

func TestOnlyTheHolderChecksWhatIsInstalled(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		p, q := w.Person(), w.Person()
		p.SetPIN()
		if _, err := w.Check.Run(ctx, q.Caller, p.Installed()); !errors.Is(err, certificate.CodeNotFound) {
			t.Errorf("another's: %v", err)
		}
		if _, err := w.Check.Run(ctx, p.Caller, w.Buy(p.Caller.Account)); !errors.Is(err, certificate.CodeNotValid) {
			t.Errorf("not installed: %v", err)
		}
	})
}
