package prove_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/custody"
	"tianweitong/internal/flow/prove"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

var (
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	holder = custody.Holder{Account: "a", Device: strings.Repeat("0a", 32)}
)

func TestAConfirmationSaysWhatItConfirmsAndIsNeverTheSame(t *testing.T) {
	c := prove.Confirmation{
		Holder: holder, KeyID: "k", Business: "revoke.confirm", Subject: "s", ID: splitkey.IDPIN, Purpose: "revoke",
		Object: prove.Digest([]byte("serial"), []byte("reason")), KeyIDs: []string{"k"},
	}
	one, err := c.Activation(rand.Reader, noon)
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.Activation(rand.Reader, noon)
	if err != nil {
		t.Fatal(err)
	}
	if one.OpID == two.OpID || bytes.Equal(one.M, two.M) {
		t.Error("two confirmations are the same")
	}
	m, err := splitkey.ParseConfirmMessage(one.M)
	if err != nil {
		t.Fatal(err)
	}
	if m.Account != "a" || m.Purpose != "revoke" || !bytes.Equal(m.Device, bytes.Repeat([]byte{10}, 32)) || !bytes.Equal(m.Object, c.Object) || len(m.KeyIDs) != 1 {
		t.Errorf("the message says %+v", m)
	}
	if !one.Expires.Equal(noon.Add(prove.Window)) || one.Holder != holder {
		t.Errorf("the activation says %+v", one)
	}
	c.Holder.Device = "not hex"
	if _, err := c.Activation(rand.Reader, noon); err == nil {
		t.Error("a device that is no thumbprint passes")
	}
}

func TestADigestDependsOnWhereItsPartsEnd(t *testing.T) {
	if bytes.Equal(prove.Digest([]byte("ab"), []byte("c")), prove.Digest([]byte("a"), []byte("bc"))) {
		t.Error("two lists of parts have one digest")
	}
}

func TestATrialIsAThrowAwayCiphertextForTheKey(t *testing.T) {
	k, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pe, err := pki.Point(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	a, err := prove.Trial(rand.Reader, noon, holder, "k", "install.trial", "s", pe, []byte("a certificate"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := sm2.Decrypt(k, a.Ciphertexts[0])
	if err != nil || len(plain) != 32 || !a.Unheld || len(a.M) != 0 {
		t.Errorf("%d bytes, unheld %v, %v", len(plain), a.Unheld, err)
	}
	for _, bad := range [][]byte{nil, pe[:64], append([]byte{2}, pe[1:33]...), bytes.Repeat([]byte{4}, 65)} {
		if _, err := prove.Trial(rand.Reader, noon, holder, "k", "install.trial", "s", bad, []byte("a certificate")); err == nil {
			t.Errorf("a key of %d bytes passes", len(bad))
		}
	}
}
