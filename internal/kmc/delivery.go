package kmc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrMalformed says that a message of the centre cannot be read.
var ErrMalformed = errors.New("kmc: malformed message")

// Delivery is what the centre sends to custody, SM2-encrypted to custody's
// transport key: the share b with what it was dealt for, so that it cannot be
// passed off as another's.
type Delivery struct {
	PublicKey []byte `json:"publicKey"` // Pe, 65 bytes
	Share     []byte `json:"share"`     // b, 32 bytes
	Account   string `json:"account"`
	Device    string `json:"device"`
	// Enrolment of the co-signed certificate request, or the keys that the PIN key
	// wanted dealt again.
	Enrolment string   `json:"enrolment,omitempty"`
	KeyIDs    []string `json:"keyIDs,omitempty"`
}

// ParseDelivery reads a delivery that custody has decrypted; otherwise
// ErrMalformed.
func ParseDelivery(b []byte) (Delivery, error) {
	var d Delivery
	if err := json.Unmarshal(b, &d); err != nil {
		return Delivery{}, ErrMalformed // the cause could quote the share
	}
	if len(d.PublicKey) != 65 || len(d.Share) != 32 || (d.Enrolment == "") == (len(d.KeyIDs) == 0) {
		return Delivery{}, fmt.Errorf("%w: delivery", ErrMalformed)
	}
	return d, nil
}
