package console

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/office"
	"tianweitong/internal/work"
)

// exported is one line of an export: an entry, or a checkpoint behind the entry
// that it signs; the last line is "end", without which the file is not whole. An
// entry can be checked by itself: audit.Link of Previous and the fields is Hash.
type exported struct {
	Type     string `json:"type"` // entry, checkpoint, end
	Seq      int64  `json:"seq"`
	At       string `json:"at,omitempty"` // RFC 3339
	UnixMs   int64  `json:"unixMs,omitempty"`
	ID       string `json:"id,omitempty"`
	Kind     string `json:"kind,omitempty"`
	Actor    string `json:"actor,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Previous string `json:"previous,omitempty"` // hex
	Hash     string `json:"hash,omitempty"`     // hex
	// Signature is a checkpoint's, hex, over audit.Checkpoint.Statement.
	Signature string `json:"signature,omitempty"`
}

// lines writes an export's lines.
type lines interface {
	write(x exported) error
	flush() error
}

type jsonLines struct{ *json.Encoder }

func (l jsonLines) write(x exported) error { return l.Encode(x) }
func (l jsonLines) flush() error           { return nil }

type csvLines struct{ *csv.Writer }

func (l csvLines) write(x exported) error {
	cells := []string{x.Type, strconv.FormatInt(x.Seq, 10), x.At, strconv.FormatInt(x.UnixMs, 10), x.ID, x.Kind, x.Actor, x.Subject, x.Detail, x.Previous, x.Hash, x.Signature}
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c // a table would take it for a formula
		}
	}
	return l.Write(cells)
}

func (l csvLines) flush() error {
	l.Flush()
	return l.Error()
}

func newCSV(w io.Writer) (lines, error) {
	l := csvLines{csv.NewWriter(w)}
	return l, l.Write([]string{"type", "seq", "at", "unixMs", "id", "kind", "actor", "subject", "detail", "previous", "hash", "signature"})
}

const (
	exportBatch = 500
	// exportPause is how long a reader may take for one batch.
	exportPause = 30 * time.Second
)

// exportAudit streams the chained entries of a search in the chain's order, with
// the checkpoints among them. It reads a batch at a time: a slow reader holds no
// transaction.
func (s *Server) exportAudit(ctx context.Context, c office.Caller, in *exportInput) (*huma.StreamResponse, error) {
	search := in.search()
	var first, last int64
	points := map[int64]audit.Checkpoint{}
	err := s.Runner.Do(ctx, "console.export", func(ctx context.Context, tx work.Tx) (err error) {
		if first, last, err = s.Audit.Span(ctx, tx, search.From, search.To); err != nil && !errors.Is(err, work.ErrNotFound) {
			return err
		}
		all, err := s.Audit.Checkpoints(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range all {
			points[p.Seq] = p
		}
		return s.Officers.Record(ctx, tx, c, "audit_exported", c.ID, map[string]any{
			"format": in.Format, "kind": in.Kind, "subject": in.Subject, "actor": in.Actor, "first": first, "last": last,
		})
	})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		name, kind := "audit.jsonl", "application/jsonl; charset=utf-8"
		if in.Format == "csv" {
			name, kind = "audit.csv", "text/csv; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		var out lines = jsonLines{json.NewEncoder(w)}
		var err error
		if in.Format == "csv" {
			out, err = newCSV(w)
		}
		if err == nil && last > 0 {
			err = s.exportSpan(hc.Context(), http.NewResponseController(w), out, search, first, last, points)
		}
		if err == nil {
			err = out.write(exported{Type: "end", Seq: last})
		}
		if err == nil {
			err = out.flush()
		}
		if err != nil { // the head is out: the missing last line tells that the file is not whole
			s.Log.ErrorContext(ctx, "exporting the audit chain", "error", err)
		}
	}}, nil
}

func (s *Server) exportSpan(ctx context.Context, rc *http.ResponseController, out lines, search audit.Search, first, last int64, points map[int64]audit.Checkpoint) error {
	var prev audit.Entry
	for seq := max(first-1, 1); seq <= last; {
		var page []audit.Entry
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			page, err = s.Audit.From(ctx, tx, seq, exportBatch)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		// The deadline is the machine's, whatever the house's clock says.
		if err := rc.SetWriteDeadline(clock.System{}.Now().Add(exportPause)); err != nil {
			return err
		}
		for _, e := range page {
			if e.Seq >= first && e.Seq <= last && search.Fits(e) {
				if err := out.write(exportedEntry(e, prev)); err != nil {
					return err
				}
			}
			if p, ok := points[e.Seq]; ok && e.Seq >= first && e.Seq <= last {
				if err := out.write(exportedPoint(p)); err != nil {
					return err
				}
			}
			prev, seq = e, e.Seq+1
		}
		if err := out.flush(); err != nil {
			return err
		}
		if err := rc.Flush(); err != nil {
			return err
		}
	}
	return rc.SetWriteDeadline(time.Time{})
}

func exportedEntry(e, prev audit.Entry) exported {
	return exported{
		Type: "entry", Seq: e.Seq, At: e.At.Format(time.RFC3339Nano), UnixMs: e.At.UnixMilli(), ID: e.ID, Kind: e.Kind, Actor: e.Actor,
		Subject: e.Subject, Detail: string(e.Detail), Previous: hex.EncodeToString(prev.Hash), Hash: hex.EncodeToString(e.Hash),
	}
}

func exportedPoint(p audit.Checkpoint) exported {
	return exported{
		Type: "checkpoint", Seq: p.Seq, At: p.At.Format(time.RFC3339Nano), UnixMs: p.At.UnixMilli(),
		Hash: hex.EncodeToString(p.Hash), Signature: hex.EncodeToString(p.Signature),
	}
}
