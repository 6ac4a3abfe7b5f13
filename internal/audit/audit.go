// Package audit chains the audit entries (审计记录) that business transactions
// leave behind, so that a later edit, deletion or exchange shows.
//
// Entries are inserted with their business transaction (work.Tx.Record) and
// chained within about a second by the one Sealer: extending the chain inside
// every transaction would make all writers wait for each other. A signed
// checkpoint names the chain's head; fsck rereads everything.
package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/work"
)

// Entry is a stored audit entry; Seq and Hash are set once it is chained.
type Entry struct {
	ID      string
	At      time.Time
	Kind    string
	Actor   string
	Subject string
	Detail  []byte
	Seq     int64
	Hash    []byte
}

// Checkpoint is a signed head of the chain.
type Checkpoint struct {
	Seq       int64
	Hash      []byte
	At        time.Time
	Signature []byte
}

// Statement is what a checkpoint's signature covers: a tag, the sequence
// number, the hash and the Unix milliseconds, length-prefixed.
func (c Checkpoint) Statement() []byte {
	return fields([]byte("TWT/audit/v1"), number(c.Seq), c.Hash, number(c.At.UnixMilli()))
}

// Store keeps entries and checkpoints.
type Store interface {
	// Unsealed gives up to n entries that are not chained, oldest id first.
	Unsealed(ctx context.Context, tx work.Tx, n int) ([]Entry, error)
	// Seal sets the place of an unchained entry; work.ErrConflict if it has one.
	Seal(ctx context.Context, tx work.Tx, id string, seq int64, hash []byte) error
	// Head gives the last chained entry; work.ErrNotFound for an empty chain.
	Head(ctx context.Context, tx work.Tx) (Entry, error)
	// From gives up to n chained entries from a sequence number on.
	From(ctx context.Context, tx work.Tx, seq int64, n int) ([]Entry, error)
	// Of gives the first entry of a kind about a subject; work.ErrNotFound.
	Of(ctx context.Context, tx work.Tx, kind, subject string) (Entry, error)
	// Late counts entries recorded before t that are still not chained.
	Late(ctx context.Context, tx work.Tx, t time.Time) (int64, error)
	// PutCheckpoint stores a checkpoint and removes the one at the sequence
	// number replaces, if that is not 0.
	PutCheckpoint(ctx context.Context, tx work.Tx, c Checkpoint, replaces int64) error
	// Checkpoints gives all checkpoints in order.
	Checkpoints(ctx context.Context, tx work.Tx) ([]Checkpoint, error)
	// LastCheckpoint gives the newest; work.ErrNotFound if there is none.
	LastCheckpoint(ctx context.Context, tx work.Tx) (Checkpoint, error)
	// Find gives up to n entries of a search, newest first, behind a cursor that
	// Cursor made; "" begins.
	Find(ctx context.Context, tx work.Tx, s Search, cursor string, n int) ([]Entry, error)
	// Span gives the first and last sequence number of the chained entries of a
	// time; work.ErrNotFound if there are none.
	Span(ctx context.Context, tx work.Tx, from, to time.Time) (first, last int64, err error)
}

// Search is what entries are looked for by; empty fields do not narrow.
type Search struct {
	// Kind is a whole kind, or the beginning of one that ends with a dot.
	Kind, Subject, Actor string
	// From is included, To is not.
	From, To time.Time
}

// Fits tells whether an entry is one that is looked for.
func (s Search) Fits(e Entry) bool {
	kind := s.Kind == "" || s.Kind == e.Kind || strings.HasSuffix(s.Kind, ".") && strings.HasPrefix(e.Kind, s.Kind)
	return kind && (s.Subject == "" || s.Subject == e.Subject) && (s.Actor == "" || s.Actor == e.Actor) &&
		(s.From.IsZero() || !e.At.Before(s.From)) && (s.To.IsZero() || e.At.Before(s.To))
}

// Cursor stands behind an entry of a search.
func Cursor(e Entry) string { return strconv.FormatInt(e.At.UnixMilli(), 10) + "." + e.ID }

// ReadCursor is the inverse of Cursor; ErrCursor.
func ReadCursor(s string) (at time.Time, id string, err error) {
	ms, id, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || n < 0 {
		return time.Time{}, "", ErrCursor
	}
	return time.UnixMilli(n).UTC(), id, nil
}

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("audit: the cursor is malformed")

// Signer signs checkpoint statements as the house (custody's statement role).
type Signer interface {
	SignStatement(ctx context.Context, statement []byte) ([]byte, error)
}

// Link is the hash of an entry at seq behind prev: SM3 over the previous hash
// and every field, length-prefixed. The first entry's prev is empty.
func Link(prev []byte, seq int64, e Entry) []byte {
	h := sm3.Sum(fields([]byte("TWT/audit-entry/v1"), prev, number(seq), []byte(e.ID), number(e.At.UnixMilli()),
		[]byte(e.Kind), []byte(e.Actor), []byte(e.Subject), e.Detail))
	return h[:]
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func fields(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// Sealer chains entries. One runs per database.
type Sealer struct {
	// Observe, if set, hears each entry after it is chained.
	Observe func(Entry)

	runner work.Runner
	store  Store
	signer Signer
	clock  clock.Clock
	log    *slog.Logger
}

// NewSealer makes a sealer.
func NewSealer(r work.Runner, s Store, signer Signer, c clock.Clock, log *slog.Logger) *Sealer {
	return &Sealer{runner: r, store: s, signer: signer, clock: c, log: log}
}

const (
	batch = 500
	// pace is how long the sealer rests between two looks.
	pace = 500 * time.Millisecond
	// keep is the distance of the checkpoints that stay.
	keep = 10 * time.Minute
)

// Run chains until ctx ends, then once more, so that a graceful stop leaves
// nothing unchained.
func (s *Sealer) Run(ctx context.Context) error {
	for clock.Pause(ctx, pace) {
		if err := s.Seal(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("sealing the audit chain", "error", err)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.Seal(last)
}

// Seal chains every entry that waits and signs the new head.
func (s *Sealer) Seal(ctx context.Context) error {
	var head Entry
	total := 0
	for {
		n := 0
		var chained []Entry
		// Look with a reader first: an idle house writes nothing.
		err := s.runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			waiting, err := s.store.Unsealed(ctx, tx, 1)
			n = len(waiting)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := s.runner.Do(ctx, "audit.seal", func(ctx context.Context, tx work.Tx) (err error) {
			head, chained, err = s.extend(ctx, tx)
			return err
		}); err != nil {
			return err
		}
		total += len(chained)
		if s.Observe != nil {
			for _, e := range chained {
				s.Observe(e)
			}
		}
	}
	if total == 0 {
		return nil
	}
	return s.checkpoint(ctx, head)
}

func (s *Sealer) extend(ctx context.Context, tx work.Tx) (head Entry, chained []Entry, err error) {
	head, err = s.store.Head(ctx, tx)
	if err != nil && !errors.Is(err, work.ErrNotFound) {
		return head, nil, err
	}
	waiting, err := s.store.Unsealed(ctx, tx, batch)
	if err != nil {
		return head, nil, err
	}
	for _, e := range waiting {
		e.Seq = head.Seq + 1
		e.Hash = Link(head.Hash, e.Seq, e)
		if err := s.store.Seal(ctx, tx, e.ID, e.Seq, e.Hash); err != nil {
			return head, nil, err
		}
		head = e
	}
	return head, waiting, nil
}

func (s *Sealer) checkpoint(ctx context.Context, head Entry) error {
	c := Checkpoint{Seq: head.Seq, Hash: head.Hash, At: s.clock.Now()}
	var err error
	if c.Signature, err = s.signer.SignStatement(ctx, c.Statement()); err != nil {
		return err
	}
	var replaces int64
	err = s.runner.Do(ctx, "audit.checkpoint", func(ctx context.Context, tx work.Tx) error {
		replaces = 0
		last, err := s.store.LastCheckpoint(ctx, tx)
		switch {
		case errors.Is(err, work.ErrNotFound):
		case err != nil:
			return err
		case last.At.Truncate(keep).Equal(c.At.Truncate(keep)):
			replaces = last.Seq
		}
		return s.store.PutCheckpoint(ctx, tx, c, replaces)
	})
	if err == nil && replaces == 0 {
		// Whoever keeps the log apart from the database can prove a roll-back.
		s.log.Info("audit checkpoint", "seq", c.Seq, "hash", fmt.Sprintf("%x", c.Hash))
	}
	return err
}

// Finding is one thing that is wrong with the chain.
type Finding struct {
	Seq  int64
	What string
}

// String names the entry and what is wrong with it.
func (f Finding) String() string { return fmt.Sprintf("audit entry %d: %s", f.Seq, f.What) }

// Verify rereads the whole chain and its checkpoints; verify checks a
// checkpoint's signature. It reports entries that stand unchained for 10 s.
// visit, if not nil, sees every chained entry and may add to the findings.
func Verify(ctx context.Context, r work.Runner, s Store, now time.Time, verify func(statement, signature []byte) error,
	visit func(ctx context.Context, tx work.Tx, e Entry) (wrong string, err error)) (entries int64, found []Finding, err error) {
	err = r.View(ctx, func(ctx context.Context, tx work.Tx) error {
		points, err := s.Checkpoints(ctx, tx)
		if err != nil {
			return err
		}
		heads := map[int64]Checkpoint{}
		for _, c := range points {
			if verify(c.Statement(), c.Signature) != nil {
				found = append(found, Finding{c.Seq, "the checkpoint's signature does not verify"})
			}
			heads[c.Seq] = c
		}
		var prev Entry
		for {
			page, err := s.From(ctx, tx, prev.Seq+1, batch)
			if err != nil {
				return err
			}
			for _, e := range page {
				if e.Seq != prev.Seq+1 {
					found = append(found, Finding{prev.Seq + 1, "missing"})
				}
				if !bytes.Equal(e.Hash, Link(prev.Hash, e.Seq, e)) {
					found = append(found, Finding{e.Seq, "altered, or its predecessor is"})
				}
				if c, ok := heads[e.Seq]; ok && !bytes.Equal(c.Hash, e.Hash) {
					found = append(found, Finding{e.Seq, "differs from its checkpoint"})
				}
				if visit != nil {
					wrong, err := visit(ctx, tx, e)
					if err != nil {
						return err
					}
					if wrong != "" {
						found = append(found, Finding{e.Seq, wrong})
					}
				}
				prev = e
				entries++
			}
			if len(page) < batch {
				break
			}
		}
		if len(points) > 0 && points[len(points)-1].Seq > prev.Seq {
			found = append(found, Finding{prev.Seq + 1, "missing: the chain ends before its checkpoint"})
		}
		late, err := s.Late(ctx, tx, now.Add(-10*time.Second))
		if err == nil && late > 0 {
			found = append(found, Finding{prev.Seq, fmt.Sprintf("%d entries stand unchained for more than 10 s", late)})
		}
		return err
	})
	return entries, found, err
}
