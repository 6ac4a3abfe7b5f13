package ca

import (
	"context"
	"errors"
	"math/big"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/custody"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// ocspLife is how long an answer may be kept: short, because revocation shows
// in OCSP within seconds (docs/domain.md §2.1).
const ocspLife = 5 * time.Minute

// OCSP answers a request (RFC 6960), DER in and out. A request that cannot be
// answered gets a refusal in the protocol's own terms; an error means that the
// house itself failed.
func (s *Service) OCSP(ctx context.Context, raw []byte) ([]byte, error) {
	r, err := pki.ParseOCSPRequest(raw)
	if err != nil {
		return pki.OCSPFailure(pki.OCSPMalformed), nil
	}
	institution, ok := s.askedAbout(r)
	if !ok {
		return pki.OCSPFailure(pki.OCSPUnauthorized), nil
	}
	responder, err := s.inForce(ctx, "ocsp/"+institution)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now().Truncate(time.Second)
	answers := make([]pki.Answer, len(r.IDs))
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		for n, id := range r.IDs {
			answers[n] = pki.Answer{ID: id, Status: pki.StatusUnknown, ThisUpdate: now, NextUpdate: now.Add(ocspLife)}
			i, err := s.Store.BySerial(ctx, tx, serialHex(id.Serial))
			switch {
			case errors.Is(err, work.ErrNotFound):
				if s.ownSerial(institution, id.Serial) {
					answers[n].Status = pki.StatusGood
				}
				continue
			case err != nil:
				return err
			case i.IssuedAt.IsZero() || i.Institution != institution:
				continue
			}
			answers[n].Status = pki.StatusGood
			if !i.RevokedAt.IsZero() {
				answers[n].Status, answers[n].RevokedAt, answers[n].Reason = pki.StatusRevoked, i.RevokedAt.Truncate(time.Second), i.Reason
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d, err := pki.NewOCSP(responder.cert, now, answers, r.Nonce)
	if err != nil {
		return nil, err
	}
	sig, err := s.Signer.SignAs(ctx, custody.RoleOCSP, institution, custody.OCSP(d))
	if err != nil {
		return nil, err
	}
	return d.Assemble(sig)
}

// askedAbout finds the one institution that all of a request's questions are about.
func (s *Service) askedAbout(r *pki.OCSPRequest) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, a := range s.current {
		if a.Role != pki.IssuingCA {
			continue
		}
		all := len(r.IDs) > 0
		for _, id := range r.IDs {
			all = all && id.IssuedBy(a.cert)
		}
		if all {
			return institutionOf(name), true
		}
	}
	return "", false
}

// ownSerial tells whether a serial belongs to a certificate of the house that
// the institution's CA issued: services, the timestamp authority.
func (s *Service) ownSerial(institution string, serial *big.Int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.all {
		if a.Issuer == caName(institution) && a.cert.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}

// ValidAt tells whether a certificate was issued here, has not ended and is not
// revoked at a time.
func (s *Service) ValidAt(ctx context.Context, tx work.Tx, serial string, at time.Time) (bool, error) {
	i, err := s.Certificate(ctx, tx, serial)
	if errors.Is(err, work.ErrNotFound) {
		return false, nil
	}
	return err == nil && (i.RevokedAt.IsZero() || i.RevokedAt.After(at)) && at.Before(i.NotAfter), err
}

// TimestampRequest answers an RFC 3161 request, DER in and out; what cannot be
// stamped gets a rejection in the protocol's terms.
func (s *Service) TimestampRequest(ctx context.Context, raw []byte) ([]byte, error) {
	r, err := pki.ParseTimestampRequest(raw)
	if err != nil {
		failure := pki.TSPBadDataFormat
		errors.As(err, &failure)
		return pki.TimestampRejection(failure, "请求无法处理")
	}
	out, err := s.stamp(ctx, *r)
	var failure pki.TSPFailure
	if errors.As(err, &failure) {
		return pki.TimestampRejection(failure, "请求无法处理")
	}
	return out, err
}

// Timestamp stamps a 32-byte SM3 digest and returns the response, DER
// TimeStampResp with the authority's certificates.
func (s *Service) Timestamp(ctx context.Context, digest []byte) ([]byte, error) {
	return s.stamp(ctx, pki.TimestampRequest{Hash: pki.SM3, Imprint: digest, WantCertificate: true})
}

func (s *Service) stamp(ctx context.Context, r pki.TimestampRequest) ([]byte, error) {
	tsa, err := s.inForce(ctx, "tsa")
	if err != nil {
		return nil, err
	}
	serial, err := pki.NewSerial(s.Rand)
	if err != nil {
		return nil, err
	}
	op, err := s.authority(caName(Operator))
	if err != nil {
		return nil, err
	}
	d, err := pki.NewTimestamp(s.Arc, pki.TSAPolicyOf(s.Arc, s.Sandbox), tsa.cert, []*smx509.Certificate{op.cert}, serial, s.Clock.Now(), r)
	if err != nil {
		return nil, err
	}
	sig, err := s.Signer.SignAs(ctx, custody.RoleTSA, "tsa", custody.Timestamp(d))
	if err != nil {
		return nil, err
	}
	return d.Assemble(sig)
}

// Service gives the certificate in force of a service role ("callback",
// "receipt", "statement") with its chain to the root, DER, leaf first.
func (s *Service) Service(ctx context.Context, role string) ([][]byte, error) {
	a, err := s.inForce(ctx, "service/"+role)
	if err != nil {
		return nil, err
	}
	chain, err := s.Chain(Operator)
	if err != nil {
		return nil, err
	}
	return append([][]byte{a.DER}, chain...), nil
}
