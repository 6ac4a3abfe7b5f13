package pin

import (
	"context"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// CodeInstalling: shares that are made right now would stay under the old PIN.
var CodeInstalling = fault.Code{Name: "pin_change_installing", Kind: fault.Conflict, Text: "有证书正在签发，请待安装完成后再修改 PIN 码。"}

// Refresher is custody's change of PIN: all keys of a device in one flip
// (docs/split-keys.md §2.5).
type Refresher interface {
	AuthoriseRefresh(ctx context.Context, tx work.Tx, h custody.Holder, opID, business, subject string, expires time.Time) error
	BeginRefresh(ctx context.Context, h custody.Holder, opID string, r splitkey.RefreshRequest, business string, certificate []byte) (custody.Refreshing, error)
	FlipRefresh(ctx context.Context, tx work.Tx, h custody.Holder, refreshID string) error
	CurrentSet(ctx context.Context, h custody.Holder) (set string, err error)
}

// Change begins a change of the PIN (修改 PIN 码) on the caller's device and
// returns the operation by which the old PIN is proved. Beginning again abandons
// what was begun before.
func (s *Service) Change(ctx context.Context, c account.Caller) (opID string, err error) {
	h := custody.Holder{Account: c.Account, Device: c.Device}
	err = s.Runner.Do(ctx, "pin.change", func(ctx context.Context, tx work.Tx) error {
		if err := s.idle(ctx, tx, c.Account); err != nil {
			return err
		}
		opID = id.New(s.Rand)
		return s.Refresher.AuthoriseRefresh(ctx, tx, h, opID, BusinessRefresh, opID, s.Clock.Now().Add(prove.Window))
	})
	return opID, err
}

// idle refuses while a certificate is being issued: its keys are proved under
// the old PIN and not yet among those that a refresh covers.
func (s *Service) idle(ctx context.Context, tx work.Tx, account string) error {
	busy, err := install.Busy(ctx, tx, s.Installations, account)
	if err == nil && busy {
		err = CodeInstalling
	}
	return err
}

// Refresh derives the new shares of every key of the device, after the old PIN
// was proved by opID. The phone writes its new records beside the old ones and
// proves each by an operation of the result.
func (s *Service) Refresh(ctx context.Context, h custody.Holder, opID string, r splitkey.RefreshRequest) (custody.Refreshing, error) {
	certificate, err := s.ServiceCertificate(ctx)
	if err != nil {
		return custody.Refreshing{}, err
	}
	return s.Refresher.BeginRefresh(ctx, h, opID, r, BusinessProof, certificate)
}

// Flip makes the new PIN the PIN, for all keys in one transaction. Before it the
// old PIN serves, after it the new one; asking again changes nothing.
func (s *Service) Flip(ctx context.Context, c account.Caller, refresh string) error {
	h := custody.Holder{Account: c.Account, Device: c.Device}
	return s.Runner.Do(ctx, "pin.flip", func(ctx context.Context, tx work.Tx) error {
		if err := s.idle(ctx, tx, c.Account); err != nil {
			return err
		}
		if err := s.Refresher.FlipRefresh(ctx, tx, h, refresh); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: c.Account, Kind: "pin.changed", Title: "PIN 码已修改", Key: "pin.changed/" + refresh,
			Body: "您已在本机修改证书 PIN 码，原 PIN 码已失效。如非本人操作，请立即联系客服。",
		})
	})
}

// CurrentSet names the phone's set of records that is under the PIN (see
// custody.Module.CurrentSet): a phone that broke off keeps that one.
func (s *Service) CurrentSet(ctx context.Context, c account.Caller) (string, error) {
	return s.Refresher.CurrentSet(ctx, custody.Holder{Account: c.Account, Device: c.Device})
}
