// Package custodytest gives tests a working module and the phone that answers
// it: the phone half of split keys with its storage in memory.
package custodytest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Deps are those of a module over st with a random key-encryption key and no log.
func Deps(t testing.TB, st *store.Store, c clock.Clock) custody.Deps {
	t.Helper()
	kek := make([]byte, secret.KeySize)
	rand.Read(kek)
	vault, err := secret.NewBox(kek, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return custody.Deps{
		Runner: st, Store: st.Custody(), Clock: c, Rand: rand.Reader, Vault: vault, Server: "test-server",
		Log: quiet(),
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// New starts a module over st.
func New(t testing.TB, st *store.Store, c clock.Clock) *custody.Module {
	t.Helper()
	return Start(t, Deps(t, st, c))
}

// Start starts a module with the given deps; with the same store and vault it
// is the next life of one that ended.
func Start(t testing.TB, d custody.Deps) *custody.Module {
	t.Helper()
	m := custody.New(d)
	if err := m.Healthy(); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// Phone is one phone of an account. Door and Runner may be exchanged between
// two calls.
type Phone struct {
	Holder custody.Holder
	Door   custody.Door
	Runner work.Runner
	Clock  clock.Clock
	// PIN is what its owner types.
	PIN string
	// Records are the masked shares by key ID.
	Records map[string]splitkey.Record

	salt []byte
	mu   sync.Mutex
	slow map[string]*splitkey.Stretched
}

// NewPhone makes a phone of the account with a device key of its own.
func NewPhone(account string, d custody.Door, r work.Runner, c clock.Clock) *Phone {
	return &Phone{
		Holder: custody.Holder{Account: account, Device: hex.EncodeToString(id.Bytes(rand.Reader, 32))},
		Door:   d, Runner: r, Clock: c, PIN: "274950", Records: map[string]splitkey.Record{},
		salt: id.Bytes(rand.Reader, splitkey.SaltSize), slow: map[string]*splitkey.Stretched{},
	}
}

func (p *Phone) device() []byte {
	b, err := hex.DecodeString(p.Holder.Device)
	if err != nil {
		panic(err)
	}
	return b
}

// Stretch is the slow step for a PIN, remembered.
func (p *Phone) Stretch(pin string, pepper []byte) (*splitkey.Stretched, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pin + string(pepper)
	if s := p.slow[key]; s != nil {
		return s, nil
	}
	s, err := splitkey.Stretch([]byte(pin), p.salt, pepper)
	p.slow[key] = s
	return s, err
}

func purpose(k custody.Kind) splitkey.Purpose {
	return map[custody.Kind]splitkey.Purpose{
		custody.KindPIN: splitkey.PurposePIN, custody.KindSign: splitkey.PurposeSign, custody.KindEncrypt: splitkey.PurposeEncrypt,
	}[k]
}

// Generate enrols and makes a key of the kind for a subject, and masks its share.
func (p *Phone) Generate(ctx context.Context, k custody.Kind, subject string) (keyID string, err error) {
	var e custody.Enrolment
	err = p.Runner.Do(ctx, "test.enrol", func(ctx context.Context, tx work.Tx) (err error) {
		e, err = p.Door.Enrol(ctx, tx, p.Holder, k, subject)
		return err
	})
	if err != nil {
		return "", err
	}
	return e.KeyID, p.Make(ctx, k, e)
}

// Make makes the key of an enrolment and masks its share.
func (p *Phone) Make(ctx context.Context, k custody.Kind, e custody.Enrolment) error {
	making, request, err := splitkey.StartKeygen(rand.Reader, splitkey.Context{
		Account: p.Holder.Account, Device: p.device(), Enrolment: e.ID, Server: e.Server, KeyID: e.KeyID,
	})
	if err != nil {
		return err
	}
	reply, err := p.Door.Generate(ctx, p.Holder, e.ID, request)
	if err != nil {
		return err
	}
	d1, public, err := making.Finish(reply)
	if err != nil {
		return err
	}
	defer d1.Wipe()
	return p.mask(k, e.KeyID, public, d1, e.Pepper)
}

func (p *Phone) mask(k custody.Kind, keyID string, public []byte, share *splitkey.Secret, pepper []byte) error {
	s, err := p.Stretch(p.PIN, pepper)
	if err != nil {
		return err
	}
	r, err := s.Mask(rand.Reader, p.Holder.Device, purpose(k), keyID, public, share)
	p.Records[keyID] = r
	return err
}

// Receive masks the share a that the KMC encrypted to the enrolment key. The
// pepper is that of any offer of this phone.
func (p *Phone) Receive(keyID string, public []byte, enrolment *sm2.PrivateKey, forPhone, pepper []byte) error {
	b, err := sm2.Decrypt(enrolment, forPhone)
	if err != nil {
		return err
	}
	a, err := splitkey.ParseSecret(b)
	if err != nil {
		return err
	}
	defer a.Wipe()
	return p.mask(custody.KindEncrypt, keyID, public, a, pepper)
}

// Answer answers an offer with the given PIN.
func (p *Phone) Answer(o custody.Offer, pin string) (custody.Answer, error) {
	return p.AnswerWith(o, pin, p.Records[o.KeyID])
}

// AnswerWith answers with a record that is not among the current ones.
func (p *Phone) AnswerWith(o custody.Offer, pin string, r splitkey.Record) (custody.Answer, error) {
	s, err := p.Stretch(pin, o.Pepper)
	if err != nil {
		return custody.Answer{}, err
	}
	share, err := s.Unmask(p.Holder.Device, r)
	if err != nil {
		return custody.Answer{}, err
	}
	defer share.Wipe()
	a := custody.Answer{NonceID: o.NonceID}
	if len(o.Ciphertexts) > 0 {
		platform := sm3.Sum(o.PlatformCertificate)
		b := splitkey.DecryptBinding{KeyID: o.KeyID, OpID: o.OpID, ServerNonce: o.ServerNonce, Platform: platform[:]}
		for _, der := range o.Ciphertexts {
			c, err := splitkey.ParseCiphertext(der)
			if err != nil {
				return a, err
			}
			b.C1 = append(b.C1, c.C1)
		}
		d, err := splitkey.ProveDecrypt(rand.Reader, share, b)
		a.Decrypt = &d
		return a, err
	}
	e, err := splitkey.Digest(r.PublicKey, o.ID, o.M)
	if err != nil {
		return a, err
	}
	sig, err := splitkey.Sign(rand.Reader, share, splitkey.Binding{
		KeyID: o.KeyID, PublicKey: r.PublicKey, OpID: o.OpID, NonceID: o.NonceID, W: o.W, Digest: e,
	})
	a.Sign = &sig
	return a, err
}

// Perform opens and answers an operation with a PIN and verifies the result.
func (p *Phone) Perform(ctx context.Context, opID, pin string, f custody.Finish) (custody.Result, error) {
	o, err := p.Door.Open(ctx, p.Holder, opID)
	if err != nil {
		return custody.Result{}, err
	}
	a, err := p.Answer(o, pin)
	if err != nil {
		return custody.Result{}, err
	}
	r, err := p.Door.Answer(ctx, p.Holder, opID, a, f)
	if err != nil || r.Signature == nil {
		return r, err
	}
	return r, splitkey.Verify(p.Records[o.KeyID].PublicKey, a.Sign.E, *r.Signature)
}

// Plain joins the phone's share to a result of decryption.
func (p *Phone) Plain(o custody.Offer, pin string, r custody.Result) ([][]byte, error) {
	s, err := p.Stretch(pin, o.Pepper)
	if err != nil {
		return nil, err
	}
	a, err := s.Unmask(p.Holder.Device, p.Records[o.KeyID])
	if err != nil {
		return nil, err
	}
	defer a.Wipe()
	if len(r.T2) != len(o.Ciphertexts) {
		return nil, fmt.Errorf("%d results for %d ciphertexts", len(r.T2), len(o.Ciphertexts))
	}
	var out [][]byte
	for i, der := range o.Ciphertexts {
		c, err := splitkey.ParseCiphertext(der)
		if err != nil {
			return nil, err
		}
		plain, err := splitkey.FinishDecrypt(a, c, r.T2[i])
		if err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
	return out, nil
}

// Confirm authorises a confirmation of the purpose with a key of this phone.
func (p *Phone) Confirm(ctx context.Context, keyID, purposeID, business, subject string) (opID string, err error) {
	object := sm3.Sum([]byte(business + subject))
	m, err := splitkey.ConfirmMessage{
		ID: purposeID, Account: p.Holder.Account, Device: p.device(), Purpose: business, Object: object[:],
		ServerNonce: id.Bytes(rand.Reader, 32),
	}.Bytes()
	if err != nil {
		return "", err
	}
	return p.Authorise(ctx, custody.Activation{KeyID: keyID, Business: business, Subject: subject, ID: purposeID, M: m})
}

// Authorise records an activation of this phone for two minutes.
func (p *Phone) Authorise(ctx context.Context, a custody.Activation) (opID string, err error) {
	a.OpID, a.Holder = id.New(rand.Reader), p.Holder
	if a.Expires.IsZero() {
		a.Expires = p.Clock.Now().Add(2 * time.Minute)
	}
	return a.OpID, p.Runner.Do(ctx, "test.authorise", func(ctx context.Context, tx work.Tx) error {
		return p.Door.Authorise(ctx, tx, a)
	})
}

// Activate activates keys.
func (p *Phone) Activate(ctx context.Context, keyIDs ...string) error {
	return p.Runner.Do(ctx, "test.activate", func(ctx context.Context, tx work.Tx) error {
		return p.Door.Activate(ctx, tx, keyIDs...)
	})
}

// SetPIN makes a PIN key, proves it and activates it.
func (p *Phone) SetPIN(ctx context.Context) (keyID string, err error) {
	subject := id.New(rand.Reader)
	if keyID, err = p.Generate(ctx, custody.KindPIN, subject); err != nil {
		return "", err
	}
	opID, err := p.Confirm(ctx, keyID, splitkey.IDPIN, "pin.set", subject)
	if err != nil {
		return "", err
	}
	if _, err = p.Perform(ctx, opID, p.PIN, nil); err != nil {
		return "", err
	}
	return keyID, p.Activate(ctx, keyID)
}

// SigningKey makes a signing key, proves it by a document and activates it.
func (p *Phone) SigningKey(ctx context.Context) (keyID string, err error) {
	subject := id.New(rand.Reader)
	if keyID, err = p.Generate(ctx, custody.KindSign, subject); err != nil {
		return "", err
	}
	opID, err := p.Document(ctx, keyID, subject, "a request")
	if err != nil {
		return "", err
	}
	if _, err = p.Perform(ctx, opID, p.PIN, nil); err != nil {
		return "", err
	}
	return keyID, p.Activate(ctx, keyID)
}

// Document authorises the signing of a document.
func (p *Phone) Document(ctx context.Context, keyID, subject, text string) (opID string, err error) {
	return p.Authorise(ctx, custody.Activation{
		KeyID: keyID, Business: "scan.sign", Subject: subject, ID: splitkey.IDDocument, M: []byte(text),
	})
}
