package custody_test

import (
	"crypto/rand"
	"encoding/hex"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/custody/custodytest"
	"tianweitong/internal/id"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// enrolmentKey is what a phone draws for one delivery, with its public forms.
type enrolmentKey struct {
	private        *sm2.PrivateKey
	public, digest []byte
}

func newEnrolmentKey(t testing.TB) *enrolmentKey {
	t.Helper()
	k := must(sm2.GenerateKey(rand.Reader))(t)
	public := must(pki.Point(&k.PublicKey))(t)
	sum := sm3.Sum(public)
	return &enrolmentKey{k, public, sum[:]}
}

func confirmation(p *custodytest.Phone, purposeID, purpose string, object []byte, keys ...string) splitkey.ConfirmMessage {
	device, _ := hex.DecodeString(p.Holder.Device)
	return splitkey.ConfirmMessage{
		ID: purposeID, Account: p.Holder.Account, Device: device, Purpose: purpose, Object: object, KeyIDs: keys,
		ServerNonce: id.Bytes(rand.Reader, 32),
	}
}
