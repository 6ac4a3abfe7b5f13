package splitkey

import (
	"fmt"
	"io"
	"sync"

	"github.com/emmansun/gmsm/drbg"
	"github.com/emmansun/gmsm/sm3"
)

// NewRandom returns the phone's random source: an SM3 hash DRBG (modelled on
// GM/T 0105) over local, the browser's getRandomValues, and the server's 48
// seed bytes from a sealed reply (docs/split-keys.md §2). Every read adds fresh
// local bytes. It is good as long as one of the two sources is. It may be used
// from several goroutines.
func NewRandom(local io.Reader, serverSeed []byte) (io.Reader, error) {
	if err := checkSize("server seed", serverSeed, SeedSize); err != nil {
		return nil, err
	}
	var own [48 + 16]byte
	defer clear(own[:])
	if _, err := io.ReadFull(local, own[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRandom, err)
	}
	entropy := append(append([]byte(nil), own[:48]...), serverSeed...)
	defer clear(entropy)
	d, err := drbg.NewNISTHashDrbg(sm3.New, drbg.SECURITY_LEVEL_ONE, entropy, own[48:], []byte("TWT/phone/v1"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRandom, err)
	}
	return &random{local: local, drbg: d}, nil
}

type random struct {
	mu    sync.Mutex
	local io.Reader
	drbg  *drbg.HashDrbg
}

// Read implements io.Reader; it fills b or fails with ErrRandom.
func (r *random) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for done := 0; done < len(b); {
		chunk := b[done:min(len(b), done+r.drbg.MaxBytesPerRequest())]
		var fresh [48]byte
		if _, err := io.ReadFull(r.local, fresh[:]); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrRandom, err)
		}
		reseed, err := r.drbg.Generate(chunk, fresh[:])
		if err == nil && reseed {
			err = r.drbg.Reseed(fresh[:], nil)
			chunk = nil
		}
		clear(fresh[:])
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrRandom, err)
		}
		done += len(chunk)
	}
	return len(b), nil
}
