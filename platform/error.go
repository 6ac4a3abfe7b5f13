package platform

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrConfig: the configuration or an argument is wrong; the caller's program
	// has to be changed.
	ErrConfig = errors.New("platform: wrong configuration")
	// ErrUnreachable: the service did not answer. Trying again may help.
	ErrUnreachable = errors.New("platform: service unreachable")
	// ErrReply: the service answered something that is not its protocol.
	ErrReply = errors.New("platform: reply not understood")

	// ErrRefused is what every refused result is: errors.Is(err, ErrRefused)
	// holds beside one of the rules below. A refused result is never used.
	ErrRefused = errors.New("platform: result refused")

	// ErrResult: there is no result where one has to be, or a part is missing.
	ErrResult = errors.New("incomplete")
	// ErrMessage: what was signed is not what this platform asked for.
	ErrMessage = errors.New("signed message is not ours")
	// ErrCertificate: the holder's certificate does not chain to our roots, was
	// not valid at the time, or is not one for signing.
	ErrCertificate = errors.New("certificate not accepted")
	// ErrSignature: the signature does not verify.
	ErrSignature = errors.New("signature does not verify")
	// ErrTimestamp: the timestamp is not one of the signature, or not from this
	// transaction's time.
	ErrTimestamp = errors.New("timestamp not accepted")
	// ErrIdentity: the holder is not the one expected, or the service names
	// another than the certificate does.
	ErrIdentity = errors.New("identity differs")
	// ErrRevoked: the certificate was revoked before it was used.
	ErrRevoked = errors.New("certificate revoked")
	// ErrRevocationUnknown: no usable revocation list was to be had.
	ErrRevocationUnknown = errors.New("revocation state unknown")

	// ErrCallback: a callback that is not from the service, not for this
	// platform, too old, or seen before.
	ErrCallback = errors.New("platform: callback refused")
)

// Problem is a refusal by the service (RFC 9457).
type Problem struct {
	// Status is the HTTP status.
	Status int
	// Code is the stable name of the refusal, "" if the answer had none.
	Code string
	// Detail is a Chinese sentence that can be shown to the user.
	Detail string
	// Instance identifies the request for the service's support.
	Instance string
	// RetryAfter, if not zero, is how long to wait.
	RetryAfter time.Duration
}

// Error names status, code and instance.
func (p *Problem) Error() string {
	return fmt.Sprintf("platform: refused with %d %s (%s)", p.Status, p.Code, p.Instance)
}

// Temporary reports whether the same request may succeed later.
func (p *Problem) Temporary() bool { return p.Status >= 500 || p.Status == 429 }

// refuse says which rule a result broke.
func refuse(rule error, format string, args ...any) error {
	return fmt.Errorf("%w: %w: %w", ErrRefused, rule, fmt.Errorf(format, args...))
}
