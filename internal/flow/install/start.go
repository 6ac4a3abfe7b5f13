package install

import (
	"context"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/flow/prove"
	"tianweitong/internal/id"
	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Start starts the installation of a certificate, or takes up the one that is
// there. Before Proved it begins again with a new confirmation by PIN, on the
// caller's device: docs/split-keys.md §2.1 gives a break no other way. From
// Proved on it goes on issuing, and a certificate that is installed here answers
// with its finished installation. A failing CA is not an error: the state stays
// Issuing and the server tries again.
func (s *Service) Start(ctx context.Context, c account.Caller, cert string) (Progress, error) {
	var i Installation
	err := s.Runner.Do(ctx, "install.start", func(ctx context.Context, tx work.Tx) (err error) {
		i, err = s.start(ctx, tx, c, cert)
		return err
	})
	if err != nil {
		return Progress{}, err
	}
	if i.State == Proved || i.State == Issuing {
		if err := s.Issue(ctx, i.ID); err != nil {
			if code, _ := fault.Of(err); code.Kind != fault.Internal && code.Kind != fault.Unavailable {
				return Progress{}, err
			}
			s.Log.WarnContext(ctx, "issuing will be tried again", "installation", i.ID, "error", err)
		}
	}
	return s.Get(ctx, c, cert)
}

// Get gives the newest installation of a certificate as it stands.
func (s *Service) Get(ctx context.Context, c account.Caller, cert string) (Progress, error) {
	var out Progress
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		held, err := s.Certificates.Get(ctx, tx, c.Account, cert)
		if err != nil {
			return err
		}
		i, err := s.Store.LastInstallation(ctx, tx, cert)
		if errors.Is(err, work.ErrNotFound) {
			return CodeNotFound
		}
		if err != nil {
			return err
		}
		out = Progress{Installation: i}
		if i.State != Installed {
			return nil
		}
		leaves, err := s.Certificates.Leaves(ctx, tx, cert)
		for _, l := range leaves {
			switch l.Serial {
			case held.SignSerial:
				out.SignDER, out.Chain = l.DER, l.Chain
			case held.EncSerial:
				out.EncDER = l.DER
			}
		}
		return err
	})
	return out, err
}

func (s *Service) start(ctx context.Context, tx work.Tx, c account.Caller, cert string) (Installation, error) {
	held, err := s.Certificates.Get(ctx, tx, c.Account, cert)
	if err != nil {
		return Installation{}, err
	}
	last, err := s.Store.LastInstallation(ctx, tx, cert)
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		return Installation{}, err
	}
	there := err == nil
	if there && (last.State == Proved || last.State == Issuing) {
		return last, nil
	}
	h := holder(c)
	kind, err := s.kind(ctx, tx, held, h)
	if errors.Is(err, CodeHere) && there && last.State == Installed {
		return last, nil
	}
	if err != nil {
		return Installation{}, err
	}
	pin, err := prove.PINKey(ctx, tx, s.Custody, h)
	if err != nil {
		return Installation{}, err
	}
	if _, err := s.Persons.Person(ctx, tx, c.Account); err != nil {
		return Installation{}, err
	}
	now := s.Clock.Now()
	i := Installation{ID: id.New(s.Rand), Account: c.Account, Certificate: cert, Kind: kind, CreatedAt: now}
	if there && last.Live() {
		if i, err = s.back(ctx, tx, last); err != nil {
			return Installation{}, err
		}
	}
	i.Device, i.State, i.PINKey = c.Device, Authorising, pin.ID
	a, err := prove.Confirmation{
		Holder: h, KeyID: pin.ID, Business: BusinessAuthorise, Subject: i.ID, ID: splitkey.IDPIN,
		Purpose: string(kind), Object: prove.Digest([]byte(cert), []byte(i.ID)),
	}.Activation(s.Rand, now)
	if err != nil {
		return Installation{}, err
	}
	if err := s.Custody.Authorise(ctx, tx, a); err != nil {
		return Installation{}, err
	}
	i.Op = a.OpID
	if there && last.Live() {
		return s.save(ctx, tx, i, "installation.restarted")
	}
	if kind == New {
		i.EncKey = id.New(s.Rand) // the KMC knows the key by the same id
	}
	i.Version, i.UpdatedAt = 1, now
	if err := s.Store.InsertInstallation(ctx, tx, i); err != nil {
		return Installation{}, err
	}
	return i, tx.Record(ctx, work.Entry{Kind: "installation.started", Actor: i.Account, Subject: i.ID})
}

// kind decides what a certificate needs on this device: a first installation, a
// re-key, or nothing (CodeHere). A re-key needs no right of its own: the signing
// key can only be out of use, and the PIN key on this device, after a recovery.
func (s *Service) kind(ctx context.Context, tx work.Tx, c certificate.Certificate, h custody.Holder) (Kind, error) {
	switch c.State {
	case certificate.Pending:
		return New, nil
	case certificate.Valid, certificate.KeyLost, certificate.Frozen:
	case certificate.Cancelled:
		return "", certificate.CodeCancelled
	case certificate.Revoked:
		return "", certificate.CodeRevoked
	case certificate.Expired:
		return "", certificate.CodeExpired
	default:
		return "", certificate.CodeNotPending
	}
	k, err := s.Custody.Key(ctx, tx, c.SignKey)
	switch {
	case err != nil:
		return "", err
	case k.State != custody.KeyActive:
		return Rekey, nil
	case k.Holder != h:
		return "", custody.CodeWrongDevice
	}
	return "", CodeHere
}

// back puts a live installation to its beginning and forgets what was made
// after it. Keys made so far stay pending until a new enrolment voids them.
func (s *Service) back(ctx context.Context, tx work.Tx, i Installation) (Installation, error) {
	if i.Op != "" {
		if err := s.Custody.Withdraw(ctx, tx, i.Op); err != nil {
			return i, err
		}
	}
	i.State, i.Op = Authorising, ""
	i.SignKey, i.SignPublic, i.EnrolmentKey, i.RequestInfo, i.Request = "", nil, nil, nil, nil
	return i, nil
}

func (s *Service) save(ctx context.Context, tx work.Tx, i Installation, kind string) (Installation, error) {
	i.UpdatedAt = s.Clock.Now()
	if err := s.Store.UpdateInstallation(ctx, tx, i); err != nil {
		return Installation{}, err
	}
	i.Version++
	return i, tx.Record(ctx, work.Entry{Kind: kind, Actor: i.Account, Subject: i.ID})
}

// authorised gives a live installation of this holder in one of the states,
// while the PIN entered at its start still serves.
func (s *Service) authorised(ctx context.Context, tx work.Tx, h custody.Holder, installation string, in ...State) (Installation, error) {
	i, err := s.Store.Installation(ctx, tx, installation)
	switch {
	case errors.Is(err, work.ErrNotFound):
		return Installation{}, CodeNotFound
	case err != nil:
		return Installation{}, err
	case i.Account != h.Account || i.Device != h.Device:
		return Installation{}, CodeNotFound
	case !one(i.State, in) || !s.Clock.Now().Before(i.AuthorisedUntil):
		return Installation{}, CodeStep
	}
	pin, err := prove.PINKey(ctx, tx, s.Custody, h)
	if err != nil {
		return Installation{}, err
	}
	if pin.ID != i.PINKey {
		return Installation{}, CodeStep
	}
	return i, nil
}

func one(s State, in []State) bool {
	for _, t := range in {
		if s == t {
			return true
		}
	}
	return false
}

// Enrol lets the phone make the signing key of an installation, once for each
// PIN entry: a break after it begins again with Start, whose confirmation takes
// a new enrolment ID (docs/split-keys.md §2.1).
func (s *Service) Enrol(ctx context.Context, h custody.Holder, installation string) (custody.Enrolment, error) {
	var e custody.Enrolment
	err := s.Runner.Do(ctx, "install.enrol", func(ctx context.Context, tx work.Tx) error {
		i, err := s.authorised(ctx, tx, h, installation, Authorised)
		if err != nil {
			return err
		}
		i.State = Requesting
		if e, err = s.Custody.Enrol(ctx, tx, h, custody.KindSign, installation); err != nil {
			return err
		}
		_, err = s.save(ctx, tx, i, "installation.enrolled")
		return err
	})
	return e, err
}

// Request builds the certificate request for the key that the phone made and
// returns the operation by which phone and custody sign it. enrolmentKey is a
// fresh SM2 key of the phone (65 bytes) that the KMC will encrypt the share to.
func (s *Service) Request(ctx context.Context, h custody.Holder, installation string, enrolmentKey []byte) (Installation, error) {
	if splitkey.CheckPoint(enrolmentKey) != nil {
		return Installation{}, CodeEnrolmentKey
	}
	var i Installation
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		i, err = s.authorised(ctx, tx, h, installation, Requesting)
		return err
	})
	if err != nil {
		return Installation{}, err
	}
	var pe []byte
	if i.Kind == New {
		// One encryption key for an installation, however often it begins anew.
		if pe, err = s.KMC.Make(ctx, i.EncKey); err != nil {
			return Installation{}, outside(CodeKMC, err)
		}
	}
	err = s.Runner.Do(ctx, "install.request", func(ctx context.Context, tx work.Tx) error {
		i, err = s.request(ctx, tx, h, installation, enrolmentKey, pe)
		return err
	})
	return i, err
}

func (s *Service) request(ctx context.Context, tx work.Tx, h custody.Holder, installation string, enrolmentKey, pe []byte) (Installation, error) {
	i, err := s.authorised(ctx, tx, h, installation, Requesting)
	if err != nil {
		return Installation{}, err
	}
	if i.Op != "" {
		if err := s.Custody.Withdraw(ctx, tx, i.Op); err != nil {
			return Installation{}, err
		}
	}
	key, err := s.signKey(ctx, tx, i)
	if err != nil {
		return Installation{}, err
	}
	if i.Kind == Rekey {
		held, err := s.Certificates.Get(ctx, tx, i.Account, i.Certificate)
		if err != nil {
			return Installation{}, err
		}
		enc, err := s.Custody.Key(ctx, tx, held.EncKey)
		if err != nil {
			return Installation{}, err
		}
		i.EncKey, pe = enc.ID, enc.PublicKey
	}
	i.SignKey, i.SignPublic, i.EncPublic, i.EnrolmentKey = key.ID, key.PublicKey, pe, enrolmentKey
	if i.RequestInfo, err = s.requestInfo(ctx, tx, i, key.Enrolment); err != nil {
		return Installation{}, err
	}
	a := custody.Activation{
		OpID: id.New(s.Rand), Holder: h, KeyID: key.ID, Business: BusinessRequest, Subject: i.ID,
		ID: splitkey.IDDocument, M: i.RequestInfo, Expires: s.Clock.Now().Add(prove.Window),
	}
	if err := s.Custody.Authorise(ctx, tx, a); err != nil {
		return Installation{}, err
	}
	i.State, i.Op = Requesting, a.OpID
	return s.save(ctx, tx, i, "installation.requesting")
}

// signKey finds the signing key that the phone made for an installation.
func (s *Service) signKey(ctx context.Context, tx work.Tx, i Installation) (custody.Key, error) {
	keys, err := s.Custody.Keys(ctx, tx, i.Account)
	if err != nil {
		return custody.Key{}, err
	}
	for _, k := range keys {
		if k.Kind == custody.KindSign && k.Subject == i.ID && k.State == custody.KeyPending && k.Holder.Device == i.Device {
			return k, nil
		}
	}
	return custody.Key{}, custody.CodeEnrolment
}

func (s *Service) requestInfo(ctx context.Context, tx work.Tx, i Installation, enrolment string) ([]byte, error) {
	person, err := s.Persons.Person(ctx, tx, i.Account)
	if err != nil {
		return nil, err
	}
	sign, err := pki.ParsePoint(i.SignPublic)
	if err != nil {
		return nil, err
	}
	enc, err := pki.ParsePoint(i.EncPublic)
	if err != nil {
		return nil, err
	}
	sum := sm3.Sum(i.EnrolmentKey)
	return pki.RequestInfo{
		Subject:   pki.Name{Country: "CN", CommonName: person.Name, Serial: person.Holder},
		PublicKey: sign, EnrolmentID: enrolment, EnrolmentKey: sum[:], EncryptionKey: enc,
	}.Marshal(s.Arc)
}

// Deliver has the KMC deal the encryption key for the co-signed request and
// returns the phone's share with the operation that proves it. Every call deals
// anew and makes the deliveries before it void: the same share never leaves
// twice (docs/split-keys.md §2.4).
func (s *Service) Deliver(ctx context.Context, h custody.Holder, installation string) (Delivery, error) {
	var i Installation
	err := s.Runner.Do(ctx, "install.deal", func(ctx context.Context, tx work.Tx) (err error) {
		if i, err = s.authorised(ctx, tx, h, installation, Requested, Delivered); err != nil {
			return err
		}
		if i.Op != "" {
			if err := s.Custody.Withdraw(ctx, tx, i.Op); err != nil {
				return err
			}
		}
		i.State, i.Op = Requested, ""
		i.Deals++
		i, err = s.save(ctx, tx, i, "installation.dealing")
		return err
	})
	if err != nil {
		return Delivery{}, err
	}
	deal, err := s.KMC.Deal(ctx, kmc.DealRequest{
		Ref: fmt.Sprintf("%s/%d", i.ID, i.Deals), Account: i.Account, Device: i.Device, PublicKey: i.EncPublic, EnrolmentKey: i.EnrolmentKey, CSR: i.Request,
	})
	if err != nil {
		return Delivery{}, outside(CodeKMC, err)
	}
	service, err := s.ServiceCertificate(ctx)
	if err != nil {
		return Delivery{}, err
	}
	out := Delivery{KeyID: i.EncKey, PublicKey: i.EncPublic, ForPhone: deal.ForPhone}
	err = s.Runner.Do(ctx, "install.deliver", func(ctx context.Context, tx work.Tx) error {
		now, err := s.authorised(ctx, tx, h, installation, Requested)
		if err != nil {
			return err
		}
		if now.Deals != i.Deals {
			return CodeStep // a later delivery overtook this one
		}
		if err := s.Custody.Accept(ctx, tx, h, now.EncKey, now.ID, now.EncPublic, deal.ForCustody); err != nil {
			return err
		}
		a, err := prove.Trial(s.Rand, s.Clock.Now(), h, now.EncKey, BusinessTrial, now.ID, now.EncPublic, service)
		if err != nil {
			return err
		}
		if err := s.Custody.Authorise(ctx, tx, a); err != nil {
			return err
		}
		out.Op, now.Op, now.State = a.OpID, a.OpID, Delivered
		_, err = s.save(ctx, tx, now, "installation.delivered")
		return err
	})
	return out, err
}

// outside gives an outside party's error the code for it, unless it has one.
func outside(c fault.Code, err error) error {
	if known, _ := fault.Of(err); known.Name != fault.Unexpected.Name {
		return err
	}
	return c.Because(err)
}
