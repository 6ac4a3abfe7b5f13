package platform_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/pki"
	"tianweitong/pki/pkitest"
	"tianweitong/platform"
	"tianweitong/platform/platformtest"
	"tianweitong/splitkey"
)

var (
	ctx    = context.Background()
	secret = []byte("a browser session's secret")
	letter = []byte("投标函：我方愿以人民币 1 元承担样例工程。")
)

func login(t *testing.T, c *platform.Client) platform.Transaction {
	t.Helper()
	tx, err := c.BeginLogin(ctx, platform.LoginRequest{Request: request()})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func sign(t *testing.T, c *platform.Client, change func(*platform.SignRequest)) platform.Transaction {
	t.Helper()
	r := platform.SignRequest{Request: request(), Name: "投标函.txt", Document: letter}
	if change != nil {
		change(&r)
	}
	tx, err := c.BeginSign(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func large(r *platform.SignRequest) {
	r.Document, r.Size, r.Digest = nil, 5<<20, pki.SM3.Sum([]byte("a file of five megabytes"))
}

func request() platform.Request {
	return platform.Request{Title: "登录样例平台", Secret: secret, Browser: platform.Browser{UserAgent: "Test/1.0", Address: "192.0.2.7"}}
}

func TestLoginResultIsAcceptedWhenEveryPartIsOurs(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	s.Execute(tx.ID)
	st, err := c.Get(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	want := platform.Identity{Kind: "person", Holder: "P-0001", Name: "张三"}
	if st.Result == nil || st.Result.Identity != want || st.Outcome != platform.OK || !st.Result.SignedAt.Equal(s.Clock.Now()) {
		t.Errorf("status %+v, result %+v", st, st.Result)
	}
	if n := len(st.Result.Chain); n != 2 || !st.Result.Chain[1].Equal(s.Authority.Root.Cert) {
		t.Errorf("chain of %d does not end with the root", n)
	}
	if _, err := st.Result.CMS(); !errors.Is(err, platform.ErrConfig) {
		t.Errorf("a login became a signed document: %v", err)
	}
}

func TestSignedDocumentVerifiesWithOpenSSLAndAsCMS(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := sign(t, c, nil)
	if sent := s.Created(tx.ID).Sign.Document; !bytes.Equal(sent, letter) {
		t.Fatalf("sent %q", sent)
	}
	s.Execute(tx.ID)
	st, err := c.Get(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	pkitest.OpenSSLVerifies(t, st.Result.Certificate, letter, st.Result.Signature)
	p7s, err := st.Result.CMS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := pki.ParseSignedData(pki.Arc{}, p7s)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Verify(bytes.NewReader(letter)); err != nil || d.Attributes != nil || d.Content != nil || !bytes.Equal(d.Signature, st.Result.Signature) {
		t.Errorf("p7s: %v, attributes %v", err, d.Attributes)
	}
	if _, err := platform.Detached(append([]byte("!"), letter...), st.Result.Certificate, nil, st.Result.Signature); err == nil {
		t.Error("a p7s over another document was made")
	}
}

func TestLargeFileIsSignedByItsAttributes(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := sign(t, c, large)
	s.Execute(tx.ID)
	st, err := c.Get(ctx, tx)
	if err != nil {
		t.Fatal(err)
	}
	p7s, err := st.Result.CMS()
	if err != nil {
		t.Fatal(err)
	}
	if d, err := pki.ParseSignedData(pki.Arc{}, p7s); err != nil || d.Attributes == nil || d.Attributes.Document.Name != tx.Name {
		t.Errorf("p7s: %v", err)
	}
}

// breach is one broken part of a result and the rule that refuses it.
type breach struct {
	name string
	rule error
	do   func(*testing.T, *platformtest.Service, *platformtest.Execution)
}

func wire(f func(*platformtest.Result)) func(*testing.T, *platformtest.Service, *platformtest.Execution) {
	return func(_ *testing.T, _ *platformtest.Service, e *platformtest.Execution) { e.Wire = f }
}

func change(f func(*platformtest.Execution)) func(*testing.T, *platformtest.Service, *platformtest.Execution) {
	return func(_ *testing.T, _ *platformtest.Service, e *platformtest.Execution) { f(e) }
}

// issued is an execution by a certificate of another kind.
func issued(role pki.Role, edit func(*pki.Template)) func(*testing.T, *platformtest.Service, *platformtest.Execution) {
	return func(t *testing.T, s *platformtest.Service, e *platformtest.Execution) {
		key := pkitest.Key(t)
		tmpl := pkitest.Template(role, key)
		if edit != nil {
			edit(&tmpl)
		}
		e.Signer = platformtest.Party{Certificate: s.Authority.CA.Issue(t, tmpl), Key: key}
	}
}

// Breaches of any result, of a login's, of a document's and of a large file's.
var (
	anyBreach = []breach{
		{"no result code", platform.ErrResult, wire(func(r *platformtest.Result) { r.Code = "" })},
		{"another result code", platform.ErrResult, wire(func(r *platformtest.Result) { r.Code = platform.Timeout })},
		{"no certificate", platform.ErrResult, wire(func(r *platformtest.Result) { r.Certificate = nil })},
		{"no message", platform.ErrResult, wire(func(r *platformtest.Result) { r.M = nil })},
		{"no signature", platform.ErrResult, wire(func(r *platformtest.Result) { r.Signature = nil })},
		{"no timestamp", platform.ErrResult, wire(func(r *platformtest.Result) { r.Timestamp = nil })},
		{"certificate that is none", platform.ErrCertificate, wire(func(r *platformtest.Result) { r.Certificate = []byte("x") })},
		{"chain missing", platform.ErrCertificate, wire(func(r *platformtest.Result) { r.Chain = nil })},
		{"chain too long", platform.ErrCertificate, wire(func(r *platformtest.Result) { r.Chain = slices.Repeat(r.Chain, 9) })},
		{"chain that is none", platform.ErrCertificate, wire(func(r *platformtest.Result) { r.Chain = [][]byte{{1}} })},
		{"encryption certificate", platform.ErrCertificate, issued(pki.PersonEncryption, nil)},
		{"platform's certificate", platform.ErrCertificate, issued(pki.PlatformSigning, nil)},
		{"service's certificate", platform.ErrCertificate, issued(pki.Service, nil)},
		{"enterprise's certificate", platform.ErrCertificate, issued(pki.EnterpriseSigning, nil)},
		{"certificate not yet valid", platform.ErrCertificate, issued(pki.PersonSigning, func(t *pki.Template) { t.NotBefore = pkitest.Start.AddDate(0, 3, 0) })},
		{"certificate expired", platform.ErrCertificate, issued(pki.PersonSigning, func(t *pki.Template) {
			t.NotAfter, t.Replacement = pkitest.Start.AddDate(0, 0, 3), true
		})},
		{"another authority's certificate", platform.ErrCertificate, func(t *testing.T, _ *platformtest.Service, e *platformtest.Execution) {
			other := pkitest.New(t)
			cert, key := other.CA.IssueRole(t, pki.PersonSigning)
			e.Signer = platformtest.Party{Certificate: cert, Key: key}
			e.Wire = func(r *platformtest.Result) { r.Chain = [][]byte{other.CA.Cert.Raw, other.Root.Cert.Raw} }
		}},
		{"signature by another key", platform.ErrSignature, func(t *testing.T, _ *platformtest.Service, e *platformtest.Execution) {
			e.Signer.Key = pkitest.Key(t)
		}},
		{"signature for another purpose", platform.ErrSignature, change(func(e *platformtest.Execution) { e.ID = splitkey.IDPIN })},
		{"signature that is not minimal DER", platform.ErrSignature, func(t *testing.T, s *platformtest.Service, e *platformtest.Execution) {
			e.Wire = func(r *platformtest.Result) {
				r.Signature = append(r.Signature, 0)
				r.Timestamp = s.Stamp(s.TSA, r.Signature, s.Clock.Now())
			}
		}},
		{"timestamp of other data", platform.ErrTimestamp, change(func(e *platformtest.Execution) { e.StampedData = []byte("x") })},
		{"timestamp that is none", platform.ErrTimestamp, wire(func(r *platformtest.Result) { r.Timestamp = []byte("x") })},
		{"timestamp before the transaction", platform.ErrTimestamp, change(func(e *platformtest.Execution) { e.StampedAt = e.StampedAt.Add(-6 * time.Minute) })},
		{"timestamp after now", platform.ErrTimestamp, change(func(e *platformtest.Execution) { e.StampedAt = e.StampedAt.Add(6 * time.Minute) })},
		{"timestamp of another authority", platform.ErrTimestamp, func(t *testing.T, _ *platformtest.Service, e *platformtest.Execution) {
			cert, key := pkitest.New(t).CA.IssueRole(t, pki.TSA)
			e.TSA = platformtest.Party{Certificate: cert, Key: key}
		}},
		{"another kind of holder", platform.ErrIdentity, change(func(e *platformtest.Execution) {
			e.Name = &platform.Identity{Kind: "enterprise", Holder: "P-0001", Name: "张三"}
		})},
		{"another holder than the certificate's", platform.ErrIdentity, change(func(e *platformtest.Execution) {
			e.Name = &platform.Identity{Kind: "person", Holder: "P-0002", Name: "张三"}
		})},
		{"another name than the certificate's", platform.ErrIdentity, change(func(e *platformtest.Execution) {
			e.Name = &platform.Identity{Kind: "person", Holder: "P-0001", Name: "李四"}
		})},
	}
	loginBreach = []breach{
		{"another platform", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Platform = "M1100000035" })},
		{"another host", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Host = "other.example" })},
		{"another transaction", platform.ErrMessage, change(func(e *platformtest.Execution) {
			e.Login.Transaction = platformtest.Code + strings.Repeat("0", 32)
		})},
		{"another challenge", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Challenge = bytes.Repeat([]byte{1}, 32) })},
		{"another browser", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Browser = pki.SM3.Sum([]byte("x")) })},
		{"time before the transaction", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Time -= 301 })},
		{"time after now", platform.ErrMessage, change(func(e *platformtest.Execution) { e.Login.Time += 301 })},
		{"a document", platform.ErrMessage, change(func(e *platformtest.Execution) { e.M = letter })},
		{"bytes after the message", platform.ErrMessage, change(func(e *platformtest.Execution) {
			m, _ := e.Login.Bytes()
			e.M = append(m, 0)
		})},
		{"signed as a document", platform.ErrSignature, change(func(e *platformtest.Execution) { e.ID = splitkey.IDDocument })},
	}
	signBreach = []breach{
		{"another document", platform.ErrMessage, change(func(e *platformtest.Execution) { e.M = append(bytes.Clone(e.M), '.') })},
		{"signed as a login", platform.ErrSignature, change(func(e *platformtest.Execution) { e.ID = splitkey.IDLogin })},
	}
	largeBreach = []breach{
		{"digest itself", platform.ErrMessage, change(func(e *platformtest.Execution) { e.M = pki.SM3.Sum(letter) })},
		{"another digest", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Digest = pki.SM3.Sum(letter) })},
		{"another size", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Document.Size++ })},
		{"another name", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Document.Name = "x" })},
		{"no name", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Document = nil })},
		{"another content type", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.ContentType = pki.OIDGMSignedData })},
		{"another signer", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.SignerHash = pki.SM3.Sum(letter) })},
		{"no signer", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.SignerHash = nil })},
		{"another time", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Time = a.Time.Add(-time.Hour) })},
		{"no time", platform.ErrMessage, attributes(func(a *pki.SignedAttributes) { a.Time = time.Time{} })},
	}
)

func attributes(edit func(*pki.SignedAttributes)) func(*testing.T, *platformtest.Service, *platformtest.Execution) {
	return func(t *testing.T, s *platformtest.Service, e *platformtest.Execution) {
		a, err := pki.ParseSignedAttributes(pki.Arc{}, e.M)
		if err != nil {
			t.Fatal(err)
		}
		edit(&a)
		e.M = s.Attributes(a)
	}
}

func TestResultWithOneBrokenPartIsRefused(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	kinds := []struct {
		name     string
		begin    func() platform.Transaction
		breaches [][]breach
	}{
		{"login", func() platform.Transaction { return login(t, c) }, [][]breach{anyBreach, loginBreach}},
		{"sign", func() platform.Transaction { return sign(t, c, nil) }, [][]breach{anyBreach, signBreach}},
		{"large", func() platform.Transaction { return sign(t, c, large) }, [][]breach{largeBreach}},
	}
	for _, kind := range kinds {
		for _, b := range slices.Concat(kind.breaches...) {
			t.Run(kind.name+"/"+b.name, func(t *testing.T) {
				tx := kind.begin()
				s.Execute(tx.ID, func(e *platformtest.Execution) { b.do(t, s, e) })
				st, err := c.Get(ctx, tx)
				if !errors.Is(err, b.rule) || !errors.Is(err, platform.ErrRefused) {
					t.Fatalf("got %v, want %v", err, b.rule)
				}
				if st.Result != nil || st.State != "" {
					t.Errorf("a refused result leaves a status: %+v", st)
				}
			})
		}
	}
}

func TestDoneWithoutResultIsRefused(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := login(t, c)
	s.End(tx.ID, platform.Executed, "")
	if _, err := c.Get(ctx, tx); !errors.Is(err, platform.ErrResult) {
		t.Errorf("got %v", err)
	}
}

func TestResultOfAnotherTransactionIsRefused(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	mine, theirs := login(t, c), login(t, c)
	s.Execute(mine.ID)
	theirs.ID = mine.ID // a page mixes up what it keeps
	if _, err := c.Get(ctx, theirs); !errors.Is(err, platform.ErrMessage) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherHolderThanExpectedIsRefused(t *testing.T) {
	s := platformtest.New(t)
	c := s.Client()
	tx := sign(t, c, func(r *platform.SignRequest) { r.ExpectedHolder = "P-0002" })
	if got := s.Created(tx.ID).ExpectedIdentity; got != "P-0002" {
		t.Errorf("the service was told %q", got)
	}
	s.Execute(tx.ID)
	if _, err := c.Get(ctx, tx); !errors.Is(err, platform.ErrIdentity) {
		t.Errorf("got %v", err)
	}
}

func TestDocumentSignedInTimeStaysGoodAfterTheCertificateEnds(t *testing.T) {
	s := platformtest.New(t)
	key := pkitest.Key(t)
	tmpl := pkitest.Template(pki.PersonSigning, key)
	tmpl.NotAfter, tmpl.Replacement = s.Clock.Now().Add(time.Minute).Truncate(time.Second), true
	soon := platformtest.Party{Certificate: s.Authority.CA.Issue(t, tmpl), Key: key}
	by := func(e *platformtest.Execution) { e.Signer = soon }
	c := s.Client()
	entry, doc := login(t, c), sign(t, c, nil)
	s.Execute(entry.ID, by)
	s.Execute(doc.ID, by)
	s.Clock.Advance(time.Hour)
	if _, err := c.Get(ctx, doc); err != nil {
		t.Errorf("document: %v", err)
	}
	if _, err := c.Get(ctx, entry); !errors.Is(err, platform.ErrCertificate) {
		t.Errorf("login with a certificate that has ended: %v", err)
	}
}

func TestRevocationBeforeUseRefuses(t *testing.T) {
	s := platformtest.New(t)
	revoked := s.Clock.Now().Add(time.Minute)
	list := crl(t, s, revoked)
	cfg := s.Config()
	cfg.Revocation = platform.NewCRLs(serving(list), s.Clock).Check
	c, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	before, entry := sign(t, c, nil), login(t, c)
	s.Execute(before.ID)
	s.Execute(entry.ID)
	s.Clock.Advance(2 * time.Minute)
	after := sign(t, c, nil)
	s.Execute(after.ID)
	if _, err := c.Get(ctx, before); err != nil {
		t.Errorf("signed before the revocation: %v", err)
	}
	for _, tx := range []platform.Transaction{after, entry} {
		if _, err := c.Get(ctx, tx); !errors.Is(err, platform.ErrRevoked) || !errors.Is(err, platform.ErrRefused) {
			t.Errorf("%s: got %v", tx.Type, err)
		}
	}
}

func TestRevocationStateMustBeKnown(t *testing.T) {
	s := platformtest.New(t)
	good := crl(t, s, time.Time{})
	other := platformtest.New(t)
	holder, issuer := s.Holder.Certificate, s.Authority.CA.Cert
	for name, body := range map[string][]byte{
		"not found": nil, "no list": []byte("x"), "another issuer's": crl(t, other, time.Time{}),
	} {
		if err := platform.NewCRLs(serving(body), s.Clock).Check(ctx, holder, issuer, s.Clock.Now()); !errors.Is(err, platform.ErrRevocationUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	lists := platform.NewCRLs(serving(good), s.Clock)
	if err := lists.Check(ctx, holder, issuer, s.Clock.Now()); err != nil {
		t.Errorf("good list: %v", err)
	}
	s.Clock.Advance(pki.CRLLifetime)
	if err := lists.Check(ctx, holder, issuer, s.Clock.Now()); !errors.Is(err, platform.ErrRevocationUnknown) {
		t.Errorf("list out of date: %v", err)
	}
	if err := lists.Check(ctx, s.Authority.Root.Cert, issuer, s.Clock.Now()); !errors.Is(err, platform.ErrRevocationUnknown) {
		t.Errorf("certificate without a list: %v", err)
	}
}

// crl is a list of the service's authority; with a time it holds the holder.
func crl(t *testing.T, s *platformtest.Service, revoked time.Time) []byte {
	t.Helper()
	var lines []pki.Revocation
	if !revoked.IsZero() {
		lines = append(lines, pki.Revocation{Serial: s.Holder.Certificate.SerialNumber, At: revoked.Truncate(time.Second)})
	}
	now := s.Clock.Now().Truncate(time.Second)
	draft, err := pki.NewCRL(s.Authority.CA.Cert, big.NewInt(1), now, now.Add(pki.CRLLifetime), lines)
	if err != nil {
		t.Fatal(err)
	}
	der, err := draft.Assemble(pkitest.Sign(t, s.Authority.CA.Key, draft.ToBeSigned()))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSandboxIsRefusedUnlessAskedFor(t *testing.T) {
	s := platformtest.New(t)
	cfg := s.Config()
	cfg.Sandbox = false
	if _, err := platform.New(cfg); !errors.Is(err, platform.ErrConfig) || !strings.Contains(err.Error(), "https") {
		t.Errorf("by http: got %v", err)
	}
	cfg.BaseURL, cfg.Revocation = "https://open.example", platform.NewCRLs(nil, nil).Check
	if _, err := platform.New(cfg); !errors.Is(err, platform.ErrConfig) || !strings.Contains(err.Error(), "sandbox") {
		t.Errorf("by https: got %v", err)
	}
}

// TestProductionAsksAboutRevokedCertificates: leaving the question out is an
// error of configuration, not a policy.
func TestProductionAsksAboutRevokedCertificates(t *testing.T) {
	cfg := platformtest.New(t).Config()
	cfg.BaseURL, cfg.Sandbox, cfg.Revocation = "https://open.example", false, nil
	if _, err := platform.New(cfg); !errors.Is(err, platform.ErrConfig) || !strings.Contains(err.Error(), "Revocation") {
		t.Errorf("got %v", err)
	}
}

func TestConfigurationIsHeldTogether(t *testing.T) {
	s := platformtest.New(t)
	for name, edit := range map[string]func(*platform.Config){
		"no address":       func(c *platform.Config) { c.BaseURL = "" },
		"address and path": func(c *platform.Config) { c.BaseURL += "/open" },
		"another scheme":   func(c *platform.Config) { c.BaseURL = "ftp://open.example" },
		"no code":          func(c *platform.Config) { c.Code = "" },
		"another code":     func(c *platform.Config) { c.Code = "M1100000035" },
		"no key":           func(c *platform.Config) { c.SigningKey = nil },
		"another key":      func(c *platform.Config) { c.SigningKey = pkitest.Key(t) },
		"no certificate":   func(c *platform.Config) { c.Certificate = nil },
		"no host":          func(c *platform.Config) { c.Certificate = s.Holder.Certificate; c.Code = "张三" },
		"no root":          func(c *platform.Config) { c.Roots = nil },
	} {
		cfg := s.Config()
		edit(&cfg)
		if _, err := platform.New(cfg); !errors.Is(err, platform.ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
