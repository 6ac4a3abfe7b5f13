package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
	"tianweitong/internal/flow/standing"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

type platformsInput struct {
	Query  string `query:"query" maxLength:"60" doc:"平台名称的一部分"`
	Region string `query:"region" maxLength:"20" doc:"省份或直辖市"`
	Cursor string `query:"cursor" maxLength:"20" doc:"上一页的 next"`
}

// PlatformBody is a trading platform of the directory.
type PlatformBody struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	Region string `json:"region"`
	Host   string `json:"host"`
	Active bool   `json:"active"`
	// Mine is how the caller stands there.
	Mine StandingBody `json:"mine"`
}

// StandingBody is how an account stands on a platform.
type StandingBody struct {
	State        string    `json:"state" enum:"usable,expiring,key_lost,to_install,to_pay,expired,not_roamed,none"`
	Certificates int       `json:"certificates" doc:"该状态所指的证书（to_pay 为订单）数量"`
	Until        time.Time `json:"until,omitzero"`
}

// PlatformDetailBody is a platform with what the caller has for it.
type PlatformDetailBody struct {
	PlatformBody
	Certificates []PlatformCertificateBody `json:"certificates"`
}

// PlatformCertificateBody is a certificate on a platform, or an order that will
// buy one.
type PlatformCertificateBody struct {
	ID              string `json:"id,omitempty" doc:"证书；state 为 to_pay 时没有"`
	Order           string `json:"order,omitempty" doc:"待支付订单，仅 to_pay"`
	Kind            string `json:"kind" enum:"person,enterprise"`
	Institution     string `json:"institution"`
	InstitutionName string `json:"institutionName"`
	Years           int    `json:"years"`
	SerialTail      string `json:"serialTail,omitempty" doc:"签名证书序列号末四位"`
	State           string `json:"state" enum:"usable,expiring,key_lost,to_install,to_pay,expired,not_roamed"`
	Roaming         string `json:"roaming" enum:"none,opening,open,expired,cancelled"`
	// Until is the end of its use there, or of the time to pay.
	Until  time.Time `json:"until,omitzero"`
	Action string    `json:"action,omitempty" enum:"scan,install,pay,recover" doc:"下一步；没有则不显示按钮"`
}

func platformBody(p catalog.Platform, o standing.Owned) PlatformBody {
	mine := o.On(p.Code)
	return PlatformBody{Code: p.Code, Name: p.Name, Region: p.Region, Host: p.Host, Active: p.Active,
		Mine: StandingBody{State: string(mine.State), Certificates: mine.Certificates, Until: mine.Until}}
}

func (s *Server) platformDetail(ctx context.Context, c account.Caller, in *platformInput) (*Body[PlatformDetailBody], error) {
	out := PlatformDetailBody{Certificates: []PlatformCertificateBody{}}
	var entries []standing.Entry
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		p, err := s.Catalog.Platform(ctx, tx, in.Code)
		if err != nil {
			return err
		}
		owned, err := s.Standings.Of(ctx, tx, c.Scope())
		out.PlatformBody, entries = platformBody(p, owned), owned.Entries(p.Code)
		return err
	})
	if err != nil {
		return nil, err
	}
	var institutions []string
	for _, e := range entries {
		b := PlatformCertificateBody{ID: e.Certificate.ID, Kind: string(e.Certificate.Holder.Kind), Institution: e.Certificate.Institution,
			Years: e.Certificate.Years, State: string(e.State), Roaming: string(e.Roaming.State), Until: e.Until, Action: string(e.Action)}
		if e.State == standing.ToPay {
			b.Order, b.Kind, b.Institution, b.Years, b.Roaming = e.Order.ID, string(e.Order.Buyer.Kind), e.Line.Institution, e.Line.Years, string(roaming.None)
		}
		if serial := e.Certificate.SignSerial; serial != "" {
			b.SerialTail = strings.ToUpper(serial[max(0, len(serial)-4):])
		}
		out.Certificates, institutions = append(out.Certificates, b), append(institutions, b.Institution)
	}
	n, err := s.names(ctx, nil, institutions)
	for i, b := range out.Certificates {
		out.Certificates[i].InstitutionName = n.institutions[b.Institution]
	}
	return &Body[PlatformDetailBody]{out}, err
}

// RegionsBody lists the provinces and municipalities that have platforms.
type RegionsBody struct {
	Regions []RegionBody `json:"regions"`
}

// RegionBody is a province or municipality.
type RegionBody struct {
	Name      string `json:"name"`
	Short     string `json:"short" doc:"一字简称，用于索引"`
	Platforms int    `json:"platforms"`
}

type wishInput struct {
	Body struct {
		Name    string `json:"name" maxLength:"200" doc:"平台名称，2 至 60 个字"`
		Region  string `json:"region,omitempty" maxLength:"20" doc:"省份或直辖市"`
		Address string `json:"address,omitempty" maxLength:"200" doc:"网址"`
		Note    string `json:"note,omitempty" maxLength:"600" doc:"补充说明，最多 300 个字"`
	}
}

// WishBody is the thanks for a wish.
type WishBody struct {
	Text string `json:"text"`
}

// PlatformsBody is a page of the directory, by region and name.
type PlatformsBody struct {
	Platforms []PlatformBody `json:"platforms"`
	Next      string         `json:"next,omitempty"`
}

type platformInput struct {
	Code string `path:"code" maxLength:"20"`
}

type institutionsInput struct {
	Platform string `query:"platform" maxLength:"20" doc:"交易平台编码"`
}

// InstitutionBody is a CA with its price list.
type InstitutionBody struct {
	Code   string      `json:"code"`
	Name   string      `json:"name"`
	Prices []PriceBody `json:"prices"`
}

// PriceBody is one line of a price list.
type PriceBody struct {
	Kind  string `json:"kind" enum:"certificate,roaming"`
	Years int    `json:"years"`
	Fen   int64  `json:"fen" doc:"金额，单位分"`
}

// InstitutionsBody lists the CAs to choose from.
type InstitutionsBody struct {
	Institutions []InstitutionBody `json:"institutions"`
}

func (s *Server) catalogRoutes() {
	route(s, http.MethodGet, "/platforms", Session, "交易平台目录", func(ctx context.Context, c account.Caller, in *platformsInput) (*Body[PlatformsBody], error) {
		out := PlatformsBody{Platforms: []PlatformBody{}}
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			owned, err := s.Standings.Of(ctx, tx, c.Scope())
			if err != nil {
				return err
			}
			page, err := s.Catalog.Platforms(ctx, tx, catalog.Filter{Query: in.Query, Region: in.Region, Cursor: in.Cursor})
			for _, p := range page.Platforms {
				out.Platforms = append(out.Platforms, platformBody(p, owned))
			}
			out.Next = page.Next
			return err
		})
		return &Body[PlatformsBody]{out}, err
	})
	route(s, http.MethodGet, "/platforms/{code}", Session, "交易平台与我在该平台的证书", s.platformDetail)
	route(s, http.MethodGet, "/regions", Session, "有交易平台的省份与直辖市", func(ctx context.Context, _ account.Caller, _ *Empty) (*Body[RegionsBody], error) {
		out := RegionsBody{Regions: []RegionBody{}}
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			all, err := s.Catalog.Regions(ctx, tx)
			for _, r := range all {
				out.Regions = append(out.Regions, RegionBody(r))
			}
			return err
		})
		return &Body[RegionsBody]{out}, err
	})
	route(s, http.MethodPost, "/wishes", Session, "没有找到平台？提交希望加入的平台", func(ctx context.Context, c account.Caller, in *wishInput) (*Body[WishBody], error) {
		b := in.Body
		err := s.Runner.Do(ctx, "catalog.wish", func(ctx context.Context, tx work.Tx) error {
			return s.Catalog.Wish(ctx, tx, catalog.Wish{Account: c.Account, Name: b.Name, Region: b.Region, Address: b.Address, Note: b.Note})
		})
		return &Body[WishBody]{WishBody{"感谢您的反馈！我们会联系该平台加入互认目录，加入后即可在此找到。"}}, err
	})
	// Every institution serves every platform of the directory for now; the
	// platform is checked, so that an app does not ask for one that is gone.
	route(s, http.MethodGet, "/institutions", Session, "可选的 CA 机构与价格", func(ctx context.Context, _ account.Caller, in *institutionsInput) (*Body[InstitutionsBody], error) {
		out := InstitutionsBody{Institutions: []InstitutionBody{}}
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			if in.Platform != "" {
				if _, err := s.Catalog.Platform(ctx, tx, in.Platform); err != nil {
					return err
				}
			}
			all, err := s.Catalog.Institutions(ctx, tx)
			if err != nil {
				return err
			}
			for _, i := range all {
				b := InstitutionBody{Code: i.Code, Name: i.Name, Prices: []PriceBody{}}
				prices, err := s.Catalog.Prices(ctx, tx, i.Code, s.Clock.Now())
				if err != nil {
					return err
				}
				for _, p := range prices {
					b.Prices = append(b.Prices, PriceBody{Kind: string(p.Kind), Years: p.Years, Fen: int64(p.Fen)})
				}
				out.Institutions = append(out.Institutions, b)
			}
			return nil
		})
		return &Body[InstitutionsBody]{out}, err
	})
}
