// Package roaming is certificate × platform (证书漫游): on which trading platforms
// a certificate may be used, and how long (docs/domain.md §3.2).
package roaming

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// State is where an authorisation stands (docs/domain.md §3.2). That a
// certificate is no longer 有效 (随证书失效) is for the certificate to say.
type State string

// The states. None and Expired are derived; all others are stored.
const (
	None      State = "none"      // 未开通
	Opening   State = "opening"   // 开通中: paid, the certificate is not installed yet
	Open      State = "open"      // 已授权
	Expired   State = "expired"   // 已过期
	Cancelled State = "cancelled" // refunded before it was opened
)

// The refusals of this package.
var (
	CodeRange = fault.Code{Name: "roaming_range", Kind: fault.Invalid, Text: "漫游期限不能超过证书有效期，请重新选择。"}
	CodeFixed = fault.Code{Name: "roaming_fixed", Kind: fault.Conflict, Text: "该平台的漫游授权已开通或已取消，请刷新后查看。"}
)

// Roaming is one authorisation. Start and End bound it, both inclusive; they are
// zero while it is 开通中.
type Roaming struct {
	ID          string
	Certificate string // the record's id
	Platform    string // the platform's code
	Line        string // the order line that paid for it
	State       State
	Start, End  time.Time
	CreatedAt   time.Time
	Version     int64
}

// At derives the state for a moment; before Start an open one is 开通中.
func (r Roaming) At(now time.Time) State {
	switch {
	case r.State == Open && now.After(r.End):
		return Expired
	case r.State == Open && now.Before(r.Start):
		return Opening
	}
	return r.State
}

// Store keeps authorisations, one for a certificate and platform. Get answers
// work.ErrNotFound.
type Store interface {
	Insert(ctx context.Context, tx work.Tx, r Roaming) error
	Get(ctx context.Context, tx work.Tx, certificate, platform string) (Roaming, error)
	// Of gives all of a certificate, oldest first.
	Of(ctx context.Context, tx work.Tx, certificate string) ([]Roaming, error)
	// OfAccount gives those of all certificates that an account uses, oldest first.
	OfAccount(ctx context.Context, tx work.Tx, account string) ([]Roaming, error)
	// OfLine gives those that an order line paid for.
	OfLine(ctx context.Context, tx work.Tx, line string) ([]Roaming, error)
	// Update writes one back if its Version is still the stored one, and raises
	// it; else work.ErrConflict.
	Update(ctx context.Context, tx work.Tx, r Roaming) error
}

// Deps are what a Service needs.
type Deps struct {
	Store Store
	Clock clock.Clock
	Rand  io.Reader
}

// Service keeps the rules.
type Service struct{ Deps }

// New makes a Service.
func New(d Deps) *Service { return &Service{d} }

// Plan notes a paid authorisation that opens with the certificate's
// installation: 开通中. Repeated for the same line it changes nothing.
func (s *Service) Plan(ctx context.Context, tx work.Tx, certificate, platform, line string) error {
	_, err := s.Store.Get(ctx, tx, certificate, platform)
	if !errors.Is(err, work.ErrNotFound) {
		return err
	}
	r := Roaming{
		ID: id.New(s.Rand), Certificate: certificate, Platform: platform, Line: line, State: Opening,
		CreatedAt: s.Clock.Now(), Version: 1,
	}
	if err := s.Store.Insert(ctx, tx, r); err != nil {
		return err
	}
	return record(ctx, tx, "roaming.planned", r)
}

// Open authorises a platform from start to end: 已授权. The range must lie in the
// certificate's (docs/domain.md A34), else CodeRange. Repeated for the same line
// it changes nothing; what another line opened, or a refund cancelled, is
// CodeFixed.
func (s *Service) Open(ctx context.Context, tx work.Tx, c certificate.Certificate, platform string, start, end time.Time, line string) error {
	if start.Before(c.NotBefore) || end.After(c.NotAfter) || !start.Before(end) {
		return CodeRange
	}
	r, err := s.Store.Get(ctx, tx, c.ID, platform)
	switch {
	case errors.Is(err, work.ErrNotFound):
		r = Roaming{
			ID: id.New(s.Rand), Certificate: c.ID, Platform: platform, Line: line, State: Open,
			Start: start, End: end, CreatedAt: s.Clock.Now(), Version: 1,
		}
		if err := s.Store.Insert(ctx, tx, r); err != nil {
			return err
		}
		return record(ctx, tx, "roaming.opened", r)
	case err != nil:
		return err
	case r.Line != line || r.State == Cancelled:
		return CodeFixed
	case r.State == Open:
		return nil
	}
	r.State, r.Start, r.End = Open, start, end
	if err := s.Store.Update(ctx, tx, r); err != nil {
		return err
	}
	return record(ctx, tx, "roaming.opened", r)
}

// CancelLine ends what an order line asked for and did not get yet; CodeFixed if
// something of it is open already.
func (s *Service) CancelLine(ctx context.Context, tx work.Tx, line string) error {
	all, err := s.Store.OfLine(ctx, tx, line)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.State == Cancelled {
			continue
		}
		if r.State != Opening {
			return CodeFixed
		}
		r.State = Cancelled
		if err := s.Store.Update(ctx, tx, r); err != nil {
			return err
		}
		if err := record(ctx, tx, "roaming.cancelled", r); err != nil {
			return err
		}
	}
	return nil
}

// Status tells how a certificate stands on a platform at a moment; None if it
// was never asked for.
func (s *Service) Status(ctx context.Context, tx work.Tx, certificate, platform string, at time.Time) (State, error) {
	r, err := s.On(ctx, tx, certificate, platform, at)
	return r.State, err
}

// On gives a certificate's authorisation for a platform with its state at a
// moment; if it was never asked for, one that says None.
func (s *Service) On(ctx context.Context, tx work.Tx, certificate, platform string, at time.Time) (Roaming, error) {
	r, err := s.Store.Get(ctx, tx, certificate, platform)
	if errors.Is(err, work.ErrNotFound) {
		return Roaming{Certificate: certificate, Platform: platform, State: None}, nil
	}
	r.State = r.At(at)
	return r, err
}

// Of gives the authorisations of a certificate with their states now, oldest
// first (M§2.7.9: 授权交易平台).
func (s *Service) Of(ctx context.Context, tx work.Tx, certificate string) ([]Roaming, error) {
	all, err := s.Store.Of(ctx, tx, certificate)
	return s.now(all), err
}

// OfAccount gives the authorisations of all certificates that an account uses,
// with their states now, oldest first.
func (s *Service) OfAccount(ctx context.Context, tx work.Tx, account string) ([]Roaming, error) {
	all, err := s.Store.OfAccount(ctx, tx, account)
	return s.now(all), err
}

func (s *Service) now(all []Roaming) []Roaming {
	now := s.Clock.Now()
	for i, r := range all {
		all[i].State = r.At(now)
	}
	return all
}

func record(ctx context.Context, tx work.Tx, kind string, r Roaming) error {
	detail, err := json.Marshal(map[string]any{"certificate": r.Certificate, "platform": r.Platform})
	if err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: kind, Actor: "system", Subject: r.ID, Detail: detail})
}
