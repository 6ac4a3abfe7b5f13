package ca

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/lint"
)

func isMissing(err error) bool { return errors.Is(err, ErrNoAuthority) }

// Request asks for one certificate.
type Request struct {
	// Ref is the caller's reference; a second Prepare with it gives the first
	// answer, whatever else differs.
	Ref         string
	Institution string
	Role        pki.Role
	Subject     pki.Name
	PublicKey   []byte // 65 bytes
	// NotBefore and NotAfter are whole seconds.
	NotBefore, NotAfter time.Time
	// Replacement keeps the end date of the certificate that it replaces.
	Replacement bool
	Host        string // platforms
	IDNumber    pki.IDNumber
}

// Prepare lints a certificate with a throw-away key and records it under its
// reference; nothing is signed. Errors: ErrRefused for what no repetition mends.
func (s *Service) Prepare(ctx context.Context, r Request) (Issuance, error) {
	if done, err := s.Status(ctx, r.Ref); err == nil || !errors.Is(err, work.ErrNotFound) {
		return done, err
	}
	if err := s.admissible(ctx, r); err != nil {
		return Issuance{}, err
	}
	iss, err := s.issuer(caName(r.Institution))
	if err != nil {
		return Issuance{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	serial, err := pki.NewSerial(s.Rand)
	if err != nil {
		return Issuance{}, err
	}
	key, err := point(r.PublicKey)
	if err != nil {
		return Issuance{}, err
	}
	d, err := pki.NewDraft(iss, pki.Template{
		Role: r.Role, Serial: serial, Subject: r.Subject, PublicKey: key, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		Replacement: r.Replacement, Host: r.Host, IDNumber: r.IDNumber,
	})
	if err != nil {
		return Issuance{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if _, err := lint.Check(s.Rand, d); err != nil {
		return Issuance{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	i := Issuance{
		Ref: r.Ref, Institution: r.Institution, Serial: serialHex(serial), Role: r.Role, Replacement: r.Replacement,
		PublicKey: r.PublicKey, TBS: d.TBS, NotAfter: r.NotAfter, PreparedAt: s.Clock.Now(),
	}
	err = s.Runner.Do(ctx, "ca.prepare", func(ctx context.Context, tx work.Tx) error {
		fresh, err := s.Store.PutIssuance(ctx, tx, i)
		if err != nil {
			return err
		}
		if !fresh { // somebody prepared the same reference meanwhile
			i, err = s.Store.Issuance(ctx, tx, r.Ref)
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "ca.prepared", Actor: "system", Subject: i.Serial})
	})
	if errors.Is(err, work.ErrExists) {
		return Issuance{}, fmt.Errorf("%w: this key was certified before", ErrRefused)
	}
	return i, err
}

// admissible keeps out keys that must never be certified.
func (s *Service) admissible(ctx context.Context, r Request) error {
	if r.Ref == "" || len(r.Ref) > 96 {
		return fmt.Errorf("%w: a reference of 1 to 96 characters is wanted", ErrRefused)
	}
	switch r.Role {
	case pki.PersonSigning, pki.PersonEncryption, pki.EnterpriseSigning, pki.EnterpriseEncryption, pki.PlatformSigning, pki.PlatformEncryption:
	default:
		return fmt.Errorf("%w: certificates of role %s come from the ceremony alone", ErrRefused, r.Role)
	}
	if s.PINKeys != nil {
		pin, err := s.PINKeys(ctx, r.PublicKey)
		if err != nil {
			return err
		}
		if pin {
			return fmt.Errorf("%w: a PIN key is never certified", ErrRefused)
		}
	}
	return nil
}

// Issue signs what was prepared under ref and records it; repeated, it gives the
// recorded certificate.
func (s *Service) Issue(ctx context.Context, ref string) (Issuance, error) {
	i, err := s.Status(ctx, ref)
	if err != nil || !i.IssuedAt.IsZero() {
		return i, err
	}
	iss, err := s.issuer(caName(i.Institution))
	if err != nil {
		return i, err
	}
	der, err := s.sign(ctx, custody.RoleCA, i.Institution, pki.Draft{Role: i.Role, Issuer: iss, Replacement: i.Replacement, TBS: i.TBS})
	if err != nil {
		return i, err
	}
	err = s.Runner.Do(ctx, "ca.issue", func(ctx context.Context, tx work.Tx) error {
		now, err := s.Store.Issuance(ctx, tx, ref)
		if err != nil || !now.IssuedAt.IsZero() {
			i = now // another call was first: its signature counts
			return err
		}
		if err := s.Store.SignIssuance(ctx, tx, ref, der, s.Clock.Now()); err != nil {
			return err
		}
		if i, err = s.Store.Issuance(ctx, tx, ref); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "ca.issued", Actor: "system", Subject: i.Serial})
	})
	return i, err
}

// Status gives an issuance by its reference; work.ErrNotFound if there is none.
func (s *Service) Status(ctx context.Context, ref string) (i Issuance, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		i, err = s.Store.Issuance(ctx, tx, ref)
		return err
	})
	return i, err
}

// Certificate gives an issuance by its serial number in hex, with or without
// leading zeros; work.ErrNotFound if this house never issued it.
func (s *Service) Certificate(ctx context.Context, tx work.Tx, serial string) (Issuance, error) {
	n, err := normal(serial)
	if err != nil {
		return Issuance{}, work.ErrNotFound
	}
	i, err := s.Store.BySerial(ctx, tx, n)
	if err == nil && i.IssuedAt.IsZero() {
		return Issuance{}, work.ErrNotFound
	}
	return i, err
}

// normal is a serial number in lower-case hex without leading zeros.
func normal(serial string) (string, error) {
	n, ok := new(big.Int).SetString(serial, 16)
	if !ok || n.Sign() <= 0 || n.BitLen() > 160 {
		return "", errors.New("ca: not a serial number")
	}
	return serialHex(n), nil
}
