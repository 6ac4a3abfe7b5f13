package custody

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
)

// The jobs of this package.
const (
	// TopicNotice tells an account of its third wrong PIN in a row; the body is a
	// Notice. Custody sends it and does not handle it.
	TopicNotice = "custody.notice"
	topicSettle = "custody.settle"
	topicSweep  = "custody.sweep"

	sweepEvery = 10 * time.Minute
	keepSpent  = time.Hour // spent nonces and messages that were never answered
)

// Register gives the module's background work to the runner.
func (m *Module) Register(r *job.Runner) {
	r.Handle(topicSettle, job.Patient, func(ctx context.Context, body []byte) error {
		var s settling
		if err := json.Unmarshal(body, &s); err != nil {
			return fmt.Errorf("%w: %w", job.ErrGiveUp, err)
		}
		return m.settle(ctx, s.Account, s.Seq)
	})
	r.Handle(topicSweep, job.Patient, func(ctx context.Context, _ []byte) error { return m.sweep(ctx) })
}

// Start makes what the module needs to serve: the key to which the KMC sends
// shares, the key that signs requests to it, the first module key, and the
// sweep. It may be called again.
func (m *Module) Start(ctx context.Context) error {
	if _, err := m.TransportKey(ctx); err != nil {
		return err
	}
	if _, err := m.CreateRole(ctx, RoleKMC, House); err != nil {
		return err
	}
	if _, err := m.moduleKey(ctx); err != nil {
		return err
	}
	return m.sweep(ctx)
}

// sweep forgets what is over, erases old module keys and plans itself anew.
func (m *Module) sweep(ctx context.Context) error {
	now := m.d.Clock.Now()
	for _, kid := range m.module.drop(now) {
		m.house.Forget("module/" + kid)
	}
	return m.do(ctx, "sweep", func(ctx context.Context, tx work.Tx) error {
		if err := m.d.Store.Sweep(ctx, tx, now.Add(-keepSpent), now.Add(-moduleKeyGrace)); err != nil {
			return err
		}
		return tx.Enqueue(ctx, work.Job{Topic: topicSweep, Key: topicSweep, Due: now.Add(sweepEvery)})
	})
}

// Notice is the body of TopicNotice.
type Notice struct {
	Account string    `json:"account"`
	Wrong   int       `json:"wrong"` // attempts in a row
	At      time.Time `json:"at"`
}

type settling struct {
	Account string `json:"account"`
	Seq     int64  `json:"seq"`
}

// enqueueSettle makes sure that the consequences of a charge that stands come
// even if this process dies before it has computed.
func (m *Module) enqueueSettle(ctx context.Context, tx work.Tx, account string, c ladder.Charge) error {
	if c.Place != ladder.Notice && c.Place != ladder.Last {
		return nil
	}
	body, err := json.Marshal(settling{account, c.Seq})
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: topicSettle, Body: body, Due: c.At.Add(time.Minute)})
}

// settle does what follows from a charge that stands, once.
func (m *Module) settle(ctx context.Context, account string, seq int64) error {
	return m.do(ctx, "settle", func(ctx context.Context, tx work.Tx) error {
		acc, err := m.d.Store.LockAccount(ctx, tx, account)
		if err != nil {
			return err
		}
		c := acc.Ladder.Standing(seq)
		if c == nil || c.Told {
			return nil // given back, or settled before
		}
		c.Told = true
		if c.Place == ladder.Notice {
			body, err := json.Marshal(Notice{account, c.Place, c.At})
			if err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, work.Job{Topic: TopicNotice, Body: body}); err != nil {
				return err
			}
		}
		if acc.Ladder.Final {
			acc.Ladder.Destroyed = true
			if err := m.d.Store.ErasePeppers(ctx, tx, account, ""); err != nil {
				return err
			}
			if err := record(ctx, tx, "pin.locked", account, account); err != nil {
				return err
			}
		}
		if err := m.d.Store.PutAccount(ctx, tx, acc); err != nil {
			return err
		}
		return record(ctx, tx, "pin.wrong", account, account)
	})
}
