package wire

import "fmt"

// Role says what a certificate is for; each role has one profile (docs/domain.md §2.5).
type Role uint8

// The roles. The zero value is no role. The numbers stand in certificates (Arc.RolePolicy): never renumber.
const (
	Root                 Role = iota + 1 // 根CA
	IssuingCA                            // one per institution
	PersonSigning                        // 个人签名证书
	PersonEncryption                     // 个人加密证书
	EnterpriseSigning                    // 企业签名证书
	EnterpriseEncryption                 // 企业加密证书
	OCSPSigner
	TSA
	SealMaker          // 制章者
	PlatformSigning    // 交易平台
	PlatformEncryption // the platform's second certificate
	Service            // callbacks, receipts, module statements
)

var roleNames = [...]string{
	"root",
	"issuing CA",
	"person, signing",
	"person, encryption",
	"enterprise, signing",
	"enterprise, encryption",
	"OCSP signer",
	"TSA",
	"seal maker",
	"platform, signing",
	"platform, encryption",
	"service",
}

// Roles returns every role, in the order of the table.
func Roles() []Role {
	roles := make([]Role, len(roleNames))
	for i := range roles {
		roles[i] = Root + Role(i)
	}
	return roles
}

// String returns the role's name as the table of docs/ca-profiles.md writes it.
func (r Role) String() string {
	if r < Root || r > Service {
		return fmt.Sprintf("role %d", uint8(r))
	}
	return roleNames[r-Root]
}
