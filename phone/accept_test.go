package phone

import (
	"errors"
	"testing"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/pki/wire"
	"tianweitong/splitkey"
)

// issued gives the certificate of a new key.
func issued(t *testing.T) (point []byte, c *wire.Certificate) {
	t.Helper()
	signing, key := pkitest.New(t).CA.IssueRole(t, pki.PersonSigning)
	c, err := wire.ParseCertificate(signing.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if point, err = pki.Point(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	return point, c
}

// TestACertificateIsOfTheKeyMadeHere: a certificate of another key, or of the
// right key for another purpose, is not taken.
func TestACertificateIsOfTheKeyMadeHere(t *testing.T) {
	p := against(t, nil)
	point, mine := issued(t)
	_, other := issued(t)
	p.state.put(splitkey.Record{KeyID: "k", Purpose: splitkey.PurposeSign, PublicKey: point, Salt: make([]byte, 32), Masked: make([]byte, 32)})
	if err := p.certifies(mine, "k", splitkey.PurposeSign); err != nil {
		t.Fatal(err)
	}
	if err := p.certifies(other, "k", splitkey.PurposeSign); !errors.Is(err, ErrMismatch) {
		t.Errorf("a certificate of another key: %v", err)
	}
	if err := p.certifies(mine, "k", splitkey.PurposeEncrypt); !errors.Is(err, ErrMismatch) {
		t.Errorf("a signing key in an encryption certificate: %v", err)
	}
	if err := p.certifies(mine, "", splitkey.PurposeSign); !errors.Is(err, ErrKeyLost) {
		t.Errorf("a certificate of a key that is not here: %v", err)
	}
}

// TestACertificateNamesTheOneVerifiedHere: the dot of a name may be written
// otherwise; where nobody was verified, nothing is known.
func TestACertificateNamesTheOneVerifiedHere(t *testing.T) {
	p := against(t, nil)
	if !p.named("测试甲") {
		t.Error("nothing is known, and yet a name is refused")
	}
	p.name = "测试•甲"
	if !p.named("测试·甲") || p.named("测试·乙") {
		t.Error("the name typed in is not told from another")
	}
}
