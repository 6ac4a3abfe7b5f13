// Package ca is the certification authority (CA): it drafts, lints, records and
// then signs certificates, revokes them, and publishes lists, OCSP answers and
// timestamps. It holds no key: custody signs typed tokens for it.
//
// Issuing goes Prepare (lint with a throw-away key, record), then Issue (sign,
// record); both are idempotent by the caller's reference, so a crash between
// any two steps ends in one certificate or none (docs/ca-profiles.md).
package ca

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/lint"
)

// Operator is the name of the operator's own issuing CA: it certifies services,
// the timestamp authority, seal makers and trading platforms.
const Operator = "OPERATOR"

// rootName is the name of the root authority.
const rootName = "root"

// Authority is one of the house's own certificates. Its DER is empty between
// being recorded and being signed.
type Authority struct {
	// Name is "root", "ca/<institution>", "ocsp/<institution>", "tsa",
	// "service/<role>" or "platform…"; the newest of a name is in force.
	Name      string
	Serial    string
	Role      pki.Role
	Issuer    string // name of the issuing authority; "" for the root
	TBS, DER  []byte
	CreatedAt time.Time
}

// Issuance is a certificate issued to somebody, from its Prepare on.
type Issuance struct {
	Ref, Institution, Serial string
	Role                     pki.Role
	Replacement              bool
	PublicKey                []byte // 65 bytes
	TBS, DER                 []byte
	NotAfter                 time.Time
	PreparedAt, IssuedAt     time.Time
	RevokedAt                time.Time
	Reason                   pki.Reason
}

// Revoked is one line of a list to be.
type Revoked struct {
	Serial string
	At     time.Time
	Reason pki.Reason
}

// List is a published CRL.
type List struct {
	Institution            string
	Number                 int64
	DER                    []byte
	ThisUpdate, NextUpdate time.Time
}

// Store keeps what the authority did. Serials are lower-case hex.
type Store interface {
	PutAuthority(ctx context.Context, tx work.Tx, a Authority) error
	// SignAuthority stores the signed bytes of a recorded authority, once.
	SignAuthority(ctx context.Context, tx work.Tx, name, serial string, der []byte) error
	// Authorities gives all, oldest first.
	Authorities(ctx context.Context, tx work.Tx) ([]Authority, error)
	// PutIssuance records a prepared certificate; false if the ref is taken,
	// work.ErrExists if serial or public key are.
	PutIssuance(ctx context.Context, tx work.Tx, i Issuance) (bool, error)
	Issuance(ctx context.Context, tx work.Tx, ref string) (Issuance, error)
	BySerial(ctx context.Context, tx work.Tx, serial string) (Issuance, error)
	// SignIssuance stores the signed bytes, once.
	SignIssuance(ctx context.Context, tx work.Tx, ref string, der []byte, at time.Time) error
	// Revoke marks an issued certificate; false if it is revoked for good or was
	// never issued. Release lifts a hold.
	Revoke(ctx context.Context, tx work.Tx, serial string, at time.Time, reason pki.Reason) (bool, error)
	Release(ctx context.Context, tx work.Tx, serial string) (bool, error)
	// Revoked gives the lines of an institution's list, ended certificates included.
	Revoked(ctx context.Context, tx work.Tx, institution string) ([]Revoked, error)
	IssuancesAfter(ctx context.Context, tx work.Tx, ref string, n int) ([]Issuance, error)
	PutList(ctx context.Context, tx work.Tx, l List) error
	LastList(ctx context.Context, tx work.Tx, institution string) (List, error)
}

// Signer is custody's door for the house's own keys.
type Signer interface {
	// CreateRole makes the key of a role and name once and gives its public point.
	CreateRole(ctx context.Context, r custody.Role, name string) ([]byte, error)
	// SignAs signs a typed token, SM2-with-SM3, DER.
	SignAs(ctx context.Context, r custody.Role, name string, t custody.Token) ([]byte, error)
}

// Institution is a CA institution (CA 机构) with an issuing CA of its own.
type Institution struct {
	Code string
	// Name is the O of its issuing CA.
	Name string
}

// Deps make a Service.
type Deps struct {
	Runner work.Runner
	Store  Store
	Signer Signer
	Clock  clock.Clock
	Rand   io.Reader
	Log    *slog.Logger
	// Arc numbers what no standard numbers; Sandbox marks every certificate.
	Arc     pki.Arc
	Sandbox bool
	// Operator is the O of root and service certificates.
	Operator     string
	Institutions []Institution
	// BaseURL is where pkihttp is reached: it stands in every certificate.
	BaseURL string
	// PINKeys refuses keys that stand in custody's table of PIN keys.
	PINKeys func(ctx context.Context, publicKey []byte) (bool, error)
}

// Service is the authority. Make it with New, then Ceremony or Load.
type Service struct {
	Deps
	mu      sync.RWMutex
	current map[string]*authority // by name, the newest signed one
	all     []*authority
	renew   sync.Mutex
	lists   map[string]List // by institution, the newest
}

type authority struct {
	Authority
	cert *smx509.Certificate
}

// Errors of issuing.
var (
	// ErrNoAuthority: the ceremony has not been held, or not for that name.
	ErrNoAuthority = errors.New("ca: there is no such authority; hold the ceremony first")
	// ErrRefused: this certificate will never be issued as asked.
	ErrRefused = errors.New("ca: refused")
)

// New makes the service without reading anything.
func New(d Deps) *Service {
	return &Service{Deps: d, current: map[string]*authority{}, lists: map[string]List{}}
}

// Load reads the authorities' certificates. It is an error if the root is
// missing, or if a sandbox's certificate stands in a production store.
func (s *Service) Load(ctx context.Context) error {
	var rows []Authority
	if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		rows, err = s.Store.Authorities(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	current := map[string]*authority{}
	var all []*authority
	for _, r := range rows {
		if len(r.DER) == 0 {
			continue
		}
		cert, err := smx509.ParseCertificate(r.DER)
		if err != nil {
			return fmt.Errorf("ca: the certificate of %s: %w", r.Name, err)
		}
		if !s.Sandbox && pki.IsSandbox(s.Arc, cert) {
			return fmt.Errorf("ca: %s is a sandbox's certificate: production does not start with it", r.Name)
		}
		a := &authority{r, cert}
		current[r.Name] = a
		all = append(all, a)
	}
	if current[rootName] == nil {
		return ErrNoAuthority
	}
	s.mu.Lock()
	s.current, s.all = current, all
	s.mu.Unlock()
	return nil
}

func (s *Service) authority(name string) (*authority, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.current[name]
	if a == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoAuthority, name)
	}
	return a, nil
}

// issuer describes an authority as the issuer of others.
func (s *Service) issuer(name string) (pki.Issuer, error) {
	a, err := s.authority(name)
	if err != nil {
		return pki.Issuer{}, err
	}
	institution := institutionOf(name)
	return pki.Issuer{
		Certificate: a.cert, Arc: s.Arc, Sandbox: s.Sandbox,
		CRLURL: s.BaseURL + "/crl/" + institution + ".crl", OCSPURL: s.BaseURL + "/ocsp",
		CertURL: s.BaseURL + "/certificates/" + institution + ".cer", CPSURL: s.BaseURL + "/cps",
	}, nil
}

func institutionOf(name string) string {
	if name == rootName {
		return rootName
	}
	return name[len("ca/"):]
}

func caName(institution string) string { return "ca/" + institution }

// Root gives the root certificate, DER.
func (s *Service) Root() ([]byte, error) {
	a, err := s.authority(rootName)
	if err != nil {
		return nil, err
	}
	return a.DER, nil
}

// Chain goes from an institution's issuing CA to the root, DER.
func (s *Service) Chain(institution string) ([][]byte, error) {
	a, err := s.authority(caName(institution))
	if err != nil {
		return nil, err
	}
	root, err := s.authority(rootName)
	if err != nil {
		return nil, err
	}
	return [][]byte{a.DER, root.DER}, nil
}

// AuthorityDER gives the certificate in force of a name: "root" or an
// institution's code.
func (s *Service) AuthorityDER(institution string) ([]byte, error) {
	name := rootName
	if institution != rootName {
		name = caName(institution)
	}
	a, err := s.authority(name)
	if err != nil {
		return nil, err
	}
	return a.DER, nil
}

// sign is the second half of every certificate: lint again, have the issuer's
// key sign, assemble. The signature is checked by Assemble.
func (s *Service) sign(ctx context.Context, r custody.Role, name string, d pki.Draft) ([]byte, error) {
	l, err := lint.Check(s.Rand, d)
	if err != nil {
		return nil, err
	}
	sig, err := s.Signer.SignAs(ctx, r, name, custody.Certificate(l))
	if err != nil {
		return nil, err
	}
	cert, err := l.Assemble(sig)
	if err != nil {
		return nil, err
	}
	return cert.Raw, nil
}

// serialHex writes a serial number as lower-case hex without leading zeros.
func serialHex(n *big.Int) string { return n.Text(16) }

func point(b []byte) (*ecdsa.PublicKey, error) {
	k, err := pki.ParsePoint(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return k, nil
}
