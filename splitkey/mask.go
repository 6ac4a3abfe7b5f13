package splitkey

import (
	"crypto/pbkdf2"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm3"
)

// stretchRounds is the count of PBKDF2-HMAC-SM3 (GM/T 0091: at least 1024). It
// matters only after the server's secrets were stolen (docs/split-keys.md §3.1).
const stretchRounds = 10_000

// Purpose says what a masked share is for; it is hashed into its mask.
type Purpose string

// The purposes of shares.
const (
	PurposeSign    Purpose = "sign"
	PurposePIN     Purpose = "pin"
	PurposeEncrypt Purpose = "encrypt"
)

// Record is what the phone stores of one share: c = share + f(PIN) mod n. It
// holds nothing that tells a right PIN from a wrong one (docs/split-keys.md §3.1).
type Record struct {
	unlogged
	KeyID     string  `json:"keyID"`
	Purpose   Purpose `json:"purpose"`
	PublicKey []byte  `json:"publicKey"` // P or Pe, 65 bytes
	Salt      []byte  `json:"salt"`      // 32 bytes, fresh for every masking
	Masked    []byte  `json:"masked"`    // c, 32 bytes
}

// Stretched is a PIN after the one slow step of its entry. Wipe it with the PIN.
type Stretched struct {
	secret
	key [32]byte
}

// Stretch runs PBKDF2-HMAC-SM3 once for one PIN entry, over the length-prefixed
// PIN as password and the length-prefixed device salt and pepper as salt
// (docs/split-keys.md §3.1). deviceSalt has at least 32 bytes and never leaves
// the phone; pepper has 32 and comes in a sealed reply. The PIN's form is not
// judged here: see CheckPIN.
func Stretch(pin, deviceSalt, pepper []byte) (*Stretched, error) {
	if len(pin) == 0 || len(pin) > 64 {
		return nil, fmt.Errorf("%w: PIN of %d bytes", ErrMalformed, len(pin))
	}
	if len(deviceSalt) < SaltSize || len(deviceSalt) > maxID {
		return nil, fmt.Errorf("%w: device salt of %d bytes", ErrMalformed, len(deviceSalt))
	}
	if err := checkSize("pepper", pepper, PepperSize); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(sm3.New, string(prefixed(pin)), prefixed(deviceSalt, pepper), stretchRounds, 32)
	if err != nil {
		return nil, fmt.Errorf("splitkey: stretch: %w", err)
	}
	s := &Stretched{key: [32]byte(key)}
	clear(key)
	return s, nil
}

// Wipe forgets the stretched PIN.
func (s *Stretched) Wipe() { clear(s.key[:]) }

// mask is f = H2S("mask", purpose, keyID, device, salt, stretch).
func (s *Stretched) mask(device string, p Purpose, keyID string, salt []byte) (scalar, error) {
	if s == nil || s.key == [32]byte{} {
		return scalar{}, ErrSpent
	}
	if p != PurposeSign && p != PurposePIN && p != PurposeEncrypt {
		return scalar{}, fmt.Errorf("%w: purpose of a share", ErrMalformed)
	}
	if err := checkIDs("device", device, "key ID", keyID); err != nil {
		return scalar{}, err
	}
	if err := checkSize("salt", salt, SaltSize); err != nil {
		return scalar{}, err
	}
	return hashToScalar("mask", []byte(p), []byte(keyID), []byte(device), salt, s.key[:]), nil
}

// Mask returns the record c = share + f mod n under a fresh salt. A share may
// be masked once: two records of one share give both PINs (docs/split-keys.md
// §3.2), so a repeated installation deals, and a change of PIN refreshes.
func (s *Stretched) Mask(rand io.Reader, device string, p Purpose, keyID string, publicKey []byte, share *Secret) (Record, error) {
	if err := share.check(); err != nil {
		return Record{}, err
	}
	if err := CheckPoint(publicKey); err != nil {
		return Record{}, err
	}
	salt := make([]byte, SaltSize)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRandom, err)
	}
	f, err := s.mask(device, p, keyID, salt)
	if err != nil {
		return Record{}, err
	}
	defer clear(f[:])
	c := share.s.add(&f)
	return Record{KeyID: keyID, Purpose: p, PublicKey: append([]byte(nil), publicKey...), Salt: salt, Masked: c[:]}, nil
}

// Unmask returns share = c − f mod n. Every PIN gives a share; only the server
// can tell the right one. ErrMalformed means a damaged record, whatever the PIN.
func (s *Stretched) Unmask(device string, r Record) (*Secret, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	f, err := s.mask(device, r.Purpose, r.KeyID, r.Salt)
	if err != nil {
		return nil, err
	}
	defer clear(f[:])
	c := reduce(r.Masked)
	share := c.sub(&f)
	if share.isZero() { // once in 2^256; a constant keeps it a wrong share
		share = scalar{ScalarSize - 1: 1}
	}
	return &Secret{s: share}, nil
}

// Check reports whether the record is whole: sizes, a valid public key, a
// canonical c. It needs no PIN and says nothing about one. ErrMalformed
// otherwise: the key is lost (密钥丢失) and is re-keyed.
func (r Record) Check() error {
	if err := checkIDs("key ID", r.KeyID); err != nil {
		return err
	}
	if err := checkSize("salt", r.Salt, SaltSize); err != nil {
		return err
	}
	if err := checkSize("masked share", r.Masked, ScalarSize); err != nil {
		return err
	}
	if c := reduce(r.Masked); string(c[:]) != string(r.Masked) {
		return fmt.Errorf("%w: masked share out of range", ErrMalformed)
	}
	return CheckPoint(r.PublicKey)
}
