// Package office holds the officers (后台人员) who work at the console: their
// roles, their passwords with a second factor, their sessions, and the proposals
// by which two of them change what one could grant himself (docs/console.md).
package office

import (
	"slices"
	"time"

	"tianweitong/internal/fault"
)

// Role is what an officer may do; he may have several.
type Role string

// The roles (docs/console.md).
const (
	// Verifier (鉴证员) decides reviews of enterprises.
	Verifier Role = "verifier"
	// Operator (运营员) looks up people and enterprises, ends sessions, freezes
	// certificates, replays callbacks.
	Operator Role = "operator"
	// Auditor (审计员) reads, exports and verifies the audit chain.
	Auditor Role = "auditor"
	// Super (超级管理员) proposes and approves officers and their roles.
	Super Role = "super"
)

// Roles lists them all.
func Roles() []Role { return []Role{Verifier, Operator, Auditor, Super} }

// State is whether an officer may sign in.
type State string

// The states.
const (
	Active   State = "active"
	Disabled State = "disabled"
)

// Officer is one person at the console.
type Officer struct {
	ID string
	// Name is what he signs in with; DisplayName what others read.
	Name, DisplayName string
	// Phone is sealed at rest and may be empty; PhoneHash is keyed as accounts' are,
	// so that nobody decides about himself.
	Phone     string
	PhoneHash []byte
	Roles     []Role
	State     State
	// Password is stretched; empty on a Caller.
	Password string
	// Once: the password was dealt to him and serves until OnceUntil to choose one
	// of his own.
	Once      bool
	OnceUntil time.Time
	CreatedAt time.Time
	// SignedInAt is the last complete sign-in, zero for never.
	SignedInAt time.Time
	Version    int64
}

// Has tells whether an officer has one of some roles.
func (o Officer) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(o.Roles, r) })
}

// Stage is how far a sign-in has come.
type Stage string

// The stages. A session that is not Full may do nothing but go on.
const (
	// Second: the password was right; the second factor is awaited.
	Second Stage = "second"
	// Enrol: the password was right and there is no second factor yet.
	Enrol Stage = "enrol"
	// Full: both were given.
	Full Stage = "full"
)

// Caller is who stands behind a request.
type Caller struct {
	Officer
	Session   string // its id
	Stage     Stage
	Factors   []Kind // the second factors that he has
	ExpiresAt time.Time
}

// Actor is the officer as the audit chain names him.
func (c Caller) Actor() string { return actor(c.ID) }

func actor(officer string) string { return "officer:" + officer }

// Kind is a kind of second factor.
type Kind string

// The kinds.
const (
	TOTP    Kind = "totp"    // RFC 6238
	Passkey Kind = "passkey" // Web Authentication
)

// Factor is one second factor of an officer.
type Factor struct {
	ID      string
	Officer string
	Kind    Kind
	Label   string
	// Secret is sealed at rest: the key of one-time passwords, or a credential as
	// the library of passkeys writes it.
	Secret string
	// Step is the last time step whose one-time password was used.
	Step      int64
	CreatedAt time.Time
	UsedAt    time.Time
}

// StoredSession is a session at rest; the token is a keyed hash.
type StoredSession struct {
	ID, Officer string
	TokenHash   []byte
	Stage       Stage
	CreatedAt   time.Time
	SeenAt      time.Time
	ExpiresAt   time.Time
}

// The refusals of the guard.
var (
	CodeLogin = fault.Code{Name: "console_login_required", Kind: fault.Unauthenticated, Text: "您还没有登录或登录已过期，请重新登录。"}
	CodeHalf  = fault.Code{Name: "console_second_factor_required", Kind: fault.Unauthenticated, Text: "登录尚未完成，请先完成第二步验证。"}
	CodeRole  = fault.Code{Name: "console_forbidden", Kind: fault.Forbidden, Text: "您的角色没有这项权限；如工作需要，请联系超级管理员。"}
)
