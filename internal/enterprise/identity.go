package enterprise

import (
	"context"

	"tianweitong/internal/account"
	"tianweitong/internal/work"
)

// Applied gives an account's applications, newest first.
type Applied interface {
	ApplicationsOf(ctx context.Context, tx work.Tx, account string, n int) ([]Application, error)
}

// Identities are who an account can act as.
type Identities struct {
	// Name is the verified person's; empty for none.
	Name        string
	Memberships []Membership
	// Pending are enterprises that an officer looks at: shown among the identities,
	// marked 未实名, and not to be chosen (docs/domain.md A14).
	Pending []Application
	// Invitations counts those that can be accepted.
	Invitations int
}

// Identities gives who the caller can act as (身份切换, M§2.4.3).
func (s *Members) Identities(ctx context.Context, c account.Caller) (out Identities, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if out.Name, _, err = s.face(ctx, tx, c.Account); err != nil {
			return err
		}
		if out.Memberships, err = s.Memberships(ctx, tx, c.Account); err != nil {
			return err
		}
		applied, err := s.Applications.ApplicationsOf(ctx, tx, c.Account, maxRequests)
		if err != nil {
			return err
		}
		for _, a := range applied {
			if a.Kind == KindCreate && (a.State == StateReviewing || a.State == StateRefused) {
				out.Pending = append(out.Pending, a)
			}
		}
		invited, err := s.invitations(ctx, tx, c.Account)
		out.Invitations = len(invited)
		return err
	})
	return out, err
}

// WaitingRequests are the requests to join one enterprise that wait for its
// administrator.
type WaitingRequests struct {
	Head  Head
	Count int
	// Oldest has waited longest.
	Oldest Request
}

// Waiting gives what waits for an account, for 待办: requests to join the enterprises
// that it administers, and invitations to it.
func (s *Members) Waiting(ctx context.Context, tx work.Tx, acc string) ([]WaitingRequests, []Invited, error) {
	all, err := s.Memberships(ctx, tx, acc)
	if err != nil {
		return nil, nil, err
	}
	var requests []WaitingRequests
	for _, m := range all {
		if m.Role != RoleAdministrator {
			continue
		}
		w := WaitingRequests{Head: m.Head}
		if w.Count, err = s.Store.CountRequests(ctx, tx, m.Enterprise); err != nil {
			return nil, nil, err
		}
		if w.Count == 0 {
			continue
		}
		oldest, err := s.Store.OpenRequests(ctx, tx, m.Enterprise, 1)
		if err != nil {
			return nil, nil, err
		}
		w.Oldest = oldest[0]
		requests = append(requests, w)
	}
	open, err := s.invitations(ctx, tx, acc)
	var invited []Invited
	for _, i := range open {
		one, err := s.invited(ctx, tx, i)
		if err != nil {
			return nil, nil, err
		}
		invited = append(invited, one)
	}
	return requests, invited, err
}
