// Package install brings a paid certificate onto the phone (证书安装, M§2.7.8) and
// renews the keys of an installed one after a loss (补办), as docs/split-keys.md
// §2.1 orders it: the PIN is proved, the signing key is made, the request is
// co-signed, the key-management centre deals the encryption key, the phone
// proves what it read back, and only then is anything issued. The page
// docs/installation.md draws the states.
package install

import (
	"context"
	"io"
	"log/slog"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/kmc"
	"tianweitong/internal/notice"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/pki"
)

// The businesses of this flow, as custody's activations name them.
const (
	BusinessAuthorise = "install.authorise" // (i) the PIN key confirms the installation
	BusinessRequest   = "install.csr"       // (iii) the new key signs the request
	BusinessTrial     = "install.trial"     // (iv) the phone proves its encryption share
	BusinessRedeal    = "install.redeal"    // the PIN key asks for old encryption keys
	BusinessRetrial   = "install.retrial"   // the phone proves one of them
)

// Kind says what an installation does.
type Kind string

// The kinds.
const (
	// New installs a 待下载 certificate: two keys, two certificates.
	New Kind = "install"
	// Rekey gives a certificate a new signing key and signing certificate with
	// the same end date, and deals its encryption key anew (docs/split-keys.md §2.6).
	Rekey Kind = "rekey"
)

// State is where an installation stands.
type State string

// The states, in order. Until Proved a break starts again at Authorising.
const (
	Authorising State = "authorising" // waits for the PIN (operation install.authorise)
	Authorised  State = "authorised"  // the phone may enrol its signing key, once
	Requesting  State = "requesting"  // waits for the key and its co-signed request (install.csr)
	Requested   State = "requested"   // the encryption key can be delivered
	Delivered   State = "delivered"   // waits for the trial decryption (install.trial)
	Proved      State = "proved"      // the phone has everything; the server goes on alone
	Issuing     State = "issuing"     // the point of no return: the CA is asked
	Installed   State = "installed"
	Void        State = "void" // the CA refused, or the certificate ended meanwhile
)

// The refusals of this package.
var (
	CodeNotFound     = fault.Code{Name: "installation_unknown", Kind: fault.NotFound, Text: "没有找到这次安装，请返回证书页面重新开始。"}
	CodeStep         = fault.Code{Name: "installation_step", Kind: fault.Conflict, Text: "安装步骤已失效，请重新开始安装。"}
	CodeHere         = fault.Code{Name: "installation_not_needed", Kind: fault.Conflict, Text: "证书已安装在本机，无需重复安装。"}
	CodeEnrolmentKey = fault.Code{Name: "enrolment_key_invalid", Kind: fault.Invalid, Text: "安装数据有误，请重试；如多次出现，请更新应用。"}
	CodeNoRedeal     = fault.Code{Name: "redeal_not_needed", Kind: fault.Conflict, Text: "没有需要恢复的历史加密密钥，无需办理。"}
	// CodeKMC: the centre does not answer; the same step can be repeated.
	CodeKMC = fault.Code{Name: "kmc_unavailable", Kind: fault.Unavailable, Text: "密钥管理中心暂时没有响应，请稍后重试。"}
)

// Authorisation is how long the PIN entered at the start serves the steps up to
// the delivery of the encryption key.
const Authorisation = 15 * time.Minute

// Installation is one installation of one certificate. Its id is the reference
// under which the CA issues.
type Installation struct {
	ID, Account, Device string
	Certificate         string
	Kind                Kind
	State               State
	// Op is the operation that the phone has to answer now; empty for none.
	Op string
	// PINKey confirmed the installation; it must still be the account's PIN key
	// at every later step.
	PINKey          string
	AuthorisedUntil time.Time
	// SignKey and EncKey are custody's key ids, SignPublic and EncPublic (Pe) the
	// public keys, 65 bytes each.
	SignKey              string
	SignPublic           []byte
	EncKey               string
	EncPublic            []byte
	OldSignKey           string // at a re-key: the signing key that ends
	EnrolmentKey         []byte // the phone's, 65 bytes: what the KMC encrypts to
	RequestInfo          []byte // CertificationRequestInfo, DER: what is co-signed
	Request              []byte // PKCS #10, DER
	Deals                int64  // how many dealings were asked for; each has a reference of its own
	CreatedAt, UpdatedAt time.Time
	Version              int64
}

// Live reports whether the installation is neither finished nor void.
func (i Installation) Live() bool { return i.State != Installed && i.State != Void }

// Store keeps installations and redealings. Get-like calls answer
// work.ErrNotFound; updates are a compare-and-swap on Version; an insert beside a
// live one of the same certificate (or account) is work.ErrConflict.
type Store interface {
	InsertInstallation(ctx context.Context, tx work.Tx, i Installation) error
	Installation(ctx context.Context, tx work.Tx, id string) (Installation, error)
	// LastInstallation gives the newest of a certificate.
	LastInstallation(ctx context.Context, tx work.Tx, certificate string) (Installation, error)
	// LiveInstallations gives the unfinished ones of an account.
	LiveInstallations(ctx context.Context, tx work.Tx, account string) ([]Installation, error)
	UpdateInstallation(ctx context.Context, tx work.Tx, i Installation) error

	InsertRedealing(ctx context.Context, tx work.Tx, r Redealing) error
	Redealing(ctx context.Context, tx work.Tx, id string) (Redealing, error)
	// LiveRedealing gives the unfinished one of an account.
	LiveRedealing(ctx context.Context, tx work.Tx, account string) (Redealing, error)
	// UpdateRedealing writes state, operation, authorisation, signature, deals and
	// the keys.
	UpdateRedealing(ctx context.Context, tx work.Tx, r Redealing) error
}

// Certificates is what the flow needs of package certificate.
type Certificates interface {
	Get(ctx context.Context, tx work.Tx, account, id string) (certificate.Certificate, error)
	Find(ctx context.Context, tx work.Tx, id string) (certificate.Certificate, error)
	Held(ctx context.Context, tx work.Tx, account string) ([]certificate.Certificate, error)
	Leaves(ctx context.Context, tx work.Tx, id string) ([]certificate.Leaf, error)
	BeginIssue(ctx context.Context, tx work.Tx, account, id, ref string) (certificate.Certificate, error)
	AbandonIssue(ctx context.Context, tx work.Tx, id, ref string) error
	Installed(ctx context.Context, tx work.Tx, id string, in certificate.Installed) (certificate.Certificate, error)
	Replace(ctx context.Context, tx work.Tx, id string, in certificate.Replacement) (certificate.Certificate, error)
}

// Persons gives the verified person of an account.
type Persons interface {
	Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error)
}

// Roamings opens the platforms that were paid for.
type Roamings interface {
	Open(ctx context.Context, tx work.Tx, c certificate.Certificate, platform string, start, end time.Time, line string) error
	Of(ctx context.Context, tx work.Tx, certificate string) ([]roaming.Roaming, error)
}

// Orders marks paid lines as delivered.
type Orders interface {
	Fulfilled(ctx context.Context, tx work.Tx, line string) error
}

// Revoker revokes at the CA what was issued for a certificate that ended
// meanwhile.
type Revoker interface {
	Revoke(ctx context.Context, tx work.Tx, serial string, reason pki.Reason, at time.Time) (bool, error)
}

// Notices tells the owner.
type Notices interface {
	Post(ctx context.Context, tx work.Tx, n notice.Notice) error
}

// Usage writes usage records (使用记录).
type Usage interface {
	Write(ctx context.Context, tx work.Tx, r usage.Record) error
}

// Recoveries hears of every certificate and encryption key that a re-key has
// brought back; remaining is how many are still missing.
type Recoveries interface {
	Rekeyed(ctx context.Context, tx work.Tx, account string, remaining int) error
}

// Deps are what a Service needs.
type Deps struct {
	Store        Store
	Runner       work.Runner
	Clock        clock.Clock
	Rand         io.Reader
	Log          *slog.Logger
	Arc          pki.Arc
	Custody      custody.Door
	KMC          kmc.Door
	Issuer       certificate.Issuer
	Certificates Certificates
	Persons      Persons
	Roamings     Roamings
	Orders       Orders
	Revoker      Revoker
	Notices      Notices
	Usage        Usage
	Recoveries   Recoveries
	// ServiceCertificate is the certificate (DER) that trials name as the
	// receiver of the plaintext.
	ServiceCertificate func(context.Context) ([]byte, error)
}

// Service is the flow.
type Service struct{ Deps }

// NewService makes a Service.
func NewService(d Deps) *Service { return &Service{d} }

// Progress is an installation with what the phone needs when it is finished.
type Progress struct {
	Installation
	// SignDER, EncDER and Chain are set once it is Installed; EncDER is the
	// present encryption certificate also after a re-key.
	SignDER, EncDER []byte
	Chain           [][]byte
}

// Delivery is one delivery of the encryption key's share to the phone.
type Delivery struct {
	KeyID     string
	PublicKey []byte // Pe, 65 bytes
	// ForPhone is the share a, SM2-encrypted (GM/T 0009 DER) to the enrolment key.
	ForPhone []byte
	// Op is the trial decryption that proves it.
	Op string
}

func holder(c account.Caller) custody.Holder {
	return custody.Holder{Account: c.Account, Device: c.Device}
}
