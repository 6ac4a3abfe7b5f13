// Package prove writes the activations by which a phone proves a PIN: the
// confirmation (确认) of one thing by a signature over a canonical message, and
// the trial (试解密) of a dealt encryption share on a throw-away ciphertext
// (docs/split-keys.md §2.4, §2.9).
package prove

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Window is how long a holder has to answer an operation.
const Window = 10 * time.Minute

// Confirmation is what one signature confirms.
type Confirmation struct {
	Holder custody.Holder
	// KeyID signs: the PIN key, or a new key under trial.
	KeyID string
	// Business and Subject route the result (custody.Activation).
	Business, Subject string
	// ID is the purpose in ZA: splitkey.IDPIN, IDRefresh or IDTrial.
	ID string
	// Purpose says what is confirmed, for instance "revoke".
	Purpose string
	// Object is the digest of the thing confirmed, 32 bytes (Digest).
	Object []byte
	// KeyIDs are the keys concerned, in the server's order.
	KeyIDs []string
}

// Activation returns the activation of a confirmation with a fresh operation ID
// and server nonce.
func (c Confirmation) Activation(rand io.Reader, now time.Time) (custody.Activation, error) {
	device, err := hex.DecodeString(c.Holder.Device)
	if err != nil {
		return custody.Activation{}, fmt.Errorf("prove: device thumbprint: %w", err)
	}
	m, err := splitkey.ConfirmMessage{
		ID: c.ID, Account: c.Holder.Account, Device: device, Purpose: c.Purpose,
		Object: c.Object, KeyIDs: c.KeyIDs, ServerNonce: id.Bytes(rand, 32),
	}.Bytes()
	if err != nil {
		return custody.Activation{}, fmt.Errorf("prove: %s: %w", c.Purpose, err)
	}
	return custody.Activation{
		OpID: id.New(rand), Holder: c.Holder, KeyID: c.KeyID, Business: c.Business, Subject: c.Subject,
		ID: c.ID, M: m, Expires: now.Add(Window),
	}, nil
}

// PINKey gives the PIN key that a holder confirms with. A suspended one is
// custody.CodeKeyUnusable, one on another device custody.CodeWrongDevice; without
// any it is custody.CodeNoPIN.
func PINKey(ctx context.Context, tx work.Tx, d custody.Door, h custody.Holder) (custody.Key, error) {
	k, err := d.PINKey(ctx, tx, h.Account)
	if err == nil && k.Holder != h {
		return custody.Key{}, custody.CodeWrongDevice
	}
	if !errors.Is(err, custody.CodeNoPIN) {
		return k, err
	}
	all, kerr := d.Keys(ctx, tx, h.Account)
	if kerr != nil {
		return custody.Key{}, kerr
	}
	for _, k := range all {
		if k.Kind == custody.KindPIN && k.State == custody.KeySuspended {
			return custody.Key{}, custody.CodeKeyUnusable
		}
	}
	return custody.Key{}, err
}

// Trial returns the activation of a trial decryption: a throw-away ciphertext
// of 32 random bytes, which nobody keeps, under the encryption key Pe (65
// bytes). The proof of the share that the answer carries is the result; the
// phone compares nothing with a stored value.
func Trial(rand io.Reader, now time.Time, h custody.Holder, keyID, business, subject string, pe, serviceCertificate []byte) (custody.Activation, error) {
	if err := splitkey.CheckPoint(pe); err != nil {
		return custody.Activation{}, fmt.Errorf("prove: encryption key: %w", err)
	}
	pub, err := sm2.NewPublicKey(pe)
	if err != nil {
		return custody.Activation{}, fmt.Errorf("prove: encryption key: %w", err)
	}
	c, err := sm2.EncryptASN1(rand, pub, id.Bytes(rand, 32))
	if err != nil {
		return custody.Activation{}, fmt.Errorf("prove: throw-away ciphertext: %w", err)
	}
	return custody.Activation{
		OpID: id.New(rand), Holder: h, KeyID: keyID, Business: business, Subject: subject,
		Ciphertexts: [][]byte{c}, PlatformCertificate: serviceCertificate, Unheld: true, Expires: now.Add(Window),
	}, nil
}

// Digest is SM3 over parts, each behind its length in four bytes.
func Digest(parts ...[]byte) []byte {
	h := sm3.New()
	for _, p := range parts {
		n := len(p)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write(p)
	}
	return h.Sum(nil)
}
