package house

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"slices"

	"tianweitong/pki"
	"tianweitong/pki/lint"
	"tianweitong/splitkey"
)

// Token is something the house may sign: a value of one of the constructors
// below, each for its own roles.
type Token interface {
	// message gives the bytes to be signed by a role with this public key, or
	// refuses.
	message(r Role, publicKey []byte) ([]byte, error)
}

var (
	errRole = errors.New("house: this role does not sign such a token")
	errKey  = errors.New("house: the token wants another key's signature")
)

// wants compares the key that a draft was made for with the one about to sign.
func wants(key *ecdsa.PublicKey, publicKey []byte) error {
	if p, err := pki.Point(key); err != nil || !bytes.Equal(p, publicKey) {
		return errKey
	}
	return nil
}

type certificateToken struct{ linted lint.Linted }

// Certificate is a certificate that was linted, for RoleRoot or RoleCA. An
// issuing CA signs no CA, the root no holder.
func Certificate(l lint.Linted) Token { return certificateToken{l} }

func (t certificateToken) message(r Role, publicKey []byte) ([]byte, error) {
	switch t.linted.Role() {
	case pki.Root, pki.IssuingCA:
		if r != RoleRoot {
			return nil, errRole
		}
	case pki.PersonSigning, pki.PersonEncryption, pki.EnterpriseSigning, pki.EnterpriseEncryption:
		if r != RoleCA {
			return nil, errRole
		}
	default:
		if r != RoleRoot && r != RoleCA {
			return nil, errRole
		}
	}
	if err := wants(t.linted.SignerKey(), publicKey); err != nil {
		return nil, err
	}
	return t.linted.Spend()
}

// draft is a structure of package pki that knows whose signature it wants.
type draft interface {
	ToBeSigned() []byte
	SignerKey() *ecdsa.PublicKey
}

type draftToken struct {
	draft draft
	roles []Role
}

// CRL is a revocation list, for RoleCRL under the issuing CA's name, or for
// RoleRoot.
func CRL(d pki.CRLDraft) Token { return draftToken{d, []Role{RoleCRL, RoleRoot}} }

// OCSP is an answer about certificates, for RoleOCSP.
func OCSP(d pki.OCSPDraft) Token { return draftToken{d, []Role{RoleOCSP}} }

// Timestamp is the signed attributes of a timestamp, for RoleTSA.
func Timestamp(d pki.TimestampDraft) Token { return draftToken{d, []Role{RoleTSA}} }

func (t draftToken) message(r Role, publicKey []byte) ([]byte, error) {
	if !slices.Contains(t.roles, r) {
		return nil, errRole
	}
	if err := wants(t.draft.SignerKey(), publicKey); err != nil {
		return nil, err
	}
	return t.draft.ToBeSigned(), nil
}

// tagged is a message of the house's own: every kind begins with its tag, so
// that none is ever taken for another.
type tagged struct {
	role Role
	tag  string
	body []byte
}

func (t tagged) message(r Role, _ []byte) ([]byte, error) {
	if r != t.role {
		return nil, errRole
	}
	return prefixed([]byte(t.tag), t.body), nil
}

// prefixed joins parts, each behind its length in 4 bytes big-endian.
func prefixed(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// The tags of the house's own messages. What is signed is the tag and the body,
// each behind its length in 4 bytes big-endian.
const (
	TagCallback = "TWT/callback/v1"
	TagReceipt  = "TWT/receipt/v1"
	TagKMC      = "TWT/kmc/request/v1"
	tagAudit    = "TWT/audit/v1"
)

// Callback is the body of a callback to a platform, for RoleCallback.
func Callback(body []byte) Token { return tagged{RoleCallback, TagCallback, body} }

// Receipt is a receipt for a holder, for RoleReceipt.
func Receipt(body []byte) Token { return tagged{RoleReceipt, TagReceipt, body} }

// KMCRequest is a request to the key-management centre, for RoleKMC.
func KMCRequest(body []byte) Token { return tagged{RoleKMC, TagKMC, body} }

type checkpointToken struct{ statement []byte }

// Checkpoint is the statement of a head of the audit chain, for RoleStatement:
// audit.Checkpoint.Statement, which begins with its tag.
func Checkpoint(statement []byte) Token { return checkpointToken{statement} }

func (t checkpointToken) message(r Role, _ []byte) ([]byte, error) {
	if r != RoleStatement {
		return nil, errRole
	}
	if tag := prefixed([]byte(tagAudit)); !bytes.HasPrefix(t.statement, tag) {
		return nil, errors.New("house: not the statement of a checkpoint")
	}
	return t.statement, nil
}

type statementToken struct{ s splitkey.ModuleStatement }

// Statement says which module key is current, for RoleStatement. What is signed
// are the statement's own bytes.
func Statement(s splitkey.ModuleStatement) Token { return statementToken{s} }

func (t statementToken) message(r Role, _ []byte) ([]byte, error) {
	if r != RoleStatement {
		return nil, errRole
	}
	return t.s.Bytes()
}
