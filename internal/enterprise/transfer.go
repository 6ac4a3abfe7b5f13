package enterprise

import (
	"context"
	"errors"

	"tianweitong/internal/account"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// Transfer makes another member the administrator (企业管理员变更, M§2.4.4) with a
// code of account.PurposeTransfer. It is at once and needs no acceptance
// (docs/domain.md A15). Only the active device may: whoever has no more than the
// number, and signed in with it elsewhere, takes no enterprise (account.CodeNotActive).
func (s *Members) Transfer(ctx context.Context, c account.Caller, enterprise, member, ticket, code string) error {
	if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if _, _, err := s.Transferable(ctx, tx, c.Account, enterprise, member); err != nil {
			return err
		}
		return s.onActive(ctx, tx, c)
	}); err != nil {
		return err
	}
	if err := s.Accounts.CheckCode(ctx, ticket, code, account.PurposeTransfer, c.Session); err != nil {
		return err
	}
	return s.Runner.Do(ctx, "member.transfer", func(ctx context.Context, tx work.Tx) error {
		if err := s.Accounts.Spend(ctx, tx, ticket, account.PurposeTransfer, c.Account); err != nil {
			return err
		}
		if err := s.onActive(ctx, tx, c); err != nil {
			return err
		}
		return s.Hand(ctx, tx, c.Account, enterprise, member)
	})
}

func (s *Members) onActive(ctx context.Context, tx work.Tx, c account.Caller) error {
	active, err := s.Accounts.ActiveDevice(ctx, tx, c.Account)
	if err == nil && active != c.Device {
		return account.CodeNotActive
	}
	return err
}

// Transferable refuses who cannot transfer, and to whom nothing can be transferred.
func (s *Members) Transferable(ctx context.Context, tx work.Tx, acc, enterprise, member string) (Head, Member, error) {
	return s.transferable(ctx, tx, acc, enterprise, member, s.Store.Head)
}

func (s *Members) transferable(ctx context.Context, tx work.Tx, acc, enterprise, member string, read func(context.Context, work.Tx, string) (Head, error)) (Head, Member, error) {
	h, err := s.governed(ctx, tx, acc, enterprise, read)
	if err != nil {
		return Head{}, Member{}, err
	}
	m, err := s.Store.Member(ctx, tx, member)
	switch {
	case errors.Is(err, work.ErrNotFound) || err == nil && (m.Enterprise != enterprise || !m.LeftAt.IsZero()):
		return Head{}, Member{}, CodeMemberUnknown
	case err != nil:
		return Head{}, Member{}, err
	case m.Account == acc:
		return Head{}, Member{}, CodeTransferSelf
	}
	if _, err := s.Persons.Person(ctx, tx, m.Account); errors.Is(err, realname.CodeNotVerified) {
		return Head{}, Member{}, CodeTransferTarget.Because(err)
	} else if err != nil {
		return Head{}, Member{}, err
	}
	return h, m, nil
}

// Hand transfers inside the caller's transaction, under the enterprise's lock; the
// caller has had the administrator's confirmation. Both are told by notice and SMS.
func (s *Members) Hand(ctx context.Context, tx work.Tx, acc, enterprise, member string) error {
	h, m, err := s.transferable(ctx, tx, acc, enterprise, member, s.Store.Lock)
	if err != nil {
		return err
	}
	if err := s.Store.Hand(ctx, tx, enterprise, acc, m.Account); err != nil {
		return err
	}
	name, _, err := s.face(ctx, tx, m.Account)
	if err != nil {
		return err
	}
	for _, n := range []notice.Notice{
		{Account: m.Account, Kind: "enterprise.administrator", Title: "您已成为一家企业的管理员",
			Body: "“" + h.Name + "”的管理员已转让给您，您可以管理该企业的成员与证书。"},
		{Account: acc, Kind: "account.enterprise_transferred", // an SMS that nobody switches off
			Title: "企业管理员已转让",
			Body:  "您已将“" + h.Name + "”的管理员转让给 " + name + "，您现在是普通成员。如非本人操作，请立即联系客服。"},
	} {
		n.SMS, n.Link = true, "/enterprises/"+enterprise
		if err := s.Notices.Post(ctx, tx, n); err != nil {
			return err
		}
		tx.Wake(n.Account, work.Enterprise)
	}
	return s.record(ctx, tx, "member.transferred", acc, enterprise, map[string]string{"to": m.Account})
}
