package enterprise

import (
	"context"
	"errors"

	"tianweitong/internal/account"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// Remove ends another's membership (移除, M§2.4.5) with a reason that he reads, and
// settles what he leaves behind (docs/domain.md A16).
func (s *Members) Remove(ctx context.Context, c account.Caller, enterprise, member, reason string) error {
	reason, err := cleanReason(reason)
	if err != nil {
		return err
	}
	return s.Runner.Do(ctx, "member.remove", func(ctx context.Context, tx work.Tx) error {
		h, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Lock)
		if err != nil {
			return err
		}
		m, err := s.Store.Member(ctx, tx, member)
		switch {
		case errors.Is(err, work.ErrNotFound) || err == nil && (m.Enterprise != enterprise || !m.LeftAt.IsZero()):
			return CodeMemberUnknown
		case err != nil:
			return err
		case m.Account == h.Administrator:
			return CodeRemoveSelf
		}
		if err := s.end(ctx, tx, h, m, c.Account); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: m.Account, Kind: "enterprise.removed", Title: "您已被移出一家企业", Link: "/enterprises", SMS: true,
			Body: "管理员已将您移出“" + h.Name + "”：" + reason + "。您在该企业的证书已冻结，个人证书不受影响。",
		})
	})
}

// Leave ends the caller's own membership (退出企业). The administrator transfers
// first: CodeAdministratorStays.
func (s *Members) Leave(ctx context.Context, c account.Caller, enterprise string) error {
	return s.Runner.Do(ctx, "member.leave", func(ctx context.Context, tx work.Tx) error {
		h, err := s.Store.Lock(ctx, tx, enterprise)
		if errors.Is(err, work.ErrNotFound) {
			return CodeLost
		}
		if err != nil {
			return err
		}
		m, err := s.Store.Current(ctx, tx, enterprise, c.Account)
		switch {
		case errors.Is(err, work.ErrNotFound):
			return CodeLost
		case err != nil:
			return err
		case h.Administrator == c.Account:
			return CodeAdministratorStays
		}
		return s.depart(ctx, tx, h, m)
	})
}

// depart ends a membership by its member's own will and tells the administrator.
func (s *Members) depart(ctx context.Context, tx work.Tx, h Head, m Member) error {
	if err := s.end(ctx, tx, h, m, m.Account); err != nil {
		return err
	}
	name, _, err := s.face(ctx, tx, m.Account)
	if err != nil {
		return err
	}
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: h.Administrator, Kind: "enterprise.left", Title: "有成员退出了企业", Link: "/enterprises/" + h.ID + "/members",
		Body: name + " 已退出“" + h.Name + "”，其在该企业的证书已冻结。",
	})
}

// end ends a membership under the enterprise's lock.
func (s *Members) end(ctx context.Context, tx work.Tx, h Head, m Member, by string) error {
	now := s.Clock.Now()
	if err := s.Store.EndMember(ctx, tx, m.ID, by, now); err != nil {
		return err
	}
	if err := s.Departures.Left(ctx, tx, Departure{Enterprise: h, Member: m.ID, Account: m.Account, By: by, Removed: by != m.Account, At: now}); err != nil {
		return err
	}
	tx.Wake(m.Account, work.Enterprise)
	tx.Wake(h.Administrator, work.Enterprise)
	return s.record(ctx, tx, "member.left", by, m.ID, map[string]string{"enterprise": h.ID})
}

// Administered counts the enterprises that an account administers: it cannot be
// closed before they are somebody else's.
func (s *Members) Administered(ctx context.Context, tx work.Tx, acc string) (int, error) {
	all, err := s.Memberships(ctx, tx, acc)
	n := 0
	for _, m := range all {
		if m.Role == RoleAdministrator {
			n++
		}
	}
	return n, err
}

// Close ends every membership and request of an account that is being closed.
func (s *Members) Close(ctx context.Context, tx work.Tx, acc string) error {
	all, err := s.Memberships(ctx, tx, acc)
	if err != nil {
		return err
	}
	for _, m := range all {
		h, err := s.Store.Lock(ctx, tx, m.Enterprise)
		if err != nil {
			return err
		}
		if h.Administrator == acc {
			return CodeAdministratorStays
		}
		if err := s.depart(ctx, tx, h, m.Member); err != nil {
			return err
		}
	}
	return s.Store.SettleRequest(ctx, tx, "", acc, s.Clock.Now())
}
