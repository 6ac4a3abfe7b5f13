// Package verification finds out whether an enterprise is what it says (企业实名,
// M§2.4.2): the register's four elements, then the legal representative's phone or bank
// card, answered at once, or documents that an officer reviews (docs/enterprises.md).
// Changed facts go the same ways and keep their history.
//
// An application moves by recorded steps. Each call to the outside has a reference that
// is recorded before it is made, as in package realname, so that it is taken up by a
// job after a crash and never charged twice. The representative's ID number, phone,
// card and the pictures stand sealed; phone and card are erased once they were checked.
package verification

import (
	"context"
	"io"
	"log/slog"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// Store keeps enterprises and applications. Absent rows are work.ErrNotFound, a
// lost compare-and-swap is work.ErrConflict. What names or numbers people and the
// pictures are sealed by it.
type Store interface {
	// Count counts one of a subject's day and gives the count; the row stays locked
	// until the commit. Uncount takes one back. Counted reads it.
	Count(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error)
	Uncount(ctx context.Context, tx work.Tx, subject, purpose string, day int64) error
	Counted(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error)

	// InsertApplication and PutApplication keep all but Pictures and Remaining.
	InsertApplication(ctx context.Context, tx work.Tx, a enterprise.Application) error
	PutApplication(ctx context.Context, tx work.Tx, a enterprise.Application) error
	// Application gives one with the kinds of its pictures.
	Application(ctx context.Context, tx work.Tx, id string) (enterprise.Application, error)
	// ApplicationsOf gives an account's, newest first; OpenFor those of a code that
	// are not over.
	ApplicationsOf(ctx context.Context, tx work.Tx, account string, n int) ([]enterprise.Application, error)
	OpenFor(ctx context.Context, tx work.Tx, code string) ([]enterprise.Application, error)
	// OpenOf gives an account's that are not over; Idle those that wait for their
	// applicant's next step and saw none since a time.
	OpenOf(ctx context.Context, tx work.Tx, account string) ([]enterprise.Application, error)
	Idle(ctx context.Context, tx work.Tx, since time.Time, n int) ([]enterprise.Application, error)

	PutPicture(ctx context.Context, tx work.Tx, application, kind string, jpeg []byte, at time.Time) error
	Picture(ctx context.Context, tx work.Tx, application, kind string) ([]byte, error)
	// DropPictures erases all of an application.
	DropPictures(ctx context.Context, tx work.Tx, application string) error

	AddEvent(ctx context.Context, tx work.Tx, e Event) error
	Events(ctx context.Context, tx work.Tx, application string) ([]Event, error)

	// AddEnterprise inserts with its name's grams and first facts; false if the code
	// has an enterprise.
	AddEnterprise(ctx context.Context, tx work.Tx, e enterprise.Enterprise, application string) (bool, error)
	// PutFacts swaps name, representative and method, and adds a version of the
	// facts.
	PutFacts(ctx context.Context, tx work.Tx, e enterprise.Enterprise, application string) error
	Enterprise(ctx context.Context, tx work.Tx, id string) (enterprise.Enterprise, error)
	ByCode(ctx context.Context, tx work.Tx, code string) (enterprise.Enterprise, error)
	// Like gives enterprises whose name contains a string of 1 character or more,
	// at most n, the oldest first.
	Like(ctx context.Context, tx work.Tx, part string, n int) ([]enterprise.Enterprise, error)
	History(ctx context.Context, tx work.Tx, enterprise string) ([]FactsVersion, error)

	ReviewStore
}

// Facts are the four elements (企业四要素, docs/domain.md A13), as entered.
type Facts struct {
	Name, Code, LegalName, LegalIDNumber string
	// Enterprise is set for a change of its facts.
	Enterprise string
}

// FactsVersion is one version of an enterprise's facts.
type FactsVersion struct {
	Facts           int64
	Name, LegalName string
	Method          enterprise.Method
	At              time.Time
}

// Event is one thing that happened to an application.
type Event struct {
	ID, Application string
	// Kind is submitted, claimed, released, escalated, refused, approved …
	Kind string
	// Actor is the account, "officer:<id>" or "system".
	Actor, Note string
	At          time.Time
}

// Proof shows that the legal representative agrees: a code that he got, and for
// MethodBank his card.
type Proof struct {
	Method       enterprise.Method
	Phone, Card  string
	Ticket, Code string
}

// Found is an enterprise as a search shows it.
type Found struct {
	ID, Name, Code string
	// Administrator is his name, masked.
	Administrator string
	// Relation is the searcher's: administrator, member, requested, or empty.
	Relation string
}

// View is an enterprise as a member sees it.
type View struct {
	enterprise.Enterprise
	Role                                  enterprise.Role
	AdministratorName, AdministratorPhone string
	// History is set for the administrator, the newest first.
	History []FactsVersion
}

// Progress is where an application stands, in words.
type Progress struct {
	// Ways are the methods that can be used now; Missing the pictures that a review
	// still needs.
	Ways    []enterprise.Method
	Missing []string
	Stage   string
	// Left is the working time until the deadline; negative when it is over.
	Left time.Duration
}

// Codes is package account: codes to the representative's number.
type Codes interface {
	CheckCodeTo(ctx context.Context, ticket, code string, purpose account.Purpose, session, phone string) error
	Spend(ctx context.Context, tx work.Tx, ticket string, purpose account.Purpose, account string) error
}

// Officers is package account: which account an officer's phone has.
type Officers interface {
	// OwnerByHash fails with account.CodeNoAccount if the number has none.
	OwnerByHash(ctx context.Context, tx work.Tx, phoneHash []byte) (string, error)
}

// Changed hears of changed facts in the transaction that changes them (flow/rename).
type Changed interface {
	EnterpriseChanged(ctx context.Context, tx work.Tx, before, after enterprise.Enterprise) error
}

// Deps are what the service needs; all are required.
type Deps struct {
	Runner   work.Runner
	Store    Store
	Members  *enterprise.Members
	Clock    clock.Clock
	Rand     io.Reader
	Box      *secret.Box
	Log      *slog.Logger
	Codes    Codes
	Officers Officers
	Registry Registry
	// Checker compares the representative's phone or card.
	Checker realname.Checker
	Notices enterprise.Notices
	Changed Changed
	// Letter writes the authorisation letter as PDF.
	Letter func(LetterFacts) ([]byte, error)
}

// Service is the rules of verification over their store.
type Service struct {
	Deps
	decoding turns
}

// New makes the service.
func New(d Deps) *Service { return &Service{Deps: d, decoding: turns{of: map[string]chan struct{}{}}} }

// LetterFacts is what stands in the letter of authorisation (企业授权书).
type LetterFacts struct {
	Number, Name, Code, LegalName string
	// Person is who will administer, IDMasked his document's number.
	Person, IDMasked string
	At               time.Time
}
