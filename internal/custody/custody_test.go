package custody_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const wrongPIN = "111111"

// stage is a module, its store and a phone with a PIN.
type stage struct {
	st    *store.Store
	clock *clock.Manual
	deps  custody.Deps
	m     *custody.Module
	phone *custodytest.Phone
	pin   string // key ID

	mu       sync.Mutex
	computed map[string]int // computations with a share by name and result
}

func newStage(t testing.TB, st *store.Store, c *clock.Manual) *stage {
	t.Helper()
	return newStageOver(t, st, c, custodytest.Deps(t, st, c).Vault)
}

func newStageOver(t testing.TB, st *store.Store, c *clock.Manual, v custody.Vault) *stage {
	t.Helper()
	s := &stage{st: st, clock: c, deps: custodytest.Deps(t, st, c), computed: map[string]int{}}
	s.deps.Vault = v
	s.deps.Observe = func(name string, _ time.Duration, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			name += " refused"
		}
		s.computed[name]++
	}
	s.m = custodytest.Start(t, s.deps)
	s.phone = custodytest.NewPhone(id.New(rand.Reader), s.m, st, c)
	s.pin = must(s.phone.SetPIN(t.Context()))(t)
	return s
}

// must ends a test with the error of a call.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err is the code.
func refused(t testing.TB, err error, want fault.Code) map[string]any {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("err = %v, want %s", err, want.Name)
	}
	_, members := fault.Of(err)
	return members
}

// count is how often a computation was done.
func (s *stage) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.computed[name]
}

// wrong is how many computations a wrong PIN caused.
func (s *stage) wrong() int { return s.count("sign refused") + s.count("decrypt refused") }

// restart ends the module's life and begins the next.
func (s *stage) restart(t testing.TB) {
	t.Helper()
	s.m = custodytest.Start(t, s.deps)
	s.phone.Door = s.m
}

func (s *stage) do(t testing.TB, f func(ctx context.Context, tx work.Tx) error) {
	t.Helper()
	ok(t, s.try(t, f))
}

func (s *stage) try(t testing.TB, f func(ctx context.Context, tx work.Tx) error) error {
	t.Helper()
	return s.st.Do(t.Context(), "test", f)
}

// status is the PIN's.
func (s *stage) status(t testing.TB) custody.PINStatus {
	t.Helper()
	return must(s.m.PIN(t.Context(), s.phone.Holder.Account))(t)
}

// confirm authorises a confirmation by the PIN key that lasts for days.
func (s *stage) confirm(t testing.TB) string {
	t.Helper()
	return must(s.phone.Confirm(t.Context(), s.pin, splitkey.IDPIN, "revoke.confirm", "certificate-1"))(t)
}

// answer opens an operation and returns the phone's answer without sending it.
func (s *stage) answer(t testing.TB, opID, pin string) custody.Answer {
	t.Helper()
	o := must(s.m.Open(t.Context(), s.phone.Holder, opID))(t)
	return must(s.phone.Answer(o, pin))(t)
}

// each runs a test on both engines with a phone that has set its PIN. The tests
// share one PostgreSQL database, where each has an account of its own.
func each(t *testing.T, f func(t *testing.T, s *stage)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		c := clock.NewManual(noon)
		f(t, newStage(t, storetest.Open(t, storetest.SQLite(t), c), c))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		shared.Do(func() {
			shared.st = storetest.Open(kept{t}, storetest.Postgres(kept{t}), clock.NewManual(noon))
			shared.vault = custodytest.Deps(t, shared.st, nil).Vault
		})
		f(t, newStageOver(t, shared.st, clock.NewManual(noon), shared.vault))
	})
}

// alone is each for tests of what a database has once: jobs, roles, module keys.
func alone(t *testing.T, f func(t *testing.T, s *stage)) {
	t.Helper()
	t.Parallel()
	for name, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clock.NewManual(noon)
			f(t, newStage(t, storetest.Open(t, dsn(t), c), c))
		})
	}
}

var shared struct {
	sync.Once
	st    *store.Store
	vault custody.Vault
}

// kept lets what a test opens outlive it, until the process ends.
type kept struct{ testing.TB }

func (kept) Cleanup(func()) {}

func TestSigningKeySigns(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		key := must(s.phone.SigningKey(t.Context()))(t)
		op := must(s.phone.Document(t.Context(), key, "scan-1", "投标文件"))(t)
		must(s.phone.Perform(t.Context(), op, s.phone.PIN, nil))(t)
	})
}

func TestEncryptionKeyOpensWhatWasSealedToIt(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		keys := must(s.phone.Install(ctx, custodytest.KMC(t, s.m, s.clock)))(t)
		public := s.phone.Records[keys.Encrypt].PublicKey
		var all [][]byte
		for _, text := range []string{"一", "二", "三"} {
			all = append(all, must(custodytest.Encrypt(public, []byte(text)))(t))
		}
		op := must(s.phone.Authorise(ctx, custody.Activation{
			KeyID: keys.Encrypt, Business: "check.decrypt", Subject: "check-1", Ciphertexts: all, PlatformCertificate: custodytest.Certificate,
		}))(t)
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		a := must(s.phone.Answer(o, s.phone.PIN))(t)
		r := must(s.m.Answer(ctx, s.phone.Holder, op, a, nil))(t)
		var got []string
		for _, p := range must(s.phone.Plain(o, s.phone.PIN, r))(t) {
			got = append(got, string(p))
		}
		if strings.Join(got, "") != "一二三" {
			t.Fatalf("opened %q", got)
		}
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		refused(t, err, custody.CodeOperationOver) // T2 is kept nowhere
	})
}
