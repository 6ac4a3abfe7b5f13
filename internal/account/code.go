package account

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"tianweitong/internal/fault"
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

// RequestCode draws a code and sends it by SMS with the commit (M§2.2.1). For
// PurposeLogin, PurposeReset, PurposeNewPhone and PurposeLegal phone is the number
// to reach; otherwise it is ignored and the code goes to the account's number. caller is
// nobody for a Sessionless purpose and required for the rest. address is the
// client's IP address, for the limit; it is stored as a keyed hash only.
//
// The answer does not tell whether the number has an account. Refusals: CodePhone,
// CodePurpose, CodeSignedOut, CodeTooSoon, CodeTooMany, CodeNetwork, CodeAddress,
// CodeBusy.
func (s *Service) RequestCode(ctx context.Context, phone string, purpose Purpose, caller Caller, address string) (Ticket, error) {
	switch {
	case !purpose.known():
		return Ticket{}, CodePurpose
	case purpose.Sessionless():
		caller = Caller{}
	case caller.Session == "":
		return Ticket{}, CodeSignedOut
	}
	if purpose.ofAnyNumber() && !ValidPhone(phone) {
		return Ticket{}, CodePhone
	}
	var ticket Ticket
	var capped bool
	err := s.Runner.Do(ctx, "account.code", func(ctx context.Context, tx work.Tx) (err error) {
		if !purpose.ofAnyNumber() {
			a, err := s.get(ctx, tx, caller.Account)
			if err != nil {
				return err
			}
			phone = a.Phone
		}
		if capped, err = s.limit(ctx, tx, phone, purpose, address); err != nil {
			return err
		}
		now := s.Clock.Now()
		ticket = Ticket{ID: id.Token(s.Rand, 24), RetryAfter: s.Limits.Pause, ExpiresAt: now.Add(CodeLife)}
		digits := s.draw()
		c := Code{ID: s.codeID(ticket.ID), Purpose: purpose, Account: caller.Account, Session: caller.Session,
			PhoneHash: s.phoneHash(phone), ExpiresAt: ticket.ExpiresAt}
		c.Hash = s.codeHash(c.ID, digits)
		if err := s.Store.PutCode(ctx, tx, c); err != nil {
			return err
		}
		return s.enqueueText(ctx, tx, text{Phone: phone, Template: "code." + string(purpose), Until: ticket.ExpiresAt,
			Params: map[string]string{"code": digits, "minutes": strconv.Itoa(int(CodeLife.Minutes()))}})
	})
	if err != nil {
		return Ticket{}, err
	}
	if capped {
		s.Log.ErrorContext(ctx, "the hourly cap of SMS codes is reached; strangers get none until the hour is over", "cap", s.Limits.Hourly)
	}
	return ticket, nil
}

// budget is one count that a code goes against.
type budget struct {
	name    string
	subject []byte
	most    int
	span    time.Duration
	refusal fault.Code
}

// limit counts a code against the budgets of who asks. A refusal rolls the
// counts back, so waiting as told always helps. capped tells that this code was
// the hour's last for strangers.
func (s *Service) limit(ctx context.Context, tx work.Tx, phone string, purpose Purpose, address string) (capped bool, err error) {
	now := s.Clock.Now()
	all, err := s.budgets(ctx, tx, phone, purpose, networks(address), now)
	if err != nil {
		return false, err
	}
	// Counting locks each row in the same order everywhere: no deadlock.
	for _, b := range all {
		n, opened, err := s.Store.Count(ctx, tx, b.name, b.subject, now, b.span)
		if err != nil {
			return false, err
		}
		if n > b.most {
			wait := opened.Add(b.span).Sub(now)
			return false, b.refusal.With(map[string]any{"retryAfterSeconds": int((wait + time.Second - 1) / time.Second)})
		}
		capped = b.name == budgetAll && n == b.most
	}
	return capped, nil
}

const budgetAll = "code.all"

func (s *Service) budgets(ctx context.Context, tx work.Tx, phone string, purpose Purpose, from []network, now time.Time) ([]budget, error) {
	const day = 24 * time.Hour
	hash := s.phoneHash(phone)
	var all, pairs []budget
	for _, n := range from {
		all = append(all, budget{"code.address", s.networkHash(n), n.share * s.Limits.PerAddress, time.Hour, CodeAddress})
		pairs = append(pairs, budget{"code.day.network", s.pairHash(phone, n), n.share * s.Limits.PerNetwork, day, CodeNetwork})
	}
	pause := budget{"code.pause." + string(purpose), hash, 1, s.Limits.Pause, CodeTooSoon}
	if !purpose.ofAnyNumber() {
		return append(all, budget{"code.day.session", hash, s.Limits.Daily, day, CodeTooMany}, pause), nil
	}
	if purpose.Sessionless() {
		known, err := s.Store.KnownNetwork(ctx, tx, hash, s.networkHash(from[0]), now.Add(-Absolute))
		if err != nil {
			return nil, err
		}
		if known {
			pause.name += ".known"
			return append(all, budget{"code.day.known", s.pairHash(phone, from[0]), s.Limits.Known, day, CodeNetwork}, pause), nil
		}
	}
	all = append(all, pairs...)
	return append(all, budget{"code.day.anyone", hash, s.Limits.Anyone, day, CodeTooMany}, pause,
		budget{budgetAll, []byte{}, s.Limits.Hourly, time.Hour, CodeBusy}), nil
}

// network is what limits count as one asker, with the share of the limits that
// it has.
type network struct {
	name  string
	share int
}

// networks gives what an address belongs to, the narrowest first: an IPv4
// address is one asker; so is the IPv6 /64 that one customer has to himself, and
// the /48 that a site has is siteFactor of them.
func networks(address string) []network {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return []network{{"unknown", 1}}
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return []network{{a.String(), 1}}
	}
	return []network{
		{netip.PrefixFrom(a, 64).Masked().String(), 1},
		{netip.PrefixFrom(a, 48).Masked().String(), siteFactor},
	}
}

func (s *Service) networkHash(n network) []byte { return s.Box.Hash("address", []byte(n.name)) }

func (s *Service) pairHash(phone string, n network) []byte {
	return s.Box.Hash("phone-address", []byte(phone+"@"+n.name))
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
