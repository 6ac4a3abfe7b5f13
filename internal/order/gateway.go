package order

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/money"
)

// Gateway is an outside payment service. Calls are made outside transactions
// and are idempotent by the payment's or refund's id.
type Gateway interface {
	// Create registers a bill and returns the address at which the buyer pays;
	// repeated with the same id it returns the same.
	Create(ctx context.Context, b Bill) (url string, err error)
	// Query tells how a payment stands; one that the gateway never heard of is
	// StandingUnpaid.
	Query(ctx context.Context, payment string) (Standing, error)
	// Refund asks for money back, or how an earlier request with the same id
	// stands.
	Refund(ctx context.Context, r Refund) (RefundState, error)
	// ParseNotice verifies and reads a notice; it calls nobody. Whatever is not
	// from the gateway, or too old, is ErrForged.
	ParseNotice(raw RawNotice) (Notice, error)
}

// ErrForged says that a notice does not come from the gateway.
var ErrForged = errors.New("order: the notice is not the gateway's")

// Bill is what a gateway shows the buyer.
type Bill struct {
	Payment string
	Order   string // to which the buyer comes back
	Amount  money.Fen
	Title   string // without personal data
	Expires time.Time
}

// StandingState is how a payment stands at the gateway.
type StandingState string

// The gateway's answers.
const (
	StandingUnpaid StandingState = "unpaid"
	StandingPaid   StandingState = "paid"
	StandingClosed StandingState = "closed" // failed or expired; it will not be paid
)

// Standing is a gateway's answer about one payment.
type Standing struct {
	State  StandingState
	Amount money.Fen // what was paid
	Trade  string    // the gateway's number
	PaidAt time.Time
}

// RawNotice is a notice as it came over the wire.
type RawNotice struct {
	Method, Path string
	Header       map[string][]string
	Body         []byte
}

// Notice is a verified notice: about a payment, or about a refund if Refund is
// not empty.
type Notice struct {
	Payment  string
	Standing Standing
	// Refund is the merchant's refund number; RefundState its end.
	Refund      string
	RefundState RefundState
}
