package phone

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"tianweitong/pki/wire"
)

// trustStatement checks the service certificate's signature on a module
// statement and its chain to the stored root. The root that comes with the very
// first statement is stored once all of it held, and no other is accepted
// afterwards (docs/split-keys.md §2.8). Options.Root fixes it beforehand.
func (p *Phone) trustStatement(statement, signature, certificate []byte, chain [][]byte) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: no chain", ErrUntrusted)
	}
	root := p.state.Root
	if len(root) == 0 {
		root = chain[len(chain)-1]
	}
	leaf, err := p.chainTo(root, certificate, chain, wire.ForSignatures, wire.Service)
	if err != nil {
		return err
	}
	if err := wire.VerifySignature(leaf.PublicKey, statement, signature); err != nil {
		return errors.Join(ErrUntrusted, err)
	}
	if len(p.state.Root) > 0 {
		return nil
	}
	p.state.Root = root
	return p.save()
}

// chain verifies a certificate of a role to the stored root.
func (p *Phone) chain(certificate []byte, chain [][]byte, purpose wire.Purpose, roles ...wire.Role) (*wire.Certificate, error) {
	return p.chainTo(p.state.Root, certificate, chain, purpose, roles...)
}

// chainTo verifies a certificate of a role to a root, which has to be the one
// built in, if there is one. A sandbox proves nothing to
// a phone that was not told of it.
func (p *Phone) chainTo(rootDER, certificate []byte, chain [][]byte, purpose wire.Purpose, roles ...wire.Role) (*wire.Certificate, error) {
	if len(p.Root) > 0 && !bytes.Equal(p.Root, rootDER) {
		return nil, fmt.Errorf("%w: another root than the one built in", ErrUntrusted)
	}
	leaf, err := wire.VerifyChain(certificate, wire.ChainOptions{
		Root: rootDER, Chain: chain, At: p.moment(certificate), Purpose: purpose, Arc: p.Arc, Roles: roles, RefuseSandbox: !p.Sandbox,
	})
	if err != nil {
		return nil, errors.Join(ErrUntrusted, err)
	}
	return leaf, nil
}

// lag is how far a phone's clock may stand behind the house's: what the house has
// just issued begins in the second of its own clock.
const lag = 2 * time.Minute

// moment is the time to judge a certificate at: now, or its beginning if that is
// ahead by no more than a slow answer makes a clock lag.
func (p *Phone) moment(certificate []byte) time.Time {
	now := p.now()
	c, err := wire.ParseCertificate(certificate)
	if err == nil && c.NotBefore.After(now) && !c.NotBefore.After(now.Add(lag)) {
		return c.NotBefore
	}
	return now
}
