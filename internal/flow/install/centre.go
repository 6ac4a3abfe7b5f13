package install

import "context"

// KMC is what the flow needs of the key-management centre.
type KMC interface {
	Make(ctx context.Context, ref string) (publicKey []byte, err error)
	Deal(ctx context.Context, r DealRequest) (Deal, error)
}

// DealRequest asks for one dealing.
type DealRequest struct {
	Ref                          string
	Account, Device              string
	PublicKey, EnrolmentKey, CSR []byte
	Redeal                       *RedealProof
}

// RedealProof is the PIN key's word for a dealing without a request.
type RedealProof struct{ M, Signature, PINKey []byte }

// Deal is one dealing.
type Deal struct{ ForPhone, ForCustody []byte }
