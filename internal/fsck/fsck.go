// Package fsck rereads everything that the house wrote and holds it against its
// rules: every certificate and list, the money, the audit chain. Its findings
// are sentences for the operator; none means that all is well.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/ca"
	"tianweitong/internal/clock"
	"tianweitong/internal/order"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// Money gives the orders with their payments and refunds, page by page.
type Money interface {
	// Ledger gives up to n orders with ids after the given one, in order of id.
	Ledger(ctx context.Context, tx work.Tx, after string, n int) ([]order.Ledger, error)
}

// Deps are what a run reads.
type Deps struct {
	Runner work.Runner
	Audit  audit.Store
	Money  Money
	CA     *ca.Service
	Usage  *usage.Service
	Clock  clock.Clock
	// Statements verifies a checkpoint's signature.
	Statements func(ctx context.Context, statement, signature []byte) error
}

// Report says what was read and what is wrong.
type Report struct {
	Read     []string
	Findings []string
}

// Run rereads everything. An error means that reading itself failed.
func Run(ctx context.Context, d Deps) (Report, error) {
	var r Report
	n, found, err := d.CA.Reread(ctx)
	if err != nil {
		return r, err
	}
	r.Read = append(r.Read, fmt.Sprintf("%d certificates reread and linted", n))
	r.Findings = append(r.Findings, found...)
	if err := money(ctx, d, &r); err != nil {
		return r, err
	}
	return r, records(ctx, d, &r)
}

// records: the audit chain is whole, and every usage record is the one that its
// entry in the chain names; none is missing and none was added.
func records(ctx context.Context, d Deps, r *Report) error {
	var written int64
	entries, tampered, err := audit.Verify(ctx, d.Runner, d.Audit, d.Clock.Now(), func(statement, signature []byte) error {
		return d.Statements(ctx, statement, signature)
	}, func(ctx context.Context, tx work.Tx, e audit.Entry) (string, error) {
		if e.Kind != usage.Written {
			return "", nil
		}
		written++
		err := d.Usage.Verify(ctx, tx, e.Subject, e.Detail)
		if errors.Is(err, usage.ErrAltered) {
			return "the usage record " + e.Subject + " was altered or is missing", nil
		}
		return "", err
	})
	if err != nil {
		return err
	}
	for _, f := range tampered {
		r.Findings = append(r.Findings, f.String())
	}
	var kept, unchained int64
	if err := d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if kept, err = d.Usage.Count(ctx, tx); err != nil {
			return err
		}
		unchained, err = d.Audit.Late(ctx, tx, d.Clock.Now().Add(time.Hour))
		return err
	}); err != nil {
		return err
	}
	// Entries not yet chained may stand for the newest records.
	if kept < written || kept > written+unchained {
		r.Findings = append(r.Findings, fmt.Sprintf("%d usage records for %d entries in the chain", kept, written))
	}
	r.Read = append(r.Read, fmt.Sprintf("%d audit entries rehashed, %d usage records compared", entries, written))
	return nil
}

const page = 200

// money: what was paid, refunded and delivered adds up for every order.
func money(ctx context.Context, d Deps, r *Report) error {
	after, n := "", 0
	for {
		var rows []order.Ledger
		if err := d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			rows, err = d.Money.Ledger(ctx, tx, after, page)
			return err
		}); err != nil {
			return err
		}
		for _, l := range rows {
			after = l.Order.ID
			n++
			for _, f := range l.Check() {
				r.Findings = append(r.Findings, "order "+l.Order.ID+": "+f)
			}
		}
		if len(rows) < page {
			break
		}
	}
	r.Read = append(r.Read, fmt.Sprintf("%d orders added up", n))
	return nil
}
