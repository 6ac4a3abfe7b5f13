package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/splitkey"
)

type refreshing struct {
	ID          string                `json:"id"`
	Reply       splitkey.RefreshReply `json:"reply"`
	KeyIDs      []string              `json:"keyIDs"`
	ServerNonce []byte                `json:"serverNonce"`
	Operations  []string              `json:"operations"`
}

// ChangePIN changes the PIN (修改 PIN 码, 2.7.4): the old one is proved once, every
// key of the phone gets new shares of the same public key, and the server makes
// all of them current at once (docs/split-keys.md §2.5). Until then the old PIN
// is the PIN; Settle takes up what a break left behind.
func (p *Phone) ChangePIN(ctx context.Context, old, fresh string) error {
	return p.changePIN(ctx, p.Enter(old), p.Enter(fresh))
}

func (p *Phone) changePIN(ctx context.Context, before, after *Entry) error {
	before.keep, after.keep = false, false
	defer before.Wipe()
	defer after.Wipe()
	if err := splitkey.CheckPIN(string(after.pin), "", ""); err != nil {
		return err
	}
	if err := p.Settle(ctx); err != nil {
		return err
	}
	var change struct {
		OpID string `json:"opID"`
	}
	if err := p.post(ctx, "/pin/change", nil, &change); err != nil {
		return err
	}
	p.stage("proving")
	var agreed splitkey.ConfirmMessage
	if _, err := p.sign(ctx, change.OpID, before, splitkey.PurposePIN, func(o Offer) (err error) {
		if agreed, err = splitkey.ParseConfirmMessage(o.M); err != nil {
			return errors.Join(ErrMismatch, err)
		}
		if err := p.covers(o.KeyID, agreed.KeyIDs); err != nil {
			return err
		}
		sum := sm3.Sum([]byte(change.OpID))
		return p.confirms(splitkey.ConfirmMessage{ID: splitkey.IDRefresh, Purpose: "refresh", Object: sum[:], KeyIDs: agreed.KeyIDs})(o)
	}); err != nil {
		return err
	}
	p.stage("making-keys")
	next, operations, err := p.derive(ctx, change.OpID, agreed, before, after)
	if err != nil {
		return err
	}
	after.records = next
	for i, op := range operations {
		p.count("refreshing", i+1, len(operations))
		if err := p.proveNew(ctx, op, after, next[i]); err != nil {
			return err
		}
	}
	if err := p.post(ctx, "/pin/change/"+p.state.Refresh+"/flip", nil, nil); err != nil {
		if refusal(err) {
			return err
		}
		// The answer may have been lost on its way: only the server knows.
		if flipped, settleErr := p.settle(ctx); settleErr != nil || !flipped {
			return err
		}
		return nil
	}
	return p.promote()
}

// covers says that a change of PIN concerns this phone's keys and no other: the
// PIN key, and the encryption key of every certificate, present or past, that is here. A key left
// out would stay under the old PIN. The order is the server's. A signing key may
// be gone, its certificate revoked; a broken installation may have left one.
func (p *Phone) covers(pin string, keyIDs []string) error {
	for _, id := range keyIDs {
		if _, err := p.state.record(id); err != nil {
			return err
		}
	}
	want := append([]string{pin}, p.state.Redealt...)
	for _, h := range p.state.Held {
		if h.SignCertificate != nil {
			want = append(want, h.EncKey)
		}
	}
	for _, id := range want {
		if !slices.Contains(keyIDs, id) {
			return fmt.Errorf("%w: a key is left out", ErrMismatch)
		}
	}
	return nil
}

// derive agrees on new shares with the server and writes their records beside
// the old ones, in the order of the agreed keys.
func (p *Phone) derive(ctx context.Context, opID string, m splitkey.ConfirmMessage, before, after *Entry) ([]splitkey.Record, []string, error) {
	var current []splitkey.Record
	for _, id := range m.KeyIDs {
		r, err := p.state.record(id)
		if err != nil {
			return nil, nil, err
		}
		current = append(current, r)
	}
	c := splitkey.RefreshContext{Account: p.state.Account, Device: p.thumbprint(), OpID: opID, ServerNonce: m.ServerNonce, KeyIDs: m.KeyIDs}
	state, request, err := splitkey.StartRefresh(p.Rand, c)
	if err != nil {
		return nil, nil, err
	}
	defer state.Wipe()
	var r refreshing
	if err := p.sealed(ctx, "/pin/change/"+opID+"/refresh", "", "", request, &r); err != nil {
		return nil, nil, err
	}
	if !slices.Equal(r.KeyIDs, m.KeyIDs) || !bytes.Equal(r.ServerNonce, m.ServerNonce) || len(r.Operations) != len(m.KeyIDs) {
		return nil, nil, fmt.Errorf("%w: other keys than were confirmed", ErrMismatch)
	}
	fresh, err := state.Finish(r.Reply)
	if err != nil {
		return nil, nil, err
	}
	defer fresh.Wipe()
	was, err := p.stretch(before, before.pepper)
	if err != nil {
		return nil, nil, err
	}
	is, err := splitkey.Stretch(after.pin, p.state.DeviceSalt, before.pepper)
	if err != nil {
		return nil, nil, err
	}
	after.stretched = is
	next, err := fresh.Records(p.Rand, p.Device(), was, is, current)
	if err != nil {
		return nil, nil, err
	}
	p.state.Next, p.state.Refresh = next, r.ID
	return next, r.Operations, p.save()
}

// proveNew proves one new share with the new PIN.
func (p *Phone) proveNew(ctx context.Context, opID string, e *Entry, r splitkey.Record) error {
	same := func(o Offer) error {
		if o.KeyID != r.KeyID {
			return fmt.Errorf("%w: the proof is for another key", ErrMismatch)
		}
		return nil
	}
	if r.Purpose == splitkey.PurposeEncrypt {
		_, err := p.decrypt(ctx, opID, e, same)
		return err
	}
	sum := sm3.Sum([]byte(p.state.Refresh))
	want := splitkey.ConfirmMessage{ID: splitkey.IDTrial, Purpose: "refresh", Object: sum[:], KeyIDs: []string{r.KeyID}}
	_, err := p.sign(ctx, opID, e, r.Purpose, func(o Offer) error {
		return errors.Join(p.confirms(want)(o), same(o))
	})
	return err
}

func (p *Phone) promote() error {
	for _, r := range p.state.Next {
		p.state.put(r)
	}
	p.state.Next, p.state.Refresh = nil, ""
	p.mu.Lock()
	p.kept = nil
	p.mu.Unlock()
	return p.save()
}

// Settle asks which set of records is under the PIN, if a change of it broke
// off, and deletes the other: two masked records of one share never stay.
func (p *Phone) Settle(ctx context.Context) error {
	_, err := p.settle(ctx)
	return err
}

// settle says whether the new set is in force.
func (p *Phone) settle(ctx context.Context) (flipped bool, err error) {
	if p.state.Refresh == "" {
		return false, nil
	}
	var current struct {
		Set string `json:"set"`
	}
	if err := p.get(ctx, "/pin/set", &current); err != nil {
		return false, err
	}
	if current.Set == p.state.Refresh {
		return true, p.promote()
	}
	p.state.Next, p.state.Refresh = nil, ""
	return false, p.save()
}
