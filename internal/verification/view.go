package verification

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// found is the most enterprises that a search gives.
const found = 20

// Search finds enterprises by at least two characters of the name or the whole code
// (查找企业), Searches times a day, so that nobody copies the directory.
func (s *Service) Search(ctx context.Context, acc, query string) (out []Found, err error) {
	code, notCode := CleanCode(query)
	part := strings.Join(strings.Fields(strings.NewReplacer("(", "（", ")", "）").Replace(query)), " ")
	if notCode != nil && utf8.RuneCountInString(part) < 2 {
		return nil, CodeQuery
	}
	err = s.Runner.Do(ctx, "enterprise.search", func(ctx context.Context, tx work.Tx) error {
		out = nil
		if _, err := s.Members.Persons.Person(ctx, tx, acc); err != nil {
			return err
		}
		if err := s.count(ctx, tx, acc, countSearch, Searches); err != nil {
			return err
		}
		var all []enterprise.Enterprise
		if notCode == nil {
			e, err := s.Store.ByCode(ctx, tx, code)
			if err == nil {
				all = append(all, e)
			} else if !errors.Is(err, work.ErrNotFound) {
				return err
			}
		} else if all, err = s.Store.Like(ctx, tx, part, found); err != nil {
			return err
		}
		for _, e := range all {
			f, err := s.found(ctx, tx, acc, e)
			if err != nil {
				return err
			}
			out = append(out, f)
		}
		return nil
	})
	return out, err
}

func (s *Service) found(ctx context.Context, tx work.Tx, acc string, e enterprise.Enterprise) (Found, error) {
	f := Found{ID: e.ID, Name: e.Name, Code: e.Code}
	name, _, err := s.Members.Face(ctx, tx, e.Administrator)
	if err != nil {
		return f, err
	}
	f.Administrator = realname.MaskName(name)
	role, member, err := s.Members.RoleOf(ctx, tx, acc, e.ID)
	if err != nil {
		return f, err
	}
	if member {
		f.Relation = string(role)
		return f, nil
	}
	asked, err := s.Members.HasAsked(ctx, tx, acc, e.ID)
	if asked {
		f.Relation = "requested"
	}
	return f, err
}

// View gives an enterprise to its members; CodeUnknown, and CodeLost to others. The
// history is the administrator's.
func (s *Service) View(ctx context.Context, acc, of string) (v View, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		v.Enterprise, err = s.Store.Enterprise(ctx, tx, of)
		if errors.Is(err, work.ErrNotFound) {
			return enterprise.CodeLost // who is no member learns nothing
		}
		if err != nil {
			return err
		}
		role, member, err := s.Members.RoleOf(ctx, tx, acc, of)
		if err != nil {
			return err
		}
		if !member {
			return enterprise.CodeLost
		}
		v.Role = role
		if v.AdministratorName, v.AdministratorPhone, err = s.Members.Face(ctx, tx, v.Enterprise.Administrator); err != nil {
			return err
		}
		if role == enterprise.RoleAdministrator {
			v.History, err = s.Store.History(ctx, tx, of)
		}
		return err
	})
	return v, err
}
