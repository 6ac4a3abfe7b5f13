package phone

import (
	"context"
	"errors"
	"testing"

	"tianweitong/splitkey"
)

// TestAnInstallationIsNothingElse: the PIN that is entered to install confirms
// neither a revocation nor a redealing, whatever the server calls it.
func TestAnInstallationIsNothingElse(t *testing.T) {
	for _, kind := range []string{"redeal", "revoke", "approve", "set", ""} {
		p := against(t, map[string]any{"/app/v1/certificates/c/installation": map[string]any{
			"id": "i", "certificate": "c", "kind": kind, "state": "authorising", "opID": "op",
		}})
		if _, err := p.Install(context.Background(), "c", "271942"); !errors.Is(err, ErrMismatch) {
			t.Errorf("an installation of kind %q: %v", kind, err)
		}
	}
}

// TestAConfirmationIsOfOneThing: every field but the nonce is the phone's own
// knowledge.
func TestAConfirmationIsOfOneThing(t *testing.T) {
	p := against(t, nil)
	p.state.Account = "account"
	want := splitkey.ConfirmMessage{ID: splitkey.IDPIN, Purpose: "install", Object: object([]byte("c"), []byte("i")), KeyIDs: []string{"k"}}
	for name, change := range map[string]func(*splitkey.ConfirmMessage){
		"same":    func(*splitkey.ConfirmMessage) {},
		"id":      func(m *splitkey.ConfirmMessage) { m.ID = splitkey.IDTrial },
		"purpose": func(m *splitkey.ConfirmMessage) { m.Purpose = "redeal" },
		"object":  func(m *splitkey.ConfirmMessage) { m.Object = object([]byte("another enrolment key")) },
		"keys":    func(m *splitkey.ConfirmMessage) { m.KeyIDs = []string{"k", "l"} },
		"account": func(m *splitkey.ConfirmMessage) { m.Account = "other" },
		"device":  func(m *splitkey.ConfirmMessage) { m.Device = []byte("other") },
	} {
		m := want
		m.Account, m.Device, m.ServerNonce = "account", p.thumbprint(), make([]byte, 32)
		change(&m)
		b, err := m.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		err = p.confirms(want)(Offer{ID: m.ID, M: b})
		if name == "same" && err != nil || name != "same" && !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAChangeOfPINCoversTheKeysHere: none is left under the old PIN, and no
// unknown one is agreed to.
func TestAChangeOfPINCoversTheKeysHere(t *testing.T) {
	p := against(t, nil)
	_, public, err := p.enrolmentKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"pin", "sign", "enc"} {
		p.state.put(splitkey.Record{KeyID: id, PublicKey: public, Salt: make([]byte, 32), Masked: make([]byte, 32)})
	}
	p.state.hold(Held{Certificate: "c", SignKey: "sign", EncKey: "enc", SignCertificate: []byte{1}})
	for _, c := range []struct {
		keys []string
		want error
	}{
		{[]string{"enc", "pin", "sign"}, nil},
		{[]string{"enc", "pin"}, nil}, // the certificate was revoked
		{[]string{"pin", "sign"}, ErrMismatch},
		{[]string{"enc", "sign"}, ErrMismatch},
		{[]string{"enc", "pin", "sign", "unknown"}, ErrKeyLost},
	} {
		if err := p.covers("pin", c.keys); !errors.Is(err, c.want) {
			t.Errorf("keys %v: %v, want %v", c.keys, err, c.want)
		}
	}
	p.state.redealt("old")
	if err := p.covers("pin", []string{"enc", "pin", "sign"}); !errors.Is(err, ErrMismatch) {
		t.Errorf("an encryption key of before is left out: %v", err)
	}
}
