package splitkey

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"testing"
)

func sealed(t testing.TB, module []byte, plain string) (AAD, SealedRequest, *Exchange) {
	t.Helper()
	a := AAD{Kid: "kid-1", Method: "POST", Path: "/operations/op-1/answer", OpID: "op-1", NonceID: "nonce-1", Device: []byte("device-1"), Time: 1_800_000_000}
	req, x, err := SealRequest(rand.Reader, module, a, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return a, req, x
}

func TestSealedRequestOpensUnderItsOwnBindingOnly(t *testing.T) {
	module, unwrap := newModule(t)
	_, otherUnwrap := newModule(t)
	a, req, _ := sealed(t, module, "t1")
	var back SealedRequest
	if err := json.Unmarshal(must(json.Marshal(req)), &back); err != nil {
		t.Fatal(err)
	}
	if plain, _, err := OpenRequest(unwrap, back.AAD(a.Method, a.Path, a.Device), back); err != nil || string(plain) != "t1" {
		t.Fatalf("got %q, %v", plain, err)
	}
	for name, change := range map[string]func(*AAD){
		"kid":       func(a *AAD) { a.Kid = "kid-2" },
		"method":    func(a *AAD) { a.Method = "PUT" },
		"path":      func(a *AAD) { a.Path = "/operations/op-2/answer" },
		"operation": func(a *AAD) { a.OpID = "op-2" },
		"nonce":     func(a *AAD) { a.NonceID = "" },
		"device":    func(a *AAD) { a.Device = []byte("device-2") },
		"time":      func(a *AAD) { a.Time++ },
		"border":    func(a *AAD) { a.OpID, a.NonceID = "op-1nonce-1", "" },
	} {
		other := a
		change(&other)
		_, _, err := OpenRequest(unwrap, other, req)
		wantError(t, "another "+name, err, ErrSealed)
	}
	_, _, err := OpenRequest(otherUnwrap, a, req)
	wantError(t, "another module key", err, ErrSealed)
	for name, change := range map[string]func(*SealedRequest){
		"version":        func(r *SealedRequest) { r.Version = "v2" },
		"box altered":    func(r *SealedRequest) { r.Box = bytes.Clone(r.Box); r.Box[0] ^= 1 },
		"box cut":        func(r *SealedRequest) { r.Box = r.Box[:len(r.Box)-1] },
		"no box":         func(r *SealedRequest) { r.Box = nil },
		"EK altered":     func(r *SealedRequest) { r.EK = bytes.Clone(r.EK); r.EK[len(r.EK)-1] ^= 1 },
		"no EK":          func(r *SealedRequest) { r.EK = nil },
		"EK of 17 bytes": func(r *SealedRequest) { r.EK = wrap(t, module, make([]byte, 17)) },
	} {
		other := req
		change(&other)
		_, _, err := OpenRequest(unwrap, a, other)
		wantError(t, name, err, ErrSealed)
	}
	_, _, err = OpenRequest(func([]byte) ([]byte, error) { return nil, errors.New("custody is in error") }, a, req)
	wantError(t, "custody refuses", err, ErrSealed)
}

func TestReplyOpensOnceAndForItsRequestOnly(t *testing.T) {
	module, unwrap := newModule(t)
	a, req, phone := sealed(t, module, "one")
	_, server, err := OpenRequest(unwrap, a, req)
	if err != nil {
		t.Fatal(err)
	}
	reply := must(server.SealReply(rand.Reader, []byte("W")))
	_, err = server.SealReply(rand.Reader, []byte("again"))
	wantError(t, "a second reply", err, ErrSpent)

	_, _, stranger := sealed(t, module, "two")
	_, err = stranger.OpenReply(reply)
	wantError(t, "the reply to another request", err, ErrSealed)
	_, err = phone.OpenReply(SealedReply{Salt: reply.Salt, Box: req.Box})
	wantError(t, "the request sent back", err, ErrSealed)
	_, err = phone.OpenReply(SealedReply{Salt: make([]byte, 16), Box: reply.Box})
	wantError(t, "another salt", err, ErrSealed)
	_, err = phone.OpenReply(SealedReply{Salt: reply.Salt[:15], Box: reply.Box})
	wantError(t, "a short salt", err, ErrSealed)
	if plain := must(phone.OpenReply(reply)); string(plain) != "W" {
		t.Fatalf("got %q", plain)
	}
	_, err = phone.OpenReply(reply)
	wantError(t, "a reply opened twice", err, ErrSpent)
}

func TestEveryRequestTakesAFreshKey(t *testing.T) {
	module, _ := newModule(t)
	_, one, x := sealed(t, module, "same")
	_, two, y := sealed(t, module, "same")
	if bytes.Equal(one.EK, two.EK) || bytes.Equal(one.Box, two.Box) || x.k == y.k {
		t.Fatal("two requests share a key")
	}
}

func TestOversizedBodiesAreRefused(t *testing.T) {
	module, unwrap := newModule(t)
	_, _, err := SealRequest(rand.Reader, module, AAD{}, make([]byte, maxSealed+1))
	wantError(t, "request", err, ErrMalformed)
	a, req, _ := sealed(t, module, "x")
	_, server, err := OpenRequest(unwrap, a, req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.SealReply(rand.Reader, make([]byte, maxSealed+1))
	wantError(t, "reply", err, ErrMalformed)
	if _, err := server.SealReply(rand.Reader, []byte("problem")); err != nil {
		t.Fatal("a refused reply spends the exchange", err)
	}
}

func TestPhoneRandomNeedsBothSourcesToFail(t *testing.T) {
	read := func(local stuck, seed byte) string {
		r := must(NewRandom(local, bytes.Repeat([]byte{seed}, SeedSize)))
		b := make([]byte, 5_000)
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b[:32], b[32:64]) {
			t.Fatal("output repeats")
		}
		return string(b)
	}
	base := read(1, 1)
	if read(1, 2) == base {
		t.Error("the server's seed does not matter")
	}
	if read(2, 1) == base {
		t.Error("the local bits do not matter")
	}
	if read(1, 1) != base {
		t.Error("something else enters")
	}
	_, err := NewRandom(stuck(1), make([]byte, 47))
	wantError(t, "a short seed", err, ErrMalformed)
	_, err = NewRandom(bytes.NewReader(nil), make([]byte, SeedSize))
	wantError(t, "no local bits", err, ErrRandom)
	r := must(NewRandom(bytes.NewReader(make([]byte, 64)), make([]byte, SeedSize)))
	_, err = r.Read(make([]byte, 1))
	wantError(t, "local bits that end", err, ErrRandom)
}
