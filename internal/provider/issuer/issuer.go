// Package issuer is the first CA institution: our own authority behind the
// interface through which every institution issues (certificate.Issuer).
package issuer

import (
	"context"
	"errors"
	"fmt"

	"tianweitong/internal/ca"
	"tianweitong/internal/certificate"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// Own issues from our own CA.
type Own struct {
	CA  *ca.Service
	Arc pki.Arc
}

var _ certificate.Issuer = Own{}

// signRef and encRef are the CA's references of a pair.
func signRef(ref string) string { return ref + "/sign" }
func encRef(ref string) string  { return ref + "/enc" }

// Prepare implements certificate.Issuer: the request's co-signature is verified
// once more, then both certificates are linted and recorded.
func (o Own) Prepare(ctx context.Context, r certificate.IssueRequest) (certificate.Prepared, error) {
	// A repeated call gives the first answer, whatever else differs.
	if p, err := o.prepared(ctx, r.Ref); err == nil || !errors.Is(err, work.ErrNotFound) {
		return p, err
	}
	if err := o.check(r); err != nil {
		return certificate.Prepared{}, err
	}
	// The encryption certificate goes first: the signing certificate's record is
	// what prepared looks at.
	if r.EncKey != nil {
		if _, err := o.CA.Prepare(ctx, o.request(r, encRef(r.Ref), pki.PersonEncryption, r.EncKey)); err != nil {
			return certificate.Prepared{}, refused(err)
		}
	}
	if _, err := o.CA.Prepare(ctx, o.request(r, signRef(r.Ref), pki.PersonSigning, r.SignKey)); err != nil {
		return certificate.Prepared{}, refused(err)
	}
	return o.prepared(ctx, r.Ref)
}

func (o Own) check(r certificate.IssueRequest) error {
	if r.Subject.Kind != certificate.Person {
		return fmt.Errorf("%w: holders of kind %q are not certified yet", certificate.ErrRefused, r.Subject.Kind)
	}
	if len(r.Subject.IDDigest) != 32 {
		return fmt.Errorf("%w: the digest of the ID number is not 32 bytes", certificate.ErrRefused)
	}
	q, err := pki.ParseRequest(o.Arc, r.CSR)
	if err != nil {
		return fmt.Errorf("%w: %w", certificate.ErrRefused, err)
	}
	point, err := pki.Point(q.PublicKey)
	if err != nil || string(point) != string(r.SignKey) {
		return fmt.Errorf("%w: the request is for another key", certificate.ErrRefused)
	}
	if r.EncKey != nil {
		if q.EncryptionKey == nil {
			return fmt.Errorf("%w: the request names no encryption key", certificate.ErrRefused)
		}
		if point, err = pki.Point(q.EncryptionKey); err != nil || string(point) != string(r.EncKey) {
			return fmt.Errorf("%w: the request names another encryption key", certificate.ErrRefused)
		}
	}
	return nil
}

func (o Own) request(r certificate.IssueRequest, ref string, role pki.Role, key []byte) ca.Request {
	return ca.Request{
		Ref: ref, Institution: r.Institution, Role: role, PublicKey: key,
		Subject:   pki.Name{Country: "CN", CommonName: r.Subject.Name, Serial: r.Subject.Ref},
		NotBefore: r.NotBefore, NotAfter: r.NotAfter, Replacement: r.Replaces != "",
		IDNumber: pki.KeyedIDNumber([32]byte(r.Subject.IDDigest)),
	}
}

func (o Own) prepared(ctx context.Context, ref string) (certificate.Prepared, error) {
	sign, err := o.CA.Status(ctx, signRef(ref))
	if err != nil {
		return certificate.Prepared{}, err
	}
	p := certificate.Prepared{SignSerial: sign.Serial}
	enc, err := o.CA.Status(ctx, encRef(ref))
	switch {
	case errors.Is(err, work.ErrNotFound):
		return p, nil
	case err != nil:
		return certificate.Prepared{}, err
	}
	p.EncSerial = enc.Serial
	return p, nil
}

func refused(err error) error {
	if errors.Is(err, ca.ErrRefused) {
		return fmt.Errorf("%w: %w", certificate.ErrRefused, err)
	}
	return err
}

// Issue implements certificate.Issuer.
func (o Own) Issue(ctx context.Context, ref string) (certificate.Pair, error) {
	p, err := o.prepared(ctx, ref)
	if err != nil {
		return certificate.Pair{}, err
	}
	var out certificate.Pair
	if p.EncSerial != "" {
		enc, err := o.CA.Issue(ctx, encRef(ref))
		if err != nil {
			return certificate.Pair{}, err
		}
		out.EncDER = enc.DER
	}
	sign, err := o.CA.Issue(ctx, signRef(ref))
	if err != nil {
		return certificate.Pair{}, err
	}
	out.SignDER = sign.DER
	out.Chain, err = o.CA.Chain(sign.Institution)
	return out, err
}

// Status implements certificate.Issuer.
func (o Own) Status(ctx context.Context, ref string) (certificate.IssueStatus, error) {
	i, err := o.CA.Status(ctx, signRef(ref))
	switch {
	case errors.Is(err, work.ErrNotFound):
		return certificate.StatusUnknown, nil
	case err != nil:
		return certificate.StatusUnknown, err
	case i.IssuedAt.IsZero():
		return certificate.StatusPrepared, nil
	}
	return certificate.StatusIssued, nil
}
