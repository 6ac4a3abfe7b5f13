package splitkey

import (
	"fmt"
	"io"
	"slices"

	"github.com/emmansun/gmsm/sm3"
)

// RefreshContext binds a refresh (docs/split-keys.md §2.5). KeyIDs lists every
// key that is refreshed, each once, in the server's order.
type RefreshContext struct {
	Account     string
	Device      []byte // thumbprint of the device key
	OpID        string
	ServerNonce []byte // at least 16 bytes, single use
	KeyIDs      []string
}

// RefreshRequest and RefreshReply carry the two ephemeral points; both travel
// inside a sealed exchange.
type (
	RefreshRequest struct {
		E []byte `json:"e"`
	}
	RefreshReply struct {
		E []byte `json:"e"`
	}
)

func (c RefreshContext) check() error {
	if err := checkIDs("account", c.Account, "device thumbprint", string(c.Device), "operation ID", c.OpID); err != nil {
		return err
	}
	if len(c.ServerNonce) < 16 || len(c.ServerNonce) > maxID {
		return fmt.Errorf("%w: server nonce of %d bytes", ErrMalformed, len(c.ServerNonce))
	}
	if len(c.KeyIDs) == 0 {
		return fmt.Errorf("%w: no key to refresh", ErrMalformed)
	}
	seen := map[string]bool{}
	for _, id := range c.KeyIDs {
		if err := checkIDs("key ID", id); err != nil {
			return err
		}
		if seen[id] {
			return fmt.Errorf("%w: key listed twice", ErrMalformed)
		}
		seen[id] = true
	}
	return nil
}

// transcript is SM3 over the context and both ephemeral points.
func (c RefreshContext) transcript(phone, server []byte) []byte {
	var keys []byte
	for _, id := range c.KeyIDs {
		keys = appendPrefixed(keys, []byte(id))
	}
	sum := sm3.Sum(prefixed([]byte("refresh/v1"), []byte(c.Account), c.Device, []byte(c.OpID), c.ServerNonce, keys, phone, server))
	return sum[:]
}

// PhoneRefresh is the phone's state between the two messages of a refresh.
type PhoneRefresh struct {
	secret
	context   RefreshContext
	ephemeral scalar
	public    []byte
}

// StartRefresh draws the phone's ephemeral key.
func StartRefresh(rand io.Reader, c RefreshContext) (*PhoneRefresh, RefreshRequest, error) {
	if err := c.check(); err != nil {
		return nil, RefreshRequest{}, err
	}
	k, err := randomScalar(rand)
	if err != nil {
		return nil, RefreshRequest{}, err
	}
	c.KeyIDs = slices.Clone(c.KeyIDs)
	p := &PhoneRefresh{context: c, ephemeral: k, public: baseMult(&k).bytes()}
	return p, RefreshRequest{E: slices.Clone(p.public)}, nil
}

// ServerRefresh draws the server's ephemeral key and returns the refresh with
// the reply. An abandoned refresh is never proved again: a retry starts anew.
func ServerRefresh(rand io.Reader, c RefreshContext, req RefreshRequest) (*Refresh, RefreshReply, error) {
	if err := c.check(); err != nil {
		return nil, RefreshReply{}, err
	}
	k, err := randomScalar(rand)
	if err != nil {
		return nil, RefreshReply{}, err
	}
	defer clear(k[:])
	public := baseMult(&k).bytes()
	r, err := newRefresh(c, &k, req.E, req.E, public)
	if err != nil {
		return nil, RefreshReply{}, err
	}
	return r, RefreshReply{E: public}, nil
}

// Finish joins the server's reply; the ephemeral key is wiped whatever happens.
func (p *PhoneRefresh) Finish(reply RefreshReply) (*Refresh, error) {
	defer p.Wipe()
	if p.ephemeral.isZero() {
		return nil, ErrSpent
	}
	return newRefresh(p.context, &p.ephemeral, reply.E, p.public, reply.E)
}

// Wipe forgets the ephemeral key.
func (p *PhoneRefresh) Wipe() { clear(p.ephemeral[:]) }

// Refresh turns old shares into new ones of the same public key. It holds Z,
// which with an old and a new masked share tests PINs: wipe it at once.
type Refresh struct {
	secret
	z          []byte
	transcript []byte
	keys       []string
}

func newRefresh(c RefreshContext, own *scalar, peer, phone, server []byte) (*Refresh, error) {
	q, err := parsePoint(peer)
	if err != nil {
		return nil, err
	}
	z := q.mult(own).bytes()[1:33] // the abscissa; n is prime and q ≠ O, so the product is not O
	return &Refresh{z: z, transcript: c.transcript(phone, server), keys: slices.Clone(c.KeyIDs)}, nil
}

// derive returns ρ or δ of one key: H2S(label, Z, transcript, keyID). One
// value for two keys would give both PINs offline, so the key ID is hashed in
// and must stand in the list.
func (r *Refresh) derive(label, keyID string) (scalar, error) {
	if r.z == nil {
		return scalar{}, ErrSpent
	}
	if !slices.Contains(r.keys, keyID) {
		return scalar{}, fmt.Errorf("%w: key is not part of this refresh", ErrMalformed)
	}
	s := hashToScalar(label, r.z, r.transcript, []byte(keyID))
	if s.isZero() {
		return scalar{}, ErrRandom
	}
	return s, nil
}

// PhoneSigning returns d1' = d1·ρ.
func (r *Refresh) PhoneSigning(keyID string, d1 *Secret) (*Secret, error) {
	return r.apply("rho", keyID, d1, func(s, rho scalar) scalar { return s.mul(&rho) })
}

// ServerSigning returns d2' = d2·ρ^-1.
func (r *Refresh) ServerSigning(keyID string, d2 *Secret) (*Secret, error) {
	return r.apply("rho", keyID, d2, func(s, rho scalar) scalar { rho = rho.inverse(); return s.mul(&rho) })
}

// PhoneEncryption returns a' = a + δ.
func (r *Refresh) PhoneEncryption(keyID string, a *Secret) (*Secret, error) {
	return r.apply("delta", keyID, a, func(s, delta scalar) scalar { return s.add(&delta) })
}

// ServerEncryption returns b' = b − δ.
func (r *Refresh) ServerEncryption(keyID string, b *Secret) (*Secret, error) {
	return r.apply("delta", keyID, b, func(s, delta scalar) scalar { return s.sub(&delta) })
}

func (r *Refresh) apply(label, keyID string, share *Secret, f func(s, by scalar) scalar) (*Secret, error) {
	if err := share.check(); err != nil {
		return nil, err
	}
	by, err := r.derive(label, keyID)
	if err != nil {
		return nil, err
	}
	defer clear(by[:])
	out := f(share.s, by)
	if out.isZero() { // a retry draws other values
		return nil, ErrRandom
	}
	return &Secret{s: out}, nil
}

// Records derives the phone's new masked set for a change of PIN or a
// proactive refresh: every record is unmasked with the stretch of before, refreshed,
// and masked with that of after under a fresh salt (docs/split-keys.md §2.5). The
// records must be exactly the keys of the refresh. The phone writes the result
// beside the old set and deletes the old one only after the server's flip.
func (r *Refresh) Records(rand io.Reader, device string, before, after *Stretched, records []Record) ([]Record, error) {
	if len(records) != len(r.keys) {
		return nil, fmt.Errorf("%w: %d records for %d keys", ErrMalformed, len(records), len(r.keys))
	}
	out := make([]Record, 0, len(records))
	seen := map[string]bool{}
	for _, rec := range records {
		if seen[rec.KeyID] {
			return nil, fmt.Errorf("%w: key listed twice", ErrMalformed)
		}
		seen[rec.KeyID] = true
		share, err := before.Unmask(device, rec)
		if err != nil {
			return nil, err
		}
		fresh, err := r.phoneShare(rec, share)
		share.Wipe()
		if err != nil {
			return nil, err
		}
		next, err := after.Mask(rand, device, rec.Purpose, rec.KeyID, rec.PublicKey, fresh)
		fresh.Wipe()
		if err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}

func (r *Refresh) phoneShare(rec Record, share *Secret) (*Secret, error) {
	if rec.Purpose == PurposeEncrypt {
		return r.PhoneEncryption(rec.KeyID, share)
	}
	return r.PhoneSigning(rec.KeyID, share)
}

// Wipe forgets Z; ρ, δ and Z are never kept (docs/split-keys.md §2.5).
func (r *Refresh) Wipe() {
	clear(r.z)
	r.z = nil
}
