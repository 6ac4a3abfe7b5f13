// Package house is the half of custody that signs for the house itself: a key
// for each role and name, and typed tokens, the only things that they sign
// (ARCHITECTURE.md, rule 3). Other rooms reach it through package custody.
package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/clock"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Role is a signing role of the house.
type Role string

// The roles.
const (
	RoleRoot      Role = "root"
	RoleCA        Role = "ca"
	RoleCRL       Role = "crl"
	RoleOCSP      Role = "ocsp"
	RoleTSA       Role = "tsa"
	RoleSealMaker Role = "sealmaker"
	RoleCallback  Role = "callback"
	RoleReceipt   Role = "receipt"
	RoleStatement Role = "statement"
	RoleKMC       Role = "kmc"
	// roleTransport decrypts what the KMC sends; it signs nothing.
	roleTransport Role = "transport"
)

// One is the name of the roles that exist once.
const One = "house"

func (r Role) signs() bool {
	switch r {
	case RoleRoot, RoleCA, RoleOCSP, RoleTSA, RoleSealMaker, RoleCallback, RoleReceipt, RoleStatement, RoleKMC:
		return true
	}
	return false
}

// Row is the key of a role as it is stored.
type Row struct {
	Role      Role
	Name      string
	PublicKey []byte // 65 bytes
	Sealed    []byte
}

// Store keeps role keys. What it does not find is work.ErrNotFound.
type Store interface {
	// AddRoleKey does nothing when the role has a key of that name.
	AddRoleKey(ctx context.Context, tx work.Tx, k Row) error
	RoleKey(ctx context.Context, tx work.Tx, role Role, name string) (Row, error)
}

// Vault is custody's key-encryption key.
type Vault interface {
	Seal(p secret.Place, plain []byte) ([]byte, error)
	Open(p secret.Place, sealed []byte) ([]byte, error)
}

// Deps are what Keys need; custody fills them.
type Deps struct {
	Runner work.Runner
	Store  Store
	Rand   io.Reader
	Vault  Vault
	// Healthy refuses while the module is in its error state, Fail puts it there.
	Healthy func() error
	Fail    func(error) error
	Observe func(name string, watch clock.Stopwatch, err error)
}

// Keys are the house's keys. Those that have served stay open in memory.
type Keys struct {
	d    Deps
	mu   sync.Mutex
	open map[string]*Pair
}

// New makes Keys.
func New(d Deps) *Keys { return &Keys{d: d, open: map[string]*Pair{}} }

// Pair is an open key pair.
type Pair struct {
	private *sm2.PrivateKey
	Public  []byte // 65 bytes
}

// Decrypt opens an SM2 ciphertext (GM/T 0009 DER).
func (p *Pair) Decrypt(ciphertext []byte) ([]byte, error) { return sm2.Decrypt(p.private, ciphertext) }

// Draw makes a key pair and seals its private half for a place.
func (k *Keys) Draw(p secret.Place) (public, sealed []byte, err error) {
	d, err := splitkey.NewSecret(k.d.Rand)
	if err != nil {
		return nil, nil, k.d.Fail(err)
	}
	defer d.Wipe()
	if public, err = d.PublicKey(); err != nil {
		return nil, nil, err
	}
	b := d.Bytes()
	defer clear(b)
	sealed, err = k.d.Vault.Seal(p, b)
	return public, sealed, err
}

// Open is the inverse of Draw. A private key that does not fit its public half
// stops the module.
func (k *Keys) Open(public, sealed []byte, p secret.Place) (*Pair, error) {
	b, err := k.d.Vault.Open(p, sealed)
	if err != nil {
		return nil, fmt.Errorf("house: %s of %s: %w", p.Row, p.Table, err)
	}
	defer clear(b)
	private, err := sm2.NewPrivateKey(b)
	if err != nil {
		return nil, k.d.Fail(err)
	}
	if got, err := pki.Point(&private.PublicKey); err != nil || !bytes.Equal(got, public) {
		return nil, k.d.Fail(fmt.Errorf("house: the private key of %s is not that of its public key", p.Row))
	}
	return &Pair{private: private, Public: public}, nil
}

// Cached gives the pair of a name, which load opens the first time. Nobody waits
// for another's load, which may need a connection that those who wait hold; so
// it may run more than once.
func (k *Keys) Cached(name string, load func() (*Pair, error)) (*Pair, error) {
	k.mu.Lock()
	p := k.open[name]
	k.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := load()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if first := k.open[name]; first != nil {
		return first, nil
	}
	k.open[name] = p
	return p, nil
}

// Forget drops a pair from memory.
func (k *Keys) Forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, name)
}

func place(r Role, name string) secret.Place {
	return secret.Place{Table: "custody_role_keys", Column: "sealed", Row: string(r) + "/" + name}
}

// Create makes the key of a role and returns its public key, 65 bytes; if there
// is one, it returns that.
func (k *Keys) Create(ctx context.Context, r Role, name string) ([]byte, error) {
	if !r.signs() || name == "" {
		return nil, fmt.Errorf("house: no role %q named %q", r, name)
	}
	return k.create(ctx, r, name)
}

func (k *Keys) create(ctx context.Context, r Role, name string) ([]byte, error) {
	if err := k.d.Healthy(); err != nil {
		return nil, err
	}
	if p, err := k.PublicKey(ctx, r, name); !errors.Is(err, work.ErrNotFound) {
		return p, err
	}
	public, sealed, err := k.Draw(place(r, name))
	if err != nil {
		return nil, err
	}
	err = k.d.Runner.Do(ctx, "custody.role", func(ctx context.Context, tx work.Tx) error {
		if err := k.d.Store.AddRoleKey(ctx, tx, Row{r, name, public, sealed}); err != nil {
			return err
		}
		row, err := k.d.Store.RoleKey(ctx, tx, r, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(row.PublicKey, public) {
			public = row.PublicKey // another caller was quicker
			return nil
		}
		return tx.Record(ctx, work.Entry{Kind: "custody.role-created", Actor: "system", Subject: string(r) + "/" + name})
	})
	return public, err
}

// PublicKey gives the public key of a role, 65 bytes; work.ErrNotFound if there
// is none. That of RoleCRL is the issuing CA's.
func (k *Keys) PublicKey(ctx context.Context, r Role, name string) ([]byte, error) {
	row, err := k.row(ctx, r, name)
	return row.PublicKey, err
}

func (k *Keys) row(ctx context.Context, r Role, name string) (row Row, err error) {
	if r == RoleCRL {
		r = RoleCA
	}
	err = k.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		row, err = k.d.Store.RoleKey(ctx, tx, r, name)
		return err
	})
	if err != nil {
		return Row{}, fmt.Errorf("house: role %s named %s: %w", r, name, err)
	}
	return row, nil
}

// SignAs signs a token with the key of a role and returns the signature in DER
// (SM2-with-SM3, ID 1234567812345678).
func (k *Keys) SignAs(ctx context.Context, r Role, name string, t Token) ([]byte, error) {
	if err := k.d.Healthy(); err != nil {
		return nil, err
	}
	if !r.signs() && r != RoleCRL || t == nil {
		return nil, fmt.Errorf("house: role %q signs nothing", r)
	}
	pair, err := k.pair(ctx, r, name)
	if err != nil {
		return nil, err
	}
	message, err := t.message(r, pair.Public)
	if err != nil {
		return nil, fmt.Errorf("house: role %s named %s: %w", r, name, err)
	}
	watch := clock.Start()
	signature, err := sm2.SignASN1(k.d.Rand, pair.private, message, sm2.DefaultSM2SignerOpts)
	if err == nil {
		// A faulty signature can give the key away, so it never leaves.
		err = pki.VerifySignature(&pair.private.PublicKey, message, signature)
	}
	k.d.Observe("role:"+string(r), watch, err)
	if err != nil {
		return nil, k.d.Fail(err)
	}
	return signature, nil
}

// pair gives the open key of a role.
func (k *Keys) pair(ctx context.Context, r Role, name string) (*Pair, error) {
	return k.Cached(string(r)+"/"+name, func() (*Pair, error) {
		row, err := k.row(ctx, r, name)
		if err != nil {
			return nil, err
		}
		return k.Open(row.PublicKey, row.Sealed, place(row.Role, row.Name))
	})
}

// Transport gives the public key, 65 bytes, to which the KMC encrypts what is
// for custody. It is made when it is first asked for, and opened, so that
// Received finds it in memory.
func (k *Keys) Transport(ctx context.Context) ([]byte, error) {
	if _, err := k.create(ctx, roleTransport, One); err != nil {
		return nil, err
	}
	p, err := k.pair(ctx, roleTransport, One)
	if err != nil {
		return nil, err
	}
	return p.Public, nil
}

// Received decrypts what the KMC sent, in the caller's transaction.
func (k *Keys) Received(ctx context.Context, tx work.Tx, ciphertext []byte) ([]byte, error) {
	pair, err := k.Cached(string(roleTransport)+"/"+One, func() (*Pair, error) {
		row, err := k.d.Store.RoleKey(ctx, tx, roleTransport, One)
		if err != nil {
			return nil, err
		}
		return k.Open(row.PublicKey, row.Sealed, place(row.Role, row.Name))
	})
	if err != nil {
		return nil, err
	}
	return pair.Decrypt(ciphertext)
}
