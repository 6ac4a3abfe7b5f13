package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/clock"
	"tianweitong/internal/kmc"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// House is the name of the roles that exist once: callback, receipt, statement
// and kmc. Each of them has a key, and a service certificate, of its own.
const House = "house"

// roleTransport is the key to which the KMC encrypts custody's shares. It signs
// nothing, so it is no Role that SignAs knows.
const roleTransport Role = "transport"

// keyring keeps private keys of the house open once they have served.
type keyring struct {
	mu   sync.Mutex
	open map[string]*keyPair
}

type keyPair struct {
	private *sm2.PrivateKey
	public  []byte    // 65 bytes
	until   time.Time // module keys
}

func (r *keyring) get(name string, load func() (*keyPair, error)) (*keyPair, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.open[name]; p != nil {
		return p, nil
	}
	p, err := load()
	if err != nil {
		return nil, err
	}
	if r.open == nil {
		r.open = map[string]*keyPair{}
	}
	r.open[name] = p
	return p, nil
}

func (r *keyring) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, name)
}

// newKey draws a key pair and seals its private half for a row.
func (m *Module) newKey(table string, row ...string) (public, sealed []byte, err error) {
	d, err := splitkey.NewSecret(m.d.Rand)
	if err != nil {
		return nil, nil, m.fail(err)
	}
	defer d.Wipe()
	if public, err = d.PublicKey(); err != nil {
		return nil, nil, err
	}
	b := d.Bytes()
	defer clear(b)
	sealed, err = m.seal(table, row, b)
	return public, sealed, err
}

// openKey is the inverse of newKey. A private key that does not fit its public
// half puts the module into its error state.
func (m *Module) openKey(public, sealed []byte, table string, row ...string) (*keyPair, error) {
	b, err := m.unseal(table, row, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	private, err := sm2.NewPrivateKey(b)
	if err != nil {
		return nil, m.fail(err)
	}
	if got, err := pki.Point(&private.PublicKey); err != nil || !bytes.Equal(got, public) {
		return nil, m.fail(fmt.Errorf("the private key of %s %v is not that of its public key", table, row))
	}
	return &keyPair{private: private, public: public}, nil
}

func (r Role) signs() bool {
	switch r {
	case RoleRoot, RoleCA, RoleOCSP, RoleTSA, RoleSealMaker, RoleCallback, RoleReceipt, RoleStatement, RoleKMC:
		return true
	}
	return false
}

// CreateRole makes the key of a role and returns its public key, 65 bytes; if
// there is one, it returns that. RoleCRL has no key of its own.
func (m *Module) CreateRole(ctx context.Context, r Role, name string) ([]byte, error) {
	if !r.signs() || name == "" {
		return nil, fmt.Errorf("custody: no role %q named %q", r, name)
	}
	return m.createRole(ctx, r, name)
}

func (m *Module) createRole(ctx context.Context, r Role, name string) ([]byte, error) {
	if err := m.Healthy(); err != nil {
		return nil, err
	}
	if p, err := m.RolePublicKey(ctx, r, name); !errors.Is(err, work.ErrNotFound) {
		return p, err
	}
	public, sealed, err := m.newKey("custody_role_keys", string(r), name)
	if err != nil {
		return nil, err
	}
	err = m.do(ctx, "role", func(ctx context.Context, tx work.Tx) error {
		if err := m.d.Store.AddRoleKey(ctx, tx, RoleKeyRow{r, name, public, sealed}); err != nil {
			return err
		}
		row, err := m.d.Store.RoleKey(ctx, tx, r, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(row.PublicKey, public) {
			public = row.PublicKey // another caller was quicker
			return nil
		}
		return record(ctx, tx, "custody.role-created", "system", string(r)+"/"+name)
	})
	return public, err
}

// RolePublicKey gives the public key of a role, 65 bytes; work.ErrNotFound if
// there is none. That of RoleCRL is the issuing CA's.
func (m *Module) RolePublicKey(ctx context.Context, r Role, name string) ([]byte, error) {
	row, err := m.roleRow(ctx, r, name)
	return row.PublicKey, err
}

func (m *Module) roleRow(ctx context.Context, r Role, name string) (row RoleKeyRow, err error) {
	if r == RoleCRL {
		r = RoleCA
	}
	err = m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		row, err = m.d.Store.RoleKey(ctx, tx, r, name)
		return err
	})
	if err != nil {
		return RoleKeyRow{}, fmt.Errorf("custody: role %s named %s: %w", r, name, err)
	}
	return row, nil
}

func (m *Module) roleKey(ctx context.Context, r Role, name string) (*keyPair, error) {
	return m.keys.get(string(r)+"/"+name, func() (*keyPair, error) {
		row, err := m.roleRow(ctx, r, name)
		if err != nil {
			return nil, err
		}
		return m.openKey(row.PublicKey, row.Sealed, "custody_role_keys", string(row.Role), row.Name)
	})
}

// SignAs signs a typed token with the key of a role and returns the signature
// in DER (SM2-with-SM3, ID 1234567812345678). It is the only call that signs
// for the house. A token that is not for this role or key is refused before
// anything is computed; a certificate token serves once.
func (m *Module) SignAs(ctx context.Context, r Role, name string, t Token) ([]byte, error) {
	if err := m.Healthy(); err != nil {
		return nil, err
	}
	if !r.signs() && r != RoleCRL || t == nil {
		return nil, fmt.Errorf("custody: role %q signs nothing", r)
	}
	pair, err := m.roleKey(ctx, r, name)
	if err != nil {
		return nil, err
	}
	message, err := t.message(r, pair.public)
	if err != nil {
		return nil, fmt.Errorf("custody: role %s named %s: %w", r, name, err)
	}
	watch := clock.Start()
	signature, err := sm2.SignASN1(m.d.Rand, pair.private, message, sm2.DefaultSM2SignerOpts)
	if err == nil {
		// A faulty signature can give the key away, so it never leaves.
		err = pki.VerifySignature(&pair.private.PublicKey, message, signature)
	}
	m.observe("role:"+string(r), watch, err)
	if err != nil {
		return nil, m.fail(err)
	}
	return signature, nil
}

// TransportKey gives the public key, 65 bytes, to which the KMC encrypts the
// shares for custody. It is made when it is first asked for.
func (m *Module) TransportKey(ctx context.Context) ([]byte, error) {
	return m.createRole(ctx, roleTransport, House)
}

// openDelivery opens a share that the KMC dealt and holds it against what it
// should be for.
func (m *Module) openDelivery(ctx context.Context, tx work.Tx, h Holder, keyID, subject string, publicKey, sealed []byte) (*splitkey.Secret, error) {
	row, err := m.d.Store.RoleKey(ctx, tx, roleTransport, House)
	if err != nil {
		return nil, err
	}
	pair, err := m.keys.get(string(roleTransport)+"/"+House, func() (*keyPair, error) {
		return m.openKey(row.PublicKey, row.Sealed, "custody_role_keys", string(row.Role), row.Name)
	})
	if err != nil {
		return nil, err
	}
	plain, err := sm2.Decrypt(pair.private, sealed)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	defer clear(plain)
	d, err := kmc.ParseDelivery(plain)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	defer clear(d.Share)
	if err := m.deliveredTo(ctx, tx, d, h, keyID, subject, publicKey); err != nil {
		return nil, err
	}
	b, err := splitkey.ParseSecret(d.Share)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	return b, nil
}

// deliveredTo holds a delivery against the holder, key and subject that it is to
// serve: by the enrolment of the co-signed request, or by what the PIN key
// confirmed.
func (m *Module) deliveredTo(ctx context.Context, tx work.Tx, d kmc.Delivery, h Holder, keyID, subject string, publicKey []byte) error {
	other := CodeEnrolment.Becausef("the delivery is for another key or holder")
	if !bytes.Equal(d.PublicKey, publicKey) || d.Account != h.Account || d.Device != h.Device {
		return other
	}
	if d.Enrolment == "" {
		if !slices.Contains(d.KeyIDs, keyID) {
			return other
		}
		return nil
	}
	e, err := m.d.Store.Enrolment(ctx, tx, d.Enrolment)
	if err != nil {
		return unknown(err, CodeEnrolment)
	}
	if e.Holder != h || e.Subject != subject || e.State != EnrolmentUsed {
		return other
	}
	return nil
}
