package custody_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/job"
	"tianweitong/internal/secret"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// constant is a source that is stuck.
type constant struct{}

func (constant) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// switched is a source that can get stuck later.
type switched struct{ stuck atomic.Bool }

func (s *switched) Read(p []byte) (int, error) {
	if s.stuck.Load() {
		return constant{}.Read(p)
	}
	return rand.Read(p)
}

// leaky is a key-encryption key that encrypts nothing.
type leaky struct{ custody.Vault }

func (leaky) Seal(_ secret.Place, plain []byte) ([]byte, error)  { return bytes.Clone(plain), nil }
func (leaky) Open(_ secret.Place, sealed []byte) ([]byte, error) { return bytes.Clone(sealed), nil }

// everyCall calls everything that computes or changes something.
func everyCall(t testing.TB, s *stage) map[string]error {
	ctx := t.Context()
	h := s.phone.Holder
	out := map[string]error{}
	in := func(name string, f func(context.Context, work.Tx) error) { out[name] = s.try(t, f) }
	in("Enrol", func(ctx context.Context, tx work.Tx) error {
		_, err := s.m.Enrol(ctx, tx, h, custody.KindPIN, "s")
		return err
	})
	in("Accept", func(ctx context.Context, tx work.Tx) error { return s.m.Accept(ctx, tx, h, "k", "s", nil, nil) })
	in("Activate", func(ctx context.Context, tx work.Tx) error { return s.m.Activate(ctx, tx, s.pin) })
	in("Suspend", func(ctx context.Context, tx work.Tx) error { return s.m.Suspend(ctx, tx, h.Account) })
	in("Restore", func(ctx context.Context, tx work.Tx) error { return s.m.Restore(ctx, tx, h.Account) })
	in("Destroy", func(ctx context.Context, tx work.Tx) error { return s.m.Destroy(ctx, tx, s.pin) })
	in("NewPIN", func(ctx context.Context, tx work.Tx) error { return s.m.NewPIN(ctx, tx, h) })
	in("Authorise", func(ctx context.Context, tx work.Tx) error { return s.m.Authorise(ctx, tx, custody.Activation{}) })
	in("FlipRefresh", func(ctx context.Context, tx work.Tx) error { return s.m.FlipRefresh(ctx, tx, h, "r") })
	in("AuthoriseRefresh", func(ctx context.Context, tx work.Tx) error {
		return s.m.AuthoriseRefresh(ctx, tx, h, "o", "b", "s", noon)
	})
	_, out["Generate"] = s.m.Generate(ctx, h, "e", splitkey.KeygenRequest{})
	_, out["Open"] = s.m.Open(ctx, h, "o")
	_, out["Answer"] = s.m.Answer(ctx, h, "o", custody.Answer{}, nil)
	_, out["BeginRefresh"] = s.m.BeginRefresh(ctx, h, "o", splitkey.RefreshRequest{}, "b", nil)
	_, out["CreateRole"] = s.m.CreateRole(ctx, custody.RoleTSA, "new")
	_, out["SignAs"] = s.m.SignAs(ctx, custody.RoleKMC, custody.House, custody.KMCRequest([]byte("x")))
	_, _, out["ModuleStatement"] = s.m.ModuleStatement(ctx)
	_, _, out["Exchange"] = s.m.Exchange(ctx, splitkey.AAD{}, splitkey.SealedRequest{})
	return out
}

func TestFailedSelfTestRefusesEverything(t *testing.T) {
	c := clock.NewManual(noon)
	s := newStage(t, storetest.Open(t, storetest.SQLite(t), c), c)
	for name, spoil := range map[string]func(*custody.Deps){
		"stuck random source":  func(d *custody.Deps) { d.Rand = constant{} },
		"broken random source": func(d *custody.Deps) { d.Rand = iotest.ErrReader(errors.New("broken")) },
		"biased random source": func(d *custody.Deps) { d.Rand = io.MultiReader(strings.NewReader(strings.Repeat("\x01\x03", 5000))) },
		"no key-encryption":    func(d *custody.Deps) { d.Vault = leaky{} },
	} {
		t.Run(name, func(t *testing.T) {
			d := s.deps
			spoil(&d)
			broken := &stage{st: s.st, clock: s.clock, m: custody.New(d), phone: s.phone, pin: s.pin}
			refused(t, broken.m.Healthy(), custody.CodeModule)
			if err := broken.m.Start(t.Context()); err == nil {
				t.Error("Start: no error")
			}
			for call, err := range everyCall(t, broken) {
				if !errors.Is(err, custody.CodeModule) {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

func TestStuckRandomSourceStopsTheModule(t *testing.T) {
	c := clock.NewManual(noon)
	s := newStage(t, storetest.Open(t, storetest.SQLite(t), c), c)
	source := &switched{}
	s.deps.Rand = source
	s.restart(t)
	op := s.confirm(t)
	source.stuck.Store(true)
	func() {
		defer func() { recover() }() // a machine without randomness does not go on
		for range 3 {
			s.m.Open(t.Context(), s.phone.Holder, op)
		}
	}()
	source.stuck.Store(false)
	for call, err := range everyCall(t, s) {
		if !errors.Is(err, custody.CodeModule) {
			t.Errorf("%s: %v", call, err)
		}
	}
	s.restart(t)
	must(s.phone.Perform(t.Context(), op, s.phone.PIN, nil))(t)
}

func TestShareOfAnotherRowDoesNotOpen(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		first, second := must(s.phone.SigningKey(ctx))(t), must(s.phone.SigningKey(ctx))(t)
		op := must(s.phone.Document(ctx, first, "s", "x"))(t)
		moved := s.shares(t, second)[0]
		own := s.shares(t, first)[0]
		s.do(t, func(ctx context.Context, tx work.Tx) error {
			if err := s.st.Custody().EraseShare(ctx, tx, own.ID); err != nil {
				return err
			}
			own.Sealed = moved.Sealed
			return s.st.Custody().AddShare(ctx, tx, own)
		})
		_, err := s.phone.Perform(ctx, op, s.phone.PIN, nil)
		refused(t, err, custody.CodeModule)
		if got := s.status(t).Remaining; got != 10 {
			t.Fatalf("charged for our own fault: %d", got)
		}
	})
}

func TestNoSecretReachesALogOrAnError(t *testing.T) {
	c := clock.NewManual(noon)
	var log bytes.Buffer
	s := newStage(t, storetest.Open(t, storetest.SQLite(t), c), c)
	s.deps.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.restart(t)
	op := s.confirm(t)
	o := must(s.m.Open(t.Context(), s.phone.Holder, op))(t)
	a := must(s.phone.Answer(o, wrongPIN))(t)
	_, err := s.m.Answer(t.Context(), s.phone.Holder, op, a, nil)
	refused(t, err, custody.CodeWrongPIN)
	all := log.String() + err.Error()
	for name, secret := range map[string][]byte{"t1": a.Sign.T1, "W": o.W, "pepper": o.Pepper, "seed": o.Seed} {
		if strings.Contains(all, hex.EncodeToString(secret)) || strings.Contains(all, string(secret)) {
			t.Errorf("%s stands in a log or an error", name)
		}
	}
}

func TestSealedExchangeOpensOnceAndInTime(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		must(s.m.CreateRole(ctx, custody.RoleStatement, custody.House))(t)
		device := must(hex.DecodeString(s.phone.Holder.Device))(t)
		current := func() splitkey.ModuleStatement {
			b, sig, err := s.m.ModuleStatement(ctx)
			ok(t, err)
			pub := must(pki.ParsePoint(must(s.m.RolePublicKey(ctx, custody.RoleStatement, custody.House))(t)))(t)
			ok(t, pki.VerifySignature(pub, b, sig))
			return must(splitkey.ParseModuleStatement(b))(t)
		}
		seal := func(st splitkey.ModuleStatement, at time.Time) (splitkey.SealedRequest, *splitkey.Exchange) {
			r, x, err := splitkey.SealRequest(rand.Reader, st.Key, splitkey.AAD{
				Kid: st.Kid, Method: "POST", Path: "/app/v1/operations/1/answer", Device: device, Time: at.Unix(),
			}, []byte("plain"))
			ok(t, err)
			return r, x
		}
		open := func(r splitkey.SealedRequest, path string) ([]byte, *splitkey.Exchange, error) {
			return s.m.Exchange(ctx, r.AAD("POST", path, device), r)
		}
		const path = "/app/v1/operations/1/answer"
		st := current()
		r, phone := seal(st, s.clock.Now())
		_, _, err := open(r, "/app/v1/operations/2/answer") // moved to another operation: does not burn the request
		refused(t, err, custody.CodeSealed)
		plain, x, err := open(r, path)
		ok(t, err)
		reply := must(s.m.SealReply(x, []byte("answer")))(t)
		if got := must(phone.OpenReply(reply))(t); string(got) != "answer" || string(plain) != "plain" {
			t.Fatalf("%q %q", plain, got)
		}
		_, _, err = open(r, path)
		refused(t, err, custody.CodeSealed) // replayed
		for _, off := range []time.Duration{-121 * time.Second, 121 * time.Second} {
			r, _ := seal(st, s.clock.Now().Add(off))
			_, _, err = open(r, path)
			refused(t, err, custody.CodeSealed)
		}
		for range 20 { // replayed for as long as its time is accepted, with others between
			r, _ := seal(st, s.clock.Now().Add(110*time.Second))
			_, _, err = open(r, path)
			ok(t, err)
			for range 4 {
				s.clock.Advance(55 * time.Second)
				between, _ := seal(st, s.clock.Now())
				_, _, err = open(between, path)
				ok(t, err)
				_, _, err = open(r, path)
				refused(t, err, custody.CodeSealed)
			}
		}
		unknown := st
		unknown.Kid = "unknown"
		r, _ = seal(unknown, s.clock.Now())
		_, _, err = open(r, path)
		refused(t, err, custody.CodeSealed)

		// The next key comes before this one ends; a day after its end it is destroyed.
		s.clock.Advance(6 * 24 * time.Hour)
		next := current()
		if next.Kid == st.Kid {
			t.Fatal("the module key did not change in time")
		}
		r, _ = seal(st, s.clock.Now())
		_, _, err = open(r, path)
		ok(t, err)
		s.clock.Advance(48 * time.Hour)
		r, _ = seal(st, s.clock.Now())
		_, _, err = open(r, path)
		refused(t, err, custody.CodeSealed)
		jobs := job.New(s.st, s.clock, s.deps.Rand, s.deps.Log)
		s.m.Register(jobs)
		ok(t, jobs.Drain(ctx))
		ok(t, s.st.View(ctx, func(ctx context.Context, tx work.Tx) error {
			rows, err := s.st.Custody().ModuleKeys(ctx, tx)
			for _, row := range rows {
				if row.Kid == st.Kid {
					t.Error("an old module key was not erased")
				}
			}
			return err
		}))
		restarted := s.m
		s.restart(t)
		if restarted == s.m || current().Kid != next.Kid {
			t.Fatal("a restart changed the module key")
		}
	})
}

func TestRolesSignOnlyTheirTokens(t *testing.T) {
	alone(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		keys := map[custody.Role][]byte{}
		for _, r := range []custody.Role{custody.RoleCallback, custody.RoleReceipt, custody.RoleStatement, custody.RoleKMC, custody.RoleTSA} {
			keys[r] = must(s.m.CreateRole(ctx, r, custody.House))(t)
			if again := must(s.m.CreateRole(ctx, r, custody.House))(t); !bytes.Equal(again, keys[r]) {
				t.Fatalf("%s has two keys of one name", r)
			}
		}
		statement := splitkey.ModuleStatement{Kid: "k", Key: keys[custody.RoleTSA], From: 1, To: 2}
		checkpoint := []byte("\x00\x00\x00\x0cTWT/audit/v1rest")
		for name, c := range map[string]struct {
			token custody.Token
			role  custody.Role
			signs []byte
		}{
			"callback":   {custody.Callback([]byte("b")), custody.RoleCallback, []byte("\x00\x00\x00\x0fTWT/callback/v1\x00\x00\x00\x01b")},
			"receipt":    {custody.Receipt([]byte("b")), custody.RoleReceipt, []byte("\x00\x00\x00\x0eTWT/receipt/v1\x00\x00\x00\x01b")},
			"request":    {custody.KMCRequest([]byte("b")), custody.RoleKMC, []byte("\x00\x00\x00\x12TWT/kmc/request/v1\x00\x00\x00\x01b")},
			"checkpoint": {custody.Checkpoint(checkpoint), custody.RoleStatement, checkpoint},
			"statement":  {custody.Statement(statement), custody.RoleStatement, must(statement.Bytes())(t)},
		} {
			for role, key := range keys {
				sig, err := s.m.SignAs(ctx, role, custody.House, c.token)
				if (err == nil) != (role == c.role) {
					t.Errorf("%s signed as %s: %v", name, role, err)
				}
				if err == nil {
					ok(t, pki.VerifySignature(must(pki.ParsePoint(key))(t), c.signs, sig))
				}
			}
		}
		if _, err := s.m.SignAs(ctx, custody.RoleStatement, custody.House, custody.Checkpoint([]byte("anything"))); err == nil {
			t.Error("anything signed as a checkpoint")
		}
		if _, err := s.m.SignAs(ctx, custody.RoleCallback, "nobody", custody.Callback(nil)); !errors.Is(err, work.ErrNotFound) {
			t.Errorf("signed as nobody: %v", err)
		}
		for _, r := range []custody.Role{"transport", "module", "", custody.RoleCRL} {
			if _, err := s.m.CreateRole(ctx, r, custody.House); err == nil {
				t.Errorf("created the role %q", r)
			}
		}
		if _, err := s.m.SignAs(ctx, "transport", custody.House, custody.Callback(nil)); err == nil {
			t.Error("the transport key signed")
		}
		// The same keys after a restart.
		s.restart(t)
		for r, key := range keys {
			if got := must(s.m.RolePublicKey(ctx, r, custody.House))(t); !bytes.Equal(got, key) {
				t.Errorf("%s has another key after a restart", r)
			}
		}
		sig := must(s.m.SignAs(ctx, custody.RoleCallback, custody.House, custody.Callback([]byte("b"))))(t)
		pub := must(pki.ParsePoint(keys[custody.RoleCallback]))(t)
		if !sm2.VerifyASN1WithSM2(pub, nil, []byte("\x00\x00\x00\x0fTWT/callback/v1\x00\x00\x00\x01b"), sig) {
			t.Error("a second implementation refuses the signature")
		}
	})
}
