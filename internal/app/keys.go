package app

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tianweitong/internal/config"
	"tianweitong/internal/id"
	"tianweitong/internal/secret"
)

// keyFile reads a 32-byte key in hex from the keys folder. The embedded sandbox
// makes a missing one; production does not: a key that silently begins anew
// would hide the loss of the old one.
func keyFile(c config.Config, random io.Reader, name string) ([]byte, error) {
	path := filepath.Join(c.Data, "keys", name+".key")
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Mode == config.Sandbox:
		return makeKey(path, random)
	case err != nil:
		return nil, fmt.Errorf("the key file %s is missing or unreadable (%w): restore it from the backup, a new one would open nothing", path, err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != secret.KeySize {
		return nil, fmt.Errorf("the key %s is not %d bytes in hexadecimal", name, secret.KeySize)
	}
	return key, nil
}

func makeKey(path string, random io.Reader) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	key := id.Bytes(random, secret.KeySize)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	return key, errors.Join(err, f.Sync(), f.Close())
}
