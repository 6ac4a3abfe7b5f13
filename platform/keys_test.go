package platform_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
)

func TestKeysAreDrawnOnceAndKeptPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := platform.LoadOrCreateKeys(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := platform.LoadOrCreateKeys(dir, rand.Reader)
	if err != nil || !again.Signing.Equal(first.Signing) || !again.Encryption.Equal(first.Encryption) || first.Signing.Equal(first.Encryption) {
		t.Errorf("read back: %v", err)
	}
	path := filepath.Join(dir, "sign.key.pem")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text := fmt.Sprintf("%v %+v %s", first, &first, first); strings.Contains(text, first.Signing.D.String()) || strings.Contains(text, "{") {
		t.Errorf("the keys print: %.80s", text)
	}
	if _, err := json.Marshal(platform.Credentials{Keys: first}); err == nil {
		t.Error("the keys marshal")
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("keys", "keys", first, "credentials", platform.Credentials{Keys: first})
	if strings.Contains(log.String(), first.Signing.D.String()) {
		t.Error("the keys are logged")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := platform.LoadOrCreateKeys(dir, rand.Reader); !errors.Is(err, platform.ErrConfig) {
		t.Errorf("a key that others may read: %v", err)
	}
	for _, text := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"} {
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := platform.LoadOrCreateKeys(dir, rand.Reader); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("%q as a key: %v", text, err)
		}
	}
}

// sandbox registers platforms as the sandbox's door does.
func sandbox(t *testing.T, h *pkitest.Hierarchy, edit func(reply map[string]any)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Code, Name, Host string
			SignKey, EncKey  []byte
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != "POST" || r.URL.Path != "/sandbox/platforms" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		issue := func(role pki.Role, point []byte) []byte {
			pub, err := pki.ParsePoint(point)
			if err != nil {
				t.Error(err)
			}
			return h.CA.Issue(t, pki.Template{Role: role, PublicKey: pub, Host: q.Host, Subject: pki.Name{Organization: q.Name, CommonName: q.Code}}).Raw
		}
		reply := map[string]any{"signCertificate": issue(pki.PlatformSigning, q.SignKey), "root": h.Root.Cert.Raw,
			"encCertificate": issue(pki.PlatformEncryption, q.EncKey), "chain": [][]byte{h.CA.Cert.Raw, h.Root.Cert.Raw}}
		if edit != nil {
			edit(reply)
		}
		json.NewEncoder(w).Encode(reply)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestRegisteredPlatformIsReadBack(t *testing.T) {
	h := pkitest.New(t)
	server, dir := sandbox(t, h, nil), t.TempDir()
	if _, err := platform.LoadCredentials(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing registered: %v", err)
	}
	reg := platform.Registration{Code: "M1100000034", Name: "示例交易平台", Region: "北京", Host: "bid.example"}
	made, err := platform.Register(ctx, nil, server.URL+"/", dir, reg, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	read, err := platform.LoadCredentials(dir)
	if err != nil || !read.Certificate.Equal(made.Certificate) || !read.EncryptionCertificate.Equal(made.EncryptionCertificate) || !read.Roots[0].Equal(h.Root.Cert) || len(read.Issuers) != 2 || !read.Issuers[0].Equal(h.CA.Cert) {
		t.Fatalf("read back: %v", err)
	}
	c, err := platform.New(platform.Config{BaseURL: "https://open.example", Code: reg.Code, SigningKey: read.Signing,
		Certificate: read.Certificate, Roots: read.Roots, Sandbox: true})
	if err != nil || c.Host() != "bid.example" || c.Code() != reg.Code {
		t.Errorf("client: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sign.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.CA.Cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := platform.LoadCredentials(dir); !errors.Is(err, platform.ErrConfig) {
		t.Errorf("certificate of another key: %v", err)
	}
}

func TestRegistrationOfOtherKeysIsRefused(t *testing.T) {
	h := pkitest.New(t)
	reg := platform.Registration{Code: "M1100000034", Name: "示例交易平台", Host: "bid.example"}
	for name, edit := range map[string]func(map[string]any){
		"swapped": func(m map[string]any) {
			m["signCertificate"], m["encCertificate"] = m["encCertificate"], m["signCertificate"]
		},
		"no root":  func(m map[string]any) { delete(m, "root") },
		"no bytes": func(m map[string]any) { m["signCertificate"] = []byte("x") },
	} {
		dir := t.TempDir()
		if _, err := platform.Register(ctx, nil, sandbox(t, h, edit).URL, dir, reg, rand.Reader); !errors.Is(err, platform.ErrReply) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := platform.LoadCredentials(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was kept: %v", name, err)
		}
	}
}

func TestRootsAreReadStrictly(t *testing.T) {
	h := pkitest.New(t)
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Root.Cert.Raw})
	if roots, err := platform.ParseRoots(append(bytes.Clone(good), good...)); err != nil || len(roots) != 2 {
		t.Errorf("two roots: %d, %v", len(roots), err)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "text": []byte("x"), "bytes behind": append(bytes.Clone(good), 'x'),
		"a key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"no bytes": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
	} {
		if _, err := platform.ParseRoots(text); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
