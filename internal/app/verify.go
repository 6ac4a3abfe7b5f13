package app

import (
	"context"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
)

// verifyCheckpoint checks the signature under an audit checkpoint with the
// statement role's certificate. A renewed certificate holds the same key.
func (h *house) verifyCheckpoint(ctx context.Context, statement, signature []byte) error {
	der, err := h.service("statement")(ctx)
	if err != nil {
		return err
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		return err
	}
	key, err := pki.ParseSPKI(cert.RawSubjectPublicKeyInfo)
	if err != nil {
		return err
	}
	return pki.VerifySignature(key, statement, signature)
}
