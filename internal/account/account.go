// Package account knows people by their phone: SMS codes, sign-in, sessions, and
// the one active device of each account (docs/accounts.md; M§2.2).
//
// The first sign-in with a phone registers it; later ones log into the same
// account. A session belongs to the device whose key it was opened with, and
// every request of it carries that device's signature. Nothing here decides what
// a device may do with a certificate: that is custody's and the flows' part.
package account

import (
	"context"
	"strings"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// Purpose is what an SMS code (短信验证码) is good for; a code for one purpose
// never serves another.
type Purpose string

// The purposes.
const (
	PurposeLogin    Purpose = "login"    // M§2.2.1
	PurposeRealname Purpose = "realname" // M§2.4.1
	PurposePIN      Purpose = "pin"      // M§2.7.4, the first PIN
	PurposeRecover  Purpose = "recover"  // M§2.7.4 and docs/domain.md A11
	// PurposePhone moves the account to another number: one code goes to the old
	// number (PurposePhone), one to the new (PurposeNewPhone).
	PurposePhone    Purpose = "phone"
	PurposeNewPhone Purpose = "phone-new"
	PurposePassword Purpose = "password"       // M§2.2.2, set or change
	PurposeReset    Purpose = "password-reset" // M§2.2.2, forgotten
	PurposeClose    Purpose = "close"          // docs/domain.md A31
	// PurposeLegal reaches the legal representative of an enterprise (法定代表人) on a
	// number that its applicant says (M§2.4.2); CheckCodeTo compares it.
	PurposeLegal Purpose = "legal"
	// PurposeTransfer hands an enterprise to another administrator (M§2.4.4).
	PurposeTransfer Purpose = "transfer"
)

// Sessionless tells whether a code is asked for without a session, by whoever
// says a number.
func (p Purpose) Sessionless() bool { return p == PurposeLogin || p == PurposeReset }

// ofAnyNumber tells whether the number is given with the request, instead of
// being the account's own.
func (p Purpose) ofAnyNumber() bool {
	return p.Sessionless() || p == PurposeNewPhone || p == PurposeLegal
}

func (p Purpose) known() bool {
	switch p {
	case PurposeLogin, PurposeRealname, PurposePIN, PurposeRecover, PurposePhone, PurposeNewPhone,
		PurposePassword, PurposeReset, PurposeClose, PurposeLegal, PurposeTransfer:
		return true
	}
	return false
}

// The figures of docs/accounts.md.
const (
	// CodeDigits is the length of a code.
	CodeDigits = 6
	// CodeLife is how long a code can be entered.
	CodeLife = 5 * time.Minute
	// CodeTries is how many entries are compared with one code.
	CodeTries = 5
	// PassLife is how long a code that was entered rightly waits for the business
	// that it was asked for.
	PassLife = 10 * time.Minute
	// Idle ends a session that is not used.
	Idle = 14 * 24 * time.Hour
	// Absolute ends every session.
	Absolute = 90 * 24 * time.Hour
)

// Limits bound the sending of codes. A zero field takes its default. What anybody
// may ask for is counted apart from what only the owner can, so that a stranger
// cannot use up what the owner needs.
type Limits struct {
	// Pause lies between two codes of one purpose to one phone; default 60 s.
	Pause time.Duration
	// Daily is the most codes to one phone in 24 hours that are asked for in a
	// session; default 10.
	Daily int
	// PerNetwork is the most codes to one phone in 24 hours that anybody asks for
	// from one IPv4 address or IPv6 /64 network; default 5.
	PerNetwork int
	// Anyone is the most codes to one phone in 24 hours that anybody asks for from
	// all networks together; default 30.
	Anyone int
	// Known is the most codes without a session to one phone in 24 hours that are
	// asked for from one network where its account signed in before; PerNetwork, Anyone and
	// Hourly do not count them; default 10.
	Known int
	// PerAddress is the most codes asked for from one IPv4 address or /64 in an
	// hour; default 60, because many phones share one.
	PerAddress int
	// PerDevice is the most codes asked for from one device in 24 hours; default 30.
	PerDevice int
	// Free is how many codes in 24 hours each phone, address and device has without
	// a captcha; default 1.
	Free int
	// Hourly is the most codes in an hour that anybody asks for, in the whole
	// house; reaching it is an error in the log; default 5,000.
	Hourly int
	// Ceiling is the most codes in an hour of all, whoever asks; default 20,000.
	Ceiling int
}

// siteFactor is how many times as much as one /64 an IPv6 /48 may ask for, the
// network of a whole site.
const siteFactor = 4

func (l Limits) withDefaults() Limits {
	if l.Pause == 0 {
		l.Pause = time.Minute
	}
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Daily, 10}, {&l.PerNetwork, 5}, {&l.Anyone, 30}, {&l.Known, 10}, {&l.PerAddress, 60},
		{&l.PerDevice, 30}, {&l.Free, 1}, {&l.Hourly, 5000}, {&l.Ceiling, 20000}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// The refusals.
var (
	CodePhone = fault.Code{Name: "phone_invalid", Kind: fault.Invalid,
		Text: "手机号格式不正确，请输入 11 位中国大陆手机号。"}
	CodePurpose = fault.Code{Name: "sms_purpose_unknown", Kind: fault.Invalid,
		Text: "验证码用途不正确，请返回上一页后重试。"}
	// CodeTooSoon to CodeBusy carry "retryAfterSeconds".
	CodeTooSoon = fault.Code{Name: "sms_too_soon", Kind: fault.TooMany,
		Text: "验证码已发送，请查看短信；如未收到，请稍后再重新获取。"}
	CodeTooMany = fault.Code{Name: "sms_too_many", Kind: fault.TooMany,
		Text: "该手机号今日获取验证码的次数已用完，请明天再试，或联系客服。"}
	CodeAddress = fault.Code{Name: "sms_address_limit", Kind: fault.TooMany,
		Text: "当前网络获取验证码过于频繁，请稍后再试，或换用手机网络。"}
	CodeNetwork = fault.Code{Name: "sms_network_limit", Kind: fault.TooMany,
		Text: "当前网络今日为该手机号获取验证码的次数已用完，请换用其他网络后再试，或联系客服。"}
	CodeDeviceLimit = fault.Code{Name: "sms_device_limit", Kind: fault.TooMany,
		Text: "本设备今日获取验证码的次数已用完，请明天再试，或联系客服。"}
	// CodeCaptcha asks for an answer to a captcha; nothing was sent.
	CodeCaptcha = fault.Code{Name: "captcha_required", Kind: fault.Conflict,
		Text: "请先完成滑块验证，再获取验证码。"}
	CodeCaptchaWrong = fault.Code{Name: "captcha_wrong", Kind: fault.Invalid,
		Text: "滑块未对准缺口或已过期，请重新拖动完成拼图。"}
	CodeBusy = fault.Code{Name: "sms_busy", Kind: fault.TooMany,
		Text: "当前获取验证码的人数过多，请稍后再试；在您常用的网络下可直接获取。"}
	// CodeWrong carries "remaining", the entries that are left.
	CodeWrong = fault.Code{Name: "sms_code_wrong", Kind: fault.Invalid,
		Text: "验证码不正确，请重新输入。"}
	CodeExhausted = fault.Code{Name: "sms_code_exhausted", Kind: fault.TooMany,
		Text: "验证码输错次数过多，已失效，请重新获取验证码。"}
	CodeExpired = fault.Code{Name: "sms_code_expired", Kind: fault.Gone,
		Text: "验证码已过期，请重新获取。"}
	CodeUsed = fault.Code{Name: "sms_code_used", Kind: fault.Gone,
		Text: "验证码已使用过，请重新获取。"}
	// CodeUnknown: no such ticket for this purpose, session and phone.
	CodeUnknown = fault.Code{Name: "sms_code_unknown", Kind: fault.Conflict,
		Text: "请先获取验证码，再输入短信中的 6 位数字。"}
	// CodeAgreements carries "agreements": the documents and versions to accept.
	CodeAgreements = fault.Code{Name: "agreements_required", Kind: fault.Invalid,
		Text: "请阅读并同意最新版本的用户协议和隐私政策后再登录。"}
	CodeDeviceKey = fault.Code{Name: "device_key_invalid", Kind: fault.Invalid,
		Text: "本设备的安全密钥无法使用，请更新应用或浏览器后重试。"}
	CodeSignedOut = fault.Code{Name: "signed_out", Kind: fault.Unauthenticated,
		Text: "登录已失效，请重新登录。"}
	CodeNoAccount = fault.Code{Name: "account_unknown", Kind: fault.NotFound,
		Text: "没有找到该账号，请重新登录。"}
	CodeNotActive = fault.Code{Name: "device_not_active", Kind: fault.Forbidden,
		Text: "请在该账号当前绑定的手机上办理；如手机已更换或丢失，请先办理补办恢复。"}
	CodePhoneTaken = fault.Code{Name: "phone_taken", Kind: fault.Conflict,
		Text: "该手机号已注册其他账号，请换一个手机号，或用它直接登录。"}
)

// Caller is who makes a request, as the edge authenticated it. The zero value is
// nobody.
type Caller struct {
	Account string
	Session string
	// Device is the SHA-256 thumbprint of the device key (SPKI DER), lower-case hex.
	Device string
	// Restricted: a re-key runs on another device; this one may only confirm or
	// stop it (docs/domain.md A11).
	Restricted bool
	// Enterprise is what the caller acts for in this request, as a member of it;
	// empty for himself. Administrator: he was its administrator when the request
	// came; what changes anything asks again.
	Enterprise    string
	Administrator bool
}

// Device is the device of a session, for checking its requests' signatures.
type Device struct {
	Thumbprint string
	// PublicKey is the device key: SPKI DER, ECDSA P-256.
	PublicKey []byte
	// Nonce is the session's: 32 bytes that every device signature covers.
	Nonce []byte
}

// Agreement is a document that users accept, in its current version (M§2.2).
type Agreement struct {
	Document string `json:"document"`
	Version  string `json:"version"`
	Title    string `json:"title,omitempty"`
}

// Account is one account. Only Phone is personal.
type Account struct {
	ID    string
	Phone string
	// PhoneHash is the keyed hash that finds the account by its number.
	PhoneHash []byte
	// PhoneChanged is when the number was last changed; zero for never.
	PhoneChanged time.Time
	// Device is the thumbprint of the one active device (docs/domain.md A28).
	Device    string
	Only      Restriction
	CreatedAt time.Time
	// ClosedAt is when the account was closed (注销); zero for never. PhoneHash then
	// finds nothing, and Phone is not used any more.
	ClosedAt time.Time
	Version  int64
}

// Restriction says that a re-key runs: sessions of all devices but one may only
// confirm or stop it (docs/domain.md A11). The zero value restricts nobody.
type Restriction struct {
	// Device runs the re-key.
	Device string
	// Until is when the restriction ends, and with it every session of another
	// device that was opened before; zero while the end is not known.
	Until time.Time
}

func (r Restriction) binds(device string, now time.Time) bool {
	return r.inForce(now) && r.Device != device
}

func (r Restriction) inForce(now time.Time) bool { return r.Device != "" && !r.over(now) }

func (r Restriction) over(now time.Time) bool {
	return r.Device != "" && !r.Until.IsZero() && !now.Before(r.Until)
}

// Code is one SMS code as stored: a keyed hash, never the digits.
type Code struct {
	// ID is the keyed hash of the ticket, hex.
	ID        string
	Purpose   Purpose
	Account   string // empty for login
	Session   string // empty for login
	PhoneHash []byte
	// Hash is keyed and covers ID and digits.
	Hash      []byte
	Tries     int
	ExpiresAt time.Time
	PassedAt  time.Time
	UsedAt    time.Time
}

// StoredSession is a session as stored: the token is a keyed hash.
type StoredSession struct {
	ID        string
	Account   string
	Device    string
	TokenHash []byte
	Nonce     []byte
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// StoredDevice is a device that once signed in to an account.
type StoredDevice struct {
	Account    string
	Thumbprint string
	PublicKey  []byte
	Label      string
	// Network is the keyed hash of where it last signed in.
	Network   []byte
	CreatedAt time.Time
	// SeenAt is its last use, to the minute.
	SeenAt time.Time
	// BoundAt is when it first was the account's active device; zero for never.
	BoundAt time.Time
}

// SignedInDevice is a device with what is open on it.
type SignedInDevice struct {
	StoredDevice
	// Sessions counts the open ones; zero for a device that only is the active one.
	Sessions   int
	SignedInAt time.Time
}

// Store keeps the accounts. Phone is sealed by it. Absent rows are
// work.ErrNotFound, a lost compare-and-swap is work.ErrConflict.
type Store interface {
	// Count adds one to a window and gives how often it was counted since the
	// window opened; a window opens with its first count and lasts span.
	Count(ctx context.Context, tx work.Tx, name string, subject []byte, now time.Time, span time.Duration) (n int, opened time.Time, err error)
	// Uncount takes n counts of a window back, if it is still the one that opened
	// then. Forget drops a window.
	Uncount(ctx context.Context, tx work.Tx, name string, subject []byte, opened time.Time, n int) error
	Forget(ctx context.Context, tx work.Tx, name string, subject []byte) error
	// Busiest gives the highest count of the windows of a name, or of a longer one
	// that goes on with a dot, that opened after a time.
	Busiest(ctx context.Context, tx work.Tx, name string, since time.Time) (int, error)
	// CountHour adds one to a name's count in the hour of the clock; Hours gives all
	// counts since an hour.
	CountHour(ctx context.Context, tx work.Tx, name string, at time.Time) error
	Hours(ctx context.Context, tx work.Tx, since time.Time) ([]HourCount, error)

	PutCode(ctx context.Context, tx work.Tx, c Code) error
	Code(ctx context.Context, tx work.Tx, id string) (Code, error)
	// ChargeCode counts one entry and gives the count; work.ErrNotFound when
	// CodeTries are used up. The row stays locked until the commit.
	ChargeCode(ctx context.Context, tx work.Tx, id string) (tries int, err error)
	// PassCode and UseCode stamp a code that is not used yet.
	PassCode(ctx context.Context, tx work.Tx, id string, at time.Time) error
	UseCode(ctx context.Context, tx work.Tx, id string, at time.Time) error

	// Register inserts the account unless its phone has one, and gives the one
	// that is stored.
	Register(ctx context.Context, tx work.Tx, a Account) (Account, error)
	Get(ctx context.Context, tx work.Tx, id string) (Account, error)
	// Hold keeps the row of an account that is not closed until the commit.
	Hold(ctx context.Context, tx work.Tx, id string) error
	ByPhone(ctx context.Context, tx work.Tx, phoneHash []byte) (Account, error)
	// Put swaps phone, devices and their times; a taken phone is work.ErrExists.
	Put(ctx context.Context, tx work.Tx, a Account) error
	// PutPassword sets the login password as stretched; it is sealed besides.
	PutPassword(ctx context.Context, tx work.Tx, account, stretched string, at time.Time) error
	// Password gives it; LockPassword too, and keeps its row locked until the commit.
	Password(ctx context.Context, tx work.Tx, account string) (string, error)
	LockPassword(ctx context.Context, tx work.Tx, account string) (string, error)
	DropPassword(ctx context.Context, tx work.Tx, account string) error
	Agree(ctx context.Context, tx work.Tx, account string, a Agreement, at time.Time) error
	// PutNetwork remembers the keyed hash of a network where an account signed in;
	// KnownNetwork tells whether the account of a phone did so since a time.
	PutNetwork(ctx context.Context, tx work.Tx, account string, network []byte, at time.Time) error
	KnownNetwork(ctx context.Context, tx work.Tx, phoneHash, network []byte, since time.Time) (bool, error)

	// PutDevice inserts a device, or renews label, network and SeenAt of one that
	// the account has.
	PutDevice(ctx context.Context, tx work.Tx, d StoredDevice) error
	Device(ctx context.Context, tx work.Tx, account, thumbprint string) (StoredDevice, error)
	// SignedIn gives the devices with sessions that are open now and were used
	// since a time, and one more by its name, the last used first.
	SignedIn(ctx context.Context, tx work.Tx, account, also string, now, used time.Time) ([]SignedInDevice, error)
	// StampBound sets BoundAt if it is not set.
	StampBound(ctx context.Context, tx work.Tx, account, thumbprint string, at time.Time) error

	PutSession(ctx context.Context, tx work.Tx, s StoredSession) error
	// SessionByToken gives a session that was not ended, of an account that is not
	// closed, its device's public key and the account's restriction.
	SessionByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (s StoredSession, publicKey []byte, only Restriction, err error)
	// TouchSession renews the SeenAt of a session and its device.
	TouchSession(ctx context.Context, tx work.Tx, s StoredSession, at time.Time) error
	EndSession(ctx context.Context, tx work.Tx, id string, at time.Time) error
	// EndSessionsOf ends the sessions of an account on one device.
	EndSessionsOf(ctx context.Context, tx work.Tx, account, device string, at time.Time) error
	// EndOtherSessions ends those of an account on all devices but one that were
	// opened by a time.
	EndOtherSessions(ctx context.Context, tx work.Tx, account, exceptDevice string, opened, at time.Time) error
	// EndSessionsBut ends those of an account on all devices but two and counts
	// them; an empty name keeps nothing.
	EndSessionsBut(ctx context.Context, tx work.Tx, account, keep, keepToo string, at time.Time) (int, error)

	// Tidy deletes codes, windows, hours and sessions that were over before a time, and
	// networks not signed in from since another.
	Tidy(ctx context.Context, tx work.Tx, before, networks time.Time) error
}

// ValidPhone tells whether s is a mainland mobile number: 11 digits, 13…–19….
func ValidPhone(s string) bool {
	if len(s) != 11 || s[0] != '1' || s[1] < '3' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// MaskPhone shows the first three and last four digits, as every screen does.
func MaskPhone(phone string) string {
	if !ValidPhone(phone) {
		return ""
	}
	return phone[:3] + "****" + phone[7:]
}
