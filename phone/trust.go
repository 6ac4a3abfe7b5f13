package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
)

// trustStatement checks the service certificate's signature on a module
// statement and its chain to the stored root. The root that comes with the very
// first statement is stored and no other is accepted afterwards
// (docs/split-keys.md §2.8); Options.Root fixes it beforehand.
func (p *Phone) trustStatement(statement, signature, certificate []byte, chain [][]byte) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: no chain", ErrUntrusted)
	}
	if len(p.state.Root) == 0 {
		root := chain[len(chain)-1]
		if len(p.Root) > 0 && !bytes.Equal(p.Root, root) {
			return fmt.Errorf("%w: another root than the one built in", ErrUntrusted)
		}
		p.state.Root = root
		if err := p.save(); err != nil {
			return err
		}
	}
	leaf, err := p.chain(certificate, chain, pki.ForSignatures, pki.Service)
	if err != nil {
		return err
	}
	key, err := pki.ParseSPKI(leaf.RawSubjectPublicKeyInfo)
	if err != nil {
		return errors.Join(ErrUntrusted, err)
	}
	if err := pki.VerifySignature(key, statement, signature); err != nil {
		return errors.Join(ErrUntrusted, err)
	}
	return nil
}

// chain verifies a certificate of a role to the stored root.
func (p *Phone) chain(certificate []byte, chain [][]byte, purpose pki.Purpose, roles ...pki.Role) (*smx509.Certificate, error) {
	leaf, err := smx509.ParseCertificate(certificate)
	if err != nil {
		return nil, errors.Join(ErrUntrusted, err)
	}
	root, err := smx509.ParseCertificate(p.state.Root)
	if err != nil {
		return nil, errors.Join(ErrUntrusted, err)
	}
	o := pki.ChainOptions{Roots: []*smx509.Certificate{root}, At: p.now(), Purpose: purpose, Arc: p.Arc, Roles: roles}
	for _, der := range chain {
		c, err := smx509.ParseCertificate(der)
		if err != nil {
			return nil, errors.Join(ErrUntrusted, err)
		}
		o.Intermediates = append(o.Intermediates, c)
	}
	if _, err := pki.VerifyChain(leaf, o); err != nil {
		return nil, errors.Join(ErrUntrusted, err)
	}
	return leaf, nil
}

// TrustedRoot fetches and stores the root, if that has not happened, and returns it.
func (p *Phone) TrustedRoot(ctx context.Context) ([]byte, error) {
	if len(p.state.Root) == 0 {
		if _, err := p.currentModule(ctx); err != nil {
			return nil, err
		}
	}
	return p.state.Root, nil
}
