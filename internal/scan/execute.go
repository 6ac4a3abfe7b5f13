package scan

import (
	"context"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/custody"
	"tianweitong/internal/work"
)

// Finish takes the result of a confirmed transaction from custody. It looks first:
// what is no longer allowed is ended here, before anything is computed. The
// timestamp is fetched outside the transaction; inside the second one the
// certificate is judged again and everything that belongs to the execution is
// written at once: result, state, usage, audit, callback.
func (s *Service) Finish(ctx context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	var t Transaction
	var standing Outcome
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if t, err = s.ofHolder(ctx, tx, h, a.Subject); err != nil {
			return err
		}
		if executed(t, a) {
			return nil
		}
		if err := executable(t.at(s.Clock.Now()), a); err != nil {
			return err
		}
		standing, err = s.standing(ctx, tx, h, t)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case executed(t, a): // custody answers with what it stored
		return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
			return func(context.Context, work.Tx) error { return nil }, nil
		}, nil
	case standing != OK:
		return nil, s.fail(ctx, h, a, standing)
	}
	return func(ctx context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
		// The PIN was right. What is refused from here on stays with custody.
		imprint := sm3.Sum(d.Signature)
		stamp, err := s.Timestamps.Timestamp(ctx, imprint[:])
		if err != nil {
			return nil, CodeTimestamp.Because(err)
		}
		return func(ctx context.Context, tx work.Tx) error { return s.execute(ctx, tx, h, d, stamp) }, nil
	}, nil
}

func executed(t Transaction, a custody.Activation) bool {
	return (t.State == Executed || t.State == Delivered) && t.Operation == a.OpID
}

func executable(t Transaction, a custody.Activation) error {
	if t.State == Recovering {
		return CodeRecovering
	}
	if t.State != Ready || t.Operation != a.OpID {
		return CodeOver
	}
	return nil
}

// standing judges the chosen certificate now.
func (s *Service) standing(ctx context.Context, tx work.Tx, h custody.Holder, t Transaction) (Outcome, error) {
	c, err := s.Certificates.Find(ctx, tx, t.Certificate)
	if err != nil {
		return NoCert, err
	}
	if c.SignSerial != t.Private.Serial {
		return KeyLost, nil // re-keyed since it was chosen
	}
	verdict, _, err := s.judge(ctx, tx, h, c, t.Platform)
	return verdict, err
}

// fail ends a transaction whose certificate may no longer sign.
func (s *Service) fail(ctx context.Context, h custody.Holder, a custody.Activation, o Outcome) error {
	err := s.Runner.Do(ctx, "scan.fail", func(ctx context.Context, tx work.Tx) error {
		t, err := s.ofHolder(ctx, tx, h, a.Subject)
		if err != nil {
			return err
		}
		if err := executable(t.at(s.Clock.Now()), a); err != nil {
			return err
		}
		_, err = s.end(ctx, tx, h.Account, t, o, Failed)
		return err
	})
	if err != nil {
		return err
	}
	return o.refusal()
}

// execute is the second transaction: at most once for a (tId, seq).
func (s *Service) execute(ctx context.Context, tx work.Tx, h custody.Holder, d custody.Done, stamp []byte) error {
	a := d.Activation
	t, err := s.ofHolder(ctx, tx, h, a.Subject)
	if err != nil {
		return err
	}
	// What a reader was told has ended stays ended, however late the timestamp came.
	if err := executable(t.at(s.Clock.Now()), a); err != nil {
		return err
	}
	if d.At.After(t.ExpiresAt) {
		return CodeOver
	}
	standing, err := s.standing(ctx, tx, h, t)
	if err != nil {
		return err
	}
	if standing != OK {
		// Lost in the last moment. Custody keeps the signature to itself, and the
		// phone's next look ends the transaction.
		return standing.refusal()
	}
	r := Result{
		Transaction: t.ID, Seq: t.Seq, Certificate: t.Certificate, Serial: t.Private.Serial,
		Signature: d.Signature, Timestamp: stamp, SignedAt: d.At.Truncate(time.Millisecond),
	}
	if t.Type == Login || t.Private.Document.large() {
		r.M = a.M
	}
	if err := s.Store.InsertResult(ctx, tx, r); err != nil {
		return err
	}
	_, err = s.conclude(ctx, tx, h.Account, t, OK, a.M, Authorized, Executed)
	return err
}
