package order

import (
	"fmt"

	"tianweitong/internal/money"
)

// Ledger is an order with all its payments and refunds, for the checker.
type Ledger struct {
	Order    Order
	Payments []Payment
	Refunds  []Refund
}

// Check adds an order up and says what does not hold: the lines make the total;
// one payment of exactly that amount stands behind a paid order and none behind
// another; no more is given back than came in.
func (l Ledger) Check() []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	var prices []money.Fen
	for _, line := range l.Order.Lines {
		prices = append(prices, line.Price)
	}
	if sum, ok := money.Sum(prices...); !ok || sum != l.Order.Total {
		add("its lines make %s, its total is %s", sum, l.Order.Total)
	}
	settled := 0
	in := map[string]money.Fen{}
	for _, p := range l.Payments {
		switch p.State {
		case PaymentSettled:
			settled++
			if p.Amount != l.Order.Total {
				add("payment %s settled it with %s instead of %s", p.ID, p.Amount, l.Order.Total)
			}
			in[p.ID] = p.Amount
		case PaymentLate, PaymentDisputed, PaymentReturned:
			in[p.ID] = p.Amount
		}
	}
	paid := l.Order.State != Unpaid && l.Order.State != Cancelled
	if paid && settled != 1 || !paid && settled != 0 {
		add("it is %s and %d payments settled it", l.Order.State, settled)
	}
	out := map[string]money.Fen{}
	for _, r := range l.Refunds {
		if r.State != RefundFailed {
			out[r.Payment] += r.Amount
		}
	}
	for payment, sum := range out {
		if sum > in[payment] {
			add("payment %s gave back %s of %s", payment, sum, in[payment])
		}
	}
	return found
}
