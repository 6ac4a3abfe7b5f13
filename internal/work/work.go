// Package work is one open business transaction as the nouns see it.
//
// A business operation is one database transaction that holds the state change,
// the usage and audit entries, the notices and the jobs (ARCHITECTURE.md, "One
// operation, one transaction"). External calls and custody's computing stand
// between recorded steps, never inside a transaction. The package imports
// nothing of the house.
package work

import (
	"context"
	"errors"
	"time"
)

// ErrConflict says that a compare-and-swap found another version: somebody else
// changed the row meanwhile. Callers read again and decide again.
var ErrConflict = errors.New("work: the row changed meanwhile")

// ErrNotFound says that a store holds no such row.
var ErrNotFound = errors.New("work: no such row")

// ErrExists says that a unique index refused an insert.
var ErrExists = errors.New("work: such a row exists already")

// ErrNested says that Do or View was called inside Do: the one SQLite writer
// would wait for itself.
var ErrNested = errors.New("work: a transaction is already open")

// Job is a piece of background work that leaves with the commit.
type Job struct {
	// Topic names the handler, for instance "sms.send".
	Topic string
	// Body is the handler's input. Whatever is personal or secret in it is
	// sealed by the sender.
	Body []byte
	// Key, if not empty, makes the job unique: while a job with this key waits,
	// enqueueing it again does nothing.
	Key string
	// Due is the earliest time; zero is now.
	Due time.Time
}

// Entry is one audit entry: who did what to which thing.
type Entry struct {
	// Kind is a stable dotted name such as "certificate.installed".
	Kind string
	// Actor is the account, "system", or "platform:<code>".
	Actor string
	// Subject is the id of the thing.
	Subject string
	// Detail is small JSON without names, numbers or secrets; nil for none.
	Detail []byte
}

// What is a kind of an account's things (Tx.Wake).
type What string

// The kinds.
const (
	Certificates What = "certificates"
	Orders       What = "orders"
	Notices      What = "notices"
	Scan         What = "scan"
	Recovery     What = "recovery"
	Realname     What = "realname"
	Session      What = "session" // sessions, devices and what they may do
	// Enterprise: who the account is in which enterprises, and what waits there.
	Enterprise What = "enterprise"
)

// Whats lists them all.
func Whats() []What {
	return []What{Certificates, Orders, Notices, Scan, Recovery, Realname, Session, Enterprise}
}

// Tx is one open transaction. Only the store makes one; nouns hand it on unread.
type Tx interface {
	// Enqueue adds a job that is visible only after the commit.
	Enqueue(ctx context.Context, j Job) error
	// Record adds an audit entry to the same commit; it is chained afterwards.
	Record(ctx context.Context, e Entry) error
	// AfterCommit runs f once the commit is durable, in order of registration;
	// for wake-ups only.
	AfterCommit(f func())
	// Wake tells whoever listens for an account's things, once the commit is
	// durable, that some of one kind changed. It carries nothing and may get lost:
	// the listener reads again.
	Wake(account string, what What)
	// Sealed keeps other packages from making a Tx.
	Sealed()
}

// Runner opens transactions.
type Runner interface {
	// Do runs f in one read-write transaction and commits unless f fails. It may
	// run f again after a serialisation failure or deadlock, so f has no effect
	// outside tx. The name is for metrics and logs.
	Do(ctx context.Context, name string, f func(context.Context, Tx) error) error
	// View runs f in one read-only transaction.
	View(ctx context.Context, f func(context.Context, Tx) error) error
}
