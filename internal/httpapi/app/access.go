package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
)

// Access says who may call a route.
type Access int

// The kinds of access. The zero value has no name and serves nobody: a route
// that forgets its access is refused.
const (
	_ Access = iota
	// Public: no session needed; none is looked at.
	Public
	// Session: logged in, request signed by the session's device. A session that
	// a running re-key restricts is refused.
	Session
	// Restricted: as Session, and open to restricted sessions too: they may
	// confirm or stop the re-key and sign out (docs/split-keys.md §2.6).
	Restricted
)

// The refusals of the guard.
var (
	CodeLogin      = fault.Code{Name: "login_required", Kind: fault.Unauthenticated, Text: "您还没有登录，请先登录。"}
	CodeDevice     = fault.Code{Name: "device_signature_invalid", Kind: fault.Unauthenticated, Text: "设备校验未通过，请重新登录。"}
	CodeClock      = fault.Code{Name: "device_clock_wrong", Kind: fault.Unauthenticated, Text: "手机时间与服务器相差过大，请校准手机时间后重试。"}
	CodeReplay     = fault.Code{Name: "request_repeated", Kind: fault.Conflict, Text: "已收到过这次提交，请刷新查看结果，无需重复提交。"}
	CodeRestricted = fault.Code{Name: "session_restricted", Kind: fault.Forbidden, Text: "您的账号正在另一台设备上办理补办恢复，本设备暂时只能确认或停止该操作。"}
)

// Cookie is the name of the session cookie.
const Cookie = "twt"

const skew = 120 * time.Second

type callerKey struct{}

func callerOf(ctx context.Context) account.Caller {
	c, _ := ctx.Value(callerKey{}).(account.Caller)
	return c
}

// guard lets a request pass to its handler only with a session and a valid
// device signature.
func (s *Server) guard(a Access) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		caller, err := s.authenticate(c.Context(), a)
		if err != nil {
			httpapi.Refuse(c, s.Log, err)
			return
		}
		next(huma.WithValue(c, callerKey{}, caller))
	}
}

func (s *Server) authenticate(ctx context.Context, a Access) (account.Caller, error) {
	if a != Session && a != Restricted {
		return account.Caller{}, CodeLogin
	}
	r := httpapi.RequestOf(ctx)
	token := r.Cookie(Cookie)
	if token == "" {
		return account.Caller{}, CodeLogin
	}
	caller, device, err := s.Accounts.Authenticate(ctx, token)
	if err != nil {
		return account.Caller{}, err
	}
	if err := s.signed(r, device); err != nil {
		return account.Caller{}, err
	}
	if caller.Restricted && a != Restricted {
		return account.Caller{}, CodeRestricted
	}
	return s.identified(ctx, r, caller)
}

// signed checks the device signature (docs/split-keys.md §3.3): ECDSA P-256
// with SHA-256 over method, path and query, body, the session's nonce, time and
// a request number that serves once.
func (s *Server) signed(r *httpapi.Request, d account.Device) error {
	at, err := strconv.ParseInt(r.Header("Twt-Time"), 10, 64)
	if err != nil {
		return CodeDevice.Because(errors.New("no time"))
	}
	number := r.Header("Twt-Request")
	if len(number) != 32 {
		return CodeDevice.Because(errors.New("no request number"))
	}
	signature, err := base64.StdEncoding.DecodeString(r.Header("Twt-Signature"))
	if err != nil || len(signature) == 0 {
		return CodeDevice.Because(errors.New("no signature"))
	}
	parsed, err := x509.ParsePKIXPublicKey(d.PublicKey)
	if err != nil {
		return CodeDevice.Because(err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || !ecdsa.VerifyASN1(key, RequestDigest(r.Method, r.URI, r.Body, d.Nonce, at, number), signature) {
		return CodeDevice.Because(errors.New("signature does not verify"))
	}
	now := s.Clock.Now()
	if off := now.Sub(time.UnixMilli(at)); off > skew || off < -skew {
		return CodeClock.With(map[string]any{"serverTime": now})
	}
	if !s.once.First(d.Thumbprint+number, now) {
		return CodeReplay
	}
	return nil
}

// RequestDigest is what the device key signs: SHA-256 over the length-prefixed
// parts of a request.
func RequestDigest(method, uri string, body, nonce []byte, unixMilli int64, number string) []byte {
	sum := sha256.Sum256(body)
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte("TWT/request/v1"), []byte(method), []byte(uri), sum[:], nonce,
		strconv.AppendInt(nil, unixMilli, 10), []byte(number),
	} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return h.Sum(nil)
}
