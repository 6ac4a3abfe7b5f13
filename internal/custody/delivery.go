package custody

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// delivery is what the key-management centre sends to custody, in JSON, SM2-
// encrypted to the transport key (docs/custody.md): the share b with what it was
// dealt for. The centre writes it from a type of its own; the two rooms share
// no code.
type delivery struct {
	PublicKey []byte `json:"publicKey"` // Pe, 65 bytes
	Share     []byte `json:"share"`     // b, 32 bytes
	Account   string `json:"account"`
	Device    string `json:"device"`
	// Enrolment of the co-signed certificate request, or the keys that the PIN key
	// wanted dealt again.
	Enrolment string   `json:"enrolment"`
	KeyIDs    []string `json:"keyIDs"`
}

func parseDelivery(b []byte) (delivery, error) {
	var d delivery
	if json.Unmarshal(b, &d) != nil || len(d.PublicKey) != splitkey.PointSize || len(d.Share) != splitkey.ScalarSize ||
		(d.Enrolment == "") == (len(d.KeyIDs) == 0) {
		return delivery{}, errors.New("custody: malformed delivery") // the cause could quote the share
	}
	return d, nil
}

// openDelivery opens a share that the KMC dealt and holds it against what it
// should be for.
func (m *Module) openDelivery(ctx context.Context, tx work.Tx, h Holder, keyID, subject string, publicKey, sealed []byte) (*splitkey.Secret, error) {
	plain, err := m.house.Received(ctx, tx, sealed)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	defer clear(plain)
	d, err := parseDelivery(plain)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	defer clear(d.Share)
	if err := m.deliveredTo(ctx, tx, d, h, keyID, subject, publicKey); err != nil {
		return nil, err
	}
	b, err := splitkey.ParseSecret(d.Share)
	if err != nil {
		return nil, CodeEnrolment.Because(err)
	}
	return b, nil
}

// deliveredTo holds a delivery against the holder, key and subject that it is to
// serve: by the enrolment of the co-signed request, or by what the PIN key
// confirmed.
func (m *Module) deliveredTo(ctx context.Context, tx work.Tx, d delivery, h Holder, keyID, subject string, publicKey []byte) error {
	other := CodeEnrolment.Becausef("the delivery is for another key or holder")
	if !bytes.Equal(d.PublicKey, publicKey) || d.Account != h.Account || d.Device != h.Device {
		return other
	}
	if d.Enrolment == "" {
		if !slices.Contains(d.KeyIDs, keyID) {
			return other
		}
		return nil
	}
	e, err := m.d.Store.Enrolment(ctx, tx, d.Enrolment)
	if err != nil {
		return unknown(err, CodeEnrolment)
	}
	if e.Holder != h || e.Subject != subject || e.State != EnrolmentUsed {
		return other
	}
	return nil
}
