// Package order is buying (订单管理, M§2.4.6): orders with frozen prices, payments
// at outside gateways, refunds by line.
//
// What was bought is delivered by a Fulfiller in the transaction that records
// the payment. Gateways are called between transactions, under identifiers that
// were recorded before, so that every call can be repeated; their notices may
// come twice, late, forged or out of order (docs/payments.md).
package order

import (
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/money"
)

// Kind says for whom an order was placed.
type Kind string

// The kinds of buyers.
const (
	Person     Kind = "person"
	Enterprise Kind = "enterprise"
)

// Buyer is who placed an order: an account for itself, or a member for an
// enterprise.
type Buyer struct {
	Kind       Kind
	Account    string
	Enterprise string // empty for a person
}

// State is where an order stands (docs/domain.md §3.4).
type State string

// The states of an order.
const (
	Unpaid    State = "unpaid"    // 待支付
	Paid      State = "paid"      // 已支付
	Completed State = "completed" // 已完成: every line is done or refunded
	Cancelled State = "cancelled" // 已取消: by the buyer, or not paid in time
	Refunding State = "refunding" // 退款中
	Refunded  State = "refunded"  // 已退款: every line
)

// LineState is where one line of a paid order stands.
type LineState string

// The states of a line.
const (
	LineOpen         LineState = "open"          // ordered, and once paid waiting to be issued or opened
	LineDone         LineState = "done"          // issued or opened; no refund any more
	LineRefunding    LineState = "refunding"     // withdrawn, the money is on its way back
	LineRefunded     LineState = "refunded"      // the money is back
	LineRefundFailed LineState = "refund_failed" // 退款失败: withdrawn, the gateway refused; can be asked for again
)

// Life is how long an order can be paid (docs/domain.md §3.4).
const Life = 30 * time.Minute

// maxUnpaid bounds the open orders of one account, so that nobody fills the
// store for free.
const maxUnpaid = 20

// Why an order was cancelled.
const (
	ByBuyer = "buyer"
	ByTime  = "expired"
)

// The refusals of this package.
var (
	CodeNotFound      = fault.Code{Name: "order_not_found", Kind: fault.NotFound, Text: "没有找到这个订单，可能不属于当前账号。"}
	CodeTooMany       = fault.Code{Name: "order_too_many", Kind: fault.TooMany, Text: "您有较多待支付订单，请先支付或取消后再下单。"}
	CodeYears         = fault.Code{Name: "order_years", Kind: fault.Invalid, Text: "请选择 1 至 3 年的证书年限。"}
	CodeNotUnpaid     = fault.Code{Name: "order_not_unpaid", Kind: fault.Conflict, Text: "订单不是待支付状态，请刷新页面查看。"}
	CodeExpired       = fault.Code{Name: "order_expired", Kind: fault.Gone, Text: "订单超过 30 分钟未支付，已自动取消，请重新下单。"}
	CodeNotRefundable = fault.Code{Name: "order_not_refundable", Kind: fault.Conflict, Text: "证书已签发或已开通，或订单未支付，不能退款；如有疑问，请联系客服。"}
	CodeRefunding     = fault.Code{Name: "order_refunding", Kind: fault.Conflict, Text: "该订单已申请退款，不能继续办理；如仍需购买，请重新下单。"}
	CodeGateway       = fault.Code{Name: "payment_gateway_unknown", Kind: fault.NotFound, Text: "不支持这种支付方式，请选择其他支付方式。"}
	CodeGatewayDown   = fault.Code{Name: "payment_gateway_down", Kind: fault.Unavailable, Text: "支付服务暂不可用，请稍后重试，订单会为您保留。"}
	CodeNotice        = fault.Code{Name: "payment_notice_invalid", Kind: fault.Forbidden, Text: "支付通知的签名不正确，已拒绝。"}
	CodeUnknown       = fault.Code{Name: "payment_unknown", Kind: fault.NotFound, Text: "没有找到通知所指的支付单。"}
	CodeAmount        = fault.Code{Name: "payment_amount", Kind: fault.Conflict, Text: "支付金额与订单不符，已转人工核实。"}
)

// Order is one order with its lines. Times are UTC; zero times have not happened.
type Order struct {
	ID    string
	Buyer Buyer
	// State is as stored; see At.
	State State
	Total money.Fen
	// Reason is ByBuyer or ByTime for a cancelled order.
	Reason               string
	Lines                []Line
	CreatedAt, ExpiresAt time.Time
	// PaidAt is the time at which the payment was recorded; EndedAt is that of
	// the last cancellation, completion or refund.
	PaidAt, EndedAt time.Time
	Version         int64
}

// LineKind is what a line buys.
type LineKind string

// A certificate with its first platform. Roaming to further platforms will be
// lines of their own kind.
const LineCertificate LineKind = "certificate"

// Line is one thing bought, at the price of the moment of ordering.
type Line struct {
	ID          string
	Kind        LineKind
	Institution string
	Years       int
	Platform    string
	Price       money.Fen
	State       LineState
}

// At is the state that a reader sees: an unpaid order whose time is up is
// 已取消, whether or not the clock's job has been there.
func (o Order) At(now time.Time) State {
	if o.State == Unpaid && !now.Before(o.ExpiresAt) {
		return Cancelled
	}
	return o.State
}

// Line finds a line by its id.
func (o Order) Line(id string) (Line, bool) {
	for _, l := range o.Lines {
		if l.ID == id {
			return l, true
		}
	}
	return Line{}, false
}

// Refundable tells whether a line may be refunded as far as the order knows;
// once an issuance has begun, the Fulfiller refuses.
func (o Order) Refundable(l Line) bool {
	switch o.State {
	case Paid, Refunding:
		return l.State.refundable()
	}
	return false
}

func (s LineState) refundable() bool { return s == LineOpen || s == LineRefundFailed }

// wants tells whether a payment that the gateway took at paidAt is still
// wanted. The gateway's time counts, so that a slow notice harms nobody.
func (o Order) wants(paidAt time.Time) bool {
	return o.State == Unpaid && !paidAt.After(o.ExpiresAt)
}

func (o *Order) pay(now time.Time) error {
	if o.State != Unpaid {
		return CodeNotUnpaid
	}
	o.State, o.PaidAt = Paid, now
	return nil
}

func (o *Order) cancel(reason string, now time.Time) error {
	if o.State != Unpaid {
		return CodeNotUnpaid
	}
	o.State, o.Reason, o.EndedAt = Cancelled, reason, now
	return nil
}

// fulfil marks a line as issued or opened; one that is already done stays so.
func (o *Order) fulfil(line string, now time.Time) error {
	return o.move(line, now, LineDone, func(s LineState) error {
		if s != LineOpen && s != LineDone {
			return CodeRefunding
		}
		return nil
	})
}

// refund begins the refund of a line that nothing was issued or opened for.
func (o *Order) refund(line string, now time.Time) error {
	return o.move(line, now, LineRefunding, func(s LineState) error {
		if !s.refundable() {
			return CodeNotRefundable
		}
		return nil
	})
}

// refunded ends a refund, for better or worse.
func (o *Order) refunded(line string, ok bool, now time.Time) error {
	to := LineRefunded
	if !ok {
		to = LineRefundFailed
	}
	return o.move(line, now, to, func(s LineState) error {
		if s != LineRefunding {
			return CodeNotRefundable
		}
		return nil
	})
}

func (o *Order) move(line string, now time.Time, to LineState, check func(LineState) error) error {
	if o.State == Unpaid || o.State == Cancelled {
		return CodeNotRefundable
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.ID != line {
			continue
		}
		if err := check(l.State); err != nil {
			return err
		}
		l.State = to
		o.settle(now)
		return nil
	}
	return CodeNotFound
}

// settle derives a paid order's state from its lines: an open refund shows
// first, then what is still owed.
func (o *Order) settle(now time.Time) {
	n := map[LineState]int{}
	for _, l := range o.Lines {
		n[l.State]++
	}
	was := o.State
	switch {
	case n[LineRefunding] > 0:
		o.State = Refunding
	case n[LineOpen]+n[LineRefundFailed] > 0:
		o.State = Paid
	case n[LineDone] > 0:
		o.State = Completed
	default:
		o.State = Refunded
	}
	if o.State != was && (o.State == Completed || o.State == Refunded) {
		o.EndedAt = now
	}
}

// PaymentState is where one payment stands.
type PaymentState string

// The states of a payment. Money that came is Settled or Late, and no notice
// takes it back; refunds are entries of their own.
const (
	PaymentOpen     PaymentState = "open"     // the bill can be paid
	PaymentSettled  PaymentState = "settled"  // paid, and the order with it
	PaymentClosed   PaymentState = "closed"   // the gateway says it will not be paid
	PaymentLate     PaymentState = "late"     // paid when the order did not want it any more; refunded as a whole
	PaymentDisputed PaymentState = "disputed" // another amount than the order's; staff decides
	PaymentReturned PaymentState = "returned" // the gateway gave the money back before we knew of it
)

// Payment is one bill at a gateway. Its id is the merchant's order number there.
type Payment struct {
	ID      string
	Order   string
	Gateway string
	Amount  money.Fen
	State   PaymentState
	// URL is where the buyer pays; empty until the gateway answered.
	URL string
	// Trade is the gateway's own number, once paid.
	Trade                string
	CreatedAt, ExpiresAt time.Time
	// PaidAt is the gateway's time.
	PaidAt  time.Time
	Version int64
}

// RefundState is where one refund stands.
type RefundState string

// The states of a refund.
const (
	RefundOpen   RefundState = "open"
	RefundDone   RefundState = "done"
	RefundFailed RefundState = "failed"
)

// Why a refund was made.
const (
	BecauseAsked = "asked" // the buyer asked for it
	BecauseLate  = "late"  // the payment came too late, or twice
)

// Refund is money on its way back. Its id is the merchant's refund number.
type Refund struct {
	ID      string
	Payment string
	Order   string
	// Line is what is refunded; empty for a payment as a whole.
	Line               string
	Amount             money.Fen
	State              RefundState
	Reason             string
	CreatedAt, EndedAt time.Time
	// AskedAt is when the job that asks the gateway was last enqueued.
	AskedAt time.Time
	Version int64
}
