package platformapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tianweitong/internal/certificate"
	"tianweitong/internal/work"
)

func (s *Server) directoryRoutes() {
	route(s, http.MethodGet, "/platform", http.StatusOK, "本平台的登记信息", s.self)
	route(s, http.MethodGet, "/certificates/{serial}", http.StatusOK, "按序列号查询证书与状态", s.certificate)
}

// entry is the calling platform's own entry in the directory.
type entry struct {
	Code         string `json:"code"`
	Name         string `json:"name"`
	Region       string `json:"region"`
	Host         string `json:"host"`
	CallbackBase string `json:"callbackBase"`
	AskCode      bool   `json:"askCode" doc:"登录默认要求验证数字"`
	Sandbox      bool   `json:"sandbox"`
}

type noInput struct{}

func (s *Server) self(_ context.Context, c Caller, _ *noInput) (*body[entry], error) {
	p := c.Platform
	return &body[entry]{entry{p.Code, p.Name, p.Region, p.Host, p.CallbackBase, p.AskCode, p.Sandbox}}, nil
}

type serialInput struct {
	Serial string `path:"serial" pattern:"^[0-9A-Fa-f]{1,40}$" doc:"证书序列号，十六进制"`
}

// leaf is a certificate ever issued here, and its state.
type leaf struct {
	DER       []byte    `json:"der"`
	State     string    `json:"state" enum:"valid,frozen,expired,replaced,revoked"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
}

func (s *Server) certificate(ctx context.Context, _ Caller, in *serialInput) (*body[leaf], error) {
	serial := strings.TrimLeft(strings.ToLower(in.Serial), "0")
	var l certificate.Leaf
	var c certificate.Certificate
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) (err error) {
		l, c, err = s.Certificates.BySerial(ctx, tx, serial)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := leaf{DER: l.DER, State: "valid"}
	switch {
	// A revocation meets the certificate in force: one that was replaced before
	// stays good in the CRL and with OCSP.
	case !l.ReplacedAt.IsZero() || c.State == certificate.Replaced:
		out.State = "replaced"
	case c.State == certificate.Revoked:
		out.State, out.RevokedAt = "revoked", c.RevokedAt
	case c.State == certificate.Expired:
		out.State = "expired"
	case c.State == certificate.Frozen:
		out.State = "frozen"
	}
	return &body[leaf]{out}, nil
}
