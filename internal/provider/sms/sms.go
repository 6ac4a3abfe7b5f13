// Package sms sends text messages through a provider's HTTP interface.
//
// The wire format is the sandbox's and is written down in docs/accounts.md; a
// production provider gets a client of its own behind account.SMS. Neither the
// number nor the parameters appear in an error, a log or a URL.
package sms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/job"
)

// Path is where a provider takes messages, below its base address.
const Path = "/v1/messages"

// Message is the body of a request.
type Message struct {
	// Ref is the sender's; a provider delivers a reference once.
	Ref string `json:"ref"`
	// Phone is a mainland mobile number, 11 digits.
	Phone string `json:"phone"`
	// Template is a name such as "code.login"; the provider knows the text.
	Template string            `json:"template"`
	Params   map[string]string `json:"params,omitempty"`
}

// Client sends messages; it implements account.SMS and is safe for concurrent use.
type Client struct {
	url, key string
	http     *http.Client
}

// New makes a client for the provider at a base address; key is the bearer token.
func New(base, key string) *Client {
	return &Client{url: strings.TrimSuffix(base, "/") + Path, key: key, http: &http.Client{
		Timeout: 15 * time.Second,
		// A redirect would carry number and code to an address nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send implements account.SMS. A refusal of the message itself (400, 404, 409,
// 413, 422) wraps job.ErrGiveUp; everything else is worth another try.
func (c *Client) Send(ctx context.Context, ref, phone, template string, params map[string]string) error {
	body, err := json.Marshal(Message{Ref: ref, Phone: phone, Template: template, Params: params})
	if err != nil {
		return errors.New("sms: the message cannot be written")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("sms: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("sms: message %s: %w", ref, err)
	}
	defer res.Body.Close()
	// The answer's text might repeat the message: only its status is told.
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	switch res.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return nil
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: sms: the provider refused message %s: status %d", job.ErrGiveUp, ref, res.StatusCode)
	}
	return fmt.Errorf("sms: message %s: status %d", ref, res.StatusCode)
}
