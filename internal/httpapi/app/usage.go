package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/clock"
	"tianweitong/internal/fault"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

type usagesInput struct {
	Certificate string `query:"certificate" maxLength:"40" doc:"只看这张证书"`
	Platform    string `query:"platform" maxLength:"11" doc:"只看这个交易平台，平台编码"`
	Business    string `query:"business" maxLength:"20" doc:"只看这种业务：login、sign、install、revoke、check 等"`
	Outcome     string `query:"outcome" enum:"ok,cancelled,failed" doc:"只看这种结果"`
	From        string `query:"from" maxLength:"10" doc:"起始日期，含当日，如 2026-11-01"`
	To          string `query:"to" maxLength:"10" doc:"截止日期，含当日"`
	Query       string `query:"query" maxLength:"60" doc:"交易平台名称或操作人姓名的一部分"`
	Cursor      string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

// CodeDates: a date of the filter cannot be read, or they are the wrong way round.
var CodeDates = fault.Code{Name: "usage_dates_invalid", Kind: fault.Invalid, Text: "日期不正确，请重新选择起止日期。"}

// filter reads the search; the dates are calendar days in China.
func (in *usagesInput) filter() (usage.Filter, error) {
	f := usage.Filter{Certificate: in.Certificate, Platform: in.Platform, Business: in.Business, Result: usage.Result(in.Outcome),
		Query: strings.TrimSpace(in.Query)}
	for _, d := range []struct {
		text string
		to   *time.Time
		days int
	}{{in.From, &f.From, 0}, {in.To, &f.To, 1}} {
		if d.text == "" {
			continue
		}
		at, err := time.ParseInLocation(time.DateOnly, d.text, clock.China)
		if err != nil {
			return f, CodeDates.Because(err)
		}
		*d.to = at.AddDate(0, 0, d.days)
	}
	if !f.To.IsZero() && !f.From.Before(f.To) {
		return f, CodeDates
	}
	return f, nil
}

// UsageBody is one record of 使用记录 (M§2.9).
type UsageBody struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Platform     string    `json:"platform"`
	PlatformName string    `json:"platformName"`
	Business     string    `json:"business"`
	Title        string    `json:"title"`
	// Outcome is OK or the end result (docs/domain.md §1.9), Result the same in one
	// word.
	Outcome  string `json:"outcome"`
	Result   string `json:"result" enum:"ok,cancelled,failed"`
	Operator string `json:"operator" doc:"操作人"`
	// Certificate is the record and Serial the signing certificate's number;
	// absent if none was chosen.
	Certificate string `json:"certificate,omitempty"`
	Serial      string `json:"serial,omitempty"`
	// Digest is SM3 of what was signed.
	Digest []byte `json:"digest,omitempty"`
}

// ReceiptBody is a record with its receipt (操作凭证).
type ReceiptBody struct {
	UsageBody
	// Receipt is the number that people read out.
	Receipt string `json:"receipt" doc:"凭证编号"`
	// Institution issued the certificate.
	Institution     string     `json:"institution,omitempty"`
	InstitutionName string     `json:"institutionName,omitempty"`
	Origin          OriginBody `json:"origin"`
	Here            bool       `json:"here" doc:"在本机操作"`
	// Position is absent for about a second, until the entry is chained.
	Position int64  `json:"position,omitempty" doc:"存证位置：审计链中的序号"`
	Hash     []byte `json:"hash,omitempty" doc:"该序号处的链值，SM3"`
	Sound    bool   `json:"sound" doc:"记录与存证一致"`
}

// OriginBody is where the platform's page was open.
type OriginBody struct {
	Browser string `json:"browser,omitempty"`
	Region  string `json:"region,omitempty"`
	Network string `json:"network,omitempty"`
}

// UsagesBody is a page of records, newest first.
type UsagesBody struct {
	Records []UsageBody `json:"records"`
	Next    string      `json:"next,omitempty"`
}

const usagePage = 50

func (s *Server) usageRoutes() {
	route(s, http.MethodGet, "/usage", Session, "使用记录", func(ctx context.Context, c account.Caller, in *usagesInput) (*Body[UsagesBody], error) {
		f, err := in.filter()
		if err != nil {
			return nil, err
		}
		all, err := s.Usages.List(ctx, c.Scope(), f, usage.Page{After: in.Cursor, Limit: usagePage + 1})
		if err != nil {
			return nil, err
		}
		out := UsagesBody{Records: []UsageBody{}}
		for i, r := range all {
			if i == usagePage {
				out.Next = all[i-1].ID
				break
			}
			out.Records = append(out.Records, usageBody(r))
		}
		return &Body[UsagesBody]{out}, nil
	})
	route(s, http.MethodGet, "/usage/{id}", Session, "使用记录：详情与凭证", s.receipt)
}

func (s *Server) receipt(ctx context.Context, c account.Caller, in *idInput) (*Body[ReceiptBody], error) {
	r, err := s.Usages.Get(ctx, c.Scope(), in.ID)
	if err != nil {
		return nil, err
	}
	out := ReceiptBody{UsageBody: usageBody(r.Record), Receipt: r.Number(), Origin: OriginBody(r.Origin), Here: r.Device == c.Device,
		Position: r.Position, Hash: r.Hash, Sound: r.Sound}
	if r.Certificate == "" {
		return &Body[ReceiptBody]{out}, nil
	}
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		held, err := s.Certificates.Find(ctx, tx, r.Certificate)
		if err != nil {
			return err
		}
		i, err := s.Catalog.Institution(ctx, tx, held.Institution)
		out.Institution, out.InstitutionName = held.Institution, i.Name
		return err
	})
	return &Body[ReceiptBody]{out}, err
}

func usageBody(r usage.Record) UsageBody {
	return UsageBody{
		ID: r.ID, At: r.At, Platform: r.Platform, PlatformName: r.PlatformName, Business: r.Business, Title: r.Title, Outcome: r.Outcome,
		Result: string(r.Result()), Operator: r.Operator, Certificate: r.Certificate, Serial: r.Serial, Digest: r.Digest,
	}
}
