// Package idcheck asks an outside service who a person is, and what the register of
// enterprises (登记机关) holds, over HTTP.
//
// The wire format is the sandbox's and is written down in docs/accounts.md and
// docs/enterprises.md; a production provider gets a client of its own behind
// realname.Checker and verification.Registry. Every check is put under the caller's
// reference, so putting it again gives the first answer. Names, numbers and videos
// travel in bodies only, never in a URL, an error or a log; the video is streamed on
// and kept nowhere.
package idcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"tianweitong/internal/fault"
	"tianweitong/internal/realname"
)

// The paths of a provider, below its base address; a reference follows.
const (
	FactorsPath = "/v1/factors/" // PUT Factors
	CardsPath   = "/v1/cards/"   // PUT Card
	FacesPath   = "/v1/faces/"   // PUT multipart of FieldPerson and FieldVideo; GET
)

// The parts of a face check's form.
const (
	FieldPerson = "person" // JSON, a Person
	FieldVideo  = "video"  // webm or mp4
)

// Factors is the body of a check of three factors.
type Factors struct {
	Name     string `json:"name"`
	IDNumber string `json:"idNumber"`
	Phone    string `json:"phone"`
}

// Card is the body of a check of a bank card's four factors.
type Card struct {
	Factors
	BankCard string `json:"bankCard"`
}

// Person is whose face a video is compared with.
type Person struct {
	Name     string `json:"name"`
	IDNumber string `json:"idNumber"`
}

// Verdict is the answer to every check.
type Verdict struct {
	Passed bool `json:"passed"`
	// Reason, if it did not pass: one of the constants below.
	Reason string `json:"reason,omitempty"`
}

// The reasons of a verdict.
const (
	ReasonFactors      = "factors"       // name, number and phone do not belong together
	ReasonCard         = "card"          // the card is not this person's
	ReasonCardPhone    = "card-phone"    // the bank has another phone on file
	ReasonCardUnusable = "card-unusable" // lost, cancelled, or of a bank that does not answer
	ReasonFace         = "face"          // another face
	ReasonLiveness     = "liveness"      // not recorded from a living person
)

var reasons = map[string]fault.Code{
	ReasonFactors: realname.ReasonFactors, ReasonCard: realname.ReasonCard, ReasonCardPhone: realname.ReasonCardPhone,
	ReasonCardUnusable: realname.ReasonCardUnusable, ReasonFace: realname.ReasonFace, ReasonLiveness: realname.ReasonNotLive,
}

// Client asks one provider; it implements realname.Checker and is safe for
// concurrent use. How long a call may take is the caller's context.
type Client struct {
	base, key string
	http      *http.Client
}

// New makes a client for the provider at a base address; key is the bearer token.
func New(base, key string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), key: key, http: &http.Client{
		// A redirect would carry a person's data to an address nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// PersonFactors implements realname.Checker.
func (c *Client) PersonFactors(ctx context.Context, q realname.Query) (realname.Answer, error) {
	return c.factors(ctx, FactorsPath, q.Ref, Factors{Name: q.Name, IDNumber: q.IDNumber, Phone: q.Phone})
}

// CardFactors implements realname.Checker.
func (c *Client) CardFactors(ctx context.Context, q realname.CardQuery) (realname.Answer, error) {
	return c.factors(ctx, CardsPath, q.Ref, Card{Factors{Name: q.Name, IDNumber: q.IDNumber, Phone: q.Phone}, q.Card})
}

func (c *Client) factors(ctx context.Context, path, ref string, asked any) (realname.Answer, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return realname.Answer{}, errors.New("idcheck: the factors cannot be written")
	}
	return c.call(ctx, http.MethodPut, path, ref, "application/json", bytes.NewReader(body))
}

// Face implements realname.Checker.
func (c *Client) Face(ctx context.Context, q realname.FaceQuery) (realname.Answer, error) {
	if q.Video == nil {
		return c.call(ctx, http.MethodGet, FacesPath, q.Ref, "", nil)
	}
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	person, err := json.Marshal(Person{Name: q.Name, IDNumber: q.IDNumber})
	if err == nil {
		err = form.WriteField(FieldPerson, string(person))
	}
	if err == nil {
		_, err = form.CreateFormFile(FieldVideo, "face")
	}
	if err != nil {
		return realname.Answer{}, errors.New("idcheck: the face check cannot be written")
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	body := io.MultiReader(&head, bytes.NewReader(q.Video), strings.NewReader(tail))
	return c.call(ctx, http.MethodPut, FacesPath, q.Ref, form.FormDataContentType(), body)
}

func (c *Client) call(ctx context.Context, method, path, ref, kind string, body io.Reader) (realname.Answer, error) {
	reply, err := c.send(ctx, method, path, ref, kind, body)
	if err != nil {
		return realname.Answer{}, err
	}
	a, err := readVerdict(reply)
	if err != nil {
		return realname.Answer{}, fmt.Errorf("idcheck: check %s: %w", ref, err)
	}
	return a, nil
}

// send makes one call and gives the body of its answer. An error names the
// reference alone.
func (c *Client) send(ctx context.Context, method, path, ref, kind string, body io.Reader) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("idcheck: check %s: %w", ref, err) }
	req, err := http.NewRequestWithContext(ctx, method, c.base+path+url.PathEscape(ref), body)
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fail(err)
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	switch {
	case err != nil:
		return fail(err)
	case res.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return fail(realname.ErrNoSuchCheck)
	case res.StatusCode != http.StatusOK:
		return fail(fmt.Errorf("status %d", res.StatusCode))
	}
	return reply, nil
}

// readVerdict refuses what is not plainly an answer: a check never passes, nor
// fails, by a misunderstanding.
func readVerdict(reply []byte) (realname.Answer, error) {
	var v struct {
		Passed *bool   `json:"passed"`
		Reason *string `json:"reason"`
	}
	if err := json.Unmarshal(reply, &v); err != nil || v.Passed == nil {
		return realname.Answer{}, errors.New("the answer cannot be read")
	}
	if *v.Passed {
		if v.Reason != nil && *v.Reason != "" {
			return realname.Answer{}, errors.New("the answer contradicts itself")
		}
		return realname.Answer{Passed: true}, nil
	}
	if v.Reason == nil {
		return realname.Answer{}, errors.New("the answer gives no reason")
	}
	reason, known := reasons[*v.Reason]
	if !known {
		return realname.Answer{}, errors.New("the answer gives an unknown reason")
	}
	return realname.Answer{Reason: reason}, nil
}
