package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"tianweitong/internal/id"
)

// Cost is what stretching one password takes (argon2id, RFC 9106).
type Cost struct {
	Passes uint32
	Memory uint32 // KiB
	Lanes  uint8
}

// DefaultCost is the second recommended option of RFC 9106 §4.
var DefaultCost = Cost{Passes: 3, Memory: 64 << 10, Lanes: 4}

const (
	saltSize = 16
	sumSize  = 32
	// atOnce bounds how many passwords are stretched at a time: 256 MiB at
	// DefaultCost.
	atOnce = 4
)

// stretcher stretches passwords, a few at a time.
type stretcher struct {
	places chan struct{}
	key    func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

func newStretcher() *stretcher {
	return &stretcher{places: make(chan struct{}, atOnce), key: argon2.IDKey}
}

// stretched is a password as stored, in the form of the argon2 reference program:
// $argon2id$v=19$m=65536,t=3,p=4$salt$sum.
type stretched struct {
	cost      Cost
	salt, sum []byte
}

var errStretched = errors.New("account: a stored password is malformed")

func (p stretched) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.Memory, p.cost.Passes, p.cost.Lanes, b64(p.salt), b64(p.sum))
}

func parseStretched(s string) (p stretched, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errStretched
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.cost.Memory, &p.cost.Passes, &p.cost.Lanes); err != nil || p.cost.Passes == 0 || p.cost.Lanes == 0 {
		return p, errStretched
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return p, errStretched
	}
	sum, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(salt) != saltSize || len(sum) != sumSize {
		return p, errStretched
	}
	p.salt, p.sum = salt, sum
	return p, nil
}

// stretch computes a password's sum, when a place is free.
func (s *stretcher) stretch(ctx context.Context, password string, salt []byte, c Cost) ([]byte, error) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return nil, CodePasswordBusy.Because(ctx.Err())
	}
	defer func() { <-s.places }()
	return s.key([]byte(password), salt, c.Passes, c.Memory, c.Lanes, sumSize), nil
}

// stretch gives a new password as it is stored.
func (s *Service) stretch(ctx context.Context, password string) (string, error) {
	p := stretched{cost: s.Cost, salt: id.Bytes(s.Rand, saltSize)}
	var err error
	p.sum, err = s.stretcher.stretch(ctx, password, p.salt, p.cost)
	return p.String(), err
}

// matches compares a password with a stored one. It computes as much when nothing
// is stored, so that its time does not tell who has a password. old says that
// the stored one was stretched at another cost than today's.
func (s *Service) matches(ctx context.Context, password, stored string) (right, old bool, err error) {
	p := stretched{cost: s.Cost, salt: make([]byte, saltSize), sum: make([]byte, sumSize)}
	if stored != "" {
		if p, err = parseStretched(stored); err != nil {
			return false, false, err
		}
	}
	sum, err := s.stretcher.stretch(ctx, password, p.salt, p.cost)
	if err != nil {
		return false, false, err
	}
	equal := subtle.ConstantTimeCompare(sum, p.sum) == 1
	return equal && stored != "", p.cost != s.Cost, nil
}
