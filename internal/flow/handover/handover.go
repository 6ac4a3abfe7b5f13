// Package handover lets an administrator transfer his enterprise (企业管理员变更,
// M§2.4.4) with his PIN instead of an SMS code: the PIN key confirms to whom, and
// the transfer is made in the transaction that takes the confirmation.
package handover

import (
	"context"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Business is the confirmation by PIN, as custody's activations name it.
const Business = "transfer.confirm"

// CodeStep: the transfer was asked for again, or is done.
var CodeStep = fault.Code{Name: "transfer_step", Kind: fault.Conflict, Text: "转让申请已失效，请重新发起。"}

// State is where a transfer stands.
type State string

// The states.
const (
	Asked State = "asked" // waits for the PIN
	Done  State = "done"
	Over  State = "over" // asked again
)

// Transfer is one transfer that is confirmed by PIN.
type Transfer struct {
	ID, Enterprise string
	// Administrator is the account that transfers, Member the membership that gets it.
	Administrator, Member string
	Op                    string
	State                 State
	CreatedAt             time.Time
	Version               int64
}

// Store keeps transfers. Absent rows are work.ErrNotFound; Update is a
// compare-and-swap on Version.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, t Transfer) error
	Transfer(ctx context.Context, tx work.Tx, id string) (Transfer, error)
	// Asked gives the one of an enterprise that waits.
	Asked(ctx context.Context, tx work.Tx, enterprise string) (Transfer, error)
	Update(ctx context.Context, tx work.Tx, t Transfer) error
}

// Members is what the flow needs of package enterprise.
type Members interface {
	// Transferable refuses who may not, and to whom nothing can be transferred.
	Transferable(ctx context.Context, tx work.Tx, account, enterprise, member string) (enterprise.Head, enterprise.Member, error)
	Hand(ctx context.Context, tx work.Tx, account, enterprise, member string) error
}

// Deps are what a Service needs.
type Deps struct {
	Store   Store
	Runner  work.Runner
	Clock   clock.Clock
	Rand    io.Reader
	Custody custody.Door
	Members Members
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Begin asks for a transfer and returns the operation by which the caller's PIN key
// confirms enterprise and new administrator. Asking again ends the one before.
func (s *Service) Begin(ctx context.Context, c account.Caller, in, member string) (Transfer, error) {
	h := custody.Holder{Account: c.Account, Device: c.Device}
	var t Transfer
	err := s.Runner.Do(ctx, "transfer.begin", func(ctx context.Context, tx work.Tx) error {
		if _, _, err := s.Members.Transferable(ctx, tx, c.Account, in, member); err != nil {
			return err
		}
		pin, err := prove.PINKey(ctx, tx, s.Custody, h)
		if err != nil {
			return err
		}
		if err := s.giveWay(ctx, tx, in); err != nil {
			return err
		}
		now := s.Clock.Now()
		t = Transfer{ID: id.New(s.Rand), Enterprise: in, Administrator: c.Account, Member: member, State: Asked, CreatedAt: now, Version: 1}
		a, err := prove.Confirmation{
			Holder: h, KeyID: pin.ID, Business: Business, Subject: t.ID, ID: splitkey.IDPIN, Purpose: "transfer",
			Object: prove.Digest([]byte(in), []byte(member)), // what the phone knows, so that it can check what it confirms
		}.Activation(s.Rand, now)
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		t.Op = a.OpID
		if err := s.Store.Insert(ctx, tx, t); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "transfer.asked", Actor: c.Account, Subject: t.ID})
	})
	return t, err
}

// giveWay ends an earlier request for the same enterprise.
func (s *Service) giveWay(ctx context.Context, tx work.Tx, in string) error {
	old, err := s.Store.Asked(ctx, tx, in)
	if errors.Is(err, work.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.Custody.Withdraw(ctx, tx, old.Op); err != nil {
		return err
	}
	old.State = Over
	return s.Store.Update(ctx, tx, old)
}

// Finish returns what follows the confirmation: the transfer itself, judged once
// more as things stand then.
func (s *Service) Finish(_ context.Context, _ custody.Holder, a custody.Activation) (custody.Finish, error) {
	if a.Business != Business {
		return nil, custody.CodeNoOperation
	}
	return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			t, err := s.Store.Transfer(ctx, tx, a.Subject)
			if err != nil {
				return err
			}
			if t.State != Asked || t.Op != a.OpID {
				return CodeStep
			}
			if err := s.Members.Hand(ctx, tx, t.Administrator, t.Enterprise, t.Member); err != nil {
				return err
			}
			t.State = Done
			return s.Store.Update(ctx, tx, t)
		}, nil
	}, nil
}
