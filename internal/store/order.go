package store

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Orders is the store of package order.
func (st *Store) Orders() order.Store { return orders{st} }

type orders struct{ *Store }

func (orders) Insert(ctx context.Context, tx work.Tx, o order.Order) error {
	q := queries(tx)
	err := q.InsertOrder(ctx, db.InsertOrderParams{
		ID: o.ID, HolderKind: string(o.Buyer.Kind), AccountID: o.Buyer.Account, EnterpriseID: o.Buyer.Enterprise,
		State: string(o.State), Total: int64(o.Total), Reason: o.Reason, CreatedAt: ms(o.CreatedAt), ExpiresAt: ms(o.ExpiresAt),
		PaidAt: ms(o.PaidAt), EndedAt: ms(o.EndedAt), Version: o.Version,
	})
	if err != nil {
		return failure(err)
	}
	for i, l := range o.Lines {
		err := q.InsertOrderLine(ctx, db.InsertOrderLineParams{
			ID: l.ID, OrderID: o.ID, Position: int64(i), Kind: string(l.Kind), Institution: l.Institution, Years: int64(l.Years),
			Platform: l.Platform, Price: int64(l.Price), State: string(l.State),
		})
		if err != nil {
			return failure(err)
		}
	}
	return nil
}

func (orders) Get(ctx context.Context, tx work.Tx, id string) (order.Order, error) {
	r, err := queries(tx).GetOrder(ctx, id)
	if err != nil {
		return order.Order{}, failure(err)
	}
	return withLines(ctx, tx, r)
}

func (orders) OfLine(ctx context.Context, tx work.Tx, line string) (order.Order, error) {
	r, err := queries(tx).GetOrderOfLine(ctx, line)
	if err != nil {
		return order.Order{}, failure(err)
	}
	return withLines(ctx, tx, r)
}

func (orders) List(ctx context.Context, tx work.Tx, sc account.Scope, before string, n int) ([]order.Order, error) {
	rows, err := queries(tx).ListOrders(ctx, db.ListOrdersParams{AccountID: sc.Account, EnterpriseID: sc.Enterprise, Before: before, MaxOrders: int32(n)})
	if err != nil {
		return nil, failure(err)
	}
	out := make([]order.Order, len(rows))
	for i, r := range rows {
		if out[i], err = withLines(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (orders) Unpaid(ctx context.Context, tx work.Tx, sc account.Scope, now time.Time) ([]order.Order, error) {
	rows, err := queries(tx).ListUnpaidOrders(ctx, db.ListUnpaidOrdersParams{AccountID: sc.Account, EnterpriseID: sc.Enterprise, Now: ms(now)})
	if err != nil {
		return nil, failure(err)
	}
	lines, err := queries(tx).ListUnpaidOrderLines(ctx, db.ListUnpaidOrderLinesParams{AccountID: sc.Account, EnterpriseID: sc.Enterprise, Now: ms(now)})
	if err != nil {
		return nil, failure(err)
	}
	of := map[string][]db.OrderLine{}
	for _, l := range lines {
		of[l.OrderID] = append(of[l.OrderID], l)
	}
	out := make([]order.Order, len(rows))
	for i, r := range rows {
		out[i] = orderOf(r, of[r.ID])
	}
	return out, nil
}

func (orders) CountUnpaid(ctx context.Context, tx work.Tx, account string, now time.Time) (int, error) {
	q := queries(tx)
	if err := q.LockOrderBuyer(ctx, account); err != nil {
		return 0, failure(err)
	}
	n, err := q.CountUnpaidOrders(ctx, db.CountUnpaidOrdersParams{AccountID: account, Now: ms(now)})
	return int(n), failure(err)
}

func (orders) Unfinished(ctx context.Context, tx work.Tx, account string) ([]order.Order, error) {
	rows, err := queries(tx).ListUnfinishedOrders(ctx, account)
	if err != nil {
		return nil, failure(err)
	}
	out := make([]order.Order, len(rows))
	for i, r := range rows {
		if out[i], err = withLines(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (orders) Update(ctx context.Context, tx work.Tx, o order.Order) error {
	q := queries(tx)
	err := swapped(q.UpdateOrder(ctx, db.UpdateOrderParams{
		ID: o.ID, Version: o.Version, State: string(o.State), Reason: o.Reason, PaidAt: ms(o.PaidAt), EndedAt: ms(o.EndedAt),
	}))
	if err != nil {
		return err
	}
	for _, l := range o.Lines {
		if err := swapped(q.UpdateOrderLine(ctx, db.UpdateOrderLineParams{ID: l.ID, State: string(l.State)})); err != nil {
			return err
		}
	}
	return nil
}

func (orders) InsertPayment(ctx context.Context, tx work.Tx, p order.Payment) error {
	return failure(queries(tx).InsertPayment(ctx, db.InsertPaymentParams{
		ID: p.ID, OrderID: p.Order, Gateway: p.Gateway, Amount: int64(p.Amount), State: string(p.State), Url: p.URL, Trade: p.Trade,
		CreatedAt: ms(p.CreatedAt), ExpiresAt: ms(p.ExpiresAt), PaidAt: ms(p.PaidAt), Version: p.Version,
	}))
}

func (orders) Payment(ctx context.Context, tx work.Tx, id string) (order.Payment, error) {
	r, err := queries(tx).GetPayment(ctx, id)
	return paymentOf(r), failure(err)
}

func (orders) Payments(ctx context.Context, tx work.Tx, id string) ([]order.Payment, error) {
	rows, err := queries(tx).ListPayments(ctx, id)
	out := make([]order.Payment, len(rows))
	for i, r := range rows {
		out[i] = paymentOf(r)
	}
	return out, failure(err)
}

func (orders) UpdatePayment(ctx context.Context, tx work.Tx, p order.Payment) error {
	return swapped(queries(tx).UpdatePayment(ctx, db.UpdatePaymentParams{
		ID: p.ID, Version: p.Version, State: string(p.State), Url: p.URL, Trade: p.Trade, PaidAt: ms(p.PaidAt),
	}))
}

func (orders) InsertRefund(ctx context.Context, tx work.Tx, r order.Refund) error {
	return failure(queries(tx).InsertRefund(ctx, db.InsertRefundParams{
		ID: r.ID, PaymentID: r.Payment, OrderID: r.Order, LineID: r.Line, Amount: int64(r.Amount), State: string(r.State),
		Reason: r.Reason, CreatedAt: ms(r.CreatedAt), AskedAt: ms(r.AskedAt), EndedAt: ms(r.EndedAt), Version: r.Version,
	}))
}

func (orders) Refund(ctx context.Context, tx work.Tx, id string) (order.Refund, error) {
	r, err := queries(tx).GetRefund(ctx, id)
	return refundOf(r), failure(err)
}

func (orders) Refunds(ctx context.Context, tx work.Tx, id string) ([]order.Refund, error) {
	rows, err := queries(tx).ListRefunds(ctx, id)
	out := make([]order.Refund, len(rows))
	for i, r := range rows {
		out[i] = refundOf(r)
	}
	return out, failure(err)
}

func (orders) UpdateRefund(ctx context.Context, tx work.Tx, r order.Refund) error {
	return swapped(queries(tx).UpdateRefund(ctx, db.UpdateRefundParams{
		ID: r.ID, Version: r.Version, State: string(r.State), AskedAt: ms(r.AskedAt), EndedAt: ms(r.EndedAt),
	}))
}

func withLines(ctx context.Context, tx work.Tx, r db.Order) (order.Order, error) {
	rows, err := queries(tx).ListOrderLines(ctx, r.ID)
	if err != nil {
		return order.Order{}, failure(err)
	}
	return orderOf(r, rows), nil
}

func orderOf(r db.Order, rows []db.OrderLine) order.Order {
	o := order.Order{
		ID:    r.ID,
		Buyer: order.Buyer{Kind: order.Kind(r.HolderKind), Account: r.AccountID, Enterprise: r.EnterpriseID},
		State: order.State(r.State), Total: money.Fen(r.Total), Reason: r.Reason, Lines: make([]order.Line, len(rows)),
		CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt), PaidAt: at(r.PaidAt), EndedAt: at(r.EndedAt), Version: r.Version,
	}
	for i, l := range rows {
		o.Lines[i] = order.Line{
			ID: l.ID, Kind: order.LineKind(l.Kind), Institution: l.Institution, Years: int(l.Years), Platform: l.Platform,
			Price: money.Fen(l.Price), State: order.LineState(l.State),
		}
	}
	return o
}

func paymentOf(r db.Payment) order.Payment {
	return order.Payment{
		ID: r.ID, Order: r.OrderID, Gateway: r.Gateway, Amount: money.Fen(r.Amount), State: order.PaymentState(r.State), URL: r.Url,
		Trade: r.Trade, CreatedAt: at(r.CreatedAt), ExpiresAt: at(r.ExpiresAt), PaidAt: at(r.PaidAt), Version: r.Version,
	}
}

func refundOf(r db.Refund) order.Refund {
	return order.Refund{
		ID: r.ID, Payment: r.PaymentID, Order: r.OrderID, Line: r.LineID, Amount: money.Fen(r.Amount), State: order.RefundState(r.State),
		Reason: r.Reason, CreatedAt: at(r.CreatedAt), AskedAt: at(r.AskedAt), EndedAt: at(r.EndedAt), Version: r.Version,
	}
}
