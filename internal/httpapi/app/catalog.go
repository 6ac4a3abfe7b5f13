package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
	"tianweitong/internal/catalog"
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
}

func platformBody(p catalog.Platform) PlatformBody {
	return PlatformBody{Code: p.Code, Name: p.Name, Region: p.Region, Host: p.Host, Active: p.Active}
}

// PlatformsBody is a page of the directory.
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
	route(s, http.MethodGet, "/platforms", Session, "交易平台目录", func(ctx context.Context, _ account.Caller, in *platformsInput) (*Body[PlatformsBody], error) {
		out := PlatformsBody{Platforms: []PlatformBody{}}
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
			page, err := s.Catalog.Platforms(ctx, tx, catalog.Filter{Query: in.Query, Region: in.Region, Cursor: in.Cursor})
			for _, p := range page.Platforms {
				out.Platforms = append(out.Platforms, platformBody(p))
			}
			out.Next = page.Next
			return err
		})
		return &Body[PlatformsBody]{out}, err
	})
	route(s, http.MethodGet, "/platforms/{code}", Session, "交易平台", func(ctx context.Context, _ account.Caller, in *platformInput) (*Body[PlatformBody], error) {
		var p catalog.Platform
		err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
			p, err = s.Catalog.Platform(ctx, tx, in.Code)
			return err
		})
		return &Body[PlatformBody]{platformBody(p)}, err
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
