package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// cooperate runs both halves over all ciphertexts of a binding.
func cooperate(t testing.TB, a, b *Secret, pe []byte, all []Ciphertext, binding DecryptBinding) ([][]byte, error) {
	t.Helper()
	proof, err := ProveDecrypt(rand.Reader, a, binding)
	if err != nil {
		t.Fatal(err)
	}
	t2, err := DeriveT2(b, pe, binding, proof)
	if err != nil {
		return nil, err
	}
	var plain [][]byte
	for i, c := range all {
		p, err := FinishDecrypt(a, c, t2[i])
		if err != nil {
			return nil, err
		}
		plain = append(plain, p)
	}
	return plain, nil
}

func TestCoDecryptionOpensWhatGmsmEncrypted(t *testing.T) {
	k := newEncryptionKey(t)
	all, b := k.binding(t, 5)
	plain, err := cooperate(t, k.a, k.b, k.pe, all, b)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range plain {
		if want := "plaintext " + string(rune('0'+i)); string(p) != want {
			t.Errorf("got %q, want %q", p, want)
		}
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), MaxPlaintext/16)
	c := encryptTo(t, k.pe, big)
	b.C1 = [][]byte{c.C1}
	plain, err = cooperate(t, k.a, k.b, k.pe, []Ciphertext{c}, b)
	if err != nil || !bytes.Equal(plain[0], big) {
		t.Fatal("the largest plaintext does not open", err)
	}
}

// Dealing again keeps Pe and kills the share that was lost (§2.4, §2.6).
func TestDealingAgainKeepsThePublicKeyAndKillsTheOldShare(t *testing.T) {
	k := newEncryptionKey(t)
	all, b := k.binding(t, 1)
	a2, b2, err := Deal(rand.Reader, k.de)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := cooperate(t, a2, b2, k.pe, all, b); err != nil || string(plain[0]) != "plaintext 0" {
		t.Fatal("the new shares do not open an old ciphertext", err)
	}
	_, err = cooperate(t, k.a, b2, k.pe, all, b)
	wantError(t, "the lost share", err, ErrProof)
	_, err = cooperate(t, a2, k.b, k.pe, all, b)
	wantError(t, "the destroyed share of the server", err, ErrProof)
}

// The proof binds the whole list, its order, the operation, the nonce, the key
// and the platform; nothing comes back when one of them differs.
func TestDecryptionProofIsBoundToWhatWasShown(t *testing.T) {
	k := newEncryptionKey(t)
	_, b := k.binding(t, 2)
	proof := must(ProveDecrypt(rand.Reader, k.a, b))
	foreign := encryptTo(t, k.pe, []byte("of another operation"))
	for name, change := range map[string]func(*DecryptBinding){
		"key":             func(x *DecryptBinding) { x.KeyID = "key-3" },
		"operation":       func(x *DecryptBinding) { x.OpID = "op-3" },
		"server nonce":    func(x *DecryptBinding) { x.ServerNonce = make([]byte, 17) },
		"platform B":      func(x *DecryptBinding) { x.Platform = bytes.Repeat([]byte{9}, 32) },
		"one left out":    func(x *DecryptBinding) { x.C1 = x.C1[:1] },
		"one more":        func(x *DecryptBinding) { x.C1 = append(x.C1[:2:2], foreign.C1) },
		"one exchanged":   func(x *DecryptBinding) { x.C1 = [][]byte{x.C1[0], foreign.C1} },
		"order exchanged": func(x *DecryptBinding) { x.C1 = [][]byte{x.C1[1], x.C1[0]} },
	} {
		other := b
		change(&other)
		t2, err := DeriveT2(k.b, k.pe, other, proof)
		wantError(t, name, err, ErrProof)
		if t2 != nil {
			t.Fatalf("%s: T2 comes with the refusal", name)
		}
	}
}

func TestDecryptBindingLimits(t *testing.T) {
	k := newEncryptionKey(t)
	_, b := k.binding(t, 1)
	many := make([][]byte, MaxCiphertexts+1)
	for i := range many {
		many[i] = b.C1[0]
	}
	for name, change := range map[string]func(*DecryptBinding){
		"no ciphertext":        func(x *DecryptBinding) { x.C1 = nil },
		"too many ciphertexts": func(x *DecryptBinding) { x.C1 = many },
		"short server nonce":   func(x *DecryptBinding) { x.ServerNonce = make([]byte, 15) },
		"platform no digest":   func(x *DecryptBinding) { x.Platform = []byte("M1100000034") },
		"no key":               func(x *DecryptBinding) { x.KeyID = "" },
		"no operation":         func(x *DecryptBinding) { x.OpID = "" },
	} {
		x := b
		change(&x)
		_, err := ProveDecrypt(rand.Reader, k.a, x)
		wantError(t, name, err, ErrMalformed)
	}
	_, err := DeriveT2(k.de, k.pe, b, must(ProveDecrypt(rand.Reader, k.a, b))) // b = de: A would be O
	wantError(t, "the whole key as share", err, ErrMalformed)
}

// Every failure of decryption is one and the same error (§2.4).
func TestDecryptionHasOneError(t *testing.T) {
	k := newEncryptionKey(t)
	all, b := k.binding(t, 1)
	c := all[0]
	t2 := must(DeriveT2(k.b, k.pe, b, must(ProveDecrypt(rand.Reader, k.a, b))))[0]
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[0] ^= 1; return b }
	opposite := mustPoint(c.C1).mult(&k.a.s) // −a·C1, so that S = O
	opposite.y.Sub(gm.Params().P, opposite.y)
	other := encryptTo(t, k.pe, []byte("other"))
	for name, err := range map[string]error{
		"C2 altered":    second(FinishDecrypt(k.a, Ciphertext{c.C1, flip(c.C2), c.C3}, t2)),
		"C3 altered":    second(FinishDecrypt(k.a, Ciphertext{c.C1, c.C2, flip(c.C3)}, t2)),
		"C3 short":      second(FinishDecrypt(k.a, Ciphertext{c.C1, c.C2, c.C3[:31]}, t2)),
		"C2 empty":      second(FinishDecrypt(k.a, Ciphertext{c.C1, nil, c.C3}, t2)),
		"another C1":    second(FinishDecrypt(k.a, Ciphertext{other.C1, c.C2, c.C3}, t2)),
		"another share": second(FinishDecrypt(k.b, c, t2)),
		"no share":      second(FinishDecrypt(nil, c, t2)),
		"S = O":         second(FinishDecrypt(k.a, c, opposite.bytes())),
	} {
		if err != ErrDecrypt { // the value itself, without detail
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCiphertextParsingIsStrict(t *testing.T) {
	k := newEncryptionKey(t)
	der, err := sm2.EncryptASN1(rand.Reader, must(sm2.NewPublicKey(k.pe)), []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCiphertext(der); err != nil {
		t.Fatal(err)
	}
	plain, err := sm2.Encrypt(rand.Reader, must(sm2.NewPublicKey(k.pe)), []byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	off := bytes.Clone(der)
	off[10] ^= 1 // within X
	for name, bad := range map[string][]byte{
		"empty":           nil,
		"plain C1C3C2":    plain,
		"trailing":        append(bytes.Clone(der), 0),
		"cut":             der[:len(der)-1],
		"SET":             append([]byte{0x31}, der[1:]...),
		"off the curve":   off,
		"hash and text":   {0x30, 4, 4, 0, 4, 0},
		"indefinite form": append([]byte{0x30, 0x80}, append(bytes.Clone(der[2:]), 0, 0)...),
	} {
		_, err := ParseCiphertext(bad)
		wantError(t, name, err, ErrMalformed)
	}
}
