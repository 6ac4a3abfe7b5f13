package custody_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"tianweitong/internal/custody"
	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/custody/ladder"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

const newPIN = "839165"

// change is a phone on its way through a change of PIN.
type change struct {
	*stage
	op   string
	set  custody.Refreshing
	next map[string]splitkey.Record // the new records, beside the old ones
}

func (c *change) authorise(t testing.TB) error {
	c.op = id.New(rand.Reader)
	return c.try(t, func(ctx context.Context, tx work.Tx) error {
		return c.m.AuthoriseRefresh(ctx, tx, c.phone.Holder, c.op, "pin.change", "change-1", c.clock.Now().Add(10*time.Minute))
	})
}

func (c *change) prove(t testing.TB, pin string) error {
	_, err := c.phone.Perform(t.Context(), c.op, pin, nil)
	return err
}

// begin runs both sides' derivation; the phone's new records are durable before
// it sends anything more.
func (c *change) begin(t testing.TB) error {
	t.Helper()
	ctx := t.Context()
	o := must(c.m.Activation(ctx, c.phone.Holder, c.op))(t)
	list := must(splitkey.ParseConfirmMessage(o.M))(t)
	start, request, err := splitkey.StartRefresh(rand.Reader, splitkey.RefreshContext{
		Account: c.phone.Holder.Account, Device: list.Device, OpID: c.op, ServerNonce: list.ServerNonce, KeyIDs: list.KeyIDs,
	})
	ok(t, err)
	if c.set, err = c.m.BeginRefresh(ctx, c.phone.Holder, c.op, request, "pin.refresh", custodytest.Certificate); err != nil {
		return err
	}
	fresh := must(start.Finish(c.set.Reply))(t)
	defer fresh.Wipe()
	pepper := must(c.m.Open(ctx, c.phone.Holder, c.confirm(t)))(t).Pepper
	before := must(c.phone.Stretch(c.phone.PIN, pepper))(t)
	after := must(c.phone.Stretch(newPIN, pepper))(t)
	var old []splitkey.Record
	for _, k := range c.set.KeyIDs {
		old = append(old, c.phone.Records[k])
	}
	c.next = map[string]splitkey.Record{}
	for _, r := range must(fresh.Records(rand.Reader, c.phone.Holder.Device, before, after, old))(t) {
		c.next[r.KeyID] = r
	}
	return nil
}

// proveNew proves the new share of one key.
func (c *change) proveNew(t testing.TB, i int, pin string) error {
	ctx := t.Context()
	o, err := c.m.Open(ctx, c.phone.Holder, c.set.Operations[i])
	if err != nil {
		return err
	}
	a := must(c.phone.AnswerWith(o, pin, c.next[o.KeyID]))(t)
	_, err = c.m.Answer(ctx, c.phone.Holder, o.OpID, a, nil)
	return err
}

func (c *change) flip(t testing.TB) error {
	return c.try(t, func(ctx context.Context, tx work.Tx) error {
		return c.m.FlipRefresh(ctx, tx, c.phone.Holder, c.set.ID)
	})
}

// settle is the phone's next start: it keeps the set that is current.
func (c *change) settle(t testing.TB) (changed bool) {
	t.Helper()
	set := must(c.m.CurrentSet(t.Context(), c.phone.Holder))(t)
	if c.set.ID != "" && set == c.set.ID {
		maps.Copy(c.phone.Records, c.next)
		c.phone.PIN = newPIN
		changed = true
	}
	c.next = nil
	return changed
}

// fiveKeys are the PIN key, two signing keys and two encryption keys.
func fiveKeys(t testing.TB, s *stage) (ids []string) {
	t.Helper()
	centre := custodytest.KMC(t, s.m, s.clock)
	ids = []string{s.pin}
	for range 2 {
		k := must(s.phone.Install(t.Context(), centre))(t)
		ids = append(ids, k.Sign, k.Encrypt)
	}
	return ids
}

// works counts the keys that answer a PIN with the given records.
func (s *stage) works(t testing.TB, ids []string, pin string, records map[string]splitkey.Record) (right int) {
	t.Helper()
	ctx := t.Context()
	for _, k := range ids {
		var op string
		switch r := records[k]; r.Purpose {
		case splitkey.PurposePIN:
			op = s.confirm(t)
		case splitkey.PurposeSign:
			op = must(s.phone.Document(ctx, k, "s", "x"))(t)
		case splitkey.PurposeEncrypt:
			op = must(s.phone.Trial(ctx, k, "s", r.PublicKey))(t)
		}
		o := must(s.m.Open(ctx, s.phone.Holder, op))(t)
		a := must(s.phone.AnswerWith(o, pin, records[k]))(t)
		_, err := s.m.Answer(ctx, s.phone.Holder, op, a, nil)
		if err == nil {
			right++
			continue
		}
		refused(t, err, custody.CodeWrongPIN)
		// Start the run afresh, so that the test is not locked out.
		s.do(t, func(ctx context.Context, tx work.Tx) error {
			acc, err := s.st.Custody().LockAccount(ctx, tx, s.phone.Holder.Account)
			if err != nil {
				return err
			}
			acc.Ladder = ladder.Ladder{Next: acc.Ladder.Next}
			return s.st.Custody().PutAccount(ctx, tx, acc)
		})
	}
	return right
}

func TestChangeOfPIN(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ids := fiveKeys(t, s)
		before := maps.Clone(s.phone.Records)
		c := &change{stage: s}
		ok(t, c.authorise(t))
		ok(t, c.prove(t, s.phone.PIN))
		ok(t, c.begin(t))
		if len(c.set.KeyIDs) != len(ids) {
			t.Fatalf("%d keys refreshed, want %d", len(c.set.KeyIDs), len(ids))
		}
		for i := range ids {
			refused(t, c.flip(t), custody.CodeRefresh) // not all proved
			ok(t, c.proveNew(t, i, newPIN))
		}
		ok(t, c.flip(t))
		ok(t, c.flip(t))
		if !c.settle(t) {
			t.Fatal("the new set is not current")
		}
		if got := s.works(t, ids, newPIN, s.phone.Records); got != len(ids) {
			t.Fatalf("%d keys answer the new PIN", got)
		}
		if got := s.works(t, ids, "274950", before); got != 0 {
			t.Fatalf("%d keys still answer the old PIN", got)
		}
	})
}

// TestChangeOfPINKilledAtEveryStepLeavesOnePIN: over five keys, after every step
// of phone and server, all keys answer one PIN and none the other.
func TestChangeOfPINKilledAtEveryStepLeavesOnePIN(t *testing.T) {
	killed := errors.New("killed")
	steps := []string{"authorised", "proved", "derived", "begun", "new-0", "new-2", "new-4", "flipped"}
	for _, last := range steps {
		t.Run(last, func(t *testing.T) {
			each(t, func(t *testing.T, s *stage) {
				ids := fiveKeys(t, s)
				before := maps.Clone(s.phone.Records)
				c := &change{stage: s}
				s.m.Interrupt(func(step string) error {
					if step == last {
						return killed
					}
					return nil
				})
				run := []struct {
					name string
					do   func() error
				}{
					{"authorised", func() error { return c.authorise(t) }},
					{"proved", func() error { return c.prove(t, s.phone.PIN) }},
					{"begun", func() error { return c.begin(t) }},
				}
				for i := range ids {
					run = append(run, struct {
						name string
						do   func() error
					}{fmt.Sprintf("new-%d", i), func() error { return c.proveNew(t, i, newPIN) }})
				}
				run = append(run, struct {
					name string
					do   func() error
				}{"flipped", func() error { return c.flip(t) }})
				for _, r := range run {
					err := r.do()
					if errors.Is(err, killed) {
						break
					}
					ok(t, err)
					if r.name == last {
						break
					}
				}
				abandoned := maps.Clone(c.next)
				s.restart(t)
				changed := c.settle(t)
				if changed != (last == "flipped") {
					t.Fatalf("changed = %v", changed)
				}
				if got := s.works(t, ids, s.phone.PIN, s.phone.Records); got != len(ids) {
					t.Fatalf("%d keys answer the PIN", got)
				}
				if changed {
					if got := s.works(t, ids, "274950", before); got != 0 {
						t.Fatalf("%d keys answer the old PIN too", got)
					}
					return
				}
				if abandoned != nil {
					if got := s.works(t, ids, newPIN, abandoned); got != 0 {
						t.Fatalf("%d keys answer the abandoned PIN too", got)
					}
				}
				// The change can be made from the start.
				again := &change{stage: s}
				ok(t, again.authorise(t))
				for i, op := range c.set.Operations { // the abandoned set is never proved again
					_, err := s.m.Open(t.Context(), s.phone.Holder, op)
					if !errors.Is(err, custody.CodeOperationOver) {
						t.Fatalf("operation %d of the abandoned set: %v", i, err)
					}
				}
				ok(t, again.prove(t, s.phone.PIN))
				ok(t, again.begin(t))
				for i := range ids {
					ok(t, again.proveNew(t, i, newPIN))
				}
				ok(t, again.flip(t))
				if !again.settle(t) {
					t.Fatal("the second change did not take")
				}
				if got := s.works(t, ids, newPIN, s.phone.Records); got != len(ids) {
					t.Fatalf("%d keys answer the new PIN", got)
				}
			})
		})
	}
}

func TestChangeOfPINWantsTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		c := &change{stage: s}
		ok(t, c.authorise(t))
		start, request, err := splitkey.StartRefresh(rand.Reader, splitkey.RefreshContext{
			Account: "a", Device: make([]byte, 32), OpID: c.op, ServerNonce: make([]byte, 32), KeyIDs: []string{s.pin},
		})
		ok(t, err)
		defer start.Wipe()
		begin := func(op string) error {
			_, err := s.m.BeginRefresh(ctx, s.phone.Holder, op, request, "pin.refresh", custodytest.Certificate)
			return err
		}
		refused(t, begin(c.op), custody.CodeRefresh) // not proved
		refused(t, c.prove(t, wrongPIN), custody.CodeWrongPIN)
		refused(t, begin(c.op), custody.CodeRefresh)
		other := s.confirm(t)
		must(s.phone.Perform(ctx, other, s.phone.PIN, nil))(t)
		refused(t, begin(other), custody.CodeRefresh) // proved, but for something else
		refused(t, begin("unknown"), custody.CodeNoOperation)

		ok(t, c.prove(t, s.phone.PIN))
		refused(t, func() error {
			_, err := s.m.BeginRefresh(ctx, s.phone.Holder, c.op, splitkey.RefreshRequest{E: make([]byte, 65)}, "b", custodytest.Certificate)
			return err
		}(), custody.CodeBadAnswer)
		ok(t, begin(c.op))
		refused(t, begin(c.op), custody.CodeRefresh) // once

		late := &change{stage: s}
		ok(t, late.authorise(t))
		ok(t, late.prove(t, s.phone.PIN))
		s.clock.Advance(10 * time.Minute)
		refused(t, begin(late.op), custody.CodeRefresh)
	})
}

func TestKeysMadeDuringAChangeOfPINDoNotKeepTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, s *stage) {
		ctx := t.Context()
		pending := must(s.phone.Generate(ctx, custody.KindSign, "installation-1"))(t)
		op := must(s.phone.Document(ctx, pending, "installation-1", "x"))(t)
		must(s.phone.Perform(ctx, op, s.phone.PIN, nil))(t)
		c := &change{stage: s}
		ok(t, c.authorise(t))
		ok(t, c.prove(t, s.phone.PIN))
		ok(t, c.begin(t))
		ok(t, c.proveNew(t, 0, newPIN))
		ok(t, c.flip(t))
		refused(t, s.phone.Activate(ctx, pending), custody.CodeKeyUnusable)

		// A key that became active after the list was confirmed stops the flip.
		c.settle(t)
		c = &change{stage: s}
		ok(t, c.authorise(t))
		ok(t, c.prove(t, s.phone.PIN))
		ok(t, c.begin(t))
		must(s.phone.SigningKey(ctx))(t)
		ok(t, c.proveNew(t, 0, newPIN))
		refused(t, c.flip(t), custody.CodeRefresh)
	})
}
