package office

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The bounds of an officer's password.
const (
	MinPassword = 12
	MaxPassword = 64
)

// Guesses are counted before anything is computed and given back when they were
// right, so that a lock holds however many come at once.
const (
	// Tries is how many wrong passwords for one name one network may enter in Pause,
	// and how many wrong codes an officer.
	Tries = 5
	Pause = 15 * time.Minute
	// PasswordDaily is how many wrong passwords for one name in 24 hours from
	// everywhere, PasswordHourly how many in an hour from one network for all names.
	PasswordDaily  = 50
	PasswordHourly = 30
	// CodeDaily is how many wrong codes an officer may enter in 24 hours.
	CodeDaily = 20
)

// The refusals.
var (
	CodePasswordLength = fault.Code{Name: "console_password_length", Kind: fault.Invalid, Text: "密码长度须为 12 至 64 位，请重新设置。"}
	CodePasswordSigns  = fault.Code{Name: "console_password_characters", Kind: fault.Invalid, Text: "密码只能使用字母、数字、英文符号和空格，请重新设置。"}
	CodePasswordWeak   = fault.Code{Name: "console_password_weak", Kind: fault.Invalid,
		Text: "该密码容易被猜到：不能包含登录名或常见密码，且至少要有 8 个不同的字符，请换一个。"}
	CodePasswordSame = fault.Code{Name: "console_password_same", Kind: fault.Invalid, Text: "新密码与原密码相同，请换一个密码。"}
	// CodePasswordWrong is one sentence for a wrong password, an unknown name and an
	// officer who is disabled. It carries "remaining", and with the last try
	// "lockedUntil" (RFC 3339).
	CodePasswordWrong = fault.Code{Name: "console_password_wrong", Kind: fault.Invalid, Text: "登录名或密码不正确，请检查后重试。"}
	// CodeLocked carries "lockedUntil" (RFC 3339).
	CodeLocked   = fault.Code{Name: "console_locked", Kind: fault.Locked, Text: "输错次数过多，已暂时锁定，请等待解锁后再试。"}
	CodeBusy     = fault.Code{Name: "console_busy", Kind: fault.Unavailable, Text: "当前登录人数较多，请稍后重试。"}
	CodeOnceOver = fault.Code{Name: "console_once_expired", Kind: fault.Gone, Text: "一次性密码已过期，请联系超级管理员重新发放。"}
)

// weak are what guessers begin with; a password that holds one is refused.
var weak = []string{
	"password", "passw0rd", "p@ssw0rd", "admin", "qwerty", "asdfgh", "1qaz2wsx", "123456", "654321", "111111", "000000", "888888", "666666",
	"abcdef", "abc123", "letmein", "welcome", "iloveyou", "woaini", "5201314", "tianwei", "console",
}

// fitPassword holds a new password to the rules.
func fitPassword(password, name string) error {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return CodePasswordLength
	}
	different := map[rune]bool{}
	for _, r := range password {
		if r < ' ' || r > '~' { // keyboards write the same one in several ways
			return CodePasswordSigns
		}
		different[r] = true
	}
	lower := strings.ToLower(password)
	if len(different) < 8 || strings.Contains(lower, name) {
		return CodePasswordWeak
	}
	for _, w := range weak {
		if strings.Contains(lower, w) {
			return CodePasswordWeak
		}
	}
	return nil
}

// budget is how many may be wrong in a span.
type budget struct {
	name    string
	subject []byte
	most    int
	span    time.Duration
}

// charge is a budget with its count.
type charge struct {
	budget
	n      int
	opened time.Time
}

type charges []charge

// charge counts one guess against each budget, or refuses it against all.
func (s *Service) charge(ctx context.Context, tx work.Tx, all []budget) (charges, error) {
	var out charges
	now := s.Clock.Now()
	for _, b := range all {
		n, opened, err := s.Store.Count(ctx, tx, b.name, b.subject, now, b.span)
		if err != nil {
			return nil, err
		}
		if n > b.most {
			return nil, CodeLocked.With(map[string]any{"lockedUntil": opened.Add(b.span)})
		}
		out = append(out, charge{b, n, opened})
	}
	return out, nil
}

// giveBack takes the charge of a right guess back, and the run of tries before it.
func (s *Service) giveBack(ctx context.Context, tx work.Tx, all charges) error {
	for _, c := range all {
		n := 1
		if c.span == Pause {
			n = c.n
		}
		if err := s.Store.Uncount(ctx, tx, c.name, c.subject, c.opened, n); err != nil {
			return err
		}
	}
	return nil
}

// refuse tells how many tries are left, and until when there are none.
func (all charges) refuse(code fault.Code) error {
	left, until := Tries, time.Time{}
	for _, c := range all {
		left = min(left, c.most-c.n)
		if end := c.opened.Add(c.span); c.n == c.most && end.After(until) {
			until = end
		}
	}
	members := map[string]any{"remaining": left}
	if left == 0 {
		members["lockedUntil"] = until
	}
	return code.With(members)
}

func (s *Service) passwordBudgets(name, address string) []budget {
	from, who := s.Box.Hash("office-network", []byte(network(address))), s.Box.Hash("office-name", []byte(name))
	return []budget{
		{"password.network", from, PasswordHourly, time.Hour},
		{"password.tries", s.Box.Hash("office-pair", []byte(name+"\x00"+network(address))), Tries, Pause},
		{"password.day", who, PasswordDaily, 24 * time.Hour},
	}
}

func (s *Service) codeBudgets(officer string) []budget {
	return []budget{
		{"code.tries", []byte(officer), Tries, Pause},
		{"code.day", []byte(officer), CodeDaily, 24 * time.Hour},
	}
}

// network is the part of an address that its owner does not choose.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// afterCharge is how long what follows a charge may take: it goes on when the
// caller hangs up.
const afterCharge = 30 * time.Second

func charged(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterCharge)
}

// guess charges and compares one password for a name. A wrong one is recorded
// and refused; the charge stays. Unknown names take as long as known ones.
func (s *Service) guess(ctx context.Context, name, password, address string) (Officer, charges, error) {
	var o Officer
	var spent charges
	err := s.Runner.Do(ctx, "office.password_charge", func(ctx context.Context, tx work.Tx) error {
		var err error
		if o, err = s.Store.ByName(ctx, tx, name); err != nil && !errors.Is(err, work.ErrNotFound) {
			return err
		}
		spent, err = s.charge(ctx, tx, s.passwordBudgets(name, address))
		return err
	})
	if err != nil {
		return Officer{}, nil, err
	}
	right, _, err := s.stretcher.Matches(ctx, password, o.Password, s.Cost)
	if err != nil {
		return Officer{}, nil, busy(err)
	}
	if right && o.State == Active {
		return o, spent, nil
	}
	subject := o.ID
	if subject == "" {
		subject = hex.EncodeToString(s.Box.Hash("office-name", []byte(name)))
	}
	err = s.Runner.Do(ctx, "office.password_wrong", func(ctx context.Context, tx work.Tx) error {
		return tx.Record(ctx, work.Entry{Kind: "console.password_wrong", Actor: "system", Subject: subject})
	})
	if err != nil {
		return Officer{}, nil, err
	}
	return Officer{}, nil, spent.refuse(CodePasswordWrong)
}

// same gives the officer as he is now, unless his password or state changed
// since it was compared.
func (s *Service) same(ctx context.Context, tx work.Tx, was Officer, spent charges) (Officer, error) {
	o, err := s.officer(ctx, tx, was.ID)
	if err != nil {
		return o, err
	}
	if o.Password != was.Password || o.State != Active {
		return o, spent.refuse(CodePasswordWrong)
	}
	return o, s.giveBack(ctx, tx, spent)
}

// prove asks a full session for its password once more, and gives the officer whose
// it was when it was compared.
func (s *Service) prove(ctx context.Context, c Caller, password, address string) (Officer, error) {
	ctx, cancel := charged(ctx)
	defer cancel()
	o, spent, err := s.guess(ctx, c.Name, password, address)
	if err != nil {
		return Officer{}, err
	}
	return o, s.Runner.Do(ctx, "office.prove", func(ctx context.Context, tx work.Tx) error {
		_, err := s.same(ctx, tx, o, spent)
		return err
	})
}

func busy(err error) error {
	if errors.Is(err, secret.ErrBusy) {
		return CodeBusy.Because(err)
	}
	return err
}

// alphabet is of letters and digits that are not mistaken for each other.
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// deal makes one part of a one-time password: 50 random bits.
func (s *Service) deal() string {
	b := id.Bytes(s.Rand, 10)
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:5]) + "-" + string(b[5:])
}
