package pki

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tianweitong/pki/asn"
)

// ErrTimestamp says that a timestamp or its request is malformed, or belongs to something else.
var ErrTimestamp = errors.New("pki: bad timestamp")

// TSPFailure is why a timestamp authority refuses (RFC 3161 §2.4.2): the number of the bit in PKIFailureInfo.
type TSPFailure uint8

// The failures of RFC 3161.
const (
	TSPBadAlgorithm        TSPFailure = 0
	TSPBadRequest          TSPFailure = 2
	TSPBadDataFormat       TSPFailure = 5
	TSPTimeNotAvailable    TSPFailure = 14
	TSPUnacceptedPolicy    TSPFailure = 15
	TSPUnacceptedExtension TSPFailure = 16
	TSPAddInfoNotAvailable TSPFailure = 17
	TSPSystemFailure       TSPFailure = 25
	tspUnknown             TSPFailure = 31
)

const (
	maxTSPNonce     = 256 // bits
	statusGranted   = 0   // PKIStatus
	statusModified  = 1
	statusRejection = 2
)

// Error names the failure.
func (f TSPFailure) Error() string {
	return fmt.Sprintf("pki: timestamp refused: failure %d", uint8(f))
}

// TimestampRequest asks for a timestamp of a digest (RFC 3161 §2.4.1).
type TimestampRequest struct {
	Hash            Hash // SM3 or SHA256
	Imprint         []byte
	Policy          asn1.ObjectIdentifier // nil: the authority's own
	Nonce           *big.Int              // nil: none
	WantCertificate bool
}

// NewTimestampRequest asks for a timestamp over the SM3 of data, with a nonce of 64 random bits and the authority's
// certificate.
func NewTimestampRequest(random io.Reader, data []byte) (TimestampRequest, error) {
	var nonce [8]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return TimestampRequest{}, fmt.Errorf("pki: timestamp nonce: %w", err)
	}
	return TimestampRequest{Hash: SM3, Imprint: SM3.Sum(data), Nonce: new(big.Int).SetBytes(nonce[:]), WantCertificate: true}, nil
}

// Marshal writes the TimeStampReq.
func (r TimestampRequest) Marshal() ([]byte, error) {
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn.Sequence, r.addImprint)
		if r.Policy != nil {
			b.AddASN1ObjectIdentifier(r.Policy)
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
		if r.WantCertificate {
			b.AddASN1Boolean(true)
		}
	}, asn.Sequence)
}

func (r TimestampRequest) addImprint(b *cryptobyte.Builder) {
	r.Hash.add(b)
	b.AddASN1OctetString(r.Imprint)
}

// ParseTimestampRequest reads a TimeStampReq. The error wraps the TSPFailure to answer with.
func ParseTimestampRequest(der []byte) (*TimestampRequest, error) {
	fail := func(f TSPFailure, what string) (*TimestampRequest, error) { return nil, fmt.Errorf("%w: %s", f, what) }
	s := cryptobyte.String(der)
	var seq cryptobyte.String
	var version int
	r := new(TimestampRequest)
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Integer(&version) {
		return fail(TSPBadDataFormat, "not a TimeStampReq")
	}
	if version != 1 {
		return fail(TSPBadRequest, "version")
	}
	if err := r.readImprint(&seq); err != nil {
		return nil, err
	}
	if seq.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && !seq.ReadASN1ObjectIdentifier(&r.Policy) {
		return fail(TSPBadDataFormat, "policy")
	}
	if seq.PeekASN1Tag(cbasn1.INTEGER) {
		r.Nonce = new(big.Int)
		if !seq.ReadASN1Integer(r.Nonce) || r.Nonce.BitLen() > maxTSPNonce {
			return fail(TSPBadDataFormat, "nonce")
		}
	}
	if !asn.ReadFlag(&seq, &r.WantCertificate) {
		return fail(TSPBadDataFormat, "certReq")
	}
	if seq.PeekASN1Tag(asn.Explicit(0)) {
		return fail(TSPUnacceptedExtension, "extensions")
	}
	if !seq.Empty() {
		return fail(TSPBadDataFormat, "bytes after the end")
	}
	return r, nil
}

func (r *TimestampRequest) readImprint(s *cryptobyte.String) error {
	var imprint cryptobyte.String
	var ok bool
	if !s.ReadASN1(&imprint, asn.Sequence) {
		return fmt.Errorf("%w: imprint", TSPBadDataFormat)
	}
	if r.Hash, ok = readHash(&imprint, SM3, SHA256); !ok || !imprint.ReadASN1Bytes(&r.Imprint, cbasn1.OCTET_STRING) || !imprint.Empty() {
		return fmt.Errorf("%w: imprint", TSPBadDataFormat)
	}
	if r.Hash == 0 {
		return fmt.Errorf("%w: want SM3 or SHA-256", TSPBadAlgorithm)
	}
	if len(r.Imprint) != 32 {
		return fmt.Errorf("%w: the imprint has another length than its algorithm's", TSPBadDataFormat)
	}
	return nil
}

// TimestampRejection is the answer without a token that refuses a request, with a sentence for the reader.
func TimestampRejection(f TSPFailure, text string) ([]byte, error) {
	if f > 25 {
		f = TSPSystemFailure
	}
	bits := make([]byte, 1+f/8+1) // octet 0 counts the unused bits
	bits[0] = byte(7 - f%8)
	bits[len(bits)-1] = 0x80 >> (f % 8)
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(statusRejection)
		asn.Nest(asn.Raw(text), asn.Sequence, cbasn1.UTF8String)(b)
		b.AddASN1(cbasn1.BIT_STRING, asn.Raw(bits))
	}, asn.Sequence, asn.Sequence)
}

// TSAPolicyOf returns the policy under which an authority of arc makes timestamps.
func TSAPolicyOf(arc Arc, sandbox bool) asn1.ObjectIdentifier {
	if sandbox {
		return arc.SandboxTSAPolicy()
	}
	return arc.TSAPolicy()
}

// TimestampDraft is a timestamp before its signature. The zero value signs nothing.
type TimestampDraft struct {
	info       []byte // TSTInfo
	attributes []byte // what is signed
	tsa        *smx509.Certificate
	certs      []*smx509.Certificate
}

// NewTimestamp writes a TSTInfo for a request and the attributes over it. The serial number is unique for the
// authority; at is cut to whole seconds and accurate to one second; chain, the authority's issuers, goes along when the
// request wants certificates. A request for another policy is refused with TSPUnacceptedPolicy.
func NewTimestamp(arc Arc, policy asn1.ObjectIdentifier, tsa *smx509.Certificate, chain []*smx509.Certificate, serial *big.Int, at time.Time, r TimestampRequest) (TimestampDraft, error) {
	switch {
	case tsa == nil || !slices.Equal(tsa.ExtKeyUsage, []smx509.ExtKeyUsage{smx509.ExtKeyUsageTimeStamping}):
		return TimestampDraft{}, fmt.Errorf("%w: the signer is no timestamp authority", ErrTimestamp)
	case at.Before(tsa.NotBefore) || at.After(tsa.NotAfter):
		return TimestampDraft{}, fmt.Errorf("%w: the authority's certificate is not valid at that time", TSPTimeNotAvailable)
	case serial == nil || serial.Sign() <= 0 || serial.BitLen() > 159:
		return TimestampDraft{}, fmt.Errorf("%w: serial number", ErrTimestamp)
	case r.Hash != SM3 && r.Hash != SHA256 || len(r.Imprint) != 32:
		return TimestampDraft{}, fmt.Errorf("%w: imprint", TSPBadAlgorithm)
	case r.Policy != nil && !r.Policy.Equal(policy):
		return TimestampDraft{}, fmt.Errorf("%w: want %v", TSPUnacceptedPolicy, policy)
	}
	info, err := asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(policy)
		b.AddASN1(asn.Sequence, r.addImprint)
		b.AddASN1BigInt(serial)
		b.AddASN1GeneralizedTime(whole(at))
		b.AddASN1(asn.Sequence, asn.Integer(1)) // accuracy: one second
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
		asn.Nest(asn.Raw(tsa.RawSubject), asn.Explicit(0), asn.Explicit(4))(b) // tsa, directoryName
	}, asn.Sequence)
	if err != nil {
		return TimestampDraft{}, fmt.Errorf("%w: %w", ErrTimestamp, err)
	}
	attributes, err := SignedAttributes{ContentType: oidTSTInfo, Digest: SM3.Sum(info), Time: at, SignerHash: SM3.Sum(tsa.Raw)}.Marshal(arc)
	if err != nil {
		return TimestampDraft{}, err
	}
	d := TimestampDraft{info: info, attributes: attributes, tsa: tsa}
	if r.WantCertificate {
		d.certs = append([]*smx509.Certificate{tsa}, chain...)
	}
	return d, nil
}

// ToBeSigned returns the signed attributes; nil for the zero value.
func (d TimestampDraft) ToBeSigned() []byte { return d.attributes }

// SignerKey returns the key whose signature is wanted; nil for the zero value.
func (d TimestampDraft) SignerKey() *ecdsa.PublicKey { return sm2Key(d.tsa) }

// Assemble verifies the signature and returns the TimeStampResp in DER. The token in it is SignedData with the object
// identifiers of RFC 3161, so that common tools can read it. Error: ErrSignature.
func (d TimestampDraft) Assemble(signature []byte) ([]byte, error) {
	if err := VerifySignature(d.SignerKey(), d.attributes, signature); err != nil {
		return nil, err
	}
	token, err := signedData{
		outer: oidPKCS7SignedData, version: 3, contentType: oidTSTInfo, algorithm: OIDSM2WithSM3, content: d.info,
		certs: d.certs, signer: d.tsa, attributes: d.attributes, signature: signature,
	}.marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTimestamp, err)
	}
	return asn.Build(func(b *cryptobyte.Builder) {
		b.AddASN1(asn.Sequence, asn.Integer(statusGranted))
		b.AddBytes(token)
	}, asn.Sequence)
}

// Timestamp is a token whose signature was verified under the certificate that it names.
type Timestamp struct {
	Token   []byte // the ContentInfo, to be kept in a signed message or a seal
	Time    time.Time
	Serial  *big.Int
	Policy  asn1.ObjectIdentifier
	Hash    Hash
	Imprint []byte
	Nonce   *big.Int
	TSA     *smx509.Certificate
	Others  []*smx509.Certificate // further certificates of the token
}

// ParseTimestampResponse reads an answer to a request: a refusal is an error that wraps its TSPFailure. The token's
// signature, imprint, nonce and policy are verified; the authority's certificate is for Timestamp.Verify. The authority
// is wanted when the request did not ask for its certificate. Errors: TSPFailure, ErrTimestamp, ErrCMS, ErrSignature.
func ParseTimestampResponse(der []byte, r TimestampRequest, authority ...*smx509.Certificate) (*Timestamp, error) {
	s := cryptobyte.String(der)
	var seq, status, texts, token cryptobyte.String
	var n int
	var bits asn1.BitString
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1(&status, asn.Sequence) || !status.ReadASN1Integer(&n) ||
		status.PeekASN1Tag(asn.Sequence) && !status.ReadASN1(&texts, asn.Sequence) ||
		status.PeekASN1Tag(cbasn1.BIT_STRING) && !status.ReadASN1BitString(&bits) || !status.Empty() {
		return nil, fmt.Errorf("%w: not a TimeStampResp", ErrTimestamp)
	}
	if n != statusGranted && n != statusModified {
		for f := range tspUnknown {
			if bits.At(int(f)) == 1 {
				return nil, fmt.Errorf("%w: %w", ErrTimestamp, f)
			}
		}
		return nil, fmt.Errorf("%w: %w", ErrTimestamp, tspUnknown)
	}
	if !seq.ReadASN1Element(&token, asn.Sequence) || !seq.Empty() {
		return nil, fmt.Errorf("%w: no token", ErrTimestamp)
	}
	t, err := ParseTimestamp(token, authority...)
	if err != nil {
		return nil, err
	}
	switch {
	case t.Hash != r.Hash || !bytes.Equal(t.Imprint, r.Imprint):
		return nil, fmt.Errorf("%w: of another imprint", ErrTimestamp)
	case (t.Nonce == nil) != (r.Nonce == nil) || t.Nonce != nil && t.Nonce.Cmp(r.Nonce) != 0:
		return nil, fmt.Errorf("%w: of another nonce", ErrTimestamp)
	case r.Policy != nil && !r.Policy.Equal(t.Policy):
		return nil, fmt.Errorf("%w: of another policy", ErrTimestamp)
	}
	return t, nil
}

// ParseTimestamp reads a token and verifies its signature under the certificate that it names, found in the token or
// among others, which has to be a timestamp authority's. Errors: ErrTimestamp, ErrCMS, ErrSignature.
func ParseTimestamp(token []byte, others ...*smx509.Certificate) (*Timestamp, error) {
	d, err := ParseSignedData(Arc{}, token, others...)
	if err != nil {
		return nil, err
	}
	if !d.ContentType.Equal(oidTSTInfo) || d.Content == nil || d.Attributes == nil || d.Attributes.SignerHash == nil {
		return nil, fmt.Errorf("%w: not a token of RFC 3161", ErrTimestamp)
	}
	if !slices.Equal(d.Signer.ExtKeyUsage, []smx509.ExtKeyUsage{smx509.ExtKeyUsageTimeStamping}) || len(d.Signer.UnknownExtKeyUsage) > 0 {
		return nil, fmt.Errorf("%w: the signer is no timestamp authority", ErrTimestamp)
	}
	if err := d.Verify(nil); err != nil {
		return nil, err
	}
	t := &Timestamp{Token: token, TSA: d.Signer, Others: d.Certificates}
	if err := t.readInfo(d.Content); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Timestamp) readInfo(der []byte) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrTimestamp, what) }
	s := cryptobyte.String(der)
	var seq, at cryptobyte.String
	var version int
	var imprint TimestampRequest
	t.Serial = new(big.Int)
	if !s.ReadASN1(&seq, asn.Sequence) || !s.Empty() || !seq.ReadASN1Integer(&version) || version != 1 || !seq.ReadASN1ObjectIdentifier(&t.Policy) {
		return bad("not a TSTInfo")
	}
	if err := imprint.readImprint(&seq); err != nil {
		return fmt.Errorf("%w: %w", ErrTimestamp, err)
	}
	t.Hash, t.Imprint = imprint.Hash, imprint.Imprint
	if !seq.ReadASN1Integer(t.Serial) || !seq.ReadASN1(&at, cbasn1.GeneralizedTime) {
		return bad("serial number or time")
	}
	var err error
	if t.Time, err = time.Parse("20060102150405.999999999Z", string(at)); err != nil {
		return bad("time")
	}
	var ordering bool
	if !seq.SkipOptionalASN1(asn.Sequence) || !asn.ReadFlag(&seq, &ordering) {
		return bad("accuracy or ordering")
	}
	if seq.PeekASN1Tag(cbasn1.INTEGER) {
		t.Nonce = new(big.Int)
		if !seq.ReadASN1Integer(t.Nonce) {
			return bad("nonce")
		}
	}
	if !seq.SkipOptionalASN1(asn.Explicit(0)) || !seq.Empty() {
		return bad("extensions, or bytes after the end")
	}
	return nil
}

// Verify checks that the token stands for data and that its authority could be trusted at the time that it states.
// Options.At and Options.Purpose are set here. Errors: ErrTimestamp and those of VerifyChain.
func (t *Timestamp) Verify(data []byte, o ChainOptions) error {
	if !bytes.Equal(t.Hash.Sum(data), t.Imprint) {
		return fmt.Errorf("%w: of other data", ErrTimestamp)
	}
	o.At, o.Purpose = t.Time, ForTimestamps
	o.Intermediates = slices.Concat(o.Intermediates, t.Others)
	_, err := VerifyChain(t.TSA, o)
	return err
}
