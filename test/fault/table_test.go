// Package fault stops houses at every recorded step, and by kill -9, and looks at
// everything after they came back (the first issue's fault table: step × {failed,
// failed but persisted}).
package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/store"
	"tianweitong/platform"
)

// long runs every row on both engines, and many more kills.
var long = os.Getenv("TWT_LONG") != ""

// every is how many rows PostgreSQL leaves between two that it does.
const every = 9

// TestEveryBrokenStepGoesOnWhereItWas kills the house at every transaction of
// buying, paying, setting the PIN, installing, logging in and signing, once
// before it begins and once when it has committed; a new house opens on the same
// data, the person repeats the step on the same phone, and the whole state is
// what one undisturbed walk leaves.
func TestEveryBrokenStepGoesOnWhereItWas(t *testing.T) {
	const shards = 3
	for _, e := range []store.Engine{store.SQLite, store.Postgres} {
		for n := range shards {
			t.Run(fmt.Sprintf("%s/%d", e, n), func(t *testing.T) {
				t.Parallel()
				s := newShard(t, e)
				rows := s.record(t)
				for i := n; i < len(rows); i += shards {
					if e == store.Postgres && !long && i/shards%every != 0 {
						continue
					}
					t.Run(rows[i].String(), func(t *testing.T) { s.run(t, rows[i]) })
				}
			})
		}
	}
}

// row is one way to die.
type row struct {
	stage int
	n     int
	after bool
	name  string
}

func (r row) String() string {
	how := "failed"
	if r.after {
		how = "failed but persisted"
	}
	return fmt.Sprintf("%s: %d %s %s", stages[r.stage].name, r.n, r.name, how)
}

// record walks without a break, saves the data before every stage, and gives the
// rows of the table.
func (s *shard) record(t *testing.T) (rows []row) {
	t.Helper()
	for i, st := range stages {
		w := s.begin(t, i)
		w.breaker.arm(0, false)
		if err := w.step(t.Context(), st); err != nil {
			t.Fatalf("%s: %v", st.name, err)
		}
		for n, step := range w.breaker.steps {
			rows = append(rows, row{i, n + 1, false, step.name})
			if step.committed {
				rows = append(rows, row{i, n + 1, true, step.name})
			}
		}
		if i == len(stages)-1 {
			w.whole(t)
		}
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		s.saved = append(s.saved, saved{w.config, w.memory.clone()})
	}
	return rows
}

func (s *shard) run(t *testing.T, r row) {
	ctx := t.Context()
	w := s.begin(t, r.stage)
	first := w.house
	first.breaker.arm(r.n, r.after)
	for i := r.stage; i < len(stages); i++ {
		err := w.step(ctx, stages[i])
		if !w.breaker.killed() {
			if err != nil {
				t.Fatalf("%s: %v", stages[i].name, err)
			}
			continue
		}
		w.http.CloseIdleConnections()
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(61 * time.Second) // another SMS code may be had
		w.house = s.open(t, w.config, w.clock)
		w.person.Phone = w.house.phone(t) // its app was closed too
		if err := errors.Join(w.Drain(ctx), w.Seal(ctx)); err != nil {
			t.Fatal(err)
		}
		w.sound(t)
		i-- // the person does the step again
	}
	if !first.breaker.killed() {
		t.Fatal("the step was not reached")
	}
	w.whole(t)
}

// sound is what holds at any time.
func (w *walk) sound(t *testing.T) {
	t.Helper()
	report, err := w.Fsck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	// At most the attempt at hand is charged.
	st, err := w.person.Phone.PIN(t.Context())
	if err != nil || st.Locked || !st.LockedUntil.IsZero() || st.Set && st.Remaining < 9 {
		t.Errorf("the PIN is %+v, %v", st, err)
	}
}

// whole is the state at the end.
func (w *walk) whole(t *testing.T) {
	t.Helper()
	w.sound(t)
	ctx, p := t.Context(), w.person.Phone
	orders, err := p.Orders(ctx)
	if err != nil || len(orders) != 1 {
		t.Fatalf("%d orders, %v", len(orders), err)
	}
	o, err := p.Order(ctx, w.order)
	if err != nil || o.State != "completed" {
		t.Errorf("the order is %s, %v", o.State, err)
	}
	settled := 0
	for _, p := range o.Payments {
		switch p.State {
		case "settled":
			settled++
		case "closed":
		default:
			t.Errorf("a payment is %s", p.State)
		}
	}
	if settled != 1 {
		t.Errorf("%d payments are settled", settled)
	}
	certs, err := p.Certificates(ctx)
	if err != nil || len(certs) != 1 || certs[0].State != "valid" {
		t.Errorf("the certificates are %+v, %v", certs, err)
	}
	if st, err := p.PIN(ctx); err != nil || !st.Here || st.Remaining != 10 {
		t.Errorf("the PIN is %+v, %v", st, err)
	}
	results := map[platform.Type]int{}
	for _, tx := range w.asked {
		st, err := w.client.Get(ctx, tx)
		if err != nil {
			t.Errorf("a transaction of %s: %v", tx.Type, err)
		}
		if st.Result == nil {
			continue
		}
		results[tx.Type]++
		if st.State != platform.Delivered {
			t.Errorf("%s is %s: the callback was not delivered", tx.Type, st.State)
		}
	}
	if results[platform.TypeLogin] != 1 || results[platform.TypeSign] != 1 {
		t.Errorf("the results are %v", results)
	}
	records, _, err := p.Usage(ctx, "")
	used := map[string]int{}
	for _, r := range records {
		if r.Outcome == "OK" {
			used[r.Business]++
		}
	}
	if err != nil || !maps.Equal(used, map[string]int{"install": 1, "login": 1, "sign": 1}) {
		t.Errorf("the usage records are %v, %v", used, err)
	}
	w.nothingDead(t)
}

// nothingDead: no background work was given up.
func (w *walk) nothingDead(t *testing.T) {
	t.Helper()
	res, err := w.get(context.WithoutCancel(t.Context()), w.URLs().Ops+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if l := lines.Text(); strings.HasPrefix(l, "twt_jobs{") && strings.Contains(l, `state="dead"`) {
			t.Errorf("a job is dead: %s", l)
		}
	}
}
