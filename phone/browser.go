//go:build js

package phone

import "errors"

// Client stands where other phones have an HTTP client; a browser has its own.
type Client struct{}

func (p *Phone) connect() (fresh bool, err error) {
	if p.Transport == nil || len(p.Thumbprint) != 32 {
		return false, errors.New("phone: a browser's phone wants a transport and the thumbprint of its device key")
	}
	return false, nil
}
