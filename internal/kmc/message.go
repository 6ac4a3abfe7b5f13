package kmc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/pki"
)

// ErrMalformed says that a message of the centre cannot be read.
var ErrMalformed = errors.New("kmc: malformed message")

// Message is a request to the centre or its reply, with the sender's signature
// in DER (SM2-with-SM3, ID 1234567812345678).
type Message struct {
	Body      []byte `json:"body"`
	Signature []byte `json:"signature"`
}

const (
	maxBody  = 64 << 10
	maxRef   = 128
	tagReply = "TWT/kmc/reply/v1"
	// tagRequest is what custody's token puts before a request (custody.TagKMC).
	tagRequest = "TWT/kmc/request/v1"
)

// request is what the body of a request says; one of Make and Deal is set.
type request struct {
	ID   string       `json:"id"`
	Time int64        `json:"time"` // Unix milliseconds
	Make string       `json:"make,omitempty"`
	Deal *DealRequest `json:"deal,omitempty"`
}

// reply is what the body of a reply says; Code is a refusal.
type reply struct {
	Code      string `json:"code,omitempty"`
	PublicKey []byte `json:"publicKey,omitempty"`
	Deal      *Deal  `json:"deal,omitempty"`
}

func strictly(b []byte, into any) error {
	if len(b) > maxBody {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value", ErrMalformed)
	}
	return nil
}

func parseRequest(b []byte) (request, error) {
	var r request
	if err := strictly(b, &r); err != nil {
		return request{}, err
	}
	switch {
	case r.ID == "" || (r.Make == "") == (r.Deal == nil):
		return request{}, fmt.Errorf("%w: a request makes or deals", ErrMalformed)
	case r.Make == ownRef || len(r.Make) > maxRef:
		return request{}, fmt.Errorf("%w: reference", ErrMalformed)
	case r.Deal == nil:
		return r, nil
	case r.Deal.Ref == "" || len(r.Deal.Ref) > maxRef:
		return request{}, fmt.Errorf("%w: reference", ErrMalformed)
	case r.Deal.Account == "" || len(r.Deal.Account) > maxRef || !isThumbprint(r.Deal.Device):
		return request{}, fmt.Errorf("%w: holder", ErrMalformed)
	case (len(r.Deal.CSR) == 0) == (r.Deal.Redeal == nil):
		return request{}, fmt.Errorf("%w: one proof is wanted", ErrMalformed)
	}
	return r, nil
}

func isThumbprint(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func requestBytes(body []byte) []byte { return prefixed([]byte(tagRequest), body) }

// replyBytes binds a reply to its request, by the SM3 of the request's body.
func replyBytes(request, body []byte) []byte { return prefixed([]byte(tagReply), request, body) }

// prefixed joins parts, each behind its length in 4 bytes big-endian.
func prefixed(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// delivery is what the centre sends to custody, in JSON, SM2-encrypted to
// custody's transport key (docs/custody.md): the share b with what it was dealt
// for, so that it cannot be passed off as another's. Custody reads it into a
// type of its own; the two rooms share no code.
type delivery struct {
	PublicKey []byte `json:"publicKey"` // Pe, 65 bytes
	Share     []byte `json:"share"`     // b, 32 bytes
	Account   string `json:"account"`
	Device    string `json:"device"`
	// Enrolment of the co-signed certificate request, or the keys that the PIN key
	// wanted dealt again.
	Enrolment string   `json:"enrolment,omitempty"`
	KeyIDs    []string `json:"keyIDs,omitempty"`
}

// Client is the centre as another room sees it: it signs what it asks and
// verifies what it is told.
type Client struct {
	// Sign signs a request's body; custody does it as RoleKMC with a KMCRequest.
	Sign func(ctx context.Context, body []byte) (signature []byte, err error)
	// Send carries a message to the centre and its reply back: Centre.Serve in the
	// embedded mode.
	Send func(ctx context.Context, m Message) (Message, error)
	// Centre is the centre's public key, 65 bytes.
	Centre []byte
	Clock  clock.Clock
	Rand   io.Reader
}

var _ Door = (*Client)(nil)

// Make implements Door.
func (c *Client) Make(ctx context.Context, ref string) ([]byte, error) {
	r, err := c.call(ctx, request{Make: ref})
	if err == nil && len(r.PublicKey) != 65 {
		err = fmt.Errorf("%w: reply without a key", ErrMalformed)
	}
	return r.PublicKey, err
}

// Deal implements Door.
func (c *Client) Deal(ctx context.Context, d DealRequest) (Deal, error) {
	r, err := c.call(ctx, request{Deal: &d})
	if err != nil {
		return Deal{}, err
	}
	if r.Deal == nil || len(r.Deal.ForPhone) == 0 || len(r.Deal.ForCustody) == 0 {
		return Deal{}, fmt.Errorf("%w: reply without shares", ErrMalformed)
	}
	return *r.Deal, nil
}

func (c *Client) call(ctx context.Context, r request) (reply, error) {
	r.ID, r.Time = id.New(c.Rand), c.Clock.Now().UnixMilli()
	body, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	m := Message{Body: body}
	if m.Signature, err = c.Sign(ctx, body); err != nil {
		return reply{}, err
	}
	got, err := c.Send(ctx, m)
	if err != nil {
		return reply{}, err
	}
	centre, err := pki.ParsePoint(c.Centre)
	if err != nil {
		return reply{}, err
	}
	sum := sm3.Sum(body)
	if err := pki.VerifySignature(centre, replyBytes(sum[:], got.Body), got.Signature); err != nil {
		return reply{}, fmt.Errorf("kmc: the reply is not the centre's: %w", err)
	}
	var out reply
	if err := strictly(got.Body, &out); err != nil {
		return reply{}, err
	}
	if out.Code == "" {
		return out, nil
	}
	for _, code := range []fault.Code{CodeRefused, CodeProof, CodeNoKey, CodeDealt} {
		if code.Name == out.Code {
			return reply{}, code
		}
	}
	return reply{}, CodeRefused.Becausef("the centre answers %q", out.Code)
}
