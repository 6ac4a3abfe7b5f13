package console_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"tianweitong/internal/office"
)

// authenticator is a passkey in software.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	origin  string
	counter uint32
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &authenticator{t: t, key: key, id: id, origin: origin, counter: 7}
}

var b64 = base64.RawURLEncoding

func (a *authenticator) client(kind string, options anyMap) []byte {
	a.t.Helper()
	b, err := json.Marshal(anyMap{"type": kind, "challenge": options["challenge"], "origin": a.origin, "crossOrigin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// data is the authenticator's data for a relying party.
func (a *authenticator) data(rp string, flags byte) []byte {
	sum := sha256.Sum256([]byte(rp))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), a.counter)
}

// create answers creation options.
func (a *authenticator) create(options anyMap) anyMap {
	a.t.Helper()
	client := a.client("webauthn.create", options)
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		a.t.Fatal(err)
	}
	data := a.data(options["rp"].(anyMap)["id"].(string), 0x45) // present, verified, with a key
	data = append(data, make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), cose...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.credential(anyMap{"clientDataJSON": b64.EncodeToString(client), "attestationObject": b64.EncodeToString(object)})
}

// get answers request options.
func (a *authenticator) get(options anyMap) anyMap {
	a.t.Helper()
	a.counter++
	client := a.client("webauthn.get", options)
	data := a.data(options["rpId"].(string), 0x05)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.credential(anyMap{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data), "signature": b64.EncodeToString(signature),
	})
}

func (a *authenticator) credential(response anyMap) anyMap {
	return anyMap{"credential": anyMap{
		"id": b64.EncodeToString(a.id), "rawId": b64.EncodeToString(a.id), "type": "public-key", "response": response, "clientExtensionResults": anyMap{},
	}}
}

func options(answer anyMap) anyMap { return answer["publicKey"].(anyMap) }

func TestAPasskeySignsIn(t *testing.T) {
	k := one(t)
	b, a := k.officer("first", office.Super), newAuthenticator(t)
	b.refused("console_password_wrong", "POST", "/factors/passkey/begin", anyMap{"password": "not the password"})
	made := a.create(options(b.ok("POST", "/factors/passkey/begin", anyMap{"password": password})))
	made["label"] = "测试密钥"
	if got := b.ok("POST", "/factors/passkey/finish", made); len(got["factors"].([]any)) != 2 {
		t.Errorf("session = %v", got)
	}
	b.refused("console_ceremony_over", "POST", "/factors/passkey/finish", made)

	h := b.half()
	if got := h.ok("GET", "/session", nil); got["next"] != "passkey" {
		t.Errorf("next = %v", got)
	}
	answer := a.get(options(h.ok("POST", "/session/passkey/begin", nil)))
	if got := h.ok("POST", "/session/passkey/finish", answer); got["stage"] != "full" {
		t.Errorf("session = %v", got)
	}
	replay := b.half()
	replay.refused("console_ceremony_over", "POST", "/session/passkey/finish", answer)
	replay.ok("POST", "/session/passkey/begin", nil)
	replay.refused("console_passkey_invalid", "POST", "/session/passkey/finish", answer)
}

func TestAPasskeyOfAnotherOriginOrKeyIsRefused(t *testing.T) {
	k := one(t)
	b, a := k.officer("first", office.Super), newAuthenticator(t)
	b.ok("POST", "/factors/passkey/finish", a.create(options(b.ok("POST", "/factors/passkey/begin", anyMap{"password": password}))))
	elsewhere, other := *a, newAuthenticator(t)
	elsewhere.origin = "https://console.example.com"
	other.id = a.id
	copied := *a
	copied.counter = 0
	for name, bad := range map[string]*authenticator{"another origin": &elsewhere, "another key": other, "a copy whose counter is behind": &copied} {
		h := b.half()
		if status, out := h.send("POST", "/session/passkey/finish", bad.get(options(h.ok("POST", "/session/passkey/begin", nil)))); status != 422 || out["code"] != "console_passkey_invalid" {
			t.Errorf("%s: %d %v", name, status, out)
		}
		h.refused("console_second_factor_required", "GET", "/officers", nil)
	}
	h := b.half()
	h.ok("POST", "/session/passkey/finish", a.get(options(h.ok("POST", "/session/passkey/begin", nil))))
}

func TestTheLastFactorStays(t *testing.T) {
	k := one(t)
	b, a := k.officer("first", office.Super), newAuthenticator(t)
	first := func() string { return b.ok("GET", "/factors", nil)["factors"].([]any)[0].(anyMap)["id"].(string) }
	b.refused("console_factor_last", "DELETE", "/factors/"+first(), nil)
	b.ok("POST", "/factors/passkey/finish", a.create(options(b.ok("POST", "/factors/passkey/begin", anyMap{"password": password}))))
	b.ok("DELETE", "/factors/"+first(), nil)
	b.refused("console_factor_last", "DELETE", "/factors/"+first(), nil)
	if got := b.half().ok("GET", "/session", nil)["factors"].([]any); len(got) != 1 || got[0] != "passkey" {
		t.Errorf("factors = %v", got)
	}
	b.half().refused("console_factor_not_found", "POST", "/session/totp", anyMap{"code": b.code(0)})
}

func TestANewKeyOfOneTimePasswordsReplacesTheOld(t *testing.T) {
	k := one(t)
	b := k.officer("first", office.Super)
	old := *b
	b.key = b.ok("POST", "/factors/totp/begin", anyMap{"password": password})["secret"].(string)
	b.ok("POST", "/factors/totp/finish", anyMap{"code": b.code(1)})
	if got := b.ok("GET", "/factors", nil)["factors"].([]any); len(got) != 1 {
		t.Errorf("factors = %v", got)
	}
	old.half().refused("console_code_wrong", "POST", "/session/totp", anyMap{"code": old.code(0)})
}
