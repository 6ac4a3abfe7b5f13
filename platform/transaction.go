package platform

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/splitkey"
)

// Type is what a transaction asks of the holder (docs/domain.md §1.9).
type Type string

// The types of this version.
const (
	TypeLogin Type = "login" // 扫码登录
	TypeSign  Type = "sign"  // 扫码签名
)

// State is where a transaction stands (docs/domain.md §1.9).
type State string

// The states. Executed and Delivered carry a result; Rejected, Expired,
// Cancelled and Failed end a transaction without one.
const (
	Created    State = "CREATED"
	Scanned    State = "SCANNED"
	Bound      State = "BOUND"
	Ready      State = "READY"
	Authorized State = "AUTHORIZED"
	Recovering State = "RECOVERING" // the phone restores its key; up to 10 minutes
	Executed   State = "EXECUTED"
	Delivered  State = "DELIVERED" // executed, and a callback was acknowledged
	Rejected   State = "REJECTED"
	Expired    State = "EXPIRED"
	Cancelled  State = "CANCELLED"
	Failed     State = "FAILED"
)

// Done reports whether there is a result.
func (s State) Done() bool { return s == Executed || s == Delivered }

// Final reports whether nothing that matters to the platform changes any more.
func (s State) Final() bool {
	return s.Done() || s == Rejected || s == Expired || s == Cancelled || s == Failed
}

func (s State) known() bool {
	switch s {
	case Created, Scanned, Bound, Ready, Authorized, Recovering:
		return true
	}
	return s.Final()
}

// Outcome is the end result of a transaction (docs/domain.md §1.9).
type Outcome string

// The end results. Further ones may come: show Text.
const (
	OK               Outcome = "OK"
	UserRefused      Outcome = "USER_REFUSED"
	Timeout          Outcome = "TIMEOUT"
	WrongCode        Outcome = "WRONG_CODE"
	NoCertificate    Outcome = "NO_CERT"
	NotRoamed        Outcome = "NOT_ROAMED"
	RoamExpired      Outcome = "ROAM_EXPIRED"
	CertExpired      Outcome = "CERT_EXPIRED"
	CertRevoked      Outcome = "CERT_REVOKED"
	KeyLost          Outcome = "KEY_LOST"
	PINLocked        Outcome = "PIN_LOCKED"
	IdentityMismatch Outcome = "IDENTITY_MISMATCH"
	RiskBlocked      Outcome = "RISK_BLOCKED"
	Withdrawn        Outcome = "PLATFORM_CANCELLED" // by this platform: Cancel
)

var outcomeTexts = map[Outcome]string{
	UserRefused:      "已在手机上拒绝",
	Timeout:          "超时未完成，请重新扫码",
	WrongCode:        "验证数字不一致，本次操作已取消，请重新扫码",
	NoCertificate:    "该身份没有可用证书，请先在天威通办理证书",
	NotRoamed:        "证书未开通本平台，请先在天威通申请漫游",
	RoamExpired:      "证书在本平台的漫游已到期，请在天威通续期",
	CertExpired:      "证书已过期，请在天威通续期",
	CertRevoked:      "证书已吊销，请在天威通重新办理",
	KeyLost:          "手机上的密钥已丢失，请在天威通补办恢复",
	PINLocked:        "PIN 码已锁定，请在天威通解锁后重试",
	IdentityMismatch: "扫码的身份与当前登录的身份不一致，请用登录时的身份扫码",
	RiskBlocked:      "本次操作存在风险，已被阻止",
	Withdrawn:        "本次操作已取消",
}

// Text is a Chinese sentence for the user: what happened and what to do. It is
// "" for OK.
func (o Outcome) Text() string {
	if o == OK {
		return ""
	}
	if t, ok := outcomeTexts[o]; ok {
		return t
	}
	return "操作未完成，请重新扫码"
}

// Browser is the browser that shows the QR code. The phone shows both, so that
// the user notices somebody else's page.
type Browser struct {
	UserAgent string `json:"userAgent"`
	Address   string `json:"address"` // network address without a port
}

// BrowserOf reads the browser from its request. Behind a proxy RemoteAddr is
// the proxy's: set Address from the header that yours writes.
func BrowserOf(r *http.Request) Browser {
	b := Browser{UserAgent: r.UserAgent()}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		b.Address = at.Addr().Unmap().WithZone("").String()
	}
	return b
}

// clean keeps of a browser's own words what the service takes: 512 printable
// characters. They inform; an odd browser must not be shut out for them.
func (b Browser) clean() Browser {
	n := 0
	b.UserAgent = strings.Map(func(r rune) rune {
		if n++; n > maxUserAgent || r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, b.UserAgent)
	return b
}

// Request is what every transaction needs.
type Request struct {
	// Title is shown on the phone: "登录电子招投标平台".
	Title string
	// Secret is the secret of the browser session that asks, 16 bytes or more.
	// Only its SM3 leaves the process; a result serves this session alone.
	Secret []byte
	// Browser is shown on the phone.
	Browser Browser
	// ExpectedHolder, if set, is the holder (the serialNumber of the
	// certificate's subject) who alone may answer: set it inside a session that
	// is logged in.
	ExpectedHolder string
	// AskCode asks for the verification code (验证数字) even where the service
	// would not: it does so by itself for a login.
	AskCode bool
	// NotifyPath, if set, is appended to the registered callback address; it
	// begins with "/".
	NotifyPath string
}

// LoginRequest begins a login.
type LoginRequest struct{ Request }

// SignRequest begins a signature: of Document, up to 4 MiB, or of a larger file
// that is named by Name, Size and Digest.
type SignRequest struct {
	Request
	Document []byte
	Name     string // file name, shown on the phone
	Size     int64  // bytes; with Digest only
	Digest   []byte // SM3 of the file; with no Document only
}

// Transaction is what this platform asked for. Keep it with the browser session
// that asked: a result is verified against it. It holds no secret and may be
// stored as JSON.
type Transaction struct {
	ID             string    `json:"id"` // tId: platform code and 32 hexadecimal digits
	Type           Type      `json:"type"`
	Seq            int       `json:"seq"`
	Begun          time.Time `json:"begun"` // by our clock
	ExpiresAt      time.Time `json:"expiresAt"`
	Binding        []byte    `json:"binding"` // SM3 of the session's secret
	ExpectedHolder string    `json:"expectedHolder,omitempty"`

	Challenge []byte `json:"challenge,omitempty"` // login: 32 random bytes

	Whole  bool   `json:"whole,omitempty"` // sign: the document itself is signed, not attributes that name it
	Name   string `json:"name,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Digest []byte `json:"digest,omitempty"` // SM3 of the document
}

// BelongsTo reports whether the browser session with this secret asked for the
// transaction. Nobody else is shown its code or given its result.
func (t Transaction) BelongsTo(secret []byte) bool {
	sum := sm3.Sum(secret)
	return len(secret) >= minSecret && subtle.ConstantTimeCompare(sum[:], t.Binding) == 1
}

// Status is where a transaction stands.
type Status struct {
	ID    string
	Type  Type
	State State
	// Code is the verification code (验证数字), four digits, while State is
	// Scanned and a code is asked for. Show it only to the session that asked.
	Code      string
	ScannedAt time.Time // zero before the scan
	// Outcome is OK with a Result, another one with a final state without.
	Outcome Outcome
	// Result is set when State.Done, and then every part of it was verified.
	Result *Result
}

const (
	minSecret     = 16
	maxTitle      = 100 // characters
	maxUserAgent  = 512 // characters
	challengeSize = 32
)

var idPattern = regexp.MustCompile(`^[0-9A-Za-z]{1,32}[0-9a-f]{32}$`)

type createRequest struct {
	Type             Type         `json:"type"`
	Title            string       `json:"title"`
	BrowserBinding   []byte       `json:"browserBinding"`
	Browser          Browser      `json:"browser"`
	ExpectedIdentity string       `json:"expectedIdentity,omitempty"`
	AskCode          bool         `json:"askCode,omitempty"`
	NotifyPath       string       `json:"notifyPath,omitempty"`
	Login            *createLogin `json:"login,omitempty"`
	Sign             *createSign  `json:"sign,omitempty"`
}

type createLogin struct {
	Challenge []byte `json:"challenge"`
}

type createSign struct {
	Document []byte `json:"document,omitempty"`
	Name     string `json:"name"`
	Size     int64  `json:"size,omitempty"`
	Digest   []byte `json:"digest,omitempty"`
}

func (r Request) check() error {
	_, badAddress := netip.ParseAddr(r.Browser.Address)
	switch {
	case r.Title == "" || utf8.RuneCountInString(r.Title) > maxTitle:
		return fmt.Errorf("%w: a title of 1 to %d characters is wanted", ErrConfig, maxTitle)
	case badAddress != nil:
		return fmt.Errorf("%w: the browser's network address is wanted", ErrConfig)
	case len(r.Secret) < minSecret:
		return fmt.Errorf("%w: the session's secret has fewer than %d bytes", ErrConfig, minSecret)
	case r.NotifyPath != "" && !strings.HasPrefix(r.NotifyPath, "/"):
		return fmt.Errorf("%w: NotifyPath has to begin with /", ErrConfig)
	}
	return nil
}

// BeginLogin begins a login (扫码登录) with a fresh challenge.
func (c *Client) BeginLogin(ctx context.Context, r LoginRequest) (Transaction, error) {
	challenge, err := c.random(challengeSize)
	if err != nil {
		return Transaction{}, err
	}
	tx := Transaction{Type: TypeLogin, Challenge: challenge}
	return c.begin(ctx, tx, r.Request, createRequest{Login: &createLogin{Challenge: challenge}})
}

// BeginSign begins a signature (扫码签名). A document that may not be signed as
// one is refused here, before anybody is bothered (docs/split-keys.md §2.9).
func (c *Client) BeginSign(ctx context.Context, r SignRequest) (Transaction, error) {
	tx := Transaction{Type: TypeSign, Name: r.Name}
	body := createSign{Name: r.Name}
	switch {
	case r.Name == "":
		return tx, fmt.Errorf("%w: a name of the document is wanted", ErrConfig)
	case r.Document != nil && (r.Digest != nil || r.Size != 0):
		return tx, fmt.Errorf("%w: either Document or Size and Digest", ErrConfig)
	case r.Document != nil:
		if err := splitkey.CheckDocument(r.Document); err != nil {
			return tx, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		sum := sm3.Sum(r.Document)
		tx.Whole, tx.Size, tx.Digest = true, int64(len(r.Document)), sum[:]
		body.Document = r.Document
	case len(r.Digest) != sm3.Size || r.Size <= splitkey.MaxMessage:
		// What fits is signed as it stands, so that the holder's phone sees it.
		return tx, fmt.Errorf("%w: the document, or for more than %d bytes its size and its digest of %d bytes", ErrConfig, splitkey.MaxMessage, sm3.Size)
	default:
		tx.Size, tx.Digest = r.Size, r.Digest
		body.Size, body.Digest = r.Size, r.Digest
	}
	return c.begin(ctx, tx, r.Request, createRequest{Sign: &body})
}

func (c *Client) begin(ctx context.Context, tx Transaction, r Request, body createRequest) (Transaction, error) {
	if err := r.check(); err != nil {
		return Transaction{}, err
	}
	sum := sm3.Sum(r.Secret)
	tx.Begun, tx.Binding, tx.ExpectedHolder = c.clock.Now(), sum[:], r.ExpectedHolder
	body.Type, body.Title, body.BrowserBinding, body.Browser = tx.Type, r.Title, tx.Binding, r.Browser.clean()
	body.ExpectedIdentity, body.AskCode, body.NotifyPath = r.ExpectedHolder, r.AskCode, r.NotifyPath
	var reply struct {
		TID       string `json:"tId"`
		Seq       int
		ExpiresAt time.Time
	}
	if err := c.call(ctx, "POST", "/transactions", body, &reply); err != nil {
		return Transaction{}, err
	}
	tx.ID, tx.Seq, tx.ExpiresAt = reply.TID, reply.Seq, reply.ExpiresAt
	if !c.owns(tx.ID) {
		return Transaction{}, fmt.Errorf("%w: the transaction is not one of platform %s", ErrReply, c.code)
	}
	return tx, nil
}

// owns reports whether an identifier is one of ours: the platform code and 32
// hexadecimal digits. Nothing else becomes part of a path.
func (c *Client) owns(id string) bool {
	return len(id) == len(c.code)+32 && strings.HasPrefix(id, c.code) && idPattern.MatchString(id)
}

func (c *Client) path(tx Transaction, rest string) (string, error) {
	if !c.owns(tx.ID) {
		return "", fmt.Errorf("%w: not a transaction of platform %s", ErrConfig, c.code)
	}
	return "/transactions/" + tx.ID + rest, nil
}

type wireStatus struct {
	TID       string      `json:"tId"`
	Type      Type        `json:"type"`
	State     State       `json:"state"`
	Code      string      `json:"code"`
	ScannedAt time.Time   `json:"scannedAt"`
	Result    *wireResult `json:"result"`
}

// Get asks where a transaction stands. A result is verified first; if that
// fails, the error wraps ErrRefused and one of the rules, and there is no
// Status to use.
func (c *Client) Get(ctx context.Context, tx Transaction) (Status, error) {
	path, err := c.path(tx, "")
	if err != nil {
		return Status{}, err
	}
	var w wireStatus
	if err := c.call(ctx, "GET", path, nil, &w); err != nil {
		return Status{}, err
	}
	s, err := statusOf(tx, w)
	if err != nil || !s.State.Done() {
		return s, err
	}
	if w.Result == nil {
		return Status{}, refuse(ErrResult, "state %s without a result", s.State)
	}
	if s.Result, err = c.accept(ctx, tx, *w.Result); err != nil {
		return Status{}, err
	}
	s.Outcome = OK
	return s, nil
}

var codePattern = regexp.MustCompile(`^[0-9]{4}$`)

// statusOf reads everything but the result.
func statusOf(tx Transaction, w wireStatus) (Status, error) {
	if w.TID != tx.ID || w.Type != tx.Type || !w.State.known() {
		return Status{}, fmt.Errorf("%w: not a state of this transaction", ErrReply)
	}
	s := Status{ID: w.TID, Type: w.Type, State: w.State, ScannedAt: w.ScannedAt}
	if w.State == Scanned && codePattern.MatchString(w.Code) {
		s.Code = w.Code
	}
	if w.State.Final() && !w.State.Done() {
		s.Outcome = outcomeOf(w)
	}
	return s, nil
}

func outcomeOf(w wireStatus) Outcome {
	if w.Result != nil && w.Result.Code != "" && w.Result.Code != OK {
		return w.Result.Code
	}
	switch w.State {
	case Rejected:
		return UserRefused
	case Expired:
		return Timeout
	}
	return ""
}

// Cancel ends a transaction that has no result yet.
func (c *Client) Cancel(ctx context.Context, tx Transaction) error {
	path, err := c.path(tx, "/cancel")
	if err != nil {
		return err
	}
	return c.call(ctx, "POST", path, nil, nil)
}

// CertificateState is what the service says about a certificate. It is not
// signed: for evidence use CRLs or OCSP.
type CertificateState struct {
	Certificate *smx509.Certificate
	State       string    // valid, frozen, expired, replaced or revoked
	RevokedAt   time.Time // zero: not revoked
}

var serialPattern = regexp.MustCompile(`^[0-9A-Fa-f]{1,40}$`)

// Certificate asks for a certificate by its serial number, in hexadecimal.
func (c *Client) Certificate(ctx context.Context, serial string) (CertificateState, error) {
	if !serialPattern.MatchString(serial) {
		return CertificateState{}, fmt.Errorf("%w: serial number in hexadecimal", ErrConfig)
	}
	var reply struct {
		DER       []byte
		State     string
		RevokedAt time.Time
	}
	if err := c.call(ctx, "GET", "/certificates/"+serial, nil, &reply); err != nil {
		return CertificateState{}, err
	}
	cert, err := smx509.ParseCertificate(reply.DER)
	if err != nil {
		return CertificateState{}, fmt.Errorf("%w: certificate: %w", ErrReply, err)
	}
	return CertificateState{Certificate: cert, State: reply.State, RevokedAt: reply.RevokedAt}, nil
}

// Registered is how the service knows this platform.
type Registered struct {
	Code         string `json:"code"`
	Name         string `json:"name"`
	Region       string `json:"region"`
	Host         string `json:"host"`
	CallbackBase string `json:"callbackBase"`
	AskCode      bool   `json:"askCode"` // a login asks for the verification code
	Sandbox      bool   `json:"sandbox"`
}

// Platform asks how the service knows this platform; it also shows that the
// keys are right.
func (c *Client) Platform(ctx context.Context) (Registered, error) {
	var r Registered
	if err := c.call(ctx, "GET", "/platform", nil, &r); err != nil {
		return Registered{}, err
	}
	if r.Code != c.code {
		return Registered{}, fmt.Errorf("%w: the service speaks of platform %q", ErrReply, r.Code)
	}
	return r, nil
}
