package todo

import (
	"context"
	"fmt"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/work"
)

// Members is package enterprise: who belongs to which.
type Members interface {
	// Waiting gives requests to join the enterprises that an account administers, and
	// invitations to it.
	Waiting(ctx context.Context, tx work.Tx, account string) ([]enterprise.WaitingRequests, []enterprise.Invited, error)
}

// governed lists what waits for an enterprise's administrator.
func (s *Service) governed(ctx context.Context, c account.Caller) (out []Todo, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out = nil
		waiting, _, err := s.Members.Waiting(ctx, tx, c.Account)
		for _, w := range waiting {
			if w.Head.ID != c.Enterprise {
				continue
			}
			out = append(out, Todo{Kind: JoinRequests, Urgency: Now, Title: fmt.Sprintf("%d 人申请加入企业", w.Count), Text: "请核对身份后同意或拒绝",
				Action: Action{Kind: "join_requests", Label: "去审核", Enterprise: w.Head.ID}, Since: w.Oldest.AskedAt})
		}
		if err != nil {
			return err
		}
		more, err := s.applied(ctx, tx, c.Account, c.Enterprise)
		out = append(out, more...)
		return err
	})
	return out, err
}

// invited lists the enterprises that want a person as a member.
func (s *Service) invited(ctx context.Context, tx work.Tx, acc string) (out []Todo, err error) {
	_, invited, err := s.Members.Waiting(ctx, tx, acc)
	for _, i := range invited {
		out = append(out, Todo{Kind: Invitation, Urgency: Soon, Title: "邀请您加入企业", Text: i.Head.Name,
			Action: Action{Kind: "invitation", Label: "去处理", Enterprise: i.Head.ID}, Since: i.CreatedAt, Until: i.ExpiresAt})
	}
	return out, err
}
