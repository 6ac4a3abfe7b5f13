package pki

import "tianweitong/pki/wire"

// Name is a distinguished name as this system writes it.
type Name = wire.Name

// SandboxOrganization is the O of every sandbox root. Production refuses certificates below it (docs/domain.md §2.5).
const SandboxOrganization = wire.SandboxOrganization

// ParseName reads a name that Name.Marshal wrote, and nothing else; see wire.ParseName.
func ParseName(der []byte) (Name, error) { return wire.ParseName(der) }
