package secret

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
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

var (
	// ErrStretched says that a stored password is malformed.
	ErrStretched = errors.New("secret: a stored password is malformed")
	// ErrBusy says that no place to stretch a password became free in time.
	ErrBusy = errors.New("secret: too many passwords are being stretched")
)

// Stretcher stretches passwords, a few at a time.
type Stretcher struct {
	// Key is argon2.IDKey; tests count by it.
	Key    func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
	places chan struct{}
}

// NewStretcher makes a stretcher.
func NewStretcher() *Stretcher {
	return &Stretcher{places: make(chan struct{}, atOnce), Key: argon2.IDKey}
}

// stretched is a password as stored, in the form of the argon2 reference program:
// $argon2id$v=19$m=65536,t=3,p=4$salt$sum.
type stretched struct {
	cost      Cost
	salt, sum []byte
}

func (p stretched) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.Memory, p.cost.Passes, p.cost.Lanes, b64(p.salt), b64(p.sum))
}

func parseStretched(s string) (p stretched, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, ErrStretched
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.cost.Memory, &p.cost.Passes, &p.cost.Lanes); err != nil || p.cost.Passes == 0 || p.cost.Lanes == 0 {
		return p, ErrStretched
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return p, ErrStretched
	}
	sum, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(salt) != saltSize || len(sum) != sumSize {
		return p, ErrStretched
	}
	p.salt, p.sum = salt, sum
	return p, nil
}

// stretch computes a password's sum, when a place is free.
func (s *Stretcher) stretch(ctx context.Context, password string, salt []byte, c Cost) ([]byte, error) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	defer func() { <-s.places }()
	return s.Key([]byte(password), salt, c.Passes, c.Memory, c.Lanes, sumSize), nil
}

// Stretch gives a new password as it is stored; ErrBusy.
func (s *Stretcher) Stretch(ctx context.Context, rand io.Reader, password string, c Cost) (string, error) {
	p := stretched{cost: c, salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(rand, p.salt); err != nil {
		return "", err
	}
	var err error
	p.sum, err = s.stretch(ctx, password, p.salt, p.cost)
	return p.String(), err
}

// Matches compares a password with a stored one. It computes as much at cost c
// when nothing is stored, so that its time does not tell who has a password. old
// says that the stored one was stretched at another cost than c. Errors: ErrBusy,
// ErrStretched.
func (s *Stretcher) Matches(ctx context.Context, password, stored string, c Cost) (right, old bool, err error) {
	p := stretched{cost: c, salt: make([]byte, saltSize), sum: make([]byte, sumSize)}
	if stored != "" {
		if p, err = parseStretched(stored); err != nil {
			return false, false, err
		}
	}
	sum, err := s.stretch(ctx, password, p.salt, p.cost)
	if err != nil {
		return false, false, err
	}
	equal := subtle.ConstantTimeCompare(sum, p.sum) == 1
	return equal && stored != "", p.cost != c, nil
}
