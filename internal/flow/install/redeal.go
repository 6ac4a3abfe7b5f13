package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// RedealState is where a redealing stands.
type RedealState string

// The states of a redealing.
const (
	RedealAuthorising RedealState = "authorising" // waits for the PIN (operation install.redeal)
	RedealAuthorised  RedealState = "authorised"  // the keys can be delivered and proved
	RedealDone        RedealState = "done"
	RedealOver        RedealState = "over" // another one began
)

// Redealing deals the encryption keys anew that no installation covers: those
// of expired, revoked and replaced certificates, without which old envelopes
// would stay shut (docs/split-keys.md §2.6; docs/domain.md §0 fact 3).
type Redealing struct {
	ID, Account, Device string
	State               RedealState
	Op                  string // while RedealAuthorising
	PINKey              string
	AuthorisedUntil     time.Time // the end of deliveries; zero while RedealAuthorising
	EnrolmentKey        []byte    // the phone's, 65 bytes
	Message             []byte    // what the PIN key signed
	Signature           []byte    // DER
	Deals               int64
	Keys                []RedealtKey
	CreatedAt           time.Time
	UpdatedAt           time.Time
	Version             int64
}

// RedealtKey is one key of a redealing.
type RedealtKey struct {
	Key    string // custody's key id
	Public []byte // Pe, 65 bytes
	Op     string // the trial that proves it; empty before delivery
	Proved bool
}

// Live reports whether a redealing is unfinished.
func (r Redealing) Live() bool { return r.State == RedealAuthorising || r.State == RedealAuthorised }

// Remaining tells what a re-key still has to bring back: certificates whose
// signing key is out of use, and encryption keys that no such certificate
// covers.
func Remaining(ctx context.Context, tx work.Tx, d custody.Door, c interface {
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
}, account string) (certificates []string, keys []custody.Key, err error) {
	all, err := d.Keys(ctx, tx, account)
	if err != nil {
		return nil, nil, err
	}
	byID := map[string]custody.Key{}
	for _, k := range all {
		byID[k.ID] = k
	}
	held, err := c.Held(ctx, tx, account)
	if err != nil {
		return nil, nil, err
	}
	covered := map[string]bool{}
	for _, h := range held {
		switch h.State {
		case certificate.Valid, certificate.KeyLost, certificate.Frozen:
			if byID[h.SignKey].State != custody.KeyActive {
				certificates = append(certificates, h.ID)
				covered[h.EncKey] = true
			}
		}
	}
	for _, k := range all {
		if k.Kind == custody.KindEncrypt && k.State == custody.KeySuspended && !covered[k.ID] {
			keys = append(keys, k)
		}
	}
	return certificates, keys, nil
}

// rekeyed tells the recovery how much is left.
func (s *Service) rekeyed(ctx context.Context, tx work.Tx, account string) error {
	certificates, keys, err := Remaining(ctx, tx, s.Custody, s.Certificates, account)
	if err != nil {
		return err
	}
	return s.Recoveries.Rekeyed(ctx, tx, account, len(certificates)+len(keys))
}

// Redeal begins to deal the encryption keys that no installation covers, and
// returns the operation by which the PIN key asks for them. An unfinished one
// gives way.
func (s *Service) Redeal(ctx context.Context, h custody.Holder, enrolmentKey []byte) (Redealing, error) {
	if splitkey.CheckPoint(enrolmentKey) != nil {
		return Redealing{}, CodeEnrolmentKey
	}
	var r Redealing
	err := s.Runner.Do(ctx, "install.redeal", func(ctx context.Context, tx work.Tx) error {
		pin, err := prove.PINKey(ctx, tx, s.Custody, h)
		if err != nil {
			return err
		}
		_, keys, err := Remaining(ctx, tx, s.Custody, s.Certificates, h.Account)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return CodeNoRedeal
		}
		if err := s.endRedealing(ctx, tx, h.Account); err != nil {
			return err
		}
		now := s.Clock.Now()
		r = Redealing{
			ID: id.New(s.Rand), Account: h.Account, Device: h.Device, State: RedealAuthorising, PINKey: pin.ID,
			EnrolmentKey: enrolmentKey, CreatedAt: now, UpdatedAt: now, Version: 1,
		}
		var ids []string
		for _, k := range keys {
			ids = append(ids, k.ID)
			r.Keys = append(r.Keys, RedealtKey{Key: k.ID, Public: k.PublicKey})
		}
		sum := sm3.Sum(enrolmentKey)
		a, err := prove.Confirmation{
			Holder: h, KeyID: pin.ID, Business: BusinessRedeal, Subject: r.ID, ID: splitkey.IDPIN,
			Purpose: "redeal", Object: sum[:], KeyIDs: ids,
		}.Activation(s.Rand, now)
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		r.Op, r.Message = a.OpID, a.M
		if err := s.Store.InsertRedealing(ctx, tx, r); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "redealing.started", Actor: h.Account, Subject: r.ID})
	})
	return r, err
}

func (s *Service) endRedealing(ctx context.Context, tx work.Tx, account string) error {
	old, err := s.Store.LiveRedealing(ctx, tx, account)
	if errors.Is(err, work.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ops := []string{old.Op}
	for _, k := range old.Keys {
		ops = append(ops, k.Op)
	}
	for _, op := range ops {
		if op == "" {
			continue
		}
		if err := s.Custody.Withdraw(ctx, tx, op); err != nil {
			return err
		}
	}
	old.State = RedealOver
	return s.putRedealing(ctx, tx, old, "redealing.over")
}

func (s *Service) putRedealing(ctx context.Context, tx work.Tx, r Redealing, kind string) error {
	r.UpdatedAt = s.Clock.Now()
	if err := s.Store.UpdateRedealing(ctx, tx, r); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: r.Account, Subject: r.ID})
}

func (s *Service) finishRedeal(a custody.Activation) custody.Finish {
	return func(ctx context.Context, d custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			r, err := s.Store.Redealing(ctx, tx, a.Subject)
			if err != nil {
				return err
			}
			if r.State != RedealAuthorising || r.Op != a.OpID {
				return CodeStep
			}
			r.State, r.Op, r.Signature = RedealAuthorised, "", d.Signature
			r.AuthorisedUntil = s.Clock.Now().Add(Authorisation)
			return s.putRedealing(ctx, tx, r, "redealing.authorised")
		}, nil
	}
}

// redealing gives the holder's live redealing that the PIN has authorised, and
// the public key of that PIN key.
func (s *Service) redealing(ctx context.Context, tx work.Tx, h custody.Holder, redealing string) (Redealing, []byte, error) {
	r, err := s.Store.Redealing(ctx, tx, redealing)
	switch {
	case errors.Is(err, work.ErrNotFound):
		return Redealing{}, nil, CodeNotFound
	case err != nil:
		return Redealing{}, nil, err
	case r.Account != h.Account || r.Device != h.Device:
		return Redealing{}, nil, CodeNotFound
	case r.State != RedealAuthorised:
		return Redealing{}, nil, CodeStep
	}
	pin, err := prove.PINKey(ctx, tx, s.Custody, h)
	if err != nil {
		return Redealing{}, nil, err
	}
	if pin.ID != r.PINKey {
		return Redealing{}, nil, CodeStep
	}
	return r, pin.PublicKey, nil
}

// deliverable is redealing while the PIN entered at its start still serves.
// What was delivered in time may be proved after it.
func (s *Service) deliverable(ctx context.Context, tx work.Tx, h custody.Holder, redealing string) (Redealing, []byte, error) {
	r, pin, err := s.redealing(ctx, tx, h, redealing)
	if err == nil && !s.Clock.Now().Before(r.AuthorisedUntil) {
		err = CodeStep
	}
	return r, pin, err
}

// DeliverRedealt deals every key of a redealing that the phone has not proved
// yet, and returns the shares with the trials that prove them. Every call deals
// anew, until Authorisation after the PIN.
func (s *Service) DeliverRedealt(ctx context.Context, h custody.Holder, redealing string) ([]Delivery, error) {
	var r Redealing
	var pin []byte
	err := s.Runner.Do(ctx, "install.redeal_deal", func(ctx context.Context, tx work.Tx) (err error) {
		if r, pin, err = s.deliverable(ctx, tx, h, redealing); err != nil {
			return err
		}
		r.Deals++
		return s.putRedealing(ctx, tx, r, "redealing.dealing")
	})
	if err != nil {
		return nil, err
	}
	deals := map[string][]byte{}
	var out []Delivery
	for n, k := range r.Keys {
		if k.Proved {
			continue
		}
		d, err := s.KMC.Deal(ctx, kmc.DealRequest{
			Ref: fmt.Sprintf("%s/%d/%d", r.ID, r.Deals, n), Account: r.Account, Device: r.Device,
			PublicKey: k.Public, EnrolmentKey: r.EnrolmentKey,
			Redeal: &kmc.Redeal{M: r.Message, Signature: r.Signature, PINKey: pin},
		})
		if err != nil {
			return nil, outside(CodeKMC, err)
		}
		deals[k.Key] = d.ForCustody
		out = append(out, Delivery{KeyID: k.Key, PublicKey: k.Public, ForPhone: d.ForPhone})
	}
	service, err := s.ServiceCertificate(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Runner.Do(ctx, "install.redeal_deliver", func(ctx context.Context, tx work.Tx) error {
		now, _, err := s.deliverable(ctx, tx, h, redealing)
		if err != nil {
			return err
		}
		if now.Deals != r.Deals {
			return CodeStep // a later delivery overtook this one
		}
		for j, n := 0, 0; n < len(now.Keys); n++ {
			k := &now.Keys[n]
			forCustody, dealt := deals[k.Key]
			if !dealt {
				continue
			}
			if k.Op != "" {
				if err := s.Custody.Withdraw(ctx, tx, k.Op); err != nil {
					return err
				}
			}
			if err := s.Custody.Accept(ctx, tx, h, k.Key, r.ID, k.Public, forCustody); err != nil {
				return err
			}
			a, err := prove.Trial(s.Rand, s.Clock.Now(), h, k.Key, BusinessRetrial, r.ID, k.Public, service)
			if err != nil {
				return err
			}
			if err := s.Custody.Authorise(ctx, tx, a); err != nil {
				return err
			}
			k.Op, out[j].Op = a.OpID, a.OpID
			j++
		}
		return s.putRedealing(ctx, tx, now, "redealing.delivered")
	})
	return out, err
}

func (s *Service) finishRetrial(h custody.Holder, a custody.Activation) custody.Finish {
	return func(context.Context, custody.Done) (func(context.Context, work.Tx) error, error) {
		return func(ctx context.Context, tx work.Tx) error {
			r, _, err := s.redealing(ctx, tx, h, a.Subject)
			if err != nil {
				return err
			}
			left, found := 0, false
			for n := range r.Keys {
				k := &r.Keys[n]
				if k.Key == a.KeyID && k.Op == a.OpID && !k.Proved {
					k.Proved, found = true, true
				}
				if !k.Proved {
					left++
				}
			}
			if !found {
				return CodeStep
			}
			if err := s.Custody.Activate(ctx, tx, a.KeyID); err != nil {
				return err
			}
			if left == 0 {
				r.State = RedealDone
			}
			if err := s.putRedealing(ctx, tx, r, "redealing.proved"); err != nil {
				return err
			}
			return s.rekeyed(ctx, tx, r.Account)
		}, nil
	}
}
