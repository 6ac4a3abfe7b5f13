package splitkey

import (
	"bytes"
	"crypto/rand"
	"testing"
)

func TestPublicKeyIsThatOfBothShares(t *testing.T) {
	phone, server := newKey(t)
	d := mulAll(phone.d1.s, server.d2.s) // (1+d)^-1
	if !onBase(inverseOf(d)).sub(generator()).equal(mustPoint(phone.p)) || !bytes.Equal(phone.p, server.p) {
		t.Fatal("P is not d1^-1·d2^-1·G − G")
	}
	other, _ := newKey(t)
	if bytes.Equal(other.p, phone.p) {
		t.Fatal("two keys are the same")
	}
}

// A proof serves the context it was made for, in both directions (§2.1).
func TestKeygenProofsAreBoundToTheContext(t *testing.T) {
	for name, change := range map[string]func(*Context){
		"account":   func(c *Context) { c.Account = "account-2" },
		"device":    func(c *Context) { c.Device = []byte("device-2") },
		"enrolment": func(c *Context) { c.Enrolment = "enrolment-2" },
		"server":    func(c *Context) { c.Server = "server-2" },
		"key ID":    func(c *Context) { c.KeyID = "key-2" },
	} {
		other := testContext
		change(&other)
		state, req, err := StartKeygen(rand.Reader, testContext)
		if err != nil {
			t.Fatal(err)
		}
		d2, _, err := ServerKeygen(rand.Reader, other, req)
		wantError(t, "the phone's proof under another "+name, err, ErrProof)
		if d2 != nil {
			t.Fatal("a share comes with the refusal")
		}
		// A server that answers under its own idea of the context.
		_, req2, err := StartKeygen(rand.Reader, other)
		if err != nil {
			t.Fatal(err)
		}
		_, reply, err := ServerKeygen(rand.Reader, other, req2)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = state.Finish(reply)
		wantError(t, "the server's proof under another "+name, err, ErrProof)
		if !state.d1.isZero() {
			t.Fatal("a failed finish keeps d1")
		}
	}
}

// A server that sends a P of its choice is found out, although it proves P2.
func TestPhoneRefusesAForeignPublicKey(t *testing.T) {
	state, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := ServerKeygen(rand.Reader, testContext, req)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := newKey(t)
	reply.P = other.p
	_, _, err = state.Finish(reply)
	wantError(t, "another P", err, ErrProof)
}

// A P1 that the sender does not know the logarithm of is refused: with
// P1 = X·k it would make the server an oracle for d2^-1·X.
func TestServerRefusesUnprovedP1(t *testing.T) {
	_, req, err := StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	req.P1 = mustPoint(req.P1).add(generator()).bytes()
	_, _, err = ServerKeygen(rand.Reader, testContext, req)
	wantError(t, "P1 + G with the proof of P1", err, ErrProof)
	_, req, err = StartKeygen(rand.Reader, testContext)
	if err != nil {
		t.Fatal(err)
	}
	req.A = mustPoint(req.A).add(generator()).bytes()
	_, _, err = ServerKeygen(rand.Reader, testContext, req)
	wantError(t, "an altered commitment", err, ErrProof)
}
