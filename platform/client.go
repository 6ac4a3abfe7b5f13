package platform

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
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
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/splitkey"
)

const (
	apiPath    = "/open/v1"
	requestTag = "TWT/platform/v1"

	maxReply  = 8 << 20 // a document of 4 MiB in base64, certificates and a timestamp
	maxErrors = 64 << 10

	// MaxSkew is how far our clock and the service's may be apart
	// (docs/domain.md §1.9).
	MaxSkew = 5 * time.Minute
)

// Config is what a platform knows about itself and about the service.
type Config struct {
	// BaseURL is the origin of the service's platform API, without a path:
	// "https://open.example.cn". Only a sandbox may be reached by http.
	BaseURL string
	// Audience is the host that requests are signed for; empty is the host of
	// BaseURL, with its port if it has one.
	Audience string
	// Code is the platform code (平台代码).
	Code string
	// SigningKey is the platform's SM2 key, a *sm2.PrivateKey or a handle of an
	// HSM. It is given e = SM3(ZA‖M) and returns DER.
	SigningKey crypto.Signer
	// Certificate is the platform's signing certificate: its common name is
	// Code, its one DNS name the registered host.
	Certificate *smx509.Certificate
	// Roots are the CAs that results and callbacks have to chain to.
	Roots []*smx509.Certificate
	// Issuers are certificates between Roots and those of the service, for
	// callbacks that come without them; they are trusted for nothing by themselves.
	Issuers []*smx509.Certificate
	// Sandbox accepts roots of a sandbox. Without it New refuses them, so that
	// a test root left in a production file cannot log anybody in.
	Sandbox bool
	// Arc numbers the operator's own attributes; the zero value is the sandbox's.
	Arc pki.Arc
	// Revocation decides about revoked certificates; see CRLs. Only in a sandbox
	// may it be nil: nobody is asked then.
	Revocation Revocation
	// HTTP carries the requests; nil is a client with a limit of 15 s a request.
	// Redirects are never followed.
	HTTP *http.Client
	// Poll is the pause between two questions where events do not come through;
	// zero is 2 s.
	Poll time.Duration
	// Clock tells the time; nil is the machine's.
	Clock Clock
	// Rand gives challenges and nonces; nil is crypto/rand.
	Rand io.Reader
}

// Client speaks to the service on behalf of one platform. It is safe for
// concurrent use.
type Client struct {
	base     *url.URL
	audience string
	code     string
	host     string
	key      crypto.Signer
	point    []byte
	own      *smx509.Certificate
	trust    trust
	issuers  []*smx509.Certificate
	sandbox  bool
	http     *http.Client
	stream   *http.Client
	poll     time.Duration
	clock    Clock
	rand     io.Reader
}

// New checks a configuration as far as that is possible without a request. The
// error wraps ErrConfig.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && !(base.Scheme == "http" && cfg.Sandbox)) || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return nil, fmt.Errorf("%w: BaseURL has to be an origin such as https://open.example.cn", ErrConfig)
	}
	c := &Client{
		base: &url.URL{Scheme: base.Scheme, Host: base.Host}, audience: cfg.Audience, code: cfg.Code,
		key: cfg.SigningKey, own: cfg.Certificate, issuers: cfg.Issuers, sandbox: cfg.Sandbox,
		poll: cfg.Poll, clock: cfg.Clock, rand: cfg.Rand,
	}
	if c.audience == "" {
		c.audience = base.Host
	}
	if c.poll <= 0 {
		c.poll = 2 * time.Second
	}
	if c.clock == nil {
		c.clock = SystemClock{}
	}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	if err := c.identify(); err != nil {
		return nil, err
	}
	if c.trust, err = newTrust(cfg.Roots, cfg.Sandbox, cfg.Arc, cfg.Revocation); err != nil {
		return nil, err
	}
	c.http, c.stream = clients(cfg.HTTP)
	return c, nil
}

// identify holds key, certificate and code against each other.
func (c *Client) identify() error {
	if c.code == "" || c.key == nil || c.own == nil {
		return fmt.Errorf("%w: Code, SigningKey and Certificate are wanted", ErrConfig)
	}
	if c.own.Subject.CommonName != c.code {
		return fmt.Errorf("%w: the certificate is that of platform %q", ErrConfig, c.own.Subject.CommonName)
	}
	if len(c.own.DNSNames) != 1 {
		return fmt.Errorf("%w: the certificate does not name one host", ErrConfig)
	}
	c.host = c.own.DNSNames[0]
	pub, ok := c.key.Public().(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: SigningKey is not an SM2 key", ErrConfig)
	}
	point, err := pki.Point(pub)
	if err != nil {
		return fmt.Errorf("%w: SigningKey: %w", ErrConfig, err)
	}
	if certified, ok := c.own.PublicKey.(*ecdsa.PublicKey); !ok || !certified.Equal(pub) {
		return fmt.Errorf("%w: the certificate is of another key", ErrConfig)
	}
	c.point = point
	return nil
}

// clients gives one client for requests and one, without a time limit, for
// streams. A signed request must not wander to another address.
func clients(given *http.Client) (requests, streams *http.Client) {
	if given == nil {
		given = &http.Client{Timeout: 15 * time.Second}
	}
	r := *given
	r.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := r
	s.Timeout = 0
	return &r, &s
}

// Code is the platform code of this client.
func (c *Client) Code() string { return c.code }

// Host is the host registered for this platform.
func (c *Client) Host() string { return c.host }

// request makes a signed request. The signature binds platform, audience,
// method, path and query, body, time and a nonce that serves once.
func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	u := *c.base
	u.Path = apiPath + path
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	raw, err := c.random(16)
	if err != nil {
		return nil, err
	}
	at, nonce := strconv.FormatInt(c.clock.Now().UnixMilli(), 10), hex.EncodeToString(raw)
	digest := sm3.Sum(body)
	signature, err := c.sign(prefixed(requestTag, c.code, c.audience, method, req.URL.RequestURI(), string(digest[:]), at, nonce))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Twt-Platform", c.code)
	req.Header.Set("Twt-Time", at)
	req.Header.Set("Twt-Nonce", nonce)
	req.Header.Set("Twt-Signature", base64.StdEncoding.EncodeToString(signature))
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// call sends a signed request and reads the JSON answer into reply, unless that
// is nil.
func (c *Client) call(ctx context.Context, method, path string, body, reply any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return fmt.Errorf("platform: encode request: %w", err)
		}
	}
	req, err := c.request(ctx, method, path, raw)
	if err != nil {
		return err
	}
	return fetch(c.http, req, reply)
}

func fetch(h *http.Client, req *http.Request, reply any) error {
	req.Header.Set("Accept", "application/json, application/problem+json")
	res, err := h.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return problemOf(res)
	}
	if reply == nil {
		return nil
	}
	return decode(res.Body, maxReply, reply)
}

func (c *Client) sign(msg []byte) ([]byte, error) {
	e, err := splitkey.Digest(c.point, splitkey.IDDocument, msg)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	signature, err := c.key.Sign(c.rand, e, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("platform: sign request: %w", err)
	}
	return signature, nil
}

func (c *Client) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(c.rand, b); err != nil {
		return nil, fmt.Errorf("platform: random source: %w", err)
	}
	return b, nil
}

// prefixed joins fields, each behind its length in four bytes, big-endian, so
// that no two lists of fields give the same bytes.
func prefixed(fields ...string) []byte {
	var b []byte
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// decode reads exactly one JSON value of at most limit bytes.
func decode(r io.Reader, limit int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if int64(len(b)) > limit {
		return fmt.Errorf("%w: more than %d bytes", ErrReply, limit)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrReply, err)
	}
	return nil
}

// problemOf reads the problem document of a refused request; an answer that is
// none still tells its status.
func problemOf(res *http.Response) error {
	p := &Problem{Status: res.StatusCode}
	var doc struct{ Code, Detail, Instance string }
	if err := decode(res.Body, maxErrors, &doc); err == nil {
		p.Code, p.Detail, p.Instance = doc.Code, doc.Detail, doc.Instance
	} else if errors.Is(err, ErrUnreachable) {
		return err
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}

// download reads the body of a plain GET, within a limit.
func download(h *http.Client, req *http.Request, limit int64) ([]byte, error) {
	res, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return b, err
}
