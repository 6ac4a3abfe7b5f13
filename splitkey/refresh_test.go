package splitkey

import (
	"crypto/rand"
	"errors"
	"testing"
)

// A change of PIN over a signing key, the PIN key and an encryption key: the
// public keys stay, the new PIN works with the new shares of the server, the
// old PIN and the old shares do not (§2.5).
func TestChangeOfPINRefreshesEveryKey(t *testing.T) {
	signPhone, signServer := newKey(t)
	pinPhone, pinServer := newKey(t)
	k := newEncryptionKey(t)
	before := []Record{
		maskWith(t, ownerPIN, PurposeSign, "key-1", signPhone.p, signPhone.d1),
		maskWith(t, ownerPIN, PurposePIN, "key-3", pinPhone.p, pinPhone.d1),
		maskWith(t, ownerPIN, PurposeEncrypt, "key-2", k.pe, k.a),
	}
	phone, server := refreshed(t, "key-1", "key-2", "key-3")
	after, err := phone.Records(rand.Reader, "device", stretches()[ownerPIN], stretches()[newPIN], before)
	if err != nil {
		t.Fatal(err)
	}
	newSign := serverKey{must(server.ServerSigning("key-1", signServer.d2)), signServer.p}
	newPINKey := serverKey{must(server.ServerSigning("key-3", pinServer.d2)), pinServer.p}
	newB := must(server.ServerEncryption("key-2", k.b))

	share := func(pin int, rec Record) *Secret { return must(stretches()[pin].Unmask("device", rec)) }
	try := func(server serverKey, d1 *Secret) error {
		omega, b := server.open(t, IDRefresh, []byte("m"))
		_, err := Complete(server.d2, omega, b, must(Sign(rand.Reader, d1, b)))
		return err
	}
	all, b := k.binding(t, 1)
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"new PIN signs":                  {try(newSign, share(newPIN, after[0])), nil},
		"new PIN on the PIN key":         {try(newPINKey, share(newPIN, after[1])), nil},
		"new PIN decrypts":               {second(cooperate(t, share(newPIN, after[2]), newB, k.pe, all, b)), nil},
		"old PIN, old set, before flip":  {try(signServer, share(ownerPIN, before[0])), nil},
		"old PIN, old set, after flip":   {try(newSign, share(ownerPIN, before[0])), ErrProof},
		"old PIN, new set":               {try(newSign, share(ownerPIN, after[0])), ErrProof},
		"new PIN, old set":               {try(newSign, share(newPIN, before[0])), ErrProof},
		"new set, old server share":      {try(signServer, share(newPIN, after[0])), ErrProof},
		"old decryption share after":     {second(cooperate(t, share(ownerPIN, before[2]), newB, k.pe, all, b)), ErrProof},
		"another purpose's record moved": {try(newSign, share(newPIN, Record{KeyID: "key-1", Purpose: PurposePIN, PublicKey: after[0].PublicKey, Salt: after[0].Salt, Masked: after[0].Masked})), ErrProof},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: error %v, want %v", name, c.err, c.want)
		}
	}
}

// Anything that differs between the two sides gives shares that do not fit.
func TestRefreshBindsItsContext(t *testing.T) {
	phone, server := newKey(t)
	base := RefreshContext{Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16), KeyIDs: []string{"key-1", "key-2"}}
	for name, change := range map[string]func(*RefreshContext){
		"account":      func(c *RefreshContext) { c.Account = "b" },
		"device":       func(c *RefreshContext) { c.Device = []byte("e") },
		"operation":    func(c *RefreshContext) { c.OpID = "p" },
		"server nonce": func(c *RefreshContext) { c.ServerNonce = make([]byte, 17) },
		"list":         func(c *RefreshContext) { c.KeyIDs = []string{"key-1"} },
		"order":        func(c *RefreshContext) { c.KeyIDs = []string{"key-2", "key-1"} },
	} {
		other := base
		change(&other)
		state, req, err := StartRefresh(rand.Reader, base)
		if err != nil {
			t.Fatal(err)
		}
		sr, reply, err := ServerRefresh(rand.Reader, other, req)
		if err != nil {
			t.Fatal(err)
		}
		pr, err := state.Finish(reply)
		if err != nil {
			t.Fatal(err)
		}
		k := serverKey{must(sr.ServerSigning("key-1", server.d2)), server.p}
		omega, b := k.open(t, IDRefresh, []byte("m"))
		_, err = Complete(k.d2, omega, b, must(Sign(rand.Reader, must(pr.PhoneSigning("key-1", phone.d1)), b)))
		wantError(t, "another "+name, err, ErrProof)
	}
}

func TestRefreshRefusesWhatIsNotInIt(t *testing.T) {
	phone, _ := newKey(t)
	r, server := refreshed(t, "key-1")
	_, err := r.PhoneSigning("key-2", phone.d1)
	wantError(t, "a key that is not listed", err, ErrMalformed)
	_, err = server.ServerEncryption("key-2", phone.d1)
	wantError(t, "a key that is not listed, on the server", err, ErrMalformed)
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	_, err = r.Records(rand.Reader, "device", stretches()[1], stretches()[2], nil)
	wantError(t, "no record", err, ErrMalformed)
	two, _ := refreshed(t, "key-1", "key-2")
	_, err = two.Records(rand.Reader, "device", stretches()[1], stretches()[2], []Record{rec, rec})
	wantError(t, "one record twice", err, ErrMalformed)
	for name, c := range map[string]RefreshContext{
		"key twice": {Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16), KeyIDs: []string{"k", "k"}},
		"no key":    {Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16)},
		"no nonce":  {Account: "a", Device: []byte("d"), OpID: "o", KeyIDs: []string{"k"}},
	} {
		_, _, err := StartRefresh(rand.Reader, c)
		wantError(t, name, err, ErrMalformed)
	}
	state, req, err := StartRefresh(rand.Reader, RefreshContext{Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16), KeyIDs: []string{"k"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.Finish(RefreshReply(req)); err != nil {
		t.Fatal(err)
	}
	_, err = state.Finish(RefreshReply(req))
	wantError(t, "a second finish", err, ErrSpent)
}

// A retry after an abandoned refresh draws other values (§2.5).
func TestRetryTakesNewValues(t *testing.T) {
	one, _ := refreshed(t, "key-1")
	two, _ := refreshed(t, "key-1")
	if must(one.derive("rho", "key-1")) == must(two.derive("rho", "key-1")) {
		t.Fatal("two refreshes share ρ")
	}
	if must(one.derive("rho", "key-1")) == must(one.derive("delta", "key-1")) {
		t.Fatal("ρ is δ")
	}
}
