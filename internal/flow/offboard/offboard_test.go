package offboard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/offboard"
	"tianweitong/internal/work"
)

// held puts a 有效 certificate of an enterprise into the store, without its keys.
func held(w *flowtest.World, in string, p *flowtest.Person, id string, end time.Time) {
	w.Do(func(ctx context.Context, tx work.Tx) error {
		return w.Store.Certificates().Insert(ctx, tx, certificate.Certificate{
			ID: id, Holder: certificate.Holder{Kind: certificate.Enterprise, Account: p.Caller.Account, Enterprise: in}, Institution: flowtest.Institution,
			Years: 1, Platform: "M1100000034", Order: "o" + id, Line: "l" + id, State: certificate.Valid, NotBefore: end.AddDate(-1, 0, 0), NotAfter: end,
			SignSerial: "a" + id, Device: p.Caller.Device, CreatedAt: w.Clock.Now(), Version: 1,
		})
	})
}

func TestDepartureFreezesTheEnterprisesCertificatesAndRunsTheHooks(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		ctx := t.Context()
		boss, ann := w.Person(), w.Person()
		ann.SetPIN()
		own := ann.Installed()
		in, other := w.Found("示例建设有限公司", boss, ann), w.Found("别家建设有限公司", boss, ann)
		next, past := w.Clock.Now().AddDate(0, 6, 0), w.Clock.Now().AddDate(0, 0, -1)
		held(w, in, ann, "c1", next)
		held(w, in, ann, "c2", past)
		held(w, other, ann, "c3", next)
		held(w, in, boss, "c4", next)

		var left []enterprise.Departure
		refuse := errors.New("a hook refuses")
		fail := true
		w.Members.Departures = &offboard.Service{Certificates: w.Certificates, Hooks: []offboard.Hook{
			func(_ context.Context, tx work.Tx, d enterprise.Departure) error {
				tx.AfterCommit(func() { left = append(left, d) })
				return nil
			},
			func(context.Context, work.Tx, enterprise.Departure) error {
				if fail {
					return refuse
				}
				return nil
			},
		}}
		if err := w.Members.Remove(ctx, boss.Caller, in, w.Membership(in, ann), "已离职"); !errors.Is(err, refuse) {
			t.Fatalf("a refusing hook: %v", err)
		}
		if c := w.Certificate("c1"); c.State != certificate.Valid || len(left) != 0 {
			t.Errorf("a departure that failed left traces: %s, %v", c.State, left)
		}
		fail = false
		if err := w.Members.Remove(ctx, boss.Caller, in, w.Membership(in, ann), "已离职"); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]certificate.State{
			"c1": certificate.Frozen, "c2": certificate.Expired, "c3": certificate.Valid, "c4": certificate.Valid, own: certificate.Valid,
		} {
			if c := w.Certificate(id); c.State != want {
				t.Errorf("%s is %s, want %s", id, c.State, want)
			}
		}
		if c := w.Certificate("c1"); c.Reason != offboard.Reason {
			t.Errorf("frozen for %q", c.Reason)
		}
		if len(left) != 1 || left[0].Account != ann.Caller.Account || !left[0].Removed {
			t.Errorf("the hooks heard %+v", left)
		}
	})
}
