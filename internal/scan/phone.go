package scan

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/id"
	"tianweitong/internal/notice"
	"tianweitong/internal/work"
	"tianweitong/pki"
	"tianweitong/splitkey"
)

// Scan is a transaction as the phone that holds it sees it (M§2.8).
type Scan struct {
	ID        string    `json:"id"` // tId
	Type      Type      `json:"type"`
	State     State     `json:"state"`
	Outcome   Outcome   `json:"outcome,omitempty"`
	Title     string    `json:"title"`
	ExpiresAt time.Time `json:"expiresAt"`
	// AskCode: Confirm wants the four digits of the platform's page.
	AskCode  bool         `json:"askCode"`
	Platform ScanPlatform `json:"platform"`
	Origin   Origin       `json:"origin"`
	Identity Identity     `json:"identity"`
	// Document is set for a signature.
	Document *Document `json:"document,omitempty"`
	// Gate is OK, or what has to be done first (docs/domain.md §3.9); GateText says
	// so to the holder and Action names what comes next.
	Gate     Outcome `json:"gate"`
	GateText string  `json:"gateText,omitempty"`
	Action   Action  `json:"action"`
	// LockedUntil is the end of a timed lock of the PIN.
	LockedUntil  time.Time `json:"lockedUntil,omitzero"`
	Certificates []Choice  `json:"certificates"`
	// HoldUntil is until when a re-key may take while it holds the timer.
	HoldUntil time.Time `json:"holdUntil,omitzero"`
	// Certificate is the one chosen and OpID custody's operation, once READY.
	Certificate string `json:"certificate,omitempty"`
	OpID        string `json:"opID,omitempty"`
}

// ScanPlatform is who asks, from the directory and not from the code.
type ScanPlatform struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	Region string `json:"region"`
	Host   string `json:"host"`
}

// look is what one reading gathers for the phone.
type look struct {
	t       Transaction
	p       catalog.Platform
	who     Identity
	choices []Choice
	gate    Outcome
	locked  time.Time // until when the PIN is
}

// gather reads everything that the phone's page shows; it writes nothing. With a
// record it looks at that certificate alone.
func (s *Service) gather(ctx context.Context, tx work.Tx, h custody.Holder, t Transaction, record string) (look, error) {
	l := look{t: t, who: t.Private.Identity}
	var err error
	if l.p, err = s.Platforms.Platform(ctx, tx, t.Platform); err != nil {
		return l, err
	}
	if !l.p.Active {
		return l, CodePlatform
	}
	if t.Account == "" {
		person, err := s.People.Person(ctx, tx, h.Account)
		if err != nil {
			return l, err
		}
		l.who = Identity{Kind: string(certificate.Person), Holder: person.Holder, Name: person.Name}
	}
	if record != "" {
		l.choices, l.gate, err = s.chosen(ctx, tx, h, record, t.Platform)
	} else {
		l.choices, l.gate, err = s.gate(ctx, tx, h, t.Platform)
	}
	return l, err
}

func (s *Service) show(l look) Scan {
	t := l.t
	out := Scan{
		ID: t.ID, Type: t.Type, State: t.State, Outcome: t.Outcome, Title: t.Private.Title, ExpiresAt: t.ExpiresAt, AskCode: t.AskCode,
		Platform: ScanPlatform{l.p.Code, l.p.Name, l.p.Region, l.p.Host}, Origin: s.origin(t),
		Identity: l.who, Gate: l.gate, GateText: l.gate.text(), Action: l.gate.action(), LockedUntil: l.locked,
		Certificates: l.choices, Certificate: t.Certificate, HoldUntil: t.HoldUntil,
	}
	if !l.locked.IsZero() {
		out.GateText = custody.CodePINLockedFor.Text
	}
	if l.gate == OK && t.Certificate == "" && serving(l.choices) > 1 {
		out.Action = Choose
	}
	if t.Type == Sign {
		out.Document = &t.Private.Document
	}
	if t.State == Ready {
		out.OpID = t.Operation
	}
	if out.Certificates == nil {
		out.Certificates = []Choice{}
	}
	return out
}

// serving counts the certificates that can be chosen.
func serving(all []Choice) int {
	n := 0
	for _, c := range all {
		if c.Gate == OK {
			n++
		}
	}
	return n
}

// Scan binds the transaction of a scanned text to the device that scanned it; the
// same device may scan again. The gate never keeps a scan from binding: what is
// missing is shown, and may be mended within the time. What does refuse, before
// anything is bound: an unknown, dead or taken code, a platform out of the
// directory, a holder who is not real-named or is not the expected one.
func (s *Service) Scan(ctx context.Context, h custody.Holder, text, address string) (Scan, error) {
	now := s.Clock.Now()
	id, err := s.read(text, now)
	if err != nil {
		return Scan{}, err
	}
	l, err := s.looked(ctx, h, "", func(ctx context.Context, tx work.Tx) (Transaction, error) {
		t, err := s.Store.Get(ctx, tx, id)
		if errors.Is(err, work.ErrNotFound) {
			return t, CodeQRUnknown
		}
		if err != nil {
			return t, err
		}
		return t, scannable(t.at(now), h)
	})
	if err != nil {
		return Scan{}, err
	}
	if e := l.t.Expected; e != "" && e != l.who.Holder {
		return Scan{}, s.mismatched(ctx, h, l.t)
	}
	if l.t.heldBy(h) {
		return s.show(l), nil
	}
	var code string
	if l.t.AskCode {
		if code, err = digits(s.Rand); err != nil {
			return Scan{}, err
		}
	}
	err = s.Runner.Do(ctx, "scan.scan", func(ctx context.Context, tx work.Tx) error {
		t, err := s.Store.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := scannable(t.at(now), h); err != nil {
			return err
		}
		if t.heldBy(h) { // this device scanned twice at once
			l.t = t
			return nil
		}
		if err := t.walk(Scanned); err != nil {
			return err
		}
		t.Account, t.Device, t.ScannedAt = h.Account, h.Device, now
		t.Private.Code, t.Private.Phone, t.Private.Identity = code, address, l.who
		if l.gate == KeyLost && t.ExpiresAt.Before(now.Add(toBegin)) {
			t.ExpiresAt = now.Add(toBegin)
			t.DueAt = t.deadline()
		}
		l.t = t
		if err := s.put(ctx, tx, t); err != nil {
			return err
		}
		return s.record(ctx, tx, "scan.scanned", h.Account, t)
	})
	if err != nil {
		return Scan{}, err
	}
	return s.show(l), nil
}

// scannable: it waits for a scan, or this device has it already.
func scannable(t Transaction, h custody.Holder) error {
	switch {
	case t.State == Created:
		return nil
	case t.heldBy(h) && t.State.Open():
		return nil
	case t.Account != "" && !t.heldBy(h):
		return CodeQRTaken
	case t.State == Expired:
		return CodeQRExpired
	}
	return CodeOver
}

// looked gathers in one reading, and puts the PIN's state behind it.
func (s *Service) looked(ctx context.Context, h custody.Holder, record string, find func(context.Context, work.Tx) (Transaction, error)) (look, error) {
	var l look
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		t, err := find(ctx, tx)
		if err != nil {
			return err
		}
		l, err = s.gather(ctx, tx, h, t, record)
		return err
	})
	if err == nil && l.gate == OK {
		l.gate, l.locked, err = s.pinGate(ctx, h.Account)
	}
	return l, err
}

// mismatched leaves a trace of a scan by the wrong identity; nothing is bound.
func (s *Service) mismatched(ctx context.Context, h custody.Holder, t Transaction) error {
	err := s.Runner.Do(ctx, "scan.mismatched", func(ctx context.Context, tx work.Tx) error {
		return s.record(ctx, tx, "scan.mismatched", h.Account, t)
	})
	if err != nil {
		return err
	}
	return CodeMismatch
}

// digits draws the verification code: four decimal digits, each code as likely.
func digits(rand io.Reader) (string, error) {
	for {
		var b [2]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return "", fmt.Errorf("drawing a verification code: %w", err)
		}
		if n := binary.BigEndian.Uint16(b[:]); n < 60000 {
			return fmt.Sprintf("%04d", n%10000), nil
		}
	}
}

// Get gives a transaction to the device that holds it.
func (s *Service) Get(ctx context.Context, h custody.Holder, id string) (Scan, error) {
	l, err := s.looked(ctx, h, "", func(ctx context.Context, tx work.Tx) (Transaction, error) {
		t, err := s.ofHolder(ctx, tx, h, id)
		return t.at(s.Clock.Now()), err
	})
	if err != nil {
		return Scan{}, err
	}
	return s.show(l), nil
}

// Open gives the newest transaction that the device holds and that can still be
// executed: a phone that reloaded, or lost its answer, finds it again. found is
// false if there is none.
func (s *Service) Open(ctx context.Context, h custody.Holder) (out Scan, found bool, err error) {
	l, err := s.looked(ctx, h, "", func(ctx context.Context, tx work.Tx) (t Transaction, err error) {
		all, err := s.Store.OpenOf(ctx, tx, h.Account)
		if err != nil {
			return t, err
		}
		now := s.Clock.Now()
		for _, other := range all {
			if other.heldBy(h) && other.at(now).State.Open() && (t.ID == "" || other.ScannedAt.After(t.ScannedAt)) {
				t = other
			}
		}
		if t.ID == "" {
			return t, CodeNotFound
		}
		return t, nil
	})
	if errors.Is(err, CodeNotFound) {
		return Scan{}, false, nil
	}
	if err != nil {
		return Scan{}, false, err
	}
	return s.show(l), true, nil
}

var fourDigits = regexp.MustCompile(`^[0-9]{4}$`)

// Confirm chooses the certificate, takes the verification code and allows custody
// one signature; OpID of the answer is the operation that the PIN pad opens. A
// wrong code ends the transaction. Confirming a READY transaction again gives the
// same operation, or another one for another certificate.
func (s *Service) Confirm(ctx context.Context, h custody.Holder, id, record, code string) (Scan, error) {
	if record == "" {
		return Scan{}, CodeNoCert
	}
	now := s.Clock.Now()
	var m []byte
	l, err := s.looked(ctx, h, record, func(ctx context.Context, tx work.Tx) (Transaction, error) {
		t, err := s.ofHolder(ctx, tx, h, id)
		if err != nil {
			return t, err
		}
		if err := confirmable(t.at(now), now); err != nil || t.Type == Login || t.Private.Document.large() {
			return t, err
		}
		m, err = s.Store.Message(ctx, tx, id)
		return t, err
	})
	if err != nil {
		return Scan{}, err
	}
	if len(l.choices) != 1 {
		return Scan{}, CodeNoCert
	}
	choice := l.choices[0]
	if choice.Gate != OK {
		return Scan{}, choice.Gate.refusal()
	}
	if err := s.pinRefusal(ctx, h.Account, l.gate); err != nil {
		return Scan{}, err
	}
	if l.t.AskCode && !fourDigits.MatchString(code) {
		return Scan{}, CodeNeedCode
	}
	a, err := s.activation(ctx, h, l, choice, m, now)
	if err != nil {
		return Scan{}, err
	}
	var refused error
	err = s.Runner.Do(ctx, "scan.confirm", func(ctx context.Context, tx work.Tx) error {
		refused = nil
		t, err := s.ofHolder(ctx, tx, h, id)
		if err != nil {
			return err
		}
		if err := confirmable(t.at(now), now); err != nil {
			return err
		}
		if t.AskCode && subtle.ConstantTimeCompare([]byte(t.Private.Code), []byte(code)) != 1 {
			refused = CodeWrongCode
			return s.wrongCode(ctx, tx, t)
		}
		l.t, err = s.confirm(ctx, tx, t, choice, a)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return Scan{}, err
	}
	return s.show(l), nil
}

func confirmable(t Transaction, now time.Time) error {
	switch {
	case t.State == Recovering:
		return CodeRecovering
	case t.State != Scanned && t.State != Ready, !now.Before(t.ExpiresAt):
		return CodeOver
	}
	return nil
}

// pinRefusal says why the PIN cannot be entered, in custody's words.
func (s *Service) pinRefusal(ctx context.Context, account string, gate Outcome) error {
	switch gate {
	case PINNotSet:
		return custody.CodeNoPIN
	case PINFace:
		return custody.CodePINBudget
	case PINLocked:
		p, err := s.Custody.PIN(ctx, account)
		switch {
		case err != nil:
			return err
		case p.Locked:
			return custody.CodePINLocked
		}
		return custody.CodePINLockedFor.With(map[string]any{"lockedUntil": p.LockedUntil.Format(time.RFC3339)})
	}
	return nil
}

// activation is what custody may do for a confirmed transaction. m is the
// document, if it is signed as it stands; every other message is built here from
// the transaction and the server's time (docs/split-keys.md §2.9).
func (s *Service) activation(ctx context.Context, h custody.Holder, l look, c Choice, m []byte, now time.Time) (custody.Activation, error) {
	t := l.t
	a := custody.Activation{
		OpID: id.New(s.Rand), Holder: h, KeyID: c.key, Business: "scan." + string(t.Type), Subject: t.ID, Expires: t.ExpiresAt,
		ID: splitkey.IDDocument, M: m,
	}
	var err error
	switch {
	case t.Type == Login:
		a.ID = splitkey.IDLogin
		a.M, err = splitkey.LoginMessage{
			Platform: t.Platform, Host: l.p.Host, Transaction: t.ID,
			Challenge: t.Private.Challenge, Browser: t.Private.Binding, Time: now.Unix(),
		}.Bytes()
	case t.Private.Document.large():
		a.M, err = s.attributes(ctx, t.Private.Document, c.Serial, now)
	}
	if err != nil {
		return a, fmt.Errorf("message of %s: %w", t.ID, err)
	}
	return a, nil
}

func (s *Service) attributes(ctx context.Context, d Document, serial string, now time.Time) ([]byte, error) {
	var leaf certificate.Leaf
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		leaf, _, err = s.Certificates.BySerial(ctx, tx, serial)
		return err
	})
	if err != nil {
		return nil, err
	}
	signer, err := smx509.ParseCertificate(leaf.DER)
	if err != nil {
		return nil, err
	}
	return pki.NewDocumentAttributes(pki.Document{Name: d.Name, Size: d.Size}, d.Digest, signer, now.Truncate(time.Second)).Marshal(s.Arc)
}

func (s *Service) confirm(ctx context.Context, tx work.Tx, t Transaction, c Choice, a custody.Activation) (Transaction, error) {
	if t.State == Ready {
		if t.Certificate == c.Certificate {
			return t, nil
		}
		if err := s.Custody.Withdraw(ctx, tx, t.Operation); err != nil {
			return t, err
		}
		if err := t.walk(Ready); err != nil {
			return t, err
		}
	} else if err := t.walk(Bound, Ready); err != nil {
		return t, err
	}
	t.Certificate, t.Private.Serial, t.Operation = c.Certificate, c.Serial, a.OpID
	t.DueAt = t.deadline()
	if err := s.put(ctx, tx, t); err != nil {
		return t, err
	}
	if err := s.Custody.Authorise(ctx, tx, a); err != nil {
		return t, err
	}
	return t, s.record(ctx, tx, "scan.confirmed", t.Account, t)
}

func (s *Service) wrongCode(ctx context.Context, tx work.Tx, t Transaction) error {
	t, err := s.end(ctx, tx, t.Account, t, WrongCode, Failed)
	if err != nil {
		return err
	}
	return s.Notices.Post(ctx, tx, notice.Notice{
		Account: t.Account, Kind: "scan.wrong_code", Title: "扫码验证数字不一致，业务已取消", Link: "/usage",
		Body: fmt.Sprintf("您在“%s”的扫码业务因验证数字不一致已取消。如非您本人在电脑上操作，请勿扫描他人发来的二维码。", t.Private.Platform),
	})
}

// Reject ends a transaction for its holder: REJECTED, with what stood in the way
// at the gate as its outcome, else USER_REFUSED.
func (s *Service) Reject(ctx context.Context, h custody.Holder, id string) error {
	now := s.Clock.Now()
	outcome := UserRefused
	// Whatever keeps the gate from being read never keeps a holder from refusing.
	if l, err := s.looked(ctx, h, "", func(ctx context.Context, tx work.Tx) (Transaction, error) {
		return s.ofHolder(ctx, tx, h, id)
	}); err == nil && l.gate != OK {
		outcome = l.gate
	}
	return s.Runner.Do(ctx, "scan.reject", func(ctx context.Context, tx work.Tx) error {
		t, err := s.ofHolder(ctx, tx, h, id)
		if err != nil {
			return err
		}
		switch t := t.at(now); {
		case t.State == Rejected:
			return nil
		case !t.State.Open():
			return CodeOver
		}
		_, err = s.end(ctx, tx, h.Account, t, outcome, Rejected)
		return err
	})
}
