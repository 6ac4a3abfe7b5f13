package account

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"tianweitong/internal/id"
	"tianweitong/internal/secret"
	"tianweitong/internal/work"
)

// SignIn is a sign-in by SMS code (验证码登录, M§2.2.1) or by password (密码登录,
// M§2.2.2).
type SignIn struct {
	// Ticket and Code are for SignIn, Password for SignInByPassword.
	Ticket   string
	Code     string
	Password string
	// Phone is the account's number; the one that the code was sent to.
	Phone string
	// Agreements are the documents that the user accepted.
	Agreements []Agreement
	// DeviceKey is the device's public key: SPKI DER, ECDSA P-256.
	DeviceKey []byte
	// DeviceLabel is what the user's list of devices shows; cut to 40 characters.
	DeviceLabel string
	// Address is the client's IP address: codes asked for from its network later
	// are the owner's, not a stranger's. Stored as a keyed hash.
	Address string
}

// Session is a new session as its device sees it.
type Session struct {
	// Token is opaque; the store keeps its keyed hash.
	Token string
	// Nonce is 32 bytes that every device signature of the session covers.
	Nonce   []byte
	ID      string
	Account string
	// Device is the thumbprint of the device key.
	Device string
	// New tells that this sign-in registered the account.
	New       bool
	ExpiresAt time.Time
}

// Thumbprint checks a device key and gives the lower-case hex SHA-256 of its SPKI
// DER; CodeDeviceKey unless it is a canonically encoded ECDSA P-256 key
// (docs/split-keys.md §3.3).
func Thumbprint(spki []byte) (string, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return "", CodeDeviceKey.Because(err)
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok || ec.Curve != elliptic.P256() {
		return "", CodeDeviceKey.Becausef("the device key is not ECDSA P-256")
	}
	// One key has one thumbprint: compressed points and loose DER are refused.
	if canonical, err := x509.MarshalPKIXPublicKey(ec); err != nil || !slices.Equal(canonical, spki) {
		return "", CodeDeviceKey.Becausef("the device key is not encoded canonically")
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:]), nil
}

// SignIn enters the code and opens a session, registering the number if it has no
// account. An earlier session of the account on the same device ends. A device
// that registers becomes the account's active one. Refusals: CodePhone,
// CodeDeviceKey, CodeAgreements and those of CheckCode.
func (s *Service) SignIn(ctx context.Context, in SignIn) (Session, error) {
	device, err := s.fit(in)
	if err != nil {
		return Session{}, err
	}
	var out Session
	var refusal error
	phone := s.phoneHash(in.Phone)
	err = s.Runner.Do(ctx, "account.sign_in", func(ctx context.Context, tx work.Tx) (err error) {
		var c Code
		c, refusal, err = s.enter(ctx, tx, in.Ticket, in.Code, func(c Code) bool {
			return c.Purpose == PurposeLogin && secret.Equal(c.PhoneHash, phone)
		})
		if err != nil || refusal != nil {
			return err
		}
		if err := s.Store.UseCode(ctx, tx, c.ID, s.Clock.Now()); err != nil {
			return err
		}
		out, err = s.register(ctx, tx, in, device)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Session{}, err
	}
	return out, nil
}

// fit refuses a sign-in that nothing needs to be looked up for, and gives the
// device's thumbprint.
func (s *Service) fit(in SignIn) (device string, err error) {
	if !ValidPhone(in.Phone) {
		return "", CodePhone
	}
	if device, err = Thumbprint(in.DeviceKey); err != nil {
		return "", err
	}
	return device, s.agreed(in.Agreements)
}

// agreed refuses unless every document is accepted in its current version.
func (s *Service) agreed(given []Agreement) error {
	for _, want := range s.Agreements {
		if !slices.ContainsFunc(given, func(g Agreement) bool {
			return g.Document == want.Document && g.Version == want.Version
		}) {
			return CodeAgreements.With(map[string]any{"agreements": s.Agreements})
		}
	}
	return nil
}

// register opens a session of the number's account, and makes the account if
// there is none.
func (s *Service) register(ctx context.Context, tx work.Tx, in SignIn, device string) (Session, error) {
	now := s.Clock.Now()
	fresh := Account{ID: id.New(s.Rand), Phone: in.Phone, PhoneHash: s.phoneHash(in.Phone), CreatedAt: now}
	a, err := s.Store.Register(ctx, tx, fresh)
	if err != nil {
		return Session{}, err
	}
	if err := s.Store.PutNetwork(ctx, tx, a.ID, s.networkHash(networks(in.Address)[0]), now); err != nil {
		return Session{}, err
	}
	if a.ID != fresh.ID {
		return s.open(ctx, tx, a.ID, in, device, "account.signed_in")
	}
	out, err := s.open(ctx, tx, a.ID, in, device, "account.registered")
	if err != nil {
		return Session{}, err
	}
	out.New = true
	if err := s.bind(ctx, tx, &a, device); err != nil {
		return Session{}, err
	}
	return out, s.Store.Put(ctx, tx, a)
}

// open opens a session of an account on a device; one that is open there ends.
func (s *Service) open(ctx context.Context, tx work.Tx, account string, in SignIn, device, kind string) (Session, error) {
	now := s.Clock.Now()
	for _, g := range s.Agreements {
		if err := s.Store.Agree(ctx, tx, account, g, now); err != nil {
			return Session{}, err
		}
	}
	err := s.Store.PutDevice(ctx, tx, StoredDevice{Account: account, Thumbprint: device, PublicKey: in.DeviceKey,
		Label: label(in.DeviceLabel), Network: s.networkHash(networks(in.Address)[0]), SeenAt: now})
	if err != nil {
		return Session{}, err
	}
	tx.Wake(account, work.Session)
	if err := s.Store.EndSessionsOf(ctx, tx, account, device, now); err != nil {
		return Session{}, err
	}
	out := Session{Token: id.Token(s.Rand, 32), Nonce: id.Bytes(s.Rand, 32), ID: id.New(s.Rand), Account: account,
		Device: device, ExpiresAt: now.Add(Absolute)}
	err = s.Store.PutSession(ctx, tx, StoredSession{ID: out.ID, Account: account, Device: device,
		TokenHash: s.tokenHash(out.Token), Nonce: out.Nonce, CreatedAt: now, SeenAt: now, ExpiresAt: out.ExpiresAt})
	if err != nil {
		return Session{}, err
	}
	return out, tx.Record(ctx, work.Entry{Kind: kind, Actor: account, Subject: out.ID})
}

// label keeps the printable part of what a device calls itself.
func label(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.TrimSpace(s)))
	return string(r[:min(len(r), 40)])
}

func (s *Service) tokenHash(token string) []byte { return s.Box.Hash("session", []byte(token)) }

// touch is how stale a session's last use may be in the store: one write a
// minute, as the list of devices shows it.
const touch = time.Minute

// Authenticate finds the session of a token and the device whose signature its
// request must carry; CodeSignedOut if it ended, was idle too long or is unknown.
func (s *Service) Authenticate(ctx context.Context, token string) (Caller, Device, error) {
	if token == "" {
		return Caller{}, Device{}, CodeSignedOut
	}
	var found StoredSession
	var publicKey []byte
	var only Restriction
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		found, publicKey, only, err = s.Store.SessionByToken(ctx, tx, s.tokenHash(token))
		return err
	})
	if errors.Is(err, work.ErrNotFound) {
		return Caller{}, Device{}, CodeSignedOut
	}
	if err != nil {
		return Caller{}, Device{}, err
	}
	now := s.Clock.Now()
	ended := only.over(now) && found.Device != only.Device && !found.CreatedAt.After(only.Until)
	if ended || !now.Before(found.ExpiresAt) || !now.Before(found.SeenAt.Add(Idle)) {
		return Caller{}, Device{}, CodeSignedOut
	}
	if now.Sub(found.SeenAt) >= touch {
		err := s.Runner.Do(ctx, "account.touch", func(ctx context.Context, tx work.Tx) error {
			return s.Store.TouchSession(ctx, tx, found, now)
		})
		if err != nil {
			return Caller{}, Device{}, err
		}
	}
	caller := Caller{Account: found.Account, Session: found.ID, Device: found.Device,
		Restricted: only.binds(found.Device, now)}
	return caller, Device{Thumbprint: found.Device, PublicKey: publicKey, Nonce: found.Nonce}, nil
}

// EndOtherSessions ends the account's sessions on all devices but one: who has
// one there could go on for months after the phone was lost or sold.
func (s *Service) EndOtherSessions(ctx context.Context, tx work.Tx, account, exceptDevice string) error {
	now := s.Clock.Now()
	tx.Wake(account, work.Session)
	if err := s.Store.EndOtherSessions(ctx, tx, account, exceptDevice, now, now); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "account.others_signed_out", Actor: account, Subject: account})
}

// SignOut (退出登录) ends the caller's session.
func (s *Service) SignOut(ctx context.Context, c Caller) error {
	return s.Runner.Do(ctx, "account.sign_out", func(ctx context.Context, tx work.Tx) error {
		tx.Wake(c.Account, work.Session)
		if err := s.Store.EndSession(ctx, tx, c.Session, s.Clock.Now()); err != nil {
			return err
		}
		return tx.Record(ctx, work.Entry{Kind: "account.signed_out", Actor: c.Account, Subject: c.Session})
	})
}
