package splitkey

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"testing"
)

// A fuzz target for every decoder of outside bytes. `go test` runs the seeds;
// `go test -fuzz FuzzX ./splitkey` searches.

// addCut seeds b, its prefixes and one altered copy.
func addCut(f *testing.F, all ...[]byte) {
	for _, b := range all {
		f.Add(b)
		f.Add(b[:len(b)/2])
		altered := append(bytes.Clone(b), 0)
		altered[len(altered)/3] ^= 0x80
		f.Add(altered)
	}
}

func malformedOnly(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, ErrMalformed) {
		t.Fatalf("a decoder returns %v", err)
	}
	return err == nil
}

func FuzzPoint(f *testing.F) {
	addCut(f, generator().bytes())
	for _, b := range badPoints() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePoint(b)
		if malformedOnly(t, err) && !bytes.Equal(p.bytes(), b) {
			t.Fatal("a point has two encodings")
		}
	})
}

func FuzzScalar(f *testing.F) {
	addCut(f, scalarBytes(1))
	for _, b := range badScalars() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSecret(b)
		if malformedOnly(t, err) && !bytes.Equal(s.Bytes(), b) {
			t.Fatal("a scalar has two encodings")
		}
	})
}

func FuzzSignature(f *testing.F) {
	addCut(f, must(Signature{R: scalarBytes(1), S: gm.Params().Gx.Bytes()}.DER()))
	f.Fuzz(func(t *testing.T, b []byte) {
		sig, err := ParseSignature(b)
		if malformedOnly(t, err) && !bytes.Equal(must(sig.DER()), b) {
			t.Fatal("a signature has two encodings")
		}
	})
}

func FuzzCiphertext(f *testing.F) {
	d := must(ParseSecret(scalarBytes(7)))
	addCut(f, wrap(f, must(d.PublicKey()), []byte("plain")))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCiphertext(b)
		if !malformedOnly(t, err) {
			return
		}
		if rest, err := asn1.Unmarshal(b, new(asn1.RawValue)); err != nil || len(rest) != 0 {
			t.Fatal("a ciphertext is not DER")
		}
		if _, err := FinishDecrypt(d, c, generator().bytes()); err != nil && err != ErrDecrypt {
			t.Fatalf("decryption returns %v", err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	addCut(f, must(sampleLogin().Bytes()), must(sampleEncrypt().Bytes()), must(sampleConfirm().Bytes()), must(sampleStatement().Bytes()))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := 0
		check := func(m interface{ Bytes() ([]byte, error) }, err error) {
			if malformedOnly(t, err) {
				read++
				if !bytes.Equal(must(m.Bytes()), b) {
					t.Fatalf("%T has two encodings", m)
				}
			}
		}
		login, err := ParseLoginMessage(b)
		check(login, err)
		encrypt, err := ParseEncryptMessage(b)
		check(encrypt, err)
		confirm, err := ParseConfirmMessage(b)
		check(confirm, err)
		statement, err := ParseModuleStatement(b)
		check(statement, err)
		if read > 1 {
			t.Fatal("one encoding is two messages")
		}
		if read == 1 && CheckDocument(b) == nil {
			t.Fatal("a message passes as a document")
		}
	})
}

func FuzzIsWholeDER(f *testing.F) {
	addCut(f, must(asn1.Marshal([]int{1, 2, 3})), must(asn1.MarshalWithParams([]int{1, 2}, "set")),
		[]byte{0x30, 0x80, 2, 1, 1, 0, 0}, []byte("1. 投标函"), []byte{0x3f, 0x10, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		taken := IsWholeDER(b)
		var raw asn1.RawValue
		rest, err := asn1.Unmarshal(b, &raw)
		if err != nil || len(rest) != 0 || raw.Class != 0 || (raw.Tag != asn1.TagSequence && raw.Tag != asn1.TagSet) {
			return
		}
		// Go reads the outside; its contents too, if they are elements.
		for inner := raw.Bytes; len(inner) > 0; {
			if inner, err = asn1.Unmarshal(inner, new(asn1.RawValue)); err != nil {
				return
			}
		}
		if !taken {
			t.Fatalf("%x is not taken for DER", b)
		}
	})
}

func FuzzKeygenRequest(f *testing.F) {
	_, req, err := StartKeygen(stuck(1), testContext)
	if err != nil {
		f.Fatal(err)
	}
	addCut(f, must(json.Marshal(req)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r KeygenRequest
		if json.Unmarshal(b, &r) != nil {
			return
		}
		if _, _, err := ServerKeygen(rand.Reader, testContext, r); err != nil && !errors.Is(err, ErrProof) {
			malformedOnly(t, err)
		}
	})
}

func FuzzKeygenReply(f *testing.F) {
	_, req, err := StartKeygen(stuck(1), testContext)
	if err != nil {
		f.Fatal(err)
	}
	_, reply, err := ServerKeygen(stuck(2), testContext, req)
	if err != nil {
		f.Fatal(err)
	}
	addCut(f, must(json.Marshal(reply)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r KeygenReply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		state, _, err := StartKeygen(stuck(1), testContext)
		if err != nil {
			t.Fatal(err)
		}
		if _, p, err := state.Finish(r); err == nil {
			if !bytes.Equal(p, reply.P) {
				t.Fatal("the phone takes another key than the server's")
			}
		} else if !errors.Is(err, ErrProof) {
			malformedOnly(t, err)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	phone, server := newKey(f)
	omega, b := server.open(f, IDDocument, []byte("m"))
	k := newEncryptionKey(f)
	_, db := k.binding(f, 1)
	addCut(f, must(json.Marshal(must(Sign(rand.Reader, phone.d1, b)))), must(json.Marshal(must(ProveDecrypt(rand.Reader, k.a, db)))))
	f.Fuzz(func(t *testing.T, in []byte) {
		var s SignAnswer
		if json.Unmarshal(in, &s) == nil {
			if sig, err := Complete(server.d2, omega, b, s); err == nil {
				if err := Verify(phone.p, b.Digest, sig); err != nil {
					t.Fatal("what completes does not verify")
				}
			} else if !errors.Is(err, ErrProof) && !errors.Is(err, ErrDigest) {
				malformedOnly(t, err)
			}
		}
		var d DecryptAnswer
		if json.Unmarshal(in, &d) == nil {
			if _, err := DeriveT2(k.b, k.pe, db, d); err != nil && !errors.Is(err, ErrProof) {
				malformedOnly(t, err)
			}
		}
	})
}

func FuzzRefreshMessages(f *testing.F) {
	c := RefreshContext{Account: "a", Device: []byte("d"), OpID: "o", ServerNonce: make([]byte, 16), KeyIDs: []string{"k"}}
	addCut(f, must(json.Marshal(RefreshRequest{E: generator().bytes()})))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r RefreshRequest
		if json.Unmarshal(b, &r) != nil {
			return
		}
		_, _, err := ServerRefresh(rand.Reader, c, r)
		malformedOnly(t, err)
		state, _, err := StartRefresh(rand.Reader, c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = state.Finish(RefreshReply(r))
		malformedOnly(t, err)
	})
}

func FuzzRecord(f *testing.F) {
	phone, _ := newKey(f)
	rec := maskWith(f, 1, PurposeSign, "key-1", phone.p, phone.d1)
	addCut(f, must(json.Marshal(rec)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if json.Unmarshal(b, &r) != nil {
			return
		}
		// A record that one PIN opens is opened by every PIN.
		_, one := stretches()[1].Unmask("device", r)
		_, two := stretches()[2].Unmask("device", r)
		malformedOnly(t, one)
		if (one == nil) != (two == nil) {
			t.Fatal("a record tells PINs apart")
		}
	})
}

func FuzzSealedRequest(f *testing.F) {
	module, unwrap := newModule(f)
	a, req, _ := sealed(f, module, "body")
	addCut(f, must(json.Marshal(req)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r SealedRequest
		if json.Unmarshal(b, &r) != nil {
			return
		}
		plain, _, err := OpenRequest(unwrap, r.AAD(a.Method, a.Path, a.Device), r)
		if err == nil && string(plain) != "body" || err != nil && err != ErrSealed {
			t.Fatalf("opens to %q, %v", plain, err)
		}
	})
}

func FuzzSealedReply(f *testing.F) {
	module, unwrap := newModule(f)
	a, req, phone := sealed(f, module, "body")
	_, server, err := OpenRequest(unwrap, a, req)
	if err != nil {
		f.Fatal(err)
	}
	addCut(f, must(json.Marshal(must(server.SealReply(rand.Reader, []byte("reply"))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r SealedReply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		plain, err := phone.OpenReply(r)
		if err == nil && string(plain) != "reply" || err != nil && err != ErrSealed && err != ErrSpent {
			t.Fatalf("opens to %q, %v", plain, err)
		}
	})
}

func FuzzPIN(f *testing.F) {
	f.Add("123456", "11010519491231002X", "13900001234")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, pin, idNumber, phone string) {
		err := CheckPIN(pin, idNumber, phone)
		if err == nil && len(pin) != 6 {
			t.Fatal("a PIN of another length passes")
		}
	})
}
