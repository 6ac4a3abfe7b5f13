// Package phone is a whole phone (手机) in Go: it registers, verifies its owner,
// buys, sets a PIN, installs certificates on split keys, scans and signs, the
// same steps and bytes as the app in a browser. The demo, the load generator
// and the tests use it.
//
// What it keeps is what docs/split-keys.md §2.1 allows a phone to keep: a device
// key, a device salt, masked shares. It never stores a PIN or anything that
// tests one.
package phone

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Problem is a refusal of the server (RFC 9457); Detail is the Chinese sentence
// for the user.
type Problem struct {
	Status   int
	Code     string
	Detail   string
	Instance string
	// Members holds every member of the document, "remaining" for instance.
	Members map[string]any
}

// Error gives code and sentence.
func (p *Problem) Error() string { return fmt.Sprintf("%s (%d): %s", p.Code, p.Status, p.Detail) }

// IsCode reports whether an error is the server's refusal with that code.
func IsCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// Errors of the phone itself.
var (
	// ErrKeyLost: the share of a key is not on this phone, or damaged (密钥丢失).
	ErrKeyLost = errors.New("phone: the key's share is not on this phone")
	// ErrUntrusted: the server's module statement or a certificate does not chain
	// to the root stored here.
	ErrUntrusted = errors.New("phone: the server does not prove its identity")
	// ErrMismatch: what the server wants signed is not what was asked for.
	ErrMismatch = errors.New("phone: the server wants something else signed")
)

// Options make a Phone.
type Options struct {
	// Server is the app API's address, "http://127.0.0.1:8080".
	Server string
	// Store keeps the phone's state; nil is memory.
	Store Store
	// HTTP is nil for a client of its own.
	HTTP *http.Client
	// Rand and Now are nil for the machine's.
	Rand io.Reader
	Now  func() time.Time
	// Arc is the operator's OID arc, needed to read what is signed at installation.
	Arc pki.Arc
	// Root is the DER root certificate to accept; nil accepts and stores the
	// first one seen.
	Root []byte
	// Sandbox accepts certificates of a sandbox; without it they are ErrUntrusted.
	Sandbox bool
	// Keep holds a stretched PIN in memory between operations, so that a load
	// generator measures the server and not PBKDF2. Never for a person's phone.
	Keep bool
}

// Phone is one device. It is safe for concurrent use, but one operation at a
// time is what a person does.
type Phone struct {
	Options
	mu     sync.Mutex
	state  State
	device *ecdsa.PrivateKey
	offset time.Duration // server's clock minus ours
	module *module
	kept   *splitkey.Stretched
	name   string // as verified here since the start; never stored
}

// New opens the phone's store, making a device key and a salt the first time.
func New(o Options) (*Phone, error) {
	if o.Store == nil {
		o.Store = new(Memory)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 60 * time.Second}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Phone{Options: o}
	var err error
	if p.state, err = o.Store.Load(); err != nil {
		return nil, fmt.Errorf("phone: reading its state: %w", err)
	}
	if len(p.state.DeviceKey) == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), o.Rand)
		if err != nil {
			return nil, err
		}
		if p.state.DeviceKey, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			return nil, err
		}
		p.state.DeviceSalt = make([]byte, 32)
		if _, err := io.ReadFull(o.Rand, p.state.DeviceSalt); err != nil {
			return nil, err
		}
		if err := p.save(); err != nil {
			return nil, err
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(p.state.DeviceKey)
	if err != nil {
		return nil, fmt.Errorf("phone: the device key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("phone: the device key is of another kind")
	}
	p.device = key
	return p, nil
}

// Device is the thumbprint of the device key: SHA-256 of its SPKI, in hex.
func (p *Phone) Device() string { return hex.EncodeToString(p.thumbprint()) }

func (p *Phone) thumbprint() []byte {
	sum := sha256.Sum256(p.spki())
	return sum[:]
}

func (p *Phone) spki() []byte {
	b, err := x509.MarshalPKIXPublicKey(&p.device.PublicKey)
	if err != nil {
		panic("phone: a P-256 key that cannot be encoded: " + err.Error())
	}
	return b
}

// Account is the id of the account that is logged in, or "".
func (p *Phone) Account() string { return p.state.Account }

func (p *Phone) now() time.Time { return p.Now().Add(p.offset) }

func (p *Phone) save() error { return p.Store.Save(p.state) }

// get, post and put call a JSON route; in and out may be nil.
func (p *Phone) get(ctx context.Context, path string, out any) error {
	return p.call(ctx, http.MethodGet, path, "", nil, out)
}

func (p *Phone) post(ctx context.Context, path string, in, out any) error {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	return p.call(ctx, http.MethodPost, path, "application/json", body, out)
}

const retries = 3

// call sends one request, signed by the device if there is a session. A clock
// that differs from the server's is corrected once.
func (p *Phone) call(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	for try := 1; ; try++ {
		err := p.once(ctx, method, path, contentType, body, out)
		var problem *Problem
		if try < retries && errors.As(err, &problem) && problem.Code == "device_clock_wrong" {
			if s, ok := problem.Members["serverTime"].(string); ok {
				if at, perr := time.Parse(time.RFC3339Nano, s); perr == nil {
					p.offset = at.Sub(p.Now())
					continue
				}
			}
		}
		return err
	}
}

func (p *Phone) once(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	u, err := url.Parse(p.Server + "/app/v1" + path)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "TianWeiTong-GoPhone/1")
	if p.state.Token != "" {
		if err := p.signRequest(req, body); err != nil {
			return err
		}
	}
	res, err := p.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("phone: %s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("phone: %s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return problemOf(res.StatusCode, b)
	}
	for _, c := range res.Cookies() {
		if c.Name == "twt" {
			p.state.Token = c.Value
		}
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("phone: %s %s: the answer cannot be read: %w", method, path, err)
	}
	return nil
}

func problemOf(status int, body []byte) error {
	p := &Problem{Status: status, Code: "http_" + strconv.Itoa(status), Detail: http.StatusText(status)}
	if json.Unmarshal(body, &p.Members) == nil {
		if s, ok := p.Members["code"].(string); ok {
			p.Code = s
		}
		if s, ok := p.Members["detail"].(string); ok {
			p.Detail = s
		}
		if s, ok := p.Members["instance"].(string); ok {
			p.Instance = s
		}
	}
	return p
}

// signRequest puts the session cookie and the device signature on a request
// (docs/split-keys.md §3.3).
func (p *Phone) signRequest(req *http.Request, body []byte) error {
	number := make([]byte, 16)
	if _, err := io.ReadFull(p.Rand, number); err != nil {
		return err
	}
	at := strconv.FormatInt(p.now().UnixMilli(), 10)
	sum := sha256.Sum256(body)
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte("TWT/request/v1"), []byte(req.Method), []byte(req.URL.RequestURI()), sum[:], p.state.Nonce,
		[]byte(at), []byte(hex.EncodeToString(number)),
	} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	signature, err := ecdsa.SignASN1(p.Rand, p.device, h.Sum(nil))
	if err != nil {
		return err
	}
	req.AddCookie(&http.Cookie{Name: "twt", Value: p.state.Token})
	req.Header.Set("Twt-Time", at)
	req.Header.Set("Twt-Request", hex.EncodeToString(number))
	req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	return nil
}
