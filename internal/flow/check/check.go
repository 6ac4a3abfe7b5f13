// Package check examines whether a certificate can be used (检测, M§2.7.9,
// docs/domain.md A25): what the server can see at once, and two operations by
// which the phone proves both of its shares. Nothing that is proved is kept as a
// test value; that the phone holds its records is for the phone to look at.
package check

import (
	"context"
	"errors"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/account"
	"tianweitong/internal/ca"
	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// The businesses of this flow, as custody's activations name them.
const (
	BusinessSign    = "check.sign"
	BusinessDecrypt = "check.decrypt"
)

// Outcome is what one item came to.
type Outcome string

// The outcomes.
const (
	Good    Outcome = "good"
	Bad     Outcome = "bad"
	Pending Outcome = "pending" // the phone answers the item's operation
)

// Item is one line of a check.
type Item struct {
	// Name is stable: keys, sign, decrypt, chain, revocation, expiry, platforms.
	Name string
	// Label is the line's Chinese name, Text a sentence: what was found and what
	// to do.
	Label, Text string
	Outcome     Outcome
	// Op is the operation of a pending item.
	Op string
	// Action is what mends a bad item: "recover", "roam", "buy"; empty for none.
	Action string
}

// Certificates is what the flow needs of package certificate.
type Certificates interface {
	Get(ctx context.Context, tx work.Tx, account, id string) (certificate.Certificate, error)
	Leaves(ctx context.Context, tx work.Tx, id string) ([]certificate.Leaf, error)
}

// Authority tells what the CA knows and has published.
type Authority interface {
	Root() ([]byte, error)
	CRL(ctx context.Context, institution string) (ca.List, error)
	ValidAt(ctx context.Context, tx work.Tx, serial string, at time.Time) (bool, error)
}

// Roamings lists the platforms of a certificate.
type Roamings interface {
	Of(ctx context.Context, tx work.Tx, certificate string) ([]roaming.Roaming, error)
}

// Platforms names trading platforms.
type Platforms interface {
	Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error)
}

// Persons gives the verified person of an account.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Usage writes usage records.
type Usage interface {
	Write(ctx context.Context, tx work.Tx, r usage.Record) error
}

// Deps are what a Service needs.
type Deps struct {
	Runner       work.Runner
	Clock        clock.Clock
	Rand         io.Reader
	Custody      custody.Door
	Certificates Certificates
	Authority    Authority
	Roamings     Roamings
	Platforms    Platforms
	Persons      Persons
	Usage        Usage
	// ServiceCertificate is the certificate (DER) that trials name as the
	// receiver of the plaintext.
	ServiceCertificate func(context.Context) ([]byte, error)
}

// Service is the flow.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Run examines the caller's certificate. The phone answers the operations of the
// pending items; each that completes is good.
func (s *Service) Run(ctx context.Context, c account.Caller, cert string) ([]Item, error) {
	service, err := s.ServiceCertificate(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.published(ctx, c, cert)
	if err != nil {
		return nil, err
	}
	var items []Item
	err = s.Runner.Do(ctx, "check.run", func(ctx context.Context, tx work.Tx) error {
		held, err := s.Certificates.Get(ctx, tx, c.Account, cert)
		if err != nil {
			return err
		}
		if items, err = s.keys(ctx, tx, c, held, service); err != nil {
			return err
		}
		chain, err := s.chain(ctx, tx, held, list)
		if err != nil {
			return err
		}
		platforms, err := s.platforms(ctx, tx, held)
		if err != nil {
			return err
		}
		items = append(append(items, chain...), s.expiry(held), platforms)
		return tx.Record(ctx, work.Entry{Kind: "certificate.checked", Actor: c.Account, Subject: cert})
	})
	return items, err
}

// published reads the list that relying parties see; nil if there is none.
func (s *Service) published(ctx context.Context, c account.Caller, cert string) (*ca.List, error) {
	var held certificate.Certificate
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		held, err = s.Certificates.Get(ctx, tx, c.Account, cert)
		return err
	})
	if err != nil {
		return nil, err
	}
	if held.SignSerial == "" {
		return nil, certificate.CodeNotValid
	}
	list, err := s.Authority.CRL(ctx, held.Institution)
	if errors.Is(err, work.ErrNotFound) {
		return nil, nil
	}
	return &list, err
}

// keys looks at custody's halves and authorises the two trials.
func (s *Service) keys(ctx context.Context, tx work.Tx, c account.Caller, held certificate.Certificate, service []byte) ([]Item, error) {
	h := custody.Holder{Account: c.Account, Device: c.Device}
	state := Item{Name: "keys", Label: "证书密钥", Outcome: Good, Text: "密钥与本机绑定，状态正常。"}
	sign, err := s.usable(ctx, tx, h, held.SignKey)
	if err != nil {
		return nil, err
	}
	enc, err := s.usable(ctx, tx, h, held.EncKey)
	if err != nil {
		return nil, err
	}
	items := []Item{state}
	ended := held.State == certificate.Revoked || held.State == certificate.Expired
	if sign == nil && !ended || enc == nil {
		items[0].Outcome, items[0].Text, items[0].Action = Bad, "证书密钥不在本机或已停用，请办理补办恢复。", "recover"
	}
	if sign != nil {
		a, err := prove.Confirmation{
			Holder: h, KeyID: sign.ID, Business: BusinessSign, Subject: held.ID, ID: splitkey.IDTrial,
			Purpose: "check", Object: prove.Digest([]byte(held.SignSerial)), KeyIDs: []string{sign.ID},
		}.Activation(s.Rand, s.Clock.Now())
		if err != nil {
			return nil, err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return nil, err
		}
		items = append(items, Item{Name: "sign", Label: "试签名", Outcome: Pending, Text: "请输入 PIN 码完成试签名。", Op: a.OpID})
	}
	if enc != nil {
		a, err := prove.Trial(s.Rand, s.Clock.Now(), h, enc.ID, BusinessDecrypt, held.ID, enc.PublicKey, service)
		if err != nil {
			return nil, err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return nil, err
		}
		items = append(items, Item{Name: "decrypt", Label: "试解密", Outcome: Pending, Text: "请输入 PIN 码完成试解密。", Op: a.OpID})
	}
	return items, nil
}

// usable gives a key that is active on the device; nil otherwise.
func (s *Service) usable(ctx context.Context, tx work.Tx, h custody.Holder, keyID string) (*custody.Key, error) {
	k, err := s.Custody.Key(ctx, tx, keyID)
	if errors.Is(err, custody.CodeKeyUnusable) || err == nil && (k.State != custody.KeyActive || k.Holder != h) {
		return nil, nil
	}
	return &k, err
}

// chain verifies both certificates up to the root, then asks the CA's record
// and its published list about revocation.
func (s *Service) chain(ctx context.Context, tx work.Tx, held certificate.Certificate, list *ca.List) ([]Item, error) {
	chain := Item{Name: "chain", Label: "证书链", Outcome: Good, Text: "签名证书和加密证书均由可信 CA 机构签发。"}
	revoked := Item{Name: "revocation", Label: "吊销状态", Outcome: Good, Text: "证书未被吊销（吊销列表与在线查询一致）。"}
	rootDER, err := s.Authority.Root()
	if err != nil {
		return nil, err
	}
	root, err := smx509.ParseCertificate(rootDER)
	if err != nil {
		return nil, err
	}
	leaves, err := s.Certificates.Leaves(ctx, tx, held.ID)
	if err != nil {
		return nil, err
	}
	found := 0
	for _, l := range leaves {
		purpose := pki.ForSignatures
		switch l.Serial {
		case held.SignSerial:
		case held.EncSerial:
			purpose = pki.ForEncryption
		default:
			continue
		}
		found++
		issuer, err := verify(l, root, purpose)
		if err != nil {
			chain.Outcome, chain.Text = Bad, "证书链校验未通过，请联系客服处理。"
			continue
		}
		// At its last moment: that it has expired is a line of its own.
		known, err := s.Authority.ValidAt(ctx, tx, l.Serial, held.NotAfter.Add(-time.Second))
		if err != nil {
			return nil, err
		}
		if listed, err := onList(list, issuer, l.Serial, s.Clock.Now()); err != nil {
			revoked.Outcome, revoked.Text = Bad, "暂时无法取得有效的吊销列表，请稍后重新检测。"
		} else if listed || !known {
			revoked.Outcome, revoked.Text, revoked.Action = Bad, "证书已被吊销，不能再使用，请新购证书。", "buy"
		}
	}
	if found != 2 {
		chain.Outcome, chain.Text = Bad, "证书不完整，请联系客服处理。"
	}
	return []Item{chain, revoked}, nil
}

// verify builds the path of a leaf as it was when it was issued; expiry is a
// line of its own.
func verify(l certificate.Leaf, root *smx509.Certificate, p pki.Purpose) (issuer *smx509.Certificate, err error) {
	leaf, err := smx509.ParseCertificate(l.DER)
	if err != nil {
		return nil, err
	}
	var between []*smx509.Certificate
	for _, der := range l.Chain {
		c, err := smx509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		between = append(between, c)
	}
	path, err := pki.VerifyChain(leaf, pki.ChainOptions{
		Roots: []*smx509.Certificate{root}, Intermediates: between, At: leaf.NotBefore, Purpose: p,
	})
	if err != nil {
		return nil, err
	}
	return path[1], nil
}

// onList reports whether a serial number stands on the published list;
// pki.ErrNoStatus if no list in force can say so.
func onList(l *ca.List, issuer *smx509.Certificate, serial string, now time.Time) (bool, error) {
	if l == nil || now.After(l.NextUpdate) {
		return false, pki.ErrNoStatus
	}
	crl, err := pki.ParseCRL(l.DER, issuer)
	if err != nil {
		return false, err
	}
	n, ok := new(big.Int).SetString(serial, 16)
	if !ok {
		return false, pki.ErrNoStatus
	}
	_, listed := crl.Lookup(n)
	return listed, nil
}

func (s *Service) expiry(held certificate.Certificate) Item {
	day := func(t time.Time) string { return t.In(clock.China).Format(time.DateOnly) }
	i := Item{Name: "expiry", Label: "有效期", Outcome: Good, Text: "证书有效期至 " + day(held.NotAfter)}
	if s.Clock.Now().After(held.NotAfter) {
		i.Outcome, i.Text, i.Action = Bad, "证书已于 "+day(held.NotAfter)+" 过期，请新购证书。", "buy"
	}
	return i
}

func (s *Service) platforms(ctx context.Context, tx work.Tx, held certificate.Certificate) (Item, error) {
	all, err := s.Roamings.Of(ctx, tx, held.ID)
	if err != nil {
		return Item{}, err
	}
	var open []string
	for _, r := range all {
		if r.State == roaming.Open {
			p, err := s.Platforms.Platform(ctx, tx, r.Platform)
			if err != nil {
				return Item{}, err
			}
			open = append(open, p.Name)
		}
	}
	i := Item{Name: "platforms", Label: "授权平台", Outcome: Good, Text: "可在以下平台使用：" + strings.Join(open, "、") + "。"}
	if len(open) == 0 {
		i.Outcome, i.Text, i.Action = Bad, "证书没有可用的授权平台，请申请漫游。", "roam"
	}
	return i, nil
}

// Finish returns what follows a trial: its usage record.
func (s *Service) Finish(_ context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	if a.Business != BusinessSign && a.Business != BusinessDecrypt {
		return nil, custody.CodeNoOperation
	}
	return func(_ context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			held, err := s.Certificates.Get(ctx, tx, h.Account, a.Subject)
			if err != nil {
				return err
			}
			person, err := s.Persons.Person(ctx, tx, h.Account)
			if err != nil {
				return err
			}
			title := "试签名"
			if a.Business == BusinessDecrypt {
				title = "试解密"
			}
			return s.Usage.Write(ctx, tx, usage.Record{
				Ref: "check:" + a.OpID, At: d.At, Account: h.Account, Enterprise: held.Holder.Enterprise, Device: h.Device, Operator: person.Name,
				Certificate: held.ID, Serial: held.SignSerial, Business: "check", Title: title, Outcome: usage.OK,
			})
		}, nil
	}, nil
}
