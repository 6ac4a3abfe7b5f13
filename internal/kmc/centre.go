package kmc

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Key is an encryption key in escrow.
type Key struct {
	Ref       string
	PublicKey []byte // Pe
	Sealed    []byte // de, under the centre's own key
	// Account is the one that the key was first dealt to, or that took it over;
	// empty before.
	Account string
	Version int64
}

// Dealing is the trace of one dealing.
type Dealing struct {
	Ref       string
	KeyRef    string
	Enrolment []byte // SM3 of the enrolment key
	// Share is a keyed hash of the share a: no share is dealt twice.
	Share []byte
	At    time.Time
}

// Store keeps the centre's rows. AddKey does nothing when the reference has a
// key; AddDealing is work.ErrExists when reference or share has been there.
type Store interface {
	AddKey(ctx context.Context, tx work.Tx, k Key) error
	Key(ctx context.Context, tx work.Tx, ref string) (Key, error)
	KeyByPublicKey(ctx context.Context, tx work.Tx, publicKey []byte) (Key, error)
	PutKey(ctx context.Context, tx work.Tx, k Key) error
	AddDealing(ctx context.Context, tx work.Tx, d Dealing) error
}

// Vault seals the escrow under a key of the centre's own; a *secret.Box is one.
type Vault interface {
	Seal(p secret.Place, plain []byte) ([]byte, error)
	Open(p secret.Place, sealed []byte) ([]byte, error)
	Hash(purpose string, value []byte) []byte
}

// Deps are what a Centre needs.
type Deps struct {
	Runner work.Runner // over the centre's own store
	Store  Store
	Clock  clock.Clock
	Rand   io.Reader
	Log    *slog.Logger
	Vault  Vault
	// Arc numbers the attributes of certificate requests.
	Arc pki.Arc
	// Requester is the public key, 65 bytes, that signs requests; Transport the one
	// that custody's shares are encrypted to. The operator puts both here.
	Requester, Transport []byte
}

// Centre makes, keeps and deals keys. It is safe for concurrent use.
type Centre struct {
	d   Deps
	own *splitkey.Secret // signs replies
	pub []byte
}

// skew is how far a request's time may be off the centre's clock.
const skew = 2 * time.Minute

// ownRef is the row of the centre's own key, which signs its replies.
const ownRef = "centre/reply"

// New makes a centre, with its own key on the first start. It runs the
// known-answer tests and refuses to start when they fail.
func New(ctx context.Context, d Deps) (*Centre, error) {
	if err := splitkey.KnownAnswers(); err != nil {
		return nil, fmt.Errorf("kmc: self-test failed: %w", err)
	}
	for _, p := range [][]byte{d.Requester, d.Transport} {
		if err := splitkey.CheckPoint(p); err != nil {
			return nil, fmt.Errorf("kmc: the requester's keys: %w", err)
		}
	}
	c := &Centre{d: d}
	if _, err := c.make(ctx, ownRef); err != nil {
		return nil, err
	}
	k, err := c.key(ctx, func(ctx context.Context, tx work.Tx) (Key, error) { return d.Store.Key(ctx, tx, ownRef) })
	if err != nil {
		return nil, err
	}
	c.pub = k.PublicKey
	c.own, err = c.open(k)
	return c, err
}

// PublicKey is the key, 65 bytes, under which the centre's replies verify.
func (c *Centre) PublicKey() []byte { return bytes.Clone(c.pub) }

// Serve answers one signed request with a signed reply. A refusal is a reply
// too; an error means that the centre cannot answer at all.
func (c *Centre) Serve(ctx context.Context, m Message) (Message, error) {
	out, err := c.serve(ctx, m)
	if err != nil {
		code, _ := fault.Of(err)
		c.d.Log.Warn("a request to the key-management centre is refused", "code", code.Name, "error", err)
		out = reply{Code: code.Name}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return Message{}, err
	}
	sum := sm3.Sum(m.Body)
	d := c.own.Bytes()
	defer clear(d)
	key, err := sm2.NewPrivateKey(d)
	if err != nil {
		return Message{}, err
	}
	sig, err := sm2.SignASN1(c.d.Rand, key, replyBytes(sum[:], body), sm2.DefaultSM2SignerOpts)
	return Message{Body: body, Signature: sig}, err
}

func (c *Centre) serve(ctx context.Context, m Message) (reply, error) {
	requester, err := pki.ParsePoint(c.d.Requester)
	if err != nil {
		return reply{}, err
	}
	if err := pki.VerifySignature(requester, requestBytes(m.Body), m.Signature); err != nil {
		return reply{}, CodeRefused.Because(err)
	}
	r, err := parseRequest(m.Body)
	if err != nil {
		return reply{}, CodeRefused.Because(err)
	}
	if off := c.d.Clock.Now().Sub(time.UnixMilli(r.Time)); off > skew || off < -skew {
		return reply{}, CodeRefused.Becausef("the request's time is off by %s", off)
	}
	if r.Make != "" {
		p, err := c.make(ctx, r.Make)
		return reply{PublicKey: p}, err
	}
	d, err := c.deal(ctx, *r.Deal)
	return reply{Deal: &d}, err
}

func place(ref string) secret.Place {
	return secret.Place{Table: "kmc_keys", Column: "sealed", Row: ref}
}

// key reads a row in a transaction of its own.
func (c *Centre) key(ctx context.Context, f func(context.Context, work.Tx) (Key, error)) (k Key, err error) {
	err = c.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		k, err = f(ctx, tx)
		return err
	})
	if errors.Is(err, work.ErrNotFound) {
		return Key{}, CodeNoKey.Because(err)
	}
	return k, err
}

func (c *Centre) open(k Key) (*splitkey.Secret, error) {
	b, err := c.d.Vault.Open(place(k.Ref), k.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return splitkey.ParseSecret(b)
}

// make returns the public key of a reference, which it makes if there is none.
func (c *Centre) make(ctx context.Context, ref string) ([]byte, error) {
	read := func(ctx context.Context, tx work.Tx) (Key, error) { return c.d.Store.Key(ctx, tx, ref) }
	if k, err := c.key(ctx, read); !errors.Is(err, CodeNoKey) {
		return k.PublicKey, err
	}
	de, err := splitkey.NewSecret(c.d.Rand)
	if err != nil {
		return nil, err
	}
	defer de.Wipe()
	k := Key{Ref: ref}
	if k.PublicKey, err = de.PublicKey(); err != nil {
		return nil, err
	}
	b := de.Bytes()
	defer clear(b)
	if k.Sealed, err = c.d.Vault.Seal(place(ref), b); err != nil {
		return nil, err
	}
	var kept Key
	err = c.d.Runner.Do(ctx, "kmc.make", func(ctx context.Context, tx work.Tx) error {
		if err := c.d.Store.AddKey(ctx, tx, k); err != nil {
			return err
		}
		if kept, err = read(ctx, tx); err != nil || !bytes.Equal(kept.PublicKey, k.PublicKey) {
			return err // another request was quicker
		}
		return tx.Record(ctx, work.Entry{Kind: "kmc.made", Actor: "system", Subject: ref})
	})
	return kept.PublicKey, err
}

// deal verifies the holder's signature first, then splits the key anew.
func (c *Centre) deal(ctx context.Context, r DealRequest) (Deal, error) {
	forCustody, err := c.proved(r)
	if err != nil {
		return Deal{}, CodeProof.Because(err)
	}
	enrolment, err := pki.ParsePoint(r.EnrolmentKey)
	if err != nil {
		return Deal{}, CodeProof.Because(err)
	}
	transport, err := pki.ParsePoint(c.d.Transport)
	if err != nil {
		return Deal{}, err
	}
	k, err := c.key(ctx, func(ctx context.Context, tx work.Tx) (Key, error) {
		return c.d.Store.KeyByPublicKey(ctx, tx, r.PublicKey)
	})
	if err != nil {
		return Deal{}, err
	}
	if k.Ref == ownRef {
		return Deal{}, CodeNoKey
	}
	de, err := c.open(k)
	if err != nil {
		return Deal{}, err
	}
	defer de.Wipe()
	a, b, err := splitkey.Deal(c.d.Rand, de)
	if err != nil {
		return Deal{}, err
	}
	defer a.Wipe()
	defer b.Wipe()
	phone := a.Bytes()
	defer clear(phone)
	forCustody.PublicKey, forCustody.Share = k.PublicKey, b.Bytes()
	defer clear(forCustody.Share)
	plain, err := json.Marshal(forCustody)
	if err != nil {
		return Deal{}, err
	}
	defer clear(plain)
	var out Deal
	if out.ForPhone, err = sm2.EncryptASN1(c.d.Rand, enrolment, phone); err != nil {
		return Deal{}, err
	}
	if out.ForCustody, err = sm2.EncryptASN1(c.d.Rand, transport, plain); err != nil {
		return Deal{}, err
	}
	sum := sm3.Sum(r.EnrolmentKey)
	dealing := Dealing{Ref: r.Ref, KeyRef: k.Ref, Enrolment: sum[:], Share: c.d.Vault.Hash("dealt", phone), At: c.d.Clock.Now()}
	takeover := r.Redeal != nil && splitkey.MessageID(r.Redeal.M) == splitkey.IDTakeover
	if err := c.record(ctx, dealing, r.Account, takeover); err != nil {
		return Deal{}, err
	}
	return out, nil
}

// record commits a dealing before its shares leave the centre.
func (c *Centre) record(ctx context.Context, d Dealing, account string, takeover bool) error {
	err := c.d.Runner.Do(ctx, "kmc.deal", func(ctx context.Context, tx work.Tx) error {
		k, err := c.d.Store.Key(ctx, tx, d.KeyRef)
		if err != nil {
			return err
		}
		if k.Account != account {
			if k.Account != "" && !takeover {
				return CodeProof.Becausef("key %s belongs to another account", k.Ref)
			}
			k.Account = account
			if err := c.d.Store.PutKey(ctx, tx, k); err != nil {
				return err
			}
		}
		if err := c.d.Store.AddDealing(ctx, tx, d); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "kmc.dealt", Actor: "system", Subject: d.KeyRef})
	})
	if errors.Is(err, work.ErrExists) {
		return CodeDealt.Because(err)
	}
	return err
}

var errProof = errors.New("kmc: the holder's signature is not for this dealing")

// proved verifies what the holder signed and says what the dealing is for.
func (c *Centre) proved(r DealRequest) (delivery, error) {
	sum := sm3.Sum(r.EnrolmentKey)
	if r.Redeal == nil {
		csr, err := pki.ParseRequest(c.d.Arc, r.CSR)
		if err != nil {
			return delivery{}, err
		}
		pe, err := pki.Point(csr.EncryptionKey)
		if err != nil || !bytes.Equal(pe, r.PublicKey) || !bytes.Equal(csr.EnrolmentKey, sum[:]) || csr.EnrolmentID == "" {
			return delivery{}, errProof
		}
		return delivery{Account: r.Account, Device: r.Device, Enrolment: csr.EnrolmentID}, nil
	}
	m, err := splitkey.ParseConfirmMessage(r.Redeal.M)
	if err != nil {
		return delivery{}, err
	}
	sig, err := splitkey.ParseSignature(r.Redeal.Signature)
	if err != nil {
		return delivery{}, err
	}
	e, err := splitkey.Digest(r.Redeal.PINKey, m.ID, r.Redeal.M)
	if err != nil {
		return delivery{}, err
	}
	if err := splitkey.Verify(r.Redeal.PINKey, e, sig); err != nil {
		return delivery{}, err
	}
	wanted := m.ID == splitkey.IDPIN && m.Purpose == "redeal" || m.ID == splitkey.IDTakeover && m.Purpose == "takeover"
	if !wanted || !bytes.Equal(m.Object, sum[:]) || len(m.KeyIDs) == 0 ||
		m.Account != r.Account || hex.EncodeToString(m.Device) != r.Device {
		return delivery{}, errProof
	}
	return delivery{Account: r.Account, Device: r.Device, KeyIDs: m.KeyIDs}, nil
}
