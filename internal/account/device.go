package account

import (
	"context"
	"encoding/json"
	"errors"

	"tianweitong/internal/fault"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The refusals of the list of devices (设备管理).
var (
	CodeNoDevice = fault.Code{Name: "device_unknown", Kind: fault.NotFound,
		Text: "没有找到这台设备，请刷新设备列表后查看。"}
	CodeThisDevice = fault.Code{Name: "device_current", Kind: fault.Conflict,
		Text: "这是您正在使用的设备，如需退出，请使用“退出登录”。"}
	// CodeRekeying: while a re-key runs, the others stay signed in: they may stop it.
	CodeRekeying = fault.Code{Name: "recovery_runs", Kind: fault.Conflict,
		Text: "账号正在办理补办恢复，期间不能移除其他设备，请待恢复完成后再试。"}
)

// DeviceEntry is a line of the list of devices.
type DeviceEntry struct {
	SignedInDevice
	Active bool
	// SameNetwork: it last signed in from the network that the list is asked for
	// from. More is not kept of where a device was.
	SameNetwork bool
}

// Devices gives the devices that are signed in to an account, and its active one,
// the last used first.
func (s *Service) Devices(ctx context.Context, tx work.Tx, account, address string) ([]DeviceEntry, error) {
	a, err := s.get(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	all, err := s.Store.SignedIn(ctx, tx, account, a.Device, now, now.Add(-Idle))
	if err != nil {
		return nil, err
	}
	here := s.networkHash(networks(address)[0])
	var out []DeviceEntry
	for _, d := range all {
		// What a re-key has ended stands in the store until the next one begins.
		if a.Only.over(now) && d.Thumbprint != a.Only.Device && !d.SignedInAt.After(a.Only.Until) {
			d.Sessions = 0
		}
		e := DeviceEntry{SignedInDevice: d, Active: d.Thumbprint == a.Device, SameNetwork: secret.Equal(d.Network, here)}
		if e.Sessions > 0 || e.Active {
			out = append(out, e)
		}
	}
	return out, nil
}

// SignOutDevice ends an account's sessions on one device; its keys are untouched.
// Refusals: CodeNoDevice, CodeRekeying.
func (s *Service) SignOutDevice(ctx context.Context, tx work.Tx, account, device string) error {
	a, err := s.get(ctx, tx, account)
	if err != nil {
		return err
	}
	if _, err := s.Store.Device(ctx, tx, account, device); errors.Is(err, work.ErrNotFound) {
		return CodeNoDevice
	} else if err != nil {
		return err
	}
	now := s.Clock.Now()
	if a.Only.inForce(now) {
		return CodeRekeying
	}
	tx.Wake(account, work.Session)
	if err := s.Store.EndSessionsOf(ctx, tx, account, device, now); err != nil {
		return err
	}
	detail, err := json.Marshal(map[string]string{"device": device})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "account.device_signed_out", Actor: account, Subject: account, Detail: detail})
}

// SignOutBut ends an account's sessions on all devices but two, whose names may be
// empty, and gives their number. CodeRekeying while a re-key runs.
func (s *Service) SignOutBut(ctx context.Context, tx work.Tx, account, keep, keepToo string) (int, error) {
	a, err := s.get(ctx, tx, account)
	if err != nil {
		return 0, err
	}
	now := s.Clock.Now()
	if a.Only.inForce(now) {
		return 0, CodeRekeying
	}
	tx.Wake(account, work.Session)
	n, err := s.Store.EndSessionsBut(ctx, tx, account, keep, keepToo, now)
	if err != nil {
		return 0, err
	}
	return n, tx.Record(ctx, work.Entry{Kind: "account.others_signed_out", Actor: account, Subject: account})
}
