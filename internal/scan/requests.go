package scan

import (
	"context"
	"time"

	"tianweitong/internal/work"
)

// Nonce is the number of a platform's request that changed something; it serves
// once.
type Nonce struct {
	Platform, Value string
	// Digest is SM3 of the signed request.
	Digest []byte
	// Transaction is what the request created; empty for other requests.
	Transaction string
	ExpiresAt   time.Time
}

// Undelivered is a callback that failed at least once.
type Undelivered struct {
	Transaction string
	Seq         int64
	Platform    string
	// Attempts counts the failures; Problem is the last one's class, never what
	// the other side said.
	Attempts        int
	Problem         string
	FirstAt, LastAt time.Time
	// AcknowledgedAt is when it got through after all.
	AcknowledgedAt time.Time
}

// Requests keeps what the platforms' door (package platformapi) remembers.
type Requests interface {
	// TakeNonce uses a nonce. If it was used before, fresh is false and the first
	// use is returned.
	TakeNonce(ctx context.Context, tx work.Tx, n Nonce) (earlier Nonce, fresh bool, err error)
	// DropNonces deletes those that ended before t.
	DropNonces(ctx context.Context, tx work.Tx, t time.Time) error
	// CallbackFailed counts a failure and returns how many there are.
	CallbackFailed(ctx context.Context, tx work.Tx, u Undelivered) (int, error)
	// CallbackAcknowledged notes that a callback that had failed got through.
	CallbackAcknowledged(ctx context.Context, tx work.Tx, transaction string, seq int64, at time.Time) error
	// Undelivered gives up to n callbacks of a platform, of all for an empty one,
	// that failed and were never acknowledged, newest first.
	Undelivered(ctx context.Context, tx work.Tx, platform string, n int) ([]Undelivered, error)
}
