// Package e2e walks whole houses from the outside, over HTTP, on both engines:
// the demo with its artefacts, bad input, strangers, logs, operation.
package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/pkcs7"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/fonts"
	"tianweitong/internal/app"
	"tianweitong/internal/config"
	"tianweitong/internal/journey"
	"tianweitong/pki"
	"tianweitong/test/housetest"
)

// document has what a careless program would change: line ends, trailing blanks,
// a byte order mark, a zero.
var document = []byte("\ufeff投标函\r\n我方愿意按照招标文件的要求参加投标。  \r\n\x00\n（端到端测试）")

func TestDemoHoldsAndOpenSSLAgrees(t *testing.T) {
	housetest.Each(t, func(t *testing.T, c config.Config) {
		h := housetest.Start(t, c, app.Options{})
		w, err := journey.Discover(t.Context(), h.URLs().App, pki.Arc{})
		if err != nil {
			t.Fatal(err)
		}
		out := artefacts{t, filepath.Join(t.TempDir(), "out")}
		if err := w.Demo(t.Context(), journey.Options{
			Document: document, Name: "投标函.txt", Institution: app.SandboxInstitution, Out: out.dir,
		}); err != nil {
			t.Fatal(err)
		}
		out.complete()
		out.signature()
		out.chain()
		out.status()
		out.timestamp()
		out.message()
		out.letter()
		sound(t, h)
	})
}

// artefacts is what a demo wrote, as a stranger checks it.
type artefacts struct {
	*testing.T
	dir string
}

func (a artefacts) read(name string) []byte {
	a.Helper()
	b, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		a.Fatal(err)
	}
	return b
}

// openssl runs openssl in the artefacts' folder; it has to succeed.
func (a artefacts) openssl(args ...string) string {
	a.Helper()
	out, err := a.try(args...)
	if err != nil {
		a.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (a artefacts) try(args ...string) (string, error) {
	cmd := exec.CommandContext(a.Context(), "openssl", args...)
	cmd.Dir = a.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// complete: these files and no others, the document byte for byte, every step
// timed.
func (a artefacts) complete() {
	a.Helper()
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		a.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{
		"ca.pem", "crl.der", "document", "enc.pem", "journey.json", "letter.jpg", "letter.pdf", "ocsp.der", "root.pem", "sign.pem", "signature.der", "signature.p7s",
		"timestamp.tsr",
	}
	if fonts.Regular() == nil { // built without the typeface: no letter
		want = slices.DeleteFunc(want, func(n string) bool { return n == "letter.pdf" })
	}
	if !slices.Equal(names, want) {
		a.Errorf("the folder holds %v, want %v", names, want)
	}
	if !bytes.Equal(a.read("document"), document) {
		a.Error("the document was changed")
	}
	walked := a.walked()
	if !walked.Complete || len(walked.Steps) < 33 {
		a.Errorf("journey.json: complete %t, %d steps", walked.Complete, len(walked.Steps))
	}
	for _, s := range walked.Steps {
		if s.Chapter == "" || s.Name == "" || s.Milliseconds == nil || s.Error != "" {
			a.Errorf("journey.json has the step %+v", s)
		}
	}
}

type walked struct {
	Complete bool
	Steps    []struct {
		Chapter, Name, Error string
		Milliseconds         *int64
	}
}

func (a artefacts) walked() (w walked) {
	a.Helper()
	if err := json.Unmarshal(a.read("journey.json"), &w); err != nil {
		a.Fatal(err)
	}
	return w
}

// letter: what the officer saw is a JPEG without metadata, and the PDF is one page.
func (a artefacts) letter() {
	a.Helper()
	if c, err := jpeg.DecodeConfig(bytes.NewReader(a.read("letter.jpg"))); err != nil || c.Width < 600 {
		a.Errorf("letter.jpg: %+v, %v", c, err)
	}
	if fonts.Regular() == nil {
		return
	}
	if pages := regexp.MustCompile(`/Type\s*/Page\b`).FindAll(a.read("letter.pdf"), -1); len(pages) != 1 {
		a.Errorf("letter.pdf has %d pages", len(pages))
	}
}

// Row 2.4.2: a step that does not hold ends the demo with its name, leaves no proof
// behind, and nothing is tried after it.
func TestADemoThatBreaksNamesItsStepAndLeavesNoProof(t *testing.T) {
	w := sandbox(t)
	out := artefacts{t, t.TempDir()}
	if err := os.WriteFile(filepath.Join(out.dir, "letter.pdf"), []byte("of an earlier run"), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := 0
	err := w.Demo(t.Context(), journey.Options{
		Document: document, Name: "投标函.txt", Institution: app.SandboxInstitution, Out: out.dir,
		Progress: func(s journey.Step) {
			if steps++; steps == 18 { // the last of the first chapter: the register will refuse
				if err := w.Outcome(t.Context(), "refuse"); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err == nil || !strings.Contains(err.Error(), "企业实名") || !strings.Contains(err.Error(), "legal") {
		t.Errorf("the demo ended with %v", err)
	}
	if got := out.walked(); got.Complete || len(got.Steps) != 19 || steps != 19 || got.Steps[18].Error == "" {
		t.Errorf("journey.json: %+v, %d steps heard", got, steps)
	}
	if left, err := os.ReadDir(out.dir); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

const distid = "distid:1234567812345678"

func (a artefacts) signature() {
	a.Helper()
	key := a.openssl("x509", "-in", "sign.pem", "-pubkey", "-noout")
	other := a.openssl("x509", "-in", "enc.pem", "-pubkey", "-noout")
	for name, b := range map[string]string{"sign.pub": key, "enc.pub": other, "altered": string(document) + " "} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(b), 0o600); err != nil {
			a.Fatal(err)
		}
	}
	verify := func(pub, document string) (string, error) {
		return a.try("dgst", "-sm3", "-verify", pub, "-sigopt", distid, "-signature", "signature.der", document)
	}
	if out, err := verify("sign.pub", "document"); err != nil || !strings.Contains(out, "Verified OK") {
		a.Errorf("openssl refuses the signature: %v\n%s", err, out)
	}
	for _, wrong := range [][2]string{{"sign.pub", "altered"}, {"enc.pub", "document"}} {
		if out, err := verify(wrong[0], wrong[1]); err == nil {
			a.Errorf("openssl accepts the signature with %v: %s", wrong, out)
		}
	}
}

func (a artefacts) chain() {
	a.Helper()
	for _, level := range [][2]string{{"ca.pem", "sign.pem"}, {"ca.pem", "enc.pem"}, {"root.pem", "ca.pem"}, {"root.pem", "root.pem"}} {
		a.openssl("verify", "-partial_chain", "-vfyopt", distid, "-CAfile", level[0], level[1])
	}
	if out, err := a.try("verify", "-partial_chain", "-vfyopt", distid, "-CAfile", "root.pem", "sign.pem"); err == nil {
		a.Errorf("the root signed a holder's certificate: %s", out)
	}
	usage := a.openssl("x509", "-in", "sign.pem", "-noout", "-ext", "keyUsage")
	if !strings.Contains(usage, "Digital Signature") || !strings.Contains(usage, "critical") {
		a.Errorf("the key usage of the signing certificate is %s", usage)
	}
	if usage = a.openssl("x509", "-in", "enc.pem", "-noout", "-ext", "keyUsage"); strings.Contains(usage, "Digital Signature") {
		a.Errorf("the encryption certificate signs: %s", usage)
	}
}

// status: the last signature's certificate is good, on the list and by OCSP.
func (a artefacts) status() {
	a.Helper()
	list := a.openssl("crl", "-inform", "DER", "-in", "crl.der", "-noout", "-text")
	serial := strings.TrimSpace(strings.TrimPrefix(a.openssl("x509", "-in", "sign.pem", "-noout", "-serial"), "serial="))
	if !strings.Contains(list, "Next Update") || strings.Contains(list, serial) {
		a.Errorf("the list is\n%s", list)
	}
	answer := a.openssl("ocsp", "-respin", "ocsp.der", "-text", "-noverify")
	for _, want := range []string{"OCSP Response Status: successful", "Cert Status: good", serial} {
		if !strings.Contains(answer, want) {
			a.Errorf("the OCSP answer has no %q:\n%s", want, answer)
		}
	}
}

var dump = regexp.MustCompile(`(?m)^\s+[0-9a-f]{4} - ((?:[0-9a-f]{2}[ -]){1,16})`)

// timestamp: granted, over SM3 of signature.der.
func (a artefacts) timestamp() {
	a.Helper()
	out := a.openssl("ts", "-reply", "-in", "timestamp.tsr", "-text")
	if !strings.Contains(out, "Status: Granted") || !strings.Contains(out, "Hash Algorithm: sm3") {
		a.Errorf("the timestamp is\n%s", out)
	}
	_, imprint, _ := strings.Cut(out, "Message data:")
	imprint, _, _ = strings.Cut(imprint, "Serial number:")
	var shown string
	for _, line := range dump.FindAllStringSubmatch(imprint, -1) {
		shown += strings.NewReplacer(" ", "", "-", "").Replace(line[1])
	}
	if sum := sm3.Sum(a.read("signature.der")); shown != hex.EncodeToString(sum[:]) {
		a.Errorf("the timestamp is over %s, want %x", shown, sum)
	}
}

// message: the p7s is signed data without attributes and without the document,
// and holds the very signature of signature.der.
func (a artefacts) message() {
	a.Helper()
	tree := a.openssl("asn1parse", "-inform", "DER", "-in", "signature.p7s")
	if !strings.Contains(tree, "1.2.156.10197.6.1.4.2.2") {
		a.Errorf("the p7s is not signed data of GM/T 0010:\n%s", tree)
	}
	m, err := pkcs7.Parse(a.read("signature.p7s"))
	if err != nil {
		a.Fatal(err)
	}
	if len(m.Content) != 0 || len(m.Signers) != 1 {
		a.Fatalf("the p7s holds %d bytes of content and %d signers", len(m.Content), len(m.Signers))
	}
	signer := m.Signers[0]
	if len(signer.AuthenticatedAttributes) != 0 || !bytes.Equal(signer.EncryptedDigest, a.read("signature.der")) {
		a.Errorf("the p7s has %d attributes and the signature %x", len(signer.AuthenticatedAttributes), signer.EncryptedDigest)
	}
	if !slices.ContainsFunc(m.Certificates, func(c *smx509.Certificate) bool {
		block, _ := pem.Decode(a.read("sign.pem"))
		return bytes.Equal(c.Raw, block.Bytes)
	}) {
		a.Error("the p7s does not hold the signer's certificate")
	}
	m.Content = document
	if err := m.Verify(); err != nil {
		a.Errorf("another library refuses the p7s: %v", err)
	}
}
