package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/job"
	"tianweitong/internal/notice"
	"tianweitong/internal/roaming"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

const topicIssue = "install.issue"

type issueJob struct {
	Installation string `json:"installation"`
}

// Register registers the flow's background work: issuing goes on when the phone
// does not come back, and after a restart.
func (s *Service) Register(r *job.Runner) {
	r.Handle(topicIssue, job.Patient, func(ctx context.Context, body []byte) error {
		var j issueJob
		if err := json.Unmarshal(body, &j); err != nil {
			return fmt.Errorf("%w: %w", job.ErrGiveUp, err)
		}
		return s.Issue(ctx, j.Installation)
	})
}

func enqueueIssue(ctx context.Context, tx work.Tx, installation string) error {
	body, err := json.Marshal(issueJob{installation})
	if err != nil {
		return err
	}
	return tx.Enqueue(ctx, work.Job{Topic: topicIssue, Key: topicIssue + "/" + installation, Body: body})
}

// Finish returns what follows an operation of this flow.
func (s *Service) Finish(ctx context.Context, h custody.Holder, a custody.Activation) (custody.Finish, error) {
	switch a.Business {
	case BusinessAuthorise:
		return s.finish(a, Authorising, func(ctx context.Context, tx work.Tx, i Installation) (Installation, error) {
			i.State, i.AuthorisedUntil = Authorised, s.Clock.Now().Add(Authorisation)
			return s.save(ctx, tx, i, "installation.authorised")
		}), nil
	case BusinessRequest:
		return s.finishRequest(a), nil
	case BusinessTrial:
		return s.finish(a, Delivered, func(ctx context.Context, tx work.Tx, i Installation) (Installation, error) {
			i.State = Proved
			if err := enqueueIssue(ctx, tx, i.ID); err != nil {
				return i, err
			}
			return s.save(ctx, tx, i, "installation.proved")
		}), nil
	case BusinessRedeal:
		return s.finishRedeal(a), nil
	case BusinessRetrial:
		return s.finishRetrial(h, a), nil
	}
	return nil, custody.CodeNoOperation
}

// finish moves an installation on whose present operation was completed. One
// that was restarted meanwhile stays where it is.
func (s *Service) finish(a custody.Activation, from State, next func(context.Context, work.Tx, Installation) (Installation, error)) custody.Finish {
	return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			i, err := s.Store.Installation(ctx, tx, a.Subject)
			if err != nil {
				return err
			}
			if i.State != from || i.Op != a.OpID {
				return CodeStep
			}
			i.Op = ""
			_, err = next(ctx, tx, i)
			return err
		}, nil
	}
}

func (s *Service) finishRequest(a custody.Activation) custody.Finish {
	return func(ctx context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
		csr, err := pki.AssembleRequest(s.Arc, a.M, d.Signature)
		if err != nil {
			return nil, err
		}
		commit := s.finish(a, Requesting, func(ctx context.Context, tx work.Tx, i Installation) (Installation, error) {
			i.State, i.Request = Requested, csr
			return s.save(ctx, tx, i, "installation.requested")
		})
		return commit(ctx, d)
	}
}

// Issue goes on from Proved: it begins the issuance, has the CA prepare and
// issue, and records the outcome in one transaction. Every step can be repeated,
// by the phone and by the job at once, and ends in one certificate or none.
func (s *Service) Issue(ctx context.Context, installation string) error {
	i, err := s.begin(ctx, installation)
	if err != nil || i.State != Issuing {
		return err
	}
	request, err := s.issueRequest(ctx, i)
	if err != nil {
		return err
	}
	pair, err := s.ask(ctx, i, request)
	if errors.Is(err, certificate.ErrRefused) {
		s.Log.ErrorContext(ctx, "the CA refused an installation", "installation", i.ID, "error", err)
		return s.refused(ctx, i)
	}
	if err != nil {
		return err
	}
	sign, enc, err := check(pair, i, request)
	if err != nil {
		return fmt.Errorf("install: installation %s: %w", i.ID, err)
	}
	return s.Runner.Do(ctx, "install.installed", func(ctx context.Context, tx work.Tx) error {
		now, err := s.Store.Installation(ctx, tx, i.ID)
		if err != nil || now.State != Issuing {
			return err
		}
		return s.installed(ctx, tx, now, pair, sign, enc)
	})
}

// begin is the point of no return. An installation that cannot be issued any
// more becomes void.
func (s *Service) begin(ctx context.Context, installation string) (Installation, error) {
	var i Installation
	var refusal error
	err := s.Runner.Do(ctx, "install.begin_issue", func(ctx context.Context, tx work.Tx) (err error) {
		refusal = nil
		if i, err = s.Store.Installation(ctx, tx, installation); err != nil || i.State != Proved {
			return err
		}
		held, err := s.Certificates.BeginIssue(ctx, tx, i.Account, i.Certificate, i.ID)
		if code, _ := fault.Of(err); err != nil && code.Kind == fault.Conflict && !errors.Is(err, certificate.CodeIssuing) {
			refusal = err
			i, err = s.void(ctx, tx, i)
			return err
		}
		if err != nil {
			return err
		}
		i.State, i.OldSignKey = Issuing, held.SignKey
		i, err = s.save(ctx, tx, i, "installation.issuing")
		return err
	})
	if err == nil {
		err = refusal
	}
	return i, err
}

// void ends an installation without a certificate and destroys its keys; the
// encryption key of a certificate that exists stays.
func (s *Service) void(ctx context.Context, tx work.Tx, i Installation) (Installation, error) {
	keys := []string{i.SignKey}
	if i.Kind == New {
		keys = append(keys, i.EncKey)
	}
	if err := s.Custody.Destroy(ctx, tx, keys...); err != nil {
		return i, err
	}
	i.State = Void
	return s.save(ctx, tx, i, "installation.void")
}

func (s *Service) issueRequest(ctx context.Context, i Installation) (certificate.IssueRequest, error) {
	var r certificate.IssueRequest
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		held, err := s.Certificates.Find(ctx, tx, i.Certificate)
		if err != nil {
			return err
		}
		person, err := s.Persons.Person(ctx, tx, i.Account)
		if err != nil {
			return err
		}
		r = certificate.IssueRequest{
			Ref: i.ID, Institution: held.Institution, CSR: i.Request, SignKey: i.SignPublic,
			Subject:   certificate.Subject{Kind: held.Holder.Kind, Ref: person.Holder, Name: person.Name, IDDigest: person.IDHash},
			NotBefore: held.NotBefore, NotAfter: held.NotAfter,
		}
		if i.Kind == New {
			r.EncKey = i.EncPublic
			return nil
		}
		r.Replaces = held.SignSerial
		// A re-key's certificate is valid from now on, to the same end.
		r.NotBefore = i.UpdatedAt.Truncate(time.Second)
		return nil
	})
	return r, err
}

// ask has the CA prepare, notes the serial numbers in the audit before anything
// is signed under them, and has it issue.
func (s *Service) ask(ctx context.Context, i Installation, r certificate.IssueRequest) (certificate.Pair, error) {
	p, err := s.Issuer.Prepare(ctx, r)
	if err != nil {
		return certificate.Pair{}, err
	}
	detail, err := json.Marshal(map[string]string{"sign": p.SignSerial, "enc": p.EncSerial})
	if err != nil {
		return certificate.Pair{}, err
	}
	err = s.Runner.Do(ctx, "install.prepared", func(ctx context.Context, tx work.Tx) error {
		return tx.Record(ctx, work.Entry{Kind: "installation.prepared", Actor: "system", Subject: i.ID, Detail: detail})
	})
	if err != nil {
		return certificate.Pair{}, err
	}
	return s.Issuer.Issue(ctx, i.ID)
}

// refused ends an installation that the CA will never issue: the certificate is
// 待下载 again, or keeps the keys it lost.
func (s *Service) refused(ctx context.Context, i Installation) error {
	return s.Runner.Do(ctx, "install.refused", func(ctx context.Context, tx work.Tx) error {
		now, err := s.Store.Installation(ctx, tx, i.ID)
		if err != nil || now.State != Issuing {
			return err
		}
		if err := s.Certificates.AbandonIssue(ctx, tx, now.Certificate, now.ID); err != nil {
			return err
		}
		if _, err := s.void(ctx, tx, now); err != nil {
			return err
		}
		return s.Notices.Post(ctx, tx, notice.Notice{
			Account: now.Account, Kind: "certificate.refused", Title: "证书签发未成功", Link: "/certificates/" + now.Certificate,
			Body: "CA 机构未能签发您的证书。请重新安装；如仍不成功，请联系客服处理。",
		})
	})
}

// check compares what the CA signed with what was asked for: the keys, the end
// date, and the serial numbers that the record will be found by.
func check(p certificate.Pair, i Installation, r certificate.IssueRequest) (sign, enc *smx509.Certificate, err error) {
	read := func(der, point []byte) (*smx509.Certificate, error) {
		c, err := smx509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		pub, err := pki.ParseSPKI(c.RawSubjectPublicKeyInfo)
		if err != nil {
			return nil, err
		}
		if got, err := pki.Point(pub); err != nil || !bytes.Equal(got, point) {
			return nil, errors.New("the CA certified another key")
		}
		if c.NotAfter.After(r.NotAfter) {
			return nil, certificate.CodeEndDate
		}
		return c, nil
	}
	if sign, err = read(p.SignDER, i.SignPublic); err != nil || i.Kind == Rekey {
		return sign, nil, err
	}
	enc, err = read(p.EncDER, i.EncPublic)
	return sign, enc, err
}

// installed records the outcome: certificate, keys, platforms, order, usage and
// notice in one transaction.
func (s *Service) installed(ctx context.Context, tx work.Tx, i Installation, p certificate.Pair, sign, enc *smx509.Certificate) error {
	// Suspended, if a recovery began since the phone proved its keys (Settle).
	k, err := s.Custody.Key(ctx, tx, i.SignKey)
	if err != nil {
		return err
	}
	lost := k.State == custody.KeySuspended
	var held certificate.Certificate
	if i.Kind == New {
		held, err = s.Certificates.Installed(ctx, tx, i.Certificate, certificate.Installed{
			Ref: i.ID, SignSerial: serial(sign), EncSerial: serial(enc), SignKey: i.SignKey, EncKey: i.EncKey,
			NotBefore: sign.NotBefore, NotAfter: sign.NotAfter, Device: i.Device, KeysLost: lost,
			SignDER: p.SignDER, EncDER: p.EncDER, Chain: p.Chain,
		})
	} else {
		held, err = s.Certificates.Replace(ctx, tx, i.Certificate, certificate.Replacement{
			Ref: i.ID, SignSerial: serial(sign), SignKey: i.SignKey, NotAfter: sign.NotAfter, Device: i.Device, KeysLost: lost,
			SignDER: p.SignDER, Chain: p.Chain,
		})
		if errors.Is(err, certificate.CodeRevoked) {
			return s.ended(ctx, tx, i, serial(sign))
		}
	}
	if err != nil {
		return err
	}
	if i.Kind == Rekey {
		if err := s.Custody.Destroy(ctx, tx, i.OldSignKey); err != nil {
			return err
		}
	}
	if err := activate(ctx, tx, s.Custody, i); err != nil {
		return err
	}
	i.State = Installed
	if i, err = s.save(ctx, tx, i, "installation.installed"); err != nil {
		return err
	}
	if i.Kind == New {
		if err := s.open(ctx, tx, held); err != nil {
			return err
		}
	}
	if err := s.tell(ctx, tx, i, held); err != nil || i.Kind == New {
		return err
	}
	return s.rekeyed(ctx, tx, i.Account)
}

// activate makes the new keys usable, unless Settle did so before.
func activate(ctx context.Context, tx work.Tx, d custody.Door, i Installation) error {
	k, err := d.Key(ctx, tx, i.SignKey)
	if err != nil || k.State != custody.KeyPending {
		return err
	}
	return d.Activate(ctx, tx, i.SignKey, i.EncKey)
}

// Settle prepares the account's unfinished installations for the suspension of
// all its keys, which destroys pending ones. What is being issued keeps its
// keys: they are activated, to be suspended with the others and restored or
// re-keyed like them. What is only proved becomes void: its certificate can be
// installed afresh.
func Settle(ctx context.Context, tx work.Tx, st Store, d custody.Door, account string, now time.Time) error {
	live, err := st.LiveInstallations(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, i := range live {
		kind := "installation.void"
		switch i.State {
		case Proved:
			i.State = Void
		case Issuing:
			kind = "installation.settled"
			if err := activate(ctx, tx, d, i); err != nil {
				return err
			}
		default:
			continue // begins again with the new PIN
		}
		i.UpdatedAt = now
		if err := st.UpdateInstallation(ctx, tx, i); err != nil {
			return err
		}
		if err := tx.Record(ctx, work.Entry{Kind: kind, Actor: account, Subject: i.ID}); err != nil {
			return err
		}
	}
	return nil
}

// Busy reports whether something is being issued for an account whose keys are
// proved but not yet active.
func Busy(ctx context.Context, tx work.Tx, st Store, account string) (bool, error) {
	live, err := st.LiveInstallations(ctx, tx, account)
	for _, i := range live {
		if i.State == Proved || i.State == Issuing {
			return true, err
		}
	}
	return false, err
}

// ended revokes what was issued for a certificate that was revoked meanwhile.
func (s *Service) ended(ctx context.Context, tx work.Tx, i Installation, serial string) error {
	if _, err := s.Revoker.Revoke(ctx, tx, serial, pki.CessationOfOperation, s.Clock.Now()); err != nil {
		return err
	}
	_, err := s.void(ctx, tx, i)
	return err
}

// open authorises the platform chosen at purchase for the certificate's whole
// validity (docs/domain.md §3.2), and those that were paid with it.
func (s *Service) open(ctx context.Context, tx work.Tx, c certificate.Certificate) error {
	lines := []string{c.Line}
	if err := s.Roamings.Open(ctx, tx, c, c.Platform, c.NotBefore, c.NotAfter, c.Line); err != nil {
		return err
	}
	planned, err := s.Roamings.Of(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for _, r := range planned {
		if r.State != roaming.Opening {
			continue
		}
		if err := s.Roamings.Open(ctx, tx, c, r.Platform, c.NotBefore, c.NotAfter, r.Line); err != nil {
			return err
		}
		if r.Line != c.Line {
			lines = append(lines, r.Line)
		}
	}
	for _, l := range lines {
		if err := s.Orders.Fulfilled(ctx, tx, l); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) tell(ctx context.Context, tx work.Tx, i Installation, c certificate.Certificate) error {
	person, err := s.Persons.Person(ctx, tx, i.Account)
	if err != nil {
		return err
	}
	if err := s.Usage.Write(ctx, tx, usage.Record{
		Ref: "install:" + i.ID, At: s.Clock.Now(), Account: i.Account, Enterprise: c.Holder.Enterprise, Device: i.Device, Operator: person.Name,
		Certificate: c.ID, Serial: c.SignSerial, Business: string(i.Kind), Outcome: usage.OK,
	}); err != nil {
		return err
	}
	n := notice.Notice{
		Account: i.Account, Kind: "certificate.installed", Title: "证书已安装", Link: "/certificates/" + c.ID,
		Body: "您的证书已安装到本机并生效，购买时选择的平台已开通，可以扫码使用。",
	}
	if i.Kind == Rekey {
		n.Kind, n.Title = "certificate.rekeyed", "证书已恢复"
		n.Body = "您的证书已在本机恢复使用，有效期不变；原手机上的密钥已失效。如非本人操作，请立即联系客服。"
	}
	return s.Notices.Post(ctx, tx, n)
}

// serial is a serial number as records write it: lower-case hex without leading
// zeros.
func serial(c *smx509.Certificate) string { return c.SerialNumber.Text(16) }
