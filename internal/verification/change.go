package verification

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// changed gives a verified enterprise its new facts (信息变更); the former ones stay
// in the history. Whoever is not the administrator any more changes nothing.
func (s *Service) changed(ctx context.Context, tx work.Tx, a *enterprise.Application, by string) error {
	head, err := s.Members.Store.Lock(ctx, tx, a.Enterprise)
	if errors.Is(err, work.ErrNotFound) || err == nil && head.Administrator != a.Account {
		return s.lost(ctx, tx, a, ReasonNotAdministrator)
	}
	if err != nil {
		return err
	}
	before, err := s.Store.Enterprise(ctx, tx, a.Enterprise)
	if err != nil {
		return err
	}
	after := before
	after.Name, after.LegalName, after.LegalIDNumber, after.LegalIDHash = a.Name, a.LegalName, a.LegalIDNumber, s.legalHash(a.LegalIDNumber)
	after.Method, after.VerifiedAt = a.Method, s.Clock.Now()
	after.Facts++
	if err := s.Store.PutFacts(ctx, tx, after, a.ID); err != nil {
		return err
	}
	if err := s.Changed.EnterpriseChanged(ctx, tx, before, after); err != nil {
		return err
	}
	return s.done(ctx, tx, a, after, by, "enterprise.changed", notice.Notice{Title: "企业信息变更已通过", SMS: true,
		Body: after.Name + "的登记信息已更新；原有记录保留在变更历史中。"})
}

// Progress tells where an application stands.
func (s *Service) Progress(a enterprise.Application) Progress {
	now := s.Clock.Now()
	var p Progress
	switch a.State {
	case enterprise.StateDraft:
		p.Stage = "请核对企业四要素后提交核验"
		if a.Ref != "" {
			p.Stage = "正在向登记机关核验企业四要素"
		} else if len(a.Reasons) > 0 {
			p.Stage = "核验未通过，请按提示更正后重新核验"
		}
	case enterprise.StateChecked:
		p.Stage = "四要素一致，请选择法定代表人的验证方式"
		p.Ways, p.Missing = []enterprise.Method{enterprise.MethodPhone, enterprise.MethodBank, enterprise.MethodDocuments}, missing(a, documents)
		if a.Record.Differs != "" {
			p.Stage, p.Ways = "法定代表人与登记信息不一致，请更正，或提交单位证件由人工审核", []enterprise.Method{enterprise.MethodDocuments}
		}
	case enterprise.StateVerifying:
		p.Stage = "正在核验法定代表人信息"
	case enterprise.StateReviewing:
		p.Left = china.Left(now, a.DueAt)
		switch {
		case p.Left < 0:
			p.Stage = "审核时间较预计延长，鉴证人员正在处理，请留意通知"
		case a.Claimed != "" && now.Before(a.ClaimedUntil):
			p.Stage = "鉴证人员正在审核"
		case a.Escalated != "":
			p.Stage = "正在由另一位鉴证人员复核"
		default:
			p.Stage = "已提交，等待鉴证人员审核"
		}
	case enterprise.StateRefused:
		p.Stage = "审核未通过，请按原因补正后重新提交"
		p.Ways, p.Missing = []enterprise.Method{enterprise.MethodDocuments}, missing(a, documents)
		if a.Record.Differs == "" {
			p.Ways = []enterprise.Method{enterprise.MethodPhone, enterprise.MethodBank, enterprise.MethodDocuments}
		}
	case enterprise.StateVerified:
		p.Stage = "已完成实名"
	case enterprise.StateEnded:
		p.Stage = "申请已结束"
	}
	return p
}

// Left gives the working time until a deadline.
func (s *Service) Left(due time.Time) time.Duration { return china.Left(s.Clock.Now(), due) }
