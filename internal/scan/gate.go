package scan

import (
	"context"
	"errors"
	"slices"
	"time"

	"tianweitong/internal/catalog"
	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

// Choice is one of the holder's certificates at the gate.
type Choice struct {
	Certificate     string    `json:"certificate"` // the record's id
	Serial          string    `json:"serial,omitempty"`
	Institution     string    `json:"institution"`
	InstitutionName string    `json:"institutionName"`
	NotAfter        time.Time `json:"notAfter,omitzero"`
	// RoamingUntil is until when it may be used on this platform.
	RoamingUntil time.Time `json:"roamingUntil,omitzero"`
	// Gate is OK, or what stands in the way of this one; GateText says so to the
	// holder and Action names the remedy.
	Gate     Outcome `json:"gate"`
	GateText string  `json:"gateText,omitempty"`
	Action   Action  `json:"action"`
	// Default is the one to take unless the holder chooses: the last that served
	// on this platform (docs/domain.md A32), else the newest that can.
	Default bool `json:"default,omitempty"`

	key string
}

// order is the scan gate's decision order (docs/domain.md §3.9): of several
// certificates the one that gets furthest decides.
var order = []Outcome{NoCert, CertRevoked, CertExpired, CertPending, NotRoamed, RoamExpired, CertFrozen, KeyLost, OK}

// gate judges every certificate of the holder for a platform, best first, and
// gives the word of the best. Entries that are 已替换 or 已取消 are not shown.
func (s *Service) gate(ctx context.Context, tx work.Tx, h custody.Holder, platform string) ([]Choice, Outcome, error) {
	held, err := s.Certificates.Held(ctx, tx, h.Account)
	if err != nil {
		return nil, NoCert, err
	}
	var out []Choice
	for _, c := range held {
		if c.State == certificate.Replaced || c.State == certificate.Cancelled {
			continue
		}
		one, err := s.choice(ctx, tx, h, c, platform)
		if err != nil {
			return nil, NoCert, err
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, NoCert, nil
	}
	slices.SortStableFunc(out, func(a, b Choice) int {
		return slices.Index(order, b.Gate) - slices.Index(order, a.Gate)
	})
	if best := out[0].Gate; best != OK {
		return out, best, nil
	}
	last, err := s.Usages.LastCertificate(ctx, tx, h.Account, platform)
	if err != nil {
		return nil, NoCert, err
	}
	first := max(0, slices.IndexFunc(out, func(c Choice) bool { return c.Gate == OK && c.Certificate == last }))
	out[first].Default = true
	return out, OK, nil
}

// chosen judges one certificate, as the holder chose it.
func (s *Service) chosen(ctx context.Context, tx work.Tx, h custody.Holder, record, platform string) ([]Choice, Outcome, error) {
	c, err := s.Certificates.Find(ctx, tx, record)
	if errors.Is(err, certificate.CodeNotFound) {
		return nil, NoCert, nil
	}
	if err != nil {
		return nil, NoCert, err
	}
	one, err := s.choice(ctx, tx, h, c, platform)
	return []Choice{one}, one.Gate, err
}

func (s *Service) choice(ctx context.Context, tx work.Tx, h custody.Holder, c certificate.Certificate, platform string) (Choice, error) {
	verdict, r, err := s.judge(ctx, tx, h, c, platform)
	if err != nil {
		return Choice{Gate: NoCert}, err
	}
	i, err := s.Platforms.Institution(ctx, tx, c.Institution)
	if err != nil && !errors.Is(err, catalog.CodeInstitutionUnknown) {
		return Choice{Gate: NoCert}, err
	}
	return Choice{
		Certificate: c.ID, Serial: c.SignSerial, Institution: c.Institution, InstitutionName: i.Name, NotAfter: c.NotAfter, RoamingUntil: r.End,
		Gate: verdict, GateText: verdict.text(), Action: verdict.action(), key: c.SignKey,
	}, nil
}

// judge is the gate for one certificate; it gives the authorisation too, where it
// came to be asked.
func (s *Service) judge(ctx context.Context, tx work.Tx, h custody.Holder, c certificate.Certificate, platform string) (Outcome, roaming.Roaming, error) {
	var r roaming.Roaming
	if c.Holder.Account != h.Account {
		return NoCert, r, nil
	}
	switch c.State {
	case certificate.Valid, certificate.Frozen, certificate.KeyLost:
	case certificate.Pending:
		return CertPending, r, nil
	case certificate.Expired:
		return CertExpired, r, nil
	case certificate.Revoked:
		return CertRevoked, r, nil
	default:
		return NoCert, r, nil
	}
	r, err := s.Roamings.On(ctx, tx, c.ID, platform, s.Clock.Now())
	switch {
	case err != nil:
		return NoCert, r, err
	case r.State == roaming.Expired:
		return RoamExpired, r, nil
	case r.State != roaming.Open:
		return NotRoamed, r, nil
	case c.State == certificate.Frozen:
		return CertFrozen, r, nil
	case c.State == certificate.KeyLost || c.Device != h.Device:
		return KeyLost, r, nil
	}
	return OK, r, nil
}

// pinGate looks at the PIN; the refusal is custody's own, with its members. It
// opens a transaction of its own. until is the end of a timed lock.
func (s *Service) pinGate(ctx context.Context, account string) (gate Outcome, until time.Time, err error) {
	p, err := s.Custody.PIN(ctx, account)
	switch {
	case err != nil:
		return NoCert, until, err
	case !p.Set:
		return PINNotSet, until, nil
	case p.Locked:
		return PINLocked, until, nil
	case s.Clock.Now().Before(p.LockedUntil):
		return PINLocked, p.LockedUntil, nil
	case p.FaceNeeded:
		return PINFace, until, nil
	}
	return OK, until, nil
}
