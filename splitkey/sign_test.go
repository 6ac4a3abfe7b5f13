package splitkey

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// Two strangers agree: gmsm on every signature, openssl on a sample. The full
// run of 10,000 is SPLITKEY_FULL=1 (docs/split-keys.md §8).
func TestRandomSignaturesVerifyElsewhere(t *testing.T) {
	ids := []string{IDDocument, IDLogin, IDEncrypt, IDPIN, IDRefresh, IDTrial, IDTakeover}
	var phone phoneKey
	var server serverKey
	sample := rounds(4, 40)
	for i := range rounds(1_000, 10_000) {
		if i%10 == 0 {
			phone, server = newKey(t)
		}
		m := make([]byte, i%1500)
		if _, err := rand.Read(m); err != nil {
			t.Fatal(err)
		}
		id := ids[i%len(ids)]
		sig := cosign(t, phone, server, id, m)
		if !gmsmVerifies(t, phone.p, id, m, sig) {
			t.Fatalf("gmsm refuses signature %d", i)
		}
		if id == IDDocument && sample > 0 {
			sample--
			opensslVerifies(t, phone.p, m, sig)
			if out, err := openssl(t, phone.p, append(m, 0), sig); err == nil {
				t.Fatalf("openssl accepts another message: %s", out)
			}
		}
	}
}

func TestDigestIsThatOfGmsm(t *testing.T) {
	phone, _ := newKey(t)
	pub := must(sm2.NewPublicKey(phone.p))
	big := bytes.Repeat([]byte("0123456789abcdef"), MaxMessage/16)
	for _, m := range [][]byte{nil, []byte("m"), big} {
		for _, id := range []string{IDDocument, IDLogin} {
			want := must(sm2.CalculateSM2Hash(pub, m, []byte(id)))
			if got := must(Digest(phone.p, id, m)); !bytes.Equal(got, want) {
				t.Fatalf("digest of %d bytes under %s: %x, gmsm %x", len(m), id, got, want)
			}
			d := must(NewDigester(phone.p, id))
			for rest := m; len(rest) > 0; {
				n := min(len(rest), 100_003)
				if _, err := d.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if !bytes.Equal(d.Sum(), want) {
				t.Fatal("a digest in pieces differs")
			}
		}
	}
	_, err := Digest(phone.p, IDDocument, append(big, 0))
	wantError(t, "a message over the limit", err, ErrMalformed)
	d := must(NewDigester(phone.p, IDDocument))
	if _, err := d.Write(big); err != nil {
		t.Fatal(err)
	}
	_, err = d.Write([]byte{0})
	wantError(t, "a piece over the limit", err, ErrMalformed)
	_, err = NewDigester(phone.p, "")
	wantError(t, "no ID", err, ErrMalformed)
}

// An answer serves the operation, nonce, key and message it was made for.
func TestAnswerServesItsOwnBindingOnly(t *testing.T) {
	phone, server := newKey(t)
	_, foreign := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	omega2, b2 := server.open(t, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, b))
	if _, err := Complete(server.d2, omega, b, answer); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Binding){
		"key ID":    func(x *Binding) { x.KeyID = "key-2" },
		"key":       func(x *Binding) { x.PublicKey = foreign.p },
		"operation": func(x *Binding) { x.OpID = "op-2" },
		"nonce":     func(x *Binding) { x.NonceID = "nonce-2" },
		"W":         func(x *Binding) { x.W = b2.W },
	} {
		other := b
		change(&other)
		_, err := Complete(server.d2, omega, other, answer)
		wantError(t, name, err, ErrProof)
	}
	_, err := Complete(server.d2, omega2, b, answer)
	wantError(t, "another ω", err, ErrProof)
	_, err = Complete(foreign.d2, omega, b, answer)
	wantError(t, "another share", err, ErrProof)
	_, err = Complete(server.d2, omega, b2, answer)
	wantError(t, "another nonce of the same operation", err, ErrProof)

	e2 := b
	e2.Digest = must(Digest(phone.p, IDDocument, []byte("other")))
	_, err = Complete(server.d2, omega, e2, answer)
	wantError(t, "another message", err, ErrDigest)

	wrongPIN := must(Sign(rand.Reader, must(NewSecret(rand.Reader)), b))
	if err := wrongPIN.Check(b.Digest); err != nil {
		t.Fatal("a wrong PIN is told before it is charged", err)
	}
	_, err = Complete(server.d2, omega, b, wrongPIN)
	wantError(t, "a wrong PIN", err, ErrProof)
}

// NATS subjects and paths may carry nonce IDs elsewhere; here they are bytes.
func TestIDsAreOpaque(t *testing.T) {
	phone, server := newKey(t)
	for _, id := range []string{"a.b", "*", ">", "\x00", "号"} {
		omega, b := server.open(t, IDDocument, []byte("m"))
		b.NonceID, b.OpID = id, id
		if _, err := Complete(server.d2, omega, b, must(Sign(rand.Reader, phone.d1, b))); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestMessagesTravelAsJSON(t *testing.T) {
	phone, server := newKey(t)
	omega, b := server.open(t, IDDocument, []byte("m"))
	answer := must(Sign(rand.Reader, phone.d1, b))
	var back SignAnswer
	if err := json.Unmarshal(must(json.Marshal(answer)), &back); err != nil {
		t.Fatal(err)
	}
	if _, err := Complete(server.d2, omega, b, back); err != nil {
		t.Fatal(err)
	}
	rec := maskWith(t, ownerPIN, PurposeSign, "key-1", phone.p, phone.d1)
	var stored Record
	if err := json.Unmarshal(must(json.Marshal(rec)), &stored); err != nil {
		t.Fatal(err)
	}
	if !must(stretches()[ownerPIN].Unmask("device", stored)).Equal(phone.d1) {
		t.Fatal("a record does not survive storage")
	}
}

func TestSignatureDERIsStrict(t *testing.T) {
	phone, server := newKey(t)
	sig := cosign(t, phone, server, IDDocument, []byte("m"))
	der := must(sig.DER())
	back := must(ParseSignature(der))
	if !bytes.Equal(back.R, sig.R) || !bytes.Equal(back.S, sig.S) {
		t.Fatal("a signature does not come back")
	}
	n := gm.Params().N.Bytes()
	for name, bad := range map[string][]byte{
		"empty":            nil,
		"trailing":         append(bytes.Clone(der), 0),
		"SET":              append([]byte{0x31}, der[1:]...),
		"zero r":           {0x30, 6, 2, 1, 0, 2, 1, 1},
		"negative r":       {0x30, 6, 2, 1, 0x80, 2, 1, 1},
		"padded r":         {0x30, 7, 2, 2, 0, 1, 2, 1, 1},
		"r alone":          {0x30, 3, 2, 1, 1},
		"three numbers":    {0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1},
		"BER length":       append([]byte{0x30, 0x81, byte(len(der) - 2)}, der[2:]...),
		"s = n":            append([]byte{0x30, 3 + 35, 2, 1, 1, 2, 33, 0}, n...),
		"r of 33 bytes":    append([]byte{0x30, 38, 2, 33, 1}, append(make([]byte, 32), 2, 1, 1)...),
		"length too great": {0x30, 10, 2, 1, 1},
	} {
		_, err := ParseSignature(bad)
		wantError(t, name, err, ErrMalformed)
	}
	if _, err := (Signature{R: sig.R}).DER(); !errors.Is(err, ErrMalformed) {
		t.Error("half a signature encodes")
	}
	short := Signature{R: scalarBytes(1), S: scalarBytes(0x80)}
	if got := must(short.DER()); !bytes.Equal(got, []byte{0x30, 7, 2, 1, 1, 2, 2, 0, 0x80}) {
		t.Errorf("small numbers encode as %x", got)
	}
}

func TestBrokenRandomSourceIsAnError(t *testing.T) {
	phone, server := newKey(t)
	_, b := server.open(t, IDDocument, []byte("m"))
	k := newEncryptionKey(t)
	_, db := k.binding(t, 1)
	broken := func() io.Reader { return io.LimitReader(rand.Reader, 5) }
	_, signErr := Sign(broken(), phone.d1, b)
	_, _, openErr := OpenNonce(broken(), phone.p)
	_, _, keygenErr := StartKeygen(broken(), testContext)
	_, proveErr := ProveDecrypt(broken(), k.a, db)
	_, _, dealErr := Deal(broken(), k.de)
	_, maskErr := stretches()[0].Mask(broken(), "device", PurposeSign, "key-1", phone.p, phone.d1)
	_, _, sealErr := SealRequest(broken(), phone.p, AAD{}, nil)
	_, secretErr := NewSecret(stuck(0xff)) // never below n
	_, zeroErr := NewSecret(stuck(0))
	for name, err := range map[string]error{"sign": signErr, "open": openErr, "keygen": keygenErr, "prove": proveErr,
		"deal": dealErr, "mask": maskErr, "seal": sealErr, "all ones": secretErr, "all zeros": zeroErr} {
		if !errors.Is(err, ErrRandom) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
