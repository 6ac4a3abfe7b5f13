package console_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/office"
	"tianweitong/internal/store"
	"tianweitong/internal/work"
)

// entries records n entries about a subject and chains them.
func (k *kit) entries(n int, subject string) {
	k.t.Helper()
	err := k.st.Do(k.t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
		for i := range n {
			if err := tx.Record(ctx, work.Entry{Kind: fmt.Sprintf("test.kind%d", i%3), Actor: "system", Subject: subject, Detail: []byte(`{"i":` + fmt.Sprint(i) + `}`)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.chain()
}

func TestTheChainIsSearchedPageByPage(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		b := k.officer("auditor.a", office.Auditor)
		from := k.clock.Now()
		k.entries(120, "thing")
		to := k.clock.Now().Add(time.Millisecond)
		k.clock.Advance(time.Minute)
		k.entries(7, "other")
		count := func(q string) (n int) {
			t.Helper()
			cursor, last := "", "~"
			for {
				page := b.ok("GET", "/audit?"+q+"&cursor="+url.QueryEscape(cursor), nil)
				for _, e := range page["entries"].([]any) {
					n++
					at := e.(anyMap)["at"].(string)
					if at > last {
						t.Errorf("%s after %s", at, last)
					}
					last = at
				}
				next, more := page["next"].(string)
				if !more {
					return n
				}
				cursor = next
			}
		}
		window := "from=" + url.QueryEscape(from.Format(time.RFC3339Nano)) + "&to=" + url.QueryEscape(to.Format(time.RFC3339Nano))
		for q, want := range map[string]int{
			"subject=thing": 120, "subject=other": 7, "kind=test.": 127, "kind=test.kind1": 42, "kind=test.kind1&subject=other": 2, "actor=system&kind=test.": 127,
			"kind=test": 0, "actor=officer:" + b.id + "&kind=console.signed_in": 1, window + "&kind=test.": 120,
		} {
			if n := count(q); n != want {
				t.Errorf("%s: %d entries, want %d", q, n, want)
			}
		}
		b.refused("console_cursor", "GET", "/audit?cursor=nonsense", nil)
	})
}

type line struct {
	Type, ID, Kind, Actor, Subject, Detail, Previous, Hash, Signature string
	Seq, UnixMs                                                       int64
}

func TestAnExportIsVerifiedByItself(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		b := k.officer("auditor.a", office.Auditor)
		k.entries(1100, "thing")
		k.clock.Advance(20 * time.Minute)
		k.entries(5, "other")
		status, raw := b.raw("GET", "/audit/export", nil)
		if status != 200 {
			t.Fatalf("%d %s", status, raw)
		}
		var prev []byte
		var entries, points int64
		end := false
		for text := range strings.Lines(string(raw)) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			hash, _ := hex.DecodeString(l.Hash)
			switch l.Type {
			case "entry":
				entries++
				e := audit.Entry{ID: l.ID, At: time.UnixMilli(l.UnixMs), Kind: l.Kind, Actor: l.Actor, Subject: l.Subject, Detail: []byte(l.Detail)}
				if l.Seq != entries || !bytes.Equal(audit.Link(prev, l.Seq, e), hash) || l.Previous != hex.EncodeToString(prev) {
					t.Fatalf("entry %d does not link: %s", l.Seq, text)
				}
				prev = hash
			case "checkpoint":
				points++
				signature, _ := hex.DecodeString(l.Signature)
				if !bytes.Equal(hash, prev) || (signer{}).verify((audit.Checkpoint{Seq: l.Seq, Hash: hash, At: time.UnixMilli(l.UnixMs)}).Statement(), signature) != nil {
					t.Errorf("checkpoint %s", text)
				}
			case "end":
				end = true
			}
		}
		if entries < 1105 || points != 2 || !end {
			t.Errorf("%d entries, %d checkpoints, end %v", entries, points, end)
		}

		_, raw = b.raw("GET", "/audit/export?format=csv&subject=other", nil)
		rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if err != nil || len(rows) != 1+5+2+1 || rows[2][7] != "other" {
			t.Fatalf("%d rows, %v: %s", len(rows), err, raw)
		}
		for _, r := range rows[1:] { // each links by itself
			var seq, ms int64
			fmt.Sscan(r[1], &seq)
			fmt.Sscan(r[3], &ms)
			before, _ := hex.DecodeString(r[9])
			if e := (audit.Entry{ID: r[4], At: time.UnixMilli(ms), Kind: r[5], Actor: r[6], Subject: r[7], Detail: []byte(r[8])}); r[0] == "entry" && hex.EncodeToString(audit.Link(before, seq, e)) != r[10] {
				t.Errorf("row %v does not link", r)
			}
		}
	})
}

func TestAnExportOfNothingEnds(t *testing.T) {
	k := one(t)
	b := k.officer("auditor.a", office.Auditor)
	if _, raw := b.raw("GET", "/audit/export?from=2030-01-01T00:00:00Z", nil); string(raw) != "{\"type\":\"end\",\"seq\":0}\n" {
		t.Errorf("export = %s", raw)
	}
}

func TestATamperedEntryIsFound(t *testing.T) {
	each(t, func(t *testing.T, k *kit) {
		b := k.officer("auditor.a", office.Auditor)
		if got := b.ok("GET", "/audit/verify", nil); got["state"] != "never" {
			t.Errorf("before: %v", got)
		}
		k.entries(20, "thing")
		verify := func() anyMap {
			t.Helper()
			if got := b.ok("POST", "/audit/verify", nil); got["state"] != "running" {
				t.Errorf("begun: %v", got)
			}
			for clock.Pause(t.Context(), 5*time.Millisecond) {
				if got := b.ok("GET", "/audit/verify", nil); got["state"] != "running" {
					return got
				}
			}
			t.Fatal("it came to no end")
			return nil
		}
		if got := verify(); got["state"] != "done" || len(got["findings"].([]any)) != 0 || got["entries"].(float64) < 20 {
			t.Errorf("a whole chain: %v", got)
		}
		if err := k.st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error {
			_, err := store.Raw(tx).ExecContext(ctx, "UPDATE audit_entries SET actor = 'somebody else' WHERE seq = 7")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got := verify()
		found := got["findings"].([]any)
		if len(found) != 1 || found[0].(anyMap)["seq"].(float64) != 7 {
			t.Errorf("findings = %v", got)
		}
	})
}

func TestNoCellOfAnExportIsAFormula(t *testing.T) {
	for subject, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "a=1": "a=1", "": "",
	} {
		var b bytes.Buffer
		if err := console.WriteCSV(&b, subject); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][7] != want {
			t.Errorf("%q: %q, %v", subject, rows, err)
		}
	}
}
