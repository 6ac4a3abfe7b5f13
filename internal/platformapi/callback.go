package platformapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/job"
	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

// The limits of one callback (docs/domain.md §1.9).
const (
	callbackTime   = 5 * time.Second
	callbackAnswer = 64 << 10
)

// Signer signs callbacks for the house.
type Signer interface {
	// Sign signs the body as custody.Callback does and gives the service
	// certificate with its issuers, DER, leaf first.
	Sign(ctx context.Context, body []byte) (signature []byte, certificates [][]byte, err error)
}

// HouseSigner signs with custody's role key.
type HouseSigner struct {
	// Custody is custody.Module.
	Custody interface {
		SignAs(ctx context.Context, r custody.Role, name string, t custody.Token) ([]byte, error)
	}
	// Certificates gives the certificate in force of custody.RoleCallback.
	Certificates func(ctx context.Context) ([][]byte, error)
}

// Sign implements Signer.
func (h HouseSigner) Sign(ctx context.Context, body []byte) ([]byte, [][]byte, error) {
	signature, err := h.Custody.SignAs(ctx, custody.RoleCallback, custody.House, custody.Callback(body))
	if err != nil {
		return nil, nil, err
	}
	certificates, err := h.Certificates(ctx)
	return signature, certificates, err
}

// CallbackDeps are what callbacks need. Resolver, Roots and Observe may be nil.
type CallbackDeps struct {
	Runner    work.Runner
	Store     scan.Requests
	Clock     clock.Clock
	Rand      io.Reader
	Log       *slog.Logger
	Directory Directory
	Scans     *scan.Service
	Signer    Signer
	// Sandbox alone may call this machine, by http too.
	Sandbox  bool
	Resolver Resolver
	// Roots verify the platforms' TLS certificates; nil takes the system's.
	Roots   *x509.CertPool
	Observe func(took time.Duration, err error)
}

// Callbacks tells platforms that a transaction ended. A callback is a hint: it
// carries no result, and one that is lost costs the platform a query.
type Callbacks struct {
	CallbackDeps
	client *http.Client
}

// NewCallbacks makes the sender.
func NewCallbacks(d CallbackDeps) *Callbacks {
	r := rules{sandbox: d.Sandbox, resolver: d.Resolver, dial: new(net.Dialer).DialContext}
	if r.resolver == nil {
		r.resolver = net.DefaultResolver
	}
	return newCallbacks(d, r)
}

func newCallbacks(d CallbackDeps, r rules) *Callbacks {
	return &Callbacks{d, &http.Client{
		Timeout:       callbackTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: r.connect, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.Roots},
			DisableCompression: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: callbackAnswer,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		},
	}}
}

// Close lets go of idle connections.
func (c *Callbacks) Close() { c.client.CloseIdleConnections() }

const tidyTopic = "platformapi.tidy"

// callbackWorkers is how many callbacks are under way: platforms that do not
// answer hold these for callbackTime each, and no other work of the house.
const callbackWorkers = 4

// Register makes the runner deliver callbacks (1 s, 5 s, 30 s, 2 min, 10 min, then
// kept for Replay) and drop old nonces; Start begins the latter.
func (c *Callbacks) Register(r *job.Runner) {
	brief := job.Brief
	brief.Workers = callbackWorkers
	r.Handle(scan.CallbackTopic, brief, c.deliver)
	r.Handle(tidyTopic, job.Patient, func(ctx context.Context, _ []byte) error { return c.tidy(ctx) })
}

// Start enqueues the first tidying; starting twice makes one.
func (c *Callbacks) Start(ctx context.Context) error {
	return c.Runner.Do(ctx, "platformapi.start", c.next)
}

func (c *Callbacks) next(ctx context.Context, tx work.Tx) error {
	due := c.Clock.Now().Truncate(time.Minute).Add(time.Minute)
	return tx.Enqueue(ctx, work.Job{Topic: tidyTopic, Key: fmt.Sprintf("%s:%d", tidyTopic, due.Unix()), Due: due})
}

func (c *Callbacks) tidy(ctx context.Context) error {
	return c.Runner.Do(ctx, "platformapi.tidy", func(ctx context.Context, tx work.Tx) error {
		if err := c.next(ctx, tx); err != nil {
			return err
		}
		return c.Store.DropNonces(ctx, tx, c.Clock.Now())
	})
}

// Message is the body of a callback: it says that a transaction ended, and binds
// the saying to one recipient, address and moment.
type message struct {
	Platform  string     `json:"platform"`
	URL       string     `json:"url"`
	TID       string     `json:"tId"`
	Seq       int64      `json:"seq"`
	Type      scan.Type  `json:"type"`
	State     scan.State `json:"state"`
	Time      time.Time  `json:"time"`
	Nonce     string     `json:"nonce"`
	Recipient []byte     `json:"recipient"` // SM3 of the platform's signing certificate, DER
}

func (c *Callbacks) deliver(ctx context.Context, body []byte) error {
	var j scan.Callback
	if err := json.Unmarshal(body, &j); err != nil {
		return fmt.Errorf("%w: %w", job.ErrGiveUp, err)
	}
	watch := clock.Start()
	err := c.call(ctx, j)
	if c.Observe != nil {
		c.Observe(clock.Since(watch), err)
	}
	if err != nil {
		return errors.Join(err, c.failed(ctx, j, err))
	}
	return c.Runner.Do(ctx, "platformapi.delivered", func(ctx context.Context, tx work.Tx) error {
		if err := c.Scans.Delivered(ctx, tx, j.Transaction, j.Seq); err != nil {
			return err
		}
		return c.Store.CallbackAcknowledged(ctx, tx, j.Transaction, j.Seq, c.Clock.Now())
	})
}

// call sends one callback; nil means acknowledged.
func (c *Callbacks) call(ctx context.Context, j scan.Callback) error {
	var p catalog.Platform
	var t scan.Transaction
	err := c.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if t, err = c.Scans.OfPlatform(ctx, tx, j.Platform, j.Transaction); err != nil {
			return err
		}
		p, err = c.Directory.Platform(ctx, tx, j.Platform)
		return err
	})
	if err != nil {
		return err
	}
	r := rules{sandbox: c.Sandbox}
	u, err := r.target(p.CallbackBase, t.NotifyPath)
	if err != nil {
		return err
	}
	recipient := sm3.Sum(p.SignCertificate)
	b, err := json.Marshal(message{
		Platform: p.Code, URL: u.String(), TID: t.ID, Seq: j.Seq, Type: t.Type, State: j.State,
		Time: c.Clock.Now(), Nonce: hex.EncodeToString(id.Bytes(c.Rand, 16)), Recipient: recipient[:],
	})
	if err != nil {
		return err
	}
	signature, certificates, err := c.Signer.Sign(ctx, b)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tianweitong")
	req.Header.Set(HeaderSignature, base64.StdEncoding.EncodeToString(signature))
	var all []string
	for _, der := range certificates {
		all = append(all, base64.StdEncoding.EncodeToString(der))
	}
	req.Header.Set(HeaderCertificate, strings.Join(all, ","))
	return c.send(req)
}

// The classes of failures; what the other side said is neither kept nor shown.
var (
	errUnreachable = errors.New("platformapi: the platform cannot be reached")
	errRefused     = errors.New("platformapi: the platform did not acknowledge")
)

func (c *Callbacks) send(req *http.Request) error {
	resp, err := c.client.Do(req)
	switch {
	case errors.Is(err, ErrAddress):
		return err
	case err != nil:
		return errUnreachable
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, callbackAnswer+1))
	if err != nil {
		return errUnreachable
	}
	var ack struct {
		Ret string `json:"ret"`
	}
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("%w: status %d", errRefused, resp.StatusCode)
	case len(b) > callbackAnswer:
		return fmt.Errorf("%w: more than 64 kB", errRefused)
	case json.Unmarshal(b, &ack) != nil || ack.Ret != "0":
		return fmt.Errorf("%w: no ret 0", errRefused)
	}
	return nil
}

func (c *Callbacks) failed(ctx context.Context, j scan.Callback, why error) error {
	problem := "internal"
	for _, known := range []error{ErrAddress, errUnreachable, errRefused} {
		if errors.Is(why, known) {
			problem = why.Error()
		}
	}
	attempts := 0
	err := c.Runner.Do(ctx, "platformapi.failed", func(ctx context.Context, tx work.Tx) (err error) {
		now := c.Clock.Now()
		attempts, err = c.Store.CallbackFailed(ctx, tx, scan.Undelivered{
			Transaction: j.Transaction, Seq: j.Seq, Platform: j.Platform, Problem: problem, FirstAt: now, LastAt: now,
		})
		return err
	})
	if err == nil {
		c.Log.WarnContext(ctx, "a callback was not acknowledged", "platform", j.Platform, "transaction", j.Transaction, "attempts", attempts, "problem", problem)
	}
	return err
}

// Undelivered lists the callbacks of a platform, of all for an empty one, that
// were never acknowledged.
func (c *Callbacks) Undelivered(ctx context.Context, platform string, n int) ([]scan.Undelivered, error) {
	var out []scan.Undelivered
	err := c.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		out, err = c.Store.Undelivered(ctx, tx, platform, n)
		return err
	})
	return out, err
}

// Replay sends the callback of an ended transaction again, with the whole schedule
// of retries; one that waits already is not doubled.
func (c *Callbacks) Replay(ctx context.Context, platform, transaction string) error {
	return c.Runner.Do(ctx, "platformapi.replay", func(ctx context.Context, tx work.Tx) error {
		t, err := c.Scans.OfPlatform(ctx, tx, platform, transaction)
		if err != nil {
			return err
		}
		if t.State.Open() || t.NotifyPath == "" {
			return scan.CodeOver.Becausef("it has no callback")
		}
		b, err := json.Marshal(scan.Callback{Platform: platform, Transaction: t.ID, Seq: t.Seq, State: t.State})
		if err != nil {
			return err
		}
		return tx.Enqueue(ctx, work.Job{Topic: scan.CallbackTopic, Body: b, Key: "scan.replay:" + t.ID})
	})
}
