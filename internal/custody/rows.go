package custody

import (
	"context"
	"time"

	"tianweitong/internal/custody/house"
	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/work"
)

// Account is custody's row of one account. Whoever changes anything of the
// account's keys locks it first.
type Account struct {
	ID     string
	Ladder ladder.Ladder
	// Set names the refresh after which the phone's records are current; empty
	// before the first change of PIN.
	Set     string
	Version int64
}

// Pepper is the 32 bytes that join the PIN's stretch, of one account and device
// (docs/split-keys.md §3.1). Every new PIN key brings a new one.
type Pepper struct {
	ID     string
	Holder Holder
	Sealed []byte
}

// EnrolmentState is where an enrolment stands.
type EnrolmentState string

// The states of an enrolment.
const (
	EnrolmentOpen EnrolmentState = "open"
	EnrolmentUsed EnrolmentState = "used" // its key was made
	// EnrolmentProving: the second typing of its new PIN is being compared.
	EnrolmentProving EnrolmentState = "proving"
	EnrolmentVoid    EnrolmentState = "void"
)

// EnrolmentRow is an enrolment as it is stored.
type EnrolmentRow struct {
	ID       string
	Holder   Holder
	Kind     Kind
	Subject  string
	KeyID    string
	PepperID string
	State    EnrolmentState
	Expires  time.Time
}

// KeyRow is a key as it is stored.
type KeyRow struct {
	Key
	CreatedAt time.Time
	Version   int64
}

// Slot tells a key's two shares apart.
type Slot string

// The slots. A share begins as the next one, is proved by the phone and then
// takes the place of the current one.
const (
	SlotCurrent Slot = "current"
	SlotNext    Slot = "next"
)

// ShareRow is the server's share of one key: d2 or b. A next share serves only
// operations of its own holder and subject.
type ShareRow struct {
	ID       string
	KeyID    string
	Slot     Slot
	Holder   Holder
	Subject  string
	PepperID string
	// Refresh is the change of PIN that made the share, empty for a share that was
	// generated or dealt.
	Refresh  string
	Sealed   []byte
	ProvedAt time.Time
}

// OperationState is where an activation stands.
type OperationState string

// The states of an activation. From computed on the PIN is proved and a
// signature stored; the caller's own record of it is still to come.
const (
	OperationPending   OperationState = "pending"
	OperationComputed  OperationState = "computed"
	OperationDone      OperationState = "done"
	OperationWithdrawn OperationState = "withdrawn"
)

// OperationRow is an activation as it is stored.
type OperationRow struct {
	Activation
	// ShareID is the next share that the operation is to prove; empty for the
	// current share, whichever that is.
	ShareID string
	State   OperationState
	// Digest is e and Signature r‖s, from computed on; nil for decryption.
	Digest      []byte
	Signature   []byte
	CompletedAt time.Time
}

// NonceRow is the one open nonce of a public key.
type NonceRow struct {
	PublicKey   []byte
	ID          string
	KeyID       string
	ShareID     string
	OpID        string
	BootID      string // the process that holds ω
	ServerNonce []byte // decryption
	Expires     time.Time
}

// RefreshState is where a change of PIN stands.
type RefreshState string

// The states of a refresh.
const (
	RefreshOpen      RefreshState = "open"
	RefreshFlipped   RefreshState = "flipped"
	RefreshAbandoned RefreshState = "abandoned"
)

// RefreshRow is one change of PIN.
type RefreshRow struct {
	ID      string
	Holder  Holder
	OpID    string // the operation that proved the old PIN
	State   RefreshState
	Expires time.Time
}

// ModuleKeyRow is a key pair of sealed exchanges.
type ModuleKeyRow struct {
	Kid       string
	PublicKey []byte
	Sealed    []byte
	From, To  time.Time
}

// Store keeps custody's rows. What a method does not find is work.ErrNotFound,
// a Move or Put that finds another state or version is work.ErrConflict. Erase
// overwrites a secret before it deletes the row.
type Store interface {
	house.Store

	EnsureAccount(ctx context.Context, tx work.Tx, account string) error
	// LockAccount holds the row until the transaction ends.
	LockAccount(ctx context.Context, tx work.Tx, account string) (Account, error)
	Account(ctx context.Context, tx work.Tx, account string) (Account, error)
	PutAccount(ctx context.Context, tx work.Tx, a Account) error

	AddPepper(ctx context.Context, tx work.Tx, p Pepper) error
	Pepper(ctx context.Context, tx work.Tx, id string) (Pepper, error)
	ErasePepper(ctx context.Context, tx work.Tx, id string) error
	// ErasePeppers erases the account's peppers except keep.
	ErasePeppers(ctx context.Context, tx work.Tx, account, keep string) error

	AddEnrolment(ctx context.Context, tx work.Tx, e EnrolmentRow) error
	Enrolment(ctx context.Context, tx work.Tx, id string) (EnrolmentRow, error)
	// Enrolments gives the account's, without the void ones.
	Enrolments(ctx context.Context, tx work.Tx, account string) ([]EnrolmentRow, error)
	MoveEnrolment(ctx context.Context, tx work.Tx, id string, from, to EnrolmentState) error

	AddKey(ctx context.Context, tx work.Tx, k KeyRow) error
	Key(ctx context.Context, tx work.Tx, id string) (KeyRow, error)
	KeyByPublicKey(ctx context.Context, tx work.Tx, publicKey []byte) (KeyRow, error)
	Keys(ctx context.Context, tx work.Tx, account string) ([]KeyRow, error)
	PutKey(ctx context.Context, tx work.Tx, k KeyRow) error

	AddShare(ctx context.Context, tx work.Tx, s ShareRow) error
	Shares(ctx context.Context, tx work.Tx, keyID string) ([]ShareRow, error)
	SharesOf(ctx context.Context, tx work.Tx, account string) ([]ShareRow, error)
	// ProveShare does nothing when the share is gone.
	ProveShare(ctx context.Context, tx work.Tx, id string, at time.Time) error
	PromoteShare(ctx context.Context, tx work.Tx, id string) error
	EraseShare(ctx context.Context, tx work.Tx, id string) error

	AddOperation(ctx context.Context, tx work.Tx, o OperationRow) error
	Operation(ctx context.Context, tx work.Tx, id string) (OperationRow, error)
	// MoveOperation stores state, digest, signature and time of completion.
	MoveOperation(ctx context.Context, tx work.Tx, from OperationState, o OperationRow) error
	// DropMessage forgets M and the ciphertexts.
	DropMessage(ctx context.Context, tx work.Tx, id string) error

	// PutNonce replaces any other nonce of the same public key.
	PutNonce(ctx context.Context, tx work.Tx, n NonceRow) error
	// TakeNonce deletes the nonce where public key, id, key, operation and process
	// all match and it has not expired.
	TakeNonce(ctx context.Context, tx work.Tx, want NonceRow, now time.Time) (NonceRow, error)
	DropNonces(ctx context.Context, tx work.Tx, keyID string) error

	AddRefresh(ctx context.Context, tx work.Tx, r RefreshRow) error
	Refresh(ctx context.Context, tx work.Tx, id string) (RefreshRow, error)
	OpenRefreshes(ctx context.Context, tx work.Tx, account string) ([]RefreshRow, error)
	MoveRefresh(ctx context.Context, tx work.Tx, id string, from, to RefreshState) error

	AddModuleKey(ctx context.Context, tx work.Tx, k ModuleKeyRow) error
	ModuleKeys(ctx context.Context, tx work.Tx) ([]ModuleKeyRow, error)

	// Sweep forgets what ended before the given time: nonces, messages of
	// activations that were never answered. It erases module keys whose validity
	// ended before keys.
	Sweep(ctx context.Context, tx work.Tx, before, keys time.Time) error
}
