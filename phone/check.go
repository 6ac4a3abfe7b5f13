package phone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tianweitong/splitkey"
)

// CheckItem is a pending line of a check (检测, 2.7.9): "sign" or "decrypt", with
// the operation that tries it.
type CheckItem struct {
	Name string `json:"name"`
	OpID string `json:"opID"`
}

// BeginCheck has a certificate examined and gives the lines that the phone has
// to try itself.
func (p *Phone) BeginCheck(ctx context.Context, certificate string) ([]CheckItem, error) {
	var out struct {
		Items []CheckItem `json:"items"`
	}
	err := p.post(ctx, "/certificates/"+certificate+"/check", nil, &out)
	return slices.DeleteFunc(out.Items, func(i CheckItem) bool { return i.OpID == "" }), err
}

// Check tries the two keys of a certificate with one entry of the PIN: a trial
// signature and a trial decryption, full proofs and nothing that is kept
// (docs/split-keys.md §2.4). A line that fails is told and the next one tried; what
// says nothing of the keys, a wrong PIN or no network, ends the check.
func (p *Phone) Check(ctx context.Context, certificate string, items []CheckItem, pin string) ([]Stage, error) {
	return p.check(ctx, certificate, items, p.Enter(pin))
}

func (p *Phone) check(ctx context.Context, certificate string, items []CheckItem, e *Entry) ([]Stage, error) {
	defer e.Wipe()
	var out []Stage
	for i, item := range items {
		s := Stage{Name: item.Name, Index: i + 1, Of: len(items)}
		p.tell(s)
		began := p.Now()
		err := p.try(ctx, certificate, item, e)
		s.Outcome, s.Millis = "bad", p.Now().Sub(began).Milliseconds()
		switch {
		case err == nil:
			s.Outcome = "good"
		case errors.Is(err, ErrKeyLost):
			s.Text = "本机找不到该密钥，请办理补办恢复。"
		case errors.Is(err, splitkey.ErrProof), errors.Is(err, splitkey.ErrDecrypt), errors.Is(err, ErrMismatch):
			s.Text = "密钥校验未通过，请办理补办恢复，或联系客服。"
		default:
			return out, err
		}
		p.tell(s)
		out = append(out, s)
	}
	return out, nil
}

func (p *Phone) try(ctx context.Context, certificate string, item CheckItem, e *Entry) error {
	h, ok := p.state.held(certificate)
	switch item.Name {
	case "sign":
		if !ok {
			return ErrKeyLost
		}
		serial, err := p.serial(ctx, certificate)
		if err != nil {
			return err
		}
		want := splitkey.ConfirmMessage{ID: splitkey.IDTrial, Purpose: "check", Object: object([]byte(serial)), KeyIDs: []string{h.SignKey}}
		_, err = p.sign(ctx, item.OpID, e, splitkey.PurposeSign, p.confirms(want))
		return err
	case "decrypt":
		_, err := p.decrypt(ctx, item.OpID, e, func(o Offer) error {
			if (!ok || o.KeyID != h.EncKey) && !slices.Contains(p.state.Redealt, o.KeyID) {
				return ErrKeyLost
			}
			return nil
		})
		return err
	}
	return fmt.Errorf("%w: unknown item %q", ErrMismatch, item.Name)
}
