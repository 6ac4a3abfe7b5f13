package journey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/phone"
	"tianweitong/pki"
	"tianweitong/platform"
	"tianweitong/splitkey"
)

// Step is one line of a demo: what was done, how long it took, what was seen.
type Step struct {
	Chapter      string `json:"chapter"`
	Name         string `json:"name"`
	Milliseconds int64  `json:"milliseconds"`
	Note         string `json:"note,omitempty"`
	Error        string `json:"error,omitempty"`
}

// Options of a demo.
type Options struct {
	// Document is signed; Name is what the phone shows.
	Document []byte
	Name     string
	// Institution issues.
	Institution string
	// Out, if set, is the folder for the artefacts.
	Out string
	// Progress hears each step as it ends.
	Progress func(Step)
}

// ErrDocument says that the document cannot be signed as one.
var ErrDocument = errors.New("the document cannot be signed")

// artefacts are the files of a complete run, beside journey.json.
var artefacts = []string{
	"root.pem", "ca.pem", "sign.pem", "enc.pem", "document", "signature.der", "signature.p7s", "timestamp.tsr", "crl.der", "ocsp.der", "attributes.der",
	"letter.pdf", "letter.jpg",
}

// check refuses at once what would fail on the way, and clears an earlier run's
// files: a failed run must not leave an older one's proof behind.
func (o Options) check() error {
	if o.Out != "" {
		if err := os.MkdirAll(o.Out, 0o755); err != nil {
			return err
		}
		for _, name := range append([]string{"journey.json"}, artefacts...) {
			if err := os.Remove(filepath.Join(o.Out, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	if len(o.Document) > splitkey.MaxMessage {
		return nil
	}
	if err := splitkey.CheckDocument(o.Document); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return nil
}

// demo is a run of Demo: everything that the steps hand on.
type demo struct {
	*World
	Options
	steps       []Step
	scratch     string
	client      *platform.Client
	credentials platform.Credentials
	person      *Person
	lost        *phone.Phone
	order       phone.Order
	certificate string
	first, last *platform.Result
	before      phone.Installed
	installed   phone.Installed
	secret      []byte
	houses
}

// Demo walks a person's chain and then what enterprises do, and writes its artefacts. Its error
// names the first step that did not hold.
func (w *World) Demo(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "twt-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	d := &demo{World: w, Options: o, scratch: scratch, secret: make([]byte, 32)}
	if _, err := rand.Read(d.secret); err != nil {
		return err
	}
	err = d.walk(ctx)
	if o.Out != "" {
		if e := d.write(ctx, err == nil); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (d *demo) walk(ctx context.Context) error {
	for _, c := range []chapter{{"个人 (a person)", d.alone()}, {"企业 (enterprises)", d.enterprises()}} {
		for _, s := range c.stages {
			if err := d.take(ctx, c.name, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// chapter is a part of the demo, stage one step of it: do gives what was seen.
type (
	chapter struct {
		name   string
		stages []stage
	}
	stage struct {
		name string
		do   func(context.Context) (string, error)
	}
)

// alone are the steps of the first chapter.
func (d *demo) alone() []stage {
	return []stage{
		{"交易平台接入沙箱 (a platform registers)", d.platform},
		{"注册登录：短信验证码 (register)", d.register},
		{"个人实名：三要素与人脸 (verify)", d.verify},
		{"下单：个人证书 (buy)", d.buy},
		{"支付 (pay)", d.pay},
		{"设置 PIN 码 (set the PIN)", d.setPIN},
		{"安装证书 (install)", d.install},
		{"拒绝：不是本平台的二维码 (a foreign QR is refused)", d.foreignQR},
		{"扫码登录 (scan-login)", d.login},
		{"PIN 码输错一次，不会签名 (a wrong PIN signs nothing)", d.wrongPIN},
		{"扫码签名 (scan-sign)", d.sign},
		{"修改 PIN 码：全部密钥分量更新 (change the PIN)", d.changePIN},
		{"手机丢失，换新手机登录 (lose the phone)", d.lose},
		{"补办恢复：短信、人脸、新 PIN 码 (re-key)", d.recover},
		{"重新安装证书 (install on the new phone)", d.reinstall},
		{"旧手机不能再签名 (the lost phone is dead)", d.dead},
		{"再次扫码签名 (sign again)", d.signAgain},
		{"核对证书状态：CRL 与 OCSP (check CRL and OCSP)", d.status},
	}
}

// take walks one step and tells of it.
func (d *demo) take(ctx context.Context, chapter string, s stage) error {
	begun := time.Now()
	note, err := s.do(ctx)
	step := Step{Chapter: chapter, Name: s.name, Milliseconds: time.Since(begun).Milliseconds(), Note: note}
	if err != nil {
		step.Error = err.Error()
	}
	d.steps = append(d.steps, step)
	if d.Progress != nil {
		d.Progress(step)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (d *demo) platform(ctx context.Context) (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", err
	}
	code := fmt.Sprintf("M99%08d", n)
	d.client, d.credentials, err = d.Platform(ctx, filepath.Join(d.scratch, "platform"), platform.Registration{
		Code: code, Name: "沙箱演示交易平台", Region: "北京", Host: "bid.example.cn",
	})
	return code, err
}

func (d *demo) register(ctx context.Context) (string, error) {
	var err error
	if d.person, err = d.NewPerson(phone.File(filepath.Join(d.scratch, "phone.json"))); err != nil {
		return "", err
	}
	return "", d.Register(ctx, d.person)
}

func (d *demo) verify(ctx context.Context) (string, error) { return "", d.Verify(ctx, d.person) }

func (d *demo) buy(ctx context.Context) (string, error) {
	var err error
	d.order, err = d.person.Phone.Buy(ctx, d.Institution, 1, d.client.Code())
	return fmt.Sprintf("%d.%02d 元", d.order.TotalFen/100, d.order.TotalFen%100), err
}

func (d *demo) pay(ctx context.Context) (string, error) {
	var err error
	d.certificate, err = d.PayFor(ctx, d.person, d.order, "pay-twice")
	return "支付通知送达两次，只入账一次", err
}

func (d *demo) setPIN(ctx context.Context) (string, error) { return "", d.SetPIN(ctx, d.person) }

func (d *demo) install(ctx context.Context) (string, error) {
	var err error
	d.before, err = d.person.Phone.Install(ctx, d.certificate, d.person.PIN)
	return serialOf(d.before.SignCertificate), err
}

// foreignQR scans codes that are none of ours.
func (d *demo) foreignQR(ctx context.Context) (string, error) {
	if _, err := d.person.Phone.ScanQR(ctx, "WIFI:T:WPA;S:x;;"); !errors.Is(err, phone.ErrNotQR) {
		return "", fmt.Errorf("a code of something else: %v", err)
	}
	_, err := d.person.Phone.ScanQR(ctx, "https://phishing.example.com/s#k=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	var p *phone.Problem
	if !errors.As(err, &p) {
		return "", fmt.Errorf("a forged code: %v", err)
	}
	return p.Detail, nil
}

func (d *demo) request(title string) platform.Request {
	return platform.Request{Title: title, Secret: d.secret, Browser: platform.Browser{UserAgent: "Mozilla/5.0 (demo)", Address: "127.0.0.1"}}
}

func (d *demo) login(ctx context.Context) (string, error) {
	tx, err := d.client.BeginLogin(ctx, platform.LoginRequest{Request: d.request("登录沙箱演示交易平台")})
	if err != nil {
		return "", err
	}
	r, err := d.Signature(ctx, d.person, d.client, tx)
	if err != nil {
		return "", err
	}
	if r.Identity.Name != d.person.Name {
		return "", fmt.Errorf("logged in as %q", r.Identity.Name)
	}
	return r.Identity.Name, nil
}

// begin asks for a signature over the document, or over its name, size and
// digest when it is too large to be shown whole (docs/split-keys.md §2.9).
func (d *demo) begin(ctx context.Context) (platform.Transaction, error) {
	r := platform.SignRequest{Request: d.request("签署投标函"), Name: d.Name}
	if len(d.Document) <= splitkey.MaxMessage {
		r.Document = d.Document
	} else {
		sum := sm3.Sum(d.Document)
		r.Size, r.Digest = int64(len(d.Document)), sum[:]
	}
	return d.client.BeginSign(ctx, r)
}

// wrongPIN enters a wrong PIN: it is refused with the number of tries left,
// nothing is signed, and the transaction can still be finished or refused.
func (d *demo) wrongPIN(ctx context.Context) (string, error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	s, err := d.Scanned(ctx, d.person, d.client, tx)
	if err != nil {
		return "", err
	}
	_, err = d.person.Phone.Execute(ctx, s, "918273")
	var p *phone.Problem
	if !errors.As(err, &p) || p.Code != "pin_wrong" {
		return "", fmt.Errorf("the answer to a wrong PIN: %v", err)
	}
	if st, err := d.client.Get(ctx, tx); err != nil || st.Result != nil {
		return "", fmt.Errorf("after a wrong PIN the platform has %+v, %v", st, err)
	}
	if err := d.person.Phone.Reject(ctx, s); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s 还可输入 %v 次", p.Detail, p.Members["remaining"]), nil
}

func (d *demo) sign(ctx context.Context) (string, error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	d.first, err = d.Signature(ctx, d.person, d.client, tx)
	if err != nil {
		return "", err
	}
	return "时间戳 " + d.first.SignedAt.Format(time.RFC3339), nil
}

// changePIN changes the PIN; the next signature proves that the new one serves
// and the old one does not.
func (d *demo) changePIN(ctx context.Context) (string, error) {
	old := d.person.PIN
	if err := d.person.Phone.ChangePIN(ctx, old, changedPIN); err != nil {
		return "", err
	}
	d.person.PIN = changedPIN
	tx, err := d.client.BeginLogin(ctx, platform.LoginRequest{Request: d.request("登录沙箱演示交易平台")})
	if err != nil {
		return "", err
	}
	s, err := d.Scanned(ctx, d.person, d.client, tx)
	if err != nil {
		return "", err
	}
	if _, err := d.person.Phone.Execute(ctx, s, old); !phone.IsCode(err, "pin_wrong") {
		return "", fmt.Errorf("the old PIN after the change: %v", err)
	}
	if _, err := d.person.Phone.Execute(ctx, s, changedPIN); err != nil {
		return "", err
	}
	_, err = d.Result(ctx, d.client, tx)
	return "", err
}

// lose takes the phone away: a new one logs in, scans, and is told that the
// keys are not here.
func (d *demo) lose(ctx context.Context) (string, error) {
	d.lost = d.person.Phone
	fresh, err := d.NewPhone(phone.File(filepath.Join(d.scratch, "phone-2.json")))
	if err != nil {
		return "", err
	}
	if err := d.SignIn(ctx, d.person, fresh); err != nil {
		return "", err
	}
	d.person.Phone = fresh
	tx, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	s, err := d.Scanned(ctx, d.person, d.client, tx)
	if err == nil {
		return "", fmt.Errorf("a phone without keys may confirm: %s", s.State)
	}
	return "密钥丢失：" + s.Gate, nil
}

const (
	changedPIN = "385164"
	newPIN     = "640973"
)

func (d *demo) recover(ctx context.Context) (string, error) {
	return "", d.Recover(ctx, d.person, d.person.Phone, newPIN)
}

func (d *demo) reinstall(ctx context.Context) (string, error) {
	var err error
	if d.installed, err = d.person.Phone.Install(ctx, d.certificate, d.person.PIN); err != nil {
		return "", err
	}
	before, after := serialOf(d.before.SignCertificate), serialOf(d.installed.SignCertificate)
	if before == after {
		return "", errors.New("the signing certificate is still the old one")
	}
	if !bytes.Equal(d.before.EncCertificate, d.installed.EncCertificate) {
		return "", errors.New("the encryption certificate changed: old envelopes would not open")
	}
	return before + " → " + after, nil
}

// dead tries to sign on the lost phone, whose records and PIN a thief might have.
func (d *demo) dead(ctx context.Context) (string, error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	thief := &Person{Phone: d.lost, PIN: changedPIN}
	if _, err := d.Signature(ctx, thief, d.client, tx); err == nil {
		return "", errors.New("the lost phone signed")
	}
	return "", nil
}

func (d *demo) signAgain(ctx context.Context) (string, error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return "", err
	}
	if d.last, err = d.Signature(ctx, d.person, d.client, tx); err != nil {
		return "", err
	}
	if !bytes.Equal(d.last.Certificate.Raw, d.installed.SignCertificate) {
		return "", errors.New("signed with another certificate than the new one")
	}
	return "时间戳 " + d.last.SignedAt.Format(time.RFC3339), nil
}

// status: the certificate in use is good; the replaced one is not on the list,
// so yesterday's signature stays valid (docs/split-keys.md §2.6).
func (d *demo) status(ctx context.Context) (string, error) {
	crl, err := d.crl(ctx)
	if err != nil {
		return "", err
	}
	list, err := pki.ParseCRL(crl, d.last.Chain[0])
	if err != nil {
		return "", err
	}
	for _, c := range []*smx509.Certificate{d.first.Certificate, d.last.Certificate} {
		if _, revoked := list.Lookup(c.SerialNumber); revoked {
			return "", fmt.Errorf("certificate %x is on the list", c.SerialNumber)
		}
	}
	raw, err := d.ocsp(ctx)
	if err != nil {
		return "", err
	}
	answer, err := pki.ParseOCSPResponse(raw, d.last.Chain[0])
	if err != nil {
		return "", err
	}
	if a, ok := answer.Lookup(d.last.Certificate.SerialNumber); !ok || a.Status != pki.StatusGood {
		return "", fmt.Errorf("OCSP says %v", a.Status)
	}
	return fmt.Sprintf("CRL %s，OCSP good", list.Number), nil
}

func (d *demo) crl(ctx context.Context) ([]byte, error) {
	points := d.last.Certificate.CRLDistributionPoints
	if len(points) == 0 {
		return nil, errors.New("the certificate names no list")
	}
	return d.fetch(ctx, http.MethodGet, points[0], "", nil)
}

func (d *demo) ocsp(ctx context.Context) ([]byte, error) {
	servers := d.last.Certificate.OCSPServer
	if len(servers) == 0 {
		return nil, errors.New("the certificate names no OCSP responder")
	}
	req, err := pki.OCSPRequest{IDs: []pki.CertID{pki.NewCertID(pki.SHA1, d.last.Chain[0], d.last.Certificate.SerialNumber)}}.Marshal()
	if err != nil {
		return nil, err
	}
	return d.fetch(ctx, http.MethodPost, servers[0], "application/ocsp-request", req)
}

func (d *demo) fetch(ctx context.Context, method, address, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := d.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, res.Status)
	}
	return b, err
}

// write puts the artefacts of the last signature and of the review into the folder;
// after a failure only journey.json.
func (d *demo) write(ctx context.Context, complete bool) error {
	steps, err := json.MarshalIndent(map[string]any{"steps": d.steps, "complete": complete}, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{"journey.json": append(steps, '\n')}
	if complete {
		crl, err := d.crl(ctx)
		if err != nil {
			return err
		}
		ocsp, err := d.ocsp(ctx)
		if err != nil {
			return err
		}
		p7s, err := d.last.CMS()
		if err != nil {
			return err
		}
		files["root.pem"] = certificatePEM(d.last.Chain[len(d.last.Chain)-1].Raw)
		files["ca.pem"] = certificatePEM(d.last.Chain[0].Raw)
		files["sign.pem"] = certificatePEM(d.last.Certificate.Raw)
		files["enc.pem"] = certificatePEM(d.installed.EncCertificate)
		files["document"] = d.Document
		files["signature.der"] = d.last.Signature
		files["signature.p7s"] = p7s
		files["timestamp.tsr"] = d.last.Timestamp
		if len(d.Document) > splitkey.MaxMessage {
			files["attributes.der"] = d.last.Message // what was signed in the document's place
		}
		files["crl.der"] = crl
		files["ocsp.der"] = ocsp
		files["letter.jpg"] = d.stamped
		if len(d.letter) > 0 {
			files["letter.pdf"] = d.letter
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(d.Out, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func serialOf(der []byte) string {
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(c.SerialNumber.Bytes())
}
