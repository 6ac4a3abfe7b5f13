package scan_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/fault"
	"tianweitong/internal/platformapi/doortest"
	"tianweitong/internal/scan"
	"tianweitong/internal/work"
)

// situation is a holder before the gate.
type situation struct {
	*stage
	p doortest.Holder
}

func (s situation) valid() certificate.Certificate { return s.Certify(s.p, s.platform.Code) }

func (s situation) freeze(c certificate.Certificate) {
	s.Must(func(ctx context.Context, tx work.Tx) error {
		_, err := s.Certificates.Freeze(ctx, tx, c.ID, "system", "test")
		return err
	})
}

func (s situation) revoke(c certificate.Certificate) {
	s.Must(func(ctx context.Context, tx work.Tx) error {
		_, err := s.Certificates.Revoked(ctx, tx, c.ID, "system", "test")
		return err
	})
}

var remedies = map[scan.Outcome]scan.Action{
	scan.NoCert: scan.Buy, scan.CertRevoked: scan.Buy, scan.CertExpired: scan.Buy, scan.CertPending: scan.Install,
	scan.NotRoamed: scan.Roam, scan.RoamExpired: scan.Roam, scan.CertFrozen: scan.Support, scan.KeyLost: scan.Recover,
	scan.PINNotSet: scan.SetPIN, scan.PINLocked: scan.Unlock, scan.PINFace: scan.Unlock, scan.OK: scan.Confirm,
}

func TestSeveralCertificatesAreChosenFrom(t *testing.T) {
	s := lite(t)
	s.Certify(s.holder, s.platform.Code)
	seen := s.scanned(login())
	if seen.Action != scan.Choose || seen.GateText != "" || len(seen.Certificates) != 2 {
		t.Fatalf("%+v", seen)
	}
	for _, c := range seen.Certificates {
		if c.InstitutionName == "" || !c.RoamingUntil.Equal(c.NotAfter) || c.Action != scan.Confirm || c.GateText != "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestTimedLockSaysItsEnd(t *testing.T) {
	s := lite(t)
	until := s.Clock.Now().Add(time.Minute)
	s.Door.SetPIN(s.holder.Account, custody.PINStatus{Set: true, LockedUntil: until})
	if seen := s.scanned(login()); !seen.LockedUntil.Equal(until) || seen.GateText != custody.CodePINLockedFor.Text {
		t.Fatalf("%+v", seen)
	}
}

// The decision order of docs/domain.md §3.9: of several certificates the one that
// gets furthest decides.
func TestGateDecidesInItsOrder(t *testing.T) {
	s := lite(t)
	for name, c := range map[string]struct {
		set     func(situation)
		gate    scan.Outcome
		refusal fault.Code
		public  scan.Outcome
	}{
		"nothing":     {func(situation) {}, scan.NoCert, scan.CodeNoCert, scan.NoCert},
		"待下载":         {func(s situation) { s.Buy(s.p, s.platform.Code) }, scan.CertPending, scan.CodeCertPending, scan.NoCert},
		"not roamed":  {func(s situation) { s.Install(s.p, s.Buy(s.p, "x"), "", time.Time{}) }, scan.NotRoamed, scan.CodeNotRoamed, scan.NotRoamed},
		"roamed else": {func(s situation) { s.Install(s.p, s.Buy(s.p, "x"), "x", time.Time{}) }, scan.NotRoamed, scan.CodeNotRoamed, scan.NotRoamed},
		"roaming over": {func(s situation) {
			s.Install(s.p, s.Buy(s.p, "x"), s.platform.Code, s.Clock.Now().Add(time.Hour))
			s.Clock.Advance(2 * time.Hour)
		}, scan.RoamExpired, scan.CodeRoamExpired, scan.RoamExpired},
		"frozen":  {func(s situation) { s.freeze(s.valid()) }, scan.CertFrozen, scan.CodeCertFrozen, scan.NoCert},
		"revoked": {func(s situation) { s.revoke(s.valid()) }, scan.CertRevoked, scan.CodeCertRevoked, scan.CertRevoked},
		"expired": {func(s situation) {
			s.valid()
			s.Clock.Advance(366 * 24 * time.Hour)
		}, scan.CertExpired, scan.CodeCertExpired, scan.CertExpired},
		"another device": {func(s situation) {
			s.valid()
			s.Bind(s.p.Account, s.NewPerson("别的手机").Device)
		}, scan.KeyLost, scan.CodeKeyLost, scan.KeyLost},
		"one of them": {func(s situation) {
			s.Buy(s.p, s.platform.Code)
			s.freeze(s.valid())
			s.valid()
			s.revoke(s.valid())
		}, scan.OK, fault.Code{}, scan.UserRefused},
		"frozen beats 待下载": {func(s situation) {
			s.freeze(s.valid())
			s.Buy(s.p, s.platform.Code)
		}, scan.CertFrozen, scan.CodeCertPending, scan.NoCert},
		"no PIN": {func(s situation) {
			s.valid()
			s.Door.SetPIN(s.p.Account, custody.PINStatus{})
		}, scan.PINNotSet, custody.CodeNoPIN, scan.NoCert},
		"PIN locked": {func(s situation) {
			s.valid()
			s.Door.SetPIN(s.p.Account, custody.PINStatus{Set: true, Locked: true})
		}, scan.PINLocked, custody.CodePINLocked, scan.PINLocked},
		"PIN locked for a time": {func(s situation) {
			s.valid()
			s.Door.SetPIN(s.p.Account, custody.PINStatus{Set: true, LockedUntil: s.Clock.Now().Add(time.Minute)})
		}, scan.PINLocked, custody.CodePINLockedFor, scan.PINLocked},
		"lock that is over": {func(s situation) {
			s.valid()
			s.Door.SetPIN(s.p.Account, custody.PINStatus{Set: true, LockedUntil: s.Clock.Now()})
		}, scan.OK, fault.Code{}, scan.UserRefused},
		"PIN budget": {func(s situation) {
			s.valid()
			s.Door.SetPIN(s.p.Account, custody.PINStatus{Set: true, FaceNeeded: true})
		}, scan.PINFace, custody.CodePINBudget, scan.PINLocked},
	} {
		t.Run(name, func(t *testing.T) {
			x := situation{s, s.NewPerson("门前人")}
			c.set(x)
			id := s.begin(login()).ID
			seen, err := s.scan(x.p, id)
			if err != nil {
				t.Fatal(err)
			}
			if seen.Gate != c.gate {
				t.Errorf("gate %s, want %s", seen.Gate, c.gate)
			}
			if want := remedies[c.gate]; seen.Action != want || strings.HasSuffix(seen.GateText, "。") != (c.gate != scan.OK) {
				t.Errorf("action %s, want %s; %q", seen.Action, want, seen.GateText)
			}
			chosen := ""
			if n := len(seen.Certificates); n > 0 {
				chosen = seen.Certificates[n-1].Certificate
			}
			if i := slices.IndexFunc(seen.Certificates, func(c scan.Choice) bool { return c.Default }); i >= 0 {
				chosen = seen.Certificates[i].Certificate
			} else if c.gate == scan.OK {
				t.Error("no default")
			}
			_, err = s.Scans.Confirm(t.Context(), x.p.Holder, id, chosen, s.status(id).Private.Code)
			if c.gate == scan.OK {
				if err != nil {
					t.Errorf("confirming: %v", err)
				}
			} else {
				is(t, err, c.refusal)
			}
			if err := s.Scans.Reject(t.Context(), x.p.Holder, id); err != nil {
				t.Fatal(err)
			}
			ended(t, s.status(id), scan.Rejected, c.public)
		})
	}
}

func TestCertificateOfSomebodyElseIsNotTaken(t *testing.T) {
	s := lite(t)
	other := s.NewPerson("李测试")
	theirs := s.Certify(other, s.platform.Code)
	id := s.scanned(login()).ID
	_, err := s.Scans.Confirm(t.Context(), s.holder.Holder, id, theirs.ID, s.status(id).Private.Code)
	is(t, err, scan.CodeNoCert)
}

func TestWhatIsMissingCanBeMendedWithinTheTime(t *testing.T) {
	s := lite(t)
	p := s.NewPerson("门前人")
	bought := s.Buy(p, s.platform.Code)
	id := s.begin(login()).ID
	seen, err := s.scan(p, id)
	if err != nil || seen.Gate != scan.CertPending {
		t.Fatalf("%+v, %v", seen, err)
	}
	s.Install(p, bought, s.platform.Code, time.Time{})
	if seen, err = s.Scans.Get(t.Context(), p.Holder, id); err != nil || seen.Gate != scan.OK {
		t.Fatalf("%+v, %v", seen, err)
	}
	if _, err := s.Scans.Confirm(t.Context(), p.Holder, id, bought.ID, s.status(id).Private.Code); err != nil {
		t.Fatal(err)
	}
}
