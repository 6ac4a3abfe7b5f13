package enterprise

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// The refusals about invitations (邀请加入, M§2.4.5).
var (
	CodeInvitationUnknown = fault.Code{Name: "invitation_unknown", Kind: fault.NotFound,
		Text: "没有找到这条邀请，请使用最近一条短信中的链接，或联系企业管理员。"}
	// CodeInvitationOver carries "state".
	CodeInvitationOver = fault.Code{Name: "invitation_over", Kind: fault.Gone,
		Text: "这条邀请已处理或已撤回，请刷新后查看。"}
	CodeInvitationExpired = fault.Code{Name: "invitation_expired", Kind: fault.Gone,
		Text: "邀请已超过 7 天有效期，请联系企业管理员重新邀请。"}
	CodeInvitationAlready = fault.Code{Name: "invitation_already", Kind: fault.Conflict,
		Text: "已邀请过该手机号，对方尚未处理；可在邀请记录中重新发送短信。"}
	// CodeInvitationName: the person behind the number is not who was invited.
	CodeInvitationName = fault.Code{Name: "invitation_name", Kind: fault.Conflict,
		Text: "邀请的姓名与您的实名不一致，请联系企业管理员核对后重新邀请。"}
	CodeInvitationMember = fault.Code{Name: "invitation_member", Kind: fault.Conflict,
		Text: "该手机号对应的用户已是企业成员，无需邀请。"}
	CodeInvitationSoon = fault.Code{Name: "invitation_too_soon", Kind: fault.TooMany,
		Text: "邀请短信刚刚发送，请稍后再试。"}
	CodeInvitationTooMany = fault.Code{Name: "invitation_too_many", Kind: fault.TooMany,
		Text: "今日发送的邀请短信已达上限，请明天再试。"}
)

// InvitationState is where an invitation stands.
type InvitationState string

// The states. InvitationExpired is derived when an invitation is read.
const (
	InvitationOpen      InvitationState = "open"      // 待接受
	InvitationAccepted  InvitationState = "accepted"  // 已加入
	InvitationDeclined  InvitationState = "declined"  // 已谢绝
	InvitationWithdrawn InvitationState = "withdrawn" // 已撤回
	InvitationSettled   InvitationState = "settled"   // he became a member otherwise
	InvitationExpired   InvitationState = "expired"   // 已过期
)

// Invitation asks the person behind a number to join an enterprise.
type Invitation struct {
	ID, Enterprise string
	Inviter        string // account
	Name, Phone    string
	PhoneHash      []byte // keyed
	// TokenHash is the keyed hash of what the SMS link carries.
	TokenHash []byte
	State     InvitationState
	// Sendings counts the SMS, the last of them at SentAt.
	Sendings                              int
	SentAt, ExpiresAt, CreatedAt, EndedAt time.Time
	Version                               int64
}

func (i Invitation) at(now time.Time) InvitationState {
	if i.State == InvitationOpen && !now.Before(i.ExpiresAt) {
		return InvitationExpired
	}
	return i.State
}

// InvitationStore keeps invitations.
type InvitationStore interface {
	// AddInvitation inserts; false if the number has an open one of the enterprise.
	AddInvitation(ctx context.Context, tx work.Tx, i Invitation) (bool, error)
	Invitation(ctx context.Context, tx work.Tx, id string) (Invitation, error)
	InvitationByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (Invitation, error)
	// OpenInvitation gives the one of an enterprise to a number.
	OpenInvitation(ctx context.Context, tx work.Tx, enterprise string, phoneHash []byte) (Invitation, error)
	// Invitations gives an enterprise's, InvitationsTo a number's open ones, the
	// newest first.
	Invitations(ctx context.Context, tx work.Tx, enterprise string, n int) ([]Invitation, error)
	InvitationsTo(ctx context.Context, tx work.Tx, phoneHash []byte, n int) ([]Invitation, error)
	// PutInvitation swaps state, token and times.
	PutInvitation(ctx context.Context, tx work.Tx, i Invitation) error
	// SettleInvitation ends the open invitation of an enterprise to a number.
	SettleInvitation(ctx context.Context, tx work.Tx, enterprise string, phoneHash []byte, at time.Time) error
}

const (
	// InvitationLife is how long an invitation waits.
	InvitationLife = 7 * 24 * time.Hour
	// resendPause lies between two SMS of one invitation.
	resendPause = time.Minute
	// InvitesPerPhone bounds the SMS to one number on a calendar day in China: nobody
	// floods it, whatever enterprises he administers.
	InvitesPerPhone = 5
	// InvitesPerEnterprise bounds an enterprise's on such a day.
	InvitesPerEnterprise = 200

	tryInvite = "invite"
)

// Invite asks somebody to join by an SMS with a link. Refusals: CodeNotAdministrator,
// realname.CodeName, account.CodePhone, CodeInvitationAlready, CodeInvitationMember,
// CodeInvitationTooMany, CodeSeekTooMany, account.CodeTextBusy.
func (s *Members) Invite(ctx context.Context, c account.Caller, enterprise, name, phone string) (Invitation, error) {
	name, err := realname.CleanName(name)
	if err != nil {
		return Invitation{}, err
	}
	if !account.ValidPhone(phone) {
		return Invitation{}, account.CodePhone
	}
	var i Invitation
	var refusal error
	err = s.Runner.Do(ctx, "member.invite", func(ctx context.Context, tx work.Tx) error {
		refusal = nil
		h, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Lock)
		if err != nil {
			return err
		}
		member, err := s.member(ctx, tx, c.Account, enterprise, phone)
		if err != nil {
			return err
		}
		if member { // commits: telling whose number it is counts
			refusal = CodeInvitationMember
			return nil
		}
		if err := s.invitable(ctx, tx, enterprise, phone); err != nil {
			return err
		}
		now := s.Clock.Now()
		i = Invitation{ID: id.New(s.Rand), Enterprise: enterprise, Inviter: c.Account, Name: name, Phone: phone, PhoneHash: s.phoneHash(phone),
			State: InvitationOpen, CreatedAt: now, Version: 1}
		if err := s.send(ctx, tx, h, &i); err != nil {
			return err
		}
		if fresh, err := s.Store.AddInvitation(ctx, tx, i); err != nil || !fresh {
			return errors.Join(err, CodeInvitationAlready)
		}
		if err := s.tellInvited(ctx, tx, h, i); err != nil {
			return err
		}
		tx.Wake(c.Account, work.Enterprise)
		return s.record(ctx, tx, "member.invited", c.Account, i.ID, map[string]string{"enterprise": enterprise})
	})
	if err == nil {
		err = refusal
	}
	return i, err
}

// member tells whether a number is a member's, which is charged to who asks; of any
// other number the SMS count.
func (s *Members) member(ctx context.Context, tx work.Tx, acc, enterprise, phone string) (bool, error) {
	if err := s.chargeSeek(ctx, tx, acc); err != nil {
		return false, err
	}
	_, member, err := s.behind(ctx, tx, enterprise, phone)
	if err != nil || member {
		return member, err
	}
	return false, s.dischargeSeek(ctx, tx, acc)
}

// invitable refuses a number that has an invitation which waits; one that expired
// gives way.
func (s *Members) invitable(ctx context.Context, tx work.Tx, enterprise, phone string) error {
	old, err := s.Store.OpenInvitation(ctx, tx, enterprise, s.phoneHash(phone))
	switch {
	case errors.Is(err, work.ErrNotFound):
		return nil
	case err != nil:
		return err
	case old.at(s.Clock.Now()) == InvitationOpen:
		return CodeInvitationAlready
	}
	old.State, old.EndedAt = InvitationExpired, old.ExpiresAt
	return s.Store.PutInvitation(ctx, tx, old)
}

// send draws the token of a new link, which makes an earlier one void, and sends
// it within the day's limits.
func (s *Members) send(ctx context.Context, tx work.Tx, h Head, i *Invitation) error {
	now := s.Clock.Now()
	for _, l := range []struct {
		subject string
		most    int
	}{{h.ID, InvitesPerEnterprise}, {hex.EncodeToString(i.PhoneHash), InvitesPerPhone}} {
		n, err := s.Store.Try(ctx, tx, l.subject, tryInvite, clock.Day(now))
		if err != nil {
			return err
		}
		if n > l.most {
			return CodeInvitationTooMany
		}
	}
	token := id.Token(s.Rand, 18)
	i.TokenHash, i.SentAt, i.ExpiresAt = s.tokenHash(token), now, now.Add(InvitationLife)
	i.Sendings++
	return s.Accounts.TextTo(ctx, tx, i.Phone, "enterprise.invitation", map[string]string{
		"enterprise": h.Name, "link": s.AppURL + "/i#t=" + token, "days": strconv.Itoa(int(InvitationLife / (24 * time.Hour))),
	})
}

func (s *Members) tokenHash(token string) []byte {
	return s.Box.Hash("invitation-token", []byte(token))
}

// tellInvited posts a notice if the number has an account already.
func (s *Members) tellInvited(ctx context.Context, tx work.Tx, h Head, i Invitation) error {
	owner, err := s.Accounts.Owner(ctx, tx, i.Phone)
	if errors.Is(err, account.CodeNoAccount) {
		return nil
	}
	if err != nil {
		return err
	}
	tx.Wake(owner, work.Enterprise)
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: owner, Kind: "enterprise.invited", Title: "有企业邀请您加入", Link: "/invitations", Key: "invitation:" + i.ID,
		Body: "“" + h.Name + "”邀请您成为企业成员，邀请 7 天内有效，请及时处理。",
	})
}

// Invitations lists an enterprise's invitations to its administrator, the newest
// first.
func (s *Members) Invitations(ctx context.Context, c account.Caller, enterprise string) (out []Invitation, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if _, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Head); err != nil {
			return err
		}
		out, err = s.Store.Invitations(ctx, tx, enterprise, maxRequests)
		for n := range out {
			out[n].State = out[n].at(s.Clock.Now())
		}
		return err
	})
	return out, err
}

// CancelInvitation takes an invitation back (撤回邀请).
func (s *Members) CancelInvitation(ctx context.Context, c account.Caller, enterprise, invitation string) error {
	return s.govern(ctx, c, enterprise, invitation, "member.cancel_invitation", func(ctx context.Context, tx work.Tx, _ Head, i Invitation) error {
		if i.State != InvitationOpen {
			return over(i.State)
		}
		return s.endInvitation(ctx, tx, c.Account, i, InvitationWithdrawn)
	})
}

// Resend sends an invitation once more with a new link, for another 7 days; an
// expired one too. Refusals: CodeInvitationOver, CodeInvitationSoon,
// CodeInvitationTooMany.
func (s *Members) Resend(ctx context.Context, c account.Caller, enterprise, invitation string) error {
	return s.govern(ctx, c, enterprise, invitation, "member.resend", func(ctx context.Context, tx work.Tx, h Head, i Invitation) error {
		if i.State != InvitationOpen {
			return over(i.State)
		}
		if wait := i.SentAt.Add(resendPause).Sub(s.Clock.Now()); wait > 0 {
			return CodeInvitationSoon.With(map[string]any{"retryAfterSeconds": int((wait + time.Second - 1) / time.Second)})
		}
		if err := s.send(ctx, tx, h, &i); err != nil {
			return err
		}
		return s.Store.PutInvitation(ctx, tx, i)
	})
}

// over is what an invitation that is not open is refused with.
func over(state InvitationState) error {
	if state == InvitationExpired {
		return CodeInvitationExpired
	}
	return CodeInvitationOver.With(map[string]any{"state": string(state)})
}

// govern hands an invitation as stored to its enterprise's administrator, under the
// enterprise's lock.
func (s *Members) govern(ctx context.Context, c account.Caller, enterprise, invitation, name string, f func(context.Context, work.Tx, Head, Invitation) error) error {
	return s.Runner.Do(ctx, name, func(ctx context.Context, tx work.Tx) error {
		h, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Lock)
		if err != nil {
			return err
		}
		i, err := s.Store.Invitation(ctx, tx, invitation)
		if errors.Is(err, work.ErrNotFound) || err == nil && i.Enterprise != enterprise {
			return CodeInvitationUnknown
		}
		if err != nil {
			return err
		}
		tx.Wake(c.Account, work.Enterprise)
		return f(ctx, tx, h, i)
	})
}

func (s *Members) endInvitation(ctx context.Context, tx work.Tx, actor string, i Invitation, to InvitationState) error {
	i.State, i.EndedAt = to, s.Clock.Now()
	if err := s.Store.PutInvitation(ctx, tx, i); err != nil {
		return err
	}
	if owner, err := s.Accounts.Owner(ctx, tx, i.Phone); err == nil {
		tx.Wake(owner, work.Enterprise)
	} else if !errors.Is(err, account.CodeNoAccount) {
		return err
	}
	return s.record(ctx, tx, "member.invitation_"+string(to), actor, i.ID, map[string]string{"enterprise": i.Enterprise})
}

// Invited is an invitation as the invited sees it.
type Invited struct {
	Invitation
	Head Head
	// InviterName is masked.
	InviterName string
}

// Look shows what a link stands for to whoever has it, before he logs in; names and
// number are masked by the caller's door.
func (s *Members) Look(ctx context.Context, token string) (out Invited, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		i, err := s.Store.InvitationByToken(ctx, tx, s.tokenHash(token))
		if errors.Is(err, work.ErrNotFound) {
			return CodeInvitationUnknown
		}
		if err != nil {
			return err
		}
		out, err = s.invited(ctx, tx, i)
		return err
	})
	return out, err
}

func (s *Members) invited(ctx context.Context, tx work.Tx, i Invitation) (Invited, error) {
	i.State = i.at(s.Clock.Now())
	h, err := s.Store.Head(ctx, tx, i.Enterprise)
	if err != nil {
		return Invited{}, err
	}
	name, _, err := s.face(ctx, tx, i.Inviter)
	return Invited{i, h, realname.MaskName(name)}, err
}

// Mine lists what the caller's number is invited to and can still accept.
func (s *Members) Mine(ctx context.Context, c account.Caller) (out []Invited, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		all, err := s.invitations(ctx, tx, c.Account)
		for _, i := range all {
			one, err := s.invited(ctx, tx, i)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return err
	})
	return out, err
}

// invitations gives those that an account can accept now.
func (s *Members) invitations(ctx context.Context, tx work.Tx, acc string) ([]Invitation, error) {
	phone, err := s.Accounts.PhoneNumber(ctx, tx, acc)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.InvitationsTo(ctx, tx, s.phoneHash(phone), maxRequests)
	out := all[:0]
	for _, i := range all {
		if i.at(s.Clock.Now()) == InvitationOpen {
			out = append(out, i)
		}
	}
	return out, err
}

// Take accepts an invitation: the caller's number is the invited one, and his
// verified name the invited name. Refusals: CodeInvitationUnknown (also to another
// number), CodeInvitationOver, CodeInvitationExpired, realname.CodeNotVerified,
// CodeInvitationName, CodeMemberAlready.
func (s *Members) Take(ctx context.Context, c account.Caller, invitation string) (enterprise string, err error) {
	err = s.answer(ctx, c, invitation, "member.take", func(ctx context.Context, tx work.Tx, h Head, i Invitation) error {
		p, err := s.Persons.Person(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		if p.Name != i.Name {
			return CodeInvitationName
		}
		if err := s.endInvitation(ctx, tx, c.Account, i, InvitationAccepted); err != nil {
			return err
		}
		fresh, err := s.Join(ctx, tx, h.ID, c.Account, ViaInvited)
		if err != nil {
			return err
		}
		if !fresh {
			return CodeMemberAlready
		}
		enterprise = h.ID
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: h.Administrator, Kind: "enterprise.invitation_accepted", Title: "受邀成员已加入企业", Link: "/enterprises/" + h.ID + "/members",
			Body: p.Name + " 已接受邀请，成为“" + h.Name + "”的成员。",
		})
	})
	return enterprise, err
}

// Decline turns an invitation down (谢绝).
func (s *Members) Decline(ctx context.Context, c account.Caller, invitation string) error {
	return s.answer(ctx, c, invitation, "member.decline", func(ctx context.Context, tx work.Tx, h Head, i Invitation) error {
		if err := s.endInvitation(ctx, tx, c.Account, i, InvitationDeclined); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: h.Administrator, Kind: "enterprise.invitation_declined", Title: "邀请被谢绝", Link: "/enterprises/" + h.ID + "/members?tab=invitations",
			Body: i.Name + " 谢绝了加入“" + h.Name + "”的邀请。",
		})
	})
}

// answer hands an open invitation to the owner of its number, under the
// enterprise's lock.
func (s *Members) answer(ctx context.Context, c account.Caller, invitation, name string, f func(context.Context, work.Tx, Head, Invitation) error) error {
	return s.Runner.Do(ctx, name, func(ctx context.Context, tx work.Tx) error {
		phone, err := s.Accounts.PhoneNumber(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		i, err := s.Store.Invitation(ctx, tx, invitation)
		if errors.Is(err, work.ErrNotFound) || err == nil && i.Phone != phone {
			return CodeInvitationUnknown
		}
		if err != nil {
			return err
		}
		h, err := s.Store.Lock(ctx, tx, i.Enterprise)
		if err != nil {
			return err
		}
		if i, err = s.Store.Invitation(ctx, tx, invitation); err != nil { // as it stands under the lock
			return err
		}
		if state := i.at(s.Clock.Now()); state != InvitationOpen {
			return over(state)
		}
		tx.Wake(h.Administrator, work.Enterprise)
		return f(ctx, tx, h, i)
	})
}
