package install_test

import (
	"fmt"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/flow/flowtest"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/store"
)

// shards share the rows of the fault table, so that they wait for the disk side
// by side.
const shards = 4

// TestEveryBrokenStepEndsInOneCertificateOrNone breaks every transaction and
// every outside call of an installation, before it is done and after it
// persisted, kills the house there, and looks at everything: once with the jobs
// alone, and once after the phone has come back. SQLite does every row,
// PostgreSQL every second one.
func TestEveryBrokenStepEndsInOneCertificateOrNone(t *testing.T) {
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			flowtest.Each(t, func(t *testing.T, w *flowtest.World) {
				p := w.Person()
				p.SetPIN()
				w.Faults.Break(0, false)
				first := p.Installed()
				steps := w.Faults.Steps()
				if len(steps) < 25 {
					t.Fatalf("an installation has %d steps: %v", len(steps), steps)
				}
				for row := shard; row < 2*len(steps); row += shards {
					n, after := row/2, row%2 == 1
					if w.Store.Engine() == store.Postgres && (n/2+row)%2 == 1 {
						continue
					}
					name := fmt.Sprintf("%02d %s failed", n+1, steps[n])
					if after {
						name += " but persisted"
					}
					t.Run(name, func(t *testing.T) { breakInstallation(t, w, p, n+1, after) })
				}
				p.UseKeys(first)
				w.Orphans()
			})
		})
	}
}

func breakInstallation(t *testing.T, w *flowtest.World, p *flowtest.Person, n int, after bool) {
	ctx := t.Context()
	cert := w.Buy(p.Caller.Account)
	w.Faults.Break(n, after)
	_, err := p.InstallOnce(ctx, cert)
	if !w.Faults.Hit() {
		t.Fatalf("the step was not reached: %v", err)
	}
	w.Faults.Break(0, false)
	w.Start() // as after kill -9

	w.Clock.Advance(time.Minute)
	w.Drain()
	done := 0
	if w.Certificate(cert).State == certificate.Valid {
		done = 1
	}
	p.Whole(cert, done)

	for try := 0; done == 0; try++ {
		i, err := p.InstallOnce(ctx, cert)
		if err != nil || try == 2 {
			t.Fatalf("installing again: %s, %v", i.State, err)
		}
		if i.State == install.Installed {
			done = 1
		}
	}
	p.Whole(cert, 1)
	if after && n%7 == 0 { // each use is three transactions: a sample
		p.UseKeys(cert)
	}
}
