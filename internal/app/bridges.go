package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// checkpoints signs the audit chain's heads as custody's statement role.
type checkpoints struct{ custody *custody.Module }

func (c checkpoints) SignStatement(ctx context.Context, statement []byte) ([]byte, error) {
	return c.custody.SignAs(ctx, custody.RoleStatement, custody.House, custody.Checkpoint(statement))
}

// custodyNotice tells an account of wrong PINs on every channel (docs/domain.md §3.8).
func (a *App) custodyNotice(ctx context.Context, body []byte) error {
	var n custody.Notice
	if err := json.Unmarshal(body, &n); err != nil {
		return fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	return a.store.Do(ctx, "custody.notice", func(ctx context.Context, tx work.Tx) error {
		return a.house.notices.Post(ctx, tx, notice.Notice{
			Account: n.Account, Kind: "pin.wrong", SMS: true, Title: "PIN 码连续输错",
			Body: "您的证书 PIN 码已连续输错 3 次。如非本人操作，请立即登录天威通停用证书或联系客服。",
		})
	})
}

func (m *metrics) custody(name string, took time.Duration, err error) {
	m.crypto.WithLabelValues(name, result(err)).Observe(took.Seconds())
}
