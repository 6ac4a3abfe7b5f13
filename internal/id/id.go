// Package id makes identifiers: time-ordered UUIDs for rows, opaque random
// tokens for secrets.
package id

import (
	"encoding/base64"
	"encoding/hex"
	"io"

	"github.com/google/uuid"
)

// New returns a version 7 UUID (RFC 9562) as 32 lower-case hex digits. It sorts
// by time of creation and is not a secret. It panics if r fails: a machine
// without randomness must not go on.
func New(r io.Reader) string {
	u, err := uuid.NewV7FromReader(r)
	if err != nil {
		panic("id: no randomness: " + err.Error())
	}
	return hex.EncodeToString(u[:])
}

// Token returns n random bytes in URL-safe base64 without padding: for session
// tokens and tickets, of which the house stores only keyed hashes.
func Token(r io.Reader, n int) string {
	return base64.RawURLEncoding.EncodeToString(Bytes(r, n))
}

// Bytes returns n random bytes from r; it panics if r fails.
func Bytes(r io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		panic("id: no randomness: " + err.Error())
	}
	return b
}
