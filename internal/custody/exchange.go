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

// moduleKeys are the module keys that this process knows of, so that a made-up
// kid costs no query.
type moduleKeys struct {
	mu    sync.Mutex
	byKid map[string]ModuleKeyRow
	read  time.Time // when a kid was last looked up in the table
}

func (k *moduleKeys) add(rows ...ModuleKeyRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byKid == nil {
		k.byKid = map[string]ModuleKeyRow{}
	}
	for _, row := range rows {
		k.byKid[row.Kid] = row
	}
}

// find also says whether to look into the table, at most once a second.
func (k *moduleKeys) find(kid string, now time.Time) (row ModuleKeyRow, known, look bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if row, known = k.byKid[kid]; !known && now.Sub(k.read) >= time.Second {
		k.read, look = now, true
	}
	return row, known, look
}

// newest gives the newest key, the zero row if there is none.
func (k *moduleKeys) newest() (row ModuleKeyRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.byKid {
		if r.To.After(row.To) {
			row = r
		}
	}
	return row
}

// drop forgets the keys whose private half is to be destroyed by now.
func (k *moduleKeys) drop(now time.Time) (kids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for kid, row := range k.byKid {
		if !now.Before(row.To.Add(moduleKeyGrace)) {
			kids = append(kids, kid)
			delete(k.byKid, kid)
		}
	}
	return kids
}

// moduleKey gives the newest key that has more than a day left, or makes one.
func (m *Module) moduleKey(ctx context.Context) (ModuleKeyRow, error) {
	now := m.d.Clock.Now()
	lasts := func(row ModuleKeyRow) bool { return row.To.Sub(now) > moduleKeyGrace }
	if row := m.module.newest(); lasts(row) {
		return row, nil
	}
	row := ModuleKeyRow{Kid: id.New(m.d.Rand), From: now.Truncate(time.Second), To: now.Truncate(time.Second).Add(moduleKeyLife)}
	var err error
	if row.PublicKey, row.Sealed, err = m.house.Draw(modulePlace(row.Kid)); err != nil {
		return ModuleKeyRow{}, err
	}
	var rows []ModuleKeyRow
	err = m.do(ctx, "module-key", func(ctx context.Context, tx work.Tx) (err error) {
		if rows, err = m.d.Store.ModuleKeys(ctx, tx); err != nil {
			return err
		}
		if n := len(rows); n > 0 && lasts(rows[n-1]) {
			return nil
		}
		rows = append(rows, row)
		if err := m.d.Store.AddModuleKey(ctx, tx, row); err != nil {
			return err
		}
		return record(ctx, tx, "custody.module-key", "system", row.Kid)
	})
	if err != nil {
		return ModuleKeyRow{}, err
	}
	m.module.add(rows...)
	return rows[len(rows)-1], nil
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
	pair, err := m.modulePair(ctx, aad.Kid, now)
	if err != nil {
		return nil, nil, err
	}
	watch := clock.Start()
	plain, x, err := splitkey.OpenRequest(pair.Decrypt, aad, r)
	m.observe("exchange", watch, err)
	if err != nil {
		return nil, nil, CodeSealed.Because(err)
	}
	// Only now, so that nobody burns an EK whose K he does not know.
	if !m.seen.First(sm3.Sum(r.EK), now) {
		x.Wipe()
		return nil, nil, CodeSealed.Becausef("the request came before")
	}
	return plain, x, nil
}

// SealReply seals the one reply of an exchange.
func (m *Module) SealReply(x *splitkey.Exchange, plain []byte) (splitkey.SealedReply, error) {
	return x.SealReply(m.d.Rand, plain)
}

// modulePair gives the open module key of a kid.
func (m *Module) modulePair(ctx context.Context, kid string, now time.Time) (*house.Pair, error) {
	row, known, look := m.module.find(kid, now)
	if look {
		err := m.d.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			rows, err := m.d.Store.ModuleKeys(ctx, tx)
			m.module.add(rows...)
			return err
		})
		if err != nil {
			return nil, err
		}
		row, known, _ = m.module.find(kid, now)
	}
	if !known || !now.Before(row.To.Add(moduleKeyGrace)) {
		return nil, CodeSealed.Becausef("no module key %q, or it is over", kid)
	}
	return m.house.Cached("module/"+kid, func() (*house.Pair, error) {
		return m.house.Open(row.PublicKey, row.Sealed, modulePlace(kid))
	})
}
