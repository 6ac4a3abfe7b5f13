package phone

import (
	"encoding/json"
	"slices"
	"sync"

	"tianweitong/splitkey"
)

// State is everything that a phone stores (docs/split-keys.md §2.1). Nothing in
// it tells a right PIN from a wrong one.
type State struct {
	DeviceKey  []byte `json:"deviceKey,omitempty"` // PKCS #8, ECDSA P-256; a browser keeps it itself
	DeviceSalt []byte `json:"deviceSalt"`          // 32 bytes
	Account    string `json:"account,omitempty"`
	Token      string `json:"token,omitempty"`
	Nonce      []byte `json:"nonce,omitempty"` // of the session
	// Root is the DER root certificate that the module's statements and the
	// platforms' certificates must chain to; stored at the first login.
	Root []byte `json:"root,omitempty"`
	// Records are the masked shares in force; Next is a set that a change of PIN
	// wrote beside them, until the server's flip is known.
	Records []splitkey.Record `json:"records,omitempty"`
	Next    []splitkey.Record `json:"next,omitempty"`
	// Held are the certificates that were brought onto this phone; Redealt are the
	// ids of encryption keys that came back without a certificate.
	Held    []Held   `json:"held,omitempty"`
	Redealt []string `json:"redealt,omitempty"`
	// Refresh names the refresh that Next belongs to.
	Refresh string `json:"refresh,omitempty"`
}

// Held ties a certificate to the keys that this phone made and received for it.
type Held struct {
	Certificate     string `json:"certificate"` // the record's id
	SignKey         string `json:"signKey"`
	EncKey          string `json:"encKey,omitempty"`
	SignCertificate []byte `json:"signCertificate,omitempty"` // DER, once it is issued
}

// hold remembers a certificate in place of what was known of it.
func (s *State) hold(h Held) {
	s.Held = slices.DeleteFunc(s.Held, func(old Held) bool { return old.Certificate == h.Certificate })
	s.Held = append(s.Held, h)
}

// redealt remembers an encryption key that came back without a certificate.
func (s *State) redealt(keyID string) {
	if !slices.Contains(s.Redealt, keyID) {
		s.Redealt = append(s.Redealt, keyID)
	}
}

// held finds a certificate of this phone; false if it was not brought here.
func (s *State) held(certificate string) (Held, bool) {
	i := slices.IndexFunc(s.Held, func(h Held) bool { return h.Certificate == certificate })
	if i < 0 {
		return Held{}, false
	}
	return s.Held[i], true
}

// signer finds the issued certificate of a signing key.
func (s *State) signer(keyID string) (Held, bool) {
	i := slices.IndexFunc(s.Held, func(h Held) bool { return h.SignKey == keyID && h.SignCertificate != nil })
	if i < 0 {
		return Held{}, false
	}
	return s.Held[i], true
}

func (s *State) record(keyID string) (splitkey.Record, error) {
	i := slices.IndexFunc(s.Records, func(r splitkey.Record) bool { return r.KeyID == keyID })
	if i < 0 || s.Records[i].Check() != nil {
		return splitkey.Record{}, ErrKeyLost
	}
	return s.Records[i], nil
}

// put replaces the record of a key: two masked records of one share must never
// stand side by side.
func (s *State) put(r splitkey.Record) {
	s.Records = slices.DeleteFunc(s.Records, func(old splitkey.Record) bool { return old.KeyID == r.KeyID })
	s.Records = append(s.Records, r)
}

// keep deletes every record whose key is not listed.
func (s *State) keep(keyIDs ...string) {
	s.Records = slices.DeleteFunc(s.Records, func(r splitkey.Record) bool { return !slices.Contains(keyIDs, r.KeyID) })
}

// Store keeps a phone's state durably: Save returns only when a power cut would
// not undo it.
type Store interface {
	Load() (State, error)
	Save(State) error
}

// Memory is a store that forgets; its zero value is empty.
type Memory struct {
	mu sync.Mutex
	b  []byte
}

// Load implements Store.
func (m *Memory) Load() (s State, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.b) > 0 {
		err = json.Unmarshal(m.b, &s)
	}
	return s, err
}

// Save implements Store.
func (m *Memory) Save(s State) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b, err = json.Marshal(s)
	return err
}
