// Package splitkey is two-party SM2: a signing key that is shared between a
// phone and a server and never whole, an encryption key dealt to both in
// additive shares, the PIN mask over the phone's shares, and the sealing of
// every exchange between the two.
//
// Both halves live here. The package keeps nothing: a caller hands secrets in
// and takes secrets out, and decides about storage, attempts, locks and the
// single use of nonces. The phone half is compiled to WebAssembly, so the
// package uses no network, no SQL and nothing of internal/.
//
// The normative text is docs/split-keys.md; comments cite it by section. The
// security argument there is a sketch, for external review.
package splitkey

import "errors"

// Sizes in bytes of the encodings on the wire (docs/split-keys.md §2).
const (
	ScalarSize = 32 // a scalar, big-endian
	PointSize  = 65 // an uncompressed point, 04‖x‖y
	DigestSize = 32 // an SM3 digest
	SeedSize   = 48 // the server's contribution to the phone's random bits
	PepperSize = 32 // the pepper of one account and device
	SaltSize   = 32 // a device salt, or the salt of one masked share
)

// MaxMessage is the largest message, in bytes, that is signed as it stands;
// what is larger is signed as CMS attributes (docs/split-keys.md §2.9).
const MaxMessage = 4 << 20

// maxID bounds identifiers (keys, operations, nonces, accounts) in bytes.
const maxID = 256

var (
	// ErrMalformed: a length, an encoding or a range is wrong. The sender's
	// program is at fault; nothing was learned about a PIN and no attempt is
	// charged for it.
	ErrMalformed = errors.New("splitkey: malformed input")
	// ErrProof: well-formed, but it does not verify. From a phone this means
	// a wrong PIN or a wrong share, and the charged attempt stands
	// (docs/split-keys.md §2.2); from a server it means a server that lies.
	ErrProof = errors.New("splitkey: proof does not verify")
	// ErrDigest: the phone signed another message than the one the server
	// holds. Refused before any attempt is charged (docs/split-keys.md §2.2).
	ErrDigest = errors.New("splitkey: digest is not that of the operation")
	// ErrDecrypt is the only error of decryption, whatever went wrong, so
	// that it tells an attacker nothing (docs/split-keys.md §2.4).
	ErrDecrypt = errors.New("splitkey: cannot decrypt")
	// ErrSealed: a sealed request or reply does not open
	// (docs/split-keys.md §2.8).
	ErrSealed = errors.New("splitkey: sealed exchange does not open")
	// ErrRandom: the random source failed or repeats itself.
	ErrRandom = errors.New("splitkey: random source failed")
	// ErrSpent: a single-use value was used a second time.
	ErrSpent = errors.New("splitkey: single-use value already used")
)
