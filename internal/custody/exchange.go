package custody

import (
	"context"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody/house"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// The life of a module key (docs/split-keys.md §2.8).
const (
	moduleKeyLife  = 7 * 24 * time.Hour
	moduleKeyGrace = 24 * time.Hour  // then its private half is destroyed
	exchangeSkew   = 2 * time.Minute // between a phone's clock and ours
)

// ModuleStatement gives the statement of the current module key, canonical
// bytes, with the signature of RoleStatement named House in DER. A new pair is
// made when the last one has a day left.
func (m *Module) ModuleStatement(ctx context.Context) (statement, signature []byte, err error) {
	if err := m.Healthy(); err != nil {
		return nil, nil, err
	}
	row, err := m.moduleKey(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := splitkey.ModuleStatement{Kid: row.Kid, Key: row.PublicKey, From: row.From.Unix(), To: row.To.Unix()}
	if statement, err = s.Bytes(); err != nil {
		return nil, nil, err
	}
	signature, err = m.SignAs(ctx, RoleStatement, House, Statement(s))
	return statement, signature, err
}

func modulePlace(kid string) secret.Place {
	return secret.Place{Table: "custody_module_keys", Column: "sealed", Row: kid}
}

func (m *Module) moduleKeys(ctx context.Context) (rows []ModuleKeyRow, err error) {
	err = m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		rows, err = m.d.Store.ModuleKeys(ctx, tx)
		return err
	})
	return rows, err
}

// moduleKey gives the newest key that has more than a day left, or makes one.
func (m *Module) moduleKey(ctx context.Context) (ModuleKeyRow, error) {
	now := m.d.Clock.Now()
	current := func(rows []ModuleKeyRow) (ModuleKeyRow, bool) {
		if len(rows) == 0 || rows[len(rows)-1].To.Sub(now) <= moduleKeyGrace {
			return ModuleKeyRow{}, false
		}
		return rows[len(rows)-1], true
	}
	rows, err := m.moduleKeys(ctx)
	if err != nil {
		return ModuleKeyRow{}, err
	}
	if row, ok := current(rows); ok {
		return row, nil
	}
	row := ModuleKeyRow{Kid: id.New(m.d.Rand), From: now.Truncate(time.Second), To: now.Truncate(time.Second).Add(moduleKeyLife)}
	if row.PublicKey, row.Sealed, err = m.house.Draw(modulePlace(row.Kid)); err != nil {
		return ModuleKeyRow{}, err
	}
	err = m.do(ctx, "module-key", func(ctx context.Context, tx work.Tx) error {
		rows, err := m.d.Store.ModuleKeys(ctx, tx)
		if err != nil {
			return err
		}
		if other, ok := current(rows); ok {
			row = other
			return nil
		}
		if err := m.d.Store.AddModuleKey(ctx, tx, row); err != nil {
			return err
		}
		return record(ctx, tx, "custody.module-key", "system", row.Kid)
	})
	return row, err
}

// Exchange opens a sealed request and returns its content with the exchange
// that seals the one reply. The caller fills aad from what it saw and
// authenticated itself (splitkey.SealedRequest.AAD). Whatever does not open,
// is more than two minutes off the clock, or came before is CodeSealed: the
// phone fetches the module statement again and seals anew.
func (m *Module) Exchange(ctx context.Context, aad splitkey.AAD, r splitkey.SealedRequest) ([]byte, *splitkey.Exchange, error) {
	if err := m.Healthy(); err != nil {
		return nil, nil, err
	}
	now := m.d.Clock.Now()
	if off := now.Sub(time.Unix(aad.Time, 0)); off > exchangeSkew || off < -exchangeSkew {
		return nil, nil, CodeSealed.Becausef("the request's time is off by %s", off)
	}
	pair, err := m.house.Cached("module/"+aad.Kid, func() (*house.Pair, error) { return m.loadModuleKey(ctx, aad.Kid) })
	if err != nil {
		return nil, nil, err
	}
	if !now.Before(pair.Until) {
		m.house.Forget("module/" + aad.Kid)
		return nil, nil, CodeSealed.Becausef("module key %q is over", aad.Kid)
	}
	watch := clock.Start()
	plain, x, err := splitkey.OpenRequest(pair.Decrypt, aad, r)
	m.observe("exchange", watch, err)
	if err != nil {
		return nil, nil, CodeSealed.Because(err)
	}
	// Only now, so that nobody burns an EK whose K he does not know.
	if !m.seen.first(sm3.Sum(r.EK), now) {
		x.Wipe()
		return nil, nil, CodeSealed.Becausef("the request came before")
	}
	return plain, x, nil
}

// SealReply seals the one reply of an exchange.
func (m *Module) SealReply(x *splitkey.Exchange, plain []byte) (splitkey.SealedReply, error) {
	return x.SealReply(m.d.Rand, plain)
}

func (m *Module) loadModuleKey(ctx context.Context, kid string) (*house.Pair, error) {
	rows, err := m.moduleKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Kid == kid {
			pair, err := m.house.Open(row.PublicKey, row.Sealed, modulePlace(kid))
			if err != nil {
				return nil, err
			}
			pair.Until = row.To.Add(moduleKeyGrace)
			return pair, nil
		}
	}
	return nil, CodeSealed.Becausef("no module key %q", kid)
}

// replays remembers the EK of every request for as long as its time is
// accepted. A request that was answered before a restart may be opened once
// more after it; its reply has a fresh salt and its nonce is spent.
type replays struct {
	mu           sync.Mutex
	since        time.Time
	newer, older map[[sm3.Size]byte]struct{}
}

func (s *replays) first(ek [sm3.Size]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer == nil || now.Sub(s.since) > 2*exchangeSkew {
		s.older, s.newer, s.since = s.newer, map[[sm3.Size]byte]struct{}{}, now
	}
	if _, again := s.newer[ek]; again {
		return false
	}
	if _, again := s.older[ek]; again {
		return false
	}
	s.newer[ek] = struct{}{}
	return true
}
