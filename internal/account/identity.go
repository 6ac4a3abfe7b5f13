package account

// Scope is whose things a list shows: those of the caller's identity and nothing
// else (身份, M§2.4.3; docs/domain.md A27).
type Scope struct {
	Account string
	// Enterprise is the identity's; empty for the person's own things.
	Enterprise string
	// All: the administrator sees everybody's of the enterprise, where a list is for
	// overseeing.
	All bool
}

// Scope gives the scope of the caller's identity.
func (c Caller) Scope() Scope {
	return Scope{Account: c.Account, Enterprise: c.Enterprise, All: c.Enterprise != "" && c.Administrator}
}
