package todo

import (
	"context"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/work"
)

// Enterprises is package enterprise: who is being verified.
type Enterprises interface {
	// Pending gives an account's applications that are not over.
	Pending(ctx context.Context, tx work.Tx, account string) ([]enterprise.Application, error)
}

// applied lists what an account has applied for: new enterprises where it acts as a
// person, changed facts where it acts as that enterprise.
func (s *Service) applied(ctx context.Context, tx work.Tx, acc, as string) (out []Todo, err error) {
	all, err := s.Enterprises.Pending(ctx, tx, acc)
	for _, a := range all {
		if a.Enterprise == as {
			out = append(out, application(a))
		}
	}
	return out, err
}

func application(a enterprise.Application) Todo {
	what := "企业实名"
	if a.Kind == enterprise.KindChange {
		what = "企业信息变更"
	}
	t := Todo{Kind: EnterpriseDraft, Urgency: Soon, Title: what + "未完成", Text: a.Name, Since: a.CreatedAt,
		Action: Action{Kind: "application", Label: "继续办理", Application: a.ID}}
	switch a.State {
	case enterprise.StateReviewing:
		t.Kind, t.Title, t.Action.Label, t.Since, t.Until = EnterpriseReview, what+"审核中", "查看进度", a.SubmittedAt, a.DueAt
	case enterprise.StateRefused:
		t.Kind, t.Urgency, t.Title, t.Action.Label, t.Since = EnterpriseRefused, Now, what+"未通过，请补正", "去补正", a.DecidedAt
	case enterprise.StateVerifying:
		t.Title, t.Action.Label = what+"核验中", "查看进度"
	}
	if t.Until.Before(t.Since) {
		t.Until = time.Time{}
	}
	return t
}
