package enterprise

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The refusals about requests to join (申请加入, M§2.4.2-2).
var (
	// CodeAdministratorWrong stands for a wrong name, a wrong number and both, so
	// that it tells nobody which; it carries "remaining".
	CodeAdministratorWrong = fault.Code{Name: "administrator_mismatch", Kind: fault.Invalid,
		Text: "管理员姓名或手机号不正确，请向企业管理员核对后重新填写。"}
	CodeJoinTooMany = fault.Code{Name: "join_too_many", Kind: fault.TooMany,
		Text: "今日核对管理员信息的次数已用完，请明天再试，或请管理员邀请您加入。"}
	CodeJoinBusy = fault.Code{Name: "join_enterprise_limit", Kind: fault.TooMany,
		Text: "该企业今日的加入申请核对次数过多，请明天再试，或请管理员邀请您加入。"}
	CodeJoinOften = fault.Code{Name: "join_too_often", Kind: fault.TooMany,
		Text: "您今日已多次向该企业提交加入申请，请明天再试，或请管理员邀请您加入。"}
	CodeRequestAlready = fault.Code{Name: "join_requested", Kind: fault.Conflict,
		Text: "您已提交过加入申请，请等待管理员审核。"}
	CodeRequestUnknown = fault.Code{Name: "join_unknown", Kind: fault.NotFound,
		Text: "没有找到这条加入申请，请刷新后查看。"}
	CodeRequestOver = fault.Code{Name: "join_over", Kind: fault.Conflict,
		Text: "这条加入申请已处理或已撤回，请刷新后查看。"}
)

// RequestState is where a request stands.
type RequestState string

// The states.
const (
	RequestOpen      RequestState = "open"      // 待审核
	RequestAccepted  RequestState = "accepted"  // 已同意
	RequestRefused   RequestState = "refused"   // 已拒绝
	RequestWithdrawn RequestState = "withdrawn" // 已撤回
	RequestSettled   RequestState = "settled"   // he became a member otherwise, or closed his account
)

// Request is somebody who asks to join an enterprise.
type Request struct {
	ID, Enterprise, Account string
	State                   RequestState
	// Reason is why it was refused.
	Reason           string
	AskedAt, EndedAt time.Time
	Version          int64
}

// RequestStore keeps requests to join.
type RequestStore interface {
	// AddRequest inserts; false if the account has an open one for the enterprise.
	AddRequest(ctx context.Context, tx work.Tx, r Request) (bool, error)
	Request(ctx context.Context, tx work.Tx, id string) (Request, error)
	// OpenRequests gives those that wait in an enterprise, the oldest first;
	// RequestsOf an account's, the newest first.
	OpenRequests(ctx context.Context, tx work.Tx, enterprise string, n int) ([]Request, error)
	RequestsOf(ctx context.Context, tx work.Tx, account string, n int) ([]Request, error)
	CountRequests(ctx context.Context, tx work.Tx, enterprise string) (int, error)
	// PutRequest swaps state, reason and EndedAt.
	PutRequest(ctx context.Context, tx work.Tx, r Request) error
	// SettleRequest ends the open request of an account for an enterprise, or for
	// all if enterprise is empty.
	SettleRequest(ctx context.Context, tx work.Tx, enterprise, account string, at time.Time) error
}

const (
	// WrongPerAccount is how many wrong administrators an account enters on a calendar
	// day in China.
	WrongPerAccount = 5
	// WrongPerEnterprise is how many are entered for one enterprise on such a day.
	WrongPerEnterprise = 20

	// RequestsADay is how often an account may ask to join one enterprise on such a
	// day: each request tells the administrator, and withdrawing does not untell.
	RequestsADay = 5

	tryJoin = "join"
	tryAsk  = "ask"
	// maxRequests bounds lists of requests and invitations.
	maxRequests = 200
)

// Ask asks to join an enterprise; who asks has to know its administrator's name and
// number. An entry is charged before it is compared, and given back if it was
// right. Refusals: CodeUnknown, realname.CodeNotVerified, CodeMemberAlready,
// CodeRequestAlready, CodeAdministratorWrong, CodeJoinTooMany, CodeJoinBusy,
// CodeJoinOften.
func (s *Members) Ask(ctx context.Context, c account.Caller, enterprise, name, phone string) (Asked, error) {
	var r Asked
	var refusal error
	err := s.Runner.Do(ctx, "member.ask", func(ctx context.Context, tx work.Tx) error {
		refusal = nil
		person, err := s.Persons.Person(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		left, err := s.charge(ctx, tx, c.Account, enterprise)
		if err != nil {
			return err
		}
		h, err := s.Store.Head(ctx, tx, enterprise)
		if errors.Is(err, work.ErrNotFound) {
			return CodeUnknown
		}
		if err != nil {
			return err
		}
		right, err := s.administers(ctx, tx, h, name, phone)
		if err != nil {
			return err
		}
		if !right {
			refusal = CodeAdministratorWrong.With(map[string]any{"remaining": left})
			return s.record(ctx, tx, "member.ask_refused", c.Account, enterprise, nil)
		}
		if err := s.discharge(ctx, tx, c.Account, enterprise); err != nil {
			return err
		}
		if h, err = s.Store.Lock(ctx, tx, enterprise); err != nil {
			return err
		}
		if _, err := s.Store.Current(ctx, tx, enterprise, c.Account); err == nil {
			return CodeMemberAlready
		} else if !errors.Is(err, work.ErrNotFound) {
			return err
		}
		r = Asked{Request{ID: id.New(s.Rand), Enterprise: enterprise, Account: c.Account, State: RequestOpen, AskedAt: s.Clock.Now(), Version: 1}, h}
		fresh, err := s.Store.AddRequest(ctx, tx, r.Request)
		if err != nil {
			return err
		}
		if !fresh {
			return CodeRequestAlready
		}
		if n, err := s.Store.Try(ctx, tx, c.Account+":"+enterprise, tryAsk, clock.Day(s.Clock.Now())); err != nil {
			return err
		} else if n > RequestsADay {
			return CodeJoinOften
		}
		tx.Wake(c.Account, work.Enterprise)
		tx.Wake(h.Administrator, work.Enterprise)
		if err := s.Notices.Post(ctx, tx, notice.Notice{
			Account: h.Administrator, Kind: "enterprise.join_requested", Title: "有新的加入企业申请", Link: "/enterprises/" + enterprise + "/members?tab=requests",
			Body: person.Name + " 申请加入“" + h.Name + "”，请在成员管理中审核。",
		}); err != nil {
			return err
		}
		return s.record(ctx, tx, "member.asked", c.Account, r.ID, map[string]string{"enterprise": enterprise})
	})
	if err != nil {
		return Asked{}, err
	}
	return r, refusal
}

// charge counts one entry of an administrator's data against the account and the
// enterprise, in this order everywhere, and gives what the account has left.
func (s *Members) charge(ctx context.Context, tx work.Tx, acc, enterprise string) (int, error) {
	day := clock.Day(s.Clock.Now())
	mine, err := s.Store.Try(ctx, tx, acc, tryJoin, day)
	if err != nil {
		return 0, err
	}
	if mine > WrongPerAccount {
		return 0, CodeJoinTooMany
	}
	all, err := s.Store.Try(ctx, tx, enterprise, tryJoin, day)
	if err != nil {
		return 0, err
	}
	if all > WrongPerEnterprise {
		return 0, CodeJoinBusy
	}
	return WrongPerAccount - mine, nil
}

func (s *Members) discharge(ctx context.Context, tx work.Tx, acc, enterprise string) error {
	day := clock.Day(s.Clock.Now())
	if err := s.Store.Untry(ctx, tx, acc, tryJoin, day); err != nil {
		return err
	}
	return s.Store.Untry(ctx, tx, enterprise, tryJoin, day)
}

// administers compares a name and a number with the administrator's, in constant
// time.
func (s *Members) administers(ctx context.Context, tx work.Tx, h Head, name, phone string) (bool, error) {
	p, err := s.Persons.Person(ctx, tx, h.Administrator)
	if err != nil {
		return false, err
	}
	number, err := s.Accounts.PhoneNumber(ctx, tx, h.Administrator)
	if err != nil {
		return false, err
	}
	named := secret.Equal([]byte(strings.TrimSpace(name)), []byte(p.Name))
	called := secret.Equal([]byte(strings.TrimSpace(phone)), []byte(number))
	return named && called, nil
}

// Asked is a request with the enterprise that it is for.
type Asked struct {
	Request
	Head Head
}

// Asked lists the caller's own requests, the newest first.
func (s *Members) Asked(ctx context.Context, c account.Caller) (out []Asked, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		all, err := s.Store.RequestsOf(ctx, tx, c.Account, maxRequests)
		if err != nil {
			return err
		}
		for _, r := range all {
			h, err := s.Store.Head(ctx, tx, r.Enterprise)
			if err != nil {
				return err
			}
			out = append(out, Asked{r, h})
		}
		return nil
	})
	return out, err
}

// Withdraw takes a request of the caller's back.
func (s *Members) Withdraw(ctx context.Context, c account.Caller, request string) error {
	return s.Runner.Do(ctx, "member.withdraw", func(ctx context.Context, tx work.Tx) error {
		r, err := s.request(ctx, tx, request)
		if err != nil {
			return err
		}
		if r.Account != c.Account {
			return CodeRequestUnknown
		}
		h, err := s.Store.Lock(ctx, tx, r.Enterprise)
		if err != nil {
			return err
		}
		if r, err = s.request(ctx, tx, request); err != nil {
			return err
		}
		if r.State != RequestOpen {
			return CodeRequestOver
		}
		tx.Wake(h.Administrator, work.Enterprise)
		return s.endRequest(ctx, tx, c.Account, r, RequestWithdrawn, "")
	})
}

// Applicant is a request with who asks.
type Applicant struct {
	Request
	Name, Phone string // Phone is masked
}

// Requests lists what waits for the administrator, the oldest first.
func (s *Members) Requests(ctx context.Context, c account.Caller, enterprise string) (out []Applicant, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		if _, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Head); err != nil {
			return err
		}
		all, err := s.Store.OpenRequests(ctx, tx, enterprise, maxRequests)
		if err != nil {
			return err
		}
		for _, r := range all {
			one := Applicant{Request: r}
			if one.Name, one.Phone, err = s.face(ctx, tx, r.Account); err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// Accept makes who asked a member (同意) and tells him.
func (s *Members) Accept(ctx context.Context, c account.Caller, enterprise, request string) error {
	return s.decide(ctx, c, enterprise, request, "member.accept", func(ctx context.Context, tx work.Tx, h Head, r Request) error {
		if err := s.endRequest(ctx, tx, c.Account, r, RequestAccepted, ""); err != nil {
			return err
		}
		if _, err := s.Join(ctx, tx, enterprise, r.Account, ViaApplied); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: r.Account, Kind: "enterprise.join_accepted", Title: "加入企业申请已通过", Link: "/enterprises/" + enterprise,
			Body: "您已成为“" + h.Name + "”的成员，可在首页或“我的”切换到该企业身份。",
		})
	})
}

// Refuse turns a request down (拒绝) with a reason, 2 to 100 characters, that who
// asked reads.
func (s *Members) Refuse(ctx context.Context, c account.Caller, enterprise, request, reason string) error {
	reason, err := cleanReason(reason)
	if err != nil {
		return err
	}
	return s.decide(ctx, c, enterprise, request, "member.refuse", func(ctx context.Context, tx work.Tx, h Head, r Request) error {
		if err := s.endRequest(ctx, tx, c.Account, r, RequestRefused, reason); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: r.Account, Kind: "enterprise.join_refused", Title: "加入企业申请未通过", Link: "/enterprises",
			Body: "您加入“" + h.Name + "”的申请未通过：" + reason + "。如有疑问，请联系企业管理员。",
		})
	})
}

// cleanReason checks a reason as entered: 2 to 100 characters.
func cleanReason(s string) (string, error) {
	s = strings.TrimSpace(s)
	if n := utf8.RuneCountInString(s); n < 2 || n > 100 {
		return "", CodeReason
	}
	return s, nil
}

// decide hands an open request to the administrator's decision, under the
// enterprise's lock.
func (s *Members) decide(ctx context.Context, c account.Caller, enterprise, request, name string, f func(context.Context, work.Tx, Head, Request) error) error {
	return s.Runner.Do(ctx, name, func(ctx context.Context, tx work.Tx) error {
		h, err := s.governed(ctx, tx, c.Account, enterprise, s.Store.Lock)
		if err != nil {
			return err
		}
		r, err := s.request(ctx, tx, request)
		if err != nil {
			return err
		}
		switch {
		case r.Enterprise != enterprise:
			return CodeRequestUnknown
		case r.State != RequestOpen:
			return CodeRequestOver
		}
		tx.Wake(c.Account, work.Enterprise)
		return f(ctx, tx, h, r)
	})
}

func (s *Members) request(ctx context.Context, tx work.Tx, id string) (Request, error) {
	r, err := s.Store.Request(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return Request{}, CodeRequestUnknown
	}
	return r, err
}

func (s *Members) endRequest(ctx context.Context, tx work.Tx, actor string, r Request, to RequestState, reason string) error {
	r.State, r.Reason, r.EndedAt = to, reason, s.Clock.Now()
	if err := s.Store.PutRequest(ctx, tx, r); err != nil {
		return err
	}
	tx.Wake(r.Account, work.Enterprise)
	return s.record(ctx, tx, "member.request_"+string(to), actor, r.ID, map[string]string{"enterprise": r.Enterprise})
}
