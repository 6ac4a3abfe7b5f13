package platform

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/pki"
)

// Keys are the two key pairs of a platform: one signs requests, to the other
// what is decrypted for the platform is enciphered.
type Keys struct {
	Signing    *sm2.PrivateKey
	Encryption *sm2.PrivateKey
}

// Format keeps the keys out of prints.
func (Keys) Format(f fmt.State, _ rune) { io.WriteString(f, "platform.Keys") }

// LogValue keeps the keys out of logs.
func (Keys) LogValue() slog.Value { return slog.StringValue("platform.Keys") }

// MarshalText refuses: keys are written by LoadOrCreateKeys alone.
func (Keys) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("%w: private keys are not text", ErrConfig)
}

// Credentials are keys and certificates of a registered platform: SigningKey,
// Certificate, Roots and Issuers of a Config.
type Credentials struct {
	Keys
	Certificate           *smx509.Certificate // for signing
	EncryptionCertificate *smx509.Certificate
	Roots                 []*smx509.Certificate
	Issuers               []*smx509.Certificate // of the service's certificates
}

// The files of a credentials folder.
const (
	signKeyFile = "sign.key.pem"
	encKeyFile  = "enc.key.pem"
	signFile    = "sign.pem"
	encFile     = "enc.pem"
	rootFile    = "root.pem"
	issuerFile  = "issuers.pem"
)

// LoadOrCreateKeys reads sign.key.pem and enc.key.pem (PKCS #8) from a folder,
// or draws and writes those that are missing, readable by their owner alone. A
// key that others may read is refused. A production platform keeps its keys in
// an HSM and does not need this.
func LoadOrCreateKeys(dir string, random io.Reader) (Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Keys{}, fmt.Errorf("platform: keys: %w", err)
	}
	var k Keys
	var err error
	if k.Signing, err = loadOrCreate(filepath.Join(dir, signKeyFile), random); err != nil {
		return Keys{}, err
	}
	if k.Encryption, err = loadOrCreate(filepath.Join(dir, encKeyFile), random); err != nil {
		return Keys{}, err
	}
	return k, nil
}

func loadOrCreate(path string, random io.Reader) (*sm2.PrivateKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = sm2.GenerateKey(random); err != nil {
		return nil, fmt.Errorf("platform: draw key: %w", err)
	}
	der, err := smx509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("platform: write key: %w", err)
	}
	return key, writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func loadKey(path string) (*sm2.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("platform: key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others may read %s: chmod 600", ErrConfig, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("platform: key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%w: %s is not a PKCS #8 key in PEM", ErrConfig, path)
	}
	key, err := smx509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a PKCS #8 key", ErrConfig, path)
	}
	k, ok := key.(*sm2.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not an SM2 key", ErrConfig, path)
	}
	return k, nil
}

// writeFile replaces a file whole or not at all.
func writeFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("platform: write %s: %w", path, err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("platform: write %s: %w", path, err)
	}
	return nil
}

// LoadCredentials reads what Register wrote. The error is fs.ErrNotExist when
// a file is missing: the platform was not registered from this folder.
func LoadCredentials(dir string) (Credentials, error) {
	var c Credentials
	var err error
	if c.Signing, err = loadKey(filepath.Join(dir, signKeyFile)); err != nil {
		return Credentials{}, err
	}
	if c.Encryption, err = loadKey(filepath.Join(dir, encKeyFile)); err != nil {
		return Credentials{}, err
	}
	read := func(name string) []*smx509.Certificate {
		if err != nil {
			return nil
		}
		text, e := os.ReadFile(filepath.Join(dir, name))
		if e != nil {
			err = fmt.Errorf("platform: certificate: %w", e)
			return nil
		}
		var certs []*smx509.Certificate
		certs, err = ParseRoots(text)
		return certs
	}
	sign, enc := read(signFile), read(encFile)
	c.Roots = read(rootFile)
	if err != nil {
		return Credentials{}, err
	}
	if c.Issuers = read(issuerFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Credentials{}, err
	}
	c.Certificate, c.EncryptionCertificate = sign[0], enc[0]
	return c, c.check()
}

func (c Credentials) check() error {
	for _, p := range []struct {
		cert *smx509.Certificate
		key  *sm2.PrivateKey
	}{{c.Certificate, c.Signing}, {c.EncryptionCertificate, c.Encryption}} {
		if pub, ok := p.cert.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(&p.key.PublicKey) {
			return fmt.Errorf("%w: certificate %x is of another key", ErrConfig, p.cert.SerialNumber)
		}
	}
	return nil
}

// Registration is what a platform is registered with.
type Registration struct {
	Code         string `json:"code"` // a capital letter and ten digits
	Name         string `json:"name"`
	Region       string `json:"region"`       // province or municipality, such as 北京
	Host         string `json:"host"`         // of the site, as the phone shows it
	CallbackBase string `json:"callbackBase"` // "" for none
}

// Register asks a sandbox for the certificates of a platform and writes keys,
// certificates and root into a folder. Outside a sandbox platforms are
// registered by the operator, with four eyes.
//
// sandbox is the address of the sandbox's door, such as http://127.0.0.1:8083;
// nil for h is a client with a limit of 15 s.
func Register(ctx context.Context, h *http.Client, sandbox, dir string, r Registration, random io.Reader) (Credentials, error) {
	if h == nil {
		h = &http.Client{Timeout: 15 * time.Second}
	}
	keys, err := LoadOrCreateKeys(dir, random)
	if err != nil {
		return Credentials{}, err
	}
	body := struct {
		Registration
		SignKey []byte `json:"signKey"`
		EncKey  []byte `json:"encKey"`
	}{Registration: r}
	if body.SignKey, err = pki.Point(&keys.Signing.PublicKey); err != nil {
		return Credentials{}, fmt.Errorf("platform: %w", err)
	}
	if body.EncKey, err = pki.Point(&keys.Encryption.PublicKey); err != nil {
		return Credentials{}, fmt.Errorf("platform: %w", err)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return Credentials{}, fmt.Errorf("platform: encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(sandbox, "/")+"/sandbox/platforms", bytes.NewReader(raw))
	if err != nil {
		return Credentials{}, fmt.Errorf("%w: address of the sandbox: %w", ErrConfig, err)
	}
	req.Header.Set("Content-Type", "application/json")
	var reply struct {
		SignCertificate, EncCertificate, Root []byte
		Chain                                 [][]byte
	}
	if err := fetch(h, req, &reply); err != nil {
		return Credentials{}, err
	}
	certs, err := parseCertificates(append([][]byte{reply.SignCertificate, reply.EncCertificate, reply.Root}, reply.Chain...))
	if err != nil {
		return Credentials{}, fmt.Errorf("%w: certificates: %w", ErrReply, err)
	}
	c := Credentials{Keys: keys, Certificate: certs[0], EncryptionCertificate: certs[1], Roots: certs[2:3], Issuers: certs[3:]}
	if err := c.check(); err != nil {
		return Credentials{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	for name, list := range map[string][]*smx509.Certificate{signFile: certs[:1], encFile: certs[1:2], rootFile: c.Roots, issuerFile: c.Issuers} {
		var text []byte
		for _, cert := range list {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
		}
		path := filepath.Join(dir, name)
		if len(text) == 0 { // of an earlier registration
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return Credentials{}, fmt.Errorf("platform: certificate: %w", err)
			}
			continue
		}
		if err := writeFile(path, text); err != nil {
			return Credentials{}, err
		}
	}
	return c, nil
}
