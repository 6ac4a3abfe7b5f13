package ca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/pki/lint"
)

const page = 500

// Reread is the independent checker of everything the authority did: every
// certificate is parsed, linted against its profile with its real signature,
// and held against its row; every institution's list is parsed, verified, and
// names exactly the revoked. Findings are sentences; none means all is well.
func (s *Service) Reread(ctx context.Context) (certificates int, findings []string, err error) {
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	if err := s.rereadHouse(ctx, found, &certificates); err != nil {
		return certificates, findings, err
	}
	revoked := map[string]map[string]bool{} // institution → serials
	after := ""
	for {
		var rows []Issuance
		if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			rows, err = s.Store.IssuancesAfter(ctx, tx, after, page)
			return err
		}); err != nil {
			return certificates, findings, err
		}
		for _, i := range rows {
			after = i.Ref
			if i.IssuedAt.IsZero() {
				continue
			}
			certificates++
			findings = append(findings, s.Check(i)...)
			if !i.RevokedAt.IsZero() {
				if revoked[i.Institution] == nil {
					revoked[i.Institution] = map[string]bool{}
				}
				revoked[i.Institution][i.Serial] = true
			}
		}
		if len(rows) < page {
			break
		}
	}
	for _, p := range s.plans() {
		if p.role == pki.IssuingCA || p.role == pki.Root {
			s.rereadList(ctx, institutionOf(p.name), revoked[institutionOf(p.name)], found)
		}
	}
	return certificates, findings, nil
}

func (s *Service) rereadHouse(ctx context.Context, found func(string, ...any), n *int) error {
	var rows []Authority
	if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		rows, err = s.Store.Authorities(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	for _, r := range rows {
		if len(r.DER) == 0 {
			continue
		}
		*n++
		iss := pki.Issuer{Arc: s.Arc, Sandbox: s.Sandbox, CPSURL: s.BaseURL + "/cps"}
		if r.Issuer != "" {
			var err error
			if iss, err = s.issuer(r.Issuer); err != nil {
				found("certificate of %s: its issuer %s is missing", r.Name, r.Issuer)
				continue
			}
		}
		if err := lint.Issued(r.DER, pki.Draft{Role: r.Role, Issuer: iss}); err != nil {
			found("certificate of %s: %v", r.Name, err)
		}
	}
	return nil
}

// Check lints one issued certificate with its real signature and holds it
// against its row; findings are sentences.
func (s *Service) Check(i Issuance) (findings []string) {
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	iss, err := s.issuer(caName(i.Institution))
	if err != nil {
		found("certificate %s: its issuer %s is missing", i.Serial, i.Institution)
		return findings
	}
	if err := lint.Issued(i.DER, pki.Draft{Role: i.Role, Issuer: iss, Replacement: i.Replacement}); err != nil {
		found("certificate %s: %v", i.Serial, err)
	}
	c, err := smx509.ParseCertificate(i.DER)
	if err != nil {
		return findings // lint has said so
	}
	key, err := pki.ParseSPKI(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return findings
	}
	p, err := pki.Point(key)
	if err != nil || !bytes.Equal(p, i.PublicKey) || serialHex(c.SerialNumber) != i.Serial || !c.NotAfter.Equal(i.NotAfter) || !bytes.Equal(c.RawTBSCertificate, i.TBS) {
		found("certificate %s: it differs from its row", i.Serial)
	}
	return findings
}

func (s *Service) rereadList(ctx context.Context, institution string, want map[string]bool, found func(string, ...any)) {
	name := rootName
	if institution != rootName {
		name = caName(institution)
	}
	a, err := s.authority(name)
	if err != nil {
		found("list of %s: %v", institution, err)
		return
	}
	var l List
	if err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		l, err = s.Store.LastList(ctx, tx, institution)
		return err
	}); err != nil {
		if errors.Is(err, work.ErrNotFound) {
			err = errors.New("there is none")
		}
		found("list of %s: %v", institution, err)
		return
	}
	crl, err := pki.ParseCRL(l.DER, a.cert)
	if err != nil {
		found("list of %s: %v", institution, err)
		return
	}
	if s.Clock.Now().After(crl.NextUpdate) {
		found("list of %s: it ended at %s", institution, crl.NextUpdate)
	}
	for serial := range want {
		n, _ := new(big.Int).SetString(serial, 16)
		if _, listed := crl.Lookup(n); !listed {
			found("list of %s: the revoked certificate %s is not on it", institution, serial)
		}
	}
}
