// Package lookup is what officers (后台人员) may find out about accounts, persons
// and enterprises (docs/console.md): masked, by exact values that the stores know
// as keyed hashes, with figures per day for the charts.
//
// A value in full is one Reveal each: with a reason, counted per officer and day,
// and in the audit chain in the same transaction.
package lookup

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
	"tianweitong/internal/worktime"
)

// The refusals of this package.
var (
	CodeQuery = fault.Code{Name: "lookup_query", Kind: fault.Invalid,
		Text: "请输入完整的手机号、姓名、身份证号或账号编号中的一项。"}
	CodeNoAccount = fault.Code{Name: "lookup_account_unknown", Kind: fault.NotFound,
		Text: "没有找到该账号，请核对后重新查询。"}
	CodeNoEnterprise = fault.Code{Name: "lookup_enterprise_unknown", Kind: fault.NotFound,
		Text: "没有找到该企业，请核对后重新查询。"}
	CodeSearchLimit = fault.Code{Name: "lookup_limit", Kind: fault.TooMany,
		Text: "您今日的查询次数已用完，请明天再试，或由其他人员查询。"}
	CodeMissLimit = fault.Code{Name: "lookup_miss_limit", Kind: fault.TooMany,
		Text: "查无结果的次数过多，请核对信息，下一个整点后再查询。"}
	CodeFormerMember = fault.Code{Name: "certificate_former_member", Kind: fault.Conflict,
		Text: "持有人已不是该企业成员，不能解除冻结；本人重新加入企业后方可解除。"}
	CodeReason = fault.Code{Name: "reason_short", Kind: fault.Invalid,
		Text: "请填写原因，5 至 200 字；原因会写入审计日志。"}
)

// Account is an account as officers see it. Times that have not come are zero.
type Account struct {
	ID string
	// PhoneMasked is empty once the account is closed: the number is no longer its.
	PhoneMasked                string
	NameMasked, IDNumberMasked string // empty until the person is verified
	CreatedAt, VerifiedAt      time.Time
	PhoneChangedAt, ClosedAt   time.Time
}

// Query finds accounts by one exact value; the others are empty.
type Query struct {
	Phone string
	// Name is a verified person's name.
	Name string
	// ID is an account's id or a person's ID number (公民身份号码).
	ID     string
	Cursor string
}

// Accounts is a page of accounts.
type Accounts struct {
	Accounts []Account
	// Next continues the list; empty at its end.
	Next string
}

// PageSize is the most rows in one page.
const PageSize = 50

// A masked value leaves few enough to try: nobody may try them all. docs/console.md
// has the limits.
const (
	// SearchesADay is how many searches an officer has on a calendar day in China.
	SearchesADay = 300
	// MissesAnHour is how many of them may find nobody in an hour of the clock.
	MissesAnHour = 60
)

// What is counted per officer.
const (
	countReveals  = "reveal"
	countSearches = "search"
	countMisses   = "miss"
	countOpened   = "opened" // its span is the review and its claim
)

// Device is one of an account's devices.
type Device struct {
	Label      string
	Active     bool
	Sessions   int
	SignedInAt time.Time
	SeenAt     time.Time
}

// Membership is one of an account's places in an enterprise, present or former.
type Membership struct {
	Enterprise, Name string
	Administrator    bool
	JoinedAt, LeftAt time.Time
	Via              string
}

// Detail is one account with what belongs to it.
type Detail struct {
	Account
	Devices      []Device
	Memberships  []Membership
	Certificates []certificate.Certificate
}

// Store reads across the nouns. It hashes what it is asked for and unseals what
// it gives; a value that is not there is work.ErrNotFound.
type Store interface {
	// Account gives an account; its values are in full, and the service masks them.
	Account(ctx context.Context, tx work.Tx, id string) (Facts, error)
	ByPhone(ctx context.Context, tx work.Tx, phone string) (id string, err error)
	ByDocument(ctx context.Context, tx work.Tx, number string) (id string, err error)
	// ByName gives up to n ids of the accounts of persons with this name, newest
	// first, those before an id if one is given.
	ByName(ctx context.Context, tx work.Tx, name, before string, n int) ([]string, error)
	Memberships(ctx context.Context, tx work.Tx, account string) ([]Membership, error)
	Certificates(ctx context.Context, tx work.Tx, account string, n int) ([]string, error)

	// Count adds one to what an officer did in a span of time, by its number, and
	// gives the count; the row stays locked until the commit. Uncount takes it back.
	Count(ctx context.Context, tx work.Tx, officer, what string, span int64) (int, error)
	Uncount(ctx context.Context, tx work.Tx, officer, what string, span int64) error

	EnterpriseStore
	Figures
}

// Facts is an account in full, as the store unseals it.
type Facts struct {
	Account
	Phone, Name, IDNumber string
}

// Sessions is what the look-ups need of account.Service.
type Sessions interface {
	Devices(ctx context.Context, tx work.Tx, account, address string) ([]account.DeviceEntry, error)
	SignOutBut(ctx context.Context, tx work.Tx, account, keep, keepToo string) (int, error)
}

// Certificates is what the look-ups need of certificate.Service.
type Certificates interface {
	Find(ctx context.Context, tx work.Tx, id string) (certificate.Certificate, error)
	Freeze(ctx context.Context, tx work.Tx, id, actor, reason string) (certificate.Certificate, error)
	Unfreeze(ctx context.Context, tx work.Tx, id, actor string) (certificate.Certificate, error)
}

// Notices is notice.Service.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Deps are what a Service needs; all are required.
type Deps struct {
	Runner       work.Runner
	Store        Store
	Clock        clock.Clock
	Sessions     Sessions
	Certificates Certificates
	Notices      Notices
	// Calendar tells working hours.
	Calendar worktime.Calendar
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Find gives the accounts that have exactly this value; none is an empty page. Each
// search is counted and in the audit chain, without its value, before the answer
// leaves. CodeQuery unless the query holds one value that can be one,
// CodeSearchLimit, CodeMissLimit.
func (s *Service) Find(ctx context.Context, o Officer, q Query) (Accounts, error) {
	find, err := s.finder(q)
	if err != nil {
		return Accounts{}, err
	}
	var out Accounts
	err = s.Runner.Do(ctx, "lookup.find", func(ctx context.Context, tx work.Tx) error {
		day, hour := clock.Day(s.Clock.Now()), s.Clock.Now().Unix()/3600
		if n, err := s.Store.Count(ctx, tx, o.ID, countSearches, day); err != nil {
			return err
		} else if n > SearchesADay {
			return CodeSearchLimit
		}
		// A miss is charged before it is known to be one: past the limit a hit is
		// refused too, or the refusal would tell.
		if n, err := s.Store.Count(ctx, tx, o.ID, countMisses, hour); err != nil {
			return err
		} else if n > MissesAnHour {
			return CodeMissLimit
		}
		if out, err = s.found(ctx, tx, find); err != nil {
			return err
		}
		hit := len(out.Accounts) > 0
		if hit {
			if err := s.Store.Uncount(ctx, tx, o.ID, countMisses, hour); err != nil {
				return err
			}
		}
		return record(ctx, tx, "console.looked_up", o, o.ID, map[string]any{"by": q.by(), "hit": hit})
	})
	if err != nil {
		return Accounts{}, err
	}
	return out, nil
}

// by names what a query finds by.
func (q Query) by() string {
	switch {
	case q.Phone != "":
		return "phone"
	case q.Name != "":
		return "name"
	}
	return "id"
}

// found gives the page that a way to find leads to.
func (s *Service) found(ctx context.Context, tx work.Tx, find func(context.Context, work.Tx) ([]string, error)) (out Accounts, err error) {
	ids, err := find(ctx, tx)
	if errors.Is(err, work.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if len(ids) > PageSize {
		ids = ids[:PageSize]
		out.Next = ids[PageSize-1]
	}
	for _, id := range ids {
		f, err := s.Store.Account(ctx, tx, id)
		if errors.Is(err, work.ErrNotFound) {
			continue
		}
		if err != nil {
			return Accounts{}, err
		}
		out.Accounts = append(out.Accounts, f.masked())
	}
	return out, nil
}

// finder gives the one way to find by a query.
func (s *Service) finder(q Query) (func(context.Context, work.Tx) ([]string, error), error) {
	given := 0
	for _, v := range []string{q.Phone, q.Name, q.ID} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		return nil, CodeQuery
	}
	one := func(find func(context.Context, work.Tx, string) (string, error), value string) func(context.Context, work.Tx) ([]string, error) {
		return func(ctx context.Context, tx work.Tx) ([]string, error) {
			id, err := find(ctx, tx, value)
			return []string{id}, err
		}
	}
	switch {
	case q.Phone != "":
		if !account.ValidPhone(q.Phone) {
			return nil, CodeQuery
		}
		return one(s.Store.ByPhone, q.Phone), nil
	case q.Name != "":
		name, err := realname.CleanName(q.Name)
		if err != nil {
			return nil, CodeQuery
		}
		return func(ctx context.Context, tx work.Tx) ([]string, error) {
			return s.Store.ByName(ctx, tx, name, q.Cursor, PageSize+1)
		}, nil
	case len(q.ID) == 32:
		return func(context.Context, work.Tx) ([]string, error) { return []string{q.ID}, nil }, nil
	}
	number, err := realname.CleanIDNumber(q.ID, s.Clock.Now())
	if err != nil {
		return nil, CodeQuery
	}
	return one(s.Store.ByDocument, number), nil
}

func (f Facts) masked() Account {
	a := f.Account
	if a.ClosedAt.IsZero() {
		a.PhoneMasked = account.MaskPhone(f.Phone)
	}
	if f.Name != "" {
		a.NameMasked, a.IDNumberMasked = realname.MaskName(f.Name), realname.MaskIDNumber(f.IDNumber)
	}
	return a
}

// maxCertificates bounds the certificates that are shown of one account.
const maxCertificates = 100

// Account gives an account with its devices, enterprises and certificates;
// CodeNoAccount.
func (s *Service) Account(ctx context.Context, id string) (out Detail, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		f, err := s.facts(ctx, tx, id)
		if err != nil {
			return err
		}
		out = Detail{Account: f.masked()}
		if out.Memberships, err = s.Store.Memberships(ctx, tx, id); err != nil {
			return err
		}
		devices, err := s.Sessions.Devices(ctx, tx, id, "")
		if err != nil {
			return err
		}
		for _, d := range devices {
			out.Devices = append(out.Devices, Device{Label: d.Label, Active: d.Active, Sessions: d.Sessions, SignedInAt: d.SignedInAt, SeenAt: d.SeenAt})
		}
		held, err := s.Store.Certificates(ctx, tx, id, maxCertificates)
		if err != nil {
			return err
		}
		for _, c := range held {
			found, err := s.Certificates.Find(ctx, tx, c)
			if err != nil {
				return err
			}
			out.Certificates = append(out.Certificates, found)
		}
		return nil
	})
	return out, err
}

func (s *Service) facts(ctx context.Context, tx work.Tx, id string) (Facts, error) {
	f, err := s.Store.Account(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return Facts{}, CodeNoAccount
	}
	return f, err
}

// Officer is who acts: the id and, for the audit chain, the actor "officer:ID".
type Officer struct{ ID string }

func (o Officer) actor() string { return "officer:" + o.ID }

// cleanReason normalises the reason that an officer gives: 5 to 200 printable
// characters, else CodeReason.
func cleanReason(reason string) (string, error) {
	reason = strings.Join(strings.Fields(reason), " ")
	if n := len([]rune(reason)); n < 5 || n > 200 || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", CodeReason
	}
	return reason, nil
}

// EndSessions signs an account out everywhere, tells its owner, and gives the number
// of sessions that ended. CodeNoAccount, CodeReason, and account.CodeRekeying while a re-key
// runs: its sessions may stop it.
func (s *Service) EndSessions(ctx context.Context, o Officer, id, reason string) (n int, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return 0, err
	}
	err = s.Runner.Do(ctx, "lookup.end_sessions", func(ctx context.Context, tx work.Tx) error {
		if _, err := s.facts(ctx, tx, id); err != nil {
			return err
		}
		if n, err = s.Sessions.SignOutBut(ctx, tx, id, "", ""); err != nil {
			return err
		}
		if err := s.Notices.Post(ctx, tx, notice.Notice{Account: id, Kind: "account.sessions_ended", Title: "您的账号已在所有设备上退出登录", SMS: true,
			Body: "为保护账号安全，客服人员已让您的账号在所有设备上退出登录，证书与密钥不受影响。如非您要求，请联系客服。"}); err != nil {
			return err
		}
		return record(ctx, tx, "console.sessions_ended", o, id, map[string]any{"reason": reason, "sessions": n})
	})
	return n, err
}

// Freeze stops a certificate (冻结) and Unfreeze takes that back, each with a
// reason; the holder is told. What a member left behind stays frozen
// (docs/domain.md A16). Refusals: CodeReason, CodeFormerMember and those of
// certificate.Service.
func (s *Service) Freeze(ctx context.Context, o Officer, id, reason string) (certificate.Certificate, error) {
	return s.hold(ctx, o, id, reason, change{
		to: certificate.Frozen, entry: "console.certificate_frozen", kind: "certificate.frozen",
		title: "您的一张证书已被冻结", body: "冻结期间不能登录、签名或加解密，证书与密钥仍然保留。如有疑问，请联系客服。",
		do: func(ctx context.Context, tx work.Tx) error {
			_, err := s.Certificates.Freeze(ctx, tx, id, o.actor(), frozenByOfficer)
			return err
		},
	})
}

// frozenByOfficer is what the holder's list shows as the reason.
const frozenByOfficer = "officer"

// Unfreeze is described at Freeze.
func (s *Service) Unfreeze(ctx context.Context, o Officer, id, reason string) (certificate.Certificate, error) {
	return s.hold(ctx, o, id, reason, change{
		entry: "console.certificate_unfrozen", kind: "certificate.unfrozen", title: "您的一张证书已解除冻结", body: "证书可以继续使用。",
		may: s.stillMember,
		do: func(ctx context.Context, tx work.Tx) error {
			_, err := s.Certificates.Unfreeze(ctx, tx, id, o.actor())
			return err
		},
	})
}

// change is what freezing or unfreezing does and says.
type change struct {
	to                       certificate.State // what is there already changes nothing; empty for any but frozen
	entry, kind, title, body string
	may                      func(context.Context, work.Tx, certificate.Holder) error // nil for always
	do                       func(context.Context, work.Tx) error
}

// stillMember refuses an enterprise's certificate whose holder has left it; he
// cannot leave until the commit.
func (s *Service) stillMember(ctx context.Context, tx work.Tx, h certificate.Holder) error {
	if h.Enterprise == "" {
		return nil
	}
	if err := s.Store.LockEnterprise(ctx, tx, h.Enterprise); err != nil {
		return err
	}
	all, err := s.Store.Memberships(ctx, tx, h.Account)
	for _, m := range all {
		if m.Enterprise == h.Enterprise && m.LeftAt.IsZero() {
			return nil
		}
	}
	return errors.Join(err, CodeFormerMember)
}

func (s *Service) hold(ctx context.Context, o Officer, id, reason string, h change) (c certificate.Certificate, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return c, err
	}
	err = s.Runner.Do(ctx, "lookup.certificate", func(ctx context.Context, tx work.Tx) error {
		if c, err = s.Certificates.Find(ctx, tx, id); err != nil {
			return err
		}
		if (c.State == certificate.Frozen) == (h.to == certificate.Frozen) {
			return nil
		}
		if h.may != nil {
			if err := h.may(ctx, tx, c.Holder); err != nil {
				return err
			}
		}
		if err := h.do(ctx, tx); err != nil {
			return err
		}
		if err := s.Notices.Post(ctx, tx, notice.Notice{Account: c.Holder.Account, Kind: h.kind, Title: h.title, Body: h.body, SMS: true, Link: "/certificates/" + id}); err != nil {
			return err
		}
		if err := record(ctx, tx, h.entry, o, id, map[string]any{"reason": reason}); err != nil {
			return err
		}
		c, err = s.Certificates.Find(ctx, tx, id)
		return err
	})
	return c, err
}
