// Package pay speaks to payment gateways (支付渠道). The sandbox's gateway is a
// client of a small signed HTTP protocol, and Counter is its other end: a cashier
// (收银台) that takes no money, as a real HTTP handler.
//
// Every request, reply and notice carries an HMAC-SM3 over what it says, a time
// and a nonce; docs/payments.md describes the wire.
package pay

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/money"
	"tianweitong/internal/order"
)

// The headers of the protocol.
const (
	headerMerchant  = "Pay-Merchant"
	headerTime      = "Pay-Time"  // Unix milliseconds
	headerNonce     = "Pay-Nonce" // 32 hex digits
	headerSignature = "Pay-Signature"
)

// The three things that are signed; a signature of one is none of another.
const (
	labelRequest = "TWT/pay/request/v1"
	labelReply   = "TWT/pay/reply/v1"
	labelNotice  = "TWT/pay/notice/v1"
)

const (
	// Skew is how far the two clocks may be apart.
	Skew = 5 * time.Minute
	// KeySize is the least length of the shared key in bytes.
	KeySize = 32
	maxBody = 64 << 10
)

var errSignature = errors.New("pay: the signature is missing, too old or wrong")

// Secret is what merchant and gateway share.
type Secret struct {
	// Merchant is the merchant's number (商户号).
	Merchant string
	// Key is at least KeySize random bytes.
	Key []byte
}

// String names the merchant and keeps the key out of prints.
func (s Secret) String() string { return "merchant " + s.Merchant }

func (s Secret) check() error {
	if s.Merchant == "" || len(s.Key) < KeySize {
		return errors.New("pay: a merchant number and a key of at least 32 bytes are needed")
	}
	return nil
}

func (s Secret) mac(label string, parts ...string) string {
	m := hmac.New(sm3.New, s.Key)
	for _, p := range append([]string{label, s.Merchant}, parts...) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		m.Write(n[:])
		io.WriteString(m, p)
	}
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

func digest(body []byte) string {
	d := sm3.Sum(body)
	return string(d[:])
}

// sign puts the headers on an outgoing request or notice.
func (s Secret) sign(label string, h http.Header, method, path string, body []byte, c clock.Clock, rand io.Reader) {
	at := strconv.FormatInt(c.Now().UnixMilli(), 10)
	nonce := hex.EncodeToString(id.Bytes(rand, 16))
	h.Set(headerMerchant, s.Merchant)
	h.Set(headerTime, at)
	h.Set(headerNonce, nonce)
	h.Set(headerSignature, s.mac(label, method, path, digest(body), at, nonce))
}

// verify checks what sign made.
func (s Secret) verify(label string, h http.Header, method, path string, body []byte, now time.Time) error {
	at, nonce := h.Get(headerTime), h.Get(headerNonce)
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || h.Get(headerMerchant) != s.Merchant || len(nonce) != 32 {
		return errSignature
	}
	if d := now.Sub(time.UnixMilli(ms)); d > Skew || d < -Skew {
		return errSignature
	}
	if !hmac.Equal([]byte(h.Get(headerSignature)), []byte(s.mac(label, method, path, digest(body), at, nonce))) {
		return errSignature
	}
	return nil
}

// signReply binds a reply to the request's nonce.
func (s Secret) signReply(h http.Header, nonce string, status int, body []byte) {
	h.Set(headerSignature, s.mac(labelReply, nonce, strconv.Itoa(status), digest(body)))
}

func (s Secret) verifyReply(h http.Header, nonce string, status int, body []byte) error {
	if !hmac.Equal([]byte(h.Get(headerSignature)), []byte(s.mac(labelReply, nonce, strconv.Itoa(status), digest(body)))) {
		return errSignature
	}
	return nil
}

// readAll reads a body of at most maxBody bytes.
func readAll(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(r, maxBody+1)); err != nil {
		return nil, err
	} else if n > maxBody {
		return nil, errors.New("pay: the body is too large")
	}
	return b.Bytes(), nil
}

// The bodies. Amounts are fen, times Unix milliseconds.
type (
	billBody struct {
		Payment   string `json:"payment"`
		Amount    int64  `json:"amount"`
		Title     string `json:"title"`
		ExpiresAt int64  `json:"expiresAt"`
		NotifyURL string `json:"notifyURL"`
		ReturnURL string `json:"returnURL,omitempty"`
	}
	billReply struct {
		URL string `json:"url"`
	}
	paymentBody struct {
		Payment string `json:"payment"`
		State   string `json:"state"` // unpaid, paid, closed
		Amount  int64  `json:"amount"`
		Trade   string `json:"trade"`
		PaidAt  int64  `json:"paidAt"`
	}
	refundBody struct {
		Refund  string `json:"refund"`
		Payment string `json:"payment"`
		Amount  int64  `json:"amount"`
	}
	refundReply struct {
		Refund string `json:"refund"`
		State  string `json:"state"` // open, done, failed
	}
	// noticeBody holds exactly one of its parts besides the payment.
	noticeBody struct {
		Payment *paymentBody `json:"payment,omitempty"`
		Refund  *noticeOfEnd `json:"refund,omitempty"`
	}
	noticeOfEnd struct {
		Refund  string `json:"refund"`
		Payment string `json:"payment"`
		State   string `json:"state"`
	}
)

func standingOf(b paymentBody) (order.Standing, error) {
	st := order.Standing{State: order.StandingState(b.State), Amount: money.Fen(b.Amount), Trade: b.Trade}
	switch st.State {
	case order.StandingUnpaid, order.StandingClosed:
		return order.Standing{State: st.State}, nil
	case order.StandingPaid:
		if b.Amount <= 0 || b.Trade == "" || b.PaidAt <= 0 {
			return order.Standing{}, errors.New("pay: a payment without amount, number or time")
		}
		st.PaidAt = time.UnixMilli(b.PaidAt).UTC()
		return st, nil
	}
	return order.Standing{}, errors.New("pay: unknown state of a payment")
}

func refundStateOf(s string) (order.RefundState, error) {
	switch st := order.RefundState(s); st {
	case order.RefundOpen, order.RefundDone, order.RefundFailed:
		return st, nil
	}
	return "", errors.New("pay: unknown state of a refund")
}
