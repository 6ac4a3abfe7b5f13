package office

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"rsc.io/qr"

	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

const (
	// step is the time step of one-time passwords (RFC 6238 §4.1); the one before
	// and the one after serve as well, for clocks that are a little off.
	step = 30
	// secretSize is the key's length in bytes (RFC 4226 §4 R6).
	secretSize = 20
	// most is how many passkeys an officer may have.
	most = 5
	// ceremonyLife is how long a ceremony's second step is waited for.
	ceremonyLife = 10 * time.Minute
)

// The refusals.
var (
	// CodeCode carries "remaining", and with the last try "lockedUntil".
	CodeCode     = fault.Code{Name: "console_code_wrong", Kind: fault.Invalid, Text: "动态口令不正确或已使用过，请输入验证器当前显示的口令。"}
	CodePasskey  = fault.Code{Name: "console_passkey_invalid", Kind: fault.Invalid, Text: "通行密钥验证未通过，请重试，或改用动态口令。"}
	CodeCeremony = fault.Code{Name: "console_ceremony_over", Kind: fault.Gone, Text: "该步骤已过期，请重新开始。"}
	CodeNoName   = fault.Code{Name: "console_passkey_unavailable", Kind: fault.Conflict, Text: "当前访问地址不支持通行密钥，请使用动态口令。"}
	CodeMost     = fault.Code{Name: "console_passkey_most", Kind: fault.Conflict, Text: "最多登记 5 个通行密钥，请先移除不用的。"}
	CodeLast     = fault.Code{Name: "console_factor_last", Kind: fault.Conflict, Text: "这是最后一种第二步验证方式，不能移除；请先登记另一种。"}
	CodeNoFactor = fault.Code{Name: "console_factor_not_found", Kind: fault.NotFound, Text: "没有找到该验证方式，请刷新后重试。"}
)

// Offer is the key of one-time passwords (动态口令), shown once.
type Offer struct {
	Secret, URL string
	QR          []byte // PNG
}

// ceremony is what a second step needs of its first.
type ceremony struct {
	Kind   string                `json:"kind"` // totp, passkey, enrol
	Until  time.Time             `json:"until"`
	Secret string                `json:"secret,omitempty"`
	Data   *webauthn.SessionData `json:"data,omitempty"`
}

// begin keeps a ceremony for the caller's session.
func (s *Service) begin(ctx context.Context, c Caller, x ceremony) error {
	x.Until = s.Clock.Now().Add(ceremonyLife)
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return s.Runner.Do(ctx, "office.begin", func(ctx context.Context, tx work.Tx) error {
		if err := s.Store.PutCeremony(ctx, tx, c.Session, string(b)); errors.Is(err, work.ErrConflict) {
			return CodeLogin
		} else {
			return err
		}
	})
}

// take gives a session's ceremony once; CodeCeremony.
func (s *Service) take(ctx context.Context, c Caller, kind string) (x ceremony, err error) {
	err = s.Runner.Do(ctx, "office.take", func(ctx context.Context, tx work.Tx) error {
		text, err := s.Store.TakeCeremony(ctx, tx, c.Session)
		if err != nil {
			return err
		}
		x = ceremony{}
		if text == "" {
			return nil
		}
		return json.Unmarshal([]byte(text), &x)
	})
	if err == nil && (x.Kind != kind || !s.Clock.Now().Before(x.Until)) {
		err = CodeCeremony
	}
	return x, err
}

// matching gives the time step whose code was entered, or -1.
func (s *Service) matching(key, code string) int64 {
	now := s.Clock.Now().Unix() / step
	for _, at := range []int64{now, now - 1, now + 1} {
		want, err := hotp.GenerateCodeCustom(key, uint64(at), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return at
		}
	}
	return -1
}

// EnterTOTP completes a sign-in with a one-time password; each time step serves
// once. Refusals: CodeStage, CodeCode, CodeLocked, CodeNoFactor.
func (s *Service) EnterTOTP(ctx context.Context, c Caller, code string) (Session, error) {
	if c.Stage != Second {
		return Session{}, CodeStage
	}
	ctx, cancel := charged(ctx)
	defer cancel()
	var f Factor
	spent, err := s.chargeCode(ctx, c, func(ctx context.Context, tx work.Tx) (err error) {
		f, err = s.totp(ctx, tx, c.ID)
		return err
	})
	if err != nil {
		return Session{}, err
	}
	at := s.matching(f.Secret, strings.TrimSpace(code))
	if at <= f.Step {
		return Session{}, s.wrongCode(ctx, c, spent)
	}
	var out Session
	used := false
	err = s.Runner.Do(ctx, "office.sign_in_totp", func(ctx context.Context, tx work.Tx) error {
		used = false
		switch err := s.Store.UseStep(ctx, tx, f.ID, at, s.Clock.Now()); {
		case errors.Is(err, work.ErrConflict): // another request used it meanwhile
			used = true
			return nil
		case err != nil:
			return err
		}
		if err := s.giveBack(ctx, tx, spent); err != nil {
			return err
		}
		out, err = s.complete(ctx, tx, c, TOTP)
		return err
	})
	if err == nil && used {
		err = s.wrongCode(ctx, c, spent)
	}
	return out, err
}

func (s *Service) totp(ctx context.Context, tx work.Tx, officer string) (Factor, error) {
	all, err := s.Store.Factors(ctx, tx, officer)
	for _, f := range all {
		if f.Kind == TOTP {
			return f, err
		}
	}
	if err == nil {
		err = CodeNoFactor
	}
	return Factor{}, err
}

func (s *Service) chargeCode(ctx context.Context, c Caller, also func(context.Context, work.Tx) error) (spent charges, err error) {
	err = s.Runner.Do(ctx, "office.code_charge", func(ctx context.Context, tx work.Tx) error {
		if err := also(ctx, tx); err != nil {
			return err
		}
		spent, err = s.charge(ctx, tx, s.codeBudgets(c.ID))
		return err
	})
	return spent, err
}

func (s *Service) wrongCode(ctx context.Context, c Caller, spent charges) error {
	err := s.Runner.Do(ctx, "office.code_wrong", func(ctx context.Context, tx work.Tx) error {
		return tx.Record(ctx, work.Entry{Kind: "console.code_wrong", Actor: c.Actor(), Subject: c.ID})
	})
	if err != nil {
		return err
	}
	return spent.refuse(CodeCode)
}

// mayEnrol tells whether a session may add a second factor: one that is there
// to set up, or a full one that proves its password again.
func (s *Service) mayEnrol(ctx context.Context, c Caller, password, address string) error {
	switch c.Stage {
	case Full:
		_, err := s.prove(ctx, c, password, address)
		return err
	case Enrol:
		if c.Once {
			return CodeOwn
		}
		return nil
	}
	return CodeStage
}

// BeginTOTP makes a key for an authenticator app. Refusals: CodeStage, CodeOwn,
// CodePasswordWrong, CodeLocked.
func (s *Service) BeginTOTP(ctx context.Context, c Caller, password, address string) (Offer, error) {
	if err := s.mayEnrol(ctx, c, password, address); err != nil {
		return Offer{}, err
	}
	key := base32.StdEncoding.EncodeToString(id.Bytes(s.Rand, secretSize))
	o := Offer{Secret: key}
	o.URL = (&url.URL{
		Scheme: "otpauth", Host: "totp", Path: "/" + s.Issuer + ":" + c.Name,
		RawQuery: "secret=" + key + "&issuer=" + url.QueryEscape(s.Issuer) + "&algorithm=SHA1&digits=6&period=30",
	}).String()
	picture, err := qr.Encode(o.URL, qr.M)
	if err != nil {
		return Offer{}, err
	}
	o.QR = picture.PNG()
	return o, s.begin(ctx, c, ceremony{Kind: "totp", Secret: key})
}

// FinishTOTP adds the key once a code of it was entered, in place of an earlier
// one. A session for setting up becomes a full one. Refusals: CodeCeremony,
// CodeCode, CodeLocked.
func (s *Service) FinishTOTP(ctx context.Context, c Caller, code string) (Session, error) {
	ctx, cancel := charged(ctx)
	defer cancel()
	var x ceremony
	spent, err := s.chargeCode(ctx, c, func(ctx context.Context, tx work.Tx) error {
		text, err := s.Store.TakeCeremony(ctx, tx, c.Session)
		if err != nil {
			return err
		}
		x = ceremony{}
		if text != "" {
			if err := json.Unmarshal([]byte(text), &x); err != nil {
				return err
			}
		}
		if x.Kind != "totp" || !s.Clock.Now().Before(x.Until) {
			return CodeCeremony
		}
		// A mistyped code does not cost the key that the app has scanned.
		return s.Store.PutCeremony(ctx, tx, c.Session, text)
	})
	if err != nil {
		return Session{}, err
	}
	at := s.matching(x.Secret, strings.TrimSpace(code))
	if at < 0 {
		return Session{}, s.wrongCode(ctx, c, spent)
	}
	return s.enrol(ctx, c, Factor{Kind: TOTP, Label: "动态口令", Secret: x.Secret, Step: at}, spent)
}

// enrol adds a factor and completes a session that was for setting up.
func (s *Service) enrol(ctx context.Context, c Caller, f Factor, spent charges) (Session, error) {
	out := Session{Caller: c}
	err := s.Runner.Do(ctx, "office.enrol", func(ctx context.Context, tx work.Tx) error {
		if _, err := s.officer(ctx, tx, c.ID); err != nil { // one at a time
			return err
		}
		all, err := s.Store.Factors(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if c.Stage == Enrol && len(all) > 0 {
			return CodeStage // another session set one up meanwhile
		}
		if err := s.giveBack(ctx, tx, spent); err != nil {
			return err
		}
		if f.Kind == TOTP {
			for _, old := range all {
				if old.Kind != TOTP {
					continue
				}
				if err := s.Store.DropFactor(ctx, tx, c.ID, old.ID); err != nil {
					return err
				}
			}
		}
		if err := s.Store.PutCeremony(ctx, tx, c.Session, ""); errors.Is(err, work.ErrConflict) {
			return CodeLogin
		} else if err != nil {
			return err
		}
		now := s.Clock.Now()
		added := f
		added.Officer, added.CreatedAt, added.UsedAt = c.ID, now, now
		if added.ID == "" {
			added.ID = id.New(s.Rand)
		}
		if err := s.Store.AddFactor(ctx, tx, added); errors.Is(err, work.ErrExists) {
			return CodePasskey.Because(err)
		} else if err != nil {
			return err
		}
		if err := s.record(ctx, tx, "factor_added", c.ID, c.ID, map[string]any{"kind": f.Kind}); err != nil {
			return err
		}
		if c.Stage == Enrol {
			out, err = s.complete(ctx, tx, c, f.Kind)
			return err
		}
		out = Session{Caller: c}
		all, err = s.Store.Factors(ctx, tx, c.ID)
		out.Factors = kinds(all)
		return err
	})
	return out, err
}

// Factors gives the caller's, oldest first.
func (s *Service) Factors(ctx context.Context, c Caller) (out []Factor, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out, err = s.Store.Factors(ctx, tx, c.ID)
		return err
	})
	return out, err
}

// RemoveFactor takes one of the caller's away; CodeLast, CodeNoFactor.
func (s *Service) RemoveFactor(ctx context.Context, c Caller, factor string) error {
	return s.Runner.Do(ctx, "office.remove_factor", func(ctx context.Context, tx work.Tx) error {
		if _, err := s.officer(ctx, tx, c.ID); err != nil { // one at a time
			return err
		}
		all, err := s.Store.Factors(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.ID != factor {
				continue
			}
			if len(all) == 1 {
				return CodeLast
			}
			if err := s.Store.DropFactor(ctx, tx, c.ID, factor); err != nil {
				return err
			}
			return s.record(ctx, tx, "factor_removed", c.ID, c.ID, map[string]any{"kind": f.Kind})
		}
		return CodeNoFactor
	})
}

// holder is an officer as the library of passkeys sees him.
type holder struct {
	Caller
	credentials []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return []byte(h.ID) }
func (h holder) WebAuthnName() string                       { return h.Name }
func (h holder) WebAuthnDisplayName() string                { return h.DisplayName }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

func (s *Service) holder(ctx context.Context, c Caller) (holder, error) {
	h := holder{Caller: c}
	if s.passkeys == nil {
		return h, CodeNoName
	}
	all, err := s.Factors(ctx, c)
	if err != nil {
		return h, err
	}
	for _, f := range all {
		if f.Kind != Passkey {
			continue
		}
		var k webauthn.Credential
		if err := json.Unmarshal([]byte(f.Secret), &k); err != nil {
			return h, err
		}
		h.credentials = append(h.credentials, k)
	}
	return h, nil
}

// passkeyID is the id of a passkey's row.
func (s *Service) passkeyID(credential []byte) string {
	return hex.EncodeToString(s.Box.Hash("office-passkey", credential)[:16])
}

// BeginPasskey gives what the browser needs to use a passkey of the caller's
// (PublicKeyCredentialRequestOptionsJSON). Refusals: CodeStage, CodeNoName,
// CodeNoFactor.
func (s *Service) BeginPasskey(ctx context.Context, c Caller) (json.RawMessage, error) {
	if c.Stage != Second {
		return nil, CodeStage
	}
	h, err := s.holder(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(h.credentials) == 0 {
		return nil, CodeNoFactor
	}
	options, data, err := s.passkeys.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, c, ceremony{Kind: "passkey", Data: data}); err != nil {
		return nil, err
	}
	return json.Marshal(options.Response)
}

// FinishPasskey completes a sign-in with a passkey's answer (the JSON form of
// PublicKeyCredential). Refusals: CodeStage, CodeCeremony, CodePasskey.
func (s *Service) FinishPasskey(ctx context.Context, c Caller, credential []byte) (Session, error) {
	if c.Stage != Second {
		return Session{}, CodeStage
	}
	h, err := s.holder(ctx, c)
	if err != nil {
		return Session{}, err
	}
	x, err := s.take(ctx, c, "passkey")
	if err != nil {
		return Session{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		return Session{}, CodePasskey.Because(err)
	}
	used, err := s.passkeys.ValidateLogin(h, *x.Data, parsed)
	if err != nil {
		return Session{}, CodePasskey.Because(err)
	}
	if used.Authenticator.CloneWarning {
		return Session{}, CodePasskey.Becausef("the counter of a passkey of officer %s went back: it may have been copied", c.ID)
	}
	b, err := json.Marshal(used)
	if err != nil {
		return Session{}, err
	}
	var out Session
	err = s.Runner.Do(ctx, "office.sign_in_passkey", func(ctx context.Context, tx work.Tx) error {
		err := s.Store.PutFactor(ctx, tx, Factor{ID: s.passkeyID(used.ID), Secret: string(b), UsedAt: s.Clock.Now()})
		if errors.Is(err, work.ErrConflict) { // it was removed meanwhile
			return CodePasskey.Because(err)
		}
		if err != nil {
			return err
		}
		out, err = s.complete(ctx, tx, c, Passkey)
		return err
	})
	return out, err
}

// BeginEnrolment gives what the browser needs to make a passkey
// (PublicKeyCredentialCreationOptionsJSON). Refusals: CodeStage, CodeOwn,
// CodeNoName, CodeMost, CodePasswordWrong, CodeLocked.
func (s *Service) BeginEnrolment(ctx context.Context, c Caller, password, address string) (json.RawMessage, error) {
	if err := s.mayEnrol(ctx, c, password, address); err != nil {
		return nil, err
	}
	h, err := s.holder(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(h.credentials) >= most {
		return nil, CodeMost
	}
	options, data, err := s.passkeys.BeginRegistration(h,
		webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationPreferred,
		}),
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation))
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, c, ceremony{Kind: "enrol", Data: data}); err != nil {
		return nil, err
	}
	return json.Marshal(options.Response)
}

// FinishEnrolment adds the passkey that the browser made. A session for setting
// up becomes a full one. Refusals: CodeCeremony, CodePasskey.
func (s *Service) FinishEnrolment(ctx context.Context, c Caller, label string, credential []byte) (Session, error) {
	h, err := s.holder(ctx, c)
	if err != nil {
		return Session{}, err
	}
	x, err := s.take(ctx, c, "enrol")
	if err != nil {
		return Session{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return Session{}, CodePasskey.Because(err)
	}
	made, err := s.passkeys.CreateCredential(h, *x.Data, parsed)
	if err != nil {
		return Session{}, CodePasskey.Because(err)
	}
	b, err := json.Marshal(made)
	if err != nil {
		return Session{}, err
	}
	if label = strings.TrimSpace(label); label == "" {
		label = "通行密钥"
	}
	return s.enrol(ctx, c, Factor{ID: s.passkeyID(made.ID), Kind: Passkey, Label: label, Secret: string(b)}, nil)
}
