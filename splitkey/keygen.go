package splitkey

import (
	"bytes"
	"io"
)

// Context binds a key generation to what it is for (docs/split-keys.md §2.1).
// Enrolment comes from the server and serves once.
type Context struct {
	Account   string `json:"account"`
	Device    []byte `json:"device"` // thumbprint of the device key
	Enrolment string `json:"enrolment"`
	Server    string `json:"server"`
	KeyID     string `json:"keyID"`
}

func (c Context) bytes() ([]byte, error) {
	if err := checkIDs("account", c.Account, "device thumbprint", string(c.Device),
		"enrolment ID", c.Enrolment, "server ID", c.Server, "key ID", c.KeyID); err != nil {
		return nil, err
	}
	return prefixed([]byte("v1"), []byte(c.Account), c.Device, []byte(c.Enrolment), []byte(c.Server), []byte(c.KeyID)), nil
}

// KeygenRequest is the phone's message of key generation: P1 = d1^-1·G and a
// proof of possession of d1^-1. Never store it (docs/split-keys.md §3.2).
type KeygenRequest struct {
	unlogged
	P1 []byte `json:"p1"`
	A  []byte `json:"a"`
	Z  []byte `json:"z"`
}

// KeygenReply is the server's answer: P2 = d2^-1·G, the public key
// P = d2^-1·P1 − G and a proof of possession of d2^-1.
type KeygenReply struct {
	unlogged
	P2 []byte `json:"p2"`
	P  []byte `json:"p"`
	A  []byte `json:"a"`
	Z  []byte `json:"z"`
}

// PhoneKeygen is the phone's state between the two messages of key generation.
type PhoneKeygen struct {
	secret
	d1, inverse scalar
	p1, context []byte
}

// StartKeygen draws the phone's share and returns the message that proves it
// (docs/split-keys.md §2.1, step 1).
func StartKeygen(rand io.Reader, c Context) (*PhoneKeygen, KeygenRequest, error) {
	ctx, err := c.bytes()
	if err != nil {
		return nil, KeygenRequest{}, err
	}
	d1, err := randomScalar(rand)
	if err != nil {
		return nil, KeygenRequest{}, err
	}
	k := &PhoneKeygen{d1: d1, inverse: d1.inverse(), context: ctx}
	k.p1 = baseMult(&k.inverse).bytes()
	v, err := hedged(rand, "keygen-nonce", &k.d1, ctx)
	if err != nil {
		k.Wipe()
		return nil, KeygenRequest{}, err
	}
	a := baseMult(&v).bytes()
	h := hashToScalar("keygen/phone", ctx, k.p1, a)
	z := respond(&v, &h, &k.inverse)
	return k, KeygenRequest{P1: bytes.Clone(k.p1), A: a, Z: z}, nil
}

// ServerKeygen checks the phone's proof, draws the server's share d2 and
// returns it with the reply (docs/split-keys.md §2.1, step 2). A proof that
// does not verify is ErrProof. The caller keeps P and the sealed d2, not P1.
func ServerKeygen(rand io.Reader, c Context, req KeygenRequest) (*Secret, KeygenReply, error) {
	ctx, err := c.bytes()
	if err != nil {
		return nil, KeygenReply{}, err
	}
	p1, err := parsePoint(req.P1)
	if err != nil {
		return nil, KeygenReply{}, err
	}
	if err := verifyProof(p1, req.A, req.Z, "keygen/phone", ctx, req.P1, req.A); err != nil {
		return nil, KeygenReply{}, err
	}
	for range 8 {
		d2, err := randomScalar(rand)
		if err != nil {
			return nil, KeygenReply{}, err
		}
		inverse := d2.inverse()
		p := p1.mult(&inverse).sub(generator())
		if p.isInfinity() {
			continue
		}
		p2 := baseMult(&inverse).bytes()
		v, err := hedged(rand, "keygen-nonce", &d2, ctx, req.P1)
		if err != nil {
			return nil, KeygenReply{}, err
		}
		a := baseMult(&v).bytes()
		h := hashToScalar("keygen/server", ctx, req.P1, p2, a)
		reply := KeygenReply{P2: p2, P: p.bytes(), A: a, Z: respond(&v, &h, &inverse)}
		clear(inverse[:])
		return &Secret{s: d2}, reply, nil
	}
	return nil, KeygenReply{}, ErrRandom
}

// Finish checks the server's reply and returns the phone's share d1, to be
// masked at once, and the public key P (docs/split-keys.md §2.1, step 3). The
// state is wiped whatever happens; a reply that does not verify is ErrProof.
func (k *PhoneKeygen) Finish(reply KeygenReply) (*Secret, []byte, error) {
	defer k.Wipe()
	if k.d1.isZero() {
		return nil, nil, ErrSpent
	}
	p2, err := parsePoint(reply.P2)
	if err != nil {
		return nil, nil, err
	}
	p, err := parsePoint(reply.P)
	if err != nil {
		return nil, nil, err
	}
	if err := verifyProof(p2, reply.A, reply.Z, "keygen/server", k.context, k.p1, reply.P2, reply.A); err != nil {
		return nil, nil, err
	}
	if !p2.mult(&k.inverse).sub(generator()).equal(p) {
		return nil, nil, ErrProof
	}
	return &Secret{s: k.d1}, p.bytes(), nil
}

// Wipe forgets the share and everything that tests it.
func (k *PhoneKeygen) Wipe() {
	clear(k.d1[:])
	clear(k.inverse[:])
	clear(k.p1)
	k.p1 = nil
}

// respond returns z = v + c·x of a Schnorr proof and wipes v.
func respond(v, c, x *scalar) []byte {
	z := c.mul(x)
	z = z.add(v)
	clear(v[:])
	return z[:]
}

// verifyProof checks z·G = A + c·X with c = H2S(label, parts…).
func verifyProof(x point, a, z []byte, label string, parts ...[]byte) error {
	commitment, err := parsePoint(a)
	if err != nil {
		return err
	}
	response, err := parseScalar(z)
	if err != nil {
		return err
	}
	c := hashToScalar(label, parts...)
	c = c.neg()
	if !combined(&response, &c, x).equal(commitment) {
		return ErrProof
	}
	return nil
}
