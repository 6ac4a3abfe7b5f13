//go:build !js

package phone

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a store in one file, replaced as a whole.
type File string

// Load implements Store.
func (f File) Load() (s State, err error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// Save implements Store: write, sync, rename, sync the folder.
func (f File) Save(s State) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	dir := filepath.Dir(string(f))
	t, err := os.CreateTemp(dir, ".phone-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name())
	_, err = t.Write(b)
	if err = errors.Join(err, t.Sync(), t.Close()); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), string(f)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
