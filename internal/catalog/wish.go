package catalog

import (
	"context"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/id"
	"tianweitong/internal/work"
)

// The refusals of wishes.
var (
	CodeWish = fault.Code{Name: "wish_invalid", Kind: fault.Invalid,
		Text: "请填写 2 至 60 个字的平台名称；地区请从列表中选择，网址与说明可以不填。"}
	CodeWishes = fault.Code{Name: "wish_too_many", Kind: fault.TooMany,
		Text: "您今天提交的平台已达 5 个，我们会逐一联系，请明天再提交。"}
)

// WishesADay is how many wishes an account has in a calendar day in China.
const WishesADay = 5

// Wish is a platform that somebody did not find in the directory (没有找到平台？,
// docs/domain.md A41). It is kept for the operator and shown to nobody else.
type Wish struct {
	ID, Account string
	Name        string
	// Region is empty or as Platform.Region, Address empty or a web address.
	Region, Address string
	// Note is the user's own words; sealed in the store.
	Note string
	At   time.Time
}

// Wish keeps a wish; ID and At are set here. Refusals: CodeWish (with "field"),
// CodeWishes.
func (s *Service) Wish(ctx context.Context, tx work.Tx, w Wish) error {
	wrong := func(field string) error { return CodeWish.With(map[string]any{"field": field}) }
	w.Name, w.Address, w.Note = strings.TrimSpace(w.Name), strings.TrimSpace(w.Address), strings.TrimSpace(w.Note)
	if n := utf8.RuneCountInString(w.Name); n < 2 || n > 60 || !plain(w.Name) {
		return wrong("name")
	}
	if w.Region != "" {
		short, _, ok := region(w.Region)
		if !ok {
			return wrong("region")
		}
		w.Region = short
	}
	if !address(w.Address) {
		return wrong("address")
	}
	if utf8.RuneCountInString(w.Note) > 300 || !utf8.ValidString(w.Note) || strings.ContainsRune(w.Note, 0) {
		return wrong("note")
	}
	w.ID, w.At = id.New(s.Rand), s.Clock.Now()
	n, err := s.Store.CountWish(ctx, tx, w.Account, clock.Day(w.At))
	if err != nil {
		return err
	}
	if n > WishesADay {
		return CodeWishes
	}
	if err := s.Store.InsertWish(ctx, tx, w); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "platform.wished", Actor: w.Account, Subject: w.ID})
}

// Wishes gives the operator a page of wishes, newest first, those before an id if
// one is given.
func (s *Service) Wishes(ctx context.Context, tx work.Tx, before string, n int) ([]Wish, error) {
	return s.Store.Wishes(ctx, tx, before, n)
}

// plain: valid text without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// address: empty, or a web address with or without its scheme.
func address(s string) bool {
	if s == "" {
		return true
	}
	if len(s) > 200 || !plain(s) || strings.ContainsAny(s, " <>\"") {
		return false
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && strings.Contains(u.Host, ".") && u.User == nil
}
