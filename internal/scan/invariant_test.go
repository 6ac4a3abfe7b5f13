package scan_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tianweitong/internal/account"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/scan"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// TestMain keeps the property tests short: each step is a transaction on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		flag.Set("rapid.checks", "15")
	}
	os.Exit(m.Run())
}

// history is one holder's model: what the rules say, kept apart from the service.
type history struct {
	*stage
	rt *rapid.T
	p  doortest.Holder
	// the certificate
	cert            string
	roamEnd         time.Time
	frozen, revoked bool
	here            bool // the keys are on this phone
	// the present transaction
	id, op  string
	state   scan.State
	expires time.Time
	ends    map[string]scan.State // every transaction that was scanned
}

func (h *history) allowed() bool {
	now := h.Clock.Now()
	return !h.revoked && !h.frozen && h.here && !now.After(h.roamEnd)
}

// tick lets the model's timer pass.
func (h *history) tick() {
	now := h.Clock.Now()
	limit := h.expires
	if h.state == scan.Ready {
		limit = limit.Add(15 * time.Second)
	}
	switch h.state {
	case scan.Scanned, scan.Ready, scan.Created, scan.Recovering:
		if !now.Before(limit) {
			h.end(scan.Expired)
		}
	}
}

func (h *history) end(s scan.State) {
	if h.state != scan.Created {
		h.ends[h.id] = s
	}
	h.state = s
}

func (h *history) begin() {
	r := login()
	if rapid.Bool().Draw(h.rt, "sign") {
		r = sign()
	}
	t, err := h.create(r)
	if err != nil {
		h.rt.Fatal(err)
	}
	h.id, h.op, h.state, h.expires = t.ID, "", scan.Created, t.ExpiresAt
}

func (h *history) scanIt() {
	q, err := h.Scans.QR(context.Background(), h.platform.Code, h.id)
	if (err == nil) != (h.state == scan.Created) {
		h.rt.Fatalf("a code in %s: %v", h.state, err)
	}
	if err != nil {
		return
	}
	if _, err := h.Scans.Scan(context.Background(), h.p.Holder, q.Text, office); err != nil {
		h.rt.Fatal(err)
	}
	h.state = scan.Scanned
	h.ends[h.id] = ""
	if begin := h.Clock.Now().Add(2 * time.Minute); !h.here && !h.revoked && !h.frozen && h.expires.Before(begin) {
		h.expires = begin // time to begin the re-key
	}
}

func (h *history) confirmIt() {
	st, err := h.Scans.Status(context.Background(), h.platform.Code, h.id, false)
	if err != nil {
		h.rt.Fatal(err)
	}
	if h.state != scan.Scanned {
		return
	}
	code := st.Private.Code
	wrong := rapid.IntRange(0, 9).Draw(h.rt, "wrong code") == 0
	if wrong {
		code = string([]byte{'0' + (code[0]-'0'+1)%10}) + code[1:]
	}
	seen, err := h.Scans.Confirm(context.Background(), h.p.Holder, h.id, h.cert, code)
	switch {
	case !h.allowed():
		if err == nil {
			h.rt.Fatal("confirmed with a certificate that may not sign")
		}
	case wrong:
		if err == nil {
			h.rt.Fatal("confirmed with a wrong code")
		}
		h.end(scan.Failed)
	case err != nil:
		h.rt.Fatal(err)
	default:
		h.op, h.state = seen.OpID, scan.Ready
	}
}

// enter is the right PIN. Invariants 3 and 12: it gives a signature if and only if
// the certificate is valid, roamed, not frozen and on this device, and the
// transaction is READY.
func (h *history) enterIt() {
	if h.op == "" {
		return
	}
	before := h.state
	intime := !h.Clock.Now().After(h.expires)
	err := h.Door.Enter(context.Background(), h.p.Holder, h.op)
	want := before == scan.Ready && intime && h.allowed() || before == scan.Executed && intime
	if (err == nil) != want {
		h.rt.Fatalf("in %s, allowed %v, in time %v: %v", before, h.allowed(), intime, err)
	}
	switch {
	case err == nil:
		h.end(scan.Executed)
	case before == scan.Ready && intime:
		h.end(scan.Failed)
	}
}

func (h *history) tx(f func(ctx context.Context, tx work.Tx) error) error {
	return h.Do(context.Background(), "test", f)
}

func (h *history) open() bool {
	return h.state == scan.Scanned || h.state == scan.Ready || h.state == scan.Recovering
}

func (h *history) endIt(by scan.State) {
	var err error
	if by == scan.Cancelled {
		err = h.tx(func(ctx context.Context, tx work.Tx) error {
			_, err := h.Scans.Cancel(ctx, tx, h.platform.Code, h.id)
			return err
		})
	} else {
		err = h.Scans.Reject(context.Background(), h.p.Holder, h.id)
	}
	could := h.open() || h.state == by || by == scan.Cancelled && h.state == scan.Created
	if (err == nil) != could {
		h.rt.Fatalf("%s in %s: %v", by, h.state, err)
	}
	if err == nil && h.state != by {
		h.end(by)
	}
}

func (h *history) certificate(f func(ctx context.Context, tx work.Tx) error) {
	if h.revoked {
		return
	}
	if err := h.tx(f); err != nil {
		h.rt.Fatal(err)
	}
}

func (h *history) step() {
	freeze := func(on bool) func() {
		return func() {
			h.certificate(func(ctx context.Context, tx work.Tx) (err error) {
				if on {
					_, err = h.Certificates.Freeze(ctx, tx, h.cert, "system", "test")
				} else {
					_, err = h.Certificates.Unfreeze(ctx, tx, h.cert, "system")
				}
				return err
			})
			h.frozen = on && !h.revoked
		}
	}
	device := func(here bool) func() {
		return func() {
			h.here = here
			if here {
				h.Bind(h.p.Account, h.p.Device)
			} else {
				h.Bind(h.p.Account, "elsewhere")
			}
		}
	}
	natural := map[scan.State]func(){scan.Created: h.scanIt, scan.Scanned: h.confirmIt, scan.Ready: h.enterIt}
	disturbing := []func(){
		h.begin, h.scanIt, h.confirmIt, h.enterIt, h.enterIt,
		func() { h.endIt(scan.Rejected) }, func() { h.endIt(scan.Cancelled) },
		freeze(true), freeze(false), device(false), device(true),
		func() {
			h.certificate(func(ctx context.Context, tx work.Tx) error {
				_, err := h.Certificates.Revoked(ctx, tx, h.cert, "system", "test")
				return err
			})
			h.revoked = true
		},
		func() { h.Clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(h.rt, "seconds")) * time.Second) },
		func() {
			if err := h.Scans.Sweep(context.Background()); err != nil {
				h.rt.Fatal(err)
			}
		},
		func() {
			h.certificate(func(ctx context.Context, tx work.Tx) error { return h.Scans.Hold(ctx, tx, h.p.Account) })
			if !h.revoked && (h.state == scan.Scanned || h.state == scan.Ready) {
				h.state, h.expires, h.op = scan.Recovering, h.Clock.Now().Add(scan.HoldLife), ""
			}
		},
	}
	h.tick()
	if h.id == "" {
		h.begin()
		return
	}
	if h.open() && h.state != scan.Recovering && h.ends[h.id] != "" {
		h.rt.Fatalf("%s ended twice", h.id)
	}
	f, ok := natural[h.state]
	switch {
	case rapid.IntRange(0, 9).Draw(h.rt, "disturbed") < 5:
		disturbing[rapid.IntRange(0, len(disturbing)-1).Draw(h.rt, "action")]()
	case ok:
		f()
	default:
		h.begin()
	}
	h.tick()
}

// Invariants 3, 5, 8 and 12 of docs/domain.md §5 over random histories.
func TestInvariantsHoldOverHistories(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		rapid.Check(t, func(rt *rapid.T) {
			h := &history{stage: s, rt: rt, p: s.NewPerson("历史人"), here: true, ends: map[string]scan.State{}}
			h.roamEnd = s.Clock.Now().Add(time.Duration(rapid.IntRange(2, 20).Draw(rt, "roaming minutes")) * time.Minute)
			h.cert = s.Install(h.p, s.Buy(h.p, s.platform.Code), s.platform.Code, h.roamEnd).ID
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				h.step()
			}
			h.check()
		})
	})
}

// check compares the whole of what is stored with the model: a transaction that
// somebody scanned and that ended has one usage record, and only an executed one
// has a result.
func (h *history) check() {
	ctx := context.Background()
	h.Clock.Advance(20 * time.Minute)
	h.tick()
	if err := h.Scans.Sweep(ctx); err != nil {
		h.rt.Fatal(err)
	}
	all, err := h.Usages.List(ctx, account.Scope{Account: h.p.Account}, usage.Filter{}, usage.Page{})
	if err != nil {
		h.rt.Fatal(err)
	}
	records := map[string]string{}
	for _, u := range all {
		if _, twice := records[u.Ref]; twice {
			h.rt.Fatalf("two records of %s", u.Ref)
		}
		records[u.Ref] = u.Outcome
	}
	for id, want := range h.ends {
		st, err := h.Scans.Status(ctx, h.platform.Code, id, true)
		if err != nil {
			h.rt.Fatal(err)
		}
		if want == "" { // left behind by a newer one
			want = scan.Expired
		}
		if st.State != want || (st.Signed != nil) != (want == scan.Executed) {
			h.rt.Fatalf("%s is %s with result %v, want %s", id, st.State, st.Signed != nil, want)
		}
		if got := records["scan:"+id+":1"]; got != string(*st.Result) {
			h.rt.Fatalf("record of %s says %q, it ended %s", id, got, *st.Result)
		}
	}
	if len(records) != len(h.ends) {
		h.rt.Fatalf("%d records of %d transactions", len(records), len(h.ends))
	}
}
