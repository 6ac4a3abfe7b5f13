// Package phone is a whole phone (手机) in Go: it registers, verifies its owner,
// buys, sets a PIN, installs certificates on split keys, scans and signs. It is
// one implementation for both worlds: the demo, the load generator and the tests
// run it natively; the app in a browser runs its steps as WebAssembly
// (cmd/phonewasm), where requests and storage are the browser's (Transport,
// Store).
//
// What it keeps is what docs/split-keys.md §2.1 allows a phone to keep: a device
// key, a device salt, masked shares. It never stores a PIN or anything that
// tests one.
package phone

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"tianweitong/pki/wire"
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
	// ErrAnswer: the server's answer cannot be read.
	ErrAnswer = errors.New("phone: the answer cannot be read")
	// ErrVoid: an installation ended without a certificate; another can begin.
	ErrVoid = errors.New("phone: the installation ended without a certificate")
	// ErrStorage: the store does not keep what it is given.
	ErrStorage = errors.New("phone: its storage fails")
	// ErrUntrusted: the server's module statement or a certificate does not chain
	// to the root stored here.
	ErrUntrusted = errors.New("phone: the server does not prove its identity")
	// ErrMismatch: what the server wants signed is not what was asked for.
	ErrMismatch = errors.New("phone: the server wants something else signed")
)

// Transport carries a request to the app's API, signed by the device if there is
// a session (docs/split-keys.md §3.3), and brings the answer back. path lies
// under /app/v1. A refusal of the server is an answer; an error says that none
// came.
type Transport interface {
	Send(ctx context.Context, method, path, contentType string, body []byte) (status int, answer []byte, err error)
}

// The methods that the phone uses.
const (
	methodGet    = "GET"
	methodPost   = "POST"
	methodPut    = "PUT"
	methodDelete = "DELETE"
)

// Options make a Phone.
type Options struct {
	// Server is the app API's address, "http://127.0.0.1:8080".
	Server string
	// Store keeps the phone's state; nil is memory.
	Store Store
	// HTTP is nil for a client of its own.
	HTTP *Client
	// Transport is nil for HTTP to Server with a device key of the phone's own. A
	// browser signs and sends requests itself: there it is wanted, with Thumbprint,
	// the SHA-256 of the device key's SPKI.
	Transport  Transport
	Thumbprint []byte
	// Rand and Now are nil for the machine's.
	Rand io.Reader
	Now  func() time.Time
	// Arc is the operator's OID arc, needed to read what is signed at installation.
	Arc wire.Arc
	// Root is the DER root certificate to accept; nil accepts and stores the
	// first one seen.
	Root []byte
	// Sandbox accepts certificates of a sandbox; without it they are ErrUntrusted.
	Sandbox bool
	// Progress, if set, is told how far a long job has come.
	Progress func(Stage)
	// Keep holds a stretched PIN in memory between operations, so that a load
	// generator measures the server and not PBKDF2. Never for a person's phone.
	Keep bool
}

// Stage is a step of a long job: proving, making-keys, requesting, delivering,
// issuing; or one of several like things: certificate, redealing, refreshing, sign,
// decrypt. Index counts from 1 to Of.
type Stage struct {
	Name    string `json:"stage"`
	Index   int    `json:"index,omitempty"`
	Of      int    `json:"of,omitempty"`
	Outcome string `json:"outcome,omitempty"` // of a checked item: good or bad
	Text    string `json:"text,omitempty"`
	Millis  int64  `json:"ms,omitempty"`
}

func (p *Phone) tell(s Stage) {
	if p.Progress != nil {
		p.Progress(s)
	}
}

func (p *Phone) stage(name string) { p.tell(Stage{Name: name}) }

func (p *Phone) count(name string, index, of int) { p.tell(Stage{Name: name, Index: index, Of: of}) }

// Phone is one device. It is safe for concurrent use, but one operation at a
// time is what a person does.
type Phone struct {
	Options
	mu     sync.Mutex
	state  State
	offset time.Duration // server's clock minus ours
	module *module
	kept   *splitkey.Stretched
	name   string // as verified here since the start; never stored
}

// New opens the phone's store, making what is missing the first time.
func New(o Options) (*Phone, error) {
	if o.Store == nil {
		o.Store = new(Memory)
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
	fresh, err := p.connect()
	if err != nil {
		return nil, err
	}
	if len(p.state.DeviceSalt) == 0 {
		fresh = true
		p.state.DeviceSalt = make([]byte, 32)
		if _, err := io.ReadFull(o.Rand, p.state.DeviceSalt); err != nil {
			return nil, err
		}
	}
	if fresh {
		if err := p.save(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Device is the thumbprint of the device key: SHA-256 of its SPKI, in hex.
func (p *Phone) Device() string { return hex.EncodeToString(p.thumbprint()) }

func (p *Phone) thumbprint() []byte { return p.Thumbprint }

// Account is the id of the account that is logged in, or "".
func (p *Phone) Account() string { return p.state.Account }

func (p *Phone) now() time.Time { return p.Now().Add(p.offset) }

func (p *Phone) save() error {
	if err := p.Store.Save(p.state); err != nil {
		return errors.Join(ErrStorage, err)
	}
	return nil
}

// get, post and put call a JSON route; in and out may be nil.
func (p *Phone) get(ctx context.Context, path string, out any) error {
	return p.call(ctx, methodGet, path, "", nil, out)
}

func (p *Phone) post(ctx context.Context, path string, in, out any) error {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	return p.call(ctx, methodPost, path, "application/json", body, out)
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
	status, answer, err := p.Transport.Send(ctx, method, path, contentType, body)
	if err != nil {
		return fmt.Errorf("phone: %s %s: %w", method, path, err)
	}
	if status >= 300 {
		return problemOf(status, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("phone: %s %s: %w: %w", method, path, ErrAnswer, err)
	}
	return nil
}

func problemOf(status int, body []byte) error {
	p := &Problem{Status: status, Code: "http_" + strconv.Itoa(status), Detail: "服务暂时不可用，请稍后重试。"}
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
