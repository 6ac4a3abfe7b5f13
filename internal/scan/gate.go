package scan

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/custody"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

// Choice is one of the holder's certificates at the gate.
type Choice struct {
	Certificate string    `json:"certificate"` // the record's id
	Serial      string    `json:"serial,omitempty"`
	Institution string    `json:"institution"`
	NotAfter    time.Time `json:"notAfter,omitzero"`
	// Gate is OK, or what stands in the way of this one.
	Gate Outcome `json:"gate"`
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
		verdict, err := s.judge(ctx, tx, h, c, platform)
		if err != nil {
			return nil, NoCert, err
		}
		out = append(out, choice(c, verdict))
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
	verdict, err := s.judge(ctx, tx, h, c, platform)
	return []Choice{choice(c, verdict)}, verdict, err
}

func choice(c certificate.Certificate, verdict Outcome) Choice {
	return Choice{Certificate: c.ID, Serial: c.SignSerial, Institution: c.Institution, NotAfter: c.NotAfter, Gate: verdict, key: c.SignKey}
}

// judge is the gate for one certificate.
func (s *Service) judge(ctx context.Context, tx work.Tx, h custody.Holder, c certificate.Certificate, platform string) (Outcome, error) {
	if c.Holder.Account != h.Account {
		return NoCert, nil
	}
	switch c.State {
	case certificate.Valid, certificate.Frozen, certificate.KeyLost:
	case certificate.Pending:
		return CertPending, nil
	case certificate.Expired:
		return CertExpired, nil
	case certificate.Revoked:
		return CertRevoked, nil
	default:
		return NoCert, nil
	}
	r, err := s.Roamings.Status(ctx, tx, c.ID, platform, s.Clock.Now())
	switch {
	case err != nil:
		return NoCert, err
	case r == roaming.Expired:
		return RoamExpired, nil
	case r != roaming.Open:
		return NotRoamed, nil
	case c.State == certificate.Frozen:
		return CertFrozen, nil
	case c.State == certificate.KeyLost || c.Device != h.Device:
		return KeyLost, nil
	}
	return OK, nil
}

// pinGate looks at the PIN; the refusal is custody's own, with its members. It
// opens a transaction of its own.
func (s *Service) pinGate(ctx context.Context, account string) (Outcome, error) {
	p, err := s.Custody.PIN(ctx, account)
	switch {
	case err != nil:
		return NoCert, err
	case !p.Set:
		return PINNotSet, nil
	case p.Locked:
		return PINLocked, nil
	case s.Clock.Now().Before(p.LockedUntil):
		return PINLocked, nil
	case p.FaceNeeded:
		return PINFace, nil
	}
	return OK, nil
}

// Origin is where the platform's page is open, compared with the phone
// (docs/domain.md §1.9): against codes that somebody relays.
type Origin struct {
	UserAgent string `json:"userAgent"`
	Region    string `json:"region,omitempty"`
	Network   string `json:"network,omitempty"`
	// Differs: another region or network than the phone's. The page turns red and
	// waits WaitSeconds before it can be confirmed.
	Differs     bool `json:"differs"`
	WaitSeconds int  `json:"waitSeconds,omitempty"`
}

const wait = 10

func (s *Service) origin(b Browser, phone string) Origin {
	o := Origin{UserAgent: b.UserAgent}
	o.Region, o.Network = s.Locator.Locate(b.Address)
	region, network := s.Locator.Locate(phone)
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	if o.Differs = differ(o.Region, region) || differ(o.Network, network); o.Differs {
		o.WaitSeconds = wait
	}
	return o
}

// prefixes locates without a directory of addresses: no region, and as network
// what usually belongs to one line.
type prefixes struct{}

func (prefixes) Locate(address string) (region, network string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", ""
	}
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsPrivate() {
		return "", "" // it says nothing about where the other is
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "", ""
	}
	return "", p.String()
}
