package phone

import (
	"errors"
	"testing"
	"time"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/splitkey"
)

// TestAttributesNameTheDocumentTheSignerAndTheTime: what stands for a large
// document is known in every part.
func TestAttributesNameTheDocumentTheSignerAndTheTime(t *testing.T) {
	h := pkitest.New(t)
	mine, _ := h.CA.IssueRole(t, pki.PersonSigning)
	other, _ := h.CA.IssueRole(t, pki.PersonSigning)
	p := against(t, nil)
	p.state.hold(Held{Certificate: "c", SignKey: "k", SignCertificate: mine.Raw})
	shown := pki.Document{Name: "标书.pdf", Size: 64 << 20}
	digest := pki.SM3.Sum([]byte("a large document"))
	s := Scan{Type: "sign", chosen: "c"}
	s.Document = &struct {
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		Digest []byte `json:"digest"`
	}{shown.Name, shown.Size, digest}
	for name, change := range map[string]func(*pki.SignedAttributes){
		"same":         func(*pki.SignedAttributes) {},
		"content type": func(a *pki.SignedAttributes) { a.ContentType = pki.OIDGMSignedData },
		"digest":       func(a *pki.SignedAttributes) { a.Digest = pki.SM3.Sum(nil) },
		"signer":       func(a *pki.SignedAttributes) { a.SignerHash = pki.SM3.Sum(other.Raw) },
		"no signer":    func(a *pki.SignedAttributes) { a.SignerHash = nil },
		"time":         func(a *pki.SignedAttributes) { a.Time = a.Time.Add(-time.Hour) },
		"no time":      func(a *pki.SignedAttributes) { a.Time = time.Time{} },
		"name":         func(a *pki.SignedAttributes) { a.Document = &pki.Document{Name: "x", Size: shown.Size} },
	} {
		a := pki.NewDocumentAttributes(shown, digest, mine, time.Now().Truncate(time.Second))
		change(&a)
		m, err := a.Marshal(p.Arc)
		if err != nil {
			t.Fatal(err)
		}
		err = p.shows(s, Offer{ID: splitkey.IDDocument, KeyID: "k", M: m})
		if name == "same" && err != nil || name != "same" && !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
