package splitkey

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// badPoints are encodings that no field may accept (docs/split-keys.md §2.7).
func badPoints() map[string][]byte {
	g := generator().bytes()
	offCurve := bytes.Clone(g)
	offCurve[64] ^= 1
	// A point of the curve with a small abscissa, written as x + p.
	var small []point
	for x := byte(1); len(small) == 0; x++ {
		small = liftX(scalar{31: x})
	}
	unreduced := small[0].bytes()
	new(big.Int).Add(small[0].x, gm.Params().P).FillBytes(unreduced[1:33])
	return map[string][]byte{
		"nothing":       nil,
		"O, one byte":   {0},
		"O as zeros":    append([]byte{4}, make([]byte, 64)...),
		"compressed":    append([]byte{2 + g[64]&1}, g[1:33]...),
		"hybrid":        append([]byte{6 + g[64]&1}, g[1:]...),
		"without 04":    g[1:],
		"04 missing":    append([]byte{0}, g[1:]...),
		"a byte short":  g[:64],
		"a byte long":   append(bytes.Clone(g), 0),
		"off the curve": offCurve,
		"x not reduced": unreduced,
		"all ones":      append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...),
	}
}

// badScalars are encodings that no field may accept.
func badScalars() map[string][]byte {
	n := gm.Params().N
	return map[string][]byte{
		"nothing":      nil,
		"zero":         make([]byte, 32),
		"n":            n.Bytes(),
		"n + 1":        new(big.Int).Add(n, big.NewInt(1)).Bytes(),
		"all ones":     bytes.Repeat([]byte{0xff}, 32),
		"a byte short": bytes.Repeat([]byte{1}, 31),
		"a byte long":  bytes.Repeat([]byte{1}, 33),
	}
}

// The library alone would accept a compressed point; the check before it is
// what keeps it out.
func TestLibraryAcceptsWhatWeRefuse(t *testing.T) {
	if _, err := sm2.NewPublicKey(badPoints()["compressed"]); err != nil {
		t.Fatal("gmsm now refuses compressed points: the remark of docs/split-keys.md §4 can go")
	}
}

func TestBadPointsAndScalarsAreRefusedInEveryField(t *testing.T) {
	phone, server := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, b))
	k := newEncryptionKey(t)
	all, db := k.binding(t, 1)
	proof := must(ProveDecrypt(rand.Reader, k.a, db))
	t2 := must(DeriveT2(k.b, k.pe, db, proof))[0]
	_, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := ServerKeygen(rand.Reader, testContext, req)
	if err != nil {
		t.Fatal(err)
	}
	rc := RefreshContext{Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16), KeyIDs: []string{"k"}}
	finishKeygen := func(r KeygenReply) error {
		state, _, err := StartKeygen(rand.Reader, testContext)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = state.Finish(r)
		return err
	}
	finishRefresh := func(r RefreshReply) error {
		state, _, err := StartRefresh(rand.Reader, rc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = state.Finish(r)
		return err
	}
	serverKeygen := func(r KeygenRequest) error { _, _, err := ServerKeygen(rand.Reader, testContext, r); return err }
	complete := func(b Binding, a SignAnswer) error { _, err := Complete(server.d2, omega, b, a); return err }
	sign := func(b Binding) error { _, err := Sign(rand.Reader, phone.d1, b); return err }
	derive := func(pe []byte, b DecryptBinding, a DecryptAnswer) error {
		_, err := DeriveT2(k.b, pe, b, a)
		return err
	}
	points := map[string]func(p []byte) error{
		"CheckPoint":           CheckPoint,
		"Digest":               func(p []byte) error { _, err := Digest(p, IDDocument, nil); return err },
		"OpenNonce P":          func(p []byte) error { _, _, err := OpenNonce(rand.Reader, p); return err },
		"Sign P":               func(p []byte) error { x := b; x.PublicKey = p; return sign(x) },
		"Sign W":               func(p []byte) error { x := b; x.W = p; return sign(x) },
		"Complete P":           func(p []byte) error { x := b; x.PublicKey = p; return complete(x, answer) },
		"Complete W":           func(p []byte) error { x := b; x.W = p; return complete(x, answer) },
		"Verify P":             func(p []byte) error { return Verify(p, b.Digest, Signature{R: answer.R, S: answer.T1}) },
		"keygen request P1":    func(p []byte) error { x := req; x.P1 = p; return serverKeygen(x) },
		"keygen request A":     func(p []byte) error { x := req; x.A = p; return serverKeygen(x) },
		"keygen reply P2":      func(p []byte) error { x := reply; x.P2 = p; return finishKeygen(x) },
		"keygen reply P":       func(p []byte) error { x := reply; x.P = p; return finishKeygen(x) },
		"decrypt Pe":           func(p []byte) error { return derive(p, db, proof) },
		"decrypt proof A":      func(p []byte) error { return derive(k.pe, db, DecryptAnswer{A: p, Z: proof.Z}) },
		"decrypt proof, check": func(p []byte) error { return DecryptAnswer{A: p, Z: proof.Z}.Check() },
		"decrypt C1 on server": func(p []byte) error { x := db; x.C1 = [][]byte{p}; return derive(k.pe, x, proof) },
		"decrypt C1 on phone": func(p []byte) error {
			x := db
			x.C1 = [][]byte{p}
			_, err := ProveDecrypt(rand.Reader, k.a, x)
			return err
		},
		"refresh request":  func(p []byte) error { _, _, err := ServerRefresh(rand.Reader, rc, RefreshRequest{E: p}); return err },
		"refresh reply":    func(p []byte) error { return finishRefresh(RefreshReply{E: p}) },
		"module key":       func(p []byte) error { _, _, err := SealRequest(rand.Reader, p, AAD{}, nil); return err },
		"module statement": func(p []byte) error { m := sampleStatement(); m.Key = p; _, err := m.Bytes(); return err },
		"record to be masked": func(p []byte) error {
			_, err := stretches()[0].Mask(rand.Reader, "d", PurposeSign, "k", p, phone.d1)
			return err
		},
		"record to be unmasked": func(p []byte) error {
			r := maskWith(t, 1, PurposeSign, "k", phone.p, phone.d1)
			r.PublicKey = p
			_, err := stretches()[1].Unmask("device", r)
			return err
		},
	}
	for field, use := range points {
		for name, p := range badPoints() {
			if err := use(p); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %s gives %v", field, name, err)
			}
		}
	}
	for name, p := range badPoints() { // decryption has one error
		_, err := FinishDecrypt(k.a, all[0], p)
		wantError(t, "T2: "+name, err, ErrDecrypt)
		_, err = FinishDecrypt(k.a, Ciphertext{C1: p, C2: all[0].C2, C3: all[0].C3}, t2)
		wantError(t, "C1: "+name, err, ErrDecrypt)
	}
	scalars := map[string]func(s []byte) error{
		"ParseSecret":         func(s []byte) error { _, err := ParseSecret(s); return err },
		"answer r":            func(s []byte) error { x := answer; x.R = s; return complete(b, x) },
		"answer t1":           func(s []byte) error { x := answer; x.T1 = s; return complete(b, x) },
		"answer r, check":     func(s []byte) error { x := answer; x.R = s; return x.Check(b.Digest) },
		"answer t1, check":    func(s []byte) error { x := answer; x.T1 = s; return x.Check(b.Digest) },
		"Verify r":            func(s []byte) error { return Verify(phone.p, b.Digest, Signature{R: s, S: answer.T1}) },
		"Verify s":            func(s []byte) error { return Verify(phone.p, b.Digest, Signature{R: answer.R, S: s}) },
		"keygen request z":    func(s []byte) error { x := req; x.Z = s; return serverKeygen(x) },
		"keygen reply z":      func(s []byte) error { x := reply; x.Z = s; return finishKeygen(x) },
		"decrypt proof z":     func(s []byte) error { return derive(k.pe, db, DecryptAnswer{A: proof.A, Z: s}) },
		"decrypt proof check": func(s []byte) error { return DecryptAnswer{A: proof.A, Z: s}.Check() },
	}
	for field, use := range scalars {
		for name, s := range badScalars() {
			err := use(s)
			// A keygen reply from another session fails its proof first or last.
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %s gives %v", field, name, err)
			}
		}
	}
}

func TestEmptyAndWipedInputsAreRefused(t *testing.T) {
	phone, server := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, b))
	wiped := must(NewSecret(rand.Reader))
	wiped.Wipe()
	for name, s := range map[string]*Secret{"nil": nil, "wiped": wiped} {
		_, err := Sign(rand.Reader, s, b)
		wantError(t, name+" d1", err, ErrMalformed)
		_, err = Complete(s, omega, b, answer)
		wantError(t, name+" d2", err, ErrMalformed)
		_, err = Complete(server.d2, s, b, answer)
		wantError(t, name+" ω", err, ErrMalformed)
		_, _, err = Deal(rand.Reader, s)
		wantError(t, name+" de", err, ErrMalformed)
		_, err = s.PublicKey()
		wantError(t, name+" key", err, ErrMalformed)
		_, err = stretches()[0].Mask(rand.Reader, "d", PurposeSign, "k", phone.p, s)
		wantError(t, name+" share to mask", err, ErrMalformed)
	}
	long := string(make([]byte, maxID+1))
	for name, change := range map[string]func(*Binding){
		"no key ID":      func(x *Binding) { x.KeyID = "" },
		"no operation":   func(x *Binding) { x.OpID = "" },
		"no nonce":       func(x *Binding) { x.NonceID = "" },
		"long nonce ID":  func(x *Binding) { x.NonceID = long },
		"no digest":      func(x *Binding) { x.Digest = nil },
		"digest too big": func(x *Binding) { x.Digest = make([]byte, 33) },
	} {
		x := b
		change(&x)
		_, err := Sign(rand.Reader, phone.d1, x)
		wantError(t, name+" on the phone", err, ErrMalformed)
		_, err = Complete(server.d2, omega, x, answer)
		wantError(t, name+" on the server", err, ErrMalformed)
	}
	for name, change := range map[string]func(*Context){
		"no account":   func(c *Context) { c.Account = "" },
		"no device":    func(c *Context) { c.Device = nil },
		"no enrolment": func(c *Context) { c.Enrolment = "" },
		"no server":    func(c *Context) { c.Server = "" },
		"no key ID":    func(c *Context) { c.KeyID = "" },
	} {
		c := testContext
		change(&c)
		_, _, err := StartKeygen(rand.Reader, c)
		wantError(t, name, err, ErrMalformed)
	}
	// −G as public key would make P+G vanish.
	minusG := point{x: generator().x, y: new(big.Int).Sub(gm.Params().P, generator().y)}
	_, _, err := OpenNonce(rand.Reader, minusG.bytes())
	wantError(t, "P = −G", err, ErrMalformed)
}

// Arithmetic against math/big, on edges and at random.
func TestScalarsAgreeWithBigInt(t *testing.T) {
	n := gm.Params().N
	edge := []*big.Int{big.NewInt(1), big.NewInt(2), new(big.Int).Sub(n, big.NewInt(1)), new(big.Int).Rsh(n, 1)}
	for range 50 {
		v := randScalar()
		edge = append(edge, new(big.Int).SetBytes(v[:]))
	}
	toScalar := func(v *big.Int) (s scalar) { new(big.Int).Mod(v, n).FillBytes(s[:]); return s }
	for _, a := range edge {
		for _, b := range edge {
			x, y := toScalar(a), toScalar(b)
			if x.add(&y) != toScalar(new(big.Int).Add(a, b)) || x.sub(&y) != toScalar(new(big.Int).Sub(a, b)) ||
				x.mul(&y) != toScalar(new(big.Int).Mul(a, b)) {
				t.Fatalf("arithmetic of %v and %v", a, b)
			}
		}
		x := toScalar(a)
		if x.inverse() != toScalar(new(big.Int).ModInverse(a, n)) || x.neg() != toScalar(new(big.Int).Neg(a)) {
			t.Fatalf("inverse of %v", a)
		}
	}
	for _, fill := range []byte{0, 1, 0x7f, 0xff} {
		wide := [48]byte(bytes.Repeat([]byte{fill}, 48))
		if reduceWide(&wide) != toScalar(new(big.Int).SetBytes(wide[:])) {
			t.Fatalf("reduction of 48 times %x", fill)
		}
	}
	if reduce(n.Bytes()) != (scalar{}) {
		t.Fatal("n does not reduce to zero")
	}
}
