package notice

import (
	"context"
	"slices"
	"strings"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// Group is what a notice is about, as the list is filtered and SMS are switched
// (docs/notices.md).
type Group string

// The groups.
const (
	Enterprise  Group = "enterprise"  // 企业: applications, members, invitations, the administrator
	Certificate Group = "certificate" // 证书: certificates and what is signed with them
	Order       Group = "order"       // 订单
	Account     Group = "account"     // 账号安全: login, PIN, phone, re-keys
	System      Group = "system"      // 系统
)

// Groups lists them in the order of the screens.
func Groups() []Group { return []Group{Enterprise, Certificate, Order, Account, System} }

// fixed tells that the SMS of a group cannot be switched off: who takes an account
// over would switch off what tells its owner.
func (g Group) fixed() bool { return g == Account }

// GroupOf gives the group of a notice's kind, by what stands before its first dot.
func GroupOf(kind string) Group {
	noun, _, _ := strings.Cut(kind, ".")
	switch noun {
	case "enterprise", "application", "member", "invitation", "join", "transfer", "administrator":
		return Enterprise
	case "certificate", "scan", "usage", "roaming":
		return Certificate
	case "order", "refund", "invoice":
		return Order
	case "account", "pin", "recovery", "person", "phone", "device":
		return Account
	}
	return System
}

// The refusals of the settings.
var (
	CodeGroup = fault.Code{Name: "notice_group_unknown", Kind: fault.Invalid, Text: "没有这类通知，请刷新后重试。"}
	CodeFixed = fault.Code{Name: "notice_group_fixed", Kind: fault.Conflict, Text: "账号安全类短信关系到您的账号与密钥，不能关闭。"}
)

// Setting is whether a group's notices that ask for it go out as an SMS too.
type Setting struct {
	Group Group
	SMS   bool
	// Fixed: it cannot be switched off.
	Fixed bool
}

// Settings gives an account's settings, one of each group.
func (s *Service) Settings(ctx context.Context, account string) (out []Setting, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		quiet, err := s.Store.Quiet(ctx, tx, account)
		out = nil
		for _, g := range Groups() {
			out = append(out, Setting{Group: g, SMS: g.fixed() || !slices.Contains(quiet, g), Fixed: g.fixed()})
		}
		return err
	})
	return out, err
}

// Set changes the settings that are given; the others stay.
func (s *Service) Set(ctx context.Context, account string, settings []Setting) error {
	for _, c := range settings {
		switch {
		case !slices.Contains(Groups(), c.Group):
			return CodeGroup
		case c.Group.fixed() && !c.SMS:
			return CodeFixed
		}
	}
	return s.Runner.Do(ctx, "notice.settings", func(ctx context.Context, tx work.Tx) error {
		for _, c := range settings {
			if c.Group.fixed() {
				continue
			}
			if err := s.Store.SetQuiet(ctx, tx, account, c.Group, !c.SMS); err != nil {
				return err
			}
		}
		tx.Wake(account, work.Notices)
		return tx.Record(ctx, work.Entry{Kind: "notice.settings", Actor: account, Subject: account})
	})
}
