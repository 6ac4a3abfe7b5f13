// Package usage is the record (使用记录, M§2.9) of what was done with which
// certificate: one entry for every operation that ended, successes and failures
// alike, never changed and never deleted.
//
// The digest of each entry stands in the audit chain of the same transaction,
// so that an edited, exchanged or missing entry shows (docs/domain.md §5,
// invariant 5).
package usage

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/account"
	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// OK is the outcome of an operation that succeeded; every other outcome is a
// word of the end-result vocabulary (docs/domain.md §1.9).
const OK = "OK"

// CodeNotFound: no such record, or another account's.
var CodeNotFound = fault.Code{Name: "usage_not_found", Kind: fault.NotFound, Text: "没有找到这条使用记录，请返回列表刷新后查看。"}

// ErrAltered says that a record is not the one that was written.
var ErrAltered = errors.New("usage: the record is not the one that was written")

// Record is one ended operation. All fields are set by the caller except ID,
// which Write makes.
type Record struct {
	ID string
	// Ref names the operation, for instance "scan:<tId>:<seq>"; each has one record.
	Ref string
	// At is the trusted time of the end.
	At time.Time
	// Account used the certificate on Device (thumbprint); Operator is the name
	// that the list shows (操作人).
	Account, Device, Operator string
	// Enterprise is whose certificate it was; empty for a person's.
	Enterprise string
	// Certificate is the record's id and Serial its signing certificate's serial
	// number; both empty when none was chosen yet.
	Certificate, Serial string
	// Platform is the code, PlatformName the directory's name at that time.
	Platform, PlatformName string
	// Business is what was done: "login", "sign" …
	Business string
	// Title is what the platform called it.
	Title string
	// Outcome is OK or why it ended otherwise.
	Outcome string
	// Digest is SM3 of the signed message; nil if nothing was signed.
	Digest []byte
	// Origin is where the platform's page was open; empty for what no page asked for.
	Origin Origin
}

// Origin is a browser as far as a record tells of it: never an address.
type Origin struct {
	Browser string `json:"browser,omitempty"` // Windows · Chrome
	Region  string `json:"region,omitempty"`
	Network string `json:"network,omitempty"` // a prefix
}

// Sum is the digest of a record that the audit chain keeps: SM3 over every field,
// length-prefixed.
func (r Record) Sum() []byte {
	var b []byte
	for _, f := range [][]byte{
		[]byte("TWT/usage/v1"), []byte(r.ID), []byte(r.Ref), binary.BigEndian.AppendUint64(nil, uint64(r.At.UnixMilli())),
		[]byte(r.Account), []byte(r.Enterprise), []byte(r.Device), []byte(r.Operator), []byte(r.Certificate), []byte(r.Serial),
		[]byte(r.Platform), []byte(r.PlatformName), []byte(r.Business), []byte(r.Title), []byte(r.Outcome), r.Digest,
		[]byte(r.Origin.Browser), []byte(r.Origin.Region), []byte(r.Origin.Network),
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	sum := sm3.Sum(b)
	return sum[:]
}

// Filter narrows a list; empty fields do not.
type Filter struct {
	Certificate string // the record's id
	Platform    string // code
	Business    string
	// Query is a part of the platform's name or of the operator's.
	Query string
	// Result narrows by how it ended.
	Result Result
	// From and To bound the time of the end: From ≤ At < To.
	From, To time.Time
}

// Result is an outcome in one word.
type Result string

// The results.
const (
	Succeeded Result = "ok"
	Cancelled Result = "cancelled" // by the user or the platform
	Failed    Result = "failed"
)

// CancelledOutcomes are the outcomes whose result is Cancelled.
func CancelledOutcomes() []string { return []string{"USER_REFUSED", "PLATFORM_CANCELLED"} }

// Result tells how a record ended.
func (r Record) Result() Result {
	switch {
	case r.Outcome == OK:
		return Succeeded
	case slices.Contains(CancelledOutcomes(), r.Outcome):
		return Cancelled
	}
	return Failed
}

// Number is the receipt's number (凭证编号) as people read it out: the month, day and
// hour in China, and the end of the record's id.
func (r Record) Number() string {
	tail := strings.ToUpper(r.ID[max(0, len(r.ID)-8):])
	return "R" + r.At.In(clock.China).Format("0601-0215") + "-" + tail[:len(tail)/2] + "-" + tail[len(tail)/2:]
}

// Receipt is a record with its place in the audit chain (存证位置).
type Receipt struct {
	Record
	// Position is the number of the audit entry that holds the record's digest, and
	// Hash that entry's place in the chain; 0 and nil for the moment until it is
	// chained.
	Position int64
	Hash     []byte
	// Sound: the record is the one that the entry tells of.
	Sound bool
}

// Page is a keyset page: up to Limit records older than the record After.
type Page struct {
	After string
	Limit int
}

// Store keeps records. There is no update and no delete.
type Store interface {
	// Insert answers work.ErrExists when the operation has its record already.
	Insert(ctx context.Context, tx work.Tx, r Record) error
	// Get answers work.ErrNotFound.
	Get(ctx context.Context, tx work.Tx, id string) (Record, error)
	// List gives an identity's records, newest first: the account's own, or with
	// Scope.All everybody's of the enterprise.
	List(ctx context.Context, tx work.Tx, sc account.Scope, f Filter, p Page) ([]Record, error)
	// LastCertificate gives the certificate of the newest record with outcome OK
	// of an account on a platform; work.ErrNotFound.
	LastCertificate(ctx context.Context, tx work.Tx, account, platform string) (string, error)
	// Count counts all records.
	Count(ctx context.Context, tx work.Tx) (int64, error)
}

// Chain is the audit chain (audit.Store).
type Chain interface {
	// Of gives the entry of a kind about a subject; work.ErrNotFound.
	Of(ctx context.Context, tx work.Tx, kind, subject string) (audit.Entry, error)
}

// Deps are what a Service needs. Chain is for receipts alone.
type Deps struct {
	Store  Store
	Runner work.Runner
	Clock  clock.Clock
	Rand   io.Reader
	Chain  Chain
}

// Service writes and lists.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Written is the audit entry's kind; its subject is the record's id.
const Written = "usage.written"

type witness struct {
	Digest string `json:"digest"`
}

// Write adds the one record of an operation and puts its digest into the audit
// chain. A second record for the same Ref fails the transaction with
// work.ErrExists: an operation ends once.
func (s *Service) Write(ctx context.Context, tx work.Tx, r Record) error {
	r.ID = id.New(s.Rand)
	if err := s.Store.Insert(ctx, tx, r); err != nil {
		return fmt.Errorf("usage record of %s: %w", r.Ref, err)
	}
	detail, err := json.Marshal(witness{hex.EncodeToString(r.Sum())})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: Written, Actor: r.Account, Subject: r.ID, Detail: detail})
}

// Verify compares a record with the audit entry of kind Written that names it:
// ErrAltered if the record was edited or is missing. For fsck.
func (s *Service) Verify(ctx context.Context, tx work.Tx, subject string, detail []byte) error {
	var w witness
	if err := json.Unmarshal(detail, &w); err != nil {
		return fmt.Errorf("%w: the entry of %s cannot be read", ErrAltered, subject)
	}
	r, err := s.Store.Get(ctx, tx, subject)
	if errors.Is(err, work.ErrNotFound) {
		return fmt.Errorf("%w: %s is missing", ErrAltered, subject)
	}
	if err != nil {
		return err
	}
	if hex.EncodeToString(r.Sum()) != w.Digest {
		return fmt.Errorf("%w: %s was edited", ErrAltered, subject)
	}
	return nil
}

// Count counts all records; fsck compares it with the entries of kind Written.
func (s *Service) Count(ctx context.Context, tx work.Tx) (int64, error) {
	return s.Store.Count(ctx, tx)
}

// LastCertificate is the certificate that an account used last on a platform
// with success (docs/domain.md A32), or "".
func (s *Service) LastCertificate(ctx context.Context, tx work.Tx, account, platform string) (string, error) {
	c, err := s.Store.LastCertificate(ctx, tx, account, platform)
	if errors.Is(err, work.ErrNotFound) {
		return "", nil
	}
	return c, err
}

const maxPage = 100

// List gives a page of an identity's records, newest first (docs/domain.md A29). A
// Limit outside 1…100 is 100.
func (s *Service) List(ctx context.Context, sc account.Scope, f Filter, p Page) ([]Record, error) {
	if p.Limit < 1 || p.Limit > maxPage {
		p.Limit = maxPage
	}
	var out []Record
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		out, err = s.Store.List(ctx, tx, sc, f, p)
		return err
	})
	return out, err
}

// Get gives a record to the identity whose list shows it, with its place in the
// audit chain; another's is CodeNotFound.
func (s *Service) Get(ctx context.Context, sc account.Scope, id string) (Receipt, error) {
	var out Receipt
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		out.Record, err = s.Store.Get(ctx, tx, id)
		if errors.Is(err, work.ErrNotFound) || err == nil && (out.Enterprise != sc.Enterprise || out.Account != sc.Account && !sc.All) {
			return CodeNotFound
		}
		if err != nil {
			return err
		}
		e, err := s.Chain.Of(ctx, tx, Written, id)
		if errors.Is(err, work.ErrNotFound) {
			return nil // a record without its entry is not sound
		}
		if err != nil {
			return err
		}
		out.Position, out.Hash = e.Seq, e.Hash
		err = s.Verify(ctx, tx, id, e.Detail)
		out.Sound = err == nil
		if errors.Is(err, ErrAltered) {
			return nil
		}
		return err
	})
	return out, err
}
