package lan

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/clock"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, c clock.Clock) *Root {
	t.Helper()
	r, err := Open(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func leafOf(t *testing.T, r *Root, address string) *x509.Certificate {
	t.Helper()
	c, err := r.Config(netip.MustParseAddr(address)).GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func verify(r *Root, leaf *x509.Certificate, host string, at time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(r.cert)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func TestTheRootIsMadeOnceForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := clock.NewManual(noon)
	first := open(t, dir, c)
	info, err := os.Stat(filepath.Join(dir, rootFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if second := open(t, dir, c); second.Fingerprint() != first.Fingerprint() {
		t.Error("the root was made again")
	}
	c.Advance(rootLife - lag - early)
	if renewed := open(t, dir, c); renewed.Fingerprint() == first.Fingerprint() {
		t.Error("a root that ends within a month was kept")
	}
	if err := os.Chmod(filepath.Join(dir, rootFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, c); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
}

func TestADamagedRootIsAnErrorAndNotANewRoot(t *testing.T) {
	dir := t.TempDir()
	c := clock.NewManual(noon)
	open(t, dir, c)
	path := filepath.Join(dir, rootFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	open(t, other, c)
	foreign, err := os.ReadFile(filepath.Join(other, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	end := strings.Index(string(text), "-----BEGIN CERTIFICATE")
	from := strings.Index(string(foreign), "-----BEGIN CERTIFICATE")
	for name, damaged := range map[string]string{
		"empty": "", "the key alone": string(text[:end]), "more": string(text) + "x", "another's certificate": string(text[:end]) + string(foreign[from:]),
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, c); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeavesAreShortAndRenewThemselves(t *testing.T) {
	c := clock.NewManual(noon)
	r := open(t, t.TempDir(), c)
	first := leafOf(t, r, "192.168.1.5")
	if life := first.NotAfter.Sub(first.NotBefore); life > 397*24*time.Hour || life < 300*24*time.Hour {
		t.Errorf("a leaf lives %s", life)
	}
	if err := verify(r, first, "192.168.1.5", noon.Add(-lag/2)); err != nil {
		t.Errorf("on a phone whose clock lags: %v", err)
	}
	if err := verify(r, first, "192.168.1.6", noon); err == nil {
		t.Error("a leaf serves another address")
	}
	if again := leafOf(t, r, "192.168.1.5"); !again.Equal(first) {
		t.Error("a leaf is made for every connection")
	}
	c.Advance(first.NotAfter.Sub(noon) - early)
	second := leafOf(t, r, "192.168.1.5")
	if second.Equal(first) {
		t.Fatal("a leaf that ends within a month was kept")
	}
	if err := verify(r, second, "192.168.1.5", c.Now()); err != nil {
		t.Error(err)
	}
	c.Advance(rootLife - 2*leafLife + 60*24*time.Hour)
	if last := leafOf(t, r, "192.168.1.5"); last.NotAfter.After(r.cert.NotAfter) {
		t.Error("a leaf outlives its root")
	}
}

// TestAnotherVerifierAgrees: openssl reads name constraints more broadly than
// Go, and phones may too.
func TestAnotherVerifierAgrees(t *testing.T) {
	dir := t.TempDir()
	r := open(t, t.TempDir(), clock.NewManual(noon))
	for name, der := range map[string][]byte{"root": r.DER(), "leaf": leafOf(t, r, "192.168.1.5").Raw} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(address string) (string, error) {
		out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", strconv.FormatInt(noon.Unix(), 10),
			"-verify_ip", address, "-CAfile", filepath.Join(dir, "root"), filepath.Join(dir, "leaf")).CombinedOutput()
		return string(out), err
	}
	if out, err := check("192.168.1.5"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := check("192.168.1.6"); err == nil {
		t.Errorf("another address: %s", out)
	}
}

func TestTheRootCannotSpeakForTheInternet(t *testing.T) {
	r := open(t, t.TempDir(), clock.NewManual(noon))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"bank.example.com", "8.8.8.8", "2400:3200::1"} {
		f, err := blank(noon, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		f.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(host); ip != nil {
			f.IPAddresses = []net.IP{ip}
		} else {
			f.DNSNames = []string{host}
		}
		der, err := x509.CreateCertificate(rand.Reader, f, r.cert, &key.PublicKey, r.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(r, leaf, host, noon.Add(time.Minute)); err == nil {
			t.Errorf("a certificate of %s verifies", host)
		}
	}
}

func TestOwnAddressesAreNobodysOnTheInternet(t *testing.T) {
	for address, want := range map[string]bool{
		"192.168.1.5": true, "10.0.0.1": true, "172.31.255.1": true, "127.0.0.1": true, "::1": true, "fd00::2": true, "::ffff:10.0.0.1": true,
		"8.8.8.8": false, "172.32.0.1": false, "2400:3200::1": false, "192.169.0.1": false,
	} {
		if Own(netip.MustParseAddr(address)) != want {
			t.Errorf("%s: want %v", address, want)
		}
	}
}

func TestABrowserThatTrustsTheRootReachesTheHouse(t *testing.T) {
	r := open(t, t.TempDir(), clock.System{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, q.Proto) })}
	go server.Serve(tls.NewListener(l, r.Config(netip.MustParseAddr("127.0.0.1"))))
	t.Cleanup(func() { server.Close() })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.Pool()}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	res, err := client.Get("https://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "HTTP/2.0" {
		t.Errorf("got %s", b)
	}
}

func TestThePageHandsOutTheRootAndTheFingerprintOfTheTerminal(t *testing.T) {
	r := open(t, t.TempDir(), clock.NewManual(noon))
	h, err := r.Page("https://192.168.1.5:8080")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	body := get("/").Body.String()
	for _, want := range []string{r.Fingerprint(), `href="https://192.168.1.5:8080"`, `href="/twt-root.crt"`, "证书信任设置", "Certificate Trust Settings", "加密与凭据"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	root := get(RootPath)
	if c, err := x509.ParseCertificate(root.Body.Bytes()); err != nil || !c.Equal(r.cert) || root.Header().Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("the root: %v, %s", err, root.Header().Get("Content-Type"))
	}
	if w := get("/lan-root.pem"); w.Code != 404 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("another path: %d", w.Code)
	}
	flat := strings.Join(strings.Fields(r.Steps()), " ")
	for _, want := range []string{r.Fingerprint(), "证书信任设置", "CA certificate"} {
		if !strings.Contains(flat, want) {
			t.Errorf("the terminal lacks %q", want)
		}
	}
}

func FuzzRoot(f *testing.F) {
	dir := f.TempDir()
	if _, err := Open(dir, clock.NewManual(noon)); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, rootFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, s := range []string{"", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := parse(text); err == nil && !r.key.PublicKey.Equal(r.cert.PublicKey) {
			t.Error("a root with another's key")
		}
	})
}
