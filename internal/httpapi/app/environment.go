package app

import (
	"context"
	"net/http"

	"tianweitong/internal/account"
)

func (s *Server) environmentRoutes() {
	route(s, http.MethodGet, "/environment", Public, "环境、协议版本与服务器时间", func(context.Context, account.Caller, *Empty) (*Body[Environment], error) {
		e := s.Environment
		e.ServerTime = s.Clock.Now()
		return &Body[Environment]{e}, nil
	})
	route(s, http.MethodGet, "/module", Public, "当前密码模块公钥及其声明", func(ctx context.Context, _ account.Caller, _ *Empty) (*Body[Module], error) {
		m, err := s.Module(ctx)
		return &Body[Module]{m}, err
	})
}
