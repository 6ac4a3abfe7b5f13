package wire

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/splitkey"
)

// ErrRequest says that a certificate request is malformed or asks for something else than was agreed.
var ErrRequest = errors.New("pki: bad certificate request")

// RequestInfo is what a holder signs when a certificate is installed (docs/split-keys.md §2.1): the server builds it,
// the phone shows it and co-signs. The three attributes tie the new key to one enrolment.
type RequestInfo struct {
	Subject   Name
	PublicKey []byte // the signing key, 65 bytes

	EnrolmentID   string // the challenge of PKCS #9: at most 64 characters of printable ASCII
	EnrolmentKey  []byte // SM3 of the enrolment public key, 32 bytes
	EncryptionKey []byte // Pe, 65 bytes; nil when no encryption key goes with this certificate (re-key)
}

// Marshal returns the CertificationRequestInfo (RFC 2986 §4.1) to be signed. Enrolment ID and enrolment key are wanted.
func (r RequestInfo) Marshal(arc Arc) ([]byte, error) {
	subject, err := r.Subject.Marshal()
	if err != nil {
		return nil, err
	}
	if r.EnrolmentID == "" || len(r.EnrolmentID) > MaxAttribute || !IsPrintable(r.EnrolmentID) || len(r.EnrolmentKey) != 32 {
		return nil, fmt.Errorf("%w: enrolment ID or enrolment key is missing or malformed", ErrRequest)
	}
	if splitkey.CheckPoint(r.PublicKey) != nil || r.EncryptionKey != nil && splitkey.CheckPoint(r.EncryptionKey) != nil {
		return nil, fmt.Errorf("%w: not an SM2 public key", ErrRequest)
	}
	var set asn.AttributeSet
	set.Add(OIDChallengePassword, asn.Nest(asn.Raw(r.EnrolmentID), cbasn1.PrintableString))
	set.Add(arc.EnrolmentKey(), asn.Nest(asn.Raw(r.EnrolmentKey), cbasn1.OCTET_STRING))
	if r.EncryptionKey != nil {
		set.Add(arc.EncryptionKey(), asn.Nest(asn.Raw(r.EncryptionKey), cbasn1.OCTET_STRING))
	}
	attributes, err := set.Marshal(asn.Explicit(0))
	if err != nil {
		return nil, err
	}
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		AddSPKI(b, r.PublicKey)
		b.AddBytes(attributes)
	}, asn.Sequence)
}

// ParseRequestInfo reads the bytes that Marshal wrote, and nothing else; the phone does it before it shows and signs
// them. Errors wrap ErrRequest.
func ParseRequestInfo(arc Arc, tbs []byte) (RequestInfo, error) {
	bad := func(what string) (RequestInfo, error) { return RequestInfo{}, fmt.Errorf("%w: %s", ErrRequest, what) }
	var r RequestInfo
	s := cryptobyte.String(tbs)
	var seq, subject, attrs cryptobyte.String
	var version int64
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Int64WithTag(&version, cbasn1.INTEGER) ||
		!seq.ReadASN1Element(&subject, asn.Sequence) {
		return bad("not a CertificationRequestInfo")
	}
	var err error
	if r.Subject, err = ParseName(subject); err != nil {
		return bad(err.Error())
	}
	if r.PublicKey, err = ReadSPKI(&seq); err != nil {
		return bad(err.Error())
	}
	if !seq.ReadASN1(&attrs, asn.Explicit(0)) || !seq.Empty() {
		return bad("attributes")
	}
	list, err := asn.ReadAttributes(attrs)
	if err != nil {
		return bad(err.Error())
	}
	for _, a := range list {
		var text cryptobyte.String
		read := false
		switch {
		case a.OID.Equal(OIDChallengePassword):
			read = a.Value.ReadASN1(&text, cbasn1.PrintableString)
			r.EnrolmentID = string(text)
		case a.OID.Equal(arc.EnrolmentKey()):
			read = a.Value.ReadASN1Bytes(&r.EnrolmentKey, cbasn1.OCTET_STRING)
		case a.OID.Equal(arc.EncryptionKey()):
			read = a.Value.ReadASN1Bytes(&r.EncryptionKey, cbasn1.OCTET_STRING)
		}
		if !read || !a.Value.Empty() {
			return bad("attribute " + a.OID.String())
		}
	}
	again, err := r.Marshal(arc)
	if err != nil {
		return bad(err.Error())
	}
	if !bytes.Equal(again, tbs) {
		return bad("not the encoding of this system")
	}
	return r, nil
}
