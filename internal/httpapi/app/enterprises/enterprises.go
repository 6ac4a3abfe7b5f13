// Package enterprises are the app API's routes of enterprises (企业): how they are
// found and verified, who belongs to them, and who governs them (docs/enterprises.md,
// docs/members.md).
package enterprises

import (
	"tianweitong/internal/enterprise"
	"tianweitong/internal/flow/handover"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/verification"
)

// Service are the services behind the routes.
type Service struct {
	Enterprises *verification.Service
	Members     *enterprise.Members
	Handovers   *handover.Service

	server *app.Server
}

// Mount adds the routes to the app's API.
func (s *Service) Mount(to *app.Server) {
	s.server = to
	s.enterpriseRoutes()
	s.memberRoutes()
}
