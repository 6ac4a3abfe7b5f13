// Package pkihttp is the public face of the CA: lists, OCSP answers, issuers'
// certificates and timestamps, on a listener of its own without cookies, whose
// answers anybody may cache (RFC 5280 §4.2.1.13, RFC 6960 appendix A, RFC 3161
// §3.4).
package pkihttp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tianweitong/internal/ca"
	"tianweitong/internal/clock"
	"tianweitong/internal/work"
)

// Authority is what this door publishes; *ca.Service is one.
type Authority interface {
	CRL(ctx context.Context, institution string) (ca.List, error)
	OCSP(ctx context.Context, raw []byte) ([]byte, error)
	TimestampRequest(ctx context.Context, raw []byte) ([]byte, error)
	AuthorityDER(institution string) ([]byte, error)
}

const (
	maxOCSP = 8 << 10
	maxTSP  = 8 << 10
	slow    = 10 * time.Second
)

type server struct {
	ca      Authority
	clock   clock.Clock
	log     *slog.Logger
	sandbox bool
}

// New makes the handler. In the sandbox its index says so.
func New(a Authority, c clock.Clock, log *slog.Logger, sandbox bool) http.Handler {
	s := &server{a, c, log, sandbox}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crl/{file}", s.list)
	mux.HandleFunc("GET /certificates/{file}", s.certificate)
	mux.HandleFunc("POST /ocsp", s.ocspPost)
	mux.HandleFunc("GET /ocsp/{request...}", s.ocspGet)
	mux.HandleFunc("POST /tsa", s.timestamp)
	mux.HandleFunc("GET /cps", s.cps)
	mux.HandleFunc("GET /{$}", s.index)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		ctx, cancel := context.WithTimeout(r.Context(), slow)
		defer cancel()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	institution, ok := strings.CutSuffix(r.PathValue("file"), ".crl")
	if !ok {
		http.NotFound(w, r)
		return
	}
	l, err := s.ca.CRL(r.Context(), institution)
	if s.refused(w, r, err) {
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	w.Header().Set("Last-Modified", l.ThisUpdate.UTC().Format(http.TimeFormat))
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, institution, l.Number))
	// A revocation shows within 60 s: nobody may keep a list longer than half of it.
	w.Header().Set("Cache-Control", "public, max-age=30")
	http.ServeContent(w, r, "", l.ThisUpdate, strings.NewReader(string(l.DER)))
}

func (s *server) certificate(w http.ResponseWriter, r *http.Request) {
	institution, ok := strings.CutSuffix(r.PathValue("file"), ".cer")
	if !ok {
		http.NotFound(w, r)
		return
	}
	der, err := s.ca.AuthorityDER(institution)
	if s.refused(w, r, err) {
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(der)
}

func (s *server) refused(w http.ResponseWriter, r *http.Request, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, work.ErrNotFound), errors.Is(err, ca.ErrNoAuthority):
		http.NotFound(w, r)
	default:
		s.failed(w, r, err)
	}
	return true
}

func (s *server) failed(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "pki request failed", "route", r.Pattern, "error", err)
	http.Error(w, "服务暂不可用，请稍后重试。", http.StatusServiceUnavailable)
}

func (s *server) ocspPost(w http.ResponseWriter, r *http.Request) {
	raw, ok := body(w, r, "application/ocsp-request", maxOCSP)
	if ok {
		s.ocsp(w, r, raw)
	}
}

// ocspGet takes the request from the path, base64 (RFC 6960 appendix A.1).
func (s *server) ocspGet(w http.ResponseWriter, r *http.Request) {
	text, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/ocsp/"))
	if err != nil || len(text) > maxOCSP {
		http.Error(w, "请求格式不正确。", http.StatusBadRequest)
		return
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		http.Error(w, "请求格式不正确。", http.StatusBadRequest)
		return
	}
	s.ocsp(w, r, raw)
}

func (s *server) ocsp(w http.ResponseWriter, r *http.Request, raw []byte) {
	out, err := s.ca.OCSP(r.Context(), raw)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.Header().Set("Cache-Control", "no-cache") // a revocation shows within 5 s
	w.Write(out)
}

func (s *server) timestamp(w http.ResponseWriter, r *http.Request) {
	raw, ok := body(w, r, "application/timestamp-query", maxTSP)
	if !ok {
		return
	}
	out, err := s.ca.TimestampRequest(r.Context(), raw)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(out)
}

func body(w http.ResponseWriter, r *http.Request, contentType string, limit int64) ([]byte, bool) {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); ct != contentType {
		http.Error(w, "Content-Type 应为 "+contentType+"。", http.StatusUnsupportedMediaType)
		return nil, false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		http.Error(w, "请求过大或未完整送达。", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	return raw, true
}

func (s *server) cps(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	text := "电子认证业务规则由运营机构发布。\n"
	if s.sandbox {
		text = "沙箱：本站证书仅供测试，没有任何法律效力。\n"
	}
	io.WriteString(w, text)
}

func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.sandbox {
		io.WriteString(w, "沙箱 SANDBOX\n")
	}
	io.WriteString(w, "GET /crl/{机构}.crl\nGET /certificates/{机构}.cer\nPOST /ocsp\nPOST /tsa\n")
}
