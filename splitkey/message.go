package splitkey

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The IDs in ZA separate purposes: a signature made for one never verifies as
// another. IDDocument is for documents, seals and certificate requests only;
// each of the others is also the tag that its messages begin with
// (docs/split-keys.md §2.9; GM/T 0009 §10 for the default ID).
const (
	IDDocument = "1234567812345678"
	IDLogin    = "TWT/login/v1"
	IDEncrypt  = "TWT/encrypt/v1"
	IDPIN      = "TWT/pin/v1"
	IDRefresh  = "TWT/refresh/v1"
	IDTrial    = "TWT/trial/v1"
	IDTakeover = "TWT/takeover/v1"
)

// ErrDocument: these bytes are not signed as a document. They are empty or too
// large, or they are a structure or one of our own messages that would mean
// something else than it shows (docs/split-keys.md §2.9).
var ErrDocument = errors.New("splitkey: not signable as a document")

// Bounds of message fields, in bytes.
const (
	maxText = 1024
	maxKeys = 1024
)

// LoginMessage is M of a login on a trading platform.
type LoginMessage struct {
	Platform    string // platform code
	Host        string // the host registered for it
	Transaction string // tId
	Challenge   []byte // the platform's, 16 to 64 bytes
	Browser     []byte // SM3 of the browser binding
	Time        int64  // Unix seconds, the server's
}

func (m LoginMessage) check() error {
	if err := checkTexts("platform", m.Platform, "host", m.Host, "transaction", m.Transaction); err != nil {
		return err
	}
	if len(m.Challenge) < 16 || len(m.Challenge) > 64 {
		return fmt.Errorf("%w: challenge of %d bytes", ErrMalformed, len(m.Challenge))
	}
	if m.Time < 0 {
		return fmt.Errorf("%w: time before 1970", ErrMalformed)
	}
	return checkSize("browser binding", m.Browser, DigestSize)
}

// Bytes returns the canonical M, or ErrMalformed.
func (m LoginMessage) Bytes() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return prefixed([]byte(IDLogin), []byte(m.Platform), []byte(m.Host), []byte(m.Transaction), m.Challenge, m.Browser, encodeInt(m.Time)), nil
}

// ParseLoginMessage reads M strictly: what it returns encodes to the same bytes.
func ParseLoginMessage(b []byte) (LoginMessage, error) {
	f, err := parseFields(b, 7, IDLogin)
	if err != nil {
		return LoginMessage{}, err
	}
	m := LoginMessage{Platform: string(f[1]), Host: string(f[2]), Transaction: string(f[3]), Challenge: f[4], Browser: f[5]}
	if m.Time, err = parseInt(f[6]); err != nil {
		return LoginMessage{}, err
	}
	return m, m.check()
}

// EncryptMessage is M of handing out the encryption certificate for one file.
type EncryptMessage struct {
	CertSerial string // of the encryption certificate, upper-case hexadecimal
	Platform   string // platform code
	Tender     string
	FileName   string
	Size       int64  // of the file, bytes
	Digest     []byte // SM3 of the file
}

func (m EncryptMessage) check() error {
	if err := checkTexts("platform", m.Platform, "tender", m.Tender, "file name", m.FileName, "certificate serial", m.CertSerial); err != nil {
		return err
	}
	if strings.Trim(m.CertSerial, "0123456789ABCDEF") != "" {
		return fmt.Errorf("%w: certificate serial is not upper-case hexadecimal", ErrMalformed)
	}
	if m.Size < 0 {
		return fmt.Errorf("%w: size of the file", ErrMalformed)
	}
	return checkSize("digest of the file", m.Digest, DigestSize)
}

// Bytes returns the canonical M, or ErrMalformed.
func (m EncryptMessage) Bytes() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	return prefixed([]byte(IDEncrypt), []byte(m.CertSerial), []byte(m.Platform), []byte(m.Tender), []byte(m.FileName), encodeInt(m.Size), m.Digest), nil
}

// ParseEncryptMessage reads M strictly: what it returns encodes to the same bytes.
func ParseEncryptMessage(b []byte) (EncryptMessage, error) {
	f, err := parseFields(b, 7, IDEncrypt)
	if err != nil {
		return EncryptMessage{}, err
	}
	m := EncryptMessage{CertSerial: string(f[1]), Platform: string(f[2]), Tender: string(f[3]), FileName: string(f[4]), Digest: f[6]}
	if m.Size, err = parseInt(f[5]); err != nil {
		return EncryptMessage{}, err
	}
	return m, m.check()
}

// ConfirmMessage is M of everything that the PIN key or a new share confirms:
// PIN, refresh, trial, takeover, and the re-dealing of old encryption keys.
type ConfirmMessage struct {
	ID          string // IDPIN, IDRefresh, IDTrial or IDTakeover
	Account     string
	Device      []byte   // thumbprint of the device key
	Purpose     string   // what is confirmed, e.g. "approve", "revoke", "redeal"
	Object      []byte   // SM3 of the object that is confirmed
	KeyIDs      []string // the keys concerned, each once, in the server's order; may be empty
	ServerNonce []byte   // 16 to 64 bytes, single use
}

func (m ConfirmMessage) check() error {
	switch m.ID {
	case IDPIN, IDRefresh, IDTrial, IDTakeover:
	default:
		return fmt.Errorf("%w: not a confirmation", ErrMalformed)
	}
	if err := checkTexts("account", m.Account, "purpose", m.Purpose); err != nil {
		return err
	}
	if len(m.Device) == 0 || len(m.Device) > maxID {
		return fmt.Errorf("%w: device thumbprint of %d bytes", ErrMalformed, len(m.Device))
	}
	if len(m.ServerNonce) < 16 || len(m.ServerNonce) > 64 {
		return fmt.Errorf("%w: server nonce of %d bytes", ErrMalformed, len(m.ServerNonce))
	}
	if len(m.KeyIDs) > maxKeys {
		return fmt.Errorf("%w: %d keys", ErrMalformed, len(m.KeyIDs))
	}
	seen := map[string]bool{}
	for _, id := range m.KeyIDs {
		if err := checkText("key ID", id, maxID); err != nil {
			return err
		}
		if seen[id] {
			return fmt.Errorf("%w: key listed twice", ErrMalformed)
		}
		seen[id] = true
	}
	return checkSize("digest of the object", m.Object, DigestSize)
}

// Bytes returns the canonical M, or ErrMalformed.
func (m ConfirmMessage) Bytes() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var keys []byte
	for _, id := range m.KeyIDs {
		keys = appendPrefixed(keys, []byte(id))
	}
	return prefixed([]byte(m.ID), []byte(m.Account), m.Device, []byte(m.Purpose), m.Object, keys, m.ServerNonce), nil
}

// ParseConfirmMessage reads M strictly: what it returns encodes to the same bytes.
func ParseConfirmMessage(b []byte) (ConfirmMessage, error) {
	f, err := parseFields(b, 7, IDPIN, IDRefresh, IDTrial, IDTakeover)
	if err != nil {
		return ConfirmMessage{}, err
	}
	m := ConfirmMessage{ID: string(f[0]), Account: string(f[1]), Device: f[2], Purpose: string(f[3]), Object: f[4], ServerNonce: f[6]}
	for rest := f[5]; len(rest) > 0; {
		var id []byte
		if id, rest, err = cutPrefixed(rest); err != nil {
			return ConfirmMessage{}, err
		}
		if len(m.KeyIDs) == maxKeys {
			return ConfirmMessage{}, fmt.Errorf("%w: too many keys", ErrMalformed)
		}
		m.KeyIDs = append(m.KeyIDs, string(id))
	}
	return m, m.check()
}

// MessageID returns the ID under which a canonical message is signed, or ""
// when m is not one of them. It looks at the tag alone.
func MessageID(m []byte) string {
	for _, id := range []string{IDLogin, IDEncrypt, IDPIN, IDRefresh, IDTrial, IDTakeover} {
		if bytes.HasPrefix(m, prefixed([]byte(id))) {
			return id
		}
	}
	return ""
}

// CheckDocument decides whether bytes of a platform's choice may be signed as
// a document: 1 byte to MaxMessage, not a DER SEQUENCE or SET, which could be
// a seal or CMS attributes, and not one of our own messages. Otherwise
// ErrDocument (docs/split-keys.md §2.9).
func CheckDocument(b []byte) error {
	switch {
	case len(b) == 0:
		return fmt.Errorf("%w: it is empty", ErrDocument)
	case len(b) > MaxMessage:
		return fmt.Errorf("%w: it is larger than %d bytes", ErrDocument, MaxMessage)
	case IsWholeDER(b):
		return fmt.Errorf("%w: it is a DER structure", ErrDocument)
	case MessageID(b) != "" || bytes.HasPrefix(b, prefixed([]byte(tagModule))):
		return fmt.Errorf("%w: it is a protocol message", ErrDocument)
	}
	return nil
}

func encodeInt(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

func parseInt(b []byte) (int64, error) {
	if len(b) != 8 || b[0]&0x80 != 0 {
		return 0, fmt.Errorf("%w: not a number of eight bytes", ErrMalformed)
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// cutPrefixed takes one length-prefixed field off b.
func cutPrefixed(b []byte) (field, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("%w: field without length", ErrMalformed)
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, fmt.Errorf("%w: field longer than the message", ErrMalformed)
	}
	return b[4 : 4+n : 4+n], b[4+n:], nil
}

// parseFields reads exactly n fields, the first being one of the tags.
func parseFields(b []byte, n int, tags ...string) ([][]byte, error) {
	fields := make([][]byte, 0, n)
	for len(b) > 0 {
		var f []byte
		var err error
		if f, b, err = cutPrefixed(b); err != nil {
			return nil, err
		}
		if len(fields) == n {
			return nil, fmt.Errorf("%w: more than %d fields", ErrMalformed, n)
		}
		fields = append(fields, bytes.Clone(f))
	}
	if len(fields) != n || !slices.Contains(tags, string(fields[0])) {
		return nil, fmt.Errorf("%w: another message than expected", ErrMalformed)
	}
	return fields, nil
}

func checkTexts(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := checkText(pairs[i], pairs[i+1], maxText); err != nil {
			return err
		}
	}
	return nil
}

// checkText admits what a screen can show as it is: UTF-8 without control or
// direction characters, so that what is signed is what was read.
func checkText(name, s string, limit int) error {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is empty, too long or not UTF-8", ErrMalformed, name)
	}
	for _, r := range s {
		if unicode.In(r, unicode.C) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return fmt.Errorf("%w: %s has a control character", ErrMalformed, name)
		}
	}
	return nil
}
