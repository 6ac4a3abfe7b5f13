package people

import (
	"context"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Members is the enterprises' members' store.
func Members(st *store.Store) enterprise.MemberStore { return members{st} }

type members struct{ *store.Store }

const (
	requestTable    = "enterprise_requests"
	invitationTable = "enterprise_invitations"
)

func (members) Lock(ctx context.Context, tx work.Tx, id string) (enterprise.Head, error) {
	r, err := store.Queries(tx).LockEnterprise(ctx, id)
	return enterprise.Head{ID: r.ID, Name: r.Name, Code: r.Code, Administrator: r.Administrator}, store.Failure(err)
}

func (members) Head(ctx context.Context, tx work.Tx, id string) (enterprise.Head, error) {
	r, err := store.Queries(tx).EnterpriseHead(ctx, id)
	return enterprise.Head{ID: r.ID, Name: r.Name, Code: r.Code, Administrator: r.Administrator}, store.Failure(err)
}

func (members) Hand(ctx context.Context, tx work.Tx, id, from, to string) error {
	return store.Swapped(store.Queries(tx).HandEnterprise(ctx, db.HandEnterpriseParams{ID: id, Administrator: from, Heir: to}))
}

func (members) AddMember(ctx context.Context, tx work.Tx, m enterprise.Member) (bool, error) {
	n, err := store.Queries(tx).InsertMember(ctx, db.InsertMemberParams{
		ID: m.ID, Enterprise: m.Enterprise, Account: m.Account, JoinedAt: store.Ms(m.JoinedAt), Via: m.Via,
	})
	return n == 1, store.Failure(err)
}

func memberOf(r db.EnterpriseMember) enterprise.Member {
	return enterprise.Member{ID: r.ID, Enterprise: r.Enterprise, Account: r.Account, JoinedAt: store.At(r.JoinedAt), Via: r.Via,
		LeftAt: store.At(r.LeftAt), LeftBy: r.LeftBy}
}

func (members) Member(ctx context.Context, tx work.Tx, id string) (enterprise.Member, error) {
	r, err := store.Queries(tx).GetMember(ctx, id)
	return memberOf(r), store.Failure(err)
}

func (members) Current(ctx context.Context, tx work.Tx, id, account string) (enterprise.Member, error) {
	r, err := store.Queries(tx).CurrentMember(ctx, db.CurrentMemberParams{Enterprise: id, Account: account})
	return memberOf(r), store.Failure(err)
}

func (members) Memberships(ctx context.Context, tx work.Tx, account string) ([]enterprise.Membership, error) {
	rows, err := store.Queries(tx).Memberships(ctx, account)
	out := make([]enterprise.Membership, len(rows))
	for i, r := range rows {
		out[i] = enterprise.Membership{
			Member: memberOf(r.EnterpriseMember),
			Head:   enterprise.Head{ID: r.EnterpriseMember.Enterprise, Name: r.Name, Code: r.Code, Administrator: r.Administrator},
		}
	}
	return out, store.Failure(err)
}

func (members) Members(ctx context.Context, tx work.Tx, id string, term []byte, after string, n int) ([]enterprise.Member, error) {
	var rows []db.EnterpriseMember
	var err error
	if term == nil {
		rows, err = store.Queries(tx).ListMembers(ctx, db.ListMembersParams{Enterprise: id, After: after, Most: int32(n)})
	} else {
		rows, err = store.Queries(tx).FindMembers(ctx, db.FindMembersParams{Enterprise: id, Term: term, After: after, Most: int32(n)})
	}
	out := make([]enterprise.Member, len(rows))
	for i, r := range rows {
		out[i] = memberOf(r)
	}
	return out, store.Failure(err)
}

func (members) CountMembers(ctx context.Context, tx work.Tx, id string, term []byte) (int, error) {
	if term == nil {
		n, err := store.Queries(tx).CountMembers(ctx, id)
		return int(n), store.Failure(err)
	}
	n, err := store.Queries(tx).CountFoundMembers(ctx, term)
	return int(n), store.Failure(err)
}

func (s members) EndMember(ctx context.Context, tx work.Tx, id, by string, at time.Time) error {
	if err := store.Swapped(store.Queries(tx).EndMember(ctx, db.EndMemberParams{ID: id, LeftBy: by, LeftAt: store.Ms(at)})); err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).DeleteMemberTerms(ctx, id))
}

func (members) PutTerms(ctx context.Context, tx work.Tx, member string, terms [][]byte) error {
	if err := store.Queries(tx).DeleteMemberTerms(ctx, member); err != nil {
		return store.Failure(err)
	}
	for _, t := range terms {
		if err := store.Queries(tx).InsertMemberTerm(ctx, db.InsertMemberTermParams{Term: t, Member: member}); err != nil {
			return store.Failure(err)
		}
	}
	return nil
}

func (members) Try(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error) {
	n, err := store.Queries(tx).TryMember(ctx, db.TryMemberParams{Subject: subject, Purpose: purpose, Day: day})
	return int(n), store.Failure(err)
}

func (members) Untry(ctx context.Context, tx work.Tx, subject, purpose string, day int64) error {
	return store.Failure(store.Queries(tx).UntryMember(ctx, db.UntryMemberParams{Subject: subject, Purpose: purpose, Day: day}))
}

func (s members) AddRequest(ctx context.Context, tx work.Tx, r enterprise.Request) (bool, error) {
	n, err := store.Queries(tx).InsertRequest(ctx, db.InsertRequestParams{
		ID: r.ID, Enterprise: r.Enterprise, Account: r.Account, State: string(r.State), Reason: []byte{}, AskedAt: store.Ms(r.AskedAt), Version: r.Version,
	})
	return n == 1, store.Failure(err)
}

func (s members) requestOf(r db.EnterpriseRequest) (enterprise.Request, error) {
	reason, err := s.UnsealText(requestTable, "reason", r.ID, r.Reason)
	return enterprise.Request{ID: r.ID, Enterprise: r.Enterprise, Account: r.Account, State: enterprise.RequestState(r.State), Reason: reason,
		AskedAt: store.At(r.AskedAt), EndedAt: store.At(r.EndedAt), Version: r.Version}, err
}

func (s members) requestsOf(rows []db.EnterpriseRequest, err error) ([]enterprise.Request, error) {
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]enterprise.Request, len(rows))
	for i, r := range rows {
		if out[i], err = s.requestOf(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s members) Request(ctx context.Context, tx work.Tx, id string) (enterprise.Request, error) {
	r, err := store.Queries(tx).GetRequest(ctx, id)
	if err != nil {
		return enterprise.Request{}, store.Failure(err)
	}
	return s.requestOf(r)
}

func (s members) OpenRequests(ctx context.Context, tx work.Tx, id string, n int) ([]enterprise.Request, error) {
	return s.requestsOf(store.Queries(tx).OpenRequests(ctx, db.OpenRequestsParams{Enterprise: id, Most: int32(n)}))
}

func (s members) RequestsOf(ctx context.Context, tx work.Tx, account string, n int) ([]enterprise.Request, error) {
	return s.requestsOf(store.Queries(tx).RequestsOfAccount(ctx, db.RequestsOfAccountParams{Account: account, Most: int32(n)}))
}

func (members) CountRequests(ctx context.Context, tx work.Tx, id string) (int, error) {
	n, err := store.Queries(tx).CountOpenRequests(ctx, id)
	return int(n), store.Failure(err)
}

func (s members) PutRequest(ctx context.Context, tx work.Tx, r enterprise.Request) error {
	reason, err := s.SealText(requestTable, "reason", r.ID, r.Reason)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateRequest(ctx, db.UpdateRequestParams{
		ID: r.ID, State: string(r.State), Reason: reason, EndedAt: store.Ms(r.EndedAt), Version: r.Version,
	}))
}

func (members) SettleRequest(ctx context.Context, tx work.Tx, id, account string, at time.Time) error {
	return store.Failure(store.Queries(tx).SettleRequest(ctx, db.SettleRequestParams{Enterprise: id, Account: account, EndedAt: store.Ms(at)}))
}

func (s members) AddInvitation(ctx context.Context, tx work.Tx, i enterprise.Invitation) (bool, error) {
	name, err := s.SealText(invitationTable, "name", i.ID, i.Name)
	if err != nil {
		return false, err
	}
	phone, err := s.SealText(invitationTable, "phone", i.ID, i.Phone)
	if err != nil {
		return false, err
	}
	n, err := store.Queries(tx).InsertInvitation(ctx, db.InsertInvitationParams{
		ID: i.ID, Enterprise: i.Enterprise, Inviter: i.Inviter, Name: name, Phone: phone, PhoneHash: i.PhoneHash, TokenHash: i.TokenHash,
		State: string(i.State), Sendings: int64(i.Sendings), SentAt: store.Ms(i.SentAt), ExpiresAt: store.Ms(i.ExpiresAt),
		CreatedAt: store.Ms(i.CreatedAt), Version: i.Version,
	})
	return n == 1, store.Failure(err)
}

func (s members) invitationOf(r db.EnterpriseInvitation, err error) (enterprise.Invitation, error) {
	if err != nil {
		return enterprise.Invitation{}, store.Failure(err)
	}
	name, err := s.UnsealText(invitationTable, "name", r.ID, r.Name)
	if err != nil {
		return enterprise.Invitation{}, err
	}
	phone, err := s.UnsealText(invitationTable, "phone", r.ID, r.Phone)
	return enterprise.Invitation{
		ID: r.ID, Enterprise: r.Enterprise, Inviter: r.Inviter, Name: name, Phone: phone, PhoneHash: r.PhoneHash, TokenHash: r.TokenHash,
		State: enterprise.InvitationState(r.State), Sendings: int(r.Sendings), SentAt: store.At(r.SentAt), ExpiresAt: store.At(r.ExpiresAt),
		CreatedAt: store.At(r.CreatedAt), EndedAt: store.At(r.EndedAt), Version: r.Version,
	}, err
}

func (s members) invitationsOf(rows []db.EnterpriseInvitation, err error) ([]enterprise.Invitation, error) {
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]enterprise.Invitation, len(rows))
	for i, r := range rows {
		if out[i], err = s.invitationOf(r, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s members) Invitation(ctx context.Context, tx work.Tx, id string) (enterprise.Invitation, error) {
	return s.invitationOf(store.Queries(tx).GetInvitation(ctx, id))
}

func (s members) InvitationByToken(ctx context.Context, tx work.Tx, tokenHash []byte) (enterprise.Invitation, error) {
	return s.invitationOf(store.Queries(tx).InvitationByToken(ctx, tokenHash))
}

func (s members) OpenInvitation(ctx context.Context, tx work.Tx, id string, phoneHash []byte) (enterprise.Invitation, error) {
	return s.invitationOf(store.Queries(tx).OpenInvitation(ctx, db.OpenInvitationParams{Enterprise: id, PhoneHash: phoneHash}))
}

func (s members) Invitations(ctx context.Context, tx work.Tx, id string, n int) ([]enterprise.Invitation, error) {
	return s.invitationsOf(store.Queries(tx).InvitationsOfEnterprise(ctx, db.InvitationsOfEnterpriseParams{Enterprise: id, Most: int32(n)}))
}

func (s members) InvitationsTo(ctx context.Context, tx work.Tx, phoneHash []byte, n int) ([]enterprise.Invitation, error) {
	return s.invitationsOf(store.Queries(tx).InvitationsToPhone(ctx, db.InvitationsToPhoneParams{PhoneHash: phoneHash, Most: int32(n)}))
}

func (members) PutInvitation(ctx context.Context, tx work.Tx, i enterprise.Invitation) error {
	return store.Swapped(store.Queries(tx).UpdateInvitation(ctx, db.UpdateInvitationParams{
		ID: i.ID, State: string(i.State), TokenHash: i.TokenHash, Sendings: int64(i.Sendings), SentAt: store.Ms(i.SentAt),
		ExpiresAt: store.Ms(i.ExpiresAt), EndedAt: store.Ms(i.EndedAt), Version: i.Version,
	}))
}

func (members) SettleInvitation(ctx context.Context, tx work.Tx, id string, phoneHash []byte, at time.Time) error {
	return store.Failure(store.Queries(tx).SettleInvitation(ctx, db.SettleInvitationParams{Enterprise: id, PhoneHash: phoneHash, EndedAt: store.Ms(at)}))
}
