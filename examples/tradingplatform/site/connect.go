package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"tianweitong/platform"
)

// Account is a platform's place at the service.
type Account struct {
	platform.Registration
	// Service is the origin of the service's platform API, Audience the host that
	// requests are signed for, the service's own if empty.
	Service, Audience string
	// Sandbox is the address of the sandbox's door; empty for a service that is none.
	Sandbox string
	// Data is the folder of keys and certificates.
	Data string
	// HTTP carries the requests; nil is the SDK's own client.
	HTTP *http.Client
	// Clock tells the time; nil is the machine's.
	Clock platform.Clock
}

// Connect takes the platform's credentials from the folder, or registers with
// the sandbox: the first time, and when the sandbox was made anew and knows the
// platform no more.
func Connect(ctx context.Context, a Account) (*platform.Client, error) {
	creds, err := platform.LoadCredentials(a.Data)
	if err == nil {
		client, err := a.client(creds)
		if err != nil {
			return nil, err
		}
		_, err = client.Platform(ctx)
		var p *platform.Problem
		if err == nil {
			return client, nil
		}
		if a.Sandbox == "" || !errors.As(err, &p) || p.Temporary() {
			return nil, err
		}
	} else if a.Sandbox == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if creds, err = platform.Register(ctx, nil, a.Sandbox, a.Data, a.Registration, rand.Reader); err != nil {
		return nil, fmt.Errorf("register with the sandbox at %s: %w", a.Sandbox, err)
	}
	return a.client(creds)
}

func (a Account) client(c platform.Credentials) (*platform.Client, error) {
	return platform.New(platform.Config{BaseURL: a.Service, Audience: a.Audience, Code: a.Code, HTTP: a.HTTP, Clock: a.Clock,
		SigningKey: c.Signing, Certificate: c.Certificate, Roots: c.Roots, Issuers: c.Issuers, Sandbox: a.Sandbox != "",
		Revocation: platform.NewCRLs(nil, a.Clock).Check})
}
