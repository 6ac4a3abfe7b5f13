package kmc_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/kmc"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// room is a centre with the server that asks it.
type room struct {
	clock     *clock.Manual
	deps      kmc.Deps
	centre    *kmc.Centre
	client    *kmc.Client
	requester *sm2.PrivateKey
	transport *sm2.PrivateKey
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func point(t testing.TB, k *sm2.PrivateKey) []byte {
	t.Helper()
	return must(pki.Point(&k.PublicKey))(t)
}

// sign signs as custody's token of a request does.
func sign(k *sm2.PrivateKey) func(context.Context, []byte) ([]byte, error) {
	return func(_ context.Context, body []byte) ([]byte, error) {
		tagged := "\x00\x00\x00\x12TWT/kmc/request/v1" + string([]byte{0, 0, byte(len(body) >> 8), byte(len(body))}) + string(body)
		return sm2.SignASN1(rand.Reader, k, []byte(tagged), sm2.DefaultSM2SignerOpts)
	}
}

func each(t *testing.T, f func(t *testing.T, r *room)) {
	t.Helper()
	for _, engine := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		t.Run(engine.name, func(t *testing.T) {
			r := &room{clock: clock.NewManual(noon), requester: must(sm2.GenerateKey(rand.Reader))(t), transport: must(sm2.GenerateKey(rand.Reader))(t)}
			st := must(store.OpenKMC(t.Context(), engine.dsn(t), store.Options{Clock: r.clock, Rand: rand.Reader}))(t)
			t.Cleanup(func() { st.Close() })
			r.deps = kmc.Deps{
				Runner: st, Store: st, Clock: r.clock, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Vault: storetest.Box(t), Requester: point(t, r.requester), Transport: point(t, r.transport),
			}
			r.centre = must(kmc.New(t.Context(), r.deps))(t)
			r.client = &kmc.Client{Sign: sign(r.requester), Send: r.centre.Serve, Centre: r.centre.PublicKey(), Clock: r.clock, Rand: rand.Reader}
			f(t, r)
		})
	}
}

// phone is what the holder brings to a dealing.
type phone struct {
	enrolment *sm2.PrivateKey
	key       *sm2.PrivateKey // stands for the co-signed key, or the PIN key
}

func newPhone(t testing.TB) phone {
	return phone{must(sm2.GenerateKey(rand.Reader))(t), must(sm2.GenerateKey(rand.Reader))(t)}
}

var device = strings.Repeat("5a", 32)

// request is a first dealing with a good certificate request.
func (p phone) request(t testing.TB, ref string, pe []byte) kmc.DealRequest {
	t.Helper()
	enrolment := point(t, p.enrolment)
	sum := sm3.Sum(enrolment)
	info := must(pki.RequestInfo{
		Subject: pki.Name{Country: "CN", CommonName: "测试人", Serial: "h"}, PublicKey: &p.key.PublicKey, EnrolmentID: "enrolment-1",
		EnrolmentKey: sum[:], EncryptionKey: must(pki.ParsePoint(pe))(t),
	}.Marshal(pki.Arc{}))(t)
	sig := must(sm2.SignASN1(rand.Reader, p.key, info, sm2.DefaultSM2SignerOpts))(t)
	return kmc.DealRequest{
		Ref: ref, Account: "account-1", Device: device, PublicKey: pe, EnrolmentKey: enrolment,
		CSR: must(pki.AssembleRequest(pki.Arc{}, info, sig))(t),
	}
}

// redeal is a later dealing that the PIN key asks for.
func (p phone) redeal(t testing.TB, ref string, pe []byte, alter func(*splitkey.ConfirmMessage)) kmc.DealRequest {
	t.Helper()
	enrolment := point(t, p.enrolment)
	sum := sm3.Sum(enrolment)
	thumbprint := must(hex.DecodeString(device))(t)
	m := splitkey.ConfirmMessage{
		ID: splitkey.IDPIN, Account: "account-1", Device: thumbprint, Purpose: "redeal", Object: sum[:],
		KeyIDs: []string{"key-1"}, ServerNonce: id.Bytes(rand.Reader, 32),
	}
	if alter != nil {
		alter(&m)
	}
	b := must(m.Bytes())(t)
	sig := must(sm2.SignASN1(rand.Reader, p.key, b, sm2.NewSM2SignerOption(true, []byte(m.ID))))(t)
	return kmc.DealRequest{
		Ref: ref, Account: "account-1", Device: device, PublicKey: pe, EnrolmentKey: enrolment,
		Redeal: &kmc.Redeal{M: b, Signature: sig, PINKey: point(t, p.key)},
	}
}

// delivery is what custody reads.
type delivery struct {
	PublicKey, Share           []byte
	Account, Device, Enrolment string
	KeyIDs                     []string
}

// open gives both shares of a dealing.
func (r *room) open(t testing.TB, p phone, d kmc.Deal) (a, b *splitkey.Secret, got delivery) {
	t.Helper()
	a = must(splitkey.ParseSecret(must(sm2.Decrypt(p.enrolment, d.ForPhone))(t)))(t)
	if err := json.Unmarshal(must(sm2.Decrypt(r.transport, d.ForCustody))(t), &got); err != nil {
		t.Fatal(err)
	}
	return a, must(splitkey.ParseSecret(got.Share))(t), got
}

// joins fails unless the two shares make the key.
func joins(t testing.TB, pe []byte, a, b *splitkey.Secret) {
	t.Helper()
	A, B := must(a.PublicKey())(t), must(b.PublicKey())(t)
	pa, pb := must(pki.ParsePoint(A))(t), must(pki.ParsePoint(B))(t)
	x, y := sm2.P256().Add(pa.X, pa.Y, pb.X, pb.Y)
	want := must(pki.ParsePoint(pe))(t)
	if x.Cmp(want.X) != 0 || y.Cmp(want.Y) != 0 {
		t.Fatal("the shares do not make the key")
	}
}

func TestMakeGivesOneKeyAReference(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		one := must(r.client.Make(ctx, "installation-1"))(t)
		again := must(r.client.Make(ctx, "installation-1"))(t)
		other := must(r.client.Make(ctx, "installation-2"))(t)
		if string(one) != string(again) || string(one) == string(other) || splitkey.CheckPoint(one) != nil {
			t.Fatalf("%x %x %x", one, again, other)
		}
		for _, ref := range []string{"", strings.Repeat("x", 129), "centre/reply"} {
			if _, err := r.client.Make(ctx, ref); !errors.Is(err, kmc.CodeRefused) {
				t.Errorf("made for %q: %v", ref, err)
			}
		}
	})
}

func TestEveryDealingIsFresh(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		pe := must(r.client.Make(ctx, "installation-1"))(t)
		p := newPhone(t)
		seen := map[string]bool{}
		for n, request := range []kmc.DealRequest{p.request(t, "1", pe), p.request(t, "2", pe), p.redeal(t, "3", pe, nil)} {
			a, b, got := r.open(t, p, must(r.client.Deal(ctx, request))(t))
			joins(t, pe, a, b)
			if seen[string(a.Bytes())] || seen[string(b.Bytes())] {
				t.Fatal("the same share was dealt twice")
			}
			seen[string(a.Bytes())], seen[string(b.Bytes())] = true, true
			if got.Account != "account-1" || got.Device != device || string(got.PublicKey) != string(pe) ||
				(got.Enrolment == "enrolment-1") != (n < 2) || (len(got.KeyIDs) == 1) != (n == 2) {
				t.Fatalf("%+v", got)
			}
		}
		_, err := r.client.Deal(ctx, p.request(t, "1", pe))
		if !errors.Is(err, kmc.CodeDealt) {
			t.Fatalf("a reference served twice: %v", err)
		}
		// After a restart the centre has the same key and the same memory.
		again := must(kmc.New(ctx, r.deps))(t)
		if string(again.PublicKey()) != string(r.centre.PublicKey()) {
			t.Fatal("a restart changed the centre's key")
		}
		r.client.Send = again.Serve
		if _, err := r.client.Deal(ctx, p.request(t, "1", pe)); !errors.Is(err, kmc.CodeDealt) {
			t.Fatal(err)
		}
		a, b, _ := r.open(t, p, must(r.client.Deal(ctx, p.request(t, "4", pe)))(t))
		joins(t, pe, a, b)
	})
}

func TestDealingWantsTheHoldersSignature(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		pe := must(r.client.Make(ctx, "installation-1"))(t)
		other := must(r.client.Make(ctx, "installation-2"))(t)
		p, thief := newPhone(t), newPhone(t)
		must(r.client.Deal(ctx, p.request(t, "first", pe)))(t)
		refuse := func(what string, want error, d kmc.DealRequest) {
			t.Helper()
			d.Ref = id.New(rand.Reader)
			if _, err := r.client.Deal(ctx, d); !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		alter := func(d kmc.DealRequest, f func(*kmc.DealRequest)) kmc.DealRequest { f(&d); return d }
		refuse("another enrolment key", kmc.CodeProof, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.EnrolmentKey = point(t, thief.enrolment) }))
		refuse("another key", kmc.CodeProof, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.PublicKey = other }))
		refuse("a broken request", kmc.CodeProof, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.CSR[len(d.CSR)-1] ^= 1 }))
		refuse("another account", kmc.CodeProof, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.Account = "account-2" }))
		refuse("no proof", kmc.CodeRefused, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.CSR = nil }))
		refuse("two proofs", kmc.CodeRefused, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.Redeal = &kmc.Redeal{} }))
		refuse("no holder", kmc.CodeRefused, alter(p.request(t, "", pe), func(d *kmc.DealRequest) { d.Device = "" }))
		refuse("an unknown key", kmc.CodeNoKey, p.request(t, "", point(t, thief.key)))
		refuse("the centre's own key", kmc.CodeNoKey, p.request(t, "", r.centre.PublicKey()))

		refuse("a PIN key that did not sign", kmc.CodeProof, alter(p.redeal(t, "", pe, nil), func(d *kmc.DealRequest) { d.Redeal.PINKey = point(t, thief.key) }))
		refuse("a confirmation of something else", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.Purpose = "revoke" }))
		refuse("a trial", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.ID = splitkey.IDTrial }))
		refuse("no keys", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.KeyIDs = nil }))
		refuse("another enrolment key", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.Object = make([]byte, 32) }))
		refuse("another account's word", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.Account = "account-2" }))
		refuse("another device's word", kmc.CodeProof, p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.Device = make([]byte, 32) }))
		stolen := p.redeal(t, "", pe, func(m *splitkey.ConfirmMessage) { m.Account = "account-2" })
		stolen.Account = "account-2"
		refuse("a key of another account", kmc.CodeProof, stolen)
		// A takeover is confirmed under an ID of its own (docs/domain.md A16).
		takeover := p.redeal(t, "takeover", pe, func(m *splitkey.ConfirmMessage) {
			m.Account, m.ID, m.Purpose = "account-2", splitkey.IDTakeover, "takeover"
		})
		takeover.Account = "account-2"
		must(r.client.Deal(ctx, takeover))(t)
		refuse("the account that lost it", kmc.CodeProof, p.redeal(t, "", pe, nil))
	})
}

func TestMessagesAreSignedBothWays(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		var sent, got kmc.Message
		r.client.Send = func(ctx context.Context, m kmc.Message) (kmc.Message, error) {
			reply, err := r.centre.Serve(ctx, m)
			sent, got = m, reply
			return reply, err
		}
		must(r.client.Make(ctx, "installation-1"))(t)
		first := got
		code := func(m kmc.Message) string {
			t.Helper()
			var body struct{ Code string }
			if err := json.Unmarshal(must(r.centre.Serve(ctx, m))(t).Body, &body); err != nil {
				t.Fatal(err)
			}
			return body.Code
		}
		resign := func(body string) kmc.Message {
			return kmc.Message{Body: []byte(body), Signature: must(sign(r.requester)(ctx, []byte(body)))(t)}
		}
		if c := code(sent); c != "" {
			t.Fatalf("a repeated Make: %s", c)
		}
		altered := sent
		altered.Body = []byte(strings.Replace(string(sent.Body), "installation-1", "installation-2", 1))
		for name, m := range map[string]kmc.Message{
			"altered":       altered,
			"unsigned":      {Body: sent.Body},
			"not JSON":      resign("x"),
			"unknown field": resign(`{"id":"1","time":1,"make":"x","more":1}`),
			"two values":    resign(`{"id":"1","time":1,"make":"x"} {}`),
			"nothing asked": resign(`{"id":"1","time":1}`),
			"old":           resign(`{"id":"1","time":1,"make":"x"}`),
		} {
			if c := code(m); c != kmc.CodeRefused.Name {
				t.Errorf("%s: %q", name, c)
			}
		}
		r.clock.Advance(2*time.Minute + time.Second)
		if c := code(sent); c != kmc.CodeRefused.Name {
			t.Errorf("replayed later: %q", c)
		}
		stranger := *r.client
		stranger.Sign = sign(must(sm2.GenerateKey(rand.Reader))(t))
		if _, err := stranger.Make(ctx, "x"); !errors.Is(err, kmc.CodeRefused) {
			t.Errorf("a stranger was heard: %v", err)
		}
		// The client believes the centre's own replies to its own requests only.
		for name, reply := range map[string]func(kmc.Message) kmc.Message{
			"another request's reply": func(kmc.Message) kmc.Message { return first },
			"an altered reply":        func(m kmc.Message) kmc.Message { m.Body = first.Body; return m },
			"no reply":                func(kmc.Message) kmc.Message { return kmc.Message{} },
		} {
			lied := *r.client
			lied.Send = func(ctx context.Context, m kmc.Message) (kmc.Message, error) {
				out, err := r.centre.Serve(ctx, m)
				return reply(out), err
			}
			if _, err := lied.Make(ctx, "installation-9"); !errors.Is(err, pki.ErrSignature) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// repeating is a source that gives the same bytes to every dealing.
type repeating struct{}

func (r *repeating) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 1 + byte(i%200)
	}
	return len(p), nil
}

func TestStuckSourceDealsNoShareTwice(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		pe := must(r.client.Make(ctx, "installation-1"))(t)
		p := newPhone(t)
		d := r.deps
		d.Rand = &repeating{}
		stuck := must(kmc.New(ctx, d))(t)
		client := *r.client
		client.Send = stuck.Serve
		must(client.Deal(ctx, p.request(t, "1", pe)))(t)
		if _, err := client.Deal(ctx, p.request(t, "2", pe)); !errors.Is(err, kmc.CodeDealt) {
			t.Fatalf("the same share was dealt twice: %v", err)
		}
	})
}

func FuzzServe(f *testing.F) {
	requester, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	st, err := store.OpenKMC(context.Background(), storetest.SQLite(f), store.Options{Clock: clock.NewManual(noon), Rand: rand.Reader})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { st.Close() })
	public := point(f, requester)
	centre, err := kmc.New(context.Background(), kmc.Deps{
		Runner: st, Store: st, Clock: clock.NewManual(noon), Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Vault: storetest.Box(f), Requester: public, Transport: public,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":"1","time":1,"make":"x"}`))
	f.Add([]byte(`{"id":"1","time":1795435200000,"deal":{"ref":"r","account":"a","device":"` + device + `","publicKey":"","enrolmentKey":"","csr":"MA=="}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		sig, err := sign(requester)(t.Context(), b[:min(len(b), 60_000)])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := centre.Serve(t.Context(), kmc.Message{Body: b, Signature: sig}); err != nil {
			t.Fatal(err)
		}
	})
}
