package splitkey

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
)

// phoneKey and serverKey are the two halves of one signing key in tests.
type phoneKey struct {
	d1 *Secret
	p  []byte
}

type serverKey struct {
	d2 *Secret
	p  []byte
}

var testContext = Context{Account: "account-1", Device: []byte("device-1"), Enrolment: "enrolment-1", Server: "server-1", KeyID: "key-1"}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newKey(t testing.TB) (phoneKey, serverKey) {
	t.Helper()
	phone, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	d2, reply, err := ServerKeygen(rand.Reader, testContext, req)
	if err != nil {
		t.Fatal(err)
	}
	d1, p, err := phone.Finish(reply)
	if err != nil {
		t.Fatal(err)
	}
	return phoneKey{d1, p}, serverKey{d2, reply.P}
}

// open opens a nonce for message under the ID and returns ω with the binding.
func (k serverKey) open(t testing.TB, id string, message []byte) (*Secret, Binding) {
	t.Helper()
	omega, w, err := OpenNonce(rand.Reader, k.p)
	if err != nil {
		t.Fatal(err)
	}
	e := must(Digest(k.p, id, message))
	return omega, Binding{KeyID: "key-1", PublicKey: k.p, OpID: "op-1", NonceID: "nonce-1", W: w, Digest: e}
}

func cosign(t testing.TB, phone phoneKey, server serverKey, id string, message []byte) Signature {
	t.Helper()
	omega, b := server.open(t, id, message)
	answer, err := Sign(rand.Reader, phone.d1, b)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := Complete(server.d2, omega, b, answer)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func TestCosignedMessageVerifies(t *testing.T) {
	phone, server := newKey(t)
	m := []byte("a bid letter")
	sig := cosign(t, phone, server, IDDocument, m)
	if err := Verify(phone.p, must(Digest(phone.p, IDDocument, m)), sig); err != nil {
		t.Fatal(err)
	}
	wantError(t, "other message", Verify(phone.p, must(Digest(phone.p, IDDocument, []byte("another"))), sig), ErrProof)
}

func TestCoDecryptionOpensCiphertext(t *testing.T) {
	de := must(NewSecret(rand.Reader))
	pe := must(de.PublicKey())
	a, b, err := Deal(rand.Reader, de)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("key of a bid file")
	c := encryptTo(t, pe, plain)
	binding := DecryptBinding{KeyID: "key-2", OpID: "op-2", ServerNonce: make([]byte, 16), Platform: make([]byte, 32), C1: [][]byte{c.C1}}
	answer, err := ProveDecrypt(rand.Reader, a, binding)
	if err != nil {
		t.Fatal(err)
	}
	t2, err := DeriveT2(b, pe, binding, answer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FinishDecrypt(a, c, t2[0])
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestSealedExchangeRoundTrip(t *testing.T) {
	module, unwrap := newModule(t)
	a := AAD{Kid: "kid-1", Method: "POST", Path: "/operations/1/answer", OpID: "1", NonceID: "2", Device: []byte("dev"), Time: 1_800_000_000}
	req, phone, err := SealRequest(rand.Reader, module, a, []byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	body, server, err := OpenRequest(unwrap, req.AAD("POST", "/operations/1/answer", []byte("dev")), req)
	if err != nil || string(body) != "answer" {
		t.Fatalf("got %q, %v", body, err)
	}
	reply, err := server.SealReply(rand.Reader, []byte("signature"))
	if err != nil {
		t.Fatal(err)
	}
	body, err = phone.OpenReply(reply)
	if err != nil || string(body) != "signature" {
		t.Fatalf("got %q, %v", body, err)
	}
}

func TestRefreshKeepsThePublicKeyAndKillsTheOldShares(t *testing.T) {
	phone, server := newKey(t)
	c := RefreshContext{Account: "account-1", Device: []byte("dev"), OpID: "op", ServerNonce: make([]byte, 16), KeyIDs: []string{"key-1"}}
	pr, req, err := StartRefresh(rand.Reader, c)
	if err != nil {
		t.Fatal(err)
	}
	sr, reply, err := ServerRefresh(rand.Reader, c, req)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pr.Finish(reply)
	if err != nil {
		t.Fatal(err)
	}
	newPhone := phoneKey{must(r.PhoneSigning("key-1", phone.d1)), phone.p}
	newServer := serverKey{must(sr.ServerSigning("key-1", server.d2)), server.p}
	cosign(t, newPhone, newServer, IDDocument, []byte("m"))

	omega, b := newServer.open(t, IDDocument, []byte("m"))
	old := must(Sign(rand.Reader, phone.d1, b))
	_, err = Complete(newServer.d2, omega, b, old)
	wantError(t, "old share", err, ErrProof)
}

func TestMaskedShareComesBackUnderItsPINOnly(t *testing.T) {
	phone, _ := newKey(t)
	salt, pepper := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	right := must(Stretch([]byte("493817"), salt, pepper))
	wrong := must(Stretch([]byte("493818"), salt, pepper))
	rec := must(right.Mask(rand.Reader, "dev", PurposeSign, "key-1", phone.p, phone.d1))
	if got := must(right.Unmask("dev", rec)); !got.Equal(phone.d1) {
		t.Fatal("right PIN gives another share")
	}
	if got := must(wrong.Unmask("dev", rec)); got.Equal(phone.d1) {
		t.Fatal("wrong PIN gives the share")
	}
}
