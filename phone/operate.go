package phone

import (
	"context"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/splitkey"
)

// Offer is what the server sends when the PIN pad opens (docs/split-keys.md
// §2.2, §2.4).
type Offer struct {
	OpID                string    `json:"opID"`
	Business            string    `json:"business"`
	KeyID               string    `json:"keyID"`
	ID                  string    `json:"id"`
	M                   []byte    `json:"m"`
	NonceID             string    `json:"nonceID"`
	W                   []byte    `json:"w"`
	ServerNonce         []byte    `json:"serverNonce"`
	Ciphertexts         [][]byte  `json:"ciphertexts"`
	PlatformCertificate []byte    `json:"platformCertificate"`
	Pepper              []byte    `json:"pepper"`
	Seed                []byte    `json:"seed"`
	Expires             time.Time `json:"expires"`
}

type answer struct {
	NonceID string                  `json:"nonceID"`
	Sign    *splitkey.SignAnswer    `json:"sign,omitempty"`
	Decrypt *splitkey.DecryptAnswer `json:"decrypt,omitempty"`
}

type outcome struct {
	Signature *splitkey.Signature `json:"signature"`
	T2        [][]byte            `json:"t2"`
}

// Entry is one entry of a PIN: the PIN is stretched once and used for every
// step of one operation (docs/split-keys.md §3.1). Wipe it afterwards.
type Entry struct {
	pin       []byte
	stretched *splitkey.Stretched
	pepper    []byte
	keep      bool
	// records, if set, are used instead of those in force: the new ones of a
	// change of PIN.
	records []splitkey.Record
}

// Enter begins an entry of a PIN.
func (p *Phone) Enter(pin string) *Entry { return p.enter([]byte(pin)) }

// enter takes the bytes over: Wipe clears them.
func (p *Phone) enter(pin []byte) *Entry { return &Entry{pin: pin, keep: p.Keep} }

// Wipe forgets the PIN and what was made of it.
func (e *Entry) Wipe() {
	clear(e.pin)
	if e.stretched != nil && !e.keep {
		e.stretched.Wipe()
		e.stretched = nil
	}
}

func (p *Phone) stretch(e *Entry, pepper []byte) (*splitkey.Stretched, error) {
	if e.stretched != nil {
		return e.stretched, nil
	}
	if e.keep {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.kept != nil {
			e.stretched = p.kept
			return p.kept, nil
		}
	}
	s, err := splitkey.Stretch(e.pin, p.state.DeviceSalt, pepper)
	if err != nil {
		return nil, err
	}
	e.stretched, e.pepper = s, pepper
	if e.keep {
		p.kept = s
	}
	return s, nil
}

// sign answers a signing operation: fetch the offer, look at M (check says
// whether it is what the user was shown), answer once with a key of the purpose,
// verify the result under the phone's own public key and its own digest.
func (p *Phone) sign(ctx context.Context, opID string, e *Entry, purpose splitkey.Purpose, check func(Offer) error) (splitkey.Signature, error) {
	var sig splitkey.Signature
	err := p.answer(ctx, opID, func(o Offer) (answer, func(outcome) error, error) {
		if len(o.M) == 0 || o.ID == "" {
			return answer{}, nil, fmt.Errorf("%w: nothing to sign", ErrMismatch)
		}
		if err := check(o); err != nil {
			return answer{}, nil, err
		}
		record, err := p.record(e, o.KeyID, purpose)
		if err != nil {
			return answer{}, nil, err
		}
		digest, err := splitkey.Digest(record.PublicKey, o.ID, o.M)
		if err != nil {
			return answer{}, nil, err
		}
		share, err := p.unmask(e, o, record)
		if err != nil {
			return answer{}, nil, err
		}
		defer share.Wipe()
		random, err := splitkey.NewRandom(p.Rand, o.Seed)
		if err != nil {
			return answer{}, nil, err
		}
		a, err := splitkey.Sign(random, share, splitkey.Binding{
			KeyID: o.KeyID, PublicKey: record.PublicKey, OpID: opID, NonceID: o.NonceID, W: o.W, Digest: digest,
		})
		return answer{NonceID: o.NonceID, Sign: &a}, func(r outcome) error {
			if r.Signature == nil {
				return fmt.Errorf("%w: no signature came back", ErrMismatch)
			}
			sig = *r.Signature
			return splitkey.Verify(record.PublicKey, digest, sig)
		}, err
	})
	return sig, err
}

// decrypt answers a decryption operation and returns the plaintexts.
func (p *Phone) decrypt(ctx context.Context, opID string, e *Entry, check func(Offer) error) ([][]byte, error) {
	var plain [][]byte
	err := p.answer(ctx, opID, func(o Offer) (answer, func(outcome) error, error) {
		if len(o.Ciphertexts) == 0 {
			return answer{}, nil, fmt.Errorf("%w: nothing to open", ErrMismatch)
		}
		if err := check(o); err != nil {
			return answer{}, nil, err
		}
		record, err := p.record(e, o.KeyID, splitkey.PurposeEncrypt)
		if err != nil {
			return answer{}, nil, err
		}
		var parts []splitkey.Ciphertext
		platform := sm3.Sum(o.PlatformCertificate)
		b := splitkey.DecryptBinding{KeyID: o.KeyID, OpID: opID, ServerNonce: o.ServerNonce, Platform: platform[:]}
		for _, der := range o.Ciphertexts {
			c, err := splitkey.ParseCiphertext(der)
			if err != nil {
				return answer{}, nil, err
			}
			parts = append(parts, c)
			b.C1 = append(b.C1, c.C1)
		}
		share, err := p.unmask(e, o, record)
		if err != nil {
			return answer{}, nil, err
		}
		random, err := splitkey.NewRandom(p.Rand, o.Seed)
		if err != nil {
			return answer{}, nil, err
		}
		a, err := splitkey.ProveDecrypt(random, share, b)
		return answer{NonceID: o.NonceID, Decrypt: &a}, func(r outcome) error {
			defer share.Wipe()
			if len(r.T2) != len(parts) {
				return fmt.Errorf("%w: %d results for %d ciphertexts", ErrMismatch, len(r.T2), len(parts))
			}
			for i, c := range parts {
				m, err := splitkey.FinishDecrypt(share, c, r.T2[i])
				if err != nil {
					return err
				}
				plain = append(plain, m)
			}
			return nil
		}, err
	})
	return plain, err
}

// record finds the share of a key, which must have been made for the purpose:
// a PIN key signs no document, a signing key confirms nothing.
func (p *Phone) record(e *Entry, keyID string, purpose splitkey.Purpose) (splitkey.Record, error) {
	s := &p.state
	if e.records != nil {
		s = &State{Records: e.records}
	}
	r, err := s.record(keyID)
	if err == nil && r.Purpose != purpose {
		return splitkey.Record{}, fmt.Errorf("%w: a key for %q where one for %q is wanted", ErrMismatch, r.Purpose, purpose)
	}
	return r, err
}

func (p *Phone) unmask(e *Entry, o Offer, r splitkey.Record) (*splitkey.Secret, error) {
	s, err := p.stretch(e, o.Pepper)
	if err != nil {
		return nil, err
	}
	return s.Unmask(p.Device(), r)
}

// answer takes a nonce and answers it. A stale nonce costs nothing and does not
// ask for the PIN again (docs/split-keys.md §2.10).
func (p *Phone) answer(ctx context.Context, opID string, f func(Offer) (answer, func(outcome) error, error)) error {
	for try := 1; ; try++ {
		var o Offer
		if err := p.sealed(ctx, "/operations/"+opID+"/nonce", opID, "", struct{}{}, &o); err != nil {
			return err
		}
		if o.OpID != opID {
			return fmt.Errorf("%w: another operation", ErrMismatch)
		}
		a, finish, err := f(o)
		if err != nil {
			return err
		}
		var r outcome
		err = p.sealed(ctx, "/operations/"+opID+"/answer", opID, o.NonceID, a, &r)
		if try < retries && IsCode(err, "nonce_stale") {
			continue
		}
		if err != nil {
			return err
		}
		return finish(r)
	}
}
