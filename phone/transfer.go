package phone

import (
	"context"

	"tianweitong/splitkey"
)

// Transfer makes a member the administrator of an enterprise in the caller's place
// (企业管理员变更, M§2.4.4). The PIN confirms enterprise and member.
func (p *Phone) Transfer(ctx context.Context, enterprise, member, pin string) error {
	return p.transfer(ctx, enterprise, member, p.Enter(pin))
}

func (p *Phone) transfer(ctx context.Context, enterprise, member string, e *Entry) error {
	defer e.Wipe()
	var t struct {
		OpID string `json:"opID"`
	}
	if err := p.post(ctx, "/enterprises/"+enterprise+"/transfer/pin", map[string]string{"member": member}, &t); err != nil {
		return err
	}
	want := splitkey.ConfirmMessage{ID: splitkey.IDPIN, Purpose: "transfer", Object: object([]byte(enterprise), []byte(member))}
	_, err := p.sign(ctx, t.OpID, e, splitkey.PurposePIN, p.confirms(want))
	return err
}
