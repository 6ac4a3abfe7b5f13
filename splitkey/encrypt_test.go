package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// TestEncryptionIsThatOfTheStandard: gmsm opens what Encrypt made and Decrypt
// opens what gmsm made, for every length up to a few blocks.
func TestEncryptionIsThatOfTheStandard(t *testing.T) {
	x := must(NewSecret(rand.Reader))
	public := must(x.PublicKey())
	key := must(sm2.NewPrivateKey(x.Bytes()))
	for n := 1; n < 70; n += 9 {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		c := must(Encrypt(rand.Reader, public, plain))
		der := must(c.DER())
		if got, err := key.Decrypt(nil, der, sm2.ASN1DecrypterOpts); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes, gmsm: %x %v", n, got, err)
		}
		theirs := must(ParseCiphertext(must(sm2.EncryptASN1(rand.Reader, &key.PublicKey, plain))))
		if got, err := x.Decrypt(theirs); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes, Decrypt: %x %v", n, got, err)
		}
	}
}

// TestEncryptionRefusesBadInput: no plaintext, none too long, no broken key; and
// a ciphertext altered anywhere has one error.
func TestEncryptionRefusesBadInput(t *testing.T) {
	x := must(NewSecret(rand.Reader))
	public := must(x.PublicKey())
	for name, c := range map[string]struct{ key, plain []byte }{
		"nothing": {public, nil}, "too long": {public, make([]byte, MaxPlaintext+1)}, "no key": {public[:64], []byte("a")},
	} {
		_, err := Encrypt(rand.Reader, c.key, c.plain)
		wantError(t, name, err, ErrMalformed)
	}
	good := must(Encrypt(rand.Reader, public, []byte("twelve bytes")))
	for name, change := range map[string]func(*Ciphertext){
		"C1": func(c *Ciphertext) { c.C1 = must(must(NewSecret(rand.Reader)).PublicKey()) },
		"C2": func(c *Ciphertext) { c.C2 = bytes.Clone(c.C2); c.C2[3] ^= 1 },
		"C3": func(c *Ciphertext) { c.C3 = bytes.Clone(c.C3); c.C3[31] ^= 1 },
		"no": func(c *Ciphertext) { *c = Ciphertext{} },
	} {
		c := good
		change(&c)
		_, err := x.Decrypt(c)
		wantError(t, name, err, ErrDecrypt)
	}
	_, err := new(Secret).Decrypt(good)
	wantError(t, "no secret", err, ErrDecrypt)
}
