package ca

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/job"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

const listTopic = "ca.list"

// Revoke (吊销) ends a certificate at a moment, in the caller's transaction, and
// has the list made anew at once. It reports false if the certificate is
// revoked already; work.ErrNotFound if it was never issued. A hold
// (pki.CertificateHold, 挂起) can be lifted by Release, or made final.
func (s *Service) Revoke(ctx context.Context, tx work.Tx, serial string, reason pki.Reason, at time.Time) (bool, error) {
	if !reason.Valid() {
		return false, fmt.Errorf("ca: reason %d means nothing", reason)
	}
	i, err := s.Certificate(ctx, tx, serial)
	if err != nil {
		return false, err
	}
	changed, err := s.Store.Revoke(ctx, tx, i.Serial, at, reason)
	if err != nil || !changed {
		return false, err
	}
	return true, s.changed(ctx, tx, i, "ca.revoked")
}

// Release (解除挂起) lifts a hold; false if there is none.
func (s *Service) Release(ctx context.Context, tx work.Tx, serial string) (bool, error) {
	i, err := s.Certificate(ctx, tx, serial)
	if err != nil {
		return false, err
	}
	changed, err := s.Store.Release(ctx, tx, i.Serial)
	if err != nil || !changed {
		return false, err
	}
	return true, s.changed(ctx, tx, i, "ca.released")
}

func (s *Service) changed(ctx context.Context, tx work.Tx, i Issuance, kind string) error {
	if err := tx.Record(ctx, work.Entry{Kind: kind, Actor: "system", Subject: i.Serial}); err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: listTopic, Body: []byte(i.Institution), Key: listTopic + ":" + i.Institution + ":now:" + i.Serial})
}

// Register adds the authority's background work: lists after a revocation and
// every six hours (docs/domain.md §2.1).
func (s *Service) Register(r *job.Runner) {
	r.Handle(listTopic, job.Patient, func(ctx context.Context, body []byte) error {
		return s.Publish(ctx, string(body))
	})
	r.Handle(tickTopic, job.Patient, func(ctx context.Context, _ []byte) error { return s.tick(ctx) })
}

const (
	tickTopic = "ca.tick"
	tickPace  = 10 * time.Minute
)

// Start enqueues the first tick; repeated starts keep one.
func (s *Service) Start(ctx context.Context) error {
	return s.Runner.Do(ctx, "ca.start", func(ctx context.Context, tx work.Tx) error {
		return tx.Enqueue(ctx, work.Job{Topic: tickTopic, Key: tickTopic})
	})
}

// tick republishes lists that are due, then plans the next tick.
func (s *Service) tick(ctx context.Context) error {
	var failed error
	for _, p := range s.plans() {
		if p.role == pki.Root || p.role == pki.IssuingCA {
			failed = errors.Join(failed, s.publishIfDue(ctx, institutionOf(p.name)))
		}
	}
	if failed != nil {
		return failed
	}
	return s.Runner.Do(ctx, "ca.tick", func(ctx context.Context, tx work.Tx) error {
		return tx.Enqueue(ctx, work.Job{Topic: tickTopic, Key: tickTopic, Due: s.Clock.Now().Add(tickPace)})
	})
}

func (s *Service) publishIfDue(ctx context.Context, institution string) error {
	l, err := s.lastList(ctx, institution)
	if err == nil && s.Clock.Now().Before(l.ThisUpdate.Add(pki.CRLInterval)) {
		return nil
	}
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		return err
	}
	return s.Publish(ctx, institution)
}

// Publish makes and records an institution's list now. Two at once end in two
// numbers: the second draft is made anew.
func (s *Service) Publish(ctx context.Context, institution string) error {
	name, role, key := caName(institution), custody.RoleCRL, institution
	if institution == rootName {
		name, role = rootName, custody.RoleRoot
	}
	a, err := s.authority(name)
	if err != nil {
		return err
	}
	for range 5 {
		var lines []Revoked
		number := int64(1)
		now := s.Clock.Now().Truncate(time.Second)
		if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			last, err := s.Store.LastList(ctx, tx, institution)
			if err != nil && !errors.Is(err, work.ErrNotFound) {
				return err
			}
			number = last.Number + 1
			// Lines stay beyond the certificate's end: old signatures are judged by
			// the present list.
			lines, err = s.Store.Revoked(ctx, tx, institution)
			return err
		}); err != nil {
			return err
		}
		l := List{Institution: institution, Number: number, ThisUpdate: now, NextUpdate: now.Add(pki.CRLLifetime)}
		d, err := pki.NewCRL(a.cert, big.NewInt(number), l.ThisUpdate, l.NextUpdate, listLines(lines))
		if err != nil {
			return err
		}
		sig, err := s.Signer.SignAs(ctx, role, key, custody.CRL(d))
		if err != nil {
			return err
		}
		if l.DER, err = d.Assemble(sig); err != nil {
			return err
		}
		err = s.Runner.Do(ctx, "ca.publish", func(ctx context.Context, tx work.Tx) error { return s.Store.PutList(ctx, tx, l) })
		if errors.Is(err, work.ErrExists) {
			continue
		}
		if err == nil {
			s.remember(l)
		}
		return err
	}
	return fmt.Errorf("ca: the list of %s keeps changing", institution)
}

func listLines(rows []Revoked) []pki.Revocation {
	out := make([]pki.Revocation, 0, len(rows))
	for _, r := range rows {
		n, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok {
			continue
		}
		out = append(out, pki.Revocation{Serial: n, At: r.At.Truncate(time.Second), Reason: r.Reason})
	}
	return out
}

func (s *Service) lastList(ctx context.Context, institution string) (l List, err error) {
	s.mu.RLock()
	l, known := s.lists[institution]
	s.mu.RUnlock()
	if known {
		return l, nil
	}
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		l, err = s.Store.LastList(ctx, tx, institution)
		return err
	})
	if err == nil {
		s.remember(l)
	}
	return l, err
}

// remember keeps the newest list at hand: a slower publication never replaces
// it, or a revocation would vanish again.
func (s *Service) remember(l List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.Number > s.lists[l.Institution].Number {
		s.lists[l.Institution] = l
	}
}

// CRL gives an institution's list in force, "root" for the root's;
// work.ErrNotFound for an unknown one.
func (s *Service) CRL(ctx context.Context, institution string) (List, error) {
	return s.lastList(ctx, institution)
}
