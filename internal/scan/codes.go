package scan

import (
	"errors"

	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
)

// The refusals that phones see.
var (
	CodeQRUnknown = fault.Code{Name: "qr_unknown", Kind: fault.Invalid, Text: "这不是互认平台的二维码，请核对网址。"}
	CodeQRExpired = fault.Code{Name: "qr_expired", Kind: fault.Gone, Text: "二维码已过期，请扫描电脑上的新码。"}
	CodeQRTaken   = fault.Code{Name: "qr_taken", Kind: fault.Conflict, Text: "二维码已被其他手机扫描；如不是您本人操作，请在电脑上刷新后重新扫描。"}
	// CodeMismatch: the platform's page belongs to somebody else; nothing is bound.
	CodeMismatch = fault.Code{Name: "identity_mismatch", Kind: fault.Forbidden, Text: "当前身份与交易平台上的登录身份不一致，请切换身份后重新扫码。"}
	CodePlatform = fault.Code{Name: "scan_platform_refused", Kind: fault.Forbidden, Text: "该交易平台未在互认目录中，或已停用，请勿继续操作。"}
	CodeNotFound = fault.Code{Name: "scan_not_found", Kind: fault.NotFound, Text: "没有找到这次扫码业务，请重新扫码。"}
	CodeOver     = fault.Code{Name: "scan_over", Kind: fault.Gone, Text: "本次扫码业务已结束，请回到电脑上重新发起。"}
	// CodeRecovering: the re-key goes first.
	CodeRecovering = fault.Code{Name: "scan_recovering", Kind: fault.Conflict, Text: "正在办理补办恢复，完成后可继续本次业务。"}
	CodeNeedCode   = fault.Code{Name: "verification_code_required", Kind: fault.Invalid, Text: "请输入电脑页面上显示的四位验证数字。"}
	CodeWrongCode  = fault.Code{Name: "verification_code_wrong", Kind: fault.Forbidden, Text: "验证数字不一致，已取消本次操作。如非您本人在电脑上操作，请勿再次扫码。"}

	CodeNoCert      = fault.Code{Name: "no_certificate", Kind: fault.Conflict, Text: "当前身份没有可用的证书，请先新购证书。"}
	CodeCertPending = fault.Code{Name: "certificate_pending", Kind: fault.Conflict, Text: "证书尚未安装，请先下载安装。"}
	CodeCertExpired = fault.Code{Name: "scan_certificate_expired", Kind: fault.Conflict, Text: "证书已过期，请新购证书。"}
	CodeCertRevoked = fault.Code{Name: "scan_certificate_revoked", Kind: fault.Conflict, Text: "证书已吊销，请新购证书。"}
	CodeNotRoamed   = fault.Code{Name: "not_roamed", Kind: fault.Conflict, Text: "证书尚未开通该平台的漫游，请先申请漫游。"}
	CodeRoamExpired = fault.Code{Name: "roaming_expired", Kind: fault.Conflict, Text: "证书在该平台的漫游已过期，请续期漫游。"}
	CodeCertFrozen  = fault.Code{Name: "scan_certificate_frozen", Kind: fault.Conflict, Text: "证书已冻结，暂不能使用；如需恢复，请联系客服。"}
	CodeKeyLost     = fault.Code{Name: "key_lost", Kind: fault.Conflict, Text: "证书密钥不在本机，请办理补办恢复。"}
	CodeTimestamp   = fault.Code{Name: "timestamp_unavailable", Kind: fault.Unavailable, Text: "时间戳服务暂不可用，请稍后重试，无需重新扫码。"}
)

// The refusals that platforms see.
var (
	CodeDocument  = fault.Code{Name: "document_refused", Kind: fault.Invalid, Text: "文件不能签名：内容为空、过大，或格式会被误认为印章、签名属性或系统消息；请更换文件后重新发起。"}
	CodeRequest   = fault.Code{Name: "transaction_invalid", Kind: fault.Invalid, Text: "业务参数有误，请核对接口文档。"}
	CodeNotifyURL = fault.Code{Name: "notify_path_invalid", Kind: fault.Invalid, Text: "回调路径有误：应以 / 开头，且只含字母、数字和 . _ ~ - / 。"}
	CodeQRClosed  = fault.Code{Name: "qr_closed", Kind: fault.Conflict, Text: "二维码已被扫描或业务已结束，不再提供新码。"}
)

// Action is what the holder does next at the gate (docs/domain.md §3.9).
type Action string

// The actions. A holder without a real name is refused before the gate, with
// realname.CodeNotVerified.
const (
	Confirm Action = "confirm" // one certificate serves
	Choose  Action = "choose"  // several do
	Buy     Action = "buy"     // 新购证书
	Roam    Action = "roam"    // 申请漫游
	Install Action = "install" // 下载安装
	Recover Action = "recover" // 补办恢复
	SetPIN  Action = "setPIN"
	Unlock  Action = "unlock"  // wait, check the face, or reset the PIN
	Support Action = "support" // 联系客服
)

func (o Outcome) action() Action {
	switch o {
	case OK:
		return Confirm
	case CertPending:
		return Install
	case NotRoamed, RoamExpired:
		return Roam
	case CertFrozen:
		return Support
	case KeyLost:
		return Recover
	case PINNotSet:
		return SetPIN
	case PINLocked, PINFace:
		return Unlock
	}
	return Buy
}

// text is the gate's word as a sentence; empty for OK.
func (o Outcome) text() string {
	switch o {
	case OK:
		return ""
	case PINNotSet:
		return custody.CodeNoPIN.Text
	case PINLocked:
		return custody.CodePINLocked.Text
	case PINFace:
		return custody.CodePINBudget.Text
	}
	var code fault.Code
	errors.As(o.refusal(), &code)
	return code.Text
}

// refusal is the gate's word as a refusal.
func (o Outcome) refusal() error {
	switch o {
	case CertPending:
		return CodeCertPending
	case CertExpired:
		return CodeCertExpired
	case CertRevoked:
		return CodeCertRevoked
	case NotRoamed:
		return CodeNotRoamed
	case RoamExpired:
		return CodeRoamExpired
	case CertFrozen:
		return CodeCertFrozen
	case KeyLost:
		return CodeKeyLost
	}
	return CodeNoCert
}
