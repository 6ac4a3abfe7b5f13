package splitkey

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// encryptTo makes a ciphertext for pe with gmsm.
func encryptTo(t testing.TB, pe, plain []byte) Ciphertext {
	t.Helper()
	der, err := sm2.EncryptASN1(rand.Reader, must(sm2.NewPublicKey(pe)), plain)
	if err != nil {
		t.Fatal(err)
	}
	return must(ParseCiphertext(der))
}

// newModule makes a module key pair; its private half stays in unwrap.
func newModule(t testing.TB) (public []byte, unwrap func([]byte) ([]byte, error)) {
	t.Helper()
	d := must(NewSecret(rand.Reader))
	private, err := sm2.NewPrivateKey(d.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return must(d.PublicKey()), func(ek []byte) ([]byte, error) { return sm2.Decrypt(private, ek) }
}

// encryptionKey is one decryption key in its shares.
type encryptionKey struct {
	de, a, b *Secret
	pe       []byte
}

func newEncryptionKey(t testing.TB) encryptionKey {
	t.Helper()
	de := must(NewSecret(rand.Reader))
	a, b, err := Deal(rand.Reader, de)
	if err != nil {
		t.Fatal(err)
	}
	return encryptionKey{de, a, b, must(de.PublicKey())}
}

// binding makes n ciphertexts "plaintext i" and the binding of their operation.
func (k encryptionKey) binding(t testing.TB, n int) ([]Ciphertext, DecryptBinding) {
	t.Helper()
	b := DecryptBinding{KeyID: "key-2", OpID: "op-2", ServerNonce: []byte("sixteen bytes...")[:16], Platform: make([]byte, DigestSize)}
	var all []Ciphertext
	for i := range n {
		c := encryptTo(t, k.pe, fmt.Appendf(nil, "plaintext %d", i))
		all = append(all, c)
		b.C1 = append(b.C1, c.C1)
	}
	return all, b
}
