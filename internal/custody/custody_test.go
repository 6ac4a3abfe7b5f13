package custody_test

import (
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// stage is a module, its store and a phone with a PIN.
type stage struct {
	st    *store.Store
	clock *clock.Manual
	deps  custody.Deps
	m     *custody.Module
	phone *custodytest.Phone
	pin   string // key ID
}

func newStage(t testing.TB, st *store.Store, c *clock.Manual) *stage {
	t.Helper()
	s := &stage{st: st, clock: c, deps: custodytest.Deps(t, st, c)}
	s.m = custodytest.Start(t, s.deps)
	s.phone = custodytest.NewPhone("account-1", s.m, st, c)
	var err error
	if s.pin, err = s.phone.SetPIN(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// each runs a test on both engines with a phone that has set its PIN.
func each(t *testing.T, f func(t *testing.T, s *stage)) {
	t.Helper()
	c := clock.NewManual(noon)
	storetest.Each(t, c, func(t *testing.T, st *store.Store) { f(t, newStage(t, st, c)) })
}

func TestSigningKeySigns(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		key, err := s.phone.SigningKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		op, err := s.phone.Document(t.Context(), key, "scan-1", "投标文件")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.phone.Perform(t.Context(), op, s.phone.PIN, nil); err != nil {
			t.Fatal(err)
		}
	})
}
