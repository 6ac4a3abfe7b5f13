//go:build !js

package phone

import (
	"context"
	"net/url"
	"time"
)

// Usage is a record of 使用记录 (2.9): what a certificate of the owner was used for.
type Usage struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Platform string    `json:"platform"`
	Business string    `json:"business"`
	Title    string    `json:"title"`
	Outcome  string    `json:"outcome"`
	Serial   string    `json:"serial"`
	Digest   []byte    `json:"digest"` // SM3 of what was signed
}

// Usage lists a page of records, newest first; cursor is the last page's next,
// at first empty.
func (p *Phone) Usage(ctx context.Context, cursor string) (records []Usage, next string, err error) {
	path := "/usage"
	if cursor != "" {
		path += "?cursor=" + url.QueryEscape(cursor)
	}
	var out struct {
		Records []Usage `json:"records"`
		Next    string  `json:"next"`
	}
	err = p.get(ctx, path, &out)
	return out.Records, out.Next, err
}
