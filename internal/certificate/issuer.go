package certificate

import (
	"context"
	"errors"
	"time"
)

// Issuer is a CA institution's issuing. Every call is made outside any
// transaction and is idempotent by the reference: repeating a call that was
// answered, or whose answer was lost, changes nothing and gives the same answer
// (docs/domain.md §2.1 step v).
type Issuer interface {
	// Prepare checks and records what will be issued, serial numbers included,
	// and signs nothing. A second Prepare with the same Ref gives the first
	// answer, whatever else differs. A refusal that no repetition mends is
	// ErrRefused.
	Prepare(ctx context.Context, r IssueRequest) (Prepared, error)
	// Issue signs what was prepared under ref and returns it; repeated, it returns
	// the same bytes.
	Issue(ctx context.Context, ref string) (Pair, error)
	// Status says how far ref has come; an unknown ref is StatusUnknown, not an
	// error.
	Status(ctx context.Context, ref string) (IssueStatus, error)
}

// Subject is whom a certificate names.
type Subject struct {
	Kind Kind
	// Ref is the opaque holder id for serialNumber of the subject.
	Ref string
	// Name is the verified name, for CN.
	Name string
	// IDDigest is the keyed digest of the ID number for the extension (32 bytes).
	IDDigest []byte
}

// IssueRequest asks for a pair of certificates, or at a re-key for one signing
// certificate.
type IssueRequest struct {
	// Ref is the caller's reference, at most 64 characters: the installation's id.
	Ref         string
	Institution string
	Subject     Subject
	// CSR is the PKCS #10 request, DER, co-signed by phone and server.
	CSR []byte
	// SignKey is the new signing public key, 65 bytes; it must be the CSR's.
	SignKey []byte
	// EncKey is the KMC's encryption public key, 65 bytes; nil at a re-key.
	EncKey []byte
	// NotBefore and NotAfter bound the validity, whole seconds: see
	// Service.BeginIssue.
	NotBefore, NotAfter time.Time
	// Replaces is the serial of the signing certificate that a re-key replaces;
	// empty for a new pair.
	Replaces string
}

// Prepared is what an issuer will sign.
type Prepared struct {
	// SignSerial and EncSerial are lower-case hex without leading zeros;
	// EncSerial is empty at a re-key.
	SignSerial, EncSerial string
}

// Pair is what an issuer signed.
type Pair struct {
	// SignDER and EncDER are X.509 certificates; EncDER is nil at a re-key.
	SignDER, EncDER []byte
	// Chain goes from the issuing CA to the root, DER.
	Chain [][]byte
}

// IssueStatus is how far an issuance has come.
type IssueStatus string

// The steps of an issuance.
const (
	StatusUnknown  IssueStatus = "unknown"
	StatusPrepared IssueStatus = "prepared"
	StatusIssued   IssueStatus = "issued"
	StatusRefused  IssueStatus = "refused"
)

// ErrRefused says that the issuer will never issue under this reference; the
// installation is to be abandoned (Service.AbandonIssue).
var ErrRefused = errors.New("certificate: the issuer refused")
