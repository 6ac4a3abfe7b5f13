package splitkey

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

const (
	sealVersion = "v1"
	sealKeySize = 16       // of K and of an SM4 key
	sealIVSize  = 12       // of GCM
	maxSealed   = 16 << 20 // bytes of one sealed body
)

// AAD is what a sealed exchange is bound to (docs/split-keys.md §2.8). A field
// that does not exist yet is empty. The server fills Method, Path and Device
// from what it saw and authenticated itself.
type AAD struct {
	Kid     string // module key
	Method  string
	Path    string
	OpID    string
	NonceID string
	Device  []byte // thumbprint of the device key
	Time    int64  // Unix seconds
}

func (a AAD) bytes() []byte {
	return prefixed([]byte(sealVersion), []byte(a.Kid), []byte(a.Method), []byte(a.Path), []byte(a.OpID),
		[]byte(a.NonceID), a.Device, binary.BigEndian.AppendUint64(nil, uint64(a.Time)))
}

// SealedRequest is a request body sealed to the module's key.
type SealedRequest struct {
	Version string `json:"v"`
	Kid     string `json:"kid"`
	OpID    string `json:"opID,omitempty"`
	NonceID string `json:"nonceID,omitempty"`
	Time    int64  `json:"time"`
	EK      []byte `json:"ek"`  // SM2 ciphertext of K, ASN.1
	Box     []byte `json:"box"` // SM4-GCM
}

// AAD returns the binding of the request as it arrived under this method and
// path from this device.
func (r SealedRequest) AAD(method, path string, device []byte) AAD {
	return AAD{Kid: r.Kid, Method: method, Path: path, OpID: r.OpID, NonceID: r.NonceID, Device: device, Time: r.Time}
}

// SealedReply is the reply under the same K.
type SealedReply struct {
	Salt []byte `json:"salt"` // 16 fresh bytes of the server
	Box  []byte `json:"box"`
}

// Exchange is one K, on the phone from the request to the reply, on the server
// from the request until its one reply is sealed.
type Exchange struct {
	secret
	k     [sealKeySize]byte
	aad   []byte
	spent atomic.Bool
}

// SealRequest seals a request body to the module's key (65 bytes) under a fresh
// K and returns the exchange that opens the reply (docs/split-keys.md §2.8).
func SealRequest(rand io.Reader, moduleKey []byte, a AAD, plain []byte) (SealedRequest, *Exchange, error) {
	if len(plain) > maxSealed {
		return SealedRequest{}, nil, fmt.Errorf("%w: body of %d bytes", ErrMalformed, len(plain))
	}
	x := &Exchange{aad: a.bytes()}
	if _, err := io.ReadFull(rand, x.k[:]); err != nil {
		return SealedRequest{}, nil, fmt.Errorf("%w: %w", ErrRandom, err)
	}
	wrapped, err := Encrypt(rand, moduleKey, x.k[:])
	if err != nil {
		return SealedRequest{}, nil, err
	}
	ek, err := wrapped.DER()
	if err != nil {
		return SealedRequest{}, nil, err
	}
	aead, iv := x.key("request", nil)
	return SealedRequest{Version: sealVersion, Kid: a.Kid, OpID: a.OpID, NonceID: a.NonceID, Time: a.Time,
		EK: ek, Box: aead.Seal(nil, iv, plain, x.aad)}, x, nil
}

// OpenRequest opens a request body. unwrap is custody's: it decrypts an SM2
// ciphertext with the module's private key, which never comes here. Anything
// that does not open is ErrSealed. The caller compares Time with its clock,
// looks the module key up by a.Kid, and refuses an EK that it saw before.
func OpenRequest(unwrap func(ek []byte) ([]byte, error), a AAD, r SealedRequest) ([]byte, *Exchange, error) {
	if r.Version != sealVersion || len(r.Box) > maxSealed+16 {
		return nil, nil, ErrSealed
	}
	if c, err := ParseCiphertext(r.EK); err != nil || len(c.C2) != sealKeySize {
		return nil, nil, ErrSealed
	}
	k, err := unwrap(r.EK)
	if err != nil || len(k) != sealKeySize {
		return nil, nil, ErrSealed
	}
	x := &Exchange{aad: a.bytes(), k: [sealKeySize]byte(k)}
	clear(k)
	aead, iv := x.key("request", nil)
	plain, err := aead.Open(nil, iv, r.Box, x.aad)
	if err != nil {
		x.Wipe()
		return nil, nil, ErrSealed
	}
	return plain, x, nil
}

// SealReply seals the one reply of the exchange and wipes it; a second call is
// ErrSpent. A fresh salt enters the key: were the whole request replayed to
// another process, two replies still would not share key and IV.
func (x *Exchange) SealReply(rand io.Reader, plain []byte) (SealedReply, error) {
	if len(plain) > maxSealed {
		return SealedReply{}, fmt.Errorf("%w: body of %d bytes", ErrMalformed, len(plain))
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return SealedReply{}, fmt.Errorf("%w: %w", ErrRandom, err)
	}
	if !x.spent.CompareAndSwap(false, true) {
		return SealedReply{}, ErrSpent
	}
	defer x.Wipe()
	aead, iv := x.key("reply", salt)
	return SealedReply{Salt: salt, Box: aead.Seal(nil, iv, plain, x.aad)}, nil
}

// OpenReply opens the reply on the phone and wipes the exchange; a second call
// is ErrSpent. A reply that does not open leaves the exchange usable, so that a
// forged one does not cost the true one.
func (x *Exchange) OpenReply(r SealedReply) ([]byte, error) {
	if x.spent.Load() {
		return nil, ErrSpent
	}
	if len(r.Salt) != 16 || len(r.Box) > maxSealed+16 {
		return nil, ErrSealed
	}
	aead, iv := x.key("reply", r.Salt)
	plain, err := aead.Open(nil, iv, r.Box, x.aad)
	if err != nil {
		return nil, ErrSealed
	}
	if !x.spent.CompareAndSwap(false, true) {
		return nil, ErrSpent
	}
	x.Wipe()
	return plain, nil
}

// Wipe forgets K.
func (x *Exchange) Wipe() {
	x.spent.Store(true)
	clear(x.k[:])
}

// key derives SM4 key and IV: SM3-KDF over the length-prefixed K, label, AAD, salt.
func (x *Exchange) key(label string, salt []byte) (cipher.AEAD, []byte) {
	out := sm3.Kdf(prefixed(x.k[:], []byte(label), x.aad, salt), sealKeySize+sealIVSize)
	block, err := sm4.NewCipher(out[:sealKeySize])
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block has 16 bytes
	}
	clear(out[:sealKeySize])
	return aead, out[sealKeySize:]
}

// ModuleStatement says which module key is current. The service certificate
// signs Bytes; the phone checks the chain to the root it stored at enrolment
// (docs/split-keys.md §2.8).
type ModuleStatement struct {
	Kid  string `json:"kid"`
	Key  []byte `json:"key"`  // 65 bytes
	From int64  `json:"from"` // Unix seconds, included
	To   int64  `json:"to"`   // Unix seconds, excluded
}

const tagModule = "TWT/module/v1"

// Bytes returns the canonical encoding that is signed.
func (m ModuleStatement) Bytes() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return prefixed([]byte(tagModule), []byte(m.Kid), m.Key, encodeInt(m.From), encodeInt(m.To)), nil
}

// ParseModuleStatement reads the canonical encoding strictly.
func ParseModuleStatement(b []byte) (ModuleStatement, error) {
	f, err := parseFields(b, 5, tagModule)
	if err != nil {
		return ModuleStatement{}, err
	}
	m := ModuleStatement{Kid: string(f[1]), Key: f[2]}
	if m.From, err = parseInt(f[3]); err != nil {
		return ModuleStatement{}, err
	}
	if m.To, err = parseInt(f[4]); err != nil {
		return ModuleStatement{}, err
	}
	return m, m.check()
}

func (m ModuleStatement) check() error {
	if err := checkText("kid", m.Kid, maxID); err != nil {
		return err
	}
	if m.From < 0 || m.To <= m.From {
		return fmt.Errorf("%w: validity of a module key", ErrMalformed)
	}
	return CheckPoint(m.Key)
}

// ValidAt reports whether the key may seal a request at now, in Unix seconds.
func (m ModuleStatement) ValidAt(now int64) bool { return m.From <= now && now < m.To }
