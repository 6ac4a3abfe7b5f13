package platformapi

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/catalog"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// The refusals of the guard.
var (
	CodeUnsigned  = fault.Code{Name: "request_unsigned", Kind: fault.Unauthenticated, Text: "请求没有有效的平台签名，请核对签名方法与证书。"}
	CodePlatform  = fault.Code{Name: "request_platform", Kind: fault.Unauthenticated, Text: "平台编码未登记或已停用，请联系运营方。"}
	CodeClock     = fault.Code{Name: "request_clock", Kind: fault.Unauthenticated, Text: "请求时间与服务器相差超过 5 分钟，请校准时钟。"}
	CodeReplayed  = fault.Code{Name: "request_replayed", Kind: fault.Conflict, Text: "请求的随机数已使用过，请以新的随机数重新签名。"}
	CodeTooMany   = fault.Code{Name: "request_too_many", Kind: fault.TooMany, Text: "请求过于频繁，请稍后再试。"}
	CodeNoStreams = fault.Code{Name: "events_full", Kind: fault.Unavailable, Text: "推送连接已满，请改用查询接口。"}
)

// The headers of a signed request.
const (
	HeaderPlatform  = "Twt-Platform"
	HeaderTime      = "Twt-Time"
	HeaderNonce     = "Twt-Nonce"
	HeaderSignature = "Twt-Signature"
	// HeaderCertificate is the service certificate of a callback and its issuers,
	// base64 of DER, separated by commas.
	HeaderCertificate = "Twt-Certificate"
)

// Skew is how far a request's time may be from the server's.
const Skew = 5 * time.Minute

// Caller is the platform behind a request, and what makes the request unique.
type Caller struct {
	Platform catalog.Platform
	Nonce    string
	// Digest is SM3 of everything that was signed.
	Digest []byte
	// At is the time in the request.
	At time.Time
}

type callerKey struct{}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// guard lets only signed requests pass.
func (s *Server) guard(c huma.Context, next func(huma.Context)) {
	caller, err := s.authenticate(c.Context())
	if err != nil {
		httpapi.Refuse(c, s.Log, err)
		return
	}
	next(huma.WithValue(c, callerKey{}, caller))
}

// claim is what a request's headers say, before the signature is checked.
type claim struct {
	platform  catalog.Platform
	at        time.Time
	nonce     [16]byte
	signature []byte
}

// claim reads the headers, the time first, because it costs nothing.
func (s *Server) claim(ctx context.Context, now time.Time) (c claim, err error) {
	r := httpapi.RequestOf(ctx)
	ms, err := strconv.ParseInt(r.Header(HeaderTime), 10, 64)
	if err != nil {
		return c, CodeUnsigned.Because(errors.New("no time"))
	}
	c.at = time.UnixMilli(ms).UTC()
	if off := now.Sub(c.at); off > Skew || off < -Skew {
		return c, CodeClock.With(map[string]any{"serverTime": now.Format(time.RFC3339)})
	}
	nonce, err := hex.DecodeString(r.Header(HeaderNonce))
	if err != nil || len(nonce) != len(c.nonce) {
		return c, CodeUnsigned.Because(errors.New("no nonce"))
	}
	c.nonce = [16]byte(nonce)
	c.signature, err = base64.StdEncoding.DecodeString(r.Header(HeaderSignature))
	if err != nil || len(c.signature) == 0 {
		return c, CodeUnsigned.Because(errors.New("no signature"))
	}
	c.platform, err = s.platform(ctx, r.Header(HeaderPlatform))
	return c, err
}

// admit decides before a large body is read. The signature is checked
// afterwards, because it covers the body: who knows a platform's code can take
// that platform's places, and nobody else's.
func (s *Server) admit(ctx context.Context) error {
	_, err := s.claim(ctx, s.Clock.Now())
	return err
}

// authenticate checks a request's signature (docs/platform-api.md), and the nonce
// last, so that nobody uses up another's.
func (s *Server) authenticate(ctx context.Context) (Caller, error) {
	r, now := httpapi.RequestOf(ctx), s.Clock.Now()
	c, err := s.claim(ctx, now)
	if err != nil {
		return Caller{}, err
	}
	key, err := s.keys.of(c.platform.SignCertificate, now)
	if err != nil {
		return Caller{}, CodePlatform.Because(err)
	}
	nonce := r.Header(HeaderNonce)
	message := Message(c.platform.Code, s.Audience, r.Method, r.URI, r.Body, c.at.UnixMilli(), nonce)
	if err := pki.VerifySignature(key, message, c.signature); err != nil {
		return Caller{}, CodeUnsigned.Because(err)
	}
	if r.Method == "GET" {
		if err := s.once.take(c.platform.Code, c.nonce, c.at, now); err != nil {
			return Caller{}, err
		}
	}
	digest := sm3.Sum(message)
	return Caller{Platform: c.platform, Nonce: nonce, Digest: digest[:], At: c.at}, nil
}

func (s *Server) platform(ctx context.Context, code string) (catalog.Platform, error) {
	if code == "" {
		return catalog.Platform{}, CodeUnsigned.Because(errors.New("no platform"))
	}
	var p catalog.Platform
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		p, err = s.Directory.Platform(ctx, tx, code)
		return err
	})
	if errors.Is(err, catalog.CodePlatformUnknown) {
		return catalog.Platform{}, CodePlatform.Because(err)
	}
	if err == nil && !p.Active {
		err = CodePlatform.Because(errors.New("not active"))
	}
	return p, err
}

// Message is what a platform signs: length-prefixed parts, each with its length
// in 4 bytes big-endian, the body as its SM3.
func Message(platform, audience, method, uri string, body []byte, unixMilli int64, nonce string) []byte {
	sum := sm3.Sum(body)
	return prefixed([]byte("TWT/platform/v1"), []byte(platform), []byte(audience), []byte(method), []byte(uri), sum[:],
		strconv.AppendInt(nil, unixMilli, 10), []byte(nonce))
}

func prefixed(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// keys keeps the public keys of certificates that were read before.
type keys struct {
	mu    sync.Mutex
	known map[string]*smx509.Certificate
}

const maxKeys = 4096

// of gives the key of a certificate that is in its validity.
func (k *keys) of(der []byte, now time.Time) (*ecdsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.known[string(der)]
	if c == nil {
		var err error
		if c, err = smx509.ParseCertificate(der); err != nil {
			return nil, err
		}
		if k.known == nil || len(k.known) >= maxKeys {
			k.known = map[string]*smx509.Certificate{}
		}
		k.known[string(der)] = c
	}
	pub, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok || now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return nil, errors.New("the platform's certificate is not valid now")
	}
	return pub, nil
}

// window remembers the nonces of readings for as long as their time is
// acceptable, by the minute of that time: a replay has the same. It lives in one
// process; a restart forgets it, and a replayed reading then answers the platform
// that could ask anyway.
type window struct {
	// most are kept for all platforms and each of one, so that one platform's
	// readings leave room for the others'.
	most, each int

	mu      sync.Mutex
	minutes map[int64]map[string]map[[16]byte]struct{} // minute, platform, nonce
	n       int
}

func (w *window) take(platform string, nonce [16]byte, at, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := 0
	for minute, all := range w.minutes {
		if !time.Unix((minute+1)*60, 0).Add(Skew).Before(now) {
			held += len(all[platform])
			continue
		}
		for _, nonces := range all {
			w.n -= len(nonces)
		}
		delete(w.minutes, minute)
	}
	minute := at.Unix() / 60
	if _, seen := w.minutes[minute][platform][nonce]; seen {
		return CodeReplayed
	}
	if w.n >= w.most || held >= w.each {
		return tooMany(time.Minute)
	}
	if w.minutes == nil {
		w.minutes = map[int64]map[string]map[[16]byte]struct{}{}
	}
	if w.minutes[minute] == nil {
		w.minutes[minute] = map[string]map[[16]byte]struct{}{}
	}
	if w.minutes[minute][platform] == nil {
		w.minutes[minute][platform] = map[[16]byte]struct{}{}
	}
	w.minutes[minute][platform][nonce] = struct{}{}
	w.n++
	return nil
}
