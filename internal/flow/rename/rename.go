// Package rename tells whoever holds names that a verified fact has changed (信息变更,
// M§2.4.2; docs/domain.md A38): an enterprise's name or representative, a person's
// name. What hangs on the former fact, such as seals and certificates, follows in the
// transaction of the change.
package rename

import (
	"context"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/work"
)

// Renamed follows changed facts. An error takes the change back.
type Renamed interface {
	// EnterpriseRenamed hears of a new version of an enterprise's facts.
	EnterpriseRenamed(ctx context.Context, tx work.Tx, before, after enterprise.Enterprise) error
	// PersonRenamed hears of an account's person under another name.
	PersonRenamed(ctx context.Context, tx work.Tx, account, before, after string) error
}

// Service calls its followers in their order. It is what packages enterprise and
// realname call.
type Service struct{ Followers []Renamed }

// EnterpriseChanged implements enterprise.Changed.
func (s *Service) EnterpriseChanged(ctx context.Context, tx work.Tx, before, after enterprise.Enterprise) error {
	for _, f := range s.Followers {
		if err := f.EnterpriseRenamed(ctx, tx, before, after); err != nil {
			return err
		}
	}
	return nil
}

// PersonChanged implements realname.Changed.
func (s *Service) PersonChanged(ctx context.Context, tx work.Tx, account, before, after string) error {
	for _, f := range s.Followers {
		if err := f.PersonRenamed(ctx, tx, account, before, after); err != nil {
			return err
		}
	}
	return nil
}

// Members keeps the lists of members searchable by a person's present name.
type Members struct{ *enterprise.Members }

// EnterpriseRenamed has nothing to do: members are not found by their enterprise.
func (Members) EnterpriseRenamed(context.Context, work.Tx, enterprise.Enterprise, enterprise.Enterprise) error {
	return nil
}

// PersonRenamed renews what finds the person among his colleagues.
func (m Members) PersonRenamed(ctx context.Context, tx work.Tx, account, _, _ string) error {
	return m.Renamed(ctx, tx, account)
}
