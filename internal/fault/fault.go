// Package fault gives every refusal of the house a code and a sentence.
//
// A noun declares its refusals as values of Code and returns them (or wraps a
// cause in them); the edge turns them into problem documents (RFC 9457) whose
// detail is the Chinese sentence. Causes stay inside and reach only the log.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of refusal a code is; the edge maps it to a status.
type Kind int

// The kinds. The zero value is Internal, so that a forgotten kind is never
// mistaken for the user's mistake.
const (
	Internal        Kind = iota // our fault: 500
	Invalid                     // the request's content is wrong: 422
	Unauthenticated             // nobody is logged in: 401
	Forbidden                   // logged in, but not entitled: 403
	NotFound                    // no such thing, or not visible to the caller: 404
	Conflict                    // the state does not allow it, or it changed meanwhile: 409
	Gone                        // expired or ended: 410
	TooMany                     // a limit holds: 429
	Locked                      // a lock holds (PIN, account): 423
	TooLarge                    // the body is larger than the door allows: 413
	Unavailable                 // an outside party does not answer; try again: 503
)

// Code is one refusal: a stable name for programs, a kind for the edge, and the
// sentence a user reads. Codes are declared once, as package variables.
type Code struct {
	// Name is stable snake_case, unique in the house.
	Name string
	// Kind decides the status at the edge.
	Kind Kind
	// Text is a Chinese sentence: what happened and what to do.
	Text string
}

// Error makes a Code usable as an error by itself.
func (c Code) Error() string { return c.Name }

// Because returns the code with an inner cause that only the log sees.
func (c Code) Because(cause error) error { return &Error{Code: c, Cause: cause} }

// Becausef is Because with a formatted cause.
func (c Code) Becausef(format string, args ...any) error {
	return &Error{Code: c, Cause: fmt.Errorf(format, args...)}
}

// With returns the code with public members for the problem document, such as
// "remaining": 3 or "retryAfterSeconds": 60. They must hold no secret.
func (c Code) With(members map[string]any) error { return &Error{Code: c, Members: members} }

// Error is a refusal with its circumstances.
type Error struct {
	Code    Code
	Members map[string]any
	Cause   error
}

// Error names the code and the cause; it is for logs, never for users.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Code.Name
	}
	return e.Code.Name + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, SomeCode) true for every refusal with that code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c.Name == e.Code.Name
}

// Unexpected is what the edge answers for every error that carries no code.
var Unexpected = Code{"internal", Internal, "系统繁忙，请稍后重试；如多次出现，请联系客服。"}

// Of finds the refusal in an error; an error without a code is Unexpected with
// that error as the cause. Of(nil) is the zero value.
func Of(err error) (Code, map[string]any) {
	if err == nil {
		return Code{}, nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code, e.Members
	}
	var c Code
	if errors.As(err, &c) {
		return c, nil
	}
	return Unexpected, nil
}
