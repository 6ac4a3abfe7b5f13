package custody

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody/house"
	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/custody/selftest"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/once"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Vault is the key-encryption key of custody: it seals shares, peppers and role
// keys, each to its row. A *secret.Box over a key of custody's own implements
// it in software; a cryptographic machine (密码机, GM/T 0018) can take its place.
type Vault = house.Vault

// Deps are what a Module needs.
type Deps struct {
	Runner work.Runner
	Store  Store
	Clock  clock.Clock
	Rand   io.Reader
	Log    *slog.Logger
	Vault  Vault
	// Server is the server ID in the context of key generation, 1 to 256 bytes.
	Server string
	// Observe, if set, hears every computation with a share or role key, by name:
	// "open", "keygen", "sign", "decrypt", "exchange" and "role:<role>". A wrong PIN
	// is splitkey.ErrProof.
	Observe func(name string, took time.Duration, err error)
}

// Module implements Door. It is safe for concurrent use.
type Module struct {
	d      Deps
	boot   string // this process's life
	open   nonces
	broken atomic.Pointer[error]
	house  *house.Keys
	seen   once.Window[[sm3.Size]byte] // the EK of every request while its time is accepted
	module moduleKeys

	// interrupt, in tests, is called between the steps of an answer or refresh and
	// ends it with its error, as a crash would.
	interrupt func(step string) error
}

var _ Door = (*Module)(nil)

// New makes a module and runs its self-test. A module that fails it is returned
// all the same and refuses everything: see Healthy.
func New(d Deps) *Module {
	m := &Module{d: d, open: nonces{byID: map[string]*nonce{}, byKey: map[string][]string{}}}
	m.seen.Life = 2 * exchangeSkew
	m.d.Rand = selftest.Watch(d.Rand, m.fail)
	m.house = house.New(house.Deps{
		Runner: d.Runner, Store: d.Store, Rand: m.d.Rand, Vault: d.Vault, Healthy: m.Healthy, Fail: m.fail, Observe: m.observe,
	})
	if err := selftest.Run(m.d.Rand, d.Vault); err != nil {
		m.fail(err)
		return m
	}
	m.boot = id.New(m.d.Rand)
	return m
}

// Healthy tells why the module refuses everything; nil while it works.
func (m *Module) Healthy() error {
	if p := m.broken.Load(); p != nil {
		return CodeModule.Because(*p)
	}
	return nil
}

// fail puts the module into its error state, from which only a restart leads
// out (docs/split-keys.md §7).
func (m *Module) fail(why error) error {
	if m.broken.CompareAndSwap(nil, &why) {
		m.d.Log.Error("the cryptographic module stops: it refuses everything until it is restarted", "error", why)
	}
	return CodeModule.Because(why)
}

func (m *Module) step(name string) error {
	if m.interrupt == nil {
		return nil
	}
	return m.interrupt(name)
}

func (m *Module) observe(name string, watch clock.Stopwatch, err error) {
	if m.d.Observe != nil {
		m.d.Observe(name, clock.Since(watch), err)
	}
}

// do runs a transaction of custody's own.
func (m *Module) do(ctx context.Context, name string, f func(context.Context, work.Tx) error) error {
	return m.d.Runner.Do(ctx, "custody."+name, f)
}

// device reads a thumbprint.
func (h Holder) device() ([]byte, error) {
	b, err := hex.DecodeString(h.Device)
	if err != nil || len(b) != 32 || h.Account == "" || strings.ToLower(h.Device) != h.Device {
		return nil, errors.New("custody: a holder is an account and a thumbprint of 64 hex digits")
	}
	return b, nil
}

// seal and unseal bind a secret to its row.
func (m *Module) seal(table string, row []string, s []byte) ([]byte, error) {
	return m.d.Vault.Seal(secret.Place{Table: table, Column: "sealed", Row: strings.Join(row, "/")}, s)
}

func (m *Module) unseal(table string, row []string, sealed []byte) ([]byte, error) {
	b, err := m.d.Vault.Open(secret.Place{Table: table, Column: "sealed", Row: strings.Join(row, "/")}, sealed)
	if err != nil {
		m.d.Log.Error("a sealed row of custody does not open", "table", table, "row", strings.Join(row, "/"), "error", err)
		return nil, CodeModule.Because(err)
	}
	return b, nil
}

func (s ShareRow) row() []string {
	return []string{s.KeyID, s.ID, s.Holder.Account, s.Holder.Device}
}

func (p Pepper) row() []string { return []string{p.ID, p.Holder.Account, p.Holder.Device} }

func (m *Module) sealShare(s *ShareRow, share *splitkey.Secret) (err error) {
	b := share.Bytes()
	defer clear(b)
	s.Sealed, err = m.seal("custody_shares", s.row(), b)
	return err
}

// share opens a share; the caller wipes it.
func (m *Module) share(s ShareRow) (*splitkey.Secret, error) {
	b, err := m.unseal("custody_shares", s.row(), s.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return splitkey.ParseSecret(b)
}

// pepper opens a pepper; a pepper that was destroyed makes its keys unusable.
func (m *Module) pepper(ctx context.Context, tx work.Tx, pepperID string) ([]byte, error) {
	p, err := m.d.Store.Pepper(ctx, tx, pepperID)
	if errors.Is(err, work.ErrNotFound) {
		return nil, CodeKeyUnusable.Becausef("pepper %s is destroyed", pepperID)
	}
	if err != nil {
		return nil, err
	}
	return m.unseal("custody_peppers", p.row(), p.Sealed)
}

// nonce is one ω of this process.
type nonce struct {
	omega   *splitkey.Secret
	w       []byte
	expires time.Time
}

// nonces holds every ω of this process: it is never written anywhere, so what
// a crash leaves behind is stale (docs/split-keys.md §2.2).
type nonces struct {
	mu    sync.Mutex
	byID  map[string]*nonce
	byKey map[string][]string // IDs that have been in the row of a public key
	sweep time.Time
}

func (s *nonces) put(nonceID string, n *nonce, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.sweep) {
		s.sweep = now.Add(nonceLife)
		for k, old := range s.byID {
			if now.After(old.expires) {
				s.drop(k)
			}
		}
		for k, ids := range s.byKey {
			ids = slices.DeleteFunc(ids, func(id string) bool { return s.byID[id] == nil })
			if s.byKey[k] = ids; len(ids) == 0 {
				delete(s.byKey, k)
			}
		}
	}
	s.byID[nonceID] = n
}

// rows gives the IDs that a row committed from now on replaces.
func (s *nonces) rows(publicKey []byte) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.byKey[string(publicKey)])
}

// replace drops what a committed row has replaced. Only now: if two rows are on
// their way, nobody knows which of them will be the last.
func (s *nonces) replace(publicKey []byte, old []string, nonceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range old {
		s.drop(id)
	}
	k := string(publicKey)
	ids := slices.DeleteFunc(s.byKey[k], func(id string) bool { return slices.Contains(old, id) })
	s.byKey[k] = append(ids, nonceID)
}

// claim gives ω to one answer, before it is charged: what is charged is
// computed, whatever is swept or replaced meanwhile. nil if there is none.
func (s *nonces) claim(nonceID string) *nonce {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byID[nonceID]
	delete(s.byID, nonceID)
	return n
}

// restore takes back a claimed nonce whose answer was not charged.
func (s *nonces) restore(nonceID string, n *nonce) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[nonceID] = n
}

func (s *nonces) forget(nonceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(nonceID)
}

func (s *nonces) drop(nonceID string) {
	if n := s.byID[nonceID]; n != nil {
		n.omega.Wipe()
	}
	delete(s.byID, nonceID)
}

// refusal says why no attempt is allowed now; nil when one is.
func refusal(l ladder.Ladder, now time.Time) error {
	switch l.Lock(now) {
	case ladder.Final:
		return CodePINLocked
	case ladder.Timed:
		return CodePINLockedFor.With(map[string]any{"lockedUntil": l.LockedUntil.Format(time.RFC3339)})
	case ladder.Budget:
		return CodePINBudget
	}
	return nil
}

// unknown turns "no such row" into a refusal.
func unknown(err error, code fault.Code) error {
	if errors.Is(err, work.ErrNotFound) {
		return code.Because(err)
	}
	return err
}
