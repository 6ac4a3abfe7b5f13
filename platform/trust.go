package platform

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
)

// Revocation decides whether cert, issued by issuer, was revoked at a moment:
// nil, or an error that wraps ErrRevoked or ErrRevocationUnknown.
type Revocation func(ctx context.Context, cert, issuer *smx509.Certificate, at time.Time) error

// trust is what certificates are verified against.
type trust struct {
	roots      []*smx509.Certificate
	arc        pki.Arc
	sandbox    bool
	revocation Revocation
}

// maxChain bounds the certificates that come with a result or a callback.
const maxChain = 8

func newTrust(roots []*smx509.Certificate, sandbox bool, arc pki.Arc, revocation Revocation) (trust, error) {
	if len(roots) == 0 {
		return trust{}, fmt.Errorf("%w: no Roots", ErrConfig)
	}
	if !sandbox && revocation == nil {
		return trust{}, fmt.Errorf("%w: no Revocation; NewCRLs(nil, nil).Check is one", ErrConfig)
	}
	for _, root := range roots {
		if !sandbox && pki.IsSandbox(arc, root) {
			return trust{}, fmt.Errorf("%w: %q is the root of a sandbox", ErrConfig, root.Subject.CommonName)
		}
	}
	return trust{roots, arc, sandbox, revocation}, nil
}

func (t trust) options(others []*smx509.Certificate, role pki.Role) pki.ChainOptions {
	return pki.ChainOptions{Roots: t.roots, Intermediates: others, Arc: t.arc, Roles: []pki.Role{role}, RefuseSandbox: !t.sandbox}
}

// chain finds the way from a certificate of a role for signatures to a root,
// with the help of others, at a moment; leaf first.
func (t trust) chain(leaf *smx509.Certificate, others []*smx509.Certificate, role pki.Role, at time.Time) ([]*smx509.Certificate, error) {
	o := t.options(others, role)
	o.At, o.Purpose = at, pki.ForSignatures
	return pki.VerifyChain(leaf, o)
}

// timestamp verifies a TimeStampResp over data and the authority that made it,
// and returns its time.
func (t trust) timestamp(response, data []byte, others []*smx509.Certificate) (*pki.Timestamp, error) {
	stamp, err := pki.ParseTimestampResponse(response, pki.TimestampRequest{Hash: pki.SM3, Imprint: pki.SM3.Sum(data)}, others...)
	if err != nil {
		return nil, err
	}
	return stamp, stamp.Verify(data, t.options(others, pki.TSA))
}

func parseCertificates(ders [][]byte) ([]*smx509.Certificate, error) {
	if len(ders) > maxChain {
		return nil, fmt.Errorf("%d certificates", len(ders))
	}
	certs := make([]*smx509.Certificate, len(ders))
	for i, der := range ders {
		c, err := parseCertificate(der)
		if err != nil {
			return nil, err
		}
		certs[i] = c
	}
	return certs, nil
}

// parseCertificate reads a certificate of an SM2 key.
func parseCertificate(der []byte) (*smx509.Certificate, error) {
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if _, err := pki.ParseSPKI(c.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	return c, nil
}

// pointOf gives the public key of a certificate that parseCertificate accepted.
func pointOf(c *smx509.Certificate) ([]byte, error) {
	pub, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("not an SM2 key")
	}
	return pki.Point(pub)
}

// ParseRoots reads certificates from PEM text.
func ParseRoots(text []byte) ([]*smx509.Certificate, error) {
	var roots []*smx509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%w: PEM block %q is not a certificate", ErrConfig, block.Type)
		}
		c, err := parseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: root: %w", ErrConfig, err)
		}
		roots = append(roots, c)
	}
	if len(roots) == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("%w: not a list of PEM certificates", ErrConfig)
	}
	return roots, nil
}

// CRLs decides about revoked certificates by the lists that the certificates
// name. A list is asked for anew after a minute, the time within which a
// revocation has to be on it (docs/domain.md §2.1). Safe for concurrent use.
type CRLs struct {
	http  *http.Client
	clock Clock
	mu    sync.Mutex
	kept  map[string]keptCRL // by the address
}

type keptCRL struct {
	list  *pki.CRL
	until time.Time
}

const (
	maxCRL  = 32 << 20
	keepCRL = time.Minute
)

// NewCRLs returns a CRL checker: its Check is a Revocation. Nil arguments are a
// client with a limit of 10 s and the machine's clock.
func NewCRLs(h *http.Client, clock Clock) *CRLs {
	if h == nil {
		h = &http.Client{Timeout: 10 * time.Second}
	}
	if clock == nil {
		clock = SystemClock{}
	}
	return &CRLs{http: h, clock: clock, kept: map[string]keptCRL{}}
}

// Check implements Revocation. A certificate without a list, and a list that
// cannot be had, is not its issuer's or is out of date, is
// ErrRevocationUnknown: in doubt a result is refused.
func (c *CRLs) Check(ctx context.Context, cert, issuer *smx509.Certificate, at time.Time) error {
	list, err := c.list(ctx, cert, issuer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRevocationUnknown, err)
	}
	if line, revoked := list.Lookup(cert.SerialNumber); revoked && !line.At.After(at) {
		return fmt.Errorf("%w at %s", ErrRevoked, line.At.UTC().Format(time.RFC3339))
	}
	return nil
}

func (c *CRLs) list(ctx context.Context, cert, issuer *smx509.Certificate) (*pki.CRL, error) {
	if len(cert.CRLDistributionPoints) == 0 {
		return nil, errors.New("the certificate names no list")
	}
	u, err := url.Parse(cert.CRLDistributionPoints[0])
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the certificate names no list on the web")
	}
	now, key := c.clock.Now(), u.String()+"\n"+string(issuer.Raw)
	c.mu.Lock()
	kept, ok := c.kept[key]
	c.mu.Unlock()
	if ok && now.Before(kept.until) {
		return kept.list, nil
	}
	req, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
	if err != nil {
		return nil, err
	}
	der, err := download(c.http, req, maxCRL)
	if err != nil {
		return nil, err
	}
	list, err := pki.ParseCRL(der, issuer)
	if err != nil {
		return nil, err
	}
	if list.ThisUpdate.After(now.Add(MaxSkew)) || !now.Before(list.NextUpdate) {
		return nil, fmt.Errorf("the list is of %s and ended %s", list.ThisUpdate.UTC().Format(time.RFC3339), list.NextUpdate.UTC().Format(time.RFC3339))
	}
	until := now.Add(keepCRL)
	if list.NextUpdate.Before(until) {
		until = list.NextUpdate
	}
	c.mu.Lock()
	c.kept[key] = keptCRL{list, until}
	c.mu.Unlock()
	return list, nil
}
