package platform

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/pki"
	"tianweitong/splitkey"
)

const (
	callbackTag    = "TWT/callback/v1"
	maxCallback    = 64 << 10
	maxCallbackHdr = 32 << 10
	maxNonces      = 1 << 17
)

// Callback (回调) says that something happened to a transaction. It is a hint:
// ask Get for the state and the verified result. The same event may arrive more
// than once, and out of order.
type Callback struct {
	ID    string // tId
	Seq   int
	Type  Type
	State State
	Time  time.Time // when it was signed
}

// Nonces remembers what was used. Use reports whether nonce is used for the
// first time, and remembers it until then at least. A platform of several
// processes gives them one store; without, each remembers its own.
type Nonces interface {
	Use(ctx context.Context, nonce string, until time.Time) (fresh bool, err error)
}

// Receiver is the http.Handler behind a callback address. It hands over only
// what the service signed, for this platform and this address, not more than
// five minutes ago and for the first time (docs/domain.md §1.9).
type Receiver struct {
	// URL is the address that the service calls: the registered base and the
	// NotifyPath of the transactions.
	URL string
	// Handle is given each callback. An error makes the service call again.
	Handle func(context.Context, Callback) error
	// Nonces is where used nonces are kept: at first this process's memory.
	Nonces Nonces
	// Log hears why a callback was refused; nil is silence.
	Log *slog.Logger

	client    *Client
	recipient []byte
}

// Receiver returns the handler for one callback address.
func (c *Client) Receiver(url string, handle func(context.Context, Callback) error) *Receiver {
	sum := sm3.Sum(c.own.Raw)
	return &Receiver{URL: url, Handle: handle, Nonces: &memory{clock: c.clock}, client: c, recipient: sum[:]}
}

// ServeHTTP answers {"ret":"0"} with status 200 for what was accepted and
// {"ret":"1"} with another one otherwise; why is told to the log alone.
func (v *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, err := v.receive(w, r)
	if err != nil && v.Log != nil {
		v.Log.WarnContext(r.Context(), "callback refused", "status", status, "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if status == http.StatusOK {
		io.WriteString(w, `{"ret":"0"}`)
	} else {
		io.WriteString(w, `{"ret":"1"}`)
	}
}

func (v *Receiver) receive(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, fmt.Errorf("%w: method", ErrCallback)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return http.StatusRequestEntityTooLarge, fmt.Errorf("%w: more than %d bytes", ErrCallback, maxCallback)
		}
		return http.StatusBadRequest, fmt.Errorf("%w: %w", ErrCallback, err)
	}
	now := v.client.clock.Now()
	if err := v.authenticate(r.Header, body, now); err != nil {
		return http.StatusForbidden, fmt.Errorf("%w: %w", ErrCallback, err)
	}
	cb, nonce, err := v.decode(body, now)
	if err != nil {
		return http.StatusForbidden, fmt.Errorf("%w: %w", ErrCallback, err)
	}
	switch fresh, err := v.Nonces.Use(r.Context(), nonce, cb.Time.Add(MaxSkew)); {
	case err != nil:
		return http.StatusServiceUnavailable, fmt.Errorf("platform: callback nonce: %w", err)
	case !fresh:
		return http.StatusConflict, fmt.Errorf("%w: received before", ErrCallback)
	}
	if err := v.Handle(r.Context(), cb); err != nil {
		return http.StatusInternalServerError, fmt.Errorf("platform: handle callback: %w", err)
	}
	return http.StatusOK, nil
}

// authenticate verifies that the body was signed with the service's
// certificate. Twt-Certificate holds it and, unless Config.Issuers has them, its
// issuers, in base64, separated by commas.
func (v *Receiver) authenticate(h http.Header, body []byte, now time.Time) error {
	signature, err := base64.StdEncoding.DecodeString(h.Get("Twt-Signature"))
	if err != nil {
		return errors.New("Twt-Signature is not base64")
	}
	header := h.Get("Twt-Certificate")
	if len(header) > maxCallbackHdr {
		return errors.New("Twt-Certificate is too long")
	}
	var ders [][]byte
	for part := range strings.SplitSeq(header, ",") {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil {
			return errors.New("Twt-Certificate is not base64")
		}
		ders = append(ders, der)
	}
	certs, err := parseCertificates(ders)
	if err != nil {
		return fmt.Errorf("Twt-Certificate: %w", err)
	}
	if _, err := v.client.trust.chain(certs[0], slices.Concat(certs[1:], v.client.issuers), pki.Service, now); err != nil {
		return fmt.Errorf("Twt-Certificate: %w", err)
	}
	return verify(certs[0], splitkey.IDDocument, prefixed(callbackTag, string(body)), signature)
}

type wireCallback struct {
	Platform  string    `json:"platform"`
	URL       string    `json:"url"`
	TID       string    `json:"tId"`
	Seq       int       `json:"seq"`
	Type      Type      `json:"type"`
	State     State     `json:"state"`
	Time      time.Time `json:"time"`
	Nonce     string    `json:"nonce"`
	Recipient []byte    `json:"recipient"`
}

// decode reads the body and holds every part of it against what it has to be.
func (v *Receiver) decode(body []byte, now time.Time) (cb Callback, nonce string, err error) {
	var w wireCallback
	if err := json.Unmarshal(body, &w); err != nil {
		return cb, "", err
	}
	switch {
	case w.Platform != v.client.code:
		return cb, "", errors.New("for another platform")
	case w.URL != v.URL:
		return cb, "", errors.New("for another address")
	case !bytes.Equal(w.Recipient, v.recipient):
		return cb, "", errors.New("for another certificate")
	case w.Time.Before(now.Add(-MaxSkew)) || w.Time.After(now.Add(MaxSkew)):
		return cb, "", errors.New("not of now")
	case len(w.Nonce) < 16 || len(w.Nonce) > 128:
		return cb, "", errors.New("nonce")
	case !v.client.owns(w.TID):
		return cb, "", errors.New("transaction")
	case w.Type == "" || !w.State.known() || w.Seq < 1:
		return cb, "", errors.New("type, state or number")
	}
	return Callback{ID: w.TID, Seq: w.Seq, Type: w.Type, State: w.State, Time: w.Time}, w.Nonce, nil
}

// memory is the Nonces of one process: two generations, each as long as a
// callback can stay acceptable, so that forgetting the older one forgets
// nothing that counts.
type memory struct {
	clock     Clock
	mu        sync.Mutex
	now, past map[string]bool
	turn      time.Time
}

var errFull = errors.New("too many callbacks within ten minutes")

// Use implements Nonces.
func (m *memory) Use(_ context.Context, nonce string, _ time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.clock.Now(); !t.Before(m.turn) {
		if m.past = m.now; !t.Before(m.turn.Add(2 * MaxSkew)) {
			m.past = nil
		}
		m.now, m.turn = map[string]bool{}, t.Add(2*MaxSkew)
	}
	if m.now[nonce] || m.past[nonce] {
		return false, nil
	}
	if len(m.now) == maxNonces {
		return false, errFull
	}
	m.now[nonce] = true
	return true, nil
}
