package flowtest

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/emmansun/gmsm/sm2"

	"tianweitong/internal/account"
	"tianweitong/internal/custody"
	"tianweitong/internal/flow/install"
	"tianweitong/pki"
)

// Perform answers an operation with what the owner types.
func (p *Person) Perform(ctx context.Context, op, typed string) (custody.Result, error) {
	p.Phone.Door = p.Custody
	a, err := p.Custody.Activation(ctx, p.Phone.Holder, op)
	if err != nil {
		return custody.Result{}, err
	}
	f, err := p.Finish(ctx, p.Phone.Holder, a)
	if err != nil {
		return custody.Result{}, err
	}
	return p.Phone.Perform(ctx, op, typed, f)
}

// EnterPIN types a first PIN twice for a setup.
func (p *Person) EnterPIN(ctx context.Context, setup, second string) error {
	p.Phone.Door = p.Custody
	e, err := p.PIN.Enrol(ctx, p.Phone.Holder, setup)
	if err != nil {
		return err
	}
	if err := p.Phone.Make(ctx, custody.KindPIN, e); err != nil {
		return err
	}
	op, err := p.PIN.Prove(ctx, p.Phone.Holder, setup)
	if err != nil {
		return err
	}
	_, err = p.Perform(ctx, op, second)
	return err
}

// SetPIN sets the first PIN.
func (p *Person) SetPIN() {
	p.T.Helper()
	ticket, code := p.Code(account.PurposePIN)
	s, err := p.PIN.Begin(p.T.Context(), p.Caller, ticket, code)
	p.must(err)
	p.must(p.EnterPIN(p.T.Context(), s.ID, p.Phone.PIN))
}

// InstallOnce goes through one installation or re-key from wherever it stands.
func (p *Person) InstallOnce(ctx context.Context, cert string) (install.Progress, error) {
	p.Phone.Door = p.Custody
	i, err := p.Install.Start(ctx, p.Caller, cert)
	if err != nil || i.State != install.Authorising {
		return i, err
	}
	if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
		return i, err
	}
	if err := p.MakeKeys(ctx, i.ID); err != nil {
		return i, err
	}
	return p.Install.Start(ctx, p.Caller, cert)
}

// MakeKeys does steps (ii) to (iv) of an authorised installation.
func (p *Person) MakeKeys(ctx context.Context, installation string) error {
	e, err := p.Install.Enrol(ctx, p.Phone.Holder, installation)
	if err != nil {
		return err
	}
	if err := p.Phone.Make(ctx, custody.KindSign, e); err != nil {
		return err
	}
	key, point := EnrolmentKey()
	i, err := p.Install.Request(ctx, p.Phone.Holder, installation, point)
	if err != nil {
		return err
	}
	if _, err := p.Perform(ctx, i.Op, p.Phone.PIN); err != nil {
		return err
	}
	d, err := p.Install.Deliver(ctx, p.Phone.Holder, installation)
	if err != nil {
		return err
	}
	return p.prove(ctx, d, key, e.Pepper)
}

func (p *Person) prove(ctx context.Context, d install.Delivery, key *sm2.PrivateKey, pepper []byte) error {
	if err := p.Phone.Receive(d.KeyID, d.PublicKey, key, d.ForPhone, pepper); err != nil {
		return err
	}
	_, err := p.Perform(ctx, d.Op, p.Phone.PIN)
	return err
}

// EnrolmentKey is a fresh key of the phone and its 65 bytes.
func EnrolmentKey() (*sm2.PrivateKey, []byte) {
	k, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	b, err := pki.Point(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return k, b
}

// Installed buys and installs a certificate.
func (p *Person) Installed() (cert string) {
	p.T.Helper()
	cert = p.Buy(p.Caller.Account)
	i, err := p.InstallOnce(p.T.Context(), cert)
	p.must(err)
	if i.State != install.Installed {
		p.T.Fatalf("the installation ended as %s", i.State)
	}
	return cert
}

// NewPhone signs the same person in on another phone.
func (p *Person) NewPhone() *Person {
	p.T.Helper()
	q := p.SignIn(p.Number)
	if q.Caller.Account != p.Caller.Account {
		p.T.Fatal("another account")
	}
	return q
}

// Recovered sets a new PIN for a recovery whose keys are suspended.
func (p *Person) EnterNewPIN(ctx context.Context, recovery, second string) error {
	p.Phone.Door = p.Custody
	e, err := p.Recover.Enrol(ctx, p.Phone.Holder, recovery)
	if err != nil {
		return err
	}
	if err := p.Phone.Make(ctx, custody.KindPIN, e); err != nil {
		return err
	}
	op, err := p.Recover.Prove(ctx, p.Phone.Holder, recovery)
	if err != nil {
		return err
	}
	_, err = p.Perform(ctx, op, second)
	return err
}

// Redeal brings back the encryption keys that no installation covers.
func (p *Person) Redeal(ctx context.Context) error {
	key, point := EnrolmentKey()
	r, err := p.Install.Redeal(ctx, p.Phone.Holder, point)
	if err != nil {
		return err
	}
	o, err := p.Custody.Open(ctx, p.Phone.Holder, r.Op)
	if err != nil {
		return err
	}
	if _, err := p.Perform(ctx, r.Op, p.Phone.PIN); err != nil {
		return err
	}
	all, err := p.Install.DeliverRedealt(ctx, p.Phone.Holder, r.ID)
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := p.prove(ctx, d, key, o.Pepper); err != nil {
			return fmt.Errorf("key %s: %w", d.KeyID, err)
		}
	}
	return nil
}
