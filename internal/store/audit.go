package store

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

type audits struct{ *Store }

// Audit is the store of audit entries.
func (st *Store) Audit() audit.Store { return audits{st} }

func auditEntry(r db.AuditEntry) audit.Entry {
	return audit.Entry{ID: r.ID, At: at(r.RecordedAt), Kind: r.Kind, Actor: r.Actor, Subject: r.Subject,
		Detail: r.Detail, Seq: r.Seq.Int64, Hash: r.Hash}
}

func auditEntries(rows []db.AuditEntry) []audit.Entry {
	out := make([]audit.Entry, len(rows))
	for i, r := range rows {
		out[i] = auditEntry(r)
	}
	return out
}

func (audits) Unsealed(ctx context.Context, t work.Tx, n int) ([]audit.Entry, error) {
	rows, err := queries(t).UnsealedAuditEntries(ctx, int32(n))
	return auditEntries(rows), failure(err)
}

func (audits) Seal(ctx context.Context, t work.Tx, id string, seq int64, hash []byte) error {
	return swapped(queries(t).SealAuditEntry(ctx, db.SealAuditEntryParams{
		ID: id, Seq: sql.NullInt64{Int64: seq, Valid: true}, Hash: hash,
	}))
}

func (audits) Head(ctx context.Context, t work.Tx) (audit.Entry, error) {
	r, err := queries(t).LastSealedAuditEntry(ctx)
	return auditEntry(r), failure(err)
}

func (audits) From(ctx context.Context, t work.Tx, seq int64, n int) ([]audit.Entry, error) {
	rows, err := queries(t).AuditEntriesFrom(ctx, db.AuditEntriesFromParams{FromSeq: seq, MaxEntries: int32(n)})
	return auditEntries(rows), failure(err)
}

func (audits) Of(ctx context.Context, t work.Tx, kind, subject string) (audit.Entry, error) {
	r, err := queries(t).AuditEntryOf(ctx, db.AuditEntryOfParams{Kind: kind, Subject: subject})
	return auditEntry(r), failure(err)
}

func (audits) Late(ctx context.Context, t work.Tx, before time.Time) (int64, error) {
	n, err := queries(t).CountUnsealedAuditEntriesBefore(ctx, ms(before))
	return n, failure(err)
}

func (audits) PutCheckpoint(ctx context.Context, t work.Tx, c audit.Checkpoint, replaces int64) error {
	q := queries(t)
	if replaces != 0 {
		if err := q.DeleteAuditCheckpoint(ctx, replaces); err != nil {
			return failure(err)
		}
	}
	return failure(q.InsertAuditCheckpoint(ctx, db.InsertAuditCheckpointParams{
		Seq: c.Seq, Hash: c.Hash, SignedAt: ms(c.At), Signature: c.Signature,
	}))
}

func (audits) Checkpoints(ctx context.Context, t work.Tx) ([]audit.Checkpoint, error) {
	rows, err := queries(t).AuditCheckpoints(ctx)
	out := make([]audit.Checkpoint, len(rows))
	for i, r := range rows {
		out[i] = checkpoint(r)
	}
	return out, failure(err)
}

func (audits) LastCheckpoint(ctx context.Context, t work.Tx) (audit.Checkpoint, error) {
	r, err := queries(t).LastAuditCheckpoint(ctx)
	return checkpoint(r), failure(err)
}

// Find writes its own text: a condition that is not asked for would keep the
// engines from the index of one that is.
func (audits) Find(ctx context.Context, t work.Tx, s audit.Search, cursor string, n int) ([]audit.Entry, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if prefix, ok := strings.CutSuffix(s.Kind, "."); ok {
		where = append(where, "kind >= "+arg(prefix+"."), "kind < "+arg(prefix+"/")) // the sign behind the dot
	} else if s.Kind != "" {
		where = append(where, "kind = "+arg(s.Kind))
	}
	if s.Subject != "" {
		where = append(where, "subject = "+arg(s.Subject))
	}
	if s.Actor != "" {
		where = append(where, "actor = "+arg(s.Actor))
	}
	if !s.From.IsZero() {
		where = append(where, "recorded_at >= "+arg(ms(s.From)))
	}
	if !s.To.IsZero() {
		where = append(where, "recorded_at < "+arg(ms(s.To)))
	}
	if cursor != "" {
		when, id, err := audit.ReadCursor(cursor)
		if err != nil {
			return nil, err
		}
		where = append(where, "(recorded_at, id) < ("+arg(ms(when))+", "+arg(id)+")")
	}
	text := "SELECT id, recorded_at, kind, actor, subject, detail, seq, hash FROM audit_entries"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	rows, err := raw(t).QueryContext(ctx, text+" ORDER BY recorded_at DESC, id DESC LIMIT "+strconv.Itoa(n), args...)
	if err != nil {
		return nil, failure(err)
	}
	defer rows.Close()
	var out []audit.Entry
	for rows.Next() {
		var r db.AuditEntry
		if err := rows.Scan(&r.ID, &r.RecordedAt, &r.Kind, &r.Actor, &r.Subject, &r.Detail, &r.Seq, &r.Hash); err != nil {
			return nil, failure(err)
		}
		out = append(out, auditEntry(r))
	}
	return out, failure(rows.Err())
}

func (audits) Span(ctx context.Context, t work.Tx, from, to time.Time) (first, last int64, err error) {
	end := int64(math.MaxInt64)
	if !to.IsZero() {
		end = ms(to)
	}
	r, err := queries(t).AuditSpan(ctx, db.AuditSpanParams{FromAt: ms(from), ToAt: end})
	if err == nil && r.First == 0 {
		err = work.ErrNotFound
	}
	return r.First, r.Last, failure(err)
}

func checkpoint(r db.AuditCheckpoint) audit.Checkpoint {
	return audit.Checkpoint{Seq: r.Seq, Hash: r.Hash, At: at(r.SignedAt), Signature: r.Signature}
}
