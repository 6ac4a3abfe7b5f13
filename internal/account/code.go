package account

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// Ticket stands for a code that was sent; whoever enters the code shows it.
type Ticket struct {
	// ID is random and known only to who asked; the store keeps its hash.
	ID string
	// RetryAfter is the wait before another code of this purpose can be had.
	RetryAfter time.Duration
	ExpiresAt  time.Time
}

// Ask is what is said when a code is asked for.
type Ask struct {
	// Phone is the number to reach for PurposeLogin, PurposeReset, PurposeNewPhone
	// and PurposeLegal; otherwise the code goes to the account's own.
	Phone   string
	Purpose Purpose
	// Address is the client's IP address and Device the thumbprint that it names
	// without a session; both are stored as keyed hashes only, for the limits.
	Address, Device string
	Captcha         Captcha
}

// RequestCode draws a code and sends it by SMS with the commit (M§2.2.1). caller is
// nobody for a Sessionless purpose and required for the rest.
//
// The answer does not tell whether the number has an account. Refusals: CodePhone,
// CodePurpose, CodeSignedOut, CodeCaptcha, CodeCaptchaWrong, CodeTooSoon,
// CodeTooMany, CodeNetwork, CodeAddress, CodeDeviceLimit, CodeBusy.
func (s *Service) RequestCode(ctx context.Context, ask Ask, caller Caller) (Ticket, error) {
	switch {
	case !ask.Purpose.known():
		return Ticket{}, CodePurpose
	case ask.Purpose.Sessionless():
		caller = Caller{}
	case caller.Session == "":
		return Ticket{}, CodeSignedOut
	}
	if ask.Purpose.ofAnyNumber() && !ValidPhone(ask.Phone) {
		return Ticket{}, CodePhone
	}
	solved, err := s.solve(ctx, ask.Captcha)
	if err != nil {
		return Ticket{}, err
	}
	var ticket Ticket
	var spent spent
	err = s.Runner.Do(ctx, "account.code", func(ctx context.Context, tx work.Tx) (err error) {
		if !ask.Purpose.ofAnyNumber() {
			a, err := s.get(ctx, tx, caller.Account)
			if err != nil {
				return err
			}
			ask.Phone = a.Phone
		}
		if spent, err = s.limit(ctx, tx, ask, caller, solved); err != nil {
			return err
		}
		ticket, err = s.send(ctx, tx, ask, caller)
		return err
	})
	if spent.refused != "" {
		s.countRefused(ctx, spent.refused)
	}
	if err != nil {
		return Ticket{}, err
	}
	if spent.capped {
		s.Log.ErrorContext(ctx, "the hourly cap of SMS codes is reached; strangers get none until the hour is over", "cap", s.Limits.Hourly)
	}
	return ticket, nil
}

func (s *Service) send(ctx context.Context, tx work.Tx, ask Ask, caller Caller) (Ticket, error) {
	now := s.Clock.Now()
	ticket := Ticket{ID: id.Token(s.Rand, 24), RetryAfter: s.Limits.Pause, ExpiresAt: now.Add(CodeLife)}
	digits := s.draw()
	c := Code{ID: s.codeID(ticket.ID), Purpose: ask.Purpose, Account: caller.Account, Session: caller.Session,
		PhoneHash: s.phoneHash(ask.Phone), ExpiresAt: ticket.ExpiresAt}
	c.Hash = s.codeHash(c.ID, digits)
	if err := s.Store.PutCode(ctx, tx, c); err != nil {
		return Ticket{}, err
	}
	if err := s.Store.CountHour(ctx, tx, hourSent, now); err != nil {
		return Ticket{}, err
	}
	return ticket, s.enqueueText(ctx, tx, text{Phone: ask.Phone, Template: "code." + string(ask.Purpose), Until: ticket.ExpiresAt,
		Params: map[string]string{"code": digits, "minutes": strconv.Itoa(int(CodeLife.Minutes()))}})
}

// draw gives CodeDigits uniform digits.
func (s *Service) draw() string {
	const n = 1_000_000
	for {
		if v := binary.BigEndian.Uint32(id.Bytes(s.Rand, 4)); v < (1<<32)/n*n {
			return fmt.Sprintf("%0*d", CodeDigits, v%n)
		}
	}
}

func (s *Service) codeID(ticket string) string {
	return hex.EncodeToString(s.Box.Hash("ticket", []byte(ticket)))
}

func (s *Service) codeHash(codeID, digits string) []byte {
	return s.Box.Hash("code", []byte(codeID+":"+digits))
}

// CheckCode compares an entered code in a transaction of its own. session is the
// caller's; the code must have been asked for in it, for this purpose. A code that
// passed waits PassLife for Spend; until then it may be entered again, so that a
// broken answer costs no new SMS. Refusals: CodeWrong, CodeExhausted, CodeExpired,
// CodeUsed, CodeUnknown.
func (s *Service) CheckCode(ctx context.Context, ticket, code string, purpose Purpose, session string) error {
	return s.checkCode(ctx, ticket, code, func(c Code) bool {
		return session != "" && c.Session == session && c.Purpose == purpose
	})
}

// CheckCodeTo is CheckCode for a code that went to a number which the caller
// said (PurposeNewPhone, PurposeLegal): it must have gone to this one.
func (s *Service) CheckCodeTo(ctx context.Context, ticket, code string, purpose Purpose, session, phone string) error {
	hash := s.phoneHash(phone)
	return s.checkCode(ctx, ticket, code, func(c Code) bool {
		return session != "" && c.Session == session && c.Purpose == purpose && secret.Equal(c.PhoneHash, hash)
	})
}

func (s *Service) checkCode(ctx context.Context, ticket, code string, bound func(Code) bool) error {
	var refusal error
	err := s.Runner.Do(ctx, "account.check_code", func(ctx context.Context, tx work.Tx) (err error) {
		_, refusal, err = s.enter(ctx, tx, ticket, code, bound)
		return err
	})
	if err != nil {
		return err
	}
	return refusal
}

// enter charges and compares one entry. What is bound to another purpose, session
// or phone is refused before it is charged, so nobody uses up another's tries. The
// refusal is a result that commits: the charge stays.
func (s *Service) enter(ctx context.Context, tx work.Tx, ticket, digits string, bound func(Code) bool) (c Code, refusal, err error) {
	c, err = s.Store.Code(ctx, tx, s.codeID(ticket))
	if errors.Is(err, work.ErrNotFound) || err == nil && !bound(c) {
		return c, CodeUnknown, nil
	}
	if err != nil {
		return c, nil, err
	}
	now := s.Clock.Now()
	switch {
	case !c.UsedAt.IsZero():
		return c, CodeUsed, nil
	case !now.Before(c.ExpiresAt):
		return c, CodeExpired, nil
	}
	tries, err := s.Store.ChargeCode(ctx, tx, c.ID)
	if errors.Is(err, work.ErrNotFound) {
		return c, CodeExhausted, nil
	}
	if err != nil {
		return c, nil, err
	}
	if !secret.Equal(c.Hash, s.codeHash(c.ID, digits)) {
		if tries == CodeTries {
			return c, CodeExhausted, nil
		}
		return c, CodeWrong.With(map[string]any{"remaining": CodeTries - tries}), nil
	}
	c.PassedAt = now
	return c, nil, s.Store.PassCode(ctx, tx, c.ID, now)
}

// Spend uses up a code that passed, inside the business transaction that it was
// asked for. Refusals: CodeUnknown, CodeUsed, CodeExpired.
func (s *Service) Spend(ctx context.Context, tx work.Tx, ticket string, purpose Purpose, account string) error {
	if account == "" {
		return CodeUnknown
	}
	return s.spend(ctx, tx, ticket, func(c Code) (bool, error) {
		if c.Account != account || c.Purpose != purpose {
			return false, nil
		}
		if purpose.ofAnyNumber() {
			return true, nil
		}
		a, err := s.get(ctx, tx, account)
		return secret.Equal(a.PhoneHash, c.PhoneHash), err // else the number changed meanwhile
	})
}

func (s *Service) spend(ctx context.Context, tx work.Tx, ticket string, bound func(Code) (bool, error)) error {
	c, err := s.Store.Code(ctx, tx, s.codeID(ticket))
	if errors.Is(err, work.ErrNotFound) {
		return CodeUnknown
	}
	if err != nil {
		return err
	}
	fits, err := bound(c)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	switch {
	case !fits || c.PassedAt.IsZero():
		return CodeUnknown
	case !c.UsedAt.IsZero():
		return CodeUsed
	case !now.Before(c.PassedAt.Add(PassLife)):
		return CodeExpired
	}
	return s.Store.UseCode(ctx, tx, c.ID, now)
}
