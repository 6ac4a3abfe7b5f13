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
	// Cursor is empty or the Next of the page before.
	Cursor string
}

// PageSize is the most platforms in one page.
const PageSize = 50

// Page is a part of the directory, by region and code.
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
	// Platforms gives active platforms after a rank whose name contains a part.
	Platforms(ctx context.Context, tx work.Tx, part, region, after string, n int) ([]Platform, error)
	PutInstitution(ctx context.Context, tx work.Tx, i Institution) error
	Institution(ctx context.Context, tx work.Tx, code string) (Institution, error)
	Institutions(ctx context.Context, tx work.Tx) ([]Institution, error)
	PutPrice(ctx context.Context, tx work.Tx, p Price) error
	// Prices gives the lines of an institution that are in effect, by kind and years.
	Prices(ctx context.Context, tx work.Tx, institution string, at time.Time) ([]Price, error)
}

// Deps are what the service needs.
type Deps struct {
	Store Store
	Clock clock.Clock
}

// Service is the catalog's rules over its store. Every method runs in the
// caller's transaction.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// regions are the provinces and municipalities of the directory, in the order of
// GB/T 2260, with 全国 for platforms of the whole country.
var regions = []string{"全国", "北京", "天津", "河北", "山西", "内蒙古", "辽宁", "吉林", "黑龙江", "上海", "江苏", "浙江", "安徽", "福建",
	"江西", "山东", "河南", "湖北", "湖南", "广东", "广西", "海南", "重庆", "四川", "贵州", "云南", "西藏", "陕西", "甘肃", "青海",
	"宁夏", "新疆", "台湾", "香港", "澳门"}

// region finds the short name that a name begins with, and its place in the order.
func region(name string) (short string, place int, ok bool) {
	for i, r := range regions {
		if strings.HasPrefix(name, r) {
			return r, i, true
		}
	}
	return "", 0, false
}

// rank orders the directory by region, then code; two bytes stand for the region.
func rank(p Platform) string {
	_, i, _ := region(p.Region)
	return string([]byte{'0' + byte(i/10), '0' + byte(i%10)}) + p.Code
}

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
	var short string
	if f.Region != "" {
		var ok bool
		if short, _, ok = region(f.Region); !ok {
			return Page{}, nil
		}
	}
	found, err := s.Store.Platforms(ctx, tx, strings.TrimSpace(f.Query), short, f.Cursor, PageSize+1)
	p := Page{Platforms: found}
	if len(found) > PageSize {
		p.Platforms = found[:PageSize]
		p.Next = rank(found[PageSize-1])
	}
	return p, err
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
