package install

import (
	"errors"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/pki"
	"tianweitong/pki/pkitest"
)

// FuzzPair reads what an outside CA could answer: nothing but certificates for
// the very keys that were asked for is believed.
func FuzzPair(f *testing.F) {
	h := pkitest.New(f)
	key, other := pkitest.Key(f), pkitest.Key(f)
	point, err := pki.Point(&key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	good := h.CA.Issue(f, pkitest.Template(pki.PersonSigning, key))
	wrong := h.CA.Issue(f, pkitest.Template(pki.PersonSigning, other))
	i := Installation{Kind: Rekey, SignPublic: point}
	r := certificate.IssueRequest{NotAfter: good.NotAfter}
	if _, _, err := check(certificate.Pair{SignDER: good.Raw}, i, r); err != nil {
		f.Fatalf("the right certificate is refused: %v", err)
	}
	if _, _, err := check(certificate.Pair{SignDER: wrong.Raw}, i, r); err == nil {
		f.Fatal("a certificate for another key is believed")
	}
	r.NotAfter = good.NotAfter.Add(-time.Second)
	if _, _, err := check(certificate.Pair{SignDER: good.Raw}, i, r); !errors.Is(err, certificate.CodeEndDate) {
		f.Fatalf("a certificate that lives too long: %v", err)
	}
	r.NotAfter = good.NotAfter
	f.Add(good.Raw, []byte(nil))
	f.Add(wrong.Raw, good.Raw)
	f.Add([]byte{0x30, 0x80}, []byte("x"))
	f.Fuzz(func(t *testing.T, sign, enc []byte) {
		for _, kind := range []Kind{New, Rekey} {
			i.Kind, i.EncPublic = kind, point
			c, e, err := check(certificate.Pair{SignDER: sign, EncDER: enc}, i, r)
			if err != nil {
				continue
			}
			got, perr := pki.ParseSPKI(c.RawSubjectPublicKeyInfo)
			if perr != nil || !got.Equal(&key.PublicKey) || kind == New && e == nil {
				t.Fatal("a certificate for another key is believed")
			}
		}
	})
}
