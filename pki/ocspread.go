package pki

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
	"tianweitong/pki/wire"
)

// OCSPResponse is an answer whose signature was verified.
type OCSPResponse struct {
	Raw        []byte
	ProducedAt time.Time
	Answers    []Answer
	Nonce      []byte
	Responder  *smx509.Certificate
	issuer     *smx509.Certificate
}

// ParseOCSPResponse reads an answer about certificates of issuer and verifies it: signed by the issuer itself, or by a
// certificate that the issuer issued for this purpose and that was valid when the answer was made (RFC 6960 §4.2.2.2).
// A refusal is an OCSPStatus; other errors are ErrOCSP and ErrSignature. Whether the answer is fresh, and its nonce the
// one sent, is for the caller to compare.
func ParseOCSPResponse(der []byte, issuer *smx509.Certificate) (*OCSPResponse, error) {
	bad := func(what string) (*OCSPResponse, error) { return nil, fmt.Errorf("%w: %s", ErrOCSP, what) }
	s := cryptobyte.String(der)
	var outer, wrapped, typed, basic, response cryptobyte.String
	var status int
	var kind asn1.ObjectIdentifier
	if !s.ReadASN1(&outer, asn.Sequence) || !s.Empty() || !outer.ReadASN1Enum(&status) || status < 0 || status > 6 {
		return bad("not an OCSPResponse")
	}
	if status != int(OCSPSuccessful) {
		return nil, OCSPStatus(status)
	}
	if !outer.ReadASN1(&wrapped, asn.Explicit(0)) || !outer.Empty() || !wrapped.ReadASN1(&typed, asn.Sequence) || !wrapped.Empty() ||
		!typed.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidOCSPBasic) || !typed.ReadASN1(&basic, cbasn1.OCTET_STRING) || !typed.Empty() {
		return bad("not a basic response")
	}
	var tbs, certs cryptobyte.String
	var signature asn1.BitString
	var hasCerts bool
	if !basic.ReadASN1(&response, asn.Sequence) || !basic.Empty() || !response.ReadASN1Element(&tbs, asn.Sequence) ||
		!wire.ReadAlgorithm(&response, OIDSM2WithSM3) || !response.ReadASN1BitString(&signature) ||
		!response.ReadOptionalASN1(&certs, &hasCerts, asn.Explicit(0)) || !response.Empty() {
		return bad("not a basic response signed with SM2-with-SM3")
	}
	r := &OCSPResponse{Raw: der, issuer: issuer}
	id, err := r.readData(tbs)
	if err != nil {
		return nil, err
	}
	candidates := []*smx509.Certificate{issuer}
	if hasCerts {
		var list cryptobyte.String
		if !certs.ReadASN1(&list, asn.Sequence) || !certs.Empty() {
			return bad("certificates")
		}
		more, err := readCertificates(list)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOCSP, err)
		}
		candidates = append(candidates, more...)
	}
	i := slices.IndexFunc(candidates, func(c *smx509.Certificate) bool { return id.names(c) && mayAnswer(c, issuer, r.ProducedAt) })
	if i < 0 {
		return bad("no certificate that may answer for this issuer")
	}
	r.Responder = candidates[i]
	if err := VerifySignature(sm2Key(r.Responder), tbs, signature.Bytes); err != nil {
		return nil, err
	}
	return r, nil
}

// mayAnswer: the issuer itself, or its delegate.
func mayAnswer(c, issuer *smx509.Certificate, at time.Time) bool {
	if c.Equal(issuer) {
		return true
	}
	return bytes.Equal(c.RawIssuer, issuer.RawSubject) && slices.Contains(c.ExtKeyUsage, smx509.ExtKeyUsageOCSPSigning) &&
		!at.Before(c.NotBefore) && !at.After(c.NotAfter) && len(c.UnhandledCriticalExtensions) == 0 &&
		VerifySignature(sm2Key(issuer), c.RawTBSCertificate, c.Signature) == nil
}

// responderID is a CHOICE of name and key hash (SHA-1, RFC 6960 §4.2.1).
type responderID struct{ name, keyHash []byte }

func (id responderID) names(c *smx509.Certificate) bool {
	if id.name != nil {
		return bytes.Equal(id.name, c.RawSubject)
	}
	return bytes.Equal(id.keyHash, SHA1.Sum(keyBits(c)))
}

// readData reads the ResponseData into r.
func (r *OCSPResponse) readData(tbs cryptobyte.String) (id responderID, err error) {
	bad := func(what string) (responderID, error) { return id, fmt.Errorf("%w: %s", ErrOCSP, what) }
	var data, by, list, exts cryptobyte.String
	var version int
	var hasExts bool
	var tag cbasn1.Tag
	if !tbs.ReadASN1(&data, asn.Sequence) || !data.ReadOptionalASN1Integer(&version, asn.Explicit(0), 0) || version != 0 ||
		!data.ReadAnyASN1(&by, &tag) {
		return bad("response data")
	}
	switch tag {
	case asn.Explicit(1):
		var name cryptobyte.String
		if !by.ReadASN1Element(&name, asn.Sequence) || !by.Empty() {
			return bad("responder's name")
		}
		id.name = name
	case asn.Explicit(2):
		if !by.ReadASN1Bytes(&id.keyHash, cbasn1.OCTET_STRING) || !by.Empty() {
			return bad("responder's key")
		}
	default:
		return bad("responder")
	}
	if !data.ReadASN1GeneralizedTime(&r.ProducedAt) || !data.ReadASN1(&list, asn.Sequence) ||
		!data.ReadOptionalASN1(&exts, &hasExts, asn.Explicit(1)) || !data.Empty() {
		return bad("response data")
	}
	for !list.Empty() {
		a, err := readAnswer(&list)
		if err != nil {
			return id, err
		}
		r.Answers = append(r.Answers, a)
	}
	if hasExts {
		r.Nonce, err = readNonce(exts)
	}
	return id, err
}

func readAnswer(s *cryptobyte.String) (a Answer, err error) {
	bad := func(what string) (Answer, error) { return a, fmt.Errorf("%w: %s", ErrOCSP, what) }
	var seq, status, next, exts cryptobyte.String
	var tag cbasn1.Tag
	var hasNext, hasExts bool
	if !s.ReadASN1(&seq, asn.Sequence) {
		return bad("answer")
	}
	if a.ID, err = readCertID(&seq); err != nil {
		return a, err
	}
	if !seq.ReadAnyASN1(&status, &tag) || !seq.ReadASN1GeneralizedTime(&a.ThisUpdate) || !seq.ReadOptionalASN1(&next, &hasNext, asn.Explicit(0)) ||
		!seq.ReadOptionalASN1(&exts, &hasExts, asn.Explicit(1)) || !seq.Empty() {
		return bad("answer")
	}
	if !hasNext || !next.ReadASN1GeneralizedTime(&a.NextUpdate) || !next.Empty() {
		return bad("an answer without nextUpdate")
	}
	if hasExts {
		if _, err := readNonce(exts); err != nil {
			return a, err
		}
	}
	switch tag {
	case asn.Implicit(0), asn.Implicit(2):
		if a.Status = StatusGood; tag == asn.Implicit(2) {
			a.Status = StatusUnknown
		}
		if !status.Empty() {
			return bad("status")
		}
	case asn.Explicit(1):
		a.Status = StatusRevoked
		var why cryptobyte.String
		var hasWhy bool
		if !status.ReadASN1GeneralizedTime(&a.RevokedAt) || !status.ReadOptionalASN1(&why, &hasWhy, asn.Explicit(0)) || !status.Empty() {
			return bad("revocation")
		}
		var n int
		if hasWhy && (!why.ReadASN1Enum(&n) || !why.Empty() || n < 0 || n > 10 || !Reason(n).Valid()) {
			return bad("reason")
		}
		a.Reason = Reason(n)
	default:
		return bad("status")
	}
	return a, nil
}

// Lookup returns the answer about a serial number of the issuer whose answers these are, and whether there is one.
func (r *OCSPResponse) Lookup(serial *big.Int) (Answer, bool) {
	for _, a := range r.Answers {
		if a.ID.Serial.Cmp(serial) == 0 && a.ID.IssuedBy(r.issuer) {
			return a, true
		}
	}
	return Answer{}, false
}

// readCertificates reads certificates that stand one after the other; more than 16 are refused.
func readCertificates(list cryptobyte.String) ([]*smx509.Certificate, error) {
	var certs []*smx509.Certificate
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadASN1Element(&der, asn.Sequence) || len(certs) == 16 {
			return nil, fmt.Errorf("pki: list of certificates")
		}
		c, err := smx509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}
