package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/catalog"
	"tianweitong/internal/id"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
	"tianweitong/splitkey"
)

// Request is what a platform asks for.
type Request struct {
	Type Type
	// Title is what the phone shows: 1 to 100 characters.
	Title string
	// Binding is SM3 of the platform's session secret of this browser, 32 bytes.
	Binding []byte
	Browser Browser
	// Expected is the holder id of the identity logged in there, if any.
	Expected string
	// AskCode asks for the verification code where it would not be asked for.
	AskCode bool
	// NotifyPath is the path of the callback below the registered base.
	NotifyPath string
	// Challenge is a login's, 16 to 64 bytes.
	Challenge []byte
	// Body is the document to be signed; for one larger than
	// splitkey.MaxMessage it is nil and Document names it.
	Body     []byte
	Document Document
}

// Draft is a checked transaction, ready to be stored.
type Draft struct {
	t Transaction
	m []byte
}

// ID is the transaction's, once it is created.
func (d Draft) ID() string { return d.t.ID }

var notifyPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// Draft checks a request without touching the store. Refusals: CodeRequest (with
// "field"), CodeNotifyURL, CodeDocument, CodePlatform.
func (s *Service) Draft(p catalog.Platform, r Request) (Draft, error) {
	if !p.Active {
		return Draft{}, CodePlatform
	}
	wrong := func(field string) (Draft, error) { return Draft{}, CodeRequest.With(map[string]any{"field": field}) }
	_, badAddress := netip.ParseAddr(r.Browser.Address)
	switch {
	case r.Type != Login && r.Type != Sign:
		return wrong("type")
	case !text(r.Title, 1, 100):
		return wrong("title")
	case len(r.Binding) != sm3.Size:
		return wrong("browserBinding")
	case !text(r.Browser.UserAgent, 0, 512):
		return wrong("browser.userAgent")
	case badAddress != nil:
		return wrong("browser.address")
	case !text(r.Expected, 0, 64):
		return wrong("expectedIdentity")
	case len(r.NotifyPath) > 256 || r.NotifyPath != "" && !notifyPath.MatchString(r.NotifyPath):
		return Draft{}, CodeNotifyURL
	}
	now := s.Clock.Now()
	t := Transaction{
		ID: p.Code + id.New(s.Rand), Seq: 1, Platform: p.Code, Type: r.Type, State: Created,
		Expected: r.Expected, NotifyPath: r.NotifyPath, CreatedAt: now, Version: 1,
		Private: Private{Title: r.Title, Platform: p.Name, Browser: r.Browser, Binding: r.Binding},
	}
	var m []byte
	switch r.Type {
	case Login:
		if len(r.Challenge) < 16 || len(r.Challenge) > 64 {
			return wrong("login.challenge")
		}
		t.Private.Challenge = r.Challenge
		t.AskCode = p.AskCode || r.AskCode
		t.ExpiresAt = now.Add(LoginLife)
	case Sign:
		var err error
		if t.Private.Document, m, err = s.document(r); err != nil {
			return Draft{}, err
		}
		// A page that named who is logged in there needs no digits: only that
		// identity can scan (docs/domain.md §1.9).
		t.AskCode = r.Expected == "" || r.AskCode
		t.ExpiresAt = now.Add(OtherLife)
	}
	t.DueAt = t.deadline()
	return Draft{t, m}, nil
}

// document checks what is to be signed and gives the message if it is known
// already: the document itself. One that is larger is only named here; its
// attributes name the signer too (docs/split-keys.md §2.9).
func (s *Service) document(r Request) (Document, []byte, error) {
	d := r.Document
	if !text(d.Name, 1, 255) || strings.ContainsAny(d.Name, `/\`) {
		return d, nil, CodeRequest.With(map[string]any{"field": "sign.name"})
	}
	if r.Body != nil {
		if d.Size != 0 || d.Digest != nil {
			return d, nil, CodeRequest.With(map[string]any{"field": "sign"})
		}
		if err := splitkey.CheckDocument(r.Body); err != nil {
			return d, nil, CodeDocument.Because(err)
		}
		sum := sm3.Sum(r.Body)
		d.Size, d.Digest = int64(len(r.Body)), sum[:]
		return d, r.Body, nil
	}
	if len(d.Digest) != sm3.Size {
		return d, nil, CodeRequest.With(map[string]any{"field": "sign.digest"})
	}
	if !d.large() || d.Size > 1<<40 {
		// What fits is signed as it stands, so that the holder's phone sees it.
		return d, nil, CodeRequest.With(map[string]any{"field": "sign.size"})
	}
	return d, nil, nil
}

// large: it is signed by its attributes.
func (d Document) large() bool { return d.Size > splitkey.MaxMessage }

// text accepts printable text of least to most characters, with spaces of any
// width; what turns lines or directions is not printable.
func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return utf8.ValidString(s) && n >= least && n <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
	})
}

// Create stores a draft in the caller's transaction.
func (s *Service) Create(ctx context.Context, tx work.Tx, d Draft) (Transaction, error) {
	if err := s.Store.Insert(ctx, tx, d.t, d.m); err != nil {
		return Transaction{}, err
	}
	s.observe(tx, d.t)
	return d.t, s.record(ctx, tx, "scan.created", "platform:"+d.t.Platform, d.t)
}

// Cancel ends a transaction for its platform: CANCELLED. Cancelling what ended
// is CodeOver, except what was cancelled.
func (s *Service) Cancel(ctx context.Context, tx work.Tx, platform, id string) (Transaction, error) {
	t, err := s.OfPlatform(ctx, tx, platform, id)
	if err != nil {
		return t, err
	}
	t = t.at(s.Clock.Now())
	switch {
	case t.State == Cancelled:
		return t, nil
	case !t.State.Open():
		return t, CodeOver
	}
	return s.end(ctx, tx, "platform:"+platform, t, PlatformCancel, Cancelled)
}

// Status is a transaction as its platform sees it.
type Status struct {
	Transaction
	// Result is how it ended; nil while it is open.
	Result *Outcome
	// Signed is what was made, if it was asked for and is kept.
	Signed *Signed
}

// Signed is the result of an executed transaction.
type Signed struct {
	Identity    Identity
	Certificate []byte   // the signing certificate, DER
	Chain       [][]byte // issuer first, root last
	M           []byte   // the bytes that were signed
	Signature   []byte   // DER SEQUENCE{r,s}
	Timestamp   []byte   // RFC 3161, DER
	SignedAt    time.Time
}

// Status gives a transaction to its platform, with its result if wanted and
// there; another platform's is CodeNotFound. After ResultLife the signed
// material is gone and only the outcome stays.
func (s *Service) Status(ctx context.Context, platform, id string, result bool) (Status, error) {
	var out Status
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		out, err = s.status(ctx, tx, platform, id, result)
		return err
	})
	return out, err
}

func (s *Service) status(ctx context.Context, tx work.Tx, platform, id string, result bool) (Status, error) {
	t, err := s.OfPlatform(ctx, tx, platform, id)
	if err != nil {
		return Status{}, err
	}
	t = t.at(s.Clock.Now())
	if t.State != Scanned {
		t.Private.Code = "" // it has served, or is not drawn yet
	}
	out := Status{Transaction: t}
	if t.State.Open() {
		return out, nil
	}
	outcome := t.Outcome.public()
	out.Result = &outcome
	if !result || t.Outcome != OK || s.forgotten(t) {
		return out, nil
	}
	out.Signed, err = s.signed(ctx, tx, t)
	return out, err
}

// forgotten: the sweep deletes the messages then; a reader never sees them later.
func (s *Service) forgotten(t Transaction) bool {
	return t.DueAt.IsZero() || !s.Clock.Now().Before(t.EndedAt.Add(ResultLife))
}

func (s *Service) signed(ctx context.Context, tx work.Tx, t Transaction) (*Signed, error) {
	r, err := s.Store.Result(ctx, tx, t.ID, t.Seq)
	if err != nil {
		return nil, err
	}
	if t.Type == Sign && !t.Private.Document.large() {
		if r.M, err = s.Store.Message(ctx, tx, t.ID); err != nil {
			return nil, err
		}
	}
	leaf, _, err := s.Certificates.BySerial(ctx, tx, r.Serial)
	if err != nil {
		return nil, err
	}
	// The certificate, not today's real name, says who signed.
	c, err := smx509.ParseCertificate(leaf.DER)
	if err != nil {
		return nil, err
	}
	who := Identity{Kind: t.Private.Identity.Kind, Holder: c.Subject.SerialNumber, Name: c.Subject.CommonName}
	return &Signed{
		Identity: who, Certificate: leaf.DER, Chain: leaf.Chain, M: r.M,
		Signature: r.Signature, Timestamp: r.Timestamp, SignedAt: r.SignedAt,
	}, nil
}

// Delivered notes that the platform acknowledged the callback of an executed
// transaction; any other is left alone.
func (s *Service) Delivered(ctx context.Context, tx work.Tx, id string, seq int64) error {
	t, err := s.Store.Get(ctx, tx, id)
	if err != nil || t.State != Executed || t.Seq != seq {
		return err
	}
	if err := t.walk(Delivered); err != nil {
		return err
	}
	if err := s.put(ctx, tx, t); err != nil {
		return err
	}
	return s.record(ctx, tx, "scan.delivered", "platform:"+t.Platform, t)
}

// end finishes a transaction that was not executed: state, usage, audit,
// callback and the withdrawal of what custody was allowed.
func (s *Service) end(ctx context.Context, tx work.Tx, actor string, t Transaction, o Outcome, path ...State) (Transaction, error) {
	t, err := s.conclude(ctx, tx, actor, t, o, nil, path...)
	if err != nil || t.Operation == "" {
		return t, err
	}
	return t, s.Custody.Withdraw(ctx, tx, t.Operation)
}

// conclude writes an end, good or bad, with everything that belongs to it.
func (s *Service) conclude(ctx context.Context, tx work.Tx, actor string, t Transaction, o Outcome, m []byte, path ...State) (Transaction, error) {
	if err := t.walk(path...); err != nil {
		return t, err
	}
	now := s.Clock.Now()
	t.Outcome, t.EndedAt, t.DueAt = o.public(), now, now.Add(ResultLife)
	if err := s.put(ctx, tx, t); err != nil {
		return t, err
	}
	if err := s.write(ctx, tx, t, m); err != nil {
		return t, err
	}
	// What nobody scanned is no news: its platform, which may begin any number,
	// knows when it ends.
	if t.NotifyPath != "" && t.Account != "" && t.State != Cancelled {
		body, err := json.Marshal(Callback{t.Platform, t.ID, t.Seq, t.State})
		if err != nil {
			return t, err
		}
		if err := tx.Enqueue(ctx, work.Job{Topic: CallbackTopic, Body: body}); err != nil {
			return t, err
		}
	}
	kind := "scan." + strings.ToLower(string(t.State))
	return t, s.record(ctx, tx, kind, actor, t)
}

// write adds the usage record of an end (docs/domain.md §5, invariant 5). What
// nobody scanned is nobody's.
func (s *Service) write(ctx context.Context, tx work.Tx, t Transaction, m []byte) error {
	if t.Account == "" {
		return nil
	}
	r := usage.Record{
		Ref: fmt.Sprintf("scan:%s:%d", t.ID, t.Seq), At: t.EndedAt, Account: t.Account, Device: t.Device,
		Operator: t.Private.Identity.Name, Certificate: t.Certificate, Serial: t.Private.Serial,
		Platform: t.Platform, PlatformName: t.Private.Platform,
		Business: string(t.Type), Title: t.Private.Title, Outcome: string(t.Outcome),
	}
	o := s.origin(t)
	r.Origin = usage.Origin{Browser: o.Browser, Region: o.Region, Network: o.Network}
	if m != nil {
		sum := sm3.Sum(m)
		r.Digest = sum[:]
	}
	return s.Usages.Write(ctx, tx, r)
}

// put writes t back and wakes those who wait for it.
func (s *Service) put(ctx context.Context, tx work.Tx, t Transaction) error {
	if err := s.Store.Put(ctx, tx, t); err != nil {
		return err
	}
	s.observe(tx, t)
	return nil
}

func (s *Service) observe(tx work.Tx, t Transaction) {
	tx.Wake(t.Account, work.Scan)
	tx.AfterCommit(func() {
		s.Push.Publish(Topic(t.ID))
		if s.Observe != nil {
			s.Observe(t.Type, t.State, t.Outcome)
		}
	})
}

func (s *Service) record(ctx context.Context, tx work.Tx, kind, actor string, t Transaction) error {
	detail, err := json.Marshal(struct {
		Type        Type    `json:"type"`
		Outcome     Outcome `json:"outcome,omitempty"`
		Certificate string  `json:"certificate,omitempty"`
	}{t.Type, t.Outcome, t.Certificate})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: t.ID, Detail: detail})
}
