package scan

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// The rotation of QR codes (docs/domain.md §1.9): a new one every slot, each dead
// tokenLife after its slot began.
const (
	slot      = 10 * time.Second
	tokenLife = 15 * time.Second
)

// QR is one QR code (二维码) of a transaction.
type QR struct {
	// Text is an https address of the house whose fragment is the token, so that
	// no log and no Referer carries it.
	Text string
	// RotatesAt is when the next code is due; this one dies 5 s later.
	RotatesAt time.Time
	// ExpiresAt is when the transaction ends.
	ExpiresAt time.Time
}

// QR gives the present code of a transaction that nobody has scanned; otherwise
// CodeQRClosed. It writes nothing: a token is sealed state.
func (s *Service) QR(ctx context.Context, platform, id string) (QR, error) {
	now := s.Clock.Now()
	var t Transaction
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		t, err = s.OfPlatform(ctx, tx, platform, id)
		if err == nil && t.at(now).State != Created {
			err = CodeQRClosed
		}
		return err
	})
	if err != nil {
		return QR{}, err
	}
	n := now.UnixMilli() / slot.Milliseconds()
	token, err := s.token(id, n)
	if err != nil {
		return QR{}, err
	}
	began := time.UnixMilli(n * slot.Milliseconds()).UTC()
	return QR{s.prefix() + token, began.Add(slot), t.ExpiresAt}, nil
}

func (s *Service) prefix() string { return s.AppURL + "/s#k=" }

var tokenPlace = secret.Place{Table: "scan", Column: "qr"}

const uuidSize = 16

// token seals a slot and an id: 4 bytes, the id's 16 random bytes, the
// platform's code.
func (s *Service) token(id string, n int64) (string, error) {
	platform, uuid := id[:len(id)-2*uuidSize], id[len(id)-2*uuidSize:]
	raw, err := hex.DecodeString(uuid)
	if err != nil {
		return "", err
	}
	plain := binary.BigEndian.AppendUint32(nil, uint32(n))
	plain = append(append(plain, raw...), platform...)
	sealed, err := s.Box.Seal(tokenPlace, plain)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// read gives the id in a scanned text: CodeQRUnknown for anything that this
// house did not make, CodeQRExpired for a token that is dead.
func (s *Service) read(text string, now time.Time) (string, error) {
	token, ours := strings.CutPrefix(text, s.prefix())
	if !ours || len(token) > 200 {
		return "", CodeQRUnknown
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", CodeQRUnknown.Because(err)
	}
	plain, err := s.Box.Open(tokenPlace, sealed)
	if err != nil || len(plain) < 4+uuidSize {
		return "", CodeQRUnknown.Because(err)
	}
	began := time.UnixMilli(int64(binary.BigEndian.Uint32(plain)) * slot.Milliseconds())
	if !now.Before(began.Add(tokenLife)) {
		return "", CodeQRExpired
	}
	return string(plain[4+uuidSize:]) + hex.EncodeToString(plain[4:4+uuidSize]), nil
}
