// Package custody is the only door to private keys: one cryptographic module
// that holds the server's shares of the holders' keys and the house's own role
// keys, and lets neither out (docs/split-keys.md §7).
//
// For holders it works against an activation: the caller records in its own
// transaction what may be done (Authorise), the phone asks for a nonce (Open),
// answers once, and custody completes (Complete, DeriveT2), charging the
// attempt before it computes. For the house it signs typed tokens (SignAs).
package custody

import (
	"context"
	"time"

	"tianweitong/internal/fault"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// The refusals of this package that reach users.
var (
	// CodeNoPIN: the account has no PIN key yet.
	CodeNoPIN = fault.Code{Name: "pin_not_set", Kind: fault.Conflict, Text: "您还没有设置 PIN 码，请先设置。"}
	// CodeWrongPIN carries "remaining" (tries until the last lock) and, when this
	// entry locked the account, "lockedUntil" (RFC 3339) or "locked": true.
	CodeWrongPIN = fault.Code{Name: "pin_wrong", Kind: fault.Forbidden, Text: "PIN 码不正确，请重新输入。"}
	// CodePINLockedFor is the timed lock; it carries "lockedUntil" (RFC 3339).
	CodePINLockedFor = fault.Code{Name: "pin_locked_for", Kind: fault.Locked, Text: "PIN 码连续输错次数过多，已暂时锁定；您可以等待解锁，或立即重置 PIN 码。"}
	// CodePINLocked is the final lock; only a re-key ends it.
	CodePINLocked = fault.Code{Name: "pin_locked", Kind: fault.Locked, Text: "PIN 码已锁定，请通过“重置 PIN 码”恢复使用。"}
	// CodePINBudget: 30 wrong entries in 30 days; a live face check goes first.
	CodePINBudget = fault.Code{Name: "pin_face_required", Kind: fault.Locked, Text: "近期 PIN 码输错次数过多，请先完成人脸核验。"}
	// CodePINMismatch: the second typing of a new PIN is not the first; its key is
	// discarded, nothing is charged.
	CodePINMismatch = fault.Code{Name: "pin_mismatch", Kind: fault.Conflict, Text: "两次输入的 PIN 码不一致，请重新设置。"}
	// CodeHeld: older envelopes wait after a re-key; it carries "until" (RFC 3339).
	CodeHeld = fault.Code{Name: "decryption_held", Kind: fault.Locked, Text: "补办恢复后，此前的加密文件需等待一段时间才能解密；如需立即解密，请联系客服。"}
	// CodeStale: the nonce is not the open one; the phone takes a new one by
	// itself, nothing is charged.
	CodeStale = fault.Code{Name: "nonce_stale", Kind: fault.Conflict, Text: "操作已更新，请重新输入 PIN 码。"}
	// CodeNoOperation: no such operation, or not this holder's.
	CodeNoOperation = fault.Code{Name: "operation_unknown", Kind: fault.NotFound, Text: "没有找到这项操作，请返回后重新发起。"}
	// CodeOperationOver: the operation expired or was withdrawn.
	CodeOperationOver = fault.Code{Name: "operation_over", Kind: fault.Gone, Text: "操作已过期或已取消，请重新发起。"}
	// CodeWrongDevice: the key lives on another device.
	CodeWrongDevice = fault.Code{Name: "wrong_device", Kind: fault.Forbidden, Text: "证书密钥不在本机，请在绑定的手机上操作，或办理补办恢复。"}
	// CodeKeyUnusable: the key is suspended, pending or destroyed.
	CodeKeyUnusable = fault.Code{Name: "key_unusable", Kind: fault.Conflict, Text: "证书密钥当前不可用，请办理补办恢复。"}
	// CodeBadAnswer: the answer is malformed or for another message; not charged.
	CodeBadAnswer = fault.Code{Name: "answer_malformed", Kind: fault.Invalid, Text: "数据有误，请重试；如多次出现，请更新应用。"}
	// CodeEnrolment: the enrolment is unknown, used, expired or another's.
	CodeEnrolment = fault.Code{Name: "enrolment_invalid", Kind: fault.Conflict, Text: "安装步骤已失效，请重新开始安装。"}
	// CodeTooMany: too many keys were made for one subject in a day.
	CodeTooMany = fault.Code{Name: "enrolments_too_many", Kind: fault.TooMany, Text: "今天重新开始的次数过多，请明天再试；如需帮助，请联系客服。"}
	// CodeRefresh: the change of PIN is over, or not every new share is proved.
	CodeRefresh = fault.Code{Name: "pin_change_over", Kind: fault.Conflict, Text: "本次修改 PIN 码已失效，请重新修改；在此之前仍使用原 PIN 码。"}
	// CodeModule: the module is in its error state and refuses everything.
	CodeModule = fault.Code{Name: "module_error", Kind: fault.Unavailable, Text: "密码服务暂不可用，请稍后重试。"}
	// CodeSealed: a sealed exchange does not open, is too old, or came twice.
	CodeSealed = fault.Code{Name: "exchange_unreadable", Kind: fault.Invalid, Text: "与服务器的安全连接已更新，请重试。"}
)

// Holder is an account on one of its devices, as the edge authenticated it.
type Holder struct {
	// Account is the account's id.
	Account string
	// Device is the SHA-256 thumbprint of the device key (32 bytes, lower-case hex).
	Device string
}

// Kind is what a holder's key is for.
type Kind string

// The kinds of holders' keys.
const (
	KindPIN     Kind = "pin"     // split, never certified; one per account
	KindSign    Kind = "sign"    // split, certified
	KindEncrypt Kind = "encrypt" // made and escrowed by the KMC, additive shares
)

// Enrolment is permission to make one key: single use, 10 minutes.
type Enrolment struct {
	ID     string `json:"id"`
	KeyID  string `json:"keyID"`
	Server string `json:"server"` // server ID, part of the context of key generation
	Seed   []byte `json:"seed"`   // 48 bytes for the phone's DRBG
	Pepper []byte `json:"pepper"` // 32 bytes of this account and device
}

// Activation says what one operation may do with one key. Exactly one of M and
// Ciphertexts is set.
type Activation struct {
	// OpID is made by the caller (id.New).
	OpID string
	// Holder and KeyID must match at Open and Complete.
	Holder Holder
	KeyID  string
	// Business routes the result, for instance "pin.set" or "scan.login".
	Business string
	// Subject is the id of the caller's thing: transaction, installation.
	Subject string
	// ID is the purpose in ZA (splitkey.IDDocument, splitkey.IDLogin …).
	ID string
	// M is the canonical message, at most splitkey.MaxMessage bytes.
	M []byte
	// Ciphertexts (DER, GM/T 0009) are co-decrypted for the holder of
	// PlatformCertificate (DER; the service certificate for trials).
	Ciphertexts         [][]byte
	PlatformCertificate []byte
	// Unheld says that Key.HoldUntil does not concern the ciphertexts: they are
	// throw-away ones, or younger than the re-key, or an officer released them.
	Unheld bool
	// Expires ends the activation; the nonce lives 120 s at most besides. A
	// signature that was computed before may still be recorded after.
	Expires time.Time
}

// Offer is what the phone needs to answer an operation (docs/split-keys.md
// §2.2, §2.4). It travels only in a sealed reply.
type Offer struct {
	OpID                string    `json:"opID"`
	Business            string    `json:"business"`
	KeyID               string    `json:"keyID"`
	ID                  string    `json:"id,omitempty"`
	M                   []byte    `json:"m,omitempty"`
	NonceID             string    `json:"nonceID"`
	W                   []byte    `json:"w,omitempty"`           // signing: 65 bytes
	ServerNonce         []byte    `json:"serverNonce,omitempty"` // decryption: 32 bytes
	Ciphertexts         [][]byte  `json:"ciphertexts,omitempty"`
	PlatformCertificate []byte    `json:"platformCertificate,omitempty"`
	Pepper              []byte    `json:"pepper"`
	Seed                []byte    `json:"seed"` // 48 bytes
	Expires             time.Time `json:"expires"`
}

// Answer is the phone's one message; Sign or Decrypt is set, as the operation is.
type Answer struct {
	NonceID string                  `json:"nonceID"`
	Sign    *splitkey.SignAnswer    `json:"sign,omitempty"`
	Decrypt *splitkey.DecryptAnswer `json:"decrypt,omitempty"`
}

// Done is a finished operation.
type Done struct {
	Activation Activation
	// At is the trusted time of completion.
	At time.Time
	// Signature is DER SEQUENCE{r,s}, nil for decryption.
	Signature []byte
}

// Result is what goes back to the phone, in a sealed reply. A repeated answer
// to a finished signing operation gets the stored result.
type Result struct {
	Signature *splitkey.Signature `json:"signature,omitempty"`
	T2        [][]byte            `json:"t2,omitempty"`
}

// Finish is called after a successful completion, outside any transaction, to
// compute (say, a timestamp); the function it returns, which may be nil, runs in
// the transaction that closes the operation. An error of either leaves a
// signature computed in custody but unrecorded, and the phone's repeated answer
// calls Finish again, even after a restart or the activation's end; a decryption
// begins anew with another nonce (docs/custody.md). So Finish may be called more
// than once for an operation, while its commit happens once.
type Finish func(ctx context.Context, d Done) (commit func(context.Context, work.Tx) error, err error)

// Delivery is one dealing of an encryption key by the KMC.
type Delivery struct {
	// KeyID is custody's id of the encryption key, stable over dealings.
	KeyID string
	// PublicKey is Pe, 65 bytes.
	PublicKey []byte
	// ForPhone is the phone's share a, SM2-encrypted (GM/T 0009 DER) to the
	// phone's enrolment key.
	ForPhone []byte
}

// PINStatus is the PIN's state as its owner may see it (docs/domain.md §3.8).
type PINStatus struct {
	Set         bool      `json:"set"`
	Device      string    `json:"-"`
	Remaining   int       `json:"remaining"`            // tries until the final lock
	LockedUntil time.Time `json:"lockedUntil,omitzero"` // timed lock
	Locked      bool      `json:"locked"`               // final lock
	FaceNeeded  bool      `json:"faceNeeded,omitempty"` // the budget is used up
}

// KeyState is where a holder's key stands.
type KeyState string

// The states of a holder's key.
const (
	KeyPending   KeyState = "pending" // made, not yet confirmed by the phone's read-back
	KeyActive    KeyState = "active"
	KeySuspended KeyState = "suspended"
	KeyDestroyed KeyState = "destroyed" // the share is gone; the row stays
)

// Key is a holder's key without its share.
type Key struct {
	ID        string
	Holder    Holder
	Kind      Kind
	PublicKey []byte // P or Pe, 65 bytes
	Subject   string // of its enrolment: installation, recovery
	State     KeyState
	// Enrolment made the key; empty for encryption keys.
	Enrolment string
	// HoldUntil delays the decryption of older envelopes after a re-key
	// (docs/domain.md A11); zero for none.
	HoldUntil time.Time
}

// Door is custody as the nouns and flows see it.
type Door interface {
	// Enrol begins the making of a PIN or signing key for a subject; an earlier
	// unfinished enrolment of the same subject and kind becomes void, its pending
	// key is destroyed. Whether the holder may do this is the caller's rule,
	// checked in the caller's transaction. A subject may make 20 keys of a kind in
	// 24 hours, then CodeTooMany.
	Enrol(ctx context.Context, tx work.Tx, h Holder, k Kind, subject string) (Enrolment, error)
	// Generate makes the key of an enrolment, once (docs/split-keys.md §2.1). The
	// key is pending: only operations of its own subject may use it.
	Generate(ctx context.Context, h Holder, enrolment string, r splitkey.KeygenRequest) (splitkey.KeygenReply, error)
	// Accept stores the server's share b that the KMC dealt, enveloped to
	// custody's transport key; keyID is kept over re-dealings, and the shares
	// dealt before stay until the new one is proved by Complete-d trial.
	Accept(ctx context.Context, tx work.Tx, h Holder, keyID, subject string, publicKey, forCustody []byte) error
	// Activate makes pending keys usable once the phone has proved and read back.
	// For an encryption key it destroys the shares dealt earlier.
	Activate(ctx context.Context, tx work.Tx, keyIDs ...string) error
	// Suspend stops every key of the account, PIN key included; Restore takes that
	// back for keys that were active. Both destroy what is still being made: a
	// re-key does not go on with what was begun before it, nor leave anything
	// behind when it is stopped.
	Suspend(ctx context.Context, tx work.Tx, account string) error
	Restore(ctx context.Context, tx work.Tx, account string) error
	// Destroy deletes a key's share for good; the row and public key stay.
	Destroy(ctx context.Context, tx work.Tx, keyIDs ...string) error
	// NewPIN ends the old PIN of an account at a re-key, in favour of the holder's
	// new PIN key, which must be proved: run, budget and locks restart, the old PIN
	// key and all other peppers are destroyed. Activating a PIN key does the same,
	// so that either may come first.
	NewPIN(ctx context.Context, tx work.Tx, h Holder) error
	// FaceChecked records a live face check: attempts are allowed although the
	// budget is used up, until one is wrong (docs/domain.md §3.8).
	FaceChecked(ctx context.Context, tx work.Tx, account string) error
	// Hold delays decryption with a key (see Key.HoldUntil).
	Hold(ctx context.Context, tx work.Tx, keyID string, until time.Time) error

	// Authorise records an activation in the caller's transaction.
	Authorise(ctx context.Context, tx work.Tx, a Activation) error
	// Withdraw ends an activation that was not completed; unknown or completed
	// ones are left alone.
	Withdraw(ctx context.Context, tx work.Tx, opID string) error
	// Activation gives an activation's routing for its holder: CodeNoOperation if
	// it is not this holder's.
	Activation(ctx context.Context, h Holder, opID string) (Activation, error)
	// Open makes the nonce of an operation, replacing any other of the same
	// public key.
	Open(ctx context.Context, h Holder, opID string) (Offer, error)
	// Answer completes an operation: charges, consumes, computes, records. A
	// wrong PIN is CodeWrongPIN with its members; stale nonces are CodeStale.
	Answer(ctx context.Context, h Holder, opID string, a Answer, f Finish) (Result, error)

	// PIN gives the PIN's state of an account.
	PIN(ctx context.Context, account string) (PINStatus, error)
	// PINKey gives the account's active PIN key; CodeNoPIN if there is none.
	PINKey(ctx context.Context, tx work.Tx, account string) (Key, error)
	// Key and Keys give keys without shares; Keys gives all of an account,
	// destroyed ones included, oldest first.
	Key(ctx context.Context, tx work.Tx, keyID string) (Key, error)
	Keys(ctx context.Context, tx work.Tx, account string) ([]Key, error)
	// IsPINKey tells whether a public key stands in the table of PIN keys: the CA
	// refuses such a key.
	IsPINKey(ctx context.Context, publicKey []byte) (bool, error)
}
