package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/platform"
	"tianweitong/splitkey"
)

// backend signs requests as a platform's own program would: written from
// docs/platform-api.md, without the SDK.
type backend struct {
	*testing.T
	address, audience string
	code              string
	key               *sm2.PrivateKey
	now               func() time.Time
	nonce             string // "" draws one
}

func (w *world) backend(code string, cred platform.Credentials) *backend {
	u, err := url.Parse(w.Env.Platform)
	if err != nil {
		w.Fatal(err)
	}
	return &backend{T: w.T, address: w.Env.Platform, audience: u.Host, code: code, key: cred.Signing, now: w.house.Clock.Now}
}

func (b backend) do(method, uri string, body []byte, edits ...func(*http.Request)) answer {
	b.Helper()
	if b.nonce == "" {
		b.nonce = hex.EncodeToString(random(16))
	}
	at := strconv.FormatInt(b.now().UnixMilli(), 10)
	sum := sm3.Sum(body)
	var message []byte
	for _, part := range [][]byte{[]byte("TWT/platform/v1"), []byte(b.code), []byte(b.audience), []byte(method), []byte(uri), sum[:], []byte(at), []byte(b.nonce)} {
		message = binary.BigEndian.AppendUint32(message, uint32(len(part)))
		message = append(message, part...)
	}
	signature, err := b.key.SignWithSM2(rand.Reader, []byte("1234567812345678"), message)
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.Context(), method, b.address+uri, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Twt-Platform", b.code)
	req.Header.Set("Twt-Time", at)
	req.Header.Set("Twt-Nonce", b.nonce)
	req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	for _, edit := range edits {
		edit(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		b.Fatal(err)
	}
	var problem struct{ Code string }
	if res.StatusCode >= 300 && json.Unmarshal(a.body, &problem) == nil {
		a.code = problem.Code
	}
	return a
}

// ask is the body of a request for a signature.
func ask(document []byte) []byte {
	b, err := json.Marshal(map[string]any{
		"type": "sign", "title": "签署投标函", "browserBinding": make([]byte, 32),
		"browser": map[string]string{"userAgent": "Mozilla/5.0", "address": "127.0.0.1"},
		"sign":    map[string]any{"document": document, "name": "投标函.txt"},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func (a answer) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.code != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}

const transactions = "/open/v1/transactions"

func TestPlatformRequestServesOnceAtItsTimeForItsSigner(t *testing.T) {
	w := sandbox(t)
	b := w.backend(w.client.Code(), w.cred)
	_, otherCred := w.platform("M9900000002", "另一家平台（沙箱）")
	other := w.backend("M9900000002", otherCred)
	body := ask(document)

	created := b.do(http.MethodPost, transactions, body)
	var tx struct{ TID string }
	created.into(t, &tx)
	if tx.TID == "" {
		t.Fatalf("created %s", created.body)
	}
	path := transactions + "/" + tx.TID

	// Replayed. The very same request to begin answers with what it began, so that
	// a platform may repeat one whose answer was lost; a nonce begins nothing else.
	again := *b
	again.nonce = hex.EncodeToString(random(16))
	var sent http.Header
	var first, second struct{ TID string }
	again.do(http.MethodPost, transactions, body, func(r *http.Request) { sent = r.Header.Clone() }).into(t, &first)
	again.do(http.MethodPost, transactions, body, func(r *http.Request) { r.Header = sent }).into(t, &second)
	if first != second {
		t.Errorf("one request began %s and %s", first.TID, second.TID)
	}
	again.do(http.MethodPost, transactions, ask([]byte("另一份文件"))).want(t, "a used nonce for something else", http.StatusConflict, "request_replayed")
	again.do(http.MethodPost, path+"/cancel", nil).want(t, "a used nonce elsewhere", http.StatusConflict, "request_replayed")
	mine := *other
	mine.nonce = again.nonce
	var theirs struct{ TID string }
	mine.do(http.MethodPost, transactions, body).into(t, &theirs) // another platform may draw the same number
	if theirs == first {
		t.Error("two platforms share a transaction")
	}
	again.nonce = hex.EncodeToString(random(16))
	again.do(http.MethodGet, path, nil, func(r *http.Request) { sent = r.Header.Clone() }).want(t, "a question", http.StatusOK, "")
	again.do(http.MethodGet, path, nil, func(r *http.Request) { r.Header = sent }).want(t, "a question replayed", http.StatusConflict, "request_replayed")

	// At its time.
	for off, status := range map[time.Duration]int{
		299 * time.Second: 200, -299 * time.Second: 200, 302 * time.Second: 401, -302 * time.Second: 401, 24 * time.Hour: 401,
	} {
		skewed := *b
		skewed.now = func() time.Time { return w.house.Clock.Now().Add(off) }
		a := skewed.do(http.MethodGet, path, nil)
		if a.status != status || status == 401 && a.code != "request_clock" {
			t.Errorf("a clock off by %s: %d %s", off, a.status, a.body)
		}
	}

	// By its signer, over its bytes, for this house.
	forged := *other
	forged.code = b.code
	forged.do(http.MethodGet, path, nil).want(t, "signed by another platform", http.StatusUnauthorized, "request_unsigned")
	enc := *b
	enc.key = w.cred.Encryption
	enc.do(http.MethodGet, path, nil).want(t, "signed with the encryption key", http.StatusUnauthorized, "request_unsigned")
	unknown := *b
	unknown.code = "M9900000009"
	unknown.do(http.MethodGet, path, nil).want(t, "an unknown platform", http.StatusUnauthorized, "request_platform")
	away := *b
	away.audience = "open.example.cn"
	away.do(http.MethodGet, path, nil).want(t, "signed for another house", http.StatusUnauthorized, "request_unsigned")
	altered := ask([]byte("我方愿意按照另一份招标文件的要求参加投标。"))
	b.do(http.MethodPost, transactions, body, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(altered)), int64(len(altered))
	}).want(t, "another body than signed", http.StatusUnauthorized, "request_unsigned")
	b.do(http.MethodGet, path, nil, func(r *http.Request) { r.URL.RawQuery = "x=1" }).want(t, "another query than signed", http.StatusUnauthorized, "request_unsigned")

	// Another platform's transaction does not exist.
	for method, uri := range map[string]string{http.MethodGet: path, http.MethodPost: path + "/cancel"} {
		if a := other.do(method, uri, nil); a.status != http.StatusNotFound {
			t.Errorf("another platform's %s: %d %s", method, a.status, a.body)
		}
	}
	if a := other.do(http.MethodGet, path+"/qr", nil); a.status != http.StatusNotFound {
		t.Errorf("another platform's code: %d %s", a.status, a.body)
	}
	if a := b.do(http.MethodGet, path, nil); a.status != http.StatusOK {
		t.Errorf("its own: %d %s", a.status, a.body)
	}
}

// TestWhatCouldBeMistakenIsNoDocument: our own messages, everything in DER and
// its relatives, nothing and too much are refused as documents
// (docs/split-keys.md §2.9); what people sign is not.
func TestWhatCouldBeMistakenIsNoDocument(t *testing.T) {
	w := sandbox(t)
	b := w.backend(w.client.Code(), w.cred)
	login, err := splitkey.LoginMessage{
		Platform: w.client.Code(), Host: w.client.Host(), Transaction: w.client.Code() + hex.EncodeToString(random(16)),
		Challenge: random(32), Browser: random(32), Time: w.Now().Unix(),
	}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	certificate := w.cred.Certificate.Raw
	set := append([]byte{0x31}, certificate[1:]...)
	for what, d := range map[string][]byte{
		"a login's message":         login,
		"a certificate":             certificate,
		"a DER SET":                 set,
		"DER with something behind": append(bytes.Clone(certificate), "\n"...),
		"BER of indefinite length":  {0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00},
		"an empty sequence":         {0x30, 0x00},
		"nothing":                   {},
		"more than 4 MiB":           bytes.Repeat([]byte("x"), 4<<20+1),
	} {
		a := b.do(http.MethodPost, transactions, ask(d))
		if a.status < 400 || a.status >= 500 || len(d) > 0 && len(d) < 4<<20 && a.code != "document_refused" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		// The SDK spares the round trip.
		if _, err := w.client.BeginSign(t.Context(), platform.SignRequest{Request: request("签署"), Document: d, Name: "x"}); err == nil {
			t.Errorf("the SDK takes %s", what)
		}
	}
	for what, d := range map[string][]byte{
		"text": document, "a PDF's head": []byte("%PDF-1.7\n1 0 obj\n"), "a number": []byte("0"), "JSON": []byte(`{"投标总价":"1.00"}`),
		"4 MiB": bytes.Repeat([]byte("标"), 4<<20/3),
	} {
		if a := b.do(http.MethodPost, transactions, ask(d)); a.status != http.StatusCreated {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
}
