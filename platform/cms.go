package platform

import (
	"fmt"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
)

// CMS returns signature.p7s: the signature of a document as a detached
// SignedData of GM/T 0010, with the holder's certificate and its issuers. Over
// a whole document it has no attributes; over a larger file those that were
// signed in its place. A login has none: ErrConfig.
func (r *Result) CMS() ([]byte, error) {
	switch {
	case r.tx.Type != TypeSign:
		return nil, fmt.Errorf("%w: a login is not a document", ErrConfig)
	case r.tx.Whole:
		return Detached(r.Message, r.Certificate, r.Chain, r.Signature)
	}
	return assemble(pki.DetachedSignature{Signer: r.Certificate, Chain: r.Chain, Value: r.Signature, Attributes: r.Message}, r.arc, nil)
}

// Detached returns signature.p7s for a document, the signer's certificate, its
// issuers and a signature over the document itself (DER): SignedData of GM/T
// 0010 without attributes. A signature that does not verify is refused.
func Detached(document []byte, signer *smx509.Certificate, chain []*smx509.Certificate, signature []byte) ([]byte, error) {
	return assemble(pki.DetachedSignature{Signer: signer, Chain: chain, Value: signature}, pki.Arc{}, document)
}

func assemble(d pki.DetachedSignature, arc pki.Arc, document []byte) ([]byte, error) {
	der, err := d.Assemble(arc, document)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	return der, nil
}
