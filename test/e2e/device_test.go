package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"tianweitong/phone"
	"tianweitong/splitkey"
)

// device drives the session of a phone as another program would: written from
// docs/split-keys.md §3.3 and §2.8, with nothing of package phone but its state.
type device struct {
	*testing.T
	server string
	key    *ecdsa.PrivateKey
	token  string
	nonce  []byte
	now    func() time.Time
}

// deviceOf takes over the session of a phone that keeps its state in memory.
func (w *world) deviceOf(p *phone.Phone) *device {
	w.Helper()
	st, err := p.Store.Load()
	if err != nil {
		w.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(st.DeviceKey)
	if err != nil {
		w.Fatal(err)
	}
	return &device{T: w.T, server: w.Server, key: key.(*ecdsa.PrivateKey), token: st.Token, nonce: st.Nonce, now: w.Now}
}

// other is the same session with the key of another device.
func (d device) other() *device {
	var err error
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		d.Fatal(err)
	}
	return &d
}

// answer is what came back.
type answer struct {
	status int
	code   string
	body   []byte
}

// into reads the body of a success.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if a.status >= 300 {
		t.Fatalf("the answer is %d %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatal(err)
	}
}

// do sends a request; edits come after its signature.
func (d *device) do(method, uri, contentType string, body []byte, edits ...func(*http.Request)) answer {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.server+uri, bytes.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if d.token != "" {
		req.AddCookie(&http.Cookie{Name: "twt", Value: d.token})
	}
	if d.key != nil {
		number := hex.EncodeToString(random(16))
		at := strconv.FormatInt(d.now().UnixMilli(), 10)
		sum := sha256.Sum256(body)
		h := sha256.New()
		for _, part := range [][]byte{[]byte("TWT/request/v1"), []byte(method), []byte(uri), sum[:], d.nonce, []byte(at), []byte(number)} {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			h.Write(part)
		}
		signature, err := ecdsa.SignASN1(rand.Reader, d.key, h.Sum(nil))
		if err != nil {
			d.Fatal(err)
		}
		req.Header.Set("Twt-Time", at)
		req.Header.Set("Twt-Request", number)
		req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	}
	for _, edit := range edits {
		edit(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		d.Fatal(err)
	}
	var problem struct{ Code string }
	if res.StatusCode >= 300 && json.Unmarshal(a.body, &problem) == nil {
		a.code = problem.Code
	}
	return a
}

func (d *device) post(uri string, in any) answer {
	d.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		d.Fatal(err)
	}
	return d.do(http.MethodPost, uri, "application/json", b)
}

// sealed posts in a sealed exchange bound to an operation and a nonce.
func (d *device) sealed(uri, op, nonce string, plain []byte) answer {
	d.Helper()
	var module struct{ Statement []byte }
	d.do(http.MethodGet, "/app/v1/module", "", nil).into(d.T, &module)
	m, err := splitkey.ParseModuleStatement(module.Statement)
	if err != nil {
		d.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		d.Fatal(err)
	}
	thumbprint := sha256.Sum256(spki)
	r, x, err := splitkey.SealRequest(rand.Reader, m.Key, splitkey.AAD{
		Kid: m.Kid, Method: http.MethodPost, Path: uri, OpID: op, NonceID: nonce, Device: thumbprint[:], Time: d.now().Unix(),
	}, plain)
	if err != nil {
		d.Fatal(err)
	}
	defer x.Wipe()
	return d.post(uri, r)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
