package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
	"tianweitong/internal/httpapi"
	"tianweitong/internal/scan"
)

type scanInput struct {
	Body struct {
		QR string `json:"qr" maxLength:"512" doc:"二维码中的文字"`
	}
}

type scanPath struct {
	ID string `path:"id" maxLength:"64"`
}

type confirmInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Certificate string `json:"certificate" maxLength:"40" doc:"选用的证书"`
		Code        string `json:"code,omitempty" maxLength:"8" doc:"电脑页面上的四位验证数字，askCode 时必填"`
	}
}

// OpenScanBody is the scan that this phone has under way, if any.
type OpenScanBody struct {
	Scan *scan.Scan `json:"scan,omitempty"`
}

// scanRoutes are the phone's side of 扫码应用 (M§2.8).
func (s *Server) scanRoutes() {
	route(s, http.MethodPost, "/scans", Session, "扫一扫", func(ctx context.Context, c account.Caller, in *scanInput) (*Body[scan.Scan], error) {
		out, err := s.Scans.Scan(ctx, holder(c), in.Body.QR, httpapi.RequestOf(ctx).Address)
		return &Body[scan.Scan]{out}, err
	})
	route(s, http.MethodGet, "/scans/open", Session, "扫码业务：本机已扫、尚未结束的一笔", func(ctx context.Context, c account.Caller, _ *Empty) (*Body[OpenScanBody], error) {
		out, found, err := s.Scans.Open(ctx, holder(c))
		if err != nil || !found {
			return &Body[OpenScanBody]{}, err
		}
		return &Body[OpenScanBody]{OpenScanBody{&out}}, nil
	})
	route(s, http.MethodGet, "/scans/{id}", Session, "扫码业务：查看", func(ctx context.Context, c account.Caller, in *scanPath) (*Body[scan.Scan], error) {
		out, err := s.Scans.Get(ctx, holder(c), in.ID)
		return &Body[scan.Scan]{out}, err
	})
	route(s, http.MethodPost, "/scans/{id}/confirm", Session, "扫码业务：选用证书并确认，随后输入 PIN 码", func(ctx context.Context, c account.Caller, in *confirmInput) (*Body[scan.Scan], error) {
		out, err := s.Scans.Confirm(ctx, holder(c), in.ID, in.Body.Certificate, in.Body.Code)
		return &Body[scan.Scan]{out}, err
	})
	route(s, http.MethodPost, "/scans/{id}/reject", Session, "扫码业务：拒绝", func(ctx context.Context, c account.Caller, in *scanPath) (*Empty, error) {
		return &Empty{}, s.Scans.Reject(ctx, holder(c), in.ID)
	})
}
