package kmc

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that a message of the centre cannot be read.
var ErrMalformed = errors.New("kmc: malformed message")

// Delivery is what the centre sends to custody, SM2-encrypted to custody's
// transport key: the share b with all that it is for, so that it cannot be
// passed off as another's.
type Delivery struct {
	Ref       string // of the key at the centre
	Account   string
	Device    []byte // thumbprint of the device key
	PublicKey []byte // Pe, 65 bytes
	Share     []byte // b, 32 bytes
}

const tagDelivery = "TWT/kmc/delivery/v1"

// Bytes encodes the delivery. The caller wipes it.
func (d Delivery) Bytes() []byte {
	return prefixed([]byte(tagDelivery), []byte(d.Ref), []byte(d.Account), d.Device, d.PublicKey, d.Share)
}

// ParseDelivery reads what Bytes wrote, and nothing else: otherwise ErrMalformed.
func ParseDelivery(b []byte) (Delivery, error) {
	f, err := fields(b, tagDelivery, 5)
	if err != nil {
		return Delivery{}, err
	}
	return Delivery{Ref: string(f[0]), Account: string(f[1]), Device: f[2], PublicKey: f[3], Share: f[4]}, nil
}

// prefixed joins parts, each behind its length in 4 bytes.
func prefixed(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += 4 + len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// fields reads n parts behind a tag.
func fields(b []byte, tag string, n int) ([][]byte, error) {
	var out [][]byte
	for range n + 1 {
		if len(b) < 4 {
			return nil, ErrMalformed
		}
		size := binary.BigEndian.Uint32(b)
		if uint64(size) > uint64(len(b)-4) {
			return nil, ErrMalformed
		}
		out = append(out, b[4:4+size])
		b = b[4+size:]
	}
	if len(b) != 0 || string(out[0]) != tag {
		return nil, ErrMalformed
	}
	return out[1:], nil
}
