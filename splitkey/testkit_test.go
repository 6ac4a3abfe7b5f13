package splitkey

import (
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
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
	b := DecryptBinding{KeyID: "key-2", OpID: "op-2", ServerNonce: []byte("sixteen bytes..."), Platform: make([]byte, DigestSize)}
	var all []Ciphertext
	for i := range n {
		c := encryptTo(t, k.pe, fmt.Appendf(nil, "plaintext %d", i))
		all = append(all, c)
		b.C1 = append(b.C1, c.C1)
	}
	return all, b
}

// rounds returns the short count, or the full one when SPLITKEY_FULL is set
// (docs/split-keys.md §8).
func rounds(short, full int) int {
	if os.Getenv("SPLITKEY_FULL") != "" {
		return full
	}
	return short
}

// opensslVerifies fails unless openssl accepts the signature of message under
// the default ID. A second program must agree with ours.
func opensslVerifies(t testing.TB, publicKey, message []byte, sig Signature) {
	t.Helper()
	if out, err := openssl(t, publicKey, message, sig); err != nil {
		t.Fatalf("openssl refuses a signature: %v: %s", err, out)
	}
}

func openssl(t testing.TB, publicKey, message []byte, sig Signature) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: install the Debian package openssl (3.0 or newer) to run these tests")
	}
	spki, err := smx509.MarshalPKIXPublicKey(must(sm2.NewPublicKey(publicKey)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"key.pem":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}),
		"message":   message,
		"signature": must(sig.DER()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-in", "message", "-sigfile", "signature",
		"-rawin", "-digest", "sm3", "-pkeyopt", "distid:"+IDDocument)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// refreshed runs a refresh of the keys and returns both sides.
func refreshed(t testing.TB, keyIDs ...string) (phone, server *Refresh) {
	t.Helper()
	c := RefreshContext{Account: "account-1", Device: []byte("device-1"), OpID: "op-1", ServerNonce: []byte("sixteen bytes..."), KeyIDs: keyIDs}
	state, req, err := StartRefresh(rand.Reader, c)
	if err != nil {
		t.Fatal(err)
	}
	server, reply, err := ServerRefresh(rand.Reader, c, req)
	if err != nil {
		t.Fatal(err)
	}
	if phone, err = state.Finish(reply); err != nil {
		t.Fatal(err)
	}
	return phone, server
}

func sprint(v any) string { return fmt.Sprintf("%v %+v %#v %x", v, v, v, v) }

// wrap encrypts a key to the module with gmsm, as a deviant phone might.
func wrap(t testing.TB, module, k []byte) []byte {
	t.Helper()
	ek, err := sm2.EncryptASN1(rand.Reader, must(sm2.NewPublicKey(module)), k)
	if err != nil {
		t.Fatal(err)
	}
	return ek
}
