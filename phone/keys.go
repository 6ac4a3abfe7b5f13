package phone

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/pki/wire"
	"tianweitong/splitkey"
)

type enrolment struct {
	ID     string `json:"id"`
	KeyID  string `json:"keyID"`
	Server string `json:"server"`
	Seed   []byte `json:"seed"`
	Pepper []byte `json:"pepper"`
}

// enrol makes a split key for a subject: d1 here, d2 at the server, P public;
// d1 is masked under the PIN, written durably and read back before anybody
// relies on it (docs/split-keys.md §2.1).
func (p *Phone) enrol(ctx context.Context, purpose splitkey.Purpose, kind, subject string, e *Entry) (splitkey.Record, error) {
	var en enrolment
	if err := p.sealed(ctx, "/enrolments", "", "", map[string]string{"kind": kind, "subject": subject}, &en); err != nil {
		return splitkey.Record{}, err
	}
	random, err := splitkey.NewRandom(p.Rand, en.Seed)
	if err != nil {
		return splitkey.Record{}, err
	}
	state, request, err := splitkey.StartKeygen(random, splitkey.Context{
		Account: p.state.Account, Device: p.thumbprint(), Enrolment: en.ID, Server: en.Server, KeyID: en.KeyID,
	})
	if err != nil {
		return splitkey.Record{}, err
	}
	defer state.Wipe()
	var reply splitkey.KeygenReply
	if err := p.sealed(ctx, "/enrolments/"+en.ID+"/key", "", "", request, &reply); err != nil {
		return splitkey.Record{}, err
	}
	d1, public, err := state.Finish(reply)
	if err != nil {
		return splitkey.Record{}, err
	}
	defer d1.Wipe()
	stretched, err := p.stretch(e, en.Pepper)
	if err != nil {
		return splitkey.Record{}, err
	}
	return p.mask(random, stretched, purpose, en.KeyID, public, d1)
}

// mask writes the record of a share and reads it back.
func (p *Phone) mask(random io.Reader, s *splitkey.Stretched, purpose splitkey.Purpose, keyID string, public []byte, share *splitkey.Secret) (splitkey.Record, error) {
	if old, err := p.state.record(keyID); err == nil && (old.Purpose != purpose || !bytes.Equal(old.PublicKey, public)) {
		return splitkey.Record{}, fmt.Errorf("%w: a key under another key's name", ErrMismatch)
	}
	record, err := s.Mask(random, p.Device(), purpose, keyID, public, share)
	if err != nil {
		return splitkey.Record{}, err
	}
	p.state.put(record)
	if err := p.save(); err != nil {
		return splitkey.Record{}, err
	}
	back, err := p.Store.Load()
	if err != nil {
		return splitkey.Record{}, errors.Join(ErrStorage, err)
	}
	read, err := back.record(keyID)
	if err != nil || !bytes.Equal(read.Masked, record.Masked) || !bytes.Equal(read.Salt, record.Salt) {
		return splitkey.Record{}, fmt.Errorf("%w: what was written does not read back", ErrStorage)
	}
	return record, nil
}

// forget deletes records of keys that a broken installation left behind.
func (p *Phone) forget(keyIDs ...string) error {
	for _, id := range keyIDs {
		kept := p.state.Records[:0]
		for _, r := range p.state.Records {
			if r.KeyID != id {
				kept = append(kept, r)
			}
		}
		p.state.Records = kept
	}
	return p.save()
}

// confirms says that an offer confirms exactly what is wanted: its ID, purpose,
// object and keys, for this account on this device. Only the nonce is the
// server's to choose.
func (p *Phone) confirms(want splitkey.ConfirmMessage) func(Offer) error {
	return func(o Offer) error {
		m, err := splitkey.ParseConfirmMessage(o.M)
		if err != nil {
			return errors.Join(ErrMismatch, err)
		}
		if o.ID != want.ID || m.ID != want.ID || m.Purpose != want.Purpose || m.Account != p.state.Account || !bytes.Equal(m.Device, p.thumbprint()) {
			return fmt.Errorf("%w: asked for %q, offered %q", ErrMismatch, want.Purpose, m.Purpose)
		}
		if !bytes.Equal(m.Object, want.Object) || !slices.Equal(m.KeyIDs, want.KeyIDs) {
			return fmt.Errorf("%w: %q of something else", ErrMismatch, want.Purpose)
		}
		return nil
	}
}

// object is the SM3 digest of what a confirmation is about: each part behind its
// length in four bytes.
func object(parts ...[]byte) []byte {
	h := sm3.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}

// PIN is how the PIN stands (PIN 码管理, 2.7.4).
type PIN struct {
	Set         bool      `json:"set"`
	Here        bool      `json:"here"`      // its key is this phone's
	Remaining   int       `json:"remaining"` // tries until the final lock
	LockedUntil time.Time `json:"lockedUntil"`
	Locked      bool      `json:"locked"`
}

// PIN asks how the PIN stands.
func (p *Phone) PIN(ctx context.Context) (PIN, error) {
	var out PIN
	return out, p.get(ctx, "/pin", &out)
}

// BeginPIN opens the setting of the first PIN (设置 PIN 码, 2.7.4) with an SMS code
// of purpose "pin" and gives its ID. It serves for half an hour, however often the
// PIN is typed: the app tells of a wrong code before it asks for one.
func (p *Phone) BeginPIN(ctx context.Context, ticket, code string) (setup string, err error) {
	var out struct {
		ID string `json:"id"`
	}
	err = p.post(ctx, "/pin/setup", map[string]string{"ticket": ticket, "code": code}, &out)
	return out.ID, err
}

// SetPIN begins and sets the first PIN. second is what the user typed the second
// time: if it differs, the server's check of the key fails, nothing is charged,
// and pin_mismatch comes back.
func (p *Phone) SetPIN(ctx context.Context, ticket, code, pin, second string) error {
	setup, err := p.BeginPIN(ctx, ticket, code)
	if err != nil {
		return err
	}
	return p.setPIN(ctx, setup, p.Enter(pin), p.Enter(second))
}

// setPIN sets the first PIN in a setup of BeginPIN.
func (p *Phone) setPIN(ctx context.Context, setup string, first, again *Entry) error {
	defer first.Wipe()
	defer again.Wipe()
	if err := splitkey.CheckPIN(string(first.pin), "", ""); err != nil {
		return err
	}
	return p.newPIN(ctx, setup, "/pin/setup/"+setup+"/proof", "set", first, again)
}

// newPIN makes a PIN key for a subject and proves it with the second entry.
func (p *Phone) newPIN(ctx context.Context, subject, proofPath, purpose string, first, again *Entry) error {
	p.stage("making-keys")
	record, err := p.enrol(ctx, splitkey.PurposePIN, "pin", subject, first)
	if err != nil {
		return err
	}
	var proof struct {
		OpID string `json:"opID"`
	}
	if err := p.post(ctx, proofPath, nil, &proof); err != nil {
		return err
	}
	if p.Keep && bytes.Equal(first.pin, again.pin) {
		again.stretched = first.stretched
	}
	p.stage("proving")
	want := splitkey.ConfirmMessage{
		ID: splitkey.IDPIN, Purpose: purpose, Object: object(record.PublicKey), KeyIDs: []string{record.KeyID},
	}
	if _, err := p.sign(ctx, proof.OpID, again, splitkey.PurposePIN, p.confirms(want)); err != nil {
		if refusal(err) {
			err = errors.Join(err, p.forget(record.KeyID))
		}
		return err
	}
	return nil
}

// refusal says that the server answered and refused, so that a key that was to be
// proved is void. After an answer that was lost it may be in force already.
func refusal(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status >= 400 && p.Status < 500
}

// Revoke revokes a certificate (吊销) for one of the server's reasons:
// "compromised", "changed" or "unneeded". The PIN confirms certificate and reason.
func (p *Phone) Revoke(ctx context.Context, certificate, reason, pin string) error {
	return p.revoke(ctx, certificate, reason, p.Enter(pin))
}

func (p *Phone) revoke(ctx context.Context, certificate, reason string, e *Entry) error {
	defer e.Wipe()
	serial, err := p.serial(ctx, certificate)
	if err != nil {
		return err
	}
	var r struct {
		OpID string `json:"opID"`
	}
	if err := p.post(ctx, "/certificates/"+certificate+"/revocation", map[string]string{"reason": reason}, &r); err != nil {
		return err
	}
	want := splitkey.ConfirmMessage{ID: splitkey.IDPIN, Purpose: "revoke", Object: object([]byte(serial), []byte(reason))}
	_, err = p.sign(ctx, r.OpID, e, splitkey.PurposePIN, p.confirms(want))
	return err
}

// serial gives the serial number of a signing certificate: this phone's own, or
// that in the list of certificates, where its owner chose it.
func (p *Phone) serial(ctx context.Context, certificate string) (string, error) {
	if h, ok := p.state.held(certificate); ok && h.SignCertificate != nil {
		c, err := wire.ParseCertificate(h.SignCertificate)
		if err != nil {
			return "", err
		}
		return c.SerialText(), nil
	}
	all, err := p.Certificates(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(c Certificate) bool { return c.ID == certificate })
	if i < 0 {
		return "", fmt.Errorf("phone: no certificate %q is listed", certificate)
	}
	return all[i].SignSerial, nil
}

// The kinds of an installation.
const (
	installs = "install"
	rekeys   = "rekey"
)

// installation is the server's view of bringing a certificate onto this phone.
type installation struct {
	ID              string   `json:"id"`
	Certificate     string   `json:"certificate"`
	Kind            string   `json:"kind"`
	State           string   `json:"state"`
	OpID            string   `json:"opID"`
	SignCertificate []byte   `json:"signCertificate"`
	EncCertificate  []byte   `json:"encCertificate"`
	Chain           [][]byte `json:"chain"`
}

// Installed is a certificate on this phone.
type Installed struct {
	Certificate     string
	SignCertificate []byte   // DER
	EncCertificate  []byte   // DER
	Chain           [][]byte // issuing CA … root, DER
}

// Install brings a paid certificate onto the phone (2.7.8), or re-keys an
// installed one after a loss, with one PIN entry: (i) the PIN is proved, (ii)
// the signing key is made, (iii) the request is co-signed, (iv) the encryption
// share is delivered, masked, read back and proved, (v) the server issues
// (docs/split-keys.md §2.1). A break before (v) is taken up by calling again.
func (p *Phone) Install(ctx context.Context, certificate, pin string) (Installed, error) {
	e := p.Enter(pin)
	defer e.Wipe()
	return p.install(ctx, certificate, e)
}

func (p *Phone) install(ctx context.Context, certificate string, e *Entry) (Installed, error) {
	path := "/certificates/" + certificate + "/installation"
	var in installation
	if err := p.post(ctx, path, nil, &in); err != nil {
		return Installed{}, err
	}
	if in.State == "authorising" {
		if err := p.makeKeys(ctx, path, certificate, in, e); err != nil {
			return Installed{}, err
		}
	}
	p.stage("issuing")
	return p.awaitInstalled(ctx, path, certificate)
}

// makeKeys are the steps (i) to (iv).
func (p *Phone) makeKeys(ctx context.Context, path, certificate string, in installation, e *Entry) error {
	if in.Kind != installs && in.Kind != rekeys {
		return fmt.Errorf("%w: %q is no installation", ErrMismatch, in.Kind)
	}
	p.stage("proving")
	want := splitkey.ConfirmMessage{ID: splitkey.IDPIN, Purpose: in.Kind, Object: object([]byte(certificate), []byte(in.ID))}
	if _, err := p.sign(ctx, in.OpID, e, splitkey.PurposePIN, p.confirms(want)); err != nil {
		return err
	}
	p.stage("making-keys")
	record, err := p.enrol(ctx, splitkey.PurposeSign, "sign", in.ID, e)
	if err != nil {
		return err
	}
	p.state.hold(Held{Certificate: certificate, SignKey: record.KeyID})
	if err := p.save(); err != nil {
		return err
	}
	enrolKey, enrolPoint, err := p.enrolmentKey()
	if err != nil {
		return err
	}
	defer enrolKey.Wipe()
	p.stage("requesting")
	if err := p.post(ctx, path+"/request", map[string]any{"enrolmentKey": enrolPoint}, &in); err != nil {
		return err
	}
	var agreed wire.RequestInfo
	if _, err := p.sign(ctx, in.OpID, e, splitkey.PurposeSign, func(o Offer) (err error) {
		agreed, err = p.requests(o, record, enrolPoint)
		return err
	}); err != nil {
		return err
	}
	p.stage("delivering")
	var d delivery
	if err := p.sealed(ctx, path+"/delivery", "", "", struct{}{}, &d); err != nil {
		return err
	}
	if !bytes.Equal(agreed.EncryptionKey, d.PublicKey) {
		return fmt.Errorf("%w: another encryption key than the one requested", ErrMismatch)
	}
	p.state.hold(Held{Certificate: certificate, SignKey: record.KeyID, EncKey: d.KeyID})
	return p.receive(ctx, d, enrolKey, e)
}

// requests reads the certificate request that the server built: it must ask for
// the key just made, with this phone's enrolment key.
func (p *Phone) requests(o Offer, record splitkey.Record, enrolPoint []byte) (wire.RequestInfo, error) {
	r, err := wire.ParseRequestInfo(p.Arc, o.M)
	if err != nil {
		return r, errors.Join(ErrMismatch, err)
	}
	sum := sm3.Sum(enrolPoint)
	if o.ID != splitkey.IDDocument || o.KeyID != record.KeyID || !bytes.Equal(r.PublicKey, record.PublicKey) || !bytes.Equal(r.EnrolmentKey, sum[:]) || r.EncryptionKey == nil {
		return r, fmt.Errorf("%w: the certificate request is not for this phone's key", ErrMismatch)
	}
	if !p.named(r.Subject.CommonName) {
		return r, fmt.Errorf("%w: the certificate request names another person", ErrMismatch)
	}
	return r, nil
}

// delivery is one share of an encryption key on its way to the phone.
type delivery struct {
	KeyID     string `json:"keyID"`
	PublicKey []byte `json:"publicKey"`
	ForPhone  []byte `json:"forPhone"`
	OpID      string `json:"opID"`
}

// receive takes one delivery of an encryption share: open it with the enrolment
// key, mask it at once, write, read back, and prove it on a throw-away
// ciphertext (docs/split-keys.md §2.4).
func (p *Phone) receive(ctx context.Context, d delivery, enrolKey *splitkey.Secret, e *Entry) error {
	wrapped, err := splitkey.ParseCiphertext(d.ForPhone)
	if err != nil {
		return fmt.Errorf("phone: the delivered share: %w", err)
	}
	b, err := enrolKey.Decrypt(wrapped)
	if err != nil {
		return fmt.Errorf("phone: the delivered share does not open: %w", err)
	}
	share, err := splitkey.ParseSecret(b)
	clear(b)
	if err != nil {
		return err
	}
	defer share.Wipe()
	s, err := p.stretch(e, nil)
	if err != nil {
		return err
	}
	if _, err := p.mask(p.Rand, s, splitkey.PurposeEncrypt, d.KeyID, d.PublicKey, share); err != nil {
		return err
	}
	_, err = p.decrypt(ctx, d.OpID, e, func(o Offer) error {
		if o.KeyID != d.KeyID {
			return fmt.Errorf("%w: the trial is for another key", ErrMismatch)
		}
		return nil
	})
	return err
}
