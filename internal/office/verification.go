package office

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// Verification is one rereading of the whole audit chain (审计链核对).
type Verification struct {
	ID         string
	StartedBy  Officer
	StartedAt  time.Time
	FinishedAt time.Time // zero while it runs
	Entries    int64
	Findings   []audit.Finding
	// Failed: it came to no end.
	Failed bool
	// Running: this process is at it.
	Running bool
}

// findingsKept is how many findings are kept; a chain that was cut has one for
// every entry behind.
const findingsKept = 1000

// Verify begins to reread the audit chain, unless that runs, and gives the one
// that runs.
func (s *Service) Verify(ctx context.Context, c Caller) (Verification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != "" {
		return s.verification(ctx)
	}
	v := Verification{ID: id.New(s.Rand), StartedBy: c.Officer, StartedAt: s.Clock.Now(), Running: true}
	err := s.Runner.Do(ctx, "office.verify", func(ctx context.Context, tx work.Tx) error {
		if err := s.Store.AddVerification(ctx, tx, v); err != nil {
			return err
		}
		return s.record(ctx, tx, "audit_verify_started", c.ID, v.ID, nil)
	})
	if err != nil {
		return v, err
	}
	s.running = v.ID
	s.ends.Go(func() { s.verify(v) })
	return v, nil
}

// verify rereads the chain and keeps the result.
func (s *Service) verify(v Verification) {
	var err error
	v.Entries, v.Findings, err = s.Chain(s.run)
	v.Failed = err != nil
	if err != nil {
		s.Log.Error("verifying the audit chain", "error", err)
	}
	for _, f := range v.Findings[:min(len(v.Findings), 20)] {
		s.Log.Error("audit chain", "finding", f.String())
	}
	found := len(v.Findings)
	v.Findings = v.Findings[:min(found, findingsKept)]
	v.FinishedAt = s.Clock.Now()
	ctx, cancel := charged(s.run)
	defer cancel()
	err = s.Runner.Do(ctx, "office.verified", func(ctx context.Context, tx work.Tx) error {
		if err := s.Store.FinishVerification(ctx, tx, v); err != nil {
			return err
		}
		return s.record(ctx, tx, "audit_verified", v.StartedBy.ID, v.ID, map[string]any{"entries": v.Entries, "findings": found, "failed": v.Failed})
	})
	if err != nil {
		s.Log.Error("keeping the audit chain's verification", "error", err)
	}
	s.mu.Lock()
	s.running = ""
	s.mu.Unlock()
}

// Verification gives the last one; its ID is empty if there was none.
func (s *Service) Verification(ctx context.Context) (Verification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verification(ctx)
}

func (s *Service) verification(ctx context.Context) (v Verification, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if v, err = s.Store.LastVerification(ctx, tx); errors.Is(err, work.ErrNotFound) {
			v = Verification{}
			return nil
		} else if err != nil {
			return err
		}
		v.StartedBy, err = s.Store.Get(ctx, tx, v.StartedBy.ID)
		v.StartedBy.Password = ""
		return err
	})
	v.Running = v.ID != "" && v.ID == s.running
	// A process that stopped left it without an end.
	v.Failed = v.Failed || v.ID != "" && v.FinishedAt.IsZero() && !v.Running
	return v, err
}

// Record leaves an audit entry of an action of the caller's that a room beside
// this one carried out: kind is behind "console.", subject what it was done to.
func (s *Service) Record(ctx context.Context, tx work.Tx, c Caller, kind, subject string, detail map[string]any) error {
	return s.record(ctx, tx, kind, c.ID, subject, detail)
}
