package custody

import (
	"context"

	"tianweitong/internal/work"
)

// abandonRefreshes ends every change of PIN of an account that has not flipped;
// its shares are erased and never proved again (docs/split-keys.md §2.5).
func (m *Module) abandonRefreshes(ctx context.Context, tx work.Tx, account string) error {
	open, err := m.Store.OpenRefreshes(ctx, tx, account)
	if err != nil || len(open) == 0 {
		return err
	}
	shares, err := m.Store.SharesOf(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, s := range shares {
		if s.Slot == SlotNext && s.Refresh != "" {
			if err := m.Store.EraseShare(ctx, tx, s.ID); err != nil {
				return err
			}
		}
	}
	for _, r := range open {
		if err := m.Store.MoveRefresh(ctx, tx, r.ID, RefreshOpen, RefreshAbandoned); err != nil {
			return err
		}
	}
	return nil
}
