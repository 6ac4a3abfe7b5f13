package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"
)

// Attacks on proofs, exchanges and messages: docs/split-keys.md §1.2, §2.4, §2.8, §2.9.

// A repeated v gives a: so v hashes everything the challenge does, the key and
// the platform included (§1.2, §2.4).
func TestProofNonceCoversEveryInputOfTheChallenge(t *testing.T) {
	k := newEncryptionKey(t)
	_, b := k.binding(t, 2)
	public := must(k.a.PublicKey())
	challenge := func(b DecryptBinding, a []byte) scalar {
		_, list, err := b.list()
		if err != nil {
			t.Fatal(err)
		}
		return hashToScalar("decrypt", b.challenge(public, list, a)...)
	}
	changes := map[string]func(*DecryptBinding){
		"key":          func(x *DecryptBinding) { x.KeyID = "key-3" },
		"operation":    func(x *DecryptBinding) { x.OpID = "op-3" },
		"server nonce": func(x *DecryptBinding) { x.ServerNonce = bytes.Repeat([]byte{7}, 16) },
		"platform":     func(x *DecryptBinding) { x.Platform = bytes.Repeat([]byte{7}, 32) },
		"list":         func(x *DecryptBinding) { x.C1 = x.C1[:1] },
		"order":        func(x *DecryptBinding) { x.C1 = [][]byte{x.C1[1], x.C1[0]} },
	}
	for name, change := range changes {
		twin := b
		change(&twin)
		// Weak: v over the list of inputs without key and platform.
		weak := func(b DecryptBinding) (c, z scalar) {
			_, list, err := b.list()
			if err != nil {
				t.Fatal(err)
			}
			v := must(hedged(stuck(1), "dec-nonce", &k.a.s, []byte(b.OpID), b.ServerNonce, list))
			c = challenge(b, onBase(v).bytes())
			return c, addAll(v, mulAll(c, k.a.s))
		}
		c1, z1 := weak(b)
		c2, z2 := weak(twin)
		leaks := mulAll(minus(z1, z2), inverseOf(minus(c1, c2))) == k.a.s
		if want := name == "key" || name == "platform"; leaks != want {
			t.Errorf("the weak variant leaks with another %s: %v", name, leaks)
		}
		one, two := must(ProveDecrypt(stuck(1), k.a, b)), must(ProveDecrypt(stuck(1), k.a, twin))
		c1, c2 = challenge(b, one.A), challenge(twin, two.A)
		if mulAll(minus(scalar(one.Z), scalar(two.Z)), inverseOf(minus(c1, c2))) == k.a.s {
			t.Errorf("a stuck random source gives a away with another %s", name)
		}
	}
}

// The same for the proofs of key generation.
func TestKeygenNonceCoversTheContext(t *testing.T) {
	twin := testContext
	twin.Enrolment = "enrolment-2"
	one, req1, err := StartKeygen(stuck(1), testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, req2, err := StartKeygen(stuck(1), twin)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(req1.P1, req2.P1) {
		t.Fatal("the stuck source does not stick")
	}
	c := func(ctx Context, r KeygenRequest) scalar {
		return hashToScalar("keygen/phone", must(ctx.bytes()), r.P1, r.A)
	}
	leaked := mulAll(minus(scalar(req1.Z), scalar(req2.Z)), inverseOf(minus(c(testContext, req1), c(twin, req2))))
	if leaked == one.inverse {
		t.Fatal("a stuck random source gives d1 away")
	}
}

// Unsealed, whoever sits on the path alters W and the right PIN is counted
// wrong. Sealed, the phone notices and sends nothing (§2.8).
func TestAlteredNonceIsNoticedBeforeAnythingIsCharged(t *testing.T) {
	phone, server := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	tampered := b
	tampered.W = mustPoint(b.W).add(generator()).bytes()
	answer := must(Sign(rand.Reader, phone.d1, tampered)) // the right PIN
	wantComplete(t, "an altered W", server, omega.s, b, answer, ErrProof)

	module, unwrap := newModule(t)
	aad := AAD{Kid: "kid", Method: "POST", Path: "/operations/op-1/nonce", OpID: "op-1", Device: []byte("dev"), Time: 1}
	req, onPhone, err := SealRequest(rand.Reader, module, aad, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, onServer, err := OpenRequest(unwrap, aad, req)
	if err != nil {
		t.Fatal(err)
	}
	reply := must(onServer.SealReply(rand.Reader, b.W))
	for i := range reply.Box {
		forged := SealedReply{Salt: reply.Salt, Box: bytes.Clone(reply.Box)}
		forged.Box[i] ^= 1
		if w, err := onPhone.OpenReply(forged); err == nil {
			t.Fatalf("an altered reply opens to %x", w)
		}
	}
	if w := must(onPhone.OpenReply(reply)); !bytes.Equal(w, b.W) {
		t.Fatal("the true reply no longer opens")
	}
}

// A challenge of the platform's choice, signed as it stands under the default
// ID, is a signature of any document. Ours signs a login under its own ID, and
// no login as a document (§2.9).
func TestLoginIsNoDocument(t *testing.T) {
	phone, server := newKey(t)
	contract := []byte("%PDF-1.7 a contract")
	if !gmsmVerifies(t, phone.p, IDDocument, contract, cosign(t, phone, server, IDDocument, contract)) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	login := must(sampleLogin().Bytes())
	sig := cosign(t, phone, server, IDLogin, login)
	if !gmsmVerifies(t, phone.p, IDLogin, login, sig) {
		t.Fatal("a login does not verify under its ID")
	}
	for _, id := range []string{IDDocument, IDEncrypt, IDPIN, IDRefresh, IDTrial, IDTakeover} {
		if gmsmVerifies(t, phone.p, id, login, sig) {
			t.Errorf("a login verifies as %s", id)
		}
	}
	wantError(t, "a login as a document", CheckDocument(login), ErrDocument)
	wantError(t, "a confirmation as a document", CheckDocument(must(sampleConfirm().Bytes())), ErrDocument)
}

// Without length prefixes two contexts give one hash input (§2.7).
func TestContextsDoNotRunIntoEachOther(t *testing.T) {
	one, two := testContext, testContext
	one.Account, one.Device = "account-1", []byte("2device")
	two.Account, two.Device = "account-12", []byte("device")
	if one.Account+string(one.Device) != two.Account+string(two.Device) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	if bytes.Equal(must(one.bytes()), must(two.bytes())) {
		t.Fatal("two contexts encode alike")
	}
	if hashToScalar("label", []byte("ab"), []byte("c")) == hashToScalar("label", []byte("a"), []byte("bc")) ||
		hashToScalar("labela", []byte("b")) == hashToScalar("label", []byte("ab")) {
		t.Fatal("two lists of parts hash alike")
	}
}

// Salt and pepper do not run into each other in the stretch either.
func TestStretchInputsDoNotRunIntoEachOther(t *testing.T) {
	long := append(bytes.Clone(deviceSalt), 'x')
	one := must(Stretch([]byte("493817"), long, pepper))
	two := must(Stretch([]byte("493817"), deviceSalt, append([]byte{'x'}, pepper[:31]...)))
	if one.key == two.key {
		t.Fatal("two pairs of salt and pepper stretch alike")
	}
}

// A request that is replayed as a whole must not make the server use one key
// and IV for two replies: their XOR would be in the clear (§2.8).
func TestReplayedRequestDoesNotRepeatTheReplyKey(t *testing.T) {
	module, unwrap := newModule(t)
	aad := AAD{Kid: "kid", Method: "POST", Path: "/nonce", Device: []byte("dev"), Time: 1}
	req, _, err := SealRequest(rand.Reader, module, aad, nil)
	if err != nil {
		t.Fatal(err)
	}
	one, two := bytes.Repeat([]byte{0x11}, 64), bytes.Repeat([]byte{0x22}, 64)
	var weak, ours [2][]byte
	for i, plain := range [][]byte{one, two} {
		_, x, err := OpenRequest(unwrap, aad, req)
		if err != nil {
			t.Fatal(err)
		}
		aead, iv := x.key("reply", nil) // weak: K, label and AAD alone
		weak[i] = aead.Seal(nil, iv, plain, x.aad)
		ours[i] = must(x.SealReply(rand.Reader, plain)).Box
	}
	leak := func(boxes [2][]byte) bool {
		for i := range one {
			if boxes[0][i]^boxes[1][i] != one[i]^two[i] {
				return false
			}
		}
		return true
	}
	if !leak(weak) {
		t.Fatal("the attack no longer works on the weak variant")
	}
	if leak(ours) {
		t.Fatal("two replies share a key stream")
	}
}
