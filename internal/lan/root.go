// Package lan makes https on one's own network, so that a real phone's camera
// and cryptography work against a sandbox on a desk: a root made once, leaves
// that renew themselves, and the page where a phone gets the root
// (docs/local-network.md). It has no place in production.
package lan

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tianweitong/internal/clock"
)

const (
	rootLife = 5 * 365 * 24 * time.Hour
	// leafLife is the longest that phones take (iOS and Android, 398 days).
	leafLife = 397 * 24 * time.Hour
	// early is how long before its end a certificate is made anew, lag how far
	// a phone's clock may be behind.
	early = 30 * 24 * time.Hour
	lag   = 24 * time.Hour
	// rootFile holds key and certificate in one, so that there is never one
	// without the other.
	rootFile = "lan-root.pem"
)

// Root is this machine's root for its local network (本机测试根证书). It can
// speak for addresses of local networks alone, whoever gets hold of its key.
type Root struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	clock clock.Clock

	mu   sync.Mutex
	leaf map[string]*tls.Certificate
}

// Open reads the root from a folder, or makes it the first time and when it
// ends within a month. Only its owner may read the file.
func Open(dir string, c clock.Clock) (*Root, error) {
	path := filepath.Join(dir, rootFile)
	r, err := load(path, c)
	if err == nil && r.cert.NotAfter.Sub(c.Now()) > early {
		return r, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return create(path, c)
}

func load(path string, c clock.Clock) (*Root, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("lan: the root: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("lan: others may read %s: chmod 600, or remove it to make a new root", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lan: the root: %w", err)
	}
	r, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("lan: %s: %w; remove it to make a new root", path, err)
	}
	r.clock = c
	return r, nil
}

func parse(text []byte) (*Root, error) {
	first, rest := pem.Decode(text)
	second, rest := pem.Decode(rest)
	if first == nil || second == nil || first.Type != "PRIVATE KEY" || second.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("not a key and its certificate in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(first.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	cert, err := x509.ParseCertificate(second.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	r := &Root{cert: cert, leaf: map[string]*tls.Certificate{}}
	r.key, _ = key.(*ecdsa.PrivateKey)
	if r.key == nil || !r.key.PublicKey.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, errors.New("the certificate is not this key's root")
	}
	return r, nil
}

func create(path string, c clock.Clock) (*Root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("lan: the root's key: %w", err)
	}
	from := c.Now().Add(-lag).Truncate(time.Second)
	t, err := blank(from, from.Add(rootLife))
	if err != nil {
		return nil, err
	}
	t.Subject = pkix.Name{Organization: []string{"天威通沙箱"}, CommonName: "天威通本机测试根证书 " + c.Now().In(clock.China).Format("2006-01-02 15:04")}
	t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.PermittedDNSDomainsCritical, t.PermittedDNSDomains = true, []string{"localhost"}
	for _, p := range own {
		t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("lan: the root: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("lan: the root's key: %w", err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := write(path, text); err != nil {
		return nil, err
	}
	return load(path, c)
}

// write replaces a file whole or not at all; a new file is its owner's alone.
func write(path string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("lan: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".lan-*") // mode 0600
	if err != nil {
		return fmt.Errorf("lan: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("lan: writing %s: %w", path, err)
	}
	return nil
}

func blank(from, to time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("lan: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), NotBefore: from, NotAfter: to, BasicConstraintsValid: true}, nil
}

// DER is the root's certificate.
func (r *Root) DER() []byte { return r.cert.Raw }

// Fingerprint is the certificate's SHA-256 as phones show it, in pairs.
func (r *Root) Fingerprint() string {
	sum := sha256.Sum256(r.cert.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, " ")
}

// Pool trusts what the machine trusts, and this root.
func (r *Root) Pool() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AddCert(r.cert)
	return pool
}

// Config serves TLS under an address; its leaf is made when it is first asked
// for and again before it ends, for as long as the process lives.
func (r *Root) Config(a netip.Addr) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.certificate(a) },
	}
}

func (r *Root) certificate(a netip.Addr) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if old := r.leaf[a.String()]; old != nil && old.Leaf.NotAfter.Sub(now) > early {
		return old, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("lan: a leaf's key: %w", err)
	}
	from := now.Add(-lag).Truncate(time.Second)
	to := from.Add(leafLife)
	if r.cert.NotAfter.Before(to) {
		to = r.cert.NotAfter
	}
	t, err := blank(from, to)
	if err != nil {
		return nil, err
	}
	// No address in the name: some verifiers would hold it against the
	// constraints as if it were a host's.
	t.Subject = pkix.Name{Organization: []string{"天威通沙箱"}, CommonName: "天威通本机测试服务"}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.IPAddresses = []net.IP{a.AsSlice()}
	der, err := x509.CreateCertificate(rand.Reader, t, r.cert, &key.PublicKey, r.key)
	if err != nil {
		return nil, fmt.Errorf("lan: a leaf: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("lan: a leaf: %w", err)
	}
	r.leaf[a.String()] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return r.leaf[a.String()], nil
}
