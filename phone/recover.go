package phone

import (
	"context"
	"fmt"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/splitkey"
)

// Recovery is a running re-key (补办恢复).
type Recovery struct {
	ID    string `json:"id"`
	State string `json:"state"`
	// Certificates want a re-key; Keys counts the encryption keys besides that
	// want to be dealt anew. Both are told once the new PIN is set.
	Certificates []string `json:"certificates"`
	Keys         int      `json:"keys"`
}

// StartRecovery begins a re-key on this phone with an SMS code of purpose
// "recover"; a live face check follows (SendFace with path "/recoveries").
func (p *Phone) StartRecovery(ctx context.Context, ticket, code string) (Recovery, error) {
	var r Recovery
	return r, p.post(ctx, "/recoveries", map[string]string{"ticket": ticket, "code": code}, &r)
}

// Recovery asks how far a re-key has come.
func (p *Phone) Recovery(ctx context.Context, id string) (Recovery, error) {
	var r Recovery
	return r, p.get(ctx, "/recoveries/"+id, &r)
}

// AwaitRecovery waits until a re-key has one of the states.
func (p *Phone) AwaitRecovery(ctx context.Context, id string, states ...string) (Recovery, error) {
	var r Recovery
	err := await(ctx, "the recovery", func() (done bool, err error) {
		r, err = p.Recovery(ctx, id)
		for _, s := range states {
			done = done || r.State == s
		}
		return done, err
	})
	return r, err
}

// ResetPIN sets the new PIN of a re-key on this phone. Records of earlier keys
// are worthless from here on and are deleted.
func (p *Phone) ResetPIN(ctx context.Context, recovery, pin, second string) error {
	first := p.Enter(pin)
	defer first.Wipe()
	return p.resetPIN(ctx, recovery, first, p.Enter(second))
}

func (p *Phone) resetPIN(ctx context.Context, recovery string, first, again *Entry) error {
	defer again.Wipe()
	if err := splitkey.CheckPIN(string(first.pin), "", ""); err != nil {
		return err
	}
	p.state.keep()
	p.state.Held, p.state.Redealt = nil, nil
	p.state.Next, p.state.Refresh = nil, ""
	if err := p.save(); err != nil {
		return err
	}
	p.mu.Lock()
	p.kept = nil
	p.mu.Unlock()
	return p.newPIN(ctx, recovery, "/recoveries/"+recovery+"/proof", "reset", first, again)
}

// Recover is a whole re-key after the face check: the new PIN, then everything
// that hangs on it. What breaks off after the PIN is set, Resume goes on with.
func (p *Phone) Recover(ctx context.Context, recovery, pin, second string) error {
	return p.recover(ctx, recovery, p.Enter(pin), p.Enter(second))
}

func (p *Phone) recover(ctx context.Context, recovery string, first, again *Entry) error {
	defer first.Wipe()
	defer again.Wipe()
	r, err := p.Recovery(ctx, recovery)
	if err != nil {
		return err
	}
	if r.State != "pinned" && r.State != "done" { // else the answer that told so was lost
		if err := p.resetPIN(ctx, recovery, first, again); err != nil {
			return err
		}
	}
	return p.bringBack(ctx, recovery, first)
}

// Resume goes on with a re-key whose new PIN is set: with the certificates and
// encryption keys that are not back yet. One entry of the PIN serves for all.
func (p *Phone) Resume(ctx context.Context, recovery, pin string) error {
	e := p.Enter(pin)
	defer e.Wipe()
	return p.bringBack(ctx, recovery, e)
}

func (p *Phone) bringBack(ctx context.Context, recovery string, e *Entry) error {
	r, err := p.Recovery(ctx, recovery)
	if err != nil {
		return err
	}
	for i, certificate := range r.Certificates {
		p.count("certificate", i+1, len(r.Certificates))
		if _, err := p.install(ctx, certificate, e); err != nil {
			return err
		}
	}
	if r.Keys == 0 {
		return nil
	}
	return p.redeal(ctx, e)
}

// Redeal brings back the encryption keys that no certificate covers any more,
// without which old envelopes stay shut (历史加密密钥恢复, docs/split-keys.md §2.6).
func (p *Phone) Redeal(ctx context.Context, pin string) error {
	e := p.Enter(pin)
	defer e.Wipe()
	return p.redeal(ctx, e)
}

func (p *Phone) redeal(ctx context.Context, e *Entry) error {
	enrolKey, enrolPoint, err := p.enrolmentKey()
	if err != nil {
		return err
	}
	defer enrolKey.Wipe()
	var r struct {
		ID     string   `json:"id"`
		OpID   string   `json:"opID"`
		KeyIDs []string `json:"keyIDs"`
	}
	if err := p.post(ctx, "/redealings", map[string]any{"enrolmentKey": enrolPoint}, &r); err != nil {
		if IsCode(err, "redeal_not_needed") {
			return nil
		}
		return err
	}
	p.stage("proving")
	sum := sm3.Sum(enrolPoint)
	want := splitkey.ConfirmMessage{ID: splitkey.IDPIN, Purpose: "redeal", Object: sum[:], KeyIDs: r.KeyIDs}
	if _, err := p.sign(ctx, r.OpID, e, splitkey.PurposePIN, p.confirms(want)); err != nil {
		return err
	}
	p.stage("delivering")
	var out struct {
		Deliveries []delivery `json:"deliveries"`
	}
	if err := p.sealed(ctx, "/redealings/"+r.ID+"/delivery", "", "", struct{}{}, &out); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, id := range r.KeyIDs {
		wanted[id] = true
	}
	for i, d := range out.Deliveries {
		if !wanted[d.KeyID] {
			return fmt.Errorf("%w: a key that was not asked for", ErrMismatch)
		}
		wanted[d.KeyID] = false
		p.count("redealing", i+1, len(out.Deliveries))
		if err := p.receive(ctx, d, enrolKey, e); err != nil {
			return err
		}
		p.state.redealt(d.KeyID)
		if err := p.save(); err != nil {
			return err
		}
	}
	return nil
}
