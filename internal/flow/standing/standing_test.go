package standing_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/standing"
	"tianweitong/internal/id"
	"tianweitong/internal/order"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

// elsewhere is a platform that nothing was bought for.
const elsewhere = "M1100000099"

func of(w *flowtest.World, acc string) (o standing.Owned) {
	w.T.Helper()
	s := standing.New(standing.Deps{Clock: w.Clock, Certificates: w.Certificates, Roamings: w.Roamings, Orders: w.Orders})
	w.Do(func(ctx context.Context, tx work.Tx) (err error) {
		o, err = s.Of(ctx, tx, account.Scope{Account: acc})
		return err
	})
	return o
}

// unpaid places an order without its price list.
func unpaid(w *flowtest.World, account, platform string) order.Order {
	w.T.Helper()
	now := w.Clock.Now()
	o := order.Order{
		ID: id.New(rand.Reader), Buyer: order.Buyer{Kind: order.Person, Account: account}, State: order.Unpaid, Total: 20000,
		CreatedAt: now, ExpiresAt: now.Add(order.Life), Version: 1,
		Lines: []order.Line{{ID: id.New(rand.Reader), Kind: order.LineCertificate, Institution: flowtest.Institution, Years: 2, Platform: platform, Price: 20000, State: order.LineOpen}},
	}
	w.Do(func(ctx context.Context, tx work.Tx) error { return w.Store.Orders().Insert(ctx, tx, o) })
	return o
}

func TestStandingFollowsACertificateThroughItsLife(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		acc := p.Caller.Account
		is := func(platform string, want standing.State, n int, until time.Time, action standing.Action) {
			t.Helper()
			o := of(w, acc)
			if got := o.On(platform); got.State != want || got.Certificates != n || !got.Until.Equal(until) {
				t.Fatalf("on %s: %+v, want %s of %d until %s", platform, got, want, n, until)
			}
			entries := o.Entries(platform)
			if want == standing.None && len(entries) == 0 {
				return
			}
			if len(entries) < n || entries[0].State != want || entries[0].Action != action {
				t.Fatalf("on %s: %+v", platform, entries)
			}
		}
		is(flowtest.Platform, standing.None, 0, time.Time{}, "")
		waiting := unpaid(w, acc, flowtest.Platform)
		is(flowtest.Platform, standing.ToPay, 1, waiting.ExpiresAt, standing.Pay)
		is(elsewhere, standing.None, 0, time.Time{}, "")
		w.Clock.Advance(order.Life)
		is(flowtest.Platform, standing.None, 0, time.Time{}, "")

		p.SetPIN()
		w.Buy(acc)
		is(flowtest.Platform, standing.ToInstall, 1, time.Time{}, standing.Install)
		is(elsewhere, standing.None, 0, time.Time{}, "")
		cert := w.Certificate(p.Installed()) // buys another
		is(flowtest.Platform, standing.Usable, 1, cert.NotAfter, standing.Scan)
		is(elsewhere, standing.NotRoamed, 1, cert.NotAfter, "")

		bind := func(device string) {
			w.Do(func(ctx context.Context, tx work.Tx) error { return w.Accounts.BindDevice(ctx, tx, acc, device) })
		}
		other := w.SignIn(p.Number)
		bind(other.Caller.Device)
		is(flowtest.Platform, standing.KeyLost, 1, cert.NotAfter, standing.Recover)
		bind(p.Caller.Device)

		w.Clock.Advance(cert.NotAfter.Sub(w.Clock.Now()) - certificate.Soon)
		is(flowtest.Platform, standing.Expiring, 1, cert.NotAfter, standing.Scan)
		w.Clock.Advance(certificate.Soon + time.Second)
		is(flowtest.Platform, standing.ToInstall, 1, time.Time{}, standing.Install) // the one that was never installed
		if all := of(w, acc).Entries(flowtest.Platform); len(all) != 2 || all[1].State != standing.Expired || all[1].Action != "" {
			t.Fatalf("%+v", all)
		}
		is(elsewhere, standing.None, 0, time.Time{}, "")
		if other := w.Person(); of(w, other.Caller.Account).On(flowtest.Platform).State != standing.None {
			t.Error("a stranger stands there too")
		}
	})
}

func TestRoamingEndsBeforeItsCertificate(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		p := w.Person()
		p.SetPIN()
		cert := w.Certificate(p.Installed())
		end := cert.NotBefore.Add(100 * 24 * time.Hour)
		w.Do(func(ctx context.Context, tx work.Tx) error {
			return w.Roamings.Open(ctx, tx, cert, elsewhere, cert.NotBefore, end, "another line")
		})
		if got := of(w, p.Caller.Account).On(elsewhere); got.State != standing.Usable || !got.Until.Equal(end) {
			t.Fatalf("%+v", got)
		}
		w.Clock.Advance(20 * 24 * time.Hour)
		if got := of(w, p.Caller.Account).On(elsewhere); got.State != standing.Expiring || got.Certificates != 1 {
			t.Fatalf("%+v", got)
		}
		w.Clock.Advance(81 * 24 * time.Hour)
		o := of(w, p.Caller.Account)
		if got := o.On(elsewhere); got.State != standing.Expired || !got.Until.Equal(end) {
			t.Fatalf("%+v", got)
		}
		if e := o.Entries(elsewhere)[0]; e.Action != "" || e.Roaming.State != roaming.Expired {
			t.Fatalf("%+v", e)
		}
		if got := o.On(flowtest.Platform); got.State != standing.Usable {
			t.Fatalf("%+v", got)
		}
	})
}
