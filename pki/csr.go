package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// ErrRequest says that a certificate request is malformed or asks for something else than was agreed.
var ErrRequest = wire.ErrRequest

// RequestInfo is what a holder signs when a certificate is installed (docs/split-keys.md §2.1): the server builds it,
// the phone shows it and co-signs. The three attributes tie the new key to one enrolment.
type RequestInfo struct {
	Subject   Name
	PublicKey *ecdsa.PublicKey // the signing key

	EnrolmentID   string           // the challenge of PKCS #9: at most 64 characters of printable ASCII
	EnrolmentKey  []byte           // SM3 of the enrolment public key, 32 bytes
	EncryptionKey *ecdsa.PublicKey // Pe; nil when no encryption key goes with this certificate (re-key)
}

// Marshal returns the CertificationRequestInfo (RFC 2986 §4.1) to be signed. Enrolment ID and enrolment key are wanted.
func (r RequestInfo) Marshal(arc Arc) ([]byte, error) {
	w := wire.RequestInfo{Subject: r.Subject, EnrolmentID: r.EnrolmentID, EnrolmentKey: r.EnrolmentKey}
	var err error
	if w.PublicKey, err = Point(r.PublicKey); err != nil {
		return nil, err
	}
	if r.EncryptionKey != nil {
		if w.EncryptionKey, err = Point(r.EncryptionKey); err != nil {
			return nil, err
		}
	}
	return w.Marshal(arc)
}

// ParseRequestInfo reads the bytes that Marshal wrote, and nothing else. Errors wrap ErrRequest.
func ParseRequestInfo(arc Arc, tbs []byte) (RequestInfo, error) {
	w, err := wire.ParseRequestInfo(arc, tbs)
	if err != nil {
		return RequestInfo{}, err
	}
	r := RequestInfo{Subject: w.Subject, EnrolmentID: w.EnrolmentID, EnrolmentKey: w.EnrolmentKey}
	if r.PublicKey, err = ParsePoint(w.PublicKey); err != nil {
		return RequestInfo{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if w.EncryptionKey != nil {
		if r.EncryptionKey, err = ParsePoint(w.EncryptionKey); err != nil {
			return RequestInfo{}, fmt.Errorf("%w: %w", ErrRequest, err)
		}
	}
	return r, nil
}

// AssembleRequest puts a signature on a CertificationRequestInfo and returns the PKCS #10 request. The signature is
// verified under the key that the request names. Errors: ErrRequest, ErrSignature.
func AssembleRequest(arc Arc, tbs, signature []byte) ([]byte, error) {
	der, err := signed(tbs, signature)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if _, err := ParseRequest(arc, der); err != nil {
		return nil, err
	}
	return der, nil
}

// Request is a PKCS #10 request whose signature was verified: proof that the sender holds the key.
type Request struct {
	RawTBS     []byte
	RawSubject []byte
	Subject    pkix.Name // of the sender's choice; an authority takes the subject from its own records
	PublicKey  *ecdsa.PublicKey

	// Present in requests of this system, empty in those that trading platforms make with their own tools.
	EnrolmentID   string
	EnrolmentKey  []byte
	EncryptionKey *ecdsa.PublicKey
}

// ParseRequest reads a PKCS #10 request for an SM2 key and verifies its signature. Attributes that this system does not
// know, or that stand twice, are refused. Errors: ErrRequest, ErrSignature.
func ParseRequest(arc Arc, der []byte) (*Request, error) {
	if err := asn.Check(der); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	tbs, signature, err := unsign(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	q, err := parseRequestInfo(arc, tbs)
	if err != nil {
		return nil, err
	}
	if err := VerifySignature(q.PublicKey, tbs, signature); err != nil {
		return nil, err
	}
	return q, nil
}

// Matches reports whether the request is the one agreed: same key, enrolment, enrolment key and encryption key. The
// error wraps ErrRequest and names the part that differs.
func (q *Request) Matches(want RequestInfo) error {
	differ := ""
	switch {
	case !samePoint(q.PublicKey, want.PublicKey):
		differ = "public key"
	case q.EnrolmentID != want.EnrolmentID:
		differ = "enrolment ID"
	case !bytes.Equal(q.EnrolmentKey, want.EnrolmentKey):
		differ = "enrolment key"
	case !samePoint(q.EncryptionKey, want.EncryptionKey):
		differ = "encryption key"
	default:
		return nil
	}
	return fmt.Errorf("%w: another %s", ErrRequest, differ)
}

func samePoint(a, b *ecdsa.PublicKey) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

func parseRequestInfo(arc Arc, tbs []byte) (*Request, error) {
	bad := func(what string) (*Request, error) { return nil, fmt.Errorf("%w: %s", ErrRequest, what) }
	q := &Request{RawTBS: tbs}
	s := cryptobyte.String(tbs)
	var seq, subject, attrs cryptobyte.String
	var version int
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Integer(&version) || version != 0 ||
		!seq.ReadASN1Element(&subject, asn.Sequence) {
		return bad("not a CertificationRequestInfo")
	}
	q.RawSubject = subject
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(subject, &rdns); err != nil || len(rest) > 0 {
		return bad("subject")
	}
	q.Subject.FillFromRDNSequence(&rdns)
	var err error
	if q.PublicKey, err = readSPKI(&seq); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if !seq.ReadASN1(&attrs, asn.Explicit(0)) || !seq.Empty() {
		return bad("attributes")
	}
	list, err := asn.ReadAttributes(attrs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	for _, a := range list {
		switch {
		case a.OID.Equal(oidChallengePassword):
			if !a.Value.ReadASN1(&subject, cbasn1.PrintableString) || !a.Value.Empty() || len(subject) == 0 || len(subject) > wire.MaxAttribute {
				return bad("challenge")
			}
			q.EnrolmentID = string(subject)
		case a.OID.Equal(arc.EnrolmentKey()):
			if !a.Value.ReadASN1Bytes(&q.EnrolmentKey, cbasn1.OCTET_STRING) || !a.Value.Empty() || len(q.EnrolmentKey) != 32 {
				return bad("enrolment key")
			}
		case a.OID.Equal(arc.EncryptionKey()):
			var point []byte
			if !a.Value.ReadASN1Bytes(&point, cbasn1.OCTET_STRING) || !a.Value.Empty() {
				return bad("encryption key")
			}
			if q.EncryptionKey, err = ParsePoint(point); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrRequest, err)
			}
		default:
			return bad(fmt.Sprintf("unknown attribute %v", a.OID))
		}
	}
	return q, nil
}
