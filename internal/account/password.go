package account

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/fault"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The bounds of a login password (登录密码, M§2.2.2, docs/domain.md A30).
const (
	MinPassword = 8
	MaxPassword = 64
)

// Wrong passwords are counted like wrong PINs: before anything is computed, and
// given back when the password was right.
const (
	// PasswordTries is how many wrong passwords for one number one network may
	// enter in PasswordPause.
	PasswordTries = 5
	PasswordPause = 30 * time.Minute
	// PasswordDaily is how many in 24 hours: from all networks together where the
	// account never signed in, and from each where it did.
	PasswordDaily = 20
	// PasswordHourly is how many in an hour from one network for all numbers.
	PasswordHourly = 30
	// PasswordDevices is how many devices new to an account one password may bring
	// in within 24 hours: each costs its owner an SMS and the house a session.
	PasswordDevices = 10
)

// The refusals.
var (
	CodePasswordLength = fault.Code{Name: "password_length", Kind: fault.Invalid,
		Text: "密码长度须为 8 至 64 位，请重新设置；PIN 码不能用作登录密码。"}
	CodePasswordSigns = fault.Code{Name: "password_characters", Kind: fault.Invalid,
		Text: "密码只能使用字母、数字和英文符号，不能含空格，请重新设置。"}
	CodePasswordMixed = fault.Code{Name: "password_mixed", Kind: fault.Invalid,
		Text: "密码须包含字母、数字、符号中的至少两种，请重新设置。"}
	CodePasswordPhone = fault.Code{Name: "password_phone", Kind: fault.Invalid,
		Text: "密码不能包含您的手机号，请重新设置。"}
	CodePasswordCommon = fault.Code{Name: "password_common", Kind: fault.Invalid,
		Text: "该密码过于常见，容易被猜到，请换一个密码。"}
	CodePasswordSame = fault.Code{Name: "password_same", Kind: fault.Invalid,
		Text: "新密码与原密码相同，请换一个密码。"}
	// CodePasswordWrong is one sentence for a wrong password, a number without an
	// account and an account without a password. It carries "remaining", the tries
	// that are left, and with the last one "lockedUntil" (RFC 3339).
	CodePasswordWrong = fault.Code{Name: "password_wrong", Kind: fault.Invalid,
		Text: "手机号或密码不正确；未设置密码请用验证码登录。"}
	// CodePasswordLocked and CodePasswordAddress carry "lockedUntil" (RFC 3339).
	CodePasswordLocked = fault.Code{Name: "password_locked", Kind: fault.Locked,
		Text: "密码输错次数过多，密码登录已暂时锁定；您可以立即改用验证码登录，或等待解锁后再试。"}
	CodePasswordAddress = fault.Code{Name: "password_address_limit", Kind: fault.TooMany,
		Text: "当前网络密码登录失败次数过多，请改用验证码登录，或稍后再试。"}
	// CodePasswordDevices carries "retryAt" (RFC 3339).
	CodePasswordDevices = fault.Code{Name: "password_devices", Kind: fault.TooMany,
		Text: "今日用密码登录的新设备过多，请改用验证码登录；如非本人操作，请尽快修改登录密码。"}
	CodePasswordBusy = fault.Code{Name: "password_busy", Kind: fault.Unavailable,
		Text: "当前登录人数较多，请稍后重试，或改用验证码登录。"}
	CodePasswordOldWrong = fault.Code{Name: "password_old_wrong", Kind: fault.Invalid,
		Text: "原密码不正确，请重新输入；忘记原密码可用短信验证码验证。"}
	CodePasswordProof = fault.Code{Name: "password_proof_required", Kind: fault.Invalid,
		Text: "请输入原密码，或获取短信验证码后再设置新密码。"}
	CodePasswordNew = fault.Code{Name: "password_not_set", Kind: fault.Conflict,
		Text: "您还没有设置登录密码，请获取短信验证码后设置。"}
	CodeNotRegistered = fault.Code{Name: "account_not_registered", Kind: fault.NotFound,
		Text: "该手机号还没有注册，请用验证码登录，登录后即可设置密码。"}
)

// common are the passwords that everybody tries first and that the other rules
// let pass; compared without regard to case.
var common = strings.Fields(`
	password1 password12 password123 password1234 password01 password! password@123 passw0rd passw0rd1 p@ssw0rd p@ssw0rd1 p@ssword1
	p@$$w0rd pass1234 pass@123 passwd123 abc12345 abc123456 abc1234567 abc12345678 abc123456789 abcd1234 abcd12345 abcd123456 abcde12345
	a1234567 a12345678 a123456789 a1234567890 aa123456 aa12345678 aa123456789 aaa12345 aaa123456 aaaa1111 as123456 asd12345 asd123456
	asdf1234 asdfgh123 asdf123456 q1234567 q12345678 q123456789 qq123456 qq123456789 qwe12345 qwe123456 qwe123456789 qwer1234
	qwer12345 qwer123456 qwert12345 qwerty12 qwerty123 qwerty1234 qwerty12345 qaz12345 qaz123456 qazwsx123 qazwsx12 1qaz2wsx 1qaz@wsx
	1qaz2wsx3edc 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4 q1w2e3r4t5 zaq12wsx zxc12345 zxc123456 zxcv1234 zxcvbnm1 zxcvbnm123 z123456789
	w123456789 x123456789 s123456789 l123456789 1234567a 12345678a 123456789a 1234567890a 123456aa 123456abc 12345678abc 123abc456 123456789q
	12345678q 123456qq 123456qwe 123456qwerty 123qweasd 123qweasdzxc 123qwe123 12qwaszx 1a2b3c4d a1b2c3d4 a1s2d3f4 5201314a a5201314
	5201314abc woaini123 woaini520 woaini521 woaini1314 woaini5201314 iloveyou1 iloveyou123 ilove1314 admin123 admin1234 admin12345
	admin123456 admin888 admin@123 administrator1 root1234 root123456 test1234 test12345 test123456 user1234 guest123 welcome1 welcome123
	letmein1 letmein123 monkey123 dragon123 sunshine1 football1 baseball1 princess1 superman1 michael1 charlie1 master123 shadow123
	changeme1 temp1234 huawei123 huawei@123 china123 beijing2008 beijing123 zhongguo1 caonima1 nihao123 tianwei123 tianweitong1 tianwei@123
	12345678. 123456789. 1234567890. 123456.. 12345678! 123456789! !@#$1234 1234!@#$ 123456!@# 123!@#qwe 123.com. 111111aa 11111111a
	88888888a a88888888 66666666a a66666666 00000000a a00000000 aa888888 aa666666 aa111111 aa000000 aaaaaa11 aaaaaaa1
`)

// fitPassword holds a new password to the rules.
func fitPassword(password, phone string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword {
		return CodePasswordLength
	}
	var letter, digit, sign bool
	for _, r := range password {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letter = true
		case r >= '0' && r <= '9':
			digit = true
		case r > ' ' && r < 0x7f:
			sign = true
		default: // keyboards write the same one in several ways
			return CodePasswordSigns
		}
	}
	switch {
	case !(letter && digit || letter && sign || digit && sign):
		return CodePasswordMixed
	case strings.Contains(password, phone):
		return CodePasswordPhone
	case slices.Contains(common, strings.ToLower(password)):
		return CodePasswordCommon
	}
	return nil
}

// PasswordSet tells whether an account has a login password.
func (s *Service) PasswordSet(ctx context.Context, tx work.Tx, account string) (bool, error) {
	stored, err := s.password(ctx, tx, account)
	return stored != "", err
}

// password gives the stored password of an account; empty for none.
func (s *Service) password(ctx context.Context, tx work.Tx, account string) (string, error) {
	stored, err := s.Store.Password(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		return "", nil
	}
	return stored, err
}

// SignInByPassword opens a session of the number's account (M§2.2.2). It never
// registers, and a device gets nothing by it that a sign-in by code would not
// give; a device new to the account is told to its number. Refusals: CodePhone,
// CodeDeviceKey, CodeAgreements, CodePasswordWrong, CodePasswordLocked,
// CodePasswordAddress, CodePasswordDevices.
func (s *Service) SignInByPassword(ctx context.Context, in SignIn) (Session, error) {
	device, err := s.fit(in)
	if err != nil {
		return Session{}, err
	}
	ctx, cancel := charged(ctx)
	defer cancel()
	g, err := s.guess(ctx, in.Phone, in.Password, in.Address, CodePasswordWrong)
	if err != nil {
		return Session{}, err
	}
	again := ""
	if g.old {
		if again, err = s.stretch(ctx, in.Password); err != nil {
			return Session{}, err
		}
	}
	var out Session
	var refusal error
	err = s.Runner.Do(ctx, "account.sign_in_password", func(ctx context.Context, tx work.Tx) (err error) {
		refusal = nil
		now := s.Clock.Now()
		if err := s.giveBack(ctx, tx, g); err != nil {
			return err
		}
		if again != "" {
			if err := s.Store.PutPassword(ctx, tx, g.account, again, now); err != nil {
				return err
			}
		}
		if g.known { // a password alone makes no network the owner's
			if err := s.Store.PutNetwork(ctx, tx, g.account, s.networkHash(networks(in.Address)[0]), now); err != nil {
				return err
			}
		}
		switch _, err := s.Store.Device(ctx, tx, g.account, device); {
		case errors.Is(err, work.ErrNotFound):
			if refusal, err = s.newDevice(ctx, tx, g.account); err != nil || refusal != nil {
				return err // the refusal commits: the password was right, its charge goes back
			}
		case err != nil:
			return err
		}
		out, err = s.open(ctx, tx, g.account, in, device, "account.signed_in_password")
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Session{}, err
	}
	return out, nil
}

// newDevice counts a device that a password alone brings in, and tells the owner.
func (s *Service) newDevice(ctx context.Context, tx work.Tx, account string) (refusal, err error) {
	n, opened, err := s.Store.Count(ctx, tx, "password.devices", []byte(account), s.Clock.Now(), day)
	if err != nil {
		return nil, err
	}
	if n > PasswordDevices {
		return CodePasswordDevices.With(map[string]any{"retryAt": opened.Add(day)}), nil
	}
	return nil, s.Text(ctx, tx, account, "device.signed-in", nil)
}

// afterCharge is how long what follows a charge may take. It goes on when the
// phone hangs up: a right password must not stay charged for a lost connection.
const afterCharge = 30 * time.Second

func charged(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterCharge)
}

// guess is one password that was charged, compared and found right.
type guess struct {
	account string // its id; empty while the number has none
	stored  string
	// old: stretched at another cost than today's.
	old bool
	// known: the account signed in from this network before.
	known   bool
	budgets []counted
}

// counted is a budget with its count.
type counted struct {
	budget
	n      int
	opened time.Time
}

func (c counted) until() time.Time { return c.opened.Add(c.span) }

// guess charges and compares one password for a number. A wrong one is recorded
// and refused as the caller says it; the charge stays. All numbers are treated
// alike, with and without account or password.
func (s *Service) guess(ctx context.Context, phone, password, address string, refusal fault.Code) (guess, error) {
	var g guess
	err := s.Runner.Do(ctx, "account.password_charge", func(ctx context.Context, tx work.Tx) error {
		g = guess{}
		hash := s.phoneHash(phone)
		a, err := s.Store.ByPhone(ctx, tx, hash)
		if err != nil && !errors.Is(err, work.ErrNotFound) {
			return err
		}
		g.account = a.ID
		if g.stored, err = s.password(ctx, tx, a.ID); err != nil {
			return err
		}
		from := networks(address)
		if g.known, err = s.Store.KnownNetwork(ctx, tx, hash, s.networkHash(from[0]), s.Clock.Now().Add(-Absolute)); err != nil {
			return err
		}
		return s.chargeGuess(ctx, tx, &g, s.passwordBudgets(phone, from, g.known))
	})
	if err != nil {
		return guess{}, err
	}
	right, old, err := s.matches(ctx, password, g.stored)
	if err != nil {
		return guess{}, err
	}
	g.old = old
	if right {
		return g, nil
	}
	err = s.Runner.Do(ctx, "account.password_wrong", func(ctx context.Context, tx work.Tx) error {
		return s.recordWrong(ctx, tx, g, phone, address)
	})
	if err != nil {
		return guess{}, err
	}
	return guess{}, g.wrong(refusal)
}

const (
	budgetAddress  limited = "password.address"
	budgetTries    limited = "password.tries"
	budgetStrange  limited = "password.day.anyone"
	budgetFamiliar limited = "password.day.known"
)

// passwordBudgets are what a wrong password counts against. What strangers enter
// is counted apart from what is entered where the account signed in, so that
// they cannot lock the owner out there.
func (s *Service) passwordBudgets(phone string, from []network, known bool) []budget {
	var all []budget
	for _, n := range from {
		all = append(all, budgetAddress.budget(s.networkHash(n), n.share*PasswordHourly, time.Hour, CodePasswordAddress))
	}
	pair := s.pairHash(phone, from[0])
	all = append(all, budgetTries.budget(pair, PasswordTries, PasswordPause, CodePasswordLocked))
	if known {
		return append(all, budgetFamiliar.budget(pair, PasswordDaily, day, CodePasswordLocked))
	}
	return append(all, budgetStrange.budget(s.phoneHash(phone), PasswordDaily, day, CodePasswordLocked))
}

// chargeGuess counts one guess against each budget, or refuses it against all.
func (s *Service) chargeGuess(ctx context.Context, tx work.Tx, g *guess, all []budget) error {
	now := s.Clock.Now()
	for _, b := range all {
		n, opened, err := s.Store.Count(ctx, tx, b.name, b.subject, now, b.span)
		if err != nil {
			return err
		}
		c := counted{b, n, opened}
		if n > b.most {
			return b.refusal.With(map[string]any{"lockedUntil": c.until()})
		}
		g.budgets = append(g.budgets, c)
	}
	return nil
}

// wrong is the refusal of a wrong password: how many tries are left, and until
// when there are none.
func (g guess) wrong(refusal fault.Code) error {
	members := map[string]any{}
	left, until := PasswordTries, time.Time{}
	for _, c := range g.budgets {
		left = min(left, c.most-c.n)
		if c.n == c.most && c.until().After(until) {
			until = c.until()
		}
	}
	members["remaining"] = left
	if left == 0 {
		members["lockedUntil"] = until
	}
	return refusal.With(members)
}

func (s *Service) recordWrong(ctx context.Context, tx work.Tx, g guess, phone, address string) error {
	subject := g.account
	if subject == "" {
		subject = hex.EncodeToString(s.phoneHash(phone))
	}
	detail, err := json.Marshal(map[string]string{"network": hex.EncodeToString(s.networkHash(networks(address)[0]))})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "account.password_wrong", Actor: "system", Subject: subject, Detail: detail})
}

// giveBack takes a right guess's charges back, and the run of tries before it.
// The password must still be the one that was compared: a session that it opens
// now must be there for a reset to end, or not be opened.
func (s *Service) giveBack(ctx context.Context, tx work.Tx, g guess) error {
	stored, err := s.Store.LockPassword(ctx, tx, g.account)
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		return err
	}
	if stored != g.stored {
		return g.wrong(CodePasswordWrong)
	}
	for _, c := range g.budgets {
		n := 1
		if c.limit == budgetTries {
			n = c.n
		}
		if err := s.Store.Uncount(ctx, tx, c.name, c.subject, c.opened, n); err != nil {
			return err
		}
	}
	return nil
}

// PasswordChange sets an account's login password, with the old one or with a
// code of PurposePassword.
type PasswordChange struct {
	Old          string
	Ticket, Code string
	New          string
	// Address is the client's IP address, for the counting of wrong passwords.
	Address string
}

// After is what a flow adds to a change of password, in its transaction; first
// tells that there was none before.
type After func(ctx context.Context, tx work.Tx, account string, first bool) error

// ChangePassword sets or changes the caller's login password. Refusals: those of
// the rules, CodePasswordProof, CodePasswordNew, CodePasswordOldWrong,
// CodePasswordLocked, CodePasswordAddress and those of CheckCode.
func (s *Service) ChangePassword(ctx context.Context, c Caller, in PasswordChange, after After) error {
	var phone, stored string
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if phone, err = s.PhoneNumber(ctx, tx, c.Account); err != nil {
			return err
		}
		stored, err = s.password(ctx, tx, c.Account)
		return err
	})
	if err != nil {
		return err
	}
	if err := fitPassword(in.New, phone); err != nil {
		return err
	}
	ctx, cancel := charged(ctx)
	defer cancel()
	var g guess
	switch {
	case in.Ticket != "":
		err = s.CheckCode(ctx, in.Ticket, in.Code, PurposePassword, c.Session)
	case stored == "":
		err = CodePasswordNew
	case in.Old == "":
		err = CodePasswordProof
	case in.Old == in.New:
		err = CodePasswordSame
	default:
		g, err = s.guess(ctx, phone, in.Old, in.Address, CodePasswordOldWrong)
	}
	if err != nil {
		return err
	}
	fresh, err := s.stretch(ctx, in.New)
	if err != nil {
		return err
	}
	return s.Runner.Do(ctx, "account.change_password", func(ctx context.Context, tx work.Tx) error {
		if in.Ticket != "" {
			err = s.Spend(ctx, tx, in.Ticket, PurposePassword, c.Account)
		} else {
			err = s.giveBack(ctx, tx, g)
		}
		if err != nil {
			return err
		}
		return s.putPassword(ctx, tx, c.Account, fresh, after)
	})
}

// PasswordReset sets a forgotten password with a code of PurposeReset.
type PasswordReset struct {
	Phone        string
	Ticket, Code string
	New          string
	Address      string
}

// ResetPassword sets the password of the number's account, and lifts the lock of
// password entries at this network. Whether the number has an account shows only
// to who entered its code. Refusals: CodePhone, those of the rules and of
// CheckCode, CodeNotRegistered.
func (s *Service) ResetPassword(ctx context.Context, in PasswordReset, after After) error {
	if !ValidPhone(in.Phone) {
		return CodePhone
	}
	if err := fitPassword(in.New, in.Phone); err != nil {
		return err
	}
	hash := s.phoneHash(in.Phone)
	ofPhone := func(c Code) bool { return c.Purpose == PurposeReset && secret.Equal(c.PhoneHash, hash) }
	var refusal error
	err := s.Runner.Do(ctx, "account.check_code", func(ctx context.Context, tx work.Tx) error {
		var err error
		if _, refusal, err = s.enter(ctx, tx, in.Ticket, in.Code, ofPhone); err != nil || refusal != nil {
			return err
		}
		if _, err = s.Store.ByPhone(ctx, tx, hash); errors.Is(err, work.ErrNotFound) {
			refusal, err = CodeNotRegistered, nil
		}
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return err
	}
	fresh, err := s.stretch(ctx, in.New)
	if err != nil {
		return err
	}
	return s.Runner.Do(ctx, "account.reset_password", func(ctx context.Context, tx work.Tx) error {
		if err := s.spend(ctx, tx, in.Ticket, func(c Code) (bool, error) { return ofPhone(c), nil }); err != nil {
			return err
		}
		a, err := s.Store.ByPhone(ctx, tx, hash)
		if errors.Is(err, work.ErrNotFound) {
			return CodeNotRegistered
		}
		if err != nil {
			return err
		}
		from := networks(in.Address)
		for _, known := range []bool{false, true} {
			for _, b := range s.passwordBudgets(in.Phone, from, known)[len(from):] {
				if err := s.Store.Forget(ctx, tx, b.name, b.subject); err != nil {
					return err
				}
			}
		}
		return s.putPassword(ctx, tx, a.ID, fresh, after)
	})
}

func (s *Service) putPassword(ctx context.Context, tx work.Tx, account, fresh string, after After) error {
	set, err := s.PasswordSet(ctx, tx, account)
	if err != nil {
		return err
	}
	tx.Wake(account, work.Session)
	if err := s.Store.PutPassword(ctx, tx, account, fresh, s.Clock.Now()); err != nil {
		return err
	}
	kind := "account.password_changed"
	if !set {
		kind = "account.password_set"
	}
	if err := tx.Record(ctx, work.Entry{Kind: kind, Actor: account, Subject: account}); err != nil {
		return err
	}
	return after(ctx, tx, account, !set)
}
