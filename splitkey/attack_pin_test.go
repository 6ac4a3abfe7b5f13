package splitkey

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// The rows of docs/split-keys.md §3.2: each value that would turn a phone's
// storage into an offline test of PINs, shown to do so, and shown to be absent.

// Storage alone, with everything public, leaves every PIN possible (§3.1): for
// each candidate d1' there is a server share and a nonce that explain the
// public key and the past signature, and for each a' a share b' of Pe.
func TestStorageTellsNoPINFromAnother(t *testing.T) {
	phone, server := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	m := []byte("a past message")
	sig := cosign(t, phone, server, IDDocument, m)
	d := mulAll(phone.d1.s, server.d2.s) // not even known to the thief
	base := mustPoint(phone.p).add(generator())
	thief{}.mustLearnNothing(t, rec, func(d1 scalar) bool {
		d2 := mulAll(d, inverseOf(d1))
		sameKey := onBase(inverseOf(mulAll(d1, d2))).equal(base)
		// W' and k1' that explain (r, s): t = d1·d2·(k1+r) + h·ω for any ω.
		omega := randScalar()
		tt := addAll(scalar(sig.R), scalar(sig.S))
		k := minus(mulAll(minus(tt, omega), inverseOf(d)), scalar(sig.R))
		q := onBase(k).add(times(omega, base))
		explained := addAll(q.xModN(), reduce(must(Digest(phone.p, IDDocument, m)))) == scalar(sig.R)
		return sameKey && explained
	})
	k := newEncryptionKey(t)
	enc := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	thief{}.mustLearnNothing(t, enc, func(a scalar) bool {
		return onBase(a).add(onBase(minus(k.de.s, a))).equal(mustPoint(k.pe))
	})
	// Two keys under one PIN test nothing either: their shares are independent.
	if bytes.Equal(rec.Salt, enc.Salt) {
		t.Fatal("two records share a salt")
	}
}

// What the phone stores is c, salt, key ID, purpose and P: nothing of §3.2.
func TestRecordHoldsOnlyWhatMayBeStored(t *testing.T) {
	phone, _ := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	var fields map[string]any
	if err := json.Unmarshal(must(json.Marshal(rec)), &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if !strings.Contains(" keyID purpose publicKey salt masked ", " "+name+" ") {
			t.Errorf("a record stores %q", name)
		}
	}
}

func TestStoredKeyGenerationValuesTestPINs(t *testing.T) {
	state, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := ServerKeygen(rand.Reader, testContext, req)
	if err != nil {
		t.Fatal(err)
	}
	d1, p, err := state.Finish(reply)
	if err != nil {
		t.Fatal(err)
	}
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", p, d1)
	p1, p2 := mustPoint(req.P1), mustPoint(reply.P2)
	thief{}.mustFind(t, rec, func(s scalar) bool { return onBase(inverseOf(s)).equal(p1) })
	public := must(d1.PublicKey()) // d1·G
	thief{}.mustFind(t, rec, func(s scalar) bool { return onBase(s).equal(mustPoint(public)) })
	thief{}.mustFind(t, rec, func(s scalar) bool {
		return times(inverseOf(s), p2).sub(generator()).equal(mustPoint(p))
	})
	ctx := must(testContext.bytes())
	thief{}.mustFind(t, rec, func(s scalar) bool { // a logged proof, without P1
		x := onBase(inverseOf(s))
		return verifyProof(x, req.A, req.Z, "keygen/phone", ctx, x.bytes(), req.A) == nil
	})
	// Ours forgets them with the last step, whatever its outcome.
	if !state.d1.isZero() || !state.inverse.isZero() || state.p1 != nil {
		t.Fatal("the phone keeps values of key generation")
	}
	if len(req.P1) != PointSize || bytes.Equal(req.P1, make([]byte, PointSize)) {
		t.Fatal("wiping the state destroys the message that is still to be sent")
	}
	_, _, err = state.Finish(reply)
	wantError(t, "a second finish", err, ErrSpent)
}

func TestAnswerWithItsNoncePointTestsPINs(t *testing.T) {
	phone, server := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	omega, b := server.open(t, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, b))
	x := must(b.parse())
	test := func(w point, h scalar) func(scalar) bool {
		return func(s scalar) bool {
			k := minus(mulAll(scalar(answer.T1), inverseOf(s)), scalar(answer.R))
			return addAll(combined(&k, &h, w).xModN(), x.e) == scalar(answer.R)
		}
	}
	thief{}.mustFind(t, rec, test(x.w, x.h))
	// (r, t1) without W and (r, s) afterwards test nothing: any W' could have been.
	sig := must(Complete(server.d2, omega, b, answer))
	thief{}.mustLearnNothing(t, rec, test(onBase(randScalar()), x.h))
	if err := Verify(phone.p, b.Digest, sig); err != nil {
		t.Fatal(err)
	}
}

func TestDecryptionValuesTestPINs(t *testing.T) {
	k := newEncryptionKey(t)
	rec := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	all, b := k.binding(t, 1)
	proof := must(ProveDecrypt(rand.Reader, k.a, b))
	t2 := must(DeriveT2(k.b, k.pe, b, proof))
	_, list, err := b.list()
	if err != nil {
		t.Fatal(err)
	}
	a := mustPoint(must(k.a.PublicKey()))
	bg := mustPoint(must(k.b.PublicKey()))
	opens := func(t2 []byte) func(scalar) bool {
		return func(s scalar) bool {
			_, err := FinishDecrypt(&Secret{s: s}, all[0], t2)
			return err == nil
		}
	}
	thief{}.mustFind(t, rec, func(s scalar) bool { return onBase(s).equal(a) })
	thief{}.mustFind(t, rec, func(s scalar) bool { return onBase(s).add(bg).equal(mustPoint(k.pe)) })
	thief{}.mustFind(t, rec, opens(t2[0])) // T2 in a log, with the public ciphertext
	thief{}.mustFind(t, rec, func(s scalar) bool {
		x := onBase(s)
		return verifyProof(x, proof.A, proof.Z, "decrypt", b.challenge(x.bytes(), list, proof.A)...) == nil
	})
	// Ours returns T2 only inside a sealed reply: what a log of it holds tells
	// nothing, and the ciphertext alone neither.
	module, unwrap := newModule(t)
	aad := AAD{Kid: "kid", Method: "POST", Path: "/t2", Device: []byte("dev"), Time: 1}
	req, _, err := SealRequest(rand.Reader, module, aad, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, server, err := OpenRequest(unwrap, aad, req)
	if err != nil {
		t.Fatal(err)
	}
	logged := must(json.Marshal(must(server.SealReply(rand.Reader, t2[0]))))
	if bytes.Contains(logged, must(json.Marshal(t2[0]))[1:80]) {
		t.Fatal("a sealed reply shows T2")
	}
	var box SealedReply
	if err := json.Unmarshal(logged, &box); err != nil {
		t.Fatal(err)
	}
	thief{}.mustLearnNothing(t, rec, opens(box.Box[:PointSize]))
}

// A server that answers before it checked the PIN is an oracle of one query:
// the classic scheme, phone completes, and decryption without proof (§1.2).
func TestOneUncheckedReplyTestsAllPINs(t *testing.T) {
	phone, server := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	e := must(Digest(phone.p, IDDocument, []byte("any operation")))
	verifies := func(r, s scalar) bool { return Verify(phone.p, e, signature(r, s)) == nil }
	k1 := randScalar()
	r, s2, s3 := linServer(server.d2.s, onBase(k1), e)
	thief{}.mustFind(t, rec, func(s scalar) bool { return verifies(r, linPhone(s, k1, r, s2, s3)) })
	kappa := randScalar()
	r2, t2 := a2Server(server.d2.s, times(kappa, mustPoint(phone.p).add(generator())), e)
	thief{}.mustFind(t, rec, func(s scalar) bool { return verifies(r2, minus(addAll(mulAll(s, t2), kappa), r2)) })

	k := newEncryptionKey(t)
	enc := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	unproved := onBase(k.b.s) // C1 = G, no proof asked
	thief{}.mustFind(t, enc, func(s scalar) bool { return onBase(s).add(unproved).equal(mustPoint(k.pe)) })

	// Ours answers a guess with one bit, and that bit is charged: the first
	// try of a thief gets ErrProof and nothing else.
	omega, b := server.open(t, IDDocument, []byte("any operation"))
	guess := must(stretches()[0].Unmask("device", rec))
	wantComplete(t, "a guessed PIN", server, omega.s, b, must(Sign(rand.Reader, guess, b)), ErrProof)
	_, db := k.binding(t, 1)
	proof := must(ProveDecrypt(rand.Reader, must(stretches()[0].Unmask("device", enc)), db))
	out, err := DeriveT2(k.b, k.pe, db, proof)
	wantError(t, "a guessed PIN in decryption", err, ErrProof)
	if out != nil {
		t.Fatal("T2 comes with the refusal")
	}
	// Nor does the phone's own code tell a wrong PIN: every PIN gives a share
	// and an answer.
	thief{}.mustLearnNothing(t, rec, func(s scalar) bool {
		_, err := Sign(rand.Reader, &Secret{s: s}, b)
		return err == nil
	})
}

// twoRecords finds the pairs of PINs that explain two masked records, by
// meeting in the middle: relate maps an old candidate share to the new one.
func twoRecords(t *testing.T, first, second Record, relate func(scalar) scalar) (pairs int, hit bool) {
	t.Helper()
	table := map[scalar]int{}
	for i, s := range stretches() {
		table[relate(must(s.Unmask("device", first)).s)] = i
	}
	for j, s := range stretches() {
		if i, ok := table[must(s.Unmask("device", second)).s]; ok {
			pairs++
			hit = hit || (i == ownerPIN && j == newPIN)
		}
	}
	return pairs, hit
}

func same(s scalar) scalar { return s }

// A new PIN over the same share leaves, with a remnant of the old record, both
// PINs (§3.2); so the change refreshes the shares (§2.5).
func TestChangeOfPINWithoutRefreshGivesBothPINs(t *testing.T) {
	phone, _ := newKey(t)
	before := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	after := maskWith(t, newPIN, PurposeSign, "key-1", phone.p, phone.d1)
	if pairs, hit := twoRecords(t, before, after, same); pairs != 1 || !hit {
		t.Fatal("the attack no longer works on the weak variant")
	}
	r, _ := refreshed(t, "key-1")
	changed, err := r.Records(rand.Reader, "device", stretches()[ownerPIN], stretches()[newPIN], []Record{before})
	if err != nil {
		t.Fatal(err)
	}
	if pairs, _ := twoRecords(t, before, changed[0], same); pairs != 0 {
		t.Fatal("a refreshed record and a remnant give PINs away")
	}
}

// The same a dealt twice and masked twice is the same hole (§2.4).
func TestSameShareDealtTwiceGivesThePIN(t *testing.T) {
	k := newEncryptionKey(t)
	first := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	again := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	agree := func(second Record) (pins []int) {
		for i, s := range stretches() {
			if must(s.Unmask("device", first)).Equal(must(s.Unmask("device", second))) {
				pins = append(pins, i)
			}
		}
		return pins
	}
	if pins := agree(again); !reflect.DeepEqual(pins, []int{ownerPIN}) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	a, b, err := Deal(rand.Reader, k.de)
	if err != nil {
		t.Fatal(err)
	}
	if a.Equal(k.a) || b.Equal(k.b) {
		t.Fatal("the same share is dealt twice")
	}
	if pins := agree(maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, a)); pins != nil {
		t.Fatal("a fresh share gives the PIN away")
	}
}

// ρ or δ together with the old and the new record gives both PINs; so they are
// never kept, and a man in the middle must not know them (§2.5, §3.2).
func TestKnownRefreshValueGivesBothPINs(t *testing.T) {
	phone, _ := newKey(t)
	k := newEncryptionKey(t)
	r, _ := refreshed(t, "key-1", "key-2")
	rho, delta := must(r.derive("rho", "key-1")), must(r.derive("delta", "key-2"))
	signing := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	enc := maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a)
	after, err := r.Records(rand.Reader, "device", stretches()[ownerPIN], stretches()[newPIN], []Record{signing, enc})
	if err != nil {
		t.Fatal(err)
	}
	byRho := func(s scalar) scalar { return mulAll(s, rho) }
	byDelta := func(s scalar) scalar { return addAll(s, delta) }
	if pairs, hit := twoRecords(t, signing, after[0], byRho); pairs != 1 || !hit {
		t.Fatal("the attack with ρ no longer works")
	}
	if pairs, hit := twoRecords(t, enc, after[1], byDelta); pairs != 1 || !hit {
		t.Fatal("the attack with δ no longer works")
	}
	// Ours: the value of another key, or of another refresh, is of no use.
	other, _ := refreshed(t, "key-1", "key-2")
	for name, wrong := range map[string]scalar{
		"ρ of the other key": must(r.derive("rho", "key-2")),
		"ρ of a retry":       must(other.derive("rho", "key-1")),
		"δ of this key":      must(r.derive("delta", "key-1")),
	} {
		if pairs, _ := twoRecords(t, signing, after[0], func(s scalar) scalar { return mulAll(s, wrong) }); pairs != 0 {
			t.Errorf("%s opens the records", name)
		}
	}
	r.Wipe()
	_, err = r.PhoneSigning("key-1", phone.d1)
	wantError(t, "a refresh that was wiped", err, ErrSpent)
}

// One ρ for two keys gives both PINs without being known: the quotient of new
// and old share is the same for both (§2.5).
func TestOneRefreshValueForTwoKeysGivesBothPINs(t *testing.T) {
	one, _ := newKey(t)
	two, _ := newKey(t)
	r, _ := refreshed(t, "key-1", "key-2")
	rho := must(r.derive("rho", "key-1"))
	find := func(after1, after2 Record, before1, before2 Record) (pairs [][2]int) {
		share := func(i int, rec Record) scalar { return must(stretches()[i].Unmask("device", rec)).s }
		for i := range pinSpace {
			q1, q2 := inverseOf(share(i, before1)), inverseOf(share(i, before2))
			for j := range pinSpace {
				if mulAll(share(j, after1), q1) == mulAll(share(j, after2), q2) {
					pairs = append(pairs, [2]int{i, j})
				}
			}
		}
		return pairs
	}
	before1 := maskWith(t, ownerPIN, PurposeSign, "key-1", one.p, one.d1)
	before2 := maskWith(t, ownerPIN, PurposeSign, "key-2", two.p, two.d1)
	weak1 := maskWith(t, newPIN, PurposeSign, "key-1", one.p, &Secret{s: mulAll(one.d1.s, rho)})
	weak2 := maskWith(t, newPIN, PurposeSign, "key-2", two.p, &Secret{s: mulAll(two.d1.s, rho)})
	if pairs := find(weak1, weak2, before1, before2); len(pairs) != 1 || pairs[0] != [2]int{ownerPIN, newPIN} {
		t.Fatal("the attack no longer works on the weak variant")
	}
	after, err := r.Records(rand.Reader, "device", stretches()[ownerPIN], stretches()[newPIN], []Record{before1, before2})
	if err != nil {
		t.Fatal(err)
	}
	if pairs := find(after[0], after[1], before1, before2); len(pairs) != 0 {
		t.Fatal("records of one refresh give PINs away")
	}
}

// Anything else under the PIN tests it: a hash, an authenticated box, a DER
// wrapping (§3.2). Ours has no check: every PIN opens a record to some share.
func TestAnyCheckUnderThePINTestsIt(t *testing.T) {
	phone, _ := newKey(t)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	weakHash := hashToScalar("remember me", phone.d1.s[:]) // a checksum of the share
	thief{}.mustFind(t, rec, func(s scalar) bool { return hashToScalar("remember me", s[:]) == weakHash })
	for i, s := range stretches() {
		share, err := s.Unmask("device", rec)
		if err != nil {
			t.Fatalf("PIN %d is told apart by an error: %v", i, err)
		}
		if _, err := ParseSecret(share.Bytes()); err != nil {
			t.Fatalf("PIN %d is told apart by its share: %v", i, err)
		}
	}
}

// Nothing of §3.2 prints, whatever verb or handler is used.
func TestSecretsAndProofsDoNotPrint(t *testing.T) {
	phone, server := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	state, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := ServerKeygen(rand.Reader, testContext, req)
	if err != nil {
		t.Fatal(err)
	}
	k := newEncryptionKey(t)
	_, db := k.binding(t, 1)
	r, _ := refreshed(t, "key-1")
	_, x, err := SealRequest(rand.Reader, phone.p, AAD{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := []any{phone.d1, *phone.d1, omega, state, req, reply, must(Sign(rand.Reader, phone.d1, b)),
		must(ProveDecrypt(rand.Reader, k.a, db)), r, x, stretches()[0], *stretches()[0],
		maskWith(t, 1, PurposeSign, "key-1", phone.p, phone.d1)}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range values {
		out.Reset()
		log.Info("m", "v", v)
		printed := out.String() + sprint(v)
		if !strings.Contains(printed, "v=[hidden]") || strings.Count(printed, "[hidden]") != 5 {
			t.Errorf("%T prints as %s", v, printed)
		}
	}
	for _, v := range []any{phone.d1, *phone.d1, r, x, state, stretches()[0]} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T marshals as %s", v, b)
		}
	}
}
