package store

import (
	"context"
	"time"

	"tianweitong/internal/scan"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// PlatformRequests keeps what the platforms' door remembers.
func (st *Store) PlatformRequests() scan.Requests { return platformRequests{} }

type platformRequests struct{}

func (platformRequests) TakeNonce(ctx context.Context, tx work.Tx, n scan.Nonce) (scan.Nonce, bool, error) {
	taken, err := queries(tx).TakePlatformNonce(ctx, db.TakePlatformNonceParams{
		Platform: n.Platform, Nonce: n.Value, Digest: n.Digest, TransactionID: n.Transaction, ExpiresAt: ms(n.ExpiresAt),
	})
	if err != nil || taken == 1 {
		return n, true, failure(err)
	}
	r, err := queries(tx).PlatformNonce(ctx, db.PlatformNonceParams{Platform: n.Platform, Nonce: n.Value})
	return scan.Nonce{
		Platform: r.Platform, Value: r.Nonce, Digest: r.Digest, Transaction: r.TransactionID, ExpiresAt: at(r.ExpiresAt),
	}, false, failure(err)
}

func (platformRequests) DropNonces(ctx context.Context, tx work.Tx, t time.Time) error {
	return failure(queries(tx).DropPlatformNonces(ctx, ms(t)))
}

func (platformRequests) CallbackFailed(ctx context.Context, tx work.Tx, u scan.Undelivered) (int, error) {
	n, err := queries(tx).CountPlatformCallbackFailure(ctx, db.CountPlatformCallbackFailureParams{
		TransactionID: u.Transaction, Seq: u.Seq, Platform: u.Platform, Problem: u.Problem, FirstAt: ms(u.FirstAt), LastAt: ms(u.LastAt),
	})
	return int(n), failure(err)
}

func (platformRequests) CallbackAcknowledged(ctx context.Context, tx work.Tx, transaction string, seq int64, t time.Time) error {
	return failure(queries(tx).AcknowledgePlatformCallback(ctx, db.AcknowledgePlatformCallbackParams{
		TransactionID: transaction, Seq: seq, AcknowledgedAt: ms(t),
	}))
}

func (platformRequests) Undelivered(ctx context.Context, tx work.Tx, platform string, n int) ([]scan.Undelivered, error) {
	rows, err := queries(tx).UndeliveredPlatformCallbacks(ctx, db.UndeliveredPlatformCallbacksParams{Platform: platform, MaxCallbacks: int32(n)})
	out := make([]scan.Undelivered, len(rows))
	for i, r := range rows {
		out[i] = scan.Undelivered{
			Transaction: r.TransactionID, Seq: r.Seq, Platform: r.Platform, Attempts: int(r.Attempts), Problem: r.Problem,
			FirstAt: at(r.FirstAt), LastAt: at(r.LastAt), AcknowledgedAt: at(r.AcknowledgedAt),
		}
	}
	return out, failure(err)
}
