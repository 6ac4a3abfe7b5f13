package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/account"
	"tianweitong/internal/certificate"
	"tianweitong/internal/realname"
	"tianweitong/internal/roaming"
	"tianweitong/internal/work"
)

type certificatesInput struct {
	State  string `query:"state" enum:"pending,valid,key_lost,frozen,expired,revoked,replaced,cancelled" doc:"按状态筛选"`
	Query  string `query:"query" maxLength:"60" doc:"持有人姓名或平台名称的一部分"`
	Cursor string `query:"cursor" maxLength:"40" doc:"上一页的 next"`
}

type certificatePath struct {
	ID string `path:"id" maxLength:"40"`
}

// CertificateBody is a certificate record as its holder sees it.
type CertificateBody struct {
	ID              string `json:"id"`
	State           string `json:"state" enum:"pending,valid,key_lost,frozen,expired,revoked,replaced,cancelled"`
	Kind            string `json:"kind" enum:"person,enterprise"`
	Institution     string `json:"institution"`
	InstitutionName string `json:"institutionName"`
	Years           int    `json:"years"`
	// Platform is the one chosen at purchase.
	Platform     string    `json:"platform"`
	PlatformName string    `json:"platformName"`
	Order        string    `json:"order"`
	SignSerial   string    `json:"signSerial,omitempty" doc:"签名证书序列号，十六进制"`
	EncSerial    string    `json:"encSerial,omitempty" doc:"加密证书序列号，十六进制"`
	NotBefore    time.Time `json:"notBefore,omitzero"`
	NotAfter     time.Time `json:"notAfter,omitzero"`
	CreatedAt    time.Time `json:"createdAt"`
	InstalledAt  time.Time `json:"installedAt,omitzero"`
	RevokedAt    time.Time `json:"revokedAt,omitzero"`
	Reason       string    `json:"reason,omitempty" doc:"冻结或吊销的原因"`
	// Roamings and Certificates are in the detail only.
	Roamings     []RoamingBody `json:"platforms,omitempty" doc:"授权交易平台"`
	Certificates []LeafBody    `json:"certificates,omitempty" doc:"历次签发的证书"`
}

// RoamingBody is one platform on which a certificate may be used.
type RoamingBody struct {
	Platform string    `json:"platform"`
	Name     string    `json:"name"`
	State    string    `json:"state" enum:"opening,open,expired,cancelled"`
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
}

// LeafBody is one X.509 certificate.
type LeafBody struct {
	Serial      string    `json:"serial"`
	Use         string    `json:"use" enum:"sign,encrypt"`
	DER         []byte    `json:"der"`
	InstalledAt time.Time `json:"installedAt"`
	ReplacedAt  time.Time `json:"replacedAt,omitzero"`
}

// CertificatesBody is a page of certificates, newest first.
type CertificatesBody struct {
	Certificates []CertificateBody `json:"certificates"`
	Next         string            `json:"next,omitempty"`
}

// CertificateCountsBody counts certificates for the chips of the list.
type CertificateCountsBody struct {
	Total int `json:"total"`
	// Counts is by state; states that nothing is in are absent.
	Counts map[string]int `json:"counts"`
}

func (s *Server) certificateRoutes() {
	route(s, http.MethodGet, "/certificates", Session, "证书列表", func(ctx context.Context, c account.Caller, in *certificatesInput) (*Body[CertificatesBody], error) {
		f, err := s.certificateFilter(ctx, c, in)
		if err != nil {
			return nil, err
		}
		page, err := s.Certificates.List(ctx, c.Scope(), f, in.Cursor)
		if err != nil {
			return nil, err
		}
		bodies, err := s.certificateBodies(ctx, page.Certificates)
		return &Body[CertificatesBody]{CertificatesBody{bodies, page.Next}}, err
	})
	route(s, http.MethodGet, "/certificates/counts", Session, "证书数量，按状态", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[CertificateCountsBody], error) {
		counts, err := s.Certificates.Counts(ctx, c.Scope())
		out := CertificateCountsBody{Counts: map[string]int{}}
		for state, n := range counts {
			out.Counts[string(state)] = n
			out.Total += n
		}
		return &Body[CertificateCountsBody]{out}, err
	})
	route(s, http.MethodGet, "/certificates/{id}", Session, "证书详情", func(ctx context.Context, c account.Caller, in *certificatePath) (*Body[CertificateBody], error) {
		return s.certificateOf(ctx, c, in.ID)
	})
}

// certificateFilter reads the search: a part of the holder's own name finds all
// of a person's certificates, anything else is looked for among the platforms.
func (s *Server) certificateFilter(ctx context.Context, c account.Caller, in *certificatesInput) (certificate.Filter, error) {
	f := certificate.Filter{State: certificate.State(in.State), Platform: strings.TrimSpace(in.Query)}
	if f.Platform == "" || c.Enterprise != "" {
		return f, nil
	}
	var p realname.Person
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		p, err = s.Realnames.Person(ctx, tx, c.Account)
		return err
	})
	if errors.Is(err, realname.CodeNotVerified) {
		return f, nil
	}
	if strings.Contains(p.Name, f.Platform) {
		f.Platform = ""
	}
	return f, err
}

func (s *Server) certificateOf(ctx context.Context, c account.Caller, id string) (*Body[CertificateBody], error) {
	var held certificate.Certificate
	var roamings []roaming.Roaming
	var leaves []certificate.Leaf
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		if held, err = s.Certificates.Show(ctx, tx, c.Scope(), id); err != nil {
			return err
		}
		if roamings, err = s.Roamings.Of(ctx, tx, id); err != nil {
			return err
		}
		leaves, err = s.Certificates.Leaves(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	bodies, err := s.certificateBodies(ctx, []certificate.Certificate{held})
	if err != nil {
		return nil, err
	}
	out := bodies[0]
	var codes []string
	for _, r := range roamings {
		codes = append(codes, r.Platform)
	}
	n, err := s.names(ctx, codes, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range roamings {
		out.Roamings = append(out.Roamings, RoamingBody{Platform: r.Platform, Name: n.platforms[r.Platform], State: string(r.State), Start: r.Start, End: r.End})
	}
	for _, l := range leaves {
		out.Certificates = append(out.Certificates, LeafBody{Serial: l.Serial, Use: string(l.Use), DER: l.DER, InstalledAt: l.InstalledAt, ReplacedAt: l.ReplacedAt})
	}
	return &Body[CertificateBody]{out}, nil
}

func (s *Server) certificateBodies(ctx context.Context, all []certificate.Certificate) ([]CertificateBody, error) {
	var platforms, institutions []string
	for _, c := range all {
		platforms, institutions = append(platforms, c.Platform), append(institutions, c.Institution)
	}
	n, err := s.names(ctx, platforms, institutions)
	if err != nil {
		return nil, err
	}
	out := make([]CertificateBody, len(all))
	for i, c := range all {
		out[i] = CertificateBody{
			ID: c.ID, State: string(c.State), Kind: string(c.Holder.Kind), Institution: c.Institution, InstitutionName: n.institutions[c.Institution],
			Years: c.Years, Platform: c.Platform, PlatformName: n.platforms[c.Platform], Order: c.Order, SignSerial: c.SignSerial, EncSerial: c.EncSerial,
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, CreatedAt: c.CreatedAt, InstalledAt: c.InstalledAt, RevokedAt: c.RevokedAt, Reason: c.Reason,
		}
	}
	return out, nil
}
