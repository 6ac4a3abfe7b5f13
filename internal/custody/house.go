package custody

import (
	"context"

	"tianweitong/internal/custody/house"
	"tianweitong/pki"
	"tianweitong/pki/lint"
	"tianweitong/splitkey"
)

// Role is a signing role of the house (ARCHITECTURE.md, rule 3).
type Role = house.Role

// The roles. An institution's CA, CRL and OCSP keys are told apart by name.
const (
	RoleRoot      = house.RoleRoot
	RoleCA        = house.RoleCA
	RoleCRL       = house.RoleCRL // signs with the issuing CA's key
	RoleOCSP      = house.RoleOCSP
	RoleTSA       = house.RoleTSA
	RoleSealMaker = house.RoleSealMaker
	RoleCallback  = house.RoleCallback
	RoleReceipt   = house.RoleReceipt
	RoleStatement = house.RoleStatement
	RoleKMC       = house.RoleKMC // requests to the key-management centre; never certified
)

// House is the name of the roles that exist once: callback, receipt, statement
// and kmc. Each of the first three has a service certificate of its own.
const House = house.One

// Token is something that the house may sign: what one of the functions below
// returns, each for its own roles.
type Token = house.Token

// Certificate is a certificate that was linted, for RoleRoot or RoleCA, once. An
// issuing CA signs no CA, the root no holder.
func Certificate(l lint.Linted) Token { return house.Certificate(l) }

// CRL is a revocation list, for RoleCRL under the issuing CA's name, or for
// RoleRoot.
func CRL(d pki.CRLDraft) Token { return house.CRL(d) }

// OCSP is an answer about certificates, for RoleOCSP.
func OCSP(d pki.OCSPDraft) Token { return house.OCSP(d) }

// Timestamp is the signed attributes of a timestamp, for RoleTSA.
func Timestamp(d pki.TimestampDraft) Token { return house.Timestamp(d) }

// Callback is the body of a callback to a platform, for RoleCallback. What is
// signed is lp("TWT/callback/v1") lp(body), lp being a length in 4 bytes and the
// bytes; likewise Receipt and KMCRequest under tags of their own.
func Callback(body []byte) Token { return house.Callback(body) }

// Receipt is a receipt for a holder, for RoleReceipt ("TWT/receipt/v1").
func Receipt(body []byte) Token { return house.Receipt(body) }

// KMCRequest is a request to the key-management centre, for RoleKMC
// ("TWT/kmc/request/v1").
func KMCRequest(body []byte) Token { return house.KMCRequest(body) }

// Checkpoint is the statement of a head of the audit chain
// (audit.Checkpoint.Statement), for RoleStatement, signed as it stands.
func Checkpoint(statement []byte) Token { return house.Checkpoint(statement) }

// Statement says which module key is current, for RoleStatement. What is signed
// are the statement's own bytes.
func Statement(s splitkey.ModuleStatement) Token { return house.Statement(s) }

// CreateRole makes the key of a role and returns its public key, 65 bytes; if
// there is one, it returns that. RoleCRL has no key of its own.
func (m *Module) CreateRole(ctx context.Context, r Role, name string) ([]byte, error) {
	return m.house.Create(ctx, r, name)
}

// RolePublicKey gives the public key of a role, 65 bytes; work.ErrNotFound if
// there is none. That of RoleCRL is the issuing CA's.
func (m *Module) RolePublicKey(ctx context.Context, r Role, name string) ([]byte, error) {
	return m.house.PublicKey(ctx, r, name)
}

// SignAs signs a token with the key of a role and returns the signature in DER
// (SM2-with-SM3, ID 1234567812345678). It is the only call that signs for the
// house. A token that is not for this role or key is refused before anything is
// computed.
func (m *Module) SignAs(ctx context.Context, r Role, name string, t Token) ([]byte, error) {
	return m.house.SignAs(ctx, r, name, t)
}

// TransportKey gives the public key, 65 bytes, to which the KMC encrypts the
// shares for custody. It is made when it is first asked for.
func (m *Module) TransportKey(ctx context.Context) ([]byte, error) { return m.house.Transport(ctx) }
