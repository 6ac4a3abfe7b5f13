package enterprise

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The refusals about members.
var (
	// CodeLost: the caller is not, or no longer, a member.
	CodeLost = fault.Code{Name: "identity_lost", Kind: fault.Forbidden,
		Text: "您已不是该企业成员，已为您切换回个人身份。"}
	CodeNotAdministrator = fault.Code{Name: "not_administrator", Kind: fault.Forbidden,
		Text: "只有企业管理员可以办理，请联系管理员。"}
	CodeMemberUnknown = fault.Code{Name: "member_unknown", Kind: fault.NotFound,
		Text: "没有找到这位成员，可能已退出或被移除，请刷新成员列表。"}
	CodeUnknown = fault.Code{Name: "enterprise_unknown", Kind: fault.NotFound,
		Text: "没有找到这家企业，请返回重新查找。"}
	CodeAdministratorStays = fault.Code{Name: "administrator_stays", Kind: fault.Conflict,
		Text: "您是该企业的管理员，请先把管理员转让给其他成员，再退出企业。"}
	CodeRemoveSelf = fault.Code{Name: "member_self", Kind: fault.Conflict,
		Text: "不能移除自己；如需退出，请先转让管理员，再退出企业。"}
	CodeMemberAlready = fault.Code{Name: "member_already", Kind: fault.Conflict,
		Text: "您已是该企业成员，可直接切换到企业身份。"}
	CodeSeekTooMany = fault.Code{Name: "member_search_limit", Kind: fault.TooMany,
		Text: "今日按手机号查找的次数已用完，请明天再试，或按姓名查找。"}
	CodeReason = fault.Code{Name: "member_reason", Kind: fault.Invalid,
		Text: "请填写原因，2 至 100 个字。"}
	// CodeTransferSelf and CodeTransferTarget: to whom nothing can be transferred.
	CodeTransferSelf = fault.Code{Name: "transfer_self", Kind: fault.Invalid,
		Text: "您已是管理员，请选择另一位成员。"}
	CodeTransferTarget = fault.Code{Name: "transfer_target", Kind: fault.Conflict,
		Text: "对方还没有完成个人实名，暂不能成为管理员，请选择另一位成员。"}
)

// Head is what a membership shows of its enterprise.
type Head struct {
	ID, Name, Code string
	// Administrator is his account.
	Administrator string
}

// Membership is an account in an enterprise, as 身份切换 lists it (M§2.4.3).
type Membership struct {
	Member
	Head Head
	Role Role
}

// MemberStore keeps who belongs to which enterprise. Absent rows are
// work.ErrNotFound, a lost compare-and-swap is work.ErrConflict. Names, phones and
// reasons are sealed by it.
type MemberStore interface {
	// Lock keeps the enterprise's row until the commit: whatever changes members or
	// the administrator locks first, so that those changes follow one another.
	Lock(ctx context.Context, tx work.Tx, enterprise string) (Head, error)
	Head(ctx context.Context, tx work.Tx, enterprise string) (Head, error)
	// Hand puts another administrator into the one column that names him.
	Hand(ctx context.Context, tx work.Tx, enterprise, from, to string) error

	// AddMember inserts; false if the account is a member now.
	AddMember(ctx context.Context, tx work.Tx, m Member) (bool, error)
	Member(ctx context.Context, tx work.Tx, id string) (Member, error)
	// Current gives the account's membership that has not ended.
	Current(ctx context.Context, tx work.Tx, enterprise, account string) (Member, error)
	// Memberships gives all of an account that have not ended, the oldest first.
	Memberships(ctx context.Context, tx work.Tx, account string) ([]Membership, error)
	// Members gives the current members in the order in which they joined, those
	// after an id if one is given and those with a term if one is given.
	Members(ctx context.Context, tx work.Tx, enterprise string, term []byte, after string, n int) ([]Member, error)
	CountMembers(ctx context.Context, tx work.Tx, enterprise string, term []byte) (int, error)
	// EndMember ends a membership; work.ErrConflict if it has ended. Its terms go.
	EndMember(ctx context.Context, tx work.Tx, id, by string, at time.Time) error
	// PutTerms replaces what finds a member.
	PutTerms(ctx context.Context, tx work.Tx, member string, terms [][]byte) error

	// Try counts one try for a purpose on a calendar day and gives the count; the
	// row stays locked until the commit. Untry takes it back.
	Try(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error)
	Untry(ctx context.Context, tx work.Tx, subject, purpose string, day int64) error

	RequestStore
	InvitationStore
}

// Accounts is package account.
type Accounts interface {
	// Hold keeps an account from being closed until the commit; account.CodeNoAccount
	// if it is closed.
	Hold(ctx context.Context, tx work.Tx, account string) error
	Phone(ctx context.Context, tx work.Tx, account string) (string, error)
	PhoneNumber(ctx context.Context, tx work.Tx, account string) (string, error)
	// ActiveDevice gives the account's one active device.
	ActiveDevice(ctx context.Context, tx work.Tx, account string) (string, error)
	// Owner gives the account of a number; account.CodeNoAccount.
	Owner(ctx context.Context, tx work.Tx, phone string) (string, error)
	// TextTo sends an SMS to a number that need not have an account.
	TextTo(ctx context.Context, tx work.Tx, phone, template string, params map[string]string) error
	CheckCode(ctx context.Context, ticket, code string, purpose account.Purpose, session string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
}

// Persons is package realname.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Notices is package notice.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Departure is a member who is no longer one, by removal or by his own will.
type Departure struct {
	Enterprise Head
	Member     string // the membership's id
	Account    string
	// By is who ended it; Removed tells that it was the administrator.
	By      string
	Removed bool
	At      time.Time
}

// Departures settles what a member leaves behind: his certificates of the
// enterprise, his grants, his requests (docs/domain.md A16). It runs in the
// transaction that ends the membership.
type Departures interface {
	Left(ctx context.Context, tx work.Tx, d Departure) error
}

// MemberDeps are what Members needs.
type MemberDeps struct {
	Runner     work.Runner
	Store      MemberStore
	Clock      clock.Clock
	Rand       io.Reader
	Box        *secret.Box // makes the keyed hashes
	Accounts   Accounts
	Persons    Persons
	Notices    Notices
	Departures Departures
	// Applications are the enterprises that are still being verified.
	Applications Applied
	// AppURL is where an invitation's link leads, without a slash at its end.
	AppURL string
}

// Members are the rules about who belongs to an enterprise (企业成员管理,
// M§2.4.3–2.4.5, docs/members.md).
type Members struct{ MemberDeps }

// NewMembers makes them.
func NewMembers(d MemberDeps) *Members { return &Members{d} }

// RoleOf tells what an account is in an enterprise; false if it is no member.
func (s *Members) RoleOf(ctx context.Context, tx work.Tx, acc, enterprise string) (Role, bool, error) {
	_, err := s.Store.Current(ctx, tx, enterprise, acc)
	if errors.Is(err, work.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	h, err := s.Store.Head(ctx, tx, enterprise)
	return h.role(acc), err == nil, err
}

func (h Head) role(acc string) Role {
	if h.Administrator == acc {
		return RoleAdministrator
	}
	return RoleMember
}

// Memberships gives the enterprises of an account, the oldest membership first.
func (s *Members) Memberships(ctx context.Context, tx work.Tx, acc string) ([]Membership, error) {
	all, err := s.Store.Memberships(ctx, tx, acc)
	for i := range all {
		all[i].Role = all[i].Head.role(acc)
	}
	return all, err
}

// Join makes an account a member inside the caller's transaction, and ends what
// else was open between the two. False if it is a member already; account.CodeNoAccount
// if it was closed meanwhile.
func (s *Members) Join(ctx context.Context, tx work.Tx, enterprise, acc, via string) (bool, error) {
	if err := s.Accounts.Hold(ctx, tx, acc); err != nil {
		return false, err
	}
	p, err := s.Persons.Person(ctx, tx, acc)
	if err != nil {
		return false, err
	}
	m := Member{ID: id.New(s.Rand), Enterprise: enterprise, Account: acc, JoinedAt: s.Clock.Now(), Via: via}
	fresh, err := s.Store.AddMember(ctx, tx, m)
	if err != nil || !fresh {
		return false, err
	}
	if err := s.Store.PutTerms(ctx, tx, m.ID, s.terms(enterprise, p.Name)); err != nil {
		return false, err
	}
	if err := s.settle(ctx, tx, enterprise, acc); err != nil {
		return false, err
	}
	tx.Wake(acc, work.Enterprise)
	return true, s.record(ctx, tx, "member.joined", acc, m.ID, map[string]string{"enterprise": enterprise, "via": via})
}

// settle ends an open request and an open invitation that a new membership makes
// pointless.
func (s *Members) settle(ctx context.Context, tx work.Tx, enterprise, acc string) error {
	now := s.Clock.Now()
	phone, err := s.Accounts.PhoneNumber(ctx, tx, acc)
	if err != nil {
		return err
	}
	if err := s.Store.SettleRequest(ctx, tx, enterprise, acc, now); err != nil {
		return err
	}
	return s.Store.SettleInvitation(ctx, tx, enterprise, s.phoneHash(phone), now)
}

// Renamed finds a person's memberships by his new name from now on.
func (s *Members) Renamed(ctx context.Context, tx work.Tx, acc string) error {
	p, err := s.Persons.Person(ctx, tx, acc)
	if err != nil {
		return err
	}
	all, err := s.Store.Memberships(ctx, tx, acc)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := s.Store.PutTerms(ctx, tx, m.ID, s.terms(m.Enterprise, p.Name)); err != nil {
			return err
		}
	}
	return nil
}

// terms are the keyed hashes of a name's beginnings in one enterprise: what is
// looked for is typed from the surname on.
func (s *Members) terms(enterprise, name string) [][]byte {
	var out [][]byte
	runes := []rune(name)
	for i := range runes {
		out = append(out, s.term(enterprise, string(runes[:i+1])))
	}
	return out
}

func (s *Members) term(enterprise, beginning string) []byte {
	return s.Box.Hash("member-name", []byte(enterprise+":"+beginning))
}

func (s *Members) phoneHash(phone string) []byte {
	return s.Box.Hash("invitation-phone", []byte(phone))
}

// Colleague is a member as the administrator sees him.
type Colleague struct {
	Member
	Name, Phone string // Phone is masked
	Role        Role
}

// ColleaguePage is a part of the members' list, the first joined first.
type ColleaguePage struct {
	Colleagues []Colleague
	// Next continues the list; empty at its end.
	Next string
	// Total counts all that fit the search.
	Total int
}

// MemberPage is the most members in one page.
const MemberPage = 50

// NumbersADay is how many whole numbers an administrator may try that are no
// member's, and invite that are, on a calendar day in China.
const NumbersADay = 30

const trySeek = "seek"

// List gives a page of an enterprise's members to its administrator. search is
// empty, a whole phone number, or the beginning of a name. A number that is no
// member's counts: CodeSeekTooMany.
func (s *Members) List(ctx context.Context, c account.Caller, enterprise, search, cursor string) (p ColleaguePage, err error) {
	run := s.Runner.View
	if account.ValidPhone(search) {
		run = func(ctx context.Context, f func(context.Context, work.Tx) error) error {
			return s.Runner.Do(ctx, "member.seek", f)
		}
	}
	err = run(ctx, func(ctx context.Context, tx work.Tx) error {
		p = ColleaguePage{}
		h, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Head)
		if err != nil {
			return err
		}
		all, total, err := s.find(ctx, tx, c.Account, enterprise, search, cursor)
		if err != nil {
			return err
		}
		if len(all) > MemberPage {
			all = all[:MemberPage]
			p.Next = all[MemberPage-1].ID
		}
		p.Total = total
		for _, m := range all {
			one := Colleague{Member: m, Role: h.role(m.Account)}
			if one.Name, one.Phone, err = s.face(ctx, tx, m.Account); err != nil {
				return err
			}
			p.Colleagues = append(p.Colleagues, one)
		}
		return nil
	})
	return p, err
}

func (s *Members) find(ctx context.Context, tx work.Tx, acc, enterprise, search, cursor string) ([]Member, int, error) {
	if account.ValidPhone(search) {
		if err := s.chargeSeek(ctx, tx, acc); err != nil {
			return nil, 0, err
		}
		m, member, err := s.behind(ctx, tx, enterprise, search)
		if err != nil || !member {
			return nil, 0, err
		}
		return []Member{m}, 1, s.dischargeSeek(ctx, tx, acc)
	}
	var term []byte
	if search != "" {
		term = s.term(enterprise, search)
	}
	total, err := s.Store.CountMembers(ctx, tx, enterprise, term)
	if err != nil {
		return nil, 0, err
	}
	all, err := s.Store.Members(ctx, tx, enterprise, term, cursor, MemberPage+1)
	return all, total, err
}

// behind gives the member whose number it is; false if it is no member's.
func (s *Members) behind(ctx context.Context, tx work.Tx, enterprise, phone string) (Member, bool, error) {
	owner, err := s.Accounts.Owner(ctx, tx, phone)
	if errors.Is(err, account.CodeNoAccount) {
		return Member{}, false, nil
	}
	if err != nil {
		return Member{}, false, err
	}
	m, err := s.Store.Current(ctx, tx, enterprise, owner)
	if errors.Is(err, work.ErrNotFound) {
		return Member{}, false, nil
	}
	return m, err == nil, err
}

// chargeSeek counts one try of a number against the administrator who makes it: the
// list masks numbers, and what is left of one could be tried out.
func (s *Members) chargeSeek(ctx context.Context, tx work.Tx, acc string) error {
	n, err := s.Store.Try(ctx, tx, acc, trySeek, clock.Day(s.Clock.Now()))
	if err == nil && n > NumbersADay {
		err = CodeSeekTooMany
	}
	return err
}

func (s *Members) dischargeSeek(ctx context.Context, tx work.Tx, acc string) error {
	return s.Store.Untry(ctx, tx, acc, trySeek, clock.Day(s.Clock.Now()))
}

// face gives the name and the masked phone of an account; a person who is not
// verified any more has no name.
func (s *Members) face(ctx context.Context, tx work.Tx, acc string) (name, phone string, err error) {
	p, err := s.Persons.Person(ctx, tx, acc)
	if err != nil && !errors.Is(err, realname.CodeNotVerified) {
		return "", "", err
	}
	phone, err = s.Accounts.Phone(ctx, tx, acc)
	return p.Name, phone, err
}

// governed gives an enterprise to its administrator alone: CodeLost to who is no
// member, as of one that does not exist, CodeNotAdministrator to the other members. read is Store.Head, or
// Store.Lock where something is about to change.
func (s *Members) governed(ctx context.Context, tx work.Tx, acc, enterprise string, read func(context.Context, work.Tx, string) (Head, error)) (Head, error) {
	h, err := read(ctx, tx, enterprise)
	if errors.Is(err, work.ErrNotFound) {
		return Head{}, CodeLost
	}
	if err != nil {
		return Head{}, err
	}
	if h.Administrator == acc {
		return h, nil
	}
	if _, err := s.Store.Current(ctx, tx, enterprise, acc); errors.Is(err, work.ErrNotFound) {
		return Head{}, CodeLost
	} else if err != nil {
		return Head{}, err
	}
	return Head{}, CodeNotAdministrator
}

func (s *Members) record(ctx context.Context, tx work.Tx, kind, actor, subject string, detail map[string]string) error {
	b, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: subject, Detail: b})
}
