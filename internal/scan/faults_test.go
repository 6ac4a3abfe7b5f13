package scan_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"tianweitong/internal/catalog"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/push"
	"tianweitong/internal/scan"
	"tianweitong/internal/secret"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// bidding is the one platform of the fault table.
type bidding struct{}

func (bidding) Institution(_ context.Context, _ work.Tx, code string) (catalog.Institution, error) {
	return catalog.Institution{}, catalog.CodeInstitutionUnknown
}

func (bidding) Platform(context.Context, work.Tx, string) (catalog.Platform, error) {
	return catalog.Platform{Code: flowtest.Platform, Name: "示例平台", Host: "bid.example", Active: true}, nil
}

func overRooms(w *flowtest.World, box *secret.Box) *scan.Service {
	return scan.New(scan.Deps{
		Store: w.Store.Scans(), Runner: w.Faults, Clock: w.Clock, Rand: rand.Reader, Box: box, AppURL: "https://app.example", Platforms: bidding{},
		People: w.Persons, Certificates: w.Certificates, Roamings: w.Roamings, Usages: w.Usage, Custody: w.Custody, Timestamps: w.CA,
		Push: push.NewHub(0), Notices: w.Notices,
	})
}

// attempt is a signature that is taken up again wherever it broke off.
type attempt struct {
	*flowtest.Person
	s     *scan.Service
	cert  string
	draft scan.Draft
}

func (a *attempt) once(ctx context.Context) error {
	err := a.Faults.Do(ctx, "scan.create", func(ctx context.Context, tx work.Tx) error {
		_, err := a.s.Create(ctx, tx, a.draft)
		return err
	})
	if err != nil && !errors.Is(err, work.ErrExists) {
		return err
	}
	if _, err := a.s.Get(ctx, a.Phone.Holder, a.draft.ID()); errors.Is(err, scan.CodeNotFound) {
		q, err := a.s.QR(ctx, flowtest.Platform, a.draft.ID())
		if err != nil {
			return err
		}
		if _, err := a.s.Scan(ctx, a.Phone.Holder, q.Text, ""); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	seen, err := a.s.Confirm(ctx, a.Phone.Holder, a.draft.ID(), a.cert, "")
	if err != nil {
		return err
	}
	a.Phone.Door = a.Custody
	act, err := a.Custody.Activation(ctx, a.Phone.Holder, seen.OpID)
	if err != nil {
		return err
	}
	f, err := a.s.Finish(ctx, a.Phone.Holder, act)
	if err != nil {
		return err
	}
	_, err = a.Phone.Perform(ctx, seen.OpID, a.Phone.PIN, f)
	return err
}

// The fault table of signing over the real rooms: every transaction fails, or
// fails but persisted, the house is killed there, and the signature goes on where
// it was, to one result, one usage record and an unspoilt PIN.
func TestEveryBrokenStepOfASignatureEndsInOne(t *testing.T) {
	flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
		box := storetest.Box(t)
		p := w.Person()
		p.SetPIN()
		a := &attempt{Person: p, s: overRooms(w, box), cert: p.Installed()}
		holder := holderOf(t, w, p)
		begin := func() {
			var err error
			platform, _ := bidding{}.Platform(t.Context(), nil, "")
			r := sign()
			r.Expected = holder
			if a.draft, err = a.s.Draft(platform, r); err != nil {
				t.Fatal(err)
			}
		}
		begin()
		w.Faults.Break(0, false)
		if err := a.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		steps := w.Faults.Steps()
		if len(steps) < 7 {
			t.Fatalf("a signature has %d steps: %v", len(steps), steps)
		}
		for row := range 2 * len(steps) {
			n, after := row/2, row%2 == 1
			name := fmt.Sprintf("%d %s failed", n+1, steps[n])
			if after {
				name += " but persisted"
			}
			t.Run(name, func(t *testing.T) {
				begin()
				w.Faults.Break(n+1, after)
				err := a.once(t.Context())
				if !w.Faults.Hit() || err == nil {
					t.Fatalf("the step did not break: %v", err)
				}
				w.Faults.Break(0, false)
				w.Start()
				a.s = overRooms(w, box)
				for try := 0; ; try++ {
					st, err := a.s.Status(t.Context(), flowtest.Platform, a.draft.ID(), true)
					if err == nil && st.State == scan.Executed {
						whole(t, w, p, st)
						return
					}
					if try == 2 {
						t.Fatalf("it does not go on: %v", err)
					}
					if err := a.once(t.Context()); err != nil {
						t.Logf("taken up: %v", err)
					}
				}
			})
		}
	})
}

func holderOf(t *testing.T, w *flowtest.World, p *flowtest.Person) (holder string) {
	t.Helper()
	w.Do(func(ctx context.Context, tx work.Tx) error {
		person, err := w.Persons.Person(ctx, tx, p.Caller.Account)
		holder = person.Holder
		return err
	})
	return holder
}

// whole: one result over the document, one record, no try of the PIN lost.
func whole(t *testing.T, w *flowtest.World, p *flowtest.Person, st scan.Status) {
	t.Helper()
	if st.Signed == nil || !bytes.Equal(st.Signed.M, letter) || len(st.Signed.Signature) == 0 || len(st.Signed.Timestamp) == 0 {
		t.Fatalf("result %+v", st.Signed)
	}
	all, err := w.Usage.List(t.Context(), p.Caller.Scope(), usage.Filter{Business: "sign"}, usage.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, u := range all {
		if u.Ref == fmt.Sprintf("scan:%s:1", st.ID) {
			n++
		}
	}
	pin, err := w.Custody.PIN(t.Context(), p.Caller.Account)
	if err != nil || n != 1 || pin.Remaining != 10 || pin.Locked || pin.FaceNeeded {
		t.Fatalf("%d usage records, PIN %+v, %v", n, pin, err)
	}
}
