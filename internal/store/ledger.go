package store

import (
	"context"

	"tianweitong/internal/order"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Ledger gives up to n orders with ids after the given one, in order of id, each
// with its payments and refunds: for the checker.
func (st *Store) Ledger(ctx context.Context, tx work.Tx, after string, n int) ([]order.Ledger, error) {
	rows, err := queries(tx).OrdersAfter(ctx, db.OrdersAfterParams{After: after, MaxOrders: int32(n)})
	if err != nil {
		return nil, failure(err)
	}
	orders := st.Orders()
	out := make([]order.Ledger, len(rows))
	for i, r := range rows {
		if out[i].Order, err = withLines(ctx, tx, r); err != nil {
			return nil, err
		}
		if out[i].Payments, err = orders.Payments(ctx, tx, r.ID); err != nil {
			return nil, err
		}
		if out[i].Refunds, err = orders.Refunds(ctx, tx, r.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}
