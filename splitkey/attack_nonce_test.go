package splitkey

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"testing"
)

// Attacks on signing: docs/split-keys.md §1. Each shows the weak variant
// falling and ours standing.

// A server that sends W = ω(P+G) + uG with u = e − e* turns one honest answer
// into a signature of any message (§1.3).
func TestShiftedNonceForgesOnlyWithoutBindingFactor(t *testing.T) {
	phone, server := newKey(t)
	base := mustPoint(phone.p).add(generator())
	wanted := []byte("I guarantee fifty million")
	eStar := must(Digest(phone.p, IDDocument, wanted))
	for i := range rounds(50, 10_000) {
		shown := fmt.Appendf(nil, "log in, number %d", i)
		e := must(Digest(phone.p, IDDocument, shown))
		omega, u := randScalar(), minus(reduce(e), reduce(eStar))
		w := times(omega, base).add(onBase(u))

		r, t1 := weakSign(phone.d1.s, w, e)
		rStar := minus(r, u)
		s := minus(addAll(mulAll(server.d2.s, t1), omega), rStar)
		if !gmsmVerifies(t, phone.p, IDDocument, wanted, signature(rStar, s)) {
			t.Fatal("the attack no longer works on the weak variant")
		}
		if i == 0 {
			opensslVerifies(t, phone.p, wanted, signature(rStar, s))
		}

		b := Binding{KeyID: "key-1", PublicKey: phone.p, OpID: "op-1", NonceID: "nonce-1", W: w.bytes(), Digest: e}
		answer := must(Sign(rand.Reader, phone.d1, b))
		h := must(b.parse()).h
		r, t1 = scalar(answer.R), scalar(answer.T1)
		for _, shift := range []scalar{u, mulAll(h, u), mulAll(inverseOf(h), u)} {
			rStar := minus(r, shift)
			s := minus(addAll(mulAll(server.d2.s, t1), mulAll(h, omega)), rStar)
			if Verify(phone.p, eStar, signature(rStar, s)) == nil {
				t.Fatal("a shifted nonce forges in spite of the binding factor")
			}
		}
		wantComplete(t, "answer to a shifted nonce", server, omega, b, answer, ErrProof)
	}
}

// A server that sends a W of its own making cannot complete the answer either:
// neither for the digest shown nor for another (§1.3).
func TestAnswerToRandomNonceCompletesToNothing(t *testing.T) {
	phone, server := newKey(t)
	eStar := must(Digest(phone.p, IDDocument, []byte("another message")))
	for range rounds(50, 10_000) {
		omega := randScalar()
		_, b := server.open(t, IDDocument, []byte("shown"))
		b.W = onBase(omega).bytes() // ω·G instead of ω·(P+G)
		answer := must(Sign(rand.Reader, phone.d1, b))
		h := must(b.parse()).h
		r, t1 := scalar(answer.R), scalar(answer.T1)
		rStar := addAll(minus(r, reduce(b.Digest)), reduce(eStar))
		for _, nonce := range []scalar{omega, mulAll(h, omega)} {
			s := minus(addAll(mulAll(server.d2.s, t1), nonce), rStar)
			if Verify(phone.p, eStar, signature(rStar, s)) == nil {
				t.Fatal("an answer to a random nonce completes to another message")
			}
		}
		wantComplete(t, "answer to a random nonce", server, omega, b, answer, ErrProof)
	}
}

// A2, where the phone completes, has the mirror hole: a phone that shifts its
// nonce point turns the server's approval into another one (§1.3).
func TestShiftedPhoneNonceForgesInPhoneCompletesOnly(t *testing.T) {
	phone, server := newKey(t)
	approved, wanted := []byte("approved"), []byte("never approved")
	e, eStar := must(Digest(phone.p, IDDocument, approved)), must(Digest(phone.p, IDDocument, wanted))
	u := minus(reduce(e), reduce(eStar))
	kappa := randScalar()
	q1 := times(kappa, mustPoint(phone.p).add(generator())).add(onBase(u))
	r, t2 := a2Server(server.d2.s, q1, e)
	rStar := minus(r, u)
	s := minus(addAll(mulAll(phone.d1.s, t2), kappa), rStar)
	if !gmsmVerifies(t, phone.p, IDDocument, wanted, signature(rStar, s)) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	// Ours gives the phone nothing to shift: the server's nonce is committed
	// first, and an answer for e* is refused before anything is charged.
	omega, b := server.open(t, IDDocument, approved)
	other := b
	other.Digest = eStar
	answer := must(Sign(rand.Reader, phone.d1, other))
	wantError(t, "answer for another digest", answer.Check(b.Digest), ErrDigest)
	answer.E = b.Digest
	wantComplete(t, "the same with a false e", server, omega.s, b, answer, ErrProof)
}

// Any input of r that k1 does not hash lets a random source that sticks give
// d1 away (§1.2).
func TestNonceCoversEveryInputOfTheAnswer(t *testing.T) {
	phone, server := newKey(t)
	_, b := server.open(t, IDDocument, []byte("m"))
	twin := b
	twin.OpID = "op-2"
	r, t1 := unboundNonceSign(5, phone.d1.s, b)
	r2, t12 := unboundNonceSign(5, phone.d1.s, twin)
	if leaked := mulAll(minus(t1, t12), inverseOf(minus(r, r2))); leaked != phone.d1.s {
		t.Fatal("the attack no longer works on the weak variant")
	}
	_, other := server.open(t, IDDocument, []byte("m"))
	for name, change := range map[string]func(*Binding){
		"key":       func(x *Binding) { x.KeyID = "key-2" },
		"operation": func(x *Binding) { x.OpID = "op-2" },
		"nonce":     func(x *Binding) { x.NonceID = "nonce-2" },
		"W":         func(x *Binding) { x.W = other.W },
		"digest":    func(x *Binding) { x.Digest = must(Digest(phone.p, IDDocument, []byte("n"))) },
		"P":         func(x *Binding) { x.PublicKey = other.W },
	} {
		twin := b
		change(&twin)
		one, two := must(Sign(stuck(5), phone.d1, b)), must(Sign(stuck(5), phone.d1, twin))
		leaked := mulAll(minus(scalar(one.T1), scalar(two.T1)), inverseOf(minus(scalar(one.R), scalar(two.R))))
		if leaked == phone.d1.s {
			t.Errorf("a stuck random source gives d1 away when only the %s differs", name)
		}
	}
}

// A nonce derived from the message and the key alone, as in RFC 6979, is fatal
// here: the server asks for the same message under another W (§1.2).
func TestDeterministicNonceGivesTheShareAway(t *testing.T) {
	phone, server := newKey(t)
	_, b := server.open(t, IDDocument, []byte("m"))
	_, again := server.open(t, IDDocument, []byte("m"))
	k := hashToScalar("rfc6979-like", phone.d1.s[:], b.Digest)
	answer := func(b Binding) (r, t1 scalar) {
		r = addAll(onBase(k).add(mustPoint(b.W)).xModN(), reduce(b.Digest))
		return r, mulAll(phone.d1.s, addAll(k, r))
	}
	r, t1 := answer(b)
	r2, t12 := answer(again)
	if mulAll(minus(t1, t12), inverseOf(minus(r, r2))) != phone.d1.s {
		t.Fatal("the attack no longer works on the weak variant")
	}
	one, two := must(Sign(stuck(9), phone.d1, b)), must(Sign(stuck(9), phone.d1, again))
	if mulAll(minus(scalar(one.T1), scalar(two.T1)), inverseOf(minus(scalar(one.R), scalar(two.R)))) == phone.d1.s {
		t.Fatal("two answers of one message give d1 away")
	}
}

// ω that serves two answers gives the phone d2, and with it the whole key
// (§1.2): the caller consumes the nonce before it computes.
func TestReusedServerNonceGivesTheServerShareAway(t *testing.T) {
	phone, server := newKey(t)
	recover := func(first, second *Secret, b Binding) scalar {
		one, two := must(Sign(rand.Reader, phone.d1, b)), must(Sign(rand.Reader, phone.d1, b))
		x := must(b.parse())
		t1, t2 := scalar(one.T1), scalar(two.T1)
		full := func(omega *Secret, t scalar) scalar { return addAll(mulAll(server.d2.s, t), mulAll(x.h, omega.s)) }
		return mulAll(minus(full(first, t1), full(second, t2)), inverseOf(minus(t1, t2)))
	}
	omega, b := server.open(t, IDDocument, []byte("m"))
	if recover(omega, omega, b) != server.d2.s {
		t.Fatal("the attack no longer works on the weak variant")
	}
	fresh, _ := server.open(t, IDDocument, []byte("m"))
	if recover(omega, fresh, b) == server.d2.s {
		t.Fatal("fresh nonces give d2 away")
	}
}

// The nonce of a signature used as a proof's commitment gives d1 (§1.2): z = k1
// + c·u and t1·u = k1 + r give u = d1^-1.
func TestSigningNonceIsNoProofNonce(t *testing.T) {
	phone, server := newKey(t)
	u := inverseOf(phone.d1.s)
	_, b := server.open(t, IDDocument, []byte("m"))
	solve := func(z, c, r, t1 scalar) scalar { return mulAll(addAll(z, r), inverseOf(addAll(t1, c))) }

	k := randScalar()
	r := addAll(onBase(k).add(mustPoint(b.W)).xModN(), reduce(b.Digest))
	t1 := mulAll(phone.d1.s, addAll(k, r))
	c := hashToScalar("keygen/phone", onBase(u).bytes(), onBase(k).bytes())
	if solve(addAll(k, mulAll(c, u)), c, r, t1) != u {
		t.Fatal("the attack no longer works on the weak variant")
	}

	// Ours, with a random source that sticks in both: keygen and signing.
	state, req, err := StartKeygen(stuck(1), testContext)
	if err != nil {
		t.Fatal(err)
	}
	d1 := &Secret{s: state.d1}
	ctx := must(testContext.bytes())
	c = hashToScalar("keygen/phone", ctx, req.P1, req.A)
	answer := must(Sign(stuck(1), d1, b))
	if solve(scalar(req.Z), c, scalar(answer.R), scalar(answer.T1)) == inverseOf(d1.s) {
		t.Fatal("signature and proof share a nonce")
	}
}

// rosSession is one of the 256 open sessions of the ROS attack of a malicious
// phone (§1.1): two candidate answers, of which one is sent.
type rosSession struct {
	omega *Secret
	b     Binding
	r, c  [2]scalar
	rho   scalar
}

// powerOfTwo returns 2^i mod n.
func powerOfTwo(i int) scalar {
	var b [ScalarSize]byte
	new(big.Int).Mod(new(big.Int).Lsh(big.NewInt(1), uint(i)), gm.Params().N).FillBytes(b[:])
	return b
}

// rosForge collects completions of approved operations and returns a signature
// of a message that nobody approved. complete says how the server answers.
func rosForge(t *testing.T, phone phoneKey, server serverKey, bind bool, complete func(i int, s rosSession, answer SignAnswer) (Signature, error), forged []byte) (Signature, error) {
	t.Helper()
	const width = 256
	sessions := make([]rosSession, width)
	var sum point
	var constant scalar
	for i := range sessions {
		s := &sessions[i]
		s.omega, s.b = server.open(t, IDDocument, fmt.Appendf(nil, "approved %d", i))
		s.b.OpID = fmt.Sprint("op-", i)
		x := must(s.b.parse())
		w := x.w
		if bind {
			w = times(x.h, x.w)
		}
		for j := range 2 {
			k := randScalar()
			s.r[j] = addAll(x.e, onBase(k).add(w).xModN())
			s.c[j] = addAll(k, s.r[j])
		}
		s.rho = mulAll(powerOfTwo(i), inverseOf(minus(s.c[1], s.c[0])))
		if i == 0 {
			sum = times(s.rho, w)
		} else {
			sum = sum.add(times(s.rho, w))
		}
		constant = addAll(constant, mulAll(s.rho, s.c[0]))
	}
	r := addAll(reduce(must(Digest(phone.p, IDDocument, forged))), sum.xModN())
	target := minus(r, constant)
	bits := new(big.Int).SetBytes(target[:])
	var full scalar
	for i, s := range sessions {
		j := bits.Bit(i)
		t1 := mulAll(phone.d1.s, s.c[j])
		sig, err := complete(i, s, SignAnswer{E: s.b.Digest, R: s.r[j][:], T1: t1[:]})
		if err != nil {
			return Signature{}, err
		}
		full = addAll(full, mulAll(s.rho, addAll(scalar(sig.R), scalar(sig.S))))
	}
	return signature(r, minus(full, r)), nil
}

// 256 nonces open at once forge a 257th signature, with h as without: at most
// one nonce of a key may be open (§1.1).
func TestManyOpenNoncesForgeAndOneDoesNot(t *testing.T) {
	phone, server := newKey(t)
	forged := []byte("approved by nobody")
	allOpen := func(_ int, s rosSession, a SignAnswer) (Signature, error) {
		return Complete(server.d2, s.omega, s.b, a)
	}
	sig, err := rosForge(t, phone, server, true, allOpen, forged)
	if err != nil || !gmsmVerifies(t, phone.p, IDDocument, forged, sig) {
		t.Fatal("the attack with h no longer works on the weak variant", err)
	}
	withoutH := func(_ int, s rosSession, a SignAnswer) (Signature, error) {
		sum := weakComplete(server.d2.s, s.omega.s, scalar(a.R), scalar(a.T1))
		return signature(scalar(a.R), sum), nil
	}
	sig, err = rosForge(t, phone, server, false, withoutH, forged)
	if err != nil || !gmsmVerifies(t, phone.p, IDDocument, forged, sig) {
		t.Fatal("the attack without h no longer works on the weak variant", err)
	}
	// One open nonce a key: each opening replaced the one before, so that of
	// the 256 only the last is completed.
	oneOpen := func(i int, s rosSession, a SignAnswer) (Signature, error) {
		if i != 255 {
			return Signature{R: a.R, S: make([]byte, ScalarSize)}, nil // "stale"
		}
		return Complete(server.d2, s.omega, s.b, a)
	}
	sig, err = rosForge(t, phone, server, true, oneOpen, forged)
	if err != nil {
		t.Fatal(err)
	}
	if Verify(phone.p, must(Digest(phone.p, IDDocument, forged)), sig) == nil {
		t.Fatal("one open nonce forges")
	}
}

// In the classic scheme the phone commits first: a malicious server with 256
// of its nonce points open, as in batch signing, forges, though the phone
// verifies every result (§1.1).
func TestClassicBatchSigningForges(t *testing.T) {
	const width = 256
	phone, server := newKey(t)
	type candidate struct{ alpha, beta, r, c scalar }
	var (
		k1         [width]scalar
		candidates [width][2]candidate
		rho        [width]scalar
		digests    [width][]byte
		sum        point
		constant   scalar
	)
	for i := range width {
		k1[i] = randScalar() // inside the honest phone
		q1 := onBase(k1[i])
		digests[i] = must(Digest(phone.p, IDDocument, fmt.Appendf(nil, "document %d", i)))
		for j := range 2 {
			c := candidate{alpha: randScalar(), beta: randScalar()}
			c.r = addAll(reduce(digests[i]), times(c.alpha, q1).add(onBase(c.beta)).xModN())
			c.c = mulAll(addAll(c.beta, c.r), inverseOf(c.alpha))
			candidates[i][j] = c
		}
		rho[i] = mulAll(powerOfTwo(i), inverseOf(minus(candidates[i][1].c, candidates[i][0].c)))
		if i == 0 {
			sum = times(rho[i], q1)
		} else {
			sum = sum.add(times(rho[i], q1))
		}
		constant = addAll(constant, mulAll(rho[i], candidates[i][0].c))
	}
	forged := []byte("the server's own wish")
	r := addAll(reduce(must(Digest(phone.p, IDDocument, forged))), sum.xModN())
	target := minus(r, constant)
	bits := new(big.Int).SetBytes(target[:])
	var full scalar
	for i := range width {
		c := candidates[i][bits.Bit(i)]
		s := linPhone(phone.d1.s, k1[i], c.r, mulAll(server.d2.s, c.alpha), mulAll(server.d2.s, addAll(c.beta, c.r)))
		if err := Verify(phone.p, digests[i], signature(c.r, s)); err != nil {
			t.Fatal("the phone would notice", err)
		}
		full = addAll(full, mulAll(rho[i], addAll(s, c.r), inverseOf(c.alpha)))
	}
	if !gmsmVerifies(t, phone.p, IDDocument, forged, signature(r, minus(full, r))) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	// Ours: the phone has no open commitment at all. Every answer is drawn
	// when W is known, so two answers to one W share nothing.
	_, b := server.open(t, IDDocument, []byte("m"))
	one, two := must(Sign(rand.Reader, phone.d1, b)), must(Sign(rand.Reader, phone.d1, b))
	if string(one.R) == string(two.R) {
		t.Fatal("the phone answers twice from one nonce")
	}
}

// The classic server is a static Diffie-Hellman oracle: one reply gives
// d2^-1·X for any X that the phone sends (§1.2).
func TestNoServerReplyIsADiffieHellmanOracle(t *testing.T) {
	phone, server := newKey(t)
	x := onBase(randScalar())
	e := must(Digest(phone.p, IDDocument, []byte("m")))
	// Tongsuo's second step: Q = w2·G + d2^-1·Q1, s1 = d2(r + w2).
	w2, u := randScalar(), inverseOf(server.d2.s)
	r := addAll(reduce(e), onBase(w2).add(times(u, x)).xModN())
	s1 := mulAll(server.d2.s, addAll(r, w2))
	p2 := times(phone.d1.s, mustPoint(phone.p).add(generator()))
	known := times(s1, p2).sub(onBase(r)) // w2·G
	want, found := times(u, x), false
	for _, q := range liftX(minus(r, reduce(e))) {
		found = found || q.sub(known).equal(want)
	}
	if !found {
		t.Fatal("the attack no longer works on the weak variant")
	}
	// Ours takes no point of the phone in signing, and in decryption answers a
	// chosen C1 only to who proves a.
	k := newEncryptionKey(t)
	_, b := k.binding(t, 1)
	b.C1 = [][]byte{x.bytes()}
	proof := must(ProveDecrypt(rand.Reader, must(NewSecret(rand.Reader)), b))
	t2, err := DeriveT2(k.b, k.pe, b, proof)
	wantError(t, "chosen C1 without the share", err, ErrProof)
	if t2 != nil {
		t.Fatal("T2 comes with the refusal")
	}
}

// liftX returns the points whose abscissa is x modulo n.
func liftX(x scalar) (points []point) {
	p, a := gm.Params().P, new(big.Int).SetBytes(x[:])
	y2 := new(big.Int).Exp(a, big.NewInt(3), p)
	y2.Sub(y2, new(big.Int).Mul(a, big.NewInt(3))).Add(y2, gm.Params().B).Mod(y2, p)
	y := new(big.Int).ModSqrt(y2, p)
	if y == nil {
		return nil
	}
	return []point{{a, y}, {a, new(big.Int).Sub(p, y)}}
}

func wantComplete(t testing.TB, what string, server serverKey, omega scalar, b Binding, a SignAnswer, want error) {
	t.Helper()
	sig, err := Complete(server.d2, &Secret{s: omega}, b, a)
	wantError(t, what, err, want)
	if sig.R != nil || sig.S != nil {
		t.Fatalf("%s: a value computed from it comes back", what)
	}
}
