package phone

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/pki/wire"
)

// statement is a signed statement with its certificates under a new root; those
// of a sandbox are marked.
func statement(t *testing.T, arc pki.Arc, sandbox bool) (signature, certificate []byte, chain [][]byte) {
	t.Helper()
	h := pkitest.NewUnder(t, arc, sandbox)
	c, key := h.CA.IssueRole(t, pki.Service)
	return pkitest.Sign(t, key, []byte("statement")), c.Raw, [][]byte{h.CA.Cert.Raw, h.Root.Cert.Raw}
}

// TestTheRootIsKeptOnceAllIsVerified: an answer that is refused leaves nothing
// behind.
func TestTheRootIsKeptOnceAllIsVerified(t *testing.T) {
	signature, certificate, chain := statement(t, pki.Arc{}, true)
	_, _, other := statement(t, pki.Arc{}, true)
	p := against(t, nil)
	p.Sandbox = true
	for name, err := range map[string]error{
		"no certificate":  p.trustStatement([]byte("s"), []byte("x"), []byte("c"), [][]byte{[]byte("garbage")}),
		"no chain":        p.trustStatement([]byte("statement"), signature, certificate, nil),
		"another chain":   p.trustStatement([]byte("statement"), signature, certificate, other),
		"other statement": p.trustStatement([]byte("forged"), signature, certificate, chain),
	} {
		if !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p.state.Root != nil {
		t.Fatal("a root of a refused answer is kept")
	}
	if err := p.trustStatement([]byte("statement"), signature, certificate, chain); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.state.Root, chain[1]) {
		t.Fatal("the root is not kept")
	}
	signature, certificate, chain = statement(t, pki.Arc{}, true)
	if err := p.trustStatement([]byte("statement"), signature, certificate, chain); !errors.Is(err, ErrUntrusted) {
		t.Errorf("under another root than the one kept: %v", err)
	}
}

// TestTheBuiltInRootRules: also over one that was stored before.
func TestTheBuiltInRootRules(t *testing.T) {
	signature, certificate, chain := statement(t, pki.Arc{}, true)
	_, _, other := statement(t, pki.Arc{}, true)
	for _, stored := range [][]byte{nil, chain[1]} {
		p := against(t, nil)
		p.Sandbox, p.Root, p.state.Root = true, other[1], stored
		if err := p.trustStatement([]byte("statement"), signature, certificate, chain); !errors.Is(err, ErrUntrusted) {
			t.Errorf("another root than the one built in: %v", err)
		}
		if _, err := p.chain(certificate, chain, wire.ForSignatures, wire.Service); !errors.Is(err, ErrUntrusted) {
			t.Errorf("a certificate under another root than the one built in: %v", err)
		}
	}
}

// TestASandboxIsRefusedUnlessAskedFor: a person's phone believes no test root.
func TestASandboxIsRefusedUnlessAskedFor(t *testing.T) {
	arc, err := pki.ParseArc("1.2.156.99999")
	if err != nil {
		t.Fatal(err)
	}
	for _, sandbox := range []bool{true, false} {
		signature, certificate, chain := statement(t, arc, sandbox)
		p := against(t, nil)
		p.Arc = arc
		err := p.trustStatement([]byte("statement"), signature, certificate, chain)
		if sandbox && !errors.Is(err, ErrUntrusted) || !sandbox && err != nil {
			t.Errorf("sandbox %v: %v", sandbox, err)
		}
	}
}

// TestAClockThatLagsTakesWhatWasJustIssued: the server's time reaches the phone
// late by the way of an answer, and certificates begin at once.
func TestAClockThatLagsTakesWhatWasJustIssued(t *testing.T) {
	signature, certificate, chain := statement(t, pki.Arc{}, true)
	for behind, good := range map[time.Duration]bool{0: true, time.Second: true, lag: true, lag + time.Second: false} {
		p := against(t, nil)
		p.Sandbox = true
		p.Now = func() time.Time { return pkitest.Start.Add(-behind) }
		err := p.trustStatement([]byte("statement"), signature, certificate, chain)
		if good && err != nil || !good && !errors.Is(err, ErrUntrusted) {
			t.Errorf("%v behind: %v", behind, err)
		}
	}
}
