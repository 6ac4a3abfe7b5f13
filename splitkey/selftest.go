//go:build !js

package splitkey

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// stream is a random source that repeats: SM3 of a counter. For known answers only.
type stream struct {
	block byte
	rest  []byte
}

func (s *stream) Read(b []byte) (int, error) {
	for i := range b {
		if len(s.rest) == 0 {
			s.block++
			sum := sm3.Sum([]byte{s.block})
			s.rest = sum[:]
		}
		b[i], s.rest = s.rest[0], s.rest[1:]
	}
	return len(b), nil
}

// knownAnswers are frozen. The first three are published: the signature and
// the ciphertext of GB/T 32918.5 (recommended curve) and SM4-GCM of RFC 8998
// §A.1; the others were computed once with this package and must never change,
// or phones in the field stop agreeing with the server.
var knownAnswers = struct {
	digestKey, r, s                 string
	decryptKey, c1, c2, c3          string
	gcmKey, gcmIV, gcmAAD, gcmPlain string
	gcmBox                          string
	bind, p, w, answerR, answerT1   string
	completeS, masked               string
	rho, sealed                     string
}{
	digestKey:  "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
	r:          "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3",
	s:          "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
	decryptKey: "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8",
	c1:         "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0",
	c2:         "21886ca989ca9c7d58087307ca93092d651efa",
	c3:         "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766",
	gcmKey:     "0123456789abcdeffedcba9876543210",
	gcmIV:      "00001234567800000000abcd",
	gcmAAD:     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	gcmPlain:   "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
	gcmBox:     "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec",
	p:          "04add599dc32ba25bb0e4cabfab71b5766aaf14d396e94e9fe82861a1a27afa10415282b34549b950ea5155fd11c73d604b3a600ef7bd983dad3a7d0ea1da9de7a",
	w:          "04e92a01bfc2e661270416924a963a12adbebcab68f53fce830212eca32c1784897eae91fa50f5aa0b0f8a2e4d6c382ad8f3f889c9a3d34d1dd5b32aac73d498cf",
	bind:       "ebb8714c286ac7e098ac8916b0d35407dc605c9d456e60a406cf396bcc879fe1",
	answerR:    "3718139780a5d4d1e33802cc77be8572e01aaa3a09e5d3adc9ddcb9858cdf5de",
	answerT1:   "81860573c3eb5d77313a2247ec369b032ed452ee25fe56ba1c1641c62f971547",
	completeS:  "33f8bcfe161bf2400dc3b1adcf2d84354c1cb241454671b02d21fc3f810199a0",
	masked:     "a69756941ced2b62f127ae498166fbd3ec3a15cb996dc834568570b67e090fcd",
	rho:        "46d4d4c68be07911817325c2e6f8c95c4343054548439a9190b628e363e005e5",
	sealed:     "eea65c6ab76eb8d584341ca21a01456beec36db4",
}

// KnownAnswers runs the self-test of the module: the primitives, published
// vectors, h, a whole key generation and co-signature, co-decryption, the mask,
// refresh and sealing with fixed random bits. custody calls it at start and
// refuses everything when it fails (docs/split-keys.md §7). The health of the
// random source is the caller's to test.
func KnownAnswers() error {
	for _, test := range []struct {
		name string
		run  func() error
	}{
		{"SM2", sm2.SelfTest}, {"SM3", sm3.SelfTest}, {"SM4", sm4.SelfTest},
		{"SM2 verification", answerVerify}, {"co-decryption", answerDecrypt}, {"SM4-GCM", answerGCM},
		{"co-signature", answerSign}, {"PIN mask", answerMask}, {"refresh", answerRefresh}, {"sealing", answerSeal},
	} {
		if err := test.run(); err != nil {
			return fmt.Errorf("splitkey: self-test of %s: %w", test.name, err)
		}
	}
	return nil
}

// unhex decodes a constant of this file.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func expect(name string, got []byte, want string) error {
	if hex.EncodeToString(got) != want {
		return fmt.Errorf("%s is %x", name, got)
	}
	return nil
}

func answerVerify() error {
	k := &knownAnswers
	e, err := Digest(unhex(k.digestKey), IDDocument, []byte("message digest"))
	if err != nil {
		return err
	}
	sig := Signature{R: unhex(k.r), S: unhex(k.s)}
	if err := Verify(unhex(k.digestKey), e, sig); err != nil {
		return err
	}
	e[0] ^= 1
	if Verify(unhex(k.digestKey), e, sig) == nil {
		return fmt.Errorf("altered digest verifies")
	}
	return nil
}

func answerDecrypt() error {
	k := &knownAnswers
	de, err := ParseSecret(unhex(k.decryptKey))
	if err != nil {
		return err
	}
	pe, err := de.PublicKey()
	if err != nil {
		return err
	}
	rand := &stream{}
	a, b, err := Deal(rand, de)
	if err != nil {
		return err
	}
	c := Ciphertext{C1: unhex(k.c1), C2: unhex(k.c2), C3: unhex(k.c3)}
	binding := DecryptBinding{KeyID: "key", OpID: "operation", ServerNonce: make([]byte, 16), Platform: make([]byte, DigestSize), C1: [][]byte{c.C1}}
	proof, err := ProveDecrypt(rand, a, binding)
	if err != nil {
		return err
	}
	t2, err := DeriveT2(b, pe, binding, proof)
	if err != nil {
		return err
	}
	plain, err := FinishDecrypt(a, c, t2[0])
	if err != nil {
		return err
	}
	if string(plain) != "encryption standard" {
		return fmt.Errorf("plaintext is %x", plain)
	}
	binding.OpID = "another"
	if _, err := DeriveT2(b, pe, binding, proof); err == nil {
		return fmt.Errorf("proof of another operation verifies")
	}
	return nil
}

func answerGCM() error {
	k := &knownAnswers
	block, err := sm4.NewCipher(unhex(k.gcmKey))
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	return expect("box", aead.Seal(nil, unhex(k.gcmIV), unhex(k.gcmPlain), unhex(k.gcmAAD)), k.gcmBox)
}

func answerSign() error {
	k, rand := &knownAnswers, &stream{}
	ctx := Context{Account: "account", Device: []byte("device"), Enrolment: "enrolment", Server: "server", KeyID: "key"}
	phone, req, err := StartKeygen(rand, ctx)
	if err != nil {
		return err
	}
	d2, reply, err := ServerKeygen(rand, ctx, req)
	if err != nil {
		return err
	}
	d1, p, err := phone.Finish(reply)
	if err != nil {
		return err
	}
	if err := expect("P", p, k.p); err != nil {
		return err
	}
	omega, w, err := OpenNonce(rand, p)
	if err != nil {
		return err
	}
	if err := expect("W", w, k.w); err != nil {
		return err
	}
	e, err := Digest(p, IDLogin, []byte("message"))
	if err != nil {
		return err
	}
	b := Binding{KeyID: "key", PublicKey: p, OpID: "operation", NonceID: "nonce", W: w, Digest: e}
	x, err := b.parse()
	if err != nil {
		return err
	}
	if err := expect("h", x.h[:], k.bind); err != nil {
		return err
	}
	answer, err := Sign(rand, d1, b)
	if err != nil {
		return err
	}
	if err := expect("r", answer.R, k.answerR); err != nil {
		return err
	}
	if err := expect("t1", answer.T1, k.answerT1); err != nil {
		return err
	}
	sig, err := Complete(d2, omega, b, answer)
	if err != nil {
		return err
	}
	if err := expect("s", sig.S, k.completeS); err != nil {
		return err
	}
	b.NonceID = "another"
	if _, err := Complete(d2, omega, b, answer); err == nil {
		return fmt.Errorf("answer to another nonce completes")
	}
	return Verify(p, e, sig)
}

func answerMask() error {
	k, rand := &knownAnswers, &stream{}
	stretched, err := Stretch([]byte("493817"), bytes.Repeat([]byte{1}, SaltSize), bytes.Repeat([]byte{2}, PepperSize))
	if err != nil {
		return err
	}
	share := &Secret{s: scalar{ScalarSize - 1: 7}}
	rec, err := stretched.Mask(rand, "device", PurposeSign, "key", unhex(k.digestKey), share)
	if err != nil {
		return err
	}
	if err := expect("masked share", rec.Masked, k.masked); err != nil {
		return err
	}
	back, err := stretched.Unmask("device", rec)
	if err != nil {
		return err
	}
	if !back.Equal(share) {
		return fmt.Errorf("share does not come back")
	}
	return nil
}

func answerRefresh() error {
	k, rand := &knownAnswers, &stream{}
	ctx := RefreshContext{Account: "account", Device: []byte("device"), OpID: "operation", ServerNonce: make([]byte, 16), KeyIDs: []string{"key"}}
	phone, req, err := StartRefresh(rand, ctx)
	if err != nil {
		return err
	}
	server, reply, err := ServerRefresh(rand, ctx, req)
	if err != nil {
		return err
	}
	r, err := phone.Finish(reply)
	if err != nil {
		return err
	}
	rho, err := server.derive("rho", "key")
	if err != nil {
		return err
	}
	if err := expect("ρ", rho[:], k.rho); err != nil {
		return err
	}
	same, err := r.derive("rho", "key")
	if err != nil {
		return err
	}
	if !same.equal(&rho) {
		return fmt.Errorf("phone and server disagree")
	}
	return nil
}

func answerSeal() error {
	k := &knownAnswers
	x := &Exchange{aad: AAD{Kid: "kid", Method: "POST", Path: "/path", Device: []byte("device"), Time: 1}.bytes()}
	aead, iv := x.key("request", nil)
	return expect("sealed request", aead.Seal(nil, iv, []byte("body"), x.aad), k.sealed)
}
