// Package offboard settles what a member leaves behind in his enterprise, in the
// transaction that ends his membership (docs/domain.md A16; docs/members.md): his
// certificates of the enterprise are frozen, then every hook runs. Hooks are for
// what comes to belong to a member elsewhere: grants, requests for approval.
package offboard

import (
	"context"
	"fmt"

	"tianweitong/internal/certificate"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/work"
)

// Reason is why the certificates are frozen, as their page shows it.
const Reason = "持有人已不是该企业成员"

// Certificates is what the flow needs of package certificate.
type Certificates interface {
	// OfMember gives a member's records of an enterprise with their derived states.
	OfMember(ctx context.Context, tx work.Tx, enterprise, account string) ([]certificate.Certificate, error)
	Freeze(ctx context.Context, tx work.Tx, id, actor, reason string) (certificate.Certificate, error)
}

// Hook settles one kind of thing; its error keeps the membership as it was. It runs
// once for each departure, in the departure's transaction.
type Hook func(ctx context.Context, tx work.Tx, d enterprise.Departure) error

// Service is the flow; it implements enterprise.Departures.
type Service struct {
	Certificates Certificates
	// Hooks run in their order, after the certificates are frozen.
	Hooks []Hook
}

// Left settles a departure.
func (s *Service) Left(ctx context.Context, tx work.Tx, d enterprise.Departure) error {
	held, err := s.Certificates.OfMember(ctx, tx, d.Enterprise.ID, d.Account)
	if err != nil {
		return err
	}
	for _, c := range held {
		if c.State != certificate.Valid && c.State != certificate.KeyLost {
			continue
		}
		if _, err := s.Certificates.Freeze(ctx, tx, c.ID, d.By, Reason); err != nil {
			return fmt.Errorf("freezing certificate %s of a member who left: %w", c.ID, err)
		}
	}
	for _, hook := range s.Hooks {
		if err := hook(ctx, tx, d); err != nil {
			return err
		}
	}
	return nil
}
