// Package certificate is what a holder owns: the record of one bought
// certificate (证书) from 待下载 to its end, with every X.509 certificate that was
// ever issued for it.
//
// One record stands for one holder, institution and order line. A re-key (补办)
// changes the signing certificate inside the record; the encryption certificate
// and the end date stay (docs/domain.md §3.1). The private keys are custody's:
// the record names them only.
package certificate

import (
	"context"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
)

// Kind says who holds a certificate.
type Kind string

// The kinds of holders.
const (
	Person     Kind = "person"
	Enterprise Kind = "enterprise"
)

// Holder is the person, or the enterprise's member, that a certificate belongs to.
type Holder struct {
	Kind Kind
	// Account is the person who uses the certificate.
	Account string
	// Enterprise is the enterprise's id; empty for a person.
	Enterprise string
}

// State is where a record stands (docs/domain.md §3.1).
type State string

// The states. KeyLost and Expired are derived when a record is read; all others
// are stored.
const (
	Pending   State = "pending"   // 待下载: paid, not installed
	Valid     State = "valid"     // 有效
	KeyLost   State = "key_lost"  // 密钥丢失: valid at the CA, but its keys are out of use or not on the active device
	Frozen    State = "frozen"    // 已冻结
	Expired   State = "expired"   // 已过期: for decryption only
	Revoked   State = "revoked"   // 已吊销: for decryption only
	Replaced  State = "replaced"  // 已替换: a renewal took its place; for decryption only
	Cancelled State = "cancelled" // 已取消: refunded before it was issued
)

// The refusals of this package.
var (
	CodeNotFound   = fault.Code{Name: "certificate_not_found", Kind: fault.NotFound, Text: "没有找到这张证书，请返回证书列表查看。"}
	CodeNotPending = fault.Code{Name: "certificate_not_pending", Kind: fault.Conflict, Text: "这张证书当前不能安装，请返回证书列表查看状态。"}
	CodeCancelled  = fault.Code{Name: "certificate_cancelled", Kind: fault.Conflict, Text: "订单已退款，这张证书不能再安装；如需使用，请重新购买。"}
	CodeIssuing    = fault.Code{Name: "certificate_issuing", Kind: fault.Conflict, Text: "证书正在签发，请稍后再试。"}
	CodeNotValid   = fault.Code{Name: "certificate_not_valid", Kind: fault.Conflict, Text: "这张证书不是有效状态，不能办理该业务，请返回证书列表查看。"}
	CodeRevoked    = fault.Code{Name: "certificate_revoked", Kind: fault.Conflict, Text: "证书已吊销，不能再办理该业务；如需使用，请新购证书。"}
	CodeExpired    = fault.Code{Name: "certificate_expired", Kind: fault.Conflict, Text: "证书已过期，请新购证书。"}
	CodeEndDate    = fault.Code{Name: "certificate_end_date", Kind: fault.Internal, Text: "签发结果与申请不符，请联系客服处理。"}
)

// Certificate is one record. Times are UTC; zero times have not happened.
type Certificate struct {
	ID          string
	Holder      Holder
	Institution string // code of the CA institution (CA 机构)
	Years       int
	// Platform is the code of the platform chosen at purchase.
	Platform string
	// Order and Line paid for it.
	Order, Line string
	// State is derived for now and the active device when it comes from the
	// Service, and as stored when it comes from the Store.
	State State
	// IssueRef is the reference of an issuance that has begun and is not yet
	// recorded as installed or abandoned; empty for none. While it stands on a
	// Pending record the order line cannot be refunded.
	IssueRef string
	// NotBefore and NotAfter are fixed when the first issuance begins and never
	// move afterwards.
	NotBefore, NotAfter time.Time
	// SignSerial and EncSerial are the present certificates' serial numbers in
	// lower-case hex without leading zeros; empty before installation.
	SignSerial, EncSerial string
	// SignKey and EncKey are custody's ids of the present keys.
	SignKey, EncKey string
	// Device is the thumbprint of the device that holds the phone's shares.
	Device string
	// KeysLost: a recovery took the keys out of use and no re-key has brought them
	// back, whatever device is the active one.
	KeysLost bool
	// Reason is why it was frozen or revoked.
	Reason                            string
	CreatedAt, InstalledAt, RevokedAt time.Time
	Version                           int64
}

// At derives the state for a moment and the account's active device
// (docs/domain.md §3.1). It expects the stored state.
func (c Certificate) At(now time.Time, activeDevice string) State {
	switch {
	case c.State != Valid && c.State != Frozen:
		return c.State
	case now.After(c.NotAfter):
		return Expired
	case c.State == Frozen:
		return Frozen
	case c.KeysLost || c.Device != activeDevice:
		return KeyLost
	}
	return Valid
}

// Use is what an X.509 certificate is for.
type Use string

// The two halves of a pair.
const (
	Sign    Use = "sign"
	Encrypt Use = "encrypt"
)

// Leaf is one X.509 certificate ever issued for a record. Leaves are never
// deleted: decryption finds its key by the serial number of any of them
// (docs/domain.md §0 fact 3).
type Leaf struct {
	Serial      string // lower-case hex without leading zeros
	Certificate string // the record's id
	Use         Use
	Key         string // custody's key id
	DER         []byte
	Chain       [][]byte // issuer first, root last
	InstalledAt time.Time
	// ReplacedAt is when a re-key put another signing certificate in its place.
	ReplacedAt time.Time
}

// Filter narrows a list (M§2.7.1); empty fields do not.
type Filter struct {
	State State
	// Platform is a part of the name of a platform that the certificate was bought
	// for or roams to.
	Platform string
}

// Selection is a Filter as the store applies it.
type Selection struct {
	State State
	// Platforms, if not nil, keeps certificates bought for or roaming to one of
	// these platform codes.
	Platforms []string
	// Now and Device are what states are derived for; see Certificate.At.
	Now    time.Time
	Device string
}

// Soon is how long before its end a certificate is shown as ending (即将到期).
const Soon = 90 * 24 * time.Hour

// PageSize is the most records in one page.
const PageSize = 20

// Page is a part of a list, newest first.
type Page struct {
	Certificates []Certificate
	// Next continues the list; empty at its end.
	Next string
}

// Store keeps records and leaves. Get-like calls answer work.ErrNotFound.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, c Certificate) error
	Get(ctx context.Context, tx work.Tx, id string) (Certificate, error)
	// OfLine finds the record that an order line paid for.
	OfLine(ctx context.Context, tx work.Tx, line string) (Certificate, error)
	// List gives up to n of a holder's records, newest first, those before an id
	// if one is given. It selects by the states as Certificate.At derives them. For
	// an enterprise without an account it, Counts and Platforms take everybody's,
	// each by the active device of who holds it.
	List(ctx context.Context, tx work.Tx, h Holder, s Selection, before string, n int) ([]Certificate, error)
	// Counts counts a holder's records by the states as Certificate.At derives them.
	Counts(ctx context.Context, tx work.Tx, h Holder, now time.Time, device string) (map[State]int, error)
	// Platforms gives the codes of all platforms that a holder's records were
	// bought for or roam to.
	Platforms(ctx context.Context, tx work.Tx, h Holder) ([]string, error)
	// Update writes a record back if its Version is still the stored one, and
	// raises it; else work.ErrConflict.
	Update(ctx context.Context, tx work.Tx, c Certificate) error
	// MarkKeys sets KeysLost of all installed records that an account uses.
	MarkKeys(ctx context.Context, tx work.Tx, account string, lost bool) error
	InsertLeaf(ctx context.Context, tx work.Tx, l Leaf) error
	ReplaceLeaf(ctx context.Context, tx work.Tx, serial string, at time.Time) error
	Leaf(ctx context.Context, tx work.Tx, serial string) (Leaf, error)
	// Leaves gives all leaves of a record, oldest first.
	Leaves(ctx context.Context, tx work.Tx, certificate string) ([]Leaf, error)
}
