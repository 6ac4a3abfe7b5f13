package splitkey

import (
	"crypto/rand"
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
