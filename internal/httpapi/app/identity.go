package app

import (
	"context"
	"net/http"
	"net/url"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"tianweitong/internal/account"
	"tianweitong/internal/enterprise"
	"tianweitong/internal/fault"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/work"
)

// Members tells what an account is to an enterprise; enterprise.Members does.
type Members interface {
	RoleOf(ctx context.Context, tx work.Tx, account, enterprise string) (enterprise.Role, bool, error)
}

// CodeEnterpriseLater: what is done with enterprise certificates alone.
var CodeEnterpriseLater = fault.Code{Name: "enterprise_later", Kind: fault.Conflict,
	Text: "企业证书办理即将开放，请先切换到个人身份办理。"}

// identityParameter documents the identity (身份) that a request is made under. It
// is covered by the device signature, as the whole URI is.
func identityParameter() *huma.Param {
	most := 40
	return &huma.Param{Name: "as", In: "query", Description: "以哪家企业的身份，企业编号；不填为个人身份",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}}
}

// personal matches what only a person can do until enterprise certificates come:
// buying, installing, revoking, checking, PIN, re-key and scanning. What stops
// something is never among it.
var personal = regexp.MustCompile(`^/app/v1/(orders(/.*)?|certificates/.*|pin/.*|recoveries(/[^/]*(/(face|proof))?)?|scans(/[^/]*/confirm)?)$`)

// identified puts the identity that a request names into its caller.
func (s *Server) identified(ctx context.Context, r *httpapi.Request, c account.Caller) (account.Caller, error) {
	u, err := url.ParseRequestURI(r.URI)
	if err != nil {
		return account.Caller{}, httpapi.CodeMalformed
	}
	as := u.Query()["as"]
	switch {
	case len(as) == 0:
		return c, nil
	case len(as) > 1:
		return account.Caller{}, httpapi.CodeMalformed
	}
	c, err = s.as(ctx, c, as[0])
	if err == nil && c.Enterprise != "" && r.Method != http.MethodGet && personal.MatchString(u.Path) {
		return account.Caller{}, CodeEnterpriseLater
	}
	return c, err
}

// as gives the caller under the identity of an enterprise, or of the person if it
// is empty; enterprise.CodeLost to who is no member now.
func (s *Server) as(ctx context.Context, c account.Caller, in string) (account.Caller, error) {
	c.Enterprise, c.Administrator = in, false
	if in == "" {
		return c, nil
	}
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		role, member, err := s.Members.RoleOf(ctx, tx, c.Account, in)
		if err == nil && !member {
			return enterprise.CodeLost
		}
		c.Administrator = role == enterprise.RoleAdministrator
		return err
	})
	if err != nil {
		return account.Caller{}, err
	}
	return c, nil
}
