// Package catalog is what can be chosen: the directory of trading platforms
// (互认交易平台目录, M§2.6.1), the CA institutions, and the price list.
//
// Prices are never changed, only followed by others: what an order cost can
// always be looked up again. Platforms and institutions are never deleted, only
// closed, because certificates and records go on naming them.
package catalog

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/money"
	"tianweitong/internal/work"
)

// The refusals.
var (
	CodePlatformUnknown = fault.Code{Name: "platform_unknown", Kind: fault.NotFound,
		Text: "没有找到该交易平台，请核对名称；如尚未加入互认目录，请联系交易平台申请加入。"}
	CodePlatformExists = fault.Code{Name: "platform_exists", Kind: fault.Conflict,
		Text: "该平台编码已登记，请核对编码，或联系运营人员变更登记信息。"}
	CodePlatformInvalid = fault.Code{Name: "platform_invalid", Kind: fault.Invalid,
		Text: "平台登记信息不正确，请核对编码、名称、地区、域名与回调地址。"}
	CodeInstitutionUnknown = fault.Code{Name: "institution_unknown", Kind: fault.NotFound,
		Text: "没有找到该 CA 机构，请返回重新选择。"}
	CodeInstitutionInvalid = fault.Code{Name: "institution_invalid", Kind: fault.Invalid,
		Text: "CA 机构信息不正确，请核对编码与名称。"}
	CodeNoPrice = fault.Code{Name: "price_missing", Kind: fault.NotFound,
		Text: "该 CA 机构暂不提供所选年限，请选择其他年限或机构。"}
	CodePriceInvalid = fault.Code{Name: "price_invalid", Kind: fault.Invalid,
		Text: "价格信息不正确，请核对年限与金额。"}
)

// Platform is a trading platform (交易平台) of the directory.
type Platform struct {
	// Code is a capital letter and ten digits, such as M1100000034 (docs/domain.md §1.1).
	Code string
	Name string
	// Region is the short name of a province or municipality, or 全国.
	Region string
	// Host is where its pages live; a port only in the sandbox.
	Host string
	// CallbackBase is the https address to which a transaction adds a path
	// (docs/domain.md §1.9); empty if it takes no callbacks.
	CallbackBase string
	// SignCertificate and EncCertificate are DER; empty while the platform stands
	// in the directory only and cannot use the interface.
	SignCertificate, EncCertificate []byte
	// Active: it may use the interface and be bought for now.
	Active bool
	// Sandbox platforms may be registered again, by http and on any host.
	Sandbox bool
	// AskCode: logins ask for the verification code (docs/domain.md §1.9), the default.
	AskCode bool
	// RegisteredAt is set by RegisterPlatform.
	RegisteredAt time.Time
}

// Institution is a CA that issues certificates (CA 机构).
type Institution struct {
	// Code is up to ten digits, such as 010001 (docs/domain.md §1.1).
	Code   string
	Name   string
	Active bool
}

// Kind is what is sold.
type Kind string

// The kinds of goods.
const (
	KindCertificate Kind = "certificate" // a certificate with its first platform
	KindRoaming     Kind = "roaming"     // one more platform (证书漫游)
)

// Price is one line of the price list.
type Price struct {
	Institution string
	Kind        Kind
	Years       int
	Fen         money.Fen
	// From is when it takes effect; it ends when the next one does.
	From time.Time
}

// MaxYears is the longest term (docs/domain.md §2.5).
const MaxYears = 3

// Filter chooses platforms.
type Filter struct {
	// Query is a part of the name; empty for all.
	Query string
	// Region is empty for all, or as Platform.Region; 北京市 is taken for 北京.
	Region string
	// Cursor is empty or the Next of the page before: the code of its last
	// platform. An unknown one begins nowhere: the page is empty.
	Cursor string
}

// Span is a part of the directory's order: ranks above After and up to, not
// including, Before.
type Span struct{ After, Before string }

// PageSize is the most platforms in one page.
const PageSize = 50

// Page is a part of the directory, by region, name and code.
type Page struct {
	Platforms []Platform
	// Next continues the list; empty at its end.
	Next string
}

// Store keeps the catalog. Absent rows are work.ErrNotFound.
type Store interface {
	// AddPlatform inserts; false if the code is taken. Rank orders the directory.
	AddPlatform(ctx context.Context, tx work.Tx, p Platform, rank string) (bool, error)
	PutPlatform(ctx context.Context, tx work.Tx, p Platform, rank string) error
	Platform(ctx context.Context, tx work.Tx, code string) (Platform, error)
	// Platforms gives up to n active platforms of a span whose name contains a
	// part, in the order of their ranks.
	Platforms(ctx context.Context, tx work.Tx, part string, s Span, n int) ([]Platform, error)
	// CountPlatforms counts the active platforms of each region that has any.
	CountPlatforms(ctx context.Context, tx work.Tx) (map[string]int, error)
	PutInstitution(ctx context.Context, tx work.Tx, i Institution) error
	Institution(ctx context.Context, tx work.Tx, code string) (Institution, error)
	Institutions(ctx context.Context, tx work.Tx) ([]Institution, error)
	PutPrice(ctx context.Context, tx work.Tx, p Price) error
	// Prices gives the lines of an institution that are in effect, by kind and years.
	Prices(ctx context.Context, tx work.Tx, institution string, at time.Time) ([]Price, error)

	// CountWish counts one wish of an account on a day and gives the count.
	CountWish(ctx context.Context, tx work.Tx, account string, day int64) (int, error)
	InsertWish(ctx context.Context, tx work.Tx, w Wish) error
	Wishes(ctx context.Context, tx work.Tx, before string, n int) ([]Wish, error)
}

// Deps are what the service needs.
type Deps struct {
	Store Store
	Clock clock.Clock
	// Rand makes the ids of wishes.
	Rand io.Reader
}

// Service is the catalog's rules over its store. Every method runs in the
// caller's transaction.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// regions are the provinces and municipalities of the directory, in the order of
// GB/T 2260, with 全国 for platforms of the whole country; each with the one
// character that stands for it.
var regions = []struct{ name, short string }{{"全国", "全"}, {"北京", "京"}, {"天津", "津"}, {"河北", "冀"}, {"山西", "晋"}, {"内蒙古", "蒙"},
	{"辽宁", "辽"}, {"吉林", "吉"}, {"黑龙江", "黑"}, {"上海", "沪"}, {"江苏", "苏"}, {"浙江", "浙"}, {"安徽", "皖"}, {"福建", "闽"}, {"江西", "赣"},
	{"山东", "鲁"}, {"河南", "豫"}, {"湖北", "鄂"}, {"湖南", "湘"}, {"广东", "粤"}, {"广西", "桂"}, {"海南", "琼"}, {"重庆", "渝"}, {"四川", "川"},
	{"贵州", "贵"}, {"云南", "云"}, {"西藏", "藏"}, {"陕西", "陕"}, {"甘肃", "甘"}, {"青海", "青"}, {"宁夏", "宁"}, {"新疆", "新"}, {"台湾", "台"},
	{"香港", "港"}, {"澳门", "澳"}}

// Region is a province or municipality of the directory.
type Region struct {
	Name string
	// Short is the one character that stands for it: 京.
	Short string
	// Platforms counts the active ones.
	Platforms int
}

// region finds the short name that a name begins with, and its place in the order.
func region(name string) (short string, place int, ok bool) {
	for i, r := range regions {
		if strings.HasPrefix(name, r.name) {
			return r.name, i, true
		}
	}
	return "", 0, false
}

// rank orders the directory by region, name and code; two digits stand for the
// region.
func rank(p Platform) string {
	_, i, _ := region(p.Region)
	return digits(i) + p.Name + " " + p.Code
}

func digits(place int) string { return string([]byte{'0' + byte(place/10), '0' + byte(place%10)}) }

// RegisterPlatform adds a platform to the directory. A code that is taken is
// CodePlatformExists, except that a sandbox platform replaces a sandbox platform.
func (s *Service) RegisterPlatform(ctx context.Context, tx work.Tx, p Platform) error {
	if err := check(&p); err != nil {
		return err
	}
	p.RegisteredAt = s.Clock.Now()
	added, err := s.Store.AddPlatform(ctx, tx, p, rank(p))
	if err != nil {
		return err
	}
	if !added {
		known, err := s.Store.Platform(ctx, tx, p.Code)
		if err != nil {
			return err
		}
		if !known.Sandbox || !p.Sandbox {
			return CodePlatformExists
		}
		if err := s.Store.PutPlatform(ctx, tx, p, rank(p)); err != nil {
			return err
		}
	}
	return tx.Record(ctx, work.Entry{Kind: "platform.registered", Actor: "system", Subject: p.Code})
}

func check(p *Platform) error {
	bad := func(why string) error { return CodePlatformInvalid.Becausef("platform %q: %s", p.Code, why) }
	if !ValidPlatformCode(p.Code) {
		return bad("the code is not a letter and ten digits")
	}
	p.Name = strings.TrimSpace(p.Name)
	if n := utf8.RuneCountInString(p.Name); n < 2 || n > 60 || !utf8.ValidString(p.Name) {
		return bad("the name is not 2 to 60 characters long")
	}
	short, _, ok := region(p.Region)
	if !ok {
		return bad("the region is not a province or municipality")
	}
	p.Region = short
	if host, err := url.Parse("//" + p.Host); err != nil || p.Host == "" || host.Host != p.Host || host.Port() != "" && !p.Sandbox {
		return bad("the host is not a host name")
	}
	if p.CallbackBase == "" {
		return nil
	}
	base, err := url.Parse(p.CallbackBase)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return bad("the callback address cannot be read")
	case base.Scheme != "https" && !(p.Sandbox && base.Scheme == "http"):
		return bad("the callback address is not https")
	}
	return nil
}

// ValidPlatformCode tells whether s is a capital letter and ten digits.
func ValidPlatformCode(s string) bool {
	return len(s) == 11 && s[0] >= 'A' && s[0] <= 'Z' && strings.Trim(s[1:], "0123456789") == ""
}

// Platform gives a platform, closed ones included: whoever sells for it or lets it
// act looks at Active. Refusal: CodePlatformUnknown.
func (s *Service) Platform(ctx context.Context, tx work.Tx, code string) (Platform, error) {
	p, err := s.Store.Platform(ctx, tx, code)
	if errors.Is(err, work.ErrNotFound) {
		return Platform{}, CodePlatformUnknown
	}
	return p, err
}

// Platforms gives a page of the active platforms. An unknown region has none.
func (s *Service) Platforms(ctx context.Context, tx work.Tx, f Filter) (Page, error) {
	span := Span{After: digits(0), Before: digits(len(regions))}
	if f.Region != "" {
		_, place, ok := region(f.Region)
		if !ok {
			return Page{}, nil
		}
		span = Span{After: digits(place), Before: digits(place + 1)}
	}
	if f.Cursor != "" {
		last, err := s.Store.Platform(ctx, tx, f.Cursor)
		if errors.Is(err, work.ErrNotFound) {
			return Page{}, nil
		}
		if err != nil {
			return Page{}, err
		}
		span.After = rank(last)
	}
	found, err := s.Store.Platforms(ctx, tx, strings.TrimSpace(f.Query), span, PageSize+1)
	p := Page{Platforms: found}
	if len(found) > PageSize {
		p.Platforms = found[:PageSize]
		p.Next = found[PageSize-1].Code
	}
	return p, err
}

// Regions gives the regions that have active platforms, in the directory's order.
func (s *Service) Regions(ctx context.Context, tx work.Tx) ([]Region, error) {
	count, err := s.Store.CountPlatforms(ctx, tx)
	var out []Region
	for _, r := range regions {
		if n := count[r.name]; n > 0 {
			out = append(out, Region{r.name, r.short, n})
		}
	}
	return out, err
}

// PutInstitution adds an institution or changes its name and state.
func (s *Service) PutInstitution(ctx context.Context, tx work.Tx, i Institution) error {
	if i.Name = strings.TrimSpace(i.Name); i.Name == "" || i.Code == "" || len(i.Code) > 10 || strings.Trim(i.Code, "0123456789") != "" {
		return CodeInstitutionInvalid
	}
	if err := s.Store.PutInstitution(ctx, tx, i); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "institution.put", Actor: "system", Subject: i.Code})
}

// Institution gives an institution, closed ones included; CodeInstitutionUnknown.
func (s *Service) Institution(ctx context.Context, tx work.Tx, code string) (Institution, error) {
	i, err := s.Store.Institution(ctx, tx, code)
	if errors.Is(err, work.ErrNotFound) {
		return Institution{}, CodeInstitutionUnknown
	}
	return i, err
}

// Institutions gives the active institutions by code.
func (s *Service) Institutions(ctx context.Context, tx work.Tx) ([]Institution, error) {
	all, err := s.Store.Institutions(ctx, tx)
	return slices.DeleteFunc(all, func(i Institution) bool { return !i.Active }), err
}

// SetPrice adds a line to the price list. A line for the same moment is replaced;
// a zero From is this moment; From in the past, which would change what was
// already sold, is CodePriceInvalid.
func (s *Service) SetPrice(ctx context.Context, tx work.Tx, p Price) error {
	now := s.Clock.Now()
	if p.From.IsZero() {
		p.From = now
	}
	known := p.Kind == KindCertificate || p.Kind == KindRoaming
	if !known || p.Years < 1 || p.Years > MaxYears || p.Fen <= 0 || p.From.Before(now) {
		return CodePriceInvalid
	}
	if _, err := s.Institution(ctx, tx, p.Institution); err != nil {
		return err
	}
	if err := s.Store.PutPrice(ctx, tx, p); err != nil {
		return err
	}
	return tx.Record(ctx, work.Entry{Kind: "price.set", Actor: "system", Subject: p.Institution})
}

// Prices gives an institution's price list as it stands at a time.
func (s *Service) Prices(ctx context.Context, tx work.Tx, institution string, at time.Time) ([]Price, error) {
	return s.Store.Prices(ctx, tx, institution, at)
}

// Price gives the price of a term of whole years at a time. Refusals:
// CodeInstitutionUnknown (also if it is closed), CodeNoPrice.
func (s *Service) Price(ctx context.Context, tx work.Tx, institution string, kind Kind, years int, at time.Time) (money.Fen, error) {
	i, err := s.Institution(ctx, tx, institution)
	if err != nil {
		return 0, err
	}
	if !i.Active {
		return 0, CodeInstitutionUnknown
	}
	list, err := s.Store.Prices(ctx, tx, institution, at)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if p.Kind == kind && p.Years == years {
			return p.Fen, nil
		}
	}
	return 0, CodeNoPrice
}
