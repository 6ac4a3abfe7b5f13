package people_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tianweitong/internal/audit"
	"tianweitong/internal/clock"
	"tianweitong/internal/office"
	"tianweitong/internal/secret"
	"tianweitong/internal/store"
	"tianweitong/internal/store/people"
	"tianweitong/internal/store/storetest"
	"tianweitong/internal/work"
)

var clerk = office.Officer{
	ID: "o1", Name: "clerk", DisplayName: "测试甲", Phone: "13900000001", PhoneHash: []byte("h"), Roles: []office.Role{office.Verifier, office.Auditor},
	State: office.Active, Password: "$stretched", Once: true, OnceUntil: noon, CreatedAt: noon,
}

func TestOfficersAreKeptByNameAndSwappedByVersion(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Officers(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Add(ctx, tx, clerk); err != nil {
				return err
			}
			got, err := s.ByName(ctx, tx, "clerk")
			if err != nil || got.Phone != clerk.Phone || got.Password != clerk.Password || !slices.Equal(got.Roles, clerk.Roles) || !got.OnceUntil.Equal(noon) {
				t.Errorf("ByName = %+v, %v", got, err)
			}
			got.State, got.Once = office.Disabled, false
			if err := s.Put(ctx, tx, got); err != nil {
				return err
			}
			if err := s.Put(ctx, tx, got); !errors.Is(err, work.ErrConflict) {
				t.Errorf("Put of an old version: %v", err)
			}
			if got, err := s.Lock(ctx, tx, "o1"); err != nil || got.State != office.Disabled || got.Once {
				t.Errorf("Lock = %+v, %v", got, err)
			}
			if _, err := s.Get(ctx, tx, "o2"); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("Get of nobody: %v", err)
			}
			return nil
		})
		again := clerk
		again.ID = "o2"
		if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.Add(ctx, tx, again) }); !errors.Is(err, work.ErrExists) {
			t.Errorf("a name twice: %v", err)
		}
	})
}

func TestAFactorMovedToAnotherRowDoesNotOpen(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Officers(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Add(ctx, tx, clerk); err != nil {
				return err
			}
			for _, f := range []office.Factor{
				{ID: "f1", Officer: "o1", Kind: office.TOTP, Secret: "KEY", Step: 7, CreatedAt: noon, UsedAt: noon},
				{ID: "f2", Officer: "o1", Kind: office.Passkey, Label: "测试", Secret: "{}", CreatedAt: noon.Add(time.Second), UsedAt: noon},
			} {
				if err := s.AddFactor(ctx, tx, f); err != nil {
					return err
				}
			}
			if err := s.UseStep(ctx, tx, "f1", 7, noon); !errors.Is(err, work.ErrConflict) {
				t.Errorf("a step twice: %v", err)
			}
			if err := s.UseStep(ctx, tx, "f1", 8, noon); err != nil {
				return err
			}
			all, err := s.Factors(ctx, tx, "o1")
			if err != nil || len(all) != 2 || all[0].Secret != "KEY" || all[0].Step != 8 || all[1].Label != "测试" {
				t.Errorf("Factors = %+v, %v", all, err)
			}
			if all, err := s.Factors(ctx, tx, ""); err != nil || len(all) != 2 || all[0].Secret != "" {
				t.Errorf("everybody's = %+v, %v", all, err)
			}
			_, err = store.Raw(tx).ExecContext(ctx, "UPDATE office_factors SET secret = (SELECT secret FROM office_factors WHERE id = 'f1') WHERE id = 'f2'")
			if err != nil {
				return err
			}
			if _, err := s.Factors(ctx, tx, "o1"); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("moved: %v", err)
			}
			return nil
		})
	})
}

func TestACeremonyIsTakenOnceAndEndsWithItsSession(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Officers(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Add(ctx, tx, clerk); err != nil {
				return err
			}
			x := office.StoredSession{ID: "s1", Officer: "o1", TokenHash: []byte("t"), Stage: office.Second, CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}
			if err := s.PutSession(ctx, tx, x); err != nil {
				return err
			}
			if err := s.PutCeremony(ctx, tx, "s1", "challenge"); err != nil {
				return err
			}
			for _, want := range []string{"challenge", ""} {
				if got, err := s.TakeCeremony(ctx, tx, "s1"); err != nil || got != want {
					t.Errorf("taken %q, %v", got, err)
				}
			}
			if got, err := s.SessionByToken(ctx, tx, []byte("t")); err != nil || got.Stage != office.Second || !got.ExpiresAt.Equal(x.ExpiresAt) {
				t.Errorf("session = %+v, %v", got, err)
			}
			if err := s.EndSession(ctx, tx, "s1", noon); err != nil {
				return err
			}
			if err := s.EndSession(ctx, tx, "s1", noon); !errors.Is(err, work.ErrConflict) {
				t.Errorf("ended twice: %v", err)
			}
			if err := s.PutCeremony(ctx, tx, "s1", "x"); !errors.Is(err, work.ErrConflict) {
				t.Errorf("a ceremony of a session that is over: %v", err)
			}
			if _, err := s.SessionByToken(ctx, tx, []byte("t")); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("a session that is over: %v", err)
			}
			return s.Tidy(ctx, tx, noon.Add(2*time.Hour))
		})
	})
}

func TestAProposalIsDecidedOnceAndForgetsItsPart(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Officers(st)
		p := office.Proposal{
			ID: "p1", Action: office.ActCreate, Subject: office.Officer{ID: "o2", Name: "new", DisplayName: "测试乙"}, Phone: "13900000002",
			Roles: []office.Role{office.Operator}, First: "PART", State: office.Open, Proposer: clerk, ProposedAt: noon, ExpiresAt: noon.Add(time.Hour),
		}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if err := s.Add(ctx, tx, clerk); err != nil {
				return err
			}
			return s.AddProposal(ctx, tx, p)
		})
		twice := p
		twice.ID = "p2"
		if err := st.Do(t.Context(), "test", func(ctx context.Context, tx work.Tx) error { return s.AddProposal(ctx, tx, twice) }); !errors.Is(err, work.ErrExists) {
			t.Errorf("two open ones: %v", err)
		}
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			got, err := s.Proposal(ctx, tx, "p1")
			if err != nil || got.First != "PART" || got.Phone != p.Phone || got.Subject.Name != "new" {
				t.Errorf("Proposal = %+v, %v", got, err)
			}
			got.State, got.Decider, got.DecidedAt = office.Approved, clerk, noon
			if err := s.Decide(ctx, tx, got); err != nil {
				return err
			}
			if err := s.Decide(ctx, tx, got); !errors.Is(err, work.ErrConflict) {
				t.Errorf("decided twice: %v", err)
			}
			if err := s.AddProposal(ctx, tx, twice); err != nil {
				return err
			}
			if err := s.Expire(ctx, tx, noon.Add(time.Hour)); err != nil {
				return err
			}
			all, err := s.Proposals(ctx, tx, 10)
			if err != nil || len(all) != 2 || all[0].State != office.Expired || all[1].State != office.Approved || all[0].First+all[1].First != "" {
				t.Errorf("Proposals = %+v, %v", all, err)
			}
			return nil
		})
	})
}

func TestAVerificationIsKeptWithItsFindings(t *testing.T) {
	storetest.Each(t, clock.NewManual(noon), func(t *testing.T, st *store.Store) {
		s := people.Officers(st)
		inTx(t, st, func(ctx context.Context, tx work.Tx) error {
			if _, err := s.LastVerification(ctx, tx); !errors.Is(err, work.ErrNotFound) {
				t.Errorf("none: %v", err)
			}
			v := office.Verification{ID: "v1", StartedBy: clerk, StartedAt: noon}
			if err := s.AddVerification(ctx, tx, v); err != nil {
				return err
			}
			v.FinishedAt, v.Entries, v.Findings = noon, 9, []audit.Finding{{Seq: 3, What: "altered"}}
			if err := s.FinishVerification(ctx, tx, v); err != nil {
				return err
			}
			got, err := s.LastVerification(ctx, tx)
			if err != nil || got.Entries != 9 || !slices.Equal(got.Findings, v.Findings) || got.StartedBy.ID != "o1" {
				t.Errorf("LastVerification = %+v, %v", got, err)
			}
			return nil
		})
	})
}
