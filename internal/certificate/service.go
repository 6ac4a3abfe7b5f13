package certificate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/clock"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// Devices tells an account's one active device; empty for none.
type Devices interface {
	ActiveDevice(ctx context.Context, tx work.Tx, account string) (string, error)
}

// Directory is the directory of platforms.
type Directory interface {
	Platform(ctx context.Context, tx work.Tx, code string) (catalog.Platform, error)
}

// Deps are what a Service needs.
type Deps struct {
	Store     Store
	Runner    work.Runner
	Clock     clock.Clock
	Rand      io.Reader
	Devices   Devices
	Directory Directory
}

// Service keeps the rules of the record.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Draft is what a paid order line asks for.
type Draft struct {
	Holder      Holder
	Institution string
	Years       int
	Platform    string
	Order, Line string
}

// Create makes the record of a paid line, 待下载. A line has one record: repeated,
// it returns the first.
func (s *Service) Create(ctx context.Context, tx work.Tx, d Draft) (Certificate, error) {
	if c, err := s.Store.OfLine(ctx, tx, d.Line); !errors.Is(err, work.ErrNotFound) {
		return c, err
	}
	c := Certificate{
		ID: id.New(s.Rand), Holder: d.Holder, Institution: d.Institution, Years: d.Years, Platform: d.Platform,
		Order: d.Order, Line: d.Line, State: Pending, CreatedAt: s.Clock.Now(), Version: 1,
	}
	if err := s.Store.Insert(ctx, tx, c); err != nil {
		return Certificate{}, err
	}
	return c, record(ctx, tx, "certificate.created", "system", c, map[string]any{"order": d.Order, "institution": d.Institution})
}

// Get gives a record to its holder; another's is CodeNotFound.
func (s *Service) Get(ctx context.Context, tx work.Tx, account, id string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if c.Holder.Account != account {
		return Certificate{}, CodeNotFound
	}
	return s.derive(ctx, tx, c)
}

// Show gives a record to the identity whose lists show it; another's is CodeNotFound.
func (s *Service) Show(ctx context.Context, tx work.Tx, sc account.Scope, id string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil {
		return Certificate{}, err
	}
	h := holderOf(sc)
	if c.Holder.Kind != h.Kind || c.Holder.Enterprise != h.Enterprise || h.Account != "" && c.Holder.Account != h.Account {
		return Certificate{}, CodeNotFound
	}
	return s.derive(ctx, tx, c)
}

// Find gives a record to the house itself, without asking whose it is.
func (s *Service) Find(ctx context.Context, tx work.Tx, id string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil {
		return Certificate{}, err
	}
	return s.derive(ctx, tx, c)
}

// BySerial finds the leaf with a serial number and its record; CodeNotFound.
func (s *Service) BySerial(ctx context.Context, tx work.Tx, serial string) (Leaf, Certificate, error) {
	l, err := s.Store.Leaf(ctx, tx, serial)
	if errors.Is(err, work.ErrNotFound) {
		return Leaf{}, Certificate{}, CodeNotFound
	}
	if err != nil {
		return Leaf{}, Certificate{}, err
	}
	c, err := s.Find(ctx, tx, l.Certificate)
	return l, c, err
}

// Leaves gives every X.509 certificate of a record, oldest first.
func (s *Service) Leaves(ctx context.Context, tx work.Tx, id string) ([]Leaf, error) {
	return s.Store.Leaves(ctx, tx, id)
}

// maxHeld bounds what one account may hold; lists for the scan gate are whole.
const maxHeld = 500

// Held gives all of a person's own records with their derived states, newest
// first, cancelled ones left out: what the scan gate decides on (docs/domain.md
// §3.9).
func (s *Service) Held(ctx context.Context, tx work.Tx, account string) ([]Certificate, error) {
	return s.held(ctx, tx, person(account))
}

func person(account string) Holder { return Holder{Kind: Person, Account: account} }

// holderOf is whose certificates a scope shows: an enterprise's have no account
// where they are everybody's.
func holderOf(sc account.Scope) Holder {
	switch {
	case sc.Enterprise == "":
		return person(sc.Account)
	case sc.All:
		return Holder{Kind: Enterprise, Enterprise: sc.Enterprise}
	}
	return Holder{Kind: Enterprise, Account: sc.Account, Enterprise: sc.Enterprise}
}

// Mine gives what Held gives, of the caller's identity, and only what he himself
// can use: a person's own certificates, or those that he holds as a member.
func (s *Service) Mine(ctx context.Context, tx work.Tx, sc account.Scope) ([]Certificate, error) {
	sc.All = false
	return s.held(ctx, tx, holderOf(sc))
}

func (s *Service) held(ctx context.Context, tx work.Tx, h Holder) ([]Certificate, error) {
	all, err := s.list(ctx, tx, h, Filter{}, "", maxHeld)
	if err != nil {
		return nil, err
	}
	out := all[:0]
	for _, c := range all {
		if c.State != Cancelled {
			out = append(out, c)
		}
	}
	return out, nil
}

// OfMember gives what Held gives, of what an account holds as a member of an
// enterprise.
func (s *Service) OfMember(ctx context.Context, tx work.Tx, enterprise, account string) ([]Certificate, error) {
	return s.held(ctx, tx, Holder{Kind: Enterprise, Account: account, Enterprise: enterprise})
}

// Usable gives a person's own certificates that can sign now: 有效, in their
// validity, not frozen, keys on the active device. Newest first.
func (s *Service) Usable(ctx context.Context, tx work.Tx, account string) ([]Certificate, error) {
	return s.list(ctx, tx, person(account), Filter{State: Valid}, "", maxHeld)
}

// List gives a page of an identity's records (M§2.7.1, docs/domain.md A27); cursor is
// empty or the Next of the page before.
func (s *Service) List(ctx context.Context, sc account.Scope, f Filter, cursor string) (p Page, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		p.Certificates, err = s.list(ctx, tx, holderOf(sc), f, cursor, PageSize+1)
		return err
	})
	if len(p.Certificates) > PageSize {
		p.Certificates = p.Certificates[:PageSize]
		p.Next = p.Certificates[PageSize-1].ID
	}
	return p, err
}

// Counts counts an identity's records by state (the chips of M§2.7.1); states that
// nothing is in are absent.
func (s *Service) Counts(ctx context.Context, sc account.Scope) (out map[State]int, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		h := holderOf(sc)
		device, err := s.device(ctx, tx, h.Account)
		if err != nil {
			return err
		}
		out, err = s.Store.Counts(ctx, tx, h, s.Clock.Now(), device)
		return err
	})
	return out, err
}

// BeginIssue is the point of no return before Issuer.Prepare: it fixes the
// validity and shuts the line's refund out. It serves 待下载 records, and 有效 or
// frozen ones at a re-key, whose end date stays. Repeated with the same ref it
// returns the same record; while another ref is under way it is CodeIssuing.
func (s *Service) BeginIssue(ctx context.Context, tx work.Tx, account, id, ref string) (Certificate, error) {
	c, err := s.owned(ctx, tx, account, id)
	if err != nil {
		return Certificate{}, err
	}
	if c.IssueRef == ref {
		return c, nil
	}
	if c.IssueRef != "" {
		return Certificate{}, CodeIssuing
	}
	now := s.Clock.Now()
	if c.State == Pending {
		c.NotBefore = now.Truncate(time.Second) // X.509 knows no smaller time
		c.NotAfter = c.NotBefore.AddDate(c.Years, 0, 0)
	} else if err := alive(c, now); err != nil {
		return Certificate{}, err
	}
	c.IssueRef = ref
	return s.update(ctx, tx, "certificate.issuing", account, c, map[string]any{"ref": ref})
}

// AbandonIssue takes BeginIssue back, after the issuer's Status said that ref
// is unknown or refused. Another ref is left alone.
func (s *Service) AbandonIssue(ctx context.Context, tx work.Tx, id, ref string) error {
	c, err := s.stored(ctx, tx, id)
	if err != nil || c.IssueRef != ref || ref == "" {
		return err
	}
	c.IssueRef = ""
	_, err = s.update(ctx, tx, "certificate.issue_abandoned", "system", c, map[string]any{"ref": ref})
	return err
}

// Installed is the outcome of an installation: the pair, its keys and the
// device that read them back.
type Installed struct {
	Ref                   string // the ref of BeginIssue
	SignSerial, EncSerial string
	SignKey, EncKey       string // custody's key ids
	NotBefore, NotAfter   time.Time
	Device                string
	KeysLost              bool // suspended by a recovery that began meanwhile
	SignDER, EncDER       []byte
	Chain                 [][]byte
}

// Installed makes a record 有效. The validity must lie within what BeginIssue
// fixed. Repeated with the same serial numbers it changes nothing.
func (s *Service) Installed(ctx context.Context, tx work.Tx, id string, in Installed) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if c.SignSerial != "" && c.SignSerial == in.SignSerial {
		return c, nil
	}
	if err := pending(c); err != nil {
		return Certificate{}, err
	}
	if c.IssueRef == "" || c.IssueRef != in.Ref {
		return Certificate{}, CodeNotPending.Becausef("installed under %q, begun under %q", in.Ref, c.IssueRef)
	}
	if in.NotBefore.Before(c.NotBefore) || in.NotAfter.After(c.NotAfter) || !in.NotBefore.Before(in.NotAfter) {
		return Certificate{}, CodeEndDate
	}
	now := s.Clock.Now()
	c.State, c.IssueRef, c.InstalledAt, c.Device = Valid, "", now, in.Device
	c.KeysLost = in.KeysLost
	c.NotBefore, c.NotAfter = in.NotBefore, in.NotAfter
	c.SignSerial, c.SignKey, c.EncSerial, c.EncKey = in.SignSerial, in.SignKey, in.EncSerial, in.EncKey
	for _, l := range []Leaf{
		{Serial: in.SignSerial, Use: Sign, Key: in.SignKey, DER: in.SignDER},
		{Serial: in.EncSerial, Use: Encrypt, Key: in.EncKey, DER: in.EncDER},
	} {
		l.Certificate, l.Chain, l.InstalledAt = c.ID, in.Chain, now
		if err := s.Store.InsertLeaf(ctx, tx, l); err != nil {
			return Certificate{}, err
		}
	}
	return s.update(ctx, tx, "certificate.installed", c.Holder.Account, c, map[string]any{"sign": in.SignSerial, "enc": in.EncSerial})
}

// Replacement is the outcome of a re-key: a new signing certificate with the
// same end date.
type Replacement struct {
	Ref        string // the ref of BeginIssue
	SignSerial string
	SignKey    string // custody's key id
	NotAfter   time.Time
	Device     string
	KeysLost   bool // as in Installed
	SignDER    []byte
	Chain      [][]byte
}

// Replace puts a new signing certificate into a record; the old one becomes
// 已替换 and is not revoked (docs/split-keys.md §2.6). The state stays: a frozen
// record remains frozen. On a record that was revoked meanwhile it is
// CodeRevoked, and the caller has to revoke what it was issued. Repeated with
// the same serial number it changes nothing.
func (s *Service) Replace(ctx context.Context, tx work.Tx, id string, in Replacement) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil {
		return Certificate{}, err
	}
	if c.SignSerial == in.SignSerial {
		return c, nil
	}
	now := s.Clock.Now()
	if err := alive(c, now); err != nil {
		return Certificate{}, err
	}
	if c.IssueRef == "" || c.IssueRef != in.Ref {
		return Certificate{}, CodeNotValid.Becausef("replaced under %q, begun under %q", in.Ref, c.IssueRef)
	}
	if !in.NotAfter.Equal(c.NotAfter) {
		return Certificate{}, CodeEndDate
	}
	old := c.SignSerial
	if err := s.Store.ReplaceLeaf(ctx, tx, old, now); err != nil {
		return Certificate{}, err
	}
	l := Leaf{Serial: in.SignSerial, Certificate: c.ID, Use: Sign, Key: in.SignKey, DER: in.SignDER, Chain: in.Chain, InstalledAt: now}
	if err := s.Store.InsertLeaf(ctx, tx, l); err != nil {
		return Certificate{}, err
	}
	c.IssueRef, c.SignSerial, c.SignKey, c.Device, c.KeysLost = "", in.SignSerial, in.SignKey, in.Device, in.KeysLost
	return s.update(ctx, tx, "certificate.rekeyed", c.Holder.Account, c, map[string]any{"sign": in.SignSerial, "replaced": old})
}

// KeysLost records that every key of an account is out of use, also those on its
// active device: its certificates are 密钥丢失 until Replace, or until KeysBack.
func (s *Service) KeysLost(ctx context.Context, tx work.Tx, account string) error {
	return s.mark(ctx, tx, "certificate.keys_lost", account, true)
}

// KeysBack takes KeysLost back, when the keys are in use again as they were.
func (s *Service) KeysBack(ctx context.Context, tx work.Tx, account string) error {
	return s.mark(ctx, tx, "certificate.keys_back", account, false)
}

func (s *Service) mark(ctx context.Context, tx work.Tx, kind, account string, lost bool) error {
	tx.Wake(account, work.Certificates)
	if err := s.Store.MarkKeys(ctx, tx, account, lost); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: account, Subject: account})
}

// Revoked ends an installed record (吊销); actor and reason go into the audit.
// The caller revokes SignSerial and EncSerial at the CA in the same
// transaction. Revoking again changes nothing.
func (s *Service) Revoked(ctx context.Context, tx work.Tx, id, actor, reason string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil || c.State == Revoked {
		return c, err
	}
	now := s.Clock.Now()
	if err := alive(c, now); err != nil {
		return Certificate{}, err
	}
	c.State, c.Reason, c.RevokedAt = Revoked, reason, now
	return s.update(ctx, tx, "certificate.revoked", actor, c, map[string]any{"reason": reason})
}

// Freeze stops a 有效 certificate (已冻结) until Unfreeze; freezing again changes
// nothing.
func (s *Service) Freeze(ctx context.Context, tx work.Tx, id, actor, reason string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil || c.State == Frozen {
		return c, err
	}
	if err := alive(c, s.Clock.Now()); err != nil {
		return Certificate{}, err
	}
	c.State, c.Reason = Frozen, reason
	return s.update(ctx, tx, "certificate.frozen", actor, c, map[string]any{"reason": reason})
}

// Unfreeze takes Freeze back; a certificate that is not frozen is left alone.
func (s *Service) Unfreeze(ctx context.Context, tx work.Tx, id, actor string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err != nil || c.State != Frozen {
		return c, err
	}
	c.State, c.Reason = Valid, ""
	return s.update(ctx, tx, "certificate.unfrozen", actor, c, nil)
}

// CancelLine ends the record of an order line that is being refunded
// (docs/domain.md §3.4): 已取消. Once an issuance has begun it is CodeIssuing, and
// after it CodeNotPending: nothing may be refunded that was issued. A line
// without a record is left alone.
func (s *Service) CancelLine(ctx context.Context, tx work.Tx, line string) error {
	c, err := s.Store.OfLine(ctx, tx, line)
	switch {
	case errors.Is(err, work.ErrNotFound):
		return nil
	case err != nil:
		return err
	case c.State == Cancelled:
		return nil
	case c.State != Pending:
		return CodeNotPending
	case c.IssueRef != "":
		return CodeIssuing
	}
	c.State = Cancelled
	_, err = s.update(ctx, tx, "certificate.cancelled", "system", c, nil)
	return err
}

func (s *Service) stored(ctx context.Context, tx work.Tx, id string) (Certificate, error) {
	c, err := s.Store.Get(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return Certificate{}, CodeNotFound
	}
	return c, err
}

func (s *Service) owned(ctx context.Context, tx work.Tx, account, id string) (Certificate, error) {
	c, err := s.stored(ctx, tx, id)
	if err == nil && c.Holder.Account != account {
		return Certificate{}, CodeNotFound
	}
	return c, err
}

func (s *Service) derive(ctx context.Context, tx work.Tx, c Certificate) (Certificate, error) {
	device, err := s.Devices.ActiveDevice(ctx, tx, c.Holder.Account)
	c.State = c.At(s.Clock.Now(), device)
	return c, err
}

// device gives an account's active device; of everybody's certificates each has its
// own, which the store looks up.
func (s *Service) device(ctx context.Context, tx work.Tx, account string) (string, error) {
	if account == "" {
		return "", nil
	}
	return s.Devices.ActiveDevice(ctx, tx, account)
}

func (s *Service) list(ctx context.Context, tx work.Tx, h Holder, f Filter, before string, n int) ([]Certificate, error) {
	device, err := s.device(ctx, tx, h.Account)
	if err != nil {
		return nil, err
	}
	sel := Selection{State: f.State, Now: s.Clock.Now(), Device: device}
	if f.Platform != "" {
		if sel.Platforms, err = s.named(ctx, tx, h, f.Platform); err != nil {
			return nil, err
		}
	}
	all, err := s.Store.List(ctx, tx, h, sel, before, n)
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		if h.Account == "" {
			if device, err = s.Devices.ActiveDevice(ctx, tx, c.Holder.Account); err != nil {
				return nil, err
			}
		}
		all[i].State = c.At(sel.Now, device)
	}
	return all, nil
}

// named gives those of a holder's platforms whose name contains a part,
// whatever the case of its letters.
func (s *Service) named(ctx context.Context, tx work.Tx, h Holder, part string) ([]string, error) {
	codes, err := s.Store.Platforms(ctx, tx, h)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, code := range codes {
		p, err := s.Directory.Platform(ctx, tx, code)
		if err != nil {
			return nil, err
		}
		if strings.Contains(strings.ToLower(p.Name), strings.ToLower(part)) {
			out = append(out, code)
		}
	}
	return out, nil
}

func (s *Service) update(ctx context.Context, tx work.Tx, kind, actor string, c Certificate, detail map[string]any) (Certificate, error) {
	if err := s.Store.Update(ctx, tx, c); err != nil {
		return Certificate{}, err
	}
	c.Version++
	return c, record(ctx, tx, kind, actor, c, detail)
}

func record(ctx context.Context, tx work.Tx, kind, actor string, c Certificate, detail map[string]any) error {
	tx.Wake(c.Holder.Account, work.Certificates)
	var b []byte
	if detail != nil {
		var err error
		if b, err = json.Marshal(detail); err != nil {
			return err
		}
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: actor, Subject: c.ID, Detail: b})
}

// pending refuses a record that is not 待下载.
func pending(c Certificate) error {
	switch c.State {
	case Pending:
		return nil
	case Cancelled:
		return CodeCancelled
	}
	return CodeNotPending
}

// alive refuses a stored record that is not 有效 or frozen, or past its end.
func alive(c Certificate, now time.Time) error {
	switch {
	case c.State == Revoked:
		return CodeRevoked
	case c.State == Cancelled:
		return CodeCancelled
	case c.State != Valid && c.State != Frozen:
		return CodeNotValid
	case now.After(c.NotAfter):
		return CodeExpired
	}
	return nil
}
