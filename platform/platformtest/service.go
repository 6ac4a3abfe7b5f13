// Package platformtest is the service in memory, for the tests of trading
// platforms: real HTTP, real SM2 keys, an authority of its own, and no phone.
// What a phone would do, a test says: Scan, Execute, End. Execute can be told to
// break any part of a result.
package platformtest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
	"tianweitong/splitkey"
)

// Code and Host are those of the platform that the service knows.
const (
	Code = "M1100000034"
	Host = "bid.example"
)

// Clock stands still until it is moved.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now implements platform.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Party is a certificate with its key.
type Party struct {
	Certificate *smx509.Certificate
	Key         *sm2.PrivateKey
}

// Service is the platform API in memory.
type Service struct {
	URL       string
	Clock     *Clock
	Authority *pkitest.Hierarchy
	Platform  Party // the platform's signing certificate
	Holder    Party // a person who answers
	TSA       Party
	Own       Party // of the service: signs callbacks

	// NoEvents answers the event stream with 404, as a proxy might.
	NoEvents bool

	t      testing.TB
	mu     sync.Mutex
	order  []string
	txs    map[string]*transaction
	nonces map[string]bool
	calls  []string
	down   int
}

// Created is what a platform sent to begin a transaction.
type Created struct {
	Type             platform.Type    `json:"type"`
	Title            string           `json:"title"`
	BrowserBinding   []byte           `json:"browserBinding"`
	Browser          platform.Browser `json:"browser"`
	ExpectedIdentity string           `json:"expectedIdentity"`
	AskCode          bool             `json:"askCode"`
	NotifyPath       string           `json:"notifyPath"`
	Login            struct {
		Challenge []byte `json:"challenge"`
	} `json:"login"`
	Sign struct {
		Document []byte `json:"document"`
		Name     string `json:"name"`
		Size     int64  `json:"size"`
		Digest   []byte `json:"digest"`
	} `json:"sign"`
}

type transaction struct {
	created Created
	state   platform.State
	code    string
	result  *Result
	changed chan struct{}
}

// Result is a result on the wire.
type Result struct {
	Code     platform.Outcome `json:"code"`
	Identity struct {
		Kind   string `json:"kind"`
		Holder string `json:"holder"`
		Name   string `json:"name"`
	} `json:"identity"`
	Certificate []byte    `json:"certificate,omitempty"`
	Chain       [][]byte  `json:"chain,omitempty"`
	M           []byte    `json:"m,omitempty"`
	Signature   []byte    `json:"signature,omitempty"`
	Timestamp   []byte    `json:"timestamp,omitempty"`
	SignedAt    time.Time `json:"signedAt"`
}

// New starts a service that ends with the test.
func New(t testing.TB) *Service {
	h := pkitest.New(t)
	party := func(role pki.Role) Party {
		cert, key := h.CA.IssueRole(t, role)
		return Party{cert, key}
	}
	s := &Service{
		Clock: &Clock{at: pkitest.Start.Add(30 * 24 * time.Hour)}, Authority: h,
		Platform: party(pki.PlatformSigning), Holder: party(pki.PersonSigning), TSA: party(pki.TSA), Own: party(pki.Service),
		t: t, txs: map[string]*transaction{}, nonces: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /open/v1/transactions", s.create)
	mux.HandleFunc("GET /open/v1/transactions/{id}", s.get)
	mux.HandleFunc("GET /open/v1/transactions/{id}/qr", s.qr)
	mux.HandleFunc("GET /open/v1/transactions/{id}/events", s.events)
	mux.HandleFunc("POST /open/v1/transactions/{id}/cancel", s.cancel)
	mux.HandleFunc("GET /open/v1/certificates/{serial}", s.certificate)
	mux.HandleFunc("GET /open/v1/platform", s.platform)
	server := httptest.NewServer(s.signed(mux))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Config is the configuration of the platform that the service knows.
func (s *Service) Config() platform.Config {
	return platform.Config{
		BaseURL: s.URL, Code: Code, SigningKey: s.Platform.Key, Certificate: s.Platform.Certificate,
		Roots: []*smx509.Certificate{s.Authority.Root.Cert}, Sandbox: true, Clock: s.Clock, Poll: time.Millisecond,
	}
}

// Client is a client of that platform.
func (s *Service) Client() *platform.Client {
	s.t.Helper()
	c, err := platform.New(s.Config())
	s.must(err)
	return c
}

// Created gives what was sent to begin a transaction.
func (s *Service) Created(id string) Created { return s.tx(id).created }

// Last is the identifier of the transaction begun last.
func (s *Service) Last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == 0 {
		s.t.Fatal("no transaction was begun")
	}
	return s.order[len(s.order)-1]
}

// Calls lists method and path of the requests that were accepted so far.
func (s *Service) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// Fail answers the next n requests with 503.
func (s *Service) Fail(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = n
}

// Scan is a phone that scans: the verification code appears.
func (s *Service) Scan(id, code string) { s.set(id, platform.Scanned, code, nil) }

// Confirm is a phone whose user typed the code and is about to enter the PIN.
func (s *Service) Confirm(id string) { s.set(id, platform.Ready, "", nil) }

// End ends a transaction without a signature.
func (s *Service) End(id string, state platform.State, why platform.Outcome) {
	var r *Result
	if why != "" {
		r = &Result{Code: why}
	}
	s.set(id, state, "", r)
}

// Execution is how a result is made; Execute fills it in as an honest service
// and phone would.
type Execution struct {
	Login       splitkey.LoginMessage // of a login
	M           []byte                // what is signed; nil: Login
	ID          string                // the ID that it is signed under
	Signer      Party
	StampedAt   time.Time
	TSA         Party
	StampedData []byte             // nil: the signature
	Wire        func(*Result)      // the last change, on the finished result
	Name        *platform.Identity // nil: as the certificate says
}

// Execute is a phone that signs, and a service that stamps and delivers. Each
// change is made to the honest execution first.
func (s *Service) Execute(id string, changes ...func(*Execution)) {
	s.t.Helper()
	r := s.Make(id, changes...)
	s.set(id, platform.Executed, "", &r)
}

// Make makes the result of Execute without delivering it.
func (s *Service) Make(id string, changes ...func(*Execution)) Result {
	s.t.Helper()
	c, now := s.tx(id).created, s.Clock.Now()
	e := Execution{Signer: s.Holder, TSA: s.TSA, StampedAt: now}
	if c.Type == platform.TypeLogin {
		e.ID = splitkey.IDLogin
		e.Login = splitkey.LoginMessage{Platform: Code, Host: Host, Transaction: id,
			Challenge: c.Login.Challenge, Browser: c.BrowserBinding, Time: now.Unix()}
	} else if e.ID = splitkey.IDDocument; c.Sign.Document != nil {
		e.M = c.Sign.Document
	} else {
		e.M = s.Attributes(pki.NewDocumentAttributes(pki.Document{Name: c.Sign.Name, Size: c.Sign.Size}, c.Sign.Digest, e.Signer.Certificate, now))
	}
	for _, change := range changes {
		change(&e)
	}
	var r Result
	r.Code, r.SignedAt = platform.OK, e.StampedAt
	if r.M = e.M; r.M == nil {
		m, err := e.Login.Bytes()
		s.must(err)
		r.M = m
	}
	subject := e.Signer.Certificate.Subject
	r.Identity.Kind, r.Identity.Holder, r.Identity.Name = "person", subject.SerialNumber, subject.CommonName
	if e.Name != nil {
		r.Identity.Kind, r.Identity.Holder, r.Identity.Name = e.Name.Kind, e.Name.Holder, e.Name.Name
	}
	r.Certificate, r.Chain = e.Signer.Certificate.Raw, [][]byte{s.Authority.CA.Cert.Raw}
	var err error
	r.Signature, err = e.Signer.Key.Sign(rand.Reader, r.M, sm2.NewSM2SignerOption(true, []byte(e.ID)))
	s.must(err)
	if e.StampedData == nil {
		e.StampedData = r.Signature
	}
	r.Timestamp = s.Stamp(e.TSA, e.StampedData, e.StampedAt)
	if e.Wire != nil {
		e.Wire(&r)
	}
	return r
}

// Attributes encodes attributes in the service's arc.
func (s *Service) Attributes(a pki.SignedAttributes) []byte {
	s.t.Helper()
	der, err := a.Marshal(pki.Arc{})
	s.must(err)
	return der
}

// Stamp makes a TimeStampResp over data.
func (s *Service) Stamp(tsa Party, data []byte, at time.Time) []byte {
	s.t.Helper()
	draft, err := pki.NewTimestamp(pki.Arc{}, pki.TSAPolicyOf(pki.Arc{}, true), tsa.Certificate, []*smx509.Certificate{s.Authority.CA.Cert}, big.NewInt(at.UnixNano()), at,
		pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum(data), WantCertificate: true})
	s.must(err)
	der, err := draft.Assemble(pkitest.Sign(s.t, tsa.Key, draft.ToBeSigned()))
	s.must(err)
	return der
}

// Callback is a callback request as the service sends it to an address.
func (s *Service) Callback(address, id string, state platform.State, change func(members map[string]any, signer *Party)) *http.Request {
	s.t.Helper()
	members := map[string]any{
		"platform": Code, "url": address, "tId": id, "seq": 1, "type": s.tx(id).created.Type, "state": state,
		"time": s.Clock.Now(), "nonce": s.draw(), "recipient": pki.SM3.Sum(s.Platform.Certificate.Raw),
	}
	signer := s.Own
	if change != nil {
		change(members, &signer)
	}
	body, err := json.Marshal(members)
	s.must(err)
	return s.SignedCallback(address, body, signer)
}

// SignedCallback signs any body as a callback.
func (s *Service) SignedCallback(address string, body []byte, signer Party) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest("POST", address, bytes.NewReader(body))
	s.must(err)
	signature := pkitest.Sign(s.t, signer.Key, Prefixed("TWT/callback/v1", string(body)))
	encode := base64.StdEncoding.EncodeToString
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Twt-Signature", encode(signature))
	req.Header.Set("Twt-Certificate", encode(signer.Certificate.Raw)+","+encode(s.Authority.CA.Cert.Raw))
	return req
}

// Prefixed joins fields, each behind its length in four bytes.
func Prefixed(fields ...string) []byte {
	var b []byte
	for _, f := range fields {
		b = append(b, byte(len(f)>>24), byte(len(f)>>16), byte(len(f)>>8), byte(len(f)))
		b = append(b, f...)
	}
	return b
}

func (s *Service) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Service) draw() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (s *Service) tx(id string) *transaction {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, ok := s.txs[id]
	if !ok {
		s.t.Fatalf("no transaction %s", id)
	}
	return tx
}

func (s *Service) set(id string, state platform.State, code string, r *Result) {
	s.t.Helper()
	tx := s.tx(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	tx.state, tx.code, tx.result = state, code, r
	close(tx.changed)
	tx.changed = make(chan struct{})
}

// signed admits requests that the platform signed, for this host, now and for
// the first time.
func (s *Service) signed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h := r.Header
		at, err := strconv.ParseInt(h.Get("Twt-Time"), 10, 64)
		signature, err2 := base64.StdEncoding.DecodeString(h.Get("Twt-Signature"))
		skew := s.Clock.Now().Sub(time.UnixMilli(at)).Abs()
		u, _ := url.Parse(s.URL)
		msg := Prefixed("TWT/platform/v1", h.Get("Twt-Platform"), u.Host, r.Method, r.URL.RequestURI(),
			string(pki.SM3.Sum(body)), h.Get("Twt-Time"), h.Get("Twt-Nonce"))
		s.mu.Lock()
		replayed := s.nonces[h.Get("Twt-Nonce")]
		s.nonces[h.Get("Twt-Nonce")] = true
		down := s.down > 0
		s.down = max(0, s.down-1)
		s.mu.Unlock()
		switch {
		case down:
			refuse(w, http.StatusServiceUnavailable, "unavailable")
		case err != nil || err2 != nil || skew > platform.MaxSkew || replayed || len(h.Get("Twt-Nonce")) != 32 ||
			h.Get("Twt-Platform") != Code || pki.VerifySignature(&s.Platform.Key.PublicKey, msg, signature) != nil:
			refuse(w, http.StatusUnauthorized, "platform_signature")
		default:
			s.mu.Lock()
			s.calls = append(s.calls, r.Method+" "+r.URL.Path)
			s.mu.Unlock()
			next.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"urn:tianweitong:%s","status":%d,"code":%q,"detail":"请求未被接受，请检查后重试。","instance":"0011223344556677"}`, code, status, code)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (s *Service) create(w http.ResponseWriter, r *http.Request) {
	var c Created
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		refuse(w, http.StatusUnprocessableEntity, "request_malformed")
		return
	}
	id := Code + s.draw()
	s.mu.Lock()
	s.order = append(s.order, id)
	s.txs[id] = &transaction{created: c, state: platform.Created, changed: make(chan struct{})}
	s.mu.Unlock()
	reply(w, http.StatusCreated, map[string]any{"tId": id, "seq": 1, "state": "CREATED", "expiresAt": s.Clock.Now().Add(2 * time.Minute)})
}

// status gives the state of a request's transaction, and what tells that it
// changed.
func (s *Service) status(r *http.Request) (map[string]any, platform.State, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, ok := s.txs[r.PathValue("id")]
	if !ok {
		return nil, "", nil
	}
	m := map[string]any{"tId": r.PathValue("id"), "type": tx.created.Type, "state": tx.state}
	if tx.code != "" {
		m["code"] = tx.code
	}
	if tx.state != platform.Created {
		m["scannedAt"] = s.Clock.Now()
	}
	if tx.result != nil {
		m["result"] = tx.result
	}
	return m, tx.state, tx.changed
}

func (s *Service) get(w http.ResponseWriter, r *http.Request) {
	m, _, _ := s.status(r)
	if m == nil {
		refuse(w, http.StatusNotFound, "not_found")
		return
	}
	reply(w, http.StatusOK, m)
}

func (s *Service) qr(w http.ResponseWriter, r *http.Request) {
	now := s.Clock.Now()
	reply(w, http.StatusOK, map[string]any{"text": "https://app.example/s#k=" + s.draw() + s.draw(),
		"rotatesAt": now.Add(10 * time.Second), "expiresAt": now.Add(2 * time.Minute)})
}

func (s *Service) events(w http.ResponseWriter, r *http.Request) {
	if s.NoEvents {
		refuse(w, http.StatusNotFound, "not_found")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		m, state, changed := s.status(r)
		if m == nil {
			return
		}
		delete(m, "result")
		b, _ := json.Marshal(m)
		fmt.Fprintf(w, ": heartbeat\n\nevent: state\ndata: %s\n\n", b)
		w.(http.Flusher).Flush()
		if state.Final() {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Service) cancel(w http.ResponseWriter, r *http.Request) {
	if m, state, _ := s.status(r); m == nil || state.Final() {
		refuse(w, http.StatusConflict, "scan_over")
		return
	}
	s.set(r.PathValue("id"), platform.Cancelled, "", nil)
	reply(w, http.StatusOK, map[string]any{})
}

func (s *Service) certificate(w http.ResponseWriter, r *http.Request) {
	if serial := fmt.Sprintf("%X", s.Holder.Certificate.SerialNumber); r.PathValue("serial") != serial {
		refuse(w, http.StatusNotFound, "not_found")
		return
	}
	reply(w, http.StatusOK, map[string]any{"der": s.Holder.Certificate.Raw, "state": "valid"})
}

func (s *Service) platform(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"code": Code, "name": "示例交易平台", "region": "北京", "host": Host, "askCode": true, "sandbox": true})
}
