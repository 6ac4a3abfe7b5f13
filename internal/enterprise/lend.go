package enterprise

import (
	"context"

	"tianweitong/internal/work"
)

// What package verification asks of members.

// Governs refuses whoever does not administer an enterprise: CodeUnknown, CodeLost to
// who is no member, CodeNotAdministrator to the other members.
func (s *Members) Governs(ctx context.Context, tx work.Tx, acc, enterprise string) error {
	_, err := s.governed(ctx, tx, acc, enterprise, s.Store.Head)
	return err
}

// Face gives the name and the masked phone of an account; a person who is not
// verified any more has no name.
func (s *Members) Face(ctx context.Context, tx work.Tx, acc string) (name, phone string, err error) {
	return s.face(ctx, tx, acc)
}

// HasAsked tells whether an account's request to join an enterprise waits.
func (s *Members) HasAsked(ctx context.Context, tx work.Tx, acc, enterprise string) (bool, error) {
	all, err := s.Store.RequestsOf(ctx, tx, acc, maxRequests)
	for _, r := range all {
		if r.Enterprise == enterprise && r.State == RequestOpen {
			return true, nil
		}
	}
	return false, err
}
