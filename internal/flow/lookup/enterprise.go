package lookup

import (
	"context"
	"errors"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

// Enterprise is an enterprise as officers see it; name and code are public record.
type Enterprise struct {
	ID, Name, Code        string
	LegalMasked           string
	Method                string
	VerifiedAt, CreatedAt time.Time
}

// Enterprises is a page of enterprises, the newest first.
type Enterprises struct {
	Enterprises []Enterprise
	Next        string
}

// Member is a present member, masked.
type Member struct {
	ID, Account             string
	NameMasked, PhoneMasked string
	Administrator           bool
	Via                     string
	JoinedAt                time.Time
}

// Version is one version of an enterprise's facts.
type Version struct {
	Facts       int64
	Name        string
	LegalMasked string
	Method      string
	At          time.Time
}

// EnterpriseDetail is one enterprise with its history, the newest first, and a
// page of its members in the order in which they joined.
type EnterpriseDetail struct {
	Enterprise
	LegalIDMasked string
	History       []Version
	Members       []Member
	Next          string
	Total         int
}

// EnterpriseStore is what the look-ups read of enterprises, in full.
type EnterpriseStore interface {
	Enterprise(ctx context.Context, tx work.Tx, id string) (enterprise.Enterprise, error)
	// LockEnterprise keeps its members as they are until the commit.
	LockEnterprise(ctx context.Context, tx work.Tx, id string) error
	EnterpriseByCode(ctx context.Context, tx work.Tx, code string) (enterprise.Enterprise, error)
	// EnterprisesLike gives up to n whose name contains a part, all for an empty
	// one, newest first, those before an id if one is given.
	EnterprisesLike(ctx context.Context, tx work.Tx, part, before string, n int) ([]enterprise.Enterprise, error)
	History(ctx context.Context, tx work.Tx, enterprise string) ([]verification.FactsVersion, error)
	Members(ctx context.Context, tx work.Tx, enterprise, after string, n int) ([]enterprise.Member, error)
	CountMembers(ctx context.Context, tx work.Tx, enterprise string) (int, error)
	Application(ctx context.Context, tx work.Tx, id string) (enterprise.Application, error)
}

// codeLength is that of a unified social credit code (统一社会信用代码, GB 32100).
const codeLength = 18

// Enterprises finds enterprises by a part of their name or the whole code; an
// empty query gives all.
func (s *Service) Enterprises(ctx context.Context, query, cursor string) (out Enterprises, err error) {
	query = strings.Join(strings.Fields(query), "")
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		out = Enterprises{}
		if code := strings.ToUpper(query); len(code) == codeLength && isASCII(code) {
			e, err := s.Store.EnterpriseByCode(ctx, tx, code)
			if err == nil {
				out.Enterprises = []Enterprise{head(e)}
			}
			if errors.Is(err, work.ErrNotFound) {
				return nil
			}
			return err
		}
		all, err := s.Store.EnterprisesLike(ctx, tx, query, cursor, PageSize+1)
		if err != nil {
			return err
		}
		if len(all) > PageSize {
			all = all[:PageSize]
			out.Next = all[PageSize-1].ID
		}
		for _, e := range all {
			out.Enterprises = append(out.Enterprises, head(e))
		}
		return nil
	})
	return out, err
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }) }

func head(e enterprise.Enterprise) Enterprise {
	return Enterprise{ID: e.ID, Name: e.Name, Code: e.Code, LegalMasked: realname.MaskName(e.LegalName), Method: string(e.Method),
		VerifiedAt: e.VerifiedAt, CreatedAt: e.CreatedAt}
}

// Enterprise gives one with its history and the members after a cursor;
// CodeNoEnterprise.
func (s *Service) Enterprise(ctx context.Context, id, cursor string) (out EnterpriseDetail, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		e, err := s.verified(ctx, tx, id)
		if err != nil {
			return err
		}
		out = EnterpriseDetail{Enterprise: head(e), LegalIDMasked: realname.MaskIDNumber(e.LegalIDNumber)}
		history, err := s.Store.History(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, v := range history {
			out.History = append(out.History, Version{Facts: v.Facts, Name: v.Name, LegalMasked: realname.MaskName(v.LegalName), Method: string(v.Method), At: v.At})
		}
		if out.Total, err = s.Store.CountMembers(ctx, tx, id); err != nil {
			return err
		}
		members, err := s.Store.Members(ctx, tx, id, cursor, PageSize+1)
		if err != nil {
			return err
		}
		if len(members) > PageSize {
			members = members[:PageSize]
			out.Next = members[PageSize-1].ID
		}
		for _, m := range members {
			f, err := s.Store.Account(ctx, tx, m.Account)
			if err != nil {
				return err
			}
			out.Members = append(out.Members, Member{ID: m.ID, Account: m.Account, NameMasked: f.masked().NameMasked, PhoneMasked: account.MaskPhone(f.Phone),
				Administrator: m.Account == e.Administrator, Via: m.Via, JoinedAt: m.JoinedAt})
		}
		return nil
	})
	return out, err
}

func (s *Service) verified(ctx context.Context, tx work.Tx, id string) (enterprise.Enterprise, error) {
	e, err := s.Store.Enterprise(ctx, tx, id)
	if errors.Is(err, work.ErrNotFound) {
		return e, CodeNoEnterprise
	}
	return e, err
}
