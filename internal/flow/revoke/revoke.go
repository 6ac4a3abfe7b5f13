// Package revoke lets a holder revoke a certificate of his own (证书吊销, M§2.7.9,
// docs/domain.md A25): a reason, a confirmation by PIN, and from then on nobody
// can sign with it. Its encryption key goes on opening what was encrypted before.
package revoke

import (
	"context"
	"errors"
	"io"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/install"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Business is the confirmation by PIN, as custody's activations name it.
const Business = "revoke.confirm"

// The refusals of this package.
var (
	CodeReason = fault.Code{Name: "revocation_reason", Kind: fault.Invalid, Text: "请选择吊销原因。"}
	CodeStep   = fault.Code{Name: "revocation_step", Kind: fault.Conflict, Text: "吊销申请已失效，请重新发起。"}
)

// Reason is why a holder revokes.
type Reason string

// The reasons that a holder can choose.
const (
	Compromised Reason = "compromised" // 手机丢失或密钥可能泄露
	Changed     Reason = "changed"     // 证书信息有变更
	Unneeded    Reason = "unneeded"    // 不再使用
)

// reasons gives each its word on the list (RFC 5280 §5.3.1) and its Chinese one.
var reasons = map[Reason]struct {
	code pki.Reason
	text string
}{
	Compromised: {pki.KeyCompromise, "手机丢失或密钥可能泄露"},
	Changed:     {pki.AffiliationChanged, "证书信息有变更"},
	Unneeded:    {pki.CessationOfOperation, "不再使用"},
}

// State is where a request stands.
type State string

// The states.
const (
	Asked State = "asked" // waits for the PIN
	Done  State = "done"
	Over  State = "over" // asked again, or the certificate ended otherwise
)

// Request is one request for revocation.
type Request struct {
	ID, Account, Device string
	Certificate         string // the record's id
	Reason              Reason
	State               State
	Op                  string
	CreatedAt           time.Time
	Version             int64
}

// Store keeps requests. Get-like calls answer work.ErrNotFound; Update is a
// compare-and-swap on Version.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, r Request) error
	Request(ctx context.Context, tx work.Tx, id string) (Request, error)
	// Last gives the newest of a certificate.
	Last(ctx context.Context, tx work.Tx, certificate string) (Request, error)
	Update(ctx context.Context, tx work.Tx, r Request) error
}

// Certificates is what the flow needs of package certificate.
type Certificates interface {
	Get(ctx context.Context, tx work.Tx, account, id string) (certificate.Certificate, error)
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
	Revoked(ctx context.Context, tx work.Tx, id, actor, reason string) (certificate.Certificate, error)
}

// Authority revokes at the CA, which publishes a new list at once.
type Authority interface {
	Revoke(ctx context.Context, tx work.Tx, serial string, reason pki.Reason, at time.Time) (bool, error)
}

// Persons gives the verified person of an account.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Notices tells the owner.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Usage writes usage records.
type Usage interface {
	Write(ctx context.Context, tx work.Tx, r usage.Record) error
}

// Deps are what a Service needs.
type Deps struct {
	Store        Store
	Runner       work.Runner
	Clock        clock.Clock
	Rand         io.Reader
	Custody      custody.Door
	Certificates Certificates
	Authority    Authority
	Persons      Persons
	Notices      Notices
	Usage        Usage
	// Recoveries hears that a certificate needs no re-key any more.
	Recoveries install.Recoveries
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Begin asks for the revocation of the caller's own certificate and returns the
// operation by which the PIN key confirms certificate and reason.
func (s *Service) Begin(ctx context.Context, c account.Caller, cert string, reason Reason) (Request, error) {
	if _, known := reasons[reason]; !known {
		return Request{}, CodeReason
	}
	h := custody.Holder{Account: c.Account, Device: c.Device}
	var r Request
	err := s.Runner.Do(ctx, "revoke.begin", func(ctx context.Context, tx work.Tx) error {
		held, err := s.Certificates.Get(ctx, tx, c.Account, cert)
		if err != nil {
			return err
		}
		if err := revocable(held); err != nil {
			return err
		}
		pin, err := prove.PINKey(ctx, tx, s.Custody, h)
		if err != nil {
			return err
		}
		if err := s.giveWay(ctx, tx, cert); err != nil {
			return err
		}
		now := s.Clock.Now()
		r = Request{ID: id.New(s.Rand), Account: c.Account, Device: c.Device, Certificate: cert, Reason: reason, State: Asked, CreatedAt: now, Version: 1}
		a, err := prove.Confirmation{
			Holder: h, KeyID: pin.ID, Business: Business, Subject: r.ID, ID: splitkey.IDPIN, Purpose: "revoke",
			Object: prove.Digest([]byte(held.SignSerial), []byte(reason)),
		}.Activation(s.Rand, now)
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		r.Op = a.OpID
		if err := s.Store.Insert(ctx, tx, r); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "revocation.asked", Actor: c.Account, Subject: r.ID})
	})
	return r, err
}

func revocable(c certificate.Certificate) error {
	switch c.State {
	case certificate.Valid, certificate.KeyLost, certificate.Frozen:
		return nil
	case certificate.Revoked:
		return certificate.CodeRevoked
	case certificate.Expired:
		return certificate.CodeExpired
	}
	return certificate.CodeNotValid
}

// giveWay ends an earlier request for the same certificate.
func (s *Service) giveWay(ctx context.Context, tx work.Tx, cert string) error {
	old, err := s.Store.Last(ctx, tx, cert)
	if errors.Is(err, work.ErrNotFound) || err == nil && old.State != Asked {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.Custody.Withdraw(ctx, tx, old.Op); err != nil {
		return err
	}
	old.State = Over
	return s.Store.Update(ctx, tx, old)
}

// Finish returns what follows the confirmation: record, CA and keys in one
// transaction. The signing key is destroyed; the encryption key stays, for
// decryption only.
func (s *Service) Finish(_ context.Context, _ custody.Holder, a custody.Activation) (custody.Finish, error) {
	if a.Business != Business {
		return nil, custody.CodeNoOperation
	}
	return func(_ context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			r, err := s.Store.Request(ctx, tx, a.Subject)
			if err != nil {
				return err
			}
			if r.State != Asked || r.Op != a.OpID {
				return CodeStep
			}
			why := reasons[r.Reason]
			held, err := s.Certificates.Revoked(ctx, tx, r.Certificate, r.Account, why.text)
			if err != nil {
				return err
			}
			for _, serial := range []string{held.SignSerial, held.EncSerial} {
				if _, err := s.Authority.Revoke(ctx, tx, serial, why.code, d.At); err != nil {
					return err
				}
			}
			if err := s.Custody.Destroy(ctx, tx, held.SignKey); err != nil {
				return err
			}
			r.State = Done
			if err := s.Store.Update(ctx, tx, r); err != nil {
				return err
			}
			if err := s.tell(ctx, tx, r, held, d.At, why.text); err != nil {
				return err
			}
			certificates, keys, err := install.Remaining(ctx, tx, s.Custody, s.Certificates, r.Account)
			if err != nil {
				return err
			}
			return s.Recoveries.Rekeyed(ctx, tx, r.Account, len(certificates)+len(keys))
		}, nil
	}, nil
}

func (s *Service) tell(ctx context.Context, tx work.Tx, r Request, c certificate.Certificate, at time.Time, why string) error {
	person, err := s.Persons.Person(ctx, tx, r.Account)
	if err != nil {
		return err
	}
	if err := s.Usage.Write(ctx, tx, usage.Record{
		Ref: "revoke:" + r.ID, At: at, Account: r.Account, Enterprise: c.Holder.Enterprise, Device: r.Device, Operator: person.Name,
		Certificate: c.ID, Serial: c.SignSerial, Business: "revoke", Title: why, Outcome: usage.OK,
	}); err != nil {
		return err
	}
	if err := s.Notices.Post(ctx, tx, notice.Notice{
		Account: r.Account, Kind: "certificate.revoked", Title: "证书已吊销", Link: "/certificates/" + c.ID, SMS: true,
		Body: "您的证书已吊销（" + why + "），不能再用于登录和签名；此前加密的文件仍可在本机解密。如非本人操作，请立即联系客服。",
	}); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "revocation.done", Actor: r.Account, Subject: r.ID})
}
