// Package safety is what 账号与安全 changes across the nouns: the login password
// (登录密码, M§2.2.2, docs/domain.md A30) and the devices that are signed in
// (设备管理).
//
// Whoever signs a device out may hold no more than a password or a stolen SIM. So
// the device that holds the account's keys is signed out by none of this: it is
// told of a re-key and can stop it (docs/recovery.md). It signs out by itself,
// and a lost one loses its session with its keys, by the re-key.
package safety

import (
	"context"
	"errors"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
)

// CodeKeyDevice: only the device with the keys signs itself out.
var CodeKeyDevice = fault.Code{Name: "device_holds_keys", Kind: fault.Conflict,
	Text: "证书密钥保管在这台设备上，只能在该设备上退出登录；如设备已丢失，请办理补办恢复。"}

// Notices tells the owner.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Keys tells which keys an account has; custody.Door does.
type Keys interface {
	Keys(ctx context.Context, tx work.Tx, account string) ([]custody.Key, error)
}

// Deps are what a Service needs.
type Deps struct {
	Runner   work.Runner
	Accounts *account.Service
	Keys     Keys
	Notices  Notices
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// SetPassword sets or changes the caller's login password, and signs the other
// devices out. Refusals are those of account.Service.ChangePassword.
func (s *Service) SetPassword(ctx context.Context, c account.Caller, in account.PasswordChange) error {
	return s.Accounts.ChangePassword(ctx, c, in, func(ctx context.Context, tx work.Tx, acc string, first bool) error {
		return s.changed(ctx, tx, acc, c.Device, first)
	})
}

// ResetPassword sets a forgotten password and signs the devices out. Refusals are
// those of account.Service.ResetPassword.
func (s *Service) ResetPassword(ctx context.Context, in account.PasswordReset) error {
	return s.Accounts.ResetPassword(ctx, in, func(ctx context.Context, tx work.Tx, acc string, first bool) error {
		return s.changed(ctx, tx, acc, "", first)
	})
}

func (s *Service) changed(ctx context.Context, tx work.Tx, acc, device string, first bool) error {
	_, err := s.signOut(ctx, tx, acc, device)
	if err != nil && !errors.Is(err, account.CodeRekeying) { // the re-key decides about the others' sessions
		return err
	}
	n := notice.Notice{
		Account: acc, Kind: "account.password_changed", Title: "登录密码已修改", Link: "/settings/security", SMS: true,
		Body: "您的登录密码已修改，除保管证书密钥的手机外，其他设备已退出登录。如非本人操作，请立即用验证码登录并重置密码，或联系客服。",
	}
	if first {
		n.Kind, n.Title = "account.password_set", "登录密码已设置"
		n.Body = "您已设置登录密码，可用手机号和密码登录；除保管证书密钥的手机外，其他设备已退出登录。如非本人操作，请立即用验证码登录并重置密码，或联系客服。"
	}
	return s.Notices.Post(ctx, tx, n)
}

// signOut ends the sessions of all devices but one and the one with the keys.
func (s *Service) signOut(ctx context.Context, tx work.Tx, acc, device string) (int, error) {
	holds, err := s.keyDevice(ctx, tx, acc)
	if err != nil {
		return 0, err
	}
	return s.Accounts.SignOutBut(ctx, tx, acc, device, holds)
}

// keyDevice gives the active device of an account that has a PIN key; empty for
// an account without one, where no device is more than another.
func (s *Service) keyDevice(ctx context.Context, tx work.Tx, acc string) (string, error) {
	keys, err := s.Keys.Keys(ctx, tx, acc)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.Kind == custody.KindPIN && (k.State == custody.KeyActive || k.State == custody.KeySuspended) {
			return s.Accounts.ActiveDevice(ctx, tx, acc)
		}
	}
	return "", nil
}

// Device is a line of the caller's list of devices.
type Device struct {
	account.DeviceEntry
	Current bool
	// Keys: the account's keys are on it.
	Keys bool
}

// Devices gives the devices that are signed in to the caller's account, and the
// active one. address is the client's IP address.
func (s *Service) Devices(ctx context.Context, c account.Caller, address string) ([]Device, error) {
	var out []Device
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		holds, err := s.keyDevice(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		all, err := s.Accounts.Devices(ctx, tx, c.Account, address)
		out = nil
		for _, d := range all {
			out = append(out, Device{DeviceEntry: d, Current: d.Thumbprint == c.Device, Keys: d.Thumbprint == holds})
		}
		return err
	})
	return out, err
}

// SignOutDevice ends the sessions of another device of the caller's account, which
// is not told: its next request is not answered. Refusals: account.CodeNoDevice,
// account.CodeThisDevice, CodeKeyDevice, account.CodeRekeying.
func (s *Service) SignOutDevice(ctx context.Context, c account.Caller, device string) error {
	if device == c.Device {
		return account.CodeThisDevice
	}
	return s.Runner.Do(ctx, "safety.sign_out_device", func(ctx context.Context, tx work.Tx) error {
		holds, err := s.keyDevice(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		if device == holds {
			return CodeKeyDevice
		}
		return s.Accounts.SignOutDevice(ctx, tx, c.Account, device)
	})
}

// SignOutOthers ends the sessions of all other devices of the caller's account but
// the one with the keys, and gives their number. account.CodeRekeying.
func (s *Service) SignOutOthers(ctx context.Context, c account.Caller) (n int, err error) {
	err = s.Runner.Do(ctx, "safety.sign_out_others", func(ctx context.Context, tx work.Tx) error {
		n, err = s.signOut(ctx, tx, c.Account, c.Device)
		return err
	})
	return n, err
}
