// Package kmc is the key-management centre (密钥管理中心): it makes the holders'
// encryption keys, keeps them in escrow, and deals each of them in two additive
// shares, one for the phone and one for custody (docs/split-keys.md §2.4).
//
// The centre is a room of its own with its own store and key. Other rooms speak
// to it through a Client, whose requests are signed and verified even where the
// embedded mode runs both in one process (docs/custody.md).
package kmc

import (
	"context"

	"tianweitong/internal/fault"
)

// The refusals of the centre.
var (
	// CodeRefused: the request is not signed by a known server, too old, or
	// malformed.
	CodeRefused = fault.Code{Name: "kmc_refused", Kind: fault.Unavailable, Text: "密钥管理中心未受理该请求，请稍后重试；如多次出现，请联系客服。"}
	// CodeProof: what should prove the holder's will does not.
	CodeProof = fault.Code{Name: "kmc_proof_invalid", Kind: fault.Conflict, Text: "密钥交付申请未通过核验，请重新开始安装。"}
	// CodeNoKey: the centre has no such key.
	CodeNoKey = fault.Code{Name: "kmc_key_unknown", Kind: fault.NotFound, Text: "密钥管理中心没有找到该加密密钥，请联系客服。"}
	// CodeDealt: a dealing of this reference was made before; a new one takes a new
	// reference.
	CodeDealt = fault.Code{Name: "kmc_already_dealt", Kind: fault.Conflict, Text: "该密钥交付已处理，请重新开始这一步。"}
)

// Door is the centre as the flows see it.
type Door interface {
	// Make makes the encryption key of a reference, 1 to 128 bytes of the caller's
	// choice, and returns Pe, 65 bytes; for a reference that has one, it returns
	// that.
	Make(ctx context.Context, ref string) (publicKey []byte, err error)
	// Deal splits a key into fresh shares against the holder's signature. The same
	// share is never dealt twice: whoever repeats a dealing gets other shares, under
	// a new reference, and the ones before become useless once they are proved.
	Deal(ctx context.Context, r DealRequest) (Deal, error)
}

// DealRequest asks for one dealing. Exactly one of CSR and Redeal is set.
type DealRequest struct {
	// Ref names this dealing, 1 to 128 bytes; it serves once, else CodeDealt.
	Ref string `json:"ref"`
	// Account and Device (thumbprint, 64 hex digits) are the holder that it is for.
	// A key stays with the account of its first dealing, a takeover apart.
	Account string `json:"account"`
	Device  string `json:"device"`
	// PublicKey is Pe, 65 bytes.
	PublicKey []byte `json:"publicKey"`
	// EnrolmentKey is the phone's, 65 bytes: what its share is encrypted to.
	EnrolmentKey []byte `json:"enrolmentKey"`
	// CSR is the co-signed certificate request (DER) whose attributes name Pe, the
	// enrolment and SM3 of the enrolment key (docs/split-keys.md §2.1).
	CSR []byte `json:"csr,omitempty"`
	// Redeal is for keys that were dealt before.
	Redeal *Redeal `json:"redeal,omitempty"`
}

// Redeal is the holder's will to have old encryption keys dealt to a new
// enrolment key, signed with his PIN key (docs/split-keys.md §2.1).
type Redeal struct {
	// M is a splitkey.ConfirmMessage under IDPIN or IDTakeover whose object is SM3 of
	// the enrolment key and whose keys are those to be dealt.
	M []byte `json:"m"`
	// Signature is DER SEQUENCE{r,s}.
	Signature []byte `json:"signature"`
	// PINKey is the public key, 65 bytes.
	PINKey []byte `json:"pinKey"`
}

// Deal is one dealing.
type Deal struct {
	// ForPhone is the share a, 32 bytes, SM2-encrypted (GM/T 0009 DER) to the
	// enrolment key.
	ForPhone []byte `json:"forPhone"`
	// ForCustody is the share b, SM2-encrypted to custody's transport key together
	// with what it was dealt for.
	ForCustody []byte `json:"forCustody"`
}
