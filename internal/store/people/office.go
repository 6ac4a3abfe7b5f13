package people

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"tianweitong/internal/office"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Officers is the officers' store.
func Officers(st *store.Store) office.Store { return officers{st} }

type officers struct{ *store.Store }

// words writes roles as the table keeps them.
func words(roles []office.Role) string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return strings.Join(out, " ")
}

func roles(s string) []office.Role {
	var out []office.Role
	for _, w := range strings.Fields(s) {
		out = append(out, office.Role(w))
	}
	return out
}

func (s officers) Add(ctx context.Context, tx work.Tx, o office.Officer) error {
	phone, err := s.SealText("office_officers", "phone", o.ID, o.Phone)
	if err != nil {
		return err
	}
	password, err := s.SealText("office_officers", "password", o.ID, o.Password)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertOfficer(ctx, db.InsertOfficerParams{
		ID: o.ID, Name: o.Name, DisplayName: o.DisplayName, Phone: phone, PhoneHash: store.NotNil(o.PhoneHash), Roles: words(o.Roles),
		State: string(o.State), Password: password, Once: o.Once, OnceUntil: store.Ms(o.OnceUntil), CreatedAt: store.Ms(o.CreatedAt),
	}))
}

func (s officers) officer(r db.OfficeOfficer, err error) (office.Officer, error) {
	if err != nil {
		return office.Officer{}, store.Failure(err)
	}
	o := office.Officer{
		ID: r.ID, Name: r.Name, DisplayName: r.DisplayName, PhoneHash: r.PhoneHash, Roles: roles(r.Roles), State: office.State(r.State),
		Once: r.Once, OnceUntil: store.At(r.OnceUntil), CreatedAt: store.At(r.CreatedAt), SignedInAt: store.At(r.SignedInAt), Version: r.Version,
	}
	if o.Phone, err = s.UnsealText("office_officers", "phone", r.ID, r.Phone); err != nil {
		return o, err
	}
	o.Password, err = s.UnsealText("office_officers", "password", r.ID, r.Password)
	return o, err
}

func (s officers) Get(ctx context.Context, tx work.Tx, id string) (office.Officer, error) {
	return s.officer(store.Queries(tx).Officer(ctx, id))
}

func (s officers) Lock(ctx context.Context, tx work.Tx, id string) (office.Officer, error) {
	return s.officer(store.Queries(tx).LockOfficer(ctx, id))
}

func (s officers) ByName(ctx context.Context, tx work.Tx, name string) (office.Officer, error) {
	return s.officer(store.Queries(tx).OfficerByName(ctx, name))
}

func (s officers) All(ctx context.Context, tx work.Tx) ([]office.Officer, error) {
	rows, err := store.Queries(tx).Officers(ctx)
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]office.Officer, len(rows))
	for i, r := range rows {
		if out[i], err = s.officer(r, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s officers) Put(ctx context.Context, tx work.Tx, o office.Officer) error {
	password, err := s.SealText("office_officers", "password", o.ID, o.Password)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateOfficer(ctx, db.UpdateOfficerParams{
		ID: o.ID, Roles: words(o.Roles), State: string(o.State), Password: password, Once: o.Once, OnceUntil: store.Ms(o.OnceUntil),
		SignedInAt: store.Ms(o.SignedInAt), Version: o.Version,
	}))
}

func (s officers) AddFactor(ctx context.Context, tx work.Tx, f office.Factor) error {
	sealed, err := s.SealText("office_factors", "secret", f.ID, f.Secret)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertOfficeFactor(ctx, db.InsertOfficeFactorParams{
		ID: f.ID, Officer: f.Officer, Kind: string(f.Kind), Label: f.Label, Secret: sealed, Step: f.Step,
		CreatedAt: store.Ms(f.CreatedAt), UsedAt: store.Ms(f.UsedAt),
	}))
}

func (s officers) Factors(ctx context.Context, tx work.Tx, officer string) ([]office.Factor, error) {
	var rows []db.OfficeFactor
	var err error
	if officer == "" {
		rows, err = store.Queries(tx).AllOfficeFactors(ctx)
	} else {
		rows, err = store.Queries(tx).OfficeFactors(ctx, officer)
	}
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]office.Factor, len(rows))
	for i, r := range rows {
		out[i] = office.Factor{
			ID: r.ID, Officer: r.Officer, Kind: office.Kind(r.Kind), Label: r.Label, Step: r.Step,
			CreatedAt: store.At(r.CreatedAt), UsedAt: store.At(r.UsedAt),
		}
		if officer == "" {
			continue
		}
		if out[i].Secret, err = s.UnsealText("office_factors", "secret", r.ID, r.Secret); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (officers) UseStep(ctx context.Context, tx work.Tx, factor string, step int64, when time.Time) error {
	return store.Swapped(store.Queries(tx).UseOfficeStep(ctx, db.UseOfficeStepParams{ID: factor, Step: step, UsedAt: store.Ms(when)}))
}

func (s officers) PutFactor(ctx context.Context, tx work.Tx, f office.Factor) error {
	sealed, err := s.SealText("office_factors", "secret", f.ID, f.Secret)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateOfficeFactor(ctx, db.UpdateOfficeFactorParams{ID: f.ID, Secret: sealed, UsedAt: store.Ms(f.UsedAt)}))
}

func (officers) DropFactor(ctx context.Context, tx work.Tx, officer, factor string) error {
	return store.Swapped(store.Queries(tx).DeleteOfficeFactor(ctx, db.DeleteOfficeFactorParams{ID: factor, Officer: officer}))
}

func (officers) DropFactors(ctx context.Context, tx work.Tx, officer string) error {
	return store.Failure(store.Queries(tx).DeleteOfficeFactors(ctx, officer))
}

func (officers) PutSession(ctx context.Context, tx work.Tx, x office.StoredSession) error {
	return store.Failure(store.Queries(tx).InsertOfficeSession(ctx, db.InsertOfficeSessionParams{
		ID: x.ID, Officer: x.Officer, TokenHash: x.TokenHash, Stage: string(x.Stage), Ceremony: []byte{},
		CreatedAt: store.Ms(x.CreatedAt), ExpiresAt: store.Ms(x.ExpiresAt),
	}))
}

func (officers) SessionByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (office.StoredSession, error) {
	r, err := store.Queries(tx).OfficeSessionByToken(ctx, tokenHash)
	return office.StoredSession{
		ID: r.ID, Officer: r.Officer, TokenHash: r.TokenHash, Stage: office.Stage(r.Stage),
		CreatedAt: store.At(r.CreatedAt), SeenAt: store.At(r.SeenAt), ExpiresAt: store.At(r.ExpiresAt),
	}, store.Failure(err)
}

func (officers) Touch(ctx context.Context, tx work.Tx, session string, when time.Time) error {
	return store.Failure(store.Queries(tx).TouchOfficeSession(ctx, db.TouchOfficeSessionParams{ID: session, SeenAt: store.Ms(when)}))
}

func (officers) HoldSession(ctx context.Context, tx work.Tx, session string, now time.Time) error {
	return store.Swapped(store.Queries(tx).HoldOfficeSession(ctx, db.HoldOfficeSessionParams{ID: session, Now: store.Ms(now)}))
}

func (officers) EndSession(ctx context.Context, tx work.Tx, session string, when time.Time) error {
	return store.Swapped(store.Queries(tx).EndOfficeSession(ctx, db.EndOfficeSessionParams{ID: session, EndedAt: store.Ms(when), Nothing: []byte{}}))
}

func (officers) EndSessionsOf(ctx context.Context, tx work.Tx, officer, except string, when time.Time) error {
	return store.Failure(store.Queries(tx).EndOfficeSessionsOf(ctx, db.EndOfficeSessionsOfParams{
		Officer: officer, ExceptID: except, EndedAt: store.Ms(when), Nothing: []byte{},
	}))
}

func (s officers) PutCeremony(ctx context.Context, tx work.Tx, session, ceremony string) error {
	sealed, err := s.SealText("office_sessions", "ceremony", session, ceremony)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).PutOfficeCeremony(ctx, db.PutOfficeCeremonyParams{ID: session, Ceremony: sealed}))
}

func (s officers) TakeCeremony(ctx context.Context, tx work.Tx, session string) (string, error) {
	q := store.Queries(tx)
	sealed, err := q.OfficeCeremony(ctx, session)
	if err = store.Failure(err); errors.Is(err, work.ErrNotFound) || err == nil && len(sealed) == 0 {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if err := store.Swapped(q.TakeOfficeCeremony(ctx, db.TakeOfficeCeremonyParams{ID: session, Ceremony: sealed, Nothing: []byte{}})); err != nil {
		return "", err // taken meanwhile: Do runs again and finds none
	}
	return s.UnsealText("office_sessions", "ceremony", session, sealed)
}

func (officers) Tidy(ctx context.Context, tx work.Tx, before time.Time) error {
	q := store.Queries(tx)
	if err := q.DeleteOfficeSessionsBefore(ctx, store.Ms(before)); err != nil {
		return store.Failure(err)
	}
	return store.Failure(q.DeleteOfficeWindowsBefore(ctx, store.Ms(before)))
}

func (officers) Count(ctx context.Context, tx work.Tx, name string, subject []byte, now time.Time, span time.Duration) (int, time.Time, error) {
	r, err := store.Queries(tx).CountOfficeWindow(ctx, db.CountOfficeWindowParams{
		Name: name, Subject: subject, Now: store.Ms(now), Closed: store.Ms(now.Add(-span)),
	})
	return int(r.N), store.At(r.OpenedAt), store.Failure(err)
}

func (officers) Uncount(ctx context.Context, tx work.Tx, name string, subject []byte, opened time.Time, n int) error {
	return store.Failure(store.Queries(tx).UncountOfficeWindow(ctx, db.UncountOfficeWindowParams{
		Name: name, Subject: subject, OpenedAt: store.Ms(opened), N: int64(n),
	}))
}

func (officers) Forget(ctx context.Context, tx work.Tx, subject []byte) error {
	return store.Failure(store.Queries(tx).DeleteOfficeWindowsOf(ctx, subject))
}

func (s officers) AddProposal(ctx context.Context, tx work.Tx, p office.Proposal) error {
	phone, err := s.SealText("office_proposals", "phone", p.ID, p.Phone)
	if err != nil {
		return err
	}
	part, err := s.SealText("office_proposals", "part", p.ID, p.First)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertOfficeProposal(ctx, db.InsertOfficeProposalParams{
		ID: p.ID, Action: string(p.Action), Officer: p.Subject.ID, Name: p.Subject.Name, DisplayName: p.Subject.DisplayName,
		Phone: phone, Roles: words(p.Roles), RolesBefore: words(p.RolesBefore), Part: part, State: string(p.State),
		ProposedBy: p.Proposer.ID, ProposedAt: store.Ms(p.ProposedAt), ExpiresAt: store.Ms(p.ExpiresAt),
	}))
}

func (s officers) proposal(r db.OfficeProposal, err error) (office.Proposal, error) {
	if err != nil {
		return office.Proposal{}, store.Failure(err)
	}
	p := office.Proposal{
		ID: r.ID, Action: office.Action(r.Action), Subject: office.Officer{ID: r.Officer, Name: r.Name, DisplayName: r.DisplayName},
		Roles: roles(r.Roles), RolesBefore: roles(r.RolesBefore), State: office.ProposalState(r.State),
		Proposer: office.Officer{ID: r.ProposedBy}, Decider: office.Officer{ID: r.DecidedBy},
		ProposedAt: store.At(r.ProposedAt), ExpiresAt: store.At(r.ExpiresAt), DecidedAt: store.At(r.DecidedAt), Reason: r.Reason,
	}
	if p.Phone, err = s.UnsealText("office_proposals", "phone", r.ID, r.Phone); err != nil {
		return p, err
	}
	p.First, err = s.UnsealText("office_proposals", "part", r.ID, r.Part)
	return p, err
}

func (s officers) Proposal(ctx context.Context, tx work.Tx, id string) (office.Proposal, error) {
	return s.proposal(store.Queries(tx).OfficeProposal(ctx, id))
}

func (s officers) Proposals(ctx context.Context, tx work.Tx, n int) ([]office.Proposal, error) {
	rows, err := store.Queries(tx).OfficeProposals(ctx, int32(n))
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]office.Proposal, len(rows))
	for i, r := range rows {
		if out[i], err = s.proposal(r, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (officers) Decide(ctx context.Context, tx work.Tx, p office.Proposal) error {
	return store.Swapped(store.Queries(tx).DecideOfficeProposal(ctx, db.DecideOfficeProposalParams{
		ID: p.ID, State: string(p.State), DecidedBy: p.Decider.ID, DecidedAt: store.Ms(p.DecidedAt), Reason: p.Reason, Nothing: []byte{},
	}))
}

func (officers) Expire(ctx context.Context, tx work.Tx, now time.Time) error {
	return store.Failure(store.Queries(tx).ExpireOfficeProposals(ctx, db.ExpireOfficeProposalsParams{Now: store.Ms(now), Nothing: []byte{}}))
}

func (officers) AddVerification(ctx context.Context, tx work.Tx, v office.Verification) error {
	return store.Failure(store.Queries(tx).InsertOfficeVerification(ctx, db.InsertOfficeVerificationParams{
		ID: v.ID, StartedBy: v.StartedBy.ID, StartedAt: store.Ms(v.StartedAt), Findings: []byte("[]"),
	}))
}

func (officers) FinishVerification(ctx context.Context, tx work.Tx, v office.Verification) error {
	b, err := json.Marshal(v.Findings)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).FinishOfficeVerification(ctx, db.FinishOfficeVerificationParams{
		ID: v.ID, FinishedAt: store.Ms(v.FinishedAt), Entries: v.Entries, Findings: b, Failed: v.Failed,
	}))
}

func (officers) LastVerification(ctx context.Context, tx work.Tx) (office.Verification, error) {
	r, err := store.Queries(tx).LastOfficeVerification(ctx)
	if err != nil {
		return office.Verification{}, store.Failure(err)
	}
	v := office.Verification{
		ID: r.ID, StartedBy: office.Officer{ID: r.StartedBy}, StartedAt: store.At(r.StartedAt), FinishedAt: store.At(r.FinishedAt),
		Entries: r.Entries, Failed: r.Failed,
	}
	return v, json.Unmarshal(r.Findings, &v.Findings)
}
