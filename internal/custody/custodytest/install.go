package custodytest

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/clock"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/kmc"
	"tianweitong/internal/store"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Certificate stands for the certificate of the platform, or of the house, that
// a decryption is for; custody hashes it and reads nothing else.
var Certificate = []byte("a certificate of the tests")

// KMC starts a key-management centre over a database of its own and gives a
// client whose requests m signs.
func KMC(t testing.TB, m *custody.Module, c clock.Clock) *kmc.Client {
	t.Helper()
	return KMCOver(t, storetest.SQLite(t), m, c)
}

// KMCOver is KMC over the database at dsn.
func KMCOver(t testing.TB, dsn string, m *custody.Module, c clock.Clock) *kmc.Client {
	t.Helper()
	requester, err := m.RolePublicKey(t.Context(), custody.RoleKMC, custody.House)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := m.TransportKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.OpenKMC(t.Context(), dsn, store.Options{Clock: c, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	centre, err := kmc.New(t.Context(), kmc.Deps{
		Runner: st, Store: st, Clock: c, Rand: rand.Reader, Log: quiet(), Vault: storetest.Box(t),
		Requester: requester, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &kmc.Client{
		Sign: func(ctx context.Context, body []byte) ([]byte, error) {
			return m.SignAs(ctx, custody.RoleKMC, custody.House, custody.KMCRequest(body))
		},
		Send: centre.Serve, Centre: centre.PublicKey(), Clock: c, Rand: rand.Reader,
	}
}

// Installed are the keys of one installation.
type Installed struct{ Sign, Encrypt string }

// Install makes a signing key and has an encryption key made and dealt, as an
// installation does, and activates both (docs/split-keys.md §2.1).
func (p *Phone) Install(ctx context.Context, centre kmc.Door) (Installed, error) {
	subject := id.New(rand.Reader)
	out := Installed{Encrypt: id.New(rand.Reader)}
	var err error
	if out.Sign, err = p.Generate(ctx, custody.KindSign, subject); err != nil {
		return out, err
	}
	pe, err := centre.Make(ctx, subject)
	if err != nil {
		return out, err
	}
	enrolment, csr, pepper, err := p.Request(ctx, out.Sign, subject, pe)
	if err != nil {
		return out, err
	}
	point, err := pki.Point(&enrolment.PublicKey)
	if err != nil {
		return out, err
	}
	deal, err := centre.Deal(ctx, kmc.DealRequest{
		Ref: subject + "/1", Account: p.Holder.Account, Device: p.Holder.Device, PublicKey: pe, EnrolmentKey: point, CSR: csr,
	})
	if err != nil {
		return out, err
	}
	if err := p.Accept(ctx, out.Encrypt, subject, pe, deal.ForCustody); err != nil {
		return out, err
	}
	if err := p.Receive(out.Encrypt, pe, enrolment, deal.ForPhone, pepper); err != nil {
		return out, err
	}
	opID, err := p.Trial(ctx, out.Encrypt, subject, pe)
	if err != nil {
		return out, err
	}
	if _, err := p.Perform(ctx, opID, p.PIN, nil); err != nil {
		return out, err
	}
	return out, p.Activate(ctx, out.Sign, out.Encrypt)
}

// Request draws an enrolment key and co-signs a certificate request that names
// it and Pe.
func (p *Phone) Request(ctx context.Context, signKey, subject string, pe []byte) (*sm2.PrivateKey, []byte, []byte, error) {
	enrolment, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	point, err := pki.Point(&enrolment.PublicKey)
	if err != nil {
		return nil, nil, nil, err
	}
	var key custody.Key
	err = p.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		key, err = p.Door.Key(ctx, tx, signKey)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	signPoint, err := pki.ParsePoint(key.PublicKey)
	if err != nil {
		return nil, nil, nil, err
	}
	encPoint, err := pki.ParsePoint(pe)
	if err != nil {
		return nil, nil, nil, err
	}
	sum := sm3.Sum(point)
	info, err := pki.RequestInfo{
		Subject: pki.Name{Country: "CN", CommonName: "测试人", Serial: "test-holder"}, PublicKey: signPoint,
		EnrolmentID: key.Enrolment, EnrolmentKey: sum[:], EncryptionKey: encPoint,
	}.Marshal(pki.Arc{})
	if err != nil {
		return nil, nil, nil, err
	}
	opID, err := p.Document(ctx, signKey, subject, string(info))
	if err != nil {
		return nil, nil, nil, err
	}
	o, err := p.Door.Open(ctx, p.Holder, opID)
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := p.Answer(o, p.PIN)
	if err != nil {
		return nil, nil, nil, err
	}
	r, err := p.Door.Answer(ctx, p.Holder, opID, a, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	der, err := r.Signature.DER()
	if err != nil {
		return nil, nil, nil, err
	}
	csr, err := pki.AssembleRequest(pki.Arc{}, info, der)
	return enrolment, csr, o.Pepper, err
}

// Accept hands custody's share to it.
func (p *Phone) Accept(ctx context.Context, keyID, subject string, pe, forCustody []byte) error {
	return p.Runner.Do(ctx, "test.accept", func(ctx context.Context, tx work.Tx) error {
		return p.Door.Accept(ctx, tx, p.Holder, keyID, subject, pe, forCustody)
	})
}

// Trial authorises the proof of a dealt share on a throw-away ciphertext.
func (p *Phone) Trial(ctx context.Context, keyID, subject string, pe []byte) (opID string, err error) {
	c, err := Encrypt(pe, []byte("throw-away"))
	if err != nil {
		return "", err
	}
	return p.Authorise(ctx, custody.Activation{
		KeyID: keyID, Business: "install.trial", Subject: subject, Ciphertexts: [][]byte{c},
		PlatformCertificate: Certificate, Unheld: true,
	})
}

// Encrypt makes an SM2 ciphertext (GM/T 0009 DER) to a public key of 65 bytes.
func Encrypt(public, plain []byte) ([]byte, error) {
	if err := splitkey.CheckPoint(public); err != nil {
		return nil, err
	}
	pub, err := sm2.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return sm2.EncryptASN1(rand.Reader, pub, plain)
}
