// Package selftest is the self-test of custody's cryptographic module: known
// answers at start, and the continuous test of its random source
// (docs/split-keys.md §7; modelled on GM/T 0028).
package selftest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"tianweitong/internal/secret"
	"tianweitong/splitkey"
)

// ErrFailed wraps every finding of the self-test.
var ErrFailed = errors.New("selftest: failed")

// Vault is the key-encryption key under test.
type Vault interface {
	Seal(p secret.Place, plain []byte) ([]byte, error)
	Open(p secret.Place, sealed []byte) ([]byte, error)
}

// Run runs the known-answer tests, the health test of the random source
// and a round trip through the key-encryption key (docs/split-keys.md §7).
func Run(random io.Reader, vault Vault) error {
	for _, t := range []struct {
		name string
		run  func() error
	}{
		{"split keys", splitkey.KnownAnswers},
		{"SM2", sm2.SelfTest},
		{"SM3", checkSM3},
		{"SM4", checkSM4},
		{"random source", func() error { return checkRandom(random) }},
		{"key-encryption key", func() error { return checkVault(vault) }},
	} {
		if err := t.run(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrFailed, t.name, err)
		}
	}
	return nil
}

var errAnswer = errors.New("not the known answer")

// checkSM3 is example 1 of GB/T 32905 annex A.
func checkSM3() error {
	if sum := sm3.Sum([]byte("abc")); hex.EncodeToString(sum[:]) != "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" {
		return errAnswer
	}
	return nil
}

// checkSM4 is example 1 of GB/T 32907 annex A.
func checkSM4() error {
	key, _ := hex.DecodeString("0123456789abcdeffedcba9876543210")
	block, err := sm4.NewCipher(key)
	if err != nil {
		return err
	}
	out := make([]byte, 16)
	block.Encrypt(out, key)
	if hex.EncodeToString(out) != "681edf34d206965e86b3e94f536e4246" {
		return errAnswer
	}
	return nil
}

// checkRandom looks for a source that is stuck or plainly biased: 20,000 bits,
// within 5.6 standard deviations of half ones, no 16 bytes twice.
func checkRandom(r io.Reader) error {
	sample := make([]byte, 2500)
	if _, err := io.ReadFull(r, sample); err != nil {
		return err
	}
	ones := 0
	for _, b := range sample {
		ones += bits.OnesCount8(b)
	}
	if ones < 9600 || ones > 10400 {
		return fmt.Errorf("%d ones in 20,000 bits", ones)
	}
	seen := map[string]bool{}
	for i := 0; i+16 <= len(sample); i += 16 {
		block := string(sample[i : i+16])
		if seen[block] {
			return errors.New("the same 16 bytes twice")
		}
		seen[block] = true
	}
	return nil
}

func checkVault(vault Vault) error {
	place := secret.Place{Table: "custody", Column: "self-test", Row: "1"}
	plain := []byte("known plaintext of the self-test")
	sealed, err := vault.Seal(place, plain)
	if err != nil {
		return err
	}
	opened, err := vault.Open(place, sealed)
	if err != nil {
		return err
	}
	if !bytes.Equal(opened, plain) || bytes.Contains(sealed, plain) {
		return errAnswer
	}
	place.Row = "2"
	if _, err := vault.Open(place, sealed); err == nil {
		return errors.New("a sealed value opens in another row")
	}
	return nil
}

// ErrStuck says that the random source repeats itself.
var ErrStuck = errors.New("selftest: the random source repeats itself")

// Watch is the continuous test of a random source: a read that begins like the
// one before fails with what stuck makes of ErrStuck.
func Watch(from io.Reader, stuck func(error) error) io.Reader {
	return &watched{from: from, stuck: stuck}
}

type watched struct {
	from  io.Reader
	stuck func(error) error
	mu    sync.Mutex
	last  [16]byte
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil || n < len(w.last) {
		return n, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if [16]byte(p[:16]) == w.last {
		clear(p[:n])
		return 0, w.stuck(ErrStuck)
	}
	w.last = [16]byte(p[:16])
	return n, nil
}
