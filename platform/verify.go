package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Identity is a holder, as the certificate names him.
type Identity struct {
	Kind   string // "person"
	Holder string // opaque identifier, the serialNumber of the subject: the same in all his certificates
	Name   string
}

// Result is a verified result. There is no other way to get one than Get and
// Watch, which verify every part of it.
type Result struct {
	Identity    Identity
	Certificate *smx509.Certificate   // the holder's, for signing
	Chain       []*smx509.Certificate // its issuers, up to our root
	Message     []byte                // what was signed
	Signature   []byte                // SM2 over Message, DER SEQUENCE{r,s}
	Timestamp   []byte                // TimeStampResp of RFC 3161 over Signature, DER
	SignedAt    time.Time             // by the timestamp

	tx  Transaction
	arc pki.Arc
}

type wireResult struct {
	Code     Outcome `json:"code"`
	Identity struct {
		Kind   string `json:"kind"`
		Holder string `json:"holder"`
		Name   string `json:"name"`
	} `json:"identity"`
	Certificate []byte   `json:"certificate"`
	Chain       [][]byte `json:"chain"`
	M           []byte   `json:"m"`
	Signature   []byte   `json:"signature"`
	Timestamp   []byte   `json:"timestamp"`
}

// accept believes a result or says which rule it breaks. It relies on nothing
// that the service says by itself: what was signed has to be ours, the holder
// is whom the certificate names, the time is the timestamp's.
func (c *Client) accept(ctx context.Context, tx Transaction, w wireResult) (*Result, error) {
	if w.Code != OK || len(w.Certificate) == 0 || len(w.M) == 0 || len(w.Signature) == 0 || len(w.Timestamp) == 0 {
		return nil, refuse(ErrResult, "a part is missing (code %.32q)", w.Code)
	}
	now := c.clock.Now()
	cert, err := parseCertificate(w.Certificate)
	if err != nil {
		return nil, refuse(ErrCertificate, "%w", err)
	}
	others, err := parseCertificates(w.Chain)
	if err != nil {
		return nil, refuse(ErrCertificate, "chain: %w", err)
	}
	id, err := c.checkMessage(tx, w.M, cert, now)
	if err != nil {
		return nil, refuse(ErrMessage, "%w", err)
	}
	stamp, err := c.trust.timestamp(w.Timestamp, w.Signature, others)
	if err != nil {
		return nil, refuse(ErrTimestamp, "%w", err)
	}
	if err := within(stamp.Time, tx.Begun, now); err != nil {
		return nil, refuse(ErrTimestamp, "%w", err)
	}
	chain, err := c.trust.chain(cert, others, pki.PersonSigning, stamp.Time)
	if err != nil {
		return nil, refuse(ErrCertificate, "%w", err)
	}
	// A login opens a door now, so its certificate has to be good now; a document
	// was signed when it was signed (docs/domain.md §5, invariant 12).
	decided := stamp.Time
	if tx.Type == TypeLogin {
		decided = now
		if _, err := c.trust.chain(cert, others, pki.PersonSigning, now); err != nil {
			return nil, refuse(ErrCertificate, "%w", err)
		}
	}
	if err := verify(cert, id, w.M, w.Signature); err != nil {
		return nil, refuse(ErrSignature, "%w", err)
	}
	holder := Identity{Kind: "person", Holder: cert.Subject.SerialNumber, Name: cert.Subject.CommonName}
	if w.Identity.Kind != holder.Kind || w.Identity.Holder != holder.Holder || w.Identity.Name != holder.Name {
		return nil, refuse(ErrIdentity, "the service names another holder than the certificate")
	}
	if tx.ExpectedHolder != "" && holder.Holder != tx.ExpectedHolder {
		return nil, refuse(ErrIdentity, "another holder answered")
	}
	if c.trust.revocation != nil {
		if err := c.trust.revocation(ctx, cert, chain[1], decided); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return &Result{
		Identity: holder, Certificate: cert, Chain: chain[1:], Message: w.M, Signature: w.Signature,
		Timestamp: w.Timestamp, SignedAt: stamp.Time, tx: tx, arc: c.trust.arc,
	}, nil
}

// within holds a moment of the service against the time in which it can be, by
// our clock.
func within(t, begun, now time.Time) error {
	if t.Before(begun.Add(-MaxSkew)) || t.After(now.Add(MaxSkew)) {
		return fmt.Errorf("%s is not between the begin of the transaction and now", t.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkMessage holds what was signed against what we asked for and returns the
// ID that it has to be signed under (docs/split-keys.md §2.9).
func (c *Client) checkMessage(tx Transaction, m []byte, signer *smx509.Certificate, now time.Time) (id string, err error) {
	switch tx.Type {
	case TypeLogin:
		return splitkey.IDLogin, c.checkLogin(tx, m, now)
	case TypeSign:
		if tx.Whole {
			return splitkey.IDDocument, checkDocument(tx, m)
		}
		return splitkey.IDDocument, c.checkAttributes(tx, m, signer, now)
	}
	return "", fmt.Errorf("transaction of type %.16q", tx.Type)
}

func (c *Client) checkLogin(tx Transaction, m []byte, now time.Time) error {
	l, err := splitkey.ParseLoginMessage(m)
	switch {
	case err != nil:
		return err
	case l.Platform != c.code:
		return errors.New("platform code")
	case l.Host != c.host:
		return errors.New("registered host")
	case l.Transaction != tx.ID:
		return errors.New("transaction")
	case !bytes.Equal(l.Challenge, tx.Challenge):
		return errors.New("challenge")
	case !bytes.Equal(l.Browser, tx.Binding):
		return errors.New("browser binding")
	}
	return within(time.Unix(l.Time, 0), tx.Begun.Truncate(time.Second), now)
}

func checkDocument(tx Transaction, m []byte) error {
	if sum := sm3.Sum(m); int64(len(m)) != tx.Size || !bytes.Equal(sum[:], tx.Digest) {
		return errors.New("another document")
	}
	return splitkey.CheckDocument(m)
}

// checkAttributes: what stands for a document too large to be sent is built by
// the service, and every attribute of it is known.
func (c *Client) checkAttributes(tx Transaction, m []byte, signer *smx509.Certificate, now time.Time) error {
	a, err := pki.ParseSignedAttributes(c.trust.arc, m)
	switch {
	case err != nil:
		return err
	case !a.ContentType.Equal(pki.OIDGMData):
		return errors.New("content type")
	case !bytes.Equal(a.Digest, tx.Digest) || a.Document == nil || a.Document.Size != tx.Size:
		return errors.New("another document")
	case a.Document.Name != tx.Name:
		return errors.New("name of the document")
	case !bytes.Equal(a.SignerHash, pki.SM3.Sum(signer.Raw)):
		return errors.New("signing certificate")
	}
	return within(a.Time, tx.Begun.Truncate(time.Second), now)
}

func verify(cert *smx509.Certificate, id string, m, signature []byte) error {
	sig, err := splitkey.ParseSignature(signature)
	if err != nil {
		return err
	}
	point, err := pointOf(cert)
	if err != nil {
		return err
	}
	e, err := splitkey.Digest(point, id, m)
	if err != nil {
		return err
	}
	return splitkey.Verify(point, e, sig)
}
